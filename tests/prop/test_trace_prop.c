/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever the trace, its speed and its loops: each query is due exactly where arithmetic says, in
 * order, and windows hold as many as are counted one by one. Whatever the clients: each is mapped
 * to an address of its own, and prefixes stay.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "lib/drbg.h"
#include "sim/trace/core/trace.h"

enum { SEEDS = 300, QUERIES = 40, CLIENTS = 200 };

__extension__ typedef unsigned __int128 wide;

static struct drbg random_of(unsigned seed)
{
	uint8_t bytes[DRBG_SEED];
	struct drbg r;

	drbg_seed_from_u64(bytes, seed);
	drbg_init(&r, bytes, DRBG_TEST, 0);
	return r;
}

/* Up to 2^bits for a random number of bits. */
static uint64_t any_size(struct drbg *r, unsigned bits)
{
	return drbg_below(r, UINT64_C(1) << (1 + drbg_below(r, bits)));
}

static uint32_t random_trace(struct drbg *r, struct trace_query *q)
{
	uint32_t n = 1 + (uint32_t)drbg_below(r, QUERIES);
	int64_t t = 0;

	for (uint32_t i = 0; i < n; i++) {
		q[i] = (struct trace_query){ .t_ns = t };
		t += (int64_t)any_size(r, 36);
	}
	return n;
}

static void every_query_is_due_where_arithmetic_says(void **state)
{
	struct trace_query q[QUERIES];

	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct drbg r = random_of(seed);
		struct trace t = { .query = q, .query_n = random_trace(&r, q) };
		struct trace_pace pace = { trace_period(&t), 1 + any_size(&r, 30),
		                           1 + any_size(&r, 20) };
		int64_t before = 0;
		for (unsigned i = 0; i < 2 * QUERIES; i++) {
			uint64_t loop = i < QUERIES ? 0 : pace.loops - 1;
			uint64_t k = i % t.query_n, n = loop * t.query_n + k;
			wide at = ((wide)loop * (uint64_t)pace.period_ns + (uint64_t)q[k].t_ns) *
			          1000000 / pace.speed;
			int64_t want = at < INT64_MAX ? (int64_t)at : INT64_MAX;
			if (trace_at(&t, &pace, n) != want)
				fail_msg("seed %u: query %llu", seed, (unsigned long long)n);
		}
		for (uint64_t n = 0; n < 3 * t.query_n && n < trace_planned(&t, &pace); n++) {
			if (trace_at(&t, &pace, n) < before)
				fail_msg("seed %u: query %llu comes too early", seed,
				         (unsigned long long)n);
			before = trace_at(&t, &pace, n);
		}
	}
}

/* How many of all are due in [from, to). */
static uint64_t counted(const struct trace *t, const struct trace_pace *pace, int64_t from,
                        int64_t to)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < trace_planned(t, pace); i++)
		n += trace_at(t, pace, i) >= from && trace_at(t, pace, i) < to;
	return n;
}

static void windows_hold_what_is_counted_one_by_one(void **state)
{
	struct trace_query q[QUERIES];

	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct drbg r = random_of(seed);
		struct trace t = { .query = q, .query_n = random_trace(&r, q) };
		struct trace_pace pace = { trace_period(&t), 1 + any_size(&r, 24),
		                           1 + drbg_below(&r, 5) };
		int64_t window = (int64_t)any_size(&r, 44);
		uint64_t most = 0, wider = 0;
		for (uint64_t i = 0; i < trace_planned(&t, &pace); i++) {
			int64_t at = trace_at(&t, &pace, i);
			uint64_t n = counted(&t, &pace, at, at + window);
			uint64_t more = counted(&t, &pace, at, at + window + 3);
			most = n > most ? n : most;
			wider = more > wider ? more : wider;
			if (trace_before(&t, &pace, at) != counted(&t, &pace, 0, at) ||
			    trace_before(&t, &pace, at + 1) != counted(&t, &pace, 0, at + 1))
				fail_msg("seed %u: before query %llu", seed, (unsigned long long)i);
		}
		uint64_t said = trace_most(&t, &pace, window);
		if (said < most || said > wider)
			fail_msg("seed %u: at most %llu in a window, %llu said", seed,
			         (unsigned long long)most, (unsigned long long)said);
	}
}

static int by_address(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

/* Different addresses in order, from nets that are nested at random. Returns how many. */
static uint32_t random_clients(struct drbg *r, bool four, struct ip *ip)
{
	uint32_t n = 1 + (uint32_t)drbg_below(r, CLIENTS), left = 0;
	struct ip base = ip_v4(10, 0, 0, 0);

	for (unsigned i = 0; !four && i < 16; i++)
		base.b[i] = (uint8_t)drbg_below(r, 256);
	for (uint32_t i = 0; i < n; i++) {
		ip[i] = i > 0 && drbg_below(r, 4) > 0 ? ip[drbg_below(r, i)] : base;
		for (unsigned k = 15; k > (four ? 12u : 7u) && drbg_below(r, 3) > 0; k--)
			ip[i].b[k] = (uint8_t)drbg_below(r, 256);
	}
	qsort(ip, n, sizeof(*ip), by_address);
	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || !ip_eq(&ip[i], &ip[left - 1]))
			ip[left++] = ip[i];
	return left;
}

/* Bits that both have in common. */
static unsigned common(const struct ip *a, const struct ip *b)
{
	unsigned n = 0;

	while (n < 128 && ((a->b[n / 8] ^ b->b[n / 8]) >> (7 - n % 8) & 1) == 0)
		n++;
	return n;
}

static void check_mapped(unsigned seed, struct drbg *r, const struct ip *from, const struct ip *to,
                         uint32_t n, const struct prefix *net)
{
	struct ip last = net->ip;

	for (unsigned i = net->bits; i < 128; i++)
		last.b[i / 8] = (uint8_t)(last.b[i / 8] | 0x80 >> i % 8);
	for (uint32_t i = 0; i < n; i++) {
		if (!prefix_has(net, &to[i]) || ip_eq(&to[i], &net->ip) ||
		    (ip_is4(&net->ip) && ip_eq(&to[i], &last)))
			fail_msg("seed %u: client %u is outside, or the net's own", seed, i);
		if (i > 0 && ip_cmp(&to[i - 1], &to[i]) >= 0)
			fail_msg("seed %u: client %u has not its own place in the order", seed, i);
	}
	for (unsigned i = 0; n > 2 && i < 500; i++) {
		uint32_t a = (uint32_t)drbg_below(r, n), b = (uint32_t)drbg_below(r, n);
		uint32_t c = (uint32_t)drbg_below(r, n);
		unsigned ab = common(&from[a], &from[b]), ac = common(&from[a], &from[c]);
		unsigned mab = common(&to[a], &to[b]), mac = common(&to[a], &to[c]);
		if ((ab < ac) != (mab < mac) || (ab > ac) != (mab > mac))
			fail_msg("seed %u: prefixes of clients %u, %u and %u", seed, a, b, c);
	}
}

static void clients_are_mapped_one_to_one_and_keep_their_prefixes(void **state)
{
	struct ip from[CLIENTS], to[CLIENTS];
	struct prefix net;
	int bits;

	(void)state;
	for (unsigned seed = 1; seed <= SEEDS; seed++) {
		struct drbg r = random_of(seed);
		bool four = seed % 2 == 0;
		uint32_t n = random_clients(&r, four, from);
		const char *wide_net = four ? "172.16.0.0/12" : "2001:db8::/32";
		assert_int_equal(prefix_parse(&net, wide_net), 0);
		int err = trace_map(from, n, &net, to, &bits);
		if (err != 0 && net.bits <= bits)
			fail_msg("seed %u: refused, though %d bits do", seed, bits);
		if (err != 0)
			continue;
		check_mapped(seed, &r, from, to, n, &net);
		net.bits = (uint8_t)bits; /* the smallest that does */
		assert_int_equal(trace_map(from, n, &net, to, &bits), 0);
		check_mapped(seed, &r, from, to, n, &net);
		net.bits++;
		assert_int_not_equal(trace_map(from, n, &net, to, &bits), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_query_is_due_where_arithmetic_says),
		cmocka_unit_test(windows_hold_what_is_counted_one_by_one),
		cmocka_unit_test(clients_are_mapped_one_to_one_and_keep_their_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
