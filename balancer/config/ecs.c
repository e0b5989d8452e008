/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions about EDNS Client Subnet, which newServer's useClientSubnet turns on. */
#include "internal.h"

int cf_set_ecs_bits4(lua_State *l)
{
	cf_loader(l)->ecs.bits4 = (uint8_t)cf_want_int(l, 1, "setECSSourcePrefixV4", 0, 32);
	return 0;
}

int cf_set_ecs_bits6(lua_State *l)
{
	cf_loader(l)->ecs.bits6 = (uint8_t)cf_want_int(l, 1, "setECSSourcePrefixV6", 0, 128);
	return 0;
}

int cf_set_ecs_replace(lua_State *l)
{
	cf_loader(l)->ecs.replace = cf_want_bool(l, 1, "setECSOverride");
	return 0;
}
