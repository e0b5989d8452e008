/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Can policy {} be decided? Its checks are exact, but some draws tell nothing: ties, names that
 * come once, a choice among one. What can't tell at all is refused, what hardly will is noted.
 */
#include "bounds.h"
#include "lint.h"
#include "samples.h"
#include "schema.h"

enum { TELLING_LEAST = 30, NAME_SETS = 8 };

bool lint_factor(struct lint *l, const struct plan_conf *c, const struct plan_expect *e)
{
	if (c->factor_ppm > 0)
		lint_add(l, true, NULL, e->line, "expect.%s: the balancing factor in %s lets load "
		         "decide where %s would: expected none", plan_expect_name(e->kind),
		         c->path, plan_policy_names[c->policy]);
	return c->factor_ppm > 0;
}

void lint_lua(struct lint *l, const struct plan_conf *c)
{
	if (c->policy == BAL_LUA)
		lint_add(l, false, c->path, 0, "a Lua function chooses servers: it runs as it is, "
		         "but what it should choose isn't known, so only what became of queries is "
		         "judged; bounds take it that it chooses servers that are up");
	for (unsigned i = 0; i < c->server_n; i++)
		if (c->server[i].check.function != 0)
			lint_add(l, true, c->path, c->server[i].line, "checkFunction: a probe is "
			         "known by what it asks: expected checkName and checkType instead");
}

/* All balancers have one policy, and something to choose; no function decides. */
static bool lint_one(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	for (unsigned i = 0; i < p->conf_n; i++)
		if (p->conf[i].policy == BAL_LUA) {
			lint_add(l, true, NULL, e->line, "expect.policy: in %s a Lua function "
			         "chooses, and nothing says what it should choose: expected one of "
			         "dnsdist's own policies", p->conf[i].path);
			return false;
		}
	for (unsigned i = 0; i < p->conf_n; i++) {
		if (p->conf[i].policy != p->conf[0].policy) {
			lint_add(l, true, NULL, e->line, "expect.policy: %s in %s, %s in %s: "
			         "expected one policy for all balancers",
			         plan_policy_names[p->conf[0].policy], p->conf[0].path,
			         plan_policy_names[p->conf[i].policy], p->conf[i].path);
			return false;
		}
		if (lint_factor(l, &p->conf[i], e))
			return false;
		if (p->conf[i].server_n < 2) {
			lint_add(l, true, NULL, e->line, "expect.policy: %s has one server: "
			         "expected two at least to choose from", p->conf[i].path);
			return false;
		}
	}
	return true;
}

static uint32_t most_names(const struct plan *p)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		if (p->load[i].names != PLAN_UNIQUE && p->load[i].name_n > most)
			most = p->load[i].name_n;
	return most;
}

static bool recursors_go(const struct plan *p, const struct plan_expect *e)
{
	for (unsigned i = 0; i < p->fault_n; i++)
		if (plan_fault_silences(p->fault[i].kind) &&
		    plan_fault_earliest(&p->fault[i]) < e->during_to_ns &&
		    p->node[p->fault[i].node].role == PLAN_RECURSOR)
			return true;
	return false;
}

/* A name tells when it comes again. */
static void lint_names(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	double n = plan_queries(p, e->during_from_ns, e->during_to_ns), names;
	uint32_t most = most_names(p);

	if (most > PLAN_NAMES_MAX / NAME_SETS) {
		lint_add(l, true, NULL, e->line, "expect.policy: %u names: expected at most %d, as "
		         "each is remembered for each set of servers", most,
		         PLAN_NAMES_MAX / NAME_SETS);
		return;
	}
	names = plan_names(p, e->during_from_ns, e->during_to_ns, n);
	if (n - names < 2 * TELLING_LEAST)
		lint_add(l, true, NULL, e->line, "expect.policy: %.0f queries are planned for %.0f "
		         "different names at each balancer, and only names that come again tell: "
		         "expected fewer names (zipf), or more queries", n, names);
	if (plan_queries_cached(p, e->during_from_ns, e->during_to_ns))
		lint_add(l, false, NULL, e->line, "expect.policy: a name that comes again is "
		         "answered from the balancers' cache: hardly any goes to a server twice, "
		         "and tells");
	if (p->conf[0].policy == BAL_CHASHED && !recursors_go(p, e))
		lint_add(l, false, NULL, e->line, "expect.policy: no recursor goes or comes: that "
		         "only its names move isn't seen");
}

/* What is outstanding in the mean, if each query were a miss. */
static void lint_least(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	double rate = plan_queries(p, e->during_from_ns, e->during_to_ns) /
	              ((double)(e->during_to_ns - e->during_from_ns) / 1e9);
	int64_t longest = 0;

	for (unsigned i = 0; i < p->conf[0].server_n; i++)
		if (p->conf[0].server[i].order != p->conf[0].server[0].order)
			return; /* then order tells */
	for (unsigned i = 0; i < p->node_n; i++) {
		const struct plan_node *n = &p->node[i];
		int64_t way = 4 * plan_link_most_ns(&n->link);
		int64_t t = n->role == PLAN_RECURSOR ? n->miss.a_ns + way : 0;
		longest = t > longest ? t : longest;
	}
	if (rate * (double)longest / 1e9 < 0.1)
		lint_add(l, false, NULL, e->line, "expect.policy: hardly anything is ever "
		         "outstanding (%.3g queries in the mean, were all misses): ties are right "
		         "whoever wins them, and tell nothing", rate * (double)longest / 1e9);
}

static void lint_first(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	for (unsigned i = 0; i < p->conf_n; i++) {
		const struct plan_conf *c = &p->conf[i];
		unsigned limited = 0;
		for (unsigned k = 0; k < c->server_n; k++)
			limited += c->server[k].qps > 0;
		if (limited == c->server_n)
			lint_add(l, false, NULL, e->line, "expect.policy: every server in %s has a "
			         "qps limit: beyond all of them choices are leastOutstanding's, "
			         "and hardly any can be told", c->path);
	}
}

void lint_policy(struct lint *l, const struct plan *p, const struct plan_expect *e)
{
	uint64_t n = plan_planned_least(p, e->during_from_ns, e->during_to_ns, e->flake);

	if (!lint_one(l, p, e))
		return;
	if (n < TELLING_LEAST) {
		lint_add(l, true, NULL, e->line, "expect.policy: %llu queries are planned at "
		         "least: expected %d", (unsigned long long)n, TELLING_LEAST);
		return;
	}
	switch (p->conf[0].policy) {
	case BAL_LEAST_OUTSTANDING: lint_least(l, p, e); break;
	case BAL_FIRST_AVAILABLE: lint_first(l, p, e); break;
	case BAL_WHASHED: case BAL_CHASHED: lint_names(l, p, e); break;
	case BAL_WRANDOM: case BAL_ROUNDROBIN: case BAL_ORDERED_WRANDOM: case BAL_LUA: break;
	}
}
