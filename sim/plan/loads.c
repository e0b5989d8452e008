/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a scenario's loads, each with the client group that sends it. */
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "replay.h"
#include "scenario.h"

#define SECOND INT64_C(1000000000)

static const struct { const char *name; uint16_t type; } types[] = {
	{ "A", DNS_A }, { "NS", DNS_NS }, { "CNAME", DNS_CNAME }, { "SOA", DNS_SOA },
	{ "PTR", DNS_PTR }, { "MX", DNS_MX }, { "TXT", DNS_TXT }, { "AAAA", DNS_AAAA },
	{ "SRV", DNS_SRV }, { "DS", DNS_DS }, { "DNSKEY", DNS_DNSKEY }, { "HTTPS", DNS_HTTPS },
	{ "CAA", DNS_CAA },
};

static uint16_t read_type(lua_State *L, const struct at *w, const char *name)
{
	const char *names[COUNT_OF(types)];

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		names[i] = types[i].name;
		if (strcmp(names[i], name) == 0)
			return types[i].type;
	}
	const char *meant = closest(name, names, COUNT_OF(names));
	scenario_fail(L, w, "no such type: %s%s%sexpected A, AAAA, CAA, CNAME, DNSKEY, DS, HTTPS, "
	              "MX, NS, PTR, SOA, SRV or TXT", meant != NULL ? "did you mean '" : "",
	              meant != NULL ? meant : "", meant != NULL ? "'? " : "");
}

static void read_types(lua_State *L, const struct at *load, struct plan_load *l)
{
	struct at w = { .outer = load, .key = "types" };
	uint64_t sum = 0;

	value_table(L, &w, "a table of shares: { A = 0.7, AAAA = 0.3 }");
	l->type_n = 0;
	luabox_sorted_keys(L, -1);
	for (int i = 1; lua_rawgeti(L, -1, i), !lua_isnil(L, -1); i++) {
		struct at here = { .outer = &w, .key = lua_tostring(L, -1) };
		if (l->type_n == PLAN_TYPES_MAX)
			scenario_fail(L, &w, "more than %d types", PLAN_TYPES_MAX);
		struct plan_type *t = &l->type[l->type_n++];
		t->type = read_type(L, &here, here.key);
		lua_pushvalue(L, -1);
		lua_rawget(L, -4);
		t->share_ppm = (uint32_t)value_scaled(L, &here, 1000000, 1, 1000000, "a share");
		sum += t->share_ppm;
		lua_pop(L, 2);
	}
	lua_pop(L, 2);
	if (sum != 1000000)
		scenario_fail(L, &w, "shares add up to %.6f: expected 1", (double)sum / 1e6);
}

static void read_names(lua_State *L, const struct at *load, struct plan_load *l)
{
	static const struct key keys[] = {
		{ .name = "make", .kind = KEY_OTHER },
		{ .name = "n", .kind = KEY_COUNT, KEY_AT(plan_load, name_n), .lo = 1,
		 .hi = 10000000 },
		{ .name = "s", .kind = KEY_OTHER },
	};
	struct at w = { .outer = load, .key = "names" }, s = { .outer = &w, .key = "s" };
	const char *make = "";

	if (lua_istable(L, -1) && value_field(L, "make")) {
		make = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	if (make != NULL && strcmp(make, "unique") == 0) {
		l->names = PLAN_UNIQUE;
		l->name_n = l->zipf_milli = 0;
		return;
	}
	if (make == NULL || strcmp(make, "zipf") != 0)
		value_fail(L, &w, "zipf(1000), zipf(1000, 0.8) or unique()");
	l->names = PLAN_ZIPF;
	keys_read(L, &w, keys, COUNT_OF(keys), l, false);
	if (value_field(L, "s")) {
		l->zipf_milli = (uint32_t)value_scaled(L, &s, 1000, 0, 10000, "an exponent");
		lua_pop(L, 1);
	}
}

/* The group that key names, or the only one. */
static int find_group(lua_State *L, const struct at *load, const char *key)
{
	const struct plan *p = scenario_of(L)->plan;
	struct at w = { .outer = load, .key = key };

	if (value_field(L, key)) {
		int node = value_node(L, &w, 1u << PLAN_CLIENTS);
		lua_pop(L, 1);
		return node;
	}
	if (p->node_n > 1 && p->node[1].role == PLAN_CLIENTS)
		scenario_fail(L, load, "several client groups: expected %s = \"NAME\"", key);
	return 0;
}

/* Addresses that a net has for clients; the same rule as load_client's. */
static uint64_t net_room(const struct prefix *net)
{
	unsigned host = 128u - net->bits;

	if (host >= 32)
		return (uint64_t)1 << 32;
	return ((uint64_t)1 << host) - (host < 2 ? 0 : ip_is4(&net->ip) ? 2 : 1);
}

/* count and choose of the group, from its table in lab.clients. */
static void read_group(lua_State *L, struct plan_load *l)
{
	static const struct key keys[] = {
		{ .name = "net", .kind = KEY_OTHER },
		{ .name = "count", .kind = KEY_COUNT, KEY_AT(plan_load, clients), .lo = 1,
		  .hi = 1000000 },
		{ .name = "choose", .kind = KEY_WORD, KEY_AT(plan_load, choose),
		  .words = plan_choose_names, .word_n = PLAN_PER_CLIENT + 1 },
	};
	const struct plan_node *n = &scenario_of(L)->plan->node[l->node];
	uint64_t room = 0;

	words_get(L, "lab");
	struct at lab = { .key = "lab", .word = "lab", .line = words_line(L, lua_gettop(L)) };
	struct at clients = { .outer = &lab, .key = "clients" };
	struct at group = { .outer = &clients, .key = n->name }, *w = &clients;
	value_field(L, "clients");
	if (!value_field(L, "net"))
		w = &group;
	if (w == &group)
		value_field(L, n->name);
	else
		lua_pop(L, 1);
	keys_read(L, w, keys, COUNT_OF(keys), l, false);
	for (unsigned i = 0; i < n->net_n; i++)
		room += net_room(&n->net[i]);
	struct at count = { .outer = w, .key = "count" };
	if (l->clients > room)
		scenario_fail(L, &count, "%u: expected at most %llu, the addresses of the networks",
		              l->clients, (unsigned long long)room);
	lua_settop(L, 2); /* loads, this load */
}

static void check_family(lua_State *L, const struct at *load, const struct plan_load *l)
{
	const struct plan *p = scenario_of(L)->plan;
	struct at w = { .outer = load, .key = "family" };

	if ((l->family == 4) != ip_is4(&p->node[l->node].net[0].ip) || l->family == 5)
		scenario_fail(L, &w, "%u: expected the family of the clients' network", l->family);
	for (unsigned i = 0; i < p->node_n; i++) {
		bool found = p->node[i].role != PLAN_BALANCER;
		for (unsigned a = 0; a < p->node[i].addr_n; a++)
			found = found || ip_is4(&p->node[i].addr[a]) == (l->family == 4);
		if (!found)
			scenario_fail(L, load, "%s has no IPv%u address for the clients to ask",
			              p->node[i].name, l->family);
	}
}

static void read_edns(lua_State *L, const struct at *load, struct plan_load *l)
{
	struct at w = { .outer = load, .key = "edns" };

	if (!value_field(L, "edns"))
		return;
	if (lua_isboolean(L, -1) && !lua_toboolean(L, -1))
		l->edns_size = 0;
	else
		l->edns_size = (uint16_t)value_scaled(L, &w, 1, DNS_UDP_MAX, 65535,
		                                      "false or a size in bytes");
	lua_pop(L, 1);
}

/* What any load may say of a query's tries. */
#define TRY_KEYS \
	{ .name = "timeout", .kind = KEY_TIME, KEY_AT(plan_load, timeout_ns), .lo = 1000000, \
	  .hi = 3600 * SECOND }, \
	{ .name = "tries", .kind = KEY_COUNT, KEY_AT(plan_load, tries), .lo = 1, .hi = 16 }, \
	{ .name = "retry", .kind = KEY_WORD, KEY_AT(plan_load, retry), .words = plan_retry_names, \
	  .word_n = PLAN_SAME + 1 }, \
	{ .name = "family", .kind = KEY_COUNT, KEY_AT(plan_load, family), .lo = 4, .hi = 6 }

static const struct key load_keys[] = {
	{ .name = "rate", .kind = KEY_RATE, KEY_AT(plan_load, rate_mqps), .lo = 1,
	  .hi = PLAN_RATE_MAX_MQPS, .required = true },
	{ .name = "from", .kind = KEY_TIME, KEY_AT(plan_load, from_ns),
	 .hi = PLAN_TIME_MAX_NS / 4 },
	{ .name = "to", .kind = KEY_TIME, KEY_AT(plan_load, to_ns), .lo = 1,
	  .hi = PLAN_TIME_MAX_NS / 4, .required = true },
	{ .name = "arrivals", .kind = KEY_WORD, KEY_AT(plan_load, arrivals),
	  .words = plan_arrivals_names, .word_n = PLAN_POISSON + 1 },
	TRY_KEYS,
	{ .name = "names", .kind = KEY_OTHER, .required = true },
	{ .name = "types", .kind = KEY_OTHER },
	{ .name = "edns", .kind = KEY_OTHER },
	{ .name = "clients", .kind = KEY_OTHER },
};

static const struct plan_load load_defaults = {
	.clients = 1, .choose = PLAN_PER_QUERY, .arrivals = PLAN_POISSON,
	.zipf_milli = 1000, .type_n = 1, .type = { { DNS_A, 1000000 } },
	.edns_size = DNS_EDNS_MAX, .timeout_ns = 2 * SECOND, .tries = 1,
	.retry = PLAN_OTHER,
};

const struct key *loads_keys(unsigned *n, const struct plan_load **defaults)
{
	*n = COUNT_OF(load_keys);
	*defaults = &load_defaults;
	return load_keys;
}

const char *loads_type_name(uint16_t type)
{
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return "?";
}

/* ---- captured queries ---- */

static const struct key captured_keys[] = {
	{ .name = "from", .kind = KEY_TIME, KEY_AT(plan_load, from_ns),
	 .hi = PLAN_TIME_MAX_NS / 4 },
	{ .name = "stop", .kind = KEY_TIME, KEY_AT(plan_load, to_ns), .lo = 1,
	  .hi = PLAN_TIME_MAX_NS / 4 },
	TRY_KEYS,
	{ .name = "replay", .kind = KEY_OTHER }, { .name = "speed", .kind = KEY_OTHER },
	{ .name = "loop", .kind = KEY_OTHER }, { .name = "limit", .kind = KEY_OTHER },
	{ .name = "filter", .kind = KEY_OTHER }, { .name = "servers", .kind = KEY_OTHER },
	{ .name = "clients", .kind = KEY_OTHER }, { .name = "group", .kind = KEY_OTHER },
	{ .name = "to", .kind = KEY_OTHER },
};
static const struct key captured_own_keys[] = {
	{ .name = "loop", .kind = KEY_COUNT, KEY_AT(plan_replay, pace.loops), .lo = 1,
	  .hi = PLAN_LOOPS_MAX },
	{ .name = "limit", .kind = KEY_COUNT, KEY_AT(plan_replay, limit), .lo = 1,
	  .hi = TRACE_QUERIES_MAX },
};
static const struct plan_replay replay_defaults = {
	.pace = { .speed = TRACE_SPEED_ONE, .loops = 1 }, .addresses = PLAN_ORIGINAL,
};

const struct key *replay_keys(unsigned *n)
{
	*n = COUNT_OF(captured_keys);
	return captured_keys;
}

const struct key *replay_own_keys(unsigned *n, const struct plan_replay **defaults)
{
	*n = COUNT_OF(captured_own_keys);
	*defaults = &replay_defaults;
	return captured_own_keys;
}

static bool has_net(const struct plan_node *n, const struct prefix *net)
{
	for (unsigned k = 0; k < n->net_n; k++)
		if (n->net[k].bits <= net->bits && prefix_has(&n->net[k], &net->ip))
			return true;
	return false;
}

/* The net that is on top: its group is the one that is named, or the first that has it. */
static void read_net(lua_State *L, const struct at *w, const struct at *load, struct plan_load *l)
{
	const struct plan *p = scenario_of(L)->plan;
	const struct prefix *net = &l->replay->net;
	unsigned i = 0;

	while (i < p->node_n && p->node[i].role == PLAN_CLIENTS && !has_net(&p->node[i], net))
		i++;
	lua_pushvalue(L, -2);
	if (value_field(L, "group")) {
		lua_pop(L, 1);
		i = (unsigned)find_group(L, load, "group");
	}
	lua_pop(L, 1);
	if (i == p->node_n || !has_net(&p->node[i], net))
		value_fail(L, w, "a network inside of a client group's");
	l->node = (int)i;
}

/* clients: "original", "map" or a network; and the group that has these addresses. */
static void read_addresses(lua_State *L, const struct at *load, struct plan_load *l)
{
	static const char expected[] = "\"original\", \"map\", or a network such as "
	                               "\"192.0.2.0/24\"";
	const struct plan *p = scenario_of(L)->plan;
	struct at w = { .outer = load, .key = "clients" };
	struct plan_replay *r = l->replay;
	const char *text = "original";

	if (value_field(L, "clients")) {
		text = value_text(L, &w, expected);
		r->addresses = strcmp(text, "original") == 0 ? PLAN_ORIGINAL : PLAN_MAPPED;
		if (r->addresses == PLAN_MAPPED && strcmp(text, "map") != 0) {
			if (prefix_parse(&r->net, text) < 0)
				value_fail(L, &w, expected);
			read_net(L, &w, load, l);
			lua_pop(L, 1);
			return;
		}
		lua_pop(L, 1);
	}
	l->node = find_group(L, load, "group");
	if (r->addresses == PLAN_MAPPED)
		r->net = p->node[l->node].net[0];
}

static void add_asked(lua_State *L, const struct at *w, struct plan_replay *r)
{
	static const char expected[] = "an address, or a network such as \"192.0.2.0/24\"";

	if (r->asked_n == PLAN_ASKED_MAX)
		scenario_fail(L, w, "more than %d", PLAN_ASKED_MAX);
	if (prefix_parse(&r->asked[r->asked_n++], value_text(L, w, expected)) < 0)
		value_fail(L, w, expected);
}

static void read_asked(lua_State *L, const struct at *load, struct plan_replay *r)
{
	struct at w = { .outer = load, .key = "servers" };

	if (!value_field(L, "servers"))
		return;
	if (!lua_istable(L, -1))
		add_asked(L, &w, r);
	for (unsigned i = 1; lua_istable(L, -1) && i <= lua_objlen(L, -1); i++) {
		struct at here = { .outer = &w, .index = i };
		lua_rawgeti(L, -1, (int)i);
		add_asked(L, &here, r);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* What only replays have, but for clients and servers. */
static void read_settings(lua_State *L, const struct at *load, struct plan_replay *r)
{
	static const char *const to_words[] = { "balancers" };
	struct at w = { .outer = load, .key = "replay" };

	value_field(L, "replay");
	r->path = value_file(L, &w);
	lua_pop(L, 1);
	keys_take(L, load, captured_own_keys, COUNT_OF(captured_own_keys), r);
	w.key = "speed";
	if (value_field(L, "speed")) {
		r->pace.speed = (uint64_t)value_scaled(L, &w, TRACE_SPEED_ONE, 1,
		                                       (int64_t)TRACE_SPEED_MAX, "a factor");
		lua_pop(L, 1);
	}
	w.key = "filter";
	if (value_field(L, "filter")) {
		r->filter = strdup(value_text(L, &w, "a filter as tcpdump has it"));
		MUST(r->filter != NULL);
		lua_pop(L, 1);
	}
	w.key = "to";
	if (value_field(L, "to")) {
		(void)value_word(L, &w, to_words, 1);
		lua_pop(L, 1);
	}
}

/* Reads the capture, and makes the load last as long as it does. */
static void read_capture(lua_State *L, const struct at *load, struct plan_load *l)
{
	struct scenario *s = scenario_of(L);
	struct plan_replay *r = l->replay;
	struct at w = { .outer = load, .key = "replay" };
	char trouble[REPLAY_TROUBLE_TEXT], error[PLAN_ERROR_TEXT];

	if (replay_read(s->plan, l, trouble, error) < 0)
		scenario_fail(L, &w, "%s", error);
	if (trouble[0] != '\0')
		lint_add(s->lint, false, NULL, locate(s->text, s->text_len, &w),
		         "load.replay: %s: what comes before is replayed", trouble);
	if (r->pace.period_ns > PLAN_TIME_MAX_NS)
		scenario_fail(L, &w, "the capture spans more than %lld days: expected a filter or "
		              "a limit", (long long)(PLAN_TIME_MAX_NS / (86400 * SECOND)));
	int64_t lasts = trace_lasts(&r->pace);
	if (lasts > PLAN_TIME_MAX_NS / 4)
		scenario_fail(L, load, "all loops take more than %lld days: expected fewer, or a "
		              "higher speed", (long long)(PLAN_TIME_MAX_NS / 4 / (86400 * SECOND)));
	lasts += lasts == 0; /* at that speed it is over at once */
	if (l->to_ns == 0 || l->to_ns > l->from_ns + lasts)
		l->to_ns = l->from_ns + lasts;
}

/* Queries of the load in its time, as a rate. */
static uint64_t mean_rate(const struct plan_load *l)
{
	double rate = plan_load_queries(l, l->from_ns, l->to_ns) * 1e12 /
	              (double)(l->to_ns - l->from_ns);

	return rate < 1 ? 1 : rate > (double)PLAN_RATE_MAX_MQPS ? (uint64_t)PLAN_RATE_MAX_MQPS
	       : (uint64_t)rate;
}

/* On top: the load's table. */
static void read_replay(lua_State *L, const struct at *w, struct plan_load *l)
{
	l->replay = list_grow(NULL, &l->replay_n, sizeof(*l->replay));
	*l->replay = replay_defaults;
	l->arrivals = PLAN_CAPTURED_TIMES;
	l->names = PLAN_CAPTURED_NAMES;
	l->zipf_milli = 0;
	l->edns_size = 0;
	read_addresses(L, w, l);
	l->family = ip_is4(&scenario_of(L)->plan->node[l->node].net[0].ip) ? 4 : 6;
	keys_read(L, w, captured_keys, COUNT_OF(captured_keys), l, false);
	read_settings(L, w, l->replay);
	read_asked(L, w, l->replay);
	read_group(L, l);
	check_family(L, w, l);
	read_capture(L, w, l);
	struct at stop = { .outer = w, .key = "stop" };
	if (l->from_ns >= l->to_ns)
		scenario_fail(L, &stop, "expected an instant after 'from'");
	l->rate_mqps = mean_rate(l);
}

/* On top: the load's table. */
static void read_drawn(lua_State *L, const struct at *w, struct plan_load *l)
{
	l->node = find_group(L, w, "clients");
	l->family = ip_is4(&scenario_of(L)->plan->node[l->node].net[0].ip) ? 4 : 6;
	keys_read(L, w, load_keys, COUNT_OF(load_keys), l, false);
	value_field(L, "names");
	read_names(L, w, l);
	lua_pop(L, 1);
	if (value_field(L, "types")) {
		read_types(L, w, l);
		lua_pop(L, 1);
	}
	read_edns(L, w, l);
	read_group(L, l);
	struct at to = { .outer = w, .key = "to" };
	if (l->from_ns >= l->to_ns)
		scenario_fail(L, &to, "expected an instant after 'from'");
	check_family(L, w, l);
}

/* On top: the load's table. */
static void read_load(lua_State *L, const struct at *w, struct plan_load *l)
{
	struct plan *p = scenario_of(L)->plan;

	*l = load_defaults;
	if (value_field(L, "replay")) {
		lua_pop(L, 1);
		read_replay(L, w, l);
	} else {
		read_drawn(L, w, l);
	}
	int64_t end = l->to_ns + l->tries * l->timeout_ns;
	p->end_ns = end > p->end_ns ? end : p->end_ns;
}

void loads_read(lua_State *L)
{
	struct plan *p = scenario_of(L)->plan;

	lua_settop(L, 0);
	words_get(L, "load");
	unsigned n = (unsigned)lua_objlen(L, 1);
	if (n == 0)
		scenario_fail(L, NULL, "no load: expected load { rate = ..., to = ..., names = ... "
		              "}");
	for (unsigned i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, (int)i);
		struct at list = { .key = "load", .word = "load", .line = words_line(L, 2) };
		if (i > PLAN_LOADS_MAX)
			scenario_fail(L, &list, "more than %d loads", PLAN_LOADS_MAX);
		p->load = list_grow(p->load, &p->load_n, sizeof(*p->load));
		read_load(L, &list, &p->load[i - 1]);
		lua_settop(L, 1);
	}
	lua_settop(L, 0);
}
