/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules in dnsdist configurations: what they are told as, their order, each error's exact line. */
#include <stdlib.h>

#include "balancer/admin/stats.h"
#include "config_rig.h"

static void without_rules_there_are_no_tables(void **state)
{
	struct config *c = good("smn = newSuffixMatchNode() smn:add('x') r = RegexRule('x')\n"
	                        "addAction(r, DropAction()) clearRules()");

	(void)state;
	assert_null(c->conf.rules);
	config_free(c);
}

/* As a real dnsdist 1.7.3 shows them. */
static const struct { const char *selector, *action, *shown, *shown_action; } told[] = {
	{ "AndRule({QTypeRule(DNSQType.ANY), TCPRule(false)})", "TCAction()",
	  "(qtype==ANY) && (UDP)", "tc=1 answer" },
	{ "{'bad.example', 'Worse.example.'}", "RCodeAction(DNSRCode.NXDOMAIN)",
	  "qname in bad.example., worse.example.", "set rcode 3" },
	{ "'10.0.0.0/8'", "DropAction()", "Src: 10.0.0.0/8", "drop" },
	{ "MaxQPSIPRule(5, 32, 48)", "DelayAction(100)",
	  "IP (/32, /48) match for QPS over 5 burst 5", "delay by 100 msec" },
	{ "MaxQPSRule(5)", "NoneAction()", "Max 5 qps", "no op" },
	{ "RegexRule('^[0-9]{5,}\\\\.')", "SpoofAction({'1.2.3.4', '2001:db8::1'}, {ttl=5})",
	  "Regex: ^[0-9]{5,}\\.", "spoof in 1.2.3.4 2001:db8::1" },
	{ "NotRule(OrRule{RDRule(), DNSSECRule()})", "PoolAction('abuse')",
	  "!((rd==1) || (DNSSEC))", "to pool abuse" },
	{ "QNameRule('a.b')", "QPSPoolAction(10, 'abuse')", "qname==a.b.",
	  "max 10 to pool abuse" },
	{ "OpcodeRule(DNSOpcode.Notify)", "QPSAction(7)", "opcode==4", "qps limit to 7" },
	{ "QClassRule(3)", "SetNoRecurseAction()", "qclass==3", "set rd=0" },
	{ "RCodeRule(5)", "SetSkipCacheAction()", "rcode==Query Refused", "skip cache" },
	{ "ProbaRule(0.001)", "AllowAction()", "match with prob. 0.00", "allow" },
	{ "PoolAvailableRule('abuse')", "NoneAction()", "pool 'abuse' is available", "no op" },
	{ "QTypeRule(65280)", "DropAction()", "qtype==TYPE65280", "drop" },
	{ "AllRule()", "LogAction()", "All", "log" },
	{ "AllRule()", "LogAction('/x', false, true)", "All", "log to /x" },
	{ "AllRule()", "SpoofAction('1.2.3.4', '::1')", "All", "spoof in 1.2.3.4 ::1" },
	{ "QNameLabelsCountRule(1, 2)", "NoneAction()", "labels count < 1 || labels count > 2",
	  "no op" },
	{ "QNameWireLengthRule(1, 2)", "NoneAction()", "wire length < 1 || wire length > 2",
	  "no op" },
	{ "RecordsCountRule(DNSSection.Answer, 1, 2)", "NoneAction()", "1 <= records in AN <= 2",
	  "no op" },
	{ "RecordsTypeCountRule(DNSSection.Additional, DNSQType.A, 1, 2)", "NoneAction()",
	  "1 <= A records in AR <= 2", "no op" },
	{ "AndRule{TrailingDataRule(), EDNSVersionRule(0), EDNSOptionRule(8)}", "NoneAction()",
	  "(trailing data) && (ednsversion>0) && (ednsoptcode==8)", "no op" },
	{ "ERCodeRule(16)", "LuaAction(print)",
	  "ercode==Bad OPT Version / TSIG Signature Failure", "Lua script" },
	{ "PoolOutstandingRule('x', 5)", "SetTagAction('a', 'b')", "pool 'x' outstanding > 5",
	  "set tag 'a' to value 'b'" },
	{ "TagRule('a', 'b')", "SetTempFailureCacheTTLAction(5)", "tag 'a' is set to 'b'",
	  "set tempfailure cache ttl to 5" },
	{ "OrRule{TagRule('a'), DSTPortRule(53), LuaRule(print)}", "SetDisableECSAction()",
	  "(tag 'a' is set) || (dst port==53) || (Lua script)", "disable ECS" },
};

static void rules_are_told_as_dnsdist_tells_them(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(told); i++) {
		snprintf(text, sizeof(text), "addAction(%s, %s)", told[i].selector, told[i].action);
		struct config *c = good(text);
		const struct bal_rule_text *t = c->conf.rules->chain[BAL_QUERIES].text;
		assert_string_equal(t->selector, told[i].shown);
		assert_string_equal(t->action, told[i].shown_action);
		assert_int_equal(strlen(t->uuid), 36);
		config_free(c);
	}
}

/* The names of the rules of a chain, one letter each. */
static void order(const char *text, enum bal_chain_kind chain, const char *want)
{
	struct config *c = good(text);
	char got[16] = "";

	for (unsigned i = 0; c->conf.rules != NULL && i < c->conf.rules->chain[chain].n; i++)
		got[i] = c->conf.rules->chain[chain].text[i].name[0];
	if (strcmp(got, want) != 0)
		fail_msg("%s: '%s', not '%s'", text, got, want);
	config_free(c);
}

static void rules_are_moved_and_removed(void **state)
{
	static const char abc[] = "for c in ('abcd'):gmatch('.') do "
		"addAction(AllRule(), DropAction(), {name=c}) end ";
	static const struct { const char *more, *want; } rows[] = {
		{ "", "abcd" }, { "topRule()", "dabc" }, { "mvRule(0, 2)", "bacd" },
		{ "mvRule(0, 4)", "bcda" }, { "mvRule(3, 1)", "adbc" }, { "rmRule(1)", "acd" },
		{ "rmRule('c')", "abd" }, { "mvRuleToTop('c')", "cabd" },
		{ "local r = newRuleAction('e', DropAction(), {name='e'})", "abcd" },
		{ "setRules{newRuleAction('f', DropAction(), {name='f'}), "
		  "newRuleAction('e', AllowAction(), {name='e'})}", "fe" },
		{ "setRules{}", "" },
		{ "assert(getAction(1):toString() == 'drop' and getAction(4) == nil)", "abcd" },
		{ "rmRule(3) rmRule(2) rmRule(0)", "b" },
		{ "clearRules() addAction('x', DropAction(), {name='e'})", "e" },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(text, sizeof(text), "%s%s", abc, rows[i].more);
		order(text, BAL_QUERIES, rows[i].want);
	}
	order("addResponseAction(AllRule(), DropResponseAction(), {name='a'})\n"
	      "addResponseAction(AllRule(), AllowResponseAction(), {name='b'}) topResponseRule()",
	      BAL_ANSWERS, "ba");
}

static void a_uuid_is_the_same_at_each_start_and_differs_by_rule(void **state)
{
	static const char text[] = "addAction('a', DropAction()) addAction('a', DropAction())\n"
		"addAction('b', DropAction(), {uuid='00112233-4455-6677-8899-AABBCCDDEEFF'})";
	struct config *c = good(text), *d = good(text);
	const struct bal_rule_text *t = c->conf.rules->chain[BAL_QUERIES].text;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_string_equal(t[i].uuid, d->conf.rules->chain[BAL_QUERIES].text[i].uuid);
	assert_string_not_equal(t[0].uuid, t[1].uuid);
	assert_string_equal(t[2].uuid, "00112233-4455-6677-8899-AABBCCDDEEFF");
	assert_int_equal(t[0].uuid[14], '8');
	assert_int_equal(t[1].order, 1);
	config_free(c);
	config_free(d);
}

static void a_selector_keeps_what_its_set_had(void **state)
{
	struct config *c = good("s = newSuffixMatchNode() s:add('a') r = SuffixMatchNodeRule(s)\n"
	                        "s:add('b') addAction(r, DropAction())\n"
	                        "print(s:check('x.b'), s:check('b'), s:check('xb'))\n"
	                        "n = newNMG() n:addMasks{'10.0.0.0/8', '!10.1.0.0/16'}\n"
	                        "print(n:size()) print(tostring(r))");

	(void)state;
	assert_string_equal(c->conf.rules->chain[0].text[0].selector, "qname in a.");
	assert_string_equal(c->note[0].text, "true\ttrue\tfalse");
	assert_string_equal(c->note[1].text, "2");
	assert_string_equal(c->note[2].text, "qname in a.");
	config_free(c);
}

static void a_large_set_finds_each_of_its_names(void **state)
{
	struct config *c = good("s = newSuffixMatchNode()\n"
	                        "for i = 1, 20000 do s:add('n' .. i .. '.example') end\n"
	                        "addAction(SuffixMatchNodeRule(s), DropAction())");
	const struct bal_rules *r = c->conf.rules;
	const struct bal_nameset *s = &r->nameset[r->test[0].arg];
	uint8_t wire[DNS_NAME_MAX];
	char text[64];

	(void)state;
	for (unsigned i = 0; i <= 20001; i++) {
		snprintf(text, sizeof(text), "www.N%u.example", i);
		int len = dns_name_parse(wire, text);
		if (bal_nameset_has(s, wire, (size_t)len) != (i >= 1 && i <= 20000))
			fail_msg("%s", text);
	}
	config_free(c);
}

static const struct { const char *what, *text, *error; } bad[] = {
	{ "a misspelt selector", "\naddAction(QNameRul('x'), DropAction())",
	  "f.conf:2: unknown name 'QNameRul': did you mean 'QNameRule'?" },
	{ "a selector that isn't there", "addAction(LuaFFIRule(function() end), DropAction())",
	  "f.conf:1: 'LuaFFIRule' is not supported yet" },
	{ "a LuaRule of no function", "addAction(LuaRule(1), DropAction())",
	  "f.conf:1: LuaRule: '1': expected a function" },
	{ "a LuaAction of no function", "addAction('a', LuaAction('b'))",
	  "f.conf:1: LuaAction: 'b': expected a function" },
	{ "a section that isn't there", "addAction(RecordsCountRule(4, 0, 1), DropAction())",
	  "f.conf:1: RecordsCountRule: '4': expected a whole number from 0 to 3" },
	{ "a count of no number", "addAction(QNameLabelsCountRule(1), DropAction())",
	  "f.conf:1: QNameLabelsCountRule: 'nothing': expected a whole number from 0 to 4294967295"
	},
	{ "a version that isn't one", "addAction(EDNSVersionRule(256), DropAction())",
	  "f.conf:1: EDNSVersionRule: '256': expected a whole number from 0 to 255" },
	{ "an rcode of more than 12 bits", "addAction('a', ERCodeAction(4096))",
	  "f.conf:1: ERCodeAction: '4096': expected a whole number from 0 to 4095" },
	{ "no data", "addAction('a', SpoofRawAction({}))",
	  "f.conf:1: SpoofRawAction: an empty table: expected data" },
	{ "too much data", "addAction('a', SpoofRawAction(('x'):rep(65535)))",
	  "f.conf:1: SpoofRawAction: more than 64 records, or 65535 bytes" },
	{ "no name", "addAction('a', SpoofCNAMEAction('a..b'))",
	  "f.conf:1: SpoofCNAMEAction: 'a..b': expected a domain name" },
	{ "half an SOA", "addAction('a', NegativeAndSOAAction(true, 'a', 1, 'b', 'c', 1))",
	  "f.conf:1: NegativeAndSOAAction: 'nothing': expected a whole number from 0 to "
	  "4294967295" },
	{ "no action to go on after", "addAction('a', ContinueAction(1))",
	  "f.conf:1: ContinueAction: '1': expected an action, as DropAction()" },
	{ "rules that are no table", "setRules('a')",
	  "f.conf:1: setRules: 'a': expected a table of rules" },
	{ "a rule that is none", "setRules{DropAction()}",
	  "f.conf:1: setRules: 'userdata': expected what newRuleAction returned" },
	{ "a rule that does nothing yet", "newRuleAction('a', DropAction()):add()",
	  "f.conf:1: a rule's 'add' is not supported: expected it in a table for setRules" },
	{ "a subnet that is none", "addAction('a', SetECSAction('192.0.2'))",
	  "f.conf:1: SetECSAction: '192.0.2': expected a network, as 192.0.2.0/24" },
	{ "too many bits", "addAction('a', SetECSPrefixLengthAction(33, 56))",
	  "f.conf:1: SetECSPrefixLengthAction: '33': expected a whole number from 0 to 32" },
	{ "a tag of no text", "addAction('a', SetTagAction(1, 'b'))",
	  "f.conf:1: SetTagAction: '1': expected text" },
	{ "a tag without a value", "addAction('a', SetTagAction('b'))",
	  "f.conf:1: SetTagAction: 'nothing': expected text" },
	{ "a long tag", "addAction(TagRule(('b'):rep(256)), DropAction())",
	  "f.conf:1: TagRule: 256 bytes of a tag: expected at most 255" },
	{ "a long tag and value",
	  "addAction(TagRule(('b'):rep(255), ('c'):rep(254)), DropAction())",
	  "f.conf:1: TagRule: 509 bytes of a tag and its value: expected at most 508" },
	{ "a function that is no action", "addAction('a', function(dq) return 0 end)",
	  "f.conf:1: addAction: 'function': expected an action, as DropAction()" },
	{ "a function for the other chain", "addAction('a', LuaResponseAction(function() end))",
	  "f.conf:1: addAction: an action for answers: expected one for queries, as DropAction()"
	},
	{ "an action that isn't there", "addAction(AllRule(), TeeAction('192.0.2.1'))",
	  "f.conf:1: 'TeeAction' is not supported yet" },
	{ "no action", "addAction(AllRule())",
	  "f.conf:1: addAction: 'nothing': expected an action, as DropAction()" },
	{ "an action for answers", "addAction(AllRule(), DropResponseAction())", "f.conf:1: "
	  "addAction: an action for answers: expected one for queries, as DropAction()" },
	{ "an action for queries", "addResponseAction(AllRule(), PoolAction('x'))", "f.conf:1: "
	  "addResponseAction: an action for queries: expected one for answers, as "
	  "DropResponseAction()" },
	{ "no selector", "addAction(5, DropAction())", "f.conf:1: addAction: '5': expected a "
	  "selector, a name, a network or a list of them" },
	{ "a list of both", "addAction({'10.0.0.0/8', 'example'}, DropAction())", "f.conf:1: "
	  "addAction: networks and names in one list: expected either" },
	{ "a bad name", "addAction('a..b', DropAction())",
	  "f.conf:1: addAction: 'a..b': expected a domain name" },
	{ "a bad regular expression", "RegexRule('a(')", "f.conf:1: RegexRule: 'a(': Unmatched ( "
	  "or \\(: expected a regular expression that can be matched in one pass" },
	{ "a back reference", "RegexRule('(a)\\\\1')", "f.conf:1: RegexRule: '(a)\\1': it has a "
	  "back reference: expected a regular expression that can be matched in one pass" },
	{ "a chance above 1", "ProbaRule(1.5)",
	  "f.conf:1: ProbaRule: '1.5': expected a number from 0 to 1" },
	{ "an unknown type", "QTypeRule('AAAAA')", "f.conf:1: QTypeRule: 'AAAAA': expected a type, "
	  "as DNSQType.A, \"A\" or 1" },
	{ "a table for AndRule", "AndRule(AllRule())",
	  "f.conf:1: AndRule: 'userdata': expected a table of selectors" },
	{ "a name in AndRule", "AndRule{'example'}",
	  "f.conf:1: AndRule: 'example': expected selectors, as QTypeRule(1)" },
	{ "a set of the other sort", "SuffixMatchNodeRule(newDNSNameSet())", "f.conf:1: "
	  "SuffixMatchNodeRule: 'userdata': expected what newSuffixMatchNode returned" },
	{ "a bad network", "n = newNMG() n:addMask('10.0.0.0/33')", "f.conf:1: addMask: "
	  "'10.0.0.0/33': expected an IP address, or one with /BITS" },
	{ "a bad address", "SpoofAction('1.2.3')",
	  "f.conf:1: SpoofAction: '1.2.3': expected an IP address" },
	{ "an unknown option of an answer", "RCodeAction(3, {zz=true})", "f.conf:1: an action's "
	  "options: unknown key 'zz': expected aa, ad, ra or ttl" },
	{ "an unknown option of a rule", "addAction(AllRule(), DropAction(), {nam='x'})",
	  "f.conf:1: a rule's options: unknown key 'nam': expected name or uuid" },
	{ "a bad UUID", "addAction(AllRule(), DropAction(), {uuid='1'})", "f.conf:1: addAction: "
	  "uuid: '1': expected 32 hexadecimal digits, as 00112233-4455-6677-8899-aabbccddeeff" },
	{ "no such rule", "rmRule(0)", "f.conf:1: rmRule: '0': there is no such rule: expected a "
	  "number from 0, a name or a UUID" },
	{ "too deep", "r = AllRule()\nfor i = 1, 100 do r = NotRule(r) end",
	  "f.conf:2: NotRule: more than 64 selectors in each other" },
	{ "too many tests", "r = RDRule() for i = 1, 40 do r = AndRule{r, r} end\n"
	  "addAction(r, DropAction())", "f.conf: the rules' selectors come to more than 65536 "
	  "tests: expected fewer" },
	{ "a log in dnsdist's form", "LogAction('/x')", "f.conf:1: LogAction: binary: files of "
	  "dnsdist's own form aren't written: expected false" },
	{ "a long delay", "DelayAction(3600001)", "f.conf:1: DelayAction: '3600001': expected a "
	  "whole number from 0 to 3600000" },
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

/* ---- what console and web server tell ---- */

static char *written(const struct stats *s, void (*write)(const struct stats *, FILE *))
{
	char *text;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	write(s, to);
	assert_int_equal(fclose(to), 0);
	return text;
}

static void show(const struct stats *s, FILE *to)
{
	stats_show_rules(s, BAL_QUERIES, false, to);
}

static void has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("no '%s' in '%s'", part, text);
}

static void matches_are_told_by_console_metrics_and_api(void **state)
{
	struct config *c = good("addAction('x', DropAction(), {name='ten'})\n"
	                        "addResponseAction(AllRule(), DropResponseAction())");
	struct stats *s = stats_new(c);
	char *text, want[256];

	(void)state;
	s->matches[BAL_QUERIES][0] = 12;
	s->matches[BAL_ANSWERS][0] = 3;
	s->verdict[BAL_RULE_DROP] = 12;
	s->verdict[BAL_RULE_NXDOMAIN] = 4;
	text = written(s, show);
	has(text, "#   Name                             Matches Rule");
	has(text, "\n0   ten                                   12 qname in x.  ");
	free(text);
	text = written(s, stats_metrics);
	has(text, "\ndnsdist_rule_hits{id=\"ten\"} 12\n");
	snprintf(want, sizeof(want), "\ndnsdist_rule_hits{id=\"%s\"} 3\n",
	         c->conf.rules->chain[BAL_ANSWERS].text[0].uuid);
	has(text, want);
	has(text, "\ndnsdist_rule_drop 12\n");
	has(text, "\ndnsdist_rule_nxdomain 4\n");
	has(text, "\ndnsdist_self_answered 4\n");
	has(text, "\ndnsdist_queries 16\n");
	free(text);
	text = stats_json_localhost(s);
	has(text, "\"rules\": [{\"action\": \"drop\", \"action-stats\": {}, \"creationOrder\": 0, "
	    "\"id\": 0, \"matches\": 12, \"name\": \"ten\", \"rule\": \"qname in x.\"");
	has(text, "\"response-rules\": [{\"action\": \"drop\", \"creationOrder\": 1, ");
	has(text, "\"cache-hit-response-rules\": []");
	free(text);
	stats_free(s);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_there_are_no_tables),
		cmocka_unit_test(rules_are_told_as_dnsdist_tells_them),
		cmocka_unit_test(rules_are_moved_and_removed),
		cmocka_unit_test(a_uuid_is_the_same_at_each_start_and_differs_by_rule),
		cmocka_unit_test(a_selector_keeps_what_its_set_had),
		cmocka_unit_test(a_large_set_finds_each_of_its_names),
		cmocka_unit_test(what_is_wrong_is_said_with_file_and_line),
		cmocka_unit_test(matches_are_told_by_console_metrics_and_api),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
