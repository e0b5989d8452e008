/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The console's servers: what is read of one comes from the counters, what is changed goes through
 * struct admin, and takes effect at once.
 */
#include <string.h>

#include "command_impl.h"

static const char meta_name[] = "evenkeel.console.server";

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

	return &command_stats(l)->server[server];
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

/* setAuto and setLazyAuto([up]): probes decide, as the configuration has them. */
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

/* A server's latest results have their place only where the configuration wants it. */
static int set_lazy_auto(lua_State *l)
{
	char name[BAL_NAME_TEXT + EP_TEXT];

	if (!conf_of(l)->check.lazy.on) {
		stats_name(conf_of(l), name);
		return luaL_error(l, "setLazyAuto: '%s' isn't checked lazily: expected "
		                  "healthCheckMode='lazy' in the configuration", name);
	}
	return set_auto(l);
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

static int get_id(lua_State *l)
{
	char id[BAL_SERVER_ID];

	bal_server_id(conf_of(l), id);
	lua_pushstring(l, id);
	return 1;
}

static const luaL_Reg methods[] = {
	{ "getName", get_name }, { "getNameWithAddr", get_name_with_addr }, { "getID", get_id },
	{ "getLatency", get_latency }, { "getDrops", get_drops },
	{ "getOutstanding", get_outstanding }, { "isUp", is_up }, { "setUp", set_up },
	{ "setDown", set_down }, { "setAuto", set_auto }, { "setLazyAuto", set_lazy_auto },
	{ "setQPS", set_qps },
	{ "setDrain", set_drain },
};

static int find_field(lua_State *l)
{
	const char *name = luaL_checkstring(l, 2);

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		if (strcmp(name, methods[i].name) != 0)
			continue;
		lua_pushcfunction(l, methods[i].func);
		return 1;
	}
	if (strcmp(name, "order") == 0)
		lua_pushinteger(l, state_of(l)->order);
	else if (strcmp(name, "weight") == 0)
		lua_pushinteger(l, state_of(l)->weight);
	else if (strcmp(name, "upStatus") == 0)
		lua_pushboolean(l, state_of(l)->up);
	else if (strcmp(name, "name") == 0)
		lua_pushstring(l, conf_of(l)->name);
	else
		return luaL_error(l, "a server has no '%s': expected getName, isUp, setUp, "
		                  "setDown, setAuto, setQPS, order, weight, name...", name);
	return 1;
}

/* The whole number at 3. */
static int32_t want_number(lua_State *l, const char *name, int32_t least)
{
	double v = lua_isnumber(l, 3) ? lua_tonumber(l, 3) : 0.5;

	if (!(v >= least && v <= INT32_MAX) || v != (double)(int32_t)v)
		luaL_error(l, "%s: expected a whole number from %d to %d", name, (int)least,
		           INT32_MAX);
	return (int32_t)v;
}

static bool is_on_a_ring(const struct bal_conf *c, unsigned server)
{
	for (unsigned i = 0; i < bal_pools(c); i++)
		if (bal_pool_policy(c, i) == BAL_CHASHED && bal_pool_has(c, i, server))
			return true;
	return false;
}

static void set_weight(lua_State *l, const struct admin *a)
{
	int32_t weight = want_number(l, "weight", 1);

	if (is_on_a_ring(&a->config->conf, self(l)))
		luaL_error(l, "weight: the ring of chashed is made at the start: change the "
		           "configuration and reload it");
	a->set_weight(a->arg, self(l), weight);
}

static int set_field(lua_State *l)
{
	const struct admin *a = command_of(l)->admin;
	const char *name = luaL_checkstring(l, 2);

	if (strcmp(name, "weight") == 0) {
		set_weight(l, a);
	} else if (strcmp(name, "order") == 0) {
		a->set_order(a->arg, self(l), want_number(l, "order", INT32_MIN));
	} else if (strcmp(name, "upStatus") == 0) {
		luaL_checktype(l, 3, LUA_TBOOLEAN);
		a->set_state(a->arg, self(l), lua_toboolean(l, 3));
	} else {
		return luaL_error(l, "a server's '%s' can't be set at run time: change the "
		                  "configuration and start again", name);
	}
	command_of(l)->fresh = false;
	return 0;
}

void command_server_name(lua_State *l)
{
	lua_getmetatable(l, 1);
	luaL_getmetatable(l, meta_name);
	if (!lua_rawequal(l, -1, -2))
		return;
	get_name(l);
	lua_replace(l, 1);
}

void command_servers_register(lua_State *l)
{
	lua_pushcfunction(l, get_server);
	lua_setglobal(l, "getServer");
	lua_pushcfunction(l, get_servers);
	lua_setglobal(l, "getServers");
	luaL_newmetatable(l, meta_name);
	lua_pushcfunction(l, find_field);
	lua_setfield(l, -2, "__index");
	lua_pushcfunction(l, set_field);
	lua_setfield(l, -2, "__newindex");
	lua_pushboolean(l, 0);
	lua_setfield(l, -2, "__metatable");
	lua_pop(l, 1);
}
