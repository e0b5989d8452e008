/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What console and web server tell: counters under dnsdist's names, servers, as one snapshot that
 * the shell fills in, and the texts made of it. Everything here only reads.
 */
#ifndef EK_BALANCER_STATS_H
#define EK_BALANCER_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "balancer/config/config.h"
#include "balancer/core/bal.h"

enum { STATS_MAX = 96, STATS_OWN_MAX = 16 };

struct stats_server {
	struct bal_server_counts counts;
	bool up, drained;
	enum bal_check_mode mode;
	int32_t outstanding;
	uint32_t latency_us, qps_limit, transitions, drains, slow_starts;
	bool slow;                     /* it starts slowly at the moment */
	uint64_t down_ms;
	uint64_t qps10, drops10;       /* queries and time-outs a second, times 10 */
};

/* The packet cache of a pool. */
struct stats_pool {
	uint64_t hits, misses, entries;
};

/* A counter of the shell, beside the core's. */
struct stats_own {
	const char *name, *prose;
	uint64_t value;
};

struct stats {
	const struct config *config;
	uint64_t verdict[BAL_VERDICTS];
	uint64_t timeouts, outstanding, send_errors;
	uint64_t cache_hits, cache_misses, cache_entries, cache_refused;
	struct bal_counts counts;
	uint64_t uptime_s, memory, user_ms, system_ms, files;
	unsigned own_n;
	struct stats_own own[STATS_OWN_MAX];
	struct stats_server *server;   /* conf.server_n of them */
	struct stats_pool *pool;       /* bal_pools of them */
	uint64_t *matches[BAL_CHAINS]; /* of each rule, where there are any */
	unsigned asked;                /* stats_json_pool: which */
};

struct stats *stats_new(const struct config *config);
void stats_free(struct stats *take_s);

enum stats_kind {
	STATS_COUNTER = 1, /* dnsdist's name */
	STATS_GAUGE,       /* dnsdist's name */
	STATS_OURS,        /* a counter that dnsdist hasn't */
};

struct stats_item {
	const char *name, *prose;
	enum stats_kind kind;
	uint64_t value;
};

/* All counters of s, dnsdist's first. Returns how many. */
unsigned stats_list(const struct stats *s, struct stats_item out[STATS_MAX]);

/* A server's name, or its address where it has none. */
void stats_name(const struct bal_server *s, char out[BAL_NAME_TEXT + EP_TEXT]);
/*
 * UP and DOWN when forced, up and down when checked, drain for one that is up and takes nothing,
 * slow for one that is up and hasn't its whole share yet.
 */
const char *stats_state(const struct stats_server *s);
/* The policy of a pool. */
const char *stats_policy(const struct bal_conf *conf, unsigned pool);
/* Whether the pool is told as one of the server's: none is for one in the default pool alone. */
bool stats_in_pool(const struct bal_conf *conf, unsigned pool, unsigned server);

/* Prometheus' text, version 0.0.4. */
void stats_metrics(const struct stats *s, FILE *to);
/* The tables of the console. */
void stats_show_servers(const struct stats *s, FILE *to);
void stats_show_all(const struct stats *s, FILE *to);
void stats_show_pools(const struct stats *s, FILE *to);
/* rules.c: the rules of one chain, with their UUIDs or without. */
void stats_show_rules(const struct stats *s, enum bal_chain_kind chain, bool uuids, FILE *to);
uint64_t stats_matches(const struct stats *s, enum bal_chain_kind chain, unsigned rule);
/* Rules of a chain; 0 without any. */
unsigned stats_rules(const struct stats *s, enum bal_chain_kind chain);
void stats_show_binds(const struct stats *s, FILE *to);
void stats_show_acl(const struct stats *s, FILE *to);
/* JSON, as in dnsdist's API; a text that the caller frees. */
char *stats_json_stats(const struct stats *s);
char *stats_json_statistics(const struct stats *s);
char *stats_json_localhost(const struct stats *s);
char *stats_json_config(const struct stats *s);
char *stats_json_pool(const struct stats *s);

#endif
