/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * newPacketCache, in both of its forms. The keys stand once, in a table, in the order in which the
 * older form has them.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

enum { ENTRIES_MAX = 100000000, TTL_MAX = INT32_MAX };

enum kind { TTL, BOOL, UNUSED_BOOL, UNUSED_NUMBER };

static const struct {
	const char *name;
	enum kind kind;
	size_t at;          /* offset in struct bal_cache_conf */
	bool older;         /* the older form has it, at this place */
} keys[] = {
#define AT(field) offsetof(struct bal_cache_conf, field)
	{ "maxTTL", TTL, AT(max_ttl), true },
	{ "minTTL", TTL, AT(min_ttl), true },
	{ "temporaryFailureTTL", TTL, AT(failure_ttl), true },
	{ "staleTTL", TTL, AT(stale_ttl), true },
	{ "dontAge", BOOL, AT(dont_age), true },
	{ "numberOfShards", UNUSED_NUMBER, 0, true },
	{ "deferrableInsertLock", UNUSED_BOOL, 0, true },
	{ "maxNegativeTTL", TTL, AT(negative_ttl), true },
	{ "parseECS", UNUSED_BOOL, 0, true },
	{ "keepStaleData", UNUSED_BOOL, 0, false },
	{ "cookieHashing", BOOL, AT(cookie_hashing), false },
};

/* Keys of dnsdist that we can't honour yet. */
static const char *const unsupported[] = { "skipOptions", "maximumEntrySize" };

static const char cache_meta[] = "evenkeel.packetcache";

static void note(lua_State *l, enum config_note_kind kind, const char *name)
{
	char text[CONFIG_NOTE_TEXT];

	snprintf(text, sizeof(text), "newPacketCache: %s", name);
	cf_note(cf_loader(l), kind, cf_line(l), text);
}

/* The value at index of the stack is key k's. */
static void read_value(lua_State *l, struct bal_cache_conf *c, size_t k, int index)
{
	char what[64], *at = (char *)c + keys[k].at;
	uint32_t ttl;
	bool on;

	snprintf(what, sizeof(what), "newPacketCache: %s", keys[k].name);
	switch (keys[k].kind) {
	case TTL:
		ttl = (uint32_t)cf_want_int(l, index, what, 0, TTL_MAX);
		memcpy(at, &ttl, sizeof(ttl));
		break;
	case BOOL:
		on = cf_want_bool(l, index, what);
		memcpy(at, &on, sizeof(on));
		break;
	case UNUSED_BOOL:
		cf_want_bool(l, index, what);
		note(l, CONFIG_NO_EFFECT, keys[k].name);
		break;
	case UNUSED_NUMBER:
		cf_want_int(l, index, what, 1, TTL_MAX);
		note(l, CONFIG_NO_EFFECT, keys[k].name);
		break;
	}
}

static bool known(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return true;
	return false;
}

/* A key that isn't read: noted, or an error. */
static void judge_key(lua_State *l, const char *name)
{
	const char *names[COUNT_OF(keys)];

	if (cf_loader(l)->mode == CONFIG_FOREIGN) {
		note(l, CONFIG_UNKNOWN, name);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(unsupported); i++)
		if (strcmp(name, unsupported[i]) == 0)
			cf_fail(l, "newPacketCache: '%s' is not supported yet", name);
	for (size_t i = 0; i < COUNT_OF(keys); i++)
		names[i] = keys[i].name;
	const char *near = closest(name, names, COUNT_OF(keys));
	if (near != NULL)
		cf_fail(l, "newPacketCache: unknown key '%s': did you mean '%s'?", name, near);
	cf_fail(l, "newPacketCache: unknown key '%s': expected maxTTL, minTTL, "
	        "temporaryFailureTTL, staleTTL...", name);
}

static void read_table(lua_State *l, struct bal_cache_conf *c)
{
	cf_judge_unread(l, 2, "newPacketCache", "maxTTL=86400", known, judge_key);
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		lua_pushstring(l, keys[i].name);
		lua_rawget(l, 2);
		if (!lua_isnil(l, -1))
			read_value(l, c, i, lua_gettop(l));
		lua_pop(l, 1);
	}
}

/* newPacketCache(n, maxTTL, minTTL, ...), as before dnsdist 1.4. */
static void read_places(lua_State *l, struct bal_cache_conf *c)
{
	int last = lua_gettop(l);

	for (int i = 2; i <= last; i++) {
		size_t k = (size_t)i - 2;
		if (k >= COUNT_OF(keys) || !keys[k].older)
			cf_fail(l, "newPacketCache: %d values: expected 10 at most, or the number "
			        "of entries and a table", last);
		if (!lua_isnil(l, i))
			read_value(l, c, k, i);
	}
}

int cf_cache_new(lua_State *l)
{
	struct loader_cache made = { .id = ++cf_loader(l)->cache_n };
	struct bal_cache_conf c = { 0 };

	c.entries = (uint32_t)cf_want_int(l, 1, "newPacketCache: entries", 1, ENTRIES_MAX);
	bal_cache_defaults(&c);
	if (lua_istable(l, 2))
		read_table(l, &c);
	else
		read_places(l, &c);
	made.conf = c;
	memcpy(lua_newuserdata(l, sizeof(made)), &made, sizeof(made));
	luaL_getmetatable(l, cache_meta);
	lua_setmetatable(l, -2);
	return 1;
}

const struct loader_cache *cf_cache_of(lua_State *l, int index)
{
	return cf_is_a(l, index, cache_meta) ? lua_touserdata(l, index) : NULL;
}

int cf_set_stale(lua_State *l)
{
	cf_loader(l)->stale_s =
		(uint32_t)cf_want_int(l, 1, "setStaleCacheEntriesTTL", 0, TTL_MAX);
	return 0;
}

static int find_cache_method(lua_State *l)
{
	return cf_no_method(l, "packet cache", "it as the argument of setCache");
}

void cf_cache_register(lua_State *l)
{
	cf_add_meta(l, cache_meta, find_cache_method);
}
