/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pools and packet caches at the console: getPool(name):getCache(), getCache(), and what can be
 * asked of a cache or taken out of it, while the workers go on using it.
 */
#include <string.h>

#include "balancer/config/internal.h"
#include "command_impl.h"
#include "lib/host/host.h"
#include "lib/pcache.h"

static const char pool_meta[] = "evenkeel.console.pool";
static const char cache_meta[] = "evenkeel.console.cache";

enum { TYPE_ANY = 255 };

static void push(lua_State *l, const char *meta, unsigned pool)
{
	*(unsigned *)lua_newuserdata(l, sizeof(pool)) = pool;
	luaL_getmetatable(l, meta);
	lua_setmetatable(l, -2);
}

static const struct bal_conf *conf_of(lua_State *l)
{
	return &command_of(l)->admin->config->conf;
}

/* The cache at index 1. */
static struct pcache *self(lua_State *l)
{
	const struct admin *a = command_of(l)->admin;

	return a->cache(a->arg, *(const unsigned *)luaL_checkudata(l, 1, cache_meta));
}

static const struct stats_pool *stats_of(lua_State *l)
{
	return &command_stats(l)->pool[*(const unsigned *)luaL_checkudata(l, 1, cache_meta)];
}

/* A count at index, 0 where it may be left out. */
static uint64_t want_count(lua_State *l, int index, const char *what, bool optional)
{
	double n = optional && lua_isnoneornil(l, index) ? 0 : luaL_checknumber(l, index);

	if (!(n >= 0 && n <= UINT32_MAX))
		luaL_error(l, "%s: '%s': expected 0 to 4294967295", what, lua_tostring(l, index));
	return (uint64_t)n;
}

/* ---- what is told ---- */

struct told {
	const char *key, *label;
	uint64_t value;
};

enum { TOLD = 8 };

/* dnsdist's names. What can't happen here is 0: keys are compared whole, so none collide. */
static void tell(lua_State *l, struct told out[TOLD], uint64_t *max)
{
	const struct stats_pool *s = stats_of(l);
	const struct told all[TOLD] = {
		{ "entries", "Entries", pcache_count(self(l)) },
		{ "hits", "Hits", s->hits },
		{ "misses", "Misses", s->misses },
		{ "deferredInserts", "Deferred inserts", s->refused },
		{ "deferredLookups", "Deferred lookups", 0 },
		{ "lookupCollisions", "Lookup Collisions", 0 },
		{ "insertCollisions", "Insert Collisions", 0 },
		{ "ttlTooShorts", "TTL Too Shorts", 0 },
	};

	memcpy(out, all, sizeof(all));
	*max = pcache_max(self(l));
}

static int print_stats(lua_State *l)
{
	FILE *to = command_of(l)->to;
	struct told t[TOLD];
	uint64_t max;

	tell(l, t, &max);
	fprintf(to, "%s: %llu/%llu\n", t[0].label, (unsigned long long)t[0].value,
	        (unsigned long long)max);
	for (unsigned i = 1; i < TOLD; i++)
		fprintf(to, "%s: %llu\n", t[i].label, (unsigned long long)t[i].value);
	return 0;
}

static int get_stats(lua_State *l)
{
	struct told t[TOLD];
	uint64_t max;

	tell(l, t, &max);
	lua_createtable(l, 0, TOLD + 1);
	for (unsigned i = 0; i < TOLD; i++) {
		lua_pushnumber(l, (double)t[i].value);
		lua_setfield(l, -2, t[i].key);
	}
	lua_pushnumber(l, (double)max);
	lua_setfield(l, -2, "maxEntries");
	return 1;
}

static int to_string(lua_State *l)
{
	lua_pushfstring(l, "%d/%d", (int)pcache_count(self(l)), (int)pcache_max(self(l)));
	return 1;
}

static int is_full(lua_State *l)
{
	lua_pushboolean(l, pcache_count(self(l)) >= pcache_max(self(l)));
	return 1;
}

static int get_entries(lua_State *l)
{
	lua_pushnumber(l, pcache_count(self(l)));
	return 1;
}

static int get_max(lua_State *l)
{
	lua_pushnumber(l, pcache_max(self(l)));
	return 1;
}

/* ---- what is taken out ---- */

static int expunge(lua_State *l)
{
	struct pcache *c = self(l);

	lua_pushnumber(l, (double)pcache_expunge(c, want_count(l, 2, "expunge", true)));
	return 1;
}

static int purge_expired(lua_State *l)
{
	struct pcache *c = self(l);
	uint64_t leave = want_count(l, 2, "purgeExpired", true);

	lua_pushnumber(l, (double)pcache_purge(c, host_mono_ns(), leave));
	return 1;
}

static int expunge_by_name(lua_State *l)
{
	struct pcache *c = self(l);
	const char *text = lua_tostring(l, 2);
	uint8_t name[DNS_NAME_MAX];
	int len = text != NULL ? dns_name_parse(name, text) : -1;
	double type = lua_isnoneornil(l, 3) ? TYPE_ANY : luaL_checknumber(l, 3);

	if (len < 0)
		return luaL_error(l, "expungeByName: '%s': expected a name",
		                  text != NULL ? text : luaL_typename(l, 2));
	if (!(type >= 0 && type <= UINT16_MAX))
		return luaL_error(l, "expungeByName: '%s': expected a type, as DNSQType.A",
		                  lua_tostring(l, 3));
	uint64_t n = pcache_expunge_name(c, name, (size_t)len, (uint16_t)type, lua_toboolean(l, 4));
	fprintf(command_of(l)->to, "Expunged %llu records\n", (unsigned long long)n);
	return 0;
}

static const luaL_Reg cache_methods[] = {
	{ "printStats", print_stats }, { "getStats", get_stats }, { "toString", to_string },
	{ "isFull", is_full }, { "getEntriesCount", get_entries }, { "size", get_entries },
	{ "getMaxEntries", get_max }, { "expunge", expunge },
	{ "expungeByName", expunge_by_name }, { "purgeExpired", purge_expired },
};

/* ---- pools ---- */

static int get_cache(lua_State *l)
{
	const struct admin *a = command_of(l)->admin;
	bool of_pool = lua_type(l, 1) == LUA_TUSERDATA;
	unsigned pool = of_pool ? *(const unsigned *)luaL_checkudata(l, 1, pool_meta) : 0;

	if (a->cache == NULL || a->cache(a->arg, pool) == NULL)
		return luaL_error(l, "getCache: the pool '%s' has no packet cache",
		                  bal_pool_name(conf_of(l), pool));
	push(l, cache_meta, pool);
	return 1;
}

static int get_pool(lua_State *l)
{
	const char *name = luaL_checkstring(l, 1);
	int pool = bal_pool_find(conf_of(l), name);

	if (pool < 0)
		return luaL_error(l, "getPool: there is no pool '%s'", name);
	push(l, pool_meta, (unsigned)pool);
	return 1;
}

static const luaL_Reg pool_methods[] = { { "getCache", get_cache } };

/* ---- registered ---- */

static void add_methods(lua_State *l, const char *meta, const luaL_Reg *methods, size_t n)
{
	luaL_newmetatable(l, meta);
	lua_createtable(l, 0, (int)n);
	for (size_t i = 0; i < n; i++) {
		lua_pushcfunction(l, methods[i].func);
		lua_setfield(l, -2, methods[i].name);
	}
	lua_setfield(l, -2, "__index");
	lua_pushboolean(l, 0);
	lua_setfield(l, -2, "__metatable");
	lua_pop(l, 1);
}

/* Names are text here, and types numbers, as far as a cache is asked about them. */
static int new_dns_name(lua_State *l)
{
	uint8_t name[DNS_NAME_MAX];
	const char *text = luaL_checkstring(l, 1);

	if (dns_name_parse(name, text) < 0)
		return luaL_error(l, "newDNSName: '%s': expected a name", text);
	lua_pushvalue(l, 1);
	return 1;
}

void command_caches_register(lua_State *l)
{
	add_methods(l, pool_meta, pool_methods, COUNT_OF(pool_methods));
	add_methods(l, cache_meta, cache_methods, COUNT_OF(cache_methods));
	lua_pushcfunction(l, get_pool);
	lua_setglobal(l, "getPool");
	lua_pushcfunction(l, get_cache);
	lua_setglobal(l, "getCache");
	lua_pushcfunction(l, new_dns_name);
	lua_setglobal(l, "newDNSName");
	cf_numbers_register(l); /* DNSQType and the like */
}
