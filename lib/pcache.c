/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet cache; see pcache.h. Everything that a reader may see while a writer changes it is an
 * atomic word: readers load with acquire, writers store with release, so a reader that saw any new
 * word also sees that the bucket's sequence number moved (H. Boehm, "Can seqlocks get along with
 * programming language memory models?", 2012), without fences. A block that was freed may be read
 * by a late reader: what it finds is thrown away, and lengths are bounded by the block's class,
 * which never changes.
 */
#include "pcache.h"

#include <stdatomic.h>
#include <string.h>

enum {
	WAYS = 7,
	UNIT = 128,                 /* bytes of the smallest block; block numbers count units */
	CLASSES = 7,                /* 128 << 0...6 */
	SLAB = 16384,
	SLAB_UNITS = SLAB / UNIT,
	HEAD_WORDS = 4,
	BYTES_EACH = 512,
	READ_TRIES = 4,
	EVICT_STEPS = 64,
};

STATIC_MUST(UNIT << (CLASSES - 1) == PCACHE_ENTRY_MAX);

/* A place: the hash's upper 32 bits, and the block's number plus 1; 0 when empty. */
struct bucket {
	_Atomic uint32_t seq;       /* odd: a writer is at it */
	uint32_t unused;
	_Atomic uint64_t place[WAYS];
};

STATIC_MUST(sizeof(struct bucket) == 64);

/* A block's first words; key and value follow, each rounded up to words. */
enum word { WORD_HASH, WORD_EXPIRY, WORD_PUT, WORD_LENGTHS };

struct pcache {
	struct bucket *bucket;
	_Atomic uint64_t *pool;
	_Atomic uint8_t *class_of;  /* of each slab, plus 1; 0: not in use yet */
	uint64_t mask;              /* buckets - 1 */
	uint64_t secret;
	uint32_t slabs;
	uint32_t entries_max;
	_Atomic uint32_t count;
	_Atomic uint64_t hand;      /* bucket where eviction looks next */
	atomic_flag allocating;     /* held for a few instructions, around what follows */
	uint32_t slabs_used;
	uint32_t bump[CLASSES];     /* next unit never used in the class's last slab; 0: none */
	uint32_t bump_left[CLASSES];/* blocks left there */
	uint32_t free[CLASSES];     /* first free block's number plus 1; its word 0 has the next */
};

static uint64_t load(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_acquire);
}

static void store(_Atomic uint64_t *p, uint64_t v)
{
	atomic_store_explicit(p, v, memory_order_release);
}

static uint64_t bucket_count(const struct pcache_conf *conf)
{
	uint64_t n = 1;

	while (n * 2 < conf->entries)
		n *= 2;
	return n;
}

static uint64_t slab_count(const struct pcache_conf *conf)
{
	uint64_t bytes = conf->bytes > 0 ? conf->bytes : (uint64_t)conf->entries * BYTES_EACH;

	return (bytes + SLAB - 1) / SLAB + (conf->bytes > 0 ? 0 : CLASSES);
}

size_t pcache_arena_size(const struct pcache_conf *conf)
{
	return arena_need(1, sizeof(struct pcache)) +
	       arena_need(bucket_count(conf), sizeof(struct bucket)) +
	       arena_need(slab_count(conf), 1) + arena_need(slab_count(conf), SLAB);
}

struct pcache *pcache_init(struct arena *a, const struct pcache_conf *conf)
{
	MUST(conf->entries >= 1 && conf->entries <= 1u << 30);
	MUST(slab_count(conf) <= UINT32_MAX / SLAB_UNITS - 1);
	struct pcache *c = arena_take(a, 1, sizeof(*c));
	c->mask = bucket_count(conf) - 1;
	c->slabs = (uint32_t)slab_count(conf);
	c->entries_max = conf->entries;
	c->secret = conf->secret;
	c->bucket = arena_take(a, c->mask + 1, sizeof(struct bucket));
	c->class_of = arena_take(a, c->slabs, 1);
	c->pool = arena_take(a, c->slabs, SLAB);
	return c;
}

uint64_t pcache_hash(const struct pcache *c, const uint8_t *p, size_t len)
{
	return dns_hash(p, len, c->secret);
}

uint32_t pcache_count(const struct pcache *c)
{
	return atomic_load_explicit(&c->count, memory_order_relaxed);
}

static _Atomic uint64_t *block(const struct pcache *c, uint32_t unit)
{
	return c->pool + (size_t)unit * (UNIT / sizeof(uint64_t));
}

static unsigned class_of(const struct pcache *c, uint32_t unit)
{
	return atomic_load_explicit(&c->class_of[unit / SLAB_UNITS], memory_order_acquire) - 1u;
}

static uint32_t place_unit(uint64_t place)
{
	return (uint32_t)place - 1;
}

static size_t words(size_t bytes)
{
	return (bytes + 7) / 8;
}

static void lock_allocator(struct pcache *c)
{
	while (atomic_flag_test_and_set_explicit(&c->allocating, memory_order_acquire))
		;
}

static void unlock_allocator(struct pcache *c)
{
	atomic_flag_clear_explicit(&c->allocating, memory_order_release);
}

/* The allocator is locked. Returns a place's lower half, or 0. */
static uint32_t take_locked(struct pcache *c, unsigned class)
{
	uint32_t got = c->free[class];

	if (got != 0) {
		c->free[class] = (uint32_t)load(block(c, got - 1));
		return got;
	}
	if (c->bump_left[class] == 0) {
		if (c->slabs_used == c->slabs)
			return 0;
		uint32_t slab = c->slabs_used++;
		atomic_store_explicit(&c->class_of[slab], (uint8_t)(class + 1),
		                      memory_order_release);
		c->bump[class] = slab * SLAB_UNITS;
		c->bump_left[class] = (uint32_t)(SLAB_UNITS >> class);
	}
	got = c->bump[class] + 1;
	c->bump[class] += 1u << class;
	c->bump_left[class]--;
	return got;
}

static uint32_t block_take(struct pcache *c, unsigned class)
{
	lock_allocator(c);
	uint32_t got = take_locked(c, class);
	unlock_allocator(c);
	return got;
}

static void block_free(struct pcache *c, uint32_t unit)
{
	unsigned class = class_of(c, unit);

	lock_allocator(c);
	store(block(c, unit), c->free[class]);
	c->free[class] = unit + 1;
	unlock_allocator(c);
}

/* Becomes the bucket's only writer, or false when another one is at it. */
static bool bucket_lock(struct bucket *b)
{
	uint32_t seq = atomic_load_explicit(&b->seq, memory_order_relaxed);

	return (seq & 1) == 0 &&
	       atomic_compare_exchange_strong_explicit(&b->seq, &seq, seq + 1,
	                                               memory_order_acq_rel, memory_order_relaxed);
}

static void bucket_unlock(struct bucket *b)
{
	uint32_t seq = atomic_load_explicit(&b->seq, memory_order_relaxed);

	atomic_store_explicit(&b->seq, seq + 1, memory_order_release);
}

/* The last len bytes of a value, fewer than 8, as a word. */
static uint64_t tail_word(const uint8_t *p, size_t len)
{
	uint64_t v = 0;

	memcpy(&v, p, len);
	return v;
}

static uint64_t whole_word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static void write_bytes(_Atomic uint64_t *to, const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8)
		store(to++, whole_word(p));
	if (len > 0)
		store(to, tail_word(p, len));
}

static void read_bytes(uint8_t *to, const _Atomic uint64_t *from, size_t len)
{
	uint64_t v;

	for (; len >= 8; to += 8, len -= 8) {
		v = load(from++);
		memcpy(to, &v, 8);
	}
	if (len == 0)
		return;
	v = load(from);
	memcpy(to, &v, len);
}

static bool same_bytes(const _Atomic uint64_t *a, const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8)
		if (load(a++) != whole_word(p))
			return false;
	return len == 0 || load(a) == tail_word(p, len);
}

static bool block_is(const struct pcache *c, uint64_t place, const struct pcache_key *k)
{
	if (place == 0 || place >> 32 != k->hash >> 32)
		return false;
	const _Atomic uint64_t *p = block(c, place_unit(place));
	return load(p + WORD_HASH) == k->hash && (load(p + WORD_LENGTHS) & 0xffff) == k->len &&
	       same_bytes(p + HEAD_WORDS, k->b, k->len);
}

/* Copies the value of a block that belongs to k; what it reads may be changing under it. */
static bool read_block(const struct pcache *c, uint64_t place, int64_t now_ns, uint8_t *out,
                       size_t cap, struct pcache_hit *hit)
{
	const _Atomic uint64_t *p = block(c, place_unit(place));
	uint64_t lengths = load(p + WORD_LENGTHS);
	size_t key_words = words(lengths & 0xffff), len = lengths >> 16 & 0xffff;
	size_t room = ((size_t)UNIT << class_of(c, place_unit(place))) / 8;

	hit->len = (uint16_t)len;
	hit->left_ns = (int64_t)load(p + WORD_EXPIRY) - now_ns;
	hit->age_ns = now_ns - (int64_t)load(p + WORD_PUT);
	hit->age_ns = hit->age_ns > 0 ? hit->age_ns : 0;
	if (len > cap || HEAD_WORDS + key_words + words(len) > room || hit->left_ns <= 0)
		return false;
	read_bytes(out, p + HEAD_WORDS + key_words, len);
	return true;
}

static bool read_bucket(const struct pcache *c, const struct bucket *b,
                        const struct pcache_key *k, int64_t now_ns, uint8_t *out, size_t cap,
                        struct pcache_hit *hit)
{
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t place = load(&b->place[i]);
		if (block_is(c, place, k))
			return read_block(c, place, now_ns, out, cap, hit);
	}
	return false;
}

bool pcache_get(const struct pcache *c, const struct pcache_key *k, int64_t now_ns, uint8_t *out,
                size_t cap, struct pcache_hit *hit)
{
	const struct bucket *b = &c->bucket[k->hash & c->mask];

	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t seq = atomic_load_explicit(&b->seq, memory_order_acquire);
		if (seq & 1)
			continue;
		bool found = read_bucket(c, b, k, now_ns, out, cap, hit);
		if (atomic_load_explicit(&b->seq, memory_order_acquire) == seq)
			return found;
	}
	return false;
}

static int64_t place_expiry(const struct pcache *c, uint64_t place)
{
	return place == 0 ? INT64_MIN : (int64_t)load(block(c, place_unit(place)) + WORD_EXPIRY);
}

/* The place to write to: the key's own, else an empty one, else the first to expire. */
static unsigned choose(const struct pcache *c, const struct bucket *b, const struct pcache_key *k)
{
	unsigned best = 0;
	int64_t expiry = INT64_MAX;

	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t place = load(&b->place[i]);
		if (block_is(c, place, k))
			return i;
		if (place_expiry(c, place) < expiry) {
			expiry = place_expiry(c, place);
			best = i;
		}
	}
	return best;
}

/*
 * Empties the place of the bucket that expires first, among blocks of the class (CLASSES: of any).
 * False when there is none or the bucket is busy.
 */
static bool evict_from(struct pcache *c, struct bucket *b, unsigned class)
{
	uint64_t victim = 0;
	unsigned at = 0;

	if (!bucket_lock(b))
		return false;
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t place = load(&b->place[i]);
		if (place == 0 || (class != CLASSES && class_of(c, place_unit(place)) != class))
			continue;
		if (victim == 0 || place_expiry(c, place) < place_expiry(c, victim)) {
			victim = place;
			at = i;
		}
	}
	if (victim != 0)
		store(&b->place[at], 0);
	bucket_unlock(b);
	if (victim == 0)
		return false;
	block_free(c, place_unit(victim));
	atomic_fetch_sub_explicit(&c->count, 1, memory_order_relaxed);
	return true;
}

/* Evicts one entry of the class somewhere. False when none was found within a few steps. */
static bool evict(struct pcache *c, unsigned class)
{
	for (int i = 0; i < EVICT_STEPS; i++) {
		uint64_t at = atomic_fetch_add_explicit(&c->hand, 1, memory_order_relaxed);
		if (evict_from(c, &c->bucket[at & c->mask], class))
			return true;
	}
	return false;
}

/* A block of the class, for which others may have to go. Returns a place's lower half, or 0. */
static uint32_t make_room(struct pcache *c, unsigned class, bool *evicted)
{
	if (pcache_count(c) >= c->entries_max)
		*evicted = evict(c, CLASSES);
	uint32_t got = block_take(c, class);
	if (got == 0 && evict(c, class)) {
		*evicted = true;
		got = block_take(c, class);
	}
	return got;
}

/* Links the filled block in. Returns what was in its place, 0 when nothing; *busy: not done. */
static uint64_t link_block(struct pcache *c, const struct pcache_key *k, uint32_t got, bool *same,
                           bool *busy)
{
	struct bucket *b = &c->bucket[k->hash & c->mask];

	*busy = !bucket_lock(b);
	if (*busy)
		return 0;
	unsigned at = choose(c, b, k);
	uint64_t old = load(&b->place[at]);
	*same = block_is(c, old, k);
	store(&b->place[at], (k->hash >> 32) << 32 | got);
	bucket_unlock(b);
	return old;
}

/* Counts a new entry. One more may have to go when several threads put at once. */
static void count_one(struct pcache *c)
{
	atomic_fetch_add_explicit(&c->count, 1, memory_order_relaxed);
	for (int i = 0; i < 2 && pcache_count(c) > c->entries_max; i++)
		(void)evict(c, CLASSES);
}

static unsigned class_for(const struct pcache_key *k, size_t len)
{
	size_t bytes = 8 * (HEAD_WORDS + words(k->len) + words(len));
	unsigned class = 0;

	while (class < CLASSES && bytes > (size_t)UNIT << class)
		class++;
	return class;
}

static void fill(_Atomic uint64_t *p, const struct pcache_key *k, int64_t now_ns, int64_t ttl_ns,
                 size_t len)
{
	bool endless = ttl_ns > INT64_MAX - now_ns;

	store(p + WORD_HASH, k->hash);
	store(p + WORD_EXPIRY, (uint64_t)(endless ? INT64_MAX : now_ns + ttl_ns));
	store(p + WORD_PUT, (uint64_t)now_ns);
	store(p + WORD_LENGTHS, (uint64_t)len << 16 | k->len);
	write_bytes(p + HEAD_WORDS, k->b, k->len);
}

enum pcache_put pcache_put(struct pcache *c, const struct pcache_key *k, int64_t now_ns,
                           int64_t ttl_ns, const uint8_t *value, size_t len)
{
	unsigned class = len <= UINT16_MAX ? class_for(k, len) : CLASSES;
	bool evicted = false, same = false, busy;

	if (ttl_ns <= 0)
		return PCACHE_NO_TTL;
	if (class == CLASSES)
		return PCACHE_TOO_BIG;
	uint32_t got = make_room(c, class, &evicted);
	if (got == 0)
		return PCACHE_FULL;
	fill(block(c, got - 1), k, now_ns, ttl_ns, len);
	write_bytes(block(c, got - 1) + HEAD_WORDS + words(k->len), value, len);
	uint64_t old = link_block(c, k, got, &same, &busy);
	if (busy)
		block_free(c, got - 1);
	else if (old != 0)
		block_free(c, place_unit(old));
	else
		count_one(c);
	if (busy)
		return PCACHE_BUSY;
	if (same)
		return PCACHE_REPLACED;
	return evicted || old != 0 ? PCACHE_EVICTED : PCACHE_NEW;
}

uint32_t pcache_max(const struct pcache *c)
{
	return c->entries_max;
}

/* Copies what stands in a place. Lengths are kept in bounds because it may be changing under us. */
static void copy_entry(const struct pcache *c, uint64_t place, struct pcache_entry *e)
{
	const _Atomic uint64_t *p = block(c, place_unit(place));
	uint64_t lengths = load(p + WORD_LENGTHS);
	size_t room = ((size_t)UNIT << class_of(c, place_unit(place))) - 8 * HEAD_WORDS;
	size_t len = lengths & 0xffff;

	len = len < room ? len : room;
	e->key.len = (uint16_t)(len < PCACHE_KEY_MAX ? len : PCACHE_KEY_MAX);
	e->key.hash = load(p + WORD_HASH);
	e->put_ns = (int64_t)load(p + WORD_PUT);
	e->expiry_ns = (int64_t)load(p + WORD_EXPIRY);
	e->len = (uint16_t)(lengths >> 16);
	read_bytes(e->key.b, p + HEAD_WORDS, e->key.len);
}

bool pcache_next(const struct pcache *c, struct pcache_cursor *at, struct pcache_entry *e)
{
	while (at->bucket <= c->mask) {
		const struct bucket *b = &c->bucket[at->bucket];
		uint32_t seq = atomic_load_explicit(&b->seq, memory_order_acquire);
		uint64_t place = load(&b->place[at->way]);
		if (place != 0)
			copy_entry(c, place, e);
		/* a writer was there: once more */
		if ((seq & 1) != 0 || atomic_load_explicit(&b->seq, memory_order_acquire) != seq)
			continue;
		if (++at->way == WAYS)
			*at = (struct pcache_cursor){ .bucket = at->bucket + 1 };
		if (place != 0)
			return true;
	}
	return false;
}

bool pcache_remove(struct pcache *c, const struct pcache_key *k)
{
	struct bucket *b = &c->bucket[k->hash & c->mask];
	uint64_t place = 0;

	while (!bucket_lock(b))
		continue; /* a writer takes a few instructions */
	for (unsigned i = 0; i < WAYS && place == 0; i++) {
		place = load(&b->place[i]);
		if (block_is(c, place, k))
			store(&b->place[i], 0);
		else
			place = 0;
	}
	bucket_unlock(b);
	if (place == 0)
		return false;
	block_free(c, place_unit(place));
	atomic_fetch_sub_explicit(&c->count, 1, memory_order_relaxed);
	return true;
}

uint64_t pcache_wipe(struct pcache *c)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i <= c->mask; i++)
		for (unsigned way = 0; way < WAYS && evict_from(c, &c->bucket[i], CLASSES); way++)
			n++;
	return n;
}

void pcache_check(const struct pcache *c)
{
	uint32_t n = 0;

	for (uint64_t i = 0; i <= c->mask; i++) {
		MUST((atomic_load_explicit(&c->bucket[i].seq, memory_order_relaxed) & 1) == 0);
		for (unsigned way = 0; way < WAYS; way++) {
			uint64_t place = load(&c->bucket[i].place[way]);
			if (place == 0)
				continue;
			MUST(place_unit(place) < c->slabs_used * SLAB_UNITS);
			uint64_t hash = load(block(c, place_unit(place)) + WORD_HASH);
			MUST(hash >> 32 == place >> 32 && (hash & c->mask) == i);
			n++;
		}
	}
	MUST(n == pcache_count(c) && n <= c->entries_max);
}
