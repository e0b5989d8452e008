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

#include "even.h"

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

/* Finds the stretch around t_ns, cut to the expectation's window. */
static void stretch_open(struct even *v, unsigned b, struct stretch *s, int64_t t_ns)
{
	const struct balancer *lb = &v->j->balancer[b];

	s->from_ns = v->e->during_from_ns;
	s->until_ns = v->e->during_to_ns;
	s->certain = true;
	for (unsigned i = 0; i < lb->conf->server_n; i++) {
		const struct server *srv = &lb->server[i];
		s->state[i] = server_state_at(srv, &s->cursor[i], t_ns);
		s->certain &= s->state[i] != SERVER_UNKNOWN;
		int64_t from = s->cursor[i] > 0 ? srv->change[s->cursor[i] - 1].hi_ns : NEVER;
		int64_t until = INT64_MAX;
		if (s->cursor[i] < srv->change_n) {
			const struct change *c = &srv->change[s->cursor[i]];
			from = t_ns < c->lo_ns ? from : c->lo_ns;
			until = t_ns < c->lo_ns ? c->lo_ns : c->hi_ns;
		}
		s->from_ns = from > s->from_ns ? from : s->from_ns;
		s->until_ns = until < s->until_ns ? until : s->until_ns;
	}
	s->pool = s->certain ? pool_of(v, lb->conf, s) : NULL;
}

static void take_draw(struct even *v, unsigned b, const struct stretch *s, const struct draw *d)
{
	const struct balancer *lb = &v->j->balancer[b];
	unsigned kind = kind_of(v, lb->conf, d->server);

	if (s->state[d->server] != SERVER_UP && d->t_ns >= s->until_ns) {
		v->left_out++; /* drawn after the stretch, maybe */
		return;
	}
	if (s->state[d->server] != SERVER_UP) {
		if (v->ineligible++ == 0) {
			v->bad_frame = d->frame;
			v->bad_node = lb->node;
			v->bad_server_node = (unsigned)lb->conf->server_node[d->server];
			v->bad_ns = d->t_ns;
		}
		return;
	}
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

/* When a draw was made, at the earliest: its query came in. */
static int64_t drawn_ns(const struct balancer *lb, const struct draw *d)
{
	return d->front != UINT32_MAX ? lb->front[d->front].t_ns : d->t_ns;
}

/*
 * The draws by drawn_ns. A balancer draws as queries come in, but may send a batch server by
 * server: the order in which they leave depends on what was drawn, and so would the e-process and
 * every window that cuts it. The caller frees.
 */
static const struct draw **by_front(const struct balancer *lb)
{
	const struct draw **at = calloc(lb->front_n + 1, sizeof(*at));
	const struct draw **all = calloc(lb->draw_n + 1, sizeof(*all));
	size_t n = 0, lone = 0;

	MUST(at != NULL && all != NULL);
	for (size_t i = 0; i < lb->draw_n; i++)
		if (lb->draw[i].front != UINT32_MAX)
			at[lb->draw[i].front] = &lb->draw[i];
	for (size_t i = 0; i <= lb->front_n; i++) {
		int64_t t = i < lb->front_n ? lb->front[i].t_ns : INT64_MAX;
		for (; lone < lb->draw_n && lb->draw[lone].t_ns <= t; lone++)
			if (lb->draw[lone].front == UINT32_MAX)
				all[n++] = &lb->draw[lone];
		if (i < lb->front_n && at[i] != NULL)
			all[n++] = at[i];
	}
	free(at);
	MUST(n == lb->draw_n);
	return all;
}

/* Takes queries that were never sent on, and had no draw, out of the order. */
static void order_pack(struct even *v, unsigned b)
{
	const struct balancer *lb = &v->j->balancer[b];

	for (size_t i = 0; i < lb->front_n; i++)
		if (lb->front[i].server != UINT16_MAX)
			v->order[b][v->order_n[b]++] = v->order[b][i];
}

static void take_balancer(struct even *v, unsigned b)
{
	const struct balancer *lb = &v->j->balancer[b];
	const struct draw **draw = by_front(lb);
	struct stretch *s = calloc(1, sizeof(*s));

	MUST(s != NULL);
	s->until_ns = NEVER;
	v->order[b] = malloc(lb->front_n + 1);
	MUST(v->order[b] != NULL);
	memset(v->order[b], LEFT_OUT, lb->front_n + 1);
	for (size_t i = 0; i < lb->draw_n; i++) {
		int64_t t = drawn_ns(lb, draw[i]);
		if (t < v->e->during_from_ns || t >= v->e->during_to_ns)
			continue;
		if (t >= s->until_ns) {
			stretch_open(v, b, s, t);
			if (s->certain)
				turns_stretch(v, b, s);
		}
		if (s->pool == NULL)
			v->left_out++;
		else
			take_draw(v, b, s, draw[i]);
	}
	order_pack(v, b);
	free(s);
	free(draw);
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
	if (!even_independent(v, o, &f->why)) {
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
	uint64_t n = 0, tcp = 0;

	for (unsigned i = 0; i < v->pool_n; i++)
		n += v->pool[i].all.total;
	for (unsigned b = 0; b < v->j->balancer_n; b++)
		tcp += v->j->balancer[b].tcp_sent;
	fill_measured(v, full_pool(v), f);
	json_object_set_new(f->measured, "spread", json_integer((json_int_t)v->spread_max));
	json_object_set_new(f->bound, "spread", json_integer(1));
	if (fail_ineligible(v, f))
		return;
	f->verdict = n == 0 || (v->spread_max > 1 && tcp > 0) ? VERDICT_INCONCLUSIVE :
	             v->spread_max <= 1 ? VERDICT_PASS : VERDICT_FAIL;
	text_add(&f->why, "under roundrobin the servers' counts differ by %s1, over ",
	         v->spread_max <= 1 ? "at most " : "more than ");
	text_count(&f->why, n);
	text_add(&f->why, " queries");
	if (v->spread_max <= 1)
		return;
	text_add(&f->why, ": by ");
	text_count(&f->why, v->spread_max);
	text_add(&f->why, " at %s%s",
	         node_name(v->j, (int)v->j->balancer[v->spread_balancer].node), tcp == 0 ? "" :
	         "; queries over TCP take turns too and aren't counted");
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
