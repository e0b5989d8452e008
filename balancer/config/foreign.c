/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What stands for everything unknown in foreign mode: one value that may be called, indexed,
 * written to and computed with, and always comes to itself. Each name under which it was fetched
 * is noted.
 */
#include "internal.h"

static const char key; /* its address names the value in the registry */

static void push_it(lua_State *l)
{
	lua_pushlightuserdata(l, (void *)(uintptr_t)&key);
	lua_rawget(l, LUA_REGISTRYINDEX);
}

static int itself(lua_State *l)
{
	push_it(l);
	return 1;
}

static int nothing(lua_State *l)
{
	(void)l;
	return 0;
}

static int empty_text(lua_State *l)
{
	lua_pushliteral(l, "");
	return 1;
}

void cf_foreign_push(lua_State *l, const char *name)
{
	cf_note(cf_loader(l), CONFIG_UNKNOWN, cf_line(l), name);
	push_it(l);
}

void cf_foreign_register(lua_State *l)
{
	static const luaL_Reg meta[] = {
		{ "__index", itself }, { "__newindex", nothing }, { "__call", itself },
		{ "__concat", empty_text }, { "__tostring", empty_text }, { "__add", itself },
		{ "__sub", itself }, { "__mul", itself }, { "__div", itself }, { "__mod", itself },
		{ "__pow", itself }, { "__unm", itself },
	};

	lua_pushlightuserdata(l, (void *)(uintptr_t)&key);
	lua_newuserdata(l, 1);
	lua_newtable(l);
	for (size_t i = 0; i < COUNT_OF(meta); i++) {
		lua_pushcfunction(l, meta[i].func);
		lua_setfield(l, -2, meta[i].name);
	}
	lua_pushboolean(l, 0); /* else a file could give it a finalizer, which no hook sees */
	lua_setfield(l, -2, "__metatable");
	lua_setmetatable(l, -2);
	lua_rawset(l, LUA_REGISTRYINDEX);
}
