/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queries that are out, by socket and ID. A query keeps its ID where that is free on its socket,
 * and gets another one otherwise. All wait equally long, so the one that is out for longest is over
 * first. Memory from an arena at init, touched only where used; everything but init is O(1), taking
 * an ID O(1) in the mean, as no socket has more than three quarters of its IDs out.
 */
#ifndef EK_REPLAY_FLIGHT_H
#define EK_REPLAY_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"

enum { FLIGHT_SOCKET_MAX = 49152 }; /* queries out of one socket */
#define FLIGHT_NONE UINT32_MAX

struct flight_query {
	int64_t sent_ns;
	uint32_t query;         /* the caller's */
	uint32_t socket;
	uint32_t chain;         /* the next of its bucket, or of the free ones */
	uint32_t older, newer;  /* of all */
	uint32_t before, after; /* of its socket */
	uint16_t id;
};

struct flight {
	uint32_t max, used, sockets;
	uint32_t oldest, newest, free;
	uint32_t fresh;         /* places from here on were never used */
	unsigned shift;         /* of hashes: 64 - log2(buckets) */
	uint32_t *bucket;       /* place + 1; 0: none */
	uint32_t *first;        /* by socket: place + 1 of the one that was taken last; 0: none */
	uint32_t *out;          /* by socket */
	uint16_t *spare;        /* by socket: the other ID that was given out last */
	struct flight_query *query;
};

/* max: queries at once, 1...2^24. sockets: 1...2^20. */
size_t flight_arena_size(uint32_t max, uint32_t sockets);
void flight_init(struct flight *f, struct arena *a, uint32_t max, uint32_t sockets);
static inline bool flight_full(const struct flight *f)
{
	return f->used == f->max;
}
static inline bool flight_socket_full(const struct flight *f, uint32_t socket)
{
	return f->out[socket] == FLIGHT_SOCKET_MAX;
}
/*
 * A place for a query with the ID, or another one, as query[place].id says; the newest. now_ns
 * mustn't be below the one before's. Neither all nor the socket may be full.
 */
uint32_t flight_take(struct flight *f, uint32_t socket, uint16_t id, uint32_t query,
                     int64_t now_ns);
/* FLIGHT_NONE: no such query is out. */
uint32_t flight_find(const struct flight *f, uint32_t socket, uint16_t id);
/* Some query of the socket, or FLIGHT_NONE. */
uint32_t flight_any(const struct flight *f, uint32_t socket);
void flight_drop(struct flight *f, uint32_t place);
/* Asserts that lists and table agree. O(used). */
void flight_check(const struct flight *f);

#endif
