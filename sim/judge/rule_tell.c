/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy's verdict. One choice that is surely wrong is a FAIL; PASS wants choices that tell: those
 * at which another server would have been wrong, so that a balancer that does something else would
 * have shown. Where the program counts what the captures can't show, there is no FAIL.
 */
#include "rule.h"
#include "sim/plan/schema.h"

static struct rule_count sum(const struct rule *r)
{
	struct rule_count s = { 0 };

	for (unsigned b = 0; b < r->j->balancer_n; b++) {
		const struct rule_count *c = &r->count[b];
		s.draws += c->draws;
		s.telling += c->telling;
		s.ties += c->ties;
		s.open += c->open;
		s.left_out += c->left_out;
		s.wrong += c->wrong;
		s.down += c->down;
		s.names += c->names;
		s.stayed += c->stayed;
	}
	return s;
}

static void set(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void set_counts(const struct rule *r, json_t *o, const struct rule_count *c)
{
	set(o, "queries", c->draws);
	set(o, "telling", c->telling);
	set(o, "wrong", c->wrong);
	set(o, "to_a_down_server", c->down);
	set(o, "left_out", c->left_out);
	if (r->names != NULL) {
		set(o, "names", c->names);
	} else {
		set(o, "open", c->open);
		set(o, "ties", c->ties);
	}
	if (r->policy == BAL_CHASHED)
		set(o, "stayed", c->stayed);
}

static void fill(const struct rule *r, const struct rule_count *all, struct finding *f)
{
	json_t *list = json_array();

	set_counts(r, f->measured, all);
	for (unsigned b = 0; b < r->j->balancer_n; b++) {
		json_t *o = json_pack("{s:s}", "name",
		                      node_name(r->j, (int)r->j->balancer[b].node));
		set_counts(r, o, &r->count[b]);
		json_array_append_new(list, o);
	}
	json_object_set_new(f->measured, "balancers", list);
}

static void tell_offences(const struct rule *r, struct finding *f)
{
	for (unsigned i = 0; i < r->offence_n; i++) {
		const struct offence *o = &r->offence[i];
		if (o->before_frame > 0)
			finding_frame(f, r->j, o->before_node, o->before_frame, o->before_ns,
			              "where the name went before");
		finding_frame(f, r->j, o->node, o->frame, o->t_ns, o->what.s);
	}
}

static uint64_t tcp_unsure(const struct judge *j)
{
	uint64_t n = 0;

	for (unsigned b = 0; b < j->balancer_n; b++)
		n += balancer_tcp_unsure(&j->balancer[b]);
	return n;
}

static void tell_wrong(const struct rule *r, const struct rule_count *all, struct finding *f)
{
	const struct offence *o = &r->offence[0];

	f->verdict = VERDICT_FAIL;
	text_count(&f->why, all->wrong + all->down);
	text_add(&f->why, " of ");
	text_count(&f->why, all->draws);
	text_add(&f->why, " queries went to another server than %s says; the first at ",
	         plan_policy_names[r->policy]);
	text_time(&f->why, o->t_ns);
	text_add(&f->why, " from %s: %s", node_name(r->j, (int)o->node), o->what.s);
	if (r->names == NULL && all->down == 0 && tcp_unsure(r->j) > 0) {
		f->verdict = VERDICT_INCONCLUSIVE;
		text_add(&f->why, "; but queries over TCP count too, and not all could be "
		         "followed");
	}
}

/* Why so few choices tell anything. */
static const char *too_few(const struct rule *r)
{
	switch (r->policy) {
	case BAL_LEAST_OUTSTANDING:
		return "the servers had as much to do, as far as can be told, nearly always";
	case BAL_FIRST_AVAILABLE:
		return "it is hardly ever certain which server had room";
	case BAL_WHASHED:
	case BAL_CHASHED:
		return "hardly any name came twice";
	case BAL_WRANDOM:
	case BAL_ROUNDROBIN:
	case BAL_ORDERED_WRANDOM:
	case BAL_LUA:
		break;
	}
	return "hardly any query came while it was known which servers were up";
}

static void decide_each(const struct rule *r, struct finding *f)
{
	struct rule_count all = sum(r);

	fill(r, &all, f);
	tell_offences(r, f);
	set(f->bound, "wrong", 0);
	set(f->bound, "telling", RULE_DRAWS_LEAST);
	if (all.wrong + all.down > 0) {
		tell_wrong(r, &all, f);
		return;
	}
	text_add(&f->why, "none of ");
	text_count(&f->why, all.draws);
	text_add(&f->why, " queries went to a wrong server; for ");
	text_count(&f->why, all.telling);
	text_add(&f->why, " another one would have been wrong");
	f->verdict = VERDICT_INCONCLUSIVE;
	if (r->names != NULL && r->names->full > 0) {
		text_add(&f->why, ", but ");
		text_count(&f->why, r->names->full);
		text_add(&f->why, " had names for which there was no room: at most %d are "
		         "remembered", PLAN_NAMES_MAX);
	} else if (all.telling < RULE_DRAWS_LEAST) {
		text_add(&f->why, ": too few to tell, %s", too_few(r));
	} else {
		f->verdict = VERDICT_PASS;
	}
}

static void claim(const struct rule *r, struct finding *f)
{
	static const char *const says[POLICY_N] = {
		[BAL_LEAST_OUTSTANDING] = "each query goes to the server with the least "
			"outstanding, then the lowest order",
		[BAL_FIRST_AVAILABLE] = "each query goes to the first server that has room",
		[BAL_WRANDOM] = "servers that are up are chosen independently",
		[BAL_ROUNDROBIN] = "servers that are up take turns",
		[BAL_WHASHED] = "each name goes to one server while the same servers are up",
		[BAL_CHASHED] = "each name goes to one server, and moves only when that goes or "
			"another comes",
		[BAL_ORDERED_WRANDOM] = "servers of the lowest order that is up are chosen "
			"independently",
		[BAL_LUA] = "each query goes where a function says",
	};

	text_add(&f->title, "%s is followed", plan_policy_names[r->policy]);
	text_add(&f->claim, "%s", says[r->policy]);
}

static bool has_factor(const struct judge *j)
{
	for (unsigned b = 0; b < j->balancer_n; b++)
		if (j->balancer[b].conf->factor_ppm > 0)
			return true;
	return false;
}

void expect_policy(struct rule *r, struct finding *f)
{
	claim(r, f);
	if (r->j->balancer_n == 0)
		text_add(&f->why, "there is no balancer");
	else if (r->policy == BAL_LUA)
		text_add(&f->why, "a Lua function chooses, and nothing says what it should choose");
	else if (has_factor(r->j))
		text_add(&f->why, "with a balancing factor load decides, too: that isn't judged");
	else if (r->even != NULL)
		expect_chance(r->even, f);
	else
		decide_each(r, f);
}
