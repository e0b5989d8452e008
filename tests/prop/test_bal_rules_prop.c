/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold of rules whatever arrives: one batch and many of one give the same bytes, delayed
 * answers among them; everything adds up; what is delayed comes out once, at its time and in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/late.h"
#include "tests/rule_rig.h"

static const char rules[] =
	"getPool('abuse'):setCache(newPacketCache(50))\n"
	"addAction('drop', DropAction())\n"
	"addAction(AndRule{QTypeRule(255), NotRule(TCPRule(true))}, TCAction())\n"
	"addAction(ProbaRule(0.1), RCodeAction(DNSRCode.REFUSED))\n"
	"addAction(MaxQPSIPRule(20, 32, 64, 5), RCodeAction(DNSRCode.SERVFAIL))\n"
	"addAction(RegexRule('^[a-m]+[0-9]\\\\.'),\n"
	"          SpoofAction({'192.0.2.1', '192.0.2.2', '::1'}))\n"
	"addAction(ProbaRule(0.1), ContinueAction(SpoofAction('192.0.2.3')))\n"
	"addAction(ProbaRule(0.05), ContinueAction(SpoofRawAction{'ab', 'c'}))\n"
	"addAction(ProbaRule(0.05), ERCodeAction(16))\n"
	"addAction(ProbaRule(0.05), SpoofCNAMEAction('t.example'))\n"
	"addAction(ProbaRule(0.05), NegativeAndSOAAction(true, 'z', 1, 'm', 'r', 1, 2, 3, 4, 5))\n"
	"addAction(ProbaRule(0.3), SetTempFailureCacheTTLAction(2))\n"
	"newServer{address='192.0.2.8', useClientSubnet=true}:setUp()\n"
	"addAction(ProbaRule(0.3), SetECSPrefixLengthAction(9, 50))\n"
	"addAction(ProbaRule(0.2), SetECSAction('10.0.0.0/8', '2001:db8::/32'))\n"
	"addAction(ProbaRule(0.2), SetECSOverrideAction(true))\n"
	"addAction(ProbaRule(0.1), SetDisableECSAction())\n"
	"addAction('slow', DelayAction(30)) addAction('slow.slow', DelayAction(3))\n"
	"addAction('0.0.0.0/0', QPSAction(3000))\n"
	"addAction(OrRule{QNameRule('n1.abuse'), DNSSECRule()}, PoolAction('abuse'))\n"
	"addAction(QNameSuffixRule{'skip'}, SetSkipCacheAction())\n"
	"addAction(RDRule(), NoneAction())\n"
	"addAction(ProbaRule(0.3), SetTagAction('k', 'v'))\n"
	"addAction(OrRule{QNameLabelsCountRule(1, 2), TrailingDataRule(), EDNSVersionRule(0),\n"
	"  RecordsTypeCountRule(1, 1, 1, 9), PoolOutstandingRule('', 500)}, NoneAction())\n"
	"addAction(TagRule('k', 'v'), SetTagAction('long', ('l'):rep(200)))\n"
	"addResponseAction(AndRule{TagRule('long'), ProbaRule(0.1)}, DropResponseAction())\n"
	"addAction(ProbaRule(0.5), SetNoRecurseAction())\n"
	"addAction(LuaRule(function(dq) return math.random(3) == 1 end), LuaAction(function(dq)\n"
	"  dq:setTag('k', dq:getTag('k') .. 'w')\n"
	"  local n = math.random(16) dq.dh:setCD(n % 2 == 0) dq.skipCache = n == 5\n"
	"  if n == 1 then return DNSAction.Spoof, '192.0.2.7, 192.0.2.8' end\n"
	"  if n == 2 then return DNSAction.SpoofRaw, 'abc' end\n"
	"  if n == 3 then return DNSAction.Delay, '9' end\n"
	"  if n == 4 then dq.dh:setQR(true) return DNSAction.HeaderModify end\n"
	"  return n < 14 and n or DNSAction.None\n"
	"end))\n"
	"addResponseAction(RCodeRule(2), DropResponseAction())\n"
	"addResponseAction(ProbaRule(0.2), DelayResponseAction(7))\n"
	"addResponseAction(ProbaRule(0.5), LuaResponseAction(function(dr)\n"
	"  dr.skipCache = math.random(4) == 1 dr.dh:setAA(true) return math.random(0, 6)\n"
	"end))\n"
	"addCacheHitResponseAction(ProbaRule(0.3), DropResponseAction())\n"
	"addSelfAnsweredResponseAction(ProbaRule(0.1), DelayResponseAction(11))\n";

enum { WAITING = 256 };

struct world {
	struct rule_rig r[2];
	struct drbg random;
	struct dgram waiting[WAITING];
	uint8_t bytes[WAITING][RIG_BYTES];
	unsigned waiting_n;
	struct dgram batch[2][DGRAM_BATCH];
	uint8_t buf[2][DGRAM_BATCH][RIG_BYTES];
	uint64_t out[2];             /* delayed answers that came out */
};

static struct world w;

static unsigned draw(unsigned bound)
{
	return (unsigned)drbg_below(&w.random, bound);
}

static struct dgram some_query(uint8_t *buf)
{
	static const char *const names[] = {
		"n1.drop", "n1.abuse", "abc1.x", "slow", "a.slow.slow", "x.skip", "plain",
		"N1.plain",
	};
	static const uint16_t types[] = { DNS_A, DNS_A, DNS_AAAA, DNS_ANY, DNS_TXT };
	bool edns = draw(2);
	struct dgram d = rig_query(buf, draw(20), (uint16_t)draw(65536), names[draw(8)], edns);

	dns_put16(buf + d.len - 4 - (edns ? 11 : 0), types[draw(5)]);
	dns_put16(buf + 2, (uint16_t)(draw(2) ? DNS_RD : draw(65536) & ~(unsigned)DNS_QR));
	if (edns && draw(2))
		buf[d.len - 4] |= 0x80;
	return d;
}

static struct dgram some_datagram(uint8_t *buf)
{
	if (w.waiting_n == 0 || draw(2))
		return some_query(buf);
	unsigned n = w.waiting_n < WAITING ? w.waiting_n : WAITING;
	struct dgram d = w.waiting[(w.waiting_n - 1 - draw(n < 64 ? n : 64)) % WAITING];
	memcpy(buf, d.data, d.len);
	d.data = buf;
	rig_turn(&d, draw(4) == 0 ? draw(6) : 0);
	if (draw(2))
		rig_record(&d, 60);
	return d;
}

static void damage(struct dgram *d)
{
	for (unsigned n = draw(8) == 0 ? 1 + draw(3) : 0; n > 0 && d->len > 0; n--)
		d->data[draw(d->len)] = (uint8_t)draw(256);
	if (draw(20) == 0)
		d->len = (uint16_t)draw(d->len + 1u);
}

static void same(const struct dgram *a, const struct dgram *b)
{
	assert_int_equal(a->verdict, b->verdict);
	assert_int_equal(a->len, b->len);
	assert_int_equal(a->port, b->port);
	assert_true(ep_eq(&a->peer, &b->peer));
	assert_memory_equal(a->data, b->data, a->len);
}

static void note_forwarded(const struct dgram *d)
{
	unsigned at = w.waiting_n % WAITING;

	if (d->verdict != BAL_FORWARD)
		return;
	w.waiting_n++;
	memcpy(w.bytes[at], d->data, d->len);
	w.waiting[at] = *d;
	w.waiting[at].data = w.bytes[at];
}

/* The same datagrams as one batch and one by one. */
static void give(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		w.batch[0][i] = some_datagram(w.buf[0][i]);
		damage(&w.batch[0][i]);
		memcpy(w.buf[1][i], w.buf[0][i], RIG_BYTES);
		w.batch[1][i] = w.batch[0][i];
		w.batch[1][i].data = w.buf[1][i];
	}
	bal_rx(w.r[0].rig.b, w.r[0].rig.now_ns, w.batch[0], n);
	for (unsigned i = 0; i < n; i++) {
		bal_rx(w.r[1].rig.b, w.r[1].rig.now_ns, &w.batch[1][i], 1);
		same(&w.batch[0][i], &w.batch[1][i]);
		note_forwarded(&w.batch[0][i]);
	}
}

/* What is due comes out in order, of both the same, however many are asked for at once. */
static void poll(void)
{
	static uint8_t buf[2][8][LATE_BYTES];
	int64_t last = INT64_MIN, now_ns = w.r[0].rig.now_ns;
	unsigned n;

	do {
		struct dgram d[2][8];
		for (unsigned k = 0; k < 2; k++)
			for (unsigned i = 0; i < 8; i++)
				d[k][i] = (struct dgram){ .data = buf[k][i], .cap = LATE_BYTES };
		n = bal_poll(w.r[0].rig.b, now_ns, d[0], 8);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(bal_poll(w.r[1].rig.b, now_ns, &d[1][i], 1), 1);
			same(&d[0][i], &d[1][i]);
			assert_true(bal_verdict_sends(d[0][i].verdict));
			assert_true(d[0][i].t_ns >= last && d[0][i].t_ns <= now_ns);
			last = d[0][i].t_ns;
			w.out[0]++;
		}
		if (n < 8)
			assert_int_equal(bal_poll(w.r[1].rig.b, now_ns, &d[1][0], 1), 0);
	} while (n == 8);
	assert_true(bal_deadline(w.r[0].rig.b) > now_ns);
	assert_true(bal_deadline(w.r[0].rig.b) == bal_deadline(w.r[1].rig.b));
}

static void run(uint64_t seed)
{
	uint8_t bytes[DRBG_SEED];

	memset(&w, 0, sizeof(w));
	drbg_seed_from_u64(bytes, seed);
	drbg_init(&w.random, bytes, DRBG_TEST, 0);
	rule_rig(&w.r[0], rules);
	rule_rig(&w.r[1], rules);
	for (unsigned step = 0; step < 400; step++) {
		give(1 + draw(DGRAM_BATCH));
		w.r[0].rig.now_ns += draw(20000000);
		w.r[1].rig.now_ns = w.r[0].rig.now_ns;
		poll();
		bal_check(w.r[0].rig.b);
		bal_check(w.r[1].rig.b);
	}
	w.r[0].rig.now_ns += INT64_C(10000000000);
	w.r[1].rig.now_ns = w.r[0].rig.now_ns;
	poll();
	assert_int_equal(bal_count(w.r[0].rig.b, BAL_DELAYED), w.out[0]);
	assert_int_equal(bal_outstanding(w.r[0].rig.b), 0);
	for (unsigned i = 0; i < w.r[0].config->conf.rules->chain[BAL_QUERIES].n; i++)
		if (bal_matches(w.r[0].rig.b, BAL_QUERIES, i) == 0)
			fail_msg("rule %u never matched", i);
	rule_rig_stop(&w.r[0]);
	rule_rig_stop(&w.r[1]);
}

static void a_batch_may_be_cut_anywhere_and_all_adds_up(void **state)
{
	uint64_t seed = rig_seed(1);

	(void)state;
	for (uint64_t i = 0; i < 40; i++)
		run(seed + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_may_be_cut_anywhere_and_all_adds_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
