/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a scenario's claims: each kind has a table of the keys that it takes. */
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

#define MARK { .name = "expect", .kind = KEY_OTHER }
#define DURING { .name = "during", .kind = KEY_OTHER }
#define CATCH { .name = "catch", .kind = KEY_RATIO, KEY_AT(plan_expect, catch_ppm), .lo = 1, \
	.hi = 500000 }
#define MISS { .name = "miss", .kind = KEY_CHANCE, KEY_AT(plan_expect, miss) }
#define FLAKE { .name = "flake", .kind = KEY_CHANCE, KEY_AT(plan_expect, flake) }
#define WITHIN(k, must) { .name = "within", .kind = k, KEY_AT(plan_expect, within_ns), .lo = 1, \
	.hi = PLAN_TIME_MAX_NS, .required = must }
#define COUNT(n, k, m) { .name = n, .kind = k, KEY_AT(plan_expect, m), .hi = INT64_C(1) << 53 }

static const struct key even_keys[] = { MARK, DURING, CATCH, MISS, FLAKE };
static const struct key detect_keys[] = { MARK, WITHIN(KEY_TIME_MODEL, false), FLAKE };
static const struct key back_keys[] = {
	MARK, WITHIN(KEY_TIME, true), { .name = "to", .kind = KEY_OTHER }, CATCH, MISS, FLAKE,
};
static const struct key lost_keys[] = { MARK, COUNT("at_most", KEY_COUNT_MODEL, at_most), FLAKE };
static const struct key answers_keys[] = {
	MARK, COUNT("wrong", KEY_COUNT, wrong), COUNT("duplicate", KEY_COUNT, duplicate),
	COUNT("error", KEY_COUNT_ANY, error), COUNT("error_least", KEY_COUNT, error_least), DURING,
};
static const struct key flaps_keys[] = { MARK, COUNT("at_most", KEY_COUNT, at_most), FLAKE };
static const struct key outage_keys[] = { MARK, DURING, WITHIN(KEY_TIME_MODEL, false), FLAKE };
static const struct key overshoot_keys[] = {
	MARK, WITHIN(KEY_TIME_MODEL, false), FLAKE,
	{ .name = "at_most", .kind = KEY_RATIO, KEY_AT(plan_expect, share_ppm), .lo = 1,
	  .hi = 1000000, .required = true },
};
static const struct key failover_keys[] = { MARK, WITHIN(KEY_TIME_MODEL, false), FLAKE };
static const struct key cache_keys[] = {
	MARK, DURING, { .name = "at", .kind = KEY_OTHER }, WITHIN(KEY_TIME, false), FLAKE,
	{ .name = "hits", .kind = KEY_RATIO, KEY_AT(plan_expect, hits_ppm), .lo = 1, .hi = 1000000,
	  .required = true },
};
static const struct key latency_keys[] = {
	MARK, DURING, WITHIN(KEY_TIME, true), FLAKE,
	{ .name = "quantile", .kind = KEY_RATIO, KEY_AT(plan_expect, quantile_ppm), .lo = 1,
	  .hi = 999999 },
};

static const struct key policy_keys[] = { MARK, DURING, FLAKE };

static const struct {
	const struct key *keys;
	unsigned key_n, node_least, node_most;
	struct plan_expect defaults;
} kinds[EXPECT_N] = {
	[PLAN_EVEN] = { even_keys, COUNT_OF(even_keys), 2, PLAN_EXPECT_NODES_MAX,
		{ .catch_ppm = 100000, .miss = 1e-4, .flake = 1e-9 } },
	[PLAN_DETECT] = { detect_keys, COUNT_OF(detect_keys), 1, 1,
		{ .within_ns = PLAN_MODEL, .flake = 1e-9 } },
	[PLAN_BACK] = { back_keys, COUNT_OF(back_keys), 1, 1,
		{ .catch_ppm = 100000, .miss = 1e-4, .flake = 1e-9 } },
	[PLAN_LOST] = { lost_keys, COUNT_OF(lost_keys), 0, 0,
		{ .at_most = PLAN_MODEL, .flake = 1e-9 } },
	[PLAN_ANSWERS] = { answers_keys, COUNT_OF(answers_keys), 0, 0, { .error = -1 } },
	[PLAN_CACHE] = { cache_keys, COUNT_OF(cache_keys), 0, 0,
		{ .within_ns = 1000000, .flake = 1e-9 } },
	[PLAN_LATENCY] = { latency_keys, COUNT_OF(latency_keys), 0, 0,
		{ .quantile_ppm = 990000, .flake = 1e-9 } },
	[PLAN_POLICY] = { policy_keys, COUNT_OF(policy_keys), 0, 0, { .flake = 1e-9 } },
	[PLAN_FLAPS] = { flaps_keys, COUNT_OF(flaps_keys), 1, PLAN_EXPECT_NODES_MAX,
		{ .flake = 1e-9 } },
	[PLAN_OUTAGE] = { outage_keys, COUNT_OF(outage_keys), 0, 0,
		{ .within_ns = PLAN_MODEL, .flake = 1e-9 } },
	[PLAN_OVERSHOOT] = { overshoot_keys, COUNT_OF(overshoot_keys), 1, 1,
		{ .within_ns = PLAN_MODEL, .flake = 1e-9 } },
	[PLAN_FAILOVER] = { failover_keys, COUNT_OF(failover_keys), 1, 1,
		{ .within_ns = PLAN_MODEL, .flake = 1e-9 } },
};

const struct key *expects_keys(enum plan_expect_kind kind, unsigned *n,
                               const struct plan_expect **defaults)
{
	*n = kinds[kind].key_n;
	*defaults = &kinds[kind].defaults;
	return kinds[kind].keys;
}

/* What it may be about. */
static unsigned roles(enum plan_expect_kind k)
{
	if (k == PLAN_FAILOVER)
		return 1u << PLAN_BALANCER;
	return 1u << PLAN_RECURSOR | (k == PLAN_BACK ? 1u << PLAN_BALANCER : 0);
}

static void read_nodes(lua_State *L, const struct at *w, struct plan_expect *e)
{
	unsigned least = kinds[e->kind].node_least, most = kinds[e->kind].node_most;

	for (unsigned i = 1; lua_rawgeti(L, -1, (int)i), !lua_isnil(L, -1); i++) {
		struct at here = { .outer = w, .index = i };
		if (i > most)
			scenario_fail(L, &here, "%s names %s", plan_expect_names[e->kind], most == 0
			              ? "no node" : most == 1 ? "one node"
				: "128 recursors at most");
		int node = value_node(L, &here, roles(e->kind));
		for (unsigned k = 0; k < e->node_n; k++)
			if (e->node[k] == node)
				value_fail(L, &here, "each recursor once");
		e->node[e->node_n++] = node;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
	if (e->node_n < least)
		scenario_fail(L, w, "%u %s%s named: expected %s", e->node_n,
		              e->kind == PLAN_FAILOVER ? "balancer" : "recursor",
		              e->node_n == 1 ? "" : "s", least == 1 ? "one" : "two at least");
}

/* The window, which must lie in the time of the loads; the whole of it by default. */
static void read_during(lua_State *L, const struct at *w, struct plan_expect *e)
{
	const struct plan *p = scenario_of(L)->plan;
	struct at during = { .outer = w, .key = "during" };
	int64_t from = INT64_MAX, to = 0;

	for (unsigned i = 0; i < p->load_n; i++) {
		from = p->load[i].from_ns < from ? p->load[i].from_ns : from;
		to = p->load[i].to_ns > to ? p->load[i].to_ns : to;
	}
	e->during_from_ns = from;
	e->during_to_ns = to;
	if (!value_field(L, "during"))
		return;
	value_table(L, &during, "two instants: { \"0s\", \"5s\" }");
	if (lua_objlen(L, -1) != 2)
		scenario_fail(L, &during, "expected two instants: { \"0s\", \"5s\" }");
	for (unsigned i = 1; i <= 2; i++) {
		struct at here = { .outer = &during, .index = i };
		lua_rawgeti(L, -1, (int)i);
		int64_t t = value_time(L, &here, 0, PLAN_TIME_MAX_NS);
		if (t < from || t > to)
			value_fail(L, &here, "an instant while a load runs");
		*(i == 1 ? &e->during_from_ns : &e->during_to_ns) = t;
		lua_pop(L, 1);
	}
	if (e->during_from_ns >= e->during_to_ns)
		scenario_fail(L, &during, "expected the earlier instant first");
	lua_pop(L, 1);
}

static void read_back(lua_State *L, const struct at *w, struct plan_expect *e)
{
	static const char *const words[] = { "first", "share" };
	struct at to = { .outer = w, .key = "to" };

	if (!value_field(L, "to"))
		return;
	e->to_share = value_word(L, &to, words, 2) == 1;
	lua_pop(L, 1);
}

/* Whose cache is meant. */
static void read_at(lua_State *L, const struct at *w, struct plan_expect *e)
{
	static const char *const words[] = { "recursors", "balancers" };
	struct at at = { .outer = w, .key = "at" };

	if (!value_field(L, "at"))
		return;
	e->at_balancers = value_word(L, &at, words, 2) == 1;
	lua_pop(L, 1);
}

static bool is_down(enum plan_fault_kind k)
{
	return k == PLAN_KILL || k == PLAN_HANG || k == PLAN_BLACKHOLE || k == PLAN_CUT;
}

static bool is_up(enum plan_fault_kind k)
{
	return k == PLAN_START || k == PLAN_RESUME || k == PLAN_HEAL;
}

/* detect wants something to detect, back something that comes back. */
static void check_fault(lua_State *L, const struct at *w, const struct plan_expect *e)
{
	const struct plan *p = scenario_of(L)->plan;
	bool down = e->kind == PLAN_DETECT || e->kind == PLAN_FAILOVER;
	bool found = !down && e->kind != PLAN_BACK && e->kind != PLAN_OVERSHOOT;

	for (unsigned i = 0; i < p->fault_n; i++)
		if (!found && p->fault[i].node == e->node[0])
			found = down ? is_down(p->fault[i].kind) : is_up(p->fault[i].kind);
	if (!found)
		scenario_fail(L, w, "nothing %s %s: expected an at with %s",
		              down ? "takes down" : "brings back",
		              p->node[e->node[0]].name, down
		              ? "kill, hang or blackhole" : "start, resume or heal");
}

static void read_expect(lua_State *L, const struct at *w, struct plan_expect *e, int kind)
{
	*e = kinds[kind].defaults;
	e->kind = (enum plan_expect_kind)kind;
	e->line = w->line;
	keys_read(L, w, kinds[kind].keys, kinds[kind].key_n, e, true);
	read_nodes(L, w, e);
	if (kind == PLAN_EVEN || kind == PLAN_ANSWERS || kind == PLAN_CACHE ||
	    kind == PLAN_LATENCY || kind == PLAN_POLICY || kind == PLAN_OUTAGE)
		read_during(L, w, e);
	if (kind == PLAN_BACK)
		read_back(L, w, e);
	if (kind == PLAN_CACHE)
		read_at(L, w, e);
	check_fault(L, w, e);
}

void expects_read(lua_State *L)
{
	struct plan *p = scenario_of(L)->plan;

	lua_settop(L, 0);
	words_get(L, "expect");
	for (unsigned i = 1; i <= lua_objlen(L, 1); i++) {
		lua_rawgeti(L, 1, (int)i);
		value_field(L, "expect");
		struct at all = { .key = "expect", .word = lua_tostring(L, 3),
		                  .line = words_line(L, 2) };
		int kind = value_word(L, &all, plan_expect_names, EXPECT_N);
		lua_pop(L, 1);
		char key[32];
		snprintf(key, sizeof(key), "expect.%s", plan_expect_names[kind]);
		struct at w = { .key = key, .word = all.word, .line = all.line };
		if (i > PLAN_EXPECTS_MAX)
			scenario_fail(L, &w, "more than %d claims", PLAN_EXPECTS_MAX);
		p->expect = list_grow(p->expect, &p->expect_n, sizeof(*p->expect));
		read_expect(L, &w, &p->expect[i - 1], kind);
		lua_settop(L, 1);
	}
	lua_settop(L, 0);
}
