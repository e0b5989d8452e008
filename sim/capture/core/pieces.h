/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes that come in pieces, in any order, some twice: what TCP streams and fragmented packets
 * have in common. A set holds pieces by their positions, which may wrap around as TCP's sequence
 * numbers do but lie within 2^30 of each other. All sets share one pool of blocks; when it is
 * empty the set that has waited for longest is emptied, so memory never grows. Who was emptied
 * sees it by pieces_lost. Bytes that were there first stay.
 */
#ifndef EK_CAPTURE_PIECES_H
#define EK_CAPTURE_PIECES_H

#include <stdbool.h>

#include "lib/arena.h"

enum { PIECES_BLOCKS_MAX = 96, PIECES_BYTES_MAX = 160 << 10 }; /* of one set */

struct pieces_pool;

/* Whose owner is elsewhere: all zero is an empty set. */
struct pieces {
	uint32_t set;        /* + 1; 0: none */
	uint32_t generation;
};

enum pieces_added { PIECES_ADDED, PIECES_OVERLAP, PIECES_FULL };

/* blocks of 2 KiB: 128...2^22. */
size_t pieces_arena_size(uint32_t blocks);
struct pieces_pool *pieces_init(struct arena *a, uint32_t blocks);

/*
 * Puts p[0..n) at position at. ADDED, also when all of it was there already; OVERLAP: some of it
 * was there, the rest is added; FULL: it would be more than a set may hold, and nothing is added,
 * or only the beginning.
 */
enum pieces_added pieces_add(struct pieces_pool *l, struct pieces *s, uint32_t at, const uint8_t *p,
                             uint32_t n);
/* Something was in the set, but had to make room; it is empty now. */
bool pieces_lost(const struct pieces_pool *l, const struct pieces *s);
bool pieces_empty(const struct pieces_pool *l, const struct pieces *s);
/* The position of the set's first byte. The set isn't empty. */
uint32_t pieces_first(const struct pieces_pool *l, const struct pieces *s);
/* How many bytes there are from position at on without a gap, at most most. O(blocks). */
uint32_t pieces_run(const struct pieces_pool *l, const struct pieces *s, uint32_t at,
                    uint32_t most);
/* Copies n bytes from position at on, which pieces_run has found there. */
void pieces_copy(const struct pieces_pool *l, const struct pieces *s, uint32_t at, uint8_t *out,
                 uint32_t n);
/* Forgets what is before position at. */
void pieces_forget(struct pieces_pool *l, struct pieces *s, uint32_t at);
void pieces_clear(struct pieces_pool *l, struct pieces *s);
/* How many bytes the set holds. */
uint32_t pieces_bytes(const struct pieces_pool *l, const struct pieces *s);
/* Blocks of all sets. */
uint32_t pieces_blocks_used(const struct pieces_pool *l);

#endif
