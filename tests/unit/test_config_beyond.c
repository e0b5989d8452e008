/* SPDX-License-Identifier: BSD-3-Clause */
/* What a configuration may ask for that dnsdist doesn't have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "balancer/config/config.h"

#define SECOND INT64_C(1000000000)

static char error[CONFIG_ERROR_TEXT];

static struct config *parse(const char *text)
{
	error[0] = '\0';
	return config_parse("f.conf", text, strlen(text), NULL, error);
}

static struct config *good(const char *text)
{
	struct config *c = parse(text);

	if (c == NULL)
		fail_msg("%s", error);
	return c;
}

static void all_is_off_by_default(void **state)
{
	struct config *c = good("newServer('192.0.2.1') newServer{address='192.0.2.2'}");

	(void)state;
	assert_false(c->conf.servfail_on_timeout);
	assert_int_equal(c->conf.udp_retry_ns, 0);
	assert_int_equal(c->conf.server[0].slow_start_ns, 0);
	assert_int_equal(c->conf.server[1].slow_start_ns, 0);
	config_free(c);
}

static void what_is_asked_for_is_read(void **state)
{
	struct config *c = good("newServer('192.0.2.1')\n"
	                        "setSlowStart(30) setServFailOnTimeout(true)\n"
	                        "setUDPRetry(3500) setUDPTimeout(4)\n"
	                        "newServer{address='192.0.2.2', slowStart='5'}\n"
	                        "newServer{address='192.0.2.3', slowStart=0}\n");

	(void)state;
	assert_true(c->conf.servfail_on_timeout);
	assert_int_equal(c->conf.udp_retry_ns, 7 * SECOND / 2);
	assert_int_equal(c->conf.server[0].slow_start_ns, 30 * SECOND);
	assert_int_equal(c->conf.server[1].slow_start_ns, 5 * SECOND);
	assert_int_equal(c->conf.server[2].slow_start_ns, 0);
	config_free(c);
}

static void what_is_wrong_has_its_line(void **state)
{
	static const struct { const char *text, *says; } rows[] = {
		{ "\nsetServFailOnTimeout(1)", "f.conf:2: setServFailOnTimeout: '1': expected" },
		{ "setUDPRetry(300)\nsetUDPRetry(2000)",
		  "f.conf:2: setUDPRetry: '2000': expected less than setUDPTimeout, 2000 ms" },
		{ "setUDPRetry(0.5)", "f.conf:1: setUDPRetry: '0.5': expected" },
		{ "setSlowStart(-1)", "f.conf:1: setSlowStart: '-1': expected" },
		{ "setSlowStart(86401)", "f.conf:1: setSlowStart: '86401': expected" },
		{ "newServer{address='192.0.2.1', slowStart=0.5}",
		  "f.conf:1: newServer: slowStart: '0.5': expected" },
		{ "newServer{address='192.0.2.1', slowstart=5}", "did you mean 'slowStart'" },
		{ "setServfailOnTimeout(true)", "did you mean 'setServFailOnTimeout'" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_null(parse(rows[i].text));
		if (strstr(error, rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].text, error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_off_by_default),
		cmocka_unit_test(what_is_asked_for_is_read),
		cmocka_unit_test(what_is_wrong_has_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
