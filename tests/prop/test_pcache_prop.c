/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet cache against a model, and under threads: a value that comes out is one that was put
 * under that key, whole, the latest when there is one writer, and never one that has expired. Run
 * with MODE=tsan for the races.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "lib/host/host.h"
#include "lib/pcache.h"

enum { KEYS = 64, STEPS = 20000, SEEDS = 6, VALUE_MAX = 2000, THREAD_STEPS = 30000 };

static void key_of(struct pcache_key *k, const struct pcache *c, uint32_t n)
{
	k->len = (uint16_t)(4 + n % 40);
	memset(k->b, (int)n, k->len);
	memcpy(k->b, &n, 4);
	k->hash = pcache_hash(c, k->b, k->len);
}

/* The value of a key's version: its length and every byte follow from both. */
static size_t value_of(uint8_t out[VALUE_MAX], uint32_t n, uint32_t version)
{
	size_t len = 8 + (n * 37 + version * 11) % (VALUE_MAX - 8);

	for (size_t i = 8; i < len; i++)
		out[i] = (uint8_t)(n + version + i);
	memcpy(out, &n, 4);
	memcpy(out + 4, &version, 4);
	return len;
}

/* True when out[0..len) is a whole value of key n; tells which version. */
static bool is_value(const uint8_t *out, size_t len, uint32_t n, uint32_t *version)
{
	uint8_t want[VALUE_MAX];
	uint32_t got;

	if (len < 8)
		return false;
	memcpy(&got, out, 4);
	memcpy(version, out + 4, 4);
	return got == n && value_of(want, n, *version) == len && memcmp(want, out, len) == 0;
}

struct model {
	uint32_t version[KEYS];
	int64_t expiry[KEYS];
};

static void check_get(const struct pcache *c, const struct model *m, uint32_t n, int64_t now)
{
	uint8_t out[VALUE_MAX];
	struct pcache_key k;
	struct pcache_hit hit;
	uint32_t version;

	key_of(&k, c, n);
	if (!pcache_get(c, &k, now, out, sizeof(out), &hit))
		return;
	assert_true(is_value(out, hit.len, n, &version));
	assert_int_equal(version, m->version[n]);
	assert_true(now < m->expiry[n]);
	assert_int_equal(hit.left_ns, m->expiry[n] - now);
}

static void check_put(struct pcache *c, struct model *m, uint32_t n, int64_t now, int64_t ttl)
{
	uint8_t value[VALUE_MAX];
	struct pcache_key k;

	key_of(&k, c, n);
	size_t len = value_of(value, n, m->version[n] + 1);
	if (pcache_put(c, &k, now, ttl, value, len) > PCACHE_EVICTED)
		return;
	m->version[n]++;
	m->expiry[n] = now + ttl;
	assert_true(pcache_get(c, &k, now, value, sizeof(value), &(struct pcache_hit){ 0 }));
}

static void run_against_model(uint64_t seed)
{
	struct pcache_conf conf = { .entries = 1 + (uint32_t)(seed % 4) * 24, .secret = seed,
	                            .bytes = seed % 2 ? 3 * 16384 : 0 };
	struct model m = { 0 };
	uint8_t s[DRBG_SEED];
	struct drbg r;
	struct arena a;
	int64_t now = 0;

	drbg_seed_from_u64(s, seed);
	drbg_init(&r, s, DRBG_TEST, 0);
	assert_int_equal(host_arena(&a, pcache_arena_size(&conf)), 0);
	struct pcache *c = pcache_init(&a, &conf);
	for (int i = 0; i < STEPS; i++) {
		uint32_t n = (uint32_t)drbg_below(&r, KEYS);
		now += (int64_t)drbg_below(&r, 5);
		if (drbg_below(&r, 3) == 0)
			check_put(c, &m, n, now, 1 + (int64_t)drbg_below(&r, 200));
		else
			check_get(c, &m, n, now);
		if (i % 97 == 0)
			pcache_check(c);
	}
	pcache_check(c);
	host_arena_free(&a);
}

static void test_what_comes_out_was_put_in(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		print_message("seed %llu\n", (unsigned long long)seed);
		run_against_model(seed);
	}
}

struct shared {
	struct pcache *c;
	_Atomic unsigned bad, found, at_work;
};

static void *read_all(void *arg)
{
	struct shared *s = arg;
	uint8_t out[VALUE_MAX];
	struct pcache_key k;
	struct pcache_hit hit;
	uint32_t last[KEYS] = { 0 }, version;

	for (uint32_t i = 0; atomic_load(&s->at_work) > 0 || i < KEYS; i++) {
		uint32_t n = i % KEYS;
		key_of(&k, s->c, n);
		if (!pcache_get(s->c, &k, 1, out, sizeof(out), &hit))
			continue;
		atomic_fetch_add(&s->found, 1);
		if (!is_value(out, hit.len, n, &version) || version < last[n])
			atomic_fetch_add(&s->bad, 1);
		last[n] = version;
	}
	return NULL;
}

/* Two writers, each with the keys of one parity, so that each key has one. */
static void write_half(struct shared *s, uint32_t half)
{
	uint8_t value[VALUE_MAX];
	struct pcache_key k;

	for (uint32_t i = 0; i < THREAD_STEPS; i++) {
		uint32_t n = (i * 2 + half) % KEYS;
		key_of(&k, s->c, n);
		size_t len = value_of(value, n, i + 1);
		pcache_put(s->c, &k, 0, 1000, value, len);
	}
	atomic_fetch_sub(&s->at_work, 1);
}

static void *write_even(void *arg)
{
	write_half(arg, 0);
	return NULL;
}

static void *write_odd(void *arg)
{
	write_half(arg, 1);
	return NULL;
}

static void test_readers_beside_writers_see_whole_values(void **state)
{
	struct pcache_conf conf = { .entries = 24, .secret = 1 };
	void *(*const work[])(void *) = { read_all, read_all, write_even, write_odd };
	pthread_t thread[COUNT_OF(work)];
	struct shared s = { .at_work = 2 };
	struct arena a;

	(void)state;
	assert_int_equal(host_arena(&a, pcache_arena_size(&conf)), 0);
	s.c = pcache_init(&a, &conf);
	for (size_t i = 0; i < COUNT_OF(work); i++)
		assert_int_equal(pthread_create(&thread[i], NULL, work[i], &s), 0);
	for (size_t i = 0; i < COUNT_OF(work); i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(s.bad, 0);
	assert_true(s.found > 0);
	pcache_check(s.c);
	host_arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_comes_out_was_put_in),
		cmocka_unit_test(test_readers_beside_writers_see_whole_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
