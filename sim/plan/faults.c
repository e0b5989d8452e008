/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a scenario's timeline: at "5s" { kill = "DNS1" }, at "5s" { loss = "DNS1", ratio = 0.2 }.
 * Every fault names its node under its own word; what it is measured in comes besides.
 */
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "faults.h"
#include "scenario.h"

enum {
	RATIO = FAULT_RATIO, BY = FAULT_BY, RATIO_MUST = 4, BY_MUST = 8, STUB = FAULT_STUB,
	LINK = FAULT_LINK, WAY = FAULT_WAY, WAY_MUST = 128, BITS_MUST = FAULT_BITS,
};

static const unsigned takes[FAULT_N] = {
	[PLAN_LOSS] = LINK | WAY | RATIO | RATIO_MUST, [PLAN_DELAY] = LINK | WAY | BY | BY_MUST,
	[PLAN_JITTER] = LINK | WAY | BY | BY_MUST,
	[PLAN_DUPLICATE] = LINK | WAY | RATIO | RATIO_MUST,
	[PLAN_REORDER] = LINK | WAY | RATIO | RATIO_MUST | BY | BY_MUST,
	[PLAN_RATE] = LINK | WAY | BITS_MUST, [PLAN_CUT] = LINK | WAY | WAY_MUST,
	[PLAN_BLACKHOLE] = LINK, [PLAN_HEAL] = LINK,
	[PLAN_SERVFAIL] = STUB | RATIO, [PLAN_WRONG] = STUB | RATIO, [PLAN_TRUNCATE] = STUB | RATIO,
	[PLAN_REFUSE] = STUB | RATIO, [PLAN_DROP] = STUB | RATIO,
	[PLAN_SLOW] = STUB | RATIO | BY | BY_MUST,
	[PLAN_DRAIN] = STUB, [PLAN_UNDRAIN] = STUB, [PLAN_SET_DOWN] = STUB, [PLAN_SET_AUTO] = STUB,
};

unsigned faults_takes(enum plan_fault_kind kind)
{
	return takes[kind];
}

/* The one fault that the table on top names. */
static enum plan_fault_kind find_kind(lua_State *L, const struct at *w)
{
	enum { VALUES = 6 };
	struct key keys[VALUES + FAULT_N + 1] = {
		{ .name = "at" }, { .name = "ratio" }, { .name = "by" }, { .name = "way" },
		{ .name = "bits" }, { .name = "queue" },
	};
	unsigned n = VALUES;
	int kind = 0;

	for (int k = PLAN_KILL; k < FAULT_N; k++)
		keys[n++].name = plan_fault_names[k];
	keys[n++].name = "spare";
	for (unsigned k = 0; k < n; k++)
		keys[k].kind = KEY_OTHER;
	keys_read(L, w, keys, n, NULL, false);
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

static void read_ratio(lua_State *L, const struct at *w, struct plan_fault *f)
{
	struct at ratio = { .outer = w, .key = "ratio" };
	unsigned t = takes[f->kind];

	if (value_field(L, "ratio")) {
		if (!(t & RATIO))
			scenario_fail(L, &ratio, "%s takes no ratio", plan_fault_names[f->kind]);
		f->value_ppm = (uint32_t)value_scaled(L, &ratio, 1000000, 0, 1000000, "a share");
		lua_pop(L, 1);
	} else if (t & RATIO_MUST) {
		scenario_fail(L, w, "%s: no ratio: expected ratio = 0.2",
		              plan_fault_names[f->kind]);
	} else if (t & RATIO) {
		f->value_ppm = 1000000;
	}
}

static void read_by(lua_State *L, const struct at *w, struct plan_fault *f)
{
	struct at by = { .outer = w, .key = "by" };
	unsigned t = takes[f->kind];

	if (value_field(L, "by")) {
		if (!(t & BY))
			scenario_fail(L, &by, "%s takes no time", plan_fault_names[f->kind]);
		f->value_ns = value_time(L, &by, 0, INT64_C(60000000000));
		lua_pop(L, 1);
	} else if (t & BY_MUST) {
		scenario_fail(L, w, "%s: no time: expected by = \"50ms\"",
		              plan_fault_names[f->kind]);
	}
	if (f->kind == PLAN_REORDER && f->value_ppm > 0 && f->value_ns == 0)
		scenario_fail(L, &by, "reorder by no time: expected a time above 0");
}

static void read_way(lua_State *L, const struct at *w, struct plan_fault *f)
{
	static const char *const ways[] = { "both", "out", "in" };
	struct at way = { .outer = w, .key = "way" };
	unsigned t = takes[f->kind];

	if (value_field(L, "way")) {
		if (!(t & WAY))
			scenario_fail(L, &way, "%s takes no way", plan_fault_names[f->kind]);
		f->way = (enum plan_way)value_word(L, &way, ways, COUNT_OF(ways));
		lua_pop(L, 1);
	}
	if ((t & WAY_MUST) && f->way == PLAN_BOTH_WAYS)
		scenario_fail(L, w, "cut: expected way = \"in\" or way = \"out\"; both ways is "
		              "blackhole");
}

static void read_rate(lua_State *L, const struct at *w, struct plan_fault *f)
{
	struct at bits = { .outer = w, .key = "bits" }, queue = { .outer = w, .key = "queue" };
	bool rate = (takes[f->kind] & BITS_MUST) != 0;
	const char *name = plan_fault_names[f->kind];

	if (value_field(L, "bits")) {
		if (!rate)
			scenario_fail(L, &bits, "%s takes no bits", name);
		f->rate_bps = (uint64_t)value_scaled(L, &bits, 1, 0, PLAN_BPS_MAX,
		                                     "bits a second");
		if (f->rate_bps > 0 && f->rate_bps < PLAN_BPS_MIN)
			value_fail(L, &bits, "1000 bits a second at least, or 0 for no limit");
		f->queue_bytes = f->rate_bps > 0 ? PLAN_QUEUE_BYTES : 0;
		lua_pop(L, 1);
	} else if (rate) {
		scenario_fail(L, w, "rate: no bits a second: expected bits = 1e6");
	}
	if (value_field(L, "queue")) {
		if (f->rate_bps == 0)
			scenario_fail(L, &queue, "%s takes no queue", rate ? "a link of no rate"
			                                                   : name);
		f->queue_bytes = (uint32_t)value_scaled(L, &queue, 1, PLAN_QUEUE_MIN,
		                                        PLAN_QUEUE_MAX, "bytes");
		lua_pop(L, 1);
	}
}

static void read_values(lua_State *L, const struct at *w, struct plan_fault *f)
{
	read_ratio(L, w, f);
	read_by(L, w, f);
	read_way(L, w, f);
	read_rate(L, w, f);
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

/* Pops when = down "DNS1" from the table of a trigger on top. */
static void read_when(lua_State *L, const struct at *w, struct plan_fault *f)
{
	struct at when = { .outer = w, .key = "when" };
	const char *word = NULL;

	if (value_field(L, "when") && lua_istable(L, -1) && value_field(L, "make")) {
		word = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	if (word == NULL || (strcmp(word, "down") != 0 && strcmp(word, "up") != 0))
		scenario_fail(L, w, "no trigger: expected when = down \"DNS1\" or up \"DNS1\"");
	f->when = strcmp(word, "up") == 0 ? PLAN_WHEN_UP : PLAN_WHEN_DOWN;
	if (!value_field(L, "node"))
		lua_pushnil(L);
	f->when_node = value_node(L, &when, 1u << PLAN_RECURSOR);
	lua_pop(L, 2);
}

bool faults_felt(const struct plan_fault *f)
{
	return !plan_fault_said(f->kind) && !f->spares_checks;
}

/* The fault's number in the file, from 1, that the marks must come after; 0: none. */
static unsigned base_of(const struct plan *p, unsigned number, int node)
{
	unsigned base = 0;

	for (unsigned i = 1; i < number; i++)
		if (p->fault[i - 1].node == node && faults_felt(&p->fault[i - 1]) &&
		    (base == 0 || p->fault[i - 1].at_ns >= p->fault[base - 1].at_ns))
			base = i;
	return base;
}

/* A trigger, in the table on top. Its instants come from the model's bound for the marks. */
static void read_trigger(lua_State *L, const struct at *w, struct plan_fault *f, unsigned number)
{
	static const struct key keys[] = {
		{ .name = "when", .kind = KEY_OTHER, .required = true },
		{ .name = "plus", .kind = KEY_TIME, KEY_AT(plan_fault, plus_ns),
		  .hi = INT64_C(86400000000000) },
	};
	const struct plan *p = scenario_of(L)->plan;

	keys_read(L, w, keys, COUNT_OF(keys), f, false);
	read_when(L, w, f);
	const char *name = p->node[f->when_node].name;
	bool up = f->when == PLAN_WHEN_UP;
	f->after = base_of(p, number, f->when_node);
	if (f->after == 0)
		scenario_fail(L, w, "no check feels anything before it in the file at %s: expected "
		              "an at with it first", name);
	const struct plan_fault *base = &p->fault[f->after - 1];
	if (up ? plan_fault_silences(base->kind) : plan_fault_returns(base->kind))
		scenario_fail(L, w, "nobody marks %s %s after a %s", name, up ? "up" : "down",
		              plan_fault_names[base->kind]);
	int64_t bound = up ? plan_back_ns(p, f->when_node) : plan_detect_ns(p, f->when_node);
	if (bound >= PLAN_TIME_MAX_NS)
		scenario_fail(L, w, "%s isn't health-checked: nobody marks it", name);
	f->earliest_ns = plan_fault_earliest(base) + f->plus_ns;
	f->at_ns = base->at_ns + bound + p->limits.slack_ns + f->plus_ns;
}

static void read_instant(lua_State *L, const struct at *at, struct plan_fault *f, unsigned number)
{
	const struct plan *p = scenario_of(L)->plan;
	int64_t last = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		last = p->load[i].to_ns > last ? p->load[i].to_ns : last;
	if (lua_istable(L, -1))
		read_trigger(L, at, f, number);
	else
		f->at_ns = value_time(L, at, 0, PLAN_TIME_MAX_NS);
	if (f->at_ns < last)
		return;
	if (f->when == PLAN_AT)
		value_fail(L, at, "an instant before the last load's end");
	scenario_fail(L, at, "by the model it may come as late as %.9g s: expected an instant "
	              "before the last load's end", (double)f->at_ns / 1e9);
}

static void read_fault(lua_State *L, const struct at *w, struct plan_fault *f, unsigned number)
{
	struct at at = { .outer = w, .key = "at" };

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
	value_field(L, "at");
	read_instant(L, &at, f, number);
	lua_pop(L, 1);
}

/* Stable, by time: faults of one instant keep the order of the file. Triggers follow their base. */
static void sort(struct plan_fault *f, unsigned n)
{
	unsigned place[PLAN_FAULTS_MAX + 1]; /* by number in the file, both from 1 */
	unsigned number[PLAN_FAULTS_MAX];

	for (unsigned i = 0; i < n; i++)
		number[i] = i + 1;
	for (unsigned i = 1; i < n; i++) {
		struct plan_fault one = f[i];
		unsigned k = i, own = number[i];
		for (; k > 0 && f[k - 1].at_ns > one.at_ns; k--) {
			f[k] = f[k - 1];
			number[k] = number[k - 1];
		}
		f[k] = one;
		number[k] = own;
	}
	for (unsigned i = 0; i < n; i++)
		place[number[i]] = i + 1;
	for (unsigned i = 0; i < n; i++)
		if (f[i].after > 0)
			f[i].after = place[f[i].after];
}

enum process { RUNS, KILLED, HANGS };

enum { CUT_OUT = 1, CUT_IN = 2, CUT_ALL = 3 };

struct state {
	enum process process;
	unsigned cut;
	bool link, drained, forced;
};

static unsigned ways_of(const struct plan_fault *f)
{
	return f->way == PLAN_BOTH_WAYS ? CUT_ALL : f->way == PLAN_OUT ? CUT_OUT : CUT_IN;
}

/* The same for what is said at consoles. */
static const char *unsayable(struct state *s, enum plan_fault_kind kind)
{
	bool drain = kind == PLAN_DRAIN || kind == PLAN_UNDRAIN;
	bool *is = drain ? &s->drained : &s->forced, was = *is;

	*is = plan_fault_unsaid(kind) != 0;
	if (was != *is)
		return NULL;
	if (was)
		return drain ? "it is drained already" : "it is set down already";
	return drain ? "it isn't drained" : "it isn't set down";
}

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
	case PLAN_BLACKHOLE: case PLAN_CUT:
		if ((ways_of(f) & ~s->cut) == 0)
			return "its link drops everything already";
		s->cut |= ways_of(f);
		s->link = true;
		return NULL;
	case PLAN_LOSS: case PLAN_DELAY: case PLAN_JITTER: case PLAN_DUPLICATE:
	case PLAN_REORDER: case PLAN_RATE:
		s->link = true;
		return (ways_of(f) & ~s->cut) == 0 ? "its link drops everything" : NULL;
	case PLAN_HEAL:
		if (!s->link)
			return "its link has no fault";
		s->cut = 0;
		s->link = false;
		return NULL;
	case PLAN_SERVFAIL: case PLAN_SLOW: case PLAN_WRONG: case PLAN_TRUNCATE:
	case PLAN_REFUSE: case PLAN_DROP:
		return s->process == KILLED ? "it is killed" : NULL;
	case PLAN_DRAIN: case PLAN_UNDRAIN: case PLAN_SET_DOWN: case PLAN_SET_AUTO:
		return unsayable(s, f->kind);
	}
	return NULL;
}

/* Fault k can only come before i: i waits for marks after it, or after one that does. */
static bool is_before(const struct plan *p, unsigned k, unsigned i)
{
	while (p->fault[i].after > 0) {
		i = p->fault[i].after - 1;
		if (i == k)
			return true;
	}
	return false;
}

/* Both wait for the same, so the one that waits longer after it comes later. */
static bool wait_alike(const struct plan_fault *f, const struct plan_fault *o)
{
	return f->when == o->when && f->when_node == o->when_node && f->after == o->after;
}

/* Two faults of a node must have an order, whenever triggers come. */
static void check_triggers(lua_State *L, const struct plan *p, unsigned i)
{
	const struct plan_fault *f = &p->fault[i];
	struct at w = { .key = "at", .word = "at", .line = f->line };

	for (unsigned k = 0; k < p->fault_n && f->when != PLAN_AT; k++) {
		const struct plan_fault *o = &p->fault[k];
		if (k != i && o->node == f->node && !is_before(p, k, i) && !is_before(p, i, k) &&
		    !wait_alike(f, o) && plan_fault_earliest(o) < f->at_ns &&
		    o->at_ns > f->earliest_ns)
			scenario_fail(L, &w, "%s of %s may come before or after the %s of it at "
			              "%.9gs: expected it outside of %.9gs...%.9gs, when the "
			              "trigger may come", plan_fault_names[f->kind],
			              p->node[f->node].name, plan_fault_names[o->kind],
			              (double)o->at_ns / 1e9, (double)f->earliest_ns / 1e9,
			              (double)f->at_ns / 1e9);
	}
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

	for (unsigned k = 0; k < p->fault_n; k++)
		check_triggers(L, p, k);
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
		read_fault(L, &w, &p->fault[i - 1], i);
		lua_settop(L, 1);
	}
	lua_settop(L, 0);
	sort(p->fault, p->fault_n);
	check_order(L, p);
}
