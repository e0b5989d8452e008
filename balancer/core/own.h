/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers that the balancer makes itself, out of a query: no records but OPT. For bal.c. */
#ifndef EK_BALANCER_OWN_H
#define EK_BALANCER_OWN_H

#include <stddef.h>
#include <stdint.h>

#include "idtable.h"
#include "lib/dgram.h"
#include "lib/dns.h"

/*
 * Makes the query in d an answer without records: len bytes of it stay, and an OPT record follows
 * when edns says that there was one, with its DO bit (RFC 3225 section 3), unless q wants none.
 */
void own_answer(struct dgram *d, enum dns_rcode rcode, size_t len, const struct dns_edns *edns,
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
