/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists of rule.h, and the userdata that stand for their elements. */
#include "rule.h"

#include <stdlib.h>
#include <string.h>

#include "regex.h"

const char rule_node_meta[] = "evenkeel.selector", rule_act_meta[] = "evenkeel.action",
           rule_names_meta[] = "evenkeel.names", rule_nets_meta[] = "evenkeel.networks";

struct rule_list *rule_list_of(lua_State *l)
{
	return cf_loader(l)->rules;
}

void rule_take_bytes(lua_State *l, size_t n, const char *what)
{
	struct rule_list *r = rule_list_of(l);

	if (n > RULE_BYTES_MAX - r->bytes)
		cf_fail(l, "%s: the rules take more than %d bytes", what, RULE_BYTES_MAX);
	r->bytes += n;
}

void rule_push(lua_State *l, const char *meta, unsigned i)
{
	*(unsigned *)lua_newuserdata(l, sizeof(i)) = i;
	luaL_getmetatable(l, meta);
	lua_setmetatable(l, -2);
}

int rule_at(lua_State *l, int index, const char *meta)
{
	return cf_is_a(l, index, meta) ? (int)*(const unsigned *)lua_touserdata(l, index) : -1;
}

struct rule_list *cf_rules_new(void)
{
	struct rule_list *r = calloc(1, sizeof(*r));

	MUST(r != NULL);
	return r;
}

void cf_rules_free(struct rule_list *r)
{
	for (unsigned i = 0; i < r->names_n; i++)
		free(r->names[i].bytes);
	for (unsigned i = 0; i < r->nets_n; i++)
		free(r->nets[i].net);
	for (unsigned i = 0; i < r->regex_n; i++)
		cf_regex_fini(&r->regex[i]);
	for (unsigned i = 0; i < BAL_CHAINS; i++) {
		for (unsigned k = 0; k < r->item_n[i]; k++) {
			free((void *)(uintptr_t)r->item[i][k].text.selector);
			free((void *)(uintptr_t)r->item[i][k].text.action);
		}
		free(r->item[i]);
	}
	free(r->node);
	free(r->child);
	free(r->names);
	free(r->nets);
	free(r->regex);
	free(r->limit);
	free(r->range);
	free(r->address);
	free(r->data.bytes);
	free(r->log);
	free(r->act);
	free(r);
}

void cf_rules_register(lua_State *l)
{
	if (cf_loader(l)->mode == CONFIG_FOREIGN)
		return; /* there they are names like any other that does nothing */
	rule_set_register(l);
	rule_select_register(l);
	rule_action_register(l);
	rule_chain_register(l);
	rule_word_register(l);
}

size_t cf_rule_names(const char **out)
{
	static const char *const names[] = {
		"AllRule", "AndRule", "OrRule", "NotRule", "QNameRule", "QNameSuffixRule",
		"QNameSetRule", "SuffixMatchNodeRule", "RegexRule", "QTypeRule", "QClassRule",
		"OpcodeRule", "RCodeRule", "RDRule", "TCPRule", "NetmaskGroupRule", "MaxQPSRule",
		"MaxQPSIPRule", "ProbaRule", "PoolAvailableRule", "DNSSECRule", "makeRule",
		"newSuffixMatchNode", "newDNSNameSet", "newNMG", "DropAction", "AllowAction",
		"RCodeAction", "SpoofAction", "TCAction", "PoolAction", "QPSAction",
		"QPSPoolAction", "DelayAction", "SetNoRecurseAction", "SetSkipCacheAction",
		"LogAction", "LogResponseAction",
		"DropResponseAction", "DelayResponseAction", "addAction", "addResponseAction",
		"addCacheHitResponseAction", "addSelfAnsweredResponseAction", "rmRule", "mvRule",
		"topRule", "clearRules", "LuaRule", "LuaAction", "LuaResponseAction", "DNSAction",
		"DNSResponseAction", "TagRule", "SetTagAction", "SetTagResponseAction",
		"QNameLabelsCountRule", "QNameWireLengthRule", "RecordsCountRule",
		"RecordsTypeCountRule", "PoolOutstandingRule", "TrailingDataRule",
		"EDNSVersionRule", "EDNSOptionRule", "ERCodeRule", "DSTPortRule",
	};

	STATIC_MUST(COUNT_OF(names) <= (size_t)CF_RULE_NAMES);
	memcpy(out, names, sizeof(names));
	return COUNT_OF(names);
}
