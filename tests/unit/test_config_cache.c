/* SPDX-License-Identifier: BSD-3-Clause */
/* The packet cache in dnsdist configurations: both forms, the pool, each error's exact line. */
#include "config_rig.h"

static void a_cache_has_dnsdists_defaults(void **state)
{
	struct config *c = good("getPool(''):setCache(newPacketCache(10))");
	const struct bal_cache_conf *k = &c->conf.cache;

	(void)state;
	assert_int_equal(k->entries, 10);
	assert_int_equal(k->max_ttl, 86400);
	assert_int_equal(k->min_ttl, 0);
	assert_int_equal(k->failure_ttl, 60);
	assert_int_equal(k->stale_ttl, 60);
	assert_int_equal(k->negative_ttl, 3600);
	assert_false(k->dont_age);
	assert_false(k->cookie_hashing);
	assert_int_equal(c->conf.stale_s, 0);
	assert_int_equal(c->note_n, 0);
	config_free(c);
}

static void check_all(const struct config *c)
{
	const struct bal_cache_conf *k = &c->conf.cache;

	assert_int_equal(k->entries, 10000);
	assert_int_equal(k->max_ttl, 1);
	assert_int_equal(k->min_ttl, 2);
	assert_int_equal(k->failure_ttl, 3);
	assert_int_equal(k->stale_ttl, 4);
	assert_true(k->dont_age);
	assert_int_equal(k->negative_ttl, 5);
}

static void every_key_of_a_cache_is_read(void **state)
{
	static const char *const noted[] = {
		"newPacketCache: numberOfShards", "newPacketCache: parseECS",
		"newPacketCache: keepStaleData",
	};
	struct config *c = good(
		"pc = newPacketCache(10000, {maxTTL=1, minTTL=2, temporaryFailureTTL=3,\n"
		"staleTTL=4, dontAge=true, numberOfShards=20, maxNegativeTTL=5, parseECS=true,\n"
		"keepStaleData=true, cookieHashing=true})\n"
		"getPool(''):setCache(pc) setStaleCacheEntriesTTL(30)");

	(void)state;
	check_all(c);
	assert_true(c->conf.cache.cookie_hashing);
	assert_int_equal(c->conf.stale_s, 30);
	assert_int_equal(c->note_n, COUNT_OF(noted));
	for (size_t i = 0; i < COUNT_OF(noted); i++) {
		assert_int_equal(c->note[i].kind, CONFIG_NO_EFFECT);
		assert_string_equal(c->note[i].text, noted[i]);
	}
	config_free(c);
}

static void the_older_form_reads_the_same(void **state)
{
	struct config *c = good("pc = newPacketCache(10000, 1, 2, 3, 4, true, 1, true, 5, false)\n"
	                        "getPool(''):setCache(pc)");

	(void)state;
	check_all(c);
	assert_false(c->conf.cache.cookie_hashing);
	config_free(c);
	c = good("getPool(''):setCache(newPacketCache(7, 9, nil, 8))");
	assert_int_equal(c->conf.cache.entries, 7);
	assert_int_equal(c->conf.cache.max_ttl, 9);
	assert_int_equal(c->conf.cache.min_ttl, 0);
	assert_int_equal(c->conf.cache.failure_ttl, 8);
	config_free(c);
}

static void a_cache_that_no_pool_has_is_none(void **state)
{
	struct config *c = good("pc = newPacketCache(10)");

	(void)state;
	assert_int_equal(c->conf.cache.entries, 0);
	config_free(c);
	c = good("getPool(''):setCache(newPacketCache(10)) getPool(''):unsetCache()");
	assert_int_equal(c->conf.cache.entries, 0);
	config_free(c);
}

static const struct { const char *what, *text, *error; } bad[] = {
	{ "no entries", "newPacketCache(0)", "f.conf:1: newPacketCache: entries: '0': expected a "
	  "whole number from 1 to 100000000" },
	{ "nothing said", "newPacketCache()", "f.conf:1: newPacketCache: entries: 'nothing': "
	  "expected a whole number from 1 to 100000000" },
	{ "a misspelt key", "\nnewPacketCache(1, {maxTll=1})",
	  "f.conf:2: newPacketCache: unknown key 'maxTll': did you mean 'maxTTL'?" },
	{ "nothing like it", "newPacketCache(1, {frobnicate=1})", "f.conf:1: newPacketCache: "
	  "unknown key 'frobnicate': expected maxTTL, minTTL, temporaryFailureTTL, staleTTL..." },
	{ "a key that we can't honour", "newPacketCache(1, {skipOptions={1}})",
	  "f.conf:1: newPacketCache: 'skipOptions' is not supported yet" },
	{ "a value without a name", "newPacketCache(1, {86400})", "f.conf:1: newPacketCache: "
	  "expected every value to have a name, as in maxTTL=86400" },
	{ "a TTL below 0", "newPacketCache(1, {minTTL=-1})", "f.conf:1: newPacketCache: minTTL: "
	  "'-1': expected a whole number from 0 to 2147483647" },
	{ "no shards", "newPacketCache(1, {numberOfShards=0})", "f.conf:1: newPacketCache: "
	  "numberOfShards: '0': expected a whole number from 1 to 2147483647" },
	{ "a number for a truth", "newPacketCache(1, {dontAge=1})",
	  "f.conf:1: newPacketCache: dontAge: '1': expected true or false" },
	{ "a truth for a number, in the older form", "newPacketCache(1, true)",
	  "f.conf:1: newPacketCache: maxTTL: 'true': expected a whole number from 0 to "
	  "2147483647" },
	{ "too many values", "newPacketCache(1, 2, 3, 4, 5, true, 7, true, 9, true, 11)",
	  "f.conf:1: newPacketCache: 11 values: expected 10 at most, or the number of entries and "
	  "a table" },
	{ "a pool's unknown method", "getPool(''):setECS(true)",
	  "f.conf:1: a pool's 'setECS' is not supported: expected setCache or unsetCache" },
	{ "a cache's method", "newPacketCache(1):printStats()", "f.conf:1: a packet cache's "
	  "'printStats' is not supported: expected it as the argument of setCache" },
	{ "no cache", "getPool(''):setCache(3)",
	  "f.conf:1: setCache: '3': expected what newPacketCache returned" },
	{ "a pool for a cache", "p = getPool('') p:setCache(p)",
	  "f.conf:1: setCache: 'userdata': expected what newPacketCache returned" },
	{ "no pool", "getPool('').setCache(newPacketCache(1))", "f.conf:1: setCache(pc): expected "
	  "a pool before it, as in getPool(\"\"):setCache(pc)" },
	{ "stale for ever", "setStaleCacheEntriesTTL(-1)", "f.conf:1: setStaleCacheEntriesTTL: "
	  "'-1': expected a whole number from 0 to 2147483647" },
};

static void what_is_wrong_is_said_with_file_and_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct config *c = parse(bad[i].text);
		if (c != NULL)
			fail_msg("%s: loads", bad[i].what);
		if (strcmp(error, bad[i].error) != 0)
			fail_msg("%s: '%s', not '%s'", bad[i].what, error, bad[i].error);
	}
}

static void foreign_mode_reads_the_cache_and_notes_the_rest(void **state)
{
	static const char *const noted[] = {
		"newPacketCache: maximumEntrySize", "pool:setECS",
		"packet cache:printStats", "setCache",
	};
	const struct config_options o = { .mode = CONFIG_FOREIGN };
	struct config *c = good_with(
		"pc = newPacketCache(10, {maxTTL=7, maximumEntrySize=4096})\n"
		"getPool(''):setCache(pc) getPool(''):setECS(true)\n"
		"getPool('abuse'):setCache(pc) pc:printStats() x = nil\n"
		"getPool(''):setCache(getPool('abuse'))\n", &o);

	(void)state;
	assert_int_equal(c->conf.cache.entries, 10);
	assert_int_equal(c->conf.cache.max_ttl, 7);
	for (size_t i = 0; i < COUNT_OF(noted); i++) {
		bool found = false;
		for (unsigned k = 0; k < c->note_n; k++)
			found = found || (c->note[k].kind == CONFIG_UNKNOWN &&
			                  strcmp(c->note[k].text, noted[i]) == 0);
		if (!found)
			fail_msg("%s isn't noted", noted[i]);
	}
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cache_has_dnsdists_defaults),
		cmocka_unit_test(every_key_of_a_cache_is_read),
		cmocka_unit_test(the_older_form_reads_the_same),
		cmocka_unit_test(a_cache_that_no_pool_has_is_none),
		cmocka_unit_test(what_is_wrong_is_said_with_file_and_line),
		cmocka_unit_test(foreign_mode_reads_the_cache_and_notes_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
