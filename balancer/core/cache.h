/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pools' packet caches as one worker uses them: looks a query up before a server is chosen,
 * keeps the key of what is forwarded, and puts the answer in under it. The caches themselves are
 * shared by all workers (shared.h, lib/pcache.h); nothing here waits for anybody. For bal.c alone.
 */
#ifndef EK_BALANCER_CACHE_H
#define EK_BALANCER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bal.h"
#include "lib/arena.h"
#include "lib/dgram.h"
#include "lib/pcache.h"
#include "shared.h"

/* The key of a query that is out. */
struct cache_kept {
	struct pcache_key key;        /* len 0: its answer isn't cached */
	bool cookie;                  /* it has a cookie that isn't in the key */
	uint16_t pool;                /* whose cache the key is of */
	uint32_t failure_s;           /* 1 + how long a failure is kept; 0: as the cache says */
};

struct cache {
	const struct bal_conf *conf;  /* NULL: no pool has a cache */
	const struct bal_shared *shared;
	struct bal_pool_counts *counts; /* by pool */
	int64_t stale_ns;             /* answers are of use so long after they expired */
	struct cache_kept *kept;      /* by server and place in the ID table */
	struct cache_kept *kept_tcp;  /* behind those: by place among the queries over TCP */
	uint32_t kept_each;           /* of one server */
	bool cookie;                  /* of the query at hand, as in struct cache_kept */
	unsigned pool;                /* of the query at hand */
	uint32_t failure_s;           /* of the query at hand; bal.c's to set */
	struct bal_ecs_said ecs;      /* the same */
	struct pcache_key key;        /* of the query at hand; len 0: it isn't cached */
	uint8_t answer[PCACHE_ENTRY_MAX];
};

/*
 * 536 bytes of zero pages for each query that may be out, where there is a cache; touched only
 * where used.
 */
size_t cache_arena_size(const struct bal_conf *conf);
void cache_init(struct cache *c, struct arena *a, const struct bal_conf *conf,
                const struct bal_shared *shared);
/*
 * Turns the query in d into its answer, if that is in the pool's cache: the server's but for the
 * ID, the letters of the name, which are the query's, and the TTLs, which have aged. Answers that
 * have expired count while no server of the pool is up, as long as the configuration says. False: a
 * miss, or a query that isn't cached; d is as it was. Takes no lock. O(1).
 */
bool cache_answer(struct cache *c, int64_t now_ns, unsigned pool, struct dgram *d,
                  const struct dns_question *q) MUST_CHECK;
/* Instead of cache_answer: the query at hand isn't looked up, nor its answer kept. */
void cache_skip(struct cache *c);
/* The query that cache_answer was called for last has gone out, in that place. */
void cache_keep(struct cache *c, unsigned server, uint32_t slot);
/* That query has gone out once more, in another place. */
void cache_keep_again(struct cache *c, unsigned server, uint32_t slot, unsigned second,
                      uint32_t second_slot);
/* The same over TCP, where the place stays the query's at later tries. */
void cache_keep_tcp(struct cache *c, uint32_t slot);
/*
 * For reloads: what from keeps for the query in that place is kept in to's; not if its pool has
 * another number than before (pools: by its number of then), or no cache.
 */
void cache_move(struct cache *to, unsigned server, uint32_t slot, const struct cache *from,
                unsigned old_server, uint32_t old_slot, const uint8_t *pools);
void cache_move_tcp(struct cache *to, const struct cache *from, uint32_t slot,
                    const uint8_t *pools);
/*
 * The query in that place was answered: d is what its client gets, whose question ends at q_end.
 * Not cached: TC, no question, records that can't be read, TTLs that the configuration refuses,
 * a cookie for one client.
 */
void cache_learn(struct cache *c, int64_t now_ns, unsigned server, uint32_t slot,
                 const struct dgram *d, size_t q_end);
void cache_learn_tcp(struct cache *c, int64_t now_ns, uint32_t slot, const struct dgram *d,
                     size_t q_end);

#endif
