/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions of a configuration that set up the console and the web server. In foreign mode they
 * do nothing, unless it is a console's client that reads the file. Secrets stay out of messages.
 */
#include "internal.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* True when the function has nothing to do: the file is somebody else's. */
static bool not_ours(lua_State *l, const char *function)
{
	struct loader *ld = cf_loader(l);

	if (ld->mode != CONFIG_FOREIGN || ld->client)
		return false;
	cf_note(ld, CONFIG_UNKNOWN, cf_line(l), function);
	return true;
}

static struct config_admin *admin_of(lua_State *l)
{
	return &cf_loader(l)->admin;
}

void cf_admin_defaults(struct config_admin *a)
{
	static const char *const console[] = { "127.0.0.0/8", "::1" };
	static const char *const web[] = { "127.0.0.1", "::1" };

	*a = (struct config_admin){
		.console = { .listen = { ip_v4(127, 0, 0, 1), 5199 }, .connections = 100 },
		.web = { .stats_need_auth = true, .connections = 100 },
	};
	for (unsigned i = 0; i < 2; i++) {
		MUST(prefix_parse(&a->console.acl.prefix[i], console[i]) == 0);
		MUST(prefix_parse(&a->web.acl.prefix[i], web[i]) == 0);
	}
	a->console.acl.n = a->web.acl.n = 2;
}

/* ---- lists of prefixes: a text, one or several with commas between them, or a table of texts */

static void add_text(lua_State *l, struct admin_acl *acl, const char *function, const char *text)
{
	static const char between[] = ", ";

	for (text += strspn(text, between); *text != '\0'; text += strspn(text, between)) {
		char one[PREFIX_TEXT] = "";
		size_t len = strcspn(text, between);
		if (len < sizeof(one))
			memcpy(one, text, len);
		if (acl->n == ADMIN_ACL_MAX)
			cf_fail(l, "%s: more than %d prefixes", function, ADMIN_ACL_MAX);
		if (prefix_parse(&acl->prefix[acl->n], one) < 0)
			cf_fail(l, "%s: '%.*s': expected an IP address, or one with /BITS",
			        function, (int)len, text);
		acl->n++;
		text += len;
	}
}

static void add_acl(lua_State *l, int index, struct admin_acl *acl, const char *function)
{
	if (!lua_istable(l, index)) {
		add_text(l, acl, function, cf_want_text(l, index, function));
		return;
	}
	for (int i = 1, n = (int)lua_objlen(l, index); i <= n; i++) {
		lua_rawgeti(l, index, i);
		add_text(l, acl, function, cf_want_text(l, lua_gettop(l), function));
		lua_pop(l, 1);
	}
}

/* ---- console ---- */

static void read_listen(lua_State *l, struct ep *out, const char *function, uint16_t port)
{
	const char *text = cf_want_text(l, 1, function);

	if (ep_parse(out, text, port) < 0)
		cf_fail(l, "%s: '%s': expected an IP address, or one with a port", function, text);
}

int cf_control_socket(lua_State *l)
{
	if (not_ours(l, "controlSocket"))
		return 0;
	read_listen(l, &admin_of(l)->console.listen, "controlSocket", 5199);
	admin_of(l)->console.on = true;
	return 0;
}

int admin_key_parse(uint8_t key[ADMIN_KEY], const char *text)
{
	const char *end;
	size_t len = strlen(text), got;

	if (sodium_base642bin(key, ADMIN_KEY, text, len, NULL, &got, &end,
	                      sodium_base64_VARIANT_ORIGINAL) < 0 ||
	    got != ADMIN_KEY || end != text + len)
		return -EINVAL;
	return 0;
}

int cf_set_key(lua_State *l)
{
	struct admin_console *c = &admin_of(l)->console;

	if (not_ours(l, "setKey"))
		return 0;
	const char *text = lua_type(l, 1) == LUA_TSTRING ? lua_tostring(l, 1) : NULL;
	if (text == NULL || admin_key_parse(c->key, text) < 0)
		cf_fail(l, "setKey: expected 32 bytes in base64, as makeKey() prints them");
	c->keyed = true;
	return 0;
}

int cf_set_console_acl(lua_State *l)
{
	if (not_ours(l, "setConsoleACL"))
		return 0;
	admin_of(l)->console.acl.n = 0;
	add_acl(l, 1, &admin_of(l)->console.acl, "setConsoleACL");
	return 0;
}

int cf_add_console_acl(lua_State *l)
{
	if (not_ours(l, "addConsoleACL"))
		return 0;
	add_acl(l, 1, &admin_of(l)->console.acl, "addConsoleACL");
	return 0;
}

int cf_set_console_connections(lua_State *l)
{
	static const char name[] = "setConsoleMaximumConcurrentConnections";

	if (not_ours(l, name))
		return 0;
	admin_of(l)->console.connections =
		(unsigned)cf_want_int(l, 1, name, 1, ADMIN_CONNECTIONS_MAX);
	return 0;
}

/* ---- web server ---- */

int cf_webserver(lua_State *l)
{
	if (not_ours(l, "webserver"))
		return 0;
	if (!lua_isnoneornil(l, 2))
		cf_fail(l, "webserver: expected an address alone: a password belongs into "
		        "setWebserverConfig");
	read_listen(l, &admin_of(l)->web.listen, "webserver", 8083);
	admin_of(l)->web.on = true;
	return 0;
}

/* A password. A hashed one must be one that can be checked, and not for long. */
static void read_secret(lua_State *l, int index, char out[ADMIN_SECRET_TEXT], const char *what)
{
	size_t len;
	const char *s = lua_type(l, index) == LUA_TSTRING ? lua_tolstring(l, index, &len) : NULL;

	if (s == NULL || len == 0 || len >= ADMIN_SECRET_TEXT || memchr(s, '\0', len) != NULL)
		cf_fail(l, "setWebserverConfig: %s: expected a text of 1 to %d bytes", what,
		        ADMIN_SECRET_TEXT - 1);
	if (strncmp(s, "$scrypt$", 8) == 0 && !password_is_hash(s))
		cf_fail(l, "setWebserverConfig: %s: expected $scrypt$ln=N,p=N,r=N$SALT$HASH, of at "
		        "most 64 MiB", what);
	memcpy(out, s, len + 1);
}

static bool header_name_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	return n > 0 && n < ADMIN_HEADER_NAME && s[n] == '\0';
}

static void read_header(lua_State *l, struct admin_web *w, const char *name)
{
	const char *value = cf_want_text(l, lua_gettop(l), "setWebserverConfig: customHeaders");

	if (!header_name_ok(name))
		cf_fail(l, "setWebserverConfig: customHeaders: '%s': expected a header's name",
		        name);
	if (strlen(value) >= ADMIN_HEADER_VALUE || w->header_n == ADMIN_HEADERS_MAX)
		cf_fail(l, "setWebserverConfig: customHeaders: '%s': expected at most %d headers "
		        "of up to %d bytes", name, ADMIN_HEADERS_MAX, ADMIN_HEADER_VALUE - 1);
	struct admin_header *h = &w->header[w->header_n++];
	snprintf(h->name, sizeof(h->name), "%s", name);
	snprintf(h->value, sizeof(h->value), "%s", value);
}

static void read_headers(lua_State *l, int index, struct admin_web *w)
{
	if (!lua_istable(l, index))
		cf_fail(l, "setWebserverConfig: customHeaders: '%s': expected a table",
		        cf_show(l, index));
	w->header_n = 0;
	luabox_sorted_keys(l, index);
	int keys = lua_gettop(l);
	for (int i = 1, n = (int)lua_objlen(l, keys); i <= n; i++) {
		lua_rawgeti(l, keys, i);
		const char *name = cf_show(l, -1);
		lua_pushvalue(l, keys + 1);
		lua_rawget(l, index);
		read_header(l, w, name);
		lua_settop(l, keys);
	}
}

/* One key of the table, its value on top of the stack. False: there is no such key. */
static bool read_web_key(lua_State *l, struct admin_web *w, const char *key)
{
	static const char acl[] = "setWebserverConfig: acl";
	int at = lua_gettop(l);

	if (strcmp(key, "password") == 0) {
		read_secret(l, at, w->password, key);
	} else if (strcmp(key, "apiKey") == 0) {
		read_secret(l, at, w->api_key, key);
	} else if (strcmp(key, "acl") == 0) {
		w->acl.n = 0;
		add_acl(l, at, &w->acl, acl);
	} else if (strcmp(key, "customHeaders") == 0) {
		read_headers(l, at, w);
	} else if (strcmp(key, "statsRequireAuthentication") == 0) {
		w->stats_need_auth = cf_want_bool(l, at, "setWebserverConfig: "
		                                  "statsRequireAuthentication");
	} else if (strcmp(key, "maxConcurrentConnections") == 0) {
		w->connections = (unsigned)cf_want_int(l, at, "setWebserverConfig: "
		                                       "maxConcurrentConnections", 1,
		                                       ADMIN_CONNECTIONS_MAX);
	} else {
		return false;
	}
	return true;
}

int cf_set_webserver_config(lua_State *l)
{
	static const char *const known[] = {
		"password", "apiKey", "acl", "customHeaders", "statsRequireAuthentication",
		"maxConcurrentConnections",
	};

	if (not_ours(l, "setWebserverConfig"))
		return 0;
	if (!lua_istable(l, 1))
		cf_fail(l, "setWebserverConfig: '%s': expected a table of options", cf_show(l, 1));
	lua_settop(l, 1);
	luabox_sorted_keys(l, 1);
	for (int i = 1, n = (int)lua_objlen(l, 2); i <= n; i++) {
		lua_rawgeti(l, 2, i);
		const char *key = cf_show(l, -1);
		lua_pushvalue(l, 3);
		lua_rawget(l, 1);
		if (!read_web_key(l, &admin_of(l)->web, key)) {
			const char *near = closest(key, known, COUNT_OF(known));
			cf_fail(l, "setWebserverConfig: unknown key '%s': %s%s%s", key,
			        near != NULL ? "did you mean '" : "expected password, apiKey, acl, "
			        "customHeaders, statsRequireAuthentication",
			        near != NULL ? near : "", near != NULL ? "'?" : "...");
		}
		lua_settop(l, 2);
	}
	return 0;
}
