/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The defects inside of the cores (lib/defect.def), each twice: the right core does what it should,
 * the same core with the defect on does what the table says instead, and only there. A build
 * without EK_DEFECTS hasn't got them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/health.h"
#include "balancer/core/policy.h"
#include "sim/virtual/defect.h"
#include "tests/bal_rig.h"

#ifndef EK_DEFECTS
#error "expected MODE=defects"
#endif

enum { PROBES = 256 };
static const int64_t SECOND = 1000000000;

static uint64_t tested;             /* bits of defects that some test switched on */
static struct defects set;
static struct rig rig;

/* The configuration with the defect as --defect has it; NULL: with none. */
static void conf_with(unsigned servers, const char *defect)
{
	char error[DEFECT_TEXT];

	rig_conf(&rig, servers);
	memset(&set, 0, sizeof(set));
	rig.conf.defects = &set;
	if (defect != NULL && defects_parse(&set, defect, error) < 0)
		fail_msg("%s", error);
	tested |= set.on;
}

/* ---- health: what becomes of each probe stands in a string for each server, over and over ---- */

struct lab {
	struct health *h;
	const char *fate[2];        /* g: good, s: silence, r: refused */
	unsigned n[2];              /* probes sent */
	int64_t at_ns[2][PROBES];   /* when */
};

static struct lab lab;

static void health_start(const char *defect, const char *first, const char *second)
{
	conf_with(2, defect);
	lab = (struct lab){ .fate = { first, second } };
	for (unsigned i = 0; i < 2; i++)
		rig.server[i].check.mode = BAL_CHECK_AUTO;
}

static void health_open(void)
{
	uint8_t seed[DRBG_SEED];

	drbg_seed_from_u64(seed, 1);
	MUST(host_arena(&rig.arena, bal_shared_arena_size(&rig.conf) +
	                            health_arena_size(&rig.conf)) == 0);
	rig.shared = bal_shared_init(&rig.arena, &rig.conf);
	lab.h = health_init(&rig.arena, &rig.conf, rig.shared, seed, 0);
}

static void settle_probe(struct dgram *d, int64_t now_ns)
{
	unsigned s = d->port - 1u;
	char fate = lab.fate[s][lab.n[s] % strlen(lab.fate[s])];

	MUST(lab.n[s] < PROBES);
	lab.at_ns[s][lab.n[s]++] = now_ns;
	if (fate == 'r')
		health_refused(lab.h, now_ns, s, d->conn);
	if (fate != 'g')
		return;
	rig_turn(d, DNS_NOERROR);
	health_rx(lab.h, now_ns, d, 1);
	assert_int_equal(d->verdict, HEALTH_GOOD);
}

static void health_until(int64_t end_ns)
{
	uint8_t buf[RIG_BYTES];

	for (int64_t t; (t = health_deadline(lab.h)) < end_ns;) {
		struct dgram d = { .data = buf, .cap = sizeof(buf) };
		while (health_poll(lab.h, t, &d, 1) == 1)
			settle_probe(&d, t);
		health_check(lab.h);
	}
}

/* Whether server 0 is up after so long. */
static bool up_after(int64_t end_ns)
{
	health_open();
	health_until(end_ns);
	bool up = bal_shared_up(rig.shared, 0);
	host_arena_free(&rig.arena);
	return up;
}

static bool up_with(const char *defect, const char *fate, uint32_t failures)
{
	health_start(defect, fate, "g");
	rig.server[0].check.max_failures = failures;
	return up_after(30 * SECOND);
}

static void failures_that_are_not_in_a_row_add_up(void **state)
{
	(void)state;
	assert_true(up_with(NULL, "gs", 2));
	health_start("failures-add-up", "gsgs" "gggggggggggggggggggggggggg", "g");
	rig.server[0].check.max_failures = 2;
	rig.server[0].check.rise = 100; /* so that it stays as it was taken down */
	assert_false(up_after(10 * SECOND));
	assert_true(up_with("failures-add-up", "gsgggggggggggggggggggggggggggggggggg", 2));
}

static void a_refused_check_counts_thrice(void **state)
{
	static const char once[] = "grgggggggggggggggggggggggggggggggggggggggggg";

	(void)state;
	assert_true(up_with(NULL, once, 3));
	health_start("refused-thrice", once, "g");
	rig.server[0].check.max_failures = 3;
	rig.server[0].check.rise = 100;
	assert_false(up_after(10 * SECOND));
	assert_true(up_with("refused-thrice", once, 4));
	assert_true(up_with("refused-thrice", "gsgggggggggggggggggggggggggggggggggggggg", 3));
}

static void health_is_off_or_never_back(void **state)
{
	(void)state;
	assert_false(up_with(NULL, "gsssssssssssssssssssssssssssssssssssss", 1));
	assert_true(up_with("health-off", "gsssssssssssssssssssssssssssssssssssss", 1));
	assert_true(up_with(NULL, "gsgggggggggggggggggggggggggggggggggggg", 1));
	assert_false(up_with("never-back", "gsgggggggggggggggggggggggggggggggggggg", 1));
	assert_true(up_with("never-back", "g", 1));
	assert_true(up_with("health-off", "g", 1));
}

/* The gaps between server 0's probes from the third on, which must all be the same. */
static int64_t gap_with(const char *defect, const char *other)
{
	health_start(defect, "g", other);
	rig.server[1].check.timeout_ns = SECOND / 2;
	health_open();
	health_until(30 * SECOND);
	int64_t gap = lab.at_ns[0][3] - lab.at_ns[0][2];
	for (unsigned i = 3; i < lab.n[0]; i++)
		assert_true(lab.at_ns[0][i] - lab.at_ns[0][i - 1] == gap);
	host_arena_free(&rig.arena);
	return gap;
}

static void checks_go_in_rounds_that_a_dead_server_stretches(void **state)
{
	(void)state;
	assert_true(gap_with(NULL, "g") == SECOND);
	assert_true(gap_with(NULL, "s") == SECOND);
	assert_true(gap_with("check-rounds", "g") == SECOND);
	assert_true(gap_with("check-rounds", "s") == SECOND + SECOND / 2);
}

static uint32_t latency_with(const char *defect)
{
	health_start(defect, "gsgggggggggggggggggggggggg", "g");
	health_open();
	atomic_store(&rig.shared->server[0].latency_us128, 4711);
	health_until(6 * SECOND);
	uint32_t latency = atomic_load(&rig.shared->server[0].latency_us128);
	assert_true(bal_shared_up(rig.shared, 0));
	host_arena_free(&rig.arena);
	return latency;
}

static void latency_is_forgotten_when_a_server_goes_down(void **state)
{
	(void)state;
	assert_int_equal(latency_with(NULL), 4711);
	assert_int_equal(latency_with("latency-reset"), 0);
}

/* ---- the balancer core ---- */

static int64_t expiry_with(const char *defect, int64_t interval_ns, int64_t sent_ns)
{
	uint8_t buf[RIG_BYTES];

	conf_with(1, defect);
	rig.server[0].check.interval_ns = interval_ns;
	rig_start(&rig, 1);
	struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
	rig.now_ns = sent_ns;
	assert_int_equal(rig_rx(&rig, &d), BAL_FORWARD);
	int64_t end = bal_deadline(rig.b);
	bal_poll(rig.b, end - 1, NULL, 0);
	assert_int_equal(bal_outstanding(rig.b), 1);
	bal_poll(rig.b, end, NULL, 0);
	assert_int_equal(bal_outstanding(rig.b), 0);
	rig_stop(&rig);
	return end;
}

static void queries_expire_at_ticks_of_the_check_interval(void **state)
{
	(void)state;
	assert_true(expiry_with(NULL, SECOND, SECOND / 2) == 2 * SECOND + SECOND / 2);
	assert_true(expiry_with(NULL, 5 * SECOND, SECOND / 2) == 2 * SECOND + SECOND / 2);
	assert_true(expiry_with("expiry-ticks", SECOND, SECOND / 2) == 4 * SECOND);
	assert_true(expiry_with("expiry-ticks", SECOND, 3 * SECOND - 1) == 6 * SECOND);
	assert_true(expiry_with("expiry-ticks", 5 * SECOND, SECOND / 2) == 20 * SECOND);
}

/* Outstanding, as the policies see it, after one time-out and one answer. */
static int32_t drift_with(const char *defect)
{
	uint8_t buf[RIG_BYTES], other[RIG_BYTES];

	conf_with(1, defect);
	rig_start(&rig, 1);
	struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
	struct dgram e = rig_query(other, 2, 78, "www.example.", false);
	assert_int_equal(rig_rx(&rig, &d), BAL_FORWARD);
	assert_int_equal(rig_rx(&rig, &e), BAL_FORWARD);
	rig_turn(&e, DNS_NOERROR);
	assert_int_equal(rig_rx(&rig, &e), BAL_ANSWER);
	assert_int_equal(atomic_load(&rig.shared->server[0].outstanding), 1);
	bal_poll(rig.b, 10 * SECOND, NULL, 0);
	assert_int_equal(bal_timeouts(rig.b), 1);
	int32_t n = atomic_load(&rig.shared->server[0].outstanding);
	rig_stop(&rig);
	return n;
}

static void outstanding_drifts_by_one_each_time_out(void **state)
{
	(void)state;
	assert_int_equal(drift_with(NULL), 0);
	assert_int_equal(drift_with("outstanding-drift"), 1);
}

/* Under roundrobin: whether two misses with a hit in between go to two servers. */
static bool turns_stay_with(const char *defect)
{
	static const char *const names[] = { "one.example.", "one.example.", "two.example." };
	static const enum bal_verdict fate[] = { BAL_FORWARD, BAL_CACHE_HIT, BAL_FORWARD };
	uint8_t buf[RIG_BYTES];
	struct ep asked[3];

	conf_with(2, defect);
	rig.conf.policy = BAL_ROUNDROBIN;
	rig.conf.cache.entries = 100;
	bal_cache_defaults(&rig.conf.cache);
	rig_start(&rig, 1);
	for (unsigned i = 0; i < 3; i++) {
		struct dgram d = rig_query(buf, 1, (uint16_t)i, names[i], false);
		assert_int_equal(rig_rx(&rig, &d), fate[i]);
		asked[i] = d.peer;
		rig_turn(&d, DNS_NOERROR);
		rig_record(&d, 300);
		if (fate[i] == BAL_FORWARD)
			assert_int_equal(rig_rx(&rig, &d), BAL_ANSWER);
	}
	rig_stop(&rig);
	return !ep_eq(&asked[0], &asked[2]);
}

static void a_hit_takes_a_turn(void **state)
{
	(void)state;
	assert_true(turns_stay_with(NULL));
	assert_false(turns_stay_with("policy-before-cache"));
}

/* ---- policies ---- */

static struct policy policy;
static struct drbg chance;

static void policy_start(const char *defect, enum bal_policy which, unsigned servers)
{
	uint8_t seed[DRBG_SEED];

	conf_with(servers, defect);
	rig.conf.policy = which;
	for (unsigned i = 0; i < servers; i++)
		rig.server[i].weight = 100;
	drbg_seed_from_u64(seed, 1);
	drbg_init(&chance, seed, DRBG_TEST, 0);
	MUST(host_arena(&rig.arena, bal_shared_arena_size(&rig.conf) +
	                            policy_arena_size(&rig.conf, 0)) == 0);
	rig.shared = bal_shared_init(&rig.arena, &rig.conf);
	policy_init(&policy, &rig.arena, &rig.conf, 0, rig.shared, seed);
	policy_refresh(&policy, rig.now_ns);
}

static int pick(unsigned i)
{
	uint8_t name[] = { 3, 'a', (uint8_t)('0' + i % 64), (uint8_t)('0' + i / 64 % 64), 0 };

	return policy_pick(&policy, &chance, 0, name, sizeof(name));
}

enum { NAMES = 1000 };

/* How many names have another server than without the defect. down: a server that is; -1: none. */
static unsigned moved_with(const char *defect, enum bal_policy which, int down)
{
	static int before[NAMES];
	unsigned moved = 0;

	policy_start(NULL, which, 4);
	for (unsigned i = 0; i < NAMES; i++)
		before[i] = pick(i);
	host_arena_free(&rig.arena);
	policy_start(defect, which, 4);
	if (down >= 0)
		bal_shared_set_up(rig.shared, (unsigned)down, false);
	policy_refresh(&policy, rig.now_ns);
	for (unsigned i = 0; i < NAMES; i++)
		moved += before[i] != down && pick(i) != before[i];
	host_arena_free(&rig.arena);
	return moved;
}

static void names_forget_their_server_now_and_then(void **state)
{
	(void)state;
	assert_int_equal(moved_with(NULL, BAL_WHASHED, -1), 0);
	assert_int_equal(moved_with(NULL, BAL_CHASHED, -1), 0);
	assert_in_range(moved_with("sticky-names=100000", BAL_WHASHED, -1), 20, 200);
	assert_in_range(moved_with("sticky-names=100000", BAL_CHASHED, -1), 20, 200);
	assert_true(moved_with("sticky-names=1000000", BAL_CHASHED, -1) > 500);
}

static void every_name_moves_while_a_server_is_down(void **state)
{
	(void)state;
	assert_int_equal(moved_with(NULL, BAL_CHASHED, 2), 0);
	assert_int_equal(moved_with("rotate-on-down", BAL_CHASHED, -1), 0);
	assert_true(moved_with("rotate-on-down", BAL_CHASHED, 2) > 300);
}

/* Of 1,000 choices, those of server 0. */
static unsigned first_gets(const char *defect, enum bal_policy which, uint32_t qps, int32_t busy)
{
	unsigned n = 0;

	policy_start(defect, which, 2);
	atomic_store(&rig.shared->server[0].qps, qps);
	atomic_store(&rig.shared->server[0].outstanding, busy);
	for (unsigned i = 0; i < NAMES; i++)
		n += pick(i) == 0;
	host_arena_free(&rig.arena);
	return n;
}

static void first_available_forgets_order_or_qps(void **state)
{
	(void)state;
	assert_int_equal(first_gets(NULL, BAL_FIRST_AVAILABLE, 0, 0), NAMES);
	assert_in_range(first_gets("order-ignored", BAL_FIRST_AVAILABLE, 0, 0), 400, 600);
	assert_int_equal(first_gets(NULL, BAL_FIRST_AVAILABLE, 10, 0), 10);
	assert_int_equal(first_gets("qps-ignored", BAL_FIRST_AVAILABLE, 10, 0), NAMES);
}

static void least_outstanding_chooses_by_chance(void **state)
{
	(void)state;
	assert_int_equal(first_gets(NULL, BAL_LEAST_OUTSTANDING, 0, 5), 0);
	assert_in_range(first_gets("least-ignores-outstanding", BAL_LEAST_OUTSTANDING, 0, 5), 400,
	                600);
}

/* How often a server has two turns of roundrobin in a row. */
static unsigned repeats_with(const char *defect)
{
	unsigned n = 0;

	policy_start(defect, BAL_ROUNDROBIN, 3);
	for (int last = pick(0), i = 1; i < NAMES; i++) {
		int now = pick(0);
		n += now == last;
		assert_true(now == last || now == (last + 1) % 3);
		last = now;
	}
	host_arena_free(&rig.arena);
	return n;
}

static void a_turn_is_given_twice(void **state)
{
	(void)state;
	assert_int_equal(repeats_with(NULL), 0);
	assert_in_range(repeats_with("roundrobin-skips=100000"), 50, 200);
	assert_int_equal(repeats_with("roundrobin-skips=1000000"), NAMES - 1);
}

static unsigned drained_gets(const char *defect)
{
	unsigned n = 0;

	policy_start(defect, BAL_ROUNDROBIN, 2);
	bal_shared_drain(rig.shared, 0, true, 0);
	policy_refresh(&policy, rig.now_ns);
	for (unsigned i = 0; i < NAMES; i++)
		n += pick(i) == 0;
	host_arena_free(&rig.arena);
	return n;
}

static void a_drained_server_gets_its_share(void **state)
{
	(void)state;
	assert_int_equal(drained_gets(NULL), 0);
	assert_int_equal(drained_gets("drain-ignored"), NAMES / 2);
}

/* Which server the second try of a query to server 0 goes to. */
static int second_goes_to(const char *defect)
{
	policy_start(defect, BAL_WRANDOM, 2);
	policy_refresh(&policy, rig.now_ns);
	int server = policy_other(&policy, 0);
	host_arena_free(&rig.arena);
	return server;
}

static void a_second_try_goes_to_the_same(void **state)
{
	(void)state;
	assert_int_equal(second_goes_to(NULL), 1);
	assert_int_equal(second_goes_to("retry-same"), 0);
}

/* How many turns of NAMES a server gets that came back half of its slow start ago. */
static unsigned started_gets(const char *defect)
{
	unsigned n = 0;

	policy_start(defect, BAL_WRANDOM, 2);
	rig.shared->slow_start_ns[0] = 2000000000;
	policy.slow = true;
	bal_shared_turn(rig.shared, 0, false, false, 0);
	bal_shared_turn(rig.shared, 0, true, false, 0);
	policy_refresh(&policy, 1000000000);
	for (unsigned i = 0; i < NAMES; i++)
		n += pick(i) == 0;
	host_arena_free(&rig.arena);
	return n;
}

static void a_slow_start_is_none(void **state)
{
	(void)state;
	assert_in_range(started_gets(NULL), NAMES / 5, NAMES * 3 / 10);
	assert_in_range(started_gets("slow-start-off"), NAMES * 9 / 20, NAMES * 11 / 20);
}

/* How many of the next NAMES turns a server gets that was away and is back. */
static unsigned returned_gets(const char *defect)
{
	unsigned n = 0;

	policy_start(defect, BAL_ROUNDROBIN, 2);
	bal_shared_set_up(rig.shared, 0, false);
	policy_refresh(&policy, rig.now_ns);
	bal_shared_set_up(rig.shared, 0, true);
	policy_refresh(&policy, rig.now_ns);
	for (unsigned i = 0; i < NAMES; i++)
		n += pick(i) == 0;
	host_arena_free(&rig.arena);
	return n;
}

static void a_server_that_is_back_gets_all_for_a_while(void **state)
{
	(void)state;
	assert_int_equal(returned_gets(NULL), NAMES / 2);
	assert_int_equal(returned_gets("herd=100"), 100 + (NAMES - 100) / 2);
}

/* ---- the table ---- */

static void every_defect_of_the_cores_is_tested_here(void **state)
{
	enum { CORE, HOOK };
	static const int where[] = {
#define DEFECT(id, name, where, value, low, high, prose) [id] = where,
#include "lib/defect.def"
#undef DEFECT
	};

	(void)state;
	for (unsigned d = 0; d < DEFECTS; d++)
		if (where[d] == CORE && (tested >> d & 1) == 0)
			fail_msg("%s isn't tested", defect_name((enum defect)d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_that_are_not_in_a_row_add_up),
		cmocka_unit_test(a_refused_check_counts_thrice),
		cmocka_unit_test(health_is_off_or_never_back),
		cmocka_unit_test(checks_go_in_rounds_that_a_dead_server_stretches),
		cmocka_unit_test(latency_is_forgotten_when_a_server_goes_down),
		cmocka_unit_test(queries_expire_at_ticks_of_the_check_interval),
		cmocka_unit_test(outstanding_drifts_by_one_each_time_out),
		cmocka_unit_test(a_hit_takes_a_turn),
		cmocka_unit_test(names_forget_their_server_now_and_then),
		cmocka_unit_test(every_name_moves_while_a_server_is_down),
		cmocka_unit_test(first_available_forgets_order_or_qps),
		cmocka_unit_test(least_outstanding_chooses_by_chance),
		cmocka_unit_test(a_turn_is_given_twice),
		cmocka_unit_test(a_drained_server_gets_its_share),
		cmocka_unit_test(a_slow_start_is_none),
		cmocka_unit_test(a_second_try_goes_to_the_same),
		cmocka_unit_test(a_server_that_is_back_gets_all_for_a_while),
		cmocka_unit_test(every_defect_of_the_cores_is_tested_here), /* last */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
