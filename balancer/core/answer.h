/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers that the balancer makes itself, over the query in its buffer: the header's opcode, RD and
 * CD and the question stay, and an OPT record follows where the query had one (RFC 6891), with its
 * DO bit (RFC 3225 section 3).
 */
#ifndef EK_BALANCER_ANSWER_H
#define EK_BALANCER_ANSWER_H

#include "lib/dgram.h"
#include "lib/dns.h"

/* The query's OPT record; none when it can't be read. q_end: where its question ends. */
struct dns_edns answer_edns(const struct dgram *d, size_t q_end);
/*
 * An answer without records; len bytes of the query stay, header and question or header alone.
 * flags: the rcode, and AA, TC, RA, AD as wanted. There always is room: the query's own OPT record
 * took more.
 */
void answer_make(struct dgram *d, unsigned flags, size_t len, const struct dns_edns *e);
/*
 * An answer with n records of type A, or AAAA, with these addresses: addresses of the other kind
 * are left out, unless the type is ANY. What doesn't fit the client's buffer becomes TC instead.
 */
void answer_addresses(struct dgram *d, unsigned flags, const struct dns_question *q,
                      const struct dns_edns *e, const struct ip *address, unsigned n,
                      uint32_t ttl);

#endif
