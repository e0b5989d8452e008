/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions and methods of the console; see command.h. Everything that is said goes to one bounded
 * buffer. Errors leave through lua_error, so nothing here holds memory across a call into Lua but
 * struct command.
 */
#include "command.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/config/password.h"
#include "lib/host/luabox.h"
#include "lib/version.h"

struct command {
	struct luabox box;          /* first: command_of finds the rest by it */
	const struct admin *admin;
	struct stats *stats;
	lua_State *l;
	bool fresh;                 /* stats were read in this command */
	bool stop;
	FILE *to;                   /* of the command at hand */
	char *text;
	size_t len;
};

static const char meta_name[] = "evenkeel.console.server";

static struct command *command_of(lua_State *l)
{
	return (struct command *)luabox_of(l);
}

/* A stream's position is what was said so far. */
static void check_output(lua_State *l)
{
	if (ftell(command_of(l)->to) > COMMAND_OUTPUT_MAX)
		luaL_error(l, "the output is longer than %d bytes", COMMAND_OUTPUT_MAX);
}

static const struct stats *stats_of(lua_State *l)
{
	struct command *c = command_of(l);

	if (!c->fresh)
		c->admin->read(c->admin->arg, c->stats);
	c->fresh = true;
	return c->stats;
}

/* ---- what is shown ---- */

/* Upvalue 1: which. */
static int show(lua_State *l)
{
	static void (*const tables[])(const struct stats *, FILE *) = {
		stats_show_servers, stats_show_all, stats_show_pools, stats_show_binds,
		stats_show_acl,
	};

	tables[lua_tointeger(l, lua_upvalueindex(1))](stats_of(l), command_of(l)->to);
	return 0;
}

/* Upvalue 1: the chain. The argument: {showUUIDs=true}. */
static int show_rules(lua_State *l)
{
	enum bal_chain_kind chain = (enum bal_chain_kind)lua_tointeger(l, lua_upvalueindex(1));
	bool uuids = false;

	if (lua_istable(l, 1)) {
		lua_getfield(l, 1, "showUUIDs");
		uuids = lua_isboolean(l, -1) ? lua_toboolean(l, -1) : lua_tointeger(l, -1) != 0;
	}
	stats_show_rules(stats_of(l), chain, uuids, command_of(l)->to);
	return 0;
}

static int show_version(lua_State *l)
{
	fprintf(command_of(l)->to, "evenkeel balancer %s\n", EVENKEEL_VERSION);
	return 0;
}

static int show_policy(lua_State *l)
{
	fprintf(command_of(l)->to, "%s\n", stats_policy(&command_of(l)->admin->config->conf, 0));
	return 0;
}

static int top_queries(lua_State *l)
{
	fprintf(command_of(l)->to, "topQueries: queries aren't kept here\n");
	return 0;
}

static int print(lua_State *l)
{
	FILE *to = command_of(l)->to;
	int n = lua_gettop(l);

	for (int i = 1; i <= n; i++) {
		size_t len;
		lua_getglobal(l, "tostring");
		lua_pushvalue(l, i);
		lua_call(l, 1, 1);
		const char *s = lua_tolstring(l, -1, &len);
		if (i > 1)
			fputc('\t', to);
		if (s != NULL)
			fwrite(s, 1, len, to);
		lua_pop(l, 1);
		check_output(l);
	}
	fputc('\n', to);
	return 0;
}

static int stop(lua_State *l)
{
	command_of(l)->stop = true;
	return 0;
}

static int make_key(lua_State *l)
{
	uint8_t key[ADMIN_KEY];
	char text[64];

	randombytes_buf(key, sizeof(key));
	sodium_bin2base64(text, sizeof(text), key, sizeof(key), sodium_base64_VARIANT_ORIGINAL);
	fprintf(command_of(l)->to, "setKey(\"%s\")\n", text);
	return 0;
}

static int hash_password(lua_State *l)
{
	char out[PASSWORD_HASH_TEXT];
	size_t len;
	const char *given = luaL_checklstring(l, 1, &len);

	if (password_hash(given, len, out) < 0)
		return luaL_error(l, "hashPassword: not enough memory");
	lua_pushstring(l, out);
	return 1;
}

/* Upvalue 1: the name of a function that works in a configuration only. */
static int only_in_a_file(lua_State *l)
{
	return luaL_error(l, "%s: not at run time: change the configuration and start again",
	                  lua_tostring(l, lua_upvalueindex(1)));
}

/* ---- servers ---- */

static void push_server(lua_State *l, unsigned server)
{
	*(unsigned *)lua_newuserdata(l, sizeof(server)) = server;
	luaL_getmetatable(l, meta_name);
	lua_setmetatable(l, -2);
}

static unsigned self(lua_State *l)
{
	return *(const unsigned *)luaL_checkudata(l, 1, meta_name);
}

static const struct bal_server *conf_of(lua_State *l)
{
	return &command_of(l)->admin->config->conf.server[self(l)];
}

static const struct stats_server *state_of(lua_State *l)
{
	unsigned server = self(l);

	return &stats_of(l)->server[server];
}

static int get_server(lua_State *l)
{
	const struct bal_conf *c = &command_of(l)->admin->config->conf;
	char name[BAL_NAME_TEXT + EP_TEXT], addr[EP_TEXT], id[BAL_SERVER_ID];

	if (lua_type(l, 1) == LUA_TNUMBER) {
		double n = lua_tonumber(l, 1);
		if (!(n >= 0 && n < c->server_n))
			return luaL_error(l, "getServer: there is no server %s: expected 0 to %d",
			                  lua_tostring(l, 1), (int)c->server_n - 1);
		push_server(l, (unsigned)n);
		return 1;
	}
	const char *wanted = luaL_checkstring(l, 1);
	for (unsigned i = 0; i < c->server_n; i++) {
		stats_name(&c->server[i], name);
		ep_format(&c->server[i].addr, addr);
		bal_server_id(&c->server[i], id);
		if (strcmp(wanted, name) != 0 && strcmp(wanted, addr) != 0 &&
		    strcmp(wanted, id) != 0)
			continue;
		push_server(l, i);
		return 1;
	}
	return luaL_error(l, "getServer: there is no server '%s': expected a number, a name, an "
	                  "id or an address", wanted);
}

static int get_servers(lua_State *l)
{
	unsigned n = command_of(l)->admin->config->conf.server_n;

	lua_createtable(l, (int)n, 0);
	for (unsigned i = 0; i < n; i++) {
		push_server(l, i);
		lua_rawseti(l, -2, (int)i + 1);
	}
	return 1;
}

static int set_mode(lua_State *l, enum bal_check_mode mode)
{
	struct command *c = command_of(l);

	c->admin->set_mode(c->admin->arg, self(l), mode);
	c->fresh = false;
	return 0;
}

static int set_up(lua_State *l)
{
	return set_mode(l, BAL_CHECK_UP);
}

static int set_down(lua_State *l)
{
	return set_mode(l, BAL_CHECK_DOWN);
}

static int set_auto(lua_State *l)
{
	struct command *c = command_of(l);
	bool given = !lua_isnoneornil(l, 2);

	if (given)
		luaL_checktype(l, 2, LUA_TBOOLEAN);
	set_mode(l, BAL_CHECK_AUTO);
	if (given)
		c->admin->set_state(c->admin->arg, self(l), lua_toboolean(l, 2));
	return 0;
}

static int set_qps(lua_State *l)
{
	struct command *c = command_of(l);
	double n = luaL_checknumber(l, 2);

	if (!(n >= 0 && n <= UINT32_MAX))
		return luaL_error(l, "setQPS: expected 0 to 4294967295");
	c->admin->set_qps(c->admin->arg, self(l), (uint32_t)n);
	c->fresh = false;
	return 0;
}

static int set_drain(lua_State *l)
{
	struct command *c = command_of(l);

	luaL_checktype(l, 2, LUA_TBOOLEAN);
	c->admin->set_drain(c->admin->arg, self(l), lua_toboolean(l, 2));
	c->fresh = false;
	return 0;
}

static int get_name(lua_State *l)
{
	char name[BAL_NAME_TEXT + EP_TEXT];

	stats_name(conf_of(l), name);
	lua_pushstring(l, name);
	return 1;
}

static int get_name_with_addr(lua_State *l)
{
	const struct bal_server *s = conf_of(l);
	char addr[EP_TEXT];

	ep_format(&s->addr, addr);
	if (s->name[0] == '\0')
		lua_pushstring(l, addr);
	else
		lua_pushfstring(l, "%s (%s)", s->name, addr);
	return 1;
}

static int get_latency(lua_State *l)
{
	lua_pushnumber(l, state_of(l)->latency_us);
	return 1;
}

static int get_drops(lua_State *l)
{
	lua_pushnumber(l, (double)state_of(l)->counts.timeouts);
	return 1;
}

static int get_outstanding(lua_State *l)
{
	lua_pushnumber(l, state_of(l)->outstanding);
	return 1;
}

static int is_up(lua_State *l)
{
	lua_pushboolean(l, state_of(l)->up);
	return 1;
}

static const luaL_Reg methods[] = {
	{ "getName", get_name }, { "getNameWithAddr", get_name_with_addr },
	{ "getLatency", get_latency }, { "getDrops", get_drops },
	{ "getOutstanding", get_outstanding }, { "isUp", is_up }, { "setUp", set_up },
	{ "setDown", set_down }, { "setAuto", set_auto }, { "setQPS", set_qps },
	{ "setDrain", set_drain },
};

static int find_field(lua_State *l)
{
	const struct bal_server *s = conf_of(l);
	const char *name = luaL_checkstring(l, 2);

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		if (strcmp(name, methods[i].name) != 0)
			continue;
		lua_pushcfunction(l, methods[i].func);
		return 1;
	}
	if (strcmp(name, "order") == 0)
		lua_pushinteger(l, s->order);
	else if (strcmp(name, "weight") == 0)
		lua_pushinteger(l, s->weight);
	else if (strcmp(name, "upStatus") == 0)
		lua_pushboolean(l, state_of(l)->up);
	else if (strcmp(name, "name") == 0)
		lua_pushstring(l, s->name);
	else
		return luaL_error(l, "a server has no '%s': expected getName, isUp, setUp, "
		                  "setDown, setAuto, setQPS, order, weight, name...", name);
	return 1;
}

static int no_write(lua_State *l)
{
	return luaL_error(l, "a server's '%s' can't be set at run time: change the configuration "
	                  "and start again", luaL_checkstring(l, 2));
}

/* ---- the state ---- */

static void register_shows(lua_State *l)
{
	static const char *const names[] = {
		"showServers", "dumpStats", "showPools", "showBinds", "showACL",
	};
	static const char *const rules[BAL_CHAINS] = {
		[BAL_QUERIES] = "showRules", [BAL_ANSWERS] = "showResponseRules",
		[BAL_HITS] = "showCacheHitResponseRules",
		[BAL_OWN] = "showSelfAnsweredResponseRules",
	};

	for (int i = 0; i < (int)COUNT_OF(names); i++) {
		lua_pushinteger(l, i);
		lua_pushcclosure(l, show, 1);
		lua_setglobal(l, names[i]);
	}
	for (int i = 0; i < BAL_CHAINS; i++) {
		lua_pushinteger(l, i);
		lua_pushcclosure(l, show_rules, 1);
		lua_setglobal(l, rules[i]);
	}
}

static void register_file_only(lua_State *l)
{
	static const char *const names[] = {
		"newServer", "rmServer", "setServerPolicy", "setServerPolicyLua", "setLocal",
		"addLocal", "setACL", "addACL", "setKey", "controlSocket", "setConsoleACL",
		"webserver", "setWebserverConfig", "setUDPTimeout", "setMaxUDPOutstanding",
		"setServFailWhenNoServer", "setRoundRobinFailOnNoServer", "addAction",
		"addResponseAction", "rmRule", "mvRule", "topRule", "clearRules", "getPool",
		"setPoolServerPolicy",
	};

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		lua_pushstring(l, names[i]);
		lua_pushcclosure(l, only_in_a_file, 1);
		lua_setglobal(l, names[i]);
	}
}

static int fill(lua_State *l)
{
	static const luaL_Reg functions[] = {
		{ "print", print }, { "showVersion", show_version },
		{ "showServerPolicy", show_policy }, { "topQueries", top_queries },
		{ "shutdown", stop }, { "getServer", get_server }, { "getServers", get_servers },
		{ "makeKey", make_key }, { "hashPassword", hash_password },
	};
	static const char *const policies[] = {
		"leastOutstanding", "firstAvailable", "wrandom", "roundrobin", "whashed",
		"chashed", "orderedWrandUntag",
	};

	luabox_add_more(l);
	lua_pushvalue(l, -1);
	lua_setfield(l, -2, "_G");
	lua_replace(l, LUA_GLOBALSINDEX);
	for (size_t i = 0; i < COUNT_OF(functions); i++) {
		lua_pushcfunction(l, functions[i].func);
		lua_setglobal(l, functions[i].name);
	}
	for (size_t i = 0; i < COUNT_OF(policies); i++) {
		lua_pushstring(l, policies[i]); /* so that setServerPolicy(wrandom) says why not */
		lua_setglobal(l, policies[i]);
	}
	register_shows(l);
	register_file_only(l);
	luaL_newmetatable(l, meta_name);
	lua_pushcfunction(l, find_field);
	lua_setfield(l, -2, "__index");
	lua_pushcfunction(l, no_write);
	lua_setfield(l, -2, "__newindex");
	lua_pushboolean(l, 0);
	lua_setfield(l, -2, "__metatable");
	lua_pop(l, 1);
	return 0;
}

struct command *command_new(const struct admin *admin)
{
	struct command *c = calloc(1, sizeof(*c));

	MUST(c != NULL);
	c->admin = admin;
	c->box = (struct luabox){ .what = "the command", .memory_max = COMMAND_MEMORY_MAX,
	                          .steps_max = COMMAND_STEPS_MAX };
	c->stats = stats_new(admin->config);
	c->l = luabox_open(&c->box, fill);
	if (c->l != NULL)
		return c;
	command_free(c);
	return NULL;
}

void command_free(struct command *c)
{
	if (c == NULL)
		return;
	if (c->l != NULL)
		lua_close(c->l);
	stats_free(c->stats);
	free(c);
}

/* ---- running ---- */

/* A table of numbers by name, as dnsdist prints them. */
static void say_table(lua_State *l, FILE *to)
{
	luabox_sorted_keys(l, 1);
	fputc('{', to);
	for (int i = 1, n = (int)lua_objlen(l, 2); i <= n; i++) {
		lua_rawgeti(l, 2, i);
		lua_pushvalue(l, -1);
		lua_rawget(l, 1);
		if (lua_type(l, -1) != LUA_TNUMBER || lua_type(l, -2) == LUA_TBOOLEAN)
			luaL_error(l, "the command's value is a table that can't be printed");
		const char *value = lua_tostring(l, -1);
		fprintf(to, "%s\"%s\": %s", i > 1 ? ", " : "", lua_tostring(l, -2), value);
		lua_settop(l, 2);
		check_output(l);
	}
	fputs("}\n", to);
}

/* What the command returned, at index 1. */
static int say_value(lua_State *l)
{
	FILE *to = command_of(l)->to;

	switch (lua_type(l, 1)) {
	case LUA_TNONE:
	case LUA_TNIL:
		return 0;
	case LUA_TTABLE:
		say_table(l, to);
		return 0;
	case LUA_TUSERDATA:
		lua_getmetatable(l, 1);
		luaL_getmetatable(l, meta_name);
		if (lua_rawequal(l, -1, -2)) {
			get_name(l);
			lua_replace(l, 1);
		}
		break;
	default:
		break;
	}
	lua_settop(l, 1);
	return print(l);
}

/* The chunk's name is the text itself, as in dnsdist's messages. */
static int compile(lua_State *l, const char *line, size_t len)
{
	char *text = malloc(len + 8);

	MUST(text != NULL);
	memcpy(text, "return ", 7);
	memcpy(text + 7, line, len);
	text[7 + len] = '\0';
	int err = luaL_loadbuffer(l, text, len + 7, text);
	if (err == LUA_ERRSYNTAX) {
		lua_settop(l, 0);
		err = luaL_loadbuffer(l, text + 7, len, text + 7);
	}
	free(text);
	return err;
}

struct job {
	const char *line;
	size_t len;
};

/* Called protected, with the job: also what fails for want of memory comes back as an error. */
static int run(lua_State *l)
{
	const struct job *job = lua_touserdata(l, 1);

	lua_settop(l, 0);
	if (compile(l, job->line, job->len) != 0)
		return lua_error(l);
	lua_call(l, 0, 1);
	lua_pushcfunction(l, say_value);
	lua_insert(l, 1);
	lua_call(l, 1, 0);
	check_output(l);
	return 0;
}

/* In place of what was said before when that was too much. Nothing here may need Lua's memory. */
static void say_error(lua_State *l, FILE *to)
{
	const char *s = lua_type(l, -1) == LUA_TSTRING ? lua_tostring(l, -1) : NULL;

	if (ftell(to) > COMMAND_OUTPUT_MAX)
		MUST(fseek(to, 0, SEEK_SET) == 0);
	fprintf(to, "Error: %.*s\n", 4096, s != NULL ? s : "one that isn't text");
}

static void run_text(struct command *c, const char *line, size_t len)
{
	struct job job = { line, len };

	if (!luabox_is_text(line, len)) {
		fprintf(c->to, "Error: a NUL or escape character: expected text\n");
		return;
	}
	luabox_again(c->l);
	if (lua_cpcall(c->l, run, &job) != 0)
		say_error(c->l, c->to);
	lua_settop(c->l, 0);
}

void command_run(struct command *c, const char *line, size_t len, char **out, size_t *out_len,
                 bool *stop_now)
{
	c->fresh = false;
	c->stop = false;
	c->to = open_memstream(&c->text, &c->len);
	MUST(c->to != NULL);
	run_text(c, line, len);
	MUST(fclose(c->to) == 0);
	c->to = NULL;
	*out = c->text;
	*out_len = c->len;
	*stop_now = c->stop;
}
