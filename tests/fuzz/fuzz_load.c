/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The load core under any order of polls, answers right and wrong, failing connections and time
 * that jumps. A memory of what was sent says what may be taken for an answer.
 */
#include <string.h>

#include "lib/host/host.h"
#include "tests/unit/load_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMORY = 64, CAPTURED = 24, QUERY_BYTES = DNS_HEADER + 3 + 4 };
enum wrong { RIGHT, ID, NAME, SOCKET, CLIENT, SERVER, PORT, TYPE, NO_ANSWER, SHORT, TC, WRONGS };

struct sent {
	struct dgram d;
	uint8_t bytes[LOAD_QUERY_MAX];
	bool settled; /* an answer to it was taken: another must not be */
};

struct rig {
	struct load_plan t;
	struct load *l;
	int64_t now;
	int64_t last_due;
	unsigned sent_n;
	struct sent sent[MEMORY];
};

static void poll_some(struct rig *r, unsigned max)
{
	struct dgram d[8];
	uint8_t bytes[8][LOAD_QUERY_MAX];

	for (unsigned i = 0; i < 8; i++)
		d[i] = (struct dgram){ .data = bytes[i], .cap = LOAD_QUERY_MAX };
	unsigned n = load_poll(r->l, r->now, d, 1 + max % 8);
	for (unsigned i = 0; i < n; i++) {
		struct sent *s = &r->sent[r->sent_n++ % MEMORY];
		bool more = d[i].verdict == LOAD_SEND_MORE && d[i].proto == DGRAM_TCP &&
		            (d[i].conn & LOAD_CONN_SHARED) != 0;
		MUST(d[i].verdict == LOAD_SEND || more);
		MUST(d[i].t_ns <= r->now && d[i].t_ns >= r->last_due);
		MUST(d[i].port < LOAD_SOCKETS && d[i].len <= LOAD_QUERY_MAX);
		r->last_due = d[i].t_ns;
		*s = (struct sent){ .d = d[i] };
		memcpy(s->bytes, bytes[i], d[i].len);
	}
}

static void spoil(struct dgram *d, enum wrong w)
{
	d->data[0] ^= w == ID;
	d->data[DNS_HEADER + 2] ^= w == NAME;
	d->data[d->len - 3] ^= w == TYPE;
	d->port = (uint16_t)(d->port + (w == SOCKET));
	d->local.ip.b[15] ^= w == CLIENT;
	d->peer.ip.b[15] ^= (uint8_t)(w == SERVER ? 0x40 : 0);
	d->peer.port = (uint16_t)(d->peer.port + (w == PORT));
	dns_put16(d->data + 2, (uint16_t)((w == NO_ANSWER ? 0 : DNS_QR) | (w == TC ? DNS_TC : 0)));
	d->len = w == SHORT ? DNS_HEADER - 1 : d->len;
}

static void answer(struct rig *r, uint8_t which, uint8_t how)
{
	enum wrong w = how % WRONGS;
	uint8_t bytes[LOAD_QUERY_MAX];
	struct sent *s = &r->sent[which % MEMORY];
	struct dgram d = s->d;

	if (r->sent_n <= which % MEMORY)
		return;
	memcpy(bytes, s->bytes, d.len);
	d.data = bytes;
	spoil(&d, w);
	if (d.proto == DGRAM_TCP && (w == SOCKET || w == CLIENT))
		return; /* a connection's number stands for these */
	load_rx(r->l, r->now, &d, 1);
	MUST(d.verdict >= LOAD_ANSWERED && d.verdict < LOAD_VERDICTS);
	bool taken = d.verdict == LOAD_ANSWERED || d.verdict == LOAD_TRUNCATED;
	MUST(!taken || w == RIGHT || w == TC || w == ID);
	MUST(!taken || w == ID || !s->settled);
	s->settled = s->settled || (taken && w != ID);
}

static void step(struct rig *r, const uint8_t op[3])
{
	switch (op[0] % 6) {
	case 0:
		r->now += (int64_t)op[1] * 1000000;
		break;
	case 1:
		if (load_deadline(r->l) > r->now && load_deadline(r->l) != INT64_MAX)
			r->now = load_deadline(r->l);
		break;
	case 2:
		poll_some(r, op[1]);
		break;
	case 3:
	case 4:
		answer(r, op[1], op[2]);
		break;
	case 5:
		if (r->sent_n > op[1] % MEMORY)
			load_tcp_failed(r->l, r->now, r->sent[op[1] % MEMORY].d.conn);
	}
	load_check(r->l);
}

/* After everything: nothing may be left pending. */
static void drain(struct rig *r)
{
	struct load_counts c;

	r->now += 1000 * LOAD_PLAN_S;
	for (int i = 0; i < 1000 && !load_done(r->l); i++)
		poll_some(r, 7);
	load_check(r->l);
	load_counts(r->l, &c);
	MUST(load_done(r->l) && c.open == 0 && c.planned == c.answered + c.timed_out);
}

/* Captured queries for "a"..."x", gap_ms apart: over UDP, or on one of up to four connections. */
static void make_replay(struct plan_load *l, uint8_t gap_ms)
{
	static struct trace_query query[CAPTURED];
	static uint8_t bytes[CAPTURED * QUERY_BYTES];
	static struct ip client[1];
	static struct ep server[1];
	static struct trace trace = { .query_n = CAPTURED, .client_n = 1, .server_n = 1,
	                              .connection_n = 4, .query = query, .client = client,
	                              .server = server, .bytes = bytes };
	static struct plan_replay replay = { .trace = &trace, .client = client,
	                                     .open_n = CAPTURED };
	bool seen[5] = { false };

	client[0] = l->family == 4 ? ip_v4(192, 160, 102, 130) : (struct ip){ { 0x26, 5, 1 } };
	for (unsigned i = CAPTURED; i-- > 0;) {
		uint8_t name[3] = { 1, (uint8_t)('a' + i), 0 };
		uint32_t connection = i * 7 % 5;
		query[i] = (struct trace_query){
			.t_ns = i * gap_ms * 1000000ll, .at = i * QUERY_BYTES,
			.connection = connection, .len = QUERY_BYTES, .port = (uint16_t)i,
			.name_len = sizeof(name), .more = connection > 0 && seen[connection],
		};
		seen[connection] = true;
		MUST(dns_query(bytes + query[i].at, QUERY_BYTES, 0, DNS_RD, name, sizeof(name),
		               DNS_A, DNS_IN, 0) == QUERY_BYTES);
	}
	replay.pace = (struct trace_pace){ trace_period(&trace), TRACE_SPEED_ONE, 1 };
	l->arrivals = PLAN_CAPTURED_TIMES;
	l->names = PLAN_CAPTURED_NAMES;
	l->replay_n = 1;
	l->replay = &replay;
	l->to_ns = trace_lasts(&replay.pace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig r;
	struct arena a;

	if (size < 4 || size > 3000)
		return 0;
	memset(&r, 0, sizeof(r));
	load_plan_init(&r.t);
	struct plan_load *l = &r.t.load[0];
	l->names = PLAN_UNIQUE;
	l->clients = 1 + data[0] % 8;
	l->to_ns = LOAD_PLAN_S;
	l->rate_mqps = 1 + data[1] * 1000u;
	l->timeout_ns = (1 + data[2]) * 10000000ll;
	l->tries = 1 + data[3] % 4;
	l->family = data[3] & 64 ? 6 : 4;
	l->arrivals = data[3] & 128 ? PLAN_POISSON : PLAN_CONSTANT;
	l->edns_size = 0;
	if (data[3] & 32)
		make_replay(l, data[1]);
	MUST(load_gen_refuses(&r.t.plan, 0) == NULL);
	MUST(host_arena(&a, load_arena_size(&r.t.plan, 0)) == 0);
	r.l = load_init(&a, &r.t.plan, 0, 0);
	for (size_t i = 4; i + 3 <= size; i += 3)
		step(&r, data + i);
	drain(&r);
	host_arena_free(&a);
	return 0;
}
