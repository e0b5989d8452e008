/* SPDX-License-Identifier: BSD-3-Clause */
/* Ways to a server: tcpOnly, where clients' UDP goes over TCP; PROXY headers; udpTimeout. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "lib/proxy.h"
#include "tests/tcp_rig.h"

#define SECOND INT64_C(1000000000)

static struct trig t;
static uint8_t big[4096];

static void conf(unsigned servers)
{
	trig_conf(&t, servers);
	t.rig.conf.policy = BAL_ROUNDROBIN;
}

/* A query of client 1 over UDP; polls. */
static enum bal_verdict ask_udp(uint16_t id, const char *name, bool edns)
{
	uint8_t buf[RIG_BYTES];
	struct dgram d = rig_query(buf, 1, id, name, edns);
	enum bal_verdict v = rig_rx(&t.rig, &d);

	trig_poll(&t);
	return v;
}

/* The answer to the first message on c, with so many records more; what becomes of it is in big. */
static struct dgram answer(struct trig_conn *c, unsigned records)
{
	const struct trig_message *m = &c->sent[0];
	struct dgram d = { .data = big, .len = m->len, .cap = sizeof(big), .proto = DGRAM_TCP,
	                   .port = (uint16_t)(c->server + 1), .conn = c->number,
	                   .peer = t.rig.server[c->server].addr };

	memcpy(big, m->data, m->len);
	rig_turn(&d, DNS_NOERROR);
	dns_put16(big + 10, 0);
	for (unsigned i = 0; i < records; i++)
		rig_record(&d, 60);
	rig_rx(&t.rig, &d);
	return d;
}

static void a_query_over_udp_goes_over_tcp_and_its_answer_back_over_udp(void **state)
{
	struct ep client = rig_client(1);

	(void)state;
	conf(1);
	t.rig.server[0].tcp_only = true;
	rig_start(&t.rig, 1);
	assert_int_equal(ask_udp(77, "a.example.", false), BAL_TCP_FORWARD);
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	assert_non_null(c);
	trig_connect(&t, c);
	assert_int_equal(c->sent_n, 1);
	struct dgram d = answer(c, 1);
	assert_int_equal(d.verdict, BAL_TCP_ANSWER);
	assert_int_equal(d.proto, DGRAM_UDP);
	assert_int_equal(d.port, 0);
	assert_int_equal(dns_id(d.data), 77);
	assert_true(ep_eq(&d.peer, &client) && ep_eq(&d.local, &t.front));
	assert_int_equal(dns_ancount(d.data), 1);
	assert_int_equal(bal_tcp_outstanding(t.rig.b), 0);
	assert_int_equal(bal_outstanding(t.rig.b), 0);
	rig_stop(&t.rig);
}

static void an_answer_too_big_for_its_client_is_cut(void **state)
{
	static const struct { bool edns; unsigned records; bool cut; } rows[] = {
		{ false, 30, false }, { false, 31, true }, { true, 73, false }, { true, 80, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		conf(1);
		t.rig.server[0].tcp_only = true;
		rig_start(&t.rig, 1);
		ask_udp(7, "an.example.", rows[i].edns); /* 28 bytes; 16 a record */
		trig_connect(&t, trig_find(&t, TRIG_OPENING, 0));
		struct trig_conn *c = trig_find(&t, TRIG_OPEN, 0);
		c->sent[0].len = 28; /* without OPT */
		struct dgram d = answer(c, rows[i].records);
		assert_int_equal(d.verdict, BAL_TCP_ANSWER);
		assert_int_equal((dns_flags(d.data) & DNS_TC) != 0, rows[i].cut);
		assert_int_equal(d.len, rows[i].cut ? 28 : 28 + 16 * rows[i].records);
		assert_int_equal(dns_ancount(d.data), rows[i].cut ? 0 : rows[i].records);
		rig_stop(&t.rig);
	}
}

static void a_cut_answer_keeps_an_opt_record(void **state)
{
	struct dns_edns e;

	(void)state;
	conf(1);
	t.rig.server[0].tcp_only = true;
	rig_start(&t.rig, 1);
	ask_udp(7, "an.example.", true);
	trig_connect(&t, trig_find(&t, TRIG_OPENING, 0));
	struct trig_conn *c = trig_find(&t, TRIG_OPEN, 0);
	struct dgram d = { .data = big, .len = c->sent[0].len, .cap = sizeof(big),
	                   .proto = DGRAM_TCP, .port = 1, .conn = c->number,
	                   .peer = t.rig.server[0].addr };
	memcpy(big, c->sent[0].data, d.len);
	rig_turn(&d, DNS_NOERROR);
	dns_put16(big + 28 + 9, 2000); /* an option of 1996 bytes */
	memset(big + d.len, 0, 2000);
	dns_put16(big + d.len, 12);
	dns_put16(big + d.len + 2, 1996);
	d.len = (uint16_t)(d.len + 2000);
	assert_int_equal(rig_rx(&t.rig, &d), BAL_TCP_ANSWER);
	assert_true((dns_flags(d.data) & DNS_TC) != 0);
	assert_int_equal(dns_edns(&e, d.data, d.len, 28), 0);
	assert_true(e.present && e.end == d.len && d.len == 28 + 11);
	rig_stop(&t.rig);
}

static void a_query_over_udp_is_tried_again_elsewhere_too(void **state)
{
	(void)state;
	conf(2);
	t.rig.server[0].tcp_only = t.rig.server[1].tcp_only = true;
	rig_start(&t.rig, 1);
	ask_udp(7, "an.example.", false);
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	unsigned first = c->server;
	trig_close(&t, c); /* refused */
	c = trig_find(&t, TRIG_OPENING, 0);
	assert_non_null(c);
	assert_int_not_equal(c->server, first);
	trig_connect(&t, c);
	assert_int_equal(answer(c, 0).verdict, BAL_TCP_ANSWER);
	for (unsigned i = 0; i < 2; i++)
		t.rig.server[i].tcp.retries = 0;
	ask_udp(8, "an.example.", false);
	c = trig_find(&t, TRIG_OPENING, 0);
	if (c == NULL)
		c = trig_find(&t, TRIG_OPEN, 0);
	trig_close(&t, c);
	assert_int_equal(bal_tcp_outstanding(t.rig.b), 0);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_FAILED), 1);
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_ABANDONED), 0);
	rig_stop(&t.rig);
}

static void a_header_goes_before_a_datagram(void **state)
{
	uint8_t buf[RIG_BYTES], want[PROXY_MAX];
	struct dgram d = rig_query(buf, 1, 7, "an.example.", false);
	struct ep client = rig_client(1);
	uint16_t len = d.len;

	(void)state;
	conf(1);
	t.rig.server[0].proxy = true;
	rig_start(&t.rig, 1);
	assert_int_equal(rig_rx(&t.rig, &d), BAL_FORWARD);
	size_t n = proxy_header(want, &client, &t.front, false);
	assert_int_equal(d.len, len + n);
	assert_memory_equal(buf, want, n);
	memmove(buf, buf + n, len); /* the server takes it off */
	d.len = len;
	rig_turn(&d, DNS_NOERROR);
	assert_int_equal(rig_rx(&t.rig, &d), BAL_ANSWER);
	assert_int_equal(dns_id(buf), 7);
	d = rig_query(buf, 1, 7, "an.example.", false);
	d.cap = (uint16_t)(d.len + 20);
	assert_int_equal(rig_rx(&t.rig, &d), BAL_DROP_FULL);
	rig_stop(&t.rig);
}

static void a_header_has_a_connection_to_its_query_alone(void **state)
{
	uint8_t buf[RIG_BYTES], want[PROXY_MAX];
	struct ep client = rig_client(0);
	struct dgram d;

	(void)state;
	conf(1);
	t.rig.server[0].proxy = true;
	t.rig.server[0].tcp.max_in_flight = 10;
	t.listen.max_in_flight = 10;
	rig_start(&t.rig, 1);
	uint32_t a = trig_accept(&t, 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(trig_ask(&t, a, (uint16_t)i, "a.example."), BAL_TCP_FORWARD);
	assert_int_equal(t.opened, 2);
	for (unsigned i = 0; i < 2; i++) {
		struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
		trig_connect(&t, c);
		assert_int_equal(c->head_n, proxy_header(want, &client, &t.front, true));
		assert_memory_equal(c->head, want, c->head_n);
		assert_int_equal(c->sent_n, 1);
		assert_int_equal(trig_answer(&t, c, 0, 0, buf, &d), BAL_TCP_ANSWER);
		trig_poll(&t);
		assert_int_equal(c->state, TRIG_NONE);
	}
	rig_stop(&t.rig);
}

static void a_query_waits_as_long_as_its_server_has(void **state)
{
	static const int64_t wait_s[] = { 3, 2, 1 }; /* the second has the common one */
	uint8_t buf[RIG_BYTES];

	(void)state;
	conf(3);
	t.rig.server[0].udp_timeout_ns = 3 * SECOND;
	t.rig.server[2].udp_timeout_ns = SECOND;
	rig_start(&t.rig, 1);
	int64_t from_ns = t.rig.now_ns;
	for (unsigned i = 0; i < 6; i++) {
		struct dgram d = rig_query(buf, i, (uint16_t)i, "an.example.", false);
		assert_int_equal(rig_rx(&t.rig, &d), BAL_FORWARD);
		t.rig.now_ns++;
	}
	for (unsigned i = 3; i-- > 0;) {
		const struct bal_server_counts *c = bal_server_counts(t.rig.b, i);
		int64_t due_ns = bal_deadline(t.rig.b);
		assert_in_range(due_ns - from_ns, wait_s[i] * SECOND, wait_s[i] * SECOND + 5);
		bal_poll(t.rig.b, due_ns - 1, NULL, 0);
		assert_int_equal(c->timeouts, 0);
		bal_poll(t.rig.b, due_ns + 5, NULL, 0);
		assert_int_equal(c->timeouts, 2);
		bal_check(t.rig.b);
	}
	assert_int_equal(bal_deadline(t.rig.b), INT64_MAX);
	rig_stop(&t.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_over_udp_goes_over_tcp_and_its_answer_back_over_udp),
		cmocka_unit_test(an_answer_too_big_for_its_client_is_cut),
		cmocka_unit_test(a_cut_answer_keeps_an_opt_record),
		cmocka_unit_test(a_query_over_udp_is_tried_again_elsewhere_too),
		cmocka_unit_test(a_query_waits_as_long_as_its_server_has),
		cmocka_unit_test(a_header_goes_before_a_datagram),
		cmocka_unit_test(a_header_has_a_connection_to_its_query_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
