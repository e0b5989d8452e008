/* SPDX-License-Identifier: BSD-3-Clause */
/* The packet cache's entries met one by one, and taken out by count, age, name and type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/host/host.h"
#include "lib/pcache.h"

enum { SECOND = 1000000000 };

static struct arena arena;

static struct pcache *new_cache(uint32_t entries)
{
	struct pcache_conf conf = { .entries = entries, .secret = 7 };

	assert_int_equal(host_arena(&arena, pcache_arena_size(&conf)), 0);
	return pcache_init(&arena, &conf);
}

static void done(struct pcache *c)
{
	pcache_check(c);
	host_arena_free(&arena);
}

static void key_of(struct pcache_key *k, const struct pcache *c, const char *name, uint16_t type,
                   bool edns)
{
	uint8_t wire[DNS_NAME_MAX], m[600];
	int n = dns_name_parse(wire, name);
	struct dns_question q;
	struct dns_edns e;

	assert_true(n > 0);
	n = dns_query(m, sizeof(m), 1, DNS_RD, wire, (size_t)n, type, DNS_IN, edns ? 1232 : 0);
	assert_int_equal(dns_question(&q, m, (size_t)n), 0);
	assert_int_equal(dns_edns(&e, m, (size_t)n, q.end), 0);
	assert_true(pcache_key_query(k, c, m, (size_t)n, &q, &e, false));
}

static void put(struct pcache *c, const char *name, uint16_t type, bool edns, int64_t ttl_s)
{
	struct pcache_key k;

	key_of(&k, c, name, type, edns);
	assert_int_equal(pcache_put(c, &k, 0, ttl_s * SECOND, (const uint8_t *)"answer", 6),
	                 PCACHE_NEW);
}

static bool has(struct pcache *c, const char *name, uint16_t type, bool edns)
{
	uint8_t out[16];
	struct pcache_hit hit;
	struct pcache_key k;

	key_of(&k, c, name, type, edns);
	return pcache_get(c, &k, 1, out, sizeof(out), &hit);
}

static void every_entry_is_met_once(void **state)
{
	struct pcache *c = new_cache(1000);
	struct pcache_cursor at = { 0 };
	struct pcache_entry e;
	unsigned seen[500] = { 0 }, n = 0;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "n%03u.example.", i);
		put(c, name, DNS_A, i % 2, 1 + i);
	}
	while (pcache_next(c, &at, &e)) {
		unsigned i = 0;
		assert_int_equal(sscanf((const char *)e.key.b + 12, "n%3u", &i), 1);
		seen[i]++;
		n++;
		assert_int_equal(e.expiry_ns, (1 + (int64_t)i) * SECOND);
		assert_int_equal(e.put_ns, 0);
		assert_int_equal(e.len, 6);
	}
	assert_int_equal(n, pcache_count(c));
	for (unsigned i = 0; i < 500; i++)
		assert_true(seen[i] <= 1);
	assert_false(pcache_next(c, &at, &e));
	assert_int_equal(pcache_max(c), 1000);
	done(c);
}

static void one_is_removed_by_its_key(void **state)
{
	struct pcache *c = new_cache(100);
	struct pcache_key k;

	(void)state;
	put(c, "a.example.", DNS_A, false, 9);
	put(c, "b.example.", DNS_A, false, 9);
	key_of(&k, c, "A.example.", DNS_A, false);
	assert_true(pcache_remove(c, &k));
	assert_false(pcache_remove(c, &k));
	assert_true(!has(c, "a.example.", DNS_A, false) && has(c, "b.example.", DNS_A, false));
	assert_int_equal(pcache_count(c), 1);
	done(c);
}

static void names_are_expunged_by_type_and_suffix(void **state)
{
	static const struct {
		const char *what, *name;
		uint16_t type;
		bool suffix;
		unsigned gone;
	} rows[] = {
		{ "a name, whatever its case", "WWW.example.org.", 255, false, 3 },
		{ "a type of it", "www.example.org.", DNS_AAAA, false, 1 },
		{ "a name that isn't there", "ww.example.org.", 255, false, 0 },
		{ "a name that others end in, alone", "example.org.", 255, false, 1 },
		{ "with those below it", "example.org.", 255, true, 5 },
		{ "of one type", "example.org.", DNS_A, true, 4 },
		{ "labels, not letters", "ample.org.", 255, true, 0 },
		{ "all", ".", 255, true, 7 },
		{ "the root alone", ".", 255, false, 1 },
	};
	uint8_t wire[DNS_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pcache *c = new_cache(1000);
		int n = dns_name_parse(wire, rows[i].name);
		print_message("%s\n", rows[i].what);
		put(c, "www.example.org.", DNS_A, false, 9);
		put(c, "www.example.org.", DNS_A, true, 9);
		put(c, "www.example.org.", DNS_AAAA, false, 9);
		put(c, "example.org.", DNS_A, false, 9);
		put(c, "a.b.example.org.", DNS_A, false, 9);
		put(c, "example.com.", DNS_A, false, 9);
		put(c, ".", DNS_A, false, 9);
		assert_int_equal(pcache_expunge_name(c, wire, (size_t)n, rows[i].type,
		                                     rows[i].suffix), rows[i].gone);
		assert_int_equal(pcache_count(c), 7 - rows[i].gone);
		done(c);
	}
}

static void counts_and_ages_are_expunged_down_to_a_number(void **state)
{
	struct pcache *c = new_cache(2000);
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%03u.example.", i);
		put(c, name, DNS_A, false, 1 + i % 3);
	}
	assert_int_equal(pcache_purge(c, SECOND - 1, 0), 0); /* nothing has expired */
	assert_int_equal(pcache_purge(c, SECOND, 250), 50);
	assert_int_equal(pcache_purge(c, SECOND, 0), 50);
	assert_int_equal(pcache_purge(c, 2 * SECOND, 0), 100);
	assert_int_equal(pcache_count(c), 100);
	assert_int_equal(pcache_expunge(c, 200), 0);
	assert_int_equal(pcache_expunge(c, 10), 90);
	assert_int_equal(pcache_expunge(c, 0), 10);
	assert_int_equal(pcache_count(c), 0);
	done(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_is_met_once),
		cmocka_unit_test(one_is_removed_by_its_key),
		cmocka_unit_test(names_are_expunged_by_type_and_suffix),
		cmocka_unit_test(counts_and_ages_are_expunged_down_to_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
