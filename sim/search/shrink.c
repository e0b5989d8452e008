/* SPDX-License-Identifier: BSD-3-Clause */
/* Delta debugging of schedules; see shrink.h. */
#include "shrink.h"

#include <string.h>

#define MS INT64_C(1000000)

struct shrink {
	struct search_case *c;
	const struct plan *p;
	search_fails_fn *fails;
	void *arg;
	unsigned tries;
	int64_t first_cut_ns, least_cut_ns;
};

/* Faults come while the load runs, ends after beginnings. */
static bool in_order(const struct search_case *c)
{
	for (unsigned i = 0; i < c->s.n; i++) {
		const struct search_window *w = &c->s.window[i];
		if (w->at_ns >= c->cut_ns || w->until_ns >= c->cut_ns ||
		    (w->until_ns > 0 && w->until_ns <= w->at_ns))
			return false;
	}
	return true;
}

/* Takes next when it is possible and fails too. */
static bool take(struct shrink *k, const struct search_case *next)
{
	struct plan_fault room[2 * SEARCH_EVENTS_MAX];
	struct plan try = *k->p;

	try.fault = room;
	if (k->tries >= SEARCH_TRIES || !in_order(next) || !search_lay_out(&try, &next->s))
		return false;
	k->tries++;
	if (!k->fails(k->arg, next))
		return false;
	*k->c = *next;
	return true;
}

/* Without windows from, from + 1, ... of n. */
static bool without(struct shrink *k, unsigned from, unsigned n)
{
	struct search_case next = *k->c;

	n = from + n > next.s.n ? next.s.n - from : n;
	next.s.n -= n;
	memmove(&next.s.window[from], &next.s.window[from + n],
	        (next.s.n - from) * sizeof(next.s.window[0]));
	return take(k, &next);
}

/* Halves, quarters, ... single windows, until no single one can go. */
static void fewer(struct shrink *k)
{
	bool gone = true;

	for (unsigned n = (k->c->s.n + 1) / 2; n > 0; n = n > 1 ? (n + 1) / 2 : gone ? 1 : 0) {
		gone = false;
		for (unsigned from = 0; from < k->c->s.n;)
			if (without(k, from, n))
				gone = true;
			else
				from += n;
	}
}

/* The load ends at cut_ns; what would come later goes, ends too. */
static bool cut(struct shrink *k, int64_t cut_ns)
{
	struct search_case next = *k->c;

	if (cut_ns >= next.cut_ns || cut_ns <= k->least_cut_ns)
		return false;
	next.cut_ns = cut_ns;
	next.s.n = 0;
	for (unsigned i = 0; i < k->c->s.n; i++) {
		struct search_window w = k->c->s.window[i];
		if (w.at_ns >= cut_ns)
			continue;
		w.until_ns = w.until_ns < cut_ns ? w.until_ns : 0;
		next.s.window[next.s.n++] = w;
	}
	return take(k, &next);
}

static void shorter(struct shrink *k, int64_t step_ns, unsigned steps)
{
	int64_t first = k->least_cut_ns - k->least_cut_ns % step_ns;

	for (unsigned i = 1; i <= steps; i++)
		if (cut(k, first + i * step_ns))
			return;
}

/* ---- rounder ---- */

static int64_t grain(int64_t v, const int64_t *grains)
{
	for (; *grains > 1; grains++)
		if (v % *grains == 0)
			return *grains;
	return 1;
}

static const int64_t times[] = { 1000 * MS, 500 * MS, 100 * MS, 10 * MS, 1 };
static const int64_t ratios[] = { 1000000, 500000, 100000, 1 };

/* Tries v, a value of the case next, at each coarser grain, rounded up or down; never to 0. */
static void rounder(struct shrink *k, struct search_case *next, int64_t *v, const int64_t *grains,
                    bool up)
{
	int64_t was = *v, now = grain(was, grains);

	for (; *grains > now; grains++) {
		*v = was - was % *grains + (up ? *grains : 0);
		if (*v > 0 && take(k, next))
			return;
	}
	*v = was;
}

static void simpler_window(struct shrink *k, unsigned i)
{
	struct search_case next = *k->c;
	struct search_window *w = &next.s.window[i];
	int64_t until = w->until_ns, ppm = w->value_ppm;

	if (until > 0) {
		w->until_ns = 0;
		if (!take(k, &next))
			w->until_ns = until;
	}
	rounder(k, &next, &w->at_ns, times, false);
	if (w->until_ns > 0)
		rounder(k, &next, &w->until_ns, times, true);
	if (w->value_ns > 0) {
		rounder(k, &next, &w->value_ns, times, true);
		rounder(k, &next, &w->value_ns, times, false);
	}
	for (const int64_t *g = ratios; ppm > 0 && *g > grain(ppm, ratios); g++) {
		w->value_ppm = (uint32_t)(ppm - ppm % *g + *g > 1000000 ? 1000000
		                          : ppm - ppm % *g + *g);
		if (take(k, &next))
			return;
	}
}

unsigned search_shrink(struct search_case *c, const struct plan *p, search_fails_fn *fails,
                       void *arg)
{
	struct shrink k = { .c = c, .p = p, .fails = fails, .arg = arg };

	for (unsigned i = 0; i < p->load_n; i++)
		k.least_cut_ns = p->load[i].from_ns > k.least_cut_ns ? p->load[i].from_ns
		                                                     : k.least_cut_ns;
	int64_t span = c->cut_ns - k.least_cut_ns;
	shorter(&k, span >= 8 * MS ? span / 8 - span / 8 % MS : span, 8);
	fewer(&k);
	for (unsigned i = 0; i < c->s.n; i++)
		simpler_window(&k, i);
	shorter(&k, 1000 * MS, 60);
	fewer(&k);
	return k.tries;
}
