/* SPDX-License-Identifier: BSD-3-Clause */
/* Actions: a function each, by which a file names it, with a text as dnsdist shows it. */
#include "rule.h"
#include "rule_word.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACTIONS_MAX = 1 << 16 };

unsigned rule_limit_new(lua_State *l, struct bal_limit limit)
{
	struct rule_list *r = rule_list_of(l);
	void *new;

	if (r->limit_n == BAL_LIMITS_MAX)
		cf_fail(l, "more than %d limits of queries a second", BAL_LIMITS_MAX);
	r->limit = cf_list_add(r->limit, &r->limit_n, sizeof(limit), &new);
	memcpy(new, &limit, sizeof(limit));
	return r->limit_n - 1;
}

struct rule_act *rule_act_new(lua_State *l, struct bal_action action, bool response)
{
	struct rule_list *r = rule_list_of(l);
	void *new;

	if (r->act_n == ACTIONS_MAX)
		cf_fail(l, "more than %d actions", ACTIONS_MAX);
	r->act = cf_list_add(r->act, &r->act_n, sizeof(*r->act), &new);
	struct rule_act *a = new;
	a->action = action;
	a->response = response;
	rule_push(l, rule_act_meta, r->act_n - 1);
	return a;
}

/* Upvalues: kind, text, response. */
static int plain_action(lua_State *l)
{
	struct bal_action a = { .kind = (uint8_t)lua_tointeger(l, lua_upvalueindex(1)) };
	struct rule_act *to = rule_act_new(l, a, lua_toboolean(l, lua_upvalueindex(3)));

	snprintf(to->text, sizeof(to->text), "%s", lua_tostring(l, lua_upvalueindex(2)));
	return 1;
}

/* ---- what an answer is like ---- */

static const struct { const char *name; uint16_t flag; } answer_flags[] = {
	{ "aa", DNS_AA }, { "ad", DNS_AD }, { "ra", DNS_RA },
};

static bool is_answer_key(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(answer_flags); i++)
		if (strcmp(name, answer_flags[i].name) == 0)
			return true;
	return strcmp(name, "ttl") == 0;
}

static void judge_answer_key(lua_State *l, const char *name)
{
	cf_fail(l, "an action's options: unknown key '%s': expected aa, ad, ra or ttl", name);
}

void rule_want_answer(lua_State *l, int index, const char *what, struct bal_action *a)
{
	if (lua_isnoneornil(l, index))
		return;
	if (!lua_istable(l, index))
		cf_fail(l, "%s: '%s': expected a table, as {aa=true}", what, cf_show(l, index));
	cf_judge_unread(l, index, what, "aa=true", is_answer_key, judge_answer_key);
	for (size_t i = 0; i < COUNT_OF(answer_flags); i++) {
		lua_getfield(l, index, answer_flags[i].name);
		if (!lua_isnil(l, -1)) {
			a->flags_set |= answer_flags[i].flag;
			if (cf_want_bool(l, lua_gettop(l), what))
				a->flags |= answer_flags[i].flag;
		}
		lua_pop(l, 1);
	}
	lua_getfield(l, index, "ttl");
	if (!lua_isnil(l, -1))
		a->ttl = (uint32_t)cf_want_int(l, lua_gettop(l), what, 0, INT32_MAX);
	lua_pop(l, 1);
}

static int rcode_action(lua_State *l)
{
	struct bal_action a = { .kind = BAL_ACT_RCODE };

	a.arg = (uint32_t)cf_want_int(l, 1, "RCodeAction", 0, 15);
	rule_want_answer(l, 2, "RCodeAction", &a);
	struct rule_act *to = rule_act_new(l, a, false);
	snprintf(to->text, sizeof(to->text), "set rcode %u", (unsigned)a.arg);
	return 1;
}

static void add_address(lua_State *l, struct bal_action *a, int index)
{
	struct rule_list *r = rule_list_of(l);
	const char *text = cf_want_text(l, index, "SpoofAction");
	struct ip ip;
	void *new;

	if (ip_parse(&ip, text) < 0)
		cf_fail(l, "SpoofAction: '%s': expected an IP address", text);
	if (a->n == BAL_SPOOF_MAX)
		cf_fail(l, "SpoofAction: more than %d addresses", BAL_SPOOF_MAX);
	r->address = cf_list_add(r->address, &r->address_n, sizeof(ip), &new);
	memcpy(new, &ip, sizeof(ip));
	a->n++;
}

/* One address, a table of them, or, as before dnsdist 1.5, an IPv4 and an IPv6 one. */
static int spoof_action(lua_State *l)
{
	struct rule_list *r = rule_list_of(l);
	struct bal_action a = { .kind = BAL_ACT_SPOOF, .arg = r->address_n, .ttl = RULE_SPOOF_TTL };
	int n = lua_istable(l, 1) ? (int)lua_objlen(l, 1) : 0, options = 2;

	for (int i = 1; i <= n; i++) {
		lua_rawgeti(l, 1, i);
		add_address(l, &a, lua_gettop(l));
		lua_pop(l, 1);
	}
	if (!lua_istable(l, 1))
		add_address(l, &a, 1);
	if (a.n == 0)
		cf_fail(l, "SpoofAction: an empty table: expected addresses");
	if (!lua_istable(l, 1) && lua_type(l, 2) == LUA_TSTRING) {
		add_address(l, &a, 2);
		options = 3;
	}
	rule_want_answer(l, options, "SpoofAction", &a);
	struct rule_act *to = rule_act_new(l, a, false);
	size_t len = (size_t)snprintf(to->text, sizeof(to->text), "spoof in");
	for (unsigned i = 0; i < a.n && len < sizeof(to->text) - 1; i++) {
		char text[IP_TEXT];
		ip_format(&r->address[a.arg + i], text);
		len += (size_t)snprintf(to->text + len, sizeof(to->text) - len, " %s", text);
	}
	return 1;
}

/* ---- functions ---- */

/* Upvalues: response, its name. */
static int lua_action(lua_State *l)
{
	const char *what = lua_tostring(l, lua_upvalueindex(2));
	bool response = lua_toboolean(l, lua_upvalueindex(1));
	struct bal_action a = { .kind = BAL_ACT_LUA };

	a.arg = cf_function_keep(l, 1, what);
	struct rule_act *to = rule_act_new(l, a, response);
	snprintf(to->text, sizeof(to->text), "Lua %sscript", response ? "response " : "");
	return 1;
}

/* ---- pools and limits ---- */

static int pool_action(lua_State *l)
{
	struct bal_action a = { .kind = BAL_ACT_POOL };

	a.pool = (uint8_t)cf_want_pool(l, 1, "PoolAction");
	struct rule_act *to = rule_act_new(l, a, false);
	snprintf(to->text, sizeof(to->text), "to pool %s", cf_loader(l)->pool[a.pool].name);
	return 1;
}

static struct bal_limit read_limit(lua_State *l, const char *what)
{
	int64_t qps = cf_want_int(l, 1, what, 0, 1000000000);
	int64_t gap_ns = qps > 0 ? 1000000000 / qps : 0;

	return (struct bal_limit){ .gap_ns = gap_ns, .burst_ns = qps * gap_ns };
}

static int qps_action(lua_State *l)
{
	struct bal_action a = { .kind = BAL_ACT_QPS };

	a.arg = rule_limit_new(l, read_limit(l, "QPSAction"));
	struct rule_act *to = rule_act_new(l, a, false);
	snprintf(to->text, sizeof(to->text), "qps limit to %d", (int)lua_tointeger(l, 1));
	return 1;
}

static int qps_pool_action(lua_State *l)
{
	struct bal_action a = { .kind = BAL_ACT_QPS_POOL };
	struct bal_limit limit = read_limit(l, "QPSPoolAction");

	a.pool = (uint8_t)cf_want_pool(l, 2, "QPSPoolAction");
	a.arg = rule_limit_new(l, limit);
	struct rule_act *to = rule_act_new(l, a, false);
	snprintf(to->text, sizeof(to->text), "max %d to pool %s", (int)lua_tointeger(l, 1),
	         cf_loader(l)->pool[a.pool].name);
	return 1;
}

/* Upvalues: response, its name. */
static int delay_action(lua_State *l)
{
	const char *what = lua_tostring(l, lua_upvalueindex(2));
	int64_t ms = cf_want_int(l, 1, what, 0, RULE_DELAY_MAX_MS);
	struct bal_action a = { .kind = BAL_ACT_DELAY, .delay_ns = ms * 1000000 };
	struct rule_act *to = rule_act_new(l, a, lua_toboolean(l, lua_upvalueindex(1)));

	snprintf(to->text, sizeof(to->text), "delay by %d msec", (int)ms);
	return 1;
}

/* Whether the argument at index is given, and true; else what it is without a word. */
static bool flag(lua_State *l, int index, const char *what, bool otherwise)
{
	return lua_isnoneornil(l, index) ? otherwise : cf_want_bool(l, index, what);
}

/* append_at: where its arguments begin. */
static unsigned add_log(lua_State *l, const char *what, const char *path, int append_at)
{
	struct rule_list *r = rule_list_of(l);
	struct bal_log log = {
		.append = flag(l, append_at, what, false),
		.timestamp = flag(l, append_at + 3, what, false),
	};
	void *new;

	if (strlen(path) >= sizeof(log.path))
		cf_fail(l, "%s: '%s': expected at most %d bytes", what, path, BAL_LOG_PATH - 1);
	if (r->log_n == BAL_LOGS_MAX)
		cf_fail(l, "%s: more than %d of them", what, BAL_LOGS_MAX);
	snprintf(log.path, sizeof(log.path), "%s", path);
	r->log = cf_list_add(r->log, &r->log_n, sizeof(log), &new);
	memcpy(new, &log, sizeof(log));
	return r->log_n - 1;
}

/*
 * LogAction(file, binary=true, append=false, buffered=true, verboseOnly=true,
 * includeTimestamp=false), LogResponseAction the same but for binary; without a file to the log,
 * when verbose. Upvalues: response, its name.
 */
static int log_action(lua_State *l)
{
	const char *what = lua_tostring(l, lua_upvalueindex(2));
	const char *path = lua_isnoneornil(l, 1) ? "" : cf_want_text(l, 1, what);
	struct bal_action a = { .kind = BAL_ACT_LOG };
	bool response = lua_toboolean(l, lua_upvalueindex(1));
	int append_at = response ? 2 : 3;

	if (path[0] != '\0' && !response && flag(l, 2, what, true))
		cf_fail(l, "%s: binary: files of dnsdist's own form aren't written: expected false",
		        what);
	flag(l, append_at + 1, what, true);
	if (path[0] == '\0' && flag(l, append_at + 2, what, true)) {
		a.kind = BAL_ACT_NONE;
		cf_note(cf_loader(l), CONFIG_NO_EFFECT, cf_line(l), what);
	} else {
		a.arg = add_log(l, what, path, append_at);
	}
	struct rule_act *to = rule_act_new(l, a, response);
	snprintf(to->text, sizeof(to->text), "log%s%s", path[0] != '\0' ? " to " : "", path);
	return 1;
}

unsigned rule_want_action(lua_State *l, int index, bool response, const char *what)
{
	int act = rule_at(l, index, rule_act_meta);

	if (act < 0)
		cf_fail(l, "%s: '%s': expected an action, as %s()", what, cf_show(l, index),
		        response ? "DropResponseAction" : "DropAction");
	if (rule_list_of(l)->act[act].response != response)
		cf_fail(l, "%s: an action for %s: expected one for %s, as %s()", what,
		        response ? "queries" : "answers", response ? "answers" : "queries",
		        response ? "DropResponseAction" : "DropAction");
	return (unsigned)act;
}

static int to_text(lua_State *l)
{
	int act = rule_at(l, 1, rule_act_meta);

	if (act < 0)
		cf_fail(l, "toString: expected an action before it, as in x:toString()");
	lua_pushstring(l, rule_list_of(l)->act[act].text);
	return 1;
}

static int find_method(lua_State *l)
{
	if (strcmp(cf_show(l, 2), "toString") == 0) {
		lua_pushcfunction(l, to_text);
		return 1;
	}
	return cf_no_method(l, "action", "it as an argument of addAction");
}

void rule_action_register(lua_State *l)
{
	static const struct { const char *name; int kind; const char *text; bool response; }
	plain[] = {
		{ "DropAction", BAL_ACT_DROP, "drop", false },
		{ "AllowAction", BAL_ACT_ALLOW, "allow", false },
		{ "TCAction", BAL_ACT_TRUNCATE, "tc=1 answer", false },
		{ "NoneAction", BAL_ACT_NONE, "no op", false },
		{ "SetNoRecurseAction", BAL_ACT_NO_RECURSE, "set rd=0", false },
		{ "NoRecurseAction", BAL_ACT_NO_RECURSE, "set rd=0", false },
		{ "SetDisableValidationAction", BAL_ACT_DISABLE_VALIDATION, "set cd=1", false },
		{ "DisableValidationAction", BAL_ACT_DISABLE_VALIDATION, "set cd=1", false },
		{ "SetSkipCacheAction", BAL_ACT_SKIP_CACHE, "skip cache", false },
		{ "SkipCacheAction", BAL_ACT_SKIP_CACHE, "skip cache", false },
		{ "DropResponseAction", BAL_ACT_DROP, "drop", true },
		{ "AllowResponseAction", BAL_ACT_ALLOW, "allow", true },
	};
	static const luaL_Reg functions[] = {
		{ "RCodeAction", rcode_action }, { "SpoofAction", spoof_action },
		{ "PoolAction", pool_action }, { "QPSAction", qps_action },
		{ "QPSPoolAction", qps_pool_action },
	};

	cf_add_meta(l, rule_act_meta, find_method);
	rule_more_register(l);
	for (size_t i = 0; i < COUNT_OF(plain); i++) {
		lua_pushinteger(l, plain[i].kind);
		lua_pushstring(l, plain[i].text);
		lua_pushboolean(l, plain[i].response);
		lua_pushcclosure(l, plain_action, 3);
		lua_setglobal(l, plain[i].name);
	}
	for (size_t i = 0; i < COUNT_OF(functions); i++) {
		lua_pushcfunction(l, functions[i].func);
		lua_setglobal(l, functions[i].name);
	}
	for (int response = 0; response < 2; response++) {
		const char *name = response ? "DelayResponseAction" : "DelayAction";
		lua_pushboolean(l, response);
		lua_pushstring(l, name);
		lua_pushcclosure(l, delay_action, 2);
		lua_setglobal(l, name);
		name = response ? "LogResponseAction" : "LogAction";
		lua_pushboolean(l, response);
		lua_pushstring(l, name);
		lua_pushcclosure(l, log_action, 2);
		lua_setglobal(l, name);
		name = response ? "LuaResponseAction" : "LuaAction";
		lua_pushboolean(l, response);
		lua_pushstring(l, name);
		lua_pushcclosure(l, lua_action, 2);
		lua_setglobal(l, name);
	}
}
