/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Selectors: a function each, by which a file names it, and makeRule. Each makes a node of a tree,
 * with a text as dnsdist shows it.
 */
#include "rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regex.h"

enum { NODES_MAX = 1 << 20, QPS_MAX = 1000000000 };

struct rule_node *rule_node_new(lua_State *l, unsigned kind, uint64_t arg)
{
	struct rule_list *r = rule_list_of(l);
	void *new;

	if (r->node_n == NODES_MAX)
		cf_fail(l, "more than %d selectors", NODES_MAX);
	r->node = cf_list_add(r->node, &r->node_n, sizeof(*r->node), &new);
	struct rule_node *n = new;
	n->kind = (uint8_t)kind;
	n->arg = arg;
	rule_push(l, rule_node_meta, r->node_n - 1);
	return n;
}

void rule_say(struct rule_node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(n->text, sizeof(n->text), fmt, ap);
	va_end(ap);
}

/* ---- of others ---- */

static void add_child(lua_State *l, unsigned child)
{
	struct rule_list *r = rule_list_of(l);
	void *new;

	r->child = cf_list_add(r->child, &r->child_n, sizeof(*r->child), &new);
	memcpy(new, &child, sizeof(child));
}

/* "(a) && (b)". */
static void say_children(const struct rule_list *r, struct rule_node *n, const char *between)
{
	size_t len = 0;

	for (unsigned i = 0; i < n->child_n && len < sizeof(n->text); i++)
		len += (size_t)snprintf(n->text + len, sizeof(n->text) - len, "%s(%s)",
		                        i > 0 ? between : "",
		                        r->node[r->child[n->child + i]].text);
}

/* Upvalues: kind, its name. */
static int combine(lua_State *l)
{
	const char *what = lua_tostring(l, lua_upvalueindex(2));
	unsigned kind = (unsigned)lua_tointeger(l, lua_upvalueindex(1)), depth = 0;
	struct rule_list *r = rule_list_of(l);

	if (!lua_istable(l, 1))
		cf_fail(l, "%s: '%s': expected a table of selectors", what, cf_show(l, 1));
	unsigned n = (unsigned)lua_objlen(l, 1);
	for (unsigned i = 1; i <= n; i++) {
		lua_rawgeti(l, 1, (int)i);
		int child = rule_at(l, -1, rule_node_meta);
		if (child < 0)
			cf_fail(l, "%s: '%s': expected selectors, as QTypeRule(1)", what,
			        cf_show(l, -1));
		depth = r->node[child].depth > depth ? r->node[child].depth : depth;
		lua_pop(l, 1);
	}
	if (depth + 1 >= RULE_DEPTH)
		cf_fail(l, "%s: more than %d selectors in each other", what, RULE_DEPTH);
	unsigned first = r->child_n;
	for (unsigned i = 1; i <= n; i++) {
		lua_rawgeti(l, 1, (int)i);
		add_child(l, (unsigned)rule_at(l, -1, rule_node_meta));
		lua_pop(l, 1);
	}
	struct rule_node *new = rule_node_new(l, kind, 0);
	new->depth = (uint8_t)(depth + 1);
	new->child = first;
	new->child_n = n;
	say_children(r, new, kind == SELECT_AND ? " && " : " || ");
	return 1;
}

static int not_rule(lua_State *l)
{
	struct rule_list *r = rule_list_of(l);
	unsigned child = rule_want_selector(l, 1, "NotRule"), first = r->child_n;

	if (r->node[child].depth + 1 >= RULE_DEPTH)
		cf_fail(l, "NotRule: more than %d selectors in each other", RULE_DEPTH);
	add_child(l, child);
	struct rule_node *n = rule_node_new(l, SELECT_NOT, 0);
	n->depth = (uint8_t)(r->node[child].depth + 1);
	n->child = first;
	n->child_n = 1;
	rule_say(n, "!(%.*s)", RULE_TEXT - 4, r->node[child].text);
	return 1;
}

/* ---- of names ---- */

static void push_names(lua_State *l, unsigned set, const char *what)
{
	struct rule_list *r = rule_list_of(l);
	char text[RULE_TEXT];

	rule_names_say(&r->names[set], text, sizeof(text));
	rule_say(rule_node_new(l, BAL_TEST_NAME, set), "%s%.*s", what, RULE_TEXT - 16, text);
}

static int qname_rule(lua_State *l)
{
	unsigned set = rule_names_new(l, false);

	if (lua_istable(l, 1) || rule_at(l, 1, rule_names_meta) >= 0)
		cf_fail(l, "QNameRule: '%s': expected a domain name", cf_show(l, 1));
	rule_names_add(l, set, 1, "QNameRule");
	push_names(l, set, "qname==");
	return 1;
}

/* The set that was given may change later; the selector's doesn't. Upvalues: suffixes, its name. */
static int names_rule(lua_State *l)
{
	const char *what = lua_tostring(l, lua_upvalueindex(2));
	bool suffixes = lua_tointeger(l, lua_upvalueindex(1)) != 0;
	bool lists = strcmp(what, "QNameSuffixRule") == 0;
	int from = rule_at(l, 1, rule_names_meta);
	struct rule_list *r = rule_list_of(l);

	if ((from < 0 && !lists) || (from >= 0 && r->names[from].suffixes != suffixes))
		cf_fail(l, "%s: '%s': expected what %s returned", what, cf_show(l, 1),
		        suffixes ? "newSuffixMatchNode" : "newDNSNameSet");
	unsigned set = rule_names_new(l, suffixes);
	rule_names_add(l, set, 1, what);
	push_names(l, set, "qname in ");
	return 1;
}

static int regex_rule(lua_State *l)
{
	struct rule_list *r = rule_list_of(l);
	const char *text = cf_want_text(l, 1, "RegexRule");
	char error[CF_REGEX_ERROR];
	struct bal_regex x;
	void *new;

	if (r->regex_n == RULE_SETS_MAX)
		cf_fail(l, "RegexRule: more than %d of them", RULE_SETS_MAX);
	if (!cf_regex_compile(&x, text, error))
		cf_fail(l, "RegexRule: '%s': %s: expected a regular expression that can be matched "
		        "in one pass", text, error);
	r->regex = cf_list_add(r->regex, &r->regex_n, sizeof(x), &new);
	memcpy(new, &x, sizeof(x));
	rule_take_bytes(l, (size_t)x.state_n * (2u * x.class_n + 1u), "RegexRule");
	rule_say(rule_node_new(l, BAL_TEST_REGEX, r->regex_n - 1), "Regex: %.*s", RULE_TEXT - 16,
	    text);
	return 1;
}

/* ---- of the rest of the query ---- */

static int qtype_rule(lua_State *l)
{
	int64_t v;
	int type = -1;

	if (cf_is_int(l, 1, &v) && v >= 0 && v <= UINT16_MAX)
		type = (int)v;
	else if (lua_type(l, 1) == LUA_TSTRING)
		type = cf_type_number(lua_tostring(l, 1));
	if (type < 0)
		cf_fail(l, "QTypeRule: '%s': expected a type, as DNSQType.A, \"A\" or 1",
		        cf_show(l, 1));
	const char *name = config_type_name((uint16_t)type);
	struct rule_node *n = rule_node_new(l, BAL_TEST_TYPE, (uint64_t)type);
	if (name != NULL)
		rule_say(n, "qtype==%s", name);
	else
		rule_say(n, "qtype==TYPE%d", type);
	return 1;
}

static int qclass_rule(lua_State *l)
{
	uint64_t v = (uint64_t)cf_want_int(l, 1, "QClassRule", 0, UINT16_MAX);

	rule_say(rule_node_new(l, BAL_TEST_CLASS, v), "qclass==%u", (unsigned)v);
	return 1;
}

static int opcode_rule(lua_State *l)
{
	uint64_t v = (uint64_t)cf_want_int(l, 1, "OpcodeRule", 0, 15);

	rule_say(rule_node_new(l, BAL_TEST_OPCODE, v), "opcode==%u", (unsigned)v);
	return 1;
}

static int rcode_rule(lua_State *l)
{
	uint64_t v = (uint64_t)cf_want_int(l, 1, "RCodeRule", 0, 15);

	rule_say(rule_node_new(l, BAL_TEST_RCODE, v), "rcode==%s", config_rcode_name((unsigned)v));
	return 1;
}

static int tcp_rule(lua_State *l)
{
	bool tcp = cf_want_bool(l, 1, "TCPRule");

	rule_say(rule_node_new(l, BAL_TEST_TCP, tcp), "%s", tcp ? "TCP" : "UDP");
	return 1;
}

/* Upvalues: kind, text. */
static int plain_rule(lua_State *l)
{
	unsigned kind = (unsigned)lua_tointeger(l, lua_upvalueindex(1));

	rule_say(rule_node_new(l, kind, 0), "%s", lua_tostring(l, lua_upvalueindex(2)));
	return 1;
}

static int proba_rule(lua_State *l)
{
	double p = lua_isnumber(l, 1) ? lua_tonumber(l, 1) : -1;

	if (!(p >= 0 && p <= 1))
		cf_fail(l, "ProbaRule: '%s': expected a number from 0 to 1", cf_show(l, 1));
	rule_say(rule_node_new(l, BAL_TEST_CHANCE, (uint64_t)(p * 4294967296.0 + 0.5)),
	    "match with prob. %.2f", p);
	return 1;
}

static int pool_rule(lua_State *l)
{
	unsigned pool = cf_want_pool(l, 1, "PoolAvailableRule");

	rule_say(rule_node_new(l, BAL_TEST_POOL, pool), "pool '%s' is available",
	    cf_loader(l)->pool[pool].name);
	return 1;
}

/* ---- of addresses ---- */

static void push_nets(lua_State *l, unsigned set, bool source)
{
	char text[RULE_TEXT];

	rule_nets_say(&rule_list_of(l)->nets[set], text, sizeof(text));
	rule_say(rule_node_new(l, source ? BAL_TEST_CLIENT : BAL_TEST_LOCAL, set), "%s: %.*s",
	    source ? "Src" : "Dst", RULE_TEXT - 8, text);
}

static int nets_rule(lua_State *l)
{
	bool source = lua_isnoneornil(l, 2) || cf_want_bool(l, 2, "NetmaskGroupRule: src");

	if (rule_at(l, 1, rule_nets_meta) < 0 && !lua_istable(l, 1) &&
	    lua_type(l, 1) != LUA_TSTRING)
		cf_fail(l, "NetmaskGroupRule: '%s': expected what newNMG returned", cf_show(l, 1));
	unsigned set = rule_nets_new(l);
	rule_nets_add(l, set, 1, "NetmaskGroupRule");
	push_nets(l, set, source);
	return 1;
}

/* ---- of rates ---- */

/* qps, and what it may be ahead by: burst queries, or as many as qps. */
static struct bal_limit read_limit(lua_State *l, int burst_at, const char *what)
{
	int64_t qps = cf_want_int(l, 1, what, 0, QPS_MAX), burst = qps;

	if (!lua_isnoneornil(l, burst_at))
		burst = cf_want_int(l, burst_at, what, 0, QPS_MAX);
	struct bal_limit c = { .gap_ns = qps > 0 ? 1000000000 / qps : 0 };
	c.burst_ns = burst * c.gap_ns;
	return c;
}

static int qps_rule(lua_State *l)
{
	unsigned limit = rule_limit_new(l, read_limit(l, 2, "MaxQPSRule"));

	rule_say(rule_node_new(l, BAL_TEST_WITHIN, limit), "Max %d qps", (int)lua_tointeger(l, 1));
	return 1;
}

static uint8_t read_bits(lua_State *l, int index, const char *what, int otherwise, int max)
{
	return (uint8_t)(lua_isnoneornil(l, index) ? otherwise
	                 : (int)cf_want_int(l, index, what, 0, max));
}

/* The rest of its arguments says how dnsdist cleans its table; ours needs no cleaning. */
static int qps_ip_rule(lua_State *l)
{
	struct bal_limit c = read_limit(l, 4, "MaxQPSIPRule");
	unsigned four = read_bits(l, 2, "MaxQPSIPRule: v4Mask", 32, 32);

	c.by_client = true;
	c.bits4 = (uint8_t)(96 + four);
	c.bits6 = read_bits(l, 3, "MaxQPSIPRule: v6Mask", 64, 128);
	for (int i = 5; i <= 7; i++)
		if (!lua_isnoneornil(l, i))
			cf_want_int(l, i, "MaxQPSIPRule", 0, INT32_MAX);
	unsigned limit = rule_limit_new(l, c);
	rule_say(rule_node_new(l, BAL_TEST_ABOVE, limit),
	         "IP (/%u, /%u) match for QPS over %d burst %d",
	    four, c.bits6, (int)lua_tointeger(l, 1),
	    (int)(c.gap_ns > 0 ? c.burst_ns / c.gap_ns : 0));
	return 1;
}

/* ---- names, networks and lists of them ---- */

/* All texts of the list are networks, or all are names; dnsdist takes the first sort it can. */
static unsigned make_selector(lua_State *l, int index, const char *what)
{
	unsigned nets = rule_nets_new(l), names = rule_names_new(l, true);
	bool table = lua_istable(l, index);
	int n = table ? (int)lua_objlen(l, index) : 1;

	for (int i = 1; i <= n; i++) {
		if (table)
			lua_rawgeti(l, index, i);
		else
			lua_pushvalue(l, index);
		if (cf_is_name(l, lua_gettop(l)) ||
		    !rule_nets_add_text(l, nets, cf_want_text(l, lua_gettop(l), what)))
			rule_names_add(l, names, lua_gettop(l), what);
		lua_pop(l, 1);
	}
	struct rule_list *r = rule_list_of(l);
	if (r->nets[nets].n > 0 && r->names[names].n > 0)
		cf_fail(l, "%s: networks and names in one list: expected either", what);
	if (r->nets[nets].n > 0)
		push_nets(l, nets, true);
	else
		push_names(l, names, "qname in ");
	lua_pop(l, 1);
	return r->node_n - 1;
}

unsigned rule_want_selector(lua_State *l, int index, const char *what)
{
	int node = rule_at(l, index, rule_node_meta);

	if (node >= 0)
		return (unsigned)node;
	if (lua_type(l, index) != LUA_TSTRING && !lua_istable(l, index) && !cf_is_name(l, index))
		cf_fail(l, "%s: '%s': expected a selector, a name, a network or a list of them",
		        what, cf_show(l, index));
	return make_selector(l, index, what);
}

static int make_rule(lua_State *l)
{
	rule_push(l, rule_node_meta, rule_want_selector(l, 1, "makeRule"));
	return 1;
}

static int find_method(lua_State *l)
{
	return cf_no_method(l, "selector", "it as an argument of addAction");
}

static int to_text(lua_State *l)
{
	lua_pushstring(l, rule_list_of(l)->node[rule_at(l, 1, rule_node_meta)].text);
	return 1;
}

static void add_closure(lua_State *l, const char *name, int number, const char *text,
                        lua_CFunction run)
{
	lua_pushinteger(l, number);
	lua_pushstring(l, text);
	lua_pushcclosure(l, run, 2);
	lua_setglobal(l, name);
}

void rule_select_register(lua_State *l)
{
	static const luaL_Reg functions[] = {
		{ "NotRule", not_rule }, { "QNameRule", qname_rule }, { "RegexRule", regex_rule },
		{ "QTypeRule", qtype_rule }, { "QClassRule", qclass_rule },
		{ "OpcodeRule", opcode_rule }, { "RCodeRule", rcode_rule },
		{ "TCPRule", tcp_rule }, { "ProbaRule", proba_rule },
		{ "PoolAvailableRule", pool_rule }, { "NetmaskGroupRule", nets_rule },
		{ "MaxQPSRule", qps_rule }, { "MaxQPSIPRule", qps_ip_rule },
		{ "makeRule", make_rule },
	};

	cf_add_meta(l, rule_node_meta, find_method);
	luaL_getmetatable(l, rule_node_meta);
	lua_pushcfunction(l, to_text);
	lua_setfield(l, -2, "__tostring");
	lua_pop(l, 1);
	for (size_t i = 0; i < COUNT_OF(functions); i++) {
		lua_pushcfunction(l, functions[i].func);
		lua_setglobal(l, functions[i].name);
	}
	rule_test_register(l);
	add_closure(l, "AndRule", SELECT_AND, "AndRule", combine);
	add_closure(l, "OrRule", SELECT_OR, "OrRule", combine);
	add_closure(l, "AllRule", BAL_TEST_ALL, "All", plain_rule);
	add_closure(l, "RDRule", BAL_TEST_RD, "rd==1", plain_rule);
	add_closure(l, "DNSSECRule", BAL_TEST_DNSSEC, "DNSSEC", plain_rule);
	add_closure(l, "SuffixMatchNodeRule", 1, "SuffixMatchNodeRule", names_rule);
	add_closure(l, "QNameSuffixRule", 1, "QNameSuffixRule", names_rule);
	add_closure(l, "QNameSetRule", 0, "QNameSetRule", names_rule);
}
