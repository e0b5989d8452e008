/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * even's verdict, out of what was counted. Under wrandom three things are asked: does the exact
 * interval of each share lie inside of p +- catch (pass), did the e-process ring (fail), and are
 * the draws independent, within a balancer and between two. Under roundrobin counts are exact.
 */
#include <stdlib.h>

#include "even.h"
#include "rule.h"

static int64_t ppm(double x)
{
	return (int64_t)(x * 1e6 + (x < 0 ? -0.5 : 0.5));
}

/* How one kind's count stands in a pool. */
struct share {
	uint64_t k, n;
	struct stat_interval is;
	struct stat_range pass;
	double p;
	bool inside;
};

/* The share of a kind; before: that of another one, whose p may be the same. */
static struct share share_of(const struct even *v, const struct pool *o, const struct set *s,
                             unsigned kind, const struct share *before)
{
	double miss = expect_miss(v->e), catch = v->e->catch_ppm / 1e6;
	struct share r = { .n = s->total, .p = o->p[kind], .inside = true };

	if (!(o->p[kind] > 0))
		return r;
	if (o->n > 2)
		miss /= o->n;
	r.k = s->count[kind];
	r.is = stat_clopper_pearson(r.k, r.n, miss);
	if (before != NULL && before->p >= r.p && before->p <= r.p)
		r.pass = before->pass;
	else
		r.pass = stat_equiv_pass(r.n, r.p, catch, miss);
	r.inside = o->n == 1 || (r.k >= r.pass.lo && r.k <= r.pass.hi);
	return r;
}

/* All kinds' shares of one set. They take time, and are asked for more than once. */
static const struct share *shares(struct even *v, const struct pool *o, const struct set *s)
{
	if (v->share == NULL)
		v->share = zeroed(v->kind_n, sizeof(*v->share));
	for (unsigned k = 0; k < v->kind_n && v->share_set != s; k++)
		v->share[k] = share_of(v, o, s, k, k > 0 ? &v->share[k - 1] : NULL);
	v->share_set = s;
	return v->share;
}

static bool all_inside(struct even *v, const struct pool *o, const struct set *s)
{
	for (unsigned k = 0; k < v->kind_n; k++)
		if (!shares(v, o, s)[k].inside)
			return false;
	return true;
}

static struct pool *full_pool(struct even *v)
{
	struct pool *best = NULL;

	for (size_t i = 0; i < v->pool_n; i++)
		if (v->pool[i]->full && (best == NULL || v->pool[i]->all.total > best->all.total))
			best = v->pool[i];
	return best;
}

/* "DNS1 got 5,512 of 10,000 (55.1 %, 99.98 % interval 54.0 to 56.2 %), expected 50.0 % +- 5.0" */
static void tell_share(struct even *v, const struct pool *o, const struct set *s, unsigned kind,
                       struct text *t)
{
	struct share r = shares(v, o, s)[kind];

	text_add(t, "%s got ", node_name(v->j, v->e->node[kind]));
	text_count(t, r.k);
	text_add(t, " of ");
	text_count(t, r.n);
	text_add(t, v->names != NULL ? " names (" : " (");
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
static unsigned worst_kind(const struct even *v, const struct pool *o, const struct set *s)
{
	double most = -1;
	unsigned worst = 0;

	for (unsigned k = 0; k < v->kind_n; k++) {
		if (!(o->p[k] > 0) || s->total == 0)
			continue;
		double off = (double)s->count[k] / (double)s->total - o->p[k];
		off = off < 0 ? -off : off + 1e-9;
		if (off > most) {
			most = off;
			worst = k;
		}
	}
	return worst;
}

static json_t *measured_share(struct even *v, const struct pool *o, unsigned k)
{
	struct share r = shares(v, o, &o->all)[k];

	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}",
	                 "name", node_name(v->j, v->e->node[k]),
	                 "queries", (json_int_t)r.k, "expected_ppm", (json_int_t)ppm(o->p[k]),
	                 "share_ppm", (json_int_t)(r.n > 0 ? ppm((double)r.k / (double)r.n) : 0),
	                 "low_ppm", (json_int_t)ppm(r.is.lo), "high_ppm", (json_int_t)ppm(r.is.hi));
}

/* Queries to servers that were down; *first: the first balancer that has any. */
uint64_t even_ineligible_n(const struct even *v, unsigned *first)
{
	uint64_t n = 0;

	for (unsigned b = v->j->balancer_n; b-- > 0;) {
		n += v->ineligible[b].n;
		if (v->ineligible[b].n > 0 && first != NULL)
			*first = b;
	}
	return n;
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
	                    json_integer((json_int_t)even_ineligible_n(v, NULL)));
	json_object_set_new(f->measured, "log_e_max_milli",
	                    json_integer((json_int_t)(stat_e_log_most(&v->e_all) * 1000)));
	json_object_set_new(f->bound, "catch_ppm", json_integer(v->e->catch_ppm));
	json_object_set_new(f->bound, "miss", json_real(expect_miss(v->e)));
	json_object_set_new(f->bound, "flake", json_real(expect_flake(v->e)));
	json_object_set_new(f->bound, "log_e_alarm_milli",
	                    json_integer((json_int_t)(stat_e_alarm(expect_flake(v->e)) * 1000)));
}

/* ---- verdicts ---- */

bool even_ineligible(struct even *v, struct finding *f)
{
	unsigned first = 0;
	uint64_t n = even_ineligible_n(v, &first);
	const struct ineligible *i = &v->ineligible[first];
	unsigned node = v->j->balancer[first].node;

	if (n == 0)
		return false;
	f->verdict = VERDICT_FAIL;
	text_count(&f->why, n);
	text_add(&f->why, i->order ? " queries went to a server of a higher order while one of a "
	         "lower order was up, the first at " : " queries went to a server whose health "
	         "checks said that it was down, the first at ");
	text_time(&f->why, i->t_ns);
	text_add(&f->why, " from %s to %s", node_name(v->j, (int)node),
	         node_name(v->j, (int)i->server_node));
	finding_frame(f, v->j, node, i->frame, i->t_ns, i->order ? "query to a server of a higher "
	              "order" : "query to a server that is down");
	return true;
}

/* The alarm rang, over all or for one balancer, and the shares aren't where they should be. */
static bool fail_share(struct even *v, struct finding *f)
{
	double flake = expect_flake(v->e);
	const struct pool *worst = NULL;

	for (size_t i = 0; i < v->pool_n; i++)
		if (worst == NULL || stat_e_log(&v->pool[i]->e) > stat_e_log(&worst->e))
			worst = v->pool[i];
	if (worst == NULL)
		return false;
	if (stat_e_log_most(&v->e_all) >= stat_e_alarm(flake) &&
	    !all_inside(v, worst, &worst->all)) {
		f->verdict = VERDICT_FAIL;
		tell_share(v, worst, &worst->all, worst_kind(v, worst, &worst->all), &f->why);
		return true;
	}
	for (unsigned b = 0; v->j->balancer_n > 1 && b < v->j->balancer_n; b++) {
		const struct set *s = &worst->by_balancer[b];
		const struct stat_e *own = &v->e_by_balancer[b];
		if (stat_e_log_most(own) < stat_e_alarm(flake / v->j->balancer_n) ||
		    all_inside(v, worst, s))
			continue;
		f->verdict = VERDICT_FAIL;
		text_add(&f->why, "from %s ", node_name(v->j, (int)v->j->balancer[b].node));
		tell_share(v, worst, s, worst_kind(v, worst, s), &f->why);
		return true;
	}
	return false;
}

/* Queries over TCP that a server refused were drawn, and are seen at another one or nowhere. */
static void fail_unless_unsure(const struct even *v, struct finding *f)
{
	f->verdict = v->unsure > 0 ? VERDICT_INCONCLUSIVE : VERDICT_FAIL;
	if (v->unsure == 0)
		return;
	text_add(&f->why, "; but ");
	text_count(&f->why, v->unsure);
	text_add(&f->why, " queries over TCP may have been refused by another server before");
}

static void decide_random(struct even *v, struct finding *f)
{
	struct pool *o = full_pool(v);

	fill_measured(v, o, f);
	if (even_ineligible(v, f))
		return;
	if (fail_share(v, f)) {
		fail_unless_unsure(v, f);
		return;
	}
	if (v->names != NULL)
		json_object_set_new(f->measured, "names",
		                    json_integer((json_int_t)v->names->n));
	if (v->names == NULL && !even_independent(v, o, &f->why)) {
		fail_unless_unsure(v, f);
		return;
	}
	f->verdict = VERDICT_INCONCLUSIVE;
	if (v->names != NULL && v->names->full > 0) {
		text_count(&f->why, v->names->full);
		text_add(&f->why, " queries had names for which there was no room: at most %d are "
		         "remembered", PLAN_NAMES_MAX);
		return;
	}
	if (o == NULL || o->all.total == 0) {
		text_add(&f->why, "no query was sent while every named server was known to be up");
		return;
	}
	tell_share(v, o, &o->all, worst_kind(v, o, &o->all), &f->why);
	if (all_inside(v, o, &o->all))
		f->verdict = VERDICT_PASS;
	else
		text_add(&f->why, ": too few %s to tell", v->names != NULL ? "names" : "queries");
}

/* Under policy shares are no matter. */
static void fill_chosen(const struct even *v, uint64_t n, struct finding *f)
{
	json_object_set_new(f->measured, "queries", json_integer((json_int_t)n));
	json_object_set_new(f->measured, "left_out", json_integer((json_int_t)v->left_out));
	json_object_set_new(f->measured, "to_a_down_server",
	                    json_integer((json_int_t)even_ineligible_n(v, NULL)));
	json_t *list = json_array();
	for (unsigned b = 0; b < v->j->balancer_n; b++) {
		uint64_t own = v->j->balancer_n > 1 ? 0 : n;
		for (size_t i = 0; v->j->balancer_n > 1 && i < v->pool_n; i++)
			own += v->pool[i]->by_balancer[b].total;
		json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "name",
		                      node_name(v->j, (int)v->j->balancer[b].node), "queries",
		                      (json_int_t)own, "to_a_down_server",
		                      (json_int_t)v->ineligible[b].n));
	}
	json_object_set_new(f->measured, "balancers", list);
}

static void decide_roundrobin(struct even *v, struct finding *f)
{
	uint64_t n = 0, tcp = 0;

	for (size_t i = 0; i < v->pool_n; i++)
		n += v->pool[i]->all.total;
	for (unsigned b = 0; b < v->j->balancer_n; b++)
		tcp += balancer_tcp_unsure(&v->j->balancer[b]);
	if (v->e->kind == PLAN_EVEN)
		fill_measured(v, full_pool(v), f);
	else
		fill_chosen(v, n, f);
	json_object_set_new(f->measured, "spread", json_integer((json_int_t)v->spread_max));
	json_object_set_new(f->bound, "spread", json_integer(1));
	if (even_ineligible(v, f))
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
	         "; queries over TCP take turns too, and not all could be followed");
}

/* What even measures of shares isn't what policy asks: only who was chosen, and how. */
void expect_chance(struct even *v, struct finding *f)
{
	uint64_t n = 0;

	for (unsigned b = 0; b < v->j->balancer_n; b++)
		even_epoch_ends(v, &v->j->balancer[b], INT64_MAX);
	if (v->j->turns) {
		decide_roundrobin(v, f);
		return;
	}
	for (size_t i = 0; i < v->pool_n; i++)
		n += v->pool[i]->all.total;
	fill_chosen(v, n, f);
	if (even_ineligible(v, f))
		return;
	if (!even_independent(v, full_pool(v), &f->why)) {
		fail_unless_unsure(v, f);
		return;
	}
	text_add(&f->why, "none of ");
	text_count(&f->why, n);
	text_add(&f->why, " queries went to a server that wasn't to be chosen, and draws are "
	         "independent");
	f->verdict = n >= RULE_DRAWS_LEAST ? VERDICT_PASS : VERDICT_INCONCLUSIVE;
	text_add(&f->why, "%s", n >= RULE_DRAWS_LEAST ? "" : ": too few to tell");
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

void expect_even(struct even *v, struct finding *f)
{
	even_titles(v, f);
	for (unsigned b = 0; b < v->j->balancer_n; b++)
		even_epoch_ends(v, &v->j->balancer[b], INT64_MAX);
	switch (v->j->balancer_n > 0 ? v->j->balancer[0].conf->policy : BAL_FIRST_AVAILABLE) {
	case BAL_WRANDOM:
	case BAL_WHASHED:
	case BAL_ORDERED_WRANDOM:
		decide_random(v, f);
		break;
	case BAL_ROUNDROBIN:
		decide_roundrobin(v, f);
		break;
	case BAL_LEAST_OUTSTANDING:
	case BAL_FIRST_AVAILABLE:
	case BAL_CHASHED:
	case BAL_LUA:
		f->verdict = VERDICT_INCONCLUSIVE;
		text_add(&f->why, "the policy spreads load by other rules than chance or turns: "
		         "nothing says what even would be; 'policy' asks whether its rule was "
		         "kept");
		break;
	}
}
