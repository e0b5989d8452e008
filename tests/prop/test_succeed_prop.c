/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reloads (balancer/core/succeed.h), at any moment of any traffic over UDP and TCP, with servers
 * that come, go, come back, change their number of sockets, and addresses that listen no more:
 * every query that was out is answered to who asked, with its ID, and all counts agree after each
 * step.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "balancer/core/succeed.h"
#include "tests/tcp_rig.h"

enum { RUNS = 30, STEPS = 1500, POOL = 5, UDP_OUT = 200, ASKED = 8 };

#define MS INT64_C(1000000)
#define LEAST_NS (1500 * MS) /* of any server's time-out */

/* A query over UDP that is out. */
struct udp {
	struct dgram d;               /* as it was sent */
	uint8_t bytes[RIG_BYTES];
	struct ep client, local;
	uint16_t id;
	unsigned serial;              /* the query's; a second try has the same */
	bool second;
	int64_t sent_ns;
};

struct asked {
	uint16_t id;
	bool used;
};

/* One configuration and its core, at an address that stays. */
struct generation {
	struct bal_conf conf;
	struct bal_server server[POOL + RIG_SERVERS];
	struct ep front[2];
	struct bal_listen listen[2];
	struct arena arena;
	struct bal_shared *shared;
	struct bal *b;
};

static struct trig t;                 /* rig: copies of what the generation has */
static struct generation *gen;
static struct drbg random_;
static struct udp udp[UDP_OUT];
static unsigned udp_n, serials;
static bool answered[STEPS];
static struct asked asked[TRIG_CONNS][ASKED];
static uint64_t answers, reloads, left, retries, told_timeouts;

static unsigned draw(unsigned n)
{
	return (unsigned)drbg_below(&random_, n);
}

/* ---- a configuration ---- */

static void some_server(struct bal_server *s, unsigned who)
{
	s->addr = (struct ep){ ip_v4(192, 0, 2, (uint8_t)(3 + who)), 53 };
	bal_server_defaults(s);
	s->check.mode = BAL_CHECK_UP;
	s->sockets = (uint16_t)(1 + (draw(8) == 0));
	s->weight = 1 + (int32_t)draw(5);
	s->tcp.max_in_flight = draw(4);
	s->udp_timeout_ns = draw(2) ? 0 : LEAST_NS;
}

/* Some of POOL servers, in any order, at least one; one address or both. */
static struct generation *new_generation(void)
{
	struct generation *g = calloc(1, sizeof(*g));
	unsigned first = draw(POOL), which = draw(2);

	MUST(g != NULL);
	for (unsigned i = 0; i < 2; i++) {
		g->front[i] = (struct ep){ ip_v4(192, 160, 102, (uint8_t)(2 + (i ^ which))), 53 };
		g->listen[i].max_in_flight = 1 + draw(ASKED);
	}
	g->conf = (struct bal_conf){
		.policy = (enum bal_policy)(1 + draw(4)), .udp_timeout_ns = 2000 * MS,
		.max_outstanding = 50 + draw(200), .server_n = 1 + draw(POOL),
		.server = g->server, .acl_n = 2, .acl = t.rig.acl, .front_n = 1 + draw(2),
		.servfail_on_timeout = draw(2), .udp_retry_ns = draw(2) ? 300 * MS : 0,
		.front = g->front, .listen = g->listen, .cache.entries = draw(3) ? 64 : 0,
	};
	bal_cache_defaults(&g->conf.cache);
	bal_tcp_defaults(&g->conf.tcp);
	g->conf.tcp.conns = TRIG_CONNS;
	g->conf.tcp.per_client = draw(2) ? 40 : 0;
	for (unsigned i = 0; i < g->conf.server_n; i++)
		some_server(&g->server[i], (first + i) % POOL);
	return g;
}

static void init_core(struct generation *g, uint64_t seed_number)
{
	uint8_t seed[DRBG_SEED];

	drbg_seed_from_u64(seed, seed_number);
	MUST(host_arena(&g->arena, bal_shared_arena_size(&g->conf) +
	                           bal_shared_cache_arena_size(&g->conf) +
	                           bal_arena_size(&g->conf)) == 0);
	g->shared = bal_shared_init(&g->arena, &g->conf);
	bal_shared_cache_init(g->shared, &g->arena, &g->conf, seed);
	g->b = bal_init(&g->arena, &g->conf, g->shared, seed, 0);
	arena_seal(&g->arena);
}

static void free_generation(struct generation *g)
{
	host_arena_free(&g->arena);
	free(g);
}

/* From now on everybody looks at g. */
static void use(struct generation *g)
{
	gen = g;
	t.rig.b = g->b;
	t.rig.shared = g->shared;
	t.rig.conf = g->conf;
	MUST(bal_conf_servers(&g->conf) <= RIG_SERVERS);
	memcpy(t.rig.server, g->server, bal_conf_servers(&g->conf) * sizeof(*g->server));
}

/* ---- traffic ---- */

/* All equally long. */
static const char *name_of(unsigned n)
{
	static char text[32];

	snprintf(text, sizeof(text), "n%u.example.", 1000 + n % 9000);
	return text;
}

static void ask_udp(void)
{
	struct udp *u = &udp[udp_n];

	if (udp_n == UDP_OUT)
		return;
	u->id = (uint16_t)draw(65536);
	u->serial = serials++;
	u->second = false;
	u->d = rig_query(u->bytes, draw(90), u->id, name_of(u->serial), draw(2));
	u->client = u->d.peer;
	u->local = u->d.local;
	u->sent_ns = t.rig.now_ns;
	enum bal_verdict v = rig_rx(&t.rig, &u->d);
	if (v == BAL_FORWARD)
		udp_n++;
	else
		assert_true(v == BAL_CACHE_HIT || v == BAL_DROP_FULL);
}

static unsigned copies(unsigned serial)
{
	unsigned n = 0;

	for (unsigned i = 0; i < udp_n; i++)
		n += udp[i].serial == serial;
	return n;
}

static void forget(unsigned i)
{
	udp[i] = udp[--udp_n];
	udp[i].d.data = udp[i].bytes;
}

/* The query of a second try: it has the client's question, and somebody asked that before. */
static unsigned serial_of(const struct dgram *d)
{
	for (unsigned i = 0; i < udp_n; i++)
		if (udp[i].d.len == d->len && copies(udp[i].serial) == 1 &&
		    memcmp(udp[i].bytes + 2, d->data + 2, d->len - 2u) == 0 &&
		    !answered[udp[i].serial])
			return i;
	fail_msg("a second try of nobody's query");
	return 0;
}

/* What time makes of queries over UDP. */
static void poll_udp(void)
{
	static uint8_t bytes[RIG_BYTES];
	struct dgram d = { .data = bytes, .cap = RIG_BYTES };

	while (bal_poll(t.rig.b, t.rig.now_ns, &d, 1) == 1) {
		if (d.verdict == BAL_TIMED_OUT) {
			assert_int_equal(d.port, 0);
			told_timeouts++;
			continue;
		}
		assert_int_equal(d.verdict, BAL_RETRY);
		retries++;
		unsigned i = serial_of(&d);
		if (udp_n == UDP_OUT) { /* no room for both: for none */
			forget(i);
			continue;
		}
		udp[udp_n] = udp[i];
		struct udp *u = &udp[udp_n++];
		memcpy(u->bytes, bytes, d.len);
		u->d = d;
		u->second = true;
		u->d.data = u->bytes; /* its time is that of the first try */
	}
	bal_check(t.rig.b);
}

static void answer_udp(void)
{
	if (udp_n == 0)
		return;
	unsigned i = draw(udp_n), before = copies(udp[i].serial);
	struct udp u = udp[i];
	u.d.data = u.bytes;
	dns_put16(u.bytes + 10, 0);
	u.d.len = DNS_HEADER + 15 + 4;
	rig_turn(&u.d, DNS_SERVFAIL);
	forget(i);
	/* later its ID may be another query's */
	if (t.rig.now_ns >= u.sent_ns + LEAST_NS)
		return;
	enum bal_verdict v = rig_rx(&t.rig, &u.d);
	if (v != BAL_ANSWER) { /* that of another try came, or a reload ended second tries */
		assert_true(v == BAL_DROP_LATE || v == BAL_DROP_UNMATCHED);
		assert_true(answered[u.serial] || before > 1);
		return;
	}
	assert_false(answered[u.serial]);
	answered[u.serial] = true;
	assert_int_equal(dns_id(u.d.data), u.id);
	assert_true(ep_eq(&u.d.peer, &u.client) && ep_eq(&u.d.local, &u.local));
	answers++;
}

static struct trig_conn *some(enum trig_state state)
{
	struct trig_conn *c = trig_find(&t, state, draw(TRIG_CONNS));

	return c != NULL ? c : trig_find(&t, state, 0);
}

static void open_client(void)
{
	struct ep peer = rig_client(draw(5));
	unsigned front = draw(t.rig.conf.front_n);
	uint32_t n = bal_tcp_accept(t.rig.b, t.rig.now_ns, &peer, &t.rig.conf.front[front], front);

	if (n == 0)
		return;
	*trig_at(&t, n) = (struct trig_conn){ .state = TRIG_CLIENT, .number = n };
	memset(asked[bal_tcp_place(n)], 0, sizeof(asked[0]));
}

static void ask_tcp(void)
{
	struct trig_conn *c = some(TRIG_CLIENT);

	if (c == NULL || !bal_tcp_takes(t.rig.b, c->number))
		return;
	struct asked *a = asked[bal_tcp_place(c->number)];
	while (a->used)
		a++;
	*a = (struct asked){ (uint16_t)draw(65536), true };
	if (trig_ask(&t, c->number, a->id, name_of(draw(9000))) != BAL_TCP_FORWARD)
		a->used = false;
}

static void answer_tcp(void)
{
	struct trig_conn *c = some(TRIG_OPEN);
	uint8_t buf[RIG_BYTES];
	struct dgram d;

	if (c == NULL || c->sent_n == 0)
		return;
	enum bal_verdict v = trig_answer(&t, c, draw(c->sent_n), DNS_SERVFAIL, buf, &d);
	assert_true(v == BAL_TCP_ANSWER || v == BAL_TCP_GONE);
	if (v == BAL_TCP_ANSWER) {
		struct asked *a = asked[bal_tcp_place(d.conn)];
		assert_int_equal(trig_at(&t, d.conn)->number, d.conn);
		while (!a->used || a->id != dns_id(d.data))
			MUST(++a < asked[bal_tcp_place(d.conn)] + ASKED);
		a->used = false;
		answers++;
	}
	trig_poll(&t);
}

/* ---- a reload ---- */

static int32_t outstanding(const struct bal_shared *sh, const struct bal_conf *c)
{
	int32_t n = 0;

	for (unsigned i = 0; i < bal_conf_servers(c); i++)
		n += atomic_load(&sh->server[i].outstanding);
	return n;
}

/* Those that can't be out any more. */
static void forget_ended(void)
{
	for (unsigned i = 0; i < udp_n;)
		if (t.rig.now_ns >= udp[i].sent_ns + LEAST_NS ||
		    answered[udp[i].serial] ||
		    (!udp[i].second && copies(udp[i].serial) > 1))
			forget(i);
		else
			i++;
}

/* What the test knows by the old numbers. */
static void renumber(const struct bal_succession *s)
{
	for (unsigned i = 0; i < udp_n; i++) {
		unsigned port = udp[i].d.port, server = 0;
		while (bal_port(s->from, server + 1, 0) <= port)
			server++;
		assert_int_not_equal(s->server[server], BAL_GONE);
		udp[i].d.port = (uint16_t)bal_port(s->to, s->server[server],
		                                   port - bal_port(s->from, server, 0));
		assert_true(ep_eq(&s->to->server[s->server[server]].addr, &udp[i].d.peer));
	}
	for (unsigned i = 0; i < TRIG_CONNS; i++) {
		struct trig_conn *c = &t.conn[i];
		if (c->state == TRIG_OPENING || c->state == TRIG_OPEN)
			c->server = s->server[c->server] == BAL_GONE ? 0 : s->server[c->server];
	}
}

static void reload(uint64_t seed)
{
	uint16_t server[POOL + RIG_SERVERS], heir[POOL], front[2];
	struct generation *old = gen, *new = new_generation();
	struct bal_succession s = { .server = server, .heir = heir, .front = front };
	uint32_t udp_was = bal_outstanding(old->b), tcp_was = bal_tcp_outstanding(old->b);
	uint64_t lost = bal_timeouts(old->b);

	assert_int_equal(bal_succession_plan(&s, &old->conf, old->shared, &new->conf, new->server),
	                 0);
	left += new->conf.leaving_n;
	init_core(new, seed);
	bal_shared_succeed(new->shared, old->shared, &s);
	bal_succeed(new->b, old->b, &s);
	/* second tries end where there are none any more */
	uint64_t ended = udp_was - bal_outstanding(new->b);
	assert_true(ended == 0 || (old->conf.udp_retry_ns > 0 && new->conf.udp_retry_ns == 0));
	assert_int_equal(bal_tcp_outstanding(new->b), tcp_was);
	assert_int_equal(bal_timeouts(new->b), lost + ended);
	assert_int_equal(outstanding(old->shared, &old->conf), 0);
	assert_int_equal(outstanding(new->shared, &new->conf),
	                 (int)(bal_outstanding(new->b) + tcp_was));
	forget_ended();
	renumber(&s);
	use(new);
	free_generation(old);
	trig_poll(&t);
	reloads++;
}

/* ---- the runs ---- */

static void step(uint64_t seed)
{
	struct trig_conn *c;
	unsigned what = draw(100);

	if (what < 30)
		ask_udp();
	else if (what < 45)
		answer_udp();
	else if (what < 52)
		open_client();
	else if (what < 68)
		ask_tcp();
	else if (what < 80)
		answer_tcp();
	else if (what < 87 && (c = some(TRIG_OPENING)) != NULL)
		trig_connect(&t, c);
	else if (what < 89 && (c = some(TRIG_OPEN)) != NULL)
		trig_close(&t, c);
	else if (what < 91 && (c = some(TRIG_CLIENT)) != NULL)
		trig_close(&t, c);
	else if (what < 96)
		t.rig.now_ns += draw(100) * MS;
	else
		reload(seed);
	poll_udp();
	trig_poll(&t);
}

/* Everybody behaves for long enough; then nothing is left. */
static void finish(void)
{
	while (udp_n > 0)
		answer_udp();
	for (unsigned i = 0; i < 400; i++) {
		struct trig_conn *c;
		while ((c = trig_find(&t, TRIG_OPENING, 0)) != NULL)
			trig_connect(&t, c);
		for (unsigned k = 0; k < TRIG_CONNS; k++)
			answer_tcp();
		t.rig.now_ns += 500 * MS;
		poll_udp();
		trig_poll(&t);
	}
	assert_int_equal(bal_outstanding(t.rig.b), 0);
	assert_int_equal(bal_tcp_outstanding(t.rig.b), 0);
	assert_int_equal(bal_tcp_open(t.rig.b, false), 0);
	assert_int_equal(bal_tcp_open(t.rig.b, true), 0);
	assert_int_equal(outstanding(t.rig.shared, &t.rig.conf), 0);
	for (unsigned i = 0; i < t.rig.conf.front_n; i++)
		assert_int_equal(atomic_load(&t.rig.shared->front[i]), 0);
}

static void a_reload_at_any_moment_loses_no_query(void **state)
{
	uint64_t seed = rig_seed(1);

	(void)state;
	for (uint64_t run = 0; run < RUNS; run++) {
		uint8_t bytes[DRBG_SEED];
		drbg_seed_from_u64(bytes, seed + run);
		drbg_init(&random_, bytes, DRBG_TEST, 0);
		trig_conf(&t, 1);
		udp_n = serials = 0;
		memset(answered, 0, sizeof(answered));
		struct generation *first = new_generation();
		init_core(first, seed + run);
		use(first);
		for (unsigned i = 0; i < STEPS; i++)
			step(seed + run);
		finish();
		free_generation(gen);
	}
	assert_true(answers > RUNS * 200 && reloads > RUNS * 30 && left > RUNS * 10);
	assert_true(retries > RUNS * 10 && told_timeouts > RUNS * 5);
}

/* g of one server, the same one each time. */
static void one_server(struct generation *g, uint32_t max_outstanding)
{
	some_server(&g->server[0], 0);
	g->server[0].sockets = 1;
	g->conf.server_n = 1;
	g->conf.max_outstanding = max_outstanding;
	g->conf.cache.entries = 0;
	g->conf.udp_retry_ns = 0;
	g->conf.servfail_on_timeout = false;
}

static void reload_one_server(void)
{
	uint16_t server[4], heir[POOL], front[2];
	struct bal_succession s = { .server = server, .heir = heir, .front = front };
	struct generation *old = gen, *new = new_generation();

	one_server(new, 1000); /* can't be less than what may be out */
	assert_int_equal(bal_succession_plan(&s, &old->conf, old->shared, &new->conf, new->server),
	                 0);
	assert_int_equal(new->conf.max_outstanding, 65535);
	init_core(new, 7);
	bal_shared_succeed(new->shared, old->shared, &s);
	bal_succeed(new->b, old->b, &s);
	use(new);
	free_generation(old);
	bal_check(gen->b);
}

/* As many IDs out as make the table dense: they stay, and the rest is drawn from what is free. */
static void a_full_table_is_taken_over(void **state)
{
	static bool seen[65536];
	uint8_t bytes[DRBG_SEED], buf[RIG_BYTES];
	unsigned out = 0;

	(void)state;
	drbg_seed_from_u64(bytes, 7);
	drbg_init(&random_, bytes, DRBG_TEST, 0);
	trig_conf(&t, 1);
	struct generation *g = new_generation();
	one_server(g, 65535);
	init_core(g, 7);
	use(g);
	for (; out < 65535; out++) {
		struct dgram d = rig_query(buf, out % 90, 1, "name.example.", false);
		if (out == 40000)
			reload_one_server();
		bal_rx(t.rig.b, t.rig.now_ns, &d, 1);
		assert_int_equal(d.verdict, BAL_FORWARD);
		assert_false(seen[dns_id(d.data)]);
		seen[dns_id(d.data)] = true;
	}
	struct dgram d = rig_query(buf, 1, 1, "name.example.", false);
	assert_int_equal(rig_rx(&t.rig, &d), BAL_DROP_FULL);
	bal_poll(t.rig.b, t.rig.now_ns + 2000 * MS, NULL, 0); /* or before */
	assert_int_equal(bal_outstanding(t.rig.b), 0);
	assert_int_equal(bal_timeouts(t.rig.b), 65535);
	bal_check(t.rig.b);
	free_generation(gen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reload_at_any_moment_loses_no_query),
		cmocka_unit_test(a_full_table_is_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
