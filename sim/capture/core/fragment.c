/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments by addresses, protocol and identification; see fragment.h. */
#include "fragment.h"

#include <string.h>

static const int64_t TIMEOUT_NS = INT64_C(30000000000); /* as Linux; RFC 1122: 60 to 120 s */

struct key {
	struct ip src, dst;
	uint32_t id;
	uint32_t proto; /* IPv4's; IPv6's fragments have it in the first one only */
};

STATIC_MUST(sizeof(struct key) == 40);

size_t fragments_arena_size(uint32_t packets)
{
	return lru_arena_size(packets, sizeof(struct key)) +
	       arena_need(packets, sizeof(struct fragment));
}

void fragments_init(struct fragments *f, struct arena *a, uint32_t packets, uint64_t seed,
                    struct pieces_pool *pool, uint64_t *count)
{
	lru_init(&f->table, a, packets, sizeof(struct key), seed);
	f->of = arena_take(a, packets, sizeof(*f->of));
	f->pool = pool;
	f->count = count;
}

static void drop(struct fragments *f, uint32_t slot)
{
	pieces_clear(f->pool, &f->of[slot].pieces);
	lru_drop(&f->table, slot);
}

/* Forgets what has waited for too long at t_ns. */
static void expire(struct fragments *f, int64_t t_ns)
{
	uint32_t slot;

	while ((slot = lru_oldest(&f->table)) != LRU_NONE &&
	       t_ns - f->of[slot].t_ns > TIMEOUT_NS) {
		f->count[CAPTURE_FRAGMENT_LOST]++;
		drop(f, slot);
	}
}

void fragments_end(struct fragments *f)
{
	expire(f, INT64_MAX);
	for (uint32_t slot; (slot = lru_oldest(&f->table)) != LRU_NONE;) {
		f->count[CAPTURE_FRAGMENT_LOST]++;
		drop(f, slot);
	}
}

/* The packet that a piece belongs to. */
static uint32_t slot_of(struct fragments *f, int64_t t_ns, const struct ip_body *b)
{
	struct key key = { b->src, b->dst, b->id, b->v6 ? UINT32_MAX : b->proto };
	uint32_t slot = lru_find(&f->table, &key);

	if (slot != LRU_NONE && pieces_lost(f->pool, &f->of[slot].pieces)) {
		f->count[CAPTURE_FRAGMENT_FULL]++;
		drop(f, slot);
		slot = LRU_NONE;
	}
	if (slot != LRU_NONE)
		return slot;
	if (lru_full(&f->table)) {
		f->count[CAPTURE_FRAGMENT_FULL]++;
		drop(f, lru_oldest(&f->table));
	}
	slot = lru_add(&f->table, &key);
	f->of[slot] = (struct fragment){ .t_ns = t_ns };
	return slot;
}

/* Puts a piece in. False when it contradicts the others. */
static bool put(struct fragments *f, struct fragment *g, const struct ip_body *b)
{
	uint32_t end = b->offset + (uint32_t)b->len;

	if (!b->more) {
		if (g->total != 0 && g->total != end)
			return false;
		g->total = end;
	}
	if (g->total != 0 && end > g->total)
		return false;
	if (b->offset == 0)
		g->proto = b->proto;
	return pieces_add(f->pool, &g->pieces, b->offset, b->p, (uint32_t)b->len) == PIECES_ADDED;
}

bool fragments_add(struct fragments *f, int64_t t_ns, struct ip_body *b, uint8_t *whole,
                   enum capture_count *verdict)
{
	expire(f, t_ns);
	*verdict = CAPTURE_FRAGMENT_SIZE;
	if (b->len == 0 || b->offset + b->len > FRAGMENT_BYTES_MAX || (b->more && b->len % 8 != 0))
		return false;
	uint32_t slot = slot_of(f, t_ns, b);
	struct fragment *g = &f->of[slot];
	if (!put(f, g, b)) {
		*verdict = CAPTURE_FRAGMENT_OVERLAP;
		drop(f, slot);
		return false;
	}
	*verdict = CAPTURE_FRAGMENT;
	if (g->total == 0 || pieces_run(f->pool, &g->pieces, 0, g->total) < g->total)
		return false;
	uint32_t total = g->total;
	pieces_copy(f->pool, &g->pieces, 0, whole, total);
	b->proto = g->proto;
	drop(f, slot);
	if (frame_ip_whole(b, whole, total) == 0)
		return true;
	*verdict = CAPTURE_IP;
	return false;
}
