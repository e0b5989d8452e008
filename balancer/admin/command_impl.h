/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the console's Lua share. Not for anybody else. */
#ifndef EK_BALANCER_COMMAND_IMPL_H
#define EK_BALANCER_COMMAND_IMPL_H

#include <stdio.h>

#include "command.h"
#include "lib/host/luabox.h"

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

struct command *command_of(lua_State *l);
/* The counters, read once a command, and again after it has changed something. */
const struct stats *command_stats(lua_State *l);

/* caches.c: getPool, getCache, and what they return. */
void command_caches_register(lua_State *l);
/* servers.c: getServer, getServers, and what they return. */
void command_servers_register(lua_State *l);
/* In place of a server at index 1: its name. */
void command_server_name(lua_State *l);
/* command_top.c: topQueries, topClients and topResponses, as globals. */
void command_top_register(lua_State *l);

#endif
