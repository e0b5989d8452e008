/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An answer that came over TCP, for a client that asked over UDP (tcpOnly): it must fit into what
 * that client takes, or be cut to say that it should ask over TCP. For bal.c alone.
 */
#ifndef EK_BALANCER_FIT_H
#define EK_BALANCER_FIT_H

#include "lib/dgram.h"
#include "lib/dns.h"
#include "own.h"

/* Bytes that the client of the query in d takes over UDP: 512...DNS_EDNS_MAX. */
static inline uint16_t fit_size(const struct dgram *d, size_t q_end)
{
	struct dns_edns e;

	if (dns_edns(&e, d->data, d->len, q_end) < 0 || !e.present)
		return DNS_UDP_MAX;
	return e.udp_size < DNS_EDNS_MAX ? e.udp_size : DNS_EDNS_MAX;
}

/*
 * The answer in d goes out over UDP. One of more than size bytes is cut to its question, and an OPT
 * record if it had one, with TC.
 */
static inline void fit_udp(struct dgram *d, uint16_t size, const struct bal_quirks *quirks)
{
	struct dns_question q = { .end = DNS_HEADER };

	d->proto = DGRAM_UDP;
	if (d->len <= size)
		return;
	dns_put16(d->data + 2, dns_flags(d->data) | DNS_TC);
	if (dns_question(&q, d->data, d->len) < 0)
		q.end = DNS_HEADER;
	own_truncate(d, q.end, quirks);
}

#endif
