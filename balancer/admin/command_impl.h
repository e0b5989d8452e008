/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the console's functions share. */
#ifndef EK_BALANCER_COMMAND_IMPL_H
#define EK_BALANCER_COMMAND_IMPL_H

#include "command.h"
#include "lib/host/luabox.h"

/* command.c: where the command at hand says something, and what it may ask of the shell. */
FILE *command_to(lua_State *l);
const struct admin *command_admin(lua_State *l);

/* command_top.c: topQueries, topClients and topResponses, as globals. */
void command_top_register(lua_State *l);

#endif
