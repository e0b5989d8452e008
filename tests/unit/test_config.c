/* SPDX-License-Identifier: BSD-3-Clause */
/* dnsdist configurations, good and bad: what they come to, and the exact line of each error. */
#include "config_rig.h"

#define SECOND INT64_C(1000000000)

static const struct config_options foreign_mode = { .mode = CONFIG_FOREIGN };

static struct config *foreign(const char *text)
{
	return good_with(text, &foreign_mode);
}

static void an_empty_file_comes_to_the_defaults(void **state)
{
	struct config *c = good("");
	const struct ep front = { ip_v4(127, 0, 0, 1), 53 };
	const struct ip in = ip_v4(10, 9, 8, 7), out = ip_v4(192, 0, 2, 1);

	(void)state;
	assert_int_equal(c->conf.policy, BAL_LEAST_OUTSTANDING);
	assert_int_equal(c->conf.server_n, 0);
	assert_int_equal(c->conf.front_n, 1);
	assert_true(ep_eq(&c->conf.front[0], &front));
	assert_int_equal(c->conf.acl_n, 9);
	assert_true(prefix_any(c->conf.acl, c->conf.acl_n, &in));
	assert_false(prefix_any(c->conf.acl, c->conf.acl_n, &out));
	assert_int_equal(c->conf.udp_timeout_ns, 2 * SECOND);
	assert_int_equal(c->conf.max_outstanding, 65535);
	assert_false(c->conf.servfail_when_no_server);
	assert_false(c->conf.roundrobin_fail_on_no_server);
	assert_int_equal(c->note_n, 0);
	config_free(c);
}

static void the_reference_file_loads_byte_for_byte(void **state)
{
	struct config *c = config_load("scenarios/blog/dnsdist.conf", NULL, error);
	char text[EP_TEXT];

	(void)state;
	if (c == NULL)
		fail_msg("%s", error);
	assert_int_equal(c->conf.policy, BAL_WRANDOM);
	assert_int_equal(c->conf.server_n, 2);
	assert_string_equal(c->conf.server[0].name, "DNS1");
	assert_string_equal(c->conf.server[1].name, "DNS3");
	ep_format(&c->conf.server[1].addr, text);
	assert_string_equal(text, "192.0.2.4:53");
	assert_int_equal(c->conf.server[0].line, 6);
	assert_int_equal(c->conf.server[1].line, 7);
	assert_int_equal(c->conf.front_n, 2);
	ep_format(&c->conf.front[1], text);
	assert_string_equal(text, "[::]:53");
	assert_int_equal(c->conf.acl_n, 2);
	assert_int_equal(c->note_n, 0);
	config_free(c);
}

static void a_server_has_dnsdists_defaults(void **state)
{
	struct config *c = good("newServer{address='192.0.2.1'}");
	const struct bal_server *s = c->conf.server;

	(void)state;
	assert_int_equal(c->conf.server_n, 1);
	assert_int_equal(s->addr.port, 53);
	assert_string_equal(s->name, "");
	assert_int_equal(s->order, 1);
	assert_int_equal(s->weight, 1);
	assert_int_equal(s->qps, 0);
	assert_int_equal(s->sockets, 1);
	assert_int_equal(s->check.mode, BAL_CHECK_AUTO);
	assert_int_equal(s->check.interval_ns, SECOND);
	assert_int_equal(s->check.timeout_ns, SECOND);
	assert_int_equal(s->check.max_failures, 1);
	assert_int_equal(s->check.rise, 1);
	assert_int_equal(s->check.type, DNS_A);
	assert_int_equal(s->check.class, DNS_IN);
	assert_memory_equal(s->check.name, "\1a\14root-servers\3net", 20);
	assert_int_equal(s->check.name_len, 20);
	config_free(c);
}

static void every_key_of_a_server_is_read(void **state)
{
	struct config *c = good(
		"newServer{address='[2001:db8::1]:5300', name='x', order='-2', weight=\"7\",\n"
		" qps=10, checkName='example.org', checkType='SOA', checkClass=3,\n"
		" checkInterval=5, checkTimeout='1', maxCheckFailures=3, rise=2,mustResolve=true,\n"
		" setCD=true, checkTCP=true, sockets=4, id='b', pool='', retries=3,\n"
		" tcpFastOpen=true}");
	const struct bal_server *s = c->conf.server;

	(void)state;
	assert_int_equal(s->addr.port, 5300);
	assert_string_equal(s->name, "x");
	assert_int_equal(s->order, -2);
	assert_int_equal(s->weight, 7);
	assert_int_equal(s->qps, 10);
	assert_int_equal(s->sockets, 4);
	assert_int_equal(s->check.type, DNS_SOA);
	assert_int_equal(s->check.class, DNS_CH);
	assert_int_equal(s->check.name_len, 13);
	assert_int_equal(s->check.interval_ns, 5 * SECOND);
	assert_int_equal(s->check.timeout_ns, SECOND / 1000);
	assert_int_equal(s->check.max_failures, 3);
	assert_int_equal(s->check.rise, 2);
	assert_true(s->check.must_resolve);
	assert_true(s->check.set_cd);
	assert_true(s->check.tcp);
	assert_int_equal(s->line, 1);
	assert_int_equal(s->tcp.retries, 3);
	assert_int_equal(c->note_n, 1);
	assert_int_equal(c->note[0].kind, CONFIG_NO_EFFECT);
	assert_string_equal(c->note[0].text, "newServer: tcpFastOpen");
	config_free(c);
}

static void servers_stand_in_order_then_as_defined(void **state)
{
	struct config *c = good("newServer{address='192.0.2.1', name='a', order=2}\n"
	                        "newServer{address='192.0.2.2', name='b'}\n"
	                        "newServer{address='192.0.2.3', name='c', order=2}\n"
	                        "newServer('192.0.2.4:54', 20)\n");

	(void)state;
	assert_int_equal(c->conf.server_n, 4);
	assert_string_equal(c->conf.server[0].name, "b");
	assert_int_equal(c->conf.server[1].addr.port, 54);
	assert_int_equal(c->conf.server[1].qps, 20);
	assert_string_equal(c->conf.server[2].name, "a");
	assert_string_equal(c->conf.server[3].name, "c");
	config_free(c);
}

static void a_bad_weight_leaves_the_server_out_with_dnsdists_line(void **state)
{
	struct config *c = good("newServer{address='192.0.2.1', weight=0}:setUp()\n"
	                        "newServer{address='192.0.2.2', weight=2147483648}\n"
	                        "newServer{address='192.0.2.3', weight='-1'}\n"
	                        "newServer{address='192.0.2.4', weight=2147483647}\n");

	(void)state;
	assert_int_equal(c->conf.server_n, 1);
	assert_int_equal(c->conf.server[0].weight, INT32_MAX);
	assert_int_equal(c->note_n, 3);
	assert_int_equal(c->note[0].kind, CONFIG_PRINT);
	assert_string_equal(c->note[0].text, "Error creating new server: downstream weight value "
	                                     "must be greater than 0.");
	assert_string_equal(c->note[1].text, "Error creating new server: downstream weight value "
	                                     "must be between 1 and 2147483647");
	assert_string_equal(c->note[2].text, c->note[0].text);
	config_free(c);
}

static void methods_set_how_a_server_is_checked(void **state)
{
	struct config *c = good("local s = newServer{address='192.0.2.1', name='a'}\n"
	                        "s:setUp()\n"
	                        "newServer{address='192.0.2.2'}:setDown()\n"
	                        "t = newServer{address='192.0.2.3'} t:setDown() t:setAuto(false)\n"
	                        "print(s:getName(), s:getNameWithAddr(), t:getNameWithAddr())");

	(void)state;
	assert_int_equal(c->conf.server[0].check.mode, BAL_CHECK_UP);
	assert_int_equal(c->conf.server[1].check.mode, BAL_CHECK_DOWN);
	assert_int_equal(c->conf.server[2].check.mode, BAL_CHECK_AUTO);
	assert_int_equal(c->note_n, 1);
	assert_string_equal(c->note[0].text, "a\ta (192.0.2.1:53)\t192.0.2.3:53");
	config_free(c);
}

static void the_hashed_policies_and_their_settings_are_read(void **state)
{
	static const struct {
		const char *text;
		enum bal_policy policy;
	} rows[] = {
		{ "setServerPolicy(whashed)", BAL_WHASHED },
		{ "setServerPolicy(chashed)", BAL_CHASHED },
		{ "setServerPolicy(orderedWrandUntag)", BAL_ORDERED_WRANDOM },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct config *c = good(rows[i].text);
		assert_int_equal(c->conf.policy, rows[i].policy);
		assert_false(c->conf.perturbation_set);
		assert_int_equal(c->conf.weighted_factor_ppm, 0);
		assert_int_equal(c->conf.chashed_factor_ppm, 0);
		config_free(c);
	}
	struct config *c = good("setWHashedPertubation(4294967295)\n"
	                        "setWeightedBalancingFactor(1.2)\n"
	                        "setConsistentHashingBalancingFactor('1.25')\n"
	                        "newServer{address='192.0.2.1', id='one'}");
	assert_true(c->conf.perturbation_set);
	assert_int_equal(c->conf.perturbation, UINT32_MAX);
	assert_int_equal(c->conf.weighted_factor_ppm, 1200000);
	assert_int_equal(c->conf.chashed_factor_ppm, 1250000);
	assert_string_equal(c->conf.server[0].id, "one");
	config_free(c);
}

static void other_settings_are_read(void **state)
{
	struct config *c = good("addLocal('127.0.0.2')\n"
	                        "addLocal('127.0.0.3:54', {reusePort=true})\n"
	                        "setACL('0.0.0.0/0') addACL({'::/0', '192.0.2.1'})\n"
	                        "setUDPTimeout('5') setMaxUDPOutstanding(100)\n"
	                        "setServFailWhenNoServer(true) setRoundRobinFailOnNoServer(true)\n"
	                        "setServerPolicy(roundrobin) setMaxTCPClientThreads(20)");

	(void)state;
	assert_int_equal(c->conf.front_n, 2);
	assert_int_equal(c->conf.front[1].port, 54);
	assert_int_equal(c->conf.acl_n, 3);
	assert_int_equal(c->conf.udp_timeout_ns, 5 * SECOND);
	assert_int_equal(c->conf.max_outstanding, 100);
	assert_true(c->conf.servfail_when_no_server);
	assert_true(c->conf.roundrobin_fail_on_no_server);
	assert_int_equal(c->conf.policy, BAL_ROUNDROBIN);
	assert_int_equal(c->note_n, 2);
	assert_string_equal(c->note[0].text, "addLocal: reusePort");
	assert_string_equal(c->note[1].text, "setMaxTCPClientThreads");
	config_free(c);
}

static void added_prefixes_add_to_the_default_list(void **state)
{
	struct config *c = good("addACL('192.0.2.0/24')");

	(void)state;
	assert_int_equal(c->conf.acl_n, 10);
	config_free(c);
}

static void the_command_line_replaces_binds_and_acl(void **state)
{
	struct ep front = { ip_v4(127, 0, 0, 9), 5353 };
	struct prefix acl = { ip_v4(192, 0, 2, 0), 96 + 24 };
	struct config_options o = { .front_n = 1, .front = &front, .acl_n = 1, .acl = &acl };
	struct config *c = parse_with(
		"setLocal('127.0.0.1') addLocal('127.0.0.2') addACL('::/0')", &o);

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->conf.front_n, 1);
	assert_true(ep_eq(&c->conf.front[0], &front));
	assert_int_equal(c->conf.acl_n, 1);
	assert_int_equal(c->conf.acl[0].bits, 120);
	config_free(c);
}

static const struct { const char *what, *text, *error; } bad[] = {
	{ "syntax", "newServer{", "f.conf:1: unexpected symbol near '<eof>'" },
	{ "a misspelt function", "\nnewServr{address='192.0.2.1'}",
	  "f.conf:2: unknown name 'newServr': did you mean 'newServer'?" },
	{ "case counts", "NewServer{}", "f.conf:1: unknown name 'NewServer': did you mean "
	  "'newServer'?" },
	{ "nothing like it", "frobnicate()", "f.conf:1: unknown name 'frobnicate': expected a "
	  "configuration function, as newServer, setLocal, setACL, setServerPolicy" },
	{ "not yet", "\n\naddDynBlocks({})", "f.conf:3: 'addDynBlocks' is not supported yet" },
	{ "a misspelt key", "newServer{address='192.0.2.1', checkInterval=1, wieght=2}",
	  "f.conf:1: newServer: unknown key 'wieght': did you mean 'weight'?" },
	{ "the first of two bad keys", "newServer{zzz=1, address='192.0.2.1', aaa=2}",
	  "f.conf:1: newServer: unknown key 'aaa': expected address, name, order, weight, "
	  "checkName..." },
	{ "a key that we can't honour", "newServer{address='192.0.2.1', tls='openssl'}",
	  "f.conf:1: newServer: 'tls' is not supported yet" },
	{ "a value without a name", "newServer{'192.0.2.1'}", "f.conf:1: newServer: expected every "
	  "value to have a name, as in address=\"192.0.2.1\"" },
	{ "no address", "newServer{name='x'}",
	  "f.conf:1: newServer: no address: expected address=\"IP[:PORT]\"" },
	{ "a bad address", "newServer{address='192.0.2.300'}", "f.conf:1: newServer: address: "
	  "'192.0.2.300': expected an IP address, or one with a port" },
	{ "a bad port", "newServer('192.0.2.3:0')", "f.conf:1: newServer: address: '192.0.2.3:0': "
	  "expected an IP address, or one with a port" },
	{ "a fraction", "newServer{address='192.0.2.1', rise=1.5}", "f.conf:1: newServer: rise: "
	  "'1.5': expected a whole number from 1 to 255" },
	{ "a word for a number", "newServer{address='192.0.2.1', order='first'}", "f.conf:1: "
	  "newServer: order: 'first': expected a whole number from -2147483648 to 2147483647" },
	{ "a weight that is no number", "newServer{address='192.0.2.1', weight='heavy'}",
	  "f.conf:1: newServer: weight: 'heavy': expected a whole number from 1 to 2147483647" },
	{ "no sockets", "newServer{address='192.0.2.1', sockets=0}", "f.conf:1: newServer: "
	  "sockets: '0': expected a whole number from 1 to 64" },
	{ "a number for a truth", "newServer{address='192.0.2.1', mustResolve=1}", "f.conf:1: "
	  "newServer: mustResolve: '1': expected true or false" },
	{ "an unknown type", "newServer{address='192.0.2.1', checkType='AAAAA'}", "f.conf:1: "
	  "newServer: checkType: 'AAAAA': expected A, NS, SOA, AAAA... or a number from 1 to "
	  "65535" },
	{ "a bad name to check", "newServer{address='192.0.2.1', checkName='a..b'}", "f.conf:1: "
	  "newServer: checkName: 'a..b': expected a domain name" },
	{ "a pool that is a number", "newServer{address='192.0.2.1', pool=1}", "f.conf:1: "
	  "newServer: pool: '1': expected text" },
	{ "a long name", "newServer{address='192.0.2.1', name=string.rep('n', 64)}",
	  "f.conf:1: newServer: name: 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
	  "nnnnn': expected at most 63 bytes" },
	{ "no server", "newServer(true)",
	  "f.conf:1: newServer: address: 'true': expected text" },
	{ "a policy in quotes", "setServerPolicy('wrandom')", "f.conf:1: setServerPolicy: "
	  "'wrandom': expected leastOutstanding, firstAvailable, wrandom, roundrobin, whashed, "
	  "chashed or orderedWrandUntag, without quotes, or what newServerPolicy returned" },
	{ "a misspelt policy", "setServerPolicy(wrandon)",
	  "f.conf:1: unknown name 'wrandon': did you mean 'wrandom'?" },
	{ "a policy of LuaJIT's ffi", "setServerPolicyLuaFFI('mine', function() end)",
	  "f.conf:1: 'setServerPolicyLuaFFI' is not supported yet" },
	{ "a ring too large", "newServer{address='192.0.2.1', weight=1048576}\n"
	  "newServer('192.0.2.2')\nsetServerPolicy(chashed)", "f.conf:3: setServerPolicy: chashed: "
	  "the weights' sum is above 1048576: expected lower weights" },
	{ "two of one id on the ring", "setServerPolicy(chashed) newServer{address='192.0.2.1', "
	  "id='a'}\nnewServer{address='192.0.2.2', id='a'}", "f.conf:2: newServer: two servers are "
	  "'a' to chashed: expected an id of its own for each" },
	{ "a bad factor", "setWeightedBalancingFactor(0.9)",
	  "f.conf:1: setWeightedBalancingFactor: '0.9': expected a number from 1 to 1000, or "
	  "0 for no bound" },
	{ "no factor", "setConsistentHashingBalancingFactor('much')", "f.conf:1: "
	  "setConsistentHashingBalancingFactor: 'much': expected a number from 1 to 1000, or 0 for "
	  "no bound" },
	{ "a bad perturbation", "setWHashedPertubation(-1)", "f.conf:1: setWHashedPertubation: "
	  "'-1': expected a whole number from 0 to 4294967295" },
	{ "a long id", "newServer{address='192.0.2.1', id=string.rep('n', 64)}",
	  "f.conf:1: newServer: id: 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
	  "nnnnn': expected at most 63 bytes" },
	{ "a server for a policy", "setServerPolicy(newServer('192.0.2.1'))", "f.conf:1: "
	  "setServerPolicy: 'userdata': expected leastOutstanding, firstAvailable, wrandom, "
	  "roundrobin, whashed, chashed or orderedWrandUntag, without quotes, or what "
	  "newServerPolicy returned" },
	{ "a bad bind", "setLocal('localhost')", "f.conf:1: setLocal: 'localhost': expected an IP "
	  "address, or one with a port" },
	{ "a bind's bad option", "addLocal('::1', {reuseport=true})", "f.conf:1: addLocal: unknown "
	  "option 'reuseport': expected reusePort, tcpListenQueueSize, maxInFlight..." },
	{ "a bad prefix", "setACL({'192.0.2.0/24', '192.0.2.0/33'})", "f.conf:1: setACL: "
	  "'192.0.2.0/33': expected an IP address, or one with /BITS" },
	{ "no time over TCP", "setTCPRecvTimeout(0)",
	  "f.conf:1: setTCPRecvTimeout: '0': expected a whole number from 1 to 3600" },
	{ "a bind's bad number", "addLocal('::1', {maxInFlight='many'})", "f.conf:1: addLocal: "
	  "maxInFlight: 'many': expected a whole number from 0 to 16384" },
	{ "a misspelt function of TCP", "setTCPRecvTimout(2)", "f.conf:1: unknown name "
	  "'setTCPRecvTimout': did you mean 'setTCPRecvTimeout'?" },
	{ "no time", "setUDPTimeout(0)",
	  "f.conf:1: setUDPTimeout: '0': expected a whole number from 1 to 3600" },
	{ "no argument", "setUDPTimeout()",
	  "f.conf:1: setUDPTimeout: 'nothing': expected a whole number from 1 to 3600" },
	{ "too many outstanding", "setMaxUDPOutstanding(65536)",
	  "f.conf:1: setMaxUDPOutstanding: '65536': expected a whole number from 1 to 65535" },
	{ "too many sockets", "for i = 0, 256 do newServer{address='192.0.2.1', sockets=64} end",
	  "f.conf:1: newServer: sockets: more than 16384 in all" },
	{ "too many servers", "for i = 0, 1024 do newServer('192.0.2.1') end",
	  "f.conf:1: newServer: more than 1024 servers" },
	{ "an unknown method", "newServer('192.0.2.1'):setup()",
	  "f.conf:1: a server has no 'setup': did you mean 'setUp'?" },
	{ "a method without its server", "newServer('192.0.2.1').setUp()",
	  "f.conf:1: expected a server before the method, as in x:method()" },
	{ "an attribute", "newServer('192.0.2.1').address = '192.0.2.2'",
	  "f.conf:1: 'address' of a server can't be set" },
	{ "files", "io.open('/etc/passwd')", "f.conf:1: 'io' is not supported: a configuration "
	  "reads and runs nothing else" },
	{ "a part of dnsdist that isn't there", "\naddDynBlockSMT({}, 'x')", "f.conf:2: "
	  "'addDynBlockSMT' is not supported: there are no dynamic blocks here" },
	{ "what only a console may do", "showPools()", "f.conf:1: 'showPools' is not supported: it "
	  "shows or counts something, which a console may do" },
	{ "chance", "local x = math.random()", "f.conf:1: math.random: not while the configuration "
	  "is read, but in a function that is called for a query" },
	{ "compiled Lua", "\033LJ", "f.conf: compiled Lua, or a NUL or escape "
	  "character: expected text" },
	{ "compiled Lua after a comment", "#\n\033LJ", "f.conf: compiled Lua, or a NUL or escape "
	  "character: expected text" },
	{ "compiled Lua after a mark", "\xef\xbb\xbf\033LJ", "f.conf: compiled Lua, or a NUL or "
	  "escape character: expected text" },
	{ "a pattern that takes for ever", "('a'):rep(1000):find('a-a-a-a-a-b')",
	  "f.conf:1: a pattern with 2 repetitions or more on a text of 1000 bytes: could take too "
	  "long" },
	{ "the same, caught", "x = pcall(string.gsub, ('a'):rep(1000), 'a*a*a*a*b', '') assert(x)",
	  "f.conf:1: assertion failed!" },
	{ "an address", "x = string.format('%-8p', 'x')", "f.conf:1: bad argument #1 to 'format' "
	  "(%p is an address, which differs from run to run)" },
	{ "a walk in the order of a hash", "x = next({1, 2}, 1)",
	  "f.conf:1: next: a second argument: expected pairs for a walk" },
	{ "keys that have no order", "for k in pairs({ [{}] = 1 }) do end",
	  "f.conf:1: a key is a table: expected a name or a number" },
	{ "no end", "while true do end",
	  "f.conf:1: the configuration takes too long: more than 20000000 steps" },
	{ "no end, caught", "while true do pcall(function() while true do end end) end",
	  "f.conf:1: the configuration takes too long: more than 20000000 steps" },
	{ "too big", "x = string.rep('x', 1e9)", "f.conf: not enough memory" },
	{ "too big by doubling", "x = 'x' while true do x = x .. x end",
	  "f.conf: not enough memory" },
	{ "an error of its own", "error('no\\nway')", "f.conf:1: no way" },
	{ "an error that isn't text", "error({})",
	  "f.conf: the configuration raised an error that isn't text" },
};

static void what_is_wrong_is_said_with_file_and_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct config *c = parse(bad[i].text);
		if (c != NULL)
			fail_msg("%s: loads", bad[i].what);
		if (strcmp(error, bad[i].error) != 0)
			fail_msg("%s:\n  %s, not\n  %s", bad[i].what, error, bad[i].error);
	}
}

static void what_real_files_compute_works(void **state)
{
	struct config *c = good(
		"for name, last in pairs({ b = 2, a = 1, c = 3 }) do\n"
		"  newServer{address=string.format('192.0.2.%d', last), name=name} end\n"
		"assert(('192.0.2.1'):match('^(%d+)%.(%d+)%.(%d+)%.(%d+)$') == '192')\n"
		"assert(('a.b'):find('.', 1, true) == 2 and ('a,b'):gsub(',', ';') == 'a;b')\n"
		"local n = 0 for w in ('a b c'):gmatch('%a') do n = n + 1 end assert(n == 3)\n"
		"assert(next({}) == nil and next({ b = 1, a = 2 }) == 'a' and not pcall(error))\n"
		"assert(tostring({}) == 'table' and _G.newServer and getmetatable('') == false)\n");

	(void)state;
	assert_int_equal(c->conf.server_n, 3);
	assert_string_equal(c->conf.server[0].name, "a");
	assert_string_equal(c->conf.server[2].name, "c");
	config_free(c);
}

static void what_is_unknown_cannot_be_given_a_finalizer(void **state)
{
	(void)state;
	assert_null(parse_with("getmetatable(nosuch).__gc = function() while true do end end",
	                       &foreign_mode));
	assert_string_equal(error, "f.conf:1: attempt to index a boolean value");
}

static void a_missing_file_is_said_by_name(void **state)
{
	(void)state;
	assert_null(config_load("/nonexistent/f.conf", NULL, error));
	assert_string_equal(error, "/nonexistent/f.conf: No such file or directory");
	assert_null(config_load("tests", NULL, error));
	assert_string_equal(error, "tests: Is a directory");
}

static void console_and_web_server_are_read(void **state)
{
	static const uint8_t key[ADMIN_KEY] = { 0, 1, 2 };
	struct config *c = good(
		"setKey('AAECAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=')\n"
		"controlSocket('127.0.0.1:99')\n"
		"setConsoleACL{'192.0.2.0/24'} addConsoleACL('::1')\n"
		"setConsoleMaximumConcurrentConnections(7) webserver('[::1]:8080')\n"
		"setWebserverConfig{password='p', apiKey='k', acl='127.0.0.1, ::1,10.0.0.0/8',\n"
		"  customHeaders={['X-B']='2', ['X-A']='1'}, statsRequireAuthentication=false,\n"
		"  maxConcurrentConnections=8}");
	const struct admin_console *k = &c->admin.console;
	const struct admin_web *w = &c->admin.web;

	(void)state;
	assert_true(k->on && k->keyed && w->on && !w->stats_need_auth);
	assert_memory_equal(k->key, key, ADMIN_KEY);
	assert_int_equal(k->listen.port, 99);
	assert_int_equal(w->listen.port, 8080);
	assert_int_equal(k->acl.n, 2);
	assert_int_equal(w->acl.n, 3);
	assert_int_equal(k->connections, 7);
	assert_int_equal(w->connections, 8);
	assert_string_equal(w->password, "p");
	assert_string_equal(w->api_key, "k");
	assert_int_equal(w->header_n, 2);
	assert_string_equal(w->header[0].name, "X-A");
	config_free(c);
	c = good("");
	assert_false(c->admin.console.on || c->admin.console.keyed || c->admin.web.on);
	assert_int_equal(c->admin.console.listen.port, 5199);
	assert_int_equal(c->admin.console.connections, 100);
	assert_true(c->admin.web.stats_need_auth);
	config_free(c);
}

/* What it can't use it passes over, so that it reads the file of a real dnsdist. */
static void a_consoles_client_reads_the_consoles_settings_alone(void **state)
{
	static const struct config_options client = { .mode = CONFIG_FOREIGN, .client = true };
	static const char text[] =
		"controlSocket('192.0.2.1') nosuch(1) setServerPolicyLua('a', function() end)\n"
		"includeDirectory('/etc/x') setKey('AAECAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=')";
	struct config *c = parse_with(text, &client);

	(void)state;
	assert_non_null(c);
	assert_true(c->admin.console.keyed);
	assert_int_equal(c->admin.console.listen.port, 5199);
	config_free(c);
	assert_null(parse_with(text, &foreign_mode));
	assert_null(parse_with("setKey('AAEC')", &client));
	assert_string_equal(error, "f.conf:1: setKey: expected 32 bytes in base64, as makeKey() "
	                    "prints them");
}

static void foreign_mode_notes_what_it_does_not_know(void **state)
{
	struct config *c = foreign(
		"webserver('127.0.0.1:8083')\n"
		"pc = newPacketCache(10000, {maxTTL=86400}) getPool(''):setCache(pc)\n"
		"addAction(AndRule{QTypeRule(DNSQType.ANY), TCPRule(false)}, TCAction())\n"
		"s = newServer{address='192.0.2.1', name='a', addXPF=true}\n"
		"s.frob = 2 s:frobnicate('x') x = 'a' .. nosuch + 1\n"
		"setServerPolicy(wrandom) addLocal('::1', {interface='lo'})\n");
	static const struct { unsigned line; const char *text; } notes[] = {
		{ 1, "webserver" }, { 3, "addAction" },
		{ 3, "AndRule" }, { 3, "QTypeRule" }, { 3, "TCPRule" }, { 3, "TCAction" },
		{ 4, "newServer: addXPF" }, { 5, "Server.frob" },
		{ 5, "Server:frobnicate" },
		{ 5, "nosuch" }, { 6, "addLocal: interface" },
	};

	(void)state;
	assert_int_equal(c->conf.server_n, 1);
	assert_int_equal(c->conf.cache.entries, 10000);
	assert_int_equal(c->conf.policy, BAL_WRANDOM);
	assert_int_equal(c->conf.front_n, 1);
	assert_int_equal(c->note_n, COUNT_OF(notes));
	for (size_t i = 0; i < COUNT_OF(notes); i++) {
		assert_int_equal(c->note[i].kind, CONFIG_UNKNOWN);
		assert_int_equal(c->note[i].line, notes[i].line);
		assert_string_equal(c->note[i].text, notes[i].text);
	}
	config_free(c);
}

static void foreign_mode_refuses_what_would_change_the_choice(void **state)
{
	static const char *const texts[] = {
		"setServerPolicyLuaFFI('x', function() end)", "getServer(0):setDown()",
		"setServerPolicy(nosuch)", "newServer{address='nonsense'}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (parse_with(texts[i], &foreign_mode) != NULL)
			fail_msg("%s: loads", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_comes_to_the_defaults),
		cmocka_unit_test(the_reference_file_loads_byte_for_byte),
		cmocka_unit_test(a_server_has_dnsdists_defaults),
		cmocka_unit_test(every_key_of_a_server_is_read),
		cmocka_unit_test(servers_stand_in_order_then_as_defined),
		cmocka_unit_test(a_bad_weight_leaves_the_server_out_with_dnsdists_line),
		cmocka_unit_test(methods_set_how_a_server_is_checked),
		cmocka_unit_test(the_hashed_policies_and_their_settings_are_read),
		cmocka_unit_test(other_settings_are_read),
		cmocka_unit_test(added_prefixes_add_to_the_default_list),
		cmocka_unit_test(the_command_line_replaces_binds_and_acl),
		cmocka_unit_test(what_is_wrong_is_said_with_file_and_line),
		cmocka_unit_test(what_real_files_compute_works),
		cmocka_unit_test(what_is_unknown_cannot_be_given_a_finalizer),
		cmocka_unit_test(a_missing_file_is_said_by_name),
		cmocka_unit_test(console_and_web_server_are_read),
		cmocka_unit_test(a_consoles_client_reads_the_consoles_settings_alone),
		cmocka_unit_test(foreign_mode_notes_what_it_does_not_know),
		cmocka_unit_test(foreign_mode_refuses_what_would_change_the_choice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
