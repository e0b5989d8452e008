/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is this answer the one that its question deserves? rec_answer_match makes it anew and compares.
 * The same names are asked again and again, so an answer that was found right is kept with its
 * full TTL: one with the same bytes, but for its ID and TTLs that aren't above, is right too. A
 * question is kept when it comes a second time, so that names that come once cost nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "inner.h"

enum { SLOTS = 4096, RIGHT_BYTES = 216, RIGHT_RECORDS = 8, TTL_AT = 4 };

struct right {
	uint64_t question;              /* 0: none */
	uint32_t ttl;                   /* as made, the same of all records */
	uint16_t len, record_n;
	uint16_t ttl_at[RIGHT_RECORDS]; /* in m */
	uint8_t m[RIGHT_BYTES];
};

struct oracle {
	uint64_t *seen;                 /* SLOTS each, from the first answer on */
	struct right *right;
	bool resolved;
};

struct oracle *oracle_new(bool resolved)
{
	struct oracle *o = zeroed(1, sizeof(*o));

	o->resolved = resolved;
	return o;
}

void oracle_free(struct oracle *take_o)
{
	if (take_o == NULL)
		return;
	free(take_o->seen);
	free(take_o->right);
	free(take_o);
}

/* Where the TTLs are, OPT's apart. False when there are too many. */
static bool find_ttls(struct right *r, const struct judge_message *m)
{
	unsigned n = (unsigned)dns_ancount(m->m) + dns_nscount(m->m) + dns_arcount(m->m);
	size_t at = m->q.end;
	struct dns_rr rr;

	r->record_n = 0;
	for (unsigned i = 0; i < n; i++, at = rr.end) {
		if (dns_rr(&rr, m->m, m->len, at) < 0 || r->record_n == RIGHT_RECORDS)
			return false;
		if (rr.type != DNS_OPT)
			r->ttl_at[r->record_n++] = (uint16_t)(rr.rdata - 10 + TTL_AT);
	}
	return true;
}

/* The TTL of the records that the question deserves. */
static bool made_ttl(struct right *r, const struct judge_message *m)
{
	uint8_t made[REC_ANSWER_MAX];
	int n = rec_answer(made, sizeof(made), m->m, m->q.end, &m->q, UINT32_MAX);
	struct dns_rr rr;

	if (n < 0 || dns_rr(&rr, made, (size_t)n, m->q.end) < 0)
		return false;
	r->ttl = rr.ttl;
	return true;
}

static void remember(struct right *r, const struct judge_message *m)
{
	bool denies = (dns_flags(m->m) & DNS_RCODE) == DNS_NXDOMAIN; /* perhaps of another type */

	r->question = 0;
	if (m->len > RIGHT_BYTES || denies || !find_ttls(r, m) || !made_ttl(r, m))
		return;
	r->question = m->question;
	r->len = (uint16_t)m->len;
	memcpy(r->m, m->m, m->len);
}

/* memcmp for a few bytes, in line. */
static bool differ(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint64_t x, y, all = 0;

	for (; n >= 8; a += 8, b += 8, n -= 8) {
		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		all |= x ^ y;
	}
	for (; n > 0; n--)
		all |= (uint64_t)(*a++ ^ *b++);
	return all != 0;
}

static bool same(const struct right *r, const uint8_t *m)
{
	size_t from = 2; /* behind the ID */

	for (unsigned i = 0; i < r->record_n; i++) {
		size_t at = r->ttl_at[i];
		if (differ(m + from, r->m + from, at - from) || dns_get32(m + at) > r->ttl)
			return false;
		from = at + 4;
	}
	return !differ(m + from, r->m + from, r->len - from);
}

enum rec_match oracle_match(struct oracle *o, const struct judge_message *m)
{
	unsigned slot = (unsigned)(m->question >> 40) % SLOTS;

	if (o->right == NULL) {
		o->right = zeroed(SLOTS, sizeof(*o->right));
		o->seen = zeroed(SLOTS, sizeof(*o->seen));
	}
	struct right *r = &o->right[slot];

	if (r->question != m->question && o->right[slot ^ 1].question == m->question)
		r = &o->right[slot ^ 1];
	if (r->question == m->question && r->len == m->len && same(r, m->m))
		return REC_RIGHT;
	enum rec_match match = o->resolved ? rec_answer_match_resolved(m->m, m->len)
	                                   : rec_answer_match(m->m, m->len);
	if (r->question != m->question && r->question != 0 && o->right[slot ^ 1].question == 0)
		r = &o->right[slot ^ 1];
	if (match != REC_RIGHT)
		return match;
	if (o->seen[slot] == m->question)
		remember(r, m);
	o->seen[slot] = m->question;
	return match;
}
