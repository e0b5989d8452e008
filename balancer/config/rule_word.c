/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What functions of rules may return: a number of DNSAction or DNSResponseAction, which stand here
 * once, with what each comes to, and a text behind it. Read at each call, so nothing here allocates
 * but what the text's pieces are copied to, which has its place.
 */
#include <string.h>

#include "rule_word.h"

struct word {
	const char *name;
	uint8_t number;             /* dnsdist's, of version 1.7 */
	uint8_t kind;               /* enum bal_act */
	bool over;                  /* later rules aren't looked at, whatever comes of it */
	uint8_t rcode;
	void (*text)(lua_State *l, struct rule_word *to); /* reads the text, at 2; NULL: none */
};

/* ---- texts ---- */

/* The text at 2; "" when there is none. */
static const char *text_of(lua_State *l, size_t *len)
{
	*len = 0;
	if (lua_isnoneornil(l, 2))
		return "";
	if (lua_type(l, 2) != LUA_TSTRING && lua_type(l, 2) != LUA_TNUMBER)
		cf_fail(l, "a rule's function returned a %s behind its action: expected text",
		        luaL_typename(l, 2));
	return lua_tolstring(l, 2, len);
}

/* Copies the next piece of text between any of apart; false: there is none. */
static bool piece(const char **at, const char *end, const char *apart, char out[DNS_NAME_TEXT])
{
	size_t n = 0;

	while (*at < end && strchr(apart, **at) != NULL && **at != '\0')
		++*at;
	for (; *at < end && (**at == '\0' || strchr(apart, **at) == NULL); ++*at)
		if (n < DNS_NAME_TEXT - 1)
			out[n++] = **at;
	out[n] = '\0';
	return n > 0;
}

static void put_data(lua_State *l, struct rule_word *to, const void *p, size_t len)
{
	struct bal_action *a = &to->action;

	if (a->len + 2 + len > sizeof(to->data) || a->n == BAL_SPOOF_MAX)
		cf_fail(l, "a rule's function returned more than %d records, or %d bytes of them",
		        BAL_SPOOF_MAX, (int)sizeof(to->data));
	dns_put16(to->data + a->len, (uint16_t)len);
	memcpy(to->data + a->len + 2, p, len);
	a->len = (uint16_t)(a->len + 2 + len);
	a->n++;
}

/* One name that is no address: a CNAME. */
static void read_cname(lua_State *l, const char *text, struct rule_word *to)
{
	uint8_t name[DNS_NAME_MAX];
	int len = dns_name_parse(name, text);

	if (len < 0)
		cf_fail(l, "DNSAction.Spoof: '%s': expected addresses or a name", text);
	to->action.kind = BAL_ACT_SPOOF_RAW;
	to->action.type = DNS_CNAME;
	put_data(l, to, name, (size_t)len);
}

/* Addresses, or one name. Of several, those that are none are left out, as in dnsdist. */
static void read_spoof(lua_State *l, struct rule_word *to)
{
	char one[DNS_NAME_TEXT], first[DNS_NAME_TEXT] = "";
	size_t len;
	const char *at = text_of(l, &len), *end = at + len;
	unsigned n = 0;

	for (; piece(&at, end, " ,", one); n++) {
		struct ip ip;
		if (n == 0)
			memcpy(first, one, sizeof(first));
		if (ip_parse(&ip, one) == 0 && to->action.n < BAL_SPOOF_MAX)
			to->address[to->action.n++] = ip;
	}
	if (n == 1 && to->action.n == 0)
		read_cname(l, first, to);
}

/* Data of records, between commas. */
static void read_raw(lua_State *l, struct rule_word *to)
{
	size_t len;
	const char *at = text_of(l, &len), *end = at + len;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t n = (size_t)((comma != NULL ? comma : end) - at);
		if (n > 0)
			put_data(l, to, at, n);
		at += n + (comma != NULL);
	}
}

static void read_pool(lua_State *l, struct rule_word *to)
{
	size_t len;
	int pool = cf_pool_find(l, text_of(l, &len));

	if (pool < 0)
		cf_fail(l, "DNSAction.Pool: '%s': there is no such pool", text_of(l, &len));
	to->action.pool = (uint8_t)pool;
}

static void read_delay(lua_State *l, struct rule_word *to)
{
	int64_t ms = lua_isnoneornil(l, 2) ? 0
	             : cf_want_int(l, 2, "a delay in milliseconds", 0, RULE_DELAY_MAX_MS);

	to->action.delay_ns = ms * 1000000;
}

/* ---- the table ---- */

static const struct word words[] = {
	{ "Drop", 0, BAL_ACT_DROP, true, 0, NULL },
	{ "Nxdomain", 1, BAL_ACT_RCODE, true, DNS_NXDOMAIN, NULL },
	{ "Refused", 2, BAL_ACT_RCODE, true, DNS_REFUSED, NULL },
	{ "Spoof", 3, BAL_ACT_SPOOF, true, 0, read_spoof },
	{ "Allow", 4, BAL_ACT_ALLOW, true, 0, NULL },
	{ "HeaderModify", 5, BAL_ACT_ALLOW, true, 0, NULL },
	{ "Pool", 6, BAL_ACT_POOL, true, 0, read_pool },
	{ "Delay", 7, BAL_ACT_DELAY, false, 0, read_delay },
	{ "Truncate", 8, BAL_ACT_TRUNCATE, false, 0, NULL },
	{ "ServFail", 9, BAL_ACT_RCODE, true, DNS_SERVFAIL, NULL },
	{ "None", 10, BAL_ACT_NONE, false, 0, NULL },
	{ "NoOp", 11, BAL_ACT_NONE, false, 0, NULL },
	{ "NoRecurse", 12, BAL_ACT_NO_RECURSE, true, 0, NULL },
	{ "SpoofRaw", 13, BAL_ACT_SPOOF_RAW, true, 0, read_raw },
};

static const struct word response_words[] = {
	{ "Allow", 0, BAL_ACT_ALLOW, true, 0, NULL },
	{ "Delay", 1, BAL_ACT_DELAY, false, 0, read_delay },
	{ "Drop", 2, BAL_ACT_DROP, true, 0, NULL },
	{ "HeaderModify", 3, BAL_ACT_ALLOW, true, 0, NULL },
	{ "ServFail", 4, BAL_ACT_RCODE, true, DNS_SERVFAIL, NULL },
	{ "None", 5, BAL_ACT_NONE, false, 0, NULL },
};

void rule_word_read(lua_State *l, bool answer, struct rule_word *to)
{
	const struct word *w = answer ? response_words : words;
	size_t n = answer ? COUNT_OF(response_words) : COUNT_OF(words), i = 0;
	int64_t v;

	if (!cf_is_int(l, 1, &v))
		v = -1;
	while (i < n && w[i].number != v)
		i++;
	if (i == n)
		cf_fail(l, "a rule's function returned '%s': expected one of %s", cf_show(l, 1),
		        answer ? "DNSResponseAction" : "DNSAction");
	to->action = (struct bal_action){ .kind = w[i].kind, .over = w[i].over,
	                                  .arg = w[i].rcode, .ttl = RULE_SPOOF_TTL };
	if (w[i].text != NULL)
		w[i].text(l, to);
}

static void add(lua_State *l, const char *table, const struct word *w, size_t n)
{
	lua_createtable(l, 0, (int)n);
	for (size_t i = 0; i < n; i++) {
		lua_pushinteger(l, w[i].number);
		lua_setfield(l, -2, w[i].name);
	}
	lua_setglobal(l, table);
}

void rule_word_register(lua_State *l)
{
	add(l, "DNSAction", words, COUNT_OF(words));
	add(l, "DNSResponseAction", response_words, COUNT_OF(response_words));
}
