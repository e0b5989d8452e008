/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The recursor stub's core under random queries: one batch of 64 and 64 batches of one give the
 * same bytes; recursors with other seeds give the same answers; every datagram has one verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "lib/host/host.h"
#include "recursor-stub/core/rec.h"

enum { MS = 1000000, SEEDS = 8, ROUNDS = 200, BATCH = DGRAM_BATCH };

struct node {
	struct arena arena, dist_arena;
	struct rec_conf conf;
	struct dist miss;
	struct rec_shared *shared;
	struct rec *rec;
	struct dgram d[BATCH];
	uint8_t buf[BATCH][REC_ANSWER_MAX];
	uint64_t trace;  /* hash of everything that came out */
	unsigned wrong;
};

static void node_init(struct node *n, uint64_t seed, bool small)
{
	const struct dist_spec spec = { DIST_LOGNORMAL, 10 * MS, 20 * MS };
	uint8_t s[DRBG_SEED];

	drbg_seed_from_u64(s, seed);
	rec_conf_init(&n->conf);
	n->conf.waiting = small ? 16 : 1024;
	n->conf.packetcache_entries = small ? 8 : 1000;
	n->conf.cache_entries = small ? 8 : 1000;
	assert_int_equal(host_arena(&n->dist_arena, dist_arena_size(&spec)), 0);
	dist_init(&n->miss, &spec, &n->dist_arena);
	n->conf.miss = &n->miss;
	size_t need = rec_shared_arena_size(&n->conf) + rec_arena_size(&n->conf);
	assert_int_equal(host_arena(&n->arena, need), 0);
	n->shared = rec_shared_init(&n->arena, &n->conf, s);
	n->rec = rec_init(&n->arena, &n->conf, n->shared, s, 0);
	n->trace = 0;
	n->wrong = 0;
}

static void node_fini(struct node *n)
{
	rec_check(n->rec);
	host_arena_free(&n->arena);
	host_arena_free(&n->dist_arena);
}

static void note(struct node *n, const struct dgram *d)
{
	if (rec_verdict_sends((enum rec_verdict)d->verdict)) {
		enum rec_match m = rec_answer_match(d->data, d->len);
		n->wrong += m > REC_ERROR; /* errors: BADVERS */
		n->trace = dns_hash(d->data, d->len, n->trace) + d->peer.port;
	}
	n->trace = n->trace * 31 + d->verdict;
}

static void poll_all(struct node *n, int64_t now)
{
	for (unsigned got = BATCH; got == BATCH;) {
		for (unsigned i = 0; i < BATCH; i++)
			n->d[i] = (struct dgram){ .data = n->buf[i], .cap = REC_ANSWER_MAX };
		got = rec_poll(n->rec, now, n->d, BATCH);
		for (unsigned i = 0; i < got; i++)
			note(n, &n->d[i]);
	}
}

/* A query, now and then a broken one, of few names so that caches hit. */
static void random_query(struct drbg *r, struct dgram *d)
{
	static const uint16_t types[] = { DNS_A, DNS_AAAA, DNS_TXT, DNS_MX, DNS_SOA, 99 };
	static const char *const heads[] = { "www", "nx", "nodata", "big", "ttl1", "Www" };
	uint8_t wire[DNS_NAME_MAX];
	char name[64];

	snprintf(name, sizeof(name), "%s.%u.example", heads[drbg_below(r, COUNT_OF(heads))],
	         (unsigned)drbg_below(r, 6));
	int n = dns_name_parse(wire, name);
	n = dns_query(d->data, d->cap, drbg_u16(r), DNS_RD, wire, (size_t)n,
	              types[drbg_below(r, COUNT_OF(types))], DNS_IN,
	              drbg_below(r, 2) ? 1232 : 0);
	if (drbg_below(r, 16) == 0)
		n = (int)drbg_below(r, (uint64_t)n);
	else if (drbg_below(r, 16) == 0)
		d->data[drbg_below(r, (uint64_t)n)] = (uint8_t)drbg_u32(r);
	d->len = (uint16_t)n;
	d->peer = (struct ep){ ip_v4(127, 0, 0, 1), drbg_u16(r) };
	d->proto = drbg_below(r, 8) == 0 ? DGRAM_TCP : DGRAM_UDP;
}

/* The same load for every node; cut: how many go into one call. */
static void run(struct node *n, uint64_t load_seed, unsigned cut)
{
	uint8_t s[DRBG_SEED];
	struct drbg r;
	int64_t now = 0;

	drbg_seed_from_u64(s, load_seed);
	drbg_init(&r, s, DRBG_TEST, 1);
	for (int round = 0; round < ROUNDS; round++) {
		poll_all(n, now);
		for (unsigned i = 0; i < BATCH; i++) {
			n->d[i] = (struct dgram){ .data = n->buf[i], .cap = REC_ANSWER_MAX };
			random_query(&r, &n->d[i]);
		}
		for (unsigned i = 0; i < BATCH; i += cut)
			rec_rx(n->rec, now, n->d + i, cut);
		for (unsigned i = 0; i < BATCH; i++)
			note(n, &n->d[i]);
		rec_check(n->rec);
		now += (int64_t)drbg_below(&r, 40 * MS);
	}
	poll_all(n, INT64_MAX);
	assert_int_equal(rec_deadline(n->rec), INT64_MAX);
	assert_int_equal(rec_verdicts(n->rec, REC_WAIT), rec_answered_later(n->rec));
}

static struct node a, b;

static void test_the_cut_into_batches_does_not_matter(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		print_message("seed %llu\n", (unsigned long long)seed);
		node_init(&a, seed, seed % 2);
		node_init(&b, seed, seed % 2);
		for (unsigned f = 0; f < REC_FAULTS && seed > SEEDS / 2; f++) {
			rec_fault(a.shared, (enum rec_fault)f, 100000, 3 * MS);
			rec_fault(b.shared, (enum rec_fault)f, 100000, 3 * MS);
		}
		run(&a, seed, BATCH);
		run(&b, seed, 1);
		assert_true(a.trace == b.trace && a.trace != 0);
		node_fini(&a);
		node_fini(&b);
	}
}

static void test_recursors_with_other_seeds_answer_alike(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		print_message("seed %llu\n", (unsigned long long)seed);
		node_init(&a, seed, seed % 2);
		node_init(&b, seed + 1000, seed % 3);
		run(&a, seed, BATCH);
		run(&b, seed, 4);
		assert_int_equal(a.wrong, 0);
		assert_int_equal(b.wrong, 0);
		assert_true(a.trace != b.trace); /* the delays do differ */
		node_fini(&a);
		node_fini(&b);
	}
}

static void test_wrong_answers_are_all_found_out(void **state)
{
	(void)state;
	node_init(&a, 1, false);
	rec_fault(a.shared, REC_F_WRONG, 200000, 0);
	run(&a, 1, BATCH);
	uint64_t spoilt = rec_count(a.rec, REC_C_FAULT + REC_F_WRONG);
	assert_true(spoilt > 1000 && a.wrong > spoilt * 8 / 10 && a.wrong <= spoilt);
	node_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_cut_into_batches_does_not_matter),
		cmocka_unit_test(test_recursors_with_other_seeds_answer_alike),
		cmocka_unit_test(test_wrong_answers_are_all_found_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
