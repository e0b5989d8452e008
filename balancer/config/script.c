/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lua states in which the configuration's functions are called; see script.h. A call is one
 * protected call of a C function that the registry has, and finds what it is about in struct
 * script: so nothing outside of it can fail for want of memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script_impl.h"

void script_push_function(lua_State *l)
{
	const struct script *s = script_of(l);

	MUST(s->function >= 1 && s->function <= s->ld.function_n);
	lua_rawgeti(l, LUA_REGISTRYINDEX, s->ld.function[s->function - 1]);
}

/*
 * A message about what a function returned has no line: that where the function begins is as good.
 * Allocates nothing.
 */
static void note_failure(struct script *s, const char *message)
{
	static const char nowhere[] = "config: ";
	char text[CONFIG_ERROR_TEXT];
	lua_Debug ar;

	lua_rawgeti(s->l, LUA_REGISTRYINDEX, s->ld.function[s->function - 1]);
	if (strncmp(message, nowhere, sizeof(nowhere) - 1) == 0 &&
	    lua_getinfo(s->l, ">S", &ar) && ar.linedefined > 0) {
		snprintf(text, sizeof(text), "%s:%d: %s", ar.short_src, ar.linedefined,
		         message + sizeof(nowhere) - 1);
		message = text;
	}
	cf_tell(s->error, s->config->source, s->config->source_n, message);
	s->failures++;
}

bool script_call(struct script *s, int runs)
{
	luabox_again(s->l);
	lua_rawgeti(s->l, LUA_REGISTRYINDEX, runs);
	bool good = lua_pcall(s->l, 0, 0, 0) == 0;
	s->header->flags = NULL;
	s->question->query = NULL;
	s->question->rule = NULL;
	if (good)
		return true;
	const char *text = lua_type(s->l, -1) == LUA_TSTRING ? lua_tostring(s->l, -1) : NULL;
	note_failure(s, text != NULL ? text : "a function raised an error that isn't text");
	lua_settop(s->l, 0);
	return false;
}

/* ---- checkFunction(name, type, class, header) returns the first three ---- */

static int run_check(lua_State *l)
{
	struct script *s = script_of(l);
	struct bal_hook_probe *p = &s->probe;

	script_push_function(l);
	cf_name_push(l, p->name, p->name_len);
	lua_pushinteger(l, p->type);
	lua_pushinteger(l, p->class);
	*s->header = (struct cf_header){ &p->flags, 0, true };
	lua_rawgeti(l, LUA_REGISTRYINDEX, s->question->header);
	lua_call(l, 4, 3);
	p->name_len = cf_want_name(l, 1, "checkFunction: the name that it returns", p->name);
	p->type = (uint16_t)cf_want_int(l, 2, "checkFunction: the type that it returns", 1, 65535);
	p->class = (uint16_t)cf_want_int(l, 3, "checkFunction: the class that it returns", 1,
	                                 65535);
	return 0;
}

static bool check(void *arg, unsigned function, struct bal_hook_probe *p)
{
	struct script *s = arg;

	s->function = function;
	s->probe = *p;
	if (!script_call(s, s->run_check))
		return false;
	*p = s->probe;
	return true;
}

/* ---- a policy's function(servers, question) returns one of the servers, or nil ---- */

/* True when the table on top still is the list that it was made as; its function may change it. */
static bool list_is_good(lua_State *l)
{
	const struct script *s = script_of(l);

	if (lua_objlen(l, -1) != s->server_n)
		return false;
	for (unsigned i = 0; i < s->server_n; i++) {
		lua_rawgeti(l, -1, (int)i + 1);
		bool same = lua_touserdata(l, -1) == s->object[s->server[i]];
		lua_pop(l, 1);
		if (!same)
			return false;
	}
	if (s->server_n > 0)
		lua_pushinteger(l, (lua_Integer)s->server_n);
	else
		lua_pushnil(l);
	if (lua_next(l, -2) == 0)
		return true;
	lua_pop(l, 2);
	return false;
}

static void push_new_list(lua_State *l)
{
	const struct script *s = script_of(l);

	lua_createtable(l, (int)s->server_n, 0);
	for (unsigned i = 0; i < s->server_n; i++) {
		cf_server_push(l, s->server[i]);
		lua_rawseti(l, -2, (int)i + 1);
	}
}

/* Most calls want the list of the call before. */
static void push_list(lua_State *l)
{
	const struct script *s = script_of(l);
	int *at = &s->list[s->function - 1];

	if (*at != LUA_NOREF) {
		lua_rawgeti(l, LUA_REGISTRYINDEX, *at);
		if (list_is_good(l))
			return;
		lua_pop(l, 1);
	}
	push_new_list(l);
	lua_pushvalue(l, -1);
	if (*at != LUA_NOREF)
		lua_rawseti(l, LUA_REGISTRYINDEX, *at);
	else
		*at = luaL_ref(l, LUA_REGISTRYINDEX);
}

/* What the function returned, at 1. */
static int read_choice(lua_State *l)
{
	const struct script *s = script_of(l);
	int server = cf_server_at(l, 1);
	int64_t n;

	if (lua_isnil(l, 1))
		return BAL_HOOK_NONE;
	if (server >= 0)
		return server;
	if (lua_type(l, 1) != LUA_TNUMBER || !cf_is_int(l, 1, &n) || n < 1 || n > s->server_n)
		cf_fail(l, "a policy returned '%s': expected one of the servers that it was given, "
		        "its place among them, or nil", cf_show(l, 1));
	return s->server[n - 1];
}

static int run_pick(lua_State *l)
{
	struct script *s = script_of(l);

	*s->header = (struct cf_header){ &s->flags, s->query->id, false };
	s->question->query = s->query;
	script_push_function(l);
	push_list(l);
	lua_rawgeti(l, LUA_REGISTRYINDEX, s->question_at);
	lua_call(l, 2, 1);
	s->chosen = read_choice(l);
	return 0;
}

static int pick(void *arg, unsigned function, const struct bal_hook_query *q,
                const uint16_t *server, unsigned n)
{
	struct script *s = arg;

	s->function = function;
	s->query = q;
	s->flags = q->flags;
	s->server = server;
	s->server_n = n;
	return script_call(s, s->run_pick) ? s->chosen : BAL_HOOK_FAILED;
}

/* ---- the state ---- */

/* Called protected. */
static int prepare(lua_State *l)
{
	struct script *s = script_of(l);

	s->question = cf_question_push(l);
	s->question_at = luaL_ref(l, LUA_REGISTRYINDEX);
	s->header = cf_header_push(l);
	s->question->header = luaL_ref(l, LUA_REGISTRYINDEX);
	lua_pushcfunction(l, run_check);
	s->run_check = luaL_ref(l, LUA_REGISTRYINDEX);
	lua_pushcfunction(l, run_pick);
	s->run_pick = luaL_ref(l, LUA_REGISTRYINDEX);
	lua_pushcfunction(l, script_run_match);
	s->run_match = luaL_ref(l, LUA_REGISTRYINDEX);
	lua_pushcfunction(l, script_run_act);
	s->run_act = luaL_ref(l, LUA_REGISTRYINDEX);
	for (unsigned i = 0; i < s->ld.sorted_n; i++) {
		cf_server_push(l, i);
		s->object[i] = lua_touserdata(l, -1);
		lua_pop(l, 1);
	}
	return 0;
}

static const char *open_state(struct script *s)
{
	const char *message = cf_evaluate(&s->ld, &s->l);

	if (message != NULL)
		return message;
	if (s->ld.function_n != s->config->function_n)
		return "it came to other functions when it was evaluated again";
	s->object = calloc(s->ld.sorted_n + 1, sizeof(*s->object));
	s->list = calloc(s->ld.function_n + 1, sizeof(*s->list));
	MUST(s->object != NULL && s->list != NULL);
	for (unsigned i = 0; i < s->ld.function_n; i++)
		s->list[i] = LUA_NOREF;
	luabox_again(s->l);
	lua_settop(s->l, 0);
	return lua_cpcall(s->l, prepare, NULL) == 0 ? NULL : "not enough memory";
}

struct script *script_new(const struct config *c, struct bal_shared *shared,
                          const uint8_t seed[DRBG_SEED], uint32_t index,
                          char error[CONFIG_ERROR_TEXT])
{
	struct script *s = calloc(1, sizeof(*s));

	MUST(s != NULL);
	s->config = c;
	cf_loader_init(&s->ld, &c->how);
	s->ld.source = c->source;
	s->ld.source_n = c->source_n;
	s->ld.again = s->ld.includes = true;
	const char *message = open_state(s);
	if (message != NULL) {
		cf_tell(error, c->source, c->source_n, message);
		script_free(s);
		return NULL;
	}
	drbg_init(&s->random, seed, DRBG_LUA, index);
	s->told_ns = INT64_MIN;
	s->ld.random = &s->random;
	s->ld.shared = shared;
	s->ld.calling = true;
	s->ld.box.what = "the function";
	s->ld.box.steps_max = SCRIPT_STEPS_MAX;
	return s;
}

void script_free(struct script *s)
{
	if (s == NULL)
		return;
	if (s->l != NULL)
		lua_close(s->l);
	cf_loader_fini(&s->ld);
	free(s->object);
	free(s->list);
	free(s);
}

struct bal_hooks script_hooks(struct script *s)
{
	return (struct bal_hooks){ .arg = s, .pick = pick, .check = check,
	                           .match = script_match, .act = script_act };
}

bool script_news(struct script *s, int64_t now_ns, char line[SCRIPT_NEWS_TEXT])
{
	if (s->failures == s->told ||
	    (s->told_ns != INT64_MIN && now_ns - s->told_ns < INT64_C(1000000000)))
		return false;
	snprintf(line, SCRIPT_NEWS_TEXT, "Lua function failed, %llu calls: %s",
	         (unsigned long long)(s->failures - s->told), s->error);
	s->told = s->failures;
	s->told_ns = now_ns;
	return true;
}

uint64_t script_failures(const struct script *s)
{
	return s->failures;
}

const char *script_error(const struct script *s)
{
	return s->error;
}
