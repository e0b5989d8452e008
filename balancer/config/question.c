/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNSQuestion and DNSResponse: the query or answer that a function is called for, to be read alone
 * but by what a rule does. There is one object for all calls, so one that is kept is about the
 * query at hand, and good for nothing without one.
 */
#include "internal.h"

#include <string.h>

static const struct cf_class class;

struct cf_question *cf_question_push(lua_State *l)
{
	struct cf_question *q = lua_newuserdata(l, sizeof(*q));

	memset(q, 0, sizeof(*q));
	cf_class_set(l, &class);
	return q;
}

static const struct bal_hook_query *query(lua_State *l, const struct cf_question *q)
{
	if (q->query == NULL)
		cf_fail(l, "a DNS question that is used when its call is over");
	return q->query;
}

static const struct bal_hook_query *of(lua_State *l)
{
	return query(l, lua_touserdata(l, 1));
}

static const struct bal_hook_query *self(lua_State *l)
{
	return query(l, cf_self(l, &class));
}

/* ---- attributes ---- */

static int get_qname(lua_State *l)
{
	const struct bal_hook_query *q = of(l);

	cf_name_push(l, q->name, q->name_len);
	return 1;
}

#define NUMBER(get, value) \
	static int get(lua_State *l) \
	{ \
		const struct bal_hook_query *q = of(l); \
		lua_pushinteger(l, (lua_Integer)(value)); \
		return 1; \
	}

NUMBER(get_qtype, q->type)
NUMBER(get_qclass, q->class)
NUMBER(get_opcode, (q->flags & DNS_OPCODE) >> 11)
NUMBER(get_len, q->len)

/* As the function has changed it. */
static int get_rcode(lua_State *l)
{
	const struct cf_question *q = lua_touserdata(l, 1);
	unsigned flags = query(l, q)->flags;

	lua_pushinteger(l, (q->rule != NULL ? q->rule->flags : flags) & DNS_RCODE);
	return 1;
}

/* What of it the function may change. */
static struct bal_hook_rule *changed(lua_State *l)
{
	const struct cf_question *q = lua_touserdata(l, 1);

	(void)query(l, q);
	if (q->rule == NULL)
		cf_fail(l, "this DNS question can't be changed");
	return q->rule;
}

static int set_rcode(lua_State *l)
{
	struct bal_hook_rule *r = changed(l);
	unsigned rcode = (unsigned)cf_want_int(l, 3, "dq.rcode", 0, 15);

	r->flags = (uint16_t)((r->flags & ~(unsigned)DNS_RCODE) | rcode);
	return 0;
}

static int get_skip_cache(lua_State *l)
{
	const struct cf_question *q = lua_touserdata(l, 1);

	(void)query(l, q);
	lua_pushboolean(l, q->rule != NULL && q->rule->skip_cache);
	return 1;
}

static int set_skip_cache(lua_State *l)
{
	changed(l)->skip_cache = cf_want_bool(l, 3, "dq.skipCache");
	return 0;
}

/* nil when nothing set it. */
static int get_failure_ttl(lua_State *l)
{
	const struct cf_question *q = lua_touserdata(l, 1);

	(void)query(l, q);
	if (q->rule != NULL && q->rule->failure_s > 0)
		lua_pushinteger(l, (lua_Integer)q->rule->failure_s - 1);
	else
		lua_pushnil(l);
	return 1;
}

static int set_failure_ttl(lua_State *l)
{
	struct bal_hook_rule *r = changed(l);

	r->failure_s = lua_isnil(l, 3) ? 0 : (uint32_t)cf_want_int(l, 3, "dq.tempFailureTTL", 0,
	                                                          INT32_MAX) + 1;
	return 0;
}

/* ---- the client's subnet ---- */

static int set_use_ecs(lua_State *l)
{
	changed(l)->ecs.off = !cf_want_bool(l, 3, "dq.useECS");
	return 0;
}

static int set_ecs_override(lua_State *l)
{
	struct bal_hook_rule *r = changed(l);

	r->ecs.replace = cf_want_bool(l, 3, "dq.ecsOverride");
	r->ecs.replace_set = true;
	return 0;
}

static int set_ecs_bits(lua_State *l)
{
	struct bal_hook_rule *r = changed(l);

	r->ecs.bits = (uint8_t)cf_want_int(l, 3, "dq.ecsPrefixLength", 0,
	                                   ip_is4(&r->q.peer->ip) ? 32 : 128);
	r->ecs.bits_set = true;
	return 0;
}

static int get_use_ecs(lua_State *l)
{
	lua_pushboolean(l, !changed(l)->ecs.off);
	return 1;
}

static int get_ecs_override(lua_State *l)
{
	const struct bal_ecs_said *e = &changed(l)->ecs;

	lua_pushboolean(l, e->replace_set ? e->replace : cf_loader(l)->ecs.replace);
	return 1;
}

static int get_ecs_bits(lua_State *l)
{
	const struct bal_hook_rule *r = changed(l);
	const struct bal_ecs *c = &cf_loader(l)->ecs;

	lua_pushinteger(l, r->ecs.bits_set ? r->ecs.bits
	                   : ip_is4(&r->q.peer->ip) ? c->bits4 : c->bits6);
	return 1;
}

static int get_tcp(lua_State *l)
{
	lua_pushboolean(l, of(l)->tcp);
	return 1;
}

static int get_remote(lua_State *l)
{
	cf_address_push(l, of(l)->peer);
	return 1;
}

static int get_local(lua_State *l)
{
	cf_address_push(l, of(l)->local);
	return 1;
}

static int get_header(lua_State *l)
{
	struct cf_question *q = lua_touserdata(l, 1);

	(void)query(l, q);
	lua_rawgeti(l, LUA_REGISTRYINDEX, q->header);
	return 1;
}

/* ---- methods ---- */

static int get_do(lua_State *l)
{
	const struct bal_hook_query *q = self(l);
	struct dns_edns e;
	bool there = q->message != NULL && dns_edns(&e, q->message, q->len, q->end) == 0;

	lua_pushboolean(l, there && e.present && e.dnssec_ok);
	return 1;
}

static int get_content(lua_State *l)
{
	const struct bal_hook_query *q = self(l);

	lua_pushlstring(l, (const char *)q->message, q->message != NULL ? q->len : 0);
	return 1;
}

/* ---- tags ---- */

/* The text at index, of a tag. */
static const uint8_t *tag_text(lua_State *l, int index, const char *what, size_t *len)
{
	if (lua_type(l, index) != LUA_TSTRING && lua_type(l, index) != LUA_TNUMBER)
		cf_fail(l, "%s: '%s': expected text", what, cf_show(l, index));
	const char *text = lua_tolstring(l, index, len);
	if (*len > TAG_MAX)
		cf_fail(l, "%s: %d bytes: expected at most %d", what, (int)*len, TAG_MAX);
	return (const uint8_t *)text;
}

/* "" when there is none. */
static int get_tag(lua_State *l)
{
	const struct tags *t = self(l)->tags;
	size_t len;
	const uint8_t *name = tag_text(l, 2, "getTag", &len);
	const uint8_t *value = t != NULL ? tags_find(t, name, len) : NULL;

	lua_pushlstring(l, value != NULL ? (const char *)value + 1 : "",
	                value != NULL ? value[0] : 0);
	return 1;
}

/* A table of values by name. */
static int get_tags(lua_State *l)
{
	const struct tags *t = self(l)->tags;

	lua_newtable(l);
	for (size_t at = 0; t != NULL && at < t->len;) {
		const uint8_t *tag = t->bytes + at, *value = tag + 1 + tag[0];
		lua_pushlstring(l, (const char *)tag + 1, tag[0]);
		lua_pushlstring(l, (const char *)value + 1, value[0]);
		lua_rawset(l, -3);
		at += 2u + tag[0] + value[0];
	}
	return 1;
}

/* Adds the tag whose name and value stand at index and behind it. */
static void add_tag(lua_State *l, int index, const char *what)
{
	size_t len, value_len;
	const uint8_t *name = tag_text(l, index, what, &len);
	const uint8_t *value = tag_text(l, index + 1, what, &value_len);

	if (!tags_set(changed(l)->tags, name, len, value, value_len))
		cf_fail(l, "%s: more than %d bytes of tags", what, TAGS_BYTES);
}

static int set_tag(lua_State *l)
{
	(void)self(l);
	add_tag(l, 2, "setTag");
	return 0;
}

/* Out of a table of values by name. */
static int set_tags(lua_State *l)
{
	(void)self(l);
	if (!lua_istable(l, 2))
		cf_fail(l, "setTagArray: '%s': expected a table", cf_show(l, 2));
	for (lua_pushnil(l); lua_next(l, 2) != 0; lua_pop(l, 1)) {
		lua_pushvalue(l, -2); /* as a text it would confuse lua_next */
		lua_insert(l, -2);
		add_tag(l, lua_gettop(l) - 1, "setTagArray");
		lua_remove(l, -2);
	}
	return 0;
}

static const struct cf_member members[] = {
	{ "qname", NULL, get_qname, NULL }, { "qtype", NULL, get_qtype, NULL },
	{ "qclass", NULL, get_qclass, NULL }, { "remoteaddr", NULL, get_remote, NULL },
	{ "tcp", NULL, get_tcp, NULL }, { "localaddr", NULL, get_local, NULL },
	{ "dh", NULL, get_header, NULL }, { "len", NULL, get_len, NULL },
	{ "opcode", NULL, get_opcode, NULL }, { "rcode", NULL, get_rcode, set_rcode },
	{ "skipCache", NULL, get_skip_cache, set_skip_cache },
	{ "useECS", NULL, get_use_ecs, set_use_ecs },
	{ "ecsOverride", NULL, get_ecs_override, set_ecs_override },
	{ "ecsPrefixLength", NULL, get_ecs_bits, set_ecs_bits },
	{ "tempFailureTTL", NULL, get_failure_ttl, set_failure_ttl },
	{ "getDO", get_do, NULL, NULL }, { "getContent", get_content, NULL, NULL },
	{ "getTag", get_tag, NULL, NULL }, { "setTag", set_tag, NULL, NULL },
	{ "getTagArray", get_tags, NULL, NULL }, { "setTagArray", set_tags, NULL, NULL },
};

static const struct cf_class class = {
	.meta = "evenkeel.question", .what = "a DNS question", .foreign = "DNSQuestion",
	.member = members, .member_n = COUNT_OF(members),
};

void cf_question_register(lua_State *l)
{
	cf_class_register(l, &class);
}
