/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools in dnsdist configurations: who is in which, policies, caches, each error's exact line. */
#include "config_rig.h"

static void without_a_word_all_are_in_the_default_pool(void **state)
{
	struct config *c = good("newServer('192.0.2.1') newServer{address='192.0.2.2', pool=''}\n"
	                        "newServer{address='192.0.2.3', pool={''}}\n"
	                        "getPool(''):setCache(newPacketCache(5))\n"
	                        "setPoolServerPolicy(roundrobin, '')");

	(void)state;
	assert_int_equal(c->conf.pool_n, 0);
	assert_int_equal(bal_pools(&c->conf), 1);
	assert_int_equal(bal_pool_servers(&c->conf, 0), 3);
	assert_int_equal(c->conf.cache.entries, 5);
	assert_int_equal(c->conf.policy, BAL_ROUNDROBIN);
	config_free(c);
}

/* Which of the pool's servers there are: letters of their names. */
static void members(const struct bal_conf *c, const char *pool, char out[16])
{
	int p = bal_pool_find(c, pool);
	size_t n = 0;

	assert_true(p >= 0);
	for (unsigned i = 0; i < c->server_n; i++)
		if (bal_pool_has(c, (unsigned)p, i))
			out[n++] = c->server[i].name[0];
	out[n] = '\0';
}

static void servers_are_in_the_pools_that_they_name(void **state)
{
	static const struct { const char *pool, *servers; } rows[] = {
		{ "", "bde" }, { "x", "acd" }, { "y", "c" }, { "z", "e" }, { "none", "" },
	};
	struct config *c = good(
		"newServer{address='192.0.2.1', name='a', pool='x'}\n"
		"newServer{address='192.0.2.2', name='b'}\n"
		"newServer{address='192.0.2.3', name='c', pool={'x', 'y'}}\n"
		"newServer{address='192.0.2.4', name='d', pool={'', 'x'}}\n"
		"e = newServer{address='192.0.2.5', name='e', order=9} e:addPool('z')\n"
		"f = newServer{address='192.0.2.6', name='f'} f:rmPool('')\n"
		"getPool('none')");
	char got[16];

	(void)state;
	assert_int_equal(bal_pools(&c->conf), 5);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		members(&c->conf, rows[i].pool, got);
		assert_string_equal(got, rows[i].servers);
	}
	assert_int_equal(bal_pool_find(&c->conf, "nowhere"), -1);
	config_free(c);
}

static void a_server_that_leaves_the_only_pool_is_in_none(void **state)
{
	struct config *c = good("newServer('192.0.2.1'):rmPool('') newServer('192.0.2.2')");

	(void)state;
	assert_int_equal(bal_pools(&c->conf), 1);
	assert_false(bal_pool_has(&c->conf, 0, 0));
	assert_true(bal_pool_has(&c->conf, 0, 1));
	config_free(c);
}

static void a_pool_has_its_own_policy_and_cache_or_the_policy_of_all(void **state)
{
	struct config *c = good("setPoolServerPolicy(roundrobin, 'x') setServerPolicy(wrandom)\n"
	                        "getPool('y'):setCache(newPacketCache(7, {maxTTL=8}))\n"
	                        "getPool(''):setCache(newPacketCache(9))");
	int x = bal_pool_find(&c->conf, "x"), y = bal_pool_find(&c->conf, "y");

	(void)state;
	assert_true(x == 1 && y == 2);
	assert_int_equal(bal_pool_policy(&c->conf, 0), BAL_WRANDOM);
	assert_int_equal(bal_pool_policy(&c->conf, 1), BAL_ROUNDROBIN);
	assert_int_equal(bal_pool_policy(&c->conf, 2), BAL_WRANDOM);
	assert_int_equal(bal_pool_cache(&c->conf, 0)->entries, 9);
	assert_int_equal(bal_pool_cache(&c->conf, 1)->entries, 0);
	assert_int_equal(bal_pool_cache(&c->conf, 2)->entries, 7);
	assert_int_equal(bal_pool_cache(&c->conf, 2)->max_ttl, 8);
	config_free(c);
}

static void pools_that_are_given_one_cache_share_it(void **state)
{
	struct config *c = good("a = newPacketCache(7) b = newPacketCache(7)\n"
	                        "getPool('w') getPool('x'):setCache(a) getPool('y'):setCache(b)\n"
	                        "getPool('z'):setCache(a) getPool(''):setCache(b)");

	(void)state;
	assert_int_equal(c->conf.pool[1].shares, 0);
	assert_int_equal(c->conf.pool[2].shares, 0);
	assert_int_equal(c->conf.pool[3].shares, 1);
	assert_int_equal(c->conf.pool[4].shares, 3);
	config_free(c);
}

static void two_of_one_id_may_be_in_two_rings(void **state)
{
	struct config *c = good(
		"setPoolServerPolicy(chashed, 'x') setPoolServerPolicy(chashed, 'y')\n"
		"newServer{address='192.0.2.1', id='a', pool='x', weight=1000000}\n"
		"newServer{address='192.0.2.2', id='a', pool='y', weight=1000000}");

	(void)state;
	assert_int_equal(bal_pools(&c->conf), 3);
	config_free(c);
}

static const struct { const char *what, *text, *error; } bad[] = {
	{ "a pool that is no text", "getPool(1)", "f.conf:1: getPool: '1': expected text" },
	{ "one of many that is no text", "newServer{address='192.0.2.1', pool={'a', true}}",
	  "f.conf:1: newServer: pool: 'true': expected text" },
	{ "a long name", "getPool(string.rep('n', 64))", "f.conf:1: getPool: "
	  "'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn': expected at most 63 "
	  "bytes" },
	{ "too many", "for i = 1, 63 do getPool('p' .. i) end\ngetPool('one more')",
	  "f.conf:2: getPool: 'one more': more than 64 pools" },
	{ "a policy in quotes", "setPoolServerPolicy('wrandom', 'x')", "f.conf:1: "
	  "setPoolServerPolicy: 'wrandom': expected leastOutstanding, firstAvailable, wrandom, "
	  "roundrobin, whashed, chashed or orderedWrandUntag, without quotes, or what "
	  "newServerPolicy returned" },
	{ "two of one id on one ring", "\nsetPoolServerPolicy(chashed, 'x')\n"
	  "newServer{address='192.0.2.1', id='a', pool='x'}\n"
	  "newServer{address='192.0.2.2', id='a', pool={'', 'x'}}",
	  "f.conf:4: newServer: two servers are 'a' to chashed: expected an id of its own for "
	  "each" },
	{ "a ring too large", "newServer{address='192.0.2.1', pool='x', weight=1048577}\n"
	  "setPoolServerPolicy(chashed, 'x')", "f.conf:2: setServerPolicy: chashed: the weights' "
	  "sum is above 1048576: expected lower weights" },
};

static void what_is_wrong_is_said_with_file_and_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		if (parse(bad[i].text) != NULL)
			fail_msg("%s: loads", bad[i].what);
		if (strcmp(error, bad[i].error) != 0)
			fail_msg("%s: '%s', not '%s'", bad[i].what, error, bad[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_word_all_are_in_the_default_pool),
		cmocka_unit_test(servers_are_in_the_pools_that_they_name),
		cmocka_unit_test(a_server_that_leaves_the_only_pool_is_in_none),
		cmocka_unit_test(a_pool_has_its_own_policy_and_cache_or_the_policy_of_all),
		cmocka_unit_test(pools_that_are_given_one_cache_share_it),
		cmocka_unit_test(two_of_one_id_may_be_in_two_rings),
		cmocka_unit_test(what_is_wrong_is_said_with_file_and_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
