/* SPDX-License-Identifier: BSD-3-Clause */
/* Lua states with limits; see luabox.h. */
#include "luabox.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lualib.h>

enum {
	HOOK_EVERY = 1000,
	PATTERN_STEPS = 10000000, /* at most, of one call that matches a pattern */
};

/* ---- limits ---- */

static void *allocate(void *ud, void *p, size_t old, size_t new)
{
	struct luabox *b = ud;

	if (p == NULL)
		old = 0;
	if (new == 0) {
		free(p);
		b->memory -= old;
		return NULL;
	}
	if (new > old && new - old > b->memory_max - b->memory)
		return NULL;
	void *q = realloc(p, new);
	if (q != NULL)
		b->memory = b->memory - old + new;
	return q;
}

struct luabox *luabox_of(lua_State *L)
{
	void *ud;

	lua_getallocf(L, &ud);
	return ud;
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	MUST(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Once a limit is reached every further step fails, so that no pcall can go on for long. */
static void count(lua_State *L, lua_Debug *ar)
{
	struct luabox *b = luabox_of(L);

	(void)ar;
	b->steps += HOOK_EVERY;
	if (b->start_cpu_ns == INT64_MIN)
		b->start_cpu_ns = cpu_ns();
	bool slow = cpu_ns() - b->start_cpu_ns > LUABOX_CPU_SECONDS * INT64_C(1000000000);
	if (b->steps <= b->steps_max && !slow)
		return;
	b->spent = true;
	lua_sethook(L, count, LUA_MASKCOUNT, 1);
	luaL_where(L, 0);
	if (slow)
		lua_pushfstring(L, "%s%s takes too long: more than %d s", lua_tostring(L, -1),
		                b->what, (int)LUABOX_CPU_SECONDS);
	else
		lua_pushfstring(L, "%s%s takes too long: more than %f steps", lua_tostring(L, -1),
		                b->what, (lua_Number)b->steps_max);
	lua_error(L);
}

bool luabox_is_text(const char *text, size_t len)
{
	return len == 0 || (memchr(text, LUA_SIGNATURE[0], len) == NULL &&
	                    memchr(text, '\0', len) == NULL);
}

/* ---- tables in the order of their keys ---- */

struct sort_key {
	int kind;         /* booleans, numbers, texts */
	double number;
	const char *text;
	size_t len;
	int index;        /* in the array of keys as found */
};

static int by_key(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind - y->kind;
	if (x->text == NULL)
		return (x->number > y->number) - (x->number < y->number);
	size_t shorter = x->len < y->len ? x->len : y->len;
	int first = memcmp(x->text, y->text, shorter);
	return first != 0 ? first : (x->len > y->len) - (x->len < y->len);
}

/* The key on top of the stack. Texts stay where they are as long as their table has them. */
static struct sort_key sort_key(lua_State *L, int index)
{
	struct sort_key k = { .kind = 1, .index = index };

	if (lua_type(L, -1) == LUA_TBOOLEAN) {
		k.kind = 0;
		k.number = lua_toboolean(L, -1);
	} else if (lua_type(L, -1) == LUA_TNUMBER) {
		k.number = lua_tonumber(L, -1);
	} else {
		k.kind = 2;
		k.text = lua_tolstring(L, -1, &k.len);
	}
	return k;
}

/* Pushes an array of all keys, in no order. Returns how many. */
static int collect_keys(lua_State *L, int table)
{
	int n = 0;

	lua_newtable(L);
	int found = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, table) != 0;) {
		int type = lua_type(L, -2);
		lua_pop(L, 1);
		if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
			luaL_error(L, "a key is a %s: expected a name or a number",
			           luaL_typename(L, -1));
		lua_pushvalue(L, -1);
		lua_rawseti(L, found, ++n);
	}
	return n;
}

void luabox_sorted_keys(lua_State *L, int index)
{
	if (index < 0)
		index = lua_gettop(L) + 1 + index;
	luaL_checkstack(L, 8, NULL);
	int n = collect_keys(L, index), found = lua_gettop(L);
	struct sort_key *k = lua_newuserdata(L, ((size_t)n + 1) * sizeof(*k));
	for (int i = 1; i <= n; i++) {
		lua_rawgeti(L, found, i);
		k[i - 1] = sort_key(L, i);
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

/* Upvalues: the sorted keys, how many were given, the table. */
static int next_sorted(lua_State *L)
{
	int i = (int)lua_tointeger(L, lua_upvalueindex(2)) + 1;

	lua_pushinteger(L, i);
	lua_replace(L, lua_upvalueindex(2));
	lua_rawgeti(L, lua_upvalueindex(1), i);
	lua_pushvalue(L, -1);
	if (lua_isnil(L, -1))
		return 1;
	lua_rawget(L, lua_upvalueindex(3));
	return 2;
}

static int sorted_pairs(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	luabox_sorted_keys(L, 1);
	lua_pushinteger(L, 0);
	lua_pushvalue(L, 1);
	lua_pushcclosure(L, next_sorted, 3);
	return 1;
}

/* next(t) tells whether a table is empty; a walk would have the order of a hash. */
static int first_of(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	if (!lua_isnoneornil(L, 2))
		return luaL_error(L, "next: a second argument: expected pairs for a walk");
	luabox_sorted_keys(L, 1);
	lua_rawgeti(L, -1, 1);
	if (lua_isnil(L, -1))
		return 1;
	lua_pushvalue(L, -1);
	lua_rawget(L, 1);
	return 2;
}

/* ---- texts without addresses, which differ from run to run ---- */

static int plain_tostring(lua_State *L)
{
	luaL_checkany(L, 1);
	if (luaL_callmeta(L, 1, "__tostring"))
		return 1;
	lua_settop(L, 1);
	if (lua_isboolean(L, 1))
		lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false");
	else if (lua_tostring(L, 1) == NULL)
		lua_pushstring(L, luaL_typename(L, 1));
	return 1;
}

/* True when a format asks for an address: a % with flags and digits, then p. */
static bool wants_address(const char *format)
{
	for (const char *p = format; (p = strchr(p, '%')) != NULL; p++) {
		p += 1 + strspn(p + 1, "-+ #0123456789.");
		if (*p == 'p')
			return true;
		if (*p == '\0')
			return false;
	}
	return false;
}

/* Upvalue: string.format. */
static int plain_format(lua_State *L)
{
	const char *format = luaL_checkstring(L, 1);
	int n = lua_gettop(L);

	if (wants_address(format))
		return luaL_argerror(L, 1, "%p is an address, which differs from run to run");
	for (int i = 2; i <= n; i++)
		if (lua_type(L, i) != LUA_TNUMBER && lua_type(L, i) != LUA_TSTRING)
			return luaL_argerror(L, i, "expected a text or a number");
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, n, 1);
	return 1;
}

/* ---- patterns ---- */

/*
 * Repetitions in a pattern each multiply the work by the length of the text. Upvalues: the real
 * function, and whether a fourth argument makes the pattern plain.
 */
static int bounded_match(lua_State *L)
{
	size_t len, pattern_len;

	(void)luaL_checklstring(L, 1, &len);
	const char *pattern = luaL_checklstring(L, 2, &pattern_len);
	bool plain = lua_toboolean(L, lua_upvalueindex(2)) && lua_toboolean(L, 4);
	double steps = (double)len + 1;
	int repeats = 0;

	for (size_t i = 0; i < pattern_len && !plain; i++) {
		bool balanced = i > 0 && pattern[i] == 'b' && pattern[i - 1] == '%';
		if (memchr("*+-?", pattern[i], 4) == NULL && !balanced)
			continue;
		repeats++;
		steps *= (double)len + 1;
		if (steps > PATTERN_STEPS)
			return luaL_error(L, "a pattern with %d repetitions or more on a text of "
			                  "%d bytes: could take too long", repeats, (int)len);
	}
	int n = lua_gettop(L);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, n, LUA_MULTRET);
	return lua_gettop(L);
}

/* ---- what there is ---- */

static const char *const base_names[] = {
	"assert", "error", "ipairs", "select", "tonumber", "type", "unpack", NULL,
};
/* No xpcall: its handler would run inside of the hook, unseen by it. */
static const char *const more_base_names[] = {
	"getmetatable", "pcall", "rawequal", "rawget", "rawset", "setmetatable", "_VERSION", NULL,
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

/* Leaves the table of what every file may use on the stack. */
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
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 3);
}

void luabox_add_more(lua_State *L)
{
	static const char *const names[] = { "find", "match", "gmatch", "gsub" };

	lua_pushvalue(L, LUA_GLOBALSINDEX);
	keep(L, more_base_names);
	lua_pushcfunction(L, first_of);
	lua_setfield(L, -2, "next");
	lua_getfield(L, -1, "string");
	lua_getglobal(L, "string");
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		lua_getfield(L, -1, names[i]);
		lua_pushboolean(L, i == 0);
		lua_pushcclosure(L, bounded_match, 2);
		lua_setfield(L, -3, names[i]);
	}
	lua_pop(L, 2);
}

/* Upvalue of the caller: fill. */
static int open_all(lua_State *L)
{
	static const luaL_Reg libs[] = {
		{ "", luaopen_base }, { LUA_TABLIBNAME, luaopen_table },
		{ LUA_STRLIBNAME, luaopen_string }, { LUA_MATHLIBNAME, luaopen_math },
	};
	const lua_CFunction *fill = lua_touserdata(L, 1);

	lua_settop(L, 0);
	for (size_t i = 0; i < COUNT_OF(libs); i++) {
		lua_pushcfunction(L, libs[i].func);
		lua_pushstring(L, libs[i].name);
		lua_call(L, 1, 0);
	}
	collect(L);
	return (*fill)(L);
}

lua_State *luabox_open(struct luabox *b, lua_CFunction fill)
{
	b->memory = 0;
	b->steps = 0;
	b->start_cpu_ns = INT64_MIN;
	b->spent = false;
	lua_State *L = lua_newstate(allocate, b);
	if (L == NULL)
		return NULL;
	if (lua_cpcall(L, open_all, &fill) != 0) {
		lua_close(L);
		return NULL;
	}
	lua_sethook(L, count, LUA_MASKCOUNT, HOOK_EVERY);
	return L;
}

void luabox_again(lua_State *L)
{
	struct luabox *b = luabox_of(L);

	b->steps = 0;
	b->start_cpu_ns = INT64_MIN;
	if (b->spent)
		lua_sethook(L, count, LUA_MASKCOUNT, HOOK_EVERY);
	b->spent = false;
}
