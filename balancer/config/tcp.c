/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a configuration says about TCP: functions that set one number each, in a table, and the
 * options of setLocal and addLocal, in another. Keys of newServer are in server.c.
 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

struct number {
	const char *name;
	size_t at;           /* offset in struct bal_tcp_conf, or in struct bal_listen */
	int64_t min, max;
	int64_t unit_ns;     /* 0: a count, 32 bits */
};

#define AT(field) offsetof(struct bal_tcp_conf, field)
#define SECOND INT64_C(1000000000)

static const struct number functions[] = {
	{ "setTCPRecvTimeout", AT(recv_timeout_ns), 1, 3600, SECOND },
	{ "setTCPSendTimeout", AT(send_timeout_ns), 1, 3600, SECOND },
	{ "setMaxTCPConnectionDuration", AT(duration_ns), 0, 86400 * 365, SECOND },
	{ "setTCPDownstreamMaxIdleTime", AT(idle_ns), 1, 86400, SECOND },
	{ "setMaxTCPConnectionsPerClient", AT(per_client), 0, 65535, 0 },
	{ "setMaxTCPQueriesPerConnection", AT(queries), 0, UINT32_MAX, 0 },
	{ "setMaxCachedTCPConnectionsPerDownstream", AT(cached), 0, BAL_TCP_CONNS, 0 },
};

static const struct number options[] = {
	{ "maxInFlight", offsetof(struct bal_listen, max_in_flight), 0, BAL_TCP_IN_FLIGHT, 0 },
	{ "maxConcurrentTCPConnections", offsetof(struct bal_listen, max_conns), 0, UINT32_MAX, 0 },
	{ "tcpListenQueueSize", offsetof(struct bal_listen, queue), 1, INT32_MAX, 0 },
};

/* Change nothing here: every worker has sockets of its own. */
static const char *const no_effect[] = { "reusePort", "tcpFastOpenQueueSize" };

static void store(void *to, const struct number *n, int64_t v)
{
	char *at = (char *)to + n->at;
	int64_t ns = v * n->unit_ns;
	uint32_t count = (uint32_t)v;

	if (n->unit_ns > 0)
		memcpy(at, &ns, sizeof(ns));
	else
		memcpy(at, &count, sizeof(count));
}

STATIC_MUST(COUNT_OF(functions) <= CF_TCP_NAMES);

size_t cf_tcp_names(const char **out)
{
	for (size_t i = 0; i < COUNT_OF(functions); i++)
		out[i] = functions[i].name;
	return COUNT_OF(functions);
}

static int set_number(lua_State *l)
{
	const struct number *n = lua_touserdata(l, lua_upvalueindex(1));

	store(&cf_loader(l)->tcp, n, cf_want_int(l, 1, n->name, n->min, n->max));
	return 0;
}

void cf_tcp_register(lua_State *l)
{
	for (size_t i = 0; i < COUNT_OF(functions); i++) {
		lua_pushlightuserdata(l, (void *)(uintptr_t)&functions[i]);
		lua_pushcclosure(l, set_number, 1);
		lua_setglobal(l, functions[i].name);
	}
}

/* The option whose name and value are on top of the stack. */
static void read_option(lua_State *l, const char *function, struct bal_listen *to)
{
	const char *name = cf_show(l, -2);
	char text[CONFIG_NOTE_TEXT];
	bool known = false;

	snprintf(text, sizeof(text), "%s: %s", function, name);
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		if (strcmp(name, options[i].name) != 0)
			continue;
		store(to, &options[i], cf_want_int(l, lua_gettop(l) - 1, text, options[i].min,
		                                   options[i].max));
		lua_pop(l, 1);
		return;
	}
	if (strcmp(name, "doTCP") == 0) {
		to->udp_only = !cf_want_bool(l, lua_gettop(l) - 1, text);
		lua_pop(l, 1);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(no_effect); i++)
		known |= strcmp(name, no_effect[i]) == 0;
	if (!known && cf_loader(l)->mode == CONFIG_STRICT)
		cf_fail(l, "%s: unknown option '%s': expected reusePort, tcpListenQueueSize, "
		        "maxInFlight...", function, name);
	cf_note(cf_loader(l), known ? CONFIG_NO_EFFECT : CONFIG_UNKNOWN, cf_line(l), text);
	lua_pop(l, 1);
}

struct bal_listen cf_tcp_listen(lua_State *l, const char *function)
{
	struct bal_listen to = { .queue = CONFIG_LISTEN_QUEUE };

	if (lua_isnoneornil(l, 2))
		return to;
	if (!lua_istable(l, 2))
		cf_fail(l, "%s: '%s': expected a table of options", function, cf_show(l, 2));
	for (lua_pushnil(l); lua_next(l, 2) != 0; lua_pop(l, 1))
		read_option(l, function, &to);
	return to;
}
