/* SPDX-License-Identifier: BSD-3-Clause */
/* DNSName: a domain name in wire form, in the case that it came in; equal without regard to it. */
#include "internal.h"

#include <string.h>

#include "lib/namehash.h"

struct name {
	uint8_t len;
	uint8_t wire[];
};

static const struct cf_class class;

void cf_name_push(lua_State *l, const uint8_t *name, size_t len)
{
	struct name *n = lua_newuserdata(l, sizeof(*n) + len);

	n->len = (uint8_t)len;
	memcpy(n->wire, name, len);
	cf_class_set(l, &class);
}

bool cf_is_name(lua_State *l, int index)
{
	return cf_object(l, index, &class) != NULL;
}

size_t cf_want_name(lua_State *l, int index, const char *what, uint8_t out[DNS_NAME_MAX])
{
	const struct name *n = cf_object(l, index, &class);

	if (n != NULL) {
		memcpy(out, n->wire, n->len);
		return n->len;
	}
	const char *text = cf_want_text(l, index, what);
	int len = dns_name_parse(out, text);
	if (len < 0)
		cf_fail(l, "%s: '%s': expected a domain name", what, text);
	return (size_t)len;
}

int cf_name_new(lua_State *l)
{
	uint8_t name[DNS_NAME_MAX];
	size_t len = cf_want_name(l, 1, "newDNSName", name);

	cf_name_push(l, name, len);
	return 1;
}

static const struct name *self(lua_State *l)
{
	return cf_self(l, &class);
}

static int to_text(lua_State *l)
{
	const struct name *n = self(l);
	char text[DNS_NAME_TEXT];

	lua_pushlstring(l, text, dns_name_format(n->wire, n->len, text));
	return 1;
}

static int to_text_without_dot(lua_State *l)
{
	const struct name *n = self(l);
	char text[DNS_NAME_TEXT];

	lua_pushlstring(l, text, dns_name_format(n->wire, n->len, text) - 1);
	return 1;
}

static int to_wire(lua_State *l)
{
	const struct name *n = self(l);

	lua_pushlstring(l, (const char *)n->wire, n->len);
	return 1;
}

static int count_labels(lua_State *l)
{
	const struct name *n = self(l);
	int labels = 0;

	for (size_t at = 0; n->wire[at] != 0; at += n->wire[at] + 1u)
		labels++;
	lua_pushinteger(l, labels);
	return 1;
}

static int wire_length(lua_State *l)
{
	lua_pushinteger(l, self(l)->len);
	return 1;
}

/* The one that whashed has, without a perturbation. */
static int hash(lua_State *l)
{
	const struct name *n = self(l);

	lua_pushnumber(l, namehash(n->wire, n->len, 0));
	return 1;
}

static int is_part_of(lua_State *l)
{
	const struct name *n = self(l);
	uint8_t parent[DNS_NAME_MAX];
	size_t len = cf_want_name(l, 2, "isPartOf", parent), at = 0;

	while (n->len - at > len)
		at += n->wire[at] + 1u;
	lua_pushboolean(l, dns_name_eq(n->wire + at, n->len - at, parent, len));
	return 1;
}

/* Takes the first label off. False: it is the root. */
static int chop(lua_State *l)
{
	struct name *n = cf_self(l, &class);
	size_t off = n->wire[0] + 1u;
	bool more = n->wire[0] != 0;

	if (more) {
		n->len = (uint8_t)(n->len - off);
		memmove(n->wire, n->wire + off, n->len);
	}
	lua_pushboolean(l, more);
	return 1;
}

/* Lua calls it for two userdata only. */
static int equal(lua_State *l)
{
	const struct name *a = cf_object(l, 1, &class), *b = cf_object(l, 2, &class);

	lua_pushboolean(l, a != NULL && b != NULL &&
	                dns_name_eq(a->wire, a->len, b->wire, b->len));
	return 1;
}

static const struct cf_member members[] = {
	{ "toString", to_text, NULL, NULL }, { "tostring", to_text, NULL, NULL },
	{ "isPartOf", is_part_of, NULL, NULL }, { "countLabels", count_labels, NULL, NULL },
	{ "chop", chop, NULL, NULL }, { "wirelength", wire_length, NULL, NULL },
	{ "hash", hash, NULL, NULL }, { "toDNSString", to_wire, NULL, NULL },
	{ "toStringNoDot", to_text_without_dot, NULL, NULL },
};

static const struct cf_class class = {
	.meta = "evenkeel.name", .what = "a DNS name", .foreign = "DNSName",
	.member = members, .member_n = COUNT_OF(members), .eq = equal, .text = to_text,
};

void cf_name_register(lua_State *l)
{
	cf_class_register(l, &class);
}
