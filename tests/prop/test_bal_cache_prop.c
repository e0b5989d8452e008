/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balancer's packet cache against a model that shares no code with it: over random queries,
 * answers and pauses, a query hits exactly when the model holds a living answer to the same query,
 * and what it gets is that answer but for ID, letters of the name and TTLs, which are as much less
 * as whole seconds have passed. The same core is driven twice, in batches and one by one, and both
 * give the same bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/bal_rig.h"

#define SECOND INT64_C(1000000000)

enum { NAMES = 3, KINDS = 8, OUT = 512 };

/* What the model holds for a name and a kind of query. */
struct held {
	int64_t put_ns;
	uint32_t ttl;                /* 0: nothing */
	uint16_t len;
	uint8_t m[RIG_BYTES];
};

struct out {
	struct dgram d;
	int64_t sent_ns;
	unsigned name, kind;
	uint8_t m[RIG_BYTES];
};

struct world {
	struct rig rig[2];
	struct drbg random;
	struct held held[NAMES][KINDS];
	struct out out[OUT];
	unsigned out_n;
	uint64_t hits, misses;
};

static struct world w;

static unsigned draw(unsigned bound)
{
	return (unsigned)drbg_below(&w.random, bound);
}

static void start(uint64_t seed)
{
	uint8_t bytes[DRBG_SEED];

	memset(&w, 0, sizeof(w));
	drbg_seed_from_u64(bytes, seed);
	drbg_init(&w.random, bytes, DRBG_TEST, 0);
	for (unsigned i = 0; i < 2; i++) {
		struct bal_conf *c = &w.rig[i].conf;
		rig_conf(&w.rig[i], 2);
		c->policy = seed % 2 ? BAL_ROUNDROBIN : BAL_WRANDOM;
		c->cache.entries = 4096;
		bal_cache_defaults(&c->cache);
		c->cache.max_ttl = 20;
		c->cache.min_ttl = 2;
		c->cache.failure_ttl = 3;
		c->cache.negative_ttl = 5;
		rig_start(&w.rig[i], seed);
	}
}

/* Kind: bit 0 EDNS, bit 1 RD, bit 2 CD. The letters of the name are either case. */
static struct dgram some_query(uint8_t *buf, unsigned name, unsigned kind)
{
	char text[32];

	snprintf(text, sizeof(text), "n%u.example.", name);
	for (char *p = text; *p != '\0'; p++)
		if (*p >= 'a' && draw(2))
			*p = (char)(*p - 'a' + 'A');
	struct dgram d = rig_query(buf, draw(50), (uint16_t)draw(65536), text, kind & 1);
	dns_put16(buf + 2, (uint16_t)((kind & 2 ? DNS_RD : 0) | (kind & 4 ? DNS_CD : 0)));
	return d;
}

/* By the configuration of start(), for an answer with a record of that TTL; 0: without one. */
static uint32_t kept_s(unsigned rcode, uint32_t ttl)
{
	uint32_t most = rcode == DNS_NXDOMAIN ? 5 : 20;

	if (rcode == DNS_SERVFAIL || rcode == DNS_REFUSED)
		return 3;
	ttl = ttl > most ? most : ttl;
	return ttl >= 2 ? ttl : 0;
}

static bool alive(const struct held *h, int64_t now_ns)
{
	return h->ttl > 0 && now_ns < h->put_ns + h->ttl * SECOND;
}

enum { TTL_AT = DNS_HEADER + 12 + 4 + 6 }; /* of the one record, behind the question */

static void check_hit(const struct held *h, const uint8_t *asked, const struct dgram *d,
                      int64_t now_ns)
{
	uint32_t age_s = (uint32_t)((now_ns - h->put_ns) / SECOND);
	uint8_t want[RIG_BYTES];

	assert_true(alive(h, now_ns));
	memcpy(want, h->m, h->len);
	memcpy(want, asked, 2);
	memcpy(want + DNS_HEADER, asked + DNS_HEADER, 12);
	if (dns_ancount(want) > 0) {
		uint32_t ttl = dns_get32(want + TTL_AT);
		dns_put32(want + TTL_AT, ttl > age_s ? ttl - age_s : 0);
	}
	assert_int_equal(d->len, h->len);
	assert_memory_equal(d->data, want, h->len);
	assert_int_equal(d->port, 0);
	w.hits++;
}

static void take_query(const struct dgram *in, const struct dgram *d, unsigned name, unsigned kind,
                       int64_t now_ns)
{
	struct held *h = &w.held[name][kind];

	if (d->verdict == BAL_CACHE_HIT) {
		assert_true(ep_eq(&in->peer, &d->peer) && ep_eq(&in->local, &d->local));
		check_hit(h, in->data, d, now_ns);
		return;
	}
	assert_int_equal(d->verdict, BAL_FORWARD);
	assert_false(alive(h, now_ns));
	w.misses++;
	if (w.out_n == OUT)
		return;
	struct out *o = &w.out[w.out_n++];
	*o = (struct out){ .d = *d, .sent_ns = now_ns, .name = name, .kind = kind };
	memcpy(o->m, d->data, d->len);
}

/* Both cores get a batch; the second one by one. */
static void both(struct dgram d[2][DGRAM_BATCH], unsigned n, int64_t now_ns)
{
	bal_rx(w.rig[0].b, now_ns, d[0], n);
	for (unsigned i = 0; i < n; i++)
		bal_rx(w.rig[1].b, now_ns, &d[1][i], 1);
	for (unsigned i = 0; i < n; i++) {
		struct dgram x = d[0][i], y = d[1][i];
		assert_int_equal(x.len, y.len);
		assert_memory_equal(x.data, y.data, x.len);
		x.data = y.data = NULL;
		assert_memory_equal(&x, &y, sizeof(x));
	}
}

static void ask_some(int64_t now_ns)
{
	static uint8_t in_buf[DGRAM_BATCH][RIG_BYTES], buf[2][DGRAM_BATCH][RIG_BYTES];
	struct dgram in[DGRAM_BATCH], d[2][DGRAM_BATCH];
	unsigned name[DGRAM_BATCH], kind[DGRAM_BATCH], n = 1 + draw(20);

	for (unsigned i = 0; i < n; i++) {
		name[i] = draw(NAMES);
		kind[i] = draw(KINDS);
		in[i] = some_query(in_buf[i], name[i], kind[i]);
		for (unsigned k = 0; k < 2; k++) {
			d[k][i] = in[i];
			d[k][i].data = memcpy(buf[k][i], in[i].data, in[i].len);
		}
	}
	both(d, n, now_ns);
	for (unsigned i = 0; i < n; i++)
		take_query(&in[i], &d[0][i], name[i], kind[i], now_ns);
}

/* The answer to one of those that are out; the model learns it as its client gets it. */
static void answer_one(int64_t now_ns)
{
	static const unsigned rcodes[] = { DNS_NOERROR, DNS_NOERROR, DNS_NXDOMAIN, DNS_SERVFAIL,
	                                   DNS_REFUSED };
	static uint8_t buf[2][DGRAM_BATCH][RIG_BYTES];
	unsigned at = draw(w.out_n), rcode = rcodes[draw(COUNT_OF(rcodes))];
	uint32_t ttl = draw(4) == 0 ? 0 : draw(30);
	struct out o = w.out[at];
	struct dgram d[2][DGRAM_BATCH];

	w.out[at] = w.out[--w.out_n];
	if (now_ns >= o.sent_ns + w.rig[0].conf.udp_timeout_ns)
		return; /* its ID may be another query's by now */
	bool record = ttl > 0 && rcode <= DNS_NXDOMAIN, cut = draw(10) == 0;
	o.d.data = o.m;
	o.d.len = DNS_HEADER + 12 + 4;
	dns_put16(o.m + 10, 0);
	rig_turn(&o.d, rcode | (cut ? DNS_TC : 0));
	if (record)
		rig_record(&o.d, ttl);
	for (unsigned k = 0; k < 2; k++) {
		d[k][0] = o.d;
		d[k][0].cap = RIG_BYTES;
		d[k][0].data = memcpy(buf[k][0], o.m, o.d.len);
	}
	both(d, 1, now_ns);
	assert_int_equal(d[0][0].verdict, BAL_ANSWER);
	uint32_t keep = kept_s(rcode, ttl);
	if (cut || keep == 0)
		return;
	struct held *h = &w.held[o.name][o.kind];
	*h = (struct held){ .put_ns = now_ns, .ttl = keep, .len = d[0][0].len };
	memcpy(h->m, d[0][0].data, h->len);
}

static void a_random_run(uint64_t seed)
{
	int64_t now_ns = 1;

	start(seed);
	for (unsigned i = 0; i < 1500; i++) {
		if (w.out_n == 0 || draw(3) == 0)
			ask_some(now_ns);
		else
			answer_one(now_ns);
		now_ns += draw(16) == 0 ? (int64_t)draw(1500) * 1000000 : draw(1000);
		for (unsigned k = 0; k < 2; k++)
			bal_check(w.rig[k].b);
	}
	assert_true(w.hits > 500 && w.misses > 100);
	assert_int_equal(bal_count(w.rig[0].b, BAL_CACHE_HIT), w.hits);
	assert_int_equal(bal_cache_misses(w.rig[0].b), w.misses);
	for (unsigned k = 0; k < 2; k++) {
		pcache_check(w.rig[k].shared->pool[0].packets);
		rig_stop(&w.rig[k]);
	}
}

static void a_hit_is_the_servers_answer_while_it_lives(void **state)
{
	uint64_t seed = rig_seed(1);

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		a_random_run(seed + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hit_is_the_servers_answer_while_it_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
