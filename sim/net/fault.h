/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the plan's faults make of a link, and how the link's counts prove them: the same for both
 * engines. Pure.
 */
#ifndef EK_FAULT_H
#define EK_FAULT_H

#include <stdbool.h>
#include <stddef.h>

#include "link.h"
#include "sim/plan/plan.h"

enum { FAULT_EVIDENCE = 256 }; /* room for the evidence of one, NUL included */

/* A fault that the wire carries out: on the node's link, in both directions. */
bool fault_is_wire(enum plan_fault_kind k);
/* One that the recursor stub carries out. */
bool fault_is_stub(enum plan_fault_kind k);

/*
 * What the link of fault's node is like from that fault on: as planned, with what the faults of
 * that node up to this one have made of it. Loss and delay replace an earlier loss and delay, a
 * blackhole stays until a heal, which undoes all. O(faults).
 */
struct link_set fault_link(const struct plan *p, unsigned fault);

/*
 * True when the counts of the link, out and in, from when wire fault f came into force (was) to
 * when the next one did or the run ended (now), show that it did what it should. A blackhole: it
 * cut, and nothing passed. A loss: it lost, or so few passed that all may well have (fewer than 20
 * losses expected). A delay, a heal: something passed. evidence: the counts in one line, cut off at
 * cap; at least one byte.
 */
bool fault_proven(const struct plan_fault *f, const struct link_counts was[2],
                  const struct link_counts now[2], const char *node_name, char *evidence,
                  size_t cap);

#endif
