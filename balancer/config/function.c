/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lua functions that are kept for later calls, and the random numbers that such a call may draw. A
 * file that is only being read draws none: it is read in each worker, and must come out the same.
 */
#include "internal.h"

#include <string.h>

unsigned cf_function_keep(lua_State *l, int index, const char *what)
{
	struct loader *ld = cf_loader(l);
	void *new;

	if (lua_type(l, index) != LUA_TFUNCTION) {
		if (ld->mode == CONFIG_FOREIGN)
			return 0;
		cf_fail(l, "%s: '%s': expected a function", what, cf_show(l, index));
	}
	if (ld->function_n == CONFIG_FUNCTIONS_MAX)
		cf_fail(l, "%s: more than %d functions", what, CONFIG_FUNCTIONS_MAX);
	lua_pushvalue(l, index);
	int ref = luaL_ref(l, LUA_REGISTRYINDEX);
	ld->function = cf_list_add(ld->function, &ld->function_n, sizeof(ref), &new);
	memcpy(new, &ref, sizeof(ref));
	return ld->function_n;
}

/* As Lua's: in [0, 1), in [1, n], or in [m, n]. */
static int random_number(lua_State *l)
{
	struct drbg *r = cf_loader(l)->random;
	int64_t least = 1, most;

	if (r == NULL)
		cf_fail(l, "math.random: not while the configuration is read, but in a function "
		        "that is called for a query");
	if (lua_gettop(l) == 0) {
		lua_pushnumber(l, (double)(drbg_u64(r) >> 11) * 0x1p-53);
		return 1;
	}
	if (lua_gettop(l) > 1)
		least = cf_want_int(l, 1, "math.random", INT32_MIN, INT32_MAX);
	most = cf_want_int(l, lua_gettop(l) > 1 ? 2 : 1, "math.random", least, INT32_MAX);
	lua_pushnumber(l, (double)(least + (int64_t)drbg_below(r, (uint64_t)(most - least) + 1)));
	return 1;
}

static int seed(lua_State *l)
{
	cf_note(cf_loader(l), CONFIG_NO_EFFECT, cf_line(l), "math.randomseed");
	return 0;
}

void cf_random_register(lua_State *l)
{
	lua_getfield(l, -1, "math");
	lua_pushcfunction(l, random_number);
	lua_setfield(l, -2, "random");
	lua_pushcfunction(l, seed);
	lua_setfield(l, -2, "randomseed");
	lua_pop(l, 1);
}
