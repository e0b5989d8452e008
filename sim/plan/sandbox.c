/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Lua state that a scenario is run in: a short list of functions that neither touch the world
 * nor depend on it; bounded memory through the allocator, bounded work through a hook (jit is never
 * opened, so the hook sees every step). No pcall: an error always ends the scenario. No pattern
 * matching: it could run for ever inside of one call.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lualib.h>

#include "scenario.h"

enum { HOOK_EVERY = 1000 };

static void *allocate(void *ud, void *p, size_t old, size_t new)
{
	struct scenario *s = ud;

	if (p == NULL)
		old = 0;
	if (new == 0) {
		free(p);
		s->memory -= old;
		return NULL;
	}
	if (new > old && new - old > SCENARIO_MEMORY_MAX - s->memory)
		return NULL;
	void *q = realloc(p, new);
	if (q != NULL)
		s->memory = s->memory - old + new;
	return q;
}

struct scenario *scenario_of(lua_State *L)
{
	void *ud;

	lua_getallocf(L, &ud);
	return ud;
}

static void count(lua_State *L, lua_Debug *ar)
{
	struct scenario *s = scenario_of(L);

	(void)ar;
	s->steps += HOOK_EVERY;
	if (s->steps <= SCENARIO_STEPS_MAX)
		return;
	luaL_where(L, 0);
	lua_pushfstring(L, "%sthe scenario takes too long: more than %d steps",
	                lua_tostring(L, -1), (int)SCENARIO_STEPS_MAX);
	lua_error(L);
}

struct sort_key {
	double number;
	const char *text; /* NULL: a number */
	int index;        /* in the array of keys as found */
};

static int by_key(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;

	if (x->text == NULL || y->text == NULL)
		return x->text == NULL && y->text == NULL
		       ? (x->number > y->number) - (x->number < y->number)
		       : (x->text != NULL) - (y->text != NULL);
	return strcmp(x->text, y->text);
}

void sandbox_sorted_keys(lua_State *L, int index)
{
	int n = 0;

	if (index < 0)
		index = lua_gettop(L) + 1 + index;
	luaL_checkstack(L, 8, NULL);
	lua_newtable(L);
	int found = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, index) != 0;) {
		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
			luaL_error(L, "a key is a %s: expected a name or a number",
			           luaL_typename(L, -1));
		lua_pushvalue(L, -1);
		lua_rawseti(L, found, ++n);
	}
	struct sort_key *k = lua_newuserdata(L, ((size_t)n + 1) * sizeof(*k));
	for (int i = 1; i <= n; i++) {
		lua_rawgeti(L, found, i);
		bool text = lua_type(L, -1) == LUA_TSTRING;
		k[i - 1] = (struct sort_key){ text ? 0 : lua_tonumber(L, -1),
		                              text ? lua_tostring(L, -1) : NULL, i };
		lua_pop(L, 1);
	}
	qsort(k, (size_t)n, sizeof(*k), by_key);
	lua_createtable(L, n, 0);
	for (int i = 1; i <= n; i++) {
		lua_rawgeti(L, found, k[i - 1].index);
		lua_rawseti(L, -2, i);
	}
	lua_replace(L, found);
	lua_settop(L, found);
}

static int next_sorted(lua_State *L)
{
	int i = (int)lua_tointeger(L, lua_upvalueindex(2)) + 1;

	lua_pushinteger(L, i);
	lua_replace(L, lua_upvalueindex(2));
	lua_rawgeti(L, lua_upvalueindex(1), i);
	lua_pushvalue(L, -1);
	lua_rawget(L, lua_upvalueindex(3));
	return 2;
}

static int sorted_pairs(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	sandbox_sorted_keys(L, 1);
	lua_pushinteger(L, 0);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, next_sorted, 3);
	return 1;
}

/* tostring without addresses: those differ from run to run. */
static int plain_tostring(lua_State *L)
{
	luaL_checkany(L, 1);
	lua_settop(L, 1);
	if (lua_isboolean(L, 1))
		lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false");
	else if (lua_tostring(L, 1) == NULL)
		lua_pushstring(L, luaL_typename(L, 1));
	return 1;
}

static int plain_format(lua_State *L)
{
	int n = lua_gettop(L);

	for (int i = 1; i <= n; i++)
		if (lua_type(L, i) != LUA_TNUMBER && lua_type(L, i) != LUA_TSTRING)
			return luaL_argerror(L, i, "expected a text or a number");
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, n, 1);
	return 1;
}

static const char *const base_names[] = {
	"assert", "error", "ipairs", "select", "tonumber", "type", "unpack", NULL,
};
static const char *const string_names[] = {
	"byte", "char", "format", "len", "lower", "rep", "reverse", "sub", "upper", NULL,
};
static const char *const table_names[] = { "concat", "insert", "maxn", "remove", "sort", NULL };
/* Only what IEEE 754 makes exact. */
static const char *const math_names[] = {
	"abs", "ceil", "floor", "fmod", "huge", "max", "min", "modf", "pi", "sqrt", NULL,
};

/* Copies fields of the table on top into the one below, and pops it. */
static void keep(lua_State *L, const char *const *names)
{
	for (; *names != NULL; names++) {
		lua_getfield(L, -1, *names);
		lua_setfield(L, -3, *names);
	}
	lua_pop(L, 1);
}

static void keep_library(lua_State *L, const char *library, const char *const *names)
{
	lua_newtable(L);
	lua_getglobal(L, library);
	keep(L, names);
	lua_setfield(L, -2, library);
}

/* Leaves the table of what scenarios may call on the stack; the real globals are dropped. */
static void collect(lua_State *L)
{
	lua_newtable(L);
	lua_pushvalue(L, LUA_GLOBALSINDEX);
	keep(L, base_names);
	keep_library(L, "string", string_names);
	keep_library(L, "table", table_names);
	keep_library(L, "math", math_names);
	lua_pushcfunction(L, sorted_pairs);
	lua_setfield(L, -2, "pairs");
	lua_pushcfunction(L, plain_tostring);
	lua_setfield(L, -2, "tostring");
	lua_getfield(L, -1, "string");
	lua_getfield(L, -1, "format");
	lua_pushcclosure(L, plain_format, 1);
	lua_setfield(L, -2, "format");
	lua_pushliteral(L, ""); /* ("x"):upper() finds the same few */
	MUST(lua_getmetatable(L, -1));
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 3);
}

static int open_all(lua_State *L)
{
	static const luaL_Reg libs[] = {
		{ "", luaopen_base }, { LUA_TABLIBNAME, luaopen_table },
		{ LUA_STRLIBNAME, luaopen_string }, { LUA_MATHLIBNAME, luaopen_math },
	};

	for (size_t i = 0; i < COUNT_OF(libs); i++) {
		lua_pushcfunction(L, libs[i].func);
		lua_pushstring(L, libs[i].name);
		lua_call(L, 1, 0);
	}
	collect(L);
	words_open(L);
	return 0;
}

lua_State *sandbox_open(struct scenario *s)
{
	lua_State *L = lua_newstate(allocate, s);

	if (L == NULL)
		return NULL;
	if (lua_cpcall(L, open_all, NULL) != 0) {
		lua_close(L);
		return NULL;
	}
	lua_sethook(L, count, LUA_MASKCOUNT, HOOK_EVERY);
	return L;
}
