/* SPDX-License-Identifier: BSD-3-Clause */
/* topQueries, topClients and topResponses of the console: their arguments; top.h counts. */
#include "command_impl.h"

#include <stdlib.h>

#include "top.h"

/* An argument, or what it is without. */
static unsigned number(lua_State *l, int index, unsigned otherwise, unsigned most)
{
	double v = luaL_optnumber(l, index, otherwise);

	luaL_argcheck(l, v >= 0 && v <= most, index, "not a number of this kind");
	return (unsigned)v;
}

static int show(lua_State *l, bool answers, enum top_by by, unsigned rows, unsigned labels,
                int rcode)
{
	const struct admin *a = command_of(l)->admin;
	struct top_entry *e = NULL;
	size_t n = 0;

	if (a->config->conf.quirks.recent == 0) {
		fprintf(command_of(l)->to, "Nothing is kept: setRingBuffersSize in the "
		        "configuration says how much shall be\n");
		return 0;
	}
	a->recent(a->arg, answers, &e, &n);
	top_show(command_of(l)->to, e, n, by, labels, rcode, rows);
	free(e);
	return 0;
}

static int top_queries(lua_State *l)
{
	unsigned rows = number(l, 1, 10, TOP_ROWS_MAX);

	return show(l, false, TOP_NAME, rows, number(l, 2, TOP_LABELS, TOP_LABELS), TOP_ANY_RCODE);
}

static int top_clients(lua_State *l)
{
	return show(l, false, TOP_CLIENT, number(l, 1, 10, TOP_ROWS_MAX), TOP_LABELS,
	            TOP_ANY_RCODE);
}

static int top_responses(lua_State *l)
{
	unsigned rows = number(l, 1, 10, TOP_ROWS_MAX), rcode = number(l, 2, 0, 15);

	return show(l, true, TOP_NAME, rows, number(l, 3, TOP_LABELS, TOP_LABELS), (int)rcode);
}

void command_top_register(lua_State *l)
{
	static const luaL_Reg functions[] = {
		{ "topQueries", top_queries }, { "topClients", top_clients },
		{ "topResponses", top_responses },
	};

	for (size_t i = 0; i < COUNT_OF(functions); i++) {
		lua_pushcfunction(l, functions[i].func);
		lua_setglobal(l, functions[i].name);
	}
}
