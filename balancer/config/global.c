/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every function and value besides newServer that a configuration may name, and what happens to a
 * name that we don't know. One table each: those that do something, those without effect here,
 * those not supported yet.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_front(lua_State *l, const char *function)
{
	struct loader *ld = cf_loader(l);
	const char *text = cf_want_text(l, 1, function);
	struct ep ep;
	void *new;

	if (ep_parse(&ep, text, 53) < 0)
		cf_fail(l, "%s: '%s': expected an IP address, or one with a port", function, text);
	struct bal_listen listen = cf_tcp_listen(l, function);
	if (ld->front_n >= LOADER_LIST_MAX)
		cf_fail(l, "%s: more than %d addresses", function, LOADER_LIST_MAX);
	ld->front = cf_list_add(ld->front, &ld->front_n, sizeof(ep), &new);
	memcpy(new, &ep, sizeof(ep));
	ld->listen = cf_list_add(ld->listen, &ld->listen_n, sizeof(listen), &new);
	memcpy(new, &listen, sizeof(listen));
}

static int set_local(lua_State *l)
{
	struct loader *ld = cf_loader(l);

	free(ld->front);
	free(ld->listen);
	ld->front = NULL;
	ld->listen = NULL;
	ld->front_n = ld->listen_n = 0;
	add_front(l, "setLocal");
	return 0;
}

static int add_local(lua_State *l)
{
	add_front(l, "addLocal");
	return 0;
}

static void add_prefix(lua_State *l, int index, const char *function)
{
	struct loader *ld = cf_loader(l);
	const char *text = cf_want_text(l, index, function);
	struct prefix p;
	void *new;

	if (prefix_parse(&p, text) < 0)
		cf_fail(l, "%s: '%s': expected an IP address, or one with /BITS", function, text);
	if (ld->acl_n >= LOADER_LIST_MAX)
		cf_fail(l, "%s: more than %d prefixes", function, LOADER_LIST_MAX);
	ld->acl = cf_list_add(ld->acl, &ld->acl_n, sizeof(p), &new);
	memcpy(new, &p, sizeof(p));
}

static void add_prefixes(lua_State *l, const char *function)
{
	if (!lua_istable(l, 1)) {
		add_prefix(l, 1, function);
		return;
	}
	for (int i = 1, n = (int)lua_objlen(l, 1); i <= n; i++) {
		lua_rawgeti(l, 1, i);
		add_prefix(l, lua_gettop(l), function);
		lua_pop(l, 1);
	}
}

static int set_acl(lua_State *l)
{
	struct loader *ld = cf_loader(l);

	free(ld->acl);
	ld->acl = NULL;
	ld->acl_n = 0;
	add_prefixes(l, "setACL");
	return 0;
}

static int add_acl(lua_State *l)
{
	add_prefixes(l, "addACL");
	return 0;
}

static int set_udp_timeout(lua_State *l)
{
	cf_loader(l)->udp_timeout_ns = cf_want_int(l, 1, "setUDPTimeout", 1, 3600) * 1000000000;
	return 0;
}

static int set_max_outstanding(lua_State *l)
{
	cf_loader(l)->max_outstanding =
		(uint32_t)cf_want_int(l, 1, "setMaxUDPOutstanding", 1, 65535);
	return 0;
}

static int set_servfail(lua_State *l)
{
	cf_loader(l)->servfail_when_no_server = cf_want_bool(l, 1, "setServFailWhenNoServer");
	return 0;
}

static int set_servfail_on_timeout(lua_State *l)
{
	cf_loader(l)->servfail_on_timeout = cf_want_bool(l, 1, "setServFailOnTimeout");
	return 0;
}

static int set_udp_retry(lua_State *l)
{
	struct loader *ld = cf_loader(l);

	ld->udp_retry_ns = cf_want_int(l, 1, "setUDPRetry", 0, 3600000) * 1000000;
	ld->retry_line = cf_line(l);
	ld->retry_source = cf_source(l);
	return 0;
}

static int set_slow_start(lua_State *l)
{
	cf_loader(l)->slow_start_ns = cf_want_int(l, 1, "setSlowStart", 0, 86400) * 1000000000;
	return 0;
}

static int set_roundrobin_fail(lua_State *l)
{
	cf_loader(l)->roundrobin_fail_on_no_server =
		cf_want_bool(l, 1, "setRoundRobinFailOnNoServer");
	return 0;
}

/* dnsdist's own spelling. */
static int set_perturbation(lua_State *l)
{
	struct loader *ld = cf_loader(l);

	ld->perturbation = (uint32_t)cf_want_int(l, 1, "setWHashedPertubation", 0, UINT32_MAX);
	ld->perturbation_set = true;
	return 0;
}

static int set_weighted_factor(lua_State *l)
{
	cf_loader(l)->weighted_factor_ppm = cf_want_factor(l, 1, "setWeightedBalancingFactor");
	return 0;
}

static int set_chashed_factor(lua_State *l)
{
	cf_loader(l)->chashed_factor_ppm =
		cf_want_factor(l, 1, "setConsistentHashingBalancingFactor");
	return 0;
}

static const struct { const char *name; lua_CFunction run; } functions[] = {
	{ "newServer", cf_server_new }, { "setServerPolicy", cf_set_server_policy },
	{ "setPoolServerPolicy", cf_set_pool_policy },
	{ "setPoolServerPolicyLua", cf_set_pool_policy_lua },
	{ "setLocal", set_local }, { "addLocal", add_local },
	{ "setACL", set_acl }, { "addACL", add_acl },
	{ "setUDPTimeout", set_udp_timeout }, { "setMaxUDPOutstanding", set_max_outstanding },
	{ "setServFailWhenNoServer", set_servfail }, { "newPacketCache", cf_cache_new },
	{ "setServFailOnTimeout", set_servfail_on_timeout }, { "setSlowStart", set_slow_start },
	{ "setUDPRetry", set_udp_retry },
	{ "getPool", cf_pool_get }, { "setStaleCacheEntriesTTL", cf_set_stale },
	{ "setRoundRobinFailOnNoServer", set_roundrobin_fail },
	{ "setWHashedPertubation", set_perturbation },
	{ "setWeightedBalancingFactor", set_weighted_factor },
	{ "setConsistentHashingBalancingFactor", set_chashed_factor },
	{ "setECSSourcePrefixV4", cf_set_ecs_bits4 },
	{ "setECSSourcePrefixV6", cf_set_ecs_bits6 }, { "setECSOverride", cf_set_ecs_replace },
	{ "controlSocket", cf_control_socket }, { "setKey", cf_set_key },
	{ "setConsoleACL", cf_set_console_acl }, { "addConsoleACL", cf_add_console_acl },
	{ "setConsoleMaximumConcurrentConnections", cf_set_console_connections },
	{ "webserver", cf_webserver }, { "setWebserverConfig", cf_set_webserver_config },
	{ "getServer", cf_get_server }, { "getServers", cf_get_servers },
	{ "rmServer", cf_rm_server },
	{ "includeDirectory", cf_include_directory },
	{ "newDNSName", cf_name_new }, { "newServerPolicy", cf_new_server_policy },
	{ "setServerPolicyLua", cf_set_server_policy_lua },
};

/* Those that a function may call that is called for a query. */
static const char *const at_any_time[] = { "getServer", "getServers", "newDNSName" };

/* Upvalue: which of functions. */
static int run_function(lua_State *l)
{
	size_t which = (size_t)lua_tointeger(l, lua_upvalueindex(1));
	bool may = !cf_loader(l)->calling;

	for (size_t i = 0; i < COUNT_OF(at_any_time); i++)
		may = may || strcmp(functions[which].name, at_any_time[i]) == 0;
	if (!may)
		cf_fail(l, "%s: not in a function that is called for a query",
		        functions[which].name);
	return functions[which].run(l);
}

/*
 * What changes nothing that a client of ours could see: how many threads serve TCP (every worker
 * does), what is logged or looked up on the side, and how dnsdist batches; its random IDs are
 * always on here.
 */
static const char *const no_effect[] = {
	"setVerboseHealthChecks", "setMaxTCPClientThreads", "setMaxTCPQueuedConnections",
	"setTCPUseSinglePipe", "setTCPDownstreamCleanupInterval",
	"setRingBuffersLockRetries",
	"setSecurityPollSuffix", "setSecurityPollInterval", "setSyslogFacility", "setVerbose",
	"setUDPMultipleMessagesVectorSize", "setRandomizedIdsOverUDP",
	"setRandomizedOutgoingSockets", "setCacheCleaningDelay", "setCacheCleaningPercentage",
	"setConsoleConnectionsLogging", "setConsoleOutputMaxMsgSize",
};

/* Functions of dnsdist that we can't honour yet. Above the NULL: nor ignore, in any mode, because
 * they change which servers there are or how one is chosen. */
static const char *const unsupported[] = {
	"setServerPolicyLuaFFI", "setServerPolicyLuaFFIPerThread", "setPoolServerPolicyLuaFFI",
	NULL,
	"LuaFFIRule", "ByNameRule", "HTTPHeaderRule", "HTTPPathRule", "KeyValueStoreLookupRule",
	"KeyValueStoreRangeLookupRule", "LazyHealthCheckModeRule", "NameSetRule", "PayloadSizeRule",
	"ProxyProtocolValueRule", "RE2Rule", "SNIRule", "TimedIPSetRule", "LuaFFIAction",
	"LuaFFIResponseAction", "TeeAction", "SetMacAddrAction", "RemoteLogAction",
	"RemoteLogResponseAction", "DnstapLogAction", "DnstapLogResponseAction", "SNMPTrapAction",
	"SNMPTrapResponseAction", "KeyValueStoreLookupAction", "HTTPStatusAction",
	"ClearRecordTypesResponseAction", "SetMinTTLResponseAction", "SetMaxTTLResponseAction",
	"setAPIWritable", "addTLSLocal", "addDOHLocal", "addDNSCryptBind", "carbonServer",
	"snmpAgent", "generateDNSCryptProviderKeys", "setServerID", "setTag", "topQueries",
	"showServers", "dynBlockRulesGroup", "addDynBlocks", "maintenance",
};

static int ignored(lua_State *l)
{
	cf_note(cf_loader(l), CONFIG_NO_EFFECT, cf_line(l), lua_tostring(l, lua_upvalueindex(1)));
	return 0;
}

/* All names that do something, for "did you mean". */
static const char *near_name(const char *word)
{
	const char *names[COUNT_OF(functions) + COUNT_OF(no_effect) + CF_POLICY_NAMES +
	                  CF_TCP_NAMES + CF_QUIRK_NAMES + CF_RULE_NAMES];
	size_t n = cf_tcp_names(names);

	n += cf_quirk_names(names + n);
	n += cf_rule_names(names + n);
	n += cf_policy_names(names + n);
	for (size_t i = 0; i < COUNT_OF(functions); i++)
		names[n++] = functions[i].name;
	for (size_t i = 0; i < COUNT_OF(no_effect); i++)
		names[n++] = no_effect[i];
	return closest(word, names, n);
}

/* __index of _G: a name that nobody defined. */
static int unknown(lua_State *l)
{
	const char *name = cf_show(l, 2);
	bool foreign = cf_loader(l)->mode == CONFIG_FOREIGN, ignorable = false;

	for (size_t i = 0; i < COUNT_OF(unsupported); i++) {
		if (unsupported[i] == NULL)
			ignorable = true;
		else if (strcmp(name, unsupported[i]) == 0 &&
		         !(foreign && (ignorable || cf_loader(l)->client)))
			cf_fail(l, "'%s' is not supported yet", name);
	}
	if (foreign) {
		cf_foreign_push(l, name);
		return 1;
	}
	const char *why = cf_why_refused(name), *near = near_name(name);
	if (why != NULL)
		cf_fail(l, "'%s' is not supported: %s", name, why);
	if (near != NULL)
		cf_fail(l, "unknown name '%s': did you mean '%s'?", name, near);
	cf_fail(l, "unknown name '%s': expected a configuration function, as newServer, setLocal, "
	        "setACL, setServerPolicy", name);
}

void cf_global_register(lua_State *l)
{
	for (size_t i = 0; i < COUNT_OF(functions); i++) {
		lua_pushinteger(l, (lua_Integer)i);
		lua_pushcclosure(l, run_function, 1);
		lua_setglobal(l, functions[i].name);
	}
	for (size_t i = 0; i < COUNT_OF(no_effect); i++) {
		lua_pushstring(l, no_effect[i]);
		lua_pushcclosure(l, ignored, 1);
		lua_setglobal(l, no_effect[i]);
	}
	cf_tcp_register(l);
	cf_quirks_register(l);
	cf_policy_register(l);
	cf_numbers_register(l);
	cf_rules_register(l);
	lua_pushvalue(l, LUA_GLOBALSINDEX);
	lua_newtable(l);
	lua_pushcfunction(l, unknown);
	lua_setfield(l, -2, "__index");
	lua_pushboolean(l, 0);
	lua_setfield(l, -2, "__metatable");
	lua_setmetatable(l, -2);
	lua_pop(l, 1);
}
