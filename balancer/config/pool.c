/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools: which there are, in the order in which the file first names them, the default one first;
 * getPool and the methods of what it returns; setPoolServerPolicy. Servers have a bit for each pool
 * that they are in (server.c), and a pool that nobody is in answers nothing.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char pool_meta[] = "evenkeel.pool";

int cf_pool_find(lua_State *l, const char *name)
{
	const struct loader *ld = cf_loader(l);

	for (unsigned i = 0; i < ld->pool_n; i++)
		if (strcmp(ld->pool[i].name, name) == 0)
			return (int)i;
	return -1;
}

unsigned cf_pool(lua_State *l, const char *name, const char *what)
{
	struct loader *ld = cf_loader(l);
	int found = cf_pool_find(l, name);

	if (found >= 0)
		return (unsigned)found;
	if (strlen(name) >= sizeof(ld->pool[0].name))
		cf_fail(l, "%s: '%s': expected at most %d bytes", what, name, BAL_NAME_TEXT - 1);
	if (ld->pool_n >= BAL_POOLS_MAX)
		cf_fail(l, "%s: '%s': more than %d pools", what, name, BAL_POOLS_MAX);
	struct loader_pool *p = &ld->pool[ld->pool_n];
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->line = cf_line(l);
	return ld->pool_n++;
}

unsigned cf_want_pool(lua_State *l, int index, const char *what)
{
	return cf_pool(l, cf_want_text(l, index, what), what);
}

uint64_t cf_want_pools(lua_State *l, int index, const char *what)
{
	uint64_t pools = 0;

	if (!lua_istable(l, index))
		return UINT64_C(1) << cf_want_pool(l, index, what);
	for (int i = 1, n = (int)lua_objlen(l, index); i <= n; i++) {
		lua_rawgeti(l, index, i);
		pools |= UINT64_C(1) << cf_want_pool(l, lua_gettop(l), what);
		lua_pop(l, 1);
	}
	return pools != 0 ? pools : 1;
}

int cf_pool_get(lua_State *l)
{
	unsigned pool = cf_want_pool(l, 1, "getPool");

	*(unsigned *)lua_newuserdata(l, sizeof(pool)) = pool;
	luaL_getmetatable(l, pool_meta);
	lua_setmetatable(l, -2);
	return 1;
}

static int use(lua_State *l, unsigned pool, const struct cf_policy *policy)
{
	struct loader_pool *p = &cf_loader(l)->pool[pool];

	p->policy = *policy;
	p->policy_line = cf_line(l);
	p->policy_source = cf_source(l);
	return 0;
}

int cf_set_pool_policy(lua_State *l)
{
	struct cf_policy policy = cf_want_policy(l, 1, "setPoolServerPolicy");

	return use(l, cf_want_pool(l, 2, "setPoolServerPolicy"), &policy);
}

int cf_set_pool_policy_lua(lua_State *l)
{
	struct cf_policy policy = cf_want_lua_policy(l, "setPoolServerPolicyLua");

	return use(l, cf_want_pool(l, 3, "setPoolServerPolicyLua"), &policy);
}

/* ---- methods ---- */

bool cf_is_a(lua_State *l, int index, const char *meta)
{
	if (!lua_isuserdata(l, index) || !lua_getmetatable(l, index))
		return false;
	luaL_getmetatable(l, meta);
	bool same = lua_rawequal(l, -1, -2);
	lua_pop(l, 2);
	return same;
}

static struct loader_pool *self(lua_State *l, const char *method)
{
	if (!cf_is_a(l, 1, pool_meta))
		cf_fail(l, "%s: expected a pool before it, as in getPool(\"\"):%s", method, method);
	return &cf_loader(l)->pool[*(const unsigned *)lua_touserdata(l, 1)];
}

static int set_cache(lua_State *l)
{
	struct loader_pool *p = self(l, "setCache(pc)");
	const struct loader_cache *c = cf_cache_of(l, 2);

	if (c != NULL) {
		p->cache = *c;
		return 0;
	}
	if (cf_loader(l)->mode == CONFIG_STRICT)
		cf_fail(l, "setCache: '%s': expected what newPacketCache returned", cf_show(l, 2));
	cf_note(cf_loader(l), CONFIG_UNKNOWN, cf_line(l), "setCache");
	return 0;
}

static int unset_cache(lua_State *l)
{
	self(l, "unsetCache()")->cache = (struct loader_cache){ 0 };
	return 0;
}

int cf_no_method(lua_State *l, const char *what, const char *expected)
{
	const char *name = cf_show(l, 2);
	char text[CONFIG_NOTE_TEXT];

	if (cf_loader(l)->mode == CONFIG_STRICT)
		cf_fail(l, "a %s's '%s' is not supported: expected %s", what, name, expected);
	snprintf(text, sizeof(text), "%s:%.200s", what, name);
	cf_foreign_push(l, text);
	return 1;
}

static int find_method(lua_State *l)
{
	const char *name = cf_show(l, 2);

	if (strcmp(name, "setCache") == 0)
		lua_pushcfunction(l, set_cache);
	else if (strcmp(name, "unsetCache") == 0)
		lua_pushcfunction(l, unset_cache);
	else
		return cf_no_method(l, "pool", "setCache or unsetCache");
	return 1;
}

void cf_add_meta(lua_State *l, const char *name, lua_CFunction index)
{
	luaL_newmetatable(l, name);
	lua_pushcfunction(l, index);
	lua_setfield(l, -2, "__index");
	lua_pushboolean(l, 0);
	lua_setfield(l, -2, "__metatable");
	lua_pop(l, 1);
}

void cf_pool_register(lua_State *l)
{
	cf_add_meta(l, pool_meta, find_method);
}

/* ---- the result ---- */

/* 1 + the first pool before pool i that was given its cache; 0: there is none. */
static unsigned shares(const struct loader *ld, unsigned i)
{
	for (unsigned k = 0; k < i && ld->pool[i].cache.id > 0; k++)
		if (ld->pool[k].cache.id == ld->pool[i].cache.id)
			return k + 1;
	return 0;
}

struct bal_pool *cf_pools(const struct loader *ld, unsigned *n)
{
	bool named = ld->pool_n > 1;

	*n = 0;
	for (unsigned i = 0; i < ld->sorted_n; i++)
		named = named || ld->server[ld->sorted[i]].pools != 1;
	if (!named)
		return NULL;
	struct bal_pool *to = calloc(ld->pool_n, sizeof(*to));
	MUST(to != NULL);
	for (unsigned i = 0; i < ld->pool_n; i++) {
		const struct loader_pool *p = &ld->pool[i];
		snprintf(to[i].name, sizeof(to[i].name), "%s", p->name);
		const struct cf_policy *policy = p->policy.policy != 0 ? &p->policy : &ld->policy;
		to[i].policy = policy->policy;
		to[i].lua = cf_lua_policy(policy);
		to[i].cache = p->cache.conf;
		to[i].shares = shares(ld, i);
	}
	*n = ld->pool_n;
	return to;
}
