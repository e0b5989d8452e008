/* SPDX-License-Identifier: BSD-3-Clause */
/* The formulas, one a function; see bounds.h. */
#include "bounds.h"

static const int64_t SECOND = 1000000000;
static const int64_t TENTH = 100000000; /* dnsdist looks at its probes' deadlines this often */

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t bound_detect_ns(enum plan_checks how, const struct bal_check *c)
{
	int64_t m = c->max_failures, i = c->interval_ns, t = c->timeout_ns;

	if (c->mode != BAL_CHECK_AUTO || m > INT64_MAX / 4 / (i + t + SECOND))
		return INT64_MAX;
	switch (how) {
	case PLAN_CHECKS_EXACT:
		return m * i + t;
	case PLAN_CHECKS_ROUNDS:
		return m * (i + t + TENTH);
	case PLAN_CHECKS_ASYNC:
		return i + (m - 1) * (i - SECOND + longer(SECOND, t + TENTH)) + t + TENTH;
	}
	return INT64_MAX;
}

int64_t bound_back_ns(enum plan_checks how, const struct bal_check *c, int64_t rtt_ns)
{
	if (c->mode != BAL_CHECK_AUTO)
		return c->mode == BAL_CHECK_UP ? 0 : INT64_MAX;
	if (c->rise > INT64_MAX / 4 / (c->interval_ns + c->timeout_ns + SECOND))
		return INT64_MAX;
	if (how == PLAN_CHECKS_EXACT)
		return c->rise * c->interval_ns + rtt_ns;
	return c->rise * (c->interval_ns + c->timeout_ns + TENTH);
}

/* Least time between two checks of one server in a row. */
static int64_t least_gap_ns(enum plan_checks how, const struct bal_check *c)
{
	if (how != PLAN_CHECKS_ASYNC || c->interval_ns <= SECOND)
		return c->interval_ns;
	return longer(c->interval_ns - SECOND, SECOND); /* it counts in whole seconds */
}

int64_t bound_notice_ns(enum plan_checks how, const struct bal_check *c, bool silent,
                        int64_t way_ns)
{
	int64_t m = c->max_failures, gap = least_gap_ns(how, c);

	if (c->mode != BAL_CHECK_AUTO)
		return c->mode == BAL_CHECK_UP ? INT64_MAX : 0;
	if (how == PLAN_CHECKS_ROUNDS && !silent)
		m = (m + 2) / 3; /* a refusal counts thrice up to 1.7.5 */
	if (m > INT64_MAX / 4 / (gap + SECOND))
		return INT64_MAX;
	return longer((m - 1) * gap + (silent ? c->timeout_ns : 0) - way_ns, 0);
}

bool plan_link_loses(const struct plan_link *l)
{
	return l->loss_ppm > 0 || l->rate_bps > 0;
}

int64_t plan_link_most_ns(const struct plan_link *l)
{
	int64_t queue = l->rate_bps > 0 ? (int64_t)(l->queue_bytes * UINT64_C(8000000000) /
	                                            l->rate_bps) : 0;

	return l->delay_ns + l->jitter_ns + (l->reorder_ppm > 0 ? l->reorder_ns : 0) + queue;
}

/* A balancer's probe to a recursor and back, at most. */
static int64_t probe_rtt_ns(const struct plan *p, unsigned balancer, int node)
{
	return 2 * (plan_link_most_ns(&p->node[balancer].link) +
	            plan_link_most_ns(&p->node[node].link));
}

/* The longest over balancers and servers of what bound says. */
static int64_t longest(const struct plan *p, int node, bool detect)
{
	int64_t most = 0;

	for (unsigned b = 0; b < p->node_n; b++) {
		if (p->node[b].role != PLAN_BALANCER)
			continue;
		const struct plan_conf *c = &p->conf[p->node[b].conf];
		for (unsigned i = 0; i < c->server_n; i++) {
			if (c->server_node[i] != node)
				continue;
			const struct bal_check *check = &c->server[i].check;
			int64_t rtt = probe_rtt_ns(p, b, node);
			most = longer(most, detect ?
			              bound_detect_ns(p->balancer.checks, check) :
			              bound_back_ns(p->balancer.checks, check, rtt));
		}
	}
	return most;
}

int64_t plan_detect_ns(const struct plan *p, int node)
{
	return longest(p, node, true);
}

int64_t plan_back_ns(const struct plan *p, int node)
{
	return longest(p, node, false);
}

double plan_share(const struct plan_conf *c, int node)
{
	int64_t own = 0, all = 0;

	for (unsigned i = 0; i < c->server_n; i++) {
		all += c->server[i].weight;
		own += c->server_node[i] == node ? c->server[i].weight : 0;
	}
	return all > 0 ? (double)own / (double)all : 0;
}

bool plan_fault_silences(enum plan_fault_kind k)
{
	return k == PLAN_KILL || k == PLAN_HANG || k == PLAN_BLACKHOLE || k == PLAN_CUT;
}

bool plan_fault_returns(enum plan_fault_kind k)
{
	return k == PLAN_START || k == PLAN_RESUME || k == PLAN_HEAL;
}

static enum plan_fault_kind ending(enum plan_fault_kind k)
{
	if (k == PLAN_KILL)
		return PLAN_START;
	return k == PLAN_HANG ? PLAN_RESUME : PLAN_HEAL;
}

static bool ends(const struct plan_fault *later, const struct plan_fault *f)
{
	if (f->kind >= PLAN_SERVFAIL)
		return later->kind == f->kind && later->value_ppm == 0;
	return later->kind == ending(f->kind);
}

int plan_fault_end(const struct plan *p, unsigned i)
{
	for (unsigned k = i + 1; k < p->fault_n; k++)
		if (p->fault[k].node == p->fault[i].node && ends(&p->fault[k], &p->fault[i]))
			return (int)k;
	return PLAN_NONE;
}

/* Seconds of [from, to) in which a load sends. */
static double overlap_s(const struct plan_load *l, int64_t from_ns, int64_t to_ns)
{
	int64_t from = longer(l->from_ns, from_ns), to = l->to_ns < to_ns ? l->to_ns : to_ns;

	return to > from ? (double)(to - from) / 1e9 : 0;
}

double plan_queries(const struct plan *p, int64_t from_ns, int64_t to_ns)
{
	double n = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		n += (double)p->load[i].rate_mqps / 1000 * overlap_s(&p->load[i], from_ns, to_ns);
	return n;
}

/* The greatest share that any balancer's configuration gives the node. */
static double share_most(const struct plan *p, int node)
{
	double most = 0;

	for (unsigned i = 0; i < p->conf_n; i++) {
		double share = plan_share(&p->conf[i], node);
		most = share > most ? share : most;
	}
	return most;
}

double plan_share_least(const struct plan *p, int node)
{
	double least = 1;

	for (unsigned b = 0; b < p->node_n; b++) {
		if (p->node[b].role != PLAN_BALANCER)
			continue;
		double share = plan_share(&p->conf[p->node[b].conf], node);
		least = share < least ? share : least;
	}
	return least;
}

/* What a cache miss takes, at most: queries that wait for it die with the recursor. */
static int64_t miss_ns(const struct dist_spec *d)
{
	if (d->kind == DIST_CONSTANT)
		return d->a_ns;
	return d->kind == DIST_EXPONENTIAL ? 3 * d->a_ns : 2 * d->b_ns;
}

/* While fault i's node is dead and not yet taken out; queries in flight die with it. */
static double lost_to_fault(const struct plan *p, unsigned i)
{
	const struct plan_fault *f = &p->fault[i];
	const struct plan_node *n = &p->node[f->node];
	int64_t detect = plan_detect_ns(p, f->node), link = 0;
	int end = plan_fault_end(p, i);

	for (unsigned b = 0; b < p->node_n; b++)
		if (p->node[b].role == PLAN_BALANCER)
			link = longer(link, probe_rtt_ns(p, b, f->node));
	int64_t to = detect < INT64_MAX - f->at_ns ? f->at_ns + detect : INT64_MAX;
	if (end != PLAN_NONE && p->fault[end].at_ns < to)
		to = p->fault[end].at_ns;
	return share_most(p, f->node) *
	       plan_queries(p, f->at_ns - link - miss_ns(&n->miss), to);
}

/* Each query and answer crosses the clients' link, twice the balancer's, the recursor's. */
static double lost_to_links(const struct plan *p)
{
	double client = 0, balancer = 0, recursor = 0;

	for (unsigned i = 0; i < p->node_n; i++) {
		double loss = p->node[i].link.loss_ppm / 1e6;
		double *most = p->node[i].role == PLAN_CLIENTS ? &client :
		               p->node[i].role == PLAN_BALANCER ? &balancer : &recursor;
		*most = loss > *most ? loss : *most;
	}
	return plan_queries(p, 0, INT64_MAX) * (2 * client + 4 * balancer + 2 * recursor);
}

double plan_lost_mean(const struct plan *p)
{
	double mean = lost_to_links(p);

	for (unsigned i = 0; i < p->fault_n; i++)
		if (plan_fault_silences(p->fault[i].kind) &&
		    p->node[p->fault[i].node].role == PLAN_RECURSOR)
			mean += lost_to_fault(p, i);
	return mean;
}

/* Whether o, which came before, may make a check of f's node fail when f comes. */
static bool disturbs(const struct plan *p, unsigned before, const struct plan_fault *f)
{
	const struct plan_fault *o = &p->fault[before];
	int end = plan_fault_end(p, before);

	if (p->node[o->node].role != PLAN_RECURSOR)
		return true;
	if (plan_fault_silences(o->kind))
		return o->node == f->node && (end == PLAN_NONE || p->fault[end].at_ns > f->at_ns);
	if (!plan_fault_returns(o->kind))
		return true;
	return o->node == f->node &&
	       plan_back_ns(p, o->node) > f->at_ns - o->at_ns - p->limits.slack_ns;
}

static bool disturbed(const struct plan *p, unsigned fault)
{
	for (unsigned i = 0; i < p->node_n; i++)
		if (plan_link_loses(&p->node[i].link))
			return true;
	for (unsigned i = 0; i < fault; i++)
		if (disturbs(p, i, &p->fault[fault]))
			return true;
	return false;
}

/* True when each query's chance of going to a server is its weight's share, or its turn. */
static bool shares(const struct plan_conf *c)
{
	return c->policy == BAL_WRANDOM || c->policy == BAL_ROUNDROBIN;
}

/* For one balancer: the shortest over the servers that the node answers for. */
static int64_t notice_ns(const struct plan *p, unsigned balancer, const struct plan_fault *f)
{
	const struct plan_conf *c = &p->conf[p->node[balancer].conf];
	int64_t way = probe_rtt_ns(p, balancer, f->node) + miss_ns(&p->node[f->node].miss);
	int64_t least = INT64_MAX;

	for (unsigned i = 0; i < c->server_n; i++) {
		const struct bal_check *check = &c->server[i].check;
		if (c->server_node[i] != f->node)
			continue;
		int64_t foreign = p->recursor.path != NULL ? check->timeout_ns : 0;
		int64_t t = bound_notice_ns(p->balancer.checks, check, f->kind != PLAN_KILL,
		                            longer(way, foreign));
		least = t < least ? t : least;
	}
	return shares(c) ? least : 0;
}

int64_t plan_notice_ns(const struct plan *p, unsigned fault)
{
	const struct plan_fault *f = &p->fault[fault];
	int64_t next = fault + 1 < p->fault_n ? p->fault[fault + 1].at_ns : p->end_ns;
	int64_t least = next > f->at_ns ? next - f->at_ns : 0;

	if (!plan_fault_silences(f->kind) || p->node[f->node].role != PLAN_RECURSOR ||
	    disturbed(p, fault))
		return 0;
	for (unsigned b = 0; b < p->node_n; b++) {
		if (p->node[b].role != PLAN_BALANCER)
			continue;
		int64_t t = notice_ns(p, b, f);
		least = t < least ? t : least;
	}
	return least;
}

double plan_misrouted_mean(const struct plan *p, int64_t from_ns, int64_t to_ns, double share)
{
	return share * plan_queries(p, from_ns, to_ns - p->limits.slack_ns);
}
