/* SPDX-License-Identifier: BSD-3-Clause */
/* The atomics that workers and the health core share; see shared.h. */
#include "shared.h"

#include "lib/drbg.h"

size_t bal_shared_arena_size(const struct bal_conf *conf)
{
	size_t clients = conf->tcp.per_client > 0 ? BAL_SHARED_CLIENTS : 0;
	size_t limits = conf->rules != NULL ? limits_arena_size(conf->rules) : 0;

	return arena_need(1, sizeof(struct bal_shared)) + limits +
	       arena_need(conf->front_n, sizeof(_Atomic uint32_t)) +
	       arena_need(clients, sizeof(_Atomic uint64_t)) +
	       lazy_arena_size(conf) +
	       arena_need(conf->server_n, sizeof(int64_t)) +
	       arena_need(bal_conf_servers(conf), sizeof(struct bal_shared_server)) +
	       arena_need(bal_pools(conf), sizeof(struct bal_shared_pool));
}

struct bal_shared *bal_shared_init(struct arena *a, const struct bal_conf *conf)
{
	struct bal_shared *sh = arena_take(a, 1, sizeof(*sh));

	atomic_init(&sh->edition, 1);
	sh->server_n = conf->server_n;
	sh->server = arena_take(a, bal_conf_servers(conf), sizeof(*sh->server));
	sh->pool = arena_take(a, bal_pools(conf), sizeof(*sh->pool));
	if (conf->rules != NULL)
		sh->limit = limits_init(a, conf->rules);
	sh->slow_start_ns = arena_take(a, conf->server_n, sizeof(*sh->slow_start_ns));
	sh->front = arena_take(a, conf->front_n, sizeof(*sh->front));
	if (conf->tcp.per_client > 0)
		sh->client = arena_take(a, BAL_SHARED_CLIENTS, sizeof(*sh->client));
	sh->lazy = lazy_init(a, conf);
	for (unsigned i = 0; i < conf->server_n; i++) {
		atomic_init(&sh->server[i].mode, conf->server[i].check.mode);
		atomic_init(&sh->server[i].qps, conf->server[i].qps);
		atomic_init(&sh->server[i].weight, conf->server[i].weight);
		atomic_init(&sh->server[i].order, conf->server[i].order);
		atomic_init(&sh->server[i].whole_ns, INT64_MIN);
		sh->slow_start_ns[i] = conf->server[i].slow_start_ns;
		bal_shared_set_up(sh, i, conf->server[i].check.mode == BAL_CHECK_UP);
	}
	return sh;
}

/* entries 0: the pool has no cache, or that of another. */
static struct pcache_conf packets_conf(const struct bal_conf *conf, unsigned pool)
{
	bool shares = conf->pool_n > 0 && conf->pool[pool].shares > 0;

	return (struct pcache_conf){
		.entries = shares ? 0 : bal_pool_cache(conf, pool)->entries,
	};
}

size_t bal_shared_cache_arena_size(const struct bal_conf *conf)
{
	size_t size = 0;

	for (unsigned i = 0; i < bal_pools(conf); i++) {
		struct pcache_conf c = packets_conf(conf, i);
		size += c.entries > 0 ? pcache_arena_size(&c) : 0;
	}
	return size;
}

void bal_shared_cache_init(struct bal_shared *sh, struct arena *a, const struct bal_conf *conf,
                           const uint8_t seed[32])
{
	struct drbg keys;

	for (unsigned i = 0; i < bal_pools(conf); i++) {
		struct pcache_conf c = packets_conf(conf, i);
		if (conf->pool_n > 0 && conf->pool[i].shares > 0)
			sh->pool[i].packets = sh->pool[conf->pool[i].shares - 1].packets;
		if (c.entries == 0)
			continue;
		drbg_init(&keys, seed, DRBG_CACHE_KEY, i);
		c.secret = drbg_u64(&keys);
		sh->pool[i].packets = pcache_init(a, &c);
	}
}

uint64_t bal_shared_cached(const struct bal_shared *sh, const struct bal_conf *conf)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < bal_pools(conf); i++)
		if (packets_conf(conf, i).entries > 0 && sh->pool[i].packets != NULL)
			n += pcache_count(sh->pool[i].packets);
	return n;
}

uint64_t bal_shared_load(const struct bal_shared *sh, const struct bal_conf *conf, unsigned pool)
{
	int64_t load = 0;

	for (unsigned i = 0; i < sh->server_n; i++)
		if (bal_pool_has(conf, pool, i))
			load += atomic_load_explicit(&sh->server[i].outstanding,
			                             memory_order_relaxed);
	return load > 0 ? (uint64_t)load : 0;
}

bool bal_shared_any_up(const struct bal_shared *sh, const struct bal_conf *conf, unsigned pool)
{
	for (unsigned i = 0; i < sh->server_n; i++)
		if (bal_shared_up(sh, i) && bal_pool_has(conf, pool, i))
			return true;
	return false;
}

bool bal_shared_up(const struct bal_shared *sh, unsigned server)
{
	return atomic_load_explicit(&sh->server[server].up, memory_order_relaxed) != 0;
}

void bal_shared_set_up(struct bal_shared *sh, unsigned server, bool up)
{
	uint32_t was = atomic_exchange_explicit(&sh->server[server].up, up, memory_order_relaxed);

	if (was != up)
		bal_shared_new_edition(sh);
}

void bal_shared_new_edition(struct bal_shared *sh)
{
	atomic_fetch_add_explicit(&sh->edition, 1, memory_order_release);
}

/* It has come back. */
static void start_slowly(struct bal_shared *sh, unsigned server, int64_t now_ns)
{
	struct bal_shared_server *s = &sh->server[server];

	if (sh->slow_start_ns[server] == 0)
		return;
	atomic_store_explicit(&s->whole_ns, now_ns + sh->slow_start_ns[server],
	                      memory_order_relaxed);
	atomic_fetch_add_explicit(&s->slow_starts, 1, memory_order_relaxed);
}

int64_t bal_shared_whole_ns(const struct bal_shared *sh, unsigned server)
{
	return atomic_load_explicit(&sh->server[server].whole_ns, memory_order_relaxed);
}

/*
 * s->down is one number, so that readers never see half of a change: while the server is up, the
 * time that it was down; while it is down, -1 - (now - that time), which doesn't change as time
 * goes on.
 */
void bal_shared_turn(struct bal_shared *sh, unsigned server, bool up, bool first, int64_t now_ns)
{
	struct bal_shared_server *s = &sh->server[server];
	int64_t down = atomic_load_explicit(&s->down, memory_order_relaxed);

	if (!first && bal_shared_up(sh, server) != up)
		atomic_fetch_add_explicit(&s->transitions, 1, memory_order_relaxed);
	if (!first && up && !bal_shared_up(sh, server))
		start_slowly(sh, server, now_ns);
	if (up == (down < 0))
		atomic_store_explicit(&s->down, up ? now_ns + down + 1 : down - now_ns - 1,
		                      memory_order_relaxed);
	bal_shared_set_up(sh, server, up);
}

int64_t bal_shared_down_ns(const struct bal_shared *sh, unsigned server, int64_t now_ns)
{
	int64_t down = atomic_load_explicit(&sh->server[server].down, memory_order_relaxed);

	return down < 0 ? now_ns + down + 1 : down;
}

enum bal_check_mode bal_shared_mode(const struct bal_shared *sh, unsigned server)
{
	return (enum bal_check_mode)atomic_load_explicit(&sh->server[server].mode,
	                                                 memory_order_relaxed);
}

bool bal_shared_drained(const struct bal_shared *sh, unsigned server)
{
	return atomic_load_explicit(&sh->server[server].drained, memory_order_relaxed) != 0;
}

int32_t bal_shared_weight(const struct bal_shared *sh, unsigned server)
{
	return atomic_load_explicit(&sh->server[server].weight, memory_order_relaxed);
}

int32_t bal_shared_order(const struct bal_shared *sh, unsigned server)
{
	return atomic_load_explicit(&sh->server[server].order, memory_order_relaxed);
}

void bal_shared_set_weight(struct bal_shared *sh, unsigned server, int32_t weight)
{
	MUST(weight >= 1);
	atomic_store_explicit(&sh->server[server].weight, weight, memory_order_relaxed);
	bal_shared_new_edition(sh);
}

void bal_shared_set_order(struct bal_shared *sh, unsigned server, int32_t order)
{
	atomic_store_explicit(&sh->server[server].order, order, memory_order_relaxed);
	bal_shared_new_edition(sh);
}

bool bal_shared_drain(struct bal_shared *sh, unsigned server, bool drained, int64_t now_ns)
{
	struct bal_shared_server *s = &sh->server[server];

	if (bal_shared_drained(sh, server) == drained)
		return false;
	if (drained)
		atomic_fetch_add_explicit(&s->drains, 1, memory_order_relaxed);
	else
		start_slowly(sh, server, now_ns);
	atomic_store_explicit(&s->drained, drained, memory_order_relaxed);
	bal_shared_new_edition(sh);
	return true;
}

uint32_t bal_shared_changes(const struct bal_shared *sh, unsigned server)
{
	return atomic_load_explicit(&sh->server[server].transitions, memory_order_relaxed);
}
