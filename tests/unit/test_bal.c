/* SPDX-License-Identifier: BSD-3-Clause */
/* The balancer core, one datagram at a time: what becomes of queries and answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/bal_rig.h"

/* A change to a good message: one byte set, or the length cut. */
struct edit {
	const char *what;
	int at, value;     /* at < 0: nothing is set */
	int len;           /* < 0: as it was */
	enum bal_verdict verdict;
};

static void apply(struct dgram *d, const struct edit *e)
{
	if (e->at >= 0)
		d->data[e->at] = (uint8_t)e->value;
	if (e->len >= 0)
		d->len = (uint16_t)e->len;
}

static void expect_verdict(const char *what, enum bal_verdict got, enum bal_verdict want)
{
	if (got != want)
		fail_msg("%s: %s, not %s", what, bal_verdict_name(got), bal_verdict_name(want));
}

static void queries_get_the_verdict_that_they_deserve(void **state)
{
	static const struct edit rows[] = {
		{ "a good query", -1, 0, -1, BAL_FORWARD },
		{ "nothing at all", -1, 0, 0, BAL_DROP_SHORT },
		{ "11 bytes", -1, 0, 11, BAL_DROP_SHORT },
		{ "a bare header that promises a question", -1, 0, 12, BAL_DROP_BROKEN },
		{ "a response", 2, 0x80, -1, BAL_DROP_RESPONSE },
		{ "no question", 5, 0, -1, BAL_NOTIMP },
		{ "no question and nothing else", 5, 0, 12, BAL_NOTIMP },
		{ "two questions", 5, 2, -1, BAL_DROP_BROKEN },
		{ "a compressed name", 12, 0xc0, -1, BAL_DROP_BROKEN },
		{ "a label that runs past the end", 12, 63, -1, BAL_DROP_BROKEN },
		{ "a question without its class", -1, 0, 27, BAL_DROP_BROKEN },
		{ "NOTIFY", 2, 0x20, -1, BAL_FORWARD },
	};
	struct rig r;

	(void)state;
	rig_conf(&r, 2);
	rig_start(&r, 1);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t buf[RIG_BYTES];
		struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
		apply(&d, &rows[i]);
		expect_verdict(rows[i].what, rig_rx(&r, &d), rows[i].verdict);
	}
	rig_stop(&r);
}

static void answers_get_the_verdict_that_they_deserve(void **state)
{
	static const struct edit rows[] = {
		{ "a good answer", -1, 0, -1, BAL_ANSWER },
		{ "letters in other case", 13, 'W', -1, BAL_ANSWER },
		{ "nothing at all", -1, 0, 0, BAL_DROP_BROKEN_ANSWER },
		{ "11 bytes", -1, 0, 11, BAL_DROP_BROKEN_ANSWER },
		{ "a query", 2, 0x01, -1, BAL_DROP_BROKEN_ANSWER },
		{ "another name", 13, 'x', -1, BAL_DROP_WRONG_QUESTION },
		{ "another type", 26, 28, -1, BAL_DROP_WRONG_QUESTION },
		{ "another class", 28, 3, -1, BAL_DROP_WRONG_QUESTION },
		{ "a shorter name", 12, 0, -1, BAL_DROP_WRONG_QUESTION },
		{ "cut off in the question", -1, 0, 28, BAL_DROP_BROKEN_ANSWER },
		{ "cut off after the header", -1, 0, 12, BAL_DROP_BROKEN_ANSWER },
		{ "a compressed name", 12, 0xc0, -1, BAL_DROP_BROKEN_ANSWER },
		{ "no question, NOERROR", 5, 0, 12, BAL_DROP_BROKEN_ANSWER },
		{ "two questions", 5, 2, -1, BAL_DROP_BROKEN_ANSWER },
	};
	struct rig r;

	(void)state;
	rig_conf(&r, 1);
	rig_start(&r, 2);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t buf[RIG_BYTES];
		struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		rig_turn(&d, DNS_NOERROR);
		apply(&d, &rows[i]);
		expect_verdict(rows[i].what, rig_rx(&r, &d), rows[i].verdict);
	}
	rig_stop(&r);
}

static void answers_without_a_question_count_for_errors_only(void **state)
{
	static const struct {
		unsigned rcode;
		enum bal_verdict verdict;
	} rows[] = {
		{ DNS_NOERROR, BAL_DROP_BROKEN_ANSWER }, { DNS_NXDOMAIN, BAL_DROP_BROKEN_ANSWER },
		{ DNS_FORMERR, BAL_ANSWER }, { DNS_SERVFAIL, BAL_ANSWER },
		{ DNS_NOTIMP, BAL_ANSWER }, { DNS_REFUSED, BAL_ANSWER },
	};
	struct rig r;

	(void)state;
	rig_conf(&r, 1);
	rig_start(&r, 3);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t buf[RIG_BYTES];
		struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		rig_turn(&d, rows[i].rcode);
		dns_put16(d.data + 4, 0);
		d.len = DNS_HEADER;
		expect_verdict("header only", rig_rx(&r, &d), rows[i].verdict);
	}
	rig_stop(&r);
}

static void a_forwarded_query_differs_in_its_id_alone(void **state)
{
	struct rig r;
	uint8_t buf[RIG_BYTES], before[RIG_BYTES];

	(void)state;
	rig_conf(&r, 1);
	rig_start(&r, 4);
	struct dgram d = rig_query(buf, 1, 77, "WwW.eXaMpLe.", true);
	struct dgram asked = d;
	memcpy(before, buf, d.len);
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	assert_int_equal(d.port, 1);
	assert_true(ep_eq(&d.peer, &r.server[0].addr));
	assert_true(ep_eq(&d.local, &asked.local));
	assert_int_equal(d.len, asked.len);
	assert_memory_equal(before + 2, buf + 2, d.len - 2u);
	assert_int_equal(atomic_load(&r.shared->server[0].outstanding), 1);
	rig_stop(&r);
}

static void an_answer_gets_the_clients_id_rd_and_cd_back_and_nothing_else(void **state)
{
	struct rig r;
	uint8_t buf[RIG_BYTES], before[RIG_BYTES];

	(void)state;
	rig_conf(&r, 1);
	rig_start(&r, 5);
	for (unsigned bits = 0; bits < 4; bits++) {
		struct dgram d = rig_query(buf, bits, 0xabcd, "WwW.eXaMpLe.", true);
		uint16_t flags = (uint16_t)((bits & 1 ? DNS_RD : 0) | (bits & 2 ? DNS_CD : 0));
		dns_put16(d.data + 2, flags);
		struct dgram asked = d;
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		/* the server turns both bits round */
		uint16_t other = DNS_QR | DNS_AA | DNS_AD | DNS_RA | DNS_NXDOMAIN;
		uint16_t turned = flags ^ (DNS_RD | DNS_CD);
		dns_put16(d.data + 2, other | turned);
		memcpy(before, buf, d.len);
		assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
		assert_int_equal(dns_id(buf), 0xabcd);
		assert_int_equal(dns_flags(buf), other | flags);
		assert_memory_equal(before + 4, buf + 4, d.len - 4u);
		assert_int_equal(d.port, 0);
		assert_true(ep_eq(&d.peer, &asked.peer));
		assert_true(ep_eq(&d.local, &asked.local));
	}
	assert_int_equal(atomic_load(&r.shared->server[0].outstanding), 0);
	rig_stop(&r);
}

static void an_answer_counts_once_and_from_its_own_server_and_socket(void **state)
{
	struct rig r;
	uint8_t buf[RIG_BYTES], copy[RIG_BYTES];

	(void)state;
	rig_conf(&r, 2);
	r.server[0].sockets = 3;
	rig_start(&r, 6);
	bal_shared_set_up(r.shared, 1, false);
	struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
	assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
	rig_turn(&d, DNS_NOERROR);
	memcpy(copy, buf, d.len);
	struct dgram other = d;
	other.data = copy;
	other.peer.port = 5353;
	assert_int_equal(rig_rx(&r, &other), BAL_DROP_WRONG_SERVER);
	other.peer = r.server[1].addr;
	assert_int_equal(rig_rx(&r, &other), BAL_DROP_WRONG_SERVER);
	other.port = 4; /* server 1's socket */
	assert_int_equal(rig_rx(&r, &other), BAL_DROP_UNMATCHED);
	other.port = d.port % 3 + 1; /* another socket of server 0 */
	other.peer = d.peer;
	assert_int_equal(rig_rx(&r, &other), BAL_DROP_UNMATCHED);
	other.port = d.port;
	assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
	assert_int_equal(rig_rx(&r, &other), BAL_DROP_UNMATCHED);
	rig_stop(&r);
}

static void a_query_times_out_to_the_nanosecond(void **state)
{
	struct rig r;
	uint8_t buf[2][RIG_BYTES];
	struct dgram d[2];

	(void)state;
	rig_conf(&r, 1);
	r.conf.udp_timeout_ns = 1000;
	rig_start(&r, 7);
	assert_true(bal_deadline(r.b) == INT64_MAX);
	for (unsigned i = 0; i < 2; i++) {
		r.now_ns = 100 + 50 * i;
		d[i] = rig_query(buf[i], i, 77, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d[i]), BAL_FORWARD);
		rig_turn(&d[i], DNS_NOERROR);
	}
	assert_int_equal(bal_deadline(r.b), 1100);
	r.now_ns = 1100;
	assert_int_equal(bal_poll(r.b, 1099, NULL, 0), 0);
	assert_int_equal(bal_outstanding(r.b), 2);
	assert_int_equal(rig_rx(&r, &d[0]), BAL_DROP_UNMATCHED);
	assert_int_equal(bal_timeouts(r.b), 1);
	assert_int_equal(bal_deadline(r.b), 1150);
	r.now_ns = 1149;
	assert_int_equal(rig_rx(&r, &d[1]), BAL_ANSWER);
	assert_true(bal_deadline(r.b) == INT64_MAX);
	assert_int_equal(atomic_load(&r.shared->server[0].outstanding), 0);
	rig_stop(&r);
}

static void without_a_server_queries_are_dropped_or_get_servfail_if_asked_for(void **state)
{
	struct rig r;
	uint8_t buf[RIG_BYTES];
	struct dns_edns e;

	(void)state;
	for (unsigned servfail = 0; servfail < 2; servfail++) {
		rig_conf(&r, 1);
		r.conf.servfail_when_no_server = servfail;
		rig_start(&r, 8);
		bal_shared_set_up(r.shared, 0, false);
		for (unsigned edns = 0; edns < 2; edns++) {
			struct dgram d = rig_query(buf, 1, 77, "WwW.example.", edns);
			struct dgram asked = d;
			if (edns)
				buf[d.len - 4] |= 0x80; /* DO */
			enum bal_verdict v = rig_rx(&r, &d);
			assert_int_equal(v, servfail ? BAL_SERVFAIL : BAL_DROP_NO_SERVER);
			if (!servfail)
				continue;
			assert_int_equal(dns_id(buf), 77);
			assert_int_equal(dns_flags(buf), DNS_QR | DNS_RD | DNS_SERVFAIL);
			assert_int_equal(d.len, asked.len);
			assert_memory_equal(buf + 12, "\3WwW\7example", 13);
			assert_int_equal(dns_edns(&e, buf, d.len, 29), 0);
			assert_int_equal(e.present, edns);
			assert_true(!edns || (e.udp_size == 1232 && e.dnssec_ok));
			assert_true(ep_eq(&d.peer, &asked.peer) && d.port == 0);
		}
		rig_stop(&r);
	}
}

static void a_change_of_health_counts_from_the_next_batch_on(void **state)
{
	struct rig r;
	uint8_t buf[RIG_BYTES];

	(void)state;
	rig_conf(&r, 2);
	rig_start(&r, 14);
	for (unsigned i = 0; i < 100; i++) {
		bal_shared_set_up(r.shared, i % 2, true);
		bal_shared_set_up(r.shared, 1 - i % 2, false);
		struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		assert_int_equal(d.port, 1 + i % 2);
	}
	rig_stop(&r);
}

static void a_query_without_a_question_gets_a_bare_notimp(void **state)
{
	struct rig r;
	uint8_t buf[RIG_BYTES];

	(void)state;
	rig_conf(&r, 1);
	rig_start(&r, 9);
	struct dgram d = rig_query(buf, 1, 77, "www.example.", true);
	dns_put16(buf + 4, 0);
	assert_int_equal(rig_rx(&r, &d), BAL_NOTIMP);
	static const uint8_t want[] = { 0, 77, 0x81, 0x04, 0, 0, 0, 0, 0, 0, 0, 0 };
	assert_int_equal(d.len, sizeof(want));
	assert_memory_equal(buf, want, sizeof(want));
	rig_stop(&r);
}

static void the_access_list_comes_before_everything(void **state)
{
	struct rig r;
	uint8_t buf[RIG_BYTES];

	(void)state;
	rig_conf(&r, 1);
	assert_int_equal(prefix_parse(&r.acl[0], "192.160.102.0/24"), 0);
	assert_int_equal(prefix_parse(&r.acl[1], "2605:e200:d000::/44"), 0);
	rig_start(&r, 10);
	static const struct {
		const char *client;
		enum bal_verdict verdict;
	} rows[] = {
		{ "192.160.102.255", BAL_FORWARD }, { "192.160.103.0", BAL_DROP_ACL },
		{ "2605:e200:d00f::1", BAL_FORWARD }, { "2605:e200:d010::1", BAL_DROP_ACL },
		{ "127.0.0.1", BAL_DROP_ACL }, { "::", BAL_DROP_ACL },
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
		assert_int_equal(ip_parse(&d.peer.ip, rows[i].client), 0);
		expect_verdict(rows[i].client, rig_rx(&r, &d), rows[i].verdict);
	}
	struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
	d.len = 0;
	d.peer.ip = ip_v4(127, 0, 0, 1);
	assert_int_equal(rig_rx(&r, &d), BAL_DROP_ACL);
	rig_stop(&r);
}

static void a_full_server_drops_until_one_is_answered(void **state)
{
	struct rig r;
	uint8_t buf[5][RIG_BYTES];
	struct dgram d[5];

	(void)state;
	rig_conf(&r, 1);
	r.conf.max_outstanding = 4;
	rig_start(&r, 11);
	for (unsigned i = 0; i < 5; i++) {
		d[i] = rig_query(buf[i], i, 77, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d[i]), i < 4 ? BAL_FORWARD : BAL_DROP_FULL);
	}
	rig_turn(&d[2], DNS_NOERROR);
	assert_int_equal(rig_rx(&r, &d[2]), BAL_ANSWER);
	assert_int_equal(rig_rx(&r, &d[4]), BAL_FORWARD);
	assert_int_equal(bal_count(r.b, BAL_DROP_FULL), 1);
	rig_stop(&r);
}

static void latency_moves_a_128th_of_the_way(void **state)
{
	struct rig r;
	uint8_t buf[RIG_BYTES];

	(void)state;
	rig_conf(&r, 1);
	rig_start(&r, 12);
	for (unsigned i = 0; i < 5000; i++) {
		struct dgram d = rig_query(buf, 1, 77, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		r.now_ns += 1000000;
		rig_turn(&d, DNS_NOERROR);
		assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
		uint32_t latency = atomic_load(&r.shared->server[0].latency_us128);
		if (i == 0)
			assert_int_equal(latency, 1000); /* 7.8 us */
		if (i == 127) /* 1 - 1/e of a millisecond, nearly */
			assert_in_range(latency / 128, 625, 640);
	}
	assert_in_range(atomic_load(&r.shared->server[0].latency_us128) / 128, 999, 1000);
	rig_stop(&r);
}

static void ports_number_the_servers_sockets_in_order(void **state)
{
	struct rig r;

	(void)state;
	rig_conf(&r, 3);
	r.server[0].sockets = 2;
	r.server[1].sockets = 64;
	rig_start(&r, 13);
	assert_int_equal(bal_ports(&r.conf), 1 + 2 + 64 + 1);
	assert_int_equal(bal_port(&r.conf, 0, 1), 2);
	assert_int_equal(bal_port(&r.conf, 1, 0), 3);
	assert_int_equal(bal_port(&r.conf, 2, 0), 67);
	assert_int_equal(bal_port_server(r.b, 2), 0);
	assert_int_equal(bal_port_server(r.b, 66), 1);
	assert_int_equal(bal_port_server(r.b, 67), 2);
	rig_stop(&r);
}

static void verdicts_have_names_and_say_whether_they_are_sent(void **state)
{
	(void)state;
	assert_string_equal(bal_verdict_name(BAL_FORWARD), "forwarded");
	assert_string_equal(bal_verdict_name(BAL_DROP_ACL), "acl-drops");
	for (unsigned v = 0; v < BAL_VERDICTS; v++) {
		assert_true(strlen(bal_verdict_prose(v)) > 0);
		assert_int_equal(bal_verdict_sends(v),
		                 (v >= BAL_FORWARD && v <= BAL_RULE_ANSWER) ||
		                 v == BAL_TCP_ANSWER || v == BAL_TCP_PART || v == BAL_RETRY ||
		                 v == BAL_TIMED_OUT);
	}
}

static void answers_are_counted_by_server_rcode_and_time(void **state)
{
	static struct rig r;
	uint8_t buf[RIG_BYTES];
	static const struct { int64_t took_ns; unsigned rcode, bucket; } rows[] = {
		{ 999999, DNS_NOERROR, 0 }, { 1000000, DNS_NXDOMAIN, 1 },
		{ 10000000, DNS_SERVFAIL, 2 }, { 99000000, DNS_SERVFAIL, 3 },
		{ 999000000, DNS_NOERROR, 4 }, { 1000000000, DNS_NOERROR, 5 },
	};

	(void)state;
	rig_conf(&r, 1);
	rig_start(&r, 1);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dgram d = rig_query(buf, 1, 1, "www.example.", false);
		assert_int_equal(rig_rx(&r, &d), BAL_FORWARD);
		rig_turn(&d, rows[i].rcode);
		r.now_ns += rows[i].took_ns;
		assert_int_equal(rig_rx(&r, &d), BAL_ANSWER);
		assert_int_equal(bal_counts(r.b)->took[rows[i].bucket], 1);
	}
	assert_int_equal(bal_counts(r.b)->rcode[DNS_NOERROR], 3);
	assert_int_equal(bal_counts(r.b)->rcode[DNS_NXDOMAIN], 1);
	assert_int_equal(bal_counts(r.b)->servfail_responses, 2);
	assert_int_equal(bal_counts(r.b)->rd_queries, COUNT_OF(rows));
	assert_int_equal(bal_counts(r.b)->took_us, 999 + 1000 + 10000 + 99000 + 999000 + 1000000);
	assert_int_equal(bal_server_counts(r.b, 0)->queries, COUNT_OF(rows));
	assert_int_equal(bal_server_counts(r.b, 0)->timeouts, 0);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_get_the_verdict_that_they_deserve),
		cmocka_unit_test(answers_get_the_verdict_that_they_deserve),
		cmocka_unit_test(answers_without_a_question_count_for_errors_only),
		cmocka_unit_test(a_forwarded_query_differs_in_its_id_alone),
		cmocka_unit_test(an_answer_gets_the_clients_id_rd_and_cd_back_and_nothing_else),
		cmocka_unit_test(an_answer_counts_once_and_from_its_own_server_and_socket),
		cmocka_unit_test(a_query_times_out_to_the_nanosecond),
		cmocka_unit_test(without_a_server_queries_are_dropped_or_get_servfail_if_asked_for),
		cmocka_unit_test(a_change_of_health_counts_from_the_next_batch_on),
		cmocka_unit_test(a_query_without_a_question_gets_a_bare_notimp),
		cmocka_unit_test(the_access_list_comes_before_everything),
		cmocka_unit_test(a_full_server_drops_until_one_is_answered),
		cmocka_unit_test(latency_moves_a_128th_of_the_way),
		cmocka_unit_test(ports_number_the_servers_sockets_in_order),
		cmocka_unit_test(verdicts_have_names_and_say_whether_they_are_sent),
		cmocka_unit_test(answers_are_counted_by_server_rcode_and_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
