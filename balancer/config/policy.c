/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ServerPolicy: dnsdist's own policies, which stand once, in a table, and those that a Lua function
 * of the configuration makes; and which of them is used.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

static const struct { const char *name; enum bal_policy policy; } policies[] = {
	{ "leastOutstanding", BAL_LEAST_OUTSTANDING }, { "firstAvailable", BAL_FIRST_AVAILABLE },
	{ "wrandom", BAL_WRANDOM }, { "roundrobin", BAL_ROUNDROBIN },
	{ "whashed", BAL_WHASHED }, { "chashed", BAL_CHASHED },
	{ "orderedWrandUntag", BAL_ORDERED_WRANDOM },
};

size_t cf_policy_names(const char **out)
{
	STATIC_MUST(COUNT_OF(policies) <= CF_POLICY_NAMES);
	for (size_t i = 0; i < COUNT_OF(policies); i++)
		out[i] = policies[i].name;
	return COUNT_OF(policies);
}

static const struct cf_class class;

static int get_name(lua_State *l)
{
	lua_pushstring(l, ((const struct cf_policy *)lua_touserdata(l, 1))->name);
	return 1;
}

static int get_is_lua(lua_State *l)
{
	lua_pushboolean(l, ((const struct cf_policy *)lua_touserdata(l, 1))->policy == BAL_LUA);
	return 1;
}

static int get_false(lua_State *l)
{
	lua_pushboolean(l, 0);
	return 1;
}

/* The function itself. Ours are no functions of Lua's. */
static int get_function(lua_State *l)
{
	const struct cf_policy *p = lua_touserdata(l, 1);

	if (p->policy != BAL_LUA)
		cf_fail(l, "%s.policy: dnsdist's own policies can't be called from Lua here: "
		        "expected setServerPolicy(%s)", p->name, p->name);
	if (p->function == 0)
		lua_pushnil(l);
	else
		lua_rawgeti(l, LUA_REGISTRYINDEX, cf_loader(l)->function[p->function - 1]);
	return 1;
}

static int to_text(lua_State *l)
{
	const struct cf_policy *p = cf_self(l, &class);

	lua_pushfstring(l, "%s%s", p->name, p->policy == BAL_LUA ? " (Lua)" : "");
	return 1;
}

static const struct cf_member members[] = {
	{ "name", NULL, get_name, NULL }, { "isLua", NULL, get_is_lua, NULL },
	{ "isFFI", NULL, get_false, NULL }, { "isPerThread", NULL, get_false, NULL },
	{ "policy", NULL, get_function, NULL }, { "toString", to_text, NULL, NULL },
};

static const struct cf_class class = {
	.meta = "evenkeel.policy", .what = "a policy", .foreign = "ServerPolicy",
	.member = members, .member_n = COUNT_OF(members), .text = to_text,
};

static void push_policy(lua_State *l, const struct cf_policy *from)
{
	struct cf_policy *p = lua_newuserdata(l, sizeof(*p));

	*p = *from;
	cf_class_set(l, &class);
}

struct cf_policy cf_want_policy(lua_State *l, int index, const char *what)
{
	const struct cf_policy *p = cf_object(l, index, &class);

	if (p == NULL)
		cf_fail(l, "%s: '%s': expected leastOutstanding, firstAvailable, wrandom, "
		        "roundrobin, whashed, chashed or orderedWrandUntag, without quotes, or "
		        "what newServerPolicy returned", what, cf_show(l, index));
	return *p;
}

struct cf_policy cf_want_lua_policy(lua_State *l, const char *what)
{
	const char *name = cf_want_text(l, 1, what);
	struct cf_policy p = { .policy = BAL_LUA };

	if (name[0] == '\0' || strlen(name) >= sizeof(p.name))
		cf_fail(l, "%s: '%s': expected a name of 1 to %d bytes", what, name,
		        BAL_NAME_TEXT - 1);
	snprintf(p.name, sizeof(p.name), "%s", name);
	p.function = cf_function_keep(l, 2, what);
	return p;
}

struct bal_lua_policy cf_lua_policy(const struct cf_policy *p)
{
	struct bal_lua_policy lua = { .function = p->function };

	snprintf(lua.name, sizeof(lua.name), "%s", p->name);
	return lua;
}

/* ---- functions of the configuration ---- */

static int use(lua_State *l, const struct cf_policy *p)
{
	struct loader *ld = cf_loader(l);

	ld->policy = *p;
	ld->policy_line = cf_line(l);
	ld->policy_source = cf_source(l);
	return 0;
}

int cf_set_server_policy(lua_State *l)
{
	struct cf_policy p = cf_want_policy(l, 1, "setServerPolicy");

	return use(l, &p);
}

int cf_set_server_policy_lua(lua_State *l)
{
	struct cf_policy p = cf_want_lua_policy(l, "setServerPolicyLua");

	return use(l, &p);
}

int cf_new_server_policy(lua_State *l)
{
	struct cf_policy p = cf_want_lua_policy(l, "newServerPolicy");

	push_policy(l, &p);
	return 1;
}

void cf_policy_register(lua_State *l)
{
	cf_class_register(l, &class);
	for (size_t i = 0; i < COUNT_OF(policies); i++) {
		struct cf_policy p = { .policy = policies[i].policy };
		snprintf(p.name, sizeof(p.name), "%s", policies[i].name);
		push_policy(l, &p);
		lua_setglobal(l, policies[i].name);
	}
}
