/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of counters, and the console's tables; see stats.h. */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

struct stats *stats_new(const struct config *config)
{
	struct stats *s = calloc(1, sizeof(*s));
	unsigned n = config->conf.server_n;

	MUST(s != NULL);
	s->config = config;
	s->server = calloc(n > 0 ? n : 1, sizeof(*s->server));
	s->pool = calloc(bal_pools(&config->conf), sizeof(*s->pool));
	MUST(s->server != NULL && s->pool != NULL);
	for (unsigned i = 0; config->conf.rules != NULL && i < BAL_CHAINS; i++) {
		s->matches[i] = calloc(config->conf.rules->chain[i].n + 1u, sizeof(*s->matches[i]));
		MUST(s->matches[i] != NULL);
	}
	return s;
}

void stats_free(struct stats *s)
{
	if (s == NULL)
		return;
	free(s->server);
	free(s->pool);
	for (unsigned i = 0; i < BAL_CHAINS; i++)
		free(s->matches[i]);
	free(s);
}

/* ---- the list ---- */

struct list {
	struct stats_item *out;
	unsigned n;
};

static void put(struct list *l, enum stats_kind kind, const char *name, uint64_t value,
                const char *prose)
{
	MUST(l->n < STATS_MAX);
	l->out[l->n++] = (struct stats_item){ name, prose, kind, value };
}

static void count(struct list *l, const char *name, uint64_t value, const char *prose)
{
	put(l, STATS_COUNTER, name, value, prose);
}

static void gauge(struct list *l, const char *name, uint64_t value, const char *prose)
{
	put(l, STATS_GAUGE, name, value, prose);
}

static uint64_t rule_answers(const uint64_t v[BAL_VERDICTS])
{
	return v[BAL_RULE_NXDOMAIN] + v[BAL_RULE_REFUSED] + v[BAL_RULE_SERVFAIL] +
	       v[BAL_RULE_TRUNCATED] + v[BAL_RULE_ANSWER];
}

/* Queries that came in, whatever became of them: those that dnsdist counts as queries. */
static uint64_t queries(const struct stats *s)
{
	const uint64_t *v = s->verdict;

	return v[BAL_FORWARD] + v[BAL_TCP_FORWARD] + v[BAL_SERVFAIL] + v[BAL_DROP_NO_SERVER] +
	       v[BAL_DROP_FULL] + v[BAL_DROP_LUA] + v[BAL_DROP_BROKEN] + v[BAL_NOTIMP] +
	       v[BAL_DROP_EMPTY] + s->cache_hits + v[BAL_RULE_DROP] + rule_answers(v);
}

static void list_messages(struct list *l, const struct stats *s)
{
	const uint64_t *v = s->verdict;
	const struct bal_counts *c = &s->counts;

	count(l, "queries", queries(s), "Number of received queries");
	count(l, "rdqueries", c->rd_queries,
	      "Number of received queries with the recursion desired bit set");
	count(l, "responses", v[BAL_ANSWER] + v[BAL_TCP_ANSWER] + v[BAL_DROP_LATE] +
	                      v[BAL_ANSWER_DROP] + v[BAL_TCP_ANSWER_DROP],
	      "Number of responses received from backends");
	count(l, "servfail-responses", c->servfail_responses,
	      "Number of SERVFAIL answers received from backends");
	count(l, "frontend-noerror", c->rcode[DNS_NOERROR],
	      "Number of NoError answers sent to clients");
	count(l, "frontend-nxdomain", c->rcode[DNS_NXDOMAIN],
	      "Number of NXDomain answers sent to clients");
	count(l, "frontend-servfail", c->rcode[DNS_SERVFAIL],
	      "Number of SERVFAIL answers sent to clients");
	count(l, "acl-drops", v[BAL_DROP_ACL], "Number of packets dropped because of the ACL");
	count(l, "self-answered", v[BAL_SERVFAIL] + v[BAL_NOTIMP] + v[BAL_TIMED_OUT] +
	                          rule_answers(v),
	      "Number of self-answered responses");
	count(l, "downstream-timeouts", s->timeouts,
	      "Number of queries not answered in time by a backend");
	count(l, "downstream-send-errors", s->send_errors,
	      "Number of errors when sending a query to a backend");
	count(l, "no-policy", v[BAL_DROP_NO_SERVER],
	      "Number of queries dropped because no server was available");
	count(l, "empty-queries", v[BAL_NOTIMP] + v[BAL_DROP_EMPTY],
	      "Number of empty queries received from clients");
	count(l, "noncompliant-queries", v[BAL_DROP_SHORT] + v[BAL_DROP_RESPONSE],
	      "Number of queries dropped as non-compliant");
	count(l, "noncompliant-responses",
	      v[BAL_DROP_BROKEN_ANSWER] + v[BAL_DROP_WRONG_QUESTION],
	      "Number of answers from a backend dropped as non-compliant");
	count(l, "cache-hits", s->cache_hits, "Number of times an answer was retrieved from cache");
	count(l, "cache-misses", s->cache_misses,
	      "Number of times an answer not found in the cache");
	put(l, STATS_OURS, "cache-not-inserted", s->cache_refused,
	    "answer that the cache had no room for");
}

static void list_rules(struct list *l, const struct stats *s)
{
	const uint64_t *v = s->verdict;

	count(l, "rule-drop", v[BAL_RULE_DROP], "Number of queries dropped because of a rule");
	count(l, "rule-nxdomain", v[BAL_RULE_NXDOMAIN],
	      "Number of NXDomain answers returned because of a rule");
	count(l, "rule-refused", v[BAL_RULE_REFUSED],
	      "Number of Refused answers returned because of a rule");
	count(l, "rule-servfail", v[BAL_RULE_SERVFAIL],
	      "Number of ServFail answers returned because of a rule");
	count(l, "rule-truncated", v[BAL_RULE_TRUNCATED],
	      "Number of truncated answers returned because of a rule");
}

static void list_latency(struct list *l, const struct bal_counts *c)
{
	static const char *const averages[BAL_AVERAGES] = {
		"latency-avg100", "latency-avg1000", "latency-avg10000", "latency-avg1000000",
	};
	uint64_t n = 0;

	count(l, "latency0-1", c->took[0], "Number of queries answered in less than 1ms");
	count(l, "latency1-10", c->took[1], "Number of queries answered in 1-10 ms");
	count(l, "latency10-50", c->took[2], "Number of queries answered in 10-50 ms");
	count(l, "latency50-100", c->took[3], "Number of queries answered in 50-100 ms");
	count(l, "latency100-1000", c->took[4], "Number of queries answered in 100-1000 ms");
	count(l, "latency-slow", c->took[5], "Number of queries answered in more than 1 second");
	for (unsigned i = 0; i < BAL_AVERAGES; i++)
		gauge(l, averages[i], (uint64_t)c->average[i] >> 20,
		      "Average response latency in microseconds of about that many packets");
	for (unsigned i = 0; i < BAL_TOOK_N; i++)
		n += c->took[i];
	count(l, "latency-sum", c->took_us / 1000, "Total response time in milliseconds");
	count(l, "latency-count", n, "Number of answers that latency-sum adds up");
}

/* Verdicts that no name of dnsdist's tells apart, and the shell's counters. */
static void list_ours(struct list *l, const struct stats *s)
{
	static const enum bal_verdict ours[] = {
		BAL_DROP_BROKEN, BAL_DROP_FULL, BAL_DROP_LUA, BAL_DROP_UNMATCHED,
		BAL_DROP_WRONG_SERVER, BAL_DROP_WRONG_QUESTION, BAL_ANSWER_DROP,
		BAL_TCP_ANSWER_DROP, BAL_DELAYED, BAL_TIMED_OUT, BAL_RETRY, BAL_DROP_LATE,
	};

	for (size_t i = 0; i < COUNT_OF(ours); i++)
		put(l, STATS_OURS, bal_verdict_name(ours[i]), s->verdict[ours[i]],
		    bal_verdict_prose(ours[i]));
	put(l, STATS_OURS, "limits-crowded", s->limits_crowded,
	    "query that passed a limit by client, which knows too many others");
	put(l, STATS_OURS, "not-delayed", s->counts.not_delayed,
	    "answer that a rule delays, sent at once because too many are waiting");
	put(l, STATS_OURS, "rules-failed", s->counts.rules_failed,
	    "call of a rule's Lua function that failed");
	put(l, STATS_OURS, "not-tagged", s->counts.not_tagged,
	    "tag that a rule gives to a query that has no room for it");
	for (unsigned i = 0; i < s->own_n; i++)
		put(l, STATS_OURS, s->own[i].name, s->own[i].value, s->own[i].prose);
}

unsigned stats_list(const struct stats *s, struct stats_item out[STATS_MAX])
{
	struct list l = { out, 0 };

	list_messages(&l, s);
	list_rules(&l, s);
	list_latency(&l, &s->counts);
	gauge(&l, "uptime", s->uptime_s, "Uptime of the process in seconds");
	gauge(&l, "real-memory-usage", s->memory, "Current memory usage in bytes");
	gauge(&l, "fd-usage", s->files, "Number of currently used file descriptors");
	count(&l, "cpu-user-msec", s->user_ms, "Milliseconds spent in the user state");
	count(&l, "cpu-sys-msec", s->system_ms, "Milliseconds spent in the system state");
	list_ours(&l, s);
	return l.n;
}

/* ---- the console's tables ---- */

void stats_name(const struct bal_server *s, char out[BAL_NAME_TEXT + EP_TEXT])
{
	if (s->name[0] == '\0')
		ep_format(&s->addr, out);
	else
		snprintf(out, BAL_NAME_TEXT, "%s", s->name);
}

const char *stats_state(const struct stats_server *s)
{
	if (s->drained && s->up)
		return "drain";
	if (s->slow)
		return "slow";
	if (s->mode == BAL_CHECK_UP)
		return "UP";
	if (s->mode == BAL_CHECK_DOWN)
		return "DOWN";
	return s->up ? "up" : "down";
}

const char *stats_policy(const struct bal_conf *conf, unsigned pool)
{
	switch (bal_pool_policy(conf, pool)) {
	case BAL_LEAST_OUTSTANDING: return "leastOutstanding";
	case BAL_FIRST_AVAILABLE: return "firstAvailable";
	case BAL_WRANDOM: return "wrandom";
	case BAL_ROUNDROBIN: return "roundrobin";
	case BAL_WHASHED: return "whashed";
	case BAL_CHASHED: return "chashed";
	case BAL_ORDERED_WRANDOM: return "orderedWrandUntag";
	case BAL_LUA: return bal_pool_lua(conf, pool)->name;
	}
	return "?";
}

bool stats_in_pool(const struct bal_conf *conf, unsigned pool, unsigned server)
{
	return conf->server[server].pools != 1 && bal_pool_has(conf, pool, server);
}

/* v is in tenths. */
static const char *tenths(uint64_t v, char out[32])
{
	snprintf(out, 32, "%llu.%llu", (unsigned long long)(v / 10), (unsigned long long)(v % 10));
	return out;
}

static void say_pools(const struct bal_conf *c, unsigned server, FILE *to)
{
	const char *between = "";

	for (unsigned i = 0; i < bal_pools(c); i++) {
		const char *name = bal_pool_name(c, i);
		if (!stats_in_pool(c, i, server) || name[0] == '\0')
			continue;
		fprintf(to, "%s%s", between, name);
		between = " ";
	}
	fputc('\n', to);
}

static void show_server(const struct stats *s, unsigned i, FILE *to)
{
	const struct bal_server *c = &s->config->conf.server[i];
	const struct stats_server *v = &s->server[i];
	char name[BAL_NAME_TEXT + EP_TEXT], addr[EP_TEXT], qps[32], drops[32], latency[32];
	char down[32];

	stats_name(c, name);
	ep_format(&c->addr, addr);
	fprintf(to, "%-3u %-20.20s %-29s %5s %7s %7u %3d %2d %10llu %7llu %5s %5s %11d %7u %9s ",
	        i, name, addr, stats_state(v), tenths(v->qps10, qps), v->qps_limit, v->order,
	        v->weight, (unsigned long long)v->counts.queries,
	        (unsigned long long)v->counts.timeouts, tenths(v->drops10, drops),
	        tenths(v->latency_us / 100, latency), v->outstanding, v->transitions,
	        tenths(v->down_ms / 100, down));
	say_pools(&s->config->conf, i, to);
}

/* dnsdist's columns, with two of ours before the last. */
void stats_show_servers(const struct stats *s, FILE *to)
{
	uint64_t all = 0, drops = 0, qps10 = 0;
	char text[32];

	fprintf(to, "%-3s %-20s %-29s %5s %7s %7s %3s %2s %10s %7s %5s %5s %11s %7s %9s %s\n", "#",
	        "Name", "Address", "State", "Qps", "Qlim", "Ord", "Wt", "Queries", "Drops",
	        "Drate", "Lat", "Outstanding", "Changes", "Down(s)", "Pools");
	for (unsigned i = 0; i < s->config->conf.server_n; i++) {
		show_server(s, i, to);
		all += s->server[i].counts.queries;
		drops += s->server[i].counts.timeouts;
		qps10 += s->server[i].qps10;
	}
	fprintf(to, "%-3s %-20s %-29s %5s %7s %7s %3s %2s %10llu %7llu\n", "All", "", "", "",
	        tenths(qps10, text), "", "", "", (unsigned long long)all,
	        (unsigned long long)drops);
}

static int by_name(const void *a, const void *b)
{
	const struct stats_item *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Two columns, sorted down the first and then the second, as dnsdist prints them. */
void stats_show_all(const struct stats *s, FILE *to)
{
	struct stats_item item[STATS_MAX];
	unsigned n = stats_list(s, item), half = (n + 1) / 2;

	qsort(item, n, sizeof(*item), by_name);
	for (unsigned i = 0; i < half; i++) {
		fprintf(to, "%-35s\t%11llu", item[i].name, (unsigned long long)item[i].value);
		if (i + half < n)
			fprintf(to, "    %-35s\t%11llu", item[i + half].name,
			        (unsigned long long)item[i + half].value);
		fputc('\n', to);
	}
}

static void show_pool(const struct stats *s, unsigned pool, FILE *to)
{
	const struct bal_conf *c = &s->config->conf;
	const struct bal_cache_conf *cached = bal_pool_cache(c, pool);
	char name[BAL_NAME_TEXT + EP_TEXT], addr[EP_TEXT], cache[32] = "";
	bool more = false;

	if (cached->entries > 0)
		snprintf(cache, sizeof(cache), "%llu/%u",
		         (unsigned long long)s->pool[pool].entries, cached->entries);
	fprintf(to, "%-20s     %20s %20s ", bal_pool_name(c, pool), cache,
	        stats_policy(c, pool));
	for (unsigned i = 0; i < c->server_n; i++) {
		if (!bal_pool_has(c, pool, i))
			continue;
		stats_name(&c->server[i], name);
		ep_format(&c->server[i].addr, addr);
		fprintf(to, "%s%s %s", more ? ", " : "", name, addr);
		more = true;
	}
	fputc('\n', to);
}

void stats_show_pools(const struct stats *s, FILE *to)
{
	fprintf(to, "%-20s     %20s %20s %s\n", "Name", "Cache", "ServerPolicy", "Servers");
	for (unsigned i = 0; i < bal_pools(&s->config->conf); i++)
		show_pool(s, i, to);
}

void stats_show_binds(const struct stats *s, FILE *to)
{
	char addr[EP_TEXT];

	fprintf(to, "%-3s %-30s %s\n", "#", "Address", "Protocol");
	for (unsigned i = 0; i < s->config->conf.front_n; i++) {
		ep_format(&s->config->conf.front[i], addr);
		fprintf(to, "%-3u %-30s %s\n", i, addr, "UDP");
	}
}

void stats_show_acl(const struct stats *s, FILE *to)
{
	char text[PREFIX_TEXT];

	for (unsigned i = 0; i < s->config->conf.acl_n; i++) {
		prefix_format(&s->config->conf.acl[i], text);
		fprintf(to, "%s\n", text);
	}
}
