/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bounded table: keys of one fixed size to slots 0...slots-1, whose contents the caller keeps
 * in arrays of its own. When it is full the caller gives up a slot, as a rule the one that wasn't
 * used for longest, so memory never grows whatever the keys are. Memory from an arena at init;
 * everything but init is O(1). The seed keeps strangers from choosing keys that collide.
 */
#ifndef EK_LRU_H
#define EK_LRU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

enum { LRU_KEY_MAX = 320 };
#define LRU_NONE UINT32_MAX

struct lru_slot {
	uint32_t hash;
	uint32_t chain;     /* the next of its bucket, or of the free ones */
	uint32_t newer, older;
};

struct lru {
	uint32_t slots, used;
	uint32_t key_size;
	uint32_t mask;      /* buckets - 1 */
	uint64_t seed;
	uint32_t newest, oldest, free;
	uint32_t fresh;     /* slots from here on were never used */
	uint32_t *bucket;   /* slot + 1; 0: none */
	struct lru_slot *slot;
	uint8_t *key;
};

/* slots: 1...2^30. key_size: 8...LRU_KEY_MAX, a multiple of 8. */
size_t lru_arena_size(uint32_t slots, uint32_t key_size);
void lru_init(struct lru *l, struct arena *a, uint32_t slots, uint32_t key_size, uint64_t seed);

/* The slot of a key of key_size bytes, or LRU_NONE. Doesn't count as use. */
uint32_t lru_find(const struct lru *l, const void *key);
/* A slot for a key that isn't there; the newest. The table mustn't be full. */
uint32_t lru_add(struct lru *l, const void *key);
/* The same three for who does several with one key: hash is lru_hash of it. */
uint32_t lru_hash(const struct lru *l, const void *key);
uint32_t lru_find_hashed(const struct lru *l, const void *key, uint32_t hash);
uint32_t lru_add_hashed(struct lru *l, const void *key, uint32_t hash);
/* The slot becomes the newest. */
void lru_touch(struct lru *l, uint32_t slot);
void lru_drop(struct lru *l, uint32_t slot);
/* The slot that wasn't used for longest; LRU_NONE when there is none. */
uint32_t lru_oldest(const struct lru *l);
/* The one that was used next after this; LRU_NONE behind the newest. For walking them all. */
uint32_t lru_newer(const struct lru *l, uint32_t slot);

static inline bool lru_full(const struct lru *l)
{
	return l->used == l->slots;
}

static inline const void *lru_key(const struct lru *l, uint32_t slot)
{
	return l->key + (size_t)slot * l->key_size;
}

#endif
