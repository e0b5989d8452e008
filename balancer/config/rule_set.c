/* SPDX-License-Identifier: BSD-3-Clause */
/* newSuffixMatchNode, newDNSNameSet and newNMG: sets of names and of networks. */
#include "rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

unsigned rule_names_new(lua_State *l, bool suffixes)
{
	struct rule_list *r = rule_list_of(l);
	void *new;

	if (r->names_n == RULE_SETS_MAX)
		cf_fail(l, "more than %d sets of names", RULE_SETS_MAX);
	r->names = cf_list_add(r->names, &r->names_n, sizeof(*r->names), &new);
	((struct rule_names *)new)->suffixes = suffixes;
	return r->names_n - 1;
}

static void append(lua_State *l, struct rule_names *s, const uint8_t *bytes, size_t n,
                   const char *what)
{
	if (s->len + n > RULE_NAMES_MAX)
		cf_fail(l, "%s: more than %d bytes of names", what, RULE_NAMES_MAX);
	rule_take_bytes(l, n, what);
	if (s->len + n > s->cap) {
		s->cap = 2 * (s->len + n);
		s->bytes = realloc(s->bytes, s->cap);
		MUST(s->bytes != NULL);
	}
	memcpy(s->bytes + s->len, bytes, n);
	s->len += n;
}

static void add_name(lua_State *l, unsigned set, int index, const char *what)
{
	uint8_t name[1 + DNS_NAME_MAX];
	size_t len = cf_want_name(l, index, what, name + 1);

	name[0] = (uint8_t)len;
	dns_name_lower(name + 1, name + 1, len);
	append(l, &rule_list_of(l)->names[set], name, len + 1, what);
	rule_list_of(l)->names[set].n++;
}

/* Adds what is there, or each member of a table. */
static void add_each(lua_State *l, unsigned set, int index, const char *what,
                     void (*add)(lua_State *, unsigned, int, const char *))
{
	if (!lua_istable(l, index)) {
		add(l, set, index, what);
		return;
	}
	for (int i = 1, n = (int)lua_objlen(l, index); i <= n; i++) {
		lua_rawgeti(l, index, i);
		add(l, set, lua_gettop(l), what);
		lua_pop(l, 1);
	}
}

void rule_names_add(lua_State *l, unsigned set, int index, const char *what)
{
	struct rule_list *r = rule_list_of(l);
	int from = rule_at(l, index, rule_names_meta);

	if (from == (int)set)
		return;
	if (from >= 0) {
		append(l, &r->names[set], r->names[from].bytes, r->names[from].len, what);
		r->names[set].n += r->names[from].n;
		return;
	}
	add_each(l, set, index, what, add_name);
}

void rule_names_say(const struct rule_names *s, char *out, size_t size)
{
	char text[DNS_NAME_TEXT];
	size_t len = 0;

	out[0] = '\0';
	for (size_t at = 0; at < s->len && len < size; at += 1u + s->bytes[at]) {
		dns_name_format(s->bytes + at + 1, s->bytes[at], text);
		len += (size_t)snprintf(out + len, size - len, "%s%s", at > 0 ? ", " : "", text);
	}
}

static int new_names(lua_State *l)
{
	rule_push(l, rule_names_meta, rule_names_new(l, lua_toboolean(l, lua_upvalueindex(1))));
	return 1;
}

static unsigned names_self(lua_State *l, const char *method)
{
	int set = rule_at(l, 1, rule_names_meta);

	if (set < 0)
		cf_fail(l, "%s: expected a set of names before it", method);
	return (unsigned)set;
}

static int names_add(lua_State *l)
{
	rule_names_add(l, names_self(l, "add"), 2, "add");
	return 0;
}

static int names_check(lua_State *l)
{
	const struct rule_names *s = &rule_list_of(l)->names[names_self(l, "check")];
	uint8_t name[DNS_NAME_MAX];
	int len = (int)cf_want_name(l, 2, "check", name);
	bool found = false;

	for (size_t at = 0; at < s->len && !found; at += 1u + s->bytes[at])
		for (int from = 0; from < len && !found; from += 1 + name[from]) {
			found = dns_name_eq(name + from, (size_t)(len - from), s->bytes + at + 1,
			                    s->bytes[at]);
			if (!s->suffixes || name[from] == 0)
				break;
		}
	lua_pushboolean(l, found);
	return 1;
}

static int find_names_method(lua_State *l)
{
	const char *name = cf_show(l, 2);

	if (strcmp(name, "add") == 0)
		lua_pushcfunction(l, names_add);
	else if (strcmp(name, "check") == 0)
		lua_pushcfunction(l, names_check);
	else
		return cf_no_method(l, "set of names", "add or check");
	return 1;
}

/* ---- networks ---- */

unsigned rule_nets_new(lua_State *l)
{
	struct rule_list *r = rule_list_of(l);
	void *new;

	if (r->nets_n == RULE_SETS_MAX)
		cf_fail(l, "more than %d sets of networks", RULE_SETS_MAX);
	r->nets = cf_list_add(r->nets, &r->nets_n, sizeof(*r->nets), &new);
	return r->nets_n - 1;
}

static void append_net(struct rule_nets *s, struct rule_net n)
{
	void *new;

	s->net = cf_list_add(s->net, &s->n, sizeof(n), &new);
	memcpy(new, &n, sizeof(n));
}

bool rule_nets_add_text(lua_State *l, unsigned set, const char *text)
{
	struct rule_net n = { .in = text[0] != '!' };

	if (prefix_parse(&n.prefix, text + !n.in) < 0)
		return false;
	append_net(&rule_list_of(l)->nets[set], n);
	return true;
}

static void add_net(lua_State *l, unsigned set, int index, const char *what)
{
	const char *text = cf_want_text(l, index, what);

	if (!rule_nets_add_text(l, set, text))
		cf_fail(l, "%s: '%s': expected an IP address, or one with /BITS", what, text);
}

void rule_nets_add(lua_State *l, unsigned set, int index, const char *what)
{
	int from = rule_at(l, index, rule_nets_meta);

	if (from == (int)set)
		return;
	if (from < 0) {
		add_each(l, set, index, what, add_net);
		return;
	}
	struct rule_nets *nets = rule_list_of(l)->nets;
	for (unsigned i = 0; i < nets[from].n; i++)
		append_net(&nets[set], nets[from].net[i]);
}

void rule_nets_say(const struct rule_nets *s, char *out, size_t size)
{
	char text[PREFIX_TEXT];
	size_t len = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < s->n && len < size; i++) {
		prefix_format(&s->net[i].prefix, text);
		len += (size_t)snprintf(out + len, size - len, "%s%s%s", i > 0 ? ", " : "",
		                        s->net[i].in ? "" : "!", text);
	}
}

static int new_nets(lua_State *l)
{
	rule_push(l, rule_nets_meta, rule_nets_new(l));
	return 1;
}

static unsigned nets_self(lua_State *l, const char *method)
{
	int set = rule_at(l, 1, rule_nets_meta);

	if (set < 0)
		cf_fail(l, "%s: expected a set of networks before it", method);
	return (unsigned)set;
}

static int nets_add(lua_State *l)
{
	rule_nets_add(l, nets_self(l, "addMask"), 2, "addMask");
	return 0;
}

static int nets_clear(lua_State *l)
{
	struct rule_nets *s = &rule_list_of(l)->nets[nets_self(l, "clear")];

	free(s->net);
	*s = (struct rule_nets){ 0 };
	return 0;
}

static int nets_size(lua_State *l)
{
	lua_pushinteger(l, (int)rule_list_of(l)->nets[nets_self(l, "size")].n);
	return 1;
}

static int find_nets_method(lua_State *l)
{
	static const luaL_Reg methods[] = {
		{ "addMask", nets_add }, { "addMasks", nets_add }, { "clear", nets_clear },
		{ "size", nets_size },
	};
	const char *name = cf_show(l, 2);

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		if (strcmp(name, methods[i].name) != 0)
			continue;
		lua_pushcfunction(l, methods[i].func);
		return 1;
	}
	return cf_no_method(l, "set of networks", "addMask, addMasks, clear or size");
}

void rule_set_register(lua_State *l)
{
	cf_add_meta(l, rule_names_meta, find_names_method);
	cf_add_meta(l, rule_nets_meta, find_nets_method);
	lua_pushboolean(l, 1);
	lua_pushcclosure(l, new_names, 1);
	lua_setglobal(l, "newSuffixMatchNode");
	lua_pushboolean(l, 0);
	lua_pushcclosure(l, new_names, 1);
	lua_setglobal(l, "newDNSNameSet");
	lua_pushcfunction(l, new_nets);
	lua_setglobal(l, "newNMG");
}
