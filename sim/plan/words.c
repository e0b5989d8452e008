/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The words of scenarios. None does anything but put the table that it is given, and the line it
 * was called on, into the document: a table in the registry. Globals are closed: reading or setting
 * a name that isn't a word is an error that says what may have been meant.
 */
#include <string.h>

#include "scenario.h"

#define DOCUMENT "document" /* registry: word to what it collected */
#define LINES "lines"       /* registry: table to line */

static const char *const all_words[] = {
	"lab", "load", "at", "expect", "limits", "engines", "seed",
	"even", "detect", "back", "lost", "answers", "cache", "latency", "policy",
	"zipf", "unique", "uniform", "exponential", "lognormal", "down", "up",
	"assert", "error", "ipairs", "pairs", "select", "tonumber", "tostring", "type", "unpack",
	"string", "table", "math",
};

static unsigned calling_line(lua_State *L)
{
	lua_Debug ar;

	if (lua_getstack(L, 1, &ar) == 0 || lua_getinfo(L, "l", &ar) == 0)
		return 0;
	return ar.currentline > 0 ? (unsigned)ar.currentline : 0;
}

static void set_line(lua_State *L, int table, unsigned line)
{
	lua_getfield(L, LUA_REGISTRYINDEX, LINES);
	lua_pushvalue(L, table);
	lua_pushinteger(L, (lua_Integer)line);
	lua_rawset(L, -3);
	lua_pop(L, 1);
}

unsigned words_line(lua_State *L, int index)
{
	lua_pushvalue(L, index);
	lua_getfield(L, LUA_REGISTRYINDEX, LINES);
	lua_insert(L, -2);
	lua_rawget(L, -2);
	unsigned line = (unsigned)lua_tointeger(L, -1);
	lua_pop(L, 2);
	return line;
}

unsigned words_global_line(lua_State *L, const char *name)
{
	lua_getfield(L, LUA_REGISTRYINDEX, LINES);
	lua_getfield(L, -1, name);
	unsigned line = (unsigned)lua_tointeger(L, -1);
	lua_pop(L, 2);
	return line;
}

void words_get(lua_State *L, const char *word)
{
	lua_getfield(L, LUA_REGISTRYINDEX, DOCUMENT);
	lua_getfield(L, -1, word);
	lua_remove(L, -2);
}

void words_make(lua_State *L, const char *word)
{
	lua_getfield(L, LUA_REGISTRYINDEX, DOCUMENT);
	lua_newtable(L);
	lua_setfield(L, -2, word);
	lua_pop(L, 1);
}

static void want_table(lua_State *L, const char *word)
{
	if (!lua_istable(L, 1) || lua_gettop(L) != 1)
		luaL_error(L, "%s: expected a table: %s { ... }", word, word);
}

/* lab { }, limits { }: one at most. Upvalue 1: the word. */
static int word_once(lua_State *L)
{
	const char *word = lua_tostring(L, lua_upvalueindex(1));

	want_table(L, word);
	words_get(L, word);
	if (lua_istable(L, -1))
		return luaL_error(L, "a second %s: the first is on line %d", word,
		                  (int)words_line(L, lua_gettop(L)));
	set_line(L, 1, calling_line(L));
	lua_getfield(L, LUA_REGISTRYINDEX, DOCUMENT);
	lua_pushvalue(L, 1);
	lua_setfield(L, -2, word);
	return 0;
}

/* Appends the table at index to what word collected. */
static void append(lua_State *L, const char *word, int index)
{
	words_get(L, word);
	lua_pushvalue(L, index);
	lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
	lua_pop(L, 1);
}

static int word_load(lua_State *L)
{
	want_table(L, "load");
	set_line(L, 1, calling_line(L));
	append(L, "load", 1);
	return 0;
}

/* even { ... } and so on: marks its table with its kind and gives it back to expect. */
static int word_claim(lua_State *L)
{
	const char *word = lua_tostring(L, lua_upvalueindex(1));

	want_table(L, word);
	if (words_line(L, 1) != 0)
		return luaL_error(L, "%s: this table is used already", word);
	set_line(L, 1, calling_line(L));
	lua_pushstring(L, word);
	lua_setfield(L, 1, "expect");
	lua_settop(L, 1);
	return 1;
}

static int word_expect(lua_State *L)
{
	want_table(L, "expect");
	luabox_sorted_keys(L, 1);
	for (int i = 1, n = (int)lua_objlen(L, 2); i <= n; i++) {
		lua_rawgeti(L, 2, i);
		if (lua_type(L, -1) != LUA_TNUMBER)
			return luaL_error(L, "expect: '%s = ...': expected claims such as even { "
			                  "... }",
			                  lua_tostring(L, -1));
		lua_rawget(L, 1);
		if (!lua_istable(L, -1) || words_line(L, lua_gettop(L)) == 0)
			return luaL_error(L, "expect: claim %d: expected even { ... }, detect, "
			                  "back, "
			                  "lost, answers, cache, latency, flaps, outage, "
			                  "overshoot or failover", i);
		append(L, "expect", lua_gettop(L));
		lua_pop(L, 1);
	}
	return 0;
}

/* Upvalues: the instant, its line, whether it was used. */
static int word_at_fault(lua_State *L)
{
	want_table(L, "at \"...\"");
	if (lua_toboolean(L, lua_upvalueindex(3)))
		return luaL_error(L, "at: each fault wants an at of its own");
	lua_pushboolean(L, 1);
	lua_replace(L, lua_upvalueindex(3));
	lua_getfield(L, LUA_REGISTRYINDEX, LINES);
	lua_pushnil(L);
	lua_setfield(L, -2, "at");
	lua_getfield(L, 1, "at");
	if (!lua_isnil(L, -1))
		return luaL_error(L, "at: the instant stands before the braces: at \"5s\" { ... }");
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_setfield(L, 1, "at");
	set_line(L, 1, (unsigned)lua_tointeger(L, lua_upvalueindex(2)));
	append(L, "at", 1);
	return 0;
}

void words_settled(lua_State *L)
{
	lua_getfield(L, LUA_REGISTRYINDEX, LINES);
	lua_getfield(L, -1, "at");
	if (!lua_isnil(L, -1))
		luaL_error(L, "scenario:%d: at: no fault follows: at \"5s\" { kill = \"DNS1\" }",
		           (int)lua_tointeger(L, -1));
	lua_pop(L, 2);
}

static int word_at(lua_State *L)
{
	words_settled(L);
	if ((lua_type(L, 1) != LUA_TSTRING && !lua_istable(L, 1)) || lua_gettop(L) != 1)
		return luaL_error(L, "at: expected an instant in quotes: at \"5s\" { kill = "
		                  "\"DNS1\" }, or { when = down \"DNS1\" }");
	lua_getfield(L, LUA_REGISTRYINDEX, LINES);
	lua_pushinteger(L, (lua_Integer)calling_line(L));
	lua_setfield(L, -2, "at");
	lua_pushvalue(L, 1);
	lua_pushinteger(L, (lua_Integer)calling_line(L));
	lua_pushboolean(L, 0);
	lua_pushcclosure(L, word_at_fault, 3);
	return 1;
}

/* zipf(n[, s]), uniform(low, high)...: a table whose "make" says what it is. */
static const struct { const char *name, *arg[2]; int least; } makers[] = {
	{ "zipf", { "n", "s" }, 1 }, { "unique", { NULL, NULL }, 0 },
	{ "uniform", { "low", "high" }, 2 }, { "exponential", { "mean", NULL }, 1 },
	{ "lognormal", { "median", "q84" }, 2 },
	{ "down", { "node", NULL }, 1 }, { "up", { "node", NULL }, 1 },
};

static int word_make(lua_State *L)
{
	int m = (int)lua_tointeger(L, lua_upvalueindex(1)), n = lua_gettop(L);
	int most = (makers[m].arg[0] != NULL) + (makers[m].arg[1] != NULL);

	if (n < makers[m].least || n > most)
		return luaL_error(L, "%s: %d arguments: expected %d%s", makers[m].name, n, most,
		                  makers[m].least < most ? ", the last may be left out" : "");
	lua_newtable(L);
	for (int i = 1; i <= n; i++) {
		lua_pushvalue(L, i);
		lua_setfield(L, -2, makers[m].arg[i - 1]);
	}
	lua_pushstring(L, makers[m].name);
	lua_setfield(L, -2, "make");
	set_line(L, lua_gettop(L), calling_line(L));
	return 1;
}

/* A global that isn't there. Upvalue 1: the words. */
static int get_global(lua_State *L)
{
	const char *name = luaL_checkstring(L, 2);

	lua_pushvalue(L, 2);
	lua_rawget(L, lua_upvalueindex(1));
	if (!lua_isnil(L, -1))
		return 1;
	if (strcmp(name, "seed") == 0 || strcmp(name, "engines") == 0)
		return words_get(L, name), 1;
	const char *meant = closest(name, all_words, COUNT_OF(all_words));
	return luaL_error(L, "no '%s' here%s%s%s", name, meant != NULL ? ": did you mean '" : "",
	                  meant != NULL ? meant : "", meant != NULL ? "'?" : "");
}

/* seed = 7 and engines = { "virtual" } are the only globals that can be set. */
static int set_global(lua_State *L)
{
	static const char *const settable[] = { "seed", "engines" };
	const char *name = luaL_checkstring(L, 2);

	if (strcmp(name, settable[0]) != 0 && strcmp(name, settable[1]) != 0) {
		const char *meant = closest(name, settable, 2);
		return luaL_error(L, "'%s' can't be set%s%s%s", name, meant != NULL
		                  ? ": did you mean '" : ": say 'local'", meant != NULL ? meant
			: "",
		                  meant != NULL ? "'?" : "");
	}
	lua_getfield(L, LUA_REGISTRYINDEX, DOCUMENT);
	lua_pushvalue(L, 3);
	lua_setfield(L, -2, name);
	lua_getfield(L, LUA_REGISTRYINDEX, LINES);
	lua_pushinteger(L, (lua_Integer)calling_line(L));
	lua_setfield(L, -2, name);
	return 0;
}

static void add_word(lua_State *L, const char *name, lua_CFunction f)
{
	lua_pushstring(L, name);
	lua_pushcclosure(L, f, 1);
	lua_setfield(L, -2, name);
}

static void open_document(lua_State *L)
{
	lua_newtable(L);
	for (unsigned i = 0; i < 3; i++) {
		lua_newtable(L);
		lua_setfield(L, -2, (const char *[]){ "load", "at", "expect" }[i]);
	}
	lua_setfield(L, LUA_REGISTRYINDEX, DOCUMENT);
	lua_newtable(L);
	lua_setfield(L, LUA_REGISTRYINDEX, LINES);
}

/* Takes the table of allowed functions from the stack. */
int words_open(lua_State *L)
{
	open_document(L);
	add_word(L, "lab", word_once);
	add_word(L, "limits", word_once);
	add_word(L, "load", word_load);
	add_word(L, "at", word_at);
	add_word(L, "expect", word_expect);
	for (unsigned i = PLAN_EVEN; i < EXPECT_N; i++)
		add_word(L, plan_expect_names[i], word_claim);
	for (unsigned i = 0; i < COUNT_OF(makers); i++) {
		lua_pushinteger(L, (lua_Integer)i);
		lua_pushcclosure(L, word_make, 1);
		lua_setfield(L, -2, makers[i].name);
	}
	lua_newtable(L); /* the new globals: empty, with a guard */
	lua_newtable(L);
	lua_pushvalue(L, -3);
	lua_pushcclosure(L, get_global, 1);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, set_global);
	lua_setfield(L, -2, "__newindex");
	lua_setmetatable(L, -2);
	lua_replace(L, LUA_GLOBALSINDEX);
	return 0;
}
