/* SPDX-License-Identifier: BSD-3-Clause */
/* The formulas, one a function; see bounds.h. */
#include "bounds.h"
#include "answers.h"
#include "recursor-stub/core/book.h"
#include "replay.h"

static const int64_t SECOND = 1000000000;
static const int64_t TENTH = 100000000; /* dnsdist looks at its probes' deadlines this often */

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t bound_detect_ns(enum plan_checks how, const struct bal_check *c)
{
	int64_t m = c->max_failures, i = c->interval_ns, t = c->timeout_ns;

	if (c->mode != BAL_CHECK_AUTO || c->lazy.on || m > INT64_MAX / 4 / (i + t + SECOND))
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

/* Lazy checks of a server that is down: the first success as late as gaps grow, then each gap. */
static int64_t back_lazy_ns(enum plan_checks how, const struct bal_check *c, int64_t rtt_ns)
{
	int64_t most = c->lazy.back_off ? longer(c->lazy.back_off_max_ns, c->lazy.failed_ns)
	                                : c->lazy.failed_ns;

	if (c->rise > INT64_MAX / 4 / (most + c->timeout_ns + SECOND))
		return INT64_MAX;
	if (how == PLAN_CHECKS_EXACT)
		return most + (c->rise - 1) * c->lazy.failed_ns + rtt_ns;
	return c->rise * (most + c->timeout_ns + SECOND + TENTH); /* it counts in whole seconds */
}

int64_t bound_back_ns(enum plan_checks how, const struct bal_check *c, int64_t rtt_ns)
{
	if (c->mode != BAL_CHECK_AUTO)
		return c->mode == BAL_CHECK_UP ? 0 : INT64_MAX;
	if (c->lazy.on)
		return back_lazy_ns(how, c, rtt_ns);
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

/* How long a full queue takes. */
static int64_t queue_ns(uint64_t rate_bps, uint32_t queue_bytes)
{
	return rate_bps > 0 ? (int64_t)(queue_bytes * UINT64_C(8000000000) / rate_bps) : 0;
}

int64_t plan_link_most_ns(const struct plan_link *l)
{
	return l->delay_ns + l->jitter_ns + (l->reorder_ppm > 0 ? l->reorder_ns : 0) +
	       queue_ns(l->rate_bps, l->queue_bytes);
}

int64_t plan_fault_holds_ns(const struct plan_fault *f)
{
	switch (f->kind) {
	case PLAN_DELAY: case PLAN_JITTER: case PLAN_REORDER:
		return f->value_ns;
	case PLAN_RATE:
		return queue_ns(f->rate_bps, f->queue_bytes);
	default:
		return 0;
	}
}

int64_t plan_probe_rtt_ns(const struct plan *p, unsigned balancer, int node)
{
	return 2 * (plan_link_most_ns(&p->node[balancer].link) +
	            plan_link_most_ns(&p->node[node].link));
}

int64_t plan_check_rtt_ns(const struct plan *p, unsigned balancer, int node,
                          const struct bal_check *c)
{
	return plan_probe_rtt_ns(p, balancer, node) * (c->tcp ? 2 : 1);
}

static int64_t back_ns(const struct plan *p, const struct bal_server *s, int64_t rtt_ns)
{
	int64_t t = bound_back_ns(p->balancer.checks, &s->check, rtt_ns);

	return t < INT64_MAX ? t + s->slow_start_ns : t;
}

int64_t plan_slow_start_ns(const struct plan *p, int node)
{
	int64_t most = 0;

	for (unsigned c = 0; c < p->conf_n; c++)
		for (unsigned i = 0; i < p->conf[c].server_n; i++)
			if (p->conf[c].server_node[i] == node)
				most = longer(most, p->conf[c].server[i].slow_start_ns);
	return most;
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
			int64_t rtt = plan_check_rtt_ns(p, b, node, check);
			most = longer(most, !detect ? back_ns(p, &c->server[i], rtt) :
			              check->lazy.on && check->mode == BAL_CHECK_AUTO ?
			              plan_lazy_detect_ns(p, c, i) :
			              bound_detect_ns(p->balancer.checks, check));
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
		if (c->policy == BAL_ORDERED_WRANDOM && c->server[i].order > c->server[0].order)
			break; /* they stand in the order of theirs */
		all += c->server[i].weight;
		own += c->server_node[i] == node ? c->server[i].weight : 0;
	}
	return all > 0 ? (double)own / (double)all : 0;
}

const struct bal_check *plan_check_of(const struct plan *p, int node)
{
	for (unsigned c = 0; c < p->conf_n; c++)
		for (unsigned i = 0; i < p->conf[c].server_n; i++)
			if (p->conf[c].server_node[i] == node)
				return &p->conf[c].server[i].check;
	return NULL;
}

bool plan_fault_silences(enum plan_fault_kind k)
{
	return k == PLAN_KILL || k == PLAN_HANG || k == PLAN_BLACKHOLE || k == PLAN_CUT;
}

bool plan_fault_returns(enum plan_fault_kind k)
{
	return k == PLAN_START || k == PLAN_RESUME || k == PLAN_HEAL;
}

/* A program that hangs may be killed; then only a start ends it. */
static bool ends(enum plan_fault_kind silences, enum plan_fault_kind k)
{
	switch (silences) {
	case PLAN_KILL:
		return k == PLAN_START;
	case PLAN_HANG:
		return k == PLAN_RESUME || k == PLAN_START;
	default:
		return k == PLAN_HEAL;
	}
}

static int own_end(const struct plan *p, unsigned i)
{
	for (unsigned k = i + 1; k < p->fault_n; k++)
		if (p->fault[k].node == p->fault[i].node && ends(p->fault[i].kind,
			p->fault[k].kind))
			return (int)k;
	return PLAN_NONE;
}

int plan_fault_end(const struct plan *p, unsigned i)
{
	int end = own_end(p, i);

	for (unsigned k = 0; end != PLAN_NONE && k < (unsigned)end; k++) {
		if (k == i || p->fault[k].node != p->fault[i].node ||
		    !plan_fault_silences(p->fault[k].kind))
			continue;
		int other = own_end(p, k);
		if (other == PLAN_NONE || other > end)
			end = other;
	}
	return end;
}

/* Seconds of [from, to) in which a load sends. */
static double overlap_s(const struct plan_load *l, int64_t from_ns, int64_t to_ns)
{
	int64_t from = longer(l->from_ns, from_ns), to = l->to_ns < to_ns ? l->to_ns : to_ns;

	return to > from ? (double)(to - from) / 1e9 : 0;
}

double plan_load_queries(const struct plan_load *l, int64_t from_ns, int64_t to_ns)
{
	if (l->replay_n > 0)
		return (double)replay_queries(l, longer(l->from_ns, from_ns), to_ns);
	return (double)l->rate_mqps / 1000 * overlap_s(l, from_ns, to_ns);
}

double plan_queries(const struct plan *p, int64_t from_ns, int64_t to_ns)
{
	double n = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		n += plan_load_queries(&p->load[i], from_ns, to_ns);
	return n;
}

/* True when each query's chance of going to a server is its weight's share, or its turn. */
static bool shares(const struct plan_conf *c)
{
	return c->policy == BAL_WRANDOM || c->policy == BAL_ROUNDROBIN;
}

static bool any_cache(const struct plan *p)
{
	for (unsigned i = 0; i < p->conf_n; i++)
		if (p->conf[i].cache_entries > 0)
			return true;
	return false;
}

double plan_queries_forwarded(const struct plan *p, int64_t from_ns, int64_t to_ns)
{
	bool all = !any_cache(p);
	double n = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		if (all || p->load[i].names == PLAN_UNIQUE)
			n += plan_load_queries(&p->load[i], from_ns, to_ns);
	return n;
}

bool plan_queries_cached(const struct plan *p, int64_t from_ns, int64_t to_ns)
{
	for (unsigned i = 0; i < p->load_n; i++)
		if (any_cache(p) && p->load[i].names != PLAN_UNIQUE &&
		    overlap_s(&p->load[i], from_ns, to_ns) > 0)
			return true;
	return false;
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

int64_t plan_miss_ns(const struct dist_spec *d)
{
	if (d->kind == DIST_CONSTANT)
		return d->a_ns;
	return d->kind == DIST_EXPONENTIAL ? 3 * d->a_ns : 2 * d->b_ns;
}

int64_t plan_captured_miss_ns(const struct plan *p)
{
	const struct rec_book *book = plan_book(p);

	return book != NULL && p->answers->delays ? book->delay_max_ns : 0;
}

int64_t plan_recursor_miss_ns(const struct plan *p, int node)
{
	int authority = plan_authority_of(p, node);
	int64_t way = authority == PLAN_NONE ? 0 :
		2 * (plan_link_most_ns(&p->node[node].link) +
		     plan_link_most_ns(&p->node[authority].link));

	int64_t miss = plan_miss_ns(&p->node[node].miss);
	return way + (miss > plan_captured_miss_ns(p) ? miss : plan_captured_miss_ns(p));
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

/* From a client to a balancer and back, at most. */
static int64_t front_ns(const struct plan *p)
{
	int64_t client = 0, balancer = 0;

	for (unsigned i = 0; i < p->node_n; i++) {
		int64_t *most = p->node[i].role == PLAN_CLIENTS ? &client : &balancer;
		if (p->node[i].role < PLAN_RECURSOR)
			*most = longer(*most, 2 * plan_link_most_ns(&p->node[i].link));
	}
	return client + balancer;
}

bool plan_tells_timeouts(const struct plan *p, const struct plan_conf *c)
{
	int64_t told = c->udp_timeout_ns + front_ns(p) + p->limits.slack_ns;

	for (unsigned i = 0; i < p->load_n; i++)
		if (p->load[i].timeout_ns <= told)
			return false;
	return c->servfail_on_timeout;
}

int64_t plan_retries_ns(const struct plan *p, const struct plan_conf *c, int64_t answer_ns)
{
	int64_t answered = c->udp_retry_ns + answer_ns + p->limits.slack_ns;

	for (unsigned i = 0; i < p->load_n; i++)
		if (p->load[i].timeout_ns <= answered)
			return 0;
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].kind == PLAN_SLOW || p->fault[i].kind == PLAN_RATE ||
		    plan_fault_holds_ns(&p->fault[i]) > 0)
			return 0; /* answers may take longer */
	return answered < c->udp_timeout_ns ? c->udp_retry_ns : 0;
}

/* For one balancer: the shortest over the servers that the node answers for. */
static int64_t notice_ns(const struct plan *p, unsigned balancer, const struct plan_fault *f)
{
	const struct plan_conf *c = &p->conf[p->node[balancer].conf];
	int64_t miss = plan_recursor_miss_ns(p, f->node);
	int64_t least = INT64_MAX;

	for (unsigned i = 0; i < c->server_n; i++) {
		const struct bal_check *check = &c->server[i].check;
		if (c->server_node[i] != f->node)
			continue;
		int64_t way = plan_check_rtt_ns(p, balancer, f->node, check) + miss;
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
	int64_t next = p->end_ns;
	for (unsigned i = fault + 1; i < p->fault_n; i++)
		if (plan_fault_earliest(&p->fault[i]) < next)
			next = plan_fault_earliest(&p->fault[i]);
	int64_t least = next > f->at_ns ? next - f->at_ns : 0;

	if (f->when != PLAN_AT) /* nobody can tell in what state it finds the others */
		return 0;
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
	return share * plan_queries_forwarded(p, from_ns, to_ns - p->limits.slack_ns);
}
