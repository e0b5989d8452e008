/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Invariants of a virtual run, checked from outside of the cores; invariant.c lists them. All are
 * no-ops unless the run's options switch them on. They change nothing but the events.
 */
#ifndef EK_VIRTUAL_INVARIANT_H
#define EK_VIRTUAL_INVARIANT_H

#include "world.h"

void invariant_init(struct world *w);
void invariant_free(struct world *w);
/* h sends s; s has come to h's interface. */
void invariant_sent(struct world *w, const struct host *h, const struct slot *s);
void invariant_received(struct world *w, const struct host *h, const struct slot *s);
/* An event at h is over (NULL: at none): its cores check themselves. */
void invariant_event(struct world *w, const struct host *h);
/* The plan is over, programs still run; and then, all is drained. */
void invariant_pending(struct world *w);
void invariant_end(struct world *w);

#endif
