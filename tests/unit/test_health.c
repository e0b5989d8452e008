/* SPDX-License-Identifier: BSD-3-Clause */
/* The health core: when it probes, which answers are good, what results make of a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/health.h"
#include "tests/bal_rig.h"

#define SECOND INT64_C(1000000000)

enum { PROBES = 64 };

struct clinic {
	struct rig rig;
	struct health *h;
	uint8_t buf[PROBES][RIG_BYTES];
	struct dgram d[PROBES];
};

static void conf(struct clinic *c, unsigned servers)
{
	rig_conf(&c->rig, servers);
	for (unsigned i = 0; i < servers; i++)
		c->rig.server[i].check.mode = BAL_CHECK_AUTO;
	for (unsigned i = 0; i < PROBES; i++)
		c->d[i] = (struct dgram){ .data = c->buf[i], .cap = RIG_BYTES };
}

static void start(struct clinic *c, uint64_t seed_number)
{
	uint8_t seed[DRBG_SEED];

	drbg_seed_from_u64(seed, seed_number);
	MUST(host_arena(&c->rig.arena, bal_shared_arena_size(&c->rig.conf) +
	                               health_arena_size(&c->rig.conf)) == 0);
	c->rig.shared = bal_shared_init(&c->rig.arena, &c->rig.conf);
	c->h = health_init(&c->rig.arena, &c->rig.conf, c->rig.shared, seed, 0);
	arena_seal(&c->rig.arena);
}

static void stop(struct clinic *c)
{
	health_check(c->h);
	host_arena_free(&c->rig.arena);
}

/* Polls once, at the deadline; probes go to c->d. */
static unsigned poll_next(struct clinic *c, int64_t *t_ns)
{
	*t_ns = health_deadline(c->h);
	unsigned n = health_poll(c->h, *t_ns, c->d, PROBES);
	health_check(c->h);
	return n;
}

/* Polls until the next probe leaves. */
static int64_t next_probe(struct clinic *c)
{
	int64_t t_ns;

	while (poll_next(c, &t_ns) == 0)
		;
	return t_ns;
}

static enum health_verdict answer(struct clinic *c, int64_t t_ns, struct dgram *d)
{
	health_rx(c->h, t_ns, d, 1);
	health_check(c->h);
	return d->verdict;
}

static enum health_verdict answer_with(struct clinic *c, int64_t t_ns, unsigned rcode)
{
	rig_turn(&c->d[0], rcode);
	return answer(c, t_ns, &c->d[0]);
}

static void a_probe_asks_the_check_name_with_rd_and_no_edns(void **state)
{
	static struct clinic c;

	(void)state;
	for (unsigned cd = 0; cd < 2; cd++) {
		conf(&c, 1);
		c.rig.server[0].check.set_cd = cd;
		start(&c, 1);
		int64_t t_ns;
		assert_int_equal(poll_next(&c, &t_ns), 1);
		assert_int_equal(t_ns, 0);
		assert_int_equal(c.d[0].verdict, HEALTH_PROBE);
		assert_int_equal(c.d[0].port, 1);
		assert_int_equal(c.d[0].conn, health_probe(c.h, 0));
		assert_true(ep_eq(&c.d[0].peer, &c.rig.server[0].addr));
		uint8_t want[] = "\0\0\1\0\0\1\0\0\0\0\0\0\1a\14root-servers\3net\0\0\1\0\1";
		want[3] = cd ? DNS_CD : 0;
		assert_int_equal(c.d[0].len, sizeof(want) - 1);
		assert_memory_equal(c.buf[0] + 2, want + 2, sizeof(want) - 3);
		stop(&c);
	}
}

static void answers_are_good_bad_or_ignored(void **state)
{
	static const struct {
		const char *what;
		int at, value, len;
		unsigned rcode;
		bool must_resolve;
		enum health_verdict verdict;
	} rows[] = {
		{ "a good one", -1, 0, -1, DNS_NOERROR, false, HEALTH_GOOD },
		{ "letters in other case", 13, 'A', -1, DNS_NOERROR, true, HEALTH_GOOD },
		{ "NXDOMAIN", -1, 0, -1, DNS_NXDOMAIN, false, HEALTH_GOOD },
		{ "NXDOMAIN, mustResolve", -1, 0, -1, DNS_NXDOMAIN, true, HEALTH_BAD },
		{ "REFUSED", -1, 0, -1, DNS_REFUSED, false, HEALTH_GOOD },
		{ "REFUSED, mustResolve", -1, 0, -1, DNS_REFUSED, true, HEALTH_BAD },
		{ "SERVFAIL", -1, 0, -1, DNS_SERVFAIL, false, HEALTH_BAD },
		{ "SERVFAIL, mustResolve", -1, 0, -1, DNS_SERVFAIL, true, HEALTH_BAD },
		{ "FORMERR without the question", 5, 0, 12, DNS_FORMERR, false, HEALTH_BAD },
		{ "another question", 13, 'b', -1, DNS_NOERROR, false, HEALTH_IGNORED },
		{ "another type", 33, 28, -1, DNS_NOERROR, false, HEALTH_IGNORED },
		{ "a query", 2, 1, -1, DNS_NOERROR, false, HEALTH_IGNORED },
		{ "nothing", -1, 0, 0, DNS_NOERROR, false, HEALTH_IGNORED },
		{ "11 bytes", -1, 0, 11, DNS_NOERROR, false, HEALTH_IGNORED },
		{ "cut off in the question", -1, 0, 30, DNS_NOERROR, false, HEALTH_IGNORED },
	};
	static struct clinic c;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		conf(&c, 1);
		c.rig.server[0].check.must_resolve = rows[i].must_resolve;
		start(&c, 1);
		next_probe(&c);
		rig_turn(&c.d[0], rows[i].rcode);
		if (rows[i].at >= 0)
			c.buf[0][rows[i].at] = (uint8_t)rows[i].value;
		if (rows[i].len >= 0)
			c.d[0].len = (uint16_t)rows[i].len;
		enum health_verdict v = answer(&c, 5, &c.d[0]);
		if (v != rows[i].verdict)
			fail_msg("%s: %u, not %u", rows[i].what, v, rows[i].verdict);
		assert_int_equal(bal_shared_up(c.rig.shared, 0), v == HEALTH_GOOD);
		assert_int_equal(health_waits(c.h, 0, c.d[0].conn), v == HEALTH_IGNORED);
		stop(&c);
	}
}

static void an_answer_counts_once_on_its_socket_from_its_server_with_its_id(void **state)
{
	static struct clinic c;

	(void)state;
	conf(&c, 2);
	start(&c, 2);
	int64_t t_ns;
	assert_int_equal(poll_next(&c, &t_ns), 2);
	struct dgram d = c.d[0];
	rig_turn(&d, DNS_NOERROR);
	struct dgram other = d;
	other.conn += 1;
	assert_int_equal(answer(&c, 1, &other), HEALTH_IGNORED);
	other = d;
	other.peer.port++;
	assert_int_equal(answer(&c, 1, &other), HEALTH_IGNORED);
	other = d;
	other.port = 2;
	other.peer = c.rig.server[1].addr;
	assert_int_equal(answer(&c, 1, &other), HEALTH_IGNORED);
	d.data[0] ^= 1;
	assert_int_equal(answer(&c, 1, &d), HEALTH_IGNORED);
	d.data[0] ^= 1;
	assert_int_equal(answer(&c, 1, &d), HEALTH_GOOD);
	assert_int_equal(answer(&c, 1, &d), HEALTH_IGNORED);
	stop(&c);
}

static void over_tcp_an_answer_counts_on_its_connection_and_its_end_is_a_failure(void **state)
{
	static struct clinic c;
	int64_t t_ns;

	(void)state;
	conf(&c, 1);
	c.rig.server[0].check.tcp = true;
	c.rig.server[0].check.max_failures = 2;
	start(&c, 1);
	assert_int_equal(poll_next(&c, &t_ns), 1);
	assert_int_equal(c.d[0].proto, DGRAM_TCP);
	c.d[0].proto = DGRAM_UDP;
	assert_int_equal(answer_with(&c, 5, DNS_NOERROR), HEALTH_IGNORED);
	c.d[0].proto = DGRAM_TCP;
	assert_int_equal(answer(&c, 6, &c.d[0]), HEALTH_GOOD);
	assert_true(bal_shared_up(c.rig.shared, 0));
	for (unsigned ends = 1; ends <= 2; ends++) {
		t_ns = next_probe(&c);
		health_refused(c.h, t_ns + 1, 0, c.d[0].conn);
		assert_int_equal(bal_shared_up(c.rig.shared, 0), ends < 2);
	}
	stop(&c);
}

static void probes_keep_an_exact_interval_after_a_first_spread(void **state)
{
	static struct clinic c;
	int64_t phase[8];

	(void)state;
	conf(&c, 8);
	start(&c, 3);
	int64_t t_ns, last[8] = { 0 };
	assert_int_equal(poll_next(&c, &t_ns), 8);
	memset(phase, 0, sizeof(phase));
	for (unsigned n = 0; n < 800;) {
		unsigned got = poll_next(&c, &t_ns);
		n += got;
		for (unsigned i = 0; i < got; i++) {
			unsigned s = c.d[i].port - 1u;
			assert_int_equal(c.d[i].t_ns, t_ns);
			if (phase[s] == 0)
				phase[s] = t_ns;
			else
				assert_int_equal(t_ns - last[s], SECOND);
			last[s] = t_ns;
		}
	}
	for (unsigned s = 0; s < 8; s++) {
		assert_in_range(phase[s], 1, SECOND);
		for (unsigned k = 0; k < s; k++)
			assert_true(phase[k] != phase[s]);
	}
	stop(&c);
}

static void a_late_poll_keeps_the_phase_and_makes_up_for_nothing(void **state)
{
	static struct clinic c;

	(void)state;
	conf(&c, 1);
	start(&c, 4);
	next_probe(&c);
	int64_t due = next_probe(&c);
	assert_int_equal(health_poll(c.h, due + SECOND + 300, c.d, PROBES), 1);
	assert_int_equal(c.d[0].t_ns, due + SECOND);
	int64_t second = next_probe(&c);
	assert_int_equal(second, due + 2 * SECOND);
	assert_int_equal(health_poll(c.h, second + 5 * SECOND, c.d, PROBES), 1);
	assert_int_equal(next_probe(&c), second + 6 * SECOND);
	stop(&c);
}

static void the_first_result_is_taken_as_it_is(void **state)
{
	static struct clinic c;
	struct health_change change;

	(void)state;
	for (unsigned good = 0; good < 2; good++) {
		conf(&c, 1);
		c.rig.server[0].check.max_failures = 3;
		c.rig.server[0].check.rise = 3;
		start(&c, 5);
		assert_false(health_ready(c.h));
		assert_false(bal_shared_up(c.rig.shared, 0));
		next_probe(&c);
		assert_false(health_next_change(c.h, &change));
		answer_with(&c, 7, good ? DNS_NOERROR : DNS_SERVFAIL);
		assert_true(health_ready(c.h));
		assert_int_equal(bal_shared_up(c.rig.shared, 0), good);
		assert_true(health_next_change(c.h, &change));
		assert_true(change.initial && change.up == good && change.t_ns == 7);
		assert_false(health_next_change(c.h, &change));
		stop(&c);
	}
}

static void failures_and_successes_count_in_a_row(void **state)
{
	/* g: good, b: SERVFAIL, r: refused, t: no answer; in capitals when it is up after that */
	static const char *const script[] = {
		"G B B G B B b", "b g G", "G T T t g b g G", "G R R r g t g G",
		"G B T r b b g G B G",
	};
	static struct clinic c;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(script); i++) {
		conf(&c, 1);
		c.rig.server[0].check.max_failures = 3;
		c.rig.server[0].check.rise = 2;
		c.rig.server[0].check.timeout_ns = SECOND / 1000;
		start(&c, 6);
		for (const char *s = script[i]; *s != '\0'; s++) {
			if (*s == ' ')
				continue;
			int64_t t_ns = next_probe(&c);
			char step = (char)(*s | 0x20);
			bool up = *s != step;
			if (step == 'g')
				assert_int_equal(answer_with(&c, t_ns, DNS_NOERROR), HEALTH_GOOD);
			else if (step == 'b')
				assert_int_equal(answer_with(&c, t_ns, DNS_SERVFAIL), HEALTH_BAD);
			else if (step == 'r')
				health_refused(c.h, t_ns, 0, c.d[0].conn);
			else
				assert_int_equal(poll_next(&c, &t_ns), 0);
			if (bal_shared_up(c.rig.shared, 0) != up)
				fail_msg("\"%s\": wrong at %td", script[i], s - script[i]);
		}
		stop(&c);
	}
}

static void a_probe_fails_at_its_timeout_to_the_nanosecond(void **state)
{
	static struct clinic c;

	(void)state;
	for (unsigned late = 0; late < 2; late++) {
		conf(&c, 1);
		c.rig.server[0].check.timeout_ns = 1000;
		start(&c, 12);
		int64_t t_ns;
		assert_int_equal(poll_next(&c, &t_ns), 1);
		assert_int_equal(health_deadline(c.h), 1000);
		health_poll(c.h, 999, c.d, 0);
		assert_false(health_ready(c.h));
		assert_int_equal(health_poll(c.h, 1000 + late, c.d + 1, 1), 0);
		assert_true(health_ready(c.h));
		assert_int_equal(answer_with(&c, 1000 + late, DNS_NOERROR), HEALTH_IGNORED);
		stop(&c);
	}
}

static void a_change_that_nobody_pulled_and_that_went_back_is_not_told(void **state)
{
	static struct clinic c;
	struct health_change change;

	(void)state;
	conf(&c, 1);
	start(&c, 7);
	int64_t t_ns = next_probe(&c);
	answer_with(&c, t_ns, DNS_NOERROR);
	assert_true(health_next_change(c.h, &change));
	static const unsigned rcodes[] = { DNS_SERVFAIL, DNS_NOERROR, DNS_SERVFAIL };
	for (unsigned i = 0; i < 3; i++) {
		t_ns = next_probe(&c);
		answer_with(&c, t_ns, rcodes[i]);
		if (i == 1)
			assert_false(health_next_change(c.h, &change));
	}
	assert_true(health_next_change(c.h, &change));
	assert_true(!change.up && !change.initial && change.t_ns == t_ns);
	stop(&c);
}

static void forced_servers_are_not_probed(void **state)
{
	static struct clinic c;

	(void)state;
	conf(&c, 3);
	c.rig.server[0].check.mode = BAL_CHECK_UP;
	c.rig.server[2].check.mode = BAL_CHECK_DOWN;
	start(&c, 8);
	assert_true(bal_shared_up(c.rig.shared, 0));
	assert_false(bal_shared_up(c.rig.shared, 2));
	for (unsigned i = 0; i < 10; i++) {
		next_probe(&c);
		assert_int_equal(c.d[0].port, 2);
		answer_with(&c, health_deadline(c.h) - 1, DNS_NOERROR);
	}
	assert_true(health_ready(c.h));
	assert_true(bal_shared_up(c.rig.shared, 0));
	assert_false(bal_shared_up(c.rig.shared, 2));
	stop(&c);
	conf(&c, 1);
	c.rig.server[0].check.mode = BAL_CHECK_UP;
	start(&c, 8);
	assert_true(health_deadline(c.h) == INT64_MAX && health_ready(c.h));
	stop(&c);
}

static void a_timeout_above_the_interval_leaves_slow_servers_up(void **state)
{
	static struct clinic c;
	struct dgram waiting[8];
	static uint8_t bytes[8][RIG_BYTES];
	unsigned n = 0;

	(void)state;
	conf(&c, 1);
	c.rig.server[0].check.timeout_ns = 4 * SECOND;
	start(&c, 9);
	for (unsigned i = 0; i < 100; i++) { /* each answer comes three probes later */
		int64_t t_ns = next_probe(&c);
		waiting[n] = c.d[0];
		waiting[n].data = bytes[i % 8];
		memcpy(waiting[n++].data, c.d[0].data, c.d[0].len);
		if (n <= 3)
			continue;
		rig_turn(&waiting[0], DNS_NOERROR);
		assert_int_equal(answer(&c, t_ns, &waiting[0]), HEALTH_GOOD);
		memmove(waiting, waiting + 1, --n * sizeof(*waiting));
		assert_true(bal_shared_up(c.rig.shared, 0));
	}
	stop(&c);
}

static void a_good_answer_settles_the_older_probes(void **state)
{
	static struct clinic c;

	(void)state;
	conf(&c, 1);
	c.rig.server[0].check.timeout_ns = 3 * SECOND;
	start(&c, 10);
	next_probe(&c);
	uint32_t first = c.d[0].conn;
	int64_t t_ns = next_probe(&c);
	assert_true(health_waits(c.h, 0, first));
	assert_int_equal(answer_with(&c, t_ns, DNS_NOERROR), HEALTH_GOOD);
	assert_false(health_waits(c.h, 0, first));
	while (health_deadline(c.h) < 3 * SECOND + 1) {
		t_ns = next_probe(&c);
		answer_with(&c, t_ns, DNS_NOERROR);
		assert_true(bal_shared_up(c.rig.shared, 0));
	}
	stop(&c);
}

static void pending_probes_are_bounded(void **state)
{
	static struct clinic c;

	(void)state;
	conf(&c, 1);
	c.rig.server[0].check.timeout_ns = 1000 * SECOND;
	start(&c, 11);
	unsigned n = 0;
	while (health_deadline(c.h) < 900 * SECOND) {
		int64_t t_ns;
		n += poll_next(&c, &t_ns);
	}
	assert_int_equal(n, HEALTH_PENDING_MAX);
	stop(&c);
}

/* Exactly one change, of server 0, waits to be told. */
static void told(struct clinic *c, bool up, bool initial)
{
	struct health_change change;

	assert_true(health_next_change(c->h, &change));
	assert_int_equal(change.up, up);
	assert_int_equal(change.initial, initial);
	assert_false(health_next_change(c->h, &change));
	assert_int_equal(bal_shared_up(c->rig.shared, 0), up);
	health_check(c->h);
}

static void a_console_stops_the_probes_and_starts_them_again(void **state)
{
	static struct clinic c;
	struct health_change change;

	(void)state;
	conf(&c, 1);
	start(&c, 12);
	next_probe(&c);
	answer_with(&c, 10, DNS_NOERROR);
	told(&c, true, true);
	int64_t t_ns = next_probe(&c);
	health_set_mode(c.h, t_ns, 0, BAL_CHECK_DOWN);
	told(&c, false, false);
	assert_int_equal(health_deadline(c.h), INT64_MAX);
	assert_int_equal(answer_with(&c, t_ns, DNS_NOERROR), HEALTH_IGNORED);
	assert_false(health_waits(c.h, 0, c.d[0].conn));
	health_set_mode(c.h, t_ns + SECOND, 0, BAL_CHECK_AUTO);
	assert_false(health_next_change(c.h, &change)); /* it keeps the last status */
	assert_false(bal_shared_up(c.rig.shared, 0));
	assert_int_equal(next_probe(&c), t_ns + SECOND);
	answer_with(&c, t_ns + SECOND + 5, DNS_NOERROR);
	told(&c, true, false);
	assert_int_equal(bal_shared_down_ns(c.rig.shared, 0, t_ns + 9 * SECOND), SECOND + 5);
	assert_int_equal(c.rig.shared->server[0].transitions, 2);
	health_set_state(c.h, t_ns + 2 * SECOND, 0, false);
	told(&c, false, false);
	assert_int_equal(bal_shared_down_ns(c.rig.shared, 0, t_ns + 3 * SECOND), 2 * SECOND + 5);
	health_set_mode(c.h, t_ns + 3 * SECOND, 0, BAL_CHECK_UP);
	told(&c, true, false);
	assert_int_equal(c.rig.shared->server[0].transitions, 4);
	stop(&c);
}

static void a_console_may_come_before_the_first_result(void **state)
{
	static struct clinic c;

	(void)state;
	conf(&c, 1);
	start(&c, 13);
	assert_false(health_ready(c.h));
	health_set_mode(c.h, 5, 0, BAL_CHECK_DOWN);
	assert_true(health_ready(c.h));
	told(&c, false, true);
	health_set_mode(c.h, 7, 0, BAL_CHECK_AUTO);
	assert_true(health_ready(c.h));
	assert_int_equal(next_probe(&c), 7);
	assert_int_equal(c.rig.shared->server[0].transitions, 0);
	stop(&c);
}

/* However often: timers of the past are taken out, so that there is room for those of now. */
static void a_console_that_toggles_leaves_no_timers_behind(void **state)
{
	static struct clinic c;

	(void)state;
	conf(&c, 2);
	start(&c, 14);
	for (int64_t t_ns = 0; t_ns < 1000; t_ns++) {
		health_set_mode(c.h, t_ns, 0, BAL_CHECK_DOWN);
		health_set_mode(c.h, t_ns, 0, BAL_CHECK_AUTO);
		health_poll(c.h, t_ns, c.d, PROBES);
		health_check(c.h);
	}
	assert_true(health_waits(c.h, 1, 1)); /* the other server's probe is untouched */
	stop(&c);
}

static void a_server_that_was_down_from_the_start_can_be_checked(void **state)
{
	static struct clinic c;

	(void)state;
	conf(&c, 1);
	c.rig.server[0].check.mode = BAL_CHECK_DOWN;
	start(&c, 15);
	assert_int_equal(bal_shared_down_ns(c.rig.shared, 0, 50), 50);
	health_set_mode(c.h, 100, 0, BAL_CHECK_AUTO);
	assert_int_equal(next_probe(&c), 100);
	answer_with(&c, 200, DNS_NOERROR);
	told(&c, true, false);
	assert_int_equal(bal_shared_down_ns(c.rig.shared, 0, 900), 200);
	stop(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_probe_asks_the_check_name_with_rd_and_no_edns),
		cmocka_unit_test(answers_are_good_bad_or_ignored),
		cmocka_unit_test(an_answer_counts_once_on_its_socket_from_its_server_with_its_id),
		cmocka_unit_test(
			over_tcp_an_answer_counts_on_its_connection_and_its_end_is_a_failure),
		cmocka_unit_test(probes_keep_an_exact_interval_after_a_first_spread),
		cmocka_unit_test(a_late_poll_keeps_the_phase_and_makes_up_for_nothing),
		cmocka_unit_test(the_first_result_is_taken_as_it_is),
		cmocka_unit_test(failures_and_successes_count_in_a_row),
		cmocka_unit_test(a_probe_fails_at_its_timeout_to_the_nanosecond),
		cmocka_unit_test(a_change_that_nobody_pulled_and_that_went_back_is_not_told),
		cmocka_unit_test(forced_servers_are_not_probed),
		cmocka_unit_test(a_timeout_above_the_interval_leaves_slow_servers_up),
		cmocka_unit_test(a_good_answer_settles_the_older_probes),
		cmocka_unit_test(pending_probes_are_bounded),
		cmocka_unit_test(a_console_stops_the_probes_and_starts_them_again),
		cmocka_unit_test(a_console_may_come_before_the_first_result),
		cmocka_unit_test(a_console_that_toggles_leaves_no_timers_behind),
		cmocka_unit_test(a_server_that_was_down_from_the_start_can_be_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
