/* SPDX-License-Identifier: BSD-3-Clause */
/* What the balancer answers itself; see own.h. */
#include "own.h"

#include <string.h>

#include "bal.h"

/* Behind len bytes of d, which are header and question, or the header alone. */
static void no_records(struct dgram *d, size_t len, const struct dns_edns *edns,
                       const struct bal_quirks *q, uint16_t udp_size)
{
	struct dns_writer w = { .m = d->data, .len = len, .cap = d->cap };

	dns_put16(d->data + 4, len > DNS_HEADER);
	memset(d->data + 6, 0, 6);
	if (edns->present && !q->own_without_edns) {
		dns_w_opt(&w, udp_size, edns->dnssec_ok);
		dns_put16(d->data + 10, 1);
	}
	DMUST(!w.full); /* the message's own OPT record took more */
	d->len = (uint16_t)w.len;
}

void own_answer(struct dgram *d, enum dns_rcode rcode, size_t len, const struct dns_edns *edns,
                const struct bal_quirks *q)
{
	unsigned flags = dns_flags(d->data) & (DNS_OPCODE | DNS_RD | DNS_CD);

	flags |= DNS_QR | (unsigned)rcode | ((flags & DNS_RD) != 0 ? DNS_RA : 0u);
	dns_put16(d->data + 2, (uint16_t)flags);
	no_records(d, len, edns, q, q->own_udp_size > 0 ? q->own_udp_size : DNS_EDNS_MAX);
}

uint8_t own_edns(const struct dgram *d, const struct dns_question *q)
{
	struct dns_edns e;

	if (dns_edns(&e, d->data, d->len, q->end) < 0 || !e.present)
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
	struct dns_edns e = { 0 };

	if (dns_edns(&e, d->data, d->len, q_end) < 0)
		e.present = false;
	no_records(d, q_end, &e, q, e.udp_size);
}
