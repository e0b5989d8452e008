/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the balancer core costs for a query and its answer, in ns, beside relays that know nothing
 * of DNS but the ID. The plain one takes IDs from a counter and servers in turn; the other draws
 * both from the same generator as the core, since an ID that can be guessed is no peer's privilege
 * in service (RFC 5452). All get the same batches of 64; the core besides checks the access list,
 * parses, compares questions, keeps time-outs and latencies and counts. Rounds alternate, medians.
 * Prints one JSON object a row.
 */
#include <stdio.h>

#include "tests/bal_rig.h"

enum { MESSAGES = 4096, ROUNDS = 21, BATCHES = 1000, FLIGHT_MAX = 64 };

struct relay_slot {
	struct ep client, local;
	uint16_t id;
	uint16_t used;
};

/* The peer: one table for each of two servers. */
struct relay {
	struct relay_slot slot[2][65536];
	uint16_t next_id;
	struct ep server[2];
	uint64_t dropped;
	bool random;
	struct drbg drbg;
};

static struct relay relay;
static struct rig rig;
static uint8_t message[MESSAGES][RIG_BYTES];
static struct dgram template[MESSAGES];
static uint8_t buf[FLIGHT_MAX][DGRAM_BATCH][RIG_BYTES];
static struct dgram flight[FLIGHT_MAX][DGRAM_BATCH];

static void relay_query(struct dgram *d)
{
	uint32_t r = relay.random ? drbg_u32(&relay.drbg) : relay.next_id++;
	unsigned server = relay.random ? r >> 31 : r & 1;
	struct relay_slot *s = &relay.slot[server][r & 0xffff];

	while (s->used) {
		relay.dropped += !relay.random;
		r++;
		s = &relay.slot[server][r & 0xffff];
	}
	*s = (struct relay_slot){ d->peer, d->local, dns_id(d->data), 1 };
	dns_put16(d->data, (uint16_t)r);
	d->peer = relay.server[server];
	d->port = (uint16_t)(1 + server);
}

static void relay_answer(struct dgram *d)
{
	struct relay_slot *s = &relay.slot[d->port - 1][dns_id(d->data)];

	if (!s->used)
		return;
	dns_put16(d->data, s->id);
	d->peer = s->client;
	d->local = s->local;
	d->port = 0;
	s->used = 0;
}

/* Not inlined: the core isn't either. */
__attribute__((noinline)) static void relay_rx(struct dgram *d, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (d[i].port == 0)
			relay_query(&d[i]);
		else
			relay_answer(&d[i]);
	}
}

static void prepare(void)
{
	char name[64];

	rig_conf(&rig, 2);
	MUST(prefix_parse(&rig.acl[0], "192.160.102.0/24") == 0);
	MUST(prefix_parse(&rig.acl[1], "2605:e200:d000::/44") == 0);
	rig_start(&rig, 1);
	drbg_init(&relay.drbg, (const uint8_t[DRBG_SEED]){ 1 }, DRBG_TEST, 0);
	relay.server[0] = rig.server[0].addr;
	relay.server[1] = rig.server[1].addr;
	for (unsigned i = 0; i < MESSAGES; i++) {
		snprintf(name, sizeof(name), "host-%u.zone-%u.example.net.", i * 7919, i % 97);
		template[i] = rig_query(message[i], i, (uint16_t)(i * 31), name, i % 2);
	}
}

/* A batch of queries in place b, from the messages on. */
static void fill(unsigned b, unsigned first)
{
	for (unsigned i = 0; i < DGRAM_BATCH; i++) {
		const struct dgram *t = &template[(first + i) % MESSAGES];
		flight[b][i] = *t;
		flight[b][i].data = buf[b][i];
		memcpy(buf[b][i], t->data, t->len);
	}
}

static int64_t timed_rx(bool ours, struct dgram *d)
{
	int64_t start = host_mono_ns();

	if (ours)
		bal_rx(rig.b, ++rig.now_ns, d, DGRAM_BATCH);
	else
		relay_rx(d, DGRAM_BATCH);
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

/*
 * ns for a query and its answer, with so many batches in flight: the median batch of queries and
 * that of answers, since on a busy machine some batches are interrupted.
 */
static double measure(bool ours, unsigned batches)
{
	static double query[BATCHES], answer[BATCHES];

	for (unsigned i = 0; i < BATCHES + batches; i++) {
		unsigned b = i % batches;
		if (i >= batches) {
			for (unsigned k = 0; k < DGRAM_BATCH; k++)
				rig_turn(&flight[b][k], DNS_NOERROR);
			answer[i - batches] = (double)timed_rx(ours, flight[b]);
			MUST(flight[b][0].port == 0);
		}
		if (i >= BATCHES)
			continue;
		fill(b, i * DGRAM_BATCH);
		query[i] = (double)timed_rx(ours, flight[b]);
	}
	MUST(relay.dropped == 0 && bal_outstanding(rig.b) == 0);
	return (median(query, BATCHES) + median(answer, BATCHES)) / DGRAM_BATCH;
}

static void row(unsigned batches, bool random)
{
	double ours[ROUNDS], peer[ROUNDS];

	relay.random = random;
	for (unsigned i = 0; i < ROUNDS; i++) {
		ours[i] = measure(true, batches);
		peer[i] = measure(false, batches);
	}
	double o = median(ours, ROUNDS), p = median(peer, ROUNDS);
	printf("{\"name\": \"balancer core, %u in flight, %s IDs in the peer\", "
	       "\"unit\": \"ns/query+answer\", \"ours\": %.1f, \"peer\": %.1f, "
	       "\"peer_name\": \"plain ID-table relay\", \"ratio\": %.2f, \"goal\": \"<=%s\"}\n",
	       batches * DGRAM_BATCH, random ? "random" : "counted", o, p, o / p,
	       random ? "3.0" : "8.0");
}

int main(void)
{
	prepare();
	measure(true, 1);
	measure(false, 1);
	for (unsigned random = 0; random < 2; random++) {
		row(1, random);
		row(FLIGHT_MAX, random);
	}
	rig_stop(&rig);
	return 0;
}
