/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules: the input is a regular expression, a line end, and then queries as they come off the wire,
 * each behind a byte with its length, which a configuration with every selector and action judges.
 * An expression that compiles must say of each name what the C library says. The bug that EK_PLANT
 * plants writes addresses behind the buffer's end.
 */
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/config/regex.h"
#include "tests/rule_rig.h"

enum { EXPRESSION = 64 };

static const char rules[] =
	"s = newSuffixMatchNode() s:add{'a', 'b.c', 'example.org'}\n"
	"n = newNMG() n:addMasks{'192.160.0.0/16', '!192.160.102.129', '2001:db8::/32'}\n"
	"addAction(AndRule{SuffixMatchNodeRule(s), NetmaskGroupRule(n)}, SetSkipCacheAction())\n"
	"addAction(RegexRule('^([a-z]{3,}|x.*y)\\\\.'), DelayAction(5))\n"
	"addAction(OrRule{QNameRule('.'), QClassRule(3), OpcodeRule(4)}, RCodeAction(3))\n"
	"addAction(QTypeRule(1), SpoofAction{'192.0.2.1', '192.0.2.2'})\n"
	"addAction(QTypeRule(28), SpoofAction('2001:db8::1'))\n"
	"addAction(NotRule(OrRule{RDRule(), DNSSECRule()}), SetNoRecurseAction())\n"
	"addAction(QTypeRule(16), ContinueAction(SpoofRawAction{'ab', ('c'):rep(300)}))\n"
	"addAction(QTypeRule(5), ContinueAction(SpoofCNAMEAction('t.example')))\n"
	"addAction(QTypeRule(6), NegativeAndSOAAction(true, 'z', 1, 'm', 'r', 1, 2, 3, 4, 5))\n"
	"addAction(QTypeRule(2), ERCodeAction(16))\n"
	"addAction(MaxQPSIPRule(5), DropAction()) addAction(QTypeRule(255), TCAction())\n"
	"addAction(ProbaRule(0.5), PoolAction('abuse'))\n"
	"addAction(OrRule{QNameLabelsCountRule(1, 2), TrailingDataRule(), EDNSVersionRule(0),\n"
	"  RecordsTypeCountRule(3, 41, 1, 9), EDNSOptionRule(8), ERCodeRule(16)}, NoneAction())\n"
	"addAction(RDRule(), SetTagAction('k', 'v')) addAction(TagRule('k', ''), DropAction())\n"
	"addAction(LuaRule(function(dq) return dq.dh:getID() % 2 == 1 end),\n"
	"LuaAction(function(dq)\n"
	"  dq:setTag(dq.qname:toString(), 'v') dq:setTag('k', dq.qname:toString())\n"
	"  dq.dh:setAA(true) dq.rcode = 7 dq.dh:setQR(dq.qname:countLabels() == 2)\n"
	"  return dq.qtype % 15, '192.0.2.1,abc,3' end))\n"
	"addResponseAction(AllRule(), LuaResponseAction(function(dr) assert(dr:getDO() ~= nil)\n"
	"  return dr.qtype % 7, '1' end))\n"
	"addResponseAction(AllRule(), DelayResponseAction(1))\n";

/* POSIX doesn't say what an escaped letter is; glibc's, with REG_ICASE, matches nothing. */
static bool is_said(const char *text)
{
	for (const char *c = strchr(text, '\\'); c != NULL && c[1] != '\0';
	     c = strchr(c + 2, '\\'))
		if (((c[1] | 32) >= 'a' && (c[1] | 32) <= 'z') && strchr("wWsS", c[1]) == NULL)
			return false;
	return true;
}

/* The names that queries ask for, as regular expressions see them. */
static void compare(const struct bal_regex *x, const regex_t *library, const uint8_t *name,
                    size_t len)
{
	char text[DNS_NAME_TEXT];
	size_t n = dns_name_format(name, len, text);

	text[n - 1] = '\0';
	MUST(bal_regex_has(x, name, len) == (regexec(library, text, 0, NULL, 0) == 0));
}

static void judge(struct rule_rig *r, const uint8_t *m, size_t len)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);

	MUST(exact != NULL);
	memcpy(exact, m, len);
	struct dgram d = { .data = exact, .len = (uint16_t)len, .cap = (uint16_t)len,
	                   .peer = rig_client(m[0]), .local = { ip_v4(192, 160, 102, 2), 53 } };
	bal_rx(r->rig.b, r->rig.now_ns, &d, 1);
	MUST(d.verdict > BAL_NO_VERDICT && d.verdict < BAL_VERDICTS && d.len <= len);
	free(exact);
}

static void poll(struct rule_rig *r)
{
	static uint8_t buf[4096];
	struct dgram d = { .data = buf, .cap = sizeof(buf) };

	r->rig.now_ns += 2000000;
	while (bal_poll(r->rig.b, r->rig.now_ns, &d, 1) == 1)
		MUST(bal_verdict_sends(d.verdict) && d.len >= DNS_HEADER);
	MUST(bal_deadline(r->rig.b) > r->rig.now_ns);
	bal_check(r->rig.b);
}

/* The configuration, and its functions' state, once for all inputs: they draw nothing. */
static void prepare(struct rule_rig *r)
{
	static const uint8_t seed[DRBG_SEED];
	static struct arena a;
	char error[CONFIG_ERROR_TEXT];

	rule_rig_conf(r, rules);
	MUST(host_arena(&a, bal_shared_arena_size(&r->config->conf)) == 0);
	r->script = script_new(r->config, bal_shared_init(&a, &r->config->conf), seed, 0, error);
	MUST(r->script != NULL);
	r->hooks = script_hooks(r->script);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rule_rig r;
	static bool read;
	const uint8_t *end = size > 0 ? memchr(data, '\n', size < EXPRESSION ? size : EXPRESSION)
	                              : NULL;
	char text[EXPRESSION + 1] = "", error[CF_REGEX_ERROR];
	size_t at = end != NULL ? (size_t)(end - data) + 1 : 0;
	struct bal_regex x;
	regex_t library;

	if (at > 0)
		memcpy(text, data, at - 1);
	bool good = is_said(text) && cf_regex_compile(&x, text, error);
	if (good)
		MUST(regcomp(&library, text, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0);
	if (!read)
		prepare(&r);
	read = true;
	r.rig.now_ns = 1000000000;
	rig_start(&r.rig, 7);
	bal_set_hooks(r.rig.b, &r.hooks);
	while (at < size) {
		size_t len = data[at++];
		struct dns_question q;
		len = len < size - at ? len : size - at;
		if (good && dns_question(&q, data + at, len) == 0)
			compare(&x, &library, data + at + DNS_HEADER, q.name_len);
		if (len > 0)
			judge(&r, data + at, len);
		poll(&r);
		at += len;
	}
	if (good) {
		regfree(&library);
		cf_regex_fini(&x);
	}
	rig_stop(&r.rig);
	return 0;
}
