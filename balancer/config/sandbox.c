/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Lua state that configurations are evaluated in: base, table, string and math, minus whatever
 * touches files, loads code, or is random; bounded memory through its allocator, bounded work
 * through a hook. jit is never opened, so everything is interpreted and the hook sees it all.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

enum { HOOK_EVERY = 1000 };

static void *allocate(void *ud, void *p, size_t old, size_t new)
{
	struct loader *ld = ud;

	if (p == NULL)
		old = 0;
	if (new == 0) {
		free(p);
		ld->memory -= old;
		return NULL;
	}
	if (new > old && new - old > ld->memory_max - ld->memory)
		return NULL;
	void *q = realloc(p, new);
	if (q != NULL)
		ld->memory = ld->memory - old + new;
	return q;
}

struct loader *loader_of(lua_State *l)
{
	void *ud;

	lua_getallocf(l, &ud);
	return ud;
}

/* Once the limit is reached every further step fails, so that no pcall can go on for long. */
static void count(lua_State *l, lua_Debug *ar)
{
	struct loader *ld = loader_of(l);

	(void)ar;
	ld->instructions += HOOK_EVERY;
	if (ld->instructions <= ld->instructions_max)
		return;
	lua_sethook(l, count, LUA_MASKCOUNT, 1);
	fail(l, "the configuration takes too long: more than %llu steps",
	     (unsigned long long)ld->instructions_max);
}

static int print(lua_State *l)
{
	int n = lua_gettop(l);
	luaL_Buffer b;

	luaL_buffinit(l, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, '\t');
		show(l, i);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	note(loader_of(l), CONFIG_PRINT, line_of(l), lua_tostring(l, -1));
	return 0;
}

static void remove_from(lua_State *l, const char *table, const char *const *names)
{
	lua_getglobal(l, table);
	for (; *names != NULL; names++) {
		lua_pushnil(l);
		lua_setfield(l, -2, *names);
	}
	lua_pop(l, 1);
}

/* xpcall goes too: its handler would run inside of the hook, unseen by it. */
static const char *const not_base[] = {
	"dofile", "loadfile", "load", "loadstring", "xpcall", "collectgarbage", "gcinfo",
	"newproxy", "coroutine", "getfenv", "setfenv", "module", "require", NULL,
};
static const char *const not_string[] = { "dump", NULL };
static const char *const not_math[] = { "random", "randomseed", NULL };

static int open_all(lua_State *l)
{
	static const luaL_Reg libs[] = {
		{ "", luaopen_base }, { LUA_TABLIBNAME, luaopen_table },
		{ LUA_STRLIBNAME, luaopen_string }, { LUA_MATHLIBNAME, luaopen_math },
	};

	for (size_t i = 0; i < COUNT_OF(libs); i++) {
		lua_pushcfunction(l, libs[i].func);
		lua_pushstring(l, libs[i].name);
		lua_call(l, 1, 0);
	}
	remove_from(l, "_G", not_base);
	remove_from(l, "string", not_string);
	remove_from(l, "math", not_math);
	lua_pushcfunction(l, print);
	lua_setglobal(l, "print");
	server_register(l);
	foreign_register(l);
	global_register(l);
	return 0;
}

lua_State *sandbox_new(struct loader *ld)
{
	lua_State *l = lua_newstate(allocate, ld);

	if (l == NULL)
		return NULL;
	if (lua_cpcall(l, open_all, NULL) != 0) {
		lua_close(l);
		return NULL;
	}
	lua_sethook(l, count, LUA_MASKCOUNT, HOOK_EVERY);
	return l;
}

const char *sandbox_run(lua_State *l, const char *text, size_t len)
{
	if (len > 0 && text[0] == LUA_SIGNATURE[0])
		return "config:1: compiled Lua: expected text";
	if (luaL_loadbuffer(l, text, len, "@config") == 0 && lua_pcall(l, 0, 0, 0) == 0)
		return NULL;
	const char *s = lua_tostring(l, -1);
	return s != NULL ? s : "the configuration raised an error that isn't text";
}
