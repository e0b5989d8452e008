/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When to be awake; see pace.h. early_ns is a quantile that is followed step by step: it grows by
 * UP for a wake-up that came too late for it and shrinks by DOWN for one that didn't, so at rest
 * one of UP / DOWN + 1 is too late.
 */
#include "pace.h"

enum { EARLY_FIRST_NS = 60000, MEAN_FIRST_NS = 50000, MEAN_OF = 64, UP_NS = 2000, DOWN_NS = 20 };

static int64_t within(int64_t v, int64_t low, int64_t high)
{
	return v < low ? low : v > high ? high : v;
}

void pace_init(struct pace *p, int64_t now_ns)
{
	*p = (struct pace){ .early_ns = EARLY_FIRST_NS, .mean_ns = MEAN_FIRST_NS,
	                    .credit_ns = PACE_CREDIT_NS, .last_ns = now_ns };
}

int64_t pace_sleep(struct pace *p, int64_t now_ns, int64_t due_ns)
{
	p->credit_ns += (now_ns - p->last_ns) / PACE_SHARE;
	p->credit_ns = within(p->credit_ns, -PACE_CREDIT_NS, PACE_CREDIT_NS);
	p->last_ns = now_ns;
	if (due_ns - now_ns <= p->early_ns) /* too near to sleep, for who can afford it */
		return p->credit_ns > due_ns - now_ns ? now_ns : due_ns;
	if (p->credit_ns <= 0)
		return due_ns;
	int64_t most = p->mean_ns + p->credit_ns;
	return due_ns - (p->early_ns < most ? p->early_ns : most);
}

void pace_woke(struct pace *p, int64_t until_ns, int64_t now_ns)
{
	int64_t late = within(now_ns - until_ns, 0, PACE_EARLY_MAX_NS);

	p->mean_ns += (late - p->mean_ns) / MEAN_OF;
	p->early_ns += late > p->early_ns ? UP_NS : -DOWN_NS;
	p->early_ns = within(p->early_ns, PACE_EARLY_MIN_NS, PACE_EARLY_MAX_NS);
}

void pace_looked(struct pace *p, int64_t spent_ns)
{
	p->credit_ns -= spent_ns;
}
