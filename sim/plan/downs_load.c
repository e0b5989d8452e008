/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What steps of downs.h come to for the clients: queries lost, and time without any right answer.
 */
#include <stdlib.h>

#include "bounds.h"
#include "downs.h"
#include "lib/fmath.h"
#include "lib/must.h"
#include "replay.h"

enum { TRIES_MAX = 16 };

/* Of a client's choice of balancer, which few clients may make unevenly; beside any flake. */
static const double CHOICE_FLAKE = 1e-12;

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
	bool far = p->node[p->node_n - 1].role == PLAN_AUTHORITY;
	double all = 2 * client + 4 * balancer + (far ? 4 : 2) * recursor;
	return all < 1 ? all : 1;
}

/* The client side's own faults: loss on its link, while it lasts. */
static double lost_at_client(const struct plan *p, int node, int64_t t_ns)
{
	double lost = 0;

	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (f->node != node || plan_fault_earliest(f) > t_ns)
			continue;
		double stays = 1 - f->value_ppm / 1e6, now = lost;
		if (f->kind == PLAN_LOSS)
			now = 1 - stays * stays;
		else if (f->kind == PLAN_HEAL)
			now = 0;
		else if (f->kind == PLAN_BLACKHOLE)
			now = 1;
		lost = f->at_ns <= t_ns || now > lost ? now : lost;
	}
	return lost;
}

static unsigned balancers(const struct plan *p, int *node)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->node_n; i++)
		if (p->node[i].role == PLAN_BALANCER)
			node[n++] = (int)i;
	return n;
}

/* One query: balancers, and what the try number k at each of them fails with. */
struct ask {
	const struct downs *d;
	const struct plan_load *l;
	const struct plan *p;
	unsigned n, tries;
	int *node;
	double *v, *next;
	double link;
};

static void ask_init(struct ask *a, const struct downs *d, const struct plan *p,
                     const struct plan_load *l)
{
	*a = (struct ask){ .d = d, .l = l, .p = p, .tries = l->tries > 0 ? l->tries : 1,
	                   .link = lost_to_links(p) };
	a->node = calloc(p->node_n, sizeof(*a->node));
	a->v = calloc(p->node_n, sizeof(*a->v));
	a->next = calloc(p->node_n, sizeof(*a->next));
	MUST(a->node != NULL && a->v != NULL && a->next != NULL);
	a->n = balancers(p, a->node);
	MUST(a->tries <= TRIES_MAX);
}

static void ask_fini(struct ask *a)
{
	free(a->node);
	free(a->v);
	free(a->next);
}

/*
 * Later tries fail on their own only where each query is drawn for itself; else what may fail is
 * taken to.
 */
static double fails(const struct ask *a, unsigned balancer, unsigned try, int64_t t_ns)
{
	int node = a->node[balancer];
	int64_t at = t_ns + (int64_t)try * a->l->timeout_ns;
	double f = downs_share(a->d, node, at);
	double more = a->link + lost_at_client(a->p, a->l->node, at);

	if (try > 0 && f > 0 && a->p->conf[a->p->node[node].conf].policy != BAL_WRANDOM)
		f = 1;
	return f + more < 1 ? f + more : 1;
}

/* Probability that no try succeeds, of a query that goes to one balancer first. */
static double fails_from(struct ask *a, unsigned first, int64_t t_ns)
{
	double sum = 0;

	for (unsigned b = 0; b < a->n; b++)
		a->v[b] = b == first ? fails(a, b, 0, t_ns) : 0;
	for (unsigned k = 1; k < a->tries; k++) {
		sum = 0;
		for (unsigned b = 0; b < a->n; b++)
			sum += a->v[b];
		if (sum <= 0)
			return 0;
		for (unsigned b = 0; b < a->n; b++) {
			double from = a->l->retry == PLAN_SAME || a->n == 1 ? a->v[b] :
			              (sum - a->v[b]) / (a->n - 1);
			a->next[b] = from > 0 ? from * fails(a, b, k, t_ns) : 0;
		}
		double *swap = a->v;
		a->v = a->next;
		a->next = swap;
	}
	sum = 0;
	for (unsigned b = 0; b < a->n; b++)
		sum += a->v[b];
	return sum;
}

/* The most that any one balancer may be first for. */
static double first_most(const struct ask *a)
{
	double even = 1.0 / a->n;

	if (a->l->replay_n > 0 && (a->l->choose == PLAN_PER_CLIENT || replay_keeps(a->p, a->l)))
		return 1; /* one client may ask as much as all others */
	if (a->l->choose != PLAN_PER_CLIENT || a->l->clients == 0)
		return even;
	return even + fm_sqrt(fm_log(1 / CHOICE_FLAKE) / (2.0 * a->l->clients));
}

/* Over all first choices: evenly, or as unevenly as clients may have chosen. */
static double fails_at(struct ask *a, int64_t t_ns)
{
	double most = first_most(a), left = 1, sum = 0, last = 2;

	while (left > 1e-12) {
		double g = -1;
		unsigned same = 0;
		for (unsigned b = 0; b < a->n; b++) {
			double f = fails_from(a, b, t_ns);
			if (f >= last)
				continue;
			same = f > g ? 1 : same + (f >= g);
			g = f > g ? f : g;
		}
		if (g < 0)
			break;
		double part = same * most < left ? same * most : left;
		sum += part * g;
		left -= part;
		last = g;
	}
	return sum;
}

/* The next moment after t_ns at which a try of a query planned then may meet something else. */
static int64_t ask_next(const struct ask *a, int64_t t_ns)
{
	int64_t next = INT64_MAX;

	for (unsigned k = 0; k < a->tries; k++) {
		int64_t by = (int64_t)k * a->l->timeout_ns, t = downs_next(a->d, t_ns + by);
		next = t < INT64_MAX && t - by < next ? t - by : next;
		for (unsigned i = 0; i < a->p->fault_n; i++) {
			const struct plan_fault *f = &a->p->fault[i];
			int64_t early = plan_fault_earliest(f);
			int64_t at = early > t_ns + by ? early : f->at_ns;
			if (f->node == a->l->node && at > t_ns + by && at - by < next)
				next = at - by;
		}
	}
	return next;
}

double downs_lost(const struct downs *d, const struct plan *p, const struct plan_load *l,
                  int64_t from_ns, int64_t to_ns)
{
	int64_t from = from_ns > l->from_ns ? from_ns : l->from_ns;
	int64_t to = to_ns < l->to_ns ? to_ns : l->to_ns;
	struct ask a;
	double mean = 0;

	ask_init(&a, d, p, l);
	for (int64_t t = from; t < to;) {
		int64_t next = ask_next(&a, t), end = next < to ? next : to;
		mean += fails_at(&a, t) * plan_load_queries(l, t, end);
		t = end;
	}
	ask_fini(&a);
	return mean;
}

double plan_lost_mean(const struct plan *p)
{
	struct downs *d = downs_new(p, DOWNS_LOST);
	double mean = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		mean += downs_lost(d, p, &p->load[i], 0, INT64_MAX);
	downs_free(d);
	return mean;
}

/* ---- a balancer that is away ---- */

/* The median six standard deviations on. */
static double sixth(const struct dist_spec *m)
{
	double r = (double)m->b_ns / (double)m->a_ns;

	return (double)m->a_ns * r * r * r * r * r * r;
}

int64_t plan_answer_ns(const struct plan *p)
{
	int64_t most = plan_captured_miss_ns(p), links = 0;

	for (unsigned i = 0; i < p->node_n; i++) {
		const struct dist_spec *m = &p->node[i].miss;
		double tail = m->kind == DIST_EXPONENTIAL ? 21 * (double)m->a_ns :
		              m->kind == DIST_LOGNORMAL && m->a_ns > 0 ?
		              sixth(m) :
		              m->kind == DIST_UNIFORM ? (double)m->b_ns : (double)m->a_ns;
		if (p->node[i].role == PLAN_RECURSOR && tail > (double)most)
			most = (int64_t)tail;
		if (2 * plan_link_most_ns(&p->node[i].link) > links)
			links = 2 * plan_link_most_ns(&p->node[i].link);
	}
	bool far = p->node[p->node_n - 1].role == PLAN_AUTHORITY;

	return most + (far ? 8 : 4) * links;
}

/* Of one load, in the steps of that balancer's silences. */
static double failover_lost(const struct downs *d, const struct plan *p,
                            const struct plan_load *l, int balancer)
{
	struct plan_load two = *l;
	double mean = 0;
	struct ask a;

	two.tries = l->tries < 2 ? l->tries : 2;
	ask_init(&a, d, p, &two);
	unsigned first = 0;
	while (first < a.n && a.node[first] != balancer)
		first++;
	for (int64_t t = l->from_ns; first < a.n && t < l->to_ns;) {
		int64_t next = ask_next(&a, t), end = next < l->to_ns ? next : l->to_ns;
		if (downs_silent_until(d, balancer, t) > t)
			mean += first_most(&a) * fails_from(&a, first, t) *
			        plan_load_queries(l, t, end);
		t = end;
	}
	ask_fini(&a);
	return mean;
}

double plan_failover_mean(const struct plan *p, int balancer)
{
	struct downs *d = downs_new(p, DOWNS_LOST);
	double mean = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		mean += failover_lost(d, p, &p->load[i], balancer);
	downs_free(d);
	return mean;
}

int64_t plan_failover_ns(const struct plan *p)
{
	int64_t most = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		most = p->load[i].timeout_ns > most ? p->load[i].timeout_ns : most;
	return most + plan_answer_ns(p) + 2 * p->limits.send_late_max_ns;
}

double plan_balancer_fails(const struct plan *p, int balancer, int64_t t_ns)
{
	struct downs *d = downs_new(p, DOWNS_LOST);
	double fails = downs_share(d, balancer, t_ns) + lost_to_links(p);

	downs_free(d);
	return fails < 1 ? fails : 1;
}

/* ---- outage ---- */

/* Steps of the rate of queries that are sure of a right answer at their first try. */
struct calm {
	size_t n;
	int64_t *t;      /* n + 1 of them */
	double *rate;    /* a second, from t[i] to t[i + 1] */
	double *sum;     /* queries until t[i] */
};

static void calm_free(struct calm *c)
{
	free(c->t);
	free(c->rate);
	free(c->sum);
}

static double calm_rate(const struct downs *d, const struct plan *p, int64_t t_ns, int64_t *next)
{
	double rate = 0;

	for (unsigned i = 0; i < p->load_n; i++) {
		struct plan_load one = p->load[i];
		struct ask a;
		if (one.from_ns > t_ns && one.from_ns < *next)
			*next = one.from_ns;
		if (one.to_ns > t_ns && one.to_ns < *next)
			*next = one.to_ns;
		one.tries = 1;
		ask_init(&a, d, p, &one);
		int64_t change = ask_next(&a, t_ns);
		*next = change < *next ? change : *next;
		if (t_ns >= one.from_ns && t_ns < one.to_ns)
			rate += (1 - fails_at(&a, t_ns)) * (double)one.rate_mqps / 1000;
		ask_fini(&a);
	}
	return rate;
}

static void calm_init(struct calm *c, const struct plan *p, int64_t from_ns, int64_t to_ns)
{
	struct downs *d = downs_new(p, DOWNS_NOT_OK);
	size_t cap = 64;

	*c = (struct calm){ .t = malloc((cap + 1) * sizeof(*c->t)),
	                    .rate = malloc(cap * sizeof(*c->rate)) };
	MUST(c->t != NULL && c->rate != NULL);
	for (int64_t t = from_ns; t < to_ns;) {
		int64_t next = to_ns;
		if (c->n == cap) {
			cap *= 2;
			c->t = realloc(c->t, (cap + 1) * sizeof(*c->t));
			c->rate = realloc(c->rate, cap * sizeof(*c->rate));
			MUST(c->t != NULL && c->rate != NULL);
		}
		c->t[c->n] = t;
		c->rate[c->n++] = calm_rate(d, p, t, &next);
		t = next;
	}
	c->t[c->n] = to_ns;
	c->sum = calloc(c->n + 1, sizeof(*c->sum));
	MUST(c->sum != NULL);
	for (size_t i = 0; i < c->n; i++)
		c->sum[i + 1] = c->sum[i] + c->rate[i] * ((double)(c->t[i + 1] - c->t[i]) / 1e9);
	downs_free(d);
}

/* How long from t[i] on until need queries have come, and back from t[i]; at most to the ends. */
static int64_t wait_from(const struct calm *c, size_t i, double need)
{
	size_t k = i;

	while (k < c->n && c->sum[k + 1] - c->sum[i] < need)
		k++;
	if (k == c->n)
		return c->t[c->n] - c->t[i];
	double left = need - (c->sum[k] - c->sum[i]);
	return c->t[k] - c->t[i] + (int64_t)(left / c->rate[k] * 1e9);
}

static int64_t wait_back(const struct calm *c, size_t i, double need)
{
	size_t k = i;

	while (k > 0 && c->sum[i] - c->sum[k - 1] < need)
		k--;
	if (k == 0)
		return c->t[i] - c->t[0];
	double left = need - (c->sum[i] - c->sum[k]);
	return c->t[i] - c->t[k] + (int64_t)(left / c->rate[k - 1] * 1e9);
}

static int64_t wait_most(const struct calm *c, double need)
{
	int64_t most = 0;

	for (size_t i = 0; i <= c->n; i++) {
		int64_t a = wait_from(c, i, need), b = wait_back(c, i, need);
		most = a > most ? a : most;
		most = b > most ? b : most;
	}
	return most;
}

int64_t plan_outage_ns(const struct plan *p, int64_t from_ns, int64_t to_ns, double flake)
{
	double need = fm_log((plan_queries(p, from_ns, to_ns) + 1) / flake) + 1;
	struct calm c;

	calm_init(&c, p, from_ns, to_ns);
	int64_t most = wait_most(&c, need) + plan_answer_ns(p);
	calm_free(&c);
	return most;
}

int64_t plan_dark_ns(const struct plan *p, int64_t from_ns, int64_t to_ns)
{
	struct calm c;
	int64_t most = 0, since = from_ns;

	calm_init(&c, p, from_ns, to_ns);
	for (size_t i = 0; i < c.n; i++) {
		if (c.rate[i] > 0)
			since = c.t[i + 1];
		most = c.t[i + 1] - since > most ? c.t[i + 1] - since : most;
	}
	calm_free(&c);
	return most;
}
