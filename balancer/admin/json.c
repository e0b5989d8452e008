/* SPDX-License-Identifier: BSD-3-Clause */
/* The web server's JSON, with dnsdist's keys, in the order of entry; see stats.h. */
#include "stats.h"

#include <jansson.h>
#include <string.h>

#include "lib/version.h"

static json_t *made(json_t *j)
{
	MUST(j != NULL);
	return j;
}

static void set(json_t *to, const char *key, json_t *take_value)
{
	MUST(json_object_set_new(to, key, made(take_value)) == 0);
}

static void set_number(json_t *to, const char *key, uint64_t v)
{
	set(to, key, json_integer((json_int_t)v));
}

/* A name may hold any bytes: what isn't UTF-8 is told as a question mark. */
static json_t *text(const char *s)
{
	json_t *j = json_string(s);
	char plain[ADMIN_SECRET_TEXT];

	if (j != NULL)
		return j;
	snprintf(plain, sizeof(plain), "%s", s);
	for (char *p = plain; *p != '\0'; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return made(json_string(plain));
}

static char *finish(json_t *take_j)
{
	char *out = json_dumps(take_j, JSON_PRESERVE_ORDER);

	json_decref(take_j);
	MUST(out != NULL);
	return out;
}

static void acl_text(const struct bal_conf *c, FILE *to)
{
	char one[PREFIX_TEXT];

	for (unsigned i = 0; i < c->acl_n; i++) {
		prefix_format(&c->acl[i], one);
		fprintf(to, "%s%s", i > 0 ? ", " : "", one);
	}
}

static void fronts_text(const struct bal_conf *c, FILE *to)
{
	char one[EP_TEXT];

	for (unsigned i = 0; i < c->front_n; i++) {
		ep_format(&c->front[i], one);
		fprintf(to, "%s%s", i > 0 ? ", " : "", one);
	}
}

static json_t *written(const struct bal_conf *c, void (*write)(const struct bal_conf *, FILE *))
{
	char *s;
	size_t len;
	FILE *to = open_memstream(&s, &len);

	MUST(to != NULL);
	write(c, to);
	MUST(fclose(to) == 0);
	json_t *j = text(s);
	free(s);
	return j;
}

/* qps and dropRate are fractions: numbers for people, made of whole tenths. */
static json_t *tenths(uint64_t v)
{
	return v % 10 == 0 ? json_integer((json_int_t)(v / 10)) : json_real((double)v / 10);
}

static json_t *pools_of(const struct bal_conf *c, unsigned server)
{
	json_t *all = made(json_array());

	for (unsigned i = 0; i < bal_pools(c); i++)
		if (stats_in_pool(c, i, server))
			MUST(json_array_append_new(all, text(bal_pool_name(c, i))) == 0);
	return all;
}

static json_t *server(const struct stats *s, unsigned i)
{
	const struct bal_server *c = &s->config->conf.server[i];
	const struct stats_server *v = &s->server[i];
	char name[BAL_NAME_TEXT + EP_TEXT], addr[EP_TEXT];
	json_t *j = made(json_object());

	stats_name(c, name);
	ep_format(&c->addr, addr);
	set(j, "address", text(addr));
	set(j, "dropRate", tenths(v->drops10));
	set_number(j, "id", i);
	set(j, "latency", json_real((double)v->latency_us / 1000));
	set(j, "name", text(name));
	set(j, "order", json_integer(c->order));
	set(j, "outstanding", json_integer(v->outstanding));
	set(j, "pools", pools_of(&s->config->conf, i));
	set(j, "qps", tenths(v->qps10));
	set_number(j, "qpsLimit", v->qps_limit);
	set_number(j, "queries", v->counts.queries);
	set_number(j, "responses", v->counts.responses);
	set_number(j, "drops", v->counts.timeouts);
	set(j, "state", text(stats_state(v)));
	set_number(j, "transitions", v->transitions);
	set_number(j, "drains", v->drains);
	set_number(j, "slowStarts", v->slow_starts);
	set_number(j, "downMilliseconds", v->down_ms);
	set(j, "weight", json_integer(c->weight));
	return j;
}

/* Those of a pool; BAL_POOLS_MAX: all. */
static json_t *servers(const struct stats *s, unsigned pool)
{
	const struct bal_conf *c = &s->config->conf;
	json_t *all = made(json_array());

	for (unsigned i = 0; i < c->server_n; i++)
		if (pool == BAL_POOLS_MAX || bal_pool_has(c, pool, i))
			MUST(json_array_append_new(all, server(s, i)) == 0);
	return all;
}

static json_t *pool_of(const struct stats *s, unsigned i)
{
	const struct bal_conf *c = &s->config->conf;
	json_t *j = made(json_object());

	set_number(j, "id", i);
	set(j, "name", text(bal_pool_name(c, i)));
	set_number(j, "serversCount", bal_pool_servers(c, i));
	set_number(j, "cacheSize", bal_pool_cache(c, i)->entries);
	set_number(j, "cacheEntries", s->pool[i].entries);
	set_number(j, "cacheHits", s->pool[i].hits);
	set_number(j, "cacheMisses", s->pool[i].misses);
	return j;
}

static json_t *rules(const struct stats *s, enum bal_chain_kind chain)
{
	json_t *all = made(json_array());

	for (unsigned i = 0; i < stats_rules(s, chain); i++) {
		const struct bal_rule_text *t = &s->config->conf.rules->chain[chain].text[i];
		json_t *j = made(json_object());
		set(j, "action", text(t->action));
		if (chain == BAL_QUERIES)
			set(j, "action-stats", json_object());
		set_number(j, "creationOrder", t->order);
		set_number(j, "id", i);
		set_number(j, "matches", stats_matches(s, chain, i));
		set(j, "name", text(t->name));
		set(j, "rule", text(t->selector));
		set(j, "uuid", text(t->uuid));
		MUST(json_array_append_new(all, j) == 0);
	}
	return all;
}

char *stats_json_stats(const struct stats *s)
{
	struct stats_item item[STATS_MAX];
	unsigned n = stats_list(s, item);
	json_t *j = made(json_object());

	for (unsigned i = 0; i < n; i++)
		set_number(j, item[i].name, item[i].value);
	set_number(j, "packetcache-hits", s->cache_hits);
	set_number(j, "packetcache-misses", s->cache_misses);
	set(j, "server-policy", text(stats_policy(&s->config->conf, 0)));
	return finish(j);
}

static json_t *item_of(const char *name, const char *type, json_t *take_value)
{
	json_t *j = made(json_object());

	set(j, "name", text(name));
	set(j, "type", text(type));
	set(j, "value", take_value);
	return j;
}

char *stats_json_statistics(const struct stats *s)
{
	struct stats_item item[STATS_MAX];
	unsigned n = stats_list(s, item);
	json_t *all = made(json_array());

	for (unsigned i = 0; i < n; i++)
		MUST(json_array_append_new(all, item_of(item[i].name, "StatisticItem",
		                           json_integer((json_int_t)item[i].value))) == 0);
	return finish(all);
}

static json_t *fronts(const struct bal_conf *c)
{
	json_t *all = made(json_array());
	char addr[EP_TEXT];

	for (unsigned i = 0; i < c->front_n; i++) {
		json_t *j = made(json_object());
		ep_format(&c->front[i], addr);
		set(j, "address", text(addr));
		set_number(j, "id", i);
		set(j, "tcp", json_false());
		set(j, "type", text("UDP"));
		set(j, "udp", json_true());
		MUST(json_array_append_new(all, j) == 0);
	}
	return all;
}

char *stats_json_localhost(const struct stats *s)
{
	static const char *const chain[BAL_CHAINS] = {
		[BAL_QUERIES] = "rules", [BAL_ANSWERS] = "response-rules",
		[BAL_HITS] = "cache-hit-response-rules",
		[BAL_OWN] = "self-answered-response-rules",
	};
	json_t *j = made(json_object()), *pools = made(json_array());

	for (unsigned i = 0; i < bal_pools(&s->config->conf); i++)
		MUST(json_array_append_new(pools, pool_of(s, i)) == 0);
	set(j, "acl", written(&s->config->conf, acl_text));
	set(j, "daemon_type", text("dnsdist"));
	set(j, "frontends", fronts(&s->config->conf));
	set(j, "local", written(&s->config->conf, fronts_text));
	set(j, "pools", pools);
	set(j, "dohFrontends", json_array());
	for (unsigned i = 0; i < BAL_CHAINS; i++)
		set(j, chain[i], rules(s, i));
	set(j, "servers", servers(s, BAL_POOLS_MAX));
	set(j, "version", text("evenkeel " EVENKEEL_VERSION));
	return finish(j);
}

static void setting(json_t *all, const char *name, json_t *take_value)
{
	MUST(json_array_append_new(all, item_of(name, "ConfigSetting", take_value)) == 0);
}

char *stats_json_config(const struct stats *s)
{
	const struct bal_conf *c = &s->config->conf;
	char addr[EP_TEXT];
	json_t *all = made(json_array());

	ep_format(&s->config->admin.console.listen, addr);
	setting(all, "acl", written(c, acl_text));
	setting(all, "control-socket", text(addr));
	setting(all, "max-outstanding", json_integer(c->max_outstanding));
	setting(all, "server-policy", text(stats_policy(c, 0)));
	setting(all, "udp-timeout", json_integer((json_int_t)(c->udp_timeout_ns / 1000000000)));
	return finish(all);
}

char *stats_json_pool(const struct stats *s)
{
	json_t *j = made(json_object());

	set(j, "servers", servers(s, s->asked));
	set(j, "stats", pool_of(s, s->asked));
	return finish(j);
}
