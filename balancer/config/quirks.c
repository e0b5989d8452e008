/* SPDX-License-Identifier: BSD-3-Clause */
/* dnsdist's functions that set one number or switch of how messages are treated, in a table. */
#include "internal.h"

#include <string.h>

struct quirk {
	const char *name;
	size_t at;           /* offset in struct bal_quirks */
	int64_t min, max;    /* 0, 0: true or false */
	bool turned;         /* what the file calls true is false here */
};

#define AT(field) offsetof(struct bal_quirks, field)

static const struct quirk functions[] = {
	{ "setAllowEmptyResponse", AT(allow_empty_response), 0, 0, false },
	{ "setDropEmptyQueries", AT(drop_empty_queries), 0, 0, false },
	{ "truncateTC", AT(truncate_tc), 0, 0, false },
	{ "fixupCase", AT(fixup_case), 0, 0, false },
	{ "setAddEDNSToSelfGeneratedResponses", AT(own_without_edns), 0, 0, true },
	{ "setPayloadSizeOnSelfGeneratedAnswers", AT(own_udp_size), 512, 4096, false },
};

STATIC_MUST(COUNT_OF(functions) + 2 <= CF_QUIRK_NAMES);

size_t cf_quirk_names(const char **out)
{
	for (size_t i = 0; i < COUNT_OF(functions); i++)
		out[i] = functions[i].name;
	out[COUNT_OF(functions)] = "setUDPSocketBufferSizes";
	out[COUNT_OF(functions) + 1] = "setRingBuffersSize";
	return COUNT_OF(functions) + 2;
}

static int set_quirk(lua_State *l)
{
	const struct quirk *q = lua_touserdata(l, lua_upvalueindex(1));
	char *at = (char *)&cf_loader(l)->quirks + q->at;

	if (q->max == 0) {
		bool v = cf_want_bool(l, 1, q->name) != q->turned;
		memcpy(at, &v, sizeof(v));
	} else {
		uint16_t v = (uint16_t)cf_want_int(l, 1, q->name, q->min, q->max);
		memcpy(at, &v, sizeof(v));
	}
	return 0;
}

/* dnsdist's second argument, how many parts it has, is how its threads share it. */
static int set_ring(lua_State *l)
{
	cf_loader(l)->quirks.recent =
		(uint32_t)cf_want_int(l, 1, "setRingBuffersSize", 0, CONFIG_RING_MAX);
	return 0;
}

/* 0: as without it. */
static int set_buffers(lua_State *l)
{
	struct bal_quirks *q = &cf_loader(l)->quirks;

	q->udp_receive = (int32_t)cf_want_int(l, 1, "setUDPSocketBufferSizes", 0, INT32_MAX / 2);
	q->udp_send = (int32_t)cf_want_int(l, 2, "setUDPSocketBufferSizes", 0, INT32_MAX / 2);
	return 0;
}

void cf_quirks_register(lua_State *l)
{
	for (size_t i = 0; i < COUNT_OF(functions); i++) {
		lua_pushlightuserdata(l, (void *)(uintptr_t)&functions[i]);
		lua_pushcclosure(l, set_quirk, 1);
		lua_setglobal(l, functions[i].name);
	}
	lua_pushcfunction(l, set_buffers);
	lua_setglobal(l, "setUDPSocketBufferSizes");
	lua_pushcfunction(l, set_ring);
	lua_setglobal(l, "setRingBuffersSize");
}
