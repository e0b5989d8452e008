/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The judge on foreign recursors that ask an authority, in runs that never happened: what they ask
 * it changes no claim and no count, even where it looks just as what balancers ask; and what they
 * answer is held against what is right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/judge/inner.h"
#include "sim/plan/scenario.h"
#include "tests/judge/synth.h"

static struct ip authority(void)
{
	return ip_v4(198, 51, 100, 53);
}

/* The reference, with PowerDNS Recursors and what they ask, or before there was such a node. */
static struct plan *foreign_plan(bool asks)
{
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, 3);

	p->recursor.path = strdup("/usr/sbin/pdns_recursor");
	MUST(p->recursor.path != NULL);
	if (!asks)
		return p;
	const struct dist_spec miss = p->node[p->node_n - 1].miss;
	p->node = list_grow(p->node, &p->node_n, sizeof(*p->node));
	p->node[p->node_n - 1] = (struct plan_node){
		.name = "authority", .role = PLAN_AUTHORITY, .conf = PLAN_NONE, .addr_n = 1,
		.addr = { authority() }, .miss = miss,
	};
	return p;
}

/* The server of a node that a record came to as a query; -1: none, or it is dead. */
static int server_of_query(const struct synth *s, const struct synth_record *r)
{
	const struct plan_conf *c = &s->plan->conf[0];

	for (unsigned i = 0; i < c->server_n; i++)
		if (c->server_node[i] == r->node && r->dst.port == 53)
			return synth_dead(s, i, r->t_ns) ? -1 : (int)i;
	return -1;
}

/* Each query that comes to a recursor is asked on with its ID, health checks too. */
static void ask_authority(struct synth *s)
{
	size_t n = s->n;
	unsigned node = s->plan->node_n - 1;
	const struct ep to = { authority(), 53 };
	uint8_t answer[REC_ANSWER_MAX];

	for (size_t i = 0; i < n; i++) {
		struct synth_record r = s->record[i];
		if (server_of_query(s, &r) < 0)
			continue;
		struct ep from = { r.dst.ip, r.src.port };
		size_t len = synth_answer(s, answer, r.data, r.len);
		int64_t t = synth_send(s, r.t_ns + 2000, r.node, node, &from, &to, r.data, r.len);
		synth_send(s, t + 2000, node, r.node, &to, &from, answer, len);
	}
	memset(s->frames, 0, sizeof(s->frames));
	synth_sort(s);
}

static json_t *judged(const struct synth_knobs *k, bool asks, bool traffic)
{
	struct plan *p = foreign_plan(asks);
	struct synth s;

	synth_run(&s, p, k);
	if (traffic)
		ask_authority(&s);
	json_t *doc = synth_judge(&s);
	synth_fini(&s);
	plan_free(p);
	return doc;
}

static const json_t *of_kind(const json_t *doc, const char *kind)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(doc, "expectations"), i, e)
		if (strcmp(json_string_value(json_object_get(e, "kind")), kind) == 0)
			return e;
	fail_msg("no expectation %s", kind);
	return NULL;
}

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void what_recursors_ask_changes_nothing(void **state)
{
	static const char *const same[] = { "verdict", "expectations", "harness", "invalid",
	                                    "phases", "series", "servers" };
	const struct synth_knobs right = { .stray = 0 };
	json_t *quiet = judged(&right, true, false), *busy = judged(&right, true, true);

	(void)state;
	assert_string_equal(text(busy, "verdict"), "PASS");
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		const json_t *a = json_object_get(quiet, same[i]);
		const json_t *b = json_object_get(busy, same[i]);
		assert_non_null(a);
		if (json_equal(a, b))
			continue;
		json_dumpf(a, stderr, JSON_INDENT(1) | JSON_ENCODE_ANY);
		json_dumpf(b, stderr, JSON_INDENT(1) | JSON_ENCODE_ANY);
		fail_msg("%s isn't the same", same[i]);
	}
	json_decref(quiet);
	json_decref(busy);
}

static void what_recursors_answer_is_held_against_what_is_right(void **state)
{
	static const struct {
		const char *what;
		struct synth_knobs k;
		bool asks;
		const char *verdict, *says;
	} row[] = {
		{ "right answers", { .stray = 0 }, true, "PASS", "0 wrong" },
		{ "wrong ones", { .wrong_each = 500 }, true, "FAIL", "29 wrong (at most 0)" },
		{ "swapped ones", { .swap_each = 500 }, true, "FAIL", " wrong (at most 0)" },
		{ "wrong ones, and nobody knows what is right", { .wrong_each = 500 }, false,
		  "PASS", "weren't checked" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		json_t *doc = judged(&row[i].k, row[i].asks, row[i].asks);
		const json_t *e = of_kind(doc, "answers");
		if (strcmp(text(e, "verdict"), row[i].verdict) != 0 ||
		    strstr(text(e, "why"), row[i].says) == NULL)
			fail_msg("%s: %s, %s", row[i].what, text(e, "verdict"), text(e, "why"));
		json_decref(doc);
	}
}

static void a_cache_that_is_off_is_seen_beside_an_authority(void **state)
{
	const struct synth_knobs k = { .no_cache = true };
	json_t *doc = judged(&k, true, true);

	(void)state;
	assert_string_equal(text(of_kind(doc, "cache"), "verdict"), "FAIL");
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_recursors_ask_changes_nothing),
		cmocka_unit_test(what_recursors_answer_is_held_against_what_is_right),
		cmocka_unit_test(a_cache_that_is_off_is_seen_beside_an_authority),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
