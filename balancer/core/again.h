/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a second try of a query over UDP takes: the query's bytes, and which two places of the ID
 * table are the same query. Its first place stays out when the second try leaves, so that either
 * server may answer; whose answer comes first is the query's, the other's is late. What is over
 * for the client stays out for its server until that answers or its time is up, so that a server's
 * outstanding queries are those that it really has. For bal.c alone.
 */
#ifndef EK_BALANCER_AGAIN_H
#define EK_BALANCER_AGAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "lib/arena.h"
#include "lib/dgram.h"

/* A longer query has no second try. */
enum { AGAIN_BYTES = 512 };

/* Of a query that is out, by server and place. */
struct again_kept {
	uint32_t twin;          /* the other place: 1 + server << 16 | slot; 0: there is none */
	uint16_t len;           /* 0: it isn't tried again */
	bool over;              /* its client has an answer, or waits no more */
	uint8_t data[AGAIN_BYTES];
};

struct again {
	struct again_kept *kept; /* NULL: nothing is tried again */
	uint32_t each;           /* of one server */
};

/* 520 bytes of zero pages for each query that may be out, touched only where used. */
size_t again_arena_size(const struct bal_conf *conf);
void again_init(struct again *a, struct arena *arena, const struct bal_conf *conf);
/* The place's; a must keep something. */
struct again_kept *again_at(const struct again *a, unsigned server, uint32_t slot);
/* A client's query has gone out: d as it left. */
void again_keep(const struct again *a, unsigned server, uint32_t slot, const struct dgram *d);
/* The same query is in both places from now on; the second one isn't tried again. */
void again_twins(const struct again *a, unsigned server, uint32_t slot, unsigned second,
                 uint32_t second_slot);
/*
 * The query in that place ends: nothing is owed for the other one any more. Returns whether
 * something was owed for this one.
 */
bool again_end(const struct again *a, unsigned server, uint32_t slot);

#endif
