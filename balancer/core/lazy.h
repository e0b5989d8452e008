/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lazy health checks go by (dnsdist 1.8's healthCheckMode "lazy"): how clients' own queries
 * fared. Workers note the result of each query to such a server in a ring of its latest ones, with
 * relaxed atomics and no lock; the health core counts them now and then. A count that runs beside
 * notes may be off by those that come in this moment, never for good.
 */
#ifndef EK_BALANCER_LAZY_H
#define EK_BALANCER_LAZY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "conf.h"

enum lazy_result { LAZY_NONE, LAZY_GOOD, LAZY_FAILED };

/* One server's results. */
struct lazy {
	_Alignas(64) _Atomic uint64_t next; /* place of the next result, modulo n */
	_Atomic uint32_t failures;          /* noted ever, so that a look knows of news */
	uint32_t n;                         /* places; 0: this server isn't checked lazily */
	bool timeouts_only;
	_Atomic uint8_t *result;            /* enum lazy_result */
};

size_t lazy_arena_size(const struct bal_conf *conf);
/* One for each server, zeroed; NULL when no server is checked lazily. */
struct lazy *lazy_init(struct arena *a, const struct bal_conf *conf);

static inline void lazy_note(struct lazy *l, enum lazy_result r)
{
	uint64_t at = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed) % l->n;

	if (atomic_load_explicit(&l->result[at], memory_order_relaxed) != r)
		atomic_store_explicit(&l->result[at], r, memory_order_relaxed);
	if (r == LAZY_FAILED)
		atomic_fetch_add_explicit(&l->failures, 1, memory_order_relaxed);
}

/* For workers: server has answered, with this rcode. all: of lazy_init, NULL is as good. */
static inline void lazy_answered(struct lazy *all, unsigned server, unsigned rcode)
{
	if (all == NULL || all[server].n == 0)
		return;
	bool failed = rcode == DNS_SERVFAIL && !all[server].timeouts_only;
	lazy_note(&all[server], failed ? LAZY_FAILED : LAZY_GOOD);
}

/* For workers: server didn't answer a query in time, or its connection failed. */
static inline void lazy_unanswered(struct lazy *all, unsigned server)
{
	if (all != NULL && all[server].n > 0)
		lazy_note(&all[server], LAZY_FAILED);
}

/*
 * For the health core: whether at least the threshold of the results that are there failed, and
 * enough are there. O(samples).
 */
bool lazy_suspects(const struct lazy *l, const struct bal_lazy *c);
/* What has been noted doesn't count any more. O(samples). */
void lazy_forget(struct lazy *l);
/* Until the next probe of a server that is down, after so many in a row without success. */
int64_t lazy_gap_ns(const struct bal_lazy *c, unsigned failed);

#endif
