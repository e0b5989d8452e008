/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a scenario's timeline: at "5s" { kill = "DNS1" }, at "5s" { loss = "DNS1", ratio = 0.2 }.
 * Every fault names its node under its own word; what it is measured in comes besides.
 */
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "scenario.h"

enum {
	RATIO = FAULT_RATIO, BY = FAULT_BY, RATIO_MUST = 4, BY_MUST = 8, STUB = FAULT_STUB,
	LINK = FAULT_LINK,
};

static const unsigned takes[FAULT_N] = {
	[PLAN_LOSS] = LINK | RATIO | RATIO_MUST, [PLAN_DELAY] = LINK | BY | BY_MUST,
	[PLAN_BLACKHOLE] = LINK, [PLAN_HEAL] = LINK,
	[PLAN_SERVFAIL] = STUB | RATIO, [PLAN_WRONG] = STUB | RATIO, [PLAN_TRUNCATE] = STUB | RATIO,
	[PLAN_REFUSE] = STUB | RATIO, [PLAN_DROP] = STUB | RATIO,
	[PLAN_SLOW] = STUB | RATIO | BY | BY_MUST,
	[PLAN_DRAIN] = STUB, [PLAN_UNDRAIN] = STUB,
};

unsigned faults_takes(enum plan_fault_kind kind)
{
	return takes[kind];
}

/* The one fault that the table on top names. */
static enum plan_fault_kind find_kind(lua_State *L, const struct at *w)
{
	struct key keys[FAULT_N + 4] = {
		{ .name = "at" }, { .name = "ratio" }, { .name = "by" },
	};
	int kind = 0;

	for (int k = PLAN_KILL; k < FAULT_N; k++)
		keys[2 + k].name = plan_fault_names[k];
	keys[2 + FAULT_N].name = "spare";
	for (unsigned k = 0; k < 3 + FAULT_N; k++)
		keys[k].kind = KEY_OTHER;
	keys_read(L, w, keys, 3 + FAULT_N, NULL, false);
	for (int k = PLAN_KILL; k < FAULT_N; k++) {
		if (!value_field(L, plan_fault_names[k]))
			continue;
		lua_pop(L, 1);
		if (kind != 0)
			scenario_fail(L, w, "'%s' and '%s' in one: expected an at for each",
			              plan_fault_names[kind], plan_fault_names[k]);
		kind = k;
	}
	if (kind == 0)
		scenario_fail(L, w, "no fault: expected one such as { kill = \"DNS1\" }");
	return (enum plan_fault_kind)kind;
}

static void read_values(lua_State *L, const struct at *w, struct plan_fault *f)
{
	struct at ratio = { .outer = w, .key = "ratio" }, by = { .outer = w, .key = "by" };
	unsigned t = takes[f->kind];
	const char *name = plan_fault_names[f->kind];

	if (value_field(L, "ratio")) {
		if (!(t & RATIO))
			scenario_fail(L, &ratio, "%s takes no ratio", name);
		f->value_ppm = (uint32_t)value_scaled(L, &ratio, 1000000, 0, 1000000, "a share");
		lua_pop(L, 1);
	} else if (t & RATIO_MUST) {
		scenario_fail(L, w, "%s: no ratio: expected ratio = 0.2", name);
	} else if (t & RATIO) {
		f->value_ppm = 1000000;
	}
	if (value_field(L, "by")) {
		if (!(t & BY))
			scenario_fail(L, &by, "%s takes no time", name);
		f->value_ns = value_time(L, &by, 0, INT64_C(60000000000));
		lua_pop(L, 1);
	} else if (t & BY_MUST) {
		scenario_fail(L, w, "%s: no time: expected by = \"50ms\"", name);
	}
}

/* spare = "checks": clients feel the fault, health checks don't. */
static void read_spare(lua_State *L, const struct at *w, struct plan_fault *f)
{
	static const char *const words[] = { "checks" };
	struct at spare = { .outer = w, .key = "spare" };

	if (!value_field(L, "spare"))
		return;
	if (!(takes[f->kind] & STUB))
		scenario_fail(L, &spare, "%s spares nobody", plan_fault_names[f->kind]);
	f->spares_checks = value_word(L, &spare, words, 1) == 0;
	lua_pop(L, 1);
}

static void read_fault(lua_State *L, const struct at *w, struct plan_fault *f)
{
	const struct plan *p = scenario_of(L)->plan;
	struct at at = { .outer = w, .key = "at" };
	int64_t last = 0;

	f->line = w->line;
	f->kind = find_kind(L, w);
	struct at node = { .outer = w, .key = plan_fault_names[f->kind] };
	value_field(L, node.key);
	f->node = value_node(L, &node, (1u << PLAN_RECURSOR) |
	                     (takes[f->kind] & STUB ? 0 : 1u << PLAN_BALANCER) |
	                     (takes[f->kind] & LINK ? 1u << PLAN_CLIENTS : 0));
	lua_pop(L, 1);
	read_values(L, w, f);
	read_spare(L, w, f);
	for (unsigned i = 0; i < p->load_n; i++)
		last = p->load[i].to_ns > last ? p->load[i].to_ns : last;
	value_field(L, "at");
	f->at_ns = value_time(L, &at, 0, PLAN_TIME_MAX_NS);
	if (f->at_ns >= last)
		value_fail(L, &at, "an instant before the last load's end");
	lua_pop(L, 1);
}

/* Stable, by time: faults of one instant keep the order of the file. */
static void sort(struct plan_fault *f, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct plan_fault one = f[i];
		unsigned k = i;
		for (; k > 0 && f[k - 1].at_ns > one.at_ns; k--)
			f[k] = f[k - 1];
		f[k] = one;
	}
}

enum process { RUNS, KILLED, HANGS };

struct state {
	enum process process;
	bool blackhole, link, drained;
};

/* Why fault f can't happen in that state of its node, or NULL; else moves the state on. */
static const char *impossible(struct state *s, const struct plan_fault *f)
{
	switch (f->kind) {
	case PLAN_KILL:
		if (s->process == KILLED)
			return "it is killed already";
		s->process = KILLED;
		return NULL;
	case PLAN_START:
		if (s->process != KILLED)
			return "it wasn't killed";
		s->process = RUNS;
		return NULL;
	case PLAN_HANG:
		if (s->process != RUNS)
			return s->process == KILLED ? "it is killed" : "it hangs already";
		s->process = HANGS;
		return NULL;
	case PLAN_RESUME:
		if (s->process != HANGS)
			return "it doesn't hang";
		s->process = RUNS;
		return NULL;
	case PLAN_BLACKHOLE:
		if (s->blackhole)
			return "its link drops everything already";
		s->blackhole = s->link = true;
		return NULL;
	case PLAN_LOSS: case PLAN_DELAY:
		s->link = true;
		return s->blackhole ? "its link drops everything" : NULL;
	case PLAN_HEAL:
		if (!s->link)
			return "its link has no fault";
		s->blackhole = s->link = false;
		return NULL;
	case PLAN_SERVFAIL: case PLAN_SLOW: case PLAN_WRONG: case PLAN_TRUNCATE:
	case PLAN_REFUSE: case PLAN_DROP:
		return s->process == KILLED ? "it is killed" : NULL;
	case PLAN_DRAIN:
		if (s->drained)
			return "it is drained already";
		s->drained = true;
		return NULL;
	case PLAN_UNDRAIN:
		if (!s->drained)
			return "it isn't drained";
		s->drained = false;
		return NULL;
	}
	return NULL;
}

const char *faults_impossible(const struct plan *p, unsigned *which)
{
	struct state state[PLAN_NODES_MAX] = { 0 };
	const char *why = NULL;

	for (unsigned i = 0; i < p->fault_n && why == NULL; i++) {
		why = impossible(&state[p->fault[i].node], &p->fault[i]);
		*which = i;
	}
	return why;
}

static void check_order(lua_State *L, const struct plan *p)
{
	unsigned i = 0;
	const char *why = faults_impossible(p, &i);

	if (why == NULL)
		return;
	const struct plan_fault *f = &p->fault[i];
	struct at w = { .key = "at", .word = "at", .line = f->line };
	scenario_fail(L, &w, "%s of %s at %.9gs is impossible: %s", plan_fault_names[f->kind],
	              p->node[f->node].name, (double)f->at_ns / 1e9, why);
}

void faults_read(lua_State *L)
{
	struct plan *p = scenario_of(L)->plan;

	lua_settop(L, 0);
	words_get(L, "at");
	for (unsigned i = 1; i <= lua_objlen(L, 1); i++) {
		lua_rawgeti(L, 1, (int)i);
		struct at w = { .key = "at", .word = "at", .line = words_line(L, 2) };
		if (i > PLAN_FAULTS_MAX)
			scenario_fail(L, &w, "more than %d faults", PLAN_FAULTS_MAX);
		p->fault = list_grow(p->fault, &p->fault_n, sizeof(*p->fault));
		read_fault(L, &w, &p->fault[i - 1]);
		lua_settop(L, 1);
	}
	lua_settop(L, 0);
	sort(p->fault, p->fault_n);
	check_order(L, p);
}
