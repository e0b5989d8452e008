/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chains of rules: addAction and its like put a rule at the end of one, rmRule and its like change
 * the order. A rule's UUID is made of its place in the file unless it is given, so that it is the
 * same after every start.
 */
#include "rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each chain's functions have these behind their verbs. */
static const struct { const char *add, *suffix; } chains[BAL_CHAINS] = {
	[BAL_QUERIES] = { "addAction", "Rule" },
	[BAL_ANSWERS] = { "addResponseAction", "ResponseRule" },
	[BAL_HITS] = { "addCacheHitResponseAction", "CacheHitResponseRule" },
	[BAL_OWN] = { "addSelfAnsweredResponseAction", "SelfAnsweredResponseRule" },
};

static const char rule_item_meta[] = "evenkeel.rule";

static bool is_option(const char *name)
{
	return strcmp(name, "name") == 0 || strcmp(name, "uuid") == 0;
}

static void judge_option(lua_State *l, const char *name)
{
	cf_fail(l, "a rule's options: unknown key '%s': expected name or uuid", name);
}

/* 8-4-4-4-12 hexadecimal digits. */
static bool is_uuid(const char *text)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == '-' ? text[i] != '-'
		    : text[i] == '\0' || strchr("0123456789abcdefABCDEF", text[i]) == NULL)
			return false;
	return text[sizeof(form) - 1] == '\0';
}

/* A name-based UUID in form (RFC 9562, version 8), out of what the rule says and its number. */
static void make_uuid(const struct rule_list *r, const struct rule_item *i, char out[BAL_RULE_UUID])
{
	char text[2 * RULE_TEXT + 16];
	int n = snprintf(text, sizeof(text), "%u %s %s", r->made, r->node[i->node].text,
	                 r->act[i->act].text);
	uint64_t a = dns_hash((const uint8_t *)text, (size_t)n, 1);
	uint64_t b = dns_hash((const uint8_t *)text, (size_t)n, 2);

	snprintf(out, BAL_RULE_UUID, "%08x-%04x-8%03x-%04x-%012llx", (unsigned)(a >> 32),
	         (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
	         (unsigned)(b >> 48 & 0x3fff) | 0x8000u,
	         (unsigned long long)(b & 0xffffffffffff));
}

static void read_options(lua_State *l, const char *what, struct bal_rule_text *to)
{
	if (lua_isnoneornil(l, 3))
		return;
	if (!lua_istable(l, 3))
		cf_fail(l, "%s: '%s': expected a table, as {name=\"x\"}", what, cf_show(l, 3));
	cf_judge_unread(l, 3, what, "name=\"x\"", is_option, judge_option);
	lua_getfield(l, 3, "name");
	if (!lua_isnil(l, -1)) {
		const char *name = cf_want_text(l, lua_gettop(l), what);
		if (strlen(name) >= sizeof(to->name))
			cf_fail(l, "%s: name: '%s': expected at most %d bytes", what, name,
			        BAL_RULE_NAME - 1);
		snprintf(to->name, sizeof(to->name), "%s", name);
	}
	lua_getfield(l, 3, "uuid");
	if (!lua_isnil(l, -1)) {
		const char *uuid = cf_want_text(l, lua_gettop(l), what);
		if (!is_uuid(uuid))
			cf_fail(l, "%s: uuid: '%s': expected 32 hexadecimal digits, as "
			        "00112233-4455-6677-8899-aabbccddeeff", what, uuid);
		snprintf(to->uuid, sizeof(to->uuid), "%s", uuid);
	}
	lua_settop(l, 3);
}

/* The selector, action and options at 1, 2 and 3, as a rule that is in no chain yet. */
static struct rule_item read_item(lua_State *l, bool response, const char *what)
{
	struct rule_list *r = rule_list_of(l);
	struct rule_item item = { .text = { .line = cf_line(l) } };

	item.node = rule_want_selector(l, 1, what);
	item.act = rule_want_action(l, 2, response, what);
	read_options(l, what, &item.text);
	item.text.order = r->made++;
	if (item.text.uuid[0] == '\0')
		make_uuid(r, &item, item.text.uuid);
	return item;
}

static void append(lua_State *l, unsigned chain, struct rule_item item, const char *what)
{
	struct rule_list *r = rule_list_of(l);
	void *new;

	if (r->item_n[chain] == BAL_RULES_MAX)
		cf_fail(l, "%s: more than %d rules", what, BAL_RULES_MAX);
	r->item[chain] = cf_list_add(r->item[chain], &r->item_n[chain], sizeof(item), &new);
	item.text.selector = strdup(r->node[item.node].text);
	item.text.action = strdup(r->act[item.act].text);
	MUST(item.text.selector != NULL && item.text.action != NULL);
	memcpy(new, &item, sizeof(item));
}

/* Upvalue: the chain. */
static int add(lua_State *l)
{
	unsigned chain = (unsigned)lua_tointeger(l, lua_upvalueindex(1));
	const char *what = chains[chain].add;

	append(l, chain, read_item(l, chain != BAL_QUERIES, what), what);
	return 0;
}

/* ---- changing the order ---- */

static void forget(struct rule_item *i)
{
	free((void *)(uintptr_t)i->text.selector);
	free((void *)(uintptr_t)i->text.action);
}

/* The rule of a number, from 0 on, a name or a UUID. */
static unsigned find(lua_State *l, unsigned chain, const char *what)
{
	const struct rule_list *r = rule_list_of(l);
	int64_t v;

	if (cf_is_int(l, 1, &v) && v >= 0 && v < r->item_n[chain])
		return (unsigned)v;
	for (unsigned i = 0; lua_type(l, 1) == LUA_TSTRING && i < r->item_n[chain]; i++)
		if (strcmp(lua_tostring(l, 1), r->item[chain][i].text.name) == 0 ||
		    strcmp(lua_tostring(l, 1), r->item[chain][i].text.uuid) == 0)
			return i;
	cf_fail(l, "%s: '%s': there is no such rule: expected a number from 0, a name or a UUID",
	        what, cf_show(l, 1));
}

/* Takes the rule at from out and puts it in at to. */
static void move(struct rule_item *item, unsigned from, unsigned to)
{
	struct rule_item moving = item[from];

	for (; from > to; from--)
		item[from] = item[from - 1];
	for (; from < to; from++)
		item[from] = item[from + 1];
	item[to] = moving;
}

static int remove_rule(lua_State *l)
{
	unsigned chain = (unsigned)lua_tointeger(l, lua_upvalueindex(1));
	struct rule_list *r = rule_list_of(l);
	unsigned i = find(l, chain, "rmRule");

	forget(&r->item[chain][i]);
	for (; i + 1 < r->item_n[chain]; i++)
		r->item[chain][i] = r->item[chain][i + 1];
	r->item_n[chain]--;
	return 0;
}

static void clear_chain(struct rule_list *r, unsigned chain)
{
	for (unsigned i = 0; i < r->item_n[chain]; i++)
		forget(&r->item[chain][i]);
	free(r->item[chain]);
	r->item[chain] = NULL;
	r->item_n[chain] = 0;
}

static int clear(lua_State *l)
{
	clear_chain(rule_list_of(l), (unsigned)lua_tointeger(l, lua_upvalueindex(1)));
	return 0;
}

/* ---- rules that wait for setRules ---- */

/* newRuleAction(selector, action[, options]) */
static int new_rule(lua_State *l)
{
	struct rule_item item = read_item(l, false, "newRuleAction");

	memcpy(lua_newuserdata(l, sizeof(item)), &item, sizeof(item));
	luaL_getmetatable(l, rule_item_meta);
	lua_setmetatable(l, -2);
	return 1;
}

/* setRules{rule, ...}: these instead of those that there are. */
static int set_rules(lua_State *l)
{
	if (!lua_istable(l, 1))
		cf_fail(l, "setRules: '%s': expected a table of rules", cf_show(l, 1));
	clear_chain(rule_list_of(l), BAL_QUERIES);
	for (int i = 1, n = (int)lua_objlen(l, 1); i <= n; i++) {
		lua_rawgeti(l, 1, i);
		if (!cf_is_a(l, -1, rule_item_meta))
			cf_fail(l, "setRules: '%s': expected what newRuleAction returned",
			        cf_show(l, -1));
		append(l, BAL_QUERIES, *(const struct rule_item *)lua_touserdata(l, -1),
		       "setRules");
		lua_pop(l, 1);
	}
	return 0;
}

/* getAction(n): of a rule for queries, from 0; nil: there is no such rule. */
static int get_action(lua_State *l)
{
	const struct rule_list *r = rule_list_of(l);
	int64_t n = cf_want_int(l, 1, "getAction", 0, INT32_MAX);

	if (n < r->item_n[BAL_QUERIES])
		rule_push(l, rule_act_meta, r->item[BAL_QUERIES][n].act);
	else
		lua_pushnil(l);
	return 1;
}

static int find_method(lua_State *l)
{
	return cf_no_method(l, "rule", "it in a table for setRules");
}

/* topRule(): the last becomes the first. mvRuleToTop(i) is the same of any. */
static int to_top(lua_State *l)
{
	unsigned chain = (unsigned)lua_tointeger(l, lua_upvalueindex(1));
	struct rule_list *r = rule_list_of(l);

	if (!lua_isnoneornil(l, 1))
		move(r->item[chain], find(l, chain, "mvRuleToTop"), 0);
	else if (r->item_n[chain] > 0)
		move(r->item[chain], r->item_n[chain] - 1, 0);
	return 0;
}

/* mvRule(from, to): in front of the one that is at to now. */
static int move_rule(lua_State *l)
{
	unsigned chain = (unsigned)lua_tointeger(l, lua_upvalueindex(1));
	struct rule_list *r = rule_list_of(l);
	unsigned from = find(l, chain, "mvRule");
	unsigned to = (unsigned)cf_want_int(l, 2, "mvRule", 0, r->item_n[chain]);

	move(r->item[chain], from, to > from ? to - 1 : to);
	return 0;
}

static void register_one(lua_State *l, const char *verb, unsigned chain, const char *behind,
                         lua_CFunction run)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s%s", verb, chains[chain].suffix, behind);
	lua_pushinteger(l, (int)chain);
	lua_pushcclosure(l, run, 1);
	lua_setglobal(l, name);
}

void rule_chain_register(lua_State *l)
{
	static const luaL_Reg functions[] = {
		{ "newRuleAction", new_rule }, { "setRules", set_rules },
		{ "getAction", get_action },
	};

	cf_add_meta(l, rule_item_meta, find_method);
	for (unsigned i = 0; i < BAL_CHAINS; i++) {
		lua_pushinteger(l, (int)i);
		lua_pushcclosure(l, add, 1);
		lua_setglobal(l, chains[i].add);
		register_one(l, "rm", i, "", remove_rule);
		register_one(l, "top", i, "", to_top);
		register_one(l, "mv", i, "", move_rule);
		register_one(l, "mv", i, "ToTop", to_top);
	}
	lua_pushinteger(l, BAL_QUERIES);
	lua_pushcclosure(l, clear, 1);
	lua_setglobal(l, "clearRules");
	for (size_t i = 0; i < COUNT_OF(functions); i++) {
		lua_pushcfunction(l, functions[i].func);
		lua_setglobal(l, functions[i].name);
	}
}
