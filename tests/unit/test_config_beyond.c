/* SPDX-License-Identifier: BSD-3-Clause */
/* What a configuration may ask for that dnsdist doesn't have. */
#include "config_rig.h"

#define SECOND INT64_C(1000000000)

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

static void how_messages_are_treated_is_read(void **state)
{
	struct config *c = good("setAllowEmptyResponse(true) setDropEmptyQueries(true)\n"
	                        "truncateTC(true) fixupCase(true)\n"
	                        "setAddEDNSToSelfGeneratedResponses(false)\n"
	                        "setPayloadSizeOnSelfGeneratedAnswers(1400)\n"
	                        "setUDPSocketBufferSizes(1000000, '0')\n");
	const struct bal_quirks *q = &c->conf.quirks;

	(void)state;
	assert_true(q->allow_empty_response && q->drop_empty_queries && q->truncate_tc);
	assert_true(q->fixup_case && q->own_without_edns);
	assert_int_equal(q->own_udp_size, 1400);
	assert_int_equal(q->udp_receive, 1000000);
	assert_int_equal(q->udp_send, 0);
	config_free(c);
	c = good("newServer('192.0.2.1')");
	const struct bal_quirks nothing = { 0 };
	assert_memory_equal(&c->conf.quirks, &nothing, sizeof(nothing));
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
		{ "truncateTC('yes')", "f.conf:1: truncateTC: 'yes': expected" },
		{ "setUDPSocketBufferSizes(1)",
		  "f.conf:1: setUDPSocketBufferSizes: 'nothing': expected" },
		{ "setPayloadSizeOnSelfGeneratedAnswers(100)",
		  "f.conf:1: setPayloadSizeOnSelfGeneratedAnswers: '100': expected" },
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
		cmocka_unit_test(how_messages_are_treated_is_read),
		cmocka_unit_test(what_is_wrong_has_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
