/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Over many seeds, with a server that loses answers, swaps them, sends them twice, late or to a
 * connection that it has ended: every query of every loop goes out once, at its time and in order,
 * no two that are out look alike, each answer goes to its query, the books balance, and how polls
 * are cut doesn't matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "tests/replay_rig.h"

enum { SEEDS = 60, QUERIES = 300, LOOPS = 3, ALL = QUERIES * LOOPS, STEP_US = 500 };

/* A query on its way, and what was done with it. */
struct out {
	uint8_t m[RIG_MESSAGE];
	struct dgram d;
	int64_t answer_ns;    /* when its answer comes back; INT64_MAX: never */
	bool twice, open;
};

static struct replay_rig rig;
static struct out out[ALL];
static unsigned out_n;

static struct drbg random_of(unsigned seed, uint32_t stream)
{
	uint8_t bytes[DRBG_SEED];
	struct drbg r;

	drbg_seed_from_u64(bytes, seed);
	drbg_init(&r, bytes, DRBG_TEST, stream);
	return r;
}

/* Few clients, ports and IDs, so that they meet. */
static void make_trace(unsigned seed)
{
	struct drbg r = random_of(seed, 0);
	int64_t t_ns = 0;

	rig_init(&rig);
	for (unsigned i = 0; i < QUERIES; i++) {
		uint32_t connection = drbg_below(&r, 3) == 0 ? 1 + (uint32_t)drbg_below(&r, 9) : 0;
		rig_add(&rig, t_ns, (uint32_t)drbg_below(&r, 4), (uint16_t)drbg_below(&r, 2),
		        (uint16_t)drbg_below(&r, 8), connection);
		t_ns += drbg_below(&r, 3) == 0 ? 0 : (int64_t)drbg_below(&r, 2000000);
	}
	rig.o.pace.loops = LOOPS;
	rig.o.pace.speed = TRACE_SPEED_ONE * (1 + drbg_below(&r, 3));
	rig.o.rate = drbg_below(&r, 4) == 0 ? 300 + drbg_below(&r, 3000) : 0;
	rig.o.max = drbg_below(&r, 4) == 0;
	rig.o.in_flight = 1 + (uint32_t)drbg_below(&r, 50);
	rig.o.timeout_ns = 20 * RIG_MS;
	rig_start(&rig);
}

static bool alike(const struct dgram *a, const struct dgram *b)
{
	if (a->proto != b->proto || dns_id(a->data) != dns_id(b->data))
		return false;
	return a->proto == DGRAM_TCP ? a->conn == b->conn : a->port == b->port;
}

static void note(struct drbg *r, const struct dgram *d, int64_t now_ns)
{
	struct out *o = &out[out_n];

	assert_true(out_n < ALL);
	assert_int_equal(rig_number(d), out_n % QUERIES);
	assert_int_equal(d->len, rig.query[out_n % QUERIES].len);
	assert_int_equal(d->proto == DGRAM_TCP, rig.query[out_n % QUERIES].connection != 0);
	if (!rig.o.max)
		assert_true(d->t_ns <= now_ns &&
		            d->t_ns >= RIG_T0 + trace_at(&rig.trace, &rig.o.pace, out_n));
	if (!rig.o.max && rig.o.rate == 0)
		assert_int_equal(d->t_ns, RIG_T0 + trace_at(&rig.trace, &rig.o.pace, out_n));
	*o = (struct out){ .d = *d, .open = true };
	memcpy(o->m, d->data, d->len);
	o->d.data = o->m;
	for (unsigned i = out_n > 100 ? out_n - 100 : 0; i < out_n; i++)
		assert_false(out[i].open && alike(&out[i].d, &o->d));
	o->answer_ns = drbg_below(r, 5) == 0 ? INT64_MAX :
	               now_ns + (int64_t)drbg_below(r, 24) * RIG_MS; /* some of them too late */
	o->twice = drbg_below(r, 8) == 0;
	out_n++;
}

/* Gives those answers in that have come by now, each of them once or twice. */
static void answer_due(int64_t now_ns)
{
	for (unsigned i = 0; i < out_n; i++) {
		struct out *o = &out[i];
		if (o->answer_ns > now_ns)
			continue;
		for (unsigned k = 0; k < 1u + o->twice; k++) {
			rig_answer(&o->d, o->answer_ns, 0);
			replay_rx(rig.r, now_ns, &o->d, 1);
			assert_int_equal(o->d.verdict == REPLAY_ANSWERED, o->open && k == 0);
		}
		o->open = false;
		o->answer_ns = INT64_MAX;
	}
}

/* The end of each query's time, and of its connection. */
static void forget(int64_t now_ns, uint32_t conn)
{
	for (unsigned i = 0; i < out_n; i++) {
		if (conn != 0 && out[i].d.proto == DGRAM_TCP && out[i].d.conn == conn)
			out[i].open = false;
		if (conn == 0 && now_ns >= rig.o.timeout_ns + out[i].d.t_ns)
			out[i].open = false;
	}
}

static void poll_all(struct drbg *r, int64_t now_ns, unsigned cut)
{
	for (unsigned n; (n = replay_poll(rig.r, now_ns, rig.d, cut)) > 0;)
		for (unsigned i = 0; i < n; i++)
			if (rig.d[i].verdict == REPLAY_SEND) {
				note(r, &rig.d[i], now_ns);
				out[out_n - 1].d.t_ns = now_ns; /* from here on: when it left */
			}
}

/* Plays it to its end; the hash is of all that was sent and what came of it. */
static uint64_t play(unsigned seed, unsigned cut)
{
	struct drbg r = random_of(seed, 1);
	int64_t now_ns = RIG_T0;

	out_n = 0;
	make_trace(seed);
	for (unsigned step = 0; !replay_done(rig.r); step++, now_ns += STEP_US * 1000) {
		MUST(step < 100000);
		forget(now_ns, 0);
		poll_all(&r, now_ns, cut);
		answer_due(now_ns);
		if (drbg_below(&r, 40) == 0 && out_n > 0 && out[out_n - 1].open &&
		    out[out_n - 1].d.proto == DGRAM_TCP) {
			replay_tcp_failed(rig.r, out[out_n - 1].d.conn);
			forget(now_ns, out[out_n - 1].d.conn);
		}
		if (step % 16 == 0)
			replay_check(rig.r);
	}
	struct replay_counts c = rig_counts(&rig);
	uint64_t hash = dns_hash((const uint8_t *)&c, sizeof(c), 0);
	for (unsigned i = 0; i < out_n; i++)
		hash = dns_hash(out[i].m, 2, hash) ^ out[i].d.port ^ out[i].d.conn;
	assert_int_equal(out_n, ALL);
	assert_int_equal(c.sent, ALL);
	assert_int_equal(c.open + c.unsent + c.given_up, 0);
	assert_int_equal(c.answered + c.timed_out + c.failed, ALL);
	rig_fini(&rig);
	return hash;
}

static void whatever_the_server_does_each_query_goes_out_once_and_is_settled_once(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		print_message("seed %u\n", seed);
		uint64_t one = play(seed, RIG_BATCH);
		assert_true(play(seed, 1) == one && play(seed, 5) == one);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			whatever_the_server_does_each_query_goes_out_once_and_is_settled_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
