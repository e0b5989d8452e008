/* SPDX-License-Identifier: BSD-3-Clause */
/* The recursor stub's core: screening, caches, misses, truncation, faults, counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/host/host.h"
#include "recursor-stub/core/rec.h"

enum { MS = 1000000, SECOND = 1000000000 };

static struct arena arena, dist_arena;
static struct rec_conf conf;
static struct dist miss;
static struct rec_shared *shared;
static struct rec *rec;
static uint8_t buf[REC_ANSWER_MAX];
static struct dgram d;

static int set_up(void **state)
{
	const struct dist_spec spec = { DIST_CONSTANT, 20 * MS, 0 };
	const uint8_t seed[32] = { 1 };

	(void)state;
	rec_conf_init(&conf);
	conf.waiting = 4;
	assert_int_equal(host_arena(&dist_arena, dist_arena_size(&spec)), 0);
	dist_init(&miss, &spec, &dist_arena);
	conf.miss = &miss;
	size_t need = rec_shared_arena_size(&conf) + rec_arena_size(&conf);
	assert_int_equal(host_arena(&arena, need), 0);
	shared = rec_shared_init(&arena, &conf, seed);
	rec = rec_init(&arena, &conf, shared, seed, 0);
	arena_seal(&arena);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rec_check(rec);
	host_arena_free(&arena);
	host_arena_free(&dist_arena);
	return 0;
}

static void query(const char *name, uint16_t type, uint16_t edns)
{
	uint8_t wire[DNS_NAME_MAX];
	int n = dns_name_parse(wire, name);

	assert_true(n > 0);
	memset(&d, 0, sizeof(d));
	n = dns_query(buf, sizeof(buf), 77, DNS_RD, wire, (size_t)n, type, DNS_IN, edns);
	d.data = buf;
	d.len = (uint16_t)n;
	d.cap = sizeof(buf);
	d.peer = (struct ep){ ip_v4(127, 0, 0, 1), 4444 };
	d.local = (struct ep){ ip_v4(127, 0, 0, 53), 53 };
}

static enum rec_verdict give(int64_t now_ns)
{
	rec_rx(rec, now_ns, &d, 1);
	rec_check(rec);
	return (enum rec_verdict)d.verdict;
}

static enum rec_verdict ask(const char *name, uint16_t type, int64_t now_ns)
{
	query(name, type, 0);
	return give(now_ns);
}

static unsigned poll(int64_t now_ns)
{
	d.data = buf;
	d.cap = sizeof(buf);
	unsigned n = rec_poll(rec, now_ns, &d, 1);
	rec_check(rec);
	return n;
}

static void test_a_miss_takes_its_delay_and_then_it_is_cached(void **state)
{
	(void)state;
	assert_int_equal(ask("www.example.com", DNS_A, 5), REC_WAIT);
	assert_int_equal(rec_deadline(rec), 5 + 20 * MS);
	assert_int_equal(poll(4 + 20 * MS), 0);
	assert_int_equal(poll(5 + 20 * MS), 1);
	assert_int_equal(d.verdict, REC_ANSWER);
	assert_int_equal(d.t_ns, 5 + 20 * MS);
	assert_int_equal(d.peer.port, 4444);
	assert_int_equal(d.local.ip.b[15], 53);
	assert_int_equal(dns_id(buf), 77);
	assert_int_equal(rec_answer_match(buf, d.len), REC_RIGHT);
	assert_int_equal(rec_deadline(rec), INT64_MAX);
	assert_int_equal(ask("WWW.example.com", DNS_A, 30 * MS), REC_ANSWER);
	assert_int_equal(buf[13], 'W');
	assert_int_equal(rec_answer_match(buf, d.len), REC_RIGHT);
	assert_int_equal(rec_count(rec, REC_C_PC_HITS), 1);
	assert_int_equal(rec_count(rec, REC_C_PC_MISSES), 1);
	assert_int_equal(rec_count(rec, REC_C_MISSES), 1);
	assert_int_equal(rec_count(rec, REC_C_10_100), 1);
	assert_int_equal(rec_count(rec, REC_C_NOERROR), 2);
	/* with EDNS it is another packet, but the same records */
	query("www.example.com", DNS_A, 1232);
	assert_int_equal(give(31 * MS), REC_ANSWER);
	assert_int_equal(rec_count(rec, REC_C_HITS), 1);
	assert_int_equal(rec_count(rec, REC_C_0_1), 1);
}

static void test_a_health_check_never_waits(void **state)
{
	(void)state;
	assert_int_equal(ask("a.root-servers.net", DNS_A, 5), REC_ANSWER);
	assert_int_equal(rec_answer_match(buf, d.len), REC_RIGHT);
	assert_int_equal(ask("M.root-servers.NET", DNS_AAAA, 5), REC_ANSWER);
	assert_int_equal(ask(".", DNS_NS, 5), REC_ANSWER);
	assert_int_equal(ask("n.root-servers.net", DNS_A, 5), REC_WAIT);
	assert_int_equal(ask("aa.root-servers.net", DNS_A, 5), REC_WAIT);
	query("a.root-servers.net", DNS_A, 0);
	dns_put16(buf + 2, DNS_RD | DNS_CD);
	assert_int_equal(give(5), REC_ANSWER);
	assert_int_equal(dns_flags(buf), DNS_QR | DNS_RD | DNS_RA | DNS_CD);
}

static void test_the_same_question_joins_the_miss_under_way(void **state)
{
	(void)state;
	assert_int_equal(ask("a.example", DNS_A, 0), REC_WAIT);
	assert_int_equal(ask("A.example", DNS_A, 15 * MS), REC_WAIT);
	assert_int_equal(ask("a.example", DNS_AAAA, 16 * MS), REC_WAIT);
	assert_int_equal(rec_count(rec, REC_C_CHAINED), 1);
	assert_int_equal(rec_count(rec, REC_C_OUT), 2);
	assert_int_equal(rec_count(rec, REC_C_WAITING), 3);
	assert_int_equal(poll(20 * MS), 1);
	assert_int_equal(buf[13], 'a');
	assert_int_equal(poll(20 * MS), 1);
	assert_int_equal(buf[13], 'A');
	assert_int_equal(poll(20 * MS), 0);
	assert_int_equal(poll(40 * MS), 1);
}

static void test_more_than_may_wait_are_dropped(void **state)
{
	char name[] = "a.example";

	(void)state;
	for (int i = 0; i < 6; i++, name[0]++)
		assert_int_equal(ask(name, DNS_A, 0), i < 4 ? REC_WAIT : REC_DROP_FULL);
	assert_int_equal(rec_count(rec, REC_C_FULL), 2);
}

static void test_ttls_age_and_entries_expire(void **state)
{
	(void)state;
	assert_int_equal(ask("ttl5.example", DNS_A, 0), REC_WAIT);
	assert_int_equal(poll(20 * MS), 1);
	assert_int_equal(ask("ttl5.example", DNS_A, 3 * (int64_t)SECOND), REC_ANSWER);
	assert_int_equal(dns_get32(buf + 12 + 14 + 4 + 6), 3);
	assert_int_equal(ask("ttl5.example", DNS_A, 5 * (int64_t)SECOND + 20 * MS), REC_WAIT);
	assert_int_equal(ask("ttl0.example", DNS_A, 6 * (int64_t)SECOND), REC_WAIT);
	while (poll(7 * (int64_t)SECOND) > 0)
		;
	assert_int_equal(ask("ttl0.example", DNS_A, 7 * (int64_t)SECOND), REC_WAIT);
}

static void test_too_big_for_udp_is_cut_and_whole_over_tcp(void **state)
{
	(void)state;
	query("big.example", DNS_TXT, 4096);
	assert_int_equal(give(0), REC_WAIT);
	assert_int_equal(poll(20 * MS), 1);
	assert_int_equal(rec_answer_match(buf, d.len), REC_TRUNCATED);
	assert_int_equal(d.len, 12 + 13 + 4);
	query("big.example", DNS_TXT, 4096);
	assert_int_equal(give(21 * MS), REC_ANSWER);
	assert_int_equal(rec_answer_match(buf, d.len), REC_TRUNCATED);
	query("big.example", DNS_TXT, 4096);
	d.proto = DGRAM_TCP;
	d.conn = 9;
	assert_int_equal(give(22 * MS), REC_ANSWER);
	assert_true(d.len > 2500);
	assert_int_equal(rec_answer_match(buf, d.len), REC_RIGHT);
	assert_int_equal(rec_count(rec, REC_C_TRUNCATED), 1);
	assert_int_equal(rec_count(rec, REC_C_TCP), 1);
}

static const struct {
	const char *what;
	uint16_t flags, qdcount, len; /* len 0: as it is */
	enum rec_verdict verdict;
	enum rec_counter counter;
} screened[] = {
	{ "shorter than a header", DNS_RD, 1, 11, REC_DROP_IGNORED, REC_C_IGNORED },
	{ "a response", DNS_QR, 1, 0, REC_DROP_IGNORED, REC_C_IGNORED },
	{ "an update", 5 << 11, 1, 0, REC_DROP_IGNORED, REC_C_IGNORED },
	{ "a notify", 4 << 11, 1, 0, REC_DROP_NOTIFY, REC_C_NOTIFY },
	{ "no question", DNS_RD, 0, 12, REC_DROP_EMPTY, REC_C_EMPTY },
	{ "two questions", DNS_RD, 2, 0, REC_DROP_BROKEN, REC_C_BROKEN },
	{ "a question that is cut off", DNS_RD, 1, 20, REC_DROP_BROKEN, REC_C_BROKEN },
};

static void test_what_is_no_query_is_dropped_and_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(screened); i++) {
		query("www.example.com", DNS_A, 0);
		dns_put16(buf + 2, screened[i].flags);
		dns_put16(buf + 4, screened[i].qdcount);
		d.len = screened[i].len != 0 ? screened[i].len : d.len;
		uint64_t before = rec_count(rec, screened[i].counter);
		if (give(0) != screened[i].verdict ||
		    rec_count(rec, screened[i].counter) != before + 1)
			fail_msg("%s: %s", screened[i].what,
			         rec_verdict_name((enum rec_verdict)d.verdict));
	}
	assert_int_equal(rec_count(rec, REC_C_QUESTIONS), 0);
}

static void test_the_longest_prefix_of_allow_from_decides(void **state)
{
	static const struct { const char *client; bool ok; } rows[] = {
		{ "192.0.2.1", true }, { "192.0.2.129", false }, { "192.0.2.130", true },
		{ "198.51.100.1", false }, { "2001:db8::1", true }, { "2001:db9::1", false },
	};
	struct rec_allow allow[4] = { { .deny = false }, { .deny = true }, { .deny = false } };

	(void)state;
	assert_int_equal(prefix_parse(&allow[0].prefix, "192.0.2.0/24"), 0);
	assert_int_equal(prefix_parse(&allow[1].prefix, "192.0.2.128/25"), 0);
	assert_int_equal(prefix_parse(&allow[2].prefix, "192.0.2.130"), 0);
	assert_int_equal(prefix_parse(&allow[3].prefix, "2001:db8::/32"), 0);
	conf.allow = allow;
	conf.allow_n = 4;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		query(".", DNS_NS, 0);
		assert_int_equal(ip_parse(&d.peer.ip, rows[i].client), 0);
		assert_int_equal(rec_accept(rec, &d.peer.ip), rows[i].ok);
		assert_int_equal(give(0), rows[i].ok ? REC_ANSWER : REC_DROP_ACL);
	}
	assert_int_equal(rec_count(rec, REC_C_ACL_UDP), 3);
	assert_int_equal(rec_count(rec, REC_C_ACL_TCP), 3);
}

static void test_each_fault_does_what_it_says(void **state)
{
	static const struct { enum rec_fault fault; enum rec_match match; } rows[] = {
		{ REC_F_REFUSE, REC_ERROR }, { REC_F_SERVFAIL, REC_ERROR },
		{ REC_F_WRONG, REC_WRONG_DATA }, { REC_F_TRUNCATE, REC_TRUNCATED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rec_fault(shared, rows[i].fault, 1000000, 0);
		assert_int_equal(ask("a.root-servers.net", DNS_A, 0), REC_ANSWER);
		assert_int_equal(rec_answer_match(buf, d.len), rows[i].match);
		rec_fault(shared, rows[i].fault, 0, 0);
		assert_int_equal(ask("a.root-servers.net", DNS_A, 0), REC_ANSWER);
		assert_int_equal(rec_answer_match(buf, d.len), REC_RIGHT);
		assert_int_equal(rec_count(rec, REC_C_FAULT + (enum rec_counter)rows[i].fault), 1);
	}
	rec_fault(shared, REC_F_DROP, 1000000, 0);
	assert_int_equal(ask("a.root-servers.net", DNS_A, 0), REC_DROP_FAULT);
	rec_fault(shared, REC_F_DROP, 0, 0);
	rec_fault(shared, REC_F_WRONG, 1000000, 0);
	assert_int_equal(ask("nx.example", DNS_A, 0), REC_WAIT);
	assert_int_equal(poll(20 * MS), 1);
	assert_int_equal(rec_answer_match(buf, d.len), REC_WRONG_RCODE);
}

static void test_a_fault_may_spare_a_name(void **state)
{
	uint8_t name[DNS_NAME_MAX];
	int len = dns_name_parse(name, "A.Root-Servers.net.");

	(void)state;
	assert_true(len > 0);
	rec_fault_spares(shared, REC_F_DROP, name, (size_t)len);
	rec_fault(shared, REC_F_DROP, 1000000, 0);
	assert_int_equal(ask("a.root-servers.net", DNS_A, 0), REC_ANSWER);
	assert_int_equal(ask("a.root-servers.net", DNS_AAAA, 0), REC_ANSWER);
	assert_int_equal(ask("b.root-servers.net", DNS_A, 0), REC_DROP_FAULT);
	assert_int_equal(rec_count(rec, REC_C_FAULT + (enum rec_counter)REC_F_DROP), 1);
	rec_fault(shared, REC_F_SERVFAIL, 1000000, 0); /* that one spares nobody */
	assert_int_equal(ask("a.root-servers.net", DNS_A, 0), REC_ANSWER);
	assert_int_equal(rec_answer_match(buf, d.len), REC_ERROR);
	rec_fault(shared, REC_F_SERVFAIL, 0, 0);
	rec_fault_spares(shared, REC_F_DROP, NULL, 0);
	assert_int_equal(ask("a.root-servers.net", DNS_A, 0), REC_DROP_FAULT);
}

static void test_a_slow_answer_is_late_by_just_that(void **state)
{
	(void)state;
	rec_fault(shared, REC_F_SLOW, 1000000, 7 * MS);
	assert_int_equal(ask("a.root-servers.net", DNS_A, 0), REC_WAIT);
	assert_int_equal(rec_deadline(rec), 7 * MS);
	assert_int_equal(poll(7 * MS), 1);
	assert_int_equal(rec_answer_match(buf, d.len), REC_RIGHT);
	assert_int_equal(ask("www.example", DNS_A, 7 * MS), REC_WAIT);
	assert_int_equal(rec_deadline(rec), 34 * MS);
	assert_int_equal(poll(34 * MS), 1);
	assert_int_equal(ask("www.example", DNS_A, 40 * MS), REC_WAIT); /* a hit, but slow */
	assert_int_equal(rec_count(rec, REC_C_PC_HITS), 1);
	assert_int_equal(poll(47 * MS), 1);
	assert_int_equal(rec_answer_match(buf, d.len), REC_RIGHT);
}

static void test_a_cache_that_is_off_or_wiped_misses(void **state)
{
	uint64_t packets, records;

	(void)state;
	assert_int_equal(ask("www.example", DNS_A, 0), REC_WAIT);
	assert_int_equal(poll(20 * MS), 1);
	assert_int_equal(rec_packets(shared), 1);
	assert_int_equal(rec_records(shared), 1);
	rec_wipe(shared, &packets, &records);
	assert_int_equal(packets + records, 2);
	assert_int_equal(ask("www.example", DNS_A, 21 * MS), REC_WAIT);
	assert_int_equal(poll(41 * MS), 1);
	conf.packetcache = false;
	assert_int_equal(ask("www.example", DNS_A, 50 * MS), REC_ANSWER);
	assert_int_equal(rec_count(rec, REC_C_HITS), 1);
	assert_int_equal(rec_count(rec, REC_C_PC_MISSES), 2);
}

static void test_a_cold_one_pays_for_each_query(void **state)
{
	(void)state;
	conf.cold = true;
	conf.packetcache = false;
	assert_int_equal(ask("a.example", DNS_A, 0), REC_WAIT);
	assert_int_equal(ask("a.example", DNS_A, 15 * MS), REC_WAIT); /* no chain */
	assert_int_equal(poll(34 * MS), 1);
	assert_int_equal(poll(34 * MS), 0);
	assert_int_equal(poll(35 * MS), 1);
	assert_int_equal(rec_answer_match(buf, d.len), REC_RIGHT);
	assert_int_equal(ask("a.example", DNS_A, 40 * MS), REC_WAIT); /* no record */
	assert_int_equal(ask("a.root-servers.net", DNS_A, 40 * MS), REC_WAIT); /* no hint */
	assert_int_equal(rec_count(rec, REC_C_OUT), 4);
	assert_int_equal(rec_records(shared) + rec_packets(shared), 0);
}

static void test_a_long_query_is_answered_but_not_cached(void **state)
{
	(void)state;
	query("www.example", DNS_A, 1232);
	dns_put16(buf + d.len - 2, 700); /* padding */
	dns_put16(buf + d.len, 12);
	dns_put16(buf + d.len + 2, 696);
	memset(buf + d.len + 4, 0, 696);
	d.len = (uint16_t)(d.len + 700);
	assert_int_equal(give(0), REC_WAIT);
	assert_int_equal(poll(20 * MS), 1);
	assert_int_equal(rec_answer_match(buf, d.len), REC_RIGHT);
	assert_int_equal(dns_arcount(buf), 1);
	assert_int_equal(rec_packets(shared), 0);
}

static void test_every_counter_and_verdict_has_words(void **state)
{
	(void)state;
	for (unsigned c = 0; c < REC_COUNTERS; c++)
		assert_true(strlen(rec_counter_name((enum rec_counter)c)) > 0 &&
		            strlen(rec_counter_prose((enum rec_counter)c)) > 0);
	for (unsigned v = 1; v < REC_VERDICTS; v++)
		assert_true(strlen(rec_verdict_prose((enum rec_verdict)v)) > 0);
	assert_true(rec_verdict_sends(REC_ANSWER) && !rec_verdict_sends(REC_WAIT));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_miss_takes_its_delay_and_then_it_is_cached),
		TEST(test_a_health_check_never_waits),
		TEST(test_the_same_question_joins_the_miss_under_way),
		TEST(test_more_than_may_wait_are_dropped),
		TEST(test_ttls_age_and_entries_expire),
		TEST(test_too_big_for_udp_is_cut_and_whole_over_tcp),
		TEST(test_what_is_no_query_is_dropped_and_counted),
		TEST(test_the_longest_prefix_of_allow_from_decides),
		TEST(test_each_fault_does_what_it_says),
		TEST(test_a_fault_may_spare_a_name),
		TEST(test_a_slow_answer_is_late_by_just_that),
		TEST(test_a_cache_that_is_off_or_wiped_misses),
		TEST(test_a_cold_one_pays_for_each_query),
		TEST(test_a_long_query_is_answered_but_not_cached),
		TEST(test_every_counter_and_verdict_has_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
