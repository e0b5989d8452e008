/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold of the balancer core whatever arrives: random traffic, hostile and malformed
 * datagrams among it, with small tables and big ones. A model beside the core knows who asked what;
 * it shares no code with the ID table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/bal_rig.h"

enum { PORTS = 8, WAITING = 512, OVER = 20000 };

/* A query that is out, by the port and ID that it left with. */
struct asked {
	int64_t sent_ns;
	struct ep client, local;
	uint16_t client_id, flags;
	bool out;
	bool second, over;           /* a second try; its client has its answer */
	struct asked *twin;          /* the other try, while both are out */
	uint16_t port;
	uint16_t len;
	uint8_t query[64];
};

struct world {
	struct rig rig[2];           /* the same core twice */
	struct drbg random;
	struct asked asked[PORTS][65536];
	unsigned out_n, retry_n;
	struct asked *of_bytes[1 << 20];
	struct asked over[OVER];     /* whose time is over; out: and whose client isn't told */
	unsigned over_n, over_left;
	struct dgram waiting[WAITING]; /* forwarded queries, the raw material of answers */
	uint8_t bytes[WAITING][RIG_BYTES];
	unsigned waiting_n;          /* all that ever were, modulo WAITING the newest */
	struct dgram batch[2][DGRAM_BATCH], in[DGRAM_BATCH];
	uint8_t buf[2][DGRAM_BATCH][RIG_BYTES], in_buf[DGRAM_BATCH][RIG_BYTES];
};

static struct world w;

static unsigned draw(unsigned bound)
{
	return (unsigned)drbg_below(&w.random, bound);
}

static void start(uint64_t seed, uint32_t max_outstanding, bool servfail)
{
	uint8_t bytes[DRBG_SEED];

	memset(&w, 0, sizeof(w));
	drbg_seed_from_u64(bytes, seed);
	drbg_init(&w.random, bytes, DRBG_TEST, 0);
	for (unsigned i = 0; i < 2; i++) {
		rig_conf(&w.rig[i], 3);
		w.rig[i].conf.policy = (enum bal_policy)(1 + seed % 7);
		w.rig[i].conf.max_outstanding = max_outstanding;
		w.rig[i].conf.servfail_when_no_server = servfail;
		w.rig[i].conf.servfail_on_timeout = seed % 5 < 2;
		w.rig[i].conf.udp_retry_ns = seed % 3 == 1 ? 5000000 : 0;
		w.rig[i].conf.cache.entries = seed % 4 == 1 ? 64 : 0;
		bal_cache_defaults(&w.rig[i].conf.cache);
		w.rig[i].server[1].sockets = 3;
		w.rig[i].server[2].weight = 5;
		w.rig[i].server[2].qps = 100;
		MUST(prefix_parse(&w.rig[i].acl[0], "192.160.102.0/24") == 0);
		rig_start(&w.rig[i], seed);
	}
}

static void stop(void)
{
	rig_stop(&w.rig[0]);
	rig_stop(&w.rig[1]);
}

/* A query; few names and IDs, so that they repeat; sometimes from outside of the access list. */
static struct dgram some_query(uint8_t *buf)
{
	char name[32];

	/* what is tried again is told apart by its name */
	unsigned names = w.rig[0].conf.udp_retry_ns > 0 ? 1000000000 : 4;
	snprintf(name, sizeof(name), "%c%u.example.", draw(2) ? 'n' : 'N', draw(names));
	struct dgram d = rig_query(buf, draw(50), (uint16_t)draw(4), name, draw(2));
	dns_put16(buf + 2, (uint16_t)(draw(4) == 0 ? draw(65536) & ~(unsigned)DNS_QR : DNS_RD));
	if (draw(20) == 0)
		d.peer.ip = ip_v4(10, 0, 0, 1);
	return d;
}

/* The answer to one of the latest forwarded queries, which may be over already. */
static struct dgram some_answer(uint8_t *buf)
{
	unsigned n = w.waiting_n < WAITING ? w.waiting_n : WAITING;
	unsigned back = draw(n < 100 ? n : 100), at = (w.waiting_n - 1 - back) % WAITING;
	struct dgram d = w.waiting[at];

	memcpy(buf, d.data, d.len);
	d.data = buf;
	rig_turn(&d, draw(3) == 0 ? draw(16) : DNS_NOERROR);
	if (draw(8) == 0)
		d.peer.port++;
	if (draw(8) == 0)
		d.port = (uint16_t)(1 + draw(5));
	if (draw(8) == 0)
		dns_put16(buf, (uint16_t)draw(65536));
	return d;
}

static struct dgram some_datagram(uint8_t *buf)
{
	struct dgram d = w.waiting_n == 0 || draw(2) ? some_query(buf) : some_answer(buf);

	for (unsigned n = draw(6) == 0 ? 1 + draw(4) : 0; n > 0 && d.len > 0; n--)
		buf[draw(d.len)] = (uint8_t)draw(256);
	if (draw(12) == 0)
		d.len = (uint16_t)draw(d.len + 1u);
	return d;
}

/* A query goes to a server that is up; with roundrobin to any when none is. */
static void check_choice(unsigned port)
{
	const struct bal_shared *shared = w.rig[0].shared;
	bool none = true;

	for (unsigned i = 0; i < shared->server_n; i++)
		none = none && !bal_shared_up(shared, i);
	assert_true(bal_shared_up(shared, bal_port_server(w.rig[0].b, port)) ||
	            (none && w.rig[0].conf.policy == BAL_ROUNDROBIN));
}

/* The latest query with these bytes; those that are tried again have bytes of their own. */
static struct asked **by_bytes(const struct dgram *d)
{
	uint32_t h = 2166136261u;

	for (unsigned i = 2; i < d->len; i++)
		h = (h ^ d->data[i]) * 16777619u;
	return &w.of_bytes[h % COUNT_OF(w.of_bytes)];
}

static void keep_waiting(const struct dgram *out)
{
	struct dgram *copy = &w.waiting[w.waiting_n % WAITING];

	*copy = *out;
	copy->data = w.bytes[w.waiting_n++ % WAITING];
	memcpy(copy->data, out->data, out->len);
}

static void model_forward(const struct dgram *in, const struct dgram *out, int64_t now_ns)
{
	struct asked *a = &w.asked[out->port][dns_id(out->data)];

	check_choice(out->port);
	assert_false(a->out);
	*a = (struct asked){ .sent_ns = now_ns, .client = in->peer, .local = in->local,
	                     .client_id = dns_id(in->data), .flags = dns_flags(in->data),
	                     .out = true, .len = in->len, .port = out->port };
	memcpy(a->query, in->data, in->len);
	w.out_n++;
	assert_int_equal(in->len, out->len);
	assert_memory_equal(in->data + 2, out->data + 2, in->len - 2u);
	*by_bytes(out) = a;
	keep_waiting(out);
}

/* The answer to one try: the other one's will be late. */
static void model_end(struct asked *a)
{
	if (a->twin != NULL) {
		a->twin->over = true;
		a->twin->twin = NULL;
		a->twin = NULL;
	}
	a->out = false;
	w.out_n--;
}

/* A query that waits for another server goes out once more, byte for byte. */
static void model_retry(const struct dgram *d)
{
	struct asked *n = &w.asked[d->port][dns_id(d->data)], *a = *by_bytes(d);

	check_choice(d->port);
	assert_non_null(a);
	assert_true(a->out && !a->over && !a->second && a->len == d->len);
	assert_memory_equal(a->query + 2, d->data + 2, d->len - 2u);
	assert_true(bal_port_server(w.rig[0].b, a->port) != bal_port_server(w.rig[0].b, d->port));
	assert_null(a->twin);
	assert_false(n->out);
	assert_true(a->sent_ns + w.rig[0].conf.udp_retry_ns <= w.rig[0].now_ns);
	*n = *a;
	n->sent_ns = w.rig[0].now_ns;
	n->port = d->port;
	n->second = true;
	n->twin = a;
	a->twin = n;
	w.out_n++;
	w.retry_n++;
	keep_waiting(d);
}

static void model_late(const struct dgram *in)
{
	struct asked *a = &w.asked[in->port][dns_id(in->data)];

	assert_true(a->out && a->over);
	model_end(a);
}

static void model_answer(const struct dgram *in, const struct dgram *out)
{
	struct asked *a = &w.asked[in->port][dns_id(in->data)];
	const uint16_t given = DNS_RD | DNS_CD;
	struct dns_question asked, answered;

	assert_true(a->out && !a->over);
	assert_true(ep_eq(&out->peer, &a->client) && ep_eq(&out->local, &a->local));
	assert_int_equal(out->port, 0);
	assert_int_equal(dns_id(out->data), a->client_id);
	assert_int_equal(dns_flags(out->data), (dns_flags(in->data) & ~given) | (a->flags & given));
	assert_memory_equal(in->data + 4, out->data + 4, in->len - 4u);
	if (dns_qdcount(in->data) != 0) {
		assert_int_equal(dns_question(&asked, a->query, a->len), 0);
		assert_int_equal(dns_question(&answered, in->data, in->len), 0);
		assert_true(dns_question_eq(a->query, &asked, in->data, &answered));
	}
	model_end(a);
}

static void compare(const struct dgram *a, const struct dgram *b)
{
	struct dgram x = *a, y = *b;

	assert_memory_equal(a->data, b->data, a->len);
	x.data = y.data = NULL;
	assert_memory_equal(&x, &y, sizeof(x));
}

/* SERVFAIL to a query whose time is over, once, to who asked it. */
static void model_told(const struct dgram *d)
{
	struct dns_question asked, told;

	assert_int_equal(d->port, 0);
	assert_int_equal(d->verdict, BAL_TIMED_OUT);
	assert_int_equal(dns_flags(d->data) & (DNS_QR | DNS_RCODE), DNS_QR | DNS_SERVFAIL);
	assert_int_equal(dns_question(&told, d->data, d->len), 0);
	for (unsigned i = 0; i < w.over_n; i++) {
		struct asked *a = &w.over[i];
		assert_int_equal(dns_question(&asked, a->query, a->len), 0);
		if (a->out && ep_eq(&d->peer, &a->client) && ep_eq(&d->local, &a->local) &&
		    dns_id(d->data) == a->client_id && told.name_len == asked.name_len &&
		    memcmp(d->data + DNS_HEADER, a->query + DNS_HEADER, asked.name_len) == 0) {
			a->out = false;
			w.over_left--;
			return;
		}
	}
	fail_msg("SERVFAIL for a query that nobody waits for");
}

/* Takes what both cores made of time alone, which must be the same. */
static void take_polled(bool one_by_one)
{
	unsigned n[2];

	for (unsigned round = 0; round < 10000; round++) {
		for (unsigned k = 0; k < 2; k++) {
			for (unsigned i = 0; i < DGRAM_BATCH; i++)
				w.batch[k][i] = (struct dgram){ .data = w.buf[k][i],
				                                .cap = RIG_BYTES };
			n[k] = bal_poll(w.rig[k].b, w.rig[k].now_ns, w.batch[k],
			                one_by_one ? 1 : DGRAM_BATCH);
		}
		assert_int_equal(n[0], n[1]);
		for (unsigned i = 0; i < n[0]; i++) {
			compare(&w.batch[0][i], &w.batch[1][i]);
			if (w.batch[0][i].verdict == BAL_RETRY)
				model_retry(&w.batch[0][i]);
			else
				model_told(&w.batch[0][i]);
		}
		if (n[0] == 0)
			break;
	}
	assert_int_equal(w.over_left, 0);
	w.over_n = 0;
}

static void model_over(const struct asked *a)
{
	if (!w.rig[0].conf.servfail_on_timeout || a->over || a->second)
		return;
	MUST(w.over_n < OVER);
	w.over[w.over_n++] = *a;
	w.over_left++;
}

static bool times_out(const struct asked *a, int64_t now_ns)
{
	return a->out && a->sent_ns + w.rig[0].conf.udp_timeout_ns <= now_ns;
}

/* First tries before second ones, which left later. */
static void model_time_outs(int64_t now_ns)
{
	static struct asked *second[OVER];
	unsigned n = 0;

	for (unsigned port = 1; port < PORTS; port++) {
		for (unsigned id = 0; id < 65536; id++) {
			struct asked *a = &w.asked[port][id];
			if (!times_out(a, now_ns))
				continue;
			if (a->second) {
				second[n++] = a;
				continue;
			}
			model_over(a);
			model_end(a);
		}
	}
	while (n > 0)
		model_end(second[--n]);
}

/* One batch of n at once to the first core and one by one to the second: the same must come out. */
static void step(unsigned n)
{
	int64_t now_ns = w.rig[0].now_ns;

	for (unsigned i = 0; i < n; i++) {
		w.in[i] = some_datagram(w.in_buf[i]);
		for (unsigned k = 0; k < 2; k++) {
			w.batch[k][i] = w.in[i];
			w.batch[k][i].data = w.buf[k][i];
			memcpy(w.buf[k][i], w.in[i].data, w.in[i].len);
		}
	}
	bal_rx(w.rig[0].b, now_ns, w.batch[0], n);
	for (unsigned i = 0; i < n; i++)
		bal_rx(w.rig[1].b, now_ns, &w.batch[1][i], 1);
	for (unsigned i = 0; i < n; i++) {
		struct dgram *out = &w.batch[0][i];
		compare(out, &w.batch[1][i]);
		if (out->verdict == BAL_FORWARD)
			model_forward(&w.in[i], out, now_ns);
		else if (out->verdict == BAL_ANSWER)
			model_answer(&w.in[i], out);
		else if (out->verdict == BAL_DROP_LATE)
			model_late(&w.in[i]);
		assert_true(out->len <= out->cap && out->verdict != BAL_NO_VERDICT);
	}
}

static void pass_time(void)
{
	int64_t pause_ns = draw(50) == 0 ? 3000000000 : draw(20000000);
	bool poll = draw(2), polls = w.rig[0].conf.servfail_on_timeout ||
	                            w.rig[0].conf.udp_retry_ns > 0;

	for (unsigned k = 0; k < 2; k++) {
		w.rig[k].now_ns += pause_ns;
		if (poll || k == 0) /* whoever polls doesn't matter either */
			assert_int_equal(bal_poll(w.rig[k].b, w.rig[k].now_ns, NULL, 0), 0);
	}
	model_time_outs(w.rig[0].now_ns);
	if (polls)
		take_polled(draw(2));
	if (draw(30) != 0)
		return;
	unsigned server = draw(3), up = draw(2);
	for (unsigned k = 0; k < 2; k++)
		bal_shared_set_up(w.rig[k].shared, server, up);
}

static void a_random_run(uint64_t seed, uint32_t max_outstanding)
{
	start(seed, max_outstanding, seed % 3 == 0);
	for (unsigned i = 0; i < 150; i++) {
		step(1 + draw(DGRAM_BATCH));
		assert_int_equal(bal_outstanding(w.rig[0].b), w.out_n);
		assert_true(bal_deadline(w.rig[0].b) == bal_deadline(w.rig[1].b));
		bal_check(w.rig[0].b);
		bal_check(w.rig[1].b);
		pass_time();
	}
	if (max_outstanding == 65535)
		assert_true(bal_count(w.rig[0].b, BAL_ANSWER) > 100 &&
		            (w.retry_n > 10 || w.rig[0].conf.udp_retry_ns == 0));
	stop();
}

static void answers_go_to_their_askers_and_the_batch_cut_does_not_matter(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 3, 7, 16, 100, 65535, 65535 };
	uint64_t seed = rig_seed(1);

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		a_random_run(seed + i, sizes[i % COUNT_OF(sizes)]);
}

/* Forwards n queries of their own, each answered at once; counts those of server 0. */
static unsigned share_of_first(struct rig *r, unsigned n)
{
	uint8_t buf[RIG_BYTES];
	unsigned first = 0;

	for (unsigned i = 0; i < n; i++) {
		struct dgram d = rig_query(buf, i, (uint16_t)i, "www.example.", false);
		bal_rx(r->b, r->now_ns, &d, 1);
		first += d.port == 1;
		rig_turn(&d, DNS_NOERROR);
		bal_rx(r->b, r->now_ns, &d, 1);
		MUST(d.verdict == BAL_ANSWER);
	}
	return first;
}

static void wrandom_stays_in_the_exact_accept_regions(void **state)
{
	/* two servers of equal weight, false alarms at most 1e-6 each */
	static const struct {
		unsigned n, low, high;
	} rows[] = {
		{ 100, 26, 74 }, { 160, 49, 111 }, { 320, 117, 203 }, { 500, 196, 304 },
		{ 960, 404, 556 }, { 2000, 891, 1109 }, { 4000, 1845, 2155 }, { 8000, 3781, 4219 },
		{ 32000, 15563, 16437 },
	};
	uint64_t seed = rig_seed(100);
	struct rig r;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		rig_conf(&r, 2);
		rig_start(&r, seed + i);
		for (unsigned k = 0; k < COUNT_OF(rows); k++) {
			unsigned first = share_of_first(&r, rows[k].n);
			assert_in_range(first, rows[k].low, rows[k].high);
		}
		rig_stop(&r);
	}
}

static void wrandom_draws_are_independent(void **state)
{
	/* switches between consecutive draws are Binomial(n - 1, 1/2) */
	struct rig r;
	unsigned switches = 0, before = 0;

	(void)state;
	rig_conf(&r, 2);
	rig_start(&r, rig_seed(200));
	for (unsigned i = 0; i < 8001; i++) {
		unsigned first = share_of_first(&r, 1);
		switches += i > 0 && first != before;
		before = first;
	}
	assert_in_range(switches, 3781, 4219);
	rig_stop(&r);
}

static void ids_spread_evenly_and_do_not_follow_each_other(void **state)
{
	enum { N = 65536, MEAN = N / 256, FAR = 6 * 16 }; /* 6 sigma of Poisson(256) */
	static unsigned high[256], low[256];
	unsigned follow = 0, repeat = 0, before = 0;
	uint8_t buf[RIG_BYTES];
	struct rig r;

	(void)state;
	rig_conf(&r, 1);
	rig_start(&r, rig_seed(300));
	memset(high, 0, sizeof(high));
	memset(low, 0, sizeof(low));
	for (unsigned i = 0; i < N; i++) {
		struct dgram d = rig_query(buf, 1, 1, "www.example.", false);
		bal_rx(r.b, 1, &d, 1);
		unsigned id = dns_id(buf);
		high[id >> 8]++;
		low[id & 255]++;
		follow += id == ((before + 1) & 0xffff);
		repeat += id == before;
		before = id;
		rig_turn(&d, DNS_NOERROR);
		bal_rx(r.b, 1, &d, 1);
	}
	for (unsigned i = 0; i < 256; i++) {
		assert_in_range(high[i], MEAN - FAR, MEAN + FAR);
		assert_in_range(low[i], MEAN - FAR, MEAN + FAR);
	}
	assert_in_range(follow, 0, 12); /* Poisson(1) */
	assert_in_range(repeat, 0, 12);
	rig_stop(&r);
}

static void workers_with_one_seed_draw_differently(void **state)
{
	struct rig r;
	struct arena a;
	uint8_t seed[DRBG_SEED], buf[2][RIG_BYTES];
	unsigned same = 0;

	(void)state;
	rig_conf(&r, 2);
	rig_start(&r, 7);
	drbg_seed_from_u64(seed, 7);
	assert_int_equal(host_arena(&a, bal_arena_size(&r.conf)), 0);
	struct bal *other = bal_init(&a, &r.conf, r.shared, seed, 1);
	for (unsigned i = 0; i < 1000; i++) {
		struct dgram x = rig_query(buf[0], 1, 1, "www.example.", false);
		struct dgram y = rig_query(buf[1], 1, 1, "www.example.", false);
		bal_rx(r.b, 1, &x, 1);
		bal_rx(other, 1, &y, 1);
		same += dns_id(buf[0]) == dns_id(buf[1]);
	}
	assert_in_range(same, 0, 4);
	bal_check(other);
	host_arena_free(&a);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_go_to_their_askers_and_the_batch_cut_does_not_matter),
		cmocka_unit_test(wrandom_stays_in_the_exact_accept_regions),
		cmocka_unit_test(wrandom_draws_are_independent),
		cmocka_unit_test(ids_spread_evenly_and_do_not_follow_each_other),
		cmocka_unit_test(workers_with_one_seed_draw_differently),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
