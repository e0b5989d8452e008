/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Properties of the load over many seeds: repeatable, streams that don't touch each other, arrivals
 * as they are called, a batch cut that doesn't matter, and books that balance under loss.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/drbg.h"
#include "tests/unit/load_plan.h"

enum { SEEDS = 20, SOME = 2000 };

/* The first SOME queries of a plan's load. */
static void plan_some(struct load_plan *t, struct load_query q[SOME])
{
	struct arena a;
	struct load_gen *g = load_plan_gen(t, &a);

	memset(q, 0, SOME * sizeof(*q));
	for (unsigned i = 0; i < SOME; i++)
		MUST(load_gen_next(g, &q[i]));
	host_arena_free(&a);
}

static struct load_query a[SOME], b[SOME];

static void the_same_plan_gives_the_same_queries(void **state)
{
	struct load_plan t;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		load_plan_init(&t);
		t.plan.seed = seed;
		plan_some(&t, a);
		plan_some(&t, b);
		assert_memory_equal(a, b, sizeof(a));
		t.plan.seed = seed + 1000;
		plan_some(&t, b);
		assert_memory_not_equal(a, b, sizeof(a));
	}
}

/* What of a query changes. */
enum { TIME = 1, CLIENT = 2, TYPE = 4, NAME = 8, BALANCER = 16, ID = 32, SOURCE = 64 };

static unsigned differences(void)
{
	unsigned d = 0;

	for (unsigned i = 0; i < SOME; i++) {
		d |= a[i].t_ns != b[i].t_ns ? TIME : 0;
		d |= !ip_eq(&a[i].client, &b[i].client) ? CLIENT : 0;
		d |= a[i].type != b[i].type ? TYPE : 0;
		d |= a[i].number != b[i].number ? NAME : 0;
		d |= a[i].balancer != b[i].balancer ? BALANCER : 0;
		d |= a[i].id != b[i].id ? ID : 0;
		d |= a[i].source != b[i].source ? SOURCE : 0;
	}
	return d;
}

static void change(struct load_plan *t, unsigned what)
{
	struct plan_load *l = &t->load[0];

	switch (what) {
	case 0: l->type[0].share_ppm -= 100000, l->type[1].share_ppm += 100000; break;
	case 1: l->type_n = 1, l->type[0].share_ppm = 1000000; break;
	case 2: l->name_n = 50; break;
	case 3: l->zipf_milli = 500; break;
	case 4: l->names = PLAN_UNIQUE; break;
	case 5: l->rate_mqps /= 2; break;
	case 6: l->arrivals = PLAN_CONSTANT; break;
	case 7: l->clients = 10; break;
	case 8: l->choose = PLAN_PER_CLIENT; break;
	case 9: t->plan.node_n = 2; break;
	case 10: l->timeout_ns *= 2, l->tries = 3; break;
	case 11: l->to_ns *= 2; break;
	}
}

static void one_setting_leaves_the_others_as_they_were(void **state)
{
	static const struct { const char *what; unsigned may; } rows[] = {
		{ "another mix of types", TYPE }, { "one type", TYPE }, { "fewer names", NAME },
		{ "a flatter zipf", NAME }, { "unique names", NAME }, { "half the rate", TIME },
		{ "constant arrivals", TIME }, { "fewer clients", CLIENT },
		{ "a choice per client", BALANCER }, { "one balancer", BALANCER },
		{ "more tries", 0 }, { "a longer load", 0 },
	};
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		for (unsigned i = 0; i < COUNT_OF(rows); i++) {
			struct load_plan t;
			load_plan_init(&t);
			t.plan.seed = seed;
			plan_some(&t, a);
			change(&t, i);
			plan_some(&t, b);
			if (differences() != rows[i].may)
				fail_msg("%s, seed %u: %x changed", rows[i].what, (unsigned)seed,
				         differences());
		}
}

static int by_size(const void *x, const void *y)
{
	int64_t p = *(const int64_t *)x, q = *(const int64_t *)y;

	return (p > q) - (p < q);
}

/*
 * Of n gaps the largest distance between their distribution and the exponential's: Kolmogorov's
 * sqrt(n) * D exceeds 2.5 once in 130,000 samples.
 */
static double distance(int64_t *gap, unsigned n, double mean_ns)
{
	double worst = 0;

	qsort(gap, n, sizeof(*gap), by_size);
	for (unsigned i = 0; i < n; i++) {
		double f = 1 - exp(-(double)gap[i] / mean_ns);
		worst = fmax(worst, fmax(fabs(f - (double)i / n), fabs(f - (double)(i + 1) / n)));
	}
	return sqrt(n) * worst;
}

static void poisson_gaps_are_exponential(void **state)
{
	static int64_t gap[SOME];

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct load_plan t;
		load_plan_init(&t);
		t.plan.seed = seed;
		plan_some(&t, a);
		gap[0] = a[0].t_ns;
		for (unsigned i = 1; i < SOME; i++)
			gap[i] = a[i].t_ns - a[i - 1].t_ns;
		if (distance(gap, SOME, 1e6) > 2.5)
			fail_msg("seed %u", (unsigned)seed);
	}
}

/* Shares of balancers, sockets, types and clients, each within five standard deviations. */
static void draws_have_their_shares(void **state)
{
	struct load_plan t;
	unsigned n = 0, balancer = 0, source = 0, type = 0, client = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		load_plan_init(&t);
		t.plan.seed = seed;
		plan_some(&t, a);
		for (unsigned i = 0; i < SOME; i++, n++) {
			balancer += a[i].balancer == 0;
			source += a[i].source == 15;
			type += a[i].type == DNS_A;
			client += a[i].client.b[15] == 128 + 50;
		}
	}
	const struct { double p; unsigned got; } rows[] = {
		{ 0.5, balancer }, { 1.0 / 16, source }, { 0.7, type }, { 0.02, client },
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_true(fabs(rows[i].got - n * rows[i].p) <
		            5 * sqrt(n * rows[i].p * (1 - rows[i].p)));
}

/* A network of a core: answers that arrive in batches. */
struct net {
	struct load_plan t;
	struct arena arena;
	struct load *l;
	struct drbg r;
	uint64_t hash;            /* of all that came out */
	unsigned batch;
};

static void net_start(struct net *n, uint64_t seed, unsigned batch)
{
	uint8_t s[DRBG_SEED];

	load_plan_init(&n->t);
	n->t.plan.seed = seed;
	n->t.load[0].to_ns = LOAD_PLAN_S;
	n->t.load[0].timeout_ns = LOAD_PLAN_S / 20;
	n->t.load[0].tries = 3;
	MUST(host_arena(&n->arena, load_arena_size(&n->t.plan, 0)) == 0);
	n->l = load_init(&n->arena, &n->t.plan, 0, 0);
	drbg_seed_from_u64(s, seed);
	drbg_init(&n->r, s, DRBG_TEST, 0);
	n->hash = 0;
	n->batch = batch;
}

static void note(struct net *n, const struct dgram *d)
{
	n->hash = dns_hash(d->data, d->len, n->hash + d->verdict + d->conn);
	n->hash = dns_hash(d->peer.ip.b, 16, n->hash ^ (uint64_t)d->t_ns ^ d->port);
}

/* Makes an answer of a query in place, or not: lost, truncated, from elsewhere. */
static bool reply(struct net *n, struct dgram *d)
{
	uint64_t fate = drbg_below(&n->r, 10);

	dns_put16(d->data + 2, (uint16_t)(DNS_QR | (fate < 2 ? DNS_TC : 0)));
	d->peer.port = (uint16_t)(d->peer.port + (fate == 3));
	return fate != 4 && fate != 5;
}

/* One round: everything that is due at now goes out, then what of it is answered comes in. */
static void net_step(struct net *n, int64_t now_ns)
{
	static uint8_t bytes[DGRAM_BATCH][LOAD_QUERY_MAX];
	struct dgram d[DGRAM_BATCH], in[DGRAM_BATCH];
	unsigned got = 0, in_n = 0, k;

	for (unsigned i = 0; i < DGRAM_BATCH; i++)
		d[i] = (struct dgram){ .data = bytes[i], .cap = LOAD_QUERY_MAX };
	do
		k = load_poll(n->l, now_ns, d + got,
		              n->batch < DGRAM_BATCH - got ? n->batch : DGRAM_BATCH - got);
	while (k > 0 && (got += k) < DGRAM_BATCH);
	for (unsigned i = 0; i < got; i++) {
		note(n, &d[i]);
		if (d[i].proto == DGRAM_TCP && drbg_below(&n->r, 3) == 0)
			load_tcp_failed(n->l, now_ns, d[i].conn);
		else if (reply(n, &d[i]))
			in[in_n++] = d[i];
	}
	for (unsigned i = 0; i < in_n; i += n->batch)
		load_rx(n->l, now_ns, in + i, n->batch < in_n - i ? n->batch : in_n - i);
	for (unsigned i = 0; i < in_n; i++)
		note(n, &in[i]);
	load_check(n->l);
}

static uint64_t net_run(uint64_t seed, unsigned batch, struct load_counts *c)
{
	struct net n;

	net_start(&n, seed, batch);
	for (int64_t now = 0; !load_done(n.l) && now < 3 * LOAD_PLAN_S; now += 5000000)
		net_step(&n, now);
	MUST(load_done(n.l));
	load_counts(n.l, c);
	host_arena_free(&n.arena);
	return n.hash;
}

static void the_batch_cut_does_not_matter(void **state)
{
	static const unsigned cuts[] = { 1, 2, 7, 63 };

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct load_counts whole, cut;
		uint64_t hash = net_run(seed, DGRAM_BATCH, &whole);
		assert_true(whole.planned == whole.answered + whole.timed_out && whole.open == 0);
		assert_true(whole.retries > 0 && whole.tcp > 0 && whole.timed_out > 0 &&
		            whole.unmatched > 0);
		for (size_t i = 0; i < COUNT_OF(cuts); i++) {
			if (net_run(seed, cuts[i], &cut) != hash)
				fail_msg("seed %u, batches of %u", (unsigned)seed, cuts[i]);
			assert_memory_equal(&whole, &cut, sizeof(cut));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_plan_gives_the_same_queries),
		cmocka_unit_test(one_setting_leaves_the_others_as_they_were),
		cmocka_unit_test(poisson_gaps_are_exponential),
		cmocka_unit_test(draws_have_their_shares),
		cmocka_unit_test(the_batch_cut_does_not_matter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
