/* SPDX-License-Identifier: BSD-3-Clause */
/* The balancer's packet cache: what is kept, for how long, and what a hit looks like. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/bal_rig.h"

#define SECOND INT64_C(1000000000)

static struct rig r;

static void start(unsigned servers)
{
	rig_conf(&r, servers);
	r.conf.cache.entries = 100;
	bal_cache_defaults(&r.conf.cache);
}

static struct dgram query(uint8_t *buf, uint16_t id, const char *name)
{
	return rig_query(buf, id, id, name, false);
}

/* Forwards a query and answers it with rcode and, with a TTL, a record. */
static void learn(const char *name, unsigned rcode, uint32_t ttl)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d = query(buf, 1, name);

	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	rig_turn(&d, rcode);
	if (ttl > 0)
		rig_record(&d, ttl);
	assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
}

static enum bal_verdict ask(const char *name)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d = query(buf, 2, name);

	return rig_rx(&r, &d);
}

static uint32_t first_ttl(const struct dgram *d)
{
	struct dns_question q;
	struct dns_rr rr;

	assert_int_equal(dns_question(&q, d->data, d->len), 0);
	assert_int_equal(dns_rr(&rr, d->data, d->len, q.end), 0);
	return rr.ttl;
}

static void a_hit_goes_to_its_asker_as_it_asked(void **state)
{
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(1);
	rig_start(&r, 1);
	learn("www.example.", DNS_NOERROR, 300);
	r.now_ns += 7 * SECOND + 1;
	struct dgram d = query(buf, 0xbeef, "wWw.eXample.");
	const struct dgram asked = d;
	uint8_t name[DNS_NAME_MAX];
	memcpy(name, buf + DNS_HEADER, 13);
	assert_int_equal(rig_rx(&r, &d), BAL_CACHE_HIT);
	assert_true(bal_verdict_sends(BAL_CACHE_HIT));
	assert_int_equal(d.port, 0);
	assert_true(ep_eq(&d.peer, &asked.peer) && ep_eq(&d.local, &asked.local));
	assert_int_equal(dns_id(buf), 0xbeef);
	assert_memory_equal(buf + DNS_HEADER, name, 13);
	assert_int_equal(dns_flags(buf), DNS_QR | DNS_RD | DNS_RA);
	assert_int_equal(first_ttl(&d), 293);
	assert_int_equal(bal_outstanding(r.b), 0);
	assert_int_equal(bal_cache_misses(r.b), 1);
	rig_stop(&r);
}

static void only_the_same_query_hits(void **state)
{
	static const struct { const char *what; int at, value; } rows[] = {
		{ "without RD", 2, 0 }, { "with CD", 3, DNS_CD }, { "another type", 26, DNS_AAAA },
		{ "another class", 28, DNS_CH }, { "another name", 13, 'x' },
	};
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(1);
	rig_start(&r, 2);
	learn("www.example.", DNS_NOERROR, 300);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dgram d = query(buf, 1, "www.example.");
		buf[rows[i].at] = (uint8_t)rows[i].value;
		if (rig_rx(&r, &d) != BAL_FORWARD)
			fail_msg("%s: %s", rows[i].what, bal_verdict_name(d.verdict));
	}
	struct dgram d = rig_query(buf, 1, 1, "www.example.", true);
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	assert_int_equal(ask("www.example."), BAL_CACHE_HIT);
	rig_stop(&r);
}

static void answers_are_kept_as_long_as_the_configuration_says(void **state)
{
	static const struct {
		const char *what;
		unsigned rcode;
		uint32_t ttl;
		unsigned kept_s;
	} rows[] = {
		{ "a record's TTL", DNS_NOERROR, 30, 30 },
		{ "too long a TTL", DNS_NOERROR, 500, 100 },
		{ "too short a TTL", DNS_NOERROR, 4, 0 }, { "the shortest TTL", DNS_NOERROR, 5, 5 },
		{ "no record", DNS_NOERROR, 0, 0 }, { "SERVFAIL", DNS_SERVFAIL, 0, 9 },
		{ "REFUSED", DNS_REFUSED, 0, 9 }, { "FORMERR", DNS_FORMERR, 0, 0 },
		{ "NXDOMAIN with a record", DNS_NXDOMAIN, 90, 20 },
		{ "NXDOMAIN without an SOA", DNS_NXDOMAIN, 0, 0 },
	};
	char name[32];

	(void)state;
	start(1);
	r.conf.cache.max_ttl = 100;
	r.conf.cache.min_ttl = 5;
	r.conf.cache.failure_ttl = 9;
	r.conf.cache.negative_ttl = 20;
	rig_start(&r, 3);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(name, sizeof(name), "n%zu.example.", i);
		learn(name, rows[i].rcode, rows[i].ttl);
		int64_t put_ns = r.now_ns;
		r.now_ns = put_ns + rows[i].kept_s * SECOND - 1;
		if (rows[i].kept_s > 0 && ask(name) != BAL_CACHE_HIT)
			fail_msg("%s: gone before its time", rows[i].what);
		r.now_ns = put_ns + rows[i].kept_s * SECOND;
		if (ask(name) == BAL_CACHE_HIT)
			fail_msg("%s: still there", rows[i].what);
		r.now_ns += 10 * SECOND;
	}
	rig_stop(&r);
}

/* NXDOMAIN with an SOA of that TTL and MINIMUM in its authority section. */
static void add_soa(struct dgram *d, uint32_t ttl, uint32_t minimum)
{
	struct dns_writer w = { .m = d->data, .len = d->len, .cap = d->cap };
	size_t at = dns_w_rr(&w, DNS_SOA, ttl);

	dns_w_bytes(&w, "\0\0", 2);
	for (unsigned i = 0; i < 4; i++)
		dns_w_u32(&w, 7);
	dns_w_u32(&w, minimum);
	dns_w_rr_end(&w, at);
	dns_put16(d->data + 8, 1);
	d->len = (uint16_t)w.len;
}

static void no_such_name_is_kept_for_the_least_of_three(void **state)
{
	static const struct { uint32_t ttl, minimum, kept_s; } rows[] = {
		{ 30, 50, 30 }, { 50, 30, 30 }, { 500, 600, 100 },
	};
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(1);
	r.conf.cache.negative_ttl = 100;
	rig_start(&r, 4);
	for (unsigned rcode = DNS_NOERROR; rcode <= DNS_NXDOMAIN; rcode += DNS_NXDOMAIN)
		for (size_t i = 0; i < COUNT_OF(rows); i++) {
			struct dgram d = query(buf, 1, "no.example.");
			assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
			rig_turn(&d, rcode);
			add_soa(&d, rows[i].ttl, rows[i].minimum);
			assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
			r.now_ns += rows[i].kept_s * SECOND - 1;
			assert_int_equal(ask("no.example."), BAL_CACHE_HIT);
			r.now_ns++;
			assert_int_equal(ask("no.example."), BAL_FORWARD);
			r.now_ns += 10 * SECOND;
		}
	rig_stop(&r);
}

/* What a server may answer and nobody else shall get. */
static void what_is_cut_broken_or_for_another_question_is_not_kept(void **state)
{
	static const struct { const char *what; int at, value, cut; } rows[] = {
		{ "TC", 2, (DNS_QR | DNS_TC | DNS_RD) >> 8, 0 },
		{ "a record cut off", -1, 0, 1 },
		{ "another question", 13, 'x', 0 },
		{ "an error without a question", 5, 0, 0 },
	};
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(1);
	rig_start(&r, 5);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dgram d = query(buf, 1, "www.example.");
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		rig_turn(&d, rows[i].at == 5 ? DNS_SERVFAIL : DNS_NOERROR);
		rig_record(&d, 300);
		if (rows[i].at >= 0)
			buf[rows[i].at] = (uint8_t)rows[i].value;
		d.len = (uint16_t)(d.len - rows[i].cut);
		rig_rx(&r, &d);
		if (ask("www.example.") == BAL_CACHE_HIT)
			fail_msg("%s: is kept", rows[i].what);
		r.now_ns += 10 * SECOND;
	}
	rig_stop(&r);
}

static void other_opcodes_and_transfers_are_not_looked_up(void **state)
{
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(1);
	rig_start(&r, 6);
	for (unsigned i = 0; i < 3; i++)
		for (unsigned again = 0; again < 2; again++) {
			struct dgram d = query(buf, 1, "www.example.");
			if (i == 0)
				buf[2] = 4 << 3; /* NOTIFY */
			else
				dns_put16(buf + 25, i == 1 ? DNS_AXFR : 251);
			assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
			rig_turn(&d, DNS_NOERROR);
			rig_record(&d, 300);
			assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
		}
	assert_int_equal(bal_cache_misses(r.b), 0);
	rig_stop(&r);
}

/* An EDNS query with one option; how is its first byte of data. */
static struct dgram with_option(uint8_t *buf, uint16_t code, uint8_t how)
{
	struct dgram d = rig_query(buf, 1, 1, "www.example.", true);
	struct dns_writer w = { .m = buf, .len = d.len, .cap = RIG_BYTES };

	dns_put16(buf + d.len - 2, 12);
	dns_w_u16(&w, code);
	dns_w_u16(&w, 8);
	dns_w_u32(&w, (uint32_t)how << 24);
	dns_w_u32(&w, 0);
	d.len = (uint16_t)w.len;
	return d;
}

/* Two clients' queries differ in one option's data: does the second hit the first one's answer? */
static bool shared_despite(uint16_t code, bool hashing, bool answer_has_it)
{
	uint8_t buf[RIG_BYTES], opt[] = { 0, 0, DNS_OPT, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0 };

	start(1);
	r.conf.cache.cookie_hashing = hashing;
	rig_start(&r, 7);
	struct dgram d = with_option(buf, code, 1);
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	rig_turn(&d, DNS_NOERROR);
	d.len = DNS_HEADER + 13 + 4;
	rig_record(&d, 300);
	dns_put16(buf + 10, 0);
	if (answer_has_it) {
		dns_put16(opt + 11, code);
		memcpy(buf + d.len, opt, sizeof(opt));
		d.len = (uint16_t)(d.len + sizeof(opt));
		dns_put16(buf + 10, 1);
	}
	assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
	d = with_option(buf, code, 2);
	bool hit = rig_rx(&r, &d) == BAL_CACHE_HIT;
	rig_stop(&r);
	return hit;
}

static void cookies_are_left_out_of_the_key_and_subnets_are_not(void **state)
{
	(void)state;
	assert_true(shared_despite(10, false, false));
	assert_false(shared_despite(10, true, false));
	assert_false(shared_despite(10, false, true)); /* a cookie for the first client */
	assert_false(shared_despite(8, false, false));
	assert_false(shared_despite(15, false, false));
}

static void a_query_with_a_cookie_is_another_than_one_without(void **state)
{
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(1);
	rig_start(&r, 7);
	for (unsigned again = 0; again < 2; again++)
		for (unsigned cookie = 0; cookie < 2; cookie++) {
			struct dgram d = cookie ? with_option(buf, 10, 1)
			                        : rig_query(buf, 1, 1, "www.example.", true);
			assert_int_equal(rig_rx(&r, &d), again ? BAL_CACHE_HIT : BAL_FORWARD);
			if (again)
				continue;
			rig_turn(&d, DNS_NOERROR);
			d.len = DNS_HEADER + 13 + 4;
			dns_put16(buf + 10, 0);
			rig_record(&d, 300);
			assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
		}
	rig_stop(&r);
}

static void ttls_stay_with_dont_age(void **state)
{
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(1);
	r.conf.cache.dont_age = true;
	rig_start(&r, 8);
	learn("www.example.", DNS_NOERROR, 300);
	r.now_ns += 200 * SECOND;
	struct dgram d = query(buf, 1, "www.example.");
	assert_int_equal(rig_rx(&r, &d), BAL_CACHE_HIT);
	assert_int_equal(first_ttl(&d), 300);
	rig_stop(&r);
}

static void stale_answers_are_for_when_no_server_is_up(void **state)
{
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(1);
	r.conf.stale_s = 40;
	r.conf.cache.stale_ttl = 6;
	rig_start(&r, 9);
	learn("www.example.", DNS_NOERROR, 10);
	int64_t put_ns = r.now_ns;
	r.now_ns = put_ns + 10 * SECOND;
	assert_int_equal(ask("www.example."), BAL_FORWARD);
	bal_shared_set_up(r.shared, 0, false);
	struct dgram d = query(buf, 1, "www.example.");
	assert_int_equal(rig_rx(&r, &d), BAL_CACHE_HIT);
	assert_int_equal(first_ttl(&d), 6);
	r.now_ns = put_ns + 50 * SECOND - 1;
	assert_int_equal(ask("www.example."), BAL_CACHE_HIT);
	r.now_ns++;
	assert_int_equal(ask("www.example."), BAL_DROP_NO_SERVER);
	rig_stop(&r);
}

/* Not the least of them alone: the others may have hours left. */
static void all_records_of_a_stale_answer_have_its_ttl(void **state)
{
	static const uint32_t ttls[] = { 3600, 5, 10 };
	uint8_t buf[RIG_BYTES];
	struct dns_rr rr;

	(void)state;
	start(1);
	r.conf.stale_s = 40;
	r.conf.cache.stale_ttl = 6;
	rig_start(&r, 9);
	struct dgram d = query(buf, 1, "www.example.");
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	rig_turn(&d, DNS_NOERROR);
	size_t at = d.len;
	for (size_t i = 0; i < COUNT_OF(ttls); i++)
		rig_record(&d, ttls[i]);
	assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
	r.now_ns += 8 * SECOND;
	bal_shared_set_up(r.shared, 0, false);
	d = query(buf, 1, "www.example.");
	assert_int_equal(rig_rx(&r, &d), BAL_CACHE_HIT);
	for (size_t i = 0; i < COUNT_OF(ttls); i++, at = rr.end) {
		assert_int_equal(dns_rr(&rr, d.data, d.len, at), 0);
		assert_int_equal(rr.ttl, 6);
	}
	rig_stop(&r);
}

static void hits_take_neither_turns_nor_qps(void **state)
{
	uint8_t buf[RIG_BYTES];
	unsigned turn[2] = { 0 };
	char name[32];

	(void)state;
	start(2);
	r.conf.policy = BAL_ROUNDROBIN;
	rig_start(&r, 10);
	learn("www.example.", DNS_NOERROR, 300);
	for (unsigned i = 0; i < 10; i++) {
		for (unsigned k = 0; k < i; k++)
			assert_int_equal(ask("www.example."), BAL_CACHE_HIT);
		snprintf(name, sizeof(name), "n%u.example.", i);
		struct dgram d = query(buf, 1, name);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		turn[bal_port_server(r.b, d.port)]++;
		assert_true(i % 2 == 0 || turn[0] == turn[1]);
	}
	rig_stop(&r);
	start(1);
	r.conf.policy = BAL_FIRST_AVAILABLE;
	r.server[0].qps = 2;
	rig_start(&r, 11);
	learn("www.example.", DNS_NOERROR, 300);
	int64_t full = atomic_load(&r.shared->server[0].qps_full_ns);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(ask("www.example."), BAL_CACHE_HIT);
	assert_true(full > 0 && atomic_load(&r.shared->server[0].qps_full_ns) == full);
	rig_stop(&r);
}

static void workers_share_one_cache(void **state)
{
	uint8_t seed[DRBG_SEED], buf[RIG_BYTES];
	struct arena a;

	(void)state;
	start(1);
	rig_start(&r, 12);
	drbg_seed_from_u64(seed, 12);
	assert_int_equal(host_arena(&a, bal_arena_size(&r.conf)), 0);
	struct bal *other = bal_init(&a, &r.conf, r.shared, seed, 1);
	learn("www.example.", DNS_NOERROR, 300);
	struct dgram d = query(buf, 1, "www.example.");
	bal_rx(other, r.now_ns, &d, 1);
	assert_int_equal(d.verdict, BAL_CACHE_HIT);
	bal_check(other);
	host_arena_free(&a);
	rig_stop(&r);
}

enum { THREADS = 3, THREAD_QUERIES = 20000, THREAD_NAMES = 40 };

struct thread {
	pthread_t id;
	struct arena arena;
	struct bal *b;
	unsigned sent[2], hits;
};

/* Asks; whatever comes back, from a server or the cache, must have the name's own TTL, aged. */
static void *ask_all(void *arg)
{
	struct thread *t = arg;
	uint8_t buf[RIG_BYTES];
	char name[32];

	for (unsigned i = 0; i < THREAD_QUERIES; i++) {
		unsigned n = i * 7 % THREAD_NAMES, ttl = 2 + n;
		int64_t now_ns = 1 + i * (20 * SECOND / THREAD_QUERIES);
		snprintf(name, sizeof(name), "n%02u.example.", n);
		struct dgram d = query(buf, (uint16_t)i, name);
		bal_rx(t->b, now_ns, &d, 1);
		if (d.verdict == BAL_CACHE_HIT) {
			t->hits++;
		} else {
			MUST(d.verdict == BAL_FORWARD);
			t->sent[bal_port_server(t->b, d.port)]++;
			rig_turn(&d, DNS_NOERROR);
			rig_record(&d, ttl);
			bal_rx(t->b, now_ns, &d, 1);
			MUST(d.verdict == BAL_ANSWER);
		}
		MUST(dns_id(buf) == (uint16_t)i && first_ttl(&d) <= ttl && dns_ancount(buf) == 1);
	}
	return NULL;
}

static void threads_may_all_be_at_it(void **state)
{
	static struct thread thread[THREADS];
	uint8_t seed[DRBG_SEED] = { 1 };
	unsigned sent[2] = { 0 }, hits = 0;

	(void)state;
	start(2);
	r.conf.policy = BAL_ROUNDROBIN;
	rig_start(&r, 14);
	for (unsigned i = 0; i < THREADS; i++) {
		struct thread *t = &thread[i];
		assert_int_equal(host_arena(&t->arena, bal_arena_size(&r.conf)), 0);
		t->b = bal_init(&t->arena, &r.conf, r.shared, seed, i);
		assert_int_equal(pthread_create(&t->id, NULL, ask_all, t), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i].id, NULL);
		bal_check(thread[i].b);
		host_arena_free(&thread[i].arena);
		sent[0] += thread[i].sent[0];
		sent[1] += thread[i].sent[1];
		hits += thread[i].hits;
	}
	pcache_check(r.shared->pool[0].packets);
	assert_int_equal(hits + sent[0] + sent[1], THREADS * THREAD_QUERIES);
	assert_true(hits > THREADS * THREAD_QUERIES / 2);
	assert_in_range(sent[0] - sent[1] + 1, 0, 2); /* turns are exact over all that was sent */
	rig_stop(&r);
}

static void without_a_cache_nothing_is_kept(void **state)
{
	(void)state;
	rig_conf(&r, 1);
	rig_start(&r, 13);
	learn("www.example.", DNS_NOERROR, 300);
	assert_int_equal(ask("www.example."), BAL_FORWARD);
	assert_int_equal(bal_cache_misses(r.b), 0);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hit_goes_to_its_asker_as_it_asked),
		cmocka_unit_test(only_the_same_query_hits),
		cmocka_unit_test(answers_are_kept_as_long_as_the_configuration_says),
		cmocka_unit_test(no_such_name_is_kept_for_the_least_of_three),
		cmocka_unit_test(what_is_cut_broken_or_for_another_question_is_not_kept),
		cmocka_unit_test(other_opcodes_and_transfers_are_not_looked_up),
		cmocka_unit_test(cookies_are_left_out_of_the_key_and_subnets_are_not),
		cmocka_unit_test(a_query_with_a_cookie_is_another_than_one_without),
		cmocka_unit_test(ttls_stay_with_dont_age),
		cmocka_unit_test(stale_answers_are_for_when_no_server_is_up),
		cmocka_unit_test(all_records_of_a_stale_answer_have_its_ttl),
		cmocka_unit_test(hits_take_neither_turns_nor_qps),
		cmocka_unit_test(workers_share_one_cache),
		cmocka_unit_test(threads_may_all_be_at_it),
		cmocka_unit_test(without_a_cache_nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
