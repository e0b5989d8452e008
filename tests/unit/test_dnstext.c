/* SPDX-License-Identifier: BSD-3-Clause */
/* dnstext prints messages, and ldns agrees with our own reader of questions on what is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ldns/ldns.h>

#include "lib/dns.h"
#include "lib/drbg.h"
#include "lib/host/dnstext.h"

static int example_query(uint8_t *m, size_t cap)
{
	uint8_t name[DNS_NAME_MAX];
	int n = dns_name_parse(name, "www.example.");

	return dns_query(m, cap, 7, DNS_RD, name, (size_t)n, DNS_A, DNS_IN, 1232);
}

static void a_query_is_one_line_with_its_question(void **state)
{
	uint8_t m[512];
	char text[200];
	int n = example_query(m, sizeof(m));

	(void)state;
	dnstext(m, (size_t)n, text, sizeof(text));
	assert_string_equal(text, "NOERROR; www.example. IN A");
}

static void what_does_not_fit_ends_in_dots(void **state)
{
	uint8_t m[512];
	char text[16];
	int n = example_query(m, sizeof(m));

	(void)state;
	dnstext(m, (size_t)n, text, sizeof(text));
	assert_string_equal(text, "NOERROR; www...");
}

static void rubbish_is_called_so(void **state)
{
	char text[200];

	(void)state;
	dnstext((const uint8_t *)"ab", 2, text, sizeof(text));
	assert_memory_equal(text, "not a DNS message (2 bytes): ", 29);
}

/* Whatever ldns reads as a message with one question, we read with the same question. */
static void check_against_ldns(const uint8_t *m, size_t len)
{
	struct dns_question q;
	ldns_pkt *pkt = NULL;

	if (ldns_wire2pkt(&pkt, m, len) != LDNS_STATUS_OK)
		return;
	if (ldns_pkt_qdcount(pkt) == 1 && m[DNS_HEADER] < 0xc0 && dns_question(&q, m, len) == 0) {
		const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
		const ldns_rdf *owner = ldns_rr_owner(rr);
		assert_int_equal(ldns_rr_get_type(rr), q.type);
		assert_int_equal(ldns_rdf_size(owner), q.name_len);
		assert_memory_equal(ldns_rdf_data(owner), m + DNS_HEADER, q.name_len);
	}
	ldns_pkt_free(pkt);
}

static void our_reader_and_ldns_agree_on_mangled_messages(void **state)
{
	struct drbg r;
	uint8_t seed[DRBG_SEED] = { 5 }, m[512];

	(void)state;
	drbg_init(&r, seed, DRBG_TEST, 0);
	for (int i = 0; i < 20000; i++) {
		int n = example_query(m, sizeof(m));
		for (uint64_t k = drbg_below(&r, 4); k > 0; k--)
			m[drbg_below(&r, (uint64_t)n)] = (uint8_t)drbg_u16(&r);
		check_against_ldns(m, (size_t)n - drbg_below(&r, 3));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_is_one_line_with_its_question),
		cmocka_unit_test(what_does_not_fit_ends_in_dots),
		cmocka_unit_test(rubbish_is_called_so),
		cmocka_unit_test(our_reader_and_ldns_agree_on_mangled_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
