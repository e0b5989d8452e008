/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts that foreign captures are judged with, each alone: names on the command line, who is
 * who, which packets count, which file tells of whom, and how far clocks are apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/host/host.h"
#include "sim/foreign/core/backend.h"
#include "sim/foreign/core/ledger.h"
#include "sim/foreign/core/survey.h"
#include "tests/capture_make.h"

static const int64_t MS = 1000000, SECOND = INT64_C(1000000000);

/* ---- the command line ---- */

static void servers_are_read(void **state)
{
	static const struct {
		const char *text, *name, *addr;
		int32_t weight;
	} rows[] = {
		{ "DNS1=192.0.2.3", "DNS1", "192.0.2.3:53", 1 },
		{ "DNS1=192.0.2.3:5300", "DNS1", "192.0.2.3:5300", 1 },
		{ "DNS1=192.0.2.3,7", "DNS1", "192.0.2.3:53", 7 },
		{ "a b=192.0.2.3", NULL, NULL, 0 },
		{ "R-1.x_y=2001:db8::3", "R-1.x_y", "[2001:db8::3]:53", 1 },
		{ "R=[2001:db8::3]:5300,2147483647", "R", "[2001:db8::3]:5300", 2147483647 },
		{ "R=[2001:db8::3],10", "R", "[2001:db8::3]:53", 10 },
		{ "R=192.0.2.3,2147483648", NULL, NULL, 0 },
		{ "R=192.0.2.3,4294967297", NULL, NULL, 0 },
		{ "R=192.0.2.3,99999999999999999999999999", NULL, NULL, 0 },
		{ "R=192.0.2.3,0", NULL, NULL, 0 },
		{ "R=192.0.2.3,-1", NULL, NULL, 0 },
		{ "R=192.0.2.3,+1", NULL, NULL, 0 },
		{ "R=192.0.2.3, 1", NULL, NULL, 0 },
		{ "R=192.0.2.3,1,1", NULL, NULL, 0 },
		{ "R=192.0.2.3,", NULL, NULL, 0 },
		{ "R=192.0.2.3:0", NULL, NULL, 0 },
		{ "R=192.0.2.3:65536", NULL, NULL, 0 },
		{ "R=", NULL, NULL, 0 },
		{ "=192.0.2.3", NULL, NULL, 0 },
		{ "192.0.2.3", NULL, NULL, 0 },
		{ "R=S=192.0.2.3", NULL, NULL, 0 },
		{ "a/b=192.0.2.3", NULL, NULL, 0 },
		{ "", NULL, NULL, 0 },
	};
	(void)state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char addr[EP_TEXT];
		const char *expected = NULL;
		struct backend b;
		if (backend_parse(&b, rows[i].text, &expected) < 0) {
			if (rows[i].name != NULL || expected == NULL)
				fail_msg("%s: refused", rows[i].text);
			continue;
		}
		ep_format(&b.addr, addr);
		if (rows[i].name == NULL || strcmp(b.name, rows[i].name) != 0 ||
		    strcmp(addr, rows[i].addr) != 0 || b.weight != rows[i].weight)
			fail_msg("%s: read as %s=%s,%d", rows[i].text, b.name, addr, b.weight);
	}
}

static void a_name_has_63_letters_at_most(void **state)
{
	char text[100];
	const char *expected;
	struct backend b;
	(void)state;

	for (int n = 62; n <= 65; n++) {
		snprintf(text, sizeof(text), "%0*d=192.0.2.3", n, 0);
		assert_int_equal(backend_parse(&b, text, &expected) == 0, n <= 63);
	}
}

static void balancers_are_read(void **state)
{
	const char *expected;
	struct balancer_name n;
	(void)state;

	assert_int_equal(balancer_parse(&n, "192.160.102.2", &expected), 0);
	assert_string_equal(n.name, "192.160.102.2");
	assert_int_equal(balancer_parse(&n, "LB1=2001:db8::2", &expected), 0);
	assert_string_equal(n.name, "LB1");
	assert_true(balancer_parse(&n, "192.160.102.2:53", &expected) < 0);
	assert_true(balancer_parse(&n, "LB1=", &expected) < 0);
	assert_true(balancer_parse(&n, "=192.160.102.2", &expected) < 0);
	assert_true(balancer_parse(&n, "", &expected) < 0);
}

/* ---- messages ---- */

struct said {
	struct capture_message m;
	uint8_t wire[512];
};

/* A query, or with DNS_QR the answer to it, between a client's and a server's endpoint. */
static const struct capture_message *say(struct said *s, int64_t t_ns, unsigned file,
                                         const char *client, const char *server, uint16_t id,
                                         uint16_t flags, const char *name)
{
	struct ep c = made_ep(client), d = made_ep(server);

	s->m = (struct capture_message){ .t_ns = t_ns, .m = s->wire, .file = file };
	s->m.len = made_message(s->wire, id, flags, name);
	s->m.answer = (flags & DNS_QR) != 0;
	s->m.src = s->m.answer ? d : c;
	s->m.dst = s->m.answer ? c : d;
	s->m.asks = dns_question(&s->m.question, s->wire, s->m.len) == 0;
	return &s->m;
}

#define LB1 "192.160.102.2:4000"
#define LB2 "192.160.102.3:4000"
#define R0 "192.0.2.3:53"
#define R1 "192.0.2.4:53"

static const struct check_question checks[WHO_BACKENDS];

/* ---- who is who ---- */

static void an_address_is_one_balancer_s(void **state)
{
	struct who w = { 0 };
	struct ip a = made_ep(LB1).ip, b = made_ep(LB2).ip;
	struct ep r = made_ep(R0), other = made_ep("192.0.2.3:5353");
	struct said s;
	(void)state;

	assert_true(who_add_backend(&w, &r) && !who_add_backend(&w, &r));
	assert_true(who_add_address(&w, &a, 0) && who_add_address(&w, &b, 0));
	assert_false(who_add_address(&w, &a, 1));
	assert_int_equal(w.balancer_n, 1);
	assert_int_equal(who_balancer(&w, &b), 0);
	assert_int_equal(who_backend(&w, &r), 0);
	assert_int_equal(who_backend(&w, &other), WHO_NOBODY);
	struct party p = who_of(&w, say(&s, 0, 0, LB1, R0, 1, 0, "a"));
	assert_true(p.side == SIDE_BACK && p.balancer == 0 && p.backend == 0);
	p = who_of(&w, say(&s, 0, 0, "10.0.0.1:1", "192.160.102.2:53", 1, DNS_QR, "a"));
	assert_true(p.side == SIDE_FRONT && p.balancer == 0);
	p = who_of(&w, say(&s, 0, 0, "10.0.0.1:1", R0, 1, 0, "a"));
	assert_true(p.side == SIDE_BACK && p.balancer == WHO_NOBODY);
	p = who_of(&w, say(&s, 0, 0, "10.0.0.1:1", R1, 1, 0, "a"));
	assert_true(p.side == SIDE_NONE);
}

static void tables_of_who_is_who_are_bounded(void **state)
{
	struct who w = { 0 };
	struct ip a = ip_v4(10, 0, 0, 0);
	struct ep e = { ip_v4(10, 1, 0, 0), 53 };
	unsigned n = 0, backends = 0;
	(void)state;

	for (unsigned i = 0; i < 1000; i++, a = ip_add(&a, 1), e.ip = ip_add(&e.ip, 1)) {
		n += who_add_address(&w, &a, i / 4);
		backends += who_add_backend(&w, &e);
	}
	assert_int_equal(n, WHO_ADDRESSES);
	assert_int_equal(backends, WHO_BACKENDS);
	for (unsigned i = 0; i < WHO_ADDRESSES; i++)
		assert_int_equal(who_balancer(&w, &w.address[i]), i / 4);
}

/* ---- the ledger ---- */

struct book {
	struct arena arena;
	struct who who;
	struct ledger *l;
	int pair_file[WHO_BALANCERS * WHO_BACKENDS], front_file[WHO_BALANCERS];
};

static void book_init(struct book *b)
{
	struct ip lb = made_ep(LB1).ip;
	struct ep r0 = made_ep(R0), r1 = made_ep(R1);

	memset(b, 0, sizeof(*b));
	b->l = calloc(1, sizeof(*b->l));
	assert_int_equal(host_arena(&b->arena, ledger_arena_size()), 0);
	assert_true(who_add_backend(&b->who, &r0) && who_add_backend(&b->who, &r1));
	assert_true(who_add_address(&b->who, &lb, 0));
	b->l->who = &b->who;
	b->l->check = checks;
	b->l->pair_file = b->pair_file;
	b->l->front_file = b->front_file;
	b->l->timeout_ns = 2 * SECOND;
	ledger_init(b->l, &b->arena);
}

static void book_fini(struct book *b)
{
	host_arena_free(&b->arena);
	free(b->l);
}

static bool counts(struct book *b, const struct capture_message *m)
{
	struct party p = who_of(&b->who, m);

	return ledger_add(b->l, m, &p);
}

static void each_query_comes_to_one_end(void **state)
{
	struct book b;
	struct said s;
	(void)state;

	book_init(&b);
	counts(&b, say(&s, 0, 0, LB1, R0, 1, 0, "a"));
	counts(&b, say(&s, 1 * MS, 0, LB1, R0, 2, 0, "b"));
	counts(&b, say(&s, 2 * MS, 0, LB1, R0, 3, 0, "c"));
	counts(&b, say(&s, 5 * MS, 0, LB1, R0, 1, DNS_QR, "A")); /* case doesn't count */
	counts(&b, say(&s, 3 * SECOND, 0, LB1, R0, 2, DNS_QR | DNS_SERVFAIL, "b"));
	counts(&b, say(&s, 5 * SECOND, 0, LB1, R0, 9, DNS_QR, "nobody.asked"));
	counts(&b, say(&s, 20 * SECOND, 0, LB1, R0, 4, 0, "d"));
	ledger_end(b.l);
	const struct ledger_server *r = &b.l->server[0];
	assert_true(r->queries == 4 && r->answered == 1 && r->late == 1 && r->unanswered == 1);
	assert_true(r->open == 1 && r->failed == 1 && r->answers_unasked == 1);
	assert_true(r->times.n == 2 && r->times.max == 3 * SECOND - MS);
	assert_true(b.l->server[1].queries == 0);
	book_fini(&b);
}

static void copies_don_t_count(void **state)
{
	static const struct {
		const char *what;
		int64_t t_ns;
		unsigned file;
		uint16_t id, flags;
		bool counts;
	} rows[] = {
		{ "a query", 0, 0, 7, 0, true },
		{ "at another interface", 20000, 0, 7, 0, false },
		{ "in another file", 30000, 1, 7, 0, false },
		{ "with another ID", 40000, 0, 8, 0, true },
		{ "its answer", 5 * MS, 0, 7, DNS_QR, true },
		{ "at another interface", 5 * MS + 20000, 0, 7, DNS_QR, false },
		{ "the query at the other one, after the answer", 5 * MS + 30000, 0, 7, 0, false },
		{ "the same ID, used again", 50 * MS, 0, 7, 0, true },
		{ "and again, though nobody answered yet", 1500 * MS, 0, 7, 0, false },
		{ "and when it is given up", 2100 * MS, 0, 7, 0, true },
	};
	struct book b;
	struct said s;
	(void)state;

	book_init(&b);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (counts(&b, say(&s, rows[i].t_ns, rows[i].file, LB1, R0, rows[i].id,
		                   rows[i].flags, "a")) != rows[i].counts)
			fail_msg("%s: expected that it %s", rows[i].what,
			         rows[i].counts ? "counts" : "doesn't");
	assert_true(b.l->copies == 4 && b.l->copies_of_files == 1);
	book_fini(&b);
}

static void a_client_may_ask_again_with_its_id(void **state)
{
	struct book b;
	struct said s;
	(void)state;

	book_init(&b);
	assert_true(counts(&b, say(&s, 0, 0, "10.0.0.1:9", "192.160.102.2:53", 7, 0, "a")));
	assert_false(counts(&b, say(&s, 1 * MS, 0, "10.0.0.1:9", "192.160.102.2:53", 7, 0, "a")));
	assert_true(counts(&b, say(&s, SECOND, 0, "10.0.0.1:9", "192.160.102.2:53", 7, 0, "a")));
	book_fini(&b);
}

static void a_full_table_forgets_the_oldest(void **state)
{
	struct book b;
	struct said s;
	(void)state;

	book_init(&b);
	for (unsigned i = 0; i < LEDGER_OPEN + 100; i++) {
		char name[32];
		snprintf(name, sizeof(name), "n%u", i);
		assert_true(counts(&b, say(&s, i, 0, LB1, R1, (uint16_t)i, 0, name)));
	}
	ledger_end(b.l);
	const struct ledger_server *r = &b.l->server[1];
	assert_true(r->forgotten == 100 && r->open == LEDGER_OPEN);
	assert_int_equal(r->queries, r->forgotten + r->open);
	book_fini(&b);
}

/* ---- clocks and files ---- */

struct view {
	struct arena arena;
	struct who who;
	struct survey *s;
	struct chain_file span[4];
};

static void view_init(struct view *v, unsigned file_n)
{
	struct ep r0 = made_ep(R0), r1 = made_ep(R1);

	memset(v, 0, sizeof(*v));
	v->s = calloc(1, sizeof(*v->s));
	v->s->file = v->span;
	assert_int_equal(host_arena(&v->arena, clocks_arena_size()), 0);
	assert_true(who_add_backend(&v->who, &r0) && who_add_backend(&v->who, &r1));
	survey_init(v->s, &v->arena, &v->who, checks, file_n);
}

static void view_fini(struct view *v)
{
	host_arena_free(&v->arena);
	free(v->s);
}

/* n exchanges, seen in file a at the balancer and in b at the server, 100 us on, by b's clock. */
static void both_see(struct view *v, unsigned a, unsigned b, unsigned n, int64_t ahead_ns,
                     const char *server)
{
	struct said s;

	for (unsigned i = 0; i < n; i++) {
		int64_t t = 100 * SECOND + i * MS, way = 100000 + i % 7 * 10000;
		uint16_t id = (uint16_t)(i % 50); /* used again and again */
		survey_add(v->s, say(&s, t, a, LB1, server, id, 0, "a"));
		survey_add(v->s, say(&s, t + way + ahead_ns, b, LB1, server, id, 0, "a"));
		survey_add(v->s, say(&s, t + 300000 + ahead_ns, b, LB1, server, id, DNS_QR, "a"));
		survey_add(v->s, say(&s, t + 300000 + way, a, LB1, server, id, DNS_QR, "a"));
	}
}

static void common_packets_tie_clocks(void **state)
{
	static const int64_t ahead[] = { 5 * SECOND, -3 * SECOND, 250000, -250000, 3600 * SECOND };
	struct clock_file c[3];
	(void)state;

	for (size_t i = 0; i < COUNT_OF(ahead); i++)
		for (unsigned first = 0; first < 2; first++) {
			struct view v;
			view_init(&v, 3);
			both_see(&v, first, 1 - first, 200, ahead[i], R0);
			clocks_solve(&v.s->clocks, c);
			int64_t is = first == 0 ? ahead[i] : -ahead[i];
			assert_true(c[0].known && c[1].known && !c[2].known && !c[1].drifts);
			assert_true(c[1].ahead_ns - c[1].unsure_ns <= is);
			assert_true(c[1].ahead_ns + c[1].unsure_ns >= is);
			assert_true(c[1].unsure_ns <= 110000);
			view_fini(&v);
		}
}

static void clocks_that_may_agree_are_left_alone(void **state)
{
	struct clock_file c[2];
	struct view v;
	(void)state;

	view_init(&v, 2);
	both_see(&v, 0, 1, 200, 50000, R0);
	clocks_solve(&v.s->clocks, c);
	assert_true(c[1].known && c[1].ahead_ns == 0 && c[1].unsure_ns >= 50000);
	view_fini(&v);
}

static void a_chain_of_files_ties_them_all(void **state)
{
	struct clock_file c[3];
	struct view v;
	(void)state;

	view_init(&v, 3);
	both_see(&v, 0, 2, 100, 2 * SECOND, R0);
	both_see(&v, 1, 2, 100, -SECOND, R1);
	clocks_solve(&v.s->clocks, c);
	assert_true(c[1].known && c[2].known);
	assert_in_range(c[2].ahead_ns, 2 * SECOND - 200000, 2 * SECOND + 200000);
	assert_in_range(c[1].ahead_ns, 3 * SECOND - 400000, 3 * SECOND + 400000);
	view_fini(&v);
}

static void a_clock_that_drifts_is_told(void **state)
{
	struct clock_file c[2];
	struct view v;
	(void)state;

	view_init(&v, 2);
	both_see(&v, 0, 1, 100, 0, R0);
	both_see(&v, 0, 1, 100, 40 * MS, R0);
	clocks_solve(&v.s->clocks, c);
	assert_true(c[1].known && c[1].drifts && c[1].unsure_ns >= 19 * MS);
	view_fini(&v);
}

/* The server's file has more of one pair, but not over a hundredth more. */
static void a_balancer_s_own_file_tells_of_it(void **state)
{
	struct said s;
	struct view v;
	(void)state;

	view_init(&v, 4);
	for (unsigned i = 0; i < 1000; i++) {
		const char *server = i % 2 == 0 ? R0 : R1;
		survey_add(v.s, say(&s, i * MS, 0, LB1, R0, (uint16_t)i, 0, "a"));
		if (i % 250 != 0)
			survey_add(v.s, say(&s, i * MS, 3, LB1, R0, (uint16_t)i, 0, "a"));
		survey_add(v.s, say(&s, i * MS, 3, LB1, R1, (uint16_t)i, 0, "a"));
		if (i % 10 != 0)
			survey_add(v.s, say(&s, i * MS, 1, LB2, server, (uint16_t)i, 0, "a"));
		survey_add(v.s, say(&s, i * MS, 2, LB2, server, (uint16_t)i, 0, "a"));
	}
	survey_end(v.s);
	assert_int_equal(v.who.balancer_n, 2);
	assert_int_equal(survey_file(v.s, 0, 0), 3);
	assert_int_equal(survey_file(v.s, 0, 1), 3);
	assert_int_equal(survey_file(v.s, 1, 0), 2);
	assert_int_equal(survey_front(v.s, 0), -1);
	view_fini(&v);
}

/* ---- pieces ---- */

static void a_piece_goes_on_with_the_one_of_its_place(void **state)
{
	static const struct {
		const char *what;
		struct chain_file f[4];
		uint32_t tap[4], chained;
	} rows[] = {
#define FILE(from, to, lb, front, server) \
	{ (from) * SECOND, (to) * SECOND, lb, front, { server, 0 } }
		{ "three pieces of one", { FILE(0, 20, 1, 1, 3), FILE(20, 40, 1, 1, 3),
		  FILE(40, 60, 1, 1, 3), FILE(0, 60, 2, 2, 3) }, { 0, 0, 0, 3 }, 2 },
		{ "in any order", { FILE(40, 60, 1, 1, 3), FILE(0, 20, 1, 1, 3),
		  FILE(20, 40, 1, 1, 3), FILE(0, 60, 2, 2, 3) }, { 1, 1, 1, 3 }, 2 },
		{ "two balancers', both in pieces", { FILE(0, 20, 1, 1, 3), FILE(0, 20, 2, 2, 3),
		  FILE(21, 40, 2, 2, 3), FILE(21, 40, 1, 1, 3) }, { 0, 1, 1, 0 }, 2 },
		{ "a balancer's and a server's", { FILE(0, 20, 1, 1, 3), FILE(0, 20, 1, 0, 1),
		  FILE(20, 40, 1, 0, 1), FILE(20, 40, 1, 1, 3) }, { 0, 1, 1, 0 }, 2 },
		{ "files of one time", { FILE(0, 20, 1, 1, 3), FILE(1, 21, 1, 1, 3),
		  FILE(2, 22, 1, 1, 3), FILE(3, 23, 1, 1, 3) }, { 0, 1, 2, 3 }, 0 },
		{ "too long after it", { FILE(0, 20, 1, 1, 3), FILE(31, 60, 1, 1, 3),
		  FILE(0, 60, 2, 2, 3), FILE(0, 60, 2, 0, 1) }, { 0, 1, 2, 3 }, 0 },
		{ "another place's", { FILE(0, 20, 1, 1, 3), FILE(20, 40, 1, 0, 1),
		  FILE(20, 40, 2, 2, 3), FILE(0, 60, 2, 0, 2) }, { 0, 1, 2, 3 }, 0 },
		{ "a short one that lacks a server", { FILE(0, 20, 1, 1, 3), FILE(20, 22, 1, 0, 2),
		  FILE(22, 40, 1, 1, 3), FILE(0, 60, 2, 2, 3) }, { 0, 0, 0, 3 }, 2 },
		{ "files with one message, and with none", { FILE(5, 5, 1, 1, 1),
		  FILE(5, 5, 1, 1, 1), FILE(9, 0, 0, 0, 0), FILE(9, 0, 0, 0, 0) },
		  { 0, 1, 2, 3 }, 0 },
#undef FILE
	};
	uint32_t tap[4];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (chain_files(rows[i].f, 4, tap) != rows[i].chained ||
		    memcmp(tap, rows[i].tap, sizeof(tap)) != 0)
			fail_msg("%s: %u %u %u %u", rows[i].what, tap[0], tap[1], tap[2], tap[3]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_piece_goes_on_with_the_one_of_its_place),
		cmocka_unit_test(servers_are_read),
		cmocka_unit_test(a_name_has_63_letters_at_most),
		cmocka_unit_test(balancers_are_read),
		cmocka_unit_test(an_address_is_one_balancer_s),
		cmocka_unit_test(tables_of_who_is_who_are_bounded),
		cmocka_unit_test(each_query_comes_to_one_end),
		cmocka_unit_test(copies_don_t_count),
		cmocka_unit_test(a_client_may_ask_again_with_its_id),
		cmocka_unit_test(a_full_table_forgets_the_oldest),
		cmocka_unit_test(common_packets_tie_clocks),
		cmocka_unit_test(clocks_that_may_agree_are_left_alone),
		cmocka_unit_test(a_chain_of_files_ties_them_all),
		cmocka_unit_test(a_clock_that_drifts_is_told),
		cmocka_unit_test(a_balancer_s_own_file_tells_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
