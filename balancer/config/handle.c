/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server: what newServer returns. While the file is read its methods and attributes are about what
 * the configuration is to say; in a function that is called later they are about the server as it
 * is, which the workers share. getServer, getServers and rmServer are here too.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

static const struct cf_class class;

/* ---- the servers in the order of the configuration ---- */

/* Before: by order, then by definition. */
static bool before(const struct loader *ld, unsigned a, unsigned b)
{
	int32_t x = ld->server[a].order, y = ld->server[b].order;

	return x != y ? x < y : a < b;
}

static void insert(struct loader *ld, unsigned server)
{
	unsigned at = ld->sorted_n++;

	for (; at > 0 && before(ld, server, ld->sorted[at - 1]); at--)
		ld->sorted[at] = ld->sorted[at - 1];
	ld->sorted[at] = (uint16_t)server;
}

static unsigned place_of(const struct loader *ld, unsigned server)
{
	unsigned at = 0;

	while (ld->sorted[at] != server)
		at++;
	return at;
}

static void take_out(struct loader *ld, unsigned server)
{
	unsigned at = place_of(ld, server);

	ld->sorted_n--;
	memmove(&ld->sorted[at], &ld->sorted[at + 1],
	        (ld->sorted_n - at) * sizeof(ld->sorted[0]));
}

void cf_servers_settle(struct loader *ld)
{
	for (unsigned i = 0; i < ld->sorted_n; i++)
		ld->handle[ld->sorted[i]].place = (uint16_t)i;
}

/* ---- objects ---- */

static void push_new(lua_State *l, int server)
{
	int *handle = lua_newuserdata(l, sizeof(*handle));

	*handle = server;
	cf_class_set(l, &class);
}

void cf_server_push_new(lua_State *l, int server)
{
	struct loader *ld = cf_loader(l);

	push_new(l, server);
	if (server < 0)
		return;
	lua_pushvalue(l, -1);
	ld->handle[server].ref = luaL_ref(l, LUA_REGISTRYINDEX);
	insert(ld, (unsigned)server);
}

/* The same object each time, so that == compares servers. */
static void push(lua_State *l, unsigned server)
{
	lua_rawgeti(l, LUA_REGISTRYINDEX, cf_loader(l)->handle[server].ref);
}

int cf_server_at(lua_State *l, int index)
{
	const int *handle = cf_object(l, index, &class);

	return handle != NULL && *handle >= 0 ? cf_loader(l)->handle[*handle].place : -1;
}

void cf_server_push(lua_State *l, unsigned place)
{
	push(l, cf_loader(l)->sorted[place]);
}

/* The server whose attribute is asked for. NULL: it was left out, or removed. */
static struct bal_server *of(lua_State *l)
{
	int i = *(const int *)lua_touserdata(l, 1);

	return i >= 0 ? &cf_loader(l)->server[i] : NULL;
}

static struct bal_server *self(lua_State *l)
{
	(void)cf_self(l, &class);
	return of(l);
}

static struct cf_handle *handle_of(lua_State *l)
{
	return &cf_loader(l)->handle[*(const int *)lua_touserdata(l, 1)];
}

/* The server at 1, as the workers number it; -1: the file is still being read. */
static int handle_place(lua_State *l)
{
	const struct loader *ld = cf_loader(l);
	int i = *(const int *)lua_touserdata(l, 1);

	return ld->calling && i >= 0 ? (int)ld->handle[i].place : -1;
}

/* What the workers share of the server at 1; NULL: the file is still being read. */
static struct bal_shared_server *shared_of(lua_State *l)
{
	int place = handle_place(l);

	return place >= 0 ? &cf_loader(l)->shared->server[place] : NULL;
}

static void not_in_a_call(lua_State *l, const char *what)
{
	if (cf_loader(l)->calling)
		cf_fail(l, "%s: not in a function that is called for a query", what);
}

/* ---- methods ---- */

static int set_mode(lua_State *l, enum bal_check_mode mode, const char *what)
{
	struct bal_server *s = self(l);

	not_in_a_call(l, what);
	if (s != NULL)
		s->check.mode = mode;
	return 0;
}

static int set_up(lua_State *l)
{
	return set_mode(l, BAL_CHECK_UP, "setUp");
}

static int set_down(lua_State *l)
{
	return set_mode(l, BAL_CHECK_DOWN, "setDown");
}

/* The state that it says lasts until the first probe: at start there is none before it. */
static int set_auto_as(lua_State *l, const char *what)
{
	set_mode(l, BAL_CHECK_AUTO, what);
	if (!lua_isnoneornil(l, 2)) {
		bool up = cf_want_bool(l, 2, what);
		if (of(l) != NULL)
			handle_of(l)->up = up;
	}
	return 0;
}

static int set_auto(lua_State *l)
{
	return set_auto_as(l, "setAuto");
}

/* Probes decide, at once or lazily. */
static int set_lazy(lua_State *l, bool lazy, const char *what)
{
	struct bal_server *s = self(l);

	set_auto_as(l, what);
	if (s != NULL)
		s->check.lazy.on = lazy;
	return 0;
}

static int set_active_auto(lua_State *l)
{
	return set_lazy(l, false, "setActiveAuto");
}

static int set_lazy_auto(lua_State *l)
{
	return set_lazy(l, true, "setLazyAuto");
}

static int set_qps(lua_State *l)
{
	struct bal_server *s = self(l);
	uint32_t qps = (uint32_t)cf_want_int(l, 2, "setQPS", 0, UINT32_MAX);
	struct bal_shared_server *sh = shared_of(l);

	if (sh != NULL)
		atomic_store_explicit(&sh->qps, qps, memory_order_relaxed);
	else if (s != NULL)
		s->qps = qps;
	return 0;
}

static int get_name(lua_State *l)
{
	const struct bal_server *s = self(l);

	lua_pushstring(l, s != NULL ? s->name : "");
	return 1;
}

static int get_name_with_addr(lua_State *l)
{
	const struct bal_server *s = self(l);
	char addr[EP_TEXT] = "";

	if (s != NULL)
		ep_format(&s->addr, addr);
	if (s != NULL && s->name[0] != '\0')
		lua_pushfstring(l, "%s (%s)", s->name, addr);
	else
		lua_pushstring(l, addr);
	return 1;
}

static int get_id(lua_State *l)
{
	const struct bal_server *s = self(l);
	char id[BAL_SERVER_ID] = "";

	if (s != NULL)
		bal_server_id(s, id);
	lua_pushstring(l, id);
	return 1;
}

/* Nothing has happened yet while the file is read. */
#define COUNT(method, value) \
	static int method(lua_State *l) \
	{ \
		(void)self(l); \
		struct bal_shared_server *sh = shared_of(l); \
		lua_pushnumber(l, sh == NULL ? 0 : (value)); \
		return 1; \
	}
#define READ(field) atomic_load_explicit(&sh->field, memory_order_relaxed)

COUNT(get_latency, READ(latency_us128) / 128.0)
COUNT(get_drops, READ(timeouts))
COUNT(get_outstanding, READ(outstanding))

static bool is_up(lua_State *l)
{
	struct bal_shared_server *sh = shared_of(l);
	const struct bal_server *s = of(l);

	if (sh != NULL)
		return READ(up) != 0;
	return s != NULL && (s->check.mode == BAL_CHECK_UP ||
	                     (s->check.mode == BAL_CHECK_AUTO && handle_of(l)->up));
}

static int get_is_up(lua_State *l)
{
	(void)self(l);
	lua_pushboolean(l, is_up(l));
	return 1;
}

static int add_pool(lua_State *l)
{
	struct bal_server *s = self(l);

	not_in_a_call(l, "addPool");
	unsigned pool = cf_want_pool(l, 2, "addPool");
	if (s != NULL)
		s->pools |= UINT64_C(1) << pool;
	return 0;
}

static int remove_pool(lua_State *l)
{
	struct bal_server *s = self(l);

	not_in_a_call(l, "rmPool");
	unsigned pool = cf_want_pool(l, 2, "rmPool");
	if (s != NULL)
		s->pools &= ~(UINT64_C(1) << pool);
	return 0;
}

/* ---- attributes ---- */

static int get_up_status(lua_State *l)
{
	lua_pushboolean(l, is_up(l));
	return 1;
}

static int set_up_status(lua_State *l)
{
	bool up = cf_want_bool(l, 3, "upStatus");

	not_in_a_call(l, "upStatus");
	if (of(l) != NULL)
		handle_of(l)->up = up;
	return 0;
}

static int get_weight(lua_State *l)
{
	struct bal_shared_server *sh = shared_of(l);
	const struct bal_server *s = of(l);

	lua_pushinteger(l, sh != NULL ? READ(weight) : s != NULL ? s->weight : 1);
	return 1;
}

static int set_weight(lua_State *l)
{
	int place = handle_place(l);
	struct bal_server *s = of(l);
	int64_t n;

	if (place < 0 && cf_is_int(l, 3, &n) && n < 1) { /* as dnsdist: it stays as it was */
		cf_note(cf_loader(l), CONFIG_PRINT, cf_line(l), "Error setting server's weight: "
		        "downstream weight value must be greater than 0.");
		return 0;
	}
	int32_t v = (int32_t)cf_want_int(l, 3, "weight", 1, INT32_MAX);

	if (place >= 0)
		bal_shared_set_weight(cf_loader(l)->shared, (unsigned)place, v);
	else if (s != NULL)
		s->weight = v;
	return 0;
}

static int get_order(lua_State *l)
{
	struct bal_shared_server *sh = shared_of(l);
	const struct bal_server *s = of(l);

	lua_pushinteger(l, sh != NULL ? READ(order) : s != NULL ? s->order : 1);
	return 1;
}

static int set_order(lua_State *l)
{
	struct loader *ld = cf_loader(l);
	int place = handle_place(l);
	struct bal_server *s = of(l);
	int32_t v = (int32_t)cf_want_int(l, 3, "order", INT32_MIN, INT32_MAX);

	if (place >= 0)
		bal_shared_set_order(ld->shared, (unsigned)place, v);
	if (place >= 0 || s == NULL)
		return 0;
	unsigned server = (unsigned)(s - ld->server);
	take_out(ld, server);
	s->order = v;
	insert(ld, server);
	return 0;
}

static int get_name_attribute(lua_State *l)
{
	const struct bal_server *s = of(l);

	lua_pushstring(l, s != NULL ? s->name : "");
	return 1;
}

static int set_name(lua_State *l)
{
	struct bal_server *s = of(l);

	not_in_a_call(l, "name");
	if (s != NULL)
		cf_read_name(l, s->name, "name", 3);
	return 0;
}

/* ---- functions ---- */

static int find_by_text(lua_State *l, const char *text)
{
	const struct loader *ld = cf_loader(l);
	char id[BAL_SERVER_ID];

	for (unsigned i = 0; i < ld->sorted_n; i++) {
		bal_server_id(&ld->server[ld->sorted[i]], id);
		if (strcmp(id, text) == 0)
			return ld->sorted[i];
	}
	for (unsigned i = 0; i < ld->sorted_n; i++)
		if (strcmp(ld->server[ld->sorted[i]].name, text) == 0)
			return ld->sorted[i];
	return -1;
}

/* The server that the value at 1 says: which of the sorted ones, from 0 on, an id, or a name. */
static unsigned want_server(lua_State *l, const char *what)
{
	const struct loader *ld = cf_loader(l);
	int64_t n = -1;
	int found = -1;

	if (lua_type(l, 1) == LUA_TSTRING)
		found = find_by_text(l, lua_tostring(l, 1));
	else if (cf_is_int(l, 1, &n) && n >= 0 && n < ld->sorted_n)
		found = ld->sorted[n];
	if (found < 0)
		cf_fail(l, "%s: there is no server '%s': expected an id, a name, or a number from "
		        "0 to %d", what, cf_show(l, 1), (int)ld->sorted_n - 1);
	return (unsigned)found;
}

int cf_get_server(lua_State *l)
{
	push(l, want_server(l, "getServer"));
	return 1;
}

int cf_get_servers(lua_State *l)
{
	const struct loader *ld = cf_loader(l);

	lua_createtable(l, (int)ld->sorted_n, 0);
	for (unsigned i = 0; i < ld->sorted_n; i++) {
		push(l, ld->sorted[i]);
		lua_rawseti(l, -2, (int)i + 1);
	}
	return 1;
}

int cf_rm_server(lua_State *l)
{
	struct loader *ld = cf_loader(l);
	int *handle = cf_object(l, 1, &class);
	int server = handle != NULL ? *handle : (int)want_server(l, "rmServer");

	if (server < 0)
		return 0;
	take_out(ld, (unsigned)server);
	ld->socket_n -= ld->server[server].sockets;
	push(l, (unsigned)server);
	*(int *)lua_touserdata(l, -1) = -1;
	return 0;
}

static const struct cf_member members[] = {
	{ "setUp", set_up, NULL, NULL }, { "setDown", set_down, NULL, NULL },
	{ "setAuto", set_auto, NULL, NULL }, { "setQPS", set_qps, NULL, NULL },
	{ "getName", get_name, NULL, NULL },
	{ "getNameWithAddr", get_name_with_addr, NULL, NULL }, { "getID", get_id, NULL, NULL },
	{ "getLatency", get_latency, NULL, NULL }, { "getDrops", get_drops, NULL, NULL },
	{ "getOutstanding", get_outstanding, NULL, NULL }, { "isUp", get_is_up, NULL, NULL },
	{ "setActiveAuto", set_active_auto, NULL, NULL },
	{ "setLazyAuto", set_lazy_auto, NULL, NULL },
	{ "addPool", add_pool, NULL, NULL }, { "rmPool", remove_pool, NULL, NULL },
	{ "upStatus", NULL, get_up_status, set_up_status },
	{ "weight", NULL, get_weight, set_weight }, { "order", NULL, get_order, set_order },
	{ "name", NULL, get_name_attribute, set_name },
};

static const struct cf_class class = {
	.meta = "evenkeel.server", .what = "a server", .foreign = "Server",
	.member = members, .member_n = COUNT_OF(members), .text = get_name_with_addr,
};

void cf_server_register(lua_State *l)
{
	cf_class_register(l, &class);
}
