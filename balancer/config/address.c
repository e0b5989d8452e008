/* SPDX-License-Identifier: BSD-3-Clause */
/* ComboAddress: an IP address with a port, as functions get those of clients. */
#include "internal.h"

static const struct cf_class class;

void cf_address_push(lua_State *l, const struct ep *ep)
{
	*(struct ep *)lua_newuserdata(l, sizeof(*ep)) = *ep;
	cf_class_set(l, &class);
}

static const struct ep *self(lua_State *l)
{
	return cf_self(l, &class);
}

static int to_text(lua_State *l)
{
	char text[IP_TEXT];

	lua_pushlstring(l, text, ip_format(&self(l)->ip, text));
	return 1;
}

static int to_text_with_port(lua_State *l)
{
	char text[EP_TEXT];

	lua_pushlstring(l, text, ep_format(self(l), text));
	return 1;
}

static int get_port(lua_State *l)
{
	lua_pushinteger(l, self(l)->port);
	return 1;
}

static int is_4(lua_State *l)
{
	lua_pushboolean(l, ip_is4(&self(l)->ip));
	return 1;
}

static int is_6(lua_State *l)
{
	lua_pushboolean(l, !ip_is4(&self(l)->ip));
	return 1;
}

/* Four bytes, or sixteen. */
static int get_raw(lua_State *l)
{
	const struct ip *ip = &self(l)->ip;

	if (ip_is4(ip))
		lua_pushlstring(l, (const char *)ip->b + 12, 4);
	else
		lua_pushlstring(l, (const char *)ip->b, 16);
	return 1;
}

/* Keeps the first bits of it. */
static int truncate(lua_State *l)
{
	struct ep *e = cf_self(l, &class);
	unsigned first = ip_is4(&e->ip) ? 96 : 0;
	unsigned bits = first + (unsigned)cf_want_int(l, 2, "truncate", 0, 128 - first);

	for (unsigned i = bits; i < 128; i++)
		e->ip.b[i / 8] &= (uint8_t)~(0x80u >> i % 8);
	return 0;
}

static int equal(lua_State *l)
{
	const struct ep *a = cf_object(l, 1, &class), *b = cf_object(l, 2, &class);

	lua_pushboolean(l, a != NULL && b != NULL && ep_eq(a, b));
	return 1;
}

static const struct cf_member members[] = {
	{ "toString", to_text, NULL, NULL }, { "tostring", to_text, NULL, NULL },
	{ "toStringWithPort", to_text_with_port, NULL, NULL },
	{ "tostringWithPort", to_text_with_port, NULL, NULL },
	{ "getPort", get_port, NULL, NULL }, { "isIPv4", is_4, NULL, NULL },
	{ "isIPv6", is_6, NULL, NULL }, { "getRaw", get_raw, NULL, NULL },
	{ "truncate", truncate, NULL, NULL },
};

static const struct cf_class class = {
	.meta = "evenkeel.address", .what = "an address", .foreign = "ComboAddress",
	.member = members, .member_n = COUNT_OF(members), .eq = equal, .text = to_text,
};

void cf_address_register(lua_State *l)
{
	cf_class_register(l, &class);
}
