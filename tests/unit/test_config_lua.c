/* SPDX-License-Identifier: BSD-3-Clause */
/* What Lua in a configuration may do with servers and policies, and files that it includes. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>


#include "config_rig.h"

/* Servers a (order 2), b and c, in this order of definition; b, c, a in the configuration's. */
#define SERVERS "newServer{address='192.0.2.1', name='a', order=2} " \
	"newServer{address='192.0.2.2', name='b', id='bee', weight=5} " \
	"newServer{address='192.0.2.3', name='c'}\n"

/* Each asserts for itself. */
static const struct { const char *what, *text; } fine[] = {
	{ "by number", "assert(getServer(0).name == 'b' and getServer(2).name == 'a')" },
	{ "by name, id, made id", "assert(getServer('c').name == 'c' and "
	  "getServer('bee').name == 'b' and getServer('a (192.0.2.1:53)').name == 'a')" },
	{ "all", "local n = '' for i, s in ipairs(getServers()) do n = n .. i .. s.name end "
	  "assert(n == '1b2c3a')" },
	{ "the same one", "local s = newServer('192.0.2.9') assert(s == getServer(2) and "
	  "s ~= getServer(1))" },
	{ "methods", "local s = getServer('bee') assert(s:getName() == 'b' and "
	  "s:getNameWithAddr() == 'b (192.0.2.2:53)' and s:getID() == 'bee' and "
	  "s:getLatency() == 0 and s:getDrops() == 0 and s:getOutstanding() == 0 and "
	  "tostring(s) == 'b (192.0.2.2:53)')" },
	{ "up and down", "local s = getServer(0) assert(not s:isUp()) s:setUp() assert(s:isUp()) "
	  "s:setDown() assert(not s:isUp() and not s.upStatus) s:setAuto(true) assert(s:isUp()) "
	  "s.upStatus = false assert(not s:isUp())" },
	{ "attributes", "local s = getServer(0) s.weight, s.name = 9, 'x' s:setQPS(3) "
	  "assert(s.weight == 9 and s.name == 'x' and s:getName() == 'x' and s.order == 1)" },
	{ "order moves", "getServer(0).order = 3 assert(getServer(2).name == 'b') "
	  "getServer(2).order = 1 assert(getServer(0).name == 'b')" },
	{ "removed", "local s = getServer('b') rmServer(s) assert(#getServers() == 2 and "
	  "s:getName() == '' and not s:isUp()) s.weight = 3 rmServer(s) s:setUp()" },
	{ "removed by number", "rmServer(0) rmServer('a') assert(getServer(0).name == 'c' and "
	  "#getServers() == 1)" },
	{ "a server that was left out", "local s = newServer{address='192.0.2.9', weight=0} "
	  "s:setUp() s.order = 3 rmServer(s) assert(s:getName() == '' and #getServers() == 3)" },
	{ "policies", "assert(wrandom.name == 'wrandom' and not wrandom.isLua and "
	  "wrandom:toString() == 'wrandom') local f = function() end "
	  "local p = newServerPolicy('mine', f) assert(p.name == 'mine' and p.isLua and "
	  "p.policy == f and tostring(p) == 'mine (Lua)' and not p.isFFI)" },
	{ "functions, closures, loops", "local function double(x) return 2 * x end local t = {} "
	  "for i = 1, 3 do t[i] = function() return double(i) end end local n = 0 "
	  "repeat n = n + 1 until n == 5 while n > 3 do n = n - 1 end "
	  "assert(t[3]() == 6 and n == 3)" },
	{ "names in rules", "local s = newSuffixMatchNode() s:add(newDNSName('a.example')) "
	  "s:add({newDNSName('b.'), 'c'}) assert(s:check(newDNSName('x.A.example')) and "
	  "s:check('c') and not s:check(newDNSName('example'))) addAction(newDNSName('d.'), "
	  "DropAction()) addAction(QNameRule(newDNSName('e.')), DropAction()) "
	  "addAction({newDNSName('f.'), 'g.'}, DropAction())" },
	{ "logs", "infolog('a') warnlog('b') errlog('c') print('d')" },
};

static void servers_and_policies_are_lua_objects(void **state)
{
	char text[2048];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fine); i++) {
		snprintf(text, sizeof(text), SERVERS "%s", fine[i].text);
		config_free(good(text));
	}
}

static void what_is_changed_is_in_the_configuration(void **state)
{
	struct config *c = good(SERVERS "local s = getServer('b') s.weight = 8 s.order = 7 "
	                        "s.name = 'x' s:setQPS(4) rmServer('c') getServer('a'):setUp()");

	(void)state;
	assert_int_equal(c->conf.server_n, 2);
	assert_string_equal(c->conf.server[0].name, "a");
	assert_int_equal(c->conf.server[0].check.mode, BAL_CHECK_UP);
	assert_string_equal(c->conf.server[1].name, "x");
	assert_int_equal(c->conf.server[1].weight, 8);
	assert_int_equal(c->conf.server[1].order, 7);
	assert_int_equal(c->conf.server[1].qps, 4);
	assert_int_equal(c->function_n, 0);
	config_free(c);
}

static void a_weight_that_is_too_low_is_said_in_dnsdists_line_and_ignored(void **state)
{
	struct config *c = good("newServer('192.0.2.1').weight = 0");

	(void)state;
	assert_int_equal(c->conf.server[0].weight, 1);
	assert_int_equal(c->note_n, 1);
	assert_int_equal(c->note[0].kind, CONFIG_PRINT);
	assert_string_equal(c->note[0].text, "Error setting server's weight: downstream weight "
	                    "value must be greater than 0.");
	config_free(c);
}

static void a_lua_policy_is_named_and_numbered(void **state)
{
	static const struct { const char *text; unsigned function, functions; } rows[] = {
		{ "setServerPolicyLua('p', function() end)", 1, 1 },
		{ "setServerPolicy(newServerPolicy('p', function() end))", 1, 1 },
		{ "newServerPolicy('q', print) function f() end setServerPolicyLua('p', f)", 2, 2 },
		{ "setServerPolicyLua('q', print) setServerPolicyLua('p', print)", 2, 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct config *c = good(rows[i].text);
		assert_int_equal(c->conf.policy, BAL_LUA);
		assert_string_equal(c->conf.lua.name, "p");
		assert_int_equal(c->conf.lua.function, rows[i].function);
		assert_int_equal(c->function_n, rows[i].functions);
		config_free(c);
	}
	struct config *c = good("setServerPolicyLua('q', print) setServerPolicy(wrandom)");
	assert_int_equal(c->conf.policy, BAL_WRANDOM);
	assert_int_equal(c->conf.lua.function, 0);
	config_free(c);
}

static void a_pool_may_have_a_lua_policy(void **state)
{
	struct config *c = good("newServer{address='192.0.2.1', pool={'p', 'q', 'r'}} "
	                        "setServerPolicyLua('all', print) "
	                        "setPoolServerPolicyLua('mine', print, 'p') "
	                        "setPoolServerPolicy(wrandom, 'q')");

	(void)state;
	assert_int_equal(c->conf.pool_n, 4);
	assert_string_equal(bal_pool_lua(&c->conf, 0)->name, "all");
	assert_int_equal(bal_pool_lua(&c->conf, 0)->function, 1);
	assert_int_equal(bal_pool_policy(&c->conf, 1), BAL_LUA);
	assert_string_equal(bal_pool_lua(&c->conf, 1)->name, "mine");
	assert_int_equal(bal_pool_lua(&c->conf, 1)->function, 2);
	assert_int_equal(bal_pool_policy(&c->conf, 2), BAL_WRANDOM);
	assert_int_equal(bal_pool_policy(&c->conf, 3), BAL_LUA);
	assert_int_equal(bal_pool_lua(&c->conf, 3)->function, 1);
	config_free(c);
}

static void a_server_may_have_a_check_function(void **state)
{
	struct config *c = good("newServer{address='192.0.2.1', checkFunction=function() end} "
	                        "newServer('192.0.2.2')");

	(void)state;
	assert_int_equal(c->conf.server[0].check.function, 1);
	assert_int_equal(c->conf.server[1].check.function, 0);
	assert_int_equal(c->function_n, 1);
	config_free(c);
}

static const struct { const char *what, *text, *error; } bad[] = {
	{ "no such server", "getServer(3)", "f.conf:2: getServer: there is no server '3': expected "
	  "an id, a name, or a number from 0 to 2" },
	{ "nor that", "rmServer('x')", "f.conf:2: rmServer: there is no server 'x': expected an "
	  "id, a name, or a number from 0 to 2" },
	{ "a weight", "getServer(0).weight = 'x'", "f.conf:2: weight: 'x': expected a whole number "
	  "from 1 to 2147483647" },
	{ "a long name", "getServer(0).name = ('x'):rep(64)", "f.conf:2: name: 'xxxxxxxxxxxx"
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx': expected at most 63 bytes" },
	{ "a check that is no function", "newServer{address='192.0.2.9', checkFunction='f'}",
	  "f.conf:2: newServer: checkFunction: 'f': expected a function" },
	{ "no function", "setServerPolicyLua('p')", "f.conf:2: setServerPolicyLua: 'nothing': "
	  "expected a function" },
	{ "a name's function", "newServerPolicy('p', 'f')", "f.conf:2: newServerPolicy: 'f': "
	  "expected a function" },
	{ "no name", "setServerPolicyLua('', print)", "f.conf:2: setServerPolicyLua: '': expected "
	  "a name of 1 to 63 bytes" },
	{ "ours as a function", "wrandom.policy()", "f.conf:2: wrandom.policy: dnsdist's own "
	  "policies can't be called from Lua here: expected setServerPolicy(wrandom)" },
	{ "functions without end", "for i = 0, 4096 do newServerPolicy('p', print) end",
	  "f.conf:2: newServerPolicy: more than 4096 functions" },
	{ "an include without a file", "includeDirectory('.')", "f.conf:2: includeDirectory: not "
	  "in a text that isn't a file" },
	{ "a pool's policy without a pool", "setPoolServerPolicyLua('p', print)", "f.conf:2: "
	  "setPoolServerPolicyLua: 'nothing': expected text" },
	{ "a bad DNS name", "newDNSName('a..b')", "f.conf:2: newDNSName: 'a..b': expected a domain "
	  "name" },
};

static void what_is_wrong_is_said_with_file_and_line(void **state)
{
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		snprintf(text, sizeof(text), SERVERS "%s", bad[i].text);
		struct config *c = parse(text);
		if (c != NULL)
			fail_msg("%s: loads", bad[i].what);
		if (strcmp(error, bad[i].error) != 0)
			fail_msg("%s:\n  %s, not\n  %s", bad[i].what, error, bad[i].error);
	}
}

static void what_does_not_exist_becomes_a_note_in_foreign_mode(void **state)
{
	static const char text[] = "local s = newServer('192.0.2.1') s:frobnicate(true) "
		"s.source = 'x' local p = newServerPolicy('p', wrandom) setServerPolicy(p)";
	const struct config_options o = { .mode = CONFIG_FOREIGN };
	struct config *c = parse_with(text, &o);

	(void)state;
	if (c == NULL)
		fail_msg("%s", error);
	assert_int_equal(c->conf.policy, BAL_LUA);
	assert_int_equal(c->conf.lua.function, 0);
	assert_int_equal(c->note_n, 2);
	assert_string_equal(c->note[0].text, "Server:frobnicate");
	assert_string_equal(c->note[1].text, "Server.source");
	config_free(c);
}

/* ---- includeDirectory ---- */

static char folder[64], file[96];

static void put(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
	char sub[80];

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/ek-config-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(file, sizeof(file), "%s/f.conf", folder);
	snprintf(sub, sizeof(sub), "%s/d", folder);
	return mkdir(sub, 0700);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static void included_files_come_in_the_order_of_their_names(void **state)
{
	char path[128];

	(void)state;
	put("f.conf", "newServer{address='192.0.2.1', name='first'}\n"
	    "includeDirectory('d/')\nnewServer{address='192.0.2.4', name='last'}\n"
	    "assert(shared == 2)");
	put("d/20-b.conf", "\nnewServer{address='192.0.2.3', name='b'} shared = shared + 1\n");
	put("d/10-a.conf", "newServer{address='192.0.2.2', name='a'} shared = 1 setVerbose(true)");
	put("d/30.txt", "error('not one')");
	put("d/.hidden.conf", "error('not one')");
	snprintf(path, sizeof(path), "%s/d/40.conf", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	struct config *c = config_load(file, NULL, error);
	if (c == NULL)
		fail_msg("%s", error);
	assert_int_equal(c->conf.server_n, 4);
	assert_string_equal(c->conf.server[1].name, "a");
	assert_string_equal(c->conf.server[2].name, "b");
	assert_string_equal(c->conf.server[3].name, "last");
	assert_int_equal(c->conf.server[2].line, 2);
	assert_int_equal(c->conf.server[2].source, 2);
	assert_int_equal(c->source_n, 3);
	snprintf(path, sizeof(path), "%s/d/10-a.conf", folder);
	assert_string_equal(c->source[1].path, path);
	assert_int_equal(c->note_n, 1);
	assert_int_equal(c->note[0].source, 1);
	config_free(c);
}

/* FOLDER stands for the folder, in texts and messages. */
static void fill_in(char *out, size_t cap, const char *text)
{
	const char *at = strstr(text, "FOLDER");

	if (at == NULL)
		snprintf(out, cap, "%s", text);
	else
		snprintf(out, cap, "%.*s%s%s", (int)(at - text), text, folder, at + 6);
}

static void what_is_wrong_in_an_included_file_names_it(void **state)
{
	static const struct { const char *what, *text, *included, *error; } rows[] = {
		{ "a value", "includeDirectory('FOLDER/d')", "\n\nsetUDPTimeout(0)",
		  "FOLDER/d/a.conf:3: setUDPTimeout: '0': expected a whole number from 1 to 3600" },
		{ "syntax", "includeDirectory('d')", "x =",
		  "FOLDER/d/a.conf:1: unexpected symbol near '<eof>'" },
		{ "its own error", "includeDirectory('d')", "error('no')",
		  "FOLDER/d/a.conf:1: no" },
		{ "a function of it, called by the file", "includeDirectory('d')\nf()",
		  "function f()\n setLocal('x') end", "FOLDER/d/a.conf:2: setLocal: 'x': expected "
		  "an IP address, or one with a port" },
		{ "the file, after it", "includeDirectory('d')\n\nsetLocal('x')", "",
		  "FOLDER/f.conf:3: setLocal: 'x': expected an IP address, or one with a port" },
		{ "another include", "includeDirectory('d')", "includeDirectory('d')",
		  "FOLDER/d/a.conf:1: includeDirectory: not in a file that was included itself" },
		{ "no folder", "includeDirectory('nosuch')", "",
		  "FOLDER/f.conf:1: includeDirectory: 'FOLDER/nosuch': No such file or directory" },
		{ "a file for a folder", "includeDirectory('f.conf')", "",
		  "FOLDER/f.conf:1: includeDirectory: 'FOLDER/f.conf': Not a directory" },
		{ "compiled Lua", "includeDirectory('d')", "\033LJ", "FOLDER/f.conf:1: "
		  "includeDirectory: 'FOLDER/d/a.conf': compiled Lua, or a NUL or escape "
		  "character: expected text" },
		{ "two of one id on the ring", "setServerPolicy(chashed) newServer('192.0.2.1') "
		  "includeDirectory('d')", "\nnewServer('192.0.2.1')", "FOLDER/d/a.conf:2: "
		  "newServer: two servers are '192.0.2.1:53' to chashed: expected an id of its "
		  "own for each" },
		{ "no end", "includeDirectory('d')", "while true do end", "FOLDER/d/a.conf:1: the "
		  "configuration takes too long: more than 20000000 steps" },
	};
	char text[1024], want[1024], rest[1024];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fill_in(text, sizeof(text), rows[i].text);
		put("f.conf", text);
		put("d/a.conf", rows[i].included);
		fill_in(rest, sizeof(rest), rows[i].error);
		fill_in(want, sizeof(want), rest);
		struct config *c = config_load(file, NULL, error);
		if (c != NULL)
			fail_msg("%s: loads", rows[i].what);
		if (strcmp(error, want) != 0)
			fail_msg("%s:\n  %s, not\n  %s", rows[i].what, error, want);
	}
}

static void a_foreign_file_includes_by_absolute_paths_alone(void **state)
{
	const struct config_options o = { .mode = CONFIG_FOREIGN };
	char text[128], want[256];

	(void)state;
	put("f.conf", "includeDirectory('d')");
	put("d/a.conf", "newServer('192.0.2.1')");
	assert_null(config_load(file, &o, error));
	snprintf(want, sizeof(want), "%s:1: includeDirectory: 'd': expected an absolute path: a "
	         "real dnsdist takes another from where it is started", file);
	assert_string_equal(error, want);
	snprintf(text, sizeof(text), "includeDirectory('%s/d')", folder);
	put("f.conf", text);
	struct config *c = config_load(file, &o, error);
	if (c == NULL)
		fail_msg("%s", error);
	assert_int_equal(c->conf.server_n, 1);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_and_policies_are_lua_objects),
		cmocka_unit_test(what_is_changed_is_in_the_configuration),
		cmocka_unit_test(a_weight_that_is_too_low_is_said_in_dnsdists_line_and_ignored),
		cmocka_unit_test(a_lua_policy_is_named_and_numbered),
		cmocka_unit_test(a_pool_may_have_a_lua_policy),
		cmocka_unit_test(a_server_may_have_a_check_function),
		cmocka_unit_test(what_is_wrong_is_said_with_file_and_line),
		cmocka_unit_test(what_does_not_exist_becomes_a_note_in_foreign_mode),
		cmocka_unit_test_setup_teardown(included_files_come_in_the_order_of_their_names,
		                                set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_wrong_in_an_included_file_names_it, set_up,
		                                tear_down),
		cmocka_unit_test_setup_teardown(a_foreign_file_includes_by_absolute_paths_alone,
		                                set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
