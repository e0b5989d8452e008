/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steps of downs.h. A fault is a span of time at a node; from it follow the moments at which a
 * right balancer may begin or cease to know of it. Between two moments shares don't change, so each
 * balancer has one figure for each step. Where a balancer may know or not, the worse is taken.
 */
#include "downs.h"

#include <stdlib.h>

#include "bounds.h"
#include "impaired.h"
#include "lib/must.h"

static const int64_t FAR = IMPAIRED_FAR;

/* A time in which a node is impaired. */
struct span {
	int node;
	int64_t from_ns, to_ns;    /* FAR: for good; of triggers, the longest that it may be */
	int64_t sure_from_ns, sure_to_ns; /* and the shortest: empty unless from < to */
	int64_t before_ns;         /* what was on its way at that time is lost with it */
	int64_t known_ns, back_ns; /* silent recursor: surely out; surely in use again */
	double fail;               /* of queries to it */
	bool silent, restarts;
	bool unsure;               /* its checks may fail */
};

struct downs {
	const struct plan *p;
	enum downs_ask ask;
	unsigned span_n, *first;   /* by node, into span, plan.node_n + 1 of them */
	struct span *span;
	size_t moment_n;
	int64_t *moment;           /* in order; shares are constant from one to the next */
	double *share;             /* moment_n times plan.node_n */
};

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t after(int64_t t_ns, int64_t by_ns)
{
	return t_ns >= FAR || by_ns >= FAR ? FAR : t_ns + by_ns;
}

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	MUST(p != NULL);
	return p;
}

/* ---- spans ---- */

/* The longest time-out of a check of the node's. */
static int64_t check_timeout(const struct plan *p, int node)
{
	int64_t most = 0;

	for (unsigned c = 0; c < p->conf_n; c++)
		for (unsigned i = 0; i < p->conf[c].server_n; i++)
			if (p->conf[c].server_node[i] == node)
				most = longer(most, p->conf[c].server[i].check.timeout_ns);
	return most;
}

/* What a query to a recursor and its answer take, at most. */
static int64_t way_ns(const struct plan *p, int node)
{
	int64_t link = 0;

	for (unsigned b = 0; b < p->node_n; b++)
		if (p->node[b].role == PLAN_BALANCER)
			link = longer(link, plan_probe_rtt_ns(p, b, node));
	return link + plan_recursor_miss_ns(p, node);
}

static bool lossy(const struct plan *p)
{
	for (unsigned i = 0; i < p->node_n; i++)
		if (plan_link_loses(&p->node[i].link))
			return true;
	return false;
}

/* The longest over all recursors of the time from a return until surely in use. */
static int64_t back_most(const struct plan *p)
{
	int64_t most = 0;

	for (unsigned i = 0; i < p->node_n; i++)
		if (p->node[i].role == PLAN_RECURSOR)
			most = longer(most, after(plan_back_ns(p, (int)i),
			                          check_timeout(p, (int)i)));
	return most;
}

/* How long after it a query may be sent once more. */
static int64_t retries_most(const struct plan *p)
{
	int64_t most = 0;

	for (unsigned i = 0; i < p->conf_n; i++)
		most = longer(most, plan_retries_ns(p, &p->conf[i], plan_answer_ns(p)));
	return most;
}

static void recursor_span(const struct plan *p, struct span *s)
{
	int64_t back = after(plan_back_ns(p, s->node), check_timeout(p, s->node));

	s->before_ns = s->from_ns - way_ns(p, s->node) - retries_most(p);
	s->known_ns = s->silent ? after(s->sure_from_ns, plan_detect_ns(p, s->node)) :
	                          FAR;
	s->back_ns = after(s->to_ns, back);
}

/*
 * A balancer that starts asks each server at once; one that was only silent may have given up
 * all.
 */
static void balancer_span(const struct plan *p, struct span *s)
{
	int64_t most = 0, client = 0;

	for (unsigned i = 0; i < p->node_n; i++) {
		if (p->node[i].role == PLAN_RECURSOR)
			most = longer(most, way_ns(p, (int)i));
		else if (p->node[i].role == PLAN_CLIENTS)
			client = longer(client, 2 * plan_link_most_ns(&p->node[i].link));
	}
	s->before_ns = s->from_ns - most - client - 2 * plan_link_most_ns(&p->node[s->node].link);
	s->known_ns = FAR;
	s->back_ns = after(s->to_ns, s->restarts && !lossy(p) ? most + p->limits.slack_ns :
	                   back_most(p));
}

static void add_span(struct downs *d, unsigned fault)
{
	const struct plan *p = d->p;
	const struct plan_fault *f = &p->fault[fault];
	struct span s = { .node = f->node, .from_ns = plan_fault_earliest(f),
	                  .sure_from_ns = f->at_ns, .unsure = true };

	if (plan_fault_returns(f->kind))
		return;
	if (plan_fault_silences(f->kind)) {
		int end = plan_fault_end(p, fault);
		s.to_ns = end != PLAN_NONE ? p->fault[end].at_ns : FAR;
		s.sure_to_ns = end != PLAN_NONE ? plan_fault_earliest(&p->fault[end]) : FAR;
		s.restarts = f->kind == PLAN_KILL;
		s.silent = true;
		s.fail = 1;
	} else {
		s.to_ns = s.sure_to_ns = impaired_until(p, fault);
		s.fail = impaired(p, f, d->ask, way_ns(p, f->node));
		s.unsure = f->kind != PLAN_WRONG && f->kind != PLAN_TRUNCATE &&
		           !f->spares_checks;
		if (f->value_ppm == 0 && f->value_ns == 0 && f->rate_bps == 0)
			return;
	}
	if (p->node[f->node].role == PLAN_RECURSOR)
		recursor_span(p, &s);
	else
		balancer_span(p, &s);
	d->span[d->span_n++] = s;
}

static int by_node(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

/* A balancer that was silent itself learns of a death only after its own return. */
static void learn_late(struct downs *d)
{
	for (unsigned i = 0; i < d->span_n; i++) {
		struct span *s = &d->span[i];
		if (!s->silent || d->p->node[s->node].role != PLAN_RECURSOR)
			continue;
		int64_t detect = plan_detect_ns(d->p, s->node);
		for (unsigned k = 0; k < d->span_n; k++) {
			const struct span *b = &d->span[k];
			if (b->silent && d->p->node[b->node].role == PLAN_BALANCER &&
			    b->from_ns < s->known_ns && b->to_ns > s->from_ns)
				s->known_ns = longer(s->known_ns, after(b->to_ns, detect));
		}
	}
}

static void add_spans(struct downs *d)
{
	const struct plan *p = d->p;

	d->span = zeroed(p->fault_n, sizeof(*d->span));
	d->first = zeroed(p->node_n + 1, sizeof(*d->first));
	for (unsigned i = 0; i < p->fault_n; i++)
		add_span(d, i);
	learn_late(d);
	qsort(d->span, d->span_n, sizeof(*d->span), by_node);
	for (unsigned n = 0, i = 0; n <= p->node_n; n++) {
		while (i < d->span_n && d->span[i].node < (int)n)
			i++;
		d->first[n] = i;
	}
}

/* ---- one moment ---- */

/* What a balancer may think of a server, and what its queries to it come to. */
struct seen {
	double fail;
	bool out, sure; /* surely not used; surely used */
};

static void see_span(struct seen *s, const struct span *o, bool checked, int64_t t_ns)
{
	if (t_ns < o->before_ns || t_ns >= o->back_ns)
		return;
	s->sure = s->sure && !o->unsure;
	if (t_ns >= o->to_ns)
		return;
	bool known = checked && o->silent && t_ns >= o->known_ns;
	s->out = s->out || (known && t_ns < o->sure_to_ns);
	if (!known) /* else it isn't used, or is back already */
		s->fail = o->fail > s->fail ? o->fail : s->fail;
}

static struct seen see(const struct downs *d, const struct plan_conf *c, unsigned server,
                       int64_t t_ns)
{
	struct seen s = { .sure = true };
	int node = c->server_node[server];
	enum bal_check_mode mode = c->server[server].check.mode;

	for (unsigned i = d->first[node]; i < d->first[node + 1]; i++)
		see_span(&s, &d->span[i], mode == BAL_CHECK_AUTO, t_ns);
	if (mode != BAL_CHECK_AUTO) {
		s.out = mode == BAL_CHECK_DOWN;
		s.sure = true;
	}
	return s;
}

/* The greatest fail below what was, among those that may be used. Returns -1: there is none. */
static double next_fail(const struct seen *s, unsigned n, double below)
{
	double most = -1;

	for (unsigned i = 0; i < n; i++)
		if (!s[i].out && !s[i].sure && s[i].fail < below && s[i].fail > most)
			most = s[i].fail;
	return most;
}

/* By weight: those surely used, and of the others those that make it worse. */
static double share_by_weight(const struct plan_conf *c, const struct seen *s)
{
	double all = 0, fail = 0;

	for (unsigned i = 0; i < c->server_n; i++)
		if (!s[i].out && s[i].sure) {
			all += c->server[i].weight;
			fail += c->server[i].weight * s[i].fail;
		}
	for (double f = next_fail(s, c->server_n, 2); f > fail / all; f = next_fail(s,
		c->server_n, f))
		for (unsigned i = 0; i < c->server_n; i++)
			if (!s[i].out && !s[i].sure && s[i].fail >= f && s[i].fail <= f) {
				all += c->server[i].weight;
				fail += c->server[i].weight * f;
			}
	return fail / all;
}

/*
 * Only the lowest order that is used gets anything: leaves those above the lowest surely used one
 * out. True when one below it, that may be used, would get all.
 */
static bool leave_higher_orders_out(const struct plan_conf *c, struct seen *s)
{
	int32_t lowest = INT32_MAX;
	bool below = false;

	for (unsigned i = 0; i < c->server_n; i++)
		if (!s[i].out && s[i].sure && c->server[i].order < lowest)
			lowest = c->server[i].order;
	for (unsigned i = 0; i < c->server_n; i++) {
		s[i].out = s[i].out || c->server[i].order > lowest;
		below = below || (!s[i].out && c->server[i].order < lowest);
	}
	return below;
}

static bool draws_by_weight(enum bal_policy policy)
{
	return policy == BAL_WRANDOM || policy == BAL_ROUNDROBIN || policy == BAL_ORDERED_WRANDOM;
}

/*
 * What fails is tried again, at the worst of the others; surely only where one of them is surely
 * used. What a fault does a try later is in its beginning, which is as much earlier.
 */
static void try_again(struct seen *s, unsigned n)
{
	double worst = 0, second = 0;
	unsigned sure = 0;

	for (unsigned i = 0; i < n; i++) {
		double f = s[i].out ? 0 : s[i].fail;
		second = f > worst ? worst : f > second ? f : second;
		worst = f > worst ? f : worst;
		sure += !s[i].out && s[i].sure;
	}
	for (unsigned i = 0; i < n; i++)
		if (sure > (unsigned)(!s[i].out && s[i].sure))
			s[i].fail *= s[i].out || s[i].fail < worst ? worst : second;
}

/* all_unsure: the balancer may have no server up. */
static double conf_share(const struct downs *d, const struct plan_conf *c, struct seen *s,
                         int64_t t_ns, bool all_unsure)
{
	bool some = false, by_weight = draws_by_weight(c->policy);
	bool told = d->ask == DOWNS_LOST && plan_tells_timeouts(d->p, c);
	bool again = d->ask == DOWNS_LOST && plan_retries_ns(d->p, c, plan_answer_ns(d->p)) > 0;
	double most = 0;

	for (unsigned i = 0; i < c->server_n; i++) {
		s[i] = see(d, c, i, t_ns);
		s[i].fail = told ? 0 : s[i].fail;
		s[i].sure = s[i].sure && (!all_unsure || c->server[i].check.mode != BAL_CHECK_AUTO);
		some = some || (!s[i].out && s[i].sure);
	}
	if (again)
		try_again(s, c->server_n);
	for (unsigned i = 0; i < c->server_n; i++)
		most = !s[i].out && s[i].fail > most ? s[i].fail : most;
	if (some && c->policy == BAL_ORDERED_WRANDOM && leave_higher_orders_out(c, s))
		by_weight = false;
	if (some)
		return by_weight ? share_by_weight(c, s) : most;
	if (d->ask == DOWNS_LOST && c->servfail_when_no_server && c->policy != BAL_ROUNDROBIN)
		return most;
	return 1;
}

static double node_share(const struct downs *d, int balancer, struct seen *s, int64_t t_ns)
{
	double own = 0;
	bool unsure = false;

	for (unsigned i = d->first[balancer]; i < d->first[balancer + 1]; i++) {
		const struct span *o = &d->span[i];
		if (t_ns < o->before_ns || t_ns >= o->back_ns)
			continue;
		unsure = unsure || t_ns >= o->from_ns;
		if (t_ns < o->to_ns)
			own = o->fail > own ? o->fail : own;
	}
	if (own >= 1)
		return 1;
	double share = conf_share(d, &d->p->conf[d->p->node[balancer].conf], s, t_ns, unsure);
	return 1 - (1 - own) * (1 - share);
}

/* ---- all moments ---- */

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static size_t sort_moments(int64_t *t, size_t n)
{
	size_t kept = 0;

	qsort(t, n, sizeof(*t), by_time);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || t[i] != t[kept - 1])
			t[kept++] = t[i];
	return kept;
}

static void add_moments(struct downs *d)
{
	size_t n = 0;

	d->moment = zeroed(1 + 6 * (size_t)d->span_n, sizeof(*d->moment));
	d->moment[n++] = INT64_MIN;
	for (unsigned i = 0; i < d->span_n; i++) {
		const struct span *s = &d->span[i];
		d->moment[n++] = s->before_ns;
		d->moment[n++] = s->from_ns;
		d->moment[n++] = s->sure_to_ns;
		d->moment[n++] = s->to_ns;
		d->moment[n++] = s->known_ns;
		d->moment[n++] = s->back_ns;
	}
	d->moment_n = sort_moments(d->moment, n);
}

static unsigned servers_most(const struct plan *p)
{
	unsigned most = 0;

	for (unsigned i = 0; i < p->conf_n; i++)
		most = p->conf[i].server_n > most ? p->conf[i].server_n : most;
	return most;
}

/* A balancer without faults of its own is as the one before with its configuration. */
static void add_shares(struct downs *d)
{
	const struct plan *p = d->p;
	struct seen *s = zeroed(servers_most(p), sizeof(*s));

	d->share = zeroed(d->moment_n * p->node_n, sizeof(*d->share));
	for (size_t m = 0; m < d->moment_n; m++) {
		double *row = &d->share[m * p->node_n];
		int like = PLAN_NONE;
		for (unsigned b = 0; b < p->node_n; b++) {
			int conf = p->node[b].conf;
			if (p->node[b].role != PLAN_BALANCER || conf < 0 ||
			    (unsigned)conf >= p->conf_n)
				continue;
			bool own = d->first[b] < d->first[b + 1];
			if (!own && like != PLAN_NONE && p->node[like].conf == conf) {
				row[b] = row[like];
				continue;
			}
			row[b] = node_share(d, (int)b, s, d->moment[m]);
			like = own ? like : (int)b;
		}
	}
	free(s);
}

struct downs *downs_new(const struct plan *p, enum downs_ask ask)
{
	struct downs *d = zeroed(1, sizeof(*d));

	d->p = p;
	d->ask = ask;
	add_spans(d);
	add_moments(d);
	add_shares(d);
	return d;
}

void downs_free(struct downs *take_d)
{
	if (take_d == NULL)
		return;
	free(take_d->span);
	free(take_d->first);
	free(take_d->moment);
	free(take_d->share);
	free(take_d);
}

/* The step that t_ns lies in. */
static size_t step_of(const struct downs *d, int64_t t_ns)
{
	size_t lo = 0, hi = d->moment_n;

	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;
		if (d->moment[mid] <= t_ns)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

double downs_share(const struct downs *d, int balancer, int64_t t_ns)
{
	return d->share[step_of(d, t_ns) * d->p->node_n + (unsigned)balancer];
}

int64_t downs_next(const struct downs *d, int64_t t_ns)
{
	size_t i = step_of(d, t_ns) + 1;

	return i < d->moment_n && d->moment[i] < FAR ? d->moment[i] : INT64_MAX;
}

int64_t downs_silent_until(const struct downs *d, int node, int64_t t_ns)
{
	for (unsigned i = d->first[node]; i < d->first[node + 1]; i++) {
		const struct span *s = &d->span[i];
		if (s->silent && t_ns >= s->from_ns && t_ns < s->to_ns)
			return s->to_ns;
	}
	return t_ns;
}

bool downs_surely_silent(const struct downs *d, int node, int64_t t_ns)
{
	for (unsigned i = d->first[node]; i < d->first[node + 1]; i++) {
		const struct span *s = &d->span[i];
		if (s->silent && t_ns >= s->sure_from_ns && t_ns < s->sure_to_ns)
			return true;
	}
	return false;
}

bool downs_surely_up(const struct downs *d, int node, int64_t t_ns)
{
	for (unsigned i = d->first[node]; i < d->first[node + 1]; i++) {
		const struct span *s = &d->span[i];
		if (s->unsure && t_ns >= s->from_ns && t_ns < s->back_ns)
			return false;
	}
	return true;
}

int64_t downs_returned(const struct downs *d, int node, int64_t t_ns)
{
	int64_t last = INT64_MIN;

	for (unsigned i = d->first[node]; i < d->first[node + 1]; i++) {
		const struct span *s = &d->span[i];
		int64_t to = s->to_ns < t_ns ? s->to_ns : t_ns;
		if (s->silent && s->sure_to_ns <= t_ns && to > last)
			last = to;
	}
	return last;
}

int64_t downs_others_up(const struct downs *d, int node, int64_t t_ns)
{
	int64_t up = t_ns;

	for (unsigned i = 0; i < d->span_n; i++) {
		const struct span *s = &d->span[i];
		bool other = d->p->node[s->node].role == PLAN_RECURSOR && s->node != node;
		if (other && s->unsure && s->from_ns <= t_ns && s->back_ns > up)
			up = s->back_ns;
	}
	return up >= FAR ? INT64_MAX : up;
}
