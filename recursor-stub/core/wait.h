/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queries that wait for their answer, in order of time, and found by their question. Room is fixed,
 * a place is only touched when it is used. A query is kept whole up to WAIT_QUERY bytes, a longer
 * one as its question and EDNS alone.
 */
#ifndef EK_RECURSOR_WAIT_H
#define EK_RECURSOR_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/dgram.h"
#include "lib/dns.h"
#include "lib/heap.h"

enum { WAIT_QUERY = 512 };

struct waiter {
	int64_t t_ns;             /* when the query came */
	int64_t due_ns;           /* when the answer leaves */
	int64_t miss_ns;          /* when the miss is over: due_ns but for the fault "slow" */
	struct ep peer, local;
	uint32_t conn;
	uint32_t ttl_left;        /* seconds, for rec_answer */
	uint32_t next;            /* of the same bucket, or free; index plus 1 */
	uint32_t hash;            /* of the question */
	uint16_t port;
	uint16_t len;
	uint8_t proto;
	bool miss;                /* a miss, which others may join */
	bool cut;                 /* only question and EDNS are kept: not cacheable */
	uint8_t wrong, truncate;  /* faults */
	uint8_t query[WAIT_QUERY];
};

struct wait {
	struct waiter *waiter;
	uint32_t *bucket;         /* index plus 1 of the first; cap rounded up to 2^n of them */
	struct heap heap;
	uint32_t cap;
	uint32_t mask;
	uint32_t used;            /* places ever used */
	uint32_t free;            /* index plus 1 */
	uint32_t n;
};

size_t wait_arena_size(uint32_t cap);
void wait_init(struct wait *w, uint32_t cap, struct arena *a);
/*
 * A place for the query d with question q and EDNS e, linked under hash, due at due_ns; NULL when
 * full. The caller sets the rest.
 */
struct waiter *wait_add(struct wait *w, const struct dgram *d, const struct dns_question *q,
                        const struct dns_edns *e, uint32_t hash, int64_t due_ns);
/* A miss for the same question that isn't over at now_ns, or NULL. */
const struct waiter *wait_find(const struct wait *w, const uint8_t *m, const struct dns_question *q,
                               uint32_t hash, int64_t now_ns);
/* The first one that is due at now_ns, or NULL. It stays until wait_remove. */
struct waiter *wait_due(const struct wait *w, int64_t now_ns);
/* Removes the one that wait_due returned. */
void wait_remove(struct wait *w, struct waiter *x);
void wait_check(const struct wait *w);

#endif
