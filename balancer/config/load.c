/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a file to a configuration: evaluates it, puts servers in order, lets the command line's
 * binds and ACL replace the file's, fills in defaults, and turns Lua's messages into our lines.
 */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"

static const char *const default_acl[] = {
	"127.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.168.0.0/16",
	"172.16.0.0/12", "::1/128", "fc00::/7", "fe80::/10",
};

static void *copy(const void *from, size_t n, size_t size)
{
	void *to = calloc(n > 0 ? n : 1, size);

	MUST(to != NULL);
	if (n > 0)
		memcpy(to, from, n * size);
	return to;
}

static void set_defaults(struct loader *ld)
{
	void *new;

	ld->policy = BAL_LEAST_OUTSTANDING;
	ld->udp_timeout_ns = 2000000000;
	ld->max_outstanding = 65535;
	ld->pool_n = 1;
	bal_tcp_defaults(&ld->tcp);
	bal_ecs_defaults(&ld->ecs);
	cf_admin_defaults(&ld->admin);
	for (size_t i = 0; i < COUNT_OF(default_acl); i++) {
		ld->acl = cf_list_add(ld->acl, &ld->acl_n, sizeof(*ld->acl), &new);
		MUST(prefix_parse(new, default_acl[i]) == 0);
	}
}

/* What all servers have that don't say otherwise. */
static void fill_in(struct loader *ld)
{
	for (unsigned i = 0; i < ld->server_n; i++)
		if (ld->server[i].slow_start_ns == CF_UNSET)
			ld->server[i].slow_start_ns = ld->slow_start_ns;
}

/* Stable, by order: insertion, as lists are short and mostly sorted. */
static void sort_servers(struct bal_server *s, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		struct bal_server moving = s[i];
		unsigned j = i;
		for (; j > 0 && s[j - 1].order > moving.order; j--)
			s[j] = s[j - 1];
		s[j] = moving;
	}
}

/* How each of n addresses listens: those of the command line, and the default one, by default. */
static struct bal_listen *listeners(const struct loader *ld, unsigned n, bool replaced)
{
	const bool own = !replaced && ld->listen_n == n;
	struct bal_listen *to = copy(own ? ld->listen : NULL, own ? n : 0, sizeof(*to));

	if (own)
		return to;
	to = realloc(to, n * sizeof(*to));
	MUST(to != NULL);
	for (unsigned i = 0; i < n; i++)
		to[i] = (struct bal_listen){ .queue = CONFIG_LISTEN_QUEUE };
	return to;
}

static bool in_pool(const struct bal_server *s, unsigned pool)
{
	return (s->pools >> pool & 1) != 0;
}

/* A pool with chashed needs a ring that fits, and servers that it can tell apart. NULL: it has. */
static const char *check_ring(lua_State *l, const struct loader *ld, unsigned pool, unsigned line)
{
	char a[BAL_SERVER_ID], b[BAL_SERVER_ID];
	uint64_t points = 0;

	for (unsigned i = 0; i < ld->server_n; i++)
		points += in_pool(&ld->server[i], pool) ? (uint64_t)ld->server[i].weight : 0;
	if (points > BAL_POINTS_MAX)
		return lua_pushfstring(l, "config:%d: setServerPolicy: chashed: the weights' sum "
		                       "is above %d: expected lower weights", (int)line,
		                       BAL_POINTS_MAX);
	for (unsigned i = 0; i < ld->server_n; i++) {
		bal_server_id(&ld->server[i], a);
		for (unsigned k = 0; k < i; k++) {
			bal_server_id(&ld->server[k], b);
			if (in_pool(&ld->server[i], pool) && in_pool(&ld->server[k], pool) &&
			    strcmp(a, b) == 0)
				return lua_pushfstring(l, "config:%d: newServer: two servers are "
				                       "'%s' to chashed: expected an id of its "
				                       "own for each", (int)ld->server[i].line, a);
		}
	}
	return NULL;
}

static const char *check_rings(lua_State *l, const struct loader *ld)
{
	const char *message = NULL;

	for (unsigned i = 0; i < ld->pool_n && message == NULL; i++) {
		const struct loader_pool *p = &ld->pool[i];
		if ((p->policy != 0 ? p->policy : ld->policy) == BAL_CHASHED)
			message = check_ring(l, ld, i, p->policy != 0 ? p->policy_line
			                                              : ld->policy_line);
	}
	return message;
}

/* A second try comes before the end of the first. NULL: it does. */
static const char *check_retry(lua_State *l, const struct loader *ld)
{
	if (ld->udp_retry_ns == 0 || ld->udp_retry_ns < ld->udp_timeout_ns)
		return NULL;
	return lua_pushfstring(l, "config:%d: setUDPRetry: '%d': expected less than setUDPTimeout, "
	                       "%d ms", (int)ld->retry_line, (int)(ld->udp_retry_ns / 1000000),
	                       (int)(ld->udp_timeout_ns / 1000000));
}

static struct config *finish(struct loader *ld, const struct config_options *o)
{
	struct config *c = calloc(1, sizeof(*c));
	const struct ep default_front = { ip_v4(127, 0, 0, 1), 53 };

	MUST(c != NULL);
	fill_in(ld);
	sort_servers(ld->server, ld->server_n);
	c->conf.policy = ld->pool[0].policy != 0 ? ld->pool[0].policy : ld->policy;
	c->conf.servfail_when_no_server = ld->servfail_when_no_server;
	c->conf.servfail_on_timeout = ld->servfail_on_timeout;
	c->conf.roundrobin_fail_on_no_server = ld->roundrobin_fail_on_no_server;
	c->conf.udp_timeout_ns = ld->udp_timeout_ns;
	c->conf.udp_retry_ns = ld->udp_retry_ns;
	c->conf.max_outstanding = ld->max_outstanding;
	c->conf.perturbation_set = ld->perturbation_set;
	c->conf.perturbation = ld->perturbation;
	c->conf.weighted_factor_ppm = ld->weighted_factor_ppm;
	c->conf.chashed_factor_ppm = ld->chashed_factor_ppm;
	c->conf.cache = ld->pool[0].cache.conf;
	c->conf.pool = cf_pools(ld, &c->conf.pool_n);
	c->conf.stale_s = ld->stale_s;
	c->conf.ecs = ld->ecs;
	c->conf.ecs.any = bal_ecs_wanted(ld->server, ld->server_n);
	c->conf.server_n = ld->server_n;
	c->conf.server = copy(ld->server, ld->server_n, sizeof(*ld->server));
	const struct ep *front = o->front_n > 0 ? o->front : ld->front;
	c->conf.front_n = o->front_n > 0 ? o->front_n : ld->front_n;
	if (c->conf.front_n == 0) {
		front = &default_front;
		c->conf.front_n = 1;
	}
	c->conf.front = copy(front, c->conf.front_n, sizeof(*front));
	c->conf.listen = listeners(ld, c->conf.front_n, o->front_n > 0);
	c->conf.tcp = ld->tcp;
	c->conf.quirks = ld->quirks;
	const struct prefix *acl = o->acl_n > 0 ? o->acl : ld->acl;
	c->conf.acl_n = o->acl_n > 0 ? o->acl_n : ld->acl_n;
	c->conf.acl = copy(acl, c->conf.acl_n, sizeof(*acl));
	c->admin = ld->admin;
	c->note_n = ld->note_n;
	c->note = copy(ld->note, ld->note_n, sizeof(*ld->note));
	return c;
}

/* "config:3: what" becomes "NAME:3: what"; one line, without control characters. */
static void tell(char error[CONFIG_ERROR_TEXT], const char *name, const char *message)
{
	static const char chunk[] = "config:";

	if (strncmp(message, chunk, sizeof(chunk) - 1) == 0)
		snprintf(error, CONFIG_ERROR_TEXT, "%s:%s", name, message + sizeof(chunk) - 1);
	else
		snprintf(error, CONFIG_ERROR_TEXT, "%s: %s", name, message);
	for (char *p = error; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

struct loader *cf_loader(lua_State *l)
{
	return (struct loader *)luabox_of(l);
}

/* print(): dnsdist's goes to its standard output. */
static int print(lua_State *l)
{
	int n = lua_gettop(l);
	luaL_Buffer b;

	luaL_buffinit(l, &b);
	for (int i = 1; i <= n; i++) {
		if (i > 1)
			luaL_addchar(&b, '\t');
		cf_show(l, i);
		luaL_addvalue(&b);
	}
	luaL_pushresult(&b);
	cf_note(cf_loader(l), CONFIG_PRINT, cf_line(l), lua_tostring(l, -1));
	return 0;
}

/* Makes the globals of what every file may use, which is on the stack. */
static int fill(lua_State *l)
{
	luabox_add_more(l);
	lua_pushcfunction(l, print);
	lua_setfield(l, -2, "print");
	lua_pushvalue(l, -1);
	lua_setfield(l, -2, "_G");
	lua_replace(l, LUA_GLOBALSINDEX);
	cf_server_register(l);
	cf_cache_register(l);
	cf_pool_register(l);
	cf_foreign_register(l);
	cf_global_register(l);
	return 0;
}

/* Runs the text. Returns NULL, or the error message, owned by the state. */
static const char *run(lua_State *l, const char *text, size_t len)
{
	if (luaL_loadbuffer(l, text, len, "@config") == 0 && lua_pcall(l, 0, 0, 0) == 0)
		return NULL;
	const char *s = lua_tostring(l, -1);
	return s != NULL ? s : "the configuration raised an error that isn't text";
}

struct config *config_parse(const char *name, const char *text, size_t len,
                            const struct config_options *o, char error[CONFIG_ERROR_TEXT])
{
	static const struct config_options nothing_said;
	struct loader ld = { .mode = CONFIG_STRICT, .box.what = "the configuration" };
	const char *message;
	lua_State *l = NULL;
	struct bal_rules *rules = NULL;
	struct config *c = NULL;
	bool too_many = false;

	if (o == NULL)
		o = &nothing_said;
	if (o->mode != 0)
		ld.mode = o->mode;
	ld.client = o->client;
	ld.box.memory_max = o->memory_max > 0 ? o->memory_max : CONFIG_MEMORY_MAX;
	ld.box.steps_max = o->instructions_max > 0 ? o->instructions_max
	                                           : CONFIG_INSTRUCTIONS_MAX;
	set_defaults(&ld);
	ld.rules = cf_rules_new();
	if (!luabox_is_text(text, len))
		message = "compiled Lua, or a NUL or escape character: expected text";
	else if ((l = luabox_open(&ld.box, fill)) == NULL)
		message = "not enough memory";
	else
		message = run(l, text, len);
	if (message == NULL)
		message = check_rings(l, &ld);
	if (message == NULL)
		message = check_retry(l, &ld);
	if (message == NULL)
		rules = cf_rules_build(ld.rules, &too_many);
	if (too_many)
		message = "the rules' selectors come to more than 65536 tests: expected fewer";
	if (message == NULL) {
		c = finish(&ld, o);
		c->conf.rules = rules;
	} else {
		tell(error, name, message);
		cf_rules_fini(rules);
	}
	if (l != NULL)
		lua_close(l);
	cf_rules_free(ld.rules);
	free(ld.server);
	free(ld.front);
	free(ld.listen);
	free(ld.acl);
	free(ld.note);
	return c;
}

struct config *config_load(const char *path, const struct config_options *o,
                           char error[CONFIG_ERROR_TEXT])
{
	char *text = NULL;
	size_t len = 0;
	int err = host_read_file(path, CONFIG_FILE_MAX, &text, &len);

	if (err < 0) {
		tell(error, path, strerror(-err));
		return NULL;
	}
	struct config *c = config_parse(path, text, len, o, error);
	free(text);
	return c;
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	free((void *)(uintptr_t)c->conf.server);
	free((void *)(uintptr_t)c->conf.front);
	free((void *)(uintptr_t)c->conf.listen);
	free((void *)(uintptr_t)c->conf.acl);
	free((void *)(uintptr_t)c->conf.pool);
	cf_rules_fini(c->conf.rules);
	free(c->note);
	free(c);
}
