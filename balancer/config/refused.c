/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Names that dnsdist 1.7 gives to a configuration and that are not honoured here, by the reason, so
 * that the one line that refuses a file says more than that a name is unknown. A name that is
 * honoured never gets here, wherever it stands.
 */
#include "internal.h"

#include <string.h>

static const char *const shows[] = {
	"getBind", "getBindCount", "showBinds", "showACL", "getPoolServers", "showServers",
	"showServerPolicy", "showPoolServerPolicy", "showTCPStats", "requestTCPStatesDump",
	"showPools", "showRules", "topRules", "getTopRules", "benchRule", "showResponseRules",
	"topResponseRules", "getTopResponseRules", "showCacheHitResponseRules", "topCacheHitRules",
	"showSelfAnsweredResponseRules", "topSelfAnsweredResponseRules",
	"getTopSelfAnsweredResponseRules", "getCacheHitResponseRules", "show", "help", "testCrypto",
	"showConsoleACL", "clearConsoleHistory", "showWebserverConfig", "shutdown", "showVersion",
	"showSecurityStatus", "delta", "dumpStats", "getStatisticsCounters", "topQueries",
	"topClients", "topBandwidth", "topResponses", "topSlow", "getTopQueries", "getTopResponses",
	"getTopBandwidth", "getRespRing", "getResponseRing", "getSlowResponses", "grepq",
	"statNodeRespRing", "showResponseLatency", "setQueryCount", "setQueryCountFilter",
	"getQueryCounters", "clearQueryCounters", NULL,
};

static const char *const secret[] = {
	"makeKey", "hashPassword", NULL,
};

static const char *const tls[] = {
	"addTLSLocal", "addDOHLocal", "addDNSCryptBind", "getTLSContext", "getTLSFrontend",
	"getTLSFrontendCount", "showTLSContexts", "showTLSErrorCounters", "reloadAllCertificates",
	"generateOCSPResponse", "getDOHFrontend", "getDOHFrontendCount", "showDOHFrontends",
	"showDOHResponseCodes", "requestDoHStatesDump", "setDoHDownstreamCleanupInterval",
	"setDoHDownstreamMaxIdleTime", "setMaxIdleDoHConnectionsPerDownstream",
	"setOutgoingDoHWorkerThreads", "getOutgoingTLSSessionCacheSize",
	"setOutgoingTLSSessionsCacheCleanupDelay", "setOutgoingTLSSessionsCacheMaxTicketValidity",
	"setOutgoingTLSSessionsCacheMaxTicketsPerBackend", "generateDNSCryptCertificate",
	"generateDNSCryptProviderKeys", "getDNSCryptBind", "getDNSCryptBindCount",
	"showDNSCryptBinds", "printDNSCryptProviderFingerprint", "SNIRule", "HTTPHeaderRule",
	"HTTPPathRule", "HTTPPathRegexRule", "HTTPStatusAction", "newDOHResponseMapEntry",
	"DNSCryptExchangeVersion", NULL,
};

static const char *const dyn[] = {
	"addDynBlocks", "addDynBlockSMT", "clearDynBlocks", "showDynBlocks", "setDynBlocksAction",
	"setDynBlocksPurgeInterval", "dynBlockRulesGroup", "exceedNXDOMAINs", "exceedQRate",
	"exceedQTypeRate", "exceedRespByterate", "exceedServFails", "newBPFFilter",
	"newDynBPFFilter", "registerDynBPFFilter", "unregisterDynBPFFilter",
	"addBPFFilterDynBlocks", "setDefaultBPFFilter", "TimedIPSetRule", NULL,
};

static const char *const elsewhere[] = {
	"carbonServer", "snmpAgent", "sendCustomTrap", "SNMPTrapAction", "SNMPTrapResponseAction",
	"newRemoteLogger", "newFrameStreamTcpLogger", "newFrameStreamUnixLogger",
	"RemoteLogAction", "RemoteLogResponseAction", "DnstapLogAction",
	"DnstapLogResponseAction", "makeIPCipherKey", "newCDBKVStore", "newLMDBKVStore",
	"KeyValueLookupKeyQName", "KeyValueLookupKeySourceIP", "KeyValueLookupKeySuffix",
	"KeyValueLookupKeyTag", "KeyValueStoreLookupRule", "KeyValueStoreRangeLookupRule",
	"KeyValueStoreLookupAction", "KeyValueStoreRangeLookupAction", "TeeAction", NULL,
};

static const char *const proxy[] = {
	"setProxyProtocolACL", "setProxyProtocolApplyACLToProxiedClients",
	"setProxyProtocolMaximumPayloadSize", "ProxyProtocolValueRule",
	"SetProxyProtocolValuesAction", "SetAdditionalProxyProtocolValueAction", NULL,
};

static const char *const ecs[] = {
	"SetEDNSOptionAction", "SetMacAddrAction", "MacAddrAction", NULL,
};

static const char *const ffi[] = {
	"setServerPolicyLuaFFI", "setServerPolicyLuaFFIPerThread", "setPoolServerPolicyLuaFFI",
	"setPoolServerPolicyLuaFFIPerThread", "LuaFFIRule", "LuaFFIPerThreadRule",
	"LuaFFIAction", "LuaFFIPerThreadAction", "LuaFFIResponseAction",
	"LuaFFIPerThreadResponseAction", NULL,
};

static const char *const lua[] = {
	"dofile", "loadfile", "load", "loadstring", "require", "module", "io", "os", "package",
	"debug", "jit", "coroutine", "getfenv", "setfenv", "newproxy", "collectgarbage", "gcinfo",
	"bit", "registerWebHandler", "addCapabilitiesToRetain", "setACLFromFile", "xpcall", NULL,
};

static const char *const selectors[] = {
	"AllRule", "AndRule", "OrRule", "NotRule", "QNameRule", "QNameSetRule",
	"SuffixMatchNodeRule", "RegexRule", "RE2Rule", "QTypeRule", "QClassRule", "OpcodeRule",
	"RCodeRule", "RDRule", "TCPRule", "NetmaskGroupRule", "MaxQPSIPRule", "MaxQPSRule",
	"ProbaRule", "PoolAvailableRule", "DNSSECRule", NULL,
};

static const char *const actions[] = {
	"DropAction", "RCodeAction", "SpoofAction", "SpoofSVCAction", "TCAction", "AllowAction",
	"PoolAction", "QPSPoolAction", "QPSAction", "DelayAction", "SetNoRecurseAction",
	"NoRecurseAction", "SetSkipCacheAction", "SkipCacheAction", "LogAction", "NoneAction",
	"SetDisableValidationAction", "DisableValidationAction", "AllowResponseAction",
	"DropResponseAction", "DelayResponseAction", "LogResponseAction",
	"addSelfAnsweredResponseAction", "addCacheHitResponseAction", NULL,
};

static const char *const values[] = {
	"newDNSNameFromRaw", "newDNSNameSet", "newNetmask", "newCA", "newCAFromRaw",
	"newQPSLimiter", "newSVCRecordParameters", NULL,
};

static const char *const other[] = {
	"rmACL", "setTCPInternalPipeBufferSize", "setPoolServerPolicyLua", "inClientStartup",
	"inConfigCheck", "infolog", "warnlog", "errlog", "setUDPSocketBufferSizes",
	"setDropEmptyQueries", "setAllowEmptyResponse", "truncateTC", "fixupCase",
	"setPayloadSizeOnSelfGeneratedAnswers", "DNSRCode", "DNSOpcode", "newDNSName",
	"newSuffixMatchNode", "newNMG", "makeRule", "addAction", "addResponseAction",
	"setAPIWritable", NULL,
};

static const struct { const char *why; const char *const *names; } groups[] = {
	{ "it shows or counts something, which a console may do", shows },
	{ "it makes secrets, which a console does", secret },
	{ "there is no TLS, DoH or DNSCrypt here", tls },
	{ "there are no dynamic blocks here", dyn },
	{ "nothing is sent to, or looked up in, a store elsewhere", elsewhere },
	{ "there is no proxy protocol here", proxy },
	{ "EDNS options are passed on as they are", ecs },
	{ "Lua decides through plain functions only", ffi },
	{ "a configuration reads and runs nothing else", lua },
	{ "there is no such rule here", selectors },
	{ "there is no such action here", actions },
	{ "nothing here takes such a value", values },
	{ "it is not there", other },
};

const char *cf_why_refused(const char *name)
{
	for (size_t g = 0; g < COUNT_OF(groups); g++)
		for (const char *const *n = groups[g].names; *n != NULL; n++)
			if (strcmp(name, *n) == 0)
				return groups[g].why;
	return NULL;
}
