/* SPDX-License-Identifier: BSD-3-Clause */
/* More actions: those that have tags or records of their own, or are seldom; see rule_action.c. */
#include <stdio.h>
#include <string.h>

#include "rule.h"
#include "rule_word.h"

/* SetTagAction(name, value) and its like. Upvalues: response, its name. */
static int tag_action(lua_State *l)
{
	const char *what = lua_tostring(l, lua_upvalueindex(2));
	struct bal_action a = { .kind = BAL_ACT_TAG };

	(void)cf_want_text(l, 2, what);
	a.arg = rule_tag_add(l, 1, what);
	struct rule_act *to = rule_act_new(l, a, lua_toboolean(l, lua_upvalueindex(1)));
	snprintf(to->text, sizeof(to->text), "set tag '%s' to value '%s'", lua_tostring(l, 1),
	         lua_tostring(l, 2));
	return 1;
}

/* ---- answers ---- */

/* ERCodeAction(rcode[, options]) */
static int ercode_action(lua_State *l)
{
	struct bal_action a = { .kind = BAL_ACT_RCODE };

	a.arg = (uint32_t)cf_want_int(l, 1, "ERCodeAction", 0, CF_ERCODE_MAX);
	rule_want_answer(l, 2, "ERCodeAction", &a);
	struct rule_act *to = rule_act_new(l, a, false);
	snprintf(to->text, sizeof(to->text), "set ercode %s", cf_ercode_name((unsigned)a.arg));
	return 1;
}

/* Adds a record's data behind its length. */
static void add_record(lua_State *l, struct bal_action *a, const void *p, size_t len,
                       const char *what)
{
	uint8_t head[2];

	if (a->n == BAL_SPOOF_MAX || (size_t)a->len + 2 + len > UINT16_MAX)
		cf_fail(l, "%s: more than %d records, or %d bytes", what, BAL_SPOOF_MAX,
		        UINT16_MAX);
	dns_put16(head, (uint16_t)len);
	uint32_t at = rule_data_add(l, head, sizeof(head), what);
	rule_data_add(l, p, len, what);
	a->arg = a->n == 0 ? at : a->arg;
	a->len = (uint16_t)(a->len + 2 + len);
	a->n++;
}

/* SpoofCNAMEAction(name[, options]) */
static int cname_action(lua_State *l)
{
	struct bal_action a = { .kind = BAL_ACT_SPOOF_RAW, .type = DNS_CNAME,
	                        .ttl = RULE_SPOOF_TTL };
	uint8_t name[DNS_NAME_MAX];
	char text[DNS_NAME_TEXT];
	size_t len = cf_want_name(l, 1, "SpoofCNAMEAction", name);

	add_record(l, &a, name, len, "SpoofCNAMEAction");
	rule_want_answer(l, 2, "SpoofCNAMEAction", &a);
	struct rule_act *to = rule_act_new(l, a, false);
	dns_name_format(name, len, text);
	snprintf(to->text, sizeof(to->text), "spoof in %.*s", RULE_TEXT - 16, text);
	return 1;
}

static void add_raw(lua_State *l, struct bal_action *a, int index)
{
	size_t len;

	if (lua_type(l, index) != LUA_TSTRING)
		cf_fail(l, "SpoofRawAction: '%s': expected data", cf_show(l, index));
	const char *data = lua_tolstring(l, index, &len);
	add_record(l, a, data, len, "SpoofRawAction");
}

/* SpoofRawAction(data or table of them[, options]) */
static int raw_action(lua_State *l)
{
	struct bal_action a = { .kind = BAL_ACT_SPOOF_RAW, .ttl = RULE_SPOOF_TTL };
	int n = lua_istable(l, 1) ? (int)lua_objlen(l, 1) : 0;

	for (int i = 1; i <= n; i++) {
		lua_rawgeti(l, 1, i);
		add_raw(l, &a, lua_gettop(l));
		lua_pop(l, 1);
	}
	if (!lua_istable(l, 1))
		add_raw(l, &a, 1);
	if (a.n == 0)
		cf_fail(l, "SpoofRawAction: an empty table: expected data");
	rule_want_answer(l, 2, "SpoofRawAction", &a);
	struct rule_act *to = rule_act_new(l, a, false);
	snprintf(to->text, sizeof(to->text), "spoof in raw bytes");
	return 1;
}

/* The zone behind its length, and the SOA's data. Returns the bytes. */
static size_t read_soa(lua_State *l, const char *what, uint8_t *to)
{
	size_t n = cf_want_name(l, 2, what, to + 1);

	to[0] = (uint8_t)n;
	n++;
	n += cf_want_name(l, 4, what, to + n);
	n += cf_want_name(l, 5, what, to + n);
	for (int i = 6; i <= 10; i++, n += 4)
		dns_put32(to + n, (uint32_t)cf_want_int(l, i, what, 0, UINT32_MAX));
	return n;
}

/* NegativeAndSOAAction(nxd, zone, ttl, mname, rname, then five numbers of an SOA[, options]) */
static int soa_action(lua_State *l)
{
	const char *what = lua_tostring(l, lua_upvalueindex(2));
	uint8_t data[1 + 3 * DNS_NAME_MAX + 5 * 4];
	bool nxdomain = cf_want_bool(l, 1, what);
	struct bal_action a = { .kind = BAL_ACT_SOA };

	a.rcode = nxdomain ? DNS_NXDOMAIN : DNS_NOERROR;
	size_t n = read_soa(l, what, data);
	rule_want_answer(l, 11, what, &a);
	a.ttl = (uint32_t)cf_want_int(l, 3, what, 0, UINT32_MAX);
	a.len = (uint16_t)n;
	a.arg = rule_data_add(l, data, n, what);
	struct rule_act *to = rule_act_new(l, a, false);
	snprintf(to->text, sizeof(to->text), "%s with SOA", nxdomain ? "NXD" : "NODATA");
	return 1;
}

/* ---- others ---- */

/* ContinueAction(action) */
static int continue_action(lua_State *l)
{
	struct rule_list *r = rule_list_of(l);
	unsigned of = rule_want_action(l, 1, false, "ContinueAction");
	struct bal_action a = r->act[of].action;

	a.goes_on = true;
	struct rule_act *to = rule_act_new(l, a, false);
	snprintf(to->text, sizeof(to->text), "continue after: %.*s", RULE_TEXT - 32,
	         r->act[of].text);
	return 1;
}

/* SetTempFailureCacheTTLAction(ttl) */
static int failure_action(lua_State *l)
{
	const char *what = lua_tostring(l, lua_upvalueindex(2));
	struct bal_action a = { .kind = BAL_ACT_FAILURE_TTL };

	a.ttl = (uint32_t)cf_want_int(l, 1, what, 0, INT32_MAX);
	struct rule_act *to = rule_act_new(l, a, false);
	snprintf(to->text, sizeof(to->text), "set tempfailure cache ttl to %u", (unsigned)a.ttl);
	return 1;
}

/* ---- the client's subnet ---- */

/* Reads the network at index, with its text as it is shown. */
static struct bal_ecs_net want_net(lua_State *l, int index, char text[PREFIX_TEXT])
{
	const char *given = cf_want_text(l, index, "SetECSAction");
	struct prefix p;

	if (prefix_parse(&p, given) < 0)
		cf_fail(l, "SetECSAction: '%s': expected a network, as 192.0.2.0/24", given);
	prefix_format(&p, text);
	return (struct bal_ecs_net){ p.ip, (uint8_t)(ip_is4(&p.ip) && p.bits >= 96 ? p.bits - 96
	                                                                         : p.bits) };
}

/* SetECSAction(network[, network of IPv6]) */
static int ecs_action(lua_State *l)
{
	char text[2][PREFIX_TEXT];
	struct bal_ecs_net net[2];
	bool both = !lua_isnoneornil(l, 2);
	struct bal_action a = { .kind = BAL_ACT_ECS };

	memset(net, 0, sizeof(net)); /* what is between members, too */
	net[0] = want_net(l, 1, text[0]);
	net[1] = both ? want_net(l, 2, text[1]) : net[0];
	a.arg = rule_data_add(l, net, sizeof(net), "SetECSAction");
	struct rule_act *to = rule_act_new(l, a, false);
	snprintf(to->text, sizeof(to->text), "set ECS to %s%s%s", text[0], both ? " / " : "",
	         both ? text[1] : "");
	return 1;
}

/* SetECSPrefixLengthAction(bits of IPv4, bits of IPv6) */
static int ecs_bits_action(lua_State *l)
{
	const char *what = lua_tostring(l, lua_upvalueindex(2));
	unsigned four = (unsigned)cf_want_int(l, 1, what, 0, 32);
	unsigned six = (unsigned)cf_want_int(l, 2, what, 0, 128);
	struct bal_action a = { .kind = BAL_ACT_ECS_BITS, .arg = four | six << 8 };
	struct rule_act *to = rule_act_new(l, a, false);

	snprintf(to->text, sizeof(to->text), "set ECS prefix length to %u/%u", four, six);
	return 1;
}

/* SetECSOverrideAction(bool) */
static int ecs_replace_action(lua_State *l)
{
	bool replace = cf_want_bool(l, 1, lua_tostring(l, lua_upvalueindex(2)));
	struct bal_action a = { .kind = BAL_ACT_ECS_REPLACE, .arg = replace };
	struct rule_act *to = rule_act_new(l, a, false);

	snprintf(to->text, sizeof(to->text), "set ECS override to %d", replace);
	return 1;
}

static int ecs_off_action(lua_State *l)
{
	struct rule_act *to = rule_act_new(l, (struct bal_action){ .kind = BAL_ACT_ECS_OFF },
	                                   false);

	snprintf(to->text, sizeof(to->text), "disable ECS");
	return 1;
}

static int skip_response_action(lua_State *l)
{
	struct rule_act *to = rule_act_new(l, (struct bal_action){ .kind = BAL_ACT_SKIP_CACHE },
	                                   true);

	snprintf(to->text, sizeof(to->text), "skip cache");
	return 1;
}

void rule_more_register(lua_State *l)
{
	static const struct { const char *name; lua_CFunction run; bool response; } all[] = {
		{ "SetTagAction", tag_action, false }, { "TagAction", tag_action, false },
		{ "SetTagResponseAction", tag_action, true },
		{ "TagResponseAction", tag_action, true },
		{ "ERCodeAction", ercode_action, false },
		{ "SpoofCNAMEAction", cname_action, false },
		{ "SpoofRawAction", raw_action, false },
		{ "NegativeAndSOAAction", soa_action, false },
		{ "SetNegativeAndSOAAction", soa_action, false },
		{ "ContinueAction", continue_action, false },
		{ "SetTempFailureCacheTTLAction", failure_action, false },
		{ "TempFailureCacheTTLAction", failure_action, false },
		{ "SetSkipCacheResponseAction", skip_response_action, true },
		{ "SetECSAction", ecs_action, false },
		{ "SetECSPrefixLengthAction", ecs_bits_action, false },
		{ "ECSPrefixLengthAction", ecs_bits_action, false },
		{ "SetECSOverrideAction", ecs_replace_action, false },
		{ "ECSOverrideAction", ecs_replace_action, false },
		{ "SetDisableECSAction", ecs_off_action, false },
		{ "DisableECSAction", ecs_off_action, false },
	};

	for (size_t i = 0; i < COUNT_OF(all); i++) {
		lua_pushboolean(l, all[i].response);
		lua_pushstring(l, all[i].name);
		lua_pushcclosure(l, all[i].run, 2);
		lua_setglobal(l, all[i].name);
	}
}
