/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Classes of userdata whose members stand once, in a table: methods and attributes under one
 * __index, so that a name that isn't there is an error with a line, or a note in foreign mode. A
 * member costs one look-up in a table; nothing is allocated.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

enum { NAMES = 64 };

/* Of the error about a member that isn't there: what it may be instead. */
static void push_expected(lua_State *l, const struct cf_class *c)
{
	luaL_Buffer b;

	luaL_buffinit(l, &b);
	for (size_t i = 0; i < c->member_n && i < 5; i++) {
		luaL_addstring(&b, i > 0 ? ", " : "");
		luaL_addstring(&b, c->member[i].name);
	}
	luaL_addstring(&b, c->member_n > 5 ? "..." : "");
	luaL_pushresult(&b);
}

static int unknown(lua_State *l, const struct cf_class *c)
{
	const char *name = cf_show(l, 2), *names[NAMES];

	if (cf_loader(l)->mode == CONFIG_FOREIGN) {
		char text[CONFIG_NOTE_TEXT];
		snprintf(text, sizeof(text), "%s:%s", c->foreign, name);
		cf_foreign_push(l, text);
		return 1;
	}
	MUST(c->member_n <= NAMES);
	for (size_t i = 0; i < c->member_n; i++)
		names[i] = c->member[i].name;
	const char *near = closest(name, names, c->member_n);
	if (near != NULL)
		cf_fail(l, "%s has no '%s': did you mean '%s'?", c->what, name, near);
	push_expected(l, c);
	cf_fail(l, "%s has no '%s': expected %s", c->what, name, lua_tostring(l, -1));
}

/* Upvalues: the class; a table of methods, and of attributes' entries, by name. */
static int index_member(lua_State *l)
{
	const struct cf_class *c = lua_touserdata(l, lua_upvalueindex(1));

	lua_pushvalue(l, 2);
	lua_rawget(l, lua_upvalueindex(2));
	if (lua_type(l, -1) != LUA_TLIGHTUSERDATA)
		return lua_isnil(l, -1) ? unknown(l, c) : 1;
	const struct cf_member *m = lua_touserdata(l, -1);
	lua_settop(l, 2);
	return m->get(l);
}

static int set_member(lua_State *l)
{
	const struct cf_class *c = lua_touserdata(l, lua_upvalueindex(1));

	lua_pushvalue(l, 2);
	lua_rawget(l, lua_upvalueindex(2));
	const struct cf_member *m = lua_type(l, -1) == LUA_TLIGHTUSERDATA ? lua_touserdata(l, -1)
	                                                                    : NULL;
	lua_settop(l, 3);
	if (m != NULL && m->set != NULL)
		return m->set(l);
	if (cf_loader(l)->mode == CONFIG_FOREIGN) {
		char text[CONFIG_NOTE_TEXT];
		snprintf(text, sizeof(text), "%s.%s", c->foreign, cf_show(l, 2));
		cf_note(cf_loader(l), CONFIG_UNKNOWN, cf_line(l), text);
		return 0;
	}
	cf_fail(l, "'%s' of %s can't be set", cf_show(l, 2), c->what);
}

/* Leaves the table of members on the stack. The metatable is at meta: methods check by it. */
static void push_members(lua_State *l, const struct cf_class *c, int meta)
{
	lua_newtable(l);
	for (size_t i = 0; i < c->member_n; i++) {
		const struct cf_member *m = &c->member[i];
		if (m->method != NULL) {
			lua_pushvalue(l, meta);
			lua_pushcclosure(l, m->method, 1);
		} else {
			lua_pushlightuserdata(l, (void *)(uintptr_t)m);
		}
		lua_setfield(l, -2, m->name);
	}
}

void cf_class_register(lua_State *l, const struct cf_class *c)
{
	luaL_newmetatable(l, c->meta);
	int meta = lua_gettop(l);
	push_members(l, c, meta);
	lua_pushlightuserdata(l, (void *)(uintptr_t)c);
	lua_pushvalue(l, -2);
	lua_pushcclosure(l, index_member, 2);
	lua_setfield(l, meta, "__index");
	lua_pushlightuserdata(l, (void *)(uintptr_t)c);
	lua_pushvalue(l, -2);
	lua_pushcclosure(l, set_member, 2);
	lua_setfield(l, meta, "__newindex");
	if (c->eq != NULL) {
		lua_pushcfunction(l, c->eq);
		lua_setfield(l, meta, "__eq");
	}
	if (c->text != NULL) {
		lua_pushvalue(l, meta);
		lua_pushcclosure(l, c->text, 1);
		lua_setfield(l, meta, "__tostring");
	}
	lua_pushboolean(l, 0); /* else a file could give it a finalizer, which no hook sees */
	lua_setfield(l, meta, "__metatable");
	lua_settop(l, meta - 1);
}

void cf_class_set(lua_State *l, const struct cf_class *c)
{
	luaL_getmetatable(l, c->meta);
	lua_setmetatable(l, -2);
}

void *cf_object(lua_State *l, int index, const struct cf_class *c)
{
	bool ours = lua_isuserdata(l, index) && lua_getmetatable(l, index);

	if (ours) {
		luaL_getmetatable(l, c->meta);
		ours = lua_rawequal(l, -1, -2) != 0;
		lua_pop(l, 2);
	}
	return ours ? lua_touserdata(l, index) : NULL;
}

void *cf_self(lua_State *l, const struct cf_class *c)
{
	bool ours = lua_isuserdata(l, 1) && lua_getmetatable(l, 1);

	if (ours) {
		ours = lua_rawequal(l, -1, lua_upvalueindex(1)) != 0;
		lua_pop(l, 1);
	}
	if (!ours)
		cf_fail(l, "expected %s before the method, as in x:method()", c->what);
	return lua_touserdata(l, 1);
}
