/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables of numbers that a file may name, as DNSQType.A: types, classes, rcodes, opcodes,
 * sections, EDNS options.
 */
#include "internal.h"

#include <string.h>
#include <strings.h>

struct number {
	const char *name;
	uint16_t value;
};

/* IANA's. */
static const struct number types[] = {
	{ "A", 1 }, { "NS", 2 }, { "CNAME", 5 }, { "SOA", 6 }, { "MB", 7 }, { "MG", 8 },
	{ "MR", 9 }, { "PTR", 12 },
	{ "HINFO", 13 }, { "MINFO", 14 }, { "MX", 15 }, { "TXT", 16 }, { "RP", 17 },
	{ "AFSDB", 18 }, { "SIG", 24 }, { "KEY", 25 }, { "AAAA", 28 }, { "LOC", 29 },
	{ "SRV", 33 }, { "NAPTR", 35 }, { "KX", 36 }, { "CERT", 37 }, { "A6", 38 }, { "DNAME", 39 },
	{ "OPT", 41 }, { "APL", 42 }, { "DS", 43 }, { "SSHFP", 44 }, { "IPSECKEY", 45 },
	{ "RRSIG", 46 }, { "NSEC", 47 }, { "DNSKEY", 48 }, { "DHCID", 49 }, { "NSEC3", 50 },
	{ "NSEC3PARAM", 51 }, { "TLSA", 52 }, { "SMIMEA", 53 }, { "HIP", 55 }, { "RKEY", 57 },
	{ "CDS", 59 }, { "CDNSKEY", 60 }, { "OPENPGPKEY", 61 }, { "CSYNC", 62 }, { "ZONEMD", 63 },
	{ "SVCB", 64 }, { "HTTPS", 65 }, { "SPF", 99 }, { "NID", 104 }, { "L32", 105 },
	{ "L64", 106 }, { "LP", 107 }, { "EUI48", 108 }, { "EUI64", 109 }, { "TKEY", 249 },
	{ "TSIG", 250 }, { "IXFR", 251 }, { "AXFR", 252 }, { "MAILB", 253 }, { "MAILA", 254 },
	{ "ANY", 255 }, { "URI", 256 }, { "CAA", 257 }, { "DLV", 32769 },
};

static const struct number classes[] = {
	{ "IN", 1 }, { "CHAOS", 3 }, { "NONE", 254 }, { "ANY", 255 },
};

static const struct number rcodes[] = {
	{ "NOERROR", 0 }, { "FORMERR", 1 }, { "SERVFAIL", 2 }, { "NXDOMAIN", 3 }, { "NOTIMP", 4 },
	{ "REFUSED", 5 }, { "YXDOMAIN", 6 }, { "YXRRSET", 7 }, { "NXRRSET", 8 }, { "NOTAUTH", 9 },
	{ "NOTZONE", 10 }, { "BADVERS", 16 }, { "BADSIG", 16 }, { "BADKEY", 17 },
	{ "BADTIME", 18 }, { "BADMODE", 19 }, { "BADNAME", 20 }, { "BADALG", 21 },
	{ "BADTRUNC", 22 }, { "BADCOOKIE", 23 },
};

static const struct number opcodes[] = {
	{ "Query", 0 }, { "IQuery", 1 }, { "Status", 2 }, { "Notify", 4 }, { "Update", 5 },
};

static const struct number sections[] = {
	{ "Question", 0 }, { "Answer", 1 }, { "Authority", 2 }, { "Additional", 3 },
};

static const struct number options[] = {
	{ "NSID", 3 }, { "DAU", 5 }, { "DHU", 6 }, { "N3U", 7 }, { "ECS", 8 }, { "EXPIRE", 9 },
	{ "COOKIE", 10 }, { "TCPKEEPALIVE", 11 }, { "PADDING", 12 }, { "CHAIN", 13 },
	{ "KEYTAG", 14 },
};

int cf_type_number(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (strcasecmp(name, types[i].name) == 0)
			return types[i].value;
	return -1;
}

const char *config_rcode_name(unsigned rcode)
{
	static const char *const names[16] = {
		"No Error", "Form Error", "Server Failure", "Non-Existent domain",
		"Not Implemented", "Query Refused", "Name Exists when it should not",
		"RR Set Exists when it should not", "RR Set that should exist does not",
		"Server Not Authoritative for zone / Not Authorized",
		"Name not contained in zone", "Err#11", "Err#12", "Err#13", "Err#14", "Err#15",
	};

	MUST(rcode < COUNT_OF(names));
	return names[rcode];
}

const char *cf_ercode_name(unsigned rcode)
{
	static const char *const names[] = {
		"Bad OPT Version / TSIG Signature Failure", "Key not recognized",
		"Signature out of time window", "Bad TKEY Mode", "Duplicate key name",
		"Algorithm not supported", "Bad Truncation", "Bad/missing Server Cookie",
	};

	if (rcode < 16)
		return config_rcode_name(rcode);
	return rcode - 16 < COUNT_OF(names) ? names[rcode - 16] : "Err";
}

const char *config_type_name(uint16_t type)
{
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (types[i].value == type)
			return types[i].name;
	return NULL;
}

static void add(lua_State *l, const char *table, const struct number *n, size_t count)
{
	lua_createtable(l, 0, (int)count);
	for (size_t i = 0; i < count; i++) {
		lua_pushinteger(l, n[i].value);
		lua_setfield(l, -2, n[i].name);
	}
	lua_setglobal(l, table);
}

void cf_numbers_register(lua_State *l)
{
	add(l, "DNSQType", types, COUNT_OF(types));
	add(l, "DNSClass", classes, COUNT_OF(classes));
	add(l, "DNSRCode", rcodes, COUNT_OF(rcodes));
	add(l, "DNSOpcode", opcodes, COUNT_OF(opcodes));
	add(l, "DNSSection", sections, COUNT_OF(sections));
	add(l, "EDNSOptionCode", options, COUNT_OF(options));
}
