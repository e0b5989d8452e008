/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration's Lua functions, called: what they get, what they may, and where they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "balancer/config/script.h"
#include "lib/host/host.h"

static char error[CONFIG_ERROR_TEXT];
static const uint8_t seed[DRBG_SEED] = { 7 };

struct rig {
	struct config *config;
	struct arena arena;
	struct bal_shared *shared;
	struct script *script;
	struct bal_hooks hooks;
};

/* Three servers before what text says. */
static struct rig start(const char *text)
{
	static const char servers[] =
		"newServer{address='192.0.2.3', name='a', order=2} "
		"newServer{address='192.0.2.4', name='b', weight=7, qps=5} "
		"newServer{address='[2001:db8::1]:54', order=3}\n";
	char all[4096];
	struct rig r = { 0 };

	snprintf(all, sizeof(all), "%s%s", servers, text);
	r.config = config_parse("f.conf", all, strlen(all), NULL, error);
	if (r.config == NULL)
		fail_msg("%s", error);
	assert_int_equal(host_arena(&r.arena, bal_shared_arena_size(&r.config->conf)), 0);
	r.shared = bal_shared_init(&r.arena, &r.config->conf);
	r.script = script_new(r.config, r.shared, seed, 0, error);
	if (r.script == NULL)
		fail_msg("%s", error);
	r.hooks = script_hooks(r.script);
	return r;
}

static void end(struct rig *r)
{
	script_free(r->script);
	config_free(r->config);
	host_arena_free(&r->arena);
}

/* www.Example.org., AAAA, RD, an OPT record with DO; the servers are b, a, and the third. */
static int pick_of(struct rig *r, unsigned function, const uint16_t *server, unsigned n)
{
	const struct ep peer = { ip_v4(198, 51, 100, 77), 4242 },
	                local = { ip_v4(192, 0, 2, 53), 53 };
	uint8_t name[DNS_NAME_MAX], m[128];
	int name_len = dns_name_parse(name, "www.Example.org.");
	int len = dns_query(m, sizeof(m), 0x1234, DNS_RD, name, (size_t)name_len, DNS_AAAA, DNS_IN,
	                    0);

	assert_true(len > 0);
	memcpy(m + len, "\0\0\x29\x04\xd0\0\0\x80\0\0\0", 11);
	dns_put16(m + 10, 1);
	const struct bal_hook_query q = {
		.name = name, .name_len = (size_t)name_len, .type = DNS_AAAA, .class = DNS_IN,
		.id = 0x1234, .flags = DNS_RD, .peer = &peer, .local = &local, .message = m,
		.len = (size_t)len + 11, .end = (size_t)len,
	};
	return r->hooks.pick(r->hooks.arg, function, &q, server, n);
}

static int pick(struct rig *r)
{
	static const uint16_t all[] = { 0, 1, 2 };

	return pick_of(r, r->config->conf.lua.function, all, 3);
}

/* Bodies of a policy's function(s, dq), and what each comes to. */
static const struct { const char *what, *body; int server; const char *error; } calls[] = {
	{ "the first", "return s[1]", 0, "" },
	{ "the last", "return s[#s]", 2, "" },
	{ "its place, as of dnsdist 2.1", "return 2", 1, "" },
	{ "none", "return nil", BAL_HOOK_NONE, "" },
	{ "nothing", "", BAL_HOOK_NONE, "" },
	{ "by name", "for _, x in ipairs(s) do if x.name == 'a' then return x end end", 1, "" },
	{ "one by its number", "return getServer(1)", 1, "" },
	{ "one by its name", "return getServer('b')", 0, "" },
	{ "one of all", "return getServers()[3]", 2, "" },
	{ "the question", "assert(dq.qname:toString() == 'www.Example.org.' and dq.qtype == 28 and "
	  "dq.qclass == DNSClass.IN and dq.tcp == false and dq.opcode == 0 and dq.rcode == 0 and "
	  "dq:getDO() and dq.len == 44 and #dq:getContent() == 44 and dq:getTag('x') == '') "
	  "return s[1]", 0, "" },
	{ "the client", "assert(dq.remoteaddr:toString() == '198.51.100.77' and "
	  "dq.remoteaddr:toStringWithPort() == '198.51.100.77:4242' and dq.remoteaddr:isIPv4() and "
	  "not dq.remoteaddr:isIPv6() and dq.remoteaddr:getPort() == 4242 and "
	  "#dq.remoteaddr:getRaw() == 4 and dq.localaddr:tostring() == '192.0.2.53') return s[2]",
	  1, "" },
	{ "a part of the client's address", "local a = dq.remoteaddr a:truncate(20) "
	  "assert(a:toString() == '198.51.96.0' and a ~= dq.remoteaddr) return s[1]", 0, "" },
	{ "the header", "local h = dq.dh assert(h:getRD() and not h:getCD() and not h:getQR() and "
	  "h:getID() == 0x1234) return s[3]", 2, "" },
	{ "names", "local n = dq.qname assert(n == newDNSName('WWW.example.ORG') and "
	  "n ~= newDNSName('example.org') and n:isPartOf(newDNSName('example.org.')) and "
	  "n:isPartOf('.') and not n:isPartOf('xample.org') and not n:isPartOf('a.www.example.org')"
	  " and n:countLabels() == 3 and n:wirelength() == 17 and n:chop() and "
	  "n:toStringNoDot() == 'Example.org' and tostring(n) == 'Example.org.' and "
	  "#n:toDNSString() == 13 and n:hash() == newDNSName('EXAMPLE.org'):hash() and n:chop() "
	  "and n:chop() and not n:chop()) return s[1]", 0, "" },
	{ "servers", "local x = s[1] assert(x:getName() == 'b' and x.weight == 7 and x.order == 1 "
	  "and x:getNameWithAddr() == 'b (192.0.2.4:53)' and x:getID() == 'b (192.0.2.4:53)' and "
	  "x:isUp() and x.upStatus and x:getOutstanding() == 9 and x:getLatency() == 2.5 and "
	  "x:getDrops() == 4 and not s[2]:isUp() and s[1] == getServer(0) and s[1] ~= s[2]) "
	  "return x", 0, "" },
	{ "a server that changes", "s[1].weight = 3 s[1].order = -4 s[1]:setQPS(6) return s[1]", 0,
	  "" },
	{ "random numbers", "for i = 1, 100 do local x, y, z = math.random(), math.random(3), "
	  "math.random(-2, 2) assert(x >= 0 and x < 1 and y >= 1 and y <= 3 and z >= -2 and z <= 2 "
	  "and y % 1 == 0 and z % 1 == 0) end math.randomseed(5) print('x') return s[1]", 0, "" },
	{ "an error", "error('no way')", BAL_HOOK_FAILED, "f.conf:2: no way" },
	{ "an error that isn't text", "error({})", BAL_HOOK_FAILED,
	  "f.conf: a function raised an error that isn't text" },
	{ "what isn't there", "return s[1].wieght", BAL_HOOK_FAILED,
	  "f.conf:2: a server has no 'wieght': did you mean 'weight'?" },
	{ "nor there", "return dq.frob", BAL_HOOK_FAILED, "f.conf:2: a DNS question has no 'frob': "
	  "expected qname, qtype, qclass, remoteaddr, tcp..." },
	{ "text for a server", "return 'a'", BAL_HOOK_FAILED, "f.conf:2: a policy returned 'a': "
	  "expected one of the servers that it was given, its place among them, or nil" },
	{ "place 0", "return 0", BAL_HOOK_FAILED, "f.conf:2: a policy returned '0': expected one "
	  "of the servers that it was given, its place among them, or nil" },
	{ "place 4", "return 4", BAL_HOOK_FAILED, "f.conf:2: a policy returned '4': expected one "
	  "of the servers that it was given, its place among them, or nil" },
	{ "a name for a server", "return dq.qname", BAL_HOOK_FAILED, "f.conf:2: a policy returned "
	  "'userdata': expected one of the servers that it was given, its place among them, or "
	  "nil" },
	{ "a configuration at work", "setACL('::/0') return s[1]", BAL_HOOK_FAILED,
	  "f.conf:2: setACL: not in a function that is called for a query" },
	{ "a new server", "return newServer('192.0.2.9')", BAL_HOOK_FAILED,
	  "f.conf:2: newServer: not in a function that is called for a query" },
	{ "a server down", "s[1]:setDown()", BAL_HOOK_FAILED,
	  "f.conf:2: setDown: not in a function that is called for a query" },
	{ "a server's name", "s[1].name = 'x'", BAL_HOOK_FAILED,
	  "f.conf:2: name: not in a function that is called for a query" },
	{ "a flag", "dq.dh:setRD(false)", BAL_HOOK_FAILED,
	  "f.conf:2: this DNS header can't be changed" },
	{ "an attribute", "dq.qtype = 1", BAL_HOOK_FAILED,
	  "f.conf:2: 'qtype' of a DNS question can't be set" },
	{ "another's method", "return s[1].isUp(dq)", BAL_HOOK_FAILED,
	  "f.conf:2: expected a server before the method, as in x:method()" },
	{ "no end", "while true do end", BAL_HOOK_FAILED,
	  "f.conf:2: the function takes too long: more than 100000 steps" },
	{ "no end, caught", "while true do pcall(function() while true do end end) end",
	  BAL_HOOK_FAILED, "f.conf:2: the function takes too long: more than 100000 steps" },
	{ "too much memory", "local t = {} for i = 1, 3000 do t[i] = ('x'):rep(99999) .. i end",
	  BAL_HOOK_FAILED, "f.conf: not enough memory" },
};

static void set_state(struct rig *r)
{
	bal_shared_set_up(r->shared, 0, true);
	atomic_store(&r->shared->server[0].outstanding, 9);
	atomic_store(&r->shared->server[0].latency_us128, 320);
	atomic_store(&r->shared->server[0].timeouts, 4);
}

static void a_policys_function_gets_servers_and_question(void **state)
{
	char text[2048];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(calls); i++) {
		bool bad = calls[i].server == BAL_HOOK_FAILED;
		snprintf(text, sizeof(text), "setServerPolicyLua('p', function(s, dq) %s end)",
		         calls[i].body);
		struct rig r = start(text);
		set_state(&r);
		int server = pick(&r);
		if (server != calls[i].server ||
		    strcmp(script_error(r.script), calls[i].error) != 0)
			fail_msg("%s: %d, %s", calls[i].what, server, script_error(r.script));
		assert_int_equal(script_failures(r.script), bad);
		/* the next call is like the first */
		set_state(&r);
		assert_int_equal(pick(&r), calls[i].server);
		end(&r);
	}
}

static void what_a_function_changes_of_a_server_is_shared(void **state)
{
	struct rig r = start("setServerPolicyLua('p', function(s) s[1].weight = 3 "
	                     "s[1].order = -4 s[1]:setQPS(6) return s[1] end)");

	(void)state;
	assert_int_equal(pick(&r), 0);
	assert_int_equal(bal_shared_weight(r.shared, 0), 3);
	assert_int_equal(bal_shared_order(r.shared, 0), -4);
	assert_int_equal(atomic_load(&r.shared->server[0].qps), 6);
	assert_int_equal(bal_shared_weight(r.shared, 1), 1);
	end(&r);
}

static void variables_last_from_call_to_call_and_each_state_has_its_own(void **state)
{
	struct rig r = start("local n = 0\n"
	                     "setServerPolicyLua('turns', function(s) n = n + 1 "
	                     "return s[1 + n % #s] end)");
	struct script *other = script_new(r.config, r.shared, seed, 1, error);
	struct bal_hooks first = r.hooks;

	(void)state;
	assert_non_null(other);
	assert_int_equal(pick(&r), 1);
	assert_int_equal(pick(&r), 2);
	r.hooks = script_hooks(other);
	assert_int_equal(pick(&r), 1);
	r.hooks = first;
	assert_int_equal(pick(&r), 0);
	script_free(other);
	end(&r);
}

static void the_list_of_servers_is_each_calls_own(void **state)
{
	static const uint16_t two[] = { 2, 1 };
	struct rig r = start(
		"local kept, n = nil, 0\n"
		"setServerPolicyLua('p', function(s, dq)\n"
		"  n = n + 1\n"
		"  assert(#s == (n == 4 and 2 or 3) and next(s, nil) == 1 and s.x == nil)\n"
		"  local first = s[1]\n"
		"  if n == 1 then table.remove(s, 1) elseif n == 2 then s.x = 1\n"
		"  elseif n == 3 then s[1], s[2] = s[2], s[1] end\n"
		"  return first end)");

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pick(&r), 0);
	assert_int_equal(pick_of(&r, 1, two, 2), 2);
	assert_int_equal(pick(&r), 0);
	assert_int_equal(pick_of(&r, 1, two, 0), BAL_HOOK_FAILED); /* its assert */
	end(&r);
}

static void objects_of_a_call_that_is_over_are_good_for_nothing(void **state)
{
	struct rig r = start("local kept\n"
	                     "setServerPolicyLua('p', function(s, dq)\n"
	                     "  if kept == nil then kept = dq return s[1] end\n"
	                     "  return s[2] end)\n"
	                     "newServerPolicy('q', function() return kept.qtype end)");
	struct bal_hook_probe p = { .name_len = 1, .type = 1, .class = 1 };

	(void)state;
	assert_int_equal(pick(&r), 0);
	assert_false(r.hooks.check(r.hooks.arg, 2, &p));
	assert_string_equal(script_error(r.script),
	                    "f.conf:6: a DNS question that is used when its call is over");
	end(&r);
}

static void draws_are_those_of_the_seed_and_the_index(void **state)
{
	static const char text[] = "setServerPolicyLua('p', function(s) "
		"return s[math.random(#s)] end)";
	struct rig a = start(text), b = start(text);
	struct script *c = script_new(b.config, b.shared, seed, 1, error);
	struct bal_hooks other = script_hooks(c), own = b.hooks;
	unsigned differs = 0, count[3] = { 0 };

	(void)state;
	for (int i = 0; i < 300; i++) {
		int x = pick(&a), y = pick(&b);
		assert_int_equal(x, y);
		b.hooks = other;
		differs += pick(&b) != x;
		b.hooks = own;
		count[x]++;
	}
	assert_true(differs > 100);
	assert_true(count[0] > 50 && count[1] > 50 && count[2] > 50);
	script_free(c);
	end(&a);
	end(&b);
}

/* Bodies of a checkFunction(name, type, class, header). */
static const struct {
	const char *what, *body, *name;
	uint16_t type, class, flags;
	const char *error;
} checks[] = {
	{ "nothing changed", "return n, t, c", "a.root-servers.net.", 1, 1, DNS_RD, "" },
	{ "all changed", "h:setCD(true) h:setRD(false) return newDNSName('example.org'), "
	  "DNSQType.AAAA, 3", "example.org.", 28, 3, DNS_CD, "" },
	{ "a name in text", "return 'x.' .. n:toString(), t + 1, c", "x.a.root-servers.net.", 2, 1,
	  DNS_RD, "" },
	{ "no name", "return nil", NULL, 0, 0, 0, "f.conf:2: checkFunction: the name that it "
	  "returns: 'nil': expected text" },
	{ "no type", "return n, 'A', c", NULL, 0, 0, 0, "f.conf:2: checkFunction: the type that it "
	  "returns: 'A': expected a whole number from 1 to 65535" },
	{ "a class out of range", "h:setTC(true) return n, t, 65536", NULL, 0, 0, 0, "f.conf:2: "
	  "checkFunction: the class that it returns: '65536': expected a whole number from 1 to "
	  "65535" },
	{ "an error", "error('x')", NULL, 0, 0, 0, "f.conf:2: x" },
};

static void a_check_function_may_change_the_probe(void **state)
{
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(checks); i++) {
		struct bal_hook_probe p = { .type = 1, .class = 1, .flags = DNS_RD }, before;
		char name[DNS_NAME_TEXT];
		snprintf(text, sizeof(text), "newServerPolicy('p', function(n, t, c, h) %s end)",
		         checks[i].body);
		struct rig r = start(text);
		p.name_len = (size_t)dns_name_parse(p.name, "a.root-servers.net.");
		before = p;
		bool good = r.hooks.check(r.hooks.arg, 1, &p);
		if (good != (checks[i].name != NULL) ||
		    strcmp(script_error(r.script), checks[i].error) != 0)
			fail_msg("%s: %s", checks[i].what, script_error(r.script));
		dns_name_format(p.name, p.name_len, name);
		if (!good)
			assert_memory_equal(&p, &before, sizeof(p));
		else if (strcmp(name, checks[i].name) != 0 || p.type != checks[i].type ||
		         p.class != checks[i].class || p.flags != checks[i].flags)
			fail_msg("%s: %s %u %u %x", checks[i].what, name, p.type, p.class, p.flags);
		end(&r);
	}
}

static void a_function_that_fails_often_is_counted_each_time(void **state)
{
	struct rig r = start("local n = 0 setServerPolicyLua('p', function(s) n = n + 1 "
	                     "if n % 2 == 0 then error('even') end return s[1] end)");

	(void)state;
	for (int i = 1; i <= 100; i++)
		assert_int_equal(pick(&r), i % 2 == 0 ? BAL_HOOK_FAILED : 0);
	assert_int_equal(script_failures(r.script), 50);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policys_function_gets_servers_and_question),
		cmocka_unit_test(what_a_function_changes_of_a_server_is_shared),
		cmocka_unit_test(variables_last_from_call_to_call_and_each_state_has_its_own),
		cmocka_unit_test(the_list_of_servers_is_each_calls_own),
		cmocka_unit_test(objects_of_a_call_that_is_over_are_good_for_nothing),
		cmocka_unit_test(draws_are_those_of_the_seed_and_the_index),
		cmocka_unit_test(a_check_function_may_change_the_probe),
		cmocka_unit_test(a_function_that_fails_often_is_counted_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
