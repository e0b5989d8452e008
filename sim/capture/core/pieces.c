/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sets of pieces as lists of blocks, in order of position and not overlapping; see pieces.h.
 * Positions are compared by their difference, as RFC 9293 section 3.4 compares sequence numbers.
 */
#include "pieces.h"

#include <string.h>

#include "lib/must.h"

enum { NONE = UINT32_MAX >> 1, DATA = 2048 - 12 };

struct block {
	uint32_t next;
	uint32_t at, n;
	uint8_t data[DATA];
};

struct set {
	uint32_t generation;
	uint32_t first, last;
	uint32_t blocks, bytes;
	uint32_t before, after;  /* in the order of waiting; after: also of the free ones */
};

struct pieces_pool {
	uint32_t block_n, block_used, block_fresh, block_free;
	uint32_t set_fresh, set_free;
	uint32_t oldest, newest; /* sets */
	struct block *block;
	struct set *set;
};

STATIC_MUST(sizeof(struct block) == 2048);

size_t pieces_arena_size(uint32_t blocks)
{
	return arena_need(1, sizeof(struct pieces_pool)) +
	       arena_need(blocks, sizeof(struct block)) +
	       arena_need((size_t)blocks + 1, sizeof(struct set));
}

struct pieces_pool *pieces_init(struct arena *a, uint32_t blocks)
{
	struct pieces_pool *l = arena_take(a, 1, sizeof(*l));

	MUST(blocks > PIECES_BLOCKS_MAX && blocks <= 1 << 22);
	*l = (struct pieces_pool){ .block_n = blocks, .block_free = NONE, .set_free = NONE,
	                           .oldest = NONE, .newest = NONE };
	l->block = arena_take(a, blocks, sizeof(*l->block));
	l->set = arena_take(a, (size_t)blocks + 1, sizeof(*l->set));
	return l;
}

/* ---- sets ---- */

/* The set of a reference, or NULL when it has none or has lost it. */
static struct set *set_of(const struct pieces_pool *l, const struct pieces *s)
{
	if (s->set == 0 || l->set[s->set - 1].generation != s->generation)
		return NULL;
	return &l->set[s->set - 1];
}

static struct set *set_take(struct pieces_pool *l, struct pieces *s)
{
	uint32_t i = l->set_free;

	if (i != NONE)
		l->set_free = l->set[i].after;
	else
		i = l->set_fresh++;
	MUST(i <= l->block_n); /* each has a block at least, but the one that is being filled */
	l->set[i] = (struct set){ .generation = l->set[i].generation, .first = NONE, .last = NONE,
	                          .before = l->newest, .after = NONE };
	if (l->newest != NONE)
		l->set[l->newest].after = i;
	else
		l->oldest = i;
	l->newest = i;
	*s = (struct pieces){ i + 1, l->set[i].generation };
	return &l->set[i];
}

static void block_drop(struct pieces_pool *l, uint32_t b)
{
	l->block[b].next = l->block_free;
	l->block_free = b;
	l->block_used--;
}

static void set_drop(struct pieces_pool *l, uint32_t i)
{
	struct set *s = &l->set[i];

	for (uint32_t b = s->first, next; b != NONE; b = next) {
		next = l->block[b].next;
		block_drop(l, b);
	}
	if (s->before != NONE)
		l->set[s->before].after = s->after;
	else
		l->oldest = s->after;
	if (s->after != NONE)
		l->set[s->after].before = s->before;
	else
		l->newest = s->before;
	s->generation++;
	s->after = l->set_free;
	l->set_free = i;
}

/* ---- adding ---- */

static uint32_t block_end(const struct block *b)
{
	return b->at + b->n;
}

/* a is before b, or there. */
static bool reached(uint32_t a, uint32_t b)
{
	return (int32_t)(b - a) >= 0;
}

/* A new block behind prev (NONE: the first). NONE when the set is full. */
static uint32_t block_new(struct pieces_pool *l, struct set *s, uint32_t prev)
{
	uint32_t b = l->block_free;

	if (s->blocks == PIECES_BLOCKS_MAX)
		return NONE;
	if (b == NONE && l->block_fresh == l->block_n) {
		uint32_t victim = l->oldest;
		if (&l->set[victim] == s)
			victim = s->after;
		set_drop(l, victim); /* there is another: no set has all blocks */
		b = l->block_free;
	}
	if (b != NONE)
		l->block_free = l->block[b].next;
	else
		b = l->block_fresh++;
	l->block_used++;
	uint32_t *from = prev != NONE ? &l->block[prev].next : &s->first;
	l->block[b].next = *from;
	l->block[b].n = 0;
	*from = b;
	if (l->block[b].next == NONE)
		s->last = b;
	s->blocks++;
	return b;
}

/* Where to put bytes: between prev and next, from at on. */
struct place {
	uint32_t prev, next;
	uint32_t at;
};

/* Where a gap is closed what was around it becomes one block, so that many small pieces are few. */
static void merge(struct pieces_pool *l, struct set *s, struct place *w, uint32_t b)
{
	struct block *to = &l->block[b];
	uint32_t next = to->next;

	if (next == NONE || l->block[next].at != block_end(to) || to->n + l->block[next].n > DATA)
		return;
	memcpy(to->data + to->n, l->block[next].data, l->block[next].n);
	to->n += l->block[next].n;
	to->next = l->block[next].next;
	s->last = s->last == next ? b : s->last;
	s->blocks--;
	block_drop(l, next);
	w->next = b;
}

/* Puts bytes into a gap, at most n; how many, 0 when the set is full. */
static uint32_t fill(struct pieces_pool *l, struct set *s, struct place *w, const uint8_t *p,
                     uint32_t n)
{
	uint32_t b = w->prev;

	if (s->bytes >= PIECES_BYTES_MAX)
		return 0;
	if (b == NONE || block_end(&l->block[b]) != w->at || l->block[b].n == DATA) {
		b = block_new(l, s, w->prev);
		if (b == NONE)
			return 0;
		l->block[b].at = w->at;
	}
	struct block *to = &l->block[b];
	n = n < DATA - to->n ? n : DATA - to->n;
	memcpy(to->data + to->n, p, n);
	to->n += n;
	s->bytes += n;
	w->prev = b;
	merge(l, s, w, b);
	return n;
}

/* Goes on to where w->at is in a block or before one. */
static void place_find(const struct pieces_pool *l, struct place *w)
{
	while (w->next != NONE && reached(block_end(&l->block[w->next]), w->at)) {
		w->prev = w->next;
		w->next = l->block[w->next].next;
	}
}

enum pieces_added pieces_add(struct pieces_pool *l, struct pieces *ref, uint32_t at,
                             const uint8_t *p, uint32_t n)
{
	uint32_t again = 0, all = n, k;

	if (n == 0)
		return PIECES_ADDED;
	struct set *s = set_of(l, ref);
	if (s == NULL)
		s = set_take(l, ref);
	struct place w = { NONE, s->first, at };
	if (s->last != NONE && reached(block_end(&l->block[s->last]), at))
		w = (struct place){ s->last, NONE, at };
	for (; n > 0; n -= k, p += k, w.at += k) {
		place_find(l, &w);
		const struct block *next = w.next != NONE ? &l->block[w.next] : NULL;
		if (next != NULL && reached(next->at, w.at)) {
			k = block_end(next) - w.at;
			k = k < n ? k : n;
			again += k;
			continue;
		}
		k = next != NULL && next->at - w.at < n ? next->at - w.at : n;
		k = fill(l, s, &w, p, k);
		if (k == 0)
			return PIECES_FULL;
	}
	return again > 0 && again < all ? PIECES_OVERLAP : PIECES_ADDED;
}

/* ---- looking and taking ---- */

bool pieces_lost(const struct pieces_pool *l, const struct pieces *s)
{
	return s->set != 0 && set_of(l, s) == NULL;
}

bool pieces_empty(const struct pieces_pool *l, const struct pieces *s)
{
	return set_of(l, s) == NULL;
}

uint32_t pieces_first(const struct pieces_pool *l, const struct pieces *ref)
{
	const struct set *s = set_of(l, ref);

	MUST(s != NULL);
	return l->block[s->first].at;
}

/* The block that has position at, or NONE. */
static uint32_t block_at(const struct pieces_pool *l, const struct set *s, uint32_t at)
{
	uint32_t b = s != NULL ? s->first : NONE;

	while (b != NONE && reached(block_end(&l->block[b]), at))
		b = l->block[b].next;
	return b != NONE && reached(l->block[b].at, at) ? b : NONE;
}

uint32_t pieces_run(const struct pieces_pool *l, const struct pieces *ref, uint32_t at,
                    uint32_t most)
{
	uint32_t b = block_at(l, set_of(l, ref), at), n = 0;

	while (b != NONE && l->block[b].at - at <= n && n < most) {
		n = block_end(&l->block[b]) - at;
		b = l->block[b].next;
	}
	return n < most ? n : most;
}

void pieces_copy(const struct pieces_pool *l, const struct pieces *ref, uint32_t at, uint8_t *out,
                 uint32_t n)
{
	uint32_t b = block_at(l, set_of(l, ref), at), k;

	for (; n > 0; n -= k, at += k, out += k) {
		MUST(b != NONE);
		const struct block *from = &l->block[b];
		k = block_end(from) - at;
		k = k < n ? k : n;
		memcpy(out, from->data + (at - from->at), k);
		b = from->next;
	}
}

void pieces_forget(struct pieces_pool *l, struct pieces *ref, uint32_t at)
{
	struct set *s = set_of(l, ref);

	while (s != NULL && s->first != NONE && reached(block_end(&l->block[s->first]), at)) {
		uint32_t b = s->first;
		s->first = l->block[b].next;
		s->bytes -= l->block[b].n;
		s->blocks--;
		block_drop(l, b);
	}
	if (s == NULL || s->first == NONE) {
		if (s != NULL)
			set_drop(l, ref->set - 1);
		*ref = (struct pieces){ 0 };
		return;
	}
	struct block *b = &l->block[s->first];
	uint32_t gone = at - b->at;
	if (reached(at, b->at))
		return;
	memmove(b->data, b->data + gone, b->n - gone);
	b->at = at;
	b->n -= gone;
	s->bytes -= gone;
}

void pieces_clear(struct pieces_pool *l, struct pieces *ref)
{
	if (set_of(l, ref) != NULL)
		set_drop(l, ref->set - 1);
	*ref = (struct pieces){ 0 };
}

uint32_t pieces_bytes(const struct pieces_pool *l, const struct pieces *ref)
{
	const struct set *s = set_of(l, ref);

	return s != NULL ? s->bytes : 0;
}

uint32_t pieces_blocks_used(const struct pieces_pool *l)
{
	return l->block_used;
}
