/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that the balancer makes itself, out of a query: its opcode, RD, CD and question stay, and
 * an OPT record follows where the query had one (RFC 6891). For the balancer core alone.
 */
#ifndef EK_BALANCER_OWN_H
#define EK_BALANCER_OWN_H

#include <stddef.h>
#include <stdint.h>

#include "idtable.h"
#include "lib/dgram.h"
#include "lib/dns.h"

/* The query's OPT record; none when it can't be read. q_end: where its question ends. */
struct dns_edns own_read_edns(const struct dgram *d, size_t q_end);
/* RA where the query has RD. */
unsigned own_flags(const struct dgram *d);
/*
 * Makes the query in d an answer without records: len bytes of it stay, and an OPT record follows
 * when edns says that there was one, with its DO bit (RFC 3225 section 3), unless q wants none.
 * flags: the rcode, and AA, TC, RA, AD as wanted.
 */
void own_answer(struct dgram *d, unsigned flags, size_t len, const struct dns_edns *edns,
                const struct bal_quirks *q);
/*
 * The same with n addresses as A and AAAA records: those of the type that is asked for, or all for
 * ANY. What the client has no room for becomes TC instead.
 */
void own_addresses(struct dgram *d, unsigned flags, const struct dns_question *question,
                   const struct ip *address, unsigned n, uint32_t ttl,
                   const struct bal_quirks *q);
/*
 * The same with n records of one type, whose data stands in data[0..len), each behind 2 bytes with
 * its length.
 */
struct own_data {
	uint16_t type;
	unsigned n;
	const uint8_t *data;
	size_t len;
};
void own_records(struct dgram *d, unsigned flags, const struct dns_question *question,
                 const struct own_data *records, uint32_t ttl, const struct bal_quirks *q);
/* The same with an SOA record of zone, with its data, in the additional section. */
struct own_soa {
	const uint8_t *zone, *data;
	size_t zone_len, len;
	uint32_t ttl;
};
void own_negative(struct dgram *d, unsigned flags, const struct dns_question *question,
                  const struct own_soa *soa, const struct bal_quirks *q);
/* Gives the answer that own_answer made the upper bits of an rcode, where it has EDNS. */
void own_rcode(struct dgram *d, unsigned rcode, const struct dns_edns *e,
               const struct bal_quirks *q);
/* What own_servfail will have to know of the query's EDNS, as bits of enum idt_edns. */
uint8_t own_edns(const struct dgram *d, const struct dns_question *q);
/* SERVFAIL to a query that went out. cap of d: BAL_POLL_MIN at least. ID, peer and local aren't
 * set. */
void own_servfail(struct dgram *d, const struct idt_query *q, const struct bal_quirks *quirks);
/*
 * Takes the records out of the truncated answer in d, whose question ends at q_end; an OPT record
 * is made anew, as big as it said. An answer that can't be read loses it.
 */
void own_truncate(struct dgram *d, size_t q_end, const struct bal_quirks *q);

#endif
