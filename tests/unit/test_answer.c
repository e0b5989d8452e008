/* SPDX-License-Identifier: BSD-3-Clause */
/* The stub's answers: what each kind of name and type makes, and that the judge's match holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "recursor-stub/core/answer.h"

static uint8_t query[600], answer[REC_ANSWER_MAX];
static int query_len;

/* Asks name and type; returns the answer's length. */
static int ask(const char *name, uint16_t type, uint16_t edns, uint32_t ttl_left)
{
	uint8_t wire[DNS_NAME_MAX];
	struct dns_question q;
	int n = dns_name_parse(wire, name);

	assert_true(n > 0);
	query_len = dns_query(query, sizeof(query), 0x1234, DNS_RD | DNS_CD, wire, (size_t)n, type,
	                      DNS_IN, edns);
	assert_int_equal(dns_question(&q, query, (size_t)query_len), 0);
	n = rec_answer(answer, sizeof(answer), query, (size_t)query_len, &q, ttl_left);
	assert_true(n > 0);
	return n;
}

static const struct {
	const char *what, *name;
	uint16_t type;
	unsigned rcode, an_least, an_most, ns;
	int len_least;
} rows[] = {
	{ "an address", "www.example.com", DNS_A, 0, 1, 3, 0, 40 },
	{ "an IPv6 address", "www.example.com", DNS_AAAA, 0, 1, 3, 0, 50 },
	{ "a text", "www.example.com", DNS_TXT, 0, 1, 1, 0, 50 },
	{ "mail servers", "example.com", DNS_MX, 0, 2, 2, 0, 50 },
	{ "name servers", "example.com", DNS_NS, 0, 2, 2, 0, 50 },
	{ "the root's name servers", ".", DNS_NS, 0, 2, 2, 0, 50 },
	{ "a reverse name", "1.2.0.192.in-addr.arpa", DNS_PTR, 0, 1, 1, 0, 50 },
	{ "a service", "_sip._udp.example.com", DNS_SRV, 0, 2, 2, 0, 50 },
	{ "an alias", "x.example.com", DNS_CNAME, 0, 1, 1, 0, 50 },
	{ "a zone", "example.com", DNS_SOA, 0, 1, 1, 0, 50 },
	{ "CAA", "example.com", DNS_CAA, 0, 1, 1, 0, 40 },
	{ "HTTPS", "example.com", DNS_HTTPS, 0, 1, 1, 0, 40 },
	{ "ANY", "example.com", DNS_ANY, 0, 1, 1, 0, 40 },
	{ "a type without data", "example.com", DNS_DS, 0, 0, 0, 1, 50 },
	{ "no such name", "nx.example.com", DNS_A, 3, 0, 0, 1, 50 },
	{ "no such name, with a digit", "a.NX12.example.com", DNS_AAAA, 3, 0, 0, 1, 50 },
	{ "a name that only begins like it", "nxp.com", DNS_A, 0, 1, 3, 0, 30 },
	{ "a name without data", "nodata-1.example.com", DNS_A, 0, 0, 0, 1, 50 },
	{ "too big a text", "big.example.com", DNS_TXT, 0, 1, 1, 0, 2000 },
	{ "too many addresses", "big.example.com", DNS_A, 0, 96, 96, 0, 1300 },
	{ "too many IPv6 addresses", "big.example.com", DNS_AAAA, 0, 96, 96, 0, 2000 },
	{ "a health check", "a.root-servers.net.", DNS_A, 0, 1, 3, 0, 30 },
	{ "a transfer", "example.com", DNS_AXFR, 2, 0, 0, 0, 20 },
};

static void test_each_kind_of_question_has_its_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (int edns = 0; edns < 2; edns++) {
			int n = ask(rows[i].name, rows[i].type, edns ? 1232 : 0, UINT32_MAX);
			unsigned an = dns_ancount(answer);
			unsigned flags = dns_flags(answer), rcode = flags & DNS_RCODE;
			if (rcode != rows[i].rcode || an < rows[i].an_least ||
			    an > rows[i].an_most || dns_nscount(answer) != rows[i].ns ||
			    n < rows[i].len_least || dns_arcount(answer) != edns)
				fail_msg("%s: rcode %u, %u answers, %d bytes", rows[i].what, rcode,
				         an, n);
			assert_int_equal(dns_id(answer), 0x1234);
			assert_int_equal(flags - rcode, DNS_QR | DNS_RD | DNS_RA | DNS_CD);
			assert_int_equal(rec_answer_match(answer, (size_t)n), REC_RIGHT);
		}
	}
}

/* True when byte at of the answer belongs to a TTL. */
static bool in_ttl(int n, int q_end, int at)
{
	struct dns_rr rr;

	for (int from = q_end; dns_rr(&rr, answer, (size_t)n, (size_t)from) == 0; from = rr.end)
		if (at >= rr.rdata - 6 && at < rr.rdata - 2)
			return true;
	return false;
}

static void test_a_changed_byte_of_any_record_is_seen(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int n = ask(rows[i].name, rows[i].type, 0, UINT32_MAX);
		struct dns_question q;
		assert_int_equal(dns_question(&q, answer, (size_t)n), 0);
		/* the root has no pointer that shows: any zero byte is a root */
		for (int at = q.end; at < n && q.name_len > 1; at++) {
			uint8_t was = answer[at];
			answer[at] ^= 1;
			if (rec_answer_match(answer, (size_t)n) == REC_RIGHT)
				assert_true(in_ttl(n, q.end, at) && answer[at] < was);
			answer[at] = was;
		}
	}
}

static void test_ttls_come_from_the_name_and_age(void **state)
{
	struct dns_rr rr;
	struct dns_question q;

	(void)state;
	int n = ask("ttl5.example", DNS_A, 0, UINT32_MAX);
	assert_int_equal(dns_question(&q, answer, (size_t)n), 0);
	assert_int_equal(dns_rr(&rr, answer, (size_t)n, q.end), 0);
	assert_int_equal(rr.ttl, 5);
	n = ask("ttl5.example", DNS_A, 0, 3);
	assert_int_equal(dns_rr(&rr, answer, (size_t)n, q.end), 0);
	assert_int_equal(rr.ttl, 3);
	assert_int_equal(rec_answer_match(answer, (size_t)n), REC_RIGHT);
	dns_put32(answer + q.end + 6, 6);
	assert_int_equal(rec_answer_match(answer, (size_t)n), REC_WRONG_DATA);
}

static void test_case_makes_no_difference_but_is_kept(void **state)
{
	uint8_t first[REC_ANSWER_MAX];

	(void)state;
	int n = ask("www.example.com", DNS_A, 0, UINT32_MAX);
	memcpy(first, answer, (size_t)n);
	assert_int_equal(ask("wWw.eXample.com", DNS_A, 0, UINT32_MAX), n);
	assert_memory_equal(first + 33, answer + 33, (size_t)n - 33);
	assert_int_equal(answer[14], 'W');
}

static void test_other_answers_are_named(void **state)
{
	(void)state;
	int n = ask("www.example.com", DNS_A, 0, UINT32_MAX);
	dns_put16(answer + 2, DNS_QR | DNS_TC);
	assert_int_equal(rec_answer_match(answer, (size_t)n), REC_TRUNCATED);
	dns_put16(answer + 2, DNS_QR | DNS_NXDOMAIN);
	assert_int_equal(rec_answer_match(answer, (size_t)n), REC_WRONG_RCODE);
	dns_put16(answer + 2, DNS_QR | DNS_SERVFAIL);
	assert_int_equal(rec_answer_match(answer, (size_t)n), REC_ERROR);
	assert_int_equal(rec_answer_match(answer, 11), REC_BROKEN);
	dns_put16(answer + 2, DNS_RD);
	assert_int_equal(rec_answer_match(answer, (size_t)n), REC_BROKEN);
	dns_put16(answer + 2, DNS_QR | DNS_RD);
	assert_int_equal(rec_answer_match(answer, (size_t)n - 1), REC_WRONG_DATA);
}

static void test_edns_of_a_later_version_gets_badvers(void **state)
{
	struct dns_question q;

	(void)state;
	ask("www.example.com", DNS_A, 1232, UINT32_MAX);
	assert_int_equal(dns_question(&q, query, (size_t)query_len), 0);
	query[q.end + 6] = 1;
	int n = rec_answer(answer, sizeof(answer), query, (size_t)query_len, &q, UINT32_MAX);
	assert_int_equal(n, q.end + 11);
	assert_int_equal(answer[q.end + 5], 1);
	assert_int_equal(dns_flags(answer) & DNS_RCODE, 0);
	assert_int_equal(rec_answer_match(answer, (size_t)n), REC_ERROR);
}

static void test_too_small_a_buffer_is_refused(void **state)
{
	struct dns_question q;

	(void)state;
	int n = ask("www.example.com", DNS_A, 1232, UINT32_MAX);
	assert_int_equal(dns_question(&q, query, (size_t)query_len), 0);
	for (int cap = 0; cap < n; cap++)
		assert_true(rec_answer(answer, (size_t)cap, query, (size_t)query_len, &q, 1) < 0);
}

/* The records behind the question in reverse order, OPT apart. */
static void reverse(int n, const struct dns_question *q)
{
	uint8_t was[REC_ANSWER_MAX];
	struct dns_rr rr;
	size_t to = (size_t)n;

	memcpy(was, answer, (size_t)n);
	for (size_t at = q->end; dns_rr(&rr, was, (size_t)n, at) == 0; at = rr.end) {
		to -= rr.end - at;
		memcpy(answer + to, was + at, rr.end - at);
	}
}

static void test_a_resolver_may_give_records_in_any_order(void **state)
{
	struct dns_question q;
	int n;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		n = ask(rows[i].name, rows[i].type, 0, UINT32_MAX);
		assert_int_equal(dns_question(&q, answer, (size_t)n), 0);
		if (rows[i].rcode == DNS_SERVFAIL)
			continue;
		assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_RIGHT);
		reverse(n, &q);
		assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_RIGHT);
		if (rows[i].an_least > 1)
			assert_int_equal(rec_answer_match(answer, (size_t)n), REC_WRONG_DATA);
	}
	/* one record twice, for another that is missing */
	n = ask("example.com", DNS_MX, 0, UINT32_MAX);
	assert_int_equal(dns_question(&q, answer, (size_t)n), 0);
	int last = q.end + (n - q.end) / 2;
	memcpy(answer + last, answer + q.end, (size_t)(n - last));
	assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_WRONG_DATA);
}

static void test_a_changed_byte_of_a_resolvers_answer_is_seen(void **state)
{
	struct dns_question q;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int n = ask(rows[i].name, rows[i].type, 0, UINT32_MAX);
		assert_int_equal(dns_question(&q, answer, (size_t)n), 0);
		if (strstr(rows[i].name, "root-servers") != NULL || q.name_len == 1)
			continue;
		for (int at = q.end; at < n; at++) {
			uint8_t was = answer[at];
			answer[at] ^= 1;
			if (rec_answer_match_resolved(answer, (size_t)n) == REC_RIGHT)
				assert_true(in_ttl(n, q.end, at));
			answer[at] = was;
		}
	}
}

/* Makes the data of the only record, a name below example., end in a pointer into the question. */
static int compress(int n, const struct dns_question *q, size_t example)
{
	size_t end = (size_t)n - 9; /* "example" and the root */
	struct dns_rr rr;

	assert_int_equal(dns_rr(&rr, answer, (size_t)n, q->end), 0);
	dns_put16(answer + end, (uint16_t)(0xc000 | example));
	dns_put16(answer + rr.rdata - 2, (uint16_t)(rr.rdlen - 7));
	return n - 7;
}

static void test_a_resolver_may_compress_names_in_data(void **state)
{
	struct dns_question q;

	(void)state;
	int n = ask("7.example", DNS_PTR, 0, UINT32_MAX);
	assert_int_equal(dns_question(&q, answer, (size_t)n), 0);
	n = compress(n, &q, DNS_HEADER + 2);
	assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_RIGHT);
	assert_int_equal(rec_answer_match(answer, (size_t)n), REC_WRONG_DATA);
	answer[n - 1] = DNS_HEADER; /* 7.example. */
	assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_WRONG_DATA);
	answer[n - 1] = (uint8_t)(n - 2); /* itself */
	assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_WRONG_DATA);
}

static void test_a_resolver_denies_a_name_for_all_types(void **state)
{
	struct dns_question q;

	(void)state;
	int n = ask("nx.example", DNS_TXT, 0, UINT32_MAX);
	assert_int_equal(dns_question(&q, answer, (size_t)n), 0);
	dns_put16(answer + q.end - 4, DNS_AAAA);
	assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_RIGHT);
	assert_int_equal(rec_answer_match(answer, (size_t)n), REC_WRONG_DATA);
	answer[n - 1] ^= 1;
	assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_WRONG_DATA);
	n = ask("nodata.example", DNS_TXT, 0, UINT32_MAX);
	assert_int_equal(dns_question(&q, answer, (size_t)n), 0);
	dns_put16(answer + q.end - 4, DNS_AAAA);
	assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_WRONG_DATA);
}

static void test_a_resolver_may_have_waited_for_two_seconds(void **state)
{
	struct dns_question q;

	(void)state;
	int n = ask("ttl7.example", DNS_TXT, 0, UINT32_MAX);
	assert_int_equal(dns_question(&q, answer, (size_t)n), 0);
	dns_put32(answer + q.end + 6, 9);
	assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_RIGHT);
	assert_int_equal(rec_answer_match(answer, (size_t)n), REC_WRONG_DATA);
	dns_put32(answer + q.end + 6, 10);
	assert_int_equal(rec_answer_match_resolved(answer, (size_t)n), REC_WRONG_DATA);
}

static void test_a_resolver_knows_some_names_by_itself(void **state)
{
	static const struct {
		const char *name;
		enum rec_match match;
	} known[] = {
		{ "a.root-servers.net", REC_RIGHT }, { "localhost", REC_RIGHT },
		{ "www.LocalHost", REC_RIGHT }, { "1.0.0.127.in-addr.arpa", REC_RIGHT },
		{ "127.in-addr.arpa.net", REC_WRONG_DATA }, { "alocalhost", REC_WRONG_DATA },
		{ "1.10.in-addr.arpa", REC_WRONG_DATA },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		int n = ask(known[i].name, DNS_A, 0, UINT32_MAX);
		answer[n - 1] ^= 1;
		if (rec_answer_match_resolved(answer, (size_t)n) != known[i].match)
			fail_msg("%s isn't what it should be", known[i].name);
		assert_int_equal(rec_answer_match(answer, (size_t)n), REC_WRONG_DATA);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind_of_question_has_its_answer),
		cmocka_unit_test(test_a_changed_byte_of_any_record_is_seen),
		cmocka_unit_test(test_ttls_come_from_the_name_and_age),
		cmocka_unit_test(test_case_makes_no_difference_but_is_kept),
		cmocka_unit_test(test_other_answers_are_named),
		cmocka_unit_test(test_edns_of_a_later_version_gets_badvers),
		cmocka_unit_test(test_too_small_a_buffer_is_refused),
		cmocka_unit_test(test_a_resolver_may_give_records_in_any_order),
		cmocka_unit_test(test_a_changed_byte_of_a_resolvers_answer_is_seen),
		cmocka_unit_test(test_a_resolver_may_compress_names_in_data),
		cmocka_unit_test(test_a_resolver_denies_a_name_for_all_types),
		cmocka_unit_test(test_a_resolver_may_have_waited_for_two_seconds),
		cmocka_unit_test(test_a_resolver_knows_some_names_by_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
