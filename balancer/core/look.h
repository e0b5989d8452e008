/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rules see of a message behind its question: its records, its EDNS. All is bounded by the
 * message's length, whatever it says. For rules.c alone.
 */
#ifndef EK_BALANCER_LOOK_H
#define EK_BALANCER_LOOK_H

#include "lib/dns.h"
#include "rules.h"

/* Its OPT record; none when records can't be read. */
struct dns_edns look_edns(const struct rule_look *l);
/* It has an EDNS option of that code. */
bool look_has_option(const struct rule_look *l, uint16_t code);
/* The rcode, with the 8 bits that the OPT record adds (RFC 6891 section 6.1.3). */
unsigned look_rcode(const struct rule_look *l);
/* What the header says of a section, 0 the question. */
unsigned look_count(const struct rule_look *l, unsigned section);
/* Records of that type in the section; those before one that can't be read. */
unsigned look_type_count(const struct rule_look *l, unsigned section, uint16_t type);
/* There are bytes behind the last record. False, too, when that can't be told. */
bool look_has_tail(const struct rule_look *l);
/* Labels of the question's name, without the root's. */
unsigned look_labels(const struct rule_look *l);

#endif
