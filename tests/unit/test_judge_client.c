/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The judge's client side on captures made by hand: which query a later try belongs to, what counts
 * as a duplicate, and what becomes of a query whose answer was truncated.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/judge/inner.h"
#include "tests/judge/synth.h"

enum { MS = 1000000, FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static int64_t number(const json_t *doc, const char *kind, const char *key)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(doc, "expectations"), i, e)
		if (strcmp(json_string_value(json_object_get(e, "kind")), kind) == 0)
			return json_integer_value(json_object_get(json_object_get(e, "measured"),
			                                          key));
	fail_msg("no expectation %s", kind);
	return 0;
}

static bool says(const json_t *doc, const char *what)
{
	char *text = json_dumps(json_object_get(doc, "expectations"), 0);
	bool found = strstr(text, what) != NULL;

	if (!found)
		fprintf(stderr, "%s\n", text);
	free(text);
	return found;
}

/* A plan with answers and lost alone, one client, and names[] names, queries a second for 20 s. */
static struct plan *client_plan(unsigned names, unsigned rate, unsigned tries)
{
	static const struct plan_expect expect[] = {
		{ .kind = PLAN_ANSWERS, .error = -1 }, { .kind = PLAN_LOST, .at_most = 0 },
	};
	struct plan *p = synth_plan("scenarios/blackhole.lua", NULL, 7);
	struct plan_load *l = &p->load[0];

	l->clients = 1;
	l->name_n = names;
	l->rate_mqps = rate * 1000;
	l->to_ns = 20 * SYNTH_S;
	l->tries = tries;
	l->timeout_ns = SYNTH_S;
	p->end_ns = 40 * SYNTH_S;
	p->fault_n = 0;
	p->expect_n = COUNT_OF(expect);
	memcpy(p->expect, expect, sizeof(expect));
	return p;
}

static struct ep client_of(const struct load_query *q)
{
	return synth_ep(q->client, 40000u + q->source);
}

/* The try leaves the client at t_ns. The query's bytes go to out. */
static size_t ask(struct synth *s, const struct load_query *q, int64_t t_ns, uint16_t id,
                  const struct ep *to, uint8_t out[512])
{
	struct ep client = client_of(q);
	int len = dns_query(out, 512, id, DNS_RD, q->name, q->name_len, q->type, DNS_IN, 0);

	MUST(len > 0);
	synth_add(s, t_ns, s->client, &client, to, out, (size_t)len);
	return (size_t)len;
}

/* What the stub would say, with the rcode wrong or the answer cut off if so wished. */
static size_t answer_to(const uint8_t *query, size_t len, bool wrong, bool cut,
                        uint8_t out[REC_ANSWER_MAX])
{
	struct dns_question q;

	MUST(dns_question(&q, query, len) == 0);
	int n = rec_answer(out, REC_ANSWER_MAX, query, len, &q, UINT32_MAX);
	MUST(n > 0);
	if (wrong)
		out[3] ^= DNS_NXDOMAIN;
	if (!cut)
		return (size_t)n;
	out[2] |= DNS_TC >> 8;
	dns_put16(out + 6, 0);
	dns_put16(out + 8, 0);
	dns_put16(out + 10, 0);
	return q.end;
}

static json_t *judged(struct synth *s)
{
	synth_sort(s);
	json_t *doc = synth_judge(s);
	struct plan *p = s->plan;
	synth_fini(s);
	plan_free(p);
	return doc;
}

/* ---- later tries ---- */

struct retry_knobs {
	bool wrong_once, twice_once, both_tries;
};

/* Every other query gets no answer to its first try; later tries leave up to 3 ms late. */
static json_t *with_retries(const struct retry_knobs *k)
{
	static const struct synth_knobs none;
	struct synth s = { .plan = client_plan(1, 40, 2) };
	uint8_t query[512], answer[REC_ANSWER_MAX];
	struct arena a;
	struct load_query q;

	synth_init(&s, &none);
	MUST(load_gen_refuses(s.plan, 0) == NULL);
	MUST(host_arena(&a, load_gen_arena_size(s.plan, 0)) == 0);
	struct load_gen *g = load_gen_init(&a, s.plan, 0);
	for (; load_gen_next(g, &q); s.queries++, s.sent++) {
		struct ep client = client_of(&q), to = q.to;
		bool silent = s.queries % 2 == 0, odd = s.queries == 100;
		int64_t t = q.t_ns + 20 * SYNTH_US, late = (int64_t)drbg_below(&s.ids, 3 * MS);
		size_t len = ask(&s, &q, t, q.id, &to, query);
		if (silent && odd && k->both_tries)
			synth_add(&s, t + SYNTH_S + 9 * MS, s.client, &to, &client, answer,
			          answer_to(query, len, false, false, answer));
		if (silent) {
			t += SYNTH_S + late;
			to = synth_ep(s.plan->node[s.balancer[1 - q.balancer]].addr[0], 53);
			len = ask(&s, &q, t, (uint16_t)(q.id + 1), &to, query);
		}
		size_t got = answer_to(query, len, odd && k->wrong_once, false, answer);
		for (int i = 0; i <= (odd && k->twice_once); i++)
			synth_add(&s, t + MS + i, s.client, &to, &client, answer, got);
	}
	host_arena_free(&a);
	return judged(&s);
}

static void a_later_try_belongs_to_the_query_whose_time_it_is(void **state)
{
	static const struct {
		const char *what;
		struct retry_knobs k;
		int64_t wrong, duplicate;
	} row[] = {
		{ "all is well", { .wrong_once = false }, 0, 0 },
		{ "a wrong answer to a later try", { .wrong_once = true }, 1, 0 },
		{ "two answers to a later try", { .twice_once = true }, 0, 1 },
		{ "an answer to each of two tries", { .both_tries = true }, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		json_t *doc = with_retries(&row[i].k);
		if (number(doc, "answers", "wrong") != row[i].wrong ||
		    number(doc, "answers", "duplicate") != row[i].duplicate ||
		    number(doc, "lost", "lost") != 0) {
			json_dumpf(json_object_get(doc, "expectations"), stderr, JSON_INDENT(1));
			fail_msg("%s", row[i].what);
		}
		assert_in_range(number(doc, "lost", "lost_at_first_try"), 300, 500);
		json_decref(doc);
	}
}

/* ---- queries that have all in common but port and balancer ---- */

static void queries_of_one_id_are_told_apart_by_their_order(void **state)
{
	static const struct synth_knobs none;
	struct synth s = { .plan = client_plan(1, 40000, 1) };
	uint8_t query[512], answer[REC_ANSWER_MAX];
	struct arena a;
	struct load_query q;

	(void)state;
	s.plan->load[0].to_ns = 2 * SYNTH_S; /* some hundred pairs within a few milliseconds */
	synth_init(&s, &none);
	MUST(host_arena(&a, load_gen_arena_size(s.plan, 0)) == 0);
	struct load_gen *g = load_gen_init(&a, s.plan, 0);
	for (; load_gen_next(g, &q); s.queries++, s.sent++) {
		struct ep client = client_of(&q), to = q.to;
		size_t len = ask(&s, &q, q.t_ns + 100 * SYNTH_US, q.id, &to, query);
		synth_add(&s, q.t_ns + 20 * MS, s.client, &to, &client, answer,
		          answer_to(query, len, false, false, answer));
	}
	host_arena_free(&a);
	json_t *doc = judged(&s);
	assert_int_equal(number(doc, "answers", "wrong"), 0);
	assert_int_equal(number(doc, "answers", "duplicate"), 0);
	assert_int_equal(number(doc, "lost", "lost"), 0);
	json_decref(doc);
}

/* ---- a later try's ID that another query has as well ---- */

enum { PAIR_MAX = 8000 };

struct id_row {
	const char *what;
	bool own_port;          /* both leave from one socket */
	int64_t from_ns, to_ns; /* the other query leaves so much after the later try */
	bool later_silent;      /* the later try gets no answer */
	bool twice;             /* the other query gets two */
	int64_t lost, duplicate;
};

/* The first query after the one at i that has what the row asks for; 0: none. */
static unsigned find_other(const struct load_query *q, unsigned n, unsigned i,
                           const struct id_row *r)
{
	int64_t t = q[i].t_ns + SYNTH_S;

	for (unsigned k = i + 1; k < n; k++)
		if (q[k].t_ns >= t + r->from_ns && q[k].t_ns < t + r->to_ns &&
		    (q[k].source == q[i].source) == r->own_port &&
		    q[k].balancer != q[i].balancer && q[k].type == q[i].type)
			return k;
	return 0;
}

/* Query at i is tried again under the ID of another one, which goes to the same balancer. */
static void later_try_with_id_of(struct synth *s, const struct load_query *q,
                                 const struct load_query *other, const struct id_row *r)
{
	uint8_t query[512], answer[REC_ANSWER_MAX];
	struct ep client = client_of(q), to = other->to;
	int64_t t = q->t_ns + SYNTH_S + 20 * SYNTH_US;
	size_t len = ask(s, q, t, other->id, &to, query);

	if (!r->later_silent)
		synth_add(s, t + MS, s->client, &to, &client, answer,
		          answer_to(query, len, false, false, answer));
}

static void ask_all(struct synth *s, const struct load_query *q, unsigned n,
                    const struct id_row *r)
{
	uint8_t query[512], answer[REC_ANSWER_MAX];
	unsigned one = 100, other;

	while ((other = find_other(q, n, one, r)) == 0)
		assert_true(++one < n);
	for (unsigned i = 0; i < n; i++, s->queries++, s->sent++) {
		struct ep client = client_of(&q[i]), to = q[i].to;
		int64_t t = q[i].t_ns + 20 * SYNTH_US;
		size_t len = ask(s, &q[i], t, q[i].id, &to, query);
		if (i == one) {
			later_try_with_id_of(s, &q[i], &q[other], r);
			continue;
		}
		size_t got = answer_to(query, len, false, false, answer);
		for (int k = 0; k <= (i == other && r->twice); k++)
			synth_add(s, t + 2 * MS + k, s->client, &to, &client, answer, got);
	}
}

/* All that is planned. How many. */
static unsigned planned(const struct synth *s, struct load_query q[PAIR_MAX])
{
	struct arena a;
	unsigned n = 0;

	MUST(load_gen_refuses(s->plan, 0) == NULL);
	MUST(host_arena(&a, load_gen_arena_size(s->plan, 0)) == 0);
	struct load_gen *g = load_gen_init(&a, s->plan, 0);
	while (n < PAIR_MAX && load_gen_next(g, &q[n]))
		n++;
	host_arena_free(&a);
	return n;
}

static json_t *with_one_id(const struct id_row *r)
{
	static const struct synth_knobs none;
	static struct load_query q[PAIR_MAX];
	struct synth s = { .plan = client_plan(1, 200, 2) };

	synth_init(&s, &none);
	unsigned n = planned(&s, q);
	ask_all(&s, q, n, r);
	return judged(&s);
}

static void an_id_that_comes_round_is_the_newer_querys(void **state)
{
	static const struct id_row row[] = {
		{ "a first try, seconds later", true, 3 * SYNTH_S, 4 * SYNTH_S, false, false,
		  0, 0 },
		{ "the later try has no answer", true, 3 * SYNTH_S, 4 * SYNTH_S, true, false,
		  1, 0 },
		{ "two answers to the first try", true, 3 * SYNTH_S, 4 * SYNTH_S, false, true,
		  0, 1 },
		{ "another socket's, at once", false, 10 * SYNTH_US, 5 * MS, false, false, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		json_t *doc = with_one_id(&row[i]);
		if (number(doc, "answers", "wrong") != 0 ||
		    number(doc, "answers", "duplicate") != row[i].duplicate ||
		    number(doc, "lost", "lost") != row[i].lost ||
		    number(doc, "lost", "lost_at_first_try") != 1) {
			json_dumpf(json_object_get(doc, "expectations"), stderr, JSON_INDENT(1));
			fail_msg("%s", row[i].what);
		}
		json_decref(doc);
	}
}

/* ---- two queries of one client and question that leave in the other order ---- */

/* The first of three in a row that come within 2 ms of each other. */
static unsigned three_close(const struct load_query *q, unsigned n)
{
	unsigned i = 100;

	while (q[i + 2].t_ns > q[i].t_ns + 2 * MS || q[i].type != q[i + 1].type ||
	       q[i].type != q[i + 2].type)
		assert_true(++i + 2 < n);
	return i;
}

static void try_once_more(struct synth *s, const struct load_query *q, int64_t t)
{
	uint8_t query[512], answer[REC_ANSWER_MAX];
	struct ep client = client_of(q), to = q->to;
	size_t len = ask(s, q, t, q->id ^ 0x5555, &to, query);

	synth_add(s, t + MS, s->client, &to, &client, answer,
	          answer_to(query, len, false, false, answer));
}

/* The three leave as order says, get no answer, and are tried again in that order, too. */
static json_t *with_order(const unsigned order[3])
{
	static const struct synth_knobs none;
	static struct load_query q[PAIR_MAX];
	struct synth s = { .plan = client_plan(1, 200, 2) };
	uint8_t query[512], answer[REC_ANSWER_MAX];

	synth_init(&s, &none);
	unsigned n = planned(&s, q), first = three_close(q, n);
	for (unsigned i = 0; i < n; i++, s.queries++, s.sent++) {
		struct ep client = client_of(&q[i]), to = q[i].to;
		bool late = i >= first && i < first + 3;
		int64_t t = late ? q[first + 2].t_ns + (1 + order[i - first]) * 100 * SYNTH_US :
		                   q[i].t_ns + 20 * SYNTH_US;
		size_t len = ask(&s, &q[i], t, q[i].id, &to, query);
		if (late)
			try_once_more(&s, &q[i], t + SYNTH_S);
		else
			synth_add(&s, t + 2 * MS, s.client, &to, &client, answer,
			          answer_to(query, len, false, false, answer));
	}
	return judged(&s);
}

static void what_leaves_in_another_order_is_known_when_it_is_tried_again(void **state)
{
	static const unsigned order[][3] = { { 0, 1, 2 }, { 1, 0, 2 }, { 0, 2, 1 }, { 2, 1, 0 },
		                             { 1, 2, 0 }, { 2, 0, 1 } };
	(void)state;
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		json_t *doc = with_order(order[i]);
		assert_int_equal(number(doc, "answers", "wrong"), 0);
		assert_int_equal(number(doc, "answers", "duplicate"), 0);
		assert_int_equal(number(doc, "lost", "lost"), 0);
		assert_int_equal(number(doc, "lost", "lost_at_first_try"), 3);
		json_decref(doc);
	}
}

/* ---- truncated answers, then TCP ---- */

struct segment {
	uint32_t at, len;       /* of the framed answer; len 0: none of it */
	uint8_t flags;
};

struct tcp_row {
	const char *what;
	struct segment segment[6];
	bool wrong;
	int64_t lost, wrongs, duplicates, answered;
	const char *says;
};

enum { ALL = 100000 };

static const struct tcp_row tcp_rows[] = {
	{ "in one segment", { { 0, 0, SYN | ACK }, { 0, ALL, ACK }, { ALL, 0, FIN | ACK } },
	  false, 0, 0, 0, 1, "1 were truncated, 1 of them got" },
	{ "byte by byte at first", { { 0, 0, SYN | ACK }, { 0, 1, ACK }, { 1, 1, ACK },
	  { 2, 5, ACK }, { 7, ALL, ACK } }, false, 0, 0, 0, 1, "" },
	{ "the middle comes last", { { 0, 0, SYN | ACK }, { 30, ALL, ACK }, { 0, 12, ACK },
	  { 12, 18, ACK } }, false, 0, 0, 0, 1, "" },
	{ "all of it twice, overlapping", { { 0, 0, SYN | ACK }, { 0, 20, ACK }, { 0, 20, ACK },
	  { 10, ALL, ACK }, { 0, ALL, ACK } }, false, 0, 0, 0, 1, "" },
	{ "a wrong one", { { 0, 0, SYN | ACK }, { 0, ALL, ACK } }, true, 0, 1, 0, 1,
	  "answer with the wrong rcode; came: " },
	{ "refused", { { 0, 0, RST | ACK } }, false, 1, 0, 0, 0, "1 were truncated, 0 of them" },
	{ "silence", { { 0, 0, 0 } }, false, 1, 0, 0, 0, "1 were truncated, 0 of them" },
	{ "connected, then silence", { { 0, 0, SYN | ACK } }, false, 1, 0, 0, 0, "" },
	{ "half of it, then reset", { { 0, 0, SYN | ACK }, { 0, 20, ACK }, { 20, 0, RST } }, false,
	  1, 0, 0, 0, "" },
	{ "no beginning", { { 0, ALL, ACK } }, false, 1, 0, 0, 0, "" },
};

static void tcp_segments(struct synth *s, const struct tcp_row *r, const struct load_query *q,
                         const uint8_t *framed, uint32_t n)
{
	struct ep client = synth_ep(q->client, 51000);

	for (unsigned i = 0; i < COUNT_OF(r->segment) && r->segment[i].flags != 0; i++) {
		struct segment g = r->segment[i];
		uint32_t at = g.at < n ? g.at : n, len = at + g.len < n ? g.len : n - at;
		synth_add(s, q->t_ns + (2 + i) * MS, s->client, &q->to, &client, framed + at, len);
		struct synth_record *x = &s->record[s->n - 1];
		x->tcp = true;
		x->tcp_flags = g.flags;
		x->tcp_seq = (g.flags & SYN) != 0 ? 0xffffffef : 0xfffffff0 + at;
	}
}

/* One query, truncated over UDP, then asked over TCP: whose answer comes as the row says. */
static json_t *over_tcp(const struct tcp_row *r)
{
	static const struct synth_knobs none;
	struct synth s = { .plan = client_plan(1000, 1, 1) };
	uint8_t query[512], framed[2 + REC_ANSWER_MAX];
	struct arena a;
	struct load_query q;

	s.plan->load[0].to_ns = SYNTH_S;
	s.plan->load[0].arrivals = PLAN_CONSTANT;
	synth_init(&s, &none);
	MUST(host_arena(&a, load_gen_arena_size(s.plan, 0)) == 0);
	struct load_gen *g = load_gen_init(&a, s.plan, 0);
	MUST(load_gen_next(g, &q));
	struct ep client = client_of(&q);
	size_t len = ask(&s, &q, q.t_ns, q.id, &q.to, query);
	size_t got = answer_to(query, len, false, true, framed);
	synth_add(&s, q.t_ns + MS, s.client, &q.to, &client, framed, got);
	got = answer_to(query, len, r->wrong, false, framed + 2);
	dns_put16(framed, (uint16_t)got);
	tcp_segments(&s, r, &q, framed, (uint32_t)got + 2);
	s.queries = s.sent = 1;
	MUST(!load_gen_next(g, &q));
	host_arena_free(&a);
	return judged(&s);
}

static void a_truncated_answer_is_none_but_its_tcp_answer_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(tcp_rows); i++) {
		const struct tcp_row *r = &tcp_rows[i];
		json_t *doc = over_tcp(r);
		if (number(doc, "lost", "lost") != r->lost ||
		    number(doc, "answers", "wrong") != r->wrongs ||
		    number(doc, "answers", "duplicate") != r->duplicates ||
		    number(doc, "answers", "answered") != r->answered ||
		    number(doc, "answers", "truncated") != 1 || !says(doc, r->says)) {
			json_dumpf(json_object_get(doc, "expectations"), stderr, JSON_INDENT(1));
			fail_msg("%s", r->what);
		}
		json_decref(doc);
	}
}

/* ---- segments ---- */

struct heard {
	uint8_t bytes[1 << 16];
	size_t n;
	unsigned messages;
};

static void hear(void *of, const uint8_t *m, size_t len)
{
	struct heard *h = of;

	assert_true(h->n + len <= sizeof(h->bytes));
	memcpy(h->bytes + h->n, m, len);
	h->n += len;
	h->messages++;
}

/* Messages of random lengths, cut into random pieces that come twice and in a shaken order. */
static void shaken_stream(uint64_t seed_number)
{
	static uint8_t stream[40000];
	uint8_t seed[DRBG_SEED] = { 0 };
	struct heard *h = calloc(1, sizeof(*h)), *want = calloc(1, sizeof(*want));
	struct tcp *t = tcp_new();
	struct drbg d;
	struct frame f = { .kind = FRAME_TCP, .src = synth_ep(ip_v4(192, 0, 2, 1), 53),
	                   .dst = synth_ep(ip_v4(192, 0, 2, 2), 4000), .tcp_flags = SYN | ACK };
	uint32_t n = 0, first, cut[512][2], cuts = 0;

	MUST(h != NULL && want != NULL);
	memcpy(seed, &seed_number, sizeof(seed_number));
	drbg_init(&d, seed, DRBG_TEST, 0);
	for (unsigned i = 0; i < 12; i++) {
		uint32_t len = (uint32_t)drbg_below(&d, i == 5 ? 20000 : 1500);
		dns_put16(stream + n, (uint16_t)len);
		for (uint32_t k = 0; k < len; k++)
			stream[n + 2 + k] = (uint8_t)drbg_u32(&d);
		hear(want, stream + n + 2, len);
		n += 2 + len;
	}
	for (uint32_t at = 0; at < n; cuts++) {
		uint32_t len = 1 + (uint32_t)drbg_below(&d, 1400);
		cut[cuts][0] = at;
		cut[cuts][1] = len < n - at ? len : n - at;
		at += cut[cuts][1];
	}
	for (uint32_t i = 0; i + 6 < cuts; i++) {
		uint32_t k = i + (uint32_t)drbg_below(&d, 6), x[2] = { cut[i][0], cut[i][1] };
		memcpy(cut[i], cut[k], sizeof(x));
		memcpy(cut[k], x, sizeof(x));
	}
	first = drbg_u32(&d);
	f.tcp_seq = first - 1;
	tcp_segment(t, &f, hear, h);
	f.tcp_flags = ACK;
	for (uint32_t i = 0; i < cuts; i++)
		for (uint64_t twice = drbg_below(&d, 3) == 0; twice < 2; twice++) {
			f.tcp_seq = first + cut[i][0];
			f.payload = stream + cut[i][0];
			f.payload_len = cut[i][1];
			tcp_segment(t, &f, hear, h);
		}
	if (h->messages != 12 || h->n != want->n || memcmp(h->bytes, want->bytes, h->n) != 0)
		fail_msg("seed %llu: %u messages", (unsigned long long)seed_number, h->messages);
	assert_int_equal(tcp_given_up(t), 0);
	tcp_free(t);
	free(h);
	free(want);
}

static void messages_come_out_whole_however_segments_come(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++)
		shaken_stream(seed);
}

static void streams_and_what_they_hold_are_bounded(void **state)
{
	static uint8_t data[1400];
	struct heard *h = calloc(1, sizeof(*h));
	struct tcp *t = tcp_new();
	struct frame f = { .kind = FRAME_TCP, .src = synth_ep(ip_v4(192, 0, 2, 1), 53),
	                   .dst = synth_ep(ip_v4(192, 0, 2, 2), 1), .payload = data };
	(void)state;

	for (unsigned i = 0; i < 9000; i++) { /* nobody ever ends one */
		f.dst.port = (uint16_t)(1 + i);
		f.tcp_flags = SYN;
		f.payload_len = 0;
		tcp_segment(t, &f, hear, h);
		f.tcp_flags = ACK;
		f.tcp_seq = 100000; /* far ahead, with a gap */
		f.payload_len = sizeof(data);
		tcp_segment(t, &f, hear, h);
		f.tcp_seq = 0;
	}
	assert_true(tcp_given_up(t) > 4000);
	assert_int_equal(h->messages, 0);
	tcp_free(t);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_later_try_belongs_to_the_query_whose_time_it_is),
		cmocka_unit_test(queries_of_one_id_are_told_apart_by_their_order),
		cmocka_unit_test(an_id_that_comes_round_is_the_newer_querys),
		cmocka_unit_test(what_leaves_in_another_order_is_known_when_it_is_tried_again),
		cmocka_unit_test(a_truncated_answer_is_none_but_its_tcp_answer_is),
		cmocka_unit_test(messages_come_out_whole_however_segments_come),
		cmocka_unit_test(streams_and_what_they_hold_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
