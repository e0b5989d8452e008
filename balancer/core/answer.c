/* SPDX-License-Identifier: BSD-3-Clause */
/* The balancer's own answers; see answer.h. */
#include "answer.h"

#include <string.h>

struct dns_edns answer_edns(const struct dgram *d, size_t q_end)
{
	struct dns_edns e;

	if (dns_edns(&e, d->data, d->len, q_end) < 0)
		e = (struct dns_edns){ 0 };
	return e;
}

static void put_head(struct dgram *d, unsigned flags, size_t len)
{
	flags |= DNS_QR | (dns_flags(d->data) & (DNS_OPCODE | DNS_RD | DNS_CD));
	dns_put16(d->data + 2, (uint16_t)flags);
	dns_put16(d->data + 4, len > DNS_HEADER);
	memset(d->data + 6, 0, 6);
}

void answer_make(struct dgram *d, unsigned flags, size_t len, const struct dns_edns *e)
{
	struct dns_writer w = { .m = d->data, .len = len, .cap = d->cap };

	put_head(d, flags, len);
	if (e->present) {
		dns_w_opt(&w, DNS_EDNS_MAX, e->dnssec_ok);
		dns_put16(d->data + 10, 1);
	}
	DMUST(!w.full);
	d->len = (uint16_t)w.len;
}

/* What the client takes, at most cap. */
static size_t room(const struct dgram *d, const struct dns_edns *e)
{
	size_t most = d->proto == DGRAM_TCP ? UINT16_MAX
	              : !e->present ? (size_t)DNS_UDP_MAX
	              : e->udp_size < DNS_EDNS_MAX ? e->udp_size : (size_t)DNS_EDNS_MAX;

	return most < d->cap ? most : d->cap;
}

static bool wanted(const struct ip *ip, uint16_t type)
{
	return type == DNS_ANY || type == (ip_is4(ip) ? DNS_A : DNS_AAAA);
}

void answer_addresses(struct dgram *d, unsigned flags, const struct dns_question *q,
                      const struct dns_edns *e, const struct ip *address, unsigned n,
                      uint32_t ttl)
{
	struct dns_writer w = { .m = d->data, .len = q->end, .cap = room(d, e) };
	unsigned count = 0;

	put_head(d, flags, q->end);
	for (unsigned i = 0; i < n; i++) {
		bool four = ip_is4(&address[i]);
		if (!wanted(&address[i], q->type))
			continue;
		size_t start = dns_w_rr(&w, four ? DNS_A : DNS_AAAA, ttl);
		dns_w_bytes(&w, address[i].b + (four ? 12 : 0), four ? 4 : 16);
		dns_w_rr_end(&w, start);
		count++;
	}
	if (e->present)
		dns_w_opt(&w, DNS_EDNS_MAX, e->dnssec_ok);
	if (w.full) {
		answer_make(d, flags | DNS_TC, q->end, e);
		return;
	}
	dns_put16(d->data + 6, (uint16_t)count);
	dns_put16(d->data + 10, e->present);
	d->len = (uint16_t)w.len;
}
