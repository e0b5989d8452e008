/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Schedules that are drawn are possible and stay so when parts are taken out; shrinking finds what
 * is needed and nothing besides; a system that asks the dead is found by a search, and the schedule
 * that shows it made small, as a scenario that fails again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "balancer/core/bal.h"
#include "lib/drbg.h"
#include "sim/judge/judge.h"
#include "sim/plan/faults.h"
#include "sim/report/fmt.h"
#include "sim/search/find.h"
#include "sim/virtual/sabotage.h"
#include "plan_files.h"
#include "sim/plan/plan_io.h"

static struct search_base base;
static volatile sig_atomic_t stop;

/* A window of a fault both ways. */
#define W(k, n, at, until, by, ppm) { .kind = k, .node = n, .at_ns = at, \
		.until_ns = until, .value_ns = by, .value_ppm = ppm }

static const char all_kinds[] = "kill,hang,blackhole,loss,delay,jitter,duplicate,reorder,rate,cut,"
	"servfail,slow,wrong,truncate,refuse,drop";

/* What may be drawn, on a short scenario without faults of its own. */
static void set_up(const char *kinds, const char *nodes, unsigned max)
{
	static const char *const set[] = { "load.to=10s", "load.rate=500", "load.timeout=1s",
	                                   NULL };
	struct plan_options o = { .set = set };
	char error[PLAN_ERROR_TEXT] = "";

	plan_write_all();
	plan_free((struct plan *)(uintptr_t)base.plan);
	base = (struct search_base){ .spec = { .max_events = max } };
	FILE *f = fopen("s.lua", "w");
	MUST(f != NULL);
	const char *at = strstr(plan_scenario, "at \"5s\"");
	fprintf(f, "%.*sexpect { even { \"DNS1\", \"DNS3\" }, lost { at_most = 0 } }\n",
	        (int)(at - plan_scenario), plan_scenario);
	fclose(f);
	struct plan *p = plan_load("s.lua", &o, error);
	assert_string_equal(error, "");
	base.plan = p;
	assert_int_equal(search_kinds_parse(&base.spec, kinds, error), 0);
	assert_int_equal(search_nodes_parse(&base.spec, p, nodes, error), 0);
}

/* A timeline that scenarios could have, too: in order, possible, while the load runs. */
static void assert_valid(const struct plan *p)
{
	unsigned bad;

	assert_null(faults_impossible(p, &bad));
	for (unsigned i = 0; i < p->fault_n; i++) {
		assert_true(p->fault[i].at_ns >= 0 && p->fault[i].at_ns < search_load_end(p));
		assert_true(i == 0 || p->fault[i - 1].at_ns <= p->fault[i].at_ns);
	}
}

static void schedules_are_possible_and_so_is_each_part_of_them(void **state)
{
	struct plan_fault room[2 * SEARCH_EVENTS_MAX];
	unsigned most = 0, least = UINT32_MAX, kinds = 0;

	(void)state;
	set_up(all_kinds, "DNS1,DNS3,LB1,clients", 20);
	for (uint64_t seed = 1; seed <= 5000; seed++) {
		struct search_case c;
		struct plan p = *base.plan;
		p.fault = room;
		search_case_draw(&c, &base, seed);
		assert_true(search_lay_out(&p, &c.s));
		assert_valid(&p);
		assert_true(search_events(&c.s) <= 20 && p.fault_n > 0);
		most = p.fault_n > most ? p.fault_n : most;
		least = p.fault_n < least ? p.fault_n : least;
		for (unsigned i = 0; i < p.fault_n; i++)
			kinds |= 1u << p.fault[i].kind;
		for (unsigned i = 0; i < c.s.n; i++) {
			struct search_schedule part = c.s;
			part.n--;
			memmove(&part.window[i], &part.window[i + 1],
			        (part.n - i) * sizeof(part.window[0]));
			if (search_lay_out(&p, &part))
				assert_valid(&p);
		}
	}
	assert_int_equal(most, 20);
	assert_int_equal(least, 1);
	assert_int_equal(kinds, (2u << PLAN_DROP) - 2); /* each, and what ends it */
}

/* By field: what lies between them isn't told. */
static bool same_schedule(const struct search_schedule *a, const struct search_schedule *b)
{
	bool same = a->n == b->n;

	for (unsigned i = 0; same && i < a->n; i++) {
		const struct search_window *x = &a->window[i], *y = &b->window[i];
		same = x->kind == y->kind && x->node == y->node && x->at_ns == y->at_ns &&
		       x->until_ns == y->until_ns && x->value_ns == y->value_ns &&
		       x->value_ppm == y->value_ppm && x->rate_bps == y->rate_bps &&
		       x->way == y->way;
	}
	return same;
}

static void a_seed_draws_the_same_again_and_leaves_the_load_alone(void **state)
{
	struct search_case a, b, other;

	(void)state;
	set_up("kill,hang", NULL, 20);
	search_case_draw(&a, &base, 7);
	search_case_draw(&b, &base, 7);
	search_case_draw(&other, &base, 8);
	assert_true(same_schedule(&a.s, &b.s));
	assert_false(same_schedule(&a.s, &other.s));
}

static void what_may_be_drawn_is_read_strictly(void **state)
{
	char error[SEARCH_ERROR];

	(void)state;
	set_up("kill", NULL, 20);
	assert_int_equal(base.spec.node_n, 2);
	assert_true(search_kinds_parse(&base.spec, "kill,resume", error) < 0);
	assert_non_null(strstr(error, "--faults: 'resume': expected some of kill, hang"));
	assert_true(search_kinds_parse(&base.spec, "", error) < 0);
	assert_int_equal(search_kinds_parse(&base.spec, "servfail", error), 0);
	assert_true(search_nodes_parse(&base.spec, base.plan, "DNS1,DNS9", error) < 0);
	assert_string_equal(error, "--nodes: 'DNS9': expected names of nodes, as in DNS1,DNS3");
	assert_true(search_nodes_parse(&base.spec, base.plan, "LB1", error) < 0);
	assert_string_equal(error, "--nodes: LB1: none of --faults can happen to it");
	assert_true(search_keep_parse(&base, "lost,lots", error) < 0);
	assert_string_equal(error, "--keep: 'lots': expected kinds of claims, as in lost,latency");
}

/* ---- claims ---- */

static const struct {
	const char *what;
	unsigned n;
	struct search_window w[3];
	const char *claims;
} gentle[] = {
	{ "nothing", 0, { { 0 } }, "answers even lost" },
	{ "one long silence", 1, { W(PLAN_KILL, 3, 3000000000, 6000000000, 0, 0) },
	  "answers even lost detect back" },
	{ "too short to be noticed", 1, { W(PLAN_KILL, 3, 3000000000, 4000000000, 0, 0) },
	  "answers even" },
	{ "no time to be seen again", 1, { W(PLAN_HANG, 4, 3000000000, 8000000000, 0, 0) },
	  "answers lost detect" },
	{ "both at once", 2, { W(PLAN_KILL, 3, 3000000000, 6000000000, 0, 0),
	  W(PLAN_HANG, 4, 6500000000, 0, 0, 0) }, "answers even" },
	{ "one after the other", 2, { W(PLAN_KILL, 3, 1000000000, 3500000000, 0, 0),
	  W(PLAN_HANG, 4, 7400000000, 0, 0, 0) }, "answers lost detect back detect" },
	{ "frames are lost", 1, { W(PLAN_LOSS, 1, 3000000000, 6000000000, 0, 10000) },
	  "answers even" },
	{ "a balancer starts anew", 1, { W(PLAN_KILL, 1, 3000000000, 6000000000, 0, 0) },
	  "answers" },
};

static void a_schedule_gets_the_claims_that_it_bears(void **state)
{
	(void)state;
	set_up(all_kinds, NULL, 20);
	assert_string_equal(base.plan->node[3].name, "DNS1");
	for (size_t i = 0; i < COUNT_OF(gentle); i++) {
		struct search_case c = { .cut_ns = search_load_end(base.plan) };
		char text[200] = "";
		c.s.n = gentle[i].n;
		memcpy(c.s.window, gentle[i].w, sizeof(gentle[i].w));
		struct plan *p = search_plan(&base, &c, 1);
		assert_non_null(p);
		for (unsigned k = 0; k < p->expect_n; k++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			         k > 0 ? " " : "", plan_expect_name(p->expect[k].kind));
		print_message("%s: %s\n", gentle[i].what, text);
		assert_string_equal(text, gentle[i].claims);
		search_plan_free(p);
	}
}

/* ---- shrinking ---- */

static bool needs_two(void *arg, const struct search_case *c)
{
	bool hang = false, loss = false;

	++*(unsigned *)arg;
	for (unsigned i = 0; i < c->s.n; i++) {
		const struct search_window *w = &c->s.window[i];
		hang = hang || (w->kind == PLAN_HANG && w->node == 3 && w->until_ns > 0);
		loss = loss || (w->kind == PLAN_LOSS && w->node == 4 && w->value_ppm >= 230000);
	}
	return hang && loss;
}

static void two_windows_of_twenty_that_are_needed_remain(void **state)
{
	(void)state;
	set_up("kill,loss,hang,servfail,blackhole", NULL, 40);
	unsigned found = 0;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		struct search_case c, again;
		unsigned asked = 0;
		search_case_draw(&c, &base, seed);
		again = c;
		if (c.s.n < 15 || !needs_two(&asked, &c))
			continue;
		found++;
		unsigned tries = search_shrink(&c, base.plan, needs_two, &asked);
		assert_int_equal(tries + 1, asked);
		assert_true(tries <= SEARCH_TRIES);
		assert_int_equal(c.s.n, 2);
		assert_true(needs_two(&asked, &c));
		for (unsigned i = 0; i < 2; i++) {
			const struct search_window *w = &c.s.window[i];
			bool loss = w->kind == PLAN_LOSS;
			assert_true(loss || w->kind == PLAN_HANG);
			assert_int_equal(w->value_ppm, loss ? 1000000 : 0);
			assert_true((w->until_ns > 0) == !loss); /* its end isn't needed */
		}
		assert_true(c.cut_ns <= 10000000000);
		(void)search_shrink(&again, base.plan, needs_two, &asked);
		assert_int_equal(again.s.n, 2);
		assert_memory_equal(&again.s.window, &c.s.window, 2 * sizeof(c.s.window[0]));
	}
	assert_true(found >= 10);
}

static bool always(void *arg, const struct search_case *c)
{
	(void)arg;
	(void)c;
	return true;
}

static void what_always_fails_needs_no_fault_at_all(void **state)
{
	struct search_case c;

	(void)state;
	set_up("kill,hang", NULL, 20);
	search_case_draw(&c, &base, 3);
	search_shrink(&c, base.plan, always, NULL);
	assert_int_equal(c.s.n, 0);
	assert_true(c.cut_ns <= 2000000000);
}

/* ---- the whole ---- */

/* Every hundredth query goes to a server that is down, if there is one. */
static struct sabotage_fate ask_the_dead(void *arg, unsigned node, const struct bal_conf *conf,
                                         struct bal_shared *shared, struct dgram *d)
{
	unsigned *n = arg;

	(void)node;
	for (unsigned i = 0; d->port != 0 && i < conf->server_n; i++)
		if (!bal_shared_up(shared, i) && ++*n % 100 == 0) {
			d->peer = conf->server[i].addr;
			d->port = (uint16_t)bal_port(conf, i, 0);
			break;
		}
	return (struct sabotage_fate){ 0 };
}

static struct sabotage_fate abort_on_a_dead_one(void *arg, unsigned node,
                                                const struct bal_conf *conf,
                                                struct bal_shared *shared, struct dgram *d)
{
	(void)arg;
	(void)node;
	for (unsigned i = 0; d->port != 0 && i < conf->server_n; i++)
		if (!bal_shared_up(shared, i))
			abort();
	return (struct sabotage_fate){ 0 };
}

/* All rows of seeds 1..n, and their summary. */
static json_t *sweep(struct seeds_result *r, struct search_how *how, uint64_t n)
{
	struct seeds_what what = { base.plan, "s.lua", NULL, { 1, n }, { 1, 1 } };
	char error[SEEDS_ERROR] = "";

	assert_int_equal(seeds_result_init(r, &what, error), 0);
	json_object_set_new(r->head, "expectations", json_array());
	*how = (struct search_how){ .base = &base, .run = virtual_run, .stop = &stop, .jobs = 1,
	                            .sabotage = how->sabotage };
	assert_int_equal(search_run(r, how, error), 0);
	return search_sum(r);
}

static const char *first_signature(const json_t *sum, uint64_t *seed)
{
	const json_t *f = json_array_get(js_get(sum, "failures"), 0);

	*seed = (uint64_t)js_int(f, "first", 0);
	return js_str(f, "signature", "");
}

static void a_sabotage_is_found_and_shrunk_to_a_scenario_that_fails(void **state)
{
	static unsigned n;
	struct virtual_sabotage s = { .arg = &n, .sent = ask_the_dead };
	struct search_how how = { .sabotage = &s };
	struct seeds_result r;
	struct search_found f;
	char error[PLAN_ERROR_TEXT] = "", here[4096];
	uint64_t seed;

	(void)state;
	set_up("kill,hang,blackhole", NULL, 20);
	json_t *sum = sweep(&r, &how, 8);
	const char *signature = first_signature(sum, &seed);
	assert_non_null(strstr(signature, "invariant: "));
	assert_string_equal(js_verdict(sum), "FAIL");
	assert_int_equal(search_shrink_seed(&f, &how, seed, signature, error), 0);
	print_message("%s: %u events to %u in %u runs\n", signature, f.before, f.after, f.tries);
	assert_in_range(f.after, 1, 3);
	FILE *to = fopen("again.lua", "w");
	assert_non_null(to);
	assert_non_null(getcwd(here, sizeof(here)));
	search_write(to, &f, signature, "evenkeel run again.lua", here);
	fclose(to);
	struct plan *p = plan_load("again.lua", NULL, error);
	assert_string_equal(error, "");
	struct virtual_options o = { .invariants = true, .sabotage = &s };
	json_t *doc = virtual_run(p, &o, error);
	assert_true(json_array_size(json_object_get(doc, "violations")) > 0);
	o.sabotage = NULL;
	json_t *right = virtual_run(p, &o, error);
	assert_null(json_object_get(right, "violations"));
	json_decref(right);
	json_decref(doc);
	plan_free(p);
	search_plan_free(f.plan);
	unlink("again.lua");
	seeds_result_free(&r);
	json_decref(sum);
}

static void a_crash_is_a_failure_that_can_be_shrunk(void **state)
{
	struct virtual_sabotage s = { .sent = abort_on_a_dead_one };
	struct search_how how = { .sabotage = &s };
	char error[SEEDS_ERROR] = "";
	struct seeds_result r;
	struct search_found f;
	uint64_t seed;

	(void)state;
	set_up("kill,loss", NULL, 8);
	json_t *sum = sweep(&r, &how, 6);
	const char *signature = first_signature(sum, &seed);
	assert_string_equal(signature, "the run crashed: signal 6 (Aborted)");
	assert_int_equal(search_shrink_seed(&f, &how, seed, signature, error), 0);
	assert_in_range(f.after, 1, 3);
	search_plan_free(f.plan);
	seeds_result_free(&r);
	json_decref(sum);
}

static void the_right_system_has_no_failure(void **state)
{
	struct search_how how = { 0 };
	struct seeds_result r;
	uint64_t seed;

	(void)state;
	set_up("kill,blackhole", NULL, 10);
	json_t *sum = sweep(&r, &how, 30);
	assert_string_equal(first_signature(sum, &seed), "");
	assert_string_equal(js_verdict(sum), "PASS");
	seeds_result_free(&r);
	json_decref(sum);
}

static const struct {
	const char *what;
	unsigned n;
	struct search_window w[3];
} calm[] = {
	{ "a blackhole that is too short to meet a frame", 2,
	  { W(PLAN_BLACKHOLE, 3, 3000000000, 3001000000, 0, 0),
	    W(PLAN_BLACKHOLE, 4, 5000000000, 5001000000, 0, 0) } },
	{ "a stub's fault that is too short to show", 1,
	  { W(PLAN_SERVFAIL, 3, 3000000000, 3001000000, 0, 10000) } },
	{ "a stub's fault that a kill ends", 2,
	  { W(PLAN_SERVFAIL, 3, 3000000000, 0, 0, 1000000),
	    W(PLAN_KILL, 3, 4000000000, 6000000000, 0, 0) } },
	{ "a stub's fault that hides another", 2,
	  { W(PLAN_DROP, 3, 3000000000, 0, 0, 1000000),
	    W(PLAN_SERVFAIL, 3, 3000000000, 0, 0, 1000000) } },
	{ "a stub's fault that lasts after its link has healed", 2,
	  { W(PLAN_DROP, 4, 2000000000, 0, 0, 500000),
	    W(PLAN_DELAY, 4, 2500000000, 3000000000, 300000000, 0) } },
	{ "answers that were on a slow link when the recursor died", 2,
	  { W(PLAN_DELAY, 3, 2000000000, 6000000000, 300000000, 0),
	    W(PLAN_KILL, 3, 4000000000, 0, 0, 0) } },
};

/* Each was an INVALID, or a violation, of a right system at some time. */
static void what_once_was_a_false_alarm_is_none(void **state)
{
	struct virtual_options o = { .invariants = true };
	char error[VIRTUAL_ERROR_TEXT] = "";

	(void)state;
	set_up(all_kinds, NULL, 20);
	for (size_t i = 0; i < COUNT_OF(calm); i++) {
		struct search_case c = { .cut_ns = search_load_end(base.plan) };
		c.s.n = calm[i].n;
		memcpy(c.s.window, calm[i].w, sizeof(calm[i].w));
		print_message("%s\n", calm[i].what);
		for (uint64_t seed = 1; seed <= 4; seed++) {
			struct plan *p = search_plan(&base, &c, seed);
			assert_non_null(p);
			json_t *doc = virtual_run(p, &o, error);
			if (judge_verdict(doc) != VERDICT_PASS)
				json_dumpf(js_get(doc, "invalid"), stderr, JSON_INDENT(1));
			assert_null(json_object_get(doc, "violations"));
			assert_int_equal(judge_verdict(doc), VERDICT_PASS);
			json_decref(doc);
			search_plan_free(p);
		}
	}
}

static void nothing_happens_to_a_program_that_starts_still(void **state)
{
	struct search_schedule s = { .n = 2, .window = {
		W(PLAN_KILL, 3, 3000000000, 4000000000, 0, 0),
		W(PLAN_HANG, 3, 4050000000, 0, 0, 0) } };
	struct plan_fault room[2 * SEARCH_EVENTS_MAX];

	(void)state;
	set_up(all_kinds, NULL, 20);
	struct plan p = *base.plan;
	p.fault = room;
	assert_false(search_lay_out(&p, &s));
	s.window[1].at_ns = 4100000000;
	assert_true(search_lay_out(&p, &s));
	s.window[1] = (struct search_window)W(PLAN_LOSS, 3, 4050000000, 0, 0, 10000);
	assert_true(search_lay_out(&p, &s)); /* its link may do what it likes */
}

static void clients_are_not_sent_to_tcp_over_a_lossy_link(void **state)
{
	struct search_schedule s = { .n = 2, .window = {
		W(PLAN_TRUNCATE, 3, 3000000000, 4000000000, 0, 1000000),
		W(PLAN_LOSS, 2, 3500000000, 5000000000, 0, 10000) } };
	struct plan_fault room[2 * SEARCH_EVENTS_MAX];

	(void)state;
	set_up(all_kinds, NULL, 20);
	struct plan p = *base.plan;
	p.fault = room;
	assert_false(search_lay_out(&p, &s));
	assert_int_equal(p.fault_n, 0);
	s.window[1].at_ns = 4000000000; /* as the other one ends */
	assert_true(search_lay_out(&p, &s));
	s.window[1] = (struct search_window)W(PLAN_DELAY, 2, 3500000000, 0, 1000000, 0);
	assert_true(search_lay_out(&p, &s));
}

static void what_does_not_fail_again_is_told(void **state)
{
	struct search_how how = { .base = &base, .run = virtual_run, .stop = &stop, .jobs = 1 };
	char error[SEEDS_ERROR] = "";
	struct search_found f;

	(void)state;
	set_up("kill", NULL, 4);
	assert_true(search_shrink_seed(&f, &how, 5, "claim: even", error) < 0);
	assert_string_equal(error, "seed 5 doesn't fail again: 'claim: even'");
	assert_null(f.plan);
}

static int close_folder(void **state)
{
	plan_free((struct plan *)(uintptr_t)base.plan);
	return plan_folder_close(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schedules_are_possible_and_so_is_each_part_of_them),
		cmocka_unit_test(a_seed_draws_the_same_again_and_leaves_the_load_alone),
		cmocka_unit_test(what_may_be_drawn_is_read_strictly),
		cmocka_unit_test(a_schedule_gets_the_claims_that_it_bears),
		cmocka_unit_test(two_windows_of_twenty_that_are_needed_remain),
		cmocka_unit_test(what_always_fails_needs_no_fault_at_all),
		cmocka_unit_test(a_sabotage_is_found_and_shrunk_to_a_scenario_that_fails),
		cmocka_unit_test(a_crash_is_a_failure_that_can_be_shrunk),
		cmocka_unit_test(the_right_system_has_no_failure),
		cmocka_unit_test(what_once_was_a_false_alarm_is_none),
		cmocka_unit_test(nothing_happens_to_a_program_that_starts_still),
		cmocka_unit_test(clients_are_not_sent_to_tcp_over_a_lossy_link),
		cmocka_unit_test(what_does_not_fail_again_is_told),
	};

	return cmocka_run_group_tests(tests, plan_folder_open, close_folder);
}
