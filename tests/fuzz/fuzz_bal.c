/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balancer core under a script: the input's bytes choose queries, answers to what was
 * forwarded, damage to both, raw datagrams, time and servers that go. Each datagram has a buffer of
 * exactly its length. Invariants are asserted after every step; an answer must be to the question
 * that left under its ID. The bug that EK_PLANT plants reads a cut-off answer past its end.
 */
#include <stdlib.h>

#include "tests/bal_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SERVERS = 3, SENT = 32 };

/* The script: bytes taken from its front, zeros at its end. */
struct script {
	const uint8_t *at, *end;
};

/* A forwarded query, as it left. */
struct sent {
	uint16_t port, len;
	uint8_t m[RIG_BYTES];
};

struct state {
	struct rig rig;
	struct sent sent[SENT];
	unsigned sent_n;             /* all that ever were; the newest SENT are kept */
};

static unsigned next(struct script *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

static void start(struct state *st, struct script *s)
{
	static const uint32_t sizes[] = { 1, 2, 5, 64 };
	unsigned options = next(s);

	rig_conf(&st->rig, SERVERS);
	st->sent_n = 0;
	st->rig.conf.policy = (enum bal_policy)(1 + options % 7);
	st->rig.conf.max_outstanding = sizes[options / 4 % 4];
	st->rig.conf.servfail_when_no_server = options & 16;
	st->rig.conf.roundrobin_fail_on_no_server = options & 32;
	st->rig.conf.cache.entries = options & 64 ? 4 : 0;
	bal_cache_defaults(&st->rig.conf.cache);
	st->rig.conf.stale_s = options & 128 ? 5 : 0;
	st->rig.conf.servfail_on_timeout = options % 3 == 2;
	st->rig.conf.quirks.truncate_tc = options % 3 == 1;
	st->rig.conf.quirks.fixup_case = options % 5 == 1;
	st->rig.conf.quirks.allow_empty_response = options % 7 == 1;
	st->rig.conf.quirks.drop_empty_queries = options % 7 == 2;
	st->rig.conf.udp_retry_ns = options % 5 == 3 ? 300000000 : 0;
	st->rig.server[1].sockets = 2;
	st->rig.server[0].qps = 2;
	st->rig.server[2].client_subnet = options & 8;
	bal_ecs_defaults(&st->rig.conf.ecs);
	st->rig.conf.ecs.any = options & 8;
	st->rig.conf.ecs.replace = options & 1;
	MUST(prefix_parse(&st->rig.acl[0], "192.160.102.0/24") == 0);
	rig_start(&st->rig, 1);
}

/* Sets up to three bytes and perhaps the length, as the script says. */
static void damage(struct dgram *d, struct script *s)
{
	unsigned how = next(s);

	for (unsigned i = 0; i < how % 4 && d->len > 0; i++) {
		unsigned at = next(s) % d->len;
		d->data[at] = (uint8_t)next(s);
	}
	if (how & 4)
		d->len = (uint16_t)(next(s) % (d->len + 1u));
}

static struct dgram query(uint8_t *buf, struct script *s)
{
	static const char *const names[] = { ".", "a.", "www.example.", "WWW.Example.",
		"an-unusually-long-label-that-is-longer-than-most.of.them.example." };
	unsigned what = next(s);
	struct dgram d = rig_query(buf, what & 7, (uint16_t)(what >> 3), names[what % 5], what & 8);

	if (what == 255)
		d.peer.ip = ip_v4(10, 0, 0, 1);
	return d;
}

static struct dgram answer(uint8_t *buf, struct script *s, const struct state *st)
{
	unsigned back = next(s) % SENT % (st->sent_n > 0 ? st->sent_n : 1), rcode = next(s);
	const struct sent *q = &st->sent[(st->sent_n - 1 - back) % SENT];
	struct dgram d = { .data = buf, .len = q->len, .cap = RIG_BYTES, .port = q->port };

	memcpy(buf, q->m, q->len);
	d.peer = st->rig.server[bal_port_server(st->rig.b, d.port)].addr;
	rig_turn(&d, rcode & 15);
	d.peer.port = (uint16_t)(d.peer.port + rcode / 128);
	return d;
}

static struct dgram raw(uint8_t *buf, struct script *s)
{
	unsigned port = next(s) % 5;
	struct dgram d = { .data = buf, .cap = RIG_BYTES, .port = (uint16_t)port };

	d.peer = port == 0 ? rig_client(0) : rig_client(1);
	d.len = (uint16_t)next(s);
	for (unsigned i = 0; i < d.len; i++)
		buf[i] = (uint8_t)next(s);
	return d;
}

static void remember(struct state *st, const struct dgram *d)
{
	struct sent *q = &st->sent[st->sent_n++ % SENT];

	q->port = d->port;
	q->len = d->len;
	memcpy(q->m, d->data, d->len);
}

/* The answer (as the server sent it) must be to the newest query of its port and ID, if known. */
static void check_answer(const struct state *st, const uint8_t *m, size_t len, unsigned port)
{
	struct dns_question asked, got;
	unsigned n = st->sent_n < SENT ? st->sent_n : SENT;

	if (dns_qdcount(m) == 0)
		return;
	MUST(dns_question(&got, m, len) == 0);
	for (unsigned i = 1; i <= n; i++) {
		const struct sent *q = &st->sent[(st->sent_n - i) % SENT];
		if (q->port != port || dns_id(q->m) != dns_id(m))
			continue;
		MUST(dns_question(&asked, q->m, q->len) == 0);
		MUST(dns_question_eq(q->m, &asked, m, &got));
		return;
	}
}

/* Gives a datagram to the core in a buffer of its length. */
static void give(struct state *st, struct dgram d)
{
	uint8_t *exact = malloc(d.len > 0 ? d.len : 1), *before = d.data;
	uint16_t len = d.len, port = d.port;

	MUST(exact != NULL);
	memcpy(exact, d.data, d.len);
	d.data = exact;
	d.cap = d.len;
	bal_rx(st->rig.b, st->rig.now_ns, &d, 1);
	MUST(d.verdict > BAL_NO_VERDICT && d.verdict < BAL_VERDICTS && d.len <= len);
	MUST(!bal_verdict_sends(d.verdict) || d.len >= DNS_HEADER);
	if (d.verdict == BAL_FORWARD)
		remember(st, &d);
	else if (d.verdict == BAL_ANSWER)
		check_answer(st, before, len, port);
	free(exact);
}

static void polled(struct state *st, const struct dgram *d)
{
	bool told = d->verdict == BAL_TIMED_OUT;

	MUST(told || d->verdict == BAL_RETRY);
	MUST(d->len >= DNS_HEADER + 5 && d->len <= BAL_POLL_MIN);
	MUST((d->port == 0) == told && ((dns_flags(d->data) & DNS_QR) != 0) == told);
	if (told)
		return;
	MUST(bal_shared_up(st->rig.shared, bal_port_server(st->rig.b, d->port)));
	remember(st, d);
}

/* Takes what time alone made, into buffers as small as may be. */
static void poll_all(struct state *st)
{
	uint8_t buf[2][BAL_POLL_MIN];
	struct dgram d[2];
	unsigned n;

	do {
		for (unsigned i = 0; i < 2; i++)
			d[i] = (struct dgram){ .data = buf[i], .cap = BAL_POLL_MIN };
		n = bal_poll(st->rig.b, st->rig.now_ns, d, 2);
		for (unsigned i = 0; i < n; i++)
			polled(st, &d[i]);
	} while (n == 2);
	MUST(bal_deadline(st->rig.b) > st->rig.now_ns);
}

static void step(struct state *st, struct script *s)
{
	uint8_t buf[RIG_BYTES];
	unsigned op = next(s);
	struct dgram d;

	switch (op % 8) {
	case 0: case 1: case 2:
		d = query(buf, s);
		break;
	case 3: case 4: case 5:
		d = st->sent_n > 0 ? answer(buf, s, st) : query(buf, s);
		break;
	case 6:
		d = raw(buf, s);
		break;
	default:
		st->rig.now_ns += INT64_C(1) << (op / 8);
		bal_shared_set_up(st->rig.shared, next(s) % SERVERS, next(s) & 1);
		poll_all(st);
		return;
	}
	if (op & 128)
		damage(&d, s);
	give(st, d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state st;
	struct script s = { data, data + size };

	start(&st, &s);
	for (unsigned i = 0; i < 400 && s.at < s.end; i++) {
		step(&st, &s);
		bal_check(st.rig.b);
	}
	rig_stop(&st.rig);
	return 0;
}
