/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the trackers remember with: hash tables whose 64-bit keys are hashes already, tables that
 * forget, and rings of records that are numbered on and on. All stay as small as what is in them at
 * one time, however long a run is.
 */
#ifndef EK_JUDGE_TABLE_H
#define EK_JUDGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

/* ---- open addressing ---- */

struct table_slot {
	uint64_t key;   /* 0: free */
	uint64_t value;
};

struct table {
	struct table_slot *slot;
	uint64_t mask;
	uint64_t n;
};

void table_init(struct table *t, uint64_t expected);
void table_free(struct table *t);

/* Where key is, or the free slot where it would be. */
static inline struct table_slot *table_place(const struct table *t, uint64_t key)
{
	uint64_t i = key & t->mask;

	while (t->slot[i].key != 0 && t->slot[i].key != key)
		i = (i + 1) & t->mask;
	return &t->slot[i];
}

/* Key's slot, or NULL; good until the next put or drop. */
static inline struct table_slot *table_slot(const struct table *t, uint64_t key)
{
	struct table_slot *s = table_place(t, key);

	return s->key != 0 ? s : NULL;
}

/* The value, or NULL; good until the next put or drop. */
static inline uint64_t *table_find(const struct table *t, uint64_t key)
{
	struct table_slot *s = table_place(t, key);

	return s->key != 0 ? &s->value : NULL;
}

void table_double(struct table *t);

/* Fills a free slot that table_place gave. */
static inline void table_fill(struct table *t, struct table_slot *s, uint64_t key, uint64_t value)
{
	*s = (struct table_slot){ key, value };
	if (++t->n * 2 > t->mask)
		table_double(t);
}

/* Sets key's value, replacing one that is there. */
static inline void table_put(struct table *t, uint64_t key, uint64_t value)
{
	struct table_slot *s = table_place(t, key);

	if (s->key != 0)
		s->value = value;
	else
		table_fill(t, s, key, value);
}

/* Drops what table_slot gave. */
void table_drop_slot(struct table *t, struct table_slot *s);
void table_drop(struct table *t, uint64_t key);

/* ---- a table that forgets what is older than keep_ns, and surely after twice that ---- */

struct aging {
	struct table now, before;
	int64_t turn_ns, keep_ns;
};

void aging_init(struct aging *a, int64_t keep_ns);
void aging_free(struct aging *a);
void aging_put(struct aging *a, int64_t t_ns, uint64_t key, uint64_t value);
/* Takes key's value out; false when there is none. */
bool aging_take(struct aging *a, uint64_t key, uint64_t *value);
/* The value, or NULL; good until the next put or take. */
uint64_t *aging_find(struct aging *a, uint64_t key);
size_t aging_n(const struct aging *a);

/* ---- records numbered 0, 1, ...; those below base are forgotten, next is the one to come ---- */

struct ring {
	uint8_t *at;
	size_t size;          /* of a record */
	uint64_t mask, base, next;
};

void ring_init(struct ring *r, size_t size);
void ring_free(struct ring *r);
void ring_double(struct ring *r);

/* Record i, which is in base...next-1; good until the next push. */
static inline void *ring_at(const struct ring *r, uint64_t i)
{
	return r->at + (i & r->mask) * r->size;
}

/* Room for record next, which is counted; its bytes are old ones. */
static inline void *ring_push(struct ring *r)
{
	if (r->next - r->base > r->mask)
		ring_double(r);
	return ring_at(r, r->next++);
}

/* Room for one more element of an array that doubles; *cap in elements. */
void *grow(void *p, size_t n, size_t *cap, size_t size);
/* calloc of at least one, and surely. */
void *zeroed(size_t n, size_t size);

/* ---- hashes ---- */

/* Name (case folded), type and class. Never 0. */
uint64_t question_hash(const uint8_t *name, size_t len, uint16_t type, uint16_t class);

/* ip_eq, in line. */
static inline bool same_ip(const struct ip *a, const struct ip *b)
{
	uint64_t low, high, other_low, other_high;

	__builtin_memcpy(&low, a->b, 8);
	__builtin_memcpy(&high, a->b + 8, 8);
	__builtin_memcpy(&other_low, b->b, 8);
	__builtin_memcpy(&other_high, b->b + 8, 8);
	return ((low ^ other_low) | (high ^ other_high)) == 0;
}

/* Never 0. */
static inline uint64_t key_of(const struct ip *ip, uint16_t port, uint16_t id, uint64_t question)
{
	uint64_t a, b;

	__builtin_memcpy(&a, ip->b, 8);
	__builtin_memcpy(&b, ip->b + 8, 8);
	uint64_t h = (question ^ a) * 0x9fb21c651e98df25u;
	h ^= h >> 32;
	h = (h ^ b) * 0xd6e8feb86659fd93u + ((uint64_t)port << 16 | id);
	h = (h ^ h >> 29) * 0x9fb21c651e98df25u;
	h ^= h >> 32;
	return h != 0 ? h : 1;
}

#endif
