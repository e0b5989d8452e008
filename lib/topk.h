/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The most frequent keys of a stream in bounded memory: the space-saving algorithm (Metwally,
 * Agrawal, El Abbadi: Efficient computation of frequent and top-k elements in data streams,
 * 2005). Of n counted in all, every key that came more than n / slots times is there; a key's
 * count is too high by at most what its over says, which is never more than n / slots, and never
 * too low. As long as there were no more keys than slots every count is exact. O(log slots) a
 * key; memory from an arena.
 */
#ifndef EK_TOPK_H
#define EK_TOPK_H

#include "lru.h"

struct topk_slot {
	uint64_t count;
	uint64_t over;     /* of these, how many may be another key's; 0: none */
	uint32_t place;    /* in the heap */
};

struct topk {
	struct lru table;
	struct topk_slot *slot;
	uint32_t *heap;    /* slots, the least count first */
	uint64_t n;        /* counted in all */
	bool crowded;      /* a key had to make room: counts may be too high */
};

size_t topk_arena_size(uint32_t slots, uint32_t key_size);
/* slots, key_size, seed: as lru_init has them. */
void topk_init(struct topk *t, struct arena *a, uint32_t slots, uint32_t key_size, uint64_t seed);
/* Counts a key once more. Returns its slot; *fresh: which had another key before, or none. */
uint32_t topk_add(struct topk *t, const void *key, bool *fresh);
/*
 * Writes the slots into out[0..max), the highest count first, of equal ones the smaller key (as
 * bytes) first. Returns how many. O(max * slots); for the end.
 */
uint32_t topk_list(const struct topk *t, uint32_t *out, uint32_t max);

static inline const void *topk_key(const struct topk *t, uint32_t slot)
{
	return lru_key(&t->table, slot);
}

#endif
