/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balancer's TCP under a script: the input's bytes choose clients that come, ask, shut their
 * side and go, servers that accept, refuse, answer (right, damaged, cut off, out of order) and
 * close, and time. After each step invariants are asserted; an answer must be to what its
 * connection asked. Messages have buffers of exactly their length. The bug that EK_PLANT plants in
 * bal.c reads a cut-off answer past its end.
 */
#include <stdlib.h>

#include "tests/tcp_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ASKED = 4, MS = 1000000 };

struct script {
	const uint8_t *at, *end;
};

struct state {
	struct trig t;
	uint8_t asked[TRIG_CONNS][ASKED]; /* by ID: which name, plus 1 */
};

static const char *const names[] = { "a.", "www.example.", "WWW.other.example.", "." };

static unsigned next(struct script *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

static void start(struct state *st, struct script *s)
{
	unsigned o = next(s);

	memset(st, 0, sizeof(*st));
	trig_conf(&st->t, 3);
	st->t.rig.conf.policy = (enum bal_policy)(1 + o % 4);
	st->t.listen.max_in_flight = o & 4 ? ASKED : 0;
	st->t.listen.max_conns = o & 8 ? 6 : 0;
	st->t.rig.conf.tcp.per_client = o & 16 ? 2 : 0;
	st->t.rig.conf.tcp.queries = o & 32 ? 3 : 0;
	st->t.rig.conf.servfail_when_no_server = o & 64;
	st->t.rig.server[0].tcp.max_in_flight = 3;
	st->t.rig.server[1].tcp.max_conns = 2;
	st->t.rig.server[2].tcp.retries = 1;
	rig_start(&st->t.rig, 1);
}

/* Some connection in a state, or NULL. */
static struct trig_conn *some(struct state *st, struct script *s, enum trig_state state)
{
	struct trig_conn *c = trig_find(&st->t, state, next(s) % TRIG_CONNS);

	return c != NULL ? c : trig_find(&st->t, state, 0);
}

/* Hands a message to the core in a buffer of its length. */
static enum bal_verdict give(struct state *st, struct dgram *d)
{
	uint8_t *exact = malloc(d->len > 0 ? d->len : 1);

	MUST(exact != NULL);
	memcpy(exact, d->data, d->len);
	d->data = exact;
	d->cap = d->len;
	bal_rx(st->t.rig.b, st->t.rig.now_ns, d, 1);
	return d->verdict;
}

static void ask(struct state *st, struct script *s)
{
	struct trig_conn *c = some(st, s, TRIG_CLIENT);
	unsigned what = next(s);
	uint8_t buf[RIG_BYTES];

	if (c == NULL)
		return;
	uint16_t id = what % ASKED;
	struct dgram d = trig_query(buf, c->number, 0, id, names[what / 4 % 4]);
	if (what & 16)
		d.len = (uint16_t)(next(s) % (d.len + 1u));
	if (what & 32)
		dns_put16(d.data + d.len - 4 * (d.len > 20), DNS_AXFR);
	if (give(st, &d) == BAL_TCP_FORWARD && (what & 48) == 0)
		st->asked[bal_tcp_place(c->number)][id] |= (uint8_t)(1u << (what / 4 % 4));
	else if (d.verdict == BAL_TCP_FORWARD)
		st->asked[bal_tcp_place(c->number)][id] = 0xff; /* anything */
	free(d.data);
}

static void check_answer(const struct state *st, const struct dgram *d)
{
	uint8_t wire[DNS_NAME_MAX];
	struct dns_question q;
	uint16_t id = dns_id(d->data);

	MUST(st->t.conn[bal_tcp_place(d->conn)].number == d->conn && d->port == 0);
	MUST(id < ASKED);
	uint8_t asked = st->asked[bal_tcp_place(d->conn)][id];
	if (asked == 0xff || dns_question(&q, d->data, d->len) < 0)
		return;
	for (unsigned i = 0; i < 4; i++) {
		int len = dns_name_parse(wire, names[i]);
		if ((asked & 1u << i) != 0 &&
		    dns_name_eq(wire, (size_t)len, d->data + DNS_HEADER, q.name_len))
			return;
	}
	must_fail("an answer to what its client asked", __FILE__, __LINE__);
}

static void answer(struct state *st, struct script *s)
{
	struct trig_conn *c = some(st, s, TRIG_OPEN);
	unsigned how = next(s);

	if (c == NULL || c->sent_n == 0)
		return;
	unsigned i = how % c->sent_n;
	struct trig_message m = c->sent[i];
	struct dgram d = { .data = m.data, .len = m.len, .proto = DGRAM_TCP, .conn = c->number,
	                   .port = (uint16_t)(c->server + 1) };
	d.data[2] |= 0x80;
	if (how & 64)
		d.data[next(s) % m.len] ^= (uint8_t)next(s);
	if (how & 128)
		d.len = (uint16_t)(next(s) % (m.len + 1u));
	enum bal_verdict v = give(st, &d);
	if (v == BAL_TCP_ANSWER)
		check_answer(st, &d);
	free(d.data);
	memmove(&c->sent[i], &c->sent[i + 1], (c->sent_n - i - 1) * sizeof(m));
	c->sent_n--;
}

static void accept_one(struct state *st, struct script *s)
{
	uint32_t n = trig_accept(&st->t, next(s) % 4);

	if (n != 0)
		memset(st->asked[bal_tcp_place(n)], 0, ASKED);
}

static void close_one(struct state *st, struct script *s, enum trig_state state)
{
	struct trig_conn *c = some(st, s, state);

	if (c != NULL)
		trig_close(&st->t, c);
}

static void step(struct state *st, struct script *s)
{
	struct trig_conn *c;

	switch (next(s) % 10) {
	case 0: accept_one(st, s); break;
	case 1: case 2: ask(st, s); break;
	case 3: case 4: answer(st, s); break;
	case 5:
		if ((c = some(st, s, TRIG_OPENING)) != NULL)
			trig_connect(&st->t, c);
		break;
	case 6: close_one(st, s, (enum trig_state)(1 + next(s) % 3)); break;
	case 7:
		if ((c = some(st, s, TRIG_CLIENT)) != NULL)
			bal_tcp_eof(st->t.rig.b, st->t.rig.now_ns, c->number);
		break;
	case 8: st->t.rig.now_ns += (int64_t)next(s) * 50 * MS; break;
	default: bal_shared_set_up(st->t.rig.shared, next(s) % 3, next(s) & 1); break;
	}
	trig_poll(&st->t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state st;
	struct script s = { data, data + size };

	start(&st, &s);
	while (s.at < s.end)
		step(&st, &s);
	st.t.rig.now_ns += INT64_C(1000) * 1000 * MS;
	trig_poll(&st.t);
	rig_stop(&st.t.rig);
	return 0;
}
