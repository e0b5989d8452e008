/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Systems that are wrong on purpose, in virtual time: each must be found out, by the judge from
 * packets alone and, where it is an invariant, by the engine's own checkers too, with the evidence
 * named. The right system beside them passes with the same seeds. EK_SEEDS=N tries N seeds instead
 * of a few.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "balancer/core/bal.h"
#include "lib/dns.h"
#include "sim/judge/judge.h"
#include "sim/plan/plan_io.h"
#include "sim/virtual/sabotage.h"
#include "sim/virtual/virtual.h"

enum { EACH = 1000, IDS = 4 };

/* What the hooks remember; one for both balancers, whose datagrams they tell apart by node. */
struct memory {
	unsigned n;
	struct ep peer, local;      /* of an answer that waits to be swapped */
	uint16_t id;
	bool holds;
	uint16_t real[64][IDS];     /* by port: the IDs behind the few that are used */
	unsigned next[64];
};

static bool is_query(const struct dgram *d)
{
	return d->port != 0;
}

static void check_half_as_often(void *arg, unsigned node, struct bal_conf *conf,
                                struct bal_server *server)
{
	(void)arg;
	(void)node;
	for (unsigned i = 0; i < conf->server_n; i++)
		server[i].check.interval_ns *= 2;
}

static void weigh_55_to_45(void *arg, unsigned node, struct bal_conf *conf,
                           struct bal_server *server)
{
	(void)arg;
	(void)node;
	(void)conf;
	server[0].weight = 55;
	server[1].weight = 45;
}

static void same_seed(void *arg, unsigned node, uint8_t seed[32])
{
	(void)arg;
	(void)node;
	memset(seed, 7, 32);
}

/* Every thousandth query goes to a server that is down, if there is one. */
static void ask_the_dead(void *arg, unsigned node, int64_t now_ns, const struct bal_conf *conf,
                         struct bal_shared *shared, struct dgram *d)
{
	struct memory *m = arg;

	(void)node;
	(void)now_ns;
	for (unsigned i = 0; is_query(d) && i < conf->server_n; i++)
		if (!bal_shared_up(shared, i) && m->n++ % EACH == EACH - 1) {
			d->peer = conf->server[i].addr;
			d->port = (uint16_t)bal_port(conf, i, 0);
			return;
		}
}

/* Every thousandth answer gets the client and ID of the one before. */
static void swap_answers(void *arg, unsigned node, int64_t now_ns, const struct bal_conf *conf,
                         struct bal_shared *shared, struct dgram *d)
{
	struct memory *m = arg;
	struct ep peer = d->peer;
	uint16_t id = dns_id(d->data);

	(void)node;
	(void)now_ns;
	(void)conf;
	(void)shared;
	if (is_query(d))
		return;
	if (m->holds && m->n++ % EACH == EACH - 1) {
		d->peer = m->peer;
		dns_put16(d->data, m->id);
	}
	m->peer = peer;
	m->id = id;
	m->holds = true;
}

/* A handful of IDs in turn, whether they are out or not. */
static void few_ids(void *arg, unsigned node, int64_t now_ns, const struct bal_conf *conf,
                    struct bal_shared *shared, struct dgram *d)
{
	struct memory *m = arg;
	unsigned at = (node * 8 + d->port) % 64;

	(void)now_ns;
	(void)conf;
	(void)shared;
	if (!is_query(d))
		return;
	unsigned i = m->next[at]++ % IDS;
	m->real[at][i] = dns_id(d->data);
	dns_put16(d->data, (uint16_t)i);
}

static void real_id(void *arg, unsigned node, struct dgram *d)
{
	struct memory *m = arg;
	unsigned at = (node * 8 + d->port) % 64;

	if (d->port != 0 && dns_id(d->data) < IDS)
		dns_put16(d->data, m->real[at][dns_id(d->data)]);
}

struct sabotage {
	const char *what;
	struct virtual_sabotage hooks;
	const char *set[4];         /* of blog.lua, so that it can be decided */
	uint64_t seeds;             /* 1...: one at least must be found out */
	bool every;                 /* no: each of them */
	const char *kind, *why;     /* what fails, and what its reason says */
	const char *violation;      /* what the invariants say; NULL: it is none */
};

static const struct sabotage sabotages[] = {
	{ "health is checked at half the rate", { .conf = check_half_as_often },
	  { NULL }, 8, false, "detect", "last query to it", NULL },
	{ "one query in a thousand goes to the dead server", { .sent = ask_the_dead },
	  { NULL }, 3, true, "detect", "to it", "held down" },
	{ "answers are swapped between two clients", { .sent = swap_answers },
	  { NULL }, 3, true, "answers", "no such ID", "who didn't ask that" },
	{ "weights 55:45", { .conf = weigh_55_to_45 },
	  { "load.rate=4000", "expect.even.catch=0.04", NULL }, 3, true, "even", "expected 50.0 %",
	  NULL },
	{ "both balancers draw from one seed", { .seed = same_seed },
	  { NULL }, 3, true, "even", "don't draw on their own", NULL },
	{ "query IDs are used again too soon", { .sent = few_ids, .received = real_id },
	  { "load.rate=4000", "expect.lost.at_most=3700", NULL }, 3, true, "lost", "got no answer",
	  "is used again" },
};

static json_t *run(const struct sabotage *s, const struct virtual_sabotage *hooks, uint64_t seed,
                   bool invariants)
{
	struct memory *m = calloc(1, sizeof(*m));
	struct virtual_sabotage own = hooks != NULL ? *hooks : (struct virtual_sabotage){ 0 };
	struct plan_options po = { .seed = &seed, .set = s->set };
	char error[VIRTUAL_ERROR_TEXT] = "", why[PLAN_ERROR_TEXT] = "";
	struct plan *p = plan_load("scenarios/blog.lua", &po, why);

	assert_string_equal(why, "");
	assert_non_null(p);
	assert_non_null(m);
	own.arg = m;
	struct virtual_options o = { .invariants = invariants, .sabotage = &own };
	json_t *doc = virtual_run(p, &o, error);
	assert_string_equal(error, "");
	plan_free(p);
	free(m);
	return doc;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* Whether the expectation of that kind failed, with that in its reason. */
static bool found_out(const json_t *doc, const char *kind, const char *why)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(doc, "expectations"), i, e)
		if (strcmp(text_of(e, "kind"), kind) == 0 &&
		    strcmp(text_of(e, "verdict"), "FAIL") == 0) {
			char *whole = json_dumps(e, 0);
			bool told = strstr(whole, why) != NULL;
			if (!told)
				print_error("%s\n", whole);
			free(whole);
			return told;
		}
	return false;
}

static void the_right_system_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sabotages); i++) {
		json_t *doc = run(&sabotages[i], NULL, 1, true);
		if (judge_verdict(doc) != VERDICT_PASS)
			json_dumpf(doc, stderr, JSON_INDENT(1));
		assert_int_equal(judge_verdict(doc), VERDICT_PASS);
		assert_null(json_object_get(doc, "violations"));
		json_decref(doc);
	}
}

static uint64_t seeds_of(const struct sabotage *s)
{
	const char *n = getenv("EK_SEEDS");

	return n != NULL ? strtoull(n, NULL, 10) : s->seeds;
}

static void each_sabotage_is_found_out_from_packets(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sabotages); i++) {
		const struct sabotage *s = &sabotages[i];
		uint64_t found = 0, seeds = seeds_of(s);
		for (uint64_t seed = 1; seed <= seeds; seed++) {
			json_t *doc = run(s, &s->hooks, seed, false);
			found += found_out(doc, s->kind, s->why);
			assert_int_not_equal(judge_verdict(doc), VERDICT_INVALID);
			json_decref(doc);
		}
		print_message("%s: %d of %d seeds found out\n", s->what, (int)found, (int)seeds);
		if (found < (s->every ? seeds : 1))
			fail_msg("%s: not found out", s->what);
	}
}

static void broken_invariants_are_told_with_their_moment(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sabotages); i++) {
		const struct sabotage *s = &sabotages[i];
		if (s->violation == NULL)
			continue;
		json_t *doc = run(s, &s->hooks, 1, true);
		const json_t *first = json_array_get(json_object_get(doc, "violations"), 0);
		if (strstr(text_of(first, "what"), s->violation) == NULL)
			fail_msg("%s: the first violation is '%s'", s->what,
			         text_of(first, "what"));
		assert_true(json_integer_value(json_object_get(first, "t_ns")) > 0);
		assert_int_equal(judge_verdict(doc), VERDICT_FAIL);
		json_decref(doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_system_passes),
		cmocka_unit_test(each_sabotage_is_found_out_from_packets),
		cmocka_unit_test(broken_invariants_are_told_with_their_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
