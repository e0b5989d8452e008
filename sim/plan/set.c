/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --set PATH=VALUE: puts a value into the tables that a scenario has made, before they are read, so
 * that it is checked like one that stands in the file. VALUE is read as Lua where that gives a
 * number, true, false or a table (zipf(100), { "0s", "5s" }), and as a text otherwise (5s).
 */
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

static _Noreturn void __attribute__((format(printf, 3, 4)))
set_fail(lua_State *L, const char *set, const char *format, ...)
{
	char what[PLAN_ERROR_TEXT / 2];
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	snprintf(scenario_of(L)->error, PLAN_ERROR_TEXT, "--set %.200s: %s", set, what);
	lua_pushnil(L);
	lua_error(L);
	abort();
}

static void push_value(lua_State *L, const char *text)
{
	int top = lua_gettop(L);

	lua_pushfstring(L, "return %s", text);
	const char *chunk = lua_tostring(L, -1);
	if (strchr(text, '\x1b') == NULL &&
	    luaL_loadbuffer(L, chunk, strlen(chunk), "=set") == 0 && lua_pcall(L, 0, 1, 0) == 0 &&
	    (lua_isnumber(L, -1) || lua_isboolean(L, -1) || lua_istable(L, -1)) &&
	    lua_type(L, -1) != LUA_TSTRING) {
		lua_replace(L, top + 1);
		lua_settop(L, top + 1);
		return;
	}
	lua_settop(L, top);
	lua_pushstring(L, text);
}

static bool is_number(const char *word)
{
	size_t n = strspn(word, "0123456789");

	return n > 0 && n < 7 && word[n] == '\0';
}

/* Pushes a part of a path as a key. */
static void push_key(lua_State *L, const char *word)
{
	if (is_number(word))
		lua_pushinteger(L, atoi(word));
	else
		lua_pushstring(L, word);
}

/* Goes from the list on top to the one entry that is meant, and moves *rest past its number. */
static void choose(lua_State *L, const char *set, const char *what, char **rest)
{
	int n = (int)lua_objlen(L, -1), index = 1;
	char word[16] = "";
	size_t len = strcspn(*rest, ".");

	if (len < sizeof(word)) {
		memcpy(word, *rest, len);
		word[len] = '\0';
	}
	if (is_number(word) && (*rest)[len] == '.') { /* load.2.rate; but expect.detect.1 */
		index = atoi(word);
		*rest += len + 1;
	} else if (n > 1) {
		set_fail(L, set, "there are %d: expected %s.1 ... %s.%d before the key", n, what,
		         what,
		         n);
	}
	if (index < 1 || index > n)
		set_fail(L, set, "there is no %s.%d: the scenario has %d", what, index, n);
	lua_rawgeti(L, -1, index);
	lua_remove(L, -2);
}

/* Replaces the list of claims on top by those of a kind. */
static void claims_of(lua_State *L, const char *set, const char *kind)
{
	char kinds[128] = "";
	int found = 0;

	lua_newtable(L);
	for (int i = 1; lua_rawgeti(L, -2, i), !lua_isnil(L, -1); i++) {
		lua_getfield(L, -1, "expect");
		const char *name = lua_tostring(L, -1);
		if (strstr(kinds, name) == NULL && strlen(kinds) < 100) {
			strcat(kinds, kinds[0] != '\0' ? ", " : "");
			strcat(kinds, name);
		}
		bool same = strcmp(name, kind) == 0;
		lua_pop(L, 1);
		if (same)
			lua_rawseti(L, -2, ++found);
		else
			lua_pop(L, 1);
	}
	lua_pop(L, 1);
	if (found == 0)
		set_fail(L, set, "the scenario expects no '%s': expected one of %s", kind, kinds);
	lua_remove(L, -2);
}

/* Pushes the table that the path's first parts mean; *rest is what remains of the path. */
static void push_block(lua_State *L, const char *set, char **rest)
{
	static const char *const blocks[] = { "lab", "load", "at", "expect", "limits" };
	char *word = strsep(rest, "."), name[64];

	for (size_t i = 0; i < COUNT_OF(blocks); i++)
		if (strcmp(word, blocks[i]) == 0 && *rest != NULL) {
			words_get(L, word);
			if (i == 4 && lua_isnil(L, -1)) {
				words_make(L, word);
				words_get(L, word);
			}
			if (i >= 1 && i <= 2)
				choose(L, set, word, rest);
			if (i == 3) {
				char *kind = strsep(rest, ".");
				if (*rest == NULL)
					set_fail(L, set, "expected expect.KIND.KEY");
				claims_of(L, set, kind);
				snprintf(name, sizeof(name), "expect.%.40s", kind);
				choose(L, set, name, rest);
			}
			if (!lua_istable(L, -1))
				set_fail(L, set, "the scenario has no %s", word);
			return;
		}
	const char *meant = closest(word, blocks, COUNT_OF(blocks));
	set_fail(L, set, "no such path: %s%s%sexpected lab., load., at.N., expect.KIND., limits., "
	         "seed or engines", meant != NULL ? "did you mean '" : "",
	         meant != NULL ? meant : "", meant != NULL ? "'? " : "");
}

static void set_path(lua_State *L, const char *set, char *path, const char *value)
{
	char *rest = path, *word;

	if (strcmp(path, "seed") == 0 || strcmp(path, "engines") == 0) {
		push_value(L, value);
		lua_setglobal(L, path); /* through the guard of globals */
		return;
	}
	push_block(L, set, &rest);
	while (word = strsep(&rest, "."), rest != NULL) {
		push_key(L, word);
		lua_rawget(L, -2);
		if (lua_isnil(L, -1)) {
			lua_pop(L, 1);
			push_key(L, word);
			lua_newtable(L);
			lua_pushvalue(L, -1);
			lua_insert(L, -3);
			lua_rawset(L, -4);
		}
		if (!lua_istable(L, -1))
			set_fail(L, set, "'%s' isn't a table: expected a path that ends there",
			         word);
		lua_remove(L, -2);
	}
	push_key(L, word);
	push_value(L, value);
	lua_rawset(L, -3);
}

void set_apply(lua_State *L, const char *path_and_value)
{
	const char *equals = strchr(path_and_value, '=');
	int top = lua_gettop(L);

	if (equals == NULL || equals == path_and_value)
		set_fail(L, path_and_value, "expected PATH=VALUE");
	lua_pushlstring(L, path_and_value, (size_t)(equals - path_and_value));
	const char *path = lua_tostring(L, -1);
	char *copy = lua_newuserdata(L, strlen(path) + 1);
	memcpy(copy, path, strlen(path) + 1);
	set_path(L, path_and_value, copy, equals + 1);
	lua_settop(L, top);
}
