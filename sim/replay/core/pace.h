/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When to be awake so that something is sent when it is due. A sleeper is woken late, by some tens
 * of microseconds and now and then by far more; so it sleeps until a little before, and looks at
 * the clock for the rest. How much before follows what wake-ups turn out to take: enough for most
 * of them. Looking at the clock is bounded: it may take a PACE_SHARE-th of the time that passes,
 * and what wasn't used is kept up to PACE_CREDIT_NS. Who has used that up sleeps until the thing is
 * due and is late. Pure.
 *
 *	until = pace_sleep(&p, now, due);      now or before: don't sleep, look at the clock
 *	... sleeps ...
 *	pace_woke(&p, until, now);
 *	... looks at the clock until due, from that now on ...
 *	pace_looked(&p, now - since);
 */
#ifndef EK_REPLAY_PACE_H
#define EK_REPLAY_PACE_H

#include <stdint.h>

enum {
	PACE_SHARE = 6,
	PACE_CREDIT_NS = 2000000,
	PACE_EARLY_MIN_NS = 2000,
	PACE_EARLY_MAX_NS = 250000,
};

struct pace {
	int64_t early_ns;  /* how much before something is due to wake up */
	int64_t mean_ns;   /* by how much wake-ups are late in the mean */
	int64_t credit_ns; /* of looking at the clock */
	int64_t last_ns;   /* up to when credit was given */
};

void pace_init(struct pace *p, int64_t now_ns);
/* Until when to sleep for what is due then; not after due_ns. At or before now_ns: not at all. */
int64_t pace_sleep(struct pace *p, int64_t now_ns, int64_t due_ns);
/* A sleep that should have ended at until_ns has. */
void pace_woke(struct pace *p, int64_t until_ns, int64_t now_ns);
/* So long was the clock looked at. */
void pace_looked(struct pace *p, int64_t spent_ns);

#endif
