/* SPDX-License-Identifier: BSD-3-Clause */
/* The figures of samples.h. */
#include "samples.h"

#include <math.h>

#include "bounds.h"
#include "replay.h"
#include "schema.h"
#include "lib/fmath.h"
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
		    plan_fault_earliest(f) > t)
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
	int64_t first = INT64_MAX;

	for (unsigned i = 0; i < p->fault_n; i++) {
		int64_t at = plan_fault_earliest(&p->fault[i]);
		if (at > t && at < first && plan_fault_silences(p->fault[i].kind) &&
		    p->node[p->fault[i].node].role == PLAN_RECURSOR)
			first = at;
	}
	return first;
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

/*
 * From the latest return of the node, when it is in use again, to the next node that goes: there
 * the judge stops counting.
 */
static void window_of_back(const struct plan *p, const struct plan_expect *e, int64_t *from,
                           int64_t *to)
{
	*from = *to = 0;
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].node == e->node[0] && plan_fault_returns(p->fault[i].kind))
			*from = p->fault[i].at_ns;
	for (unsigned i = 0; i < p->load_n; i++)
		*to = p->load[i].to_ns > *to ? p->load[i].to_ns : *to;
	for (unsigned i = 0; i < p->fault_n; i++) {
		int64_t at = plan_fault_earliest(&p->fault[i]);
		if (plan_fault_silences(p->fault[i].kind) && at > *from && at < *to)
			*to = at;
	}
}

double plan_mean_for(uint64_t need, bool exact, double flake)
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

/* 1 / sum of r^-s over a load's names, so that p of rank r is that times r^-s. */
static double zipf_scale(const struct plan_load *l)
{
	double sum = 0, s = l->zipf_milli / 1000.0;

	for (uint32_t r = 1; r <= l->name_n; r++)
		sum += fm_exp(-s * fm_log(r));
	return 1 / sum;
}

/* How many of the configuration's hashes send names elsewhere than the others. */
static unsigned hashes_of(const struct plan *p, unsigned conf)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->node_n; i++)
		n += p->node[i].role == PLAN_BALANCER && p->node[i].conf == (int)conf;
	return n > 1 && p->conf[conf].same_hash ? 1 : n;
}

double plan_names(const struct plan *p, int64_t from_ns, int64_t to_ns, double queries)
{
	double all = plan_queries(p, from_ns, to_ns), n = 0, hashes = 0;
	double scale[PLAN_LOADS_MAX] = { 0 }, own[PLAN_LOADS_MAX] = { 0 };
	uint32_t most = 0;

	for (unsigned i = 0; i < p->conf_n; i++)
		hashes += hashes_of(p, i);
	for (unsigned i = 0; i < p->load_n && all > 0; i++) {
		const struct plan_load *l = &p->load[i];
		own[i] = plan_load_queries(l, from_ns, to_ns) / all * queries / hashes;
		if (l->names == PLAN_UNIQUE)
			n += own[i];
		if (l->replay_n > 0)
			n += replay_names(l, from_ns, to_ns, queries / all / hashes);
		if (l->names != PLAN_ZIPF)
			continue;
		scale[i] = zipf_scale(l);
		most = l->name_n > most ? l->name_n : most;
	}
	for (uint32_t r = 1; r <= most; r++) {
		double mean = 0;
		for (unsigned i = 0; i < p->load_n; i++)
			if (scale[i] > 0 && r <= p->load[i].name_n)
				mean += own[i] * scale[i] *
				        fm_exp(-p->load[i].zipf_milli / 1000.0 * fm_log(r));
		n += 1 - fm_exp(-mean);
	}
	return n * hashes;
}

uint64_t plan_names_least(double mean, double flake)
{
	double least = mean - sqrt(2 * mean * -fm_log(flake));

	return least > 0 ? (uint64_t)least : 0;
}

/* Under whashed names are drawn, once each. */
static bool by_names(const struct plan *p)
{
	for (unsigned i = 0; i < p->conf_n; i++)
		if (p->conf[i].policy == BAL_WHASHED)
			return true;
	return false;
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
	s->names = by_names(p);
	if (s->names) {
		exact = false;
		s->mean = plan_names(p, from, to, s->mean);
		s->least = plan_names_least(s->mean, e->flake);
	}
	s->p_ppm = (uint32_t)(p_least * 1e6 + 0.5);
	if (p_least > 0 && p_least < 1 && e->catch_ppm / 1e6 < p_least / 2 + 1e-9)
		s->need = stat_equiv_n(p_least, e->catch_ppm / 1e6, e->miss / by, e->flake / by,
		                       N_MAX);
	if (s->need > 0)
		s->mean_needed = plan_mean_for(s->need, exact, e->flake);
}

/* ---- overshoot, flaps ---- */

/* Windows that are looked at, at most, over all balancers and returns. */
static double windows(const struct plan *p, const struct plan_expect *e)
{
	double n = 0;
	unsigned balancers = 0;

	for (unsigned i = 0; i < p->node_n; i++)
		balancers += p->node[i].role == PLAN_BALANCER;
	int64_t bound = e->within_ns != PLAN_MODEL ? e->within_ns : plan_back_ns(p, e->node[0]);
	for (unsigned i = 0; i < p->fault_n && bound < INT64_MAX; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (f->node != e->node[0] || !plan_fault_returns(f->kind))
			continue;
		double mean = plan_queries(p, plan_fault_earliest(f),
			f->at_ns + 2 * bound + p->limits.loop_gap_ns +
		                           p->limits.slack_ns);
		n += (double)plan_poisson_most(mean, e->flake / 4) +
		     PLAN_HERD_WINDOW * (double)balancers;
	}
	return n;
}

/* The silence that fault end ends was surely seen by all balancers. */
static bool surely_seen(const struct plan *p, unsigned end)
{
	const struct plan_fault *f = &p->fault[end];

	for (unsigned i = 0; i < end; i++)
		if (plan_fault_silences(p->fault[i].kind) && p->fault[i].node == f->node &&
		    plan_fault_end(p, i) == (int)end &&
		    plan_fault_earliest(f) - p->fault[i].at_ns <=
		    plan_detect_ns(p, f->node) + p->limits.slack_ns)
			return false;
	return true;
}

/* A window may last longer than the bound. */
static bool seldom(const struct plan *p, const struct plan_fault *f, int64_t bound_ns)
{
	unsigned balancers = 0;

	for (unsigned i = 0; i < p->node_n; i++)
		balancers += p->node[i].role == PLAN_BALANCER;
	return plan_queries(p, f->at_ns, f->at_ns + bound_ns) < 4.0 * PLAN_HERD_WINDOW * balancers;
}

/*
 * What part of its share the node has at most while overshoot looks: all, unless it starts slowly
 * at each return, at each balancer.
 */
static double part_most(const struct plan *p, const struct plan_conf *c, int64_t bound_ns,
                        int node)
{
	int64_t least = INT64_MAX, until = 2 * bound_ns + p->limits.loop_gap_ns +
	                                   p->limits.slack_ns;

	for (unsigned i = 0; i < c->server_n; i++)
		if (c->server_node[i] == node && c->server[i].slow_start_ns < least)
			least = c->server[i].slow_start_ns;
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		bool returns = plan_fault_returns(f->kind);
		if (returns && p->node[f->node].role == PLAN_BALANCER)
			return 1; /* to a new one none has come back */
		if (returns && f->node == node && (!surely_seen(p, i) || seldom(p, f, bound_ns)))
			return 1;
	}
	return until < least ? (double)until / (double)least : 1;
}

static double overshoot_above(const struct plan *p, const struct plan_expect *e, unsigned most)
{
	double worst = 0;

	for (unsigned i = 0; i < p->conf_n; i++) {
		enum bal_policy policy = p->conf[i].policy;
		int64_t bound = e->within_ns != PLAN_MODEL ? e->within_ns :
		                plan_back_ns(p, e->node[0]);
		double share = plan_share(&p->conf[i], e->node[0]);
		if (bound < PLAN_TIME_MAX_NS)
			share *= part_most(p, &p->conf[i], bound, e->node[0]);
		double tail = most >= PLAN_HERD_WINDOW ? 0 :
		              stat_binom_upper(most + 1, PLAN_HERD_WINDOW, share);
		if (policy != BAL_WRANDOM && policy != BAL_ROUNDROBIN && tail > 0)
			return 1;
		worst = tail > worst ? tail : worst;
	}
	double all = worst * windows(p, e);
	return all < 1 ? all : 1;
}

double plan_overshoot_chance(const struct plan *p, const struct plan_expect *e)
{
	return overshoot_above(p, e,
		(unsigned)((uint64_t)PLAN_HERD_WINDOW * e->share_ppm / 1000000));
}

double plan_overshoot_least(const struct plan *p, const struct plan_expect *e)
{
	for (unsigned most = 0; most < PLAN_HERD_WINDOW; most++)
		if (overshoot_above(p, e, most) <= e->flake)
			return (double)most / PLAN_HERD_WINDOW;
	return 0;
}

/* Whether a stub's answers pass a check all the same: whatever they say, or slow and in time. */
static bool passes_checks(const struct plan *p, const struct plan_fault *f, unsigned balancer,
                          const struct bal_check *check)
{
	if (f->kind == PLAN_WRONG || f->kind == PLAN_TRUNCATE)
		return true;
	int64_t takes = plan_check_rtt_ns(p, balancer, f->node, check) +
	                plan_recursor_miss_ns(p, f->node) + p->limits.slack_ns;
	return f->kind == PLAN_SLOW && f->value_ns + takes < check->timeout_ns;
}

/*
 * Probability that a check of that server fails, whatever else it is: a fault that isn't certain.
 */
static double check_fails(const struct plan *p, unsigned balancer, int node,
                          const struct bal_check *check, unsigned *faults)
{
	double stays = 1;

	for (unsigned i = 0; i < 2; i++) {
		double kept = 1 - p->node[i == 0 ? (int)balancer : node].link.loss_ppm / 1e6;
		stays *= kept * kept;
	}
	double fails = 1 - stays;
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if ((f->node != node && f->node != (int)balancer) || plan_fault_silences(f->kind) ||
		    plan_fault_returns(f->kind) || f->value_ppm == 0 ||
		    f->value_ppm == 1000000 || f->spares_checks ||
		    f->kind == PLAN_DUPLICATE || f->kind == PLAN_REORDER ||
		    passes_checks(p, f, balancer, check))
			continue;
		double kept = 1 - f->value_ppm / 1e6;
		bool twice = f->kind == PLAN_LOSS && f->way == PLAN_BOTH_WAYS;
		double one = twice ? 1 - kept * kept : 1 - kept;
		fails = one > fails ? one : fails;
		*faults += 1;
	}
	return fails;
}

double plan_flaps_mean(const struct plan *p, const struct plan_expect *e)
{
	double mean = 0;
	unsigned faults = 0;

	for (unsigned b = 0; b < p->node_n; b++) {
		if (p->node[b].role != PLAN_BALANCER)
			continue;
		const struct plan_conf *c = &p->conf[p->node[b].conf];
		for (unsigned i = 0; i < c->server_n; i++) {
			unsigned k = 0;
			while (k < e->node_n && e->node[k] != c->server_node[i])
				k++;
			const struct bal_check *check = &c->server[i].check;
			if (k == e->node_n || check->mode != BAL_CHECK_AUTO)
				continue;
			double fails = check_fails(p, b, e->node[k], check, &faults), down = 1;
			for (unsigned m = 0; m < check->max_failures && m < 64; m++)
				down *= fails;
			mean += 2 * down * ((double)p->end_ns / (double)check->interval_ns + 1);
		}
	}
	return mean;
}
