/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the balancer's packet cache costs, in ns: a hit beside a query and its answer that go
 * through the same core without a cache, which is what a hit saves; and a miss, looked up,
 * forwarded, answered and put in, beside the same. Batches of 64, 4096 names; rounds alternate,
 * medians. Prints one JSON object a row.
 */
#include <stdio.h>

#include "tests/bal_rig.h"

enum { MESSAGES = 4096, ROUNDS = 21, BATCHES = MESSAGES / DGRAM_BATCH, TTL = 86400 };

enum which { PLAIN, MISS, HIT };

static struct rig plain, caching;
static uint8_t message[MESSAGES][RIG_BYTES], buf[DGRAM_BATCH][RIG_BYTES];
static struct dgram template[MESSAGES], flight[DGRAM_BATCH];

static void prepare(void)
{
	char name[64];

	rig_conf(&plain, 2);
	rig_start(&plain, 1);
	rig_conf(&caching, 2);
	caching.conf.cache.entries = 4 * MESSAGES;
	bal_cache_defaults(&caching.conf.cache);
	rig_start(&caching, 1);
	for (unsigned i = 0; i < MESSAGES; i++) {
		snprintf(name, sizeof(name), "host-%u.zone-%u.example.net.", i * 7919, i % 97);
		template[i] = rig_query(message[i], i, (uint16_t)(i * 31), name, false);
	}
}

static void fill(unsigned batch)
{
	for (unsigned i = 0; i < DGRAM_BATCH; i++) {
		const struct dgram *t = &template[batch * DGRAM_BATCH + i];
		flight[i] = *t;
		flight[i].data = buf[i];
		memcpy(buf[i], t->data, t->len);
	}
}

static int64_t timed_rx(struct rig *r)
{
	int64_t start = host_mono_ns();

	bal_rx(r->b, ++r->now_ns, flight, DGRAM_BATCH);
	return host_mono_ns() - start;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_size);
	return v[n / 2];
}

/* ns a query, its answer included. Names that weren't hit before are now. */
static double measure(enum which which)
{
	static double query[BATCHES], answer[BATCHES];
	struct rig *r = which == PLAIN ? &plain : &caching;

	if (which == MISS)
		pcache_wipe(r->shared->pool[0].packets);
	for (unsigned i = 0; i < BATCHES; i++) {
		fill(i);
		query[i] = (double)timed_rx(r);
		MUST((flight[0].verdict == BAL_CACHE_HIT) == (which == HIT));
		answer[i] = 0;
		for (unsigned k = 0; k < DGRAM_BATCH && which != HIT; k++) {
			rig_turn(&flight[k], DNS_NOERROR);
			rig_record(&flight[k], TTL);
		}
		if (which != HIT)
			answer[i] = (double)timed_rx(r);
		MUST(flight[0].port == 0);
	}
	return (median(query, BATCHES) + median(answer, BATCHES)) / DGRAM_BATCH;
}

static void print_row(const char *name, double *ours, double *peer, const char *goal)
{
	double o = median(ours, ROUNDS), p = median(peer, ROUNDS);

	printf("{\"name\": \"balancer cache, %s\", \"unit\": \"ns/query\", \"ours\": %.1f, "
	       "\"peer\": %.1f, \"peer_name\": \"query and answer without a cache\", "
	       "\"ratio\": %.2f, \"goal\": \"<=%s\"}\n", name, o, p, o / p, goal);
}

int main(void)
{
	double none[ROUNDS], miss[ROUNDS], hit[ROUNDS];

	prepare();
	for (unsigned i = 0; i < ROUNDS; i++) {
		none[i] = measure(PLAIN);
		miss[i] = measure(MISS);
		hit[i] = measure(HIT);
	}
	print_row("a hit", hit, none, "1.5");
	print_row("a miss that is put in", miss, none, "3.0");
	rig_stop(&plain);
	rig_stop(&caching);
	return 0;
}
