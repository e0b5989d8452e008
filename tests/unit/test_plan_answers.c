/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recursors that give captured answers: what a scenario says of them, what is refused, what is kept
 * in plans; and runs in virtual time whose judge holds each answer against the captured one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_files.h"
#include "lib/host/host.h"
#include "recursor-stub/core/rec.h"
#include "sim/judge/judge.h"
#include "sim/plan/answers.h"
#include "sim/plan/bounds.h"
#include "sim/plan/downs.h"
#include "sim/virtual/sabotage.h"
#include "sim/virtual/virtual.h"
#include "tests/capture_make.h"

enum { QUERIES = 40, GAP_MS = 50, DELAY_MS = 70 };

static const char drawn[] = "load {\n  rate = 1000, to = \"15s\",\n  names = zipf(1000),\n}\n";
static const char replayed[] = "load { replay = \"c.pcap\", loop = 3 }\n";
static const char expected[] = "expect { answers { wrong = 0 }, lost { at_most = 0 } }\n";

/* Query i for one of 20 names, and an answer that no stub makes, but to every fifth name. */
static void put(struct made *m, unsigned i)
{
	static uint8_t frame[MADE_FRAME_MAX];
	uint8_t message[512];
	char name[32], src[64];
	unsigned ms = i * GAP_MS;

	snprintf(name, sizeof(name), "n%u.example.", i % 20);
	snprintf(src, sizeof(src), "192.160.102.%u:5000", 130 + i % 7);
	uint16_t len = made_message(message, (uint16_t)i, DNS_RD, name);
	size_t n = made_udp(frame, src, "198.51.100.53", message, len);
	made_record(m, 1000 + ms / 1000, ms % 1000 * 1000, frame, n, n);
	if (i % 5 == 4)
		return;
	struct dns_writer w = { .m = message, .len = len, .cap = sizeof(message) };
	dns_put16(message + 2, DNS_QR | DNS_RA | DNS_RD);
	dns_put16(message + 6, 1);
	size_t at = dns_w_rr(&w, DNS_A, 300);
	dns_w_u32(&w, 0xc6336400u | i % 20);
	dns_w_rr_end(&w, at);
	n = made_udp(frame, "198.51.100.53:53", src, message, w.len);
	ms += DELAY_MS;
	made_record(m, 1000 + ms / 1000, ms % 1000 * 1000, frame, n, n);
}

static void write_capture(void)
{
	struct made m = { 0 };

	made_pcap(&m, false, LINK_ETHERNET);
	for (unsigned i = 0; i < QUERIES; i++)
		put(&m, i);
	plan_write("c.pcap", (const char *)m.p, m.n);
	made_free(&m);
}

/* The template with settings among the recursors', and a load of the capture. */
static struct plan *load_with(const char *settings, char error[PLAN_ERROR_TEXT])
{
	static const char before[] = "miss = \"20ms\"";
	char changed[8192];
	const char *at = strstr(plan_scenario, before), *load = strstr(plan_scenario, drawn);

	MUST(at != NULL && load != NULL);
	at += strlen(before);
	snprintf(changed, sizeof(changed), "%.*s, %s%.*s%s%s", (int)(at - plan_scenario),
	         plan_scenario, settings, (int)(load - at), at, replayed, expected);
	plan_write("s.lua", changed, strlen(changed));
	error[0] = '\0';
	return plan_load("s.lua", NULL, error);
}

static struct plan *must_load(const char *settings)
{
	char error[PLAN_ERROR_TEXT];
	struct plan *p = load_with(settings, error);

	if (p == NULL)
		fail_msg("%s", error);
	return p;
}

static int set_up(void **state)
{
	if (plan_folder_open(state) != 0)
		return -1;
	plan_write_all();
	write_capture();
	return 0;
}

static int tear_down(void **state)
{
	unlink("c.pcap");
	unlink("again.lua");
	return plan_folder_close(state);
}

static void a_plan_has_the_capture_s_answers(void **state)
{
	uint32_t first = 99;
	(void)state;

	struct plan *p = must_load("answers = \"c.pcap\"");
	assert_int_equal(p->answers_n, 1);
	assert_int_equal(p->answers->questions, 16);
	assert_int_equal(p->answers->again_n, 16);
	assert_false(p->answers->delays);
	assert_int_equal(answers_missing(p, &p->load[0], &first), 8);
	assert_int_equal(first, 4);
	/* A miss costs what the scenario says, or what it did. */
	int recursor = plan_find_node(p, "DNS1");
	assert_int_equal(plan_recursor_miss_ns(p, recursor), 20000000);
	plan_free(p);
	p = must_load("answers = \"c.pcap\", delays = true");
	assert_true(p->answers->delays);
	assert_int_equal(plan_recursor_miss_ns(p, recursor), DELAY_MS * 1000000);
	assert_true(plan_answer_ns(p) >= DELAY_MS * 1000000);
	plan_free(p);
}

static void what_is_wrong_with_answers_is_one_line(void **state)
{
	static const struct {
		const char *settings, *said;
	} rows[] = {
		{ "answers = \"none.pcap\"",
		  "s.lua:5: lab.recursors.answers: 'none.pcap': No such file" },
		{ "answers = \".\"", ": Is a directory" },
		{ "answers = \"s.lua\"", "s.lua:5: lab.recursors.answers: " },
		{ "answers = 5", "s.lua:5: lab.recursors.answers: 5: expected the name of a file" },
		{ "delays = true", "s.lua:5: lab.recursors.delays: belongs to 'answers': expected "
		  "answers = \"FILE\"" },
		{ "answers = \"c.pcap\", delays = 1",
		  "s.lua:5: lab.recursors.delays: 1: expected true or false" },
		{ "answers = \"c.pcap\", DNS5 = { answers = \"c.pcap\" }", "answers" },
	};
	char error[PLAN_ERROR_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct plan *p = load_with(rows[i].settings, error);
		if (p != NULL || strstr(error, rows[i].said) == NULL || strchr(error, '\n') != NULL)
			fail_msg("%s: %s", rows[i].settings, error);
	}
}

static void answers_that_only_a_recursor_knows_are_refused(void **state)
{
	static const char with[] = "local-address=0.0.0.0\nstub-answers=c.pcap\n";
	char error[PLAN_ERROR_TEXT];
	(void)state;

	plan_write("recursor.conf", with, sizeof(with) - 1);
	assert_null(load_with("answers = \"c.pcap\"", error));
	assert_non_null(strstr(error, "s.lua:5: lab.recursors.config: "));
	assert_non_null(strstr(error, "/recursor.conf:2: stub-answers: expected answers = "));
	plan_write_all();
}

static void a_plan_knows_its_answers_again(void **state)
{
	char again[PLAN_ERROR_TEXT] = "", here[256];
	(void)state;

	struct plan *p = must_load("answers = \"c.pcap\", delays = true");
	json_t *j = plan_to_json(p);
	struct plan *q = plan_from_json(j, again);
	assert_string_equal(again, "");
	assert_null(plan_book(q));
	assert_int_equal(plan_read_captures(q, again), 0);
	assert_non_null(plan_book(q));
	char *a = plan_to_text(p), *b = plan_to_text(q);
	assert_string_equal(a, b);
	plan_free(q);
	/* as a scenario, too */
	FILE *f = fopen("again.lua", "w");
	assert_non_null(f);
	assert_non_null(getcwd(here, sizeof(here)));
	plan_write_scenario(f, p, here);
	assert_int_equal(fclose(f), 0);
	q = plan_load("again.lua", NULL, again);
	assert_string_equal(again, "");
	json_t *k = plan_to_json(q);
	assert_true(json_equal(json_object_get(j, "answers"), json_object_get(k, "answers")));
	json_decref(k);
	plan_free(q);
	/* another capture in its place is refused */
	plan_write("c.pcap", "", 0);
	q = plan_from_json(j, again);
	assert_non_null(q);
	assert_true(plan_read_captures(q, again) < 0);
	assert_non_null(strstr(again, "answers[0]: "));
	assert_non_null(strstr(again, p->answers->sha256));
	plan_free(q);
	write_capture();
	json_decref(j);
	free(a);
	free(b);
	plan_free(p);
	/* a plan without them says nothing of them */
	plan_write_changed("s.lua", plan_scenario, NULL, NULL);
	p = plan_load("s.lua", NULL, again);
	assert_string_equal(again, "");
	j = plan_to_json(p);
	assert_null(json_object_get(j, "answers"));
	json_decref(j);
	plan_free(p);
}

/* ---- runs ---- */

static json_t *run(const struct plan *p, const struct virtual_sabotage *s)
{
	struct virtual_options o = { .sabotage = s, .invariants = true };
	char error[VIRTUAL_ERROR_TEXT] = "";
	json_t *doc = virtual_run(p, &o, error);

	assert_string_equal(error, "");
	assert_non_null(doc);
	return doc;
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* The answers expectation of the document. */
static const json_t *answers_of(const json_t *doc)
{
	return json_array_get(json_object_get(doc, "expectations"), 0);
}

static void each_answer_is_held_against_the_captured_one(void **state)
{
	(void)state;
	for (unsigned delays = 0; delays <= 1; delays++) {
		struct plan *p = must_load(delays ? "answers = \"c.pcap\", delays = true"
		                                  : "answers = \"c.pcap\"");
		json_t *doc = run(p, NULL);
		assert_int_equal(judge_verdict(doc), VERDICT_PASS);
		const json_t *a = json_object_get(doc, "answers");
		assert_int_equal(number(a, "captured"), QUERIES * 3 * 4 / 5);
		assert_int_equal(number(a, "made"), QUERIES * 3 / 5);
		assert_string_equal(json_string_value(json_object_get(a, "first_made")),
		                    "n4.example. A");
		const char *why = json_string_value(json_object_get(answers_of(doc), "why"));
		assert_non_null(strstr(why, "96 were held against captured ones, 24 have none"));
		const json_t *phase = json_array_get(json_object_get(doc, "phases"), 0);
		json_int_t most = number(json_object_get(phase, "latency_us"), "max");
		assert_true(most > 20000 && (most > DELAY_MS * 1000) == (delays == 1));
		json_decref(doc);
		plan_free(p);
	}
}

static void make_all(void *arg, unsigned node, struct rec_conf *conf)
{
	(void)arg;
	(void)node;
	conf->book = NULL;
}

static void make_some(void *arg, unsigned node, struct rec_conf *conf)
{
	const struct plan *p = arg;

	if (node == (unsigned)plan_find_node(p, "DNS3"))
		conf->book = NULL;
}

/* Another address in the answer to n3. */
static bool spoil_one(void *arg, unsigned node, const struct dgram *d)
{
	(void)arg;
	(void)node;
	if (d->len > 2 && memcmp(d->data + DNS_HEADER, "\2n3", 3) == 0 &&
	    d->data[d->len - 1] == 3)
		d->data[d->len - 1] ^= 4;
	return false;
}

static void a_recursor_that_says_something_else_is_found_out(void **state)
{
	struct plan *p = must_load("answers = \"c.pcap\"");
	const struct virtual_sabotage rows[] = {
		{ .stub = make_all }, { .arg = p, .stub = make_some }, { .answered = spoil_one },
	};
	(void)state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		json_t *doc = run(p, &rows[i]);
		assert_int_equal(judge_verdict(doc), VERDICT_FAIL);
		const json_t *a = answers_of(doc);
		assert_true(number(json_object_get(a, "measured"), "wrong") > 0);
		char *evidence = json_dumps(json_object_get(a, "evidence"), 0);
		assert_non_null(strstr(evidence, "IN A 198.51.100."));
		free(evidence);
		json_decref(doc);
	}
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_has_the_capture_s_answers),
		cmocka_unit_test(what_is_wrong_with_answers_is_one_line),
		cmocka_unit_test(answers_that_only_a_recursor_knows_are_refused),
		cmocka_unit_test(a_plan_knows_its_answers_again),
		cmocka_unit_test(each_answer_is_held_against_the_captured_one),
		cmocka_unit_test(a_recursor_that_says_something_else_is_found_out),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
