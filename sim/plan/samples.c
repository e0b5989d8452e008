/* SPDX-License-Identifier: BSD-3-Clause */
/* The figures of samples.h. */
#include "samples.h"

#include <math.h>

#include "bounds.h"
#include "lib/stats.h"

static const uint64_t N_MAX = 4000000000;

/* True when no load that sends in the window draws its arrivals. */
static bool constant(const struct plan *p, int64_t from_ns, int64_t to_ns)
{
	for (unsigned i = 0; i < p->load_n; i++)
		if (p->load[i].arrivals == PLAN_POISSON && p->load[i].from_ns < to_ns &&
		    p->load[i].to_ns > from_ns)
			return false;
	return true;
}

static const double EXACT_MAX = 1e8;

uint64_t plan_poisson_least(double mean, double flake)
{
	if (mean < 1)
		return 0;
	return mean > EXACT_MAX ? (uint64_t)(mean - 10 * sqrt(mean))
	                        : stat_poisson_least(mean, flake);
}

uint64_t plan_poisson_most(double mean, double flake)
{
	return mean > EXACT_MAX ? (uint64_t)(mean + 10 * sqrt(mean))
	                        : stat_poisson_most(mean, flake);
}

static uint64_t least_of(double mean, bool exact, double flake)
{
	return exact ? (uint64_t)mean : plan_poisson_least(mean, flake);
}

uint64_t plan_planned_least(const struct plan *p, int64_t from_ns, int64_t to_ns, double flake)
{
	return least_of(plan_queries(p, from_ns, to_ns), constant(p, from_ns, to_ns), flake);
}

/* The end of the time around t in which some server isn't up, or t: all are. */
static int64_t down_until(const struct plan *p, int64_t t)
{
	int64_t until = t;

	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (!plan_fault_silences(f->kind) || p->node[f->node].role != PLAN_RECURSOR ||
		    f->at_ns > t)
			continue;
		int end = plan_fault_end(p, i);
		int64_t back = plan_back_ns(p, f->node), up = INT64_MAX;
		if (end != PLAN_NONE && back < INT64_MAX - p->fault[end].at_ns)
			up = p->fault[end].at_ns + back;
		until = up > until ? up : until;
	}
	return until;
}

/* The first fault after t that takes a recursor down, or INT64_MAX. */
static int64_t next_down(const struct plan *p, int64_t t)
{
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].at_ns > t && plan_fault_silences(p->fault[i].kind) &&
		    p->node[p->fault[i].node].role == PLAN_RECURSOR)
			return p->fault[i].at_ns;
	return INT64_MAX;
}

/* Adds up what counts of the window: the time with every recursor up. */
static double count_window(const struct plan *p, int64_t from, int64_t to, int64_t *window_ns)
{
	double mean = 0;

	*window_ns = 0;
	for (int64_t t = from; t < to;) {
		int64_t up = down_until(p, t), next = next_down(p, up);
		int64_t end = next < to ? next : to;
		if (up < end) {
			mean += plan_queries_forwarded(p, up, end);
			*window_ns += end - up;
		}
		t = up >= to ? to : end;
	}
	return mean;
}

/* The share of the named among a configuration's servers, and the smallest p among the named. */
static double named_share(const struct plan_conf *c, const struct plan_expect *e, double *p_least)
{
	double sum = 0;

	for (unsigned i = 0; i < e->node_n; i++)
		sum += plan_share(c, e->node[i]);
	if (e->node_n == 1) { /* back: the one against all others */
		double p = plan_share(c, e->node[0]);
		*p_least = p < *p_least ? p : *p_least;
		return 1;
	}
	for (unsigned i = 0; i < e->node_n && sum > 0; i++) {
		double p = plan_share(c, e->node[i]) / sum;
		*p_least = p < *p_least ? p : *p_least;
	}
	return sum;
}

/* From the latest return of the node, when it is in use again, to the next that goes. */
static void window_of_back(const struct plan *p, const struct plan_expect *e, int64_t *from,
                           int64_t *to)
{
	*from = *to = 0;
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].node == e->node[0] && plan_fault_returns(p->fault[i].kind))
			*from = p->fault[i].at_ns;
	for (unsigned i = 0; i < p->load_n; i++)
		*to = p->load[i].to_ns > *to ? p->load[i].to_ns : *to;
}

static double mean_for(uint64_t need, bool exact, double flake)
{
	double lo = (double)need, hi = (double)need + 20 * sqrt((double)need) + 100;

	if (exact)
		return (double)need;
	for (int i = 0; i < 40; i++) {
		double mid = (lo + hi) / 2;
		if (plan_poisson_least(mid, flake) >= need)
			hi = mid;
		else
			lo = mid;
	}
	return hi;
}

void plan_sample(struct plan_sample *s, const struct plan *p, const struct plan_expect *e)
{
	int64_t from = e->during_from_ns, to = e->during_to_ns;
	double share = 1, p_least = 1, by = e->node_n > 2 ? e->node_n : 1;

	*s = (struct plan_sample){ 0 };
	if (e->kind == PLAN_BACK)
		window_of_back(p, e, &from, &to);
	for (unsigned i = 0; i < p->conf_n; i++) {
		double named = named_share(&p->conf[i], e, &p_least);
		share = named < share ? named : share;
	}
	bool exact = constant(p, from, to) && share >= 1 - 1e-12;
	s->mean = count_window(p, from, to, &s->window_ns) * share;
	s->cached = plan_queries_cached(p, from, to);
	s->least = least_of(s->mean, exact, e->flake);
	s->p_ppm = (uint32_t)(p_least * 1e6 + 0.5);
	if (p_least > 0 && p_least < 1 && e->catch_ppm / 1e6 < p_least / 2 + 1e-9)
		s->need = stat_equiv_n(p_least, e->catch_ppm / 1e6, e->miss / by, e->flake / by,
		                       N_MAX);
	if (s->need > 0)
		s->mean_needed = mean_for(s->need, exact, e->flake);
}
