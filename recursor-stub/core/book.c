/* SPDX-License-Identifier: BSD-3-Clause */
/* Captured answers looked up and written; see book.h. */
#include "book.h"

#include <errno.h>
#include <string.h>

enum { TTL_BEFORE_DATA = 6, OPT_RCODE = 5, COUNTS = 6 };

uint64_t rec_book_hash(const struct rec_book *b, const uint8_t *name, const struct dns_question *q,
                       bool dnssec_ok)
{
	uint64_t rest = (uint64_t)q->type << 32 | (uint64_t)q->class << 8 | dnssec_ok;

	return dns_name_hash(name, q->name_len, b->seed ^ rest * 0x9e3779b97f4a7c15u);
}

static bool is_of(const struct rec_book *b, const struct rec_book_entry *e, const uint8_t *name,
                  const struct dns_question *q, bool dnssec_ok)
{
	return e->type == q->type && e->class == q->class && e->dnssec_ok == dnssec_ok &&
	       dns_name_eq(b->bytes + e->at, e->name_len, name, q->name_len);
}

const struct rec_book_entry *rec_book_find(const struct rec_book *b, const uint8_t *m,
                                           const struct dns_question *q, const struct dns_edns *e)
{
	const uint8_t *name = m + DNS_HEADER;

	if (b == NULL || b->entry_n == 0 || e->version > 0)
		return NULL;
	uint64_t hash = rec_book_hash(b, name, q, e->dnssec_ok);
	for (uint32_t i = (uint32_t)hash & b->mask; b->bucket[i] != 0; i = (i + 1) & b->mask) {
		const struct rec_book_entry *x = &b->entry[b->bucket[i] - 1];
		if (x->hash == hash && is_of(b, x, name, q, e->dnssec_ok))
			return x;
	}
	return NULL;
}

/* No TTL above what may be left. */
static void cap_ttls(uint8_t *m, size_t len, size_t at, uint32_t ttl_left)
{
	struct dns_rr rr;

	for (; at < len && dns_rr(&rr, m, len, at) == 0; at = rr.end)
		if (rr.ttl > ttl_left)
			dns_put32(m + rr.rdata - TTL_BEFORE_DATA, ttl_left);
}

static int write_entry(const struct rec_book *b, const struct rec_book_entry *x, uint8_t *out,
                       size_t cap, const uint8_t *m, const struct dns_question *q,
                       const struct dns_edns *e, uint32_t ttl_left)
{
	struct dns_writer w = { .m = out, .cap = cap, .len = q->end };
	unsigned kept = dns_flags(m) & (DNS_RD | DNS_CD);

	if (cap < q->end)
		return -ENOSPC;
	memmove(out, m, q->end);
	dns_put16(out + 2, (uint16_t)((x->flags & ~(unsigned)(DNS_RD | DNS_CD)) | kept));
	for (unsigned i = 0; i < 3; i++)
		dns_put16(out + COUNTS + 2 * i, x->count[i]);
	dns_w_bytes(&w, b->bytes + x->at + x->name_len, x->len);
	if (w.full)
		return -ENOSPC;
	cap_ttls(out, w.len, q->end, ttl_left);
	if (e->present) {
		size_t at = w.len;
		dns_w_opt(&w, x->udp_size > 0 ? x->udp_size : DNS_UDP_MAX, e->dnssec_ok);
		if (w.full)
			return -ENOSPC;
		out[at + OPT_RCODE] = x->rcode_high;
		dns_put16(out + COUNTS + 4, (uint16_t)(x->count[2] + 1));
	}
	return (int)w.len;
}

int rec_book_answer(const struct rec_book *b, uint8_t *out, size_t cap, const uint8_t *m,
                    size_t len, const struct dns_question *q, uint32_t ttl_left)
{
	struct dns_edns e;

	if (b == NULL)
		return rec_answer(out, cap, m, len, q, ttl_left);
	if (dns_edns(&e, m, len, q->end) < 0)
		e = (struct dns_edns){ 0 };
	const struct rec_book_entry *x = rec_book_find(b, m, q, &e);
	if (x == NULL)
		return rec_answer(out, cap, m, len, q, ttl_left);
	return write_entry(b, x, out, cap, m, q, &e, ttl_left);
}
