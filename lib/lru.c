/* SPDX-License-Identifier: BSD-3-Clause */
/* Chained buckets over one array of slots, and a list by use; see lru.h. */
#include "lru.h"

#include <string.h>

#include "must.h"

static uint32_t buckets_for(uint32_t slots)
{
	uint32_t n = 8;

	while (n < slots)
		n *= 2;
	return n;
}

size_t lru_arena_size(uint32_t slots, uint32_t key_size)
{
	return arena_need(buckets_for(slots), sizeof(uint32_t)) +
	       arena_need(slots, sizeof(struct lru_slot)) + arena_need(slots, key_size);
}

void lru_init(struct lru *l, struct arena *a, uint32_t slots, uint32_t key_size, uint64_t seed)
{
	MUST(slots > 0 && slots <= UINT32_C(1) << 30);
	MUST(key_size >= 8 && key_size <= LRU_KEY_MAX && key_size % 8 == 0);
	*l = (struct lru){ .slots = slots, .key_size = key_size, .seed = seed,
	                   .mask = buckets_for(slots) - 1,
	                   .newest = LRU_NONE, .oldest = LRU_NONE, .free = LRU_NONE };
	l->bucket = arena_take(a, (size_t)l->mask + 1, sizeof(uint32_t));
	l->slot = arena_take(a, slots, sizeof(*l->slot));
	l->key = arena_take(a, slots, key_size);
}

uint32_t lru_hash(const struct lru *l, const void *key)
{
	uint64_t h = l->seed ^ l->key_size, v;

	for (uint32_t i = 0; i < l->key_size; i += 8) {
		memcpy(&v, (const uint8_t *)key + i, 8);
		h = (h ^ v) * UINT64_C(0x9fb21c651e98df25);
		h ^= h >> 35;
	}
	h *= UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)(h >> 32);
}

uint32_t lru_find_hashed(const struct lru *l, const void *key, uint32_t hash)
{
	uint32_t at = l->bucket[hash & l->mask];

	for (; at != 0; at = l->slot[at - 1].chain)
		if (l->slot[at - 1].hash == hash &&
		    memcmp(lru_key(l, at - 1), key, l->key_size) == 0)
			return at - 1;
	return LRU_NONE;
}

uint32_t lru_find(const struct lru *l, const void *key)
{
	return lru_find_hashed(l, key, lru_hash(l, key));
}

static void link_newest(struct lru *l, uint32_t slot)
{
	l->slot[slot].older = l->newest;
	l->slot[slot].newer = LRU_NONE;
	if (l->newest != LRU_NONE)
		l->slot[l->newest].newer = slot;
	else
		l->oldest = slot;
	l->newest = slot;
}

static void unlink_slot(struct lru *l, uint32_t slot)
{
	const struct lru_slot *s = &l->slot[slot];

	if (s->newer != LRU_NONE)
		l->slot[s->newer].older = s->older;
	else
		l->newest = s->older;
	if (s->older != LRU_NONE)
		l->slot[s->older].newer = s->newer;
	else
		l->oldest = s->newer;
}

uint32_t lru_add_hashed(struct lru *l, const void *key, uint32_t hash)
{
	uint32_t slot = l->free;

	MUST(!lru_full(l));
	DMUST(lru_find_hashed(l, key, hash) == LRU_NONE);
	if (slot != LRU_NONE)
		l->free = l->slot[slot].chain;
	else
		slot = l->fresh++;
	memcpy(l->key + (size_t)slot * l->key_size, key, l->key_size);
	l->slot[slot].hash = hash;
	l->slot[slot].chain = l->bucket[hash & l->mask];
	l->bucket[hash & l->mask] = slot + 1;
	link_newest(l, slot);
	l->used++;
	return slot;
}

uint32_t lru_add(struct lru *l, const void *key)
{
	return lru_add_hashed(l, key, lru_hash(l, key));
}

void lru_touch(struct lru *l, uint32_t slot)
{
	if (l->newest == slot)
		return;
	unlink_slot(l, slot);
	link_newest(l, slot);
}

void lru_drop(struct lru *l, uint32_t slot)
{
	uint32_t *at = &l->bucket[l->slot[slot].hash & l->mask];

	while (*at != slot + 1) {
		MUST(*at != 0);
		at = &l->slot[*at - 1].chain;
	}
	*at = l->slot[slot].chain;
	unlink_slot(l, slot);
	l->slot[slot].chain = l->free;
	l->free = slot;
	l->used--;
}

uint32_t lru_oldest(const struct lru *l)
{
	return l->oldest;
}

uint32_t lru_newer(const struct lru *l, uint32_t slot)
{
	return l->slot[slot].newer;
}
