/* SPDX-License-Identifier: BSD-3-Clause */
/* Space-saving with a table of keys and a heap of counts; see topk.h. */
#include "topk.h"

#include <string.h>

#include "must.h"

size_t topk_arena_size(uint32_t slots, uint32_t key_size)
{
	return lru_arena_size(slots, key_size) + arena_need(slots, sizeof(struct topk_slot)) +
	       arena_need(slots, sizeof(uint32_t));
}

void topk_init(struct topk *t, struct arena *a, uint32_t slots, uint32_t key_size, uint64_t seed)
{
	lru_init(&t->table, a, slots, key_size, seed);
	t->slot = arena_take(a, slots, sizeof(*t->slot));
	t->heap = arena_take(a, slots, sizeof(*t->heap));
	t->n = 0;
	t->crowded = false;
}

static void put(struct topk *t, uint32_t place, uint32_t slot)
{
	t->heap[place] = slot;
	t->slot[slot].place = place;
}

/* A count has grown: its slot goes down to where it belongs. */
static void sift_down(struct topk *t, uint32_t slot)
{
	uint32_t at = t->slot[slot].place, n = t->table.used, child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n &&
		    t->slot[t->heap[child + 1]].count < t->slot[t->heap[child]].count)
			child++;
		if (t->slot[t->heap[child]].count >= t->slot[slot].count)
			break;
		put(t, at, t->heap[child]);
		at = child;
	}
	put(t, at, slot);
}

/* A new slot, at the heap's end, goes up. */
static void sift_up(struct topk *t, uint32_t slot)
{
	uint32_t at = t->slot[slot].place;

	while (at > 0 && t->slot[t->heap[(at - 1) / 2]].count > t->slot[slot].count) {
		put(t, at, t->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(t, at, slot);
}

uint32_t topk_add(struct topk *t, const void *key, bool *fresh)
{
	uint32_t hash = lru_hash(&t->table, key), slot = lru_find_hashed(&t->table, key, hash);

	t->n++;
	*fresh = slot == LRU_NONE;
	if (!*fresh) {
		t->slot[slot].count++;
		sift_down(t, slot);
	} else if (!lru_full(&t->table)) {
		slot = lru_add_hashed(&t->table, key, hash);
		t->slot[slot] = (struct topk_slot){ .count = 1, .place = t->table.used - 1 };
		sift_up(t, slot);
	} else {
		uint32_t least = t->heap[0];
		lru_drop(&t->table, least);
		slot = lru_add_hashed(&t->table, key, hash);
		MUST(slot == least); /* the one that was free */
		t->slot[slot].over = t->slot[slot].count++;
		t->crowded = true;
		sift_down(t, slot);
	}
	return slot;
}

/* Whether slot a comes before b in a list. */
static bool before(const struct topk *t, uint32_t a, uint32_t b)
{
	if (t->slot[a].count != t->slot[b].count)
		return t->slot[a].count > t->slot[b].count;
	return memcmp(topk_key(t, a), topk_key(t, b), t->table.key_size) < 0;
}

uint32_t topk_list(const struct topk *t, uint32_t *out, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->table.used; i++) {
		uint32_t at = n;
		while (at > 0 && before(t, t->heap[i], out[at - 1]))
			at--;
		if (at >= max)
			continue;
		n += n < max;
		memmove(out + at + 1, out + at, (n - 1 - at) * sizeof(*out));
		out[at] = t->heap[i];
	}
	return n;
}
