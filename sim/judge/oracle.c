/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is this answer the one that its question deserves? rec_book_match makes it anew and compares.
 * The same names are asked again and again, so an answer that was found right is kept with its
 * full TTL: one with the same bytes, but for its ID and TTLs that aren't above, is right too. A
 * question is kept when it comes a second time, so that names that come once cost nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ldns/ldns.h>

#include "inner.h"

enum { SLOTS = 4096, RIGHT_BYTES = 216, RIGHT_RECORDS = 8, TTL_AT = 4 };

struct right {
	uint64_t question;              /* 0: none */
	uint16_t len, record_n;
	uint16_t ttl_at[RIGHT_RECORDS]; /* in m */
	uint32_t ttl[RIGHT_RECORDS];    /* as made */
	uint8_t m[RIGHT_BYTES];
};

struct oracle {
	uint64_t *seen;                 /* SLOTS each, from the first answer on */
	struct right *right;
	bool resolved;
	const struct rec_book *book;
	struct captured captured;
};

struct oracle *oracle_new(bool resolved, const struct rec_book *book)
{
	struct oracle *o = zeroed(1, sizeof(*o));

	o->resolved = resolved;
	o->book = book;
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

/* The TTLs of the records that the question deserves; made ones have the same all. */
static bool made_ttls(struct right *r, const struct rec_book *book, const struct judge_message *m)
{
	uint8_t made[REC_ANSWER_MAX];
	int n = rec_book_answer(book, made, sizeof(made), m->m, m->len, &m->q, UINT32_MAX);
	size_t at = m->q.end;
	struct dns_rr rr;

	for (unsigned i = 0; i < r->record_n; at = rr.end) {
		if (n < 0 || dns_rr(&rr, made, (size_t)n, at) < 0)
			return false;
		if (rr.type != DNS_OPT)
			r->ttl[i++] = rr.ttl;
	}
	return true;
}

static void remember(struct right *r, const struct rec_book *book, const struct judge_message *m)
{
	bool denies = (dns_flags(m->m) & DNS_RCODE) == DNS_NXDOMAIN; /* perhaps of another type */

	r->question = 0;
	if (m->len > RIGHT_BYTES || denies || !find_ttls(r, m) || !made_ttls(r, book, m))
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
		if (differ(m + from, r->m + from, at - from) || dns_get32(m + at) > r->ttl[i])
			return false;
		from = at + 4;
	}
	return !differ(m + from, r->m + from, r->len - from);
}

/* Counts whether the question was captured. */
static void count_captured(struct oracle *o, const struct judge_message *m)
{
	struct dns_edns e;

	if (dns_edns(&e, m->m, m->len, m->q.end) == 0 &&
	    rec_book_find(o->book, m->m, &m->q, &e) != NULL) {
		o->captured.captured++;
		return;
	}
	if (o->captured.made++ > 0)
		return;
	char *type = ldns_rr_type2str((ldns_rr_type)m->q.type);
	size_t n = dns_name_format(m->m + DNS_HEADER, m->q.name_len, o->captured.first_made);
	snprintf(o->captured.first_made + n, 16, " %s", type != NULL ? type : "?");
	free(type);
}

void oracle_captured(const struct oracle *o, struct captured *sum)
{
	if (sum->made == 0)
		memcpy(sum->first_made, o->captured.first_made, sizeof(sum->first_made));
	sum->captured += o->captured.captured;
	sum->made += o->captured.made;
}

enum rec_match oracle_match(struct oracle *o, const struct judge_message *m)
{
	unsigned slot = (unsigned)(m->question >> 40) % SLOTS;

	if (o->book != NULL)
		count_captured(o, m);
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
	                                   : rec_book_match(o->book, m->m, m->len);
	if (r->question != m->question && r->question != 0 && o->right[slot ^ 1].question == 0)
		r = &o->right[slot ^ 1];
	if (match != REC_RIGHT)
		return match;
	if (o->seen[slot] == m->question)
		remember(r, o->book, m);
	o->seen[slot] = m->question;
	return match;
}

const char *oracle_wrong(enum rec_match m)
{
	switch (m) {
	case REC_WRONG_RCODE:
		return "answer with the wrong rcode";
	case REC_WRONG_DATA:
		return "answer with wrong data";
	case REC_BROKEN:
		return "answer that is no DNS answer";
	case REC_RIGHT:
	case REC_TRUNCATED:
	case REC_ERROR:
		break;
	}
	return NULL;
}
