/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * even: is the load spread as the policy says? The draws of each balancer are laid against the
 * epochs that its probes tell; draws within a transition are left out whatever they chose. Under
 * wrandom stretches with equal probabilities are pooled, and three things are asked: does the
 * exact interval of each share lie inside of p +- catch (pass), did the e-process ring (fail), and
 * are the draws independent, within a balancer and between two. Under roundrobin counts are exact.
 */
#include <stdlib.h>
#include <string.h>

#include "inner.h"
#include "lib/fmath.h"

enum { KINDS = PLAN_EXPECT_NODES_MAX, POOLS_MAX = 64, LEFT_OUT = 255 };

/* All stretches in which the kinds, which are the named nodes, have these probabilities. */
struct pool {
	double p[KINDS];
	int index[KINDS];        /* kind to the e-process's numbering; -1: p is 0 */
	bool full;               /* every named node is eligible */
	struct stat_e_set all;
	struct stat_e_set *by_balancer;
	double log_e;
};

struct even {
	struct judge *j;
	const struct plan_expect *e;
	unsigned kind_n;
	struct pool pool[POOLS_MAX];
	unsigned pool_n;
	double log_e, log_e_max;
	double *lb_log_e;        /* by balancer, its greatest */
	uint8_t **order;         /* by balancer: kind in the full pool or LEFT_OUT */
	size_t *order_n;
	uint64_t left_out, ineligible, spread_max;
	unsigned spread_balancer;
	uint32_t bad_frame;      /* first draw to a server that was down */
	unsigned bad_node, bad_server_node;
	int64_t bad_ns;
};

/* A stretch of one balancer's time in which no server's state changes. */
struct stretch {
	int64_t until_ns;
	bool certain;
	struct pool *pool;
	size_t cursor[BAL_SERVERS_MAX];
	enum server_state state[BAL_SERVERS_MAX];
	uint64_t count[BAL_SERVERS_MAX]; /* roundrobin */
};

/* kind_n: it isn't named, and its draws leave those between the named as random as they are. */
static unsigned kind_of(const struct even *v, const struct plan_conf *c, unsigned server)
{
	for (unsigned i = 0; i < v->e->node_n; i++)
		if (v->e->node[i] == c->server_node[server])
			return i;
	return v->kind_n;
}

static struct pool *pool_new(struct even *v, const double *p)
{
	struct pool *o = &v->pool[v->pool_n++];
	double some[STAT_E_KINDS];
	unsigned n = 0;

	*o = (struct pool){ .full = true };
	for (unsigned k = 0; k < v->kind_n; k++) {
		o->p[k] = p[k];
		o->index[k] = p[k] > 0 ? (int)n : -1;
		if (p[k] > 0)
			some[n++] = p[k];
		else
			o->full = false;
	}
	stat_e_init(&o->all, n, some);
	o->by_balancer = calloc(v->j->balancer_n, sizeof(*o->by_balancer));
	MUST(o->by_balancer != NULL);
	for (unsigned b = 0; b < v->j->balancer_n; b++)
		o->by_balancer[b] = o->all;
	return o;
}

/* The pool of the servers that are up; NULL when there is none, or no more room. */
static struct pool *pool_of(struct even *v, const struct plan_conf *c, const struct stretch *s)
{
	double p[KINDS] = { 0 };
	int64_t weight[KINDS] = { 0 }, all = 0;

	for (unsigned i = 0; i < c->server_n; i++)
		if (s->state[i] == SERVER_UP && kind_of(v, c, i) < v->kind_n) {
			weight[kind_of(v, c, i)] += c->server[i].weight;
			all += c->server[i].weight;
		}
	if (all == 0)
		return NULL;
	for (unsigned k = 0; k < v->kind_n; k++)
		p[k] = (double)weight[k] / (double)all;
	for (unsigned i = 0; i < v->pool_n; i++)
		if (memcmp(v->pool[i].p, p, sizeof(p)) == 0)
			return &v->pool[i];
	return v->pool_n < POOLS_MAX ? pool_new(v, p) : NULL;
}

/* Greatest difference of the counts of the servers that were up, for roundrobin. */
static void stretch_close(struct even *v, unsigned b, struct stretch *s)
{
	const struct plan_conf *c = v->j->balancer[b].conf;
	uint64_t least = UINT64_MAX, most = 0;

	for (unsigned i = 0; s->certain && i < c->server_n; i++) {
		if (s->state[i] != SERVER_UP)
			continue;
		least = s->count[i] < least ? s->count[i] : least;
		most = s->count[i] > most ? s->count[i] : most;
	}
	if (least != UINT64_MAX && most - least > v->spread_max) {
		v->spread_max = most - least;
		v->spread_balancer = b;
	}
	memset(s->count, 0, c->server_n * sizeof(s->count[0]));
}

static void stretch_open(struct even *v, unsigned b, struct stretch *s, int64_t t_ns)
{
	const struct balancer *lb = &v->j->balancer[b];

	s->until_ns = INT64_MAX;
	s->certain = true;
	for (unsigned i = 0; i < lb->conf->server_n; i++) {
		const struct server *srv = &lb->server[i];
		s->state[i] = server_state_at(srv, &s->cursor[i], t_ns);
		s->certain &= s->state[i] != SERVER_UNKNOWN;
		if (s->cursor[i] == srv->change_n)
			continue;
		const struct change *c = &srv->change[s->cursor[i]];
		int64_t next = t_ns < c->lo_ns ? c->lo_ns : c->hi_ns;
		s->until_ns = next < s->until_ns ? next : s->until_ns;
	}
	s->pool = s->certain ? pool_of(v, lb->conf, s) : NULL;
}

static void take_draw(struct even *v, unsigned b, struct stretch *s, size_t index)
{
	const struct balancer *lb = &v->j->balancer[b];
	const struct draw *d = &lb->draw[index];
	unsigned kind = kind_of(v, lb->conf, d->server);

	if (s->state[d->server] != SERVER_UP) {
		if (v->ineligible++ == 0) {
			v->bad_frame = d->frame;
			v->bad_node = lb->node;
			v->bad_server_node = (unsigned)lb->conf->server_node[d->server];
			v->bad_ns = d->t_ns;
		}
		return;
	}
	s->count[d->server]++;
	if (kind == v->kind_n)
		return;
	unsigned i = (unsigned)s->pool->index[kind];
	double step = stat_e_draw(&s->pool->all, i);
	s->pool->log_e += step;
	v->log_e += step;
	v->log_e_max = v->log_e > v->log_e_max ? v->log_e : v->log_e_max;
	v->lb_log_e[b] += stat_e_draw(&s->pool->by_balancer[b], i);
	if (s->pool->full && d->front != UINT32_MAX && !lb->front[d->front].shared)
		v->order[b][d->front] = (uint8_t)kind;
}

/*
 * A balancer draws as queries come in, but may send a batch server by server, so the order of the
 * draws is that of the front. Queries that were never sent on had no draw and are taken out.
 */
static void front_order(struct even *v, unsigned b)
{
	const struct balancer *lb = &v->j->balancer[b];

	for (size_t i = 0; i < lb->front_n; i++)
		if (lb->front[i].server != UINT16_MAX)
			v->order[b][v->order_n[b]++] = v->order[b][i];
}

static void take_balancer(struct even *v, unsigned b)
{
	const struct balancer *lb = &v->j->balancer[b];
	struct stretch *s = calloc(1, sizeof(*s));

	MUST(s != NULL);
	s->until_ns = NEVER;
	v->order[b] = malloc(lb->front_n + 1);
	MUST(v->order[b] != NULL);
	memset(v->order[b], LEFT_OUT, lb->front_n + 1);
	for (size_t i = 0; i < lb->draw_n; i++) {
		const struct draw *d = &lb->draw[i];
		if (d->t_ns < v->e->during_from_ns || d->t_ns >= v->e->during_to_ns)
			continue;
		if (d->t_ns >= s->until_ns) {
			stretch_close(v, b, s);
			stretch_open(v, b, s, d->t_ns);
		}
		if (s->pool == NULL)
			v->left_out++;
		else
			take_draw(v, b, s, i);
	}
	stretch_close(v, b, s);
	front_order(v, b);
	free(s);
}

static int64_t ppm(double x)
{
	return (int64_t)(x * 1e6 + (x < 0 ? -0.5 : 0.5));
}

/* How one kind's count stands in a pool. */
struct share {
	uint64_t k, n;
	struct stat_interval is;
	struct stat_range pass;
	bool inside;
};

static struct share share_of(const struct even *v, const struct pool *o,
                             const struct stat_e_set *s, unsigned kind)
{
	double miss = expect_miss(v->e), catch = v->e->catch_ppm / 1e6;
	struct share r = { .n = s->total };

	if (o->index[kind] < 0)
		return (struct share){ .inside = true };
	if (s->n > 2)
		miss /= s->n;
	r.k = s->count[o->index[kind]];
	r.is = stat_clopper_pearson(r.k, r.n, miss);
	r.pass = stat_equiv_pass(r.n, o->p[kind], catch, miss);
	r.inside = s->n == 1 || (r.k >= r.pass.lo && r.k <= r.pass.hi);
	return r;
}

static bool all_inside(const struct even *v, const struct pool *o, const struct stat_e_set *s)
{
	for (unsigned k = 0; k < v->kind_n; k++)
		if (!share_of(v, o, s, k).inside)
			return false;
	return true;
}

static struct pool *full_pool(struct even *v)
{
	struct pool *best = NULL;

	for (unsigned i = 0; i < v->pool_n; i++)
		if (v->pool[i].full && (best == NULL || v->pool[i].all.total > best->all.total))
			best = &v->pool[i];
	return best;
}

/* "DNS1 got 5,512 of 10,000 (55.1 %, 99.98 % interval 54.0 to 56.2 %), expected 50.0 % +- 5.0" */
static void tell_share(const struct even *v, const struct pool *o, const struct stat_e_set *s,
                       unsigned kind, struct text *t)
{
	struct share r = share_of(v, o, s, kind);

	text_add(t, "%s got ", node_name(v->j, v->e->node[kind]));
	text_count(t, r.k);
	text_add(t, " of ");
	text_count(t, r.n);
	text_add(t, " (");
	text_percent(t, r.n > 0 ? ppm((double)r.k / (double)r.n) : 0);
	text_add(t, " %%, %g %% interval ", 100 - 200 * expect_miss(v->e));
	text_percent(t, ppm(r.is.lo));
	text_add(t, " to ");
	text_percent(t, ppm(r.is.hi));
	text_add(t, " %%), expected ");
	text_percent(t, ppm(o->p[kind]));
	text_add(t, " %% +- ");
	text_percent(t, v->e->catch_ppm);
}

/* The named node that is farthest from its probability; of two, the one that gets too much. */
static unsigned worst_kind(const struct even *v, const struct pool *o, const struct stat_e_set *s)
{
	double most = -1;
	unsigned worst = 0;

	for (unsigned k = 0; k < v->kind_n; k++) {
		if (o->index[k] < 0 || s->total == 0)
			continue;
		double off = (double)s->count[o->index[k]] / (double)s->total - o->p[k];
		off = off < 0 ? -off : off + 1e-9;
		if (off > most) {
			most = off;
			worst = k;
		}
	}
	return worst;
}

static json_t *measured_share(const struct even *v, const struct pool *o, unsigned k)
{
	struct share r = share_of(v, o, &o->all, k);

	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}",
	                 "name", node_name(v->j, v->e->node[k]),
	                 "queries", (json_int_t)r.k, "expected_ppm", (json_int_t)ppm(o->p[k]),
	                 "share_ppm", (json_int_t)(r.n > 0 ? ppm((double)r.k / (double)r.n) : 0),
	                 "low_ppm", (json_int_t)ppm(r.is.lo), "high_ppm", (json_int_t)ppm(r.is.hi));
}

static void fill_measured(struct even *v, const struct pool *o, struct finding *f)
{
	json_t *servers = json_array();

	for (unsigned k = 0; o != NULL && k < v->kind_n; k++)
		json_array_append_new(servers, measured_share(v, o, k));
	json_object_set_new(f->measured, "servers", servers);
	json_object_set_new(f->measured, "queries",
	                    json_integer(o != NULL ? (json_int_t)o->all.total : 0));
	json_object_set_new(f->measured, "left_out", json_integer((json_int_t)v->left_out));
	json_object_set_new(f->measured, "to_a_down_server",
	                    json_integer((json_int_t)v->ineligible));
	json_object_set_new(f->measured, "log_e_max_milli",
	                    json_integer((json_int_t)(v->log_e_max * 1000)));
	json_object_set_new(f->bound, "catch_ppm", json_integer(v->e->catch_ppm));
	json_object_set_new(f->bound, "miss", json_real(expect_miss(v->e)));
	json_object_set_new(f->bound, "flake", json_real(expect_flake(v->e)));
	json_object_set_new(f->bound, "log_e_alarm_milli",
	                    json_integer((json_int_t)(stat_e_alarm(expect_flake(v->e)) * 1000)));
}

/* ---- independence ---- */

/* Draws of balancer b that lie in the full pool, as one row. Returns how many. */
static uint64_t row_of(const struct even *v, unsigned b, uint8_t *row)
{
	uint64_t n = 0;

	for (size_t i = 0; i < v->order_n[b]; i++)
		if (v->order[b][i] != LEFT_OUT)
			row[n++] = v->order[b][i] == 0;
	return n;
}

/* Changes between consecutive draws; false when a right system hardly ever has so few or many. */
static bool switches_right(const struct pool *o, const uint8_t *row, uint64_t n, double level,
                           uint64_t *switches)
{
	uint64_t ones = n > 0 ? row[0] : 0;

	*switches = 0;
	for (uint64_t i = 1; i < n; i++) {
		*switches += row[i] != row[i - 1];
		ones += row[i];
	}
	if (n < 2)
		return true;
	if (o->p[0] > 0.4999999 && o->p[0] < 0.5000001) {
		struct stat_range r = stat_binom_accept(n - 1, 0.5, level);
		return *switches >= r.lo && *switches <= r.hi;
	}
	return stat_runs_lower(*switches + 1, ones, n - ones) > level / 2 &&
	       stat_runs_upper(*switches + 1, ones, n - ones) > level / 2;
}

static bool within_right(struct even *v, const struct pool *o, unsigned b, double level,
                         struct text *t)
{
	uint8_t *row = malloc(v->order_n[b] + 1);
	uint64_t switches;

	MUST(row != NULL);
	uint64_t n = row_of(v, b, row);
	bool right = switches_right(o, row, n, level, &switches);
	free(row);
	if (!right) {
		text_add(t, "%s doesn't draw at random: in ",
		         node_name(v->j, (int)v->j->balancer[b].node));
		text_count(t, n);
		text_add(t, " queries it changed the server ");
		text_count(t, switches);
		text_add(t, " times");
	}
	return right;
}

/* Agreements by draw index are Binomial(n, sum of p^2) for balancers that draw on their own. */
static bool between_right(struct even *v, const struct pool *o, unsigned a, unsigned b,
                          double level, struct text *t)
{
	const struct balancer *x = &v->j->balancer[a], *y = &v->j->balancer[b];
	uint64_t n = 0, same = 0;
	double p = 0;

	for (unsigned k = 0; k < v->kind_n; k++)
		p += o->p[k] * o->p[k];
	for (size_t i = 0; i < v->order_n[a] && i < v->order_n[b]; i++) {
		if (v->order[a][i] == LEFT_OUT || v->order[b][i] == LEFT_OUT)
			continue;
		n++;
		same += v->order[a][i] == v->order[b][i];
	}
	struct stat_range r = stat_binom_accept(n, p, level);
	if (n == 0 || (same >= r.lo && same <= r.hi))
		return true;
	text_add(t, "%s and %s don't draw on their own: they agree in ",
	         node_name(v->j, (int)x->node), node_name(v->j, (int)y->node));
	text_count(t, same);
	text_add(t, " of ");
	text_count(t, n);
	text_add(t, " draws, expected ");
	text_count(t, r.lo);
	text_add(t, " to ");
	text_count(t, r.hi);
	return false;
}

static bool independent(struct even *v, const struct pool *o, struct text *t)
{
	unsigned n = v->j->balancer_n;
	double level = expect_flake(v->e) / (n + n * (n - 1) / 2.0);

	if (o == NULL || o->all.n < 2)
		return true;
	for (unsigned a = 0; a < n; a++) {
		if (!within_right(v, o, a, level, t))
			return false;
		for (unsigned b = 0; b < a; b++)
			if (!between_right(v, o, b, a, level, t))
				return false;
	}
	return true;
}

/* ---- verdicts ---- */

static bool fail_ineligible(struct even *v, struct finding *f)
{
	const char *server = v->ineligible > 0 ? node_name(v->j, (int)v->bad_server_node) : "";

	if (v->ineligible == 0)
		return false;
	f->verdict = VERDICT_FAIL;
	text_count(&f->why, v->ineligible);
	text_add(&f->why, " queries went to a server whose health checks said that it was down, "
	         "the first at ");
	text_time(&f->why, v->bad_ns);
	text_add(&f->why, " from %s to %s", node_name(v->j, (int)v->bad_node), server);
	finding_frame(f, v->j, v->bad_node, v->bad_frame, v->bad_ns,
	              "query to a server that is down");
	return true;
}

/* The alarm rang, over all or for one balancer, and the shares aren't where they should be. */
static bool fail_share(struct even *v, struct finding *f)
{
	double flake = expect_flake(v->e);
	const struct pool *worst = NULL;

	for (unsigned i = 0; i < v->pool_n; i++)
		if (worst == NULL || v->pool[i].log_e > worst->log_e)
			worst = &v->pool[i];
	if (worst == NULL)
		return false;
	if (v->log_e_max >= stat_e_alarm(flake) && !all_inside(v, worst, &worst->all)) {
		f->verdict = VERDICT_FAIL;
		tell_share(v, worst, &worst->all, worst_kind(v, worst, &worst->all), &f->why);
		return true;
	}
	for (unsigned b = 0; v->j->balancer_n > 1 && b < v->j->balancer_n; b++) {
		const struct stat_e_set *s = &worst->by_balancer[b];
		if (v->lb_log_e[b] < stat_e_alarm(flake / v->j->balancer_n) ||
		    all_inside(v, worst, s))
			continue;
		f->verdict = VERDICT_FAIL;
		text_add(&f->why, "from %s ", node_name(v->j, (int)v->j->balancer[b].node));
		tell_share(v, worst, s, worst_kind(v, worst, s), &f->why);
		return true;
	}
	return false;
}

static void decide_random(struct even *v, struct finding *f)
{
	struct pool *o = full_pool(v);

	fill_measured(v, o, f);
	if (fail_ineligible(v, f) || fail_share(v, f))
		return;
	if (!independent(v, o, &f->why)) {
		f->verdict = VERDICT_FAIL;
		return;
	}
	f->verdict = VERDICT_INCONCLUSIVE;
	if (o == NULL || o->all.total == 0) {
		text_add(&f->why, "no query was sent while every named server was known to be up");
		return;
	}
	tell_share(v, o, &o->all, worst_kind(v, o, &o->all), &f->why);
	if (all_inside(v, o, &o->all))
		f->verdict = VERDICT_PASS;
	else
		text_add(&f->why, ": too few queries to tell");
}

static void decide_roundrobin(struct even *v, struct finding *f)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < v->pool_n; i++)
		n += v->pool[i].all.total;
	fill_measured(v, full_pool(v), f);
	json_object_set_new(f->measured, "spread", json_integer((json_int_t)v->spread_max));
	json_object_set_new(f->bound, "spread", json_integer(1));
	if (fail_ineligible(v, f))
		return;
	f->verdict = n == 0 ? VERDICT_INCONCLUSIVE :
	             v->spread_max <= 1 ? VERDICT_PASS : VERDICT_FAIL;
	text_add(&f->why, "under roundrobin the servers' counts differ by at most ");
	text_count(&f->why, v->spread_max);
	text_add(&f->why, " (%s), exactly 1 is allowed, over ",
	         node_name(v->j, (int)v->j->balancer[v->spread_balancer].node));
	text_count(&f->why, n);
	text_add(&f->why, " queries");
}

static void even_free(struct even *v)
{
	for (unsigned b = 0; b < v->j->balancer_n; b++)
		free(v->order[b]);
	for (unsigned i = 0; i < v->pool_n; i++)
		free(v->pool[i].by_balancer);
	free(v->order);
	free(v->order_n);
	free(v->lb_log_e);
	free(v);
}

static void even_titles(const struct even *v, struct finding *f)
{
	text_add(&f->title, "load is even between ");
	for (unsigned i = 0; i < v->e->node_n; i++)
		text_add(&f->title, "%s%s", i == 0 ? "" : i + 1 < v->e->node_n ? ", " : " and ",
		         node_name(v->j, v->e->node[i]));
	text_add(&f->claim, "each its share +- ");
	text_percent(&f->claim, v->e->catch_ppm);
	text_add(&f->claim, " points");
}

void expect_even(struct judge *j, const struct plan_expect *e, struct finding *f)
{
	struct even *v = calloc(1, sizeof(*v));

	MUST(v != NULL && j->balancer_n > 0);
	v->j = j;
	v->e = e;
	v->kind_n = e->node_n;
	v->lb_log_e = calloc(j->balancer_n, sizeof(*v->lb_log_e));
	v->order = calloc(j->balancer_n, sizeof(*v->order));
	v->order_n = calloc(j->balancer_n, sizeof(*v->order_n));
	MUST(v->lb_log_e != NULL && v->order != NULL && v->order_n != NULL);
	even_titles(v, f);
	for (unsigned b = 0; b < j->balancer_n; b++)
		take_balancer(v, b);
	switch (j->balancer[0].conf->policy) {
	case BAL_WRANDOM:
		decide_random(v, f);
		break;
	case BAL_ROUNDROBIN:
		decide_roundrobin(v, f);
		break;
	case BAL_LEAST_OUTSTANDING:
	case BAL_FIRST_AVAILABLE:
		f->verdict = VERDICT_INCONCLUSIVE;
		text_add(&f->why, "the policy spreads load by other rules than chance or turns: "
		         "nothing says what even would be");
		break;
	}
	even_free(v);
}
