/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bounds that health.h promises, in simulated time over many phases and configurations: a
 * server that dies is down at most m * I + T later, one that comes back is up at most rise * I +
 * RTT later, whatever the timeout and whoever else is dead; and a healthy one never goes down.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/health.h"
#include "tests/bal_rig.h"

#define MS INT64_C(1000000)

enum { FLYING = 256, BYTES = HEALTH_PROBE_MAX };

/* Answers on their way back, in order of arrival (all take the same time). */
struct flight {
	int64_t t_ns;
	struct dgram d;
	uint8_t bytes[BYTES];
};

struct lab {
	struct rig rig;
	struct health *h;
	struct drbg random;
	int64_t rtt_ns;
	bool alive;               /* of server 0; server 1 always is, server 2 never */
	struct flight flight[FLYING];
	unsigned first, n;
	uint64_t probes;
};

static struct lab lab;

static int64_t draw_ns(int64_t low, int64_t high)
{
	return low + (int64_t)drbg_below(&lab.random, (uint64_t)(high - low + 1));
}

static void start(uint64_t seed)
{
	uint8_t bytes[DRBG_SEED];

	memset(&lab, 0, sizeof(lab));
	drbg_seed_from_u64(bytes, seed);
	drbg_init(&lab.random, bytes, DRBG_TEST, 0);
	rig_conf(&lab.rig, 3);
	lab.rtt_ns = draw_ns(10000, 30 * MS);
	lab.alive = true;
	for (unsigned i = 0; i < 3; i++) {
		struct bal_check *c = &lab.rig.server[i].check;
		c->mode = BAL_CHECK_AUTO;
		c->interval_ns = draw_ns(100 * MS, 3000 * MS);
		c->timeout_ns = draw_ns(50 * MS, draw_ns(0, 1) ? c->interval_ns : 5000 * MS);
		c->max_failures = (uint32_t)draw_ns(1, 4);
		c->rise = (uint32_t)draw_ns(1, 4);
	}
	MUST(host_arena(&lab.rig.arena, bal_shared_arena_size(&lab.rig.conf) +
	                                health_arena_size(&lab.rig.conf)) == 0);
	lab.rig.shared = bal_shared_init(&lab.rig.arena, &lab.rig.conf);
	lab.h = health_init(&lab.rig.arena, &lab.rig.conf, lab.rig.shared, bytes, 0);
	arena_seal(&lab.rig.arena);
}

static void poll_at(int64_t now_ns)
{
	struct flight *f = &lab.flight[(lab.first + lab.n) % FLYING];
	struct dgram d = { .data = f->bytes, .cap = sizeof(f->bytes) };

	while (health_poll(lab.h, now_ns, &d, 1) == 1) {
		lab.probes++;
		bool answers = d.port == 2 || (d.port == 1 && lab.alive);
		if (answers) {
			MUST(lab.n < FLYING);
			rig_turn(&d, DNS_NOERROR);
			f->d = d;
			f->t_ns = now_ns + lab.rtt_ns;
			lab.n++;
		}
		f = &lab.flight[(lab.first + lab.n) % FLYING];
		d = (struct dgram){ .data = f->bytes, .cap = sizeof(f->bytes) };
	}
}

/* Runs until end_ns, or until server 0's state is no longer up. Returns the time it stopped at. */
static int64_t run(int64_t end_ns, bool up)
{
	for (;;) {
		int64_t next = health_deadline(lab.h);
		bool answer = lab.n > 0 && lab.flight[lab.first].t_ns <= next;
		next = answer ? lab.flight[lab.first].t_ns : next;
		if (next > end_ns)
			return end_ns;
		if (answer) {
			health_rx(lab.h, next, &lab.flight[lab.first].d, 1);
			lab.first = (lab.first + 1) % FLYING;
			lab.n--;
		} else {
			poll_at(next);
		}
		health_check(lab.h);
		if (health_ready(lab.h) && bal_shared_up(lab.rig.shared, 0) != up)
			return next;
	}
}

/* One death and return. Adds how much of each bound was used, in percent of it, to *worst. */
static void die_and_return(uint64_t seed, int64_t worst[2])
{
	start(seed);
	const struct bal_check *c = &lab.rig.server[0].check;
	int64_t down_bound = c->max_failures * c->interval_ns + c->timeout_ns;
	int64_t up_bound = c->rise * c->interval_ns + lab.rtt_ns;
	int64_t died = draw_ns(10000 * MS, 20000 * MS);

	assert_int_equal(run(died, true), died);
	lab.alive = false;
	int64_t down = run(INT64_MAX - 1, true);
	assert_in_range(down - died, 1, down_bound);
	int64_t back = down + draw_ns(0, 20000 * MS);
	assert_int_equal(run(back, false), back);
	lab.alive = true;
	int64_t up = run(INT64_MAX - 1, false);
	assert_in_range(up - back, 1, up_bound);
	int64_t much = 30000 * MS;
	assert_int_equal(run(up + much, true), up + much);
	assert_true(bal_shared_up(lab.rig.shared, 1) && !bal_shared_up(lab.rig.shared, 2));
	int64_t used[2] = { (down - died) * 100 / down_bound, (up - back) * 100 / up_bound };
	for (unsigned i = 0; i < 2; i++)
		worst[i] = used[i] > worst[i] ? used[i] : worst[i];
	host_arena_free(&lab.rig.arena);
}

static void death_and_return_are_noticed_within_the_bounds(void **state)
{
	uint64_t seed = rig_seed(1);
	int64_t worst[2] = { 0, 0 };

	(void)state;
	for (uint64_t i = 0; i < 2000; i++)
		die_and_return(seed + i, worst);
	assert_in_range(worst[0], 95, 100); /* the bounds are no looser than they must be */
	assert_in_range(worst[1], 95, 100);
}

static void probes_keep_their_rate_whoever_is_dead(void **state)
{
	(void)state;
	start(rig_seed(5000));
	lab.alive = false;
	for (unsigned i = 0; i < 3; i++)
		lab.rig.server[i].check.interval_ns = 1000 * MS;
	run(1000000 * MS, false);
	assert_in_range(lab.probes, 3 * 1000, 3 * 1002);
	host_arena_free(&lab.rig.arena);
}

static void probe_ids_spread(void **state)
{
	static unsigned high[256];
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(rig_seed(6000));
	memset(high, 0, sizeof(high));
	for (unsigned i = 0; i < 65536; i++) {
		struct dgram d = { .data = buf, .cap = sizeof(buf) };
		while (health_poll(lab.h, health_deadline(lab.h), &d, 1) == 0)
			;
		high[dns_id(buf) >> 8]++;
	}
	for (unsigned i = 0; i < 256; i++)
		assert_in_range(high[i], 256 - 6 * 16, 256 + 6 * 16);
	host_arena_free(&lab.rig.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(death_and_return_are_noticed_within_the_bounds),
		cmocka_unit_test(probes_keep_their_rate_whoever_is_dead),
		cmocka_unit_test(probe_ids_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
