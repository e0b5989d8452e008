/* SPDX-License-Identifier: BSD-3-Clause */
/* What newServer may say about lazy checks, client subnets, and what it is talked to from. */
#include "config_rig.h"

#define SECOND INT64_C(1000000000)

static void every_key_of_lazy_checks_is_read(void **state)
{
	struct config *c = good(
		"newServer{address='192.0.2.1', healthCheckMode='lazy', checkInterval=2,\n"
		" lazyHealthCheckSampleSize=50, lazyHealthCheckMinSampleCount=10,\n"
		" lazyHealthCheckThreshold=30, lazyHealthCheckFailedInterval=60,\n"
		" lazyHealthCheckMode='TimeoutOnly', lazyHealthCheckMaxBackOff='600',\n"
		" lazyHealthCheckUseExponentialBackOff=true}\n");
	const struct bal_lazy *l = &c->conf.server[0].check.lazy;

	(void)state;
	assert_true(l->on && l->timeouts_only && l->back_off);
	assert_int_equal(c->conf.server[0].check.mode, BAL_CHECK_AUTO);
	assert_int_equal(l->samples, 50);
	assert_int_equal(l->min_samples, 10);
	assert_int_equal(l->threshold, 30);
	assert_int_equal(l->failed_ns, 60 * SECOND);
	assert_int_equal(l->back_off_max_ns, 600 * SECOND);
	config_free(c);
}

static void lazy_checks_have_dnsdists_defaults(void **state)
{
	struct config *c = good("newServer{address='192.0.2.2', healthCheckMode='Lazy',\n"
	                        " lazyHealthCheckMode='TimeoutOrServFail'}\n");
	const struct bal_lazy *l = &c->conf.server[0].check.lazy;

	(void)state;
	assert_true(l->on && !l->timeouts_only && !l->back_off);
	assert_int_equal(l->samples, 100);
	assert_int_equal(l->min_samples, 1);
	assert_int_equal(l->threshold, 20);
	assert_int_equal(l->failed_ns, 30 * SECOND);
	assert_int_equal(l->back_off_max_ns, 3600 * SECOND);
	config_free(c);
}

static void modes_and_methods_say_how_a_server_is_checked(void **state)
{
	static const struct {
		const char *text;
		enum bal_check_mode mode;
		bool lazy;
	} rows[] = {
		{ "newServer{address='192.0.2.3', healthCheckMode='auto'}", BAL_CHECK_AUTO, false },
		{ "newServer{address='192.0.2.3', healthCheckMode='up'}", BAL_CHECK_UP, false },
		{ "newServer{address='192.0.2.3', healthCheckMode='down'}", BAL_CHECK_DOWN, false },
		{ "newServer{address='192.0.2.3', healthCheckMode='lazy'}", BAL_CHECK_AUTO, true },
		{ "newServer{address='192.0.2.3', healthCheckMode='down'}:setLazyAuto(true)",
		  BAL_CHECK_AUTO, true },
		{ "newServer{address='192.0.2.3', healthCheckMode='lazy'}:setActiveAuto()",
		  BAL_CHECK_AUTO, false },
		{ "newServer{address='192.0.2.3', healthCheckMode='lazy'}:setAuto()",
		  BAL_CHECK_AUTO, true },
		{ "newServer{address='192.0.2.3', healthCheckMode='lazy'}:setDown()",
		  BAL_CHECK_DOWN, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct config *c = good(rows[i].text);
		if (c->conf.server[0].check.mode != rows[i].mode ||
		    c->conf.server[0].check.lazy.on != rows[i].lazy)
			fail_msg("%s", rows[i].text);
		config_free(c);
	}
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
	static const struct { const char *text, *error; } rows[] = {
		{ "healthCheckMode='lasy'", "healthCheckMode: 'lasy': expected auto, lazy, up or "
		  "down" },
		{ "healthCheckMode=true", "healthCheckMode: 'true': expected text" },
		{ "lazyHealthCheckMode='Timeout'", "lazyHealthCheckMode: 'Timeout': expected "
		  "TimeoutOnly or TimeoutOrServFail" },
		{ "lazyHealthCheckThreshold=0", "lazyHealthCheckThreshold: '0': expected a whole "
		  "number from 1 to 100" },
		{ "lazyHealthCheckThreshold=101", "lazyHealthCheckThreshold: '101': expected a "
		  "whole number from 1 to 100" },
		{ "lazyHealthCheckSampleSize=0", "lazyHealthCheckSampleSize: '0': expected a whole "
		  "number from 1 to 65535" },
		{ "lazyHealthCheckSampleSize=9, lazyHealthCheckMinSampleCount=10",
		  "lazyHealthCheckMinSampleCount: '10': expected at most "
		  "lazyHealthCheckSampleSize, 9" },
		{ "lazyHealthCheckTreshold=1", "unknown key 'lazyHealthCheckTreshold': did you "
		  "mean 'lazyHealthCheckThreshold'?" },
	};
	char text[256], want[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(text, sizeof(text), "newServer{address='192.0.2.1', %s}", rows[i].text);
		snprintf(want, sizeof(want), "f.conf:1: newServer: %s", rows[i].error);
		assert_null(parse(text));
		assert_string_equal(error, want);
	}
}

static void subnets_are_told_to_the_servers_that_say_so(void **state)
{
	struct config *c = good("newServer{address='192.0.2.1', useClientSubnet=true,\n"
	                        " disableZeroScope=true, cpus={1, 2}} newServer('192.0.2.2')");

	(void)state;
	assert_true(c->conf.server[0].client_subnet && !c->conf.server[1].client_subnet);
	assert_true(c->conf.ecs.any && !c->conf.ecs.replace);
	assert_int_equal(c->conf.ecs.bits4, 24);
	assert_int_equal(c->conf.ecs.bits6, 56);
	assert_int_equal(c->note_n, 2);
	assert_int_equal(c->note[0].kind, CONFIG_NO_EFFECT);
	config_free(c);
	c = good("setECSSourcePrefixV4(32) setECSSourcePrefixV6('128') setECSOverride(true)\n"
	         "newServer('192.0.2.2')");
	assert_true(!c->conf.ecs.any && c->conf.ecs.replace);
	assert_int_equal(c->conf.ecs.bits4, 32);
	assert_int_equal(c->conf.ecs.bits6, 128);
	config_free(c);
	assert_null(parse("setECSSourcePrefixV4(33)"));
	assert_string_equal(error, "f.conf:1: setECSSourcePrefixV4: '33': expected a whole number "
	                           "from 0 to 32");
}

static void a_server_may_say_what_it_is_talked_to_from(void **state)
{
	static const struct { const char *text, *ip, *interface, *error; } rows[] = {
		{ "'192.0.2.127'", "192.0.2.127", "", NULL },
		{ "'eth1'", "::", "eth1", NULL },
		{ "'192.0.2.127@eth1'", "192.0.2.127", "eth1", NULL },
		{ "'192.0.2.127@'", NULL, NULL, "'192.0.2.127@': expected an IP address, an "
		  "interface, or both as 192.0.2.1@eth0" },
		{ "'eth1@192.0.2.127'", NULL, NULL, "'eth1@192.0.2.127': expected an IP address, "
		  "an interface, or both as 192.0.2.1@eth0" },
		{ "'an-interface-too-long'", NULL, NULL, "'an-interface-too-long': expected an IP "
		  "address, an interface, or both as 192.0.2.1@eth0" },
		{ "''", NULL, NULL, "'': expected an IP address, an interface, or both as "
		  "192.0.2.1@eth0" },
		{ "'2001:db8::1'", NULL, NULL, "'2001:db8::1': expected an address of the "
		  "server's family" },
	};
	char text[256], want[256], ip[IP_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(text, sizeof(text), "newServer{address='192.0.2.1', source=%s,"
		         " useProxyProtocol=true, reconnectOnUp=true}", rows[i].text);
		struct config *c = parse(text);
		snprintf(want, sizeof(want), "f.conf:1: newServer: source: %s", rows[i].error);
		if (rows[i].error != NULL) {
			assert_null(c);
			assert_string_equal(error, want);
			continue;
		}
		assert_non_null(c);
		ip_format(&c->conf.server[0].from, ip);
		assert_string_equal(ip, rows[i].ip);
		assert_string_equal(c->conf.server[0].from_interface, rows[i].interface);
		assert_true(c->conf.server[0].proxy && c->conf.server[0].reconnect);
		config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_lazy_checks_is_read),
		cmocka_unit_test(lazy_checks_have_dnsdists_defaults),
		cmocka_unit_test(modes_and_methods_say_how_a_server_is_checked),
		cmocka_unit_test(subnets_are_told_to_the_servers_that_say_so),
		cmocka_unit_test(a_server_may_say_what_it_is_talked_to_from),
		cmocka_unit_test(what_is_wrong_is_told_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
