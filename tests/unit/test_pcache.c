/* SPDX-License-Identifier: BSD-3-Clause */
/* The packet cache: what a key covers, expiry, age, bounds, and what isn't inserted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/host/host.h"
#include "lib/pcache.h"

enum { SECOND = 1000000000 };

static struct arena arena;

static struct pcache *new_cache(uint32_t entries, uint64_t bytes)
{
	struct pcache_conf conf = { .entries = entries, .bytes = bytes, .secret = 7 };

	assert_int_equal(host_arena(&arena, pcache_arena_size(&conf)), 0);
	struct pcache *c = pcache_init(&arena, &conf);
	arena_seal(&arena);
	return c;
}

static void done(struct pcache *c)
{
	pcache_check(c);
	host_arena_free(&arena);
}

/* A query for NAME A with the EDNS options given; returns its length. */
static int make_query(uint8_t m[600], const char *name, uint16_t id, uint16_t flags,
                      const char *options, size_t options_len)
{
	uint8_t wire[DNS_NAME_MAX];
	int n = dns_name_parse(wire, name);

	assert_true(n > 0);
	n = dns_query(m, 600, id, flags, wire, (size_t)n, DNS_A, DNS_IN, options ? 1232 : 0);
	if (options != NULL) {
		memcpy(m + n, options, options_len);
		dns_put16(m + n - 2, (uint16_t)options_len);
		n += (int)options_len;
	}
	return n;
}

static bool key_of(struct pcache_key *k, const struct pcache *c, const uint8_t *m, int len,
                   bool tcp)
{
	struct dns_question q;
	struct dns_edns e;

	assert_int_equal(dns_question(&q, m, (size_t)len), 0);
	assert_int_equal(dns_edns(&e, m, (size_t)len, q.end), 0);
	return pcache_key_query(k, c, m, (size_t)len, &q, &e, tcp);
}

#define OPTIONS(s) s, sizeof(s) - 1
#define COOKIE "\0\12\0\10abcdefgh"
#define COOKIE2 "\0\12\0\10ABCDEFGH"
#define ECS "\0\10\0\7\0\1\30\0\300\0\2"
#define OTHER "\0\14\0\2xy"

static const struct {
	const char *what;
	const char *a_name, *b_name;
	uint16_t a_flags, b_flags;
	const char *a, *b;
	size_t a_len, b_len;
	bool b_tcp, same;
} keys[] = {
	{ "only the ID differs", "a.example", "a.example", 256, 256, NULL, NULL, 0, 0, 0, true },
	{ "case of the name", "a.example", "A.Example", 256, 256, NULL, NULL, 0, 0, 0, true },
	{ "another name", "a.example", "b.example", 256, 256, NULL, NULL, 0, 0, 0, false },
	{ "RD", "a.example", "a.example", 256, 0, NULL, NULL, 0, 0, 0, false },
	{ "CD", "a.example", "a.example", 256, 272, NULL, NULL, 0, 0, 0, false },
	{ "TCP", "a.example", "a.example", 256, 256, NULL, NULL, 0, 0, 1, false },
	{ "EDNS", "a.example", "a.example", 256, 256, NULL, OPTIONS(""), 0, 0, false },
	{ "cookies", "a", "a", 256, 256, COOKIE, COOKIE2, 12, 12, 0, true },
	{ "a cookie and none", "a", "a", 256, 256, COOKIE, "", 12, 0, 0, true },
	{ "client subnet and none", "a", "a", 256, 256, ECS, "", 11, 0, 0, true },
	{ "another option and none", "a", "a", 256, 256, OTHER, "", 6, 0, 0, false },
	{ "cookie before another", "a", "a", 256, 256, COOKIE OTHER, OTHER, 18, 6, 0, true },
};

static void test_a_key_covers_what_changes_the_answer(void **state)
{
	struct pcache *c = new_cache(16, 0);
	uint8_t a[600], b[600];
	struct pcache_key ka, kb;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		int an = make_query(a, keys[i].a_name, 1, keys[i].a_flags, keys[i].a,
		                    keys[i].a_len);
		int bn = make_query(b, keys[i].b_name, 2, keys[i].b_flags, keys[i].b,
		                    keys[i].b_len);
		assert_true(key_of(&ka, c, a, an, false));
		assert_true(key_of(&kb, c, b, bn, keys[i].b_tcp));
		bool same = ka.hash == kb.hash && ka.len == kb.len &&
		            memcmp(ka.b, kb.b, ka.len) == 0;
		if (same != keys[i].same)
			fail_msg("%s", keys[i].what);
	}
	done(c);
}

static void key_text(struct pcache_key *k, const struct pcache *c, const char *text)
{
	k->len = (uint16_t)strlen(text);
	memcpy(k->b, text, k->len);
	k->hash = pcache_hash(c, k->b, k->len);
}

static void test_a_value_is_found_until_it_expires(void **state)
{
	struct pcache *c = new_cache(16, 0);
	struct pcache_key k;
	struct pcache_hit hit;
	uint8_t out[64];

	(void)state;
	key_text(&k, c, "key");
	assert_false(pcache_get(c, &k, 0, out, sizeof(out), &hit));
	assert_int_equal(pcache_put(c, &k, 10, SECOND, (const uint8_t *)"value", 5), PCACHE_NEW);
	assert_true(pcache_get(c, &k, 10, out, sizeof(out), &hit));
	assert_int_equal(hit.len, 5);
	assert_int_equal(hit.age_ns, 0);
	assert_memory_equal(out, "value", 5);
	assert_true(pcache_get(c, &k, SECOND + 9, out, sizeof(out), &hit));
	assert_int_equal(hit.age_ns, SECOND - 1);
	assert_int_equal(hit.left_ns, 1);
	assert_false(pcache_get(c, &k, SECOND + 10, out, sizeof(out), &hit));
	assert_false(pcache_get(c, &k, 10, out, 4, &hit));
	done(c);
}

static void test_the_same_key_replaces(void **state)
{
	struct pcache *c = new_cache(16, 0);
	struct pcache_key k;
	struct pcache_hit hit;
	uint8_t out[2000], big[1500] = { 1, 2, 3 };

	(void)state;
	key_text(&k, c, "key");
	assert_int_equal(pcache_put(c, &k, 0, SECOND, big, 3), PCACHE_NEW);
	assert_int_equal(pcache_put(c, &k, 1, SECOND, big, sizeof(big)), PCACHE_REPLACED);
	assert_int_equal(pcache_count(c), 1);
	assert_true(pcache_get(c, &k, 2, out, sizeof(out), &hit));
	assert_int_equal(hit.len, sizeof(big));
	assert_memory_equal(out, big, sizeof(big));
	done(c);
}

static void test_what_does_not_fit_is_not_inserted(void **state)
{
	struct pcache *c = new_cache(4, 16384);
	static uint8_t big[PCACHE_ENTRY_MAX];
	struct pcache_key k;

	(void)state;
	key_text(&k, c, "12345678");
	size_t most = PCACHE_ENTRY_MAX - 32 - 8;
	assert_int_equal(pcache_put(c, &k, 0, SECOND, big, most + 1), PCACHE_TOO_BIG);
	assert_int_equal(pcache_put(c, &k, 0, 0, big, 1), PCACHE_NO_TTL);
	assert_int_equal(pcache_put(c, &k, 0, INT64_MAX, big, most), PCACHE_NEW);
	key_text(&k, c, "another class, but the only slab is taken");
	assert_int_equal(pcache_put(c, &k, 0, SECOND, big, 1), PCACHE_FULL);
	assert_int_equal(pcache_count(c), 1);
	done(c);
}

static void test_entries_are_bounded_whatever_comes(void **state)
{
	(void)state;
	for (uint32_t max = 1; max < 40; max += 3) {
		struct pcache *c = new_cache(max, 0);
		unsigned gone = 0;
		for (uint32_t i = 0; i < 300; i++) {
			struct pcache_key k = { .len = 4 };
			memcpy(k.b, &i, 4);
			k.hash = pcache_hash(c, k.b, 4);
			gone += pcache_put(c, &k, i, 1000, k.b, 4) == PCACHE_EVICTED;
			pcache_check(c);
			assert_true(pcache_count(c) <= max);
		}
		assert_true(gone >= 100); /* one put may take two with it */
		assert_true(pcache_count(c) >= (max + 3) / 4);
		assert_true(pcache_wipe(c) > 0);
		assert_int_equal(pcache_count(c), 0);
		done(c);
	}
}

static void test_ttls_age_but_not_below_zero(void **state)
{
	uint8_t m[600];
	int q_end = make_query(m, "a.example", 1, 256, NULL, 0);
	struct dns_writer w = { .m = m, .len = (size_t)q_end, .cap = sizeof(m) };

	(void)state;
	dns_w_rr_end(&w, dns_w_rr(&w, DNS_A, 100));
	dns_w_rr_end(&w, dns_w_rr(&w, DNS_A, 30));
	dns_w_opt(&w, 1232, true);
	dns_put16(m + 6, 2);
	dns_put16(m + 10, 1);
	assert_int_equal(pcache_min_ttl(m, w.len, (size_t)q_end), 30);
	pcache_age(m, w.len, (size_t)q_end, 40);
	assert_int_equal(dns_get32(m + q_end + 6), 60);
	assert_int_equal(dns_get32(m + q_end + 12 + 6), 0);
	assert_int_equal(dns_get32(m + q_end + 24 + 5), 0x8000);
	assert_int_equal(pcache_min_ttl(m, (size_t)q_end, (size_t)q_end), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_covers_what_changes_the_answer),
		cmocka_unit_test(test_a_value_is_found_until_it_expires),
		cmocka_unit_test(test_the_same_key_replaces),
		cmocka_unit_test(test_what_does_not_fit_is_not_inserted),
		cmocka_unit_test(test_entries_are_bounded_whatever_comes),
		cmocka_unit_test(test_ttls_age_but_not_below_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
