/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Foreign captures, judged whole: each policy passes when it is kept and fails when it isn't,
 * whatever side is captured; when servers were out is found, and nobody's death is a quiet night;
 * what a capture can't decide is INCONCLUSIVE and said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/stats.h"
#include "tests/foreign_make.h"

struct row {
	const char *what;
	struct scene_knobs k;
	enum bal_policy policy;       /* as claimed; 0: wrandom */
	enum foreign_epochs epochs;
	const char *verdict, *says;   /* in some reason or limit */
	uint32_t catch_ppm;           /* 0: 100000 */
};

static json_t *judged(const struct row *r, uint64_t seed)
{
	struct bal_server server[SCENE_SERVERS];
	char error[FOREIGN_ERROR_TEXT] = "";
	struct scene *s = scene_new(&r->k, seed);
	struct foreign_options o = scene_options(s, r->policy == 0 ? BAL_WRANDOM : r->policy,
	                                         server);

	o.epochs = r->epochs;
	o.catch_ppm = r->catch_ppm > 0 ? r->catch_ppm : o.catch_ppm;
	json_t *doc = scene_judge(s, &o, error);
	if (doc == NULL)
		fail_msg("%s: %s", r->what, error);
	scene_free(s);
	return doc;
}

static const char *str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static bool says(const json_t *doc, const char *what)
{
	char *text = json_dumps(doc, JSON_COMPACT);
	bool found = strstr(text, what) != NULL;

	free(text);
	return found;
}

static void is(const struct row *r, uint64_t seed)
{
	json_t *doc = judged(r, seed);

	if (strcmp(str(doc, "verdict"), r->verdict) != 0 || !says(doc, r->says)) {
		json_object_del(doc, "series");
		json_dumpf(doc, stderr, JSON_INDENT(1));
		fail_msg("%s, seed %llu: %s, expected %s, '%s'", r->what, (unsigned long long)seed,
		         str(doc, "verdict"), r->verdict, r->says);
	}
	json_decref(doc);
}

#define NONE .epochs = EPOCHS_NONE
#define POLICY(p) .policy = p, .k.does = p
#define KILLED_CHECKED .checks = true, .down_ms = 4000, .up_ms = 7000, .notice_ms = 1100, \
	.back_ms = 100

static const struct row rows[] = {
	{ "chance", .verdict = "PASS", .says = "R" },
	{ "chance, IPv6", .k = { .v6 = true }, .verdict = "PASS", .says = "2001:db8::" },
	{ "chance, with health checks", .k = { .checks = true }, .verdict = "PASS", .says = "R" },
	{ "chance, both sides", .k = { .front = true }, .verdict = "PASS",
	  .says = "\"front\":true" },
	{ "chance, at the servers", .k = { .at_servers = true, .balancers = 2 }, .verdict = "PASS",
	  .says = "whose clocks no common packet ties" },
	{ "chance, at both", .k = { .at_servers = true, .at_both = true }, .verdict = "PASS",
	  .says = "R" },
	{ "three to one, but even is claimed", .k = { .weight = { 3, 1 } }, .verdict = "FAIL",
	  .says = "R0 got" },
	{ "the same, both sides", .k = { .weight = { 3, 1 }, .front = true }, .verdict = "FAIL",
	  .says = "R0 got" },
	{ "the same, at the servers", .k = { .weight = { 3, 1 }, .at_servers = true },
	  .verdict = "FAIL", .says = "R0 got" },
	{ "the same, IPv6", .k = { .weight = { 3, 1 }, .v6 = true }, .verdict = "FAIL",
	  .says = "R0 got" },
	{ "55 to 45", .k = { .weight = { 55, 45 } }, .verdict = "FAIL", .says = "R0 got",
	  .catch_ppm = 40000 },
	{ "55 to 45, with health checks", .k = { .weight = { 55, 45 }, .checks = true },
	  .verdict = "FAIL", .says = "R0 got", .catch_ppm = 40000 },
	{ "99 to 1: no outages excuse it", .k = { .weight = { 99, 1 } }, .verdict = "FAIL",
	  .says = "R0 got" },
	{ "too few", .k = { .ms = 500 }, .verdict = "INCONCLUSIVE", .says = "too few" },
	{ "turns that pose as chance, both sides", .k = { .does = BAL_ROUNDROBIN, .front = true },
	  .policy = BAL_WRANDOM, .verdict = "FAIL", .says = "doesn't draw at random" },
	{ "the same, the back side: nobody can say", .k = { .does = BAL_ROUNDROBIN },
	  .policy = BAL_WRANDOM, .verdict = "PASS", .says = "who asked isn't in the capture" },

	{ "turns", POLICY(BAL_ROUNDROBIN), .verdict = "PASS", .says = "at most 1" },
	{ "turns, three servers, both sides", .policy = BAL_ROUNDROBIN,
	  .k = { .does = BAL_ROUNDROBIN, .servers = 3, .front = true }, .verdict = "PASS",
	  .says = "at most 1" },
	{ "turns, a server killed", .policy = BAL_ROUNDROBIN,
	  .k = { .does = BAL_ROUNDROBIN, .down_ms = 4000, .up_ms = 7000, .notice_ms = 500 },
	  .verdict = "PASS", .says = "\"by\":\"traffic\"" },
	{ "chance that poses as turns", .policy = BAL_ROUNDROBIN, .verdict = "FAIL",
	  .says = "more than 1" },
	{ "turns, each 100th to the first", .policy = BAL_ROUNDROBIN,
	  .k = { .does = BAL_ROUNDROBIN, .favour_each = 101 }, .verdict = "FAIL",
	  .says = "more than 1" },
	{ "the same, at the servers: their clocks may differ", .policy = BAL_ROUNDROBIN,
	  .k = { .does = BAL_ROUNDROBIN, .favour_each = 101, .at_servers = true },
	  .verdict = "INCONCLUSIVE", .says = "whose clocks no common packet ties" },
	{ "the same, packets missing", .policy = BAL_ROUNDROBIN,
	  .k = { .does = BAL_ROUNDROBIN, .favour_each = 101, .lose_permille = 20 },
	  .verdict = "INCONCLUSIVE", .says = "lacks packets" },

	{ "the least burdened", POLICY(BAL_LEAST_OUTSTANDING), NONE, .k.answer_us = 20000,
	  .verdict = "PASS", .says = "would have been wrong" },
	{ "the same, with health checks and an outage", .policy = BAL_LEAST_OUTSTANDING,
	  .k = { .does = BAL_LEAST_OUTSTANDING, .answer_us = 20000, KILLED_CHECKED },
	  .verdict = "PASS", .says = "\"by\":\"checks\"" },
	{ "chance instead", .policy = BAL_LEAST_OUTSTANDING, NONE, .k.answer_us = 20000,
	  .verdict = "FAIL", .says = "outstanding, while" },
	{ "chance instead, but nobody knows who was up", .policy = BAL_LEAST_OUTSTANDING,
	  .k.answer_us = 20000, .verdict = "INCONCLUSIVE", .says = "all are taken for up" },
	{ "the first", POLICY(BAL_FIRST_AVAILABLE), NONE, .verdict = "PASS", .says = "wrong" },
	{ "chance instead of the first", .policy = BAL_FIRST_AVAILABLE, NONE, .verdict = "FAIL",
	  .says = "comes before it" },
	{ "hashed names", POLICY(BAL_WHASHED), NONE, .k.names = 5000, .verdict = "PASS",
	  .says = "names" },
	{ "hashed names, an outage", .policy = BAL_WHASHED,
	  .k = { .does = BAL_WHASHED, .names = 5000, KILLED_CHECKED },
	  .verdict = "PASS", .says = "names" },
	{ "chance instead of hashes", .policy = BAL_WHASHED, NONE, .k.names = 3000,
	  .verdict = "FAIL", .says = "while the same servers were up" },
	{ "a ring", POLICY(BAL_CHASHED), NONE, .k.names = 300, .verdict = "PASS", .says = "wrong" },
	{ "a ring, an outage: its names alone move", .policy = BAL_CHASHED,
	  .k = { .does = BAL_CHASHED, .servers = 3, .names = 300, KILLED_CHECKED },
	  .verdict = "PASS", .says = "\"stayed\"" },
	{ "all names move with a server", .policy = BAL_CHASHED,
	  .k = { .does = BAL_WHASHED, .servers = 3, .names = 300, KILLED_CHECKED },
	  .verdict = "FAIL",
	  .says = "which is still up" },

	{ "killed, without health checks", .k = { .down_ms = 4000, .up_ms = 7000,
	  .notice_ms = 500 }, .verdict = "PASS", .says = "\"by\":\"traffic\"" },
	{ "killed, with health checks", .k = { KILLED_CHECKED }, .verdict = "PASS",
	  .says = "\"by\":\"checks\"" },
	{ "killed, and asked all the same", .k = { .checks = true, .down_ms = 4000, .up_ms = 7000,
	  .still_asked = true }, .verdict = "FAIL", .says = "said that it was down" },
	{ "the same, packets missing: one may excuse it", .k = { .checks = true, .down_ms = 4000,
	  .up_ms = 7000, .still_asked = true, .lose_permille = 20 }, .verdict = "INCONCLUSIVE",
	  .says = "lacks packets" },
	{ "alive, and asked no more: on purpose?", .k = { .drained = true, .down_ms = 4000,
	  .up_ms = 7000 }, .verdict = "INCONCLUSIVE", .says = "for longer than chance explains" },
	{ "the same, with health checks that say up", .k = { .drained = true, .down_ms = 4000,
	  .up_ms = 7000, .checks = true }, .verdict = "INCONCLUSIVE", .says = "cut off beyond" },
	{ "the same, when all were up", NONE, .k = { .drained = true, .down_ms = 3000,
	  .up_ms = 7000 }, .verdict = "FAIL", .says = "R1 got" },
	{ "never asked at all", .k = { .weight = { 1, 0 }, .down_ms = 0, .up_ms = 100000,
	  .drained = true }, .verdict = "INCONCLUSIVE", .says = "for longer than chance explains" },

	{ "clients ask what health checks do", .k = { .check_names_asked = true },
	  .verdict = "PASS", .says = "R" },
	{ "the same, both sides", .k = { .check_names_asked = true, .front = true },
	  .verdict = "PASS", .says = "R" },
	{ "the same, three to one", .k = { .check_names_asked = true, .weight = { 3, 1 } },
	  .verdict = "FAIL", .says = "R0 got" },
	{ "the same, killed: no epoch rests on what clients ask", .k = { .check_names_asked = true,
	  .down_ms = 4000, .up_ms = 7000, .notice_ms = 500 }, .verdict = "PASS",
	  .says = "\"by\":\"traffic\"" },

	{ "each packet twice in its file", .k = { .twice = true }, .verdict = "PASS",
	  .says = "\"copies\":19" },
	{ "each packet twice, three to one", .k = { .twice = true, .weight = { 3, 1 } },
	  .verdict = "FAIL", .says = "R0 got" },
	{ "turns, each packet twice", .policy = BAL_ROUNDROBIN,
	  .k = { .does = BAL_ROUNDROBIN, .twice = true, .front = true }, .verdict = "PASS",
	  .says = "at most 1" },
	{ "turns, at both ends, all in one file", .policy = BAL_ROUNDROBIN,
	  .k = { .does = BAL_ROUNDROBIN, .at_servers = true, .at_both = true, .one_file = true },
	  .verdict = "PASS", .says = "at most 1" },
	{ "turns, at both ends, clocks 3 s apart", .policy = BAL_ROUNDROBIN,
	  .k = { .does = BAL_ROUNDROBIN, .at_servers = true, .at_both = true,
	         .ahead_ns = 3 * SCENE_S }, .verdict = "PASS", .says = "at most 1" },
	{ "three to one, packets missing", .k = { .weight = { 3, 1 }, .lose_permille = 20 },
	  .verdict = "FAIL", .says = "R0 got" },
	{ "the same, at the servers: where are they missing?", .k = { .weight = { 3, 1 },
	  .lose_permille = 20, .at_servers = true }, .verdict = "INCONCLUSIVE",
	  .says = "one may lack more" },
	{ "even, packets missing at the servers", .k = { .lose_permille = 20, .at_servers = true },
	  .verdict = "INCONCLUSIVE", .says = "one may lack more" },
	{ "one server's capture begins late", .k = { .at_servers = true, .starts_late_ms = 3000 },
	  .verdict = "PASS", .says = "are left out" },
	{ "a clock that was set back", .k = { .backwards_ms = 5000 }, .verdict = "INVALID",
	  .says = "more than a second behind" },
};

static void what_a_capture_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (uint64_t seed = 1; seed <= 2; seed++)
			is(&rows[i], seed);
}

/* ---- how sure ---- */

static unsigned epochs_n(const json_t *doc)
{
	return (unsigned)json_array_size(json_object_get(json_object_get(doc, "foreign"),
	                                                 "epochs"));
}

/* At flake 2 %, out of 300 right captures: so few FAIL, or show an epoch that wasn't. */
static void false_alarms_are_as_rare_as_declared(void **state)
{
	enum { SEEDS = 300 };
	const double flake = 0.02;
	unsigned failed = 0, epochs = 0;
	struct stat_range most = stat_binom_accept(SEEDS, flake, 1e-6);
	(void)state;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct scene_knobs k = { .ms = 1500, .weight = { 3, 1 + (unsigned)seed % 3 } };
		struct bal_server server[SCENE_SERVERS];
		char error[FOREIGN_ERROR_TEXT] = "";
		struct scene *s = scene_new(&k, seed);
		struct foreign_options o = scene_options(s, BAL_WRANDOM, server);
		server[0].weight = 3;
		server[1].weight = (int32_t)(1 + seed % 3);
		o.flake = flake;
		json_t *doc = scene_judge(s, &o, error);
		assert_non_null(doc);
		failed += strcmp(str(doc, "verdict"), "FAIL") == 0;
		epochs += epochs_n(doc) > 0;
		json_decref(doc);
		scene_free(s);
	}
	assert_true(failed <= most.hi && epochs <= most.hi);
}

/* Server by turns, then the second one n times, then turns again; a query each gap_ns. */
static json_t *quiet_for(unsigned n, int64_t gap_ns, int64_t pause_ns)
{
	struct scene_knobs k = { .rate = 1 };
	struct scene *s = calloc(1, sizeof(*s));
	struct bal_server server[SCENE_SERVERS];
	char error[FOREIGN_ERROR_TEXT] = "";
	int64_t t = SCENE_S;

	MUST(s != NULL);
	s->k = k;
	scene_defaults(&s->k);
	for (unsigned i = 0; i < 200 + n; i++, t += gap_ns) {
		bool quiet = i >= 100 && i < 100 + n;
		struct scene_packet q = { .src = scene_balancer(s, 0, 20000) };
		q.len = scene_message(q.m, (uint16_t)i, 0x0100, i, false);
		scene_ask(s, t, 0, quiet ? 1 : i % 2, &q);
		t += i == 100 ? pause_ns : 0;
	}
	scene_write(s);
	struct foreign_options o = scene_options(s, BAL_WRANDOM, server);
	json_t *doc = scene_judge(s, &o, error);
	scene_free(s);
	assert_non_null(doc);
	return doc;
}

static unsigned quiet_epochs(unsigned n, int64_t gap_ns, int64_t pause_ns)
{
	json_t *doc = quiet_for(n, gap_ns, pause_ns);
	unsigned found = epochs_n(doc);

	json_decref(doc);
	return found;
}

/* What counts is queries that went elsewhere, and they are counted as the level says. */
static void an_epoch_takes_draws_and_not_time(void **state)
{
	unsigned n = 1;
	double p = 1;
	(void)state;

	assert_int_equal(quiet_epochs(0, 10 * SCENE_MS, 3600 * SCENE_S), 0);
	assert_int_equal(quiet_epochs(0, 600 * SCENE_S, 0), 0);
	assert_int_equal(quiet_epochs(20, 600 * SCENE_S, 3600 * SCENE_S), 0);
	assert_int_equal(quiet_epochs(200, SCENE_MS, 0), 1);
	while (quiet_epochs(n, SCENE_MS, 0) == 0)
		n++;
	for (unsigned i = 0; i < n + 1 + n % 2; i++) /* the turns around it count, too */
		p /= 2;
	/* 50 queries came to it before; half the level belongs to each of two servers */
	assert_true(p * 51 * 52 <= 1e-9 / 2);
	assert_true(p * 51 * 52 >= 1e-9 / 2 / 64);
}

static int64_t end_of(const json_t *epoch, const char *key, unsigned i)
{
	return json_integer_value(json_array_get(json_object_get(epoch, key), i));
}

/* Times count from the first message, which isn't the scene's zero. */
static void has_epoch(const struct row *r, uint64_t seed, int64_t down_ns, int64_t up_ns)
{
	json_t *doc = judged(r, seed), *f = json_object_get(doc, "foreign");
	json_t *e = json_array_get(json_object_get(f, "epochs"), 0);
	int64_t first = json_integer_value(json_object_get(f, "first_unix_ns")) - SCENE_START;

	assert_int_equal(json_array_size(json_object_get(f, "epochs")), 1);
	assert_string_equal(str(e, "server"), "R0");
	assert_true(end_of(e, "down_ns", 0) + first <= down_ns);
	assert_true(end_of(e, "down_ns", 1) + first >= down_ns);
	assert_true(end_of(e, "up_ns", 0) + first <= up_ns);
	assert_true(end_of(e, "up_ns", 1) + first >= up_ns);
	json_decref(doc);
}

static void epochs_lie_where_the_balancer_turned(void **state)
{
	static const struct row traffic = { "killed", .k = { .down_ms = 4000, .up_ms = 7000,
	                                    .notice_ms = 500 } };
	static const struct row checks = { "killed", .k = { .down_ms = 4000, .up_ms = 7000,
	                                   .notice_ms = 1100, .back_ms = 100, .checks = true } };
	static const struct row v6 = { "killed", .k = { .down_ms = 4000, .up_ms = 7000, .v6 = true,
	                               .notice_ms = 1100, .back_ms = 100, .checks = true,
	                               .at_servers = true } };
	(void)state;

	for (uint64_t seed = 1; seed <= 5; seed++) {
		has_epoch(&traffic, seed, 4500 * SCENE_MS, 7000 * SCENE_MS);
		has_epoch(&checks, seed, 5100 * SCENE_MS, 7100 * SCENE_MS);
		has_epoch(&v6, seed, 5100 * SCENE_MS, 7100 * SCENE_MS);
	}
}

static uint64_t of_server(const json_t *doc, unsigned i, const char *key)
{
	json_t *list = json_object_get(json_object_get(doc, "foreign"), "backends");

	return (uint64_t)json_integer_value(json_object_get(json_array_get(list, i), key));
}

/* Both sides of everything, each packet twice in its file: the same as once. */
static void nothing_counts_twice(void **state)
{
	static const struct row once = { "once", .k = { .front = true } };
	static const struct row often = { "often", .k = { .front = true, .at_servers = true,
	                                  .at_both = true, .twice = true } };
	json_t *a = judged(&once, 7), *b = judged(&often, 7);
	(void)state;

	for (unsigned i = 0; i < 2; i++) {
		assert_true(of_server(a, i, "queries") > 4000);
		assert_int_equal(of_server(a, i, "queries"), of_server(b, i, "queries"));
		assert_int_equal(of_server(a, i, "answered"), of_server(b, i, "answered"));
		assert_int_equal(of_server(b, i, "unanswered"), 0);
	}
	json_decref(a);
	json_decref(b);
}

static void what_a_dead_server_left_is_unanswered(void **state)
{
	static const struct row r = { "killed", .k = { .down_ms = 4000, .up_ms = 7000,
	                              .notice_ms = 500 } };
	json_t *doc = judged(&r, 3);
	(void)state;

	assert_true(of_server(doc, 0, "unanswered") > 150);
	assert_int_equal(of_server(doc, 1, "unanswered"), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(of_server(doc, i, "queries"), of_server(doc, i, "answered") +
		                 of_server(doc, i, "late") + of_server(doc, i, "unanswered") +
		                 of_server(doc, i, "open") + of_server(doc, i, "forgotten"));
	json_decref(doc);
}

/* A clock that stands still, so that nothing is ever over. */
static void what_a_judge_holds_is_bounded(void **state)
{
	static const size_t most[] = { 5000, 0 };
	(void)state;

	for (size_t i = 0; i < COUNT_OF(most); i++) {
		struct scene_knobs k = { .ms = 1, .rate = 1 };
		struct scene *s = scene_new(&k, 1);
		struct bal_server server[SCENE_SERVERS];
		char error[FOREIGN_ERROR_TEXT] = "";
		made_free(&s->file[0]);
		s->file_n = 0;
		for (unsigned q = 0; q < 20000; q++)
			scene_query(s, SCENE_S, q);
		scene_write(s);
		struct foreign_options o = scene_options(s, BAL_WRANDOM, server);
		o.retained_max = most[i];
		json_t *doc = scene_judge(s, &o, error);
		assert_non_null(doc);
		assert_int_equal(strcmp(str(doc, "verdict"), "INVALID") == 0, most[i] > 0);
		assert_int_equal(says(doc, "in the balance at once"), most[i] > 0);
		json_decref(doc);
		scene_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_capture_says),
		cmocka_unit_test(false_alarms_are_as_rare_as_declared),
		cmocka_unit_test(an_epoch_takes_draws_and_not_time),
		cmocka_unit_test(epochs_lie_where_the_balancer_turned),
		cmocka_unit_test(nothing_counts_twice),
		cmocka_unit_test(what_a_dead_server_left_is_unanswered),
		cmocka_unit_test(what_a_judge_holds_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
