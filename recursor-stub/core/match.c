/* SPDX-License-Identifier: BSD-3-Clause */
/* Is an answer the one that its question deserves? See answer.h and book.h. */
#include <string.h>

#include "book.h"

enum { FLAGS_COMPARED = DNS_AA | DNS_RA | DNS_AD, WAITED = 2 /* seconds */ };

/* Reads the record at *at, an OPT passed over. False when there is none or it is broken. */
static bool next_rr(struct dns_rr *rr, const uint8_t *m, size_t len, size_t *at, unsigned *left)
{
	while (*left > 0) {
		if (dns_rr(rr, m, len, *at) < 0)
			return false;
		(*left)--;
		*at = rr->end;
		if (rr->type != DNS_OPT)
			return true;
	}
	return false;
}

static bool same_rr(const uint8_t *m, size_t len, const struct dns_rr *a, const uint8_t *made,
                    size_t made_len, const struct dns_rr *b)
{
	uint8_t x[DNS_NAME_MAX], y[DNS_NAME_MAX];

	if (a->type != b->type || a->class != b->class || a->ttl > b->ttl || a->rdlen != b->rdlen ||
	    memcmp(m + a->rdata, made + b->rdata, a->rdlen) != 0)
		return false;
	int n = dns_name_expand(x, m, len, a->name);
	int k = dns_name_expand(y, made, made_len, b->name);
	return n > 0 && k > 0 && dns_name_eq(x, (size_t)n, y, (size_t)k);
}

static unsigned records(const uint8_t *m)
{
	return (unsigned)dns_ancount(m) + dns_nscount(m) + dns_arcount(m);
}

/* True when both messages hold the same records in the same order and sections. */
static bool same_records(const uint8_t *m, size_t len, const uint8_t *made, size_t made_len,
                         size_t q_end)
{
	size_t at = q_end, made_at = q_end;
	unsigned left = records(m), made_left = records(made);
	struct dns_rr a, b;

	if (dns_ancount(m) != dns_ancount(made) || dns_nscount(m) != dns_nscount(made))
		return false;
	while (next_rr(&b, made, made_len, &made_at, &made_left))
		if (!next_rr(&a, m, len, &at, &left) || !same_rr(m, len, &a, made, made_len, &b))
			return false;
	return !next_rr(&a, m, len, &at, &left) && left == 0 && at == len;
}

/* Of a type's data: how many bytes, then how many names that may be compressed, then the rest. */
static unsigned names_in_data(uint16_t type, size_t *before)
{
	*before = type == DNS_MX ? 2 : type == DNS_SRV ? 6 : 0;
	switch (type) {
	case DNS_NS: case DNS_CNAME: case DNS_PTR: case DNS_MX: case DNS_SRV: return 1;
	case DNS_SOA: return 2;
	default: return 0;
	}
}

/* Writes a record's data without compression. Returns its length, or a negative number. */
static int flat_data(uint8_t *out, size_t cap, const uint8_t *m, size_t len,
                     const struct dns_rr *rr)
{
	struct dns_writer w = { .m = out, .cap = cap };
	size_t before, at = rr->rdata;
	unsigned names = names_in_data(rr->type, &before);
	uint8_t name[DNS_NAME_MAX];

	if (before > rr->rdlen)
		return -1;
	dns_w_bytes(&w, m + at, before);
	for (at += before; names > 0; names--) {
		int n = dns_name_expand(name, m, len, at), skip = dns_name_skip(m, len, at);
		if (n < 0 || skip < 0 || at + (size_t)skip > rr->end)
			return -1;
		dns_w_bytes(&w, name, (size_t)n);
		at += (size_t)skip;
	}
	dns_w_bytes(&w, m + at, rr->end - at);
	return w.full ? -1 : (int)w.len;
}

/* same_rr, whatever is compressed in a's data. */
static bool same_flat(const uint8_t *m, size_t len, const struct dns_rr *a, const uint8_t *made,
                      size_t made_len, const struct dns_rr *b)
{
	uint8_t x[DNS_NAME_MAX], y[DNS_NAME_MAX], data[REC_ANSWER_MAX];

	if (a->type != b->type || a->class != b->class || a->ttl > b->ttl + WAITED)
		return false;
	int n = dns_name_expand(x, m, len, a->name);
	int k = dns_name_expand(y, made, made_len, b->name);
	if (n < 0 || k < 0 || !dns_name_eq(x, (size_t)n, y, (size_t)k))
		return false;
	n = flat_data(data, sizeof(data), m, len, a);
	return n == b->rdlen && memcmp(data, made + b->rdata, b->rdlen) == 0;
}

/* Whether a record of the message is b, which was made. */
static bool has_rr(const uint8_t *m, size_t len, size_t q_end, const uint8_t *made,
                   size_t made_len, const struct dns_rr *b)
{
	size_t at = q_end;
	unsigned left = records(m);
	struct dns_rr a;

	while (next_rr(&a, m, len, &at, &left))
		if (same_flat(m, len, &a, made, made_len, b))
			return true;
	return false;
}

/* Whether its records can be read to the end. */
static bool is_whole(const uint8_t *m, size_t len, size_t q_end)
{
	size_t at = q_end;
	unsigned left = records(m);
	struct dns_rr rr;

	while (next_rr(&rr, m, len, &at, &left))
		;
	return left == 0 && at == len;
}

/* As many records in both sections as were made, and each of these, which all differ, is there. */
static bool same_set(const uint8_t *m, size_t len, const uint8_t *made, size_t made_len,
                     size_t q_end)
{
	size_t at = q_end;
	unsigned left = records(made);
	struct dns_rr b;

	if (dns_ancount(m) != dns_ancount(made) || dns_nscount(m) != dns_nscount(made) ||
	    !is_whole(m, len, q_end))
		return false;
	while (next_rr(&b, made, made_len, &at, &left))
		if (!has_rr(m, len, q_end, made, made_len, &b))
			return false;
	return true;
}

/* A name that doesn't exist, with the SOA that some type's question would have got. */
static bool same_denial(const uint8_t *m, size_t len, const struct dns_question *q)
{
	enum { TYPES = 258 }; /* CAA is the last with data */
	uint8_t made[REC_ANSWER_MAX];
	struct dns_question other = *q;

	for (other.type = 1; other.type < TYPES; other.type++) {
		int n = rec_answer(made, sizeof(made), m, q->end, &other, UINT32_MAX);
		if (n > 0 && same_set(m, len, made, (size_t)n, q->end))
			return true;
	}
	return false;
}

/* Below root-servers.net., localhost., 127.in-addr.arpa. or their end. */
static bool is_known_everywhere(const uint8_t *m, const struct dns_question *q)
{
	static const struct { const char *name; size_t len; } all[] = {
		{ "\14root-servers\3net", 18 }, { "\11localhost", 11 },
		{ "\3" "127\7in-addr\4arpa", 18 },
	};
	uint8_t low[DNS_NAME_MAX];

	dns_name_lower(low, m + DNS_HEADER, q->name_len);
	for (size_t at = 0; at < q->name_len; at += 1u + low[at])
		for (size_t i = 0; i < COUNT_OF(all); i++)
			if (q->name_len - at == all[i].len &&
			    memcmp(low + at, all[i].name, all[i].len) == 0)
				return true;
	return false;
}

/* True when the OPT record says more than the header: BADVERS and the like (RFC 6891 6.1.3). */
static bool has_extended_rcode(const uint8_t *m, size_t len, const struct dns_question *q)
{
	struct dns_edns e;

	return dns_edns(&e, m, len, q->end) == 0 && e.present && m[e.at + 5] != 0;
}

/* What the answer's question deserves, and whether it was captured. Its length, or negative. */
static int deserved(const struct rec_book *b, uint8_t made[REC_ANSWER_MAX], const uint8_t *m,
                    size_t len, const struct dns_question *q, bool *captured)
{
	struct dns_edns e;

	*captured = b != NULL && dns_edns(&e, m, len, q->end) == 0 &&
	            rec_book_find(b, m, q, &e) != NULL;
	if (*captured)
		return rec_book_answer(b, made, REC_ANSWER_MAX, m, len, q, UINT32_MAX);
	return rec_answer(made, REC_ANSWER_MAX, m, q->end, q, UINT32_MAX);
}

static enum rec_match match(const struct rec_book *b, const uint8_t *m, size_t len, bool resolved)
{
	uint8_t made[REC_ANSWER_MAX];
	struct dns_question q;
	bool captured;

	if (len < DNS_HEADER || (dns_flags(m) & (DNS_QR | DNS_OPCODE)) != DNS_QR)
		return REC_BROKEN;
	unsigned rcode = dns_flags(m) & DNS_RCODE;
	bool error = rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN;
	if (dns_question(&q, m, len) < 0)
		return error && dns_qdcount(m) == 0 ? REC_ERROR : REC_BROKEN;
	if (dns_flags(m) & DNS_TC)
		return REC_TRUNCATED;
	if (has_extended_rcode(m, len, &q))
		return REC_ERROR;
	int n = deserved(b, made, m, len, &q, &captured);
	if (n < 0)
		return REC_BROKEN;
	if (resolved && !error && is_known_everywhere(m, &q))
		return REC_RIGHT;
	if (rcode != (dns_flags(made) & DNS_RCODE))
		return error ? REC_ERROR : REC_WRONG_RCODE;
	if (captured && ((dns_flags(m) ^ dns_flags(made)) & FLAGS_COMPARED) != 0)
		return REC_WRONG_DATA;
	bool same = resolved ? same_set(m, len, made, (size_t)n, q.end)
	                     : same_records(m, len, made, (size_t)n, q.end);
	if (!same && resolved && rcode == DNS_NXDOMAIN)
		same = same_denial(m, len, &q);
	return same ? REC_RIGHT : REC_WRONG_DATA;
}

enum rec_match rec_answer_match(const uint8_t *m, size_t len)
{
	return match(NULL, m, len, false);
}

enum rec_match rec_answer_match_resolved(const uint8_t *m, size_t len)
{
	return match(NULL, m, len, true);
}

enum rec_match rec_book_match(const struct rec_book *b, const uint8_t *m, size_t len)
{
	return match(b, m, len, false);
}
