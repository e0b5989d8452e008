/* SPDX-License-Identifier: BSD-3-Clause */
/* What the balancer answers itself; see own.h. */
#include "own.h"

#include <string.h>

#include "bal.h"

struct dns_edns own_read_edns(const struct dgram *d, size_t q_end)
{
	struct dns_edns e;

	if (dns_edns(&e, d->data, d->len, q_end) < 0)
		e = (struct dns_edns){ 0 };
	return e;
}

unsigned own_flags(const struct dgram *d)
{
	return (dns_flags(d->data) & DNS_RD) != 0 ? (unsigned)DNS_RA : 0;
}

/* What an OPT record of our own announces. */
static uint16_t own_size(const struct bal_quirks *q)
{
	return q->own_udp_size > 0 ? q->own_udp_size : DNS_EDNS_MAX;
}

static void put_opt(struct dns_writer *w, const struct dns_edns *edns, const struct bal_quirks *q,
                    uint16_t udp_size)
{
	if (!edns->present || q->own_without_edns)
		return;
	dns_w_opt(w, udp_size, edns->dnssec_ok);
	if (!w->full)
		dns_put16(w->m + 10, 1);
}

/* Behind len bytes of d, which are header and question, or the header alone. */
static void no_records(struct dgram *d, size_t len, const struct dns_edns *edns,
                       const struct bal_quirks *q, uint16_t udp_size)
{
	struct dns_writer w = { .m = d->data, .len = len, .cap = d->cap };

	dns_put16(d->data + 4, len > DNS_HEADER);
	memset(d->data + 6, 0, 6);
	put_opt(&w, edns, q, udp_size);
	DMUST(!w.full); /* the message's own OPT record took more */
	d->len = (uint16_t)w.len;
}

static void put_flags(struct dgram *d, unsigned flags)
{
	flags |= DNS_QR | (dns_flags(d->data) & (DNS_OPCODE | DNS_RD | DNS_CD));
	dns_put16(d->data + 2, (uint16_t)flags);
}

void own_answer(struct dgram *d, unsigned flags, size_t len, const struct dns_edns *edns,
                const struct bal_quirks *q)
{
	put_flags(d, flags);
	no_records(d, len, edns, q, own_size(q));
}

/* What the client takes, at most cap. */
static size_t room(const struct dgram *d, const struct dns_edns *e)
{
	size_t most = d->proto == DGRAM_TCP ? UINT16_MAX
	              : !e->present ? (size_t)DNS_UDP_MAX
	              : e->udp_size < DNS_EDNS_MAX ? e->udp_size : (size_t)DNS_EDNS_MAX;

#ifdef EK_PLANT /* what make fuzz must find: records behind the buffer's end */
	return most;
#else
	return most < d->cap ? most : d->cap;
#endif
}

/* How many of the addresses were written. */
static unsigned put_addresses(struct dns_writer *w, uint16_t type, const struct ip *address,
                              unsigned n, uint32_t ttl)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++) {
		bool four = ip_is4(&address[i]);
		if (type != DNS_ANY && type != (four ? DNS_A : DNS_AAAA))
			continue;
		size_t start = dns_w_rr(w, four ? DNS_A : DNS_AAAA, ttl);
		dns_w_bytes(w, address[i].b + (four ? 12 : 0), four ? 4 : 16);
		dns_w_rr_end(w, start);
		count++;
	}
	return count;
}

static void put_data(struct dns_writer *w, const struct own_data *r, uint32_t ttl)
{
	size_t at = 0;

	for (unsigned i = 0; i < r->n; i++) {
		MUST(at + 2 <= r->len && at + 2 + dns_get16(r->data + at) <= r->len);
		size_t start = dns_w_rr(w, r->type, ttl), len = dns_get16(r->data + at);
		dns_w_bytes(w, r->data + at + 2, len);
		dns_w_rr_end(w, start);
		at += 2 + len;
	}
}

/* The answer that w wrote behind the question, with so many records and the query's EDNS. */
static void end_answer(struct dgram *d, struct dns_writer *w, const struct dns_question *question,
                       unsigned count, const struct dns_edns *e, const struct bal_quirks *q)
{
	put_opt(w, e, q, own_size(q));
	if (w->full) {
		own_answer(d, dns_flags(d->data) | DNS_TC, question->end, e, q);
		return;
	}
	dns_put16(d->data + 6, (uint16_t)count);
	d->len = (uint16_t)w->len;
}

void own_addresses(struct dgram *d, unsigned flags, const struct dns_question *question,
                   const struct ip *address, unsigned n, uint32_t ttl,
                   const struct bal_quirks *q)
{
	struct dns_edns e = own_read_edns(d, question->end);
	struct dns_writer w = { .m = d->data, .len = question->end, .cap = room(d, &e) };

	put_flags(d, flags);
	memset(d->data + 6, 0, 6);
	unsigned count = put_addresses(&w, question->type, address, n, ttl);
	end_answer(d, &w, question, count, &e, q);
}

void own_records(struct dgram *d, unsigned flags, const struct dns_question *question,
                 const struct own_data *records, uint32_t ttl, const struct bal_quirks *q)
{
	struct dns_edns e = own_read_edns(d, question->end);
	struct dns_writer w = { .m = d->data, .len = question->end, .cap = room(d, &e) };

	put_flags(d, flags);
	memset(d->data + 6, 0, 6);
	put_data(&w, records, ttl);
	end_answer(d, &w, question, records->n, &e, q);
}

static void put_soa(struct dns_writer *w, const struct own_soa *s)
{
	dns_w_bytes(w, s->zone, s->zone_len);
	dns_w_u16(w, DNS_SOA);
	dns_w_u16(w, DNS_IN);
	dns_w_u32(w, s->ttl);
	dns_w_u16(w, (uint16_t)s->len);
	dns_w_bytes(w, s->data, s->len);
}

void own_negative(struct dgram *d, unsigned flags, const struct dns_question *question,
                  const struct own_soa *soa, const struct bal_quirks *q)
{
	struct dns_edns e = own_read_edns(d, question->end);
	struct dns_writer w = { .m = d->data, .len = question->end, .cap = room(d, &e) };

	put_flags(d, flags);
	memset(d->data + 6, 0, 6);
	put_soa(&w, soa);
	end_answer(d, &w, question, 0, &e, q);
	if (!w.full)
		dns_put16(d->data + 10, (uint16_t)(dns_arcount(d->data) + 1));
}

void own_rcode(struct dgram *d, unsigned rcode, const struct dns_edns *e,
               const struct bal_quirks *q)
{
	if (e->present && !q->own_without_edns)
		d->data[d->len - 6] = (uint8_t)(rcode >> 4); /* of the OPT record's TTL */
}

uint8_t own_edns(const struct dgram *d, const struct dns_question *q)
{
	struct dns_edns e = own_read_edns(d, q->end);

	if (!e.present)
		return 0;
	return IDT_EDNS | (e.dnssec_ok ? IDT_DNSSEC_OK : 0);
}

void own_servfail(struct dgram *d, const struct idt_query *q, const struct bal_quirks *quirks)
{
	size_t end = (size_t)DNS_HEADER + q->name_len;
	struct dns_edns e = {
		.present = (q->edns & IDT_EDNS) != 0,
		.dnssec_ok = (q->edns & IDT_DNSSEC_OK) != 0,
	};

	MUST(d->cap >= BAL_POLL_MIN);
	d->data[2] = q->flags_hi;
	d->data[3] = q->flags_lo;
	memcpy(d->data + DNS_HEADER, q->name, q->name_len);
	dns_put16(d->data + end, q->type);
	dns_put16(d->data + end + 2, q->class);
	own_answer(d, DNS_SERVFAIL, end + 4, &e, quirks);
}

void own_truncate(struct dgram *d, size_t q_end, const struct bal_quirks *q)
{
	struct dns_edns e = own_read_edns(d, q_end);

	no_records(d, q_end, &e, q, e.udp_size);
}
