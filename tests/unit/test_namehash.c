/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hash of names: values that another implementation of the same description gives (a dozen
 * lines of Python, written for this), every length of rest, and case.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lib/dns.h"
#include "lib/must.h"
#include "lib/namehash.h"

static void bytes_have_the_published_hash(void **state)
{
	static const struct {
		const char *text;
		uint32_t want;
	} rows[] = {
		{ "", 0xbd49d10d }, { "k", 0xcbfe1ad4 }, { "elevenbytes", 0xc2cae03e },
		{ "twelve bytes", 0xffd02e10 }, { "thirteen byte", 0xfa72333a },
		{ "192.0.2.3:53-1", 0x8517c1a6 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(namehash((const uint8_t *)rows[i].text, strlen(rows[i].text), 0),
		                 rows[i].want);
}

static void names_are_hashed_in_wire_form_without_regard_to_case(void **state)
{
	static const struct {
		const char *name;
		uint32_t initial, want;
	} rows[] = {
		{ ".", 0, 0x6ddfb8c9 }, { "www.example.", 0, 0x81bf84a9 },
		{ "wWw.exAMple.", 0, 0x81bf84a9 }, { "www.example.", 42, 0xbde1b395 },
		{ "a.root-servers.net.", 1234567, 0xef7f551b },
		{ "A.ROOT-SERVERS.NET.", 1234567, 0xef7f551b },
		{ "twelve.bytes.", UINT32_MAX, 0x8f5677c6 },
		{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.Example.org.",
		  7, 0xf453eedd },
	};
	uint8_t wire[DNS_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int len = dns_name_parse(wire, rows[i].name);
		assert_true(len > 0);
		assert_int_equal(namehash(wire, (size_t)len, rows[i].initial), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_the_published_hash),
		cmocka_unit_test(names_are_hashed_in_wire_form_without_regard_to_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
