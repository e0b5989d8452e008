/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses, endpoints, prefixes: what text is taken, how it is written, what holds what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "lib/addr.h"

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(&ip, text), 0);
	return ip;
}

static void addresses_are_read_strictly_and_written_canonically(void **state)
{
	static const struct { const char *text, *want; } rows[] = {
		{ "192.0.2.3", "192.0.2.3" }, { "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" }, { "01.2.3.4", NULL }, { "1.2.3", NULL },
		{ "1.2.3.4.5", NULL }, { "256.1.1.1", NULL }, { "1.2.3.4 ", NULL }, { "", NULL },
		{ " 1.2.3.4", NULL }, { "1.2.3.-4", NULL }, { "::", "::" }, { "::1", "::1" },
		{ "1::", "1::" }, { "2001:DB8::1", "2001:db8::1" },
		{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
		{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
		{ "2001:0db8::0001", "2001:db8::1" }, { "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8" },
		{ "0:0:0:1:0:0:0:0", "0:0:0:1::" }, { "::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8" },
		{ "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0" }, { "::ffff:1.2.3.4", "1.2.3.4" },
		{ "::ffff:102:304", "1.2.3.4" }, { "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304" },
		{ "1:2:3:4:5:6:7:8:9", NULL }, { "1:2:3:4:5:6:7", NULL }, { "1::2::3", NULL },
		{ ":1", NULL }, { "1:", NULL }, { ":::", NULL }, { "12345::", NULL },
		{ "g::", NULL },
		{ "1::1.2.3.4.5", NULL }, { "1.2.3.4::", NULL }, { "fe80::1%eth0", NULL },
		{ "1:2:3:4:5:6:7:1.2.3.4", NULL }, { "1::2:3:4:5:6:7:8", NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct ip ip, before = ip_v4(9, 9, 9, 9);
		char out[IP_TEXT];
		ip = before;
		int err = ip_parse(&ip, rows[i].text);
		if ((err == 0) != (rows[i].want != NULL))
			fail_msg("\"%s\": %d", rows[i].text, err);
		if (err != 0) {
			assert_true(err == -EINVAL && ip_eq(&ip, &before));
			continue;
		}
		assert_int_equal(ip_format(&ip, out), strlen(rows[i].want));
		assert_string_equal(out, rows[i].want);
	}
}

static void endpoints_take_a_port_or_its_default(void **state)
{
	static const struct { const char *text; int err; const char *want; } rows[] = {
		{ "192.0.2.3", 0, "192.0.2.3:53" }, { "192.0.2.3:5353", 0, "192.0.2.3:5353" },
		{ "2001:db8::1", 0, "[2001:db8::1]:53" },
		{ "[2001:db8::1]", 0, "[2001:db8::1]:53" },
		{ "[2001:db8::1]:1", 0, "[2001:db8::1]:1" }, { "[::]:65535", 0, "[::]:65535" },
		{ "[192.0.2.3]:7", 0, "192.0.2.3:7" },
		{ "192.0.2.3:0", -ERANGE, NULL }, { "192.0.2.3:65536", -ERANGE, NULL },
		{ "192.0.2.3:", -ERANGE, NULL }, { "192.0.2.3:5x", -ERANGE, NULL },
		{ "192.0.2.3:053", -ERANGE, NULL }, { "[::1", -EINVAL, NULL },
		{ "[::1]5", -EINVAL, NULL }, { "host:53", -EINVAL, NULL }, { "", -EINVAL, NULL },
		{ ":53", -EINVAL, NULL }, { "[]:53", -EINVAL, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct ep ep;
		char out[EP_TEXT];
		int err = ep_parse(&ep, rows[i].text, 53);
		if (err != rows[i].err)
			fail_msg("\"%s\": %d", rows[i].text, err);
		if (err == 0) {
			assert_int_equal(ep_format(&ep, out), strlen(rows[i].want));
			assert_string_equal(out, rows[i].want);
		}
	}
}

static void prefixes_clear_what_lies_past_their_bits(void **state)
{
	static const struct { const char *text; int err; const char *want; } rows[] = {
		{ "10.0.0.0/8", 0, "10.0.0.0/8" }, { "10.1.2.3/8", 0, "10.0.0.0/8" },
		{ "192.0.2.3", 0, "192.0.2.3/32" }, { "0.0.0.0/0", 0, "0.0.0.0/0" },
		{ "192.0.2.255/25", 0, "192.0.2.128/25" }, { "2001:db8::1", 0, "2001:db8::1/128" },
		{ "2605:e200:d00f:1::/44", 0, "2605:e200:d000::/44" }, { "::/0", 0, "::/0" },
		{ "1.2.3.4/33", -ERANGE, NULL }, { "::/129", -ERANGE, NULL },
		{ "1.2.3.4/", -ERANGE, NULL }, { "1.2.3.4/-1", -ERANGE, NULL },
		{ "1.2.3.4/08", -ERANGE, NULL }, { "1.2.3/8", -EINVAL, NULL },
		{ "/8", -EINVAL, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct prefix p;
		char out[PREFIX_TEXT];
		int err = prefix_parse(&p, rows[i].text);
		if (err != rows[i].err)
			fail_msg("\"%s\": %d", rows[i].text, err);
		if (err == 0) {
			assert_int_equal(prefix_format(&p, out), strlen(rows[i].want));
			assert_string_equal(out, rows[i].want);
		}
	}
}

static void a_prefix_holds_its_addresses_and_no_others(void **state)
{
	static const struct { const char *net, *ip; bool in; } rows[] = {
		{ "192.160.102.0/24", "192.160.102.255", true },
		{ "192.160.102.0/24", "192.160.103.0", false },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.128/25", "192.0.2.128", true },
		{ "0.0.0.0/0", "255.0.0.1", true }, { "0.0.0.0/0", "::1", false },
		{ "::/0", "::1", true }, { "::/0", "1.2.3.4", false },
		{ "::/80", "1.2.3.4", false }, { "::ffff:0:0/96", "1.2.3.4", true },
		{ "2605:e200:d000::/44", "2605:e200:d00f:ffff::1", true },
		{ "2605:e200:d000::/44", "2605:e200:d010::1", false },
		{ "192.0.2.3", "192.0.2.3", true }, { "192.0.2.3", "192.0.2.2", false },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct prefix p;
		struct ip ip = ip_of(rows[i].ip);
		assert_int_equal(prefix_parse(&p, rows[i].net), 0);
		if (prefix_has(&p, &ip) != rows[i].in || prefix_any(&p, 1, &ip) != rows[i].in)
			fail_msg("%s in %s", rows[i].ip, rows[i].net);
		assert_false(prefix_any(&p, 0, &ip));
	}
}

static void adding_carries_over_all_bytes(void **state)
{
	static const struct { const char *ip; uint64_t n; const char *want; } rows[] = {
		{ "192.0.2.1", 0, "192.0.2.1" }, { "192.0.2.255", 1, "192.0.3.0" },
		{ "10.0.0.0", 65536, "10.1.0.0" }, { "2001:db8::ffff", 1, "2001:db8::1:0" },
		{ "2001:db8::ffff:ffff:ffff:ffff", 1, "2001:db8:0:1::" },
		{ "::", UINT64_MAX, "::ffff:ffff:ffff:ffff" },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct ip ip = ip_of(rows[i].ip), want = ip_of(rows[i].want);
		struct ip got = ip_add(&ip, rows[i].n);
		assert_true(ip_eq(&got, &want));
	}
}

static void families_wildcards_and_order(void **state)
{
	struct ip any4 = ip_of("0.0.0.0"), any6 = ip_of("::"), one = ip_of("192.0.2.1");
	struct ip six = ip_of("2001:db8::1"), loop = ip_of("::1");

	(void)state;
	assert_true(ip_is4(&any4) && !ip_is4(&any6) && ip_is4(&one) && !ip_is4(&six));
	assert_true(ip_is_any(&any4) && ip_is_any(&any6) && !ip_is_any(&one) && !ip_is_any(&loop));
	assert_true(ip_cmp(&loop, &one) < 0 && ip_cmp(&one, &six) < 0 && ip_cmp(&six, &six) == 0);
	struct ep a = { one, 53 }, b = { one, 54 }, c = { any4, 53 };
	assert_true(ep_eq(&a, &a) && !ep_eq(&a, &b) && !ep_eq(&a, &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_strictly_and_written_canonically),
		cmocka_unit_test(endpoints_take_a_port_or_its_default),
		cmocka_unit_test(prefixes_clear_what_lies_past_their_bits),
		cmocka_unit_test(a_prefix_holds_its_addresses_and_no_others),
		cmocka_unit_test(adding_carries_over_all_bytes),
		cmocka_unit_test(families_wildcards_and_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
