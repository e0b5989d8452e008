/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a balancer's workers and its health core share: one small struct of atomics, and the packet
 * cache, passed in. Relaxed order is enough for the atomics, as each value stands alone, but for
 * their edition: who sees a new one sees what is new.
 */
#ifndef EK_BALANCER_SHARED_H
#define EK_BALANCER_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "conf.h"
#include "lazy.h"
#include "lib/pcache.h"
#include "limit.h"

/* One cache line for each server, so that two servers' counts don't share one. */
struct bal_shared_server {
	_Alignas(64) _Atomic uint32_t up;      /* 0 or 1; written by the health core alone */
	_Atomic uint32_t mode;                 /* enum bal_check_mode; by the health core alone */
	_Atomic uint32_t transitions;          /* changes of up after the first result */
	_Atomic uint32_t qps;                  /* limit of queries a second; 0: none */
	_Atomic int64_t down;                  /* time spent down: see bal_shared_down_ns */
	_Atomic uint32_t drained;              /* 0 or 1: takes nothing new, and is checked on */
	_Atomic uint32_t drains, slow_starts;  /* how often each began */
	_Atomic int64_t whole_ns;              /* from when on it gets its whole share (slow.h) */
	_Atomic int32_t outstanding;           /* forwarded and not yet answered or timed out */
	_Atomic uint32_t latency_us128;        /* EWMA 1/128 of answer times, in 1/128 us */
	_Atomic int64_t qps_full_ns;           /* when the qps bucket is full again (policy.c) */
	_Atomic int32_t weight, order;         /* as configured, or as a console said last */
	_Atomic uint32_t timeouts;             /* queries over UDP not answered in time */
};

enum { BAL_SHARED_CLIENTS = 1 << 16 };         /* places of the table of clients */

struct bal_shared_pool {
	_Alignas(64) _Atomic uint32_t turn;    /* roundrobin's counter */
	struct pcache *packets;                /* its packet cache; NULL: there is none */
};

struct bal_shared {
	_Alignas(64) _Atomic uint64_t edition; /* of up, drained, weight and order; from 1 on */
	unsigned server_n;
	struct bal_shared_server *server;
	struct bal_shared_pool *pool;          /* bal_pools(conf) of them */
	struct limit *limit;                   /* rules' limits; NULL: none */
	int64_t *slow_start_ns;                /* by server: as configured */
	_Atomic uint32_t *front;               /* TCP connections by address that listens */
	_Atomic uint64_t *client;              /* and by client (tcp_limit.c); NULL: not limited */
	struct lazy *lazy;                     /* by server; NULL: none is checked lazily */
};

size_t bal_shared_arena_size(const struct bal_conf *conf);
/* Servers forced up are up, all others down until the health core says otherwise. */
struct bal_shared *bal_shared_init(struct arena *a, const struct bal_conf *conf);

/*
 * The packet caches of the pools that have one: about 600 bytes of zero pages for each entry,
 * touched only where used; 0 and nothing without one. seed: keys its hash. Call it before any
 * worker's bal_init, which without it keeps no answers.
 */
size_t bal_shared_cache_arena_size(const struct bal_conf *conf);
void bal_shared_cache_init(struct bal_shared *sh, struct arena *a, const struct bal_conf *conf,
                           const uint8_t seed[32]);

/* Answers in all of them. */
uint64_t bal_shared_cached(const struct bal_shared *sh, const struct bal_conf *conf);

/* What policies weigh it by from each worker's next batch on; chashed's ring stays as it is. */
int32_t bal_shared_weight(const struct bal_shared *sh, unsigned server);
int32_t bal_shared_order(const struct bal_shared *sh, unsigned server);
/* weight: 1 and more. */
void bal_shared_set_weight(struct bal_shared *sh, unsigned server, int32_t weight);
void bal_shared_set_order(struct bal_shared *sh, unsigned server, int32_t order);
/* Of what policies choose by, counts excepted: while it is the same, they needn't look again. */
static inline uint64_t bal_shared_edition(const struct bal_shared *sh)
{
	return atomic_load_explicit(&sh->edition, memory_order_acquire);
}
/* For who has stored something of it. */
void bal_shared_new_edition(struct bal_shared *sh);
/* server: below server_n. For the health core, a console's setUp and setDown, and tests. */
bool bal_shared_up(const struct bal_shared *sh, unsigned server);
/* Queries that are out to a pool's servers. O(servers). */
uint64_t bal_shared_load(const struct bal_shared *sh, const struct bal_conf *conf, unsigned pool);
/* Whether a server of the pool is up. O(servers). */
bool bal_shared_any_up(const struct bal_shared *sh, const struct bal_conf *conf, unsigned pool);
void bal_shared_set_up(struct bal_shared *sh, unsigned server, bool up);
/*
 * A drained server gets no new query, whether it is up or not; answers to what is out still count,
 * and its health is checked on. Takes effect at each worker's next batch. One that takes queries
 * again starts slowly, if it is to. Returns whether that changes anything.
 */
bool bal_shared_drain(struct bal_shared *sh, unsigned server, bool drained, int64_t now_ns);
bool bal_shared_drained(const struct bal_shared *sh, unsigned server);

/*
 * The health core's: the server is up, or down, from now on; counted as a transition when that is
 * news, and not the first result. One that comes up then starts slowly, if it is to. now_ns must
 * not decrease.
 */
void bal_shared_turn(struct bal_shared *sh, unsigned server, bool up, bool first, int64_t now_ns);
/* From when on the server gets its whole share; not after now: it does. */
int64_t bal_shared_whole_ns(const struct bal_shared *sh, unsigned server);
/* How often it changed between up and down, the first result apart. */
uint32_t bal_shared_changes(const struct bal_shared *sh, unsigned server);
/* How it is checked: as configured, or as a console said last. */
enum bal_check_mode bal_shared_mode(const struct bal_shared *sh, unsigned server);
/* How long the server has been down until now_ns, all in all, as far as results told. */
int64_t bal_shared_down_ns(const struct bal_shared *sh, unsigned server, int64_t now_ns);

#endif
