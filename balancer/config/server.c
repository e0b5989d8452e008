/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * newServer, in both of its forms, and the methods of what it returns. The keys stand once, in a
 * table: their kind, range and place in struct bal_server.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { INT32, UINT32, UINT16, NS, BOOL };

/* A key that comes to one number. */
struct number_key {
	const char *name;
	enum kind kind;
	size_t at;          /* offset in struct bal_server */
	int64_t min, max;
	int64_t unit_ns;    /* NS: of the number that the file has */
};

#define AT(field) offsetof(struct bal_server, field)

static const struct number_key numbers[] = {
	{ "order", INT32, AT(order), INT32_MIN, INT32_MAX, 0 },
	{ "qps", UINT32, AT(qps), 0, UINT32_MAX, 0 },
	{ "slowStart", NS, AT(slow_start_ns), 0, 86400, 1000000000 },
	{ "sockets", UINT16, AT(sockets), 1, BAL_SOCKETS_MAX, 0 },
	{ "checkClass", UINT16, AT(check.class), 1, 65535, 0 },
	{ "checkInterval", NS, AT(check.interval_ns), 1, 86400, 1000000000 },
	{ "checkTimeout", NS, AT(check.timeout_ns), 1, 3600000, 1000000 },
	{ "maxCheckFailures", UINT32, AT(check.max_failures), 1, 255, 0 },
	{ "rise", UINT32, AT(check.rise), 1, 255, 0 },
	{ "mustResolve", BOOL, AT(check.must_resolve), 0, 1, 0 },
	{ "setCD", BOOL, AT(check.set_cd), 0, 1, 0 },
	{ "checkTCP", BOOL, AT(check.tcp), 0, 1, 0 },
	{ "lazyHealthCheckSampleSize", UINT16, AT(check.lazy.samples), 1, 65535, 0 },
	{ "lazyHealthCheckMinSampleCount", UINT16, AT(check.lazy.min_samples), 1, 65535, 0 },
	{ "lazyHealthCheckThreshold", UINT16, AT(check.lazy.threshold), 1, 100, 0 },
	{ "lazyHealthCheckFailedInterval", NS, AT(check.lazy.failed_ns), 1, 65535, 1000000000 },
	{ "lazyHealthCheckUseExponentialBackOff", BOOL, AT(check.lazy.back_off), 0, 1, 0 },
	{ "lazyHealthCheckMaxBackOff", NS, AT(check.lazy.back_off_max_ns), 1, 65535, 1000000000 },
	{ "useClientSubnet", BOOL, AT(client_subnet), 0, 1, 0 },
	{ "useProxyProtocol", BOOL, AT(proxy), 0, 1, 0 },
	{ "udpTimeout", NS, AT(udp_timeout_ns), 0, 255, 1000000000 },
	{ "tcpOnly", BOOL, AT(tcp_only), 0, 1, 0 },
	{ "reconnectOnUp", BOOL, AT(reconnect), 0, 1, 0 },
	{ "retries", UINT32, AT(tcp.retries), 0, 100, 0 },
	{ "tcpConnectTimeout", NS, AT(tcp.connect_timeout_ns), 1, 3600, 1000000000 },
	{ "tcpSendTimeout", NS, AT(tcp.send_timeout_ns), 1, 3600, 1000000000 },
	{ "tcpRecvTimeout", NS, AT(tcp.recv_timeout_ns), 1, 3600, 1000000000 },
	{ "maxInFlight", UINT32, AT(tcp.max_in_flight), 0, BAL_TCP_IN_FLIGHT, 0 },
	{ "maxConcurrentTCPConnections", UINT32, AT(tcp.max_conns), 0, UINT32_MAX, 0 },
};

/* Keys of dnsdist that change nothing here: accepted. */
static const char *const no_effect[] = { "tcpFastOpen", "disableZeroScope", "cpus" };

/* Keys of dnsdist that we can't honour yet. */
static const char *const unsupported[] = {
	"checkFunction", "addXPF", "tls", "subjectName", "dohPath",
};

/* Every key that we read, for "did you mean". */
static const char *const known[] = {
	"address", "id", "name", "order", "weight", "qps", "pool", "slowStart", "sockets",
	"checkName",
	"checkType", "checkClass", "checkInterval", "checkTimeout", "maxCheckFailures", "rise",
	"mustResolve", "setCD", "checkTCP", "healthCheckMode", "lazyHealthCheckSampleSize",
	"lazyHealthCheckMinSampleCount", "lazyHealthCheckThreshold",
	"lazyHealthCheckFailedInterval", "lazyHealthCheckMode",
	"lazyHealthCheckUseExponentialBackOff", "lazyHealthCheckMaxBackOff",
	"useClientSubnet", "useProxyProtocol", "source", "reconnectOnUp", "tcpOnly",
	"udpTimeout",
	"retries", "tcpConnectTimeout", "tcpSendTimeout", "tcpRecvTimeout",
	"maxInFlight", "maxConcurrentTCPConnections",
};

static const char meta_name[] = "evenkeel.server";

static bool listed(const char *word, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, names[i]) == 0)
			return true;
	return false;
}

static void store(struct bal_server *s, const struct number_key *k, int64_t v)
{
	char *at = (char *)s + k->at;

	switch (k->kind) {
	case INT32: { int32_t x = (int32_t)v; memcpy(at, &x, sizeof(x)); break; }
	case UINT32: { uint32_t x = (uint32_t)v; memcpy(at, &x, sizeof(x)); break; }
	case UINT16: { uint16_t x = (uint16_t)v; memcpy(at, &x, sizeof(x)); break; }
	case NS: { int64_t x = v * k->unit_ns; memcpy(at, &x, sizeof(x)); break; }
	case BOOL: { bool x = v != 0; memcpy(at, &x, sizeof(x)); break; }
	}
}

static void read_number(lua_State *l, struct bal_server *s, const struct number_key *k, int index)
{
	char what[64];

	snprintf(what, sizeof(what), "newServer: %s", k->name);
	store(s, k, k->kind == BOOL ? cf_want_bool(l, index, what)
	                            : cf_want_int(l, index, what, k->min, k->max));
}

/* False: dnsdist says so in a line of its own and carries on without the server. */
static bool read_weight(lua_State *l, struct bal_server *s, int index)
{
	int64_t v;

	if (!cf_is_int(l, index, &v))
		cf_fail(l, "newServer: weight: '%s': expected a whole number from 1 to 2147483647",
		        cf_show(l, index));
	if (v >= 1 && v <= INT32_MAX) {
		s->weight = (int32_t)v;
		return true;
	}
	cf_note(cf_loader(l), CONFIG_PRINT, cf_line(l),
	        v < 1 ? "Error creating new server: downstream weight value must be greater than 0."
	        : "Error creating new server: downstream weight value must be between 1 and "
	        "2147483647");
	return false;
}

static void read_address(lua_State *l, struct bal_server *s, int index)
{
	const char *text = cf_want_text(l, index, "newServer: address");

	if (ep_parse(&s->addr, text, 53) < 0 || ip_is_any(&s->addr.ip))
		cf_fail(l, "newServer: address: '%s': expected an IP address, or one with a port",
		        text);
}

static void read_text(lua_State *l, char out[BAL_NAME_TEXT], const char *what, int index)
{
	const char *text = cf_want_text(l, index, what);

#ifdef EK_PLANT /* a bug for the fuzzer to find: no room for a long name */
	char *volatile room = malloc(BAL_NAME_TEXT);
	strcpy(room, text);
	free(room);
#endif
	if (strlen(text) >= BAL_NAME_TEXT)
		cf_fail(l, "%s: '%s': expected at most %d bytes", what, text, BAL_NAME_TEXT - 1);
	snprintf(out, BAL_NAME_TEXT, "%s", text);
}

static void read_check_name(lua_State *l, struct bal_server *s, int index)
{
	const char *text = cf_want_text(l, index, "newServer: checkName");
	int len = dns_name_parse(s->check.name, text);

	if (len < 0)
		cf_fail(l, "newServer: checkName: '%s': expected a domain name", text);
	s->check.name_len = (uint16_t)len;
}

static void read_check_type(lua_State *l, struct bal_server *s, int index)
{
	static const struct { const char *name; uint16_t type; } types[] = {
		{ "A", DNS_A }, { "NS", DNS_NS }, { "CNAME", DNS_CNAME }, { "SOA", DNS_SOA },
		{ "PTR", DNS_PTR }, { "MX", DNS_MX }, { "TXT", DNS_TXT }, { "AAAA", DNS_AAAA },
		{ "SRV", DNS_SRV }, { "DS", DNS_DS }, { "DNSKEY", DNS_DNSKEY },
		{ "HTTPS", DNS_HTTPS }, { "ANY", DNS_ANY }, { "CAA", DNS_CAA },
	};
	int64_t v;

	if (cf_is_int(l, index, &v) && v >= 1 && v <= 65535) {
		s->check.type = (uint16_t)v;
		return;
	}
	const char *text = cf_want_text(l, index, "newServer: checkType");
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		if (strcmp(text, types[i].name) != 0)
			continue;
		s->check.type = types[i].type;
		return;
	}
	cf_fail(l, "newServer: checkType: '%s': expected A, NS, SOA, AAAA... or a number from 1 to "
	        "65535", text);
}

/* IP, INTERFACE, or IP@INTERFACE. */
static void read_source(lua_State *l, struct bal_server *s, int index)
{
	const char *text = cf_want_text(l, index, "newServer: source"), *at = strchr(text, '@');
	const char *name = at != NULL ? at + 1 : text;
	char ip[IP_TEXT] = "";

	if (at != NULL && (size_t)(at - text) < sizeof(ip))
		memcpy(ip, text, (size_t)(at - text));
	bool addressed = ip_parse(&s->from, at != NULL ? ip : text) == 0;
	if (addressed && at == NULL)
		name = "";
	if ((at != NULL && (!addressed || name[0] == '\0')) ||
	    strlen(name) >= sizeof(s->from_interface) || text[0] == '\0')
		cf_fail(l, "newServer: source: '%s': expected an IP address, an interface, or "
		        "both as 192.0.2.1@eth0", text);
	if (addressed && ip_is4(&s->from) != ip_is4(&s->addr.ip))
		cf_fail(l, "newServer: source: '%s': expected an address of the server's family",
		        text);
	snprintf(s->from_interface, sizeof(s->from_interface), "%s", name);
}

/* Pushes t[name] of the table at index 1. False, and nothing pushed, when it is nil. */
static bool get(lua_State *l, const char *name)
{
	lua_pushstring(l, name);
	lua_rawget(l, 1);
	if (!lua_isnil(l, -1))
		return true;
	lua_pop(l, 1);
	return false;
}

static bool is_known(const char *name)
{
	return listed(name, known, COUNT_OF(known));
}

/* One key that isn't read: noted, or an error. */
static void judge_key(lua_State *l, const char *name)
{
	struct loader *ld = cf_loader(l);
	char text[CONFIG_NOTE_TEXT];

	snprintf(text, sizeof(text), "newServer: %s", name);
	if (listed(name, no_effect, COUNT_OF(no_effect))) {
		cf_note(ld, CONFIG_NO_EFFECT, cf_line(l), text);
		return;
	}
	if (ld->mode == CONFIG_FOREIGN) {
		cf_note(ld, CONFIG_UNKNOWN, cf_line(l), text);
		return;
	}
	if (listed(name, unsupported, COUNT_OF(unsupported)))
		cf_fail(l, "newServer: '%s' is not supported yet", name);
	const char *near = closest(name, known, COUNT_OF(known));
	if (near != NULL)
		cf_fail(l, "newServer: unknown key '%s': did you mean '%s'?", name, near);
	cf_fail(l, "newServer: unknown key '%s': expected address, name, order, weight, "
	        "checkName...", name);
}

/* Reads the table at index 1. False when the server is left out. */
static bool read_table(lua_State *l, struct bal_server *s)
{
	cf_judge_unread(l, 1, "newServer", "address=\"192.0.2.1\"", is_known, judge_key);
	if (!get(l, "address"))
		cf_fail(l, "newServer: no address: expected address=\"IP[:PORT]\"");
	read_address(l, s, lua_gettop(l));
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		if (get(l, numbers[i].name))
			read_number(l, s, &numbers[i], lua_gettop(l));
	if (get(l, "name"))
		read_text(l, s->name, "newServer: name", lua_gettop(l));
	if (get(l, "id"))
		read_text(l, s->id, "newServer: id", lua_gettop(l));
	if (get(l, "checkName"))
		read_check_name(l, s, lua_gettop(l));
	if (get(l, "checkType"))
		read_check_type(l, s, lua_gettop(l));
	if (get(l, "healthCheckMode"))
		cf_health_mode(l, &s->check, lua_gettop(l));
	if (get(l, "lazyHealthCheckMode"))
		cf_lazy_mode(l, &s->check, lua_gettop(l));
	cf_lazy_check(l, &s->check);
	s->check.tcp |= s->tcp_only; /* what isn't used says nothing */
	if (get(l, "source"))
		read_source(l, s, lua_gettop(l));
	if (get(l, "pool"))
		s->pools = cf_want_pools(l, lua_gettop(l), "newServer: pool");
	return !get(l, "weight") || read_weight(l, s, lua_gettop(l));
}

static void read_plain(lua_State *l, struct bal_server *s)
{
	read_address(l, s, 1);
	if (!lua_isnoneornil(l, 2))
		s->qps = (uint32_t)cf_want_int(l, 2, "newServer: qps", 0, UINT32_MAX);
}

int cf_server_new(lua_State *l)
{
	struct loader *ld = cf_loader(l);
	struct bal_server s;
	void *new;
	bool in;

	memset(&s, 0, sizeof(s));
	bal_server_defaults(&s);
	s.line = cf_line(l);
	s.slow_start_ns = CF_UNSET; /* what setSlowStart says, before or after */
	if (lua_istable(l, 1)) {
		in = read_table(l, &s);
	} else {
		read_plain(l, &s);
		in = true;
	}
	if (in && ld->server_n >= BAL_SERVERS_MAX)
		cf_fail(l, "newServer: more than %d servers", BAL_SERVERS_MAX);
	if (in && ld->socket_n + s.sockets > CONFIG_SOCKETS_MAX)
		cf_fail(l, "newServer: sockets: more than %d in all", CONFIG_SOCKETS_MAX);
	int *handle = lua_newuserdata(l, sizeof(*handle));
	*handle = in ? (int)ld->server_n : -1;
	luaL_getmetatable(l, meta_name);
	lua_setmetatable(l, -2);
	if (in) {
		ld->socket_n += s.sockets;
		ld->server = cf_list_add(ld->server, &ld->server_n, sizeof(s), &new);
		memcpy(new, &s, sizeof(s));
	}
	return 1;
}

/* The server that a method was called on; NULL for one that was left out. */
static struct bal_server *self(lua_State *l)
{
	struct loader *ld = cf_loader(l);

	if (!cf_is_a(l, 1, meta_name))
		cf_fail(l, "expected a server before the method, as in s:setUp()");
	int i = *(const int *)lua_touserdata(l, 1);
	return i >= 0 ? &ld->server[i] : NULL;
}

static int set_mode(lua_State *l, enum bal_check_mode mode)
{
	struct bal_server *s = self(l);

	if (s != NULL)
		s->check.mode = mode;
	return 0;
}

static int set_up(lua_State *l)
{
	return set_mode(l, BAL_CHECK_UP);
}

static int set_down(lua_State *l)
{
	return set_mode(l, BAL_CHECK_DOWN);
}

/* Probes decide, at once or lazily; like setAuto. */
static int set_auto_kind(lua_State *l, bool lazy, const char *what)
{
	struct bal_server *s = self(l);

	if (!lua_isnoneornil(l, 2))
		cf_want_bool(l, 2, what);
	if (s != NULL)
		s->check.lazy.on = lazy;
	return set_mode(l, BAL_CHECK_AUTO);
}

static int set_active_auto(lua_State *l)
{
	return set_auto_kind(l, false, "setActiveAuto");
}

static int set_lazy_auto(lua_State *l)
{
	return set_auto_kind(l, true, "setLazyAuto");
}

/* setAuto(status) also sets the state until the first probe: at start there is none before it. */
static int set_auto(lua_State *l)
{
	if (!lua_isnoneornil(l, 2))
		cf_want_bool(l, 2, "setAuto");
	return set_mode(l, BAL_CHECK_AUTO);
}

static int get_name(lua_State *l)
{
	const struct bal_server *s = self(l);

	lua_pushstring(l, s != NULL ? s->name : "");
	return 1;
}

static int get_name_with_addr(lua_State *l)
{
	const struct bal_server *s = self(l);
	char addr[EP_TEXT] = "";

	if (s != NULL)
		ep_format(&s->addr, addr);
	if (s != NULL && s->name[0] != '\0')
		lua_pushfstring(l, "%s (%s)", s->name, addr);
	else
		lua_pushstring(l, addr);
	return 1;
}

static int add_pool(lua_State *l)
{
	struct bal_server *s = self(l);
	unsigned pool = cf_want_pool(l, 2, "addPool");

	if (s != NULL)
		s->pools |= UINT64_C(1) << pool;
	return 0;
}

static int remove_pool(lua_State *l)
{
	struct bal_server *s = self(l);
	unsigned pool = cf_want_pool(l, 2, "rmPool");

	if (s != NULL)
		s->pools &= ~(UINT64_C(1) << pool);
	return 0;
}

static const luaL_Reg methods[] = {
	{ "setUp", set_up }, { "setDown", set_down }, { "setAuto", set_auto },
	{ "setActiveAuto", set_active_auto }, { "setLazyAuto", set_lazy_auto },
	{ "getName", get_name }, { "getNameWithAddr", get_name_with_addr },
	{ "addPool", add_pool }, { "rmPool", remove_pool },
};

static int find_method(lua_State *l)
{
	static const char *const names[] = {
		"setUp", "setDown", "setAuto", "setActiveAuto", "setLazyAuto", "getName",
		"getNameWithAddr", "addPool", "rmPool",
	};
	const char *name = cf_show(l, 2);

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		if (strcmp(name, methods[i].name) != 0)
			continue;
		lua_pushcfunction(l, methods[i].func);
		return 1;
	}
	if (cf_loader(l)->mode == CONFIG_FOREIGN) {
		char text[CONFIG_NOTE_TEXT];
		snprintf(text, sizeof(text), "Server:%s", name);
		cf_foreign_push(l, text);
		return 1;
	}
	const char *near = closest(name, names, COUNT_OF(names));
	if (near != NULL)
		cf_fail(l, "a server has no '%s': did you mean '%s'?", name, near);
	cf_fail(l, "a server has no '%s': expected setUp, setDown, setAuto, getName, "
	        "getNameWithAddr, addPool or rmPool", name);
}

static int no_write(lua_State *l)
{
	if (cf_loader(l)->mode == CONFIG_FOREIGN) {
		char text[CONFIG_NOTE_TEXT];
		snprintf(text, sizeof(text), "Server.%s", cf_show(l, 2));
		cf_note(cf_loader(l), CONFIG_UNKNOWN, cf_line(l), text);
		return 0;
	}
	cf_fail(l, "a server's '%s' can't be set: expected it as a key of newServer",
	        cf_show(l, 2));
}

void cf_server_register(lua_State *l)
{
	luaL_newmetatable(l, meta_name);
	lua_pushcfunction(l, find_method);
	lua_setfield(l, -2, "__index");
	lua_pushcfunction(l, no_write);
	lua_setfield(l, -2, "__newindex");
	lua_pushboolean(l, 0);
	lua_setfield(l, -2, "__metatable");
	lua_pop(l, 1);
}
