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

/* A fault that the wire carries out: on the node's link, in one direction or both. */
bool fault_is_wire(enum plan_fault_kind k);
/* Whether a fault of a link acts in that direction. */
bool fault_acts(const struct plan_fault *f, enum link_way way);
/* One that the recursor stub carries out. */
bool fault_is_stub(enum plan_fault_kind k);

/* A node's link, in either direction, as the plan has it at the start. */
struct link_set fault_link_planned(const struct plan_link *l);

/*
 * What the link of fault's node is like in that direction from that fault on: as planned, with what
 * the faults of that node up to this one have made of it. A fault replaces an earlier one of its
 * kind and leaves the others; what is cut stays so until a heal, which undoes all. O(faults).
 */
struct link_set fault_link(const struct plan *p, unsigned fault, enum link_way way);

/*
 * True when the counts of the link, out and in, from when wire fault f came into force (was) to
 * when the next one did or the run ended (now), show that it did what it should, in its directions.
 * A blackhole, a cut: it cut, and nothing passed. A loss, duplicates, reordering, jitter: it befell
 * some frame, or so few passed that all may well have been spared (fewer than 20 were expected). A
 * rate: something passed or found no room. A delay, a heal: something passed. evidence: the counts
 * in one line, cut off at cap; at least one byte.
 */
bool fault_proven(const struct plan_fault *f, const struct link_counts was[2],
                  const struct link_counts now[2], const char *node_name, char *evidence,
                  size_t cap);

#endif
