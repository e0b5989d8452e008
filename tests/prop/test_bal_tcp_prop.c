/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Properties of the balancer's TCP: whatever clients, servers and time do, each answer goes to the
 * connection that asked, once; all queries are accounted for after each step; nothing is left at
 * the end. And the batch cut doesn't matter. Of the framer: nor does the cut of the bytes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/tcp_rig.h"

enum { STEPS = 4000, RUNS = 40, ASKED = 8 };

#define MS INT64_C(1000000)

/* What a client's connection waits for. */
struct asked {
	uint16_t id;
	unsigned name;
	bool used;
};

static struct trig t;
static struct asked asked[TRIG_CONNS][ASKED];
static struct drbg random_;
static uint64_t answers;

static unsigned draw(unsigned n)
{
	return (unsigned)drbg_below(&random_, n);
}

static const char *name_of(unsigned n)
{
	static char text[32];

	snprintf(text, sizeof(text), "n%u.example.", n);
	return text;
}

static void open_client(void)
{
	uint32_t n = trig_accept(&t, draw(5));

	if (n != 0)
		memset(asked[bal_tcp_place(n)], 0, sizeof(asked[0]));
}

/* Some connection in this state, or NULL. */
static struct trig_conn *some(enum trig_state state)
{
	struct trig_conn *c = trig_find(&t, state, draw(TRIG_CONNS));

	return c != NULL ? c : trig_find(&t, state, 0);
}

static void ask(void)
{
	struct trig_conn *c = some(TRIG_CLIENT);

	if (c == NULL || !bal_tcp_takes(t.rig.b, c->number))
		return;
	struct asked *a = asked[bal_tcp_place(c->number)];
	while (a->used)
		a++;
	*a = (struct asked){ (uint16_t)draw(65536), draw(1000), true };
	if (trig_ask(&t, c->number, a->id, name_of(a->name)) != BAL_TCP_FORWARD)
		a->used = false;
}

/* Takes what was asked out of the client's list; there must be such a question. */
static void check_answer(const struct dgram *d)
{
	uint8_t name[DNS_NAME_MAX];
	struct dns_question q;

	MUST(dns_question(&q, d->data, d->len) == 0);
	for (unsigned i = 0; i < ASKED; i++) {
		struct asked *a = &asked[bal_tcp_place(d->conn)][i];
		int len = dns_name_parse(name, name_of(a->name));
		if (!a->used || a->id != dns_id(d->data) ||
		    !dns_name_eq(name, (size_t)len, d->data + DNS_HEADER, q.name_len))
			continue;
		a->used = false;
		answers++;
		return;
	}
	fail_msg("an answer to nobody's question");
}

static void answer(void)
{
	struct trig_conn *c = some(TRIG_OPEN);
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	if (c == NULL || c->sent_n == 0)
		return;
	if (trig_answer(&t, c, draw(c->sent_n), DNS_NOERROR, buf, &d) == BAL_TCP_ANSWER) {
		assert_int_equal(trig_at(&t, d.conn)->state, TRIG_CLIENT);
		assert_int_equal(trig_at(&t, d.conn)->number, d.conn);
		check_answer(&d);
	}
	trig_poll(&t);
}

static void close_some(enum trig_state state)
{
	struct trig_conn *c = some(state);

	if (c != NULL)
		trig_close(&t, c);
}

static void step(void)
{
	struct trig_conn *c;
	unsigned what = draw(100);

	if (what < 12)
		open_client();
	else if (what < 45)
		ask();
	else if (what < 75)
		answer();
	else if (what < 85 && (c = some(TRIG_OPENING)) != NULL)
		trig_connect(&t, c);
	else if (what < 88)
		close_some(TRIG_OPENING);
	else if (what < 90)
		close_some(TRIG_OPEN);
	else if (what < 92)
		close_some(TRIG_CLIENT);
	else if (what < 94 && (c = some(TRIG_CLIENT)) != NULL)
		bal_tcp_eof(t.rig.b, t.rig.now_ns, c->number);
	else if (what < 95)
		bal_shared_set_up(t.rig.shared, draw(3), draw(3) > 0);
	else
		t.rig.now_ns += draw(300) * MS;
	trig_poll(&t);
}

/* Everybody behaves for long enough. */
static void finish(void)
{
	for (unsigned i = 0; i < 400; i++) {
		struct trig_conn *c;
		while ((c = trig_find(&t, TRIG_OPENING, 0)) != NULL)
			trig_connect(&t, c);
		for (unsigned k = 0; k < TRIG_CONNS; k++)
			answer();
		t.rig.now_ns += 500 * MS;
		trig_poll(&t);
	}
	assert_int_equal(bal_tcp_outstanding(t.rig.b), 0);
	assert_int_equal(bal_tcp_open(t.rig.b, false), 0);
	assert_int_equal(bal_tcp_open(t.rig.b, true), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(atomic_load(&t.rig.shared->server[i].outstanding), 0);
	assert_int_equal(atomic_load(&t.rig.shared->front[0]), 0);
}

static void answers_go_to_who_asked_and_nothing_is_left(void **state)
{
	uint64_t seed = rig_seed(1);

	(void)state;
	answers = 0;
	for (uint64_t run = 0; run < RUNS; run++) {
		uint8_t bytes[DRBG_SEED];
		drbg_seed_from_u64(bytes, seed + run);
		drbg_init(&random_, bytes, DRBG_TEST, 0);
		trig_conf(&t, 3);
		t.rig.conf.policy = (enum bal_policy)(1 + run % 4);
		t.listen.max_in_flight = 1 + (uint32_t)run % ASKED;
		t.rig.conf.tcp.per_client = run % 3 == 0 ? 4 : 0;
		t.rig.conf.tcp.queries = run % 5 == 0 ? 9 : 0;
		t.rig.server[0].tcp.max_in_flight = 5;
		t.rig.server[1].tcp.max_conns = 4;
		rig_start(&t.rig, seed + run);
		for (unsigned i = 0; i < STEPS; i++)
			step();
		finish();
		rig_stop(&t.rig);
	}
	assert_true(answers > RUNS * 100);
}

/* All orders of a run, connection by connection. */
struct told {
	size_t n;
	uint8_t bytes[1 << 16];
};

static void tell(struct told *to, const struct dgram *d)
{
	struct told *c = &to[bal_tcp_place(d->conn)];

	MUST(c->n + d->len + 2u <= sizeof(c->bytes));
	c->bytes[c->n++] = d->verdict;
	c->bytes[c->n++] = (uint8_t)d->port;
	memcpy(c->bytes + c->n, d->data, d->len);
	c->n += d->len;
}

static void poll_into(struct told *to)
{
	static uint8_t data[UINT16_MAX];
	struct dgram d = { .data = data, .cap = UINT16_MAX };

	while (bal_tcp_poll(t.rig.b, t.rig.now_ns, &d)) {
		if (d.verdict != BAL_ORDER_SEND)
			d.len = 0;
		tell(to, &d);
		if (d.verdict == BAL_ORDER_OPEN)
			bal_tcp_connected(t.rig.b, t.rig.now_ns, d.conn);
	}
}

/* 16 clients ask three times each, `cut` messages at once. */
static void run_cut(struct told *to, uint64_t seed, unsigned cut)
{
	uint8_t buf[48][RIG_BYTES];
	struct dgram d[48];
	uint32_t conn[16];

	trig_conf(&t, 3);
	t.listen.max_in_flight = 3;
	rig_start(&t.rig, seed);
	for (unsigned i = 0; i < 16; i++)
		conn[i] = trig_accept(&t, i);
	for (unsigned i = 0; i < 48; i++)
		d[i] = trig_query(buf[i], conn[i % 16], i % 16, (uint16_t)i, name_of(i));
	for (unsigned i = 0; i < 48; i += cut) {
		bal_rx(t.rig.b, t.rig.now_ns, d + i, cut);
		bal_check(t.rig.b);
	}
	poll_into(to);
	rig_stop(&t.rig);
}

static void the_batch_cut_does_not_matter(void **state)
{
	static struct told a[TRIG_CONNS], b[TRIG_CONNS];
	uint64_t seed = rig_seed(100);

	(void)state;
	for (uint64_t i = 0; i < 20; i++) {
		size_t total = 0;
		memset(a, 0, sizeof(a));
		memset(b, 0, sizeof(b));
		run_cut(a, seed + i, 48);
		run_cut(b, seed + i, 1);
		for (unsigned c = 0; c < TRIG_CONNS; c++) {
			assert_int_equal(a[c].n, b[c].n);
			assert_memory_equal(a[c].bytes, b[c].bytes, a[c].n);
			total += a[c].n;
		}
		assert_true(total > 48 * DNS_HEADER);
	}
}

/* Reads a stream that comes in pieces, as a shell does: what isn't whole is kept. */
static size_t read_cut(const uint8_t *bytes, size_t n, bool cut, uint8_t *out)
{
	static uint8_t in[2 * STREAM_MAX];
	size_t have = 0, wrote = 0;

	for (size_t at = 0; at < n;) {
		size_t piece = cut ? 1 + draw(7) : n;
		piece = piece < n - at ? piece : n - at;
		memcpy(in + have, bytes + at, piece);
		at += piece;
		have += piece;
		size_t done = 0, took;
		const uint8_t *m = NULL;
		uint16_t len = 0;
		while ((took = stream_first(in + done, have - done, &m, &len)) > 0) {
			out[wrote++] = (uint8_t)len;
			memcpy(out + wrote, m, len);
			wrote += len;
			done += took;
		}
		have -= done;
		memmove(in, in + done, have);
	}
	assert_int_equal(have, 0);
	return wrote;
}

static void the_cut_of_a_stream_does_not_matter(void **state)
{
	static uint8_t bytes[20000], whole[20000], cut[20000];
	uint8_t seed[DRBG_SEED];

	(void)state;
	drbg_seed_from_u64(seed, rig_seed(200));
	drbg_init(&random_, seed, DRBG_TEST, 0);
	for (unsigned run = 0; run < 50; run++) {
		size_t n = 0;
		for (unsigned i = 0; i < 100; i++) {
			uint16_t len = (uint16_t)draw(120);
			stream_prefix(bytes + n, len);
			drbg_bytes(&random_, bytes + n + 2, len);
			n += 2u + len;
		}
		size_t a = read_cut(bytes, n, false, whole), b = read_cut(bytes, n, true, cut);
		assert_int_equal(a, b);
		assert_int_equal(a, n - 100);
		assert_memory_equal(whole, cut, a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_go_to_who_asked_and_nothing_is_left),
		cmocka_unit_test(the_batch_cut_does_not_matter),
		cmocka_unit_test(the_cut_of_a_stream_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
