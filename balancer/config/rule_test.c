/* SPDX-License-Identifier: BSD-3-Clause */
/* More selectors: functions, tags, and what is in a message behind its question. */
#include <string.h>

#include "rule.h"

static int lua_rule(lua_State *l)
{
	unsigned function = cf_function_keep(l, 1, "LuaRule");

	rule_say(rule_node_new(l, BAL_TEST_LUA, function), "Lua script");
	return 1;
}

/* TagRule(name[, value]) */
static int tag_rule(lua_State *l)
{
	bool value = !lua_isnoneornil(l, 2);
	uint32_t tag = rule_tag_add(l, 1, "TagRule");
	struct rule_node *n = rule_node_new(l, value ? BAL_TEST_TAG_VALUE : BAL_TEST_TAG, tag);

	if (value)
		rule_say(n, "tag '%s' is set to '%s'", lua_tostring(l, 1), lua_tostring(l, 2));
	else
		rule_say(n, "tag '%s' is set", lua_tostring(l, 1));
	return 1;
}

/* ---- numbers ---- */

static unsigned range_new(lua_State *l, struct bal_range range)
{
	struct rule_list *r = rule_list_of(l);
	void *new;

	if (r->range_n == BAL_TESTS_MAX)
		cf_fail(l, "more than %d selectors with numbers", BAL_TESTS_MAX);
	r->range = cf_list_add(r->range, &r->range_n, sizeof(range), &new);
	memcpy(new, &range, sizeof(range));
	return r->range_n - 1;
}

/* Least and most, at index and behind. */
static struct bal_range want_range(lua_State *l, int index, const char *what)
{
	return (struct bal_range){
		.least = (uint32_t)cf_want_int(l, index, what, 0, UINT32_MAX),
		.most = (uint32_t)cf_want_int(l, index + 1, what, 0, UINT32_MAX),
	};
}

/* QNameLabelsCountRule(min, max), which matches what is outside, and so for bytes. */
static int labels_rule(lua_State *l)
{
	struct bal_range g = want_range(l, 1, "QNameLabelsCountRule");

	rule_say(rule_node_new(l, BAL_TEST_LABELS, range_new(l, g)),
	         "labels count < %u || labels count > %u", g.least, g.most);
	return 1;
}

static int length_rule(lua_State *l)
{
	struct bal_range g = want_range(l, 1, "QNameWireLengthRule");

	rule_say(rule_node_new(l, BAL_TEST_LENGTH, range_new(l, g)),
	         "wire length < %u || wire length > %u", g.least, g.most);
	return 1;
}

static const char *const sections[] = { "QD", "AN", "NS", "AR" };

static uint8_t want_section(lua_State *l, const char *what)
{
	return (uint8_t)cf_want_int(l, 1, what, 0, COUNT_OF(sections) - 1);
}

/* RecordsCountRule(section, min, max) */
static int count_rule(lua_State *l)
{
	struct bal_range g = want_range(l, 2, "RecordsCountRule");

	g.section = want_section(l, "RecordsCountRule");
	rule_say(rule_node_new(l, BAL_TEST_COUNT, range_new(l, g)), "%u <= records in %s <= %u",
	         g.least, sections[g.section], g.most);
	return 1;
}

/* RecordsTypeCountRule(section, type, min, max) */
static int type_count_rule(lua_State *l)
{
	struct bal_range g = want_range(l, 3, "RecordsTypeCountRule");
	const char *name;

	g.section = want_section(l, "RecordsTypeCountRule");
	g.type = (uint16_t)cf_want_int(l, 2, "RecordsTypeCountRule", 0, UINT16_MAX);
	struct rule_node *n = rule_node_new(l, BAL_TEST_TYPE_COUNT, range_new(l, g));
	name = config_type_name(g.type);
	if (name != NULL)
		rule_say(n, "%u <= %s records in %s <= %u", g.least, name, sections[g.section],
		         g.most);
	else
		rule_say(n, "%u <= TYPE%u records in %s <= %u", g.least, g.type,
		         sections[g.section], g.most);
	return 1;
}

/* PoolOutstandingRule(pool, limit) */
static int busy_rule(lua_State *l)
{
	struct bal_range g = {
		.pool = (uint8_t)cf_want_pool(l, 1, "PoolOutstandingRule"),
		.least = (uint32_t)cf_want_int(l, 2, "PoolOutstandingRule", 0, UINT32_MAX),
	};

	rule_say(rule_node_new(l, BAL_TEST_BUSY, range_new(l, g)), "pool '%s' outstanding > %u",
	         cf_loader(l)->pool[g.pool].name, g.least);
	return 1;
}

/* ---- records and EDNS ---- */

static int tail_rule(lua_State *l)
{
	rule_say(rule_node_new(l, BAL_TEST_TAIL, 0), "trailing data");
	return 1;
}

static int version_rule(lua_State *l)
{
	unsigned v = (unsigned)cf_want_int(l, 1, "EDNSVersionRule", 0, UINT8_MAX);

	rule_say(rule_node_new(l, BAL_TEST_VERSION, v), "ednsversion>%u", v);
	return 1;
}

static int option_rule(lua_State *l)
{
	unsigned v = (unsigned)cf_want_int(l, 1, "EDNSOptionRule", 0, UINT16_MAX);

	rule_say(rule_node_new(l, BAL_TEST_OPTION, v), "ednsoptcode==%u", v);
	return 1;
}

static int ercode_rule(lua_State *l)
{
	unsigned v = (unsigned)cf_want_int(l, 1, "ERCodeRule", 0, CF_ERCODE_MAX);

	rule_say(rule_node_new(l, BAL_TEST_ERCODE, v), "ercode==%s", cf_ercode_name(v));
	return 1;
}

static int port_rule(lua_State *l)
{
	unsigned v = (unsigned)cf_want_int(l, 1, "DSTPortRule", 0, UINT16_MAX);

	rule_say(rule_node_new(l, BAL_TEST_LOCAL_PORT, v), "dst port==%u", v);
	return 1;
}

void rule_test_register(lua_State *l)
{
	static const luaL_Reg functions[] = {
		{ "LuaRule", lua_rule }, { "TagRule", tag_rule },
		{ "QNameLabelsCountRule", labels_rule }, { "QNameWireLengthRule", length_rule },
		{ "RecordsCountRule", count_rule }, { "RecordsTypeCountRule", type_count_rule },
		{ "PoolOutstandingRule", busy_rule }, { "TrailingDataRule", tail_rule },
		{ "EDNSVersionRule", version_rule }, { "EDNSOptionRule", option_rule },
		{ "ERCodeRule", ercode_rule }, { "DSTPortRule", port_rule },
	};

	for (size_t i = 0; i < COUNT_OF(functions); i++) {
		lua_pushcfunction(l, functions[i].func);
		lua_setglobal(l, functions[i].name);
	}
}
