/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /metrics: Prometheus' text. dnsdist's counters keep its names, which lack the suffix _total; so
 * that they are no mistake they are declared untyped, which every query treats alike. Counters of
 * our own have the suffix and the type.
 */
#include "stats.h"

#include <string.h>

static void declare(FILE *to, const char *name, const char *type, const char *prose)
{
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", name, prose, name, type);
}

static void one(FILE *to, const struct stats_item *i)
{
	static const char *const types[] = {
		[STATS_COUNTER] = "untyped", [STATS_GAUGE] = "gauge", [STATS_OURS] = "counter",
	};
	char name[128];

	snprintf(name, sizeof(name), "dnsdist_%s%s", i->name,
	         i->kind == STATS_OURS ? "_total" : "");
	for (char *p = name; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
	declare(to, name, types[i->kind], i->prose);
	fprintf(to, "%s %llu\n", name, (unsigned long long)i->value);
}

static void histogram(const struct stats *s, FILE *to)
{
	uint64_t n = 0;

	declare(to, "dnsdist_latency", "histogram",
	        "Histogram of responses by latency (in milliseconds)");
	for (unsigned i = 0; i < BAL_TOOK_N; i++) {
		n += s->counts.took[i];
		if (bal_took_ms[i] == INT32_MAX)
			fprintf(to, "dnsdist_latency_bucket{le=\"+Inf\"} ");
		else
			fprintf(to, "dnsdist_latency_bucket{le=\"%d\"} ", bal_took_ms[i]);
		fprintf(to, "%llu\n", (unsigned long long)n);
	}
	fprintf(to, "dnsdist_latency_sum %llu\ndnsdist_latency_count %llu\n",
	        (unsigned long long)(s->counts.took_us / 1000), (unsigned long long)n);
}

/* A label's value, quotes and backslashes escaped. */
static void quoted(FILE *to, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			fputc('\\', to);
		fputc(*p, to);
	}
}

/* A server without a name is its address; dots are underscores, as dnsdist has them. */
static void label(FILE *to, const struct bal_server *s)
{
	char name[BAL_NAME_TEXT + EP_TEXT], addr[EP_TEXT];

	stats_name(s, name);
	ep_format(&s->addr, addr);
	for (char *p = name; *p != '\0'; p++)
		*p = *p == '.' ? '_' : *p;
	fputs("{server=\"", to);
	quoted(to, name);
	fprintf(to, "\",address=\"%s\"} ", addr);
}

enum field {
	STATUS, QUERIES, RESPONSES, DROPS, LATENCY, OUTSTANDING, ORDER, WEIGHT, CHANGES, DOWN,
	DRAINS, SLOW_STARTS,
};

static const struct { const char *name, *type, *prose; } fields[] = {
	[STATUS] = { "status", "gauge", "Whether this backend is up (1) or down (0)" },
	[QUERIES] = { "queries", "untyped", "Amount of queries relayed to server" },
	[RESPONSES] = { "responses", "untyped", "Amount of responses received from this server" },
	[DROPS] = { "drops", "untyped", "Amount of queries not answered by server" },
	[LATENCY] = { "latency", "gauge",
	              "Server's latency when answering questions in milliseconds" },
	[OUTSTANDING] = { "outstanding", "gauge",
	                  "Current number of queries that are waiting for a backend response" },
	[ORDER] = { "order", "gauge", "The order in which this server is picked" },
	[WEIGHT] = { "weight", "gauge",
	             "The weight within the order in which this server is picked" },
	[CHANGES] = { "transitions_total", "counter",
	              "Changes of this backend's state after its first result" },
	[DOWN] = { "down_seconds_total", "counter", "Time that this backend was down" },
	[DRAINS] = { "drains_total", "counter", "Times that this backend was drained" },
	[SLOW_STARTS] = { "slow_starts_total", "counter",
	                  "Times that this backend came back and started slowly" },
};

static void value(const struct stats *s, enum field f, unsigned i, FILE *to)
{
	const struct bal_server *c = &s->config->conf.server[i];
	const struct stats_server *v = &s->server[i];
	long long n = 0;

	switch (f) {
	case STATUS: n = v->up; break;
	case QUERIES: n = (long long)v->counts.queries; break;
	case RESPONSES: n = (long long)v->counts.responses; break;
	case DROPS: n = (long long)v->counts.timeouts; break;
	case OUTSTANDING: n = v->outstanding; break;
	case ORDER: n = c->order; break;
	case WEIGHT: n = c->weight; break;
	case CHANGES: n = v->transitions; break;
	case DRAINS: n = v->drains; break;
	case SLOW_STARTS: n = v->slow_starts; break;
	case LATENCY:
		fprintf(to, "%u.%03u\n", v->latency_us / 1000, v->latency_us % 1000);
		return;
	case DOWN:
		fprintf(to, "%llu.%03u\n", (unsigned long long)(v->down_ms / 1000),
		        (unsigned)(v->down_ms % 1000));
		return;
	}
	fprintf(to, "%lld\n", n);
}

static void servers(const struct stats *s, FILE *to)
{
	char name[64];

	for (unsigned f = 0; f < COUNT_OF(fields) && s->config->conf.server_n > 0; f++) {
		snprintf(name, sizeof(name), "dnsdist_server_%s", fields[f].name);
		declare(to, name, fields[f].type, fields[f].prose);
		for (unsigned i = 0; i < s->config->conf.server_n; i++) {
			fputs(name, to);
			label(to, &s->config->conf.server[i]);
			value(s, (enum field)f, i, to);
		}
	}
}

enum pool_field { POOL_SERVERS, POOL_ACTIVE, POOL_SIZE, POOL_ENTRIES, POOL_HITS, POOL_MISSES };

static const struct { const char *name, *type, *prose; } pool_fields[] = {
	[POOL_SERVERS] = { "servers", "gauge", "Number of servers in that pool" },
	[POOL_ACTIVE] = { "active_servers", "gauge", "Number of available servers in that pool" },
	[POOL_SIZE] = { "cache_size", "gauge",
	                "Maximum number of entries that this cache can hold" },
	[POOL_ENTRIES] = { "cache_entries", "gauge",
	                   "Number of entries currently present in that cache" },
	[POOL_HITS] = { "cache_hits", "untyped", "Number of hits from that cache" },
	[POOL_MISSES] = { "cache_misses", "untyped", "Number of misses from that cache" },
};

static uint64_t pool_value(const struct stats *s, enum pool_field f, unsigned pool)
{
	const struct bal_conf *c = &s->config->conf;
	uint64_t up = 0;

	switch (f) {
	case POOL_SERVERS: return bal_pool_servers(c, pool);
	case POOL_SIZE: return bal_pool_cache(c, pool)->entries;
	case POOL_ENTRIES: return s->pool[pool].entries;
	case POOL_HITS: return s->pool[pool].hits;
	case POOL_MISSES: return s->pool[pool].misses;
	case POOL_ACTIVE: break;
	}
	for (unsigned i = 0; i < c->server_n; i++)
		up += s->server[i].up && bal_pool_has(c, pool, i);
	return up;
}

/* Those of the cache for pools that have one. */
static bool pool_tells(const struct bal_conf *c, enum pool_field f, unsigned pool)
{
	return f < POOL_SIZE || bal_pool_cache(c, pool)->entries > 0;
}

static void pools(const struct stats *s, enum pool_field f, FILE *to)
{
	const struct bal_conf *c = &s->config->conf;
	bool declared = false;
	char name[64];

	snprintf(name, sizeof(name), "dnsdist_pool_%s", pool_fields[f].name);
	for (unsigned i = 0; i < bal_pools(c); i++) {
		if (!pool_tells(c, f, i))
			continue;
		if (!declared)
			declare(to, name, pool_fields[f].type, pool_fields[f].prose);
		declared = true;
		fprintf(to, "%s{pool=\"", name);
		quoted(to, i > 0 ? bal_pool_name(c, i) : "_default_");
		fprintf(to, "\"} %llu\n", (unsigned long long)pool_value(s, f, i));
	}
}

/* As in dnsdist: of all chains, by name or UUID. */
static void rules(const struct stats *s, FILE *to)
{
	bool declared = false;

	for (unsigned c = 0; c < BAL_CHAINS; c++)
		for (unsigned i = 0; i < stats_rules(s, c); i++) {
			const struct bal_rule_text *t = &s->config->conf.rules->chain[c].text[i];
			if (!declared)
				declare(to, "dnsdist_rule_hits", "untyped",
				        "Number of hits of that rule");
			declared = true;
			fprintf(to, "dnsdist_rule_hits{id=\"");
			quoted(to, t->name[0] != '\0' ? t->name : t->uuid);
			fprintf(to, "\"} %llu\n", (unsigned long long)stats_matches(s, c, i));
		}
}

void stats_metrics(const struct stats *s, FILE *to)
{
	struct stats_item item[STATS_MAX];
	unsigned n = stats_list(s, item);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(item[i].name, "latency-sum") != 0 &&
		    strcmp(item[i].name, "latency-count") != 0)
			one(to, &item[i]);
	histogram(s, to);
	servers(s, to);
	for (unsigned f = 0; f < COUNT_OF(pool_fields); f++)
		pools(s, (enum pool_field)f, to);
	rules(s, to);
}
