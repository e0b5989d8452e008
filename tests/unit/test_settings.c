/* SPDX-License-Identifier: BSD-3-Clause */
/* recursor.conf: how lines are read, what the values mean, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "recursor-stub/config/conf.h"

static struct settings s;
static struct stub_conf conf;

/* Reads a text as a file named x; returns what conf_read does. */
static int read_text(const char *text)
{
	char *copy = strdup(text);

	settings_fini(&s);
	int err = settings_text(&s, "x", copy);
	free(copy);
	return err < 0 ? err : conf_read(&conf, &s);
}

static void test_defaults_are_powerdns_s(void **state)
{
	(void)state;
	assert_int_equal(read_text(""), 0);
	assert_int_equal(conf.rec.packetcache_entries, 500000);
	assert_int_equal(conf.rec.packetcache_ttl, 3600);
	assert_int_equal(conf.rec.cache_ttl, 86400);
	assert_int_equal(conf.rec.negative_ttl, 3600);
	assert_int_equal(conf.rec.allow_n, 9);
	assert_int_equal(conf.listen_n, 1);
	assert_int_equal(conf.listen[0].port, 53);
	assert_int_equal(conf.threads, 2);
	assert_true(conf.rec.packetcache);
}

static void test_the_reference_file_is_read(void **state)
{
	(void)state;
	assert_int_equal(read_text("allow-from=192.160.102.0/24, 2605:e200:d000::/44\n"
	                           "local-address=0.0.0.0, ::\n"), 0);
	assert_int_equal(conf.rec.allow_n, 2);
	assert_int_equal(conf.listen_n, 2);
	assert_true(ip_is_any(&conf.listen[1].ip) && !ip_is4(&conf.listen[1].ip));
}

static void test_lines_continue_append_and_are_commented(void **state)
{
	(void)state;
	assert_int_equal(read_text("# comment\n  local-address = 192.0.2.1:54  # after\n"
	                           "local-address+=[2001:db8::1]:55\nallow-from=10.0.0.0/8,\\\n"
	                           "   !10.1.0.0/16\ndisable-packetcache\r\n"), 0);
	assert_int_equal(conf.listen_n, 2);
	assert_int_equal(conf.listen[0].port, 54);
	assert_int_equal(conf.listen[1].port, 55);
	assert_int_equal(conf.rec.allow_n, 2);
	assert_true(conf.allow[1].deny && conf.allow[1].prefix.bits == 112);
	assert_false(conf.rec.packetcache);
}

static void test_an_empty_allow_from_lets_everybody_in(void **state)
{
	(void)state;
	assert_int_equal(read_text("allow-from=\n"), 0);
	assert_int_equal(conf.rec.allow_n, 2);
	assert_int_equal(conf.allow[0].prefix.bits, 96); /* all of IPv4 */
	assert_int_equal(conf.allow[1].prefix.bits, 0);
}

static const struct { const char *text; enum dist_kind kind; int64_t a, b; } misses[] = {
	{ "20ms", DIST_CONSTANT, 20000000, 0 },
	{ "0", DIST_CONSTANT, 0, 0 },
	{ "1.5s", DIST_CONSTANT, 1500000000, 0 },
	{ "constant:7ns:0ns", DIST_CONSTANT, 7, 0 },
	{ "uniform(10us,2ms)", DIST_UNIFORM, 10000, 2000000 },
	{ "uniform:10us:2ms", DIST_UNIFORM, 10000, 2000000 },
	{ "lognormal(20ms, 40ms)", DIST_LOGNORMAL, 20000000, 40000000 },
	{ "exponential(5ms)", DIST_EXPONENTIAL, 5000000, 0 },
};

static void test_what_a_miss_costs(void **state)
{
	char text[100];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(misses); i++) {
		snprintf(text, sizeof(text), "stub-miss=%s\n", misses[i].text);
		if (read_text(text) < 0)
			fail_msg("%s", s.error);
		assert_int_equal(conf.miss.kind, misses[i].kind);
		assert_int_equal(conf.miss.a_ns, misses[i].a);
		assert_int_equal(conf.miss.b_ns, misses[i].b);
	}
}

static void test_faults_and_seed(void **state)
{
	(void)state;
	assert_int_equal(read_text("stub-cold=yes\n"), 0);
	assert_true(conf.rec.cold && !conf.rec.packetcache);
	assert_int_equal(read_text("stub-fault=servfail:0.1, slow:1:30ms\n"
	                           "stub-seed=9223372036854775807\n"), 0);
	assert_int_equal(conf.fault_ppm[REC_F_SERVFAIL], 100000);
	assert_int_equal(conf.fault_ppm[REC_F_SLOW], 1000000);
	assert_int_equal(conf.slow_ns, 30000000);
	assert_true(conf.seeded && conf.seed == 9223372036854775807u);
}

static const struct { const char *text, *error; } bad[] = {
	{ "x\n\nnonsense=1", "x:1: unknown setting 'x'" },
	{ "threads=0", "x:1: threads=0: expected a number from 1 to 64" },
	{ "threads=99999999999", "x:1: threads=99999999999: expected a number from 1 to 64" },
	{ "local-address=", "x:1: local-address=: expected an address" },
	{ "local-address=::1:99999", "x:1: local-address=::1:99999: '::1:99999' isn't an address" },
	{ "\nallow-from=1.2.3.4/33", "x:2: allow-from=1.2.3.4/33: '1.2.3.4/33' isn't a network" },
	{ "stub-miss=lognormal(5ms,5ms)", "x:1: stub-miss=lognormal(5ms,5ms): expected TIME" },
	{ "stub-miss=uniform(1ms)", "x:1: stub-miss=uniform(1ms): expected TIME" },
	{ "stub-miss=1ms2", "x:1: stub-miss=1ms2: expected TIME" },
	{ "stub-miss=9999999s", "x:1: stub-miss=9999999s: expected TIME" },
	{ "stub-fault=slow:1", "x:1: stub-fault=slow:1: expected KIND:PROBABILITY" },
	{ "stub-fault=drop:1.5", "x:1: stub-fault=drop:1.5: expected KIND:PROBABILITY" },
	{ "a b=1", "x:1: 'a b' isn't KEY=VALUE" },
	{ "=1", "x:1: '' isn't KEY=VALUE" },
};

static void test_mistakes_are_named_with_their_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_true(read_text(bad[i].text) < 0);
		if (strncmp(s.error, bad[i].error, strlen(bad[i].error)) != 0)
			fail_msg("%s", s.error);
	}
}

static void test_unknown_settings_may_be_ignored_by_name(void **state)
{
	(void)state;
	assert_int_equal(read_text("of-a-later-version=1\nignore-unknown-settings=a, "
	                           "of-a-later-version\n"), 0);
	assert_true(read_text("of-a-later-version=1\nignore-unknown-settings=a\n") < 0);
}

static void test_settings_without_effect_are_kept_as_a_list(void **state)
{
	(void)state;
	assert_int_equal(read_text("dnssec=validate\nquiet=yes\n"), 0);
	assert_string_equal(s.unused, "dnssec quiet");
	settings_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_powerdns_s),
		cmocka_unit_test(test_the_reference_file_is_read),
		cmocka_unit_test(test_lines_continue_append_and_are_commented),
		cmocka_unit_test(test_an_empty_allow_from_lets_everybody_in),
		cmocka_unit_test(test_what_a_miss_costs),
		cmocka_unit_test(test_faults_and_seed),
		cmocka_unit_test(test_mistakes_are_named_with_their_line),
		cmocka_unit_test(test_unknown_settings_may_be_ignored_by_name),
		cmocka_unit_test(test_settings_without_effect_are_kept_as_a_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
