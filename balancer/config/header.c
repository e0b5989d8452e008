/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNSHeader: the ID and the flags of a message. There is one object for all calls, as of
 * DNSQuestion.
 */
#include "internal.h"

static const struct cf_class class;

struct cf_header *cf_header_push(lua_State *l)
{
	struct cf_header *h = lua_newuserdata(l, sizeof(*h));

	*h = (struct cf_header){ .flags = NULL };
	cf_class_set(l, &class);
	return h;
}

static const struct cf_header *self(lua_State *l)
{
	const struct cf_header *h = cf_self(l, &class);

	if (h->flags == NULL)
		cf_fail(l, "a DNS header that is used when its message is gone");
	return h;
}

static int get(lua_State *l, unsigned flag)
{
	lua_pushboolean(l, (*self(l)->flags & flag) != 0);
	return 1;
}

static int set(lua_State *l, unsigned flag)
{
	const struct cf_header *h = self(l);
	bool on = cf_want_bool(l, 2, "a flag of a DNS header");

	if (!h->writable)
		cf_fail(l, "this DNS header can't be changed");
	*h->flags = (uint16_t)(on ? *h->flags | flag : *h->flags & ~flag);
	return 0;
}

static int get_id(lua_State *l)
{
	lua_pushinteger(l, self(l)->id);
	return 1;
}

#define FLAGS(X) X(QR) X(AA) X(TC) X(RD) X(RA) X(AD) X(CD)
#define X(f) \
	static int get_##f(lua_State *l) { return get(l, DNS_##f); } \
	static int set_##f(lua_State *l) { return set(l, DNS_##f); }
FLAGS(X)
#undef X

static const struct cf_member members[] = {
#define X(f) { "get" #f, get_##f, NULL, NULL }, { "set" #f, set_##f, NULL, NULL },
	FLAGS(X)
#undef X
	{ "getID", get_id, NULL, NULL },
};

static const struct cf_class class = {
	.meta = "evenkeel.header", .what = "a DNS header", .foreign = "DNSHeader",
	.member = members, .member_n = COUNT_OF(members),
};

void cf_header_register(lua_State *l)
{
	cf_class_register(l, &class);
}
