/* SPDX-License-Identifier: BSD-3-Clause */
/* useClientSubnet in the balancer core: who is told, what clients get, what the cache mixes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/bal.h"
#include "lib/ecs.h"
#include "tests/bal_rig.h"

static void conf(struct rig *r, unsigned n, uint32_t entries)
{
	rig_conf(r, n);
	bal_ecs_defaults(&r->conf.ecs);
	r->server[0].client_subnet = true;
	r->conf.ecs.any = bal_ecs_wanted(r->server, n);
	r->conf.cache.entries = entries;
	bal_cache_defaults(&r->conf.cache);
}

/* The option in a message from a client of the rig's; its length, 0: none. */
static size_t option(const struct dgram *d, const uint8_t **p)
{
	struct dns_question q;
	struct dns_edns e;

	assert_int_equal(dns_question(&q, d->data, d->len), 0);
	assert_int_equal(dns_edns(&e, d->data, d->len, q.end), 0);
	*p = d->data + e.at + 11;
	return e.present && e.end > e.at + 11 ? (size_t)(e.end - e.at - 11) : 0;
}

static void a_client_gets_its_answer_without_what_was_added(void **state)
{
	static struct rig r;
	uint8_t buf[RIG_BYTES], as_asked[RIG_BYTES];
	const uint8_t *p;

	(void)state;
	for (unsigned edns = 0; edns < 2; edns++) {
		conf(&r, 1, 0);
		rig_start(&r, 1);
		struct dgram d = rig_query(buf, 1, 7, "www.example.", edns);
		uint16_t len = d.len;
		memcpy(as_asked, buf, len);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		assert_int_equal(option(&d, &p), 11);
		assert_memory_equal(p, "\0\10\0\7\0\1\30\0\300\240\146", 11);
		rig_turn(&d, DNS_NOERROR);
		assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
		assert_int_equal(d.len, len);
		assert_memory_equal(buf + DNS_HEADER, as_asked + DNS_HEADER, len - DNS_HEADER);
		assert_int_equal(dns_arcount(buf), edns);
		rig_stop(&r);
	}
}

static void only_servers_that_are_to_know_are_told(void **state)
{
	static struct rig r;
	uint8_t buf[RIG_BYTES];
	const uint8_t *p;
	unsigned told[2] = { 0 }, sent[2] = { 0 };

	(void)state;
	conf(&r, 2, 0);
	r.conf.policy = BAL_ROUNDROBIN;
	rig_start(&r, 1);
	for (unsigned i = 0; i < 10; i++) {
		struct dgram d = rig_query(buf, i, (uint16_t)i, "www.example.", i % 2);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		unsigned server = bal_port_server(r.b, d.port);
		sent[server]++;
		told[server] += option(&d, &p) > 0;
	}
	assert_int_equal(sent[0], 5);
	assert_int_equal(told[0], 5);
	assert_int_equal(told[1], 0);
	rig_stop(&r);
}

static void a_query_without_room_goes_as_it_is(void **state)
{
	static struct rig r;
	uint8_t buf[RIG_BYTES];
	const uint8_t *p;

	(void)state;
	conf(&r, 1, 0);
	rig_start(&r, 1);
	struct dgram d = rig_query(buf, 1, 7, "www.example.", true);
	d.cap = d.len;
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	assert_int_equal(option(&d, &p), 0);
	rig_turn(&d, DNS_NOERROR);
	assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
	assert_int_equal(dns_arcount(buf), 1);
	rig_stop(&r);
}

static void a_second_try_tells_what_its_own_server_is_to_know(void **state)
{
	static struct rig r;
	uint8_t buf[RIG_BYTES], again[BAL_POLL_MIN];
	const uint8_t *p;

	(void)state;
	for (unsigned first = 0; first < 2; first++) {
		conf(&r, 2, 0);
		r.conf.policy = BAL_ROUNDROBIN;
		r.conf.udp_retry_ns = 1000;
		rig_start(&r, 1);
		struct dgram d = rig_query(buf, 1, 7, "www.example.", false), a;
		for (unsigned i = 0; i < first; i++) { /* the other one's turn */
			assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
			rig_turn(&d, DNS_NOERROR);
			assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
			d = rig_query(buf, 1, 7, "www.example.", false);
		}
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		bool told = option(&d, &p) > 0;
		assert_int_equal(told, bal_port_server(r.b, d.port) == 0);
		a = (struct dgram){ .data = again, .cap = sizeof(again) };
		r.now_ns += 1000;
		assert_int_equal(bal_poll(r.b, r.now_ns, &a, 1), 1);
		assert_int_not_equal(bal_port_server(r.b, a.port), bal_port_server(r.b, d.port));
		assert_int_equal(option(&a, &p) > 0, !told);
		rig_turn(&a, DNS_NOERROR);
		assert_int_equal(rig_rx(&r, &a), BAL_ANSWER);
		assert_int_equal(dns_arcount(again), 0);
		rig_stop(&r);
	}
}

/* Asks from that address; true when the cache had it, else a server answers. */
static bool hit(struct rig *r, struct ip client)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d = rig_query(buf, 1, 7, "www.example.", true);

	d.peer.ip = client;
	enum bal_verdict v = rig_rx(r, &d);
	if (v == BAL_CACHE_HIT)
		return true;
	assert_int_equal(v, BAL_FORWARD);
	rig_turn(&d, DNS_NOERROR);
	dns_put16(d.data + 10, 0); /* without its OPT record */
	d.len = (uint16_t)(d.len - 11 - 11);
	rig_record(&d, 3600);
	assert_int_equal(rig_rx(r, &d), BAL_ANSWER);
	return false;
}

static void the_cache_keeps_subnets_apart(void **state)
{
	static struct rig r;

	(void)state;
	conf(&r, 1, 100);
	rig_start(&r, 1);
	assert_false(hit(&r, ip_v4(192, 0, 2, 1)));
	assert_true(hit(&r, ip_v4(192, 0, 2, 254)));
	assert_false(hit(&r, ip_v4(192, 0, 3, 1)));
	assert_true(hit(&r, ip_v4(192, 0, 2, 3)));
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_gets_its_answer_without_what_was_added),
		cmocka_unit_test(only_servers_that_are_to_know_are_told),
		cmocka_unit_test(a_query_without_room_goes_as_it_is),
		cmocka_unit_test(a_second_try_tells_what_its_own_server_is_to_know),
		cmocka_unit_test(the_cache_keeps_subnets_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
