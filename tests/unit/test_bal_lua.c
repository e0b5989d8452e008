/* SPDX-License-Identifier: BSD-3-Clause */
/* The core's calls out of it: what a policy's function is asked, and what follows from its word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "balancer/core/policy.h"
#include "tests/tcp_rig.h"

/* A function that says what it is told to, and remembers what it was asked. */
static struct {
	int says;
	unsigned calls, function, n;
	uint16_t server[RIG_SERVERS];
	struct bal_hook_query q;
	uint8_t name[DNS_NAME_MAX];
	struct ep peer, local;
} fake;

static int pick(void *arg, unsigned function, const struct bal_hook_query *q,
                const uint16_t *server, unsigned n)
{
	assert_ptr_equal(arg, &fake);
	fake.calls++;
	fake.function = function;
	fake.n = n;
	memcpy(fake.server, server, n * sizeof(*server));
	fake.q = *q;
	memcpy(fake.name, q->name, q->name_len);
	fake.peer = *q->peer;
	fake.local = *q->local;
	return fake.says;
}

static const struct bal_hooks hooks = { .arg = &fake, .pick = pick };
static struct trig t;

static void start(unsigned servers, bool servfail)
{
	memset(&fake, 0, sizeof(fake));
	trig_conf(&t, servers);
	t.rig.conf.policy = BAL_LUA;
	t.rig.conf.lua.function = 3;
	t.rig.conf.servfail_when_no_server = servfail;
	rig_start(&t.rig, 1);
	bal_set_hooks(t.rig.b, &hooks);
}

static void the_function_is_asked_about_each_query(void **state)
{
	uint8_t buf[RIG_BYTES];
	const struct ep local = { ip_v4(192, 160, 102, 2), 53 };

	(void)state;
	start(3, false);
	bal_shared_set_up(t.rig.shared, 1, false); /* it sees those that are down, too */
	for (unsigned i = 0; i < 6; i++) {
		struct dgram d = rig_query(buf, i, (uint16_t)(7 + i), "www.example.", true);
		struct ep peer = d.peer;
		uint16_t len = d.len;
		fake.says = (int)(i % 3);
		assert_int_equal(rig_rx(&t.rig, &d), BAL_FORWARD);
		assert_true(ep_eq(&d.peer, &t.rig.server[i % 3].addr));
		assert_int_equal(fake.calls, i + 1);
		assert_int_equal(fake.function, 3);
		assert_int_equal(fake.n, 3);
		assert_int_equal(fake.server[2], 2);
		assert_true(dns_name_eq(fake.name, fake.q.name_len,
		                        (const uint8_t *)"\3www\7example", 13));
		assert_int_equal(fake.q.type, DNS_A);
		assert_int_equal(fake.q.class, DNS_IN);
		assert_int_equal(fake.q.id, 7 + i);
		assert_int_equal(fake.q.flags, DNS_RD);
		assert_int_equal(fake.q.len, len);
		assert_int_equal(fake.q.end, 12 + 13 + 4);
		assert_false(fake.q.tcp);
		assert_true(ep_eq(&fake.peer, &peer) && ep_eq(&fake.local, &local));
	}
	rig_stop(&t.rig);
}

static void none_and_failed_are_told_apart(void **state)
{
	static const struct {
		const char *what;
		int says;
		bool servfail;
		enum bal_verdict want;
	} rows[] = {
		{ "none: dropped", BAL_HOOK_NONE, false, BAL_DROP_NO_SERVER },
		{ "none: SERVFAIL where that is wanted", BAL_HOOK_NONE, true, BAL_SERVFAIL },
		{ "failed: dropped", BAL_HOOK_FAILED, false, BAL_DROP_LUA },
		{ "failed: dropped in any case", BAL_HOOK_FAILED, true, BAL_DROP_LUA },
	};
	uint8_t buf[RIG_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(2, rows[i].servfail);
		struct dgram d = rig_query(buf, 0, 1, "a.example.", false);
		fake.says = rows[i].says;
		if (rig_rx(&t.rig, &d) != rows[i].want)
			fail_msg("%s: %s", rows[i].what, bal_verdict_name(d.verdict));
		assert_int_equal(bal_outstanding(t.rig.b), 0);
		assert_int_equal(bal_count(t.rig.b, rows[i].want), 1);
		rig_stop(&t.rig);
	}
}

static void a_drained_server_is_not_on_the_list_and_gets_nothing(void **state)
{
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(3, false);
	bal_shared_drain(t.rig.shared, 1, true, 0);
	struct dgram d = rig_query(buf, 0, 1, "a.example.", false);
	fake.says = 1;
	assert_int_equal(rig_rx(&t.rig, &d), BAL_DROP_NO_SERVER);
	assert_int_equal(fake.n, 2);
	assert_int_equal(fake.server[0], 0);
	assert_int_equal(fake.server[1], 2);
	bal_shared_drain(t.rig.shared, 1, false, 0);
	d = rig_query(buf, 0, 1, "a.example.", false);
	assert_int_equal(rig_rx(&t.rig, &d), BAL_FORWARD);
	assert_int_equal(fake.n, 3);
	rig_stop(&t.rig);
}

static void over_tcp_it_is_asked_again_for_another_try(void **state)
{
	(void)state;
	start(3, false);
	uint32_t a = trig_accept(&t, 0);
	fake.says = 2;
	trig_ask(&t, a, 5, "a.example.");
	assert_true(fake.q.tcp);
	assert_non_null(fake.q.message);
	struct trig_conn *c = trig_find(&t, TRIG_OPENING, 0);
	assert_int_equal(c->server, 2);
	fake.says = 0;
	trig_close(&t, c);
	c = trig_find(&t, TRIG_OPENING, 0);
	assert_int_equal(c->server, 0);
	assert_int_equal(fake.calls, 2);
	assert_true(fake.q.tcp);
	assert_null(fake.q.message);
	assert_int_equal(fake.q.id, 5);
	assert_int_equal(fake.q.flags, DNS_RD);
	fake.says = BAL_HOOK_FAILED;
	trig_close(&t, c);
	assert_null(trig_find(&t, TRIG_OPENING, 0));
	assert_int_equal(bal_tcp_count(t.rig.b, BAL_TCP_FAILED), 1);
	rig_stop(&t.rig);
}

static void each_pool_has_its_own_function(void **state)
{
	static struct bal_pool pool[2] = {
		{ .policy = BAL_LUA, .lua.function = 3 },
		{ .name = "p", .policy = BAL_LUA, .lua.function = 9 },
	};
	struct policy policy;
	uint8_t seed[DRBG_SEED] = { 0 };
	struct arena a;
	const struct ep none = { 0 };

	(void)state;
	start(3, false);
	rig_stop(&t.rig);
	t.rig.conf.pool = pool;
	t.rig.conf.pool_n = 2;
	t.rig.server[1].pools = 3;
	t.rig.server[2].pools = 2;
	assert_int_equal(host_arena(&a, bal_shared_arena_size(&t.rig.conf) +
	                                policy_arena_size(&t.rig.conf, 1)), 0);
	policy_init(&policy, &a, &t.rig.conf, 1, bal_shared_init(&a, &t.rig.conf), seed);
	policy.hooks = &hooks;
	policy_refresh(&policy, 0);
	fake.says = 2;
	const struct bal_hook_query q = { .name = (const uint8_t *)"", .name_len = 1,
	                                  .peer = &none, .local = &none };
	assert_true(policy_calls(&policy));
	assert_int_equal(policy_call(&policy, &q), 2);
	assert_int_equal(fake.function, 9);
	assert_int_equal(fake.n, 2);
	assert_int_equal(fake.server[0], 1);
	assert_int_equal(fake.server[1], 2);
	host_arena_free(&a);
}

static void without_such_a_policy_nothing_is_called(void **state)
{
	uint8_t buf[RIG_BYTES];

	(void)state;
	start(2, false);
	rig_stop(&t.rig);
	t.rig.conf.policy = BAL_ROUNDROBIN;
	rig_start(&t.rig, 1);
	bal_set_hooks(t.rig.b, &hooks);
	struct dgram d = rig_query(buf, 0, 1, "a.example.", false);
	assert_int_equal(rig_rx(&t.rig, &d), BAL_FORWARD);
	assert_int_equal(fake.calls, 0);
	rig_stop(&t.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_function_is_asked_about_each_query),
		cmocka_unit_test(none_and_failed_are_told_apart),
		cmocka_unit_test(a_drained_server_is_not_on_the_list_and_gets_nothing),
		cmocka_unit_test(over_tcp_it_is_asked_again_for_another_try),
		cmocka_unit_test(each_pool_has_its_own_function),
		cmocka_unit_test(without_such_a_policy_nothing_is_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
