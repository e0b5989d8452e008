/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads a scenario's lab: client groups, balancers, recursors and their links; then the balancers'
 * configuration files, out of which recursors take their addresses.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "balancer/config/config.h"
#include "lib/host/host.h"
#include "answers.h"
#include "scenario.h"

static const char *const reserved[] = {
	"config", "miss", "answers", "delays", "delay", "loss", "jitter", "duplicate", "reorder",
	"reorder_by", "rate", "queue", "net", "count", "choose", "address", "wire",
};

static bool name_ok(const char *name)
{
	size_t n = strspn(name,
	                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return n > 0 && n < PLAN_NAME_TEXT && name[n] == '\0' && name[0] != '.' && name[0] != '-';
}

/* A new node at the end; the pointer holds until the next one. */
static struct plan_node *add_node(lua_State *L, const struct at *w, const char *name,
                                  enum plan_role role)
{
	struct scenario *s = scenario_of(L);
	struct plan *p = s->plan;

	if (!name_ok(name))
		scenario_fail(L, w, "'%.64s': expected a name of letters, digits, '_', '-' and '.'",
		              name);
	for (size_t i = 0; i < COUNT_OF(reserved); i++)
		if (strcmp(name, reserved[i]) == 0)
			scenario_fail(L, w, "'%s' can't name a node: expected another name", name);
	if (plan_find_node(p, name) != PLAN_NONE)
		scenario_fail(L, w, "a second node '%s': expected a name of its own", name);
	if (p->node_n == PLAN_NODES_MAX)
		scenario_fail(L, w, "more than %d nodes", PLAN_NODES_MAX);
	p->node = list_grow(p->node, &p->node_n, sizeof(*p->node));
	struct plan_node *n = &p->node[p->node_n - 1];
	snprintf(n->name, sizeof(n->name), "%s", name);
	n->role = role;
	n->conf = PLAN_NONE;
	n->line = locate(s->text, s->text_len, w);
	return n;
}

/* The conf of that path, added when it is new. Takes path. */
static int conf_of(struct plan *p, char *take_path)
{
	for (unsigned i = 0; i < p->conf_n; i++)
		if (strcmp(p->conf[i].path, take_path) == 0) {
			free(take_path);
			return (int)i;
		}
	p->conf = list_grow(p->conf, &p->conf_n, sizeof(*p->conf));
	p->conf[p->conf_n - 1].path = take_path;
	return (int)p->conf_n - 1;
}

/* Reads addresses from the list on top into the node. */
static void read_addresses(lua_State *L, const struct at *w, struct plan_node *n)
{
	for (unsigned i = 1; lua_rawgeti(L, -1, (int)i), !lua_isnil(L, -1); i++) {
		struct at here = { .outer = w, .index = i };
		struct ip ip;
		const char *text = value_text(L, &here, "an IP address");
		if (ip_parse(&ip, text) < 0 || ip_is_any(&ip))
			value_fail(L, &here, "an IP address");
		if (n->addr_n == PLAN_ADDRS_MAX)
			scenario_fail(L, &here, "more than %d addresses", PLAN_ADDRS_MAX);
		n->addr[n->addr_n++] = ip;
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* The value of key in the table on top, or the one in the table below it; false: in neither. */
static bool own_or_common(lua_State *L, const char *key, const struct at *own,
                          const struct at *common, struct at *w)
{
	bool mine = lua_istable(L, -1) && value_field(L, key);

	*w = (struct at){ .outer = mine ? own : common, .key = key };
	if (mine)
		return true;
	lua_pushvalue(L, -2);
	if (value_field(L, key)) {
		lua_remove(L, -2);
		return true;
	}
	lua_pop(L, 1);
	return false;
}

static void read_balancer(lua_State *L, const struct at *all, const char *name)
{
	static const struct key keys[] = { { .name = "config", .kind = KEY_OTHER } };
	struct at w = { .outer = all, .key = name }, config;
	struct plan *p = scenario_of(L)->plan;

	value_table(L, &w, "a list of addresses");
	struct plan_node *n = add_node(L, &w, name, PLAN_BALANCER);
	keys_read(L, &w, keys, COUNT_OF(keys), NULL, true);
	read_addresses(L, &w, n);
	if (n->addr_n == 0)
		scenario_fail(L, &w, "no address: expected one at least");
	if (!own_or_common(L, "config", &w, all, &config))
		scenario_fail(L, all, "no 'config': expected config = \"FILE\", a dnsdist "
		              "configuration");
	n->config_path = value_file(L, &config);
	n->conf = conf_of(p, strdup(n->config_path));
	lua_pop(L, 1);
}

static void read_balancers(lua_State *L, const struct at *lab)
{
	struct at w = { .outer = lab, .key = "balancers" };

	value_table(L, &w, "a table of balancers: NAME = { ADDRESS, ... }");
	luabox_sorted_keys(L, -1);
	for (int i = 1; lua_rawgeti(L, -1, i), !lua_isnil(L, -1); i++) {
		if (lua_type(L, -1) != LUA_TSTRING) {
			struct at here = { .outer = &w, .index = (unsigned)lua_tointeger(L, -1) };
			scenario_fail(L, &here, "expected NAME = { ADDRESS, ... }");
		}
		const char *name = lua_tostring(L, -1);
		lua_pushvalue(L, -3); /* keys, name, all; then the one */
		if (strcmp(name, "config") != 0 && value_field(L, name)) {
			read_balancer(L, &w, name);
			lua_pop(L, 1);
		}
		lua_pop(L, 2);
	}
	lua_pop(L, 2);
}

/* On top: the recursor's own table or its name; below: the table of all. */
static void read_recursor(lua_State *L, const struct at *all, const struct at *w, const char *name)
{
	static const struct key keys[] = {
		{ .name = "config", .kind = KEY_OTHER }, { .name = "miss", .kind = KEY_OTHER },
	};
	struct plan_node *n = add_node(L, w, name, PLAN_RECURSOR);
	struct recconf conf;
	struct at from;

	if (lua_istable(L, -1)) {
		keys_read(L, w, keys, COUNT_OF(keys), NULL, true);
		read_addresses(L, w, n);
	} else if (lua_type(L, -1) != LUA_TSTRING) {
		value_fail(L, w, "a table: NAME = { config = ..., miss = ... }");
	}
	if (own_or_common(L, "miss", w, all, &from)) {
		value_dist(L, &from, &n->miss);
		lua_pop(L, 1);
	}
	if (!own_or_common(L, "config", w, all, &from))
		scenario_fail(L, all, "no 'config': expected config = \"FILE\", a recursor.conf");
	n->config_path = value_file(L, &from);
	int e = recconf_read(&conf, n->config_path);
	if (e < 0)
		scenario_fail(L, &from, "can't be read: %s", strerror(-e));
	if (conf.answers_line > 0)
		scenario_fail(L, &from, "%s:%u: stub-answers: expected answers = \"FILE\" among "
		              "the recursors, so that the judge knows them", n->config_path,
		              conf.answers_line);
	n->packetcache = conf.packetcache;
	lua_pop(L, 1);
}

/* What all recursors have in common, and isn't a name of one. */
static bool is_common(const char *key)
{
	static const char *const common[] = { "config", "miss", "answers", "delays" };

	for (size_t i = 0; i < COUNT_OF(common); i++)
		if (strcmp(key, common[i]) == 0)
			return true;
	return false;
}

/* On top: the recursors' table. Captured answers, if they are to give any. */
static void read_answers(lua_State *L, const struct at *recursors)
{
	struct at w = { .outer = recursors, .key = "answers" },
	          delays = { .outer = recursors, .key = "delays" };
	struct scenario *s = scenario_of(L);
	struct plan *p = s->plan;
	char trouble[PLAN_ERROR_TEXT], error[PLAN_ERROR_TEXT];

	if (value_field(L, "answers")) {
		p->answers = list_grow(NULL, &p->answers_n, sizeof(*p->answers));
		p->answers->path = value_file(L, &w);
		lua_pop(L, 1);
		if (answers_read(p->answers, trouble, error) < 0)
			scenario_fail(L, &w, "%s", error);
		if (trouble[0] != '\0')
			lint_add(s->lint, false, NULL, locate(s->text, s->text_len, &w),
			         "recursors.answers: %s: what comes before is given", trouble);
	}
	if (!value_field(L, "delays"))
		return;
	if (p->answers_n == 0)
		scenario_fail(L, &delays, "belongs to 'answers': expected answers = \"FILE\"");
	if (!lua_isboolean(L, -1))
		value_fail(L, &delays, "true or false");
	p->answers->delays = lua_toboolean(L, -1);
	lua_pop(L, 1);
}

static void read_recursors(lua_State *L, const struct at *lab)
{
	struct at w = { .outer = lab, .key = "recursors" };

	value_table(L, &w, "a table of recursors: \"NAME\", ... or NAME = { ... }");
	read_answers(L, &w);
	luabox_sorted_keys(L, -1);
	for (int i = 1; lua_rawgeti(L, -1, i), !lua_isnil(L, -1); i++) {
		bool listed = lua_type(L, -1) == LUA_TNUMBER;
		struct at here = { .outer = &w, .index = listed ? (unsigned)lua_tointeger(L, -1)
		                  : 0,
		                   .key = listed ? NULL : lua_tostring(L, -1) };
		bool common = !listed && is_common(here.key);
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -2);
		lua_rawget(L, -2);
		if (!common)
			read_recursor(L, &w, &here, listed ? value_text(L, &here,
			                                                "a recursor's name")
			              : here.key);
		lua_pop(L, 3);
	}
	lua_pop(L, 2);
}

static void read_net(lua_State *L, const struct at *w, struct plan_node *n)
{
	const char *text = value_text(L, w, "a network such as \"192.0.2.0/24\"");

	if (n->net_n == PLAN_NETS_MAX)
		scenario_fail(L, w, "more than %d networks", PLAN_NETS_MAX);
	if (prefix_parse(&n->net[n->net_n], text) < 0)
		value_fail(L, w, "a network such as \"192.0.2.0/24\"");
	if (n->net_n > 0 && ip_is4(&n->net[0].ip) != ip_is4(&n->net[n->net_n].ip))
		scenario_fail(L, w, "'%s': expected networks of one family: make a second group",
		              text);
	n->net_n++;
}

/* On top: a group's table. count and choose are read again with each load that the group sends. */
static void read_group(lua_State *L, const struct at *w, const char *name)
{
	static const struct key keys[] = {
		{ .name = "net", .kind = KEY_OTHER, .required = true },
		{ .name = "count", .kind = KEY_OTHER }, { .name = "choose", .kind = KEY_OTHER },
	};
	struct at net = { .outer = w, .key = "net" };

	value_table(L, w, "a table: { net = \"192.0.2.0/24\", count = 50 }");
	keys_read(L, w, keys, COUNT_OF(keys), NULL, false);
	struct plan_node *n = add_node(L, w, name, PLAN_CLIENTS);
	value_field(L, "net");
	if (!lua_istable(L, -1)) {
		read_net(L, &net, n);
	} else {
		for (unsigned i = 1; lua_rawgeti(L, -1, (int)i), !lua_isnil(L, -1); i++) {
			struct at here = { .outer = &net, .index = i };
			read_net(L, &here, n);
			lua_pop(L, 1);
		}
		lua_pop(L, 1);
	}
	if (n->net_n == 0)
		value_fail(L, &net, "a network such as \"192.0.2.0/24\"");
	lua_pop(L, 1);
}

static void read_clients(lua_State *L, const struct at *lab)
{
	struct at w = { .outer = lab, .key = "clients" };

	value_table(L, &w, "a table: { net = \"192.0.2.0/24\", count = 50 }");
	if (value_field(L, "net")) {
		lua_pop(L, 1);
		read_group(L, &w, "clients");
		return;
	}
	luabox_sorted_keys(L, -1);
	for (int i = 1; lua_rawgeti(L, -1, i), !lua_isnil(L, -1); i++) {
		if (lua_type(L, -1) != LUA_TSTRING)
			scenario_fail(L, &w, "expected net = ..., or groups by name: NAME = { net "
			              "= ... }");
		struct at here = { .outer = &w, .key = lua_tostring(L, -1) };
		lua_pushvalue(L, -1);
		lua_rawget(L, -4);
		read_group(L, &here, here.key);
		lua_pop(L, 2);
	}
	lua_pop(L, 2);
}

#define LINK_RATIO(n, m) { .name = n, .kind = KEY_RATIO, KEY_AT(plan_link, m), .hi = 1000000 }
#define LINK_TIME(n, m) { .name = n, .kind = KEY_TIME, KEY_AT(plan_link, m), \
		.hi = INT64_C(60000000000) }
static const struct key link_keys[] = {
	LINK_TIME("delay", delay_ns), LINK_RATIO("loss", loss_ppm),
	LINK_TIME("jitter", jitter_ns), LINK_RATIO("duplicate", duplicate_ppm),
	LINK_RATIO("reorder", reorder_ppm), LINK_TIME("reorder_by", reorder_ns),
	{ .name = "rate", .kind = KEY_COUNT, KEY_AT(plan_link, rate_bps), .hi = PLAN_BPS_MAX },
	{ .name = "queue", .kind = KEY_COUNT, KEY_AT(plan_link, queue_bytes),
	  .lo = PLAN_QUEUE_MIN, .hi = PLAN_QUEUE_MAX },
};

static bool is_link_key(const char *name)
{
	for (unsigned i = 0; name != NULL && i < COUNT_OF(link_keys); i++)
		if (strcmp(name, link_keys[i].name) == 0)
			return true;
	return false;
}

/* What belongs together is there together. */
static void check_link(lua_State *L, const struct at *w, struct plan_link *l)
{
	if (l->reorder_ppm > 0 && l->reorder_ns == 0)
		scenario_fail(L, w, "reorder without a time: expected reorder_by = \"1ms\"");
	if (l->rate_bps > 0 && l->queue_bytes == 0)
		l->queue_bytes = PLAN_QUEUE_BYTES;
	if (l->rate_bps > 0 && l->rate_bps < PLAN_BPS_MIN)
		scenario_fail(L, w, "rate = %llu: expected %lld bits a second at least, or 0 for "
		              "no limit", (unsigned long long)l->rate_bps, (long long)PLAN_BPS_MIN);
}

void links_read(lua_State *L, const struct at *lab)
{
	struct plan *p = scenario_of(L)->plan;
	struct at w = { .outer = lab, .key = "links" };
	struct plan_link all = { 0 };

	value_table(L, &w, "a table: { delay = \"50us\", NODE = { ... } }");
	keys_take(L, &w, link_keys, COUNT_OF(link_keys), &all);
	check_link(L, &w, &all);
	for (unsigned i = 0; i < p->node_n; i++)
		p->node[i].link = all;
	luabox_sorted_keys(L, -1);
	for (int i = 1; lua_rawgeti(L, -1, i), !lua_isnil(L, -1); i++) {
		struct at here = { .outer = &w, .key = lua_tostring(L, -1) };
		bool common = is_link_key(here.key);
		int node = common ? 0 : value_node(L, &here, ~0u);
		lua_rawget(L, -3);
		if (!common) {
			value_table(L, &here, "a table: { delay = ..., loss = ... }");
			keys_read(L, &here, link_keys, COUNT_OF(link_keys), &p->node[node].link,
			          false);
			check_link(L, &here, &p->node[node].link);
		}
		lua_pop(L, 1);
	}
	lua_pop(L, 2);
}

static const struct key own_keys[] = {
	{ .name = "balancers", .kind = KEY_OTHER, .required = true },
	{ .name = "recursors", .kind = KEY_OTHER, .required = true },
	{ .name = "clients", .kind = KEY_OTHER, .required = true },
	{ .name = "links", .kind = KEY_OTHER },
	{ .name = "wake", .kind = KEY_TIME, KEY_AT(plan, wake_ns), .lo = 1,
	  .hi = PLAN_WAKE_MAX_NS },
	{ .name = "balancer_wake", .kind = KEY_TIME, KEY_AT(plan, balancer_wake_ns),
	  .lo = 1, .hi = PLAN_WAKE_MAX_NS },
	{ .name = "balancer_return", .kind = KEY_TIME, KEY_AT(plan, balancer_return_ns),
	  .lo = 1, .hi = PLAN_WAKE_MAX_NS },
	{ .name = "recursor_wake", .kind = KEY_TIME, KEY_AT(plan, recursor_wake_ns),
	  .lo = 1, .hi = PLAN_WAKE_MAX_NS },
	{ .name = "balancer_start", .kind = KEY_TIME, KEY_AT(plan, balancer_start_ns),
	  .lo = 1, .hi = PLAN_START_MAX_NS },
	{ .name = "recursor_start", .kind = KEY_TIME, KEY_AT(plan, recursor_start_ns),
	  .lo = 1, .hi = PLAN_START_MAX_NS },
};

const struct key *lab_keys(unsigned *n)
{
	*n = COUNT_OF(own_keys);
	return own_keys;
}

void lab_read(lua_State *L)
{
	static void (*const read[])(lua_State *, const struct at *) = {
		read_clients, read_balancers, read_recursors, links_read,
	};
	static const char *const order[] = { "clients", "balancers", "recursors", "links" };

	words_get(L, "lab");
	if (!lua_istable(L, -1))
		scenario_fail(L, NULL, "no lab: expected lab { balancers = ..., recursors = ..., "
		              "clients = ... }");
	struct at w = { .key = "lab", .word = "lab", .line = words_line(L, lua_gettop(L)) };
	keys_read(L, &w, own_keys, COUNT_OF(own_keys), scenario_of(L)->plan, false);
	for (unsigned i = 0; i < COUNT_OF(order); i++)
		if (value_field(L, order[i])) {
			read[i](L, &w);
			lua_settop(L, 1); /* the lab */
		}
	lua_settop(L, 0);
}
