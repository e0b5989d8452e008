/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balancers' configuration files: read with balancer/config, their servers matched with the
 * lab's recursors by name (or by an address that a recursor was given), and what must hold between
 * files and nodes. Messages name the line of the configuration file where it is the culprit.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "balancer/config/config.h"
#include "plan_io.h"
#include "scenario.h"

/* Raises an error about a configuration file. line 0: the file as a whole. */
static _Noreturn void __attribute__((format(printf, 4, 5)))
conf_fail(lua_State *L, const char *path, unsigned line, const char *format, ...)
{
	struct scenario *s = scenario_of(L);
	char what[PLAN_ERROR_TEXT / 2], at[16] = "";
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	if (line > 0)
		snprintf(at, sizeof(at), ":%u", line);
	snprintf(s->error, PLAN_ERROR_TEXT, "%.400s%s: %s", path, at, what);
	lua_pushnil(L);
	lua_error(L);
	abort();
}

static bool has_address(const struct plan_node *n, const struct ip *ip)
{
	for (unsigned i = 0; i < n->addr_n; i++)
		if (ip_eq(&n->addr[i], ip))
			return true;
	return false;
}

/* The recursor that answers for server s; its address is added when it is known by name. */
static int server_node(lua_State *L, const char *path, const struct bal_server *s)
{
	struct plan *p = scenario_of(L)->plan;
	char addr[EP_TEXT];
	int found = s->name[0] != '\0' ? plan_find_node(p, s->name) : PLAN_NONE;

	ep_format(&s->addr, addr);
	for (unsigned i = 0; found == PLAN_NONE && i < p->node_n; i++)
		if (p->node[i].role == PLAN_RECURSOR && has_address(&p->node[i], &s->addr.ip))
			found = (int)i;
	if (found == PLAN_NONE || p->node[found].role != PLAN_RECURSOR)
		conf_fail(L, path, s->line, "no node answers for server '%s' (%s): expected a "
		          "recursor of that name in lab.recursors", s->name, addr);
	struct plan_node *n = &p->node[found];
	if (has_address(n, &s->addr.ip))
		return found;
	if (n->addr_n == PLAN_ADDRS_MAX)
		conf_fail(L, path, s->line, "server '%s' (%s): more than %d addresses of one "
		          "recursor", s->name, addr, PLAN_ADDRS_MAX);
	n->addr[n->addr_n++] = s->addr.ip;
	return found;
}

/* The factor that bounds the load of a server under the policy. */
static uint32_t factor_of(const struct bal_conf *b)
{
	switch (b->policy) {
	case BAL_WRANDOM: case BAL_WHASHED: case BAL_ORDERED_WRANDOM:
		return b->weighted_factor_ppm;
	case BAL_CHASHED:
		return b->chashed_factor_ppm;
	case BAL_LEAST_OUTSTANDING: case BAL_FIRST_AVAILABLE: case BAL_ROUNDROBIN: case BAL_LUA:
		break;
	}
	return 0;
}

/* The line of the first rule; 0: there is none. */
static unsigned first_rule(const struct bal_conf *b)
{
	for (unsigned i = 0; b->rules != NULL && i < BAL_CHAINS; i++)
		if (b->rules->chain[i].n > 0)
			return b->rules->chain[i].text[0].line;
	return 0;
}

void plan_conf_copy(struct plan_conf *c, const struct bal_conf *b)
{
	c->policy = b->policy;
	c->udp_timeout_ns = b->udp_timeout_ns;
	if (b->server_n > 0 && b->server[0].udp_timeout_ns > 0)
		c->udp_timeout_ns = b->server[0].udp_timeout_ns; /* lint: so have the others */
	c->udp_retry_ns = b->udp_retry_ns;
	c->servfail_when_no_server = b->servfail_when_no_server;
	c->servfail_on_timeout = b->servfail_on_timeout;
	c->same_hash = b->perturbation_set;
	c->factor_ppm = factor_of(b);
	c->cache_entries = b->cache.entries;
	c->rule_line = first_rule(b);
	c->server_n = b->server_n;
	c->server = calloc(b->server_n + 1, sizeof(*c->server));
	c->server_node = calloc(b->server_n + 1, sizeof(*c->server_node));
	MUST(c->server != NULL && c->server_node != NULL);
	memcpy(c->server, b->server, b->server_n * sizeof(*c->server));
	for (unsigned i = 0; i < c->server_n; i++) {
		if (!c->server[i].check.lazy.on) /* a plan tells no settings of what isn't used */
			c->server[i].check.lazy = (struct bal_lazy){ .on = false };
		if (c->server[i].source > 0)
			c->server[i].line = 0; /* the plan's lines are the file's own */
	}
}

static void hash_text(const struct config_source *s, char out[65])
{
	unsigned char hash[crypto_hash_sha256_BYTES];

	crypto_hash_sha256(hash, (const unsigned char *)s->text, s->len);
	sodium_bin2hex(out, 65, hash, sizeof(hash));
}

/* The texts that were read: the file, and what it included. */
static void copy_sources(lua_State *L, struct plan_conf *c, const struct config *from)
{
	hash_text(&from->source[0], c->sha256);
	if (from->source_n > PLAN_INCLUDES_MAX + 1)
		conf_fail(L, c->path, 0, "more than %d included files", PLAN_INCLUDES_MAX);
	c->include = calloc(from->source_n, sizeof(*c->include));
	MUST(c->include != NULL);
	for (unsigned i = 1; i < from->source_n; i++) {
		struct plan_include *to = &c->include[c->include_n++];
		to->path = strdup(from->source[i].path);
		MUST(to->path != NULL);
		hash_text(&from->source[i], to->sha256);
	}
}

static bool is_any_of_family(const struct ep *front, const struct ip *ip)
{
	return ip_is_any(&front->ip) && ip_is4(&front->ip) == ip_is4(ip);
}

/* Every address that the lab gives a balancer must be listened on. */
static void check_listens(lua_State *L, const struct plan_node *n, const struct bal_conf *b)
{
	char addr[IP_TEXT];

	for (unsigned a = 0; a < n->addr_n; a++) {
		bool found = false;
		for (unsigned f = 0; f < b->front_n; f++)
			found = found || (b->front[f].port == 53 &&
			                  (is_any_of_family(&b->front[f], &n->addr[a]) ||
			                   ip_eq(&b->front[f].ip, &n->addr[a])));
		ip_format(&n->addr[a], addr);
		if (!found)
			conf_fail(L, n->config_path, 0, "nothing listens on %s:53 of %s: expected "
			          "setLocal or addLocal with it, or with 0.0.0.0 and [::]", addr,
			          n->name);
	}
}

/* Binds that aren't wildcards belong to one node. */
static void check_binds(lua_State *L, const struct plan *p, unsigned conf,
                        const struct bal_conf *b)
{
	char text[EP_TEXT];

	for (unsigned f = 0; f < b->front_n; f++) {
		const struct plan_node *first = NULL, *without = NULL;
		if (ip_is_any(&b->front[f].ip))
			continue;
		ep_format(&b->front[f], text);
		for (unsigned i = 0; i < p->node_n; i++) {
			const struct plan_node *n = &p->node[i];
			if (n->role != PLAN_BALANCER || n->conf != (int)conf)
				continue;
			if (first != NULL)
				conf_fail(L, p->conf[conf].path, 0,
				          "%s and %s would share the bind "
				          "%s: expected a wildcard, or a file for each",
					first->name,
				          n->name, text);
			first = n;
			without = has_address(n, &b->front[f].ip) ? NULL : n;
		}
		if (without != NULL)
			conf_fail(L, p->conf[conf].path, 0, "bind %s: expected an address that the "
			          "lab gives %s", text, without->name);
	}
}

/* Clients' addresses are counted from a net's base; see load_client. */
static void check_acl(lua_State *L, const struct plan *p, unsigned conf, const struct bal_conf *b)
{
	char text[PREFIX_TEXT];

	for (unsigned i = 0; i < p->node_n; i++)
		for (unsigned k = 0; k < p->node[i].net_n; k++) {
			const struct prefix *net = &p->node[i].net[k];
			bool inside = false;
			for (unsigned a = 0; a < b->acl_n; a++)
				inside = inside || (b->acl[a].bits <= net->bits &&
				                    prefix_has(&b->acl[a], &net->ip));
			prefix_format(net, text);
			if (!inside)
				conf_fail(L, p->conf[conf].path, 0,
				          "the ACL refuses %s, the network "
				          "of %s: expected setACL or addACL with it", text,
				          p->node[i].name);
		}
}

static void note_foreign(struct lint *l, const struct config *c)
{
	for (unsigned i = 0; i < c->note_n; i++)
		if (c->note[i].kind == CONFIG_UNKNOWN)
			lint_add(l, false, c->source[c->note[i].source].path, c->note[i].line,
			         "'%.200s' isn't read here: the program sees it, the plan doesn't",
			         c->note[i].text);
}

/* What must hold between one file, loaded, and the nodes that use it. */
static void check_conf(lua_State *L, unsigned i, const struct config *c)
{
	struct plan *p = scenario_of(L)->plan;
	const struct bal_conf *b = &c->conf;

	if (b->server_n == 0)
		conf_fail(L, p->conf[i].path, 0, "no server: expected newServer{...}");
	for (unsigned k = 0; k < b->server_n; k++)
		p->conf[i].server_node[k] = server_node(L, c->source[b->server[k].source].path,
		                                           &b->server[k]);
	check_binds(L, p, i, b);
	for (unsigned n = 0; n < p->node_n; n++)
		if (p->node[n].role == PLAN_BALANCER && p->node[n].conf == (int)i)
			check_listens(L, &p->node[n], b);
	check_acl(L, p, i, b);
}

void confs_read(lua_State *L)
{
	struct scenario *s = scenario_of(L);
	struct config_options o = {
		.mode = s->plan->balancer.checks == PLAN_CHECKS_EXACT ? CONFIG_STRICT
		                                                      : CONFIG_FOREIGN,
		.client = s->plan->balancer.checks != PLAN_CHECKS_EXACT,
	};

	for (unsigned i = 0; i < s->plan->conf_n; i++) {
		struct plan_conf *c = &s->plan->conf[i];
		s->config = config_load(c->path, &o, s->error);
		if (s->config == NULL) {
			lua_pushnil(L);
			lua_error(L);
		}
		plan_conf_copy(c, &s->config->conf);
		c->console = s->config->admin.console.on && s->config->admin.console.keyed;
		copy_sources(L, c, s->config);
		note_foreign(s->lint, s->config);
		check_conf(L, i, s->config);
		config_free(s->config);
		s->config = NULL;
	}
}

static void check_allowed(lua_State *L, const struct plan_node *balancer,
                          const struct plan_node *recursor)
{
	struct recconf r;
	char from[IP_TEXT], to[IP_TEXT];

	if (recconf_read(&r, recursor->config_path) < 0 || r.allow_n == 0)
		return;
	for (unsigned i = 0; i < recursor->addr_n; i++) {
		bool reached = false, four = ip_is4(&recursor->addr[i]);
		ip_format(&recursor->addr[i], to);
		for (unsigned k = 0; k < balancer->addr_n; k++) {
			if (ip_is4(&balancer->addr[k]) != four)
				continue;
			reached = true;
			ip_format(&balancer->addr[k], from);
			if (!prefix_any(r.allow, r.allow_n, &balancer->addr[k]))
				conf_fail(L, recursor->config_path, r.allow_line,
				          "allow-from refuses "
				          "%s, the address of %s: expected a network that has it",
				          from, balancer->name);
		}
		if (!reached)
			scenario_fail(L, NULL, "%s has no IPv%d address to reach %s (%s) from",
			              balancer->name, four ? 4 : 6, recursor->name, to);
	}
}

/* Two nodes of one address, or an address inside of a client network. */
static void check_addresses(lua_State *L, const struct plan *p, unsigned a)
{
	const struct plan_node *n = &p->node[a];
	char text[IP_TEXT];

	for (unsigned i = 0; i < n->addr_n; i++) {
		ip_format(&n->addr[i], text);
		for (unsigned b = 0; b < p->node_n; b++) {
			const struct plan_node *m = &p->node[b];
			if (b > a && has_address(m, &n->addr[i]))
				scenario_fail(L, NULL,
				              "%s and %s share the address %s: expected one "
				              "for each", n->name, m->name, text);
			if (prefix_any(m->net, m->net_n, &n->addr[i]))
				scenario_fail(L, NULL,
				              "the address %s of %s lies in the network of %s: "
				              "expected another", text, n->name, m->name);
		}
	}
}

void lab_check(lua_State *L)
{
	const struct plan *p = scenario_of(L)->plan;

	for (unsigned i = 0; i < p->node_n; i++) {
		const struct plan_node *n = &p->node[i];
		check_addresses(L, p, i);
		if (n->role == PLAN_RECURSOR && n->addr_n == 0)
			scenario_fail(L, NULL, "no newServer is named '%s': expected one, for its "
			              "address", n->name);
	}
	for (unsigned c = 0; c < p->conf_n; c++)
		for (unsigned i = 0; i < p->node_n; i++)
			for (unsigned k = 0; p->node[i].conf == (int)c &&
			     k < p->conf[c].server_n; k++)
				check_allowed(L, &p->node[i], &p->node[p->conf[c].server_node[k]]);
}
