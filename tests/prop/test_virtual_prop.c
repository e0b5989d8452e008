/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random timelines in virtual time: processes die, hang and return, links drop, lose and delay,
 * stubs misbehave, in any order and overlapping. Whatever happens, no invariant may break, no
 * answer may be wrong, every fault must be seen to take effect or be told of, and a second run must
 * give the same document, as must judging the captures that it wrote.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/drbg.h"
#include "sim/judge/judge.h"
#include "sim/plan/lint.h"
#include "sim/plan/plan_io.h"
#include "sim/virtual/virtual.h"

enum { SEEDS = 30, FAULTS_MAX = 12 };
static const int64_t MS = 1000000;

enum life { RUNS, KILLED, HANGS };

/* What may befall a node now; moves its state on. */
static enum plan_fault_kind draw_kind(struct drbg *r, const struct plan_node *n, enum life *life,
                                      bool *link)
{
	unsigned what = (unsigned)drbg_below(r, n->role == PLAN_RECURSOR ? 4 : 3);

	if (what == 0 || *life != RUNS) {
		enum plan_fault_kind kind = *life == KILLED ? PLAN_START :
		                            *life == HANGS ? PLAN_RESUME :
		                            drbg_below(r, 2) == 0 ? PLAN_KILL : PLAN_HANG;
		*life = kind == PLAN_KILL ? KILLED : kind == PLAN_HANG ? HANGS : RUNS;
		return kind;
	}
	if (what == 1 || what == 2) {
		static const enum plan_fault_kind kinds[] = { PLAN_BLACKHOLE, PLAN_LOSS,
		                                              PLAN_DELAY };
		*link = !*link;
		return *link ? kinds[drbg_below(r, 3)] : PLAN_HEAL;
	}
	return (enum plan_fault_kind)(PLAN_SERVFAIL + drbg_below(r, PLAN_DROP - PLAN_SERVFAIL + 1));
}

static void draw_faults(struct plan *p, struct drbg *r)
{
	enum life life[PLAN_NODES_MAX] = { RUNS };
	bool link[PLAN_NODES_MAX] = { false };
	int64_t t = 200 * MS;

	free(p->fault);
	p->fault = calloc(FAULTS_MAX, sizeof(*p->fault));
	assert_non_null(p->fault);
	p->fault_n = 1 + (unsigned)drbg_below(r, FAULTS_MAX);
	for (unsigned i = 0; i < p->fault_n; i++) {
		unsigned node = 1 + (unsigned)drbg_below(r, p->node_n - 1); /* not the clients */
		struct plan_fault *f = &p->fault[i];
		f->kind = draw_kind(r, &p->node[node], &life[node], &link[node]);
		f->node = (int)node;
		f->at_ns = t;
		f->line = 1;
		f->value_ppm = 100000 + (uint32_t)drbg_below(r, 400000);
		f->value_ns = (int64_t)drbg_below(r, 50) * MS;
		t += (int64_t)drbg_below(r, 600) * MS;
	}
}

/* Virtual time has no loss on TCP: one or the other is something else then. */
static void part_loss_from_tcp(struct plan *p, uint64_t seed)
{
	unsigned line;

	if (!plan_upsets_tcp(p, &line))
		return;
	for (unsigned i = 0; i < p->fault_n; i++) {
		if (seed % 2 == 0 && p->fault[i].kind == PLAN_TRUNCATE)
			p->fault[i].kind = PLAN_SERVFAIL;
		if (seed % 2 == 1 && p->fault[i].kind == PLAN_LOSS)
			p->fault[i].kind = PLAN_BLACKHOLE;
	}
}

static json_t *run(const struct plan *p, const char *dir)
{
	const struct virtual_options o = { .invariants = true, .dir = dir, .pcap = true };
	char error[VIRTUAL_ERROR_TEXT] = "";
	json_t *doc = virtual_run(p, &o, error);

	assert_string_equal(error, "");
	assert_non_null(doc);
	return doc;
}

/* The verdict as it is judged again from what the run has written into dir, which is emptied. */
static json_t *judged_again(const struct plan *p, const char *dir)
{
	char path[256], error[JUDGE_ERROR_TEXT] = "", *text = plan_to_text(p);

	snprintf(path, sizeof(path), "%s/plan.json", dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(text);
	json_t *doc = judge_run(dir, error);
	assert_string_equal(error, "");
	unlink(path);
	snprintf(path, sizeof(path), "%s/events.jsonl", dir);
	unlink(path);
	for (unsigned i = 0; i < p->node_n; i++) {
		snprintf(path, sizeof(path), "%s/%s.pcap", dir, p->node[i].name);
		unlink(path);
	}
	return doc;
}

/* Whether some fault of the plan makes answers wrong on purpose. */
static bool spoils(const struct plan *p)
{
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].kind == PLAN_WRONG)
			return true;
	return false;
}

/* Other expectations may fail under such faults; wrong answers none explains. */
static bool answers_right(const json_t *doc)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(doc, "expectations"), i, e)
		if (strcmp(json_string_value(json_object_get(e, "kind")), "answers") == 0)
			return strcmp(json_string_value(json_object_get(e, "verdict")),
			              "FAIL") != 0;
	return false;
}

static void complain(const struct plan *p, const json_t *doc, uint64_t seed)
{
	print_error("seed %llu:\n", (unsigned long long)seed);
	for (unsigned i = 0; i < p->fault_n; i++)
		print_error("  %lld ms %s %s\n", (long long)(p->fault[i].at_ns / MS),
		            plan_fault_name(p->fault[i].kind), p->node[p->fault[i].node].name);
	json_dumpf(json_object_get(doc, "violations"), stderr, JSON_ENCODE_ANY);
	json_dumpf(json_object_get(doc, "expectations"), stderr, 0);
}

static void whatever_happens_no_invariant_breaks(void **state)
{
	char dir[] = "/tmp/ek-virtual-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const char *set[] = { "load.to=8s", "load.rate=500", NULL };
		struct plan_options po = { .seed = &seed, .set = set };
		char why[PLAN_ERROR_TEXT] = "";
		struct plan *p = plan_load("tests/prop/data/faults.lua", &po, why);
		struct drbg r;
		uint8_t bytes[DRBG_SEED];

		assert_string_equal(why, "");
		drbg_seed_from_u64(bytes, seed);
		drbg_init(&r, bytes, DRBG_TEST, 0);
		draw_faults(p, &r);
		part_loss_from_tcp(p, seed);
		json_t *doc = run(p, NULL), *again = run(p, dir), *files = judged_again(p, dir);
		bool right = json_object_get(doc, "violations") == NULL &&
		             (answers_right(doc) || spoils(p));
		if (!right)
			complain(p, doc, seed);
		assert_true(right);
		assert_true(json_equal(doc, again));
		if (!json_equal(doc, files)) {
			print_error("seed %llu: judged as it goes, and from the files:\n",
			            (unsigned long long)seed);
			json_dumpf(doc, stderr, JSON_SORT_KEYS | JSON_INDENT(1));
			json_dumpf(files, stderr, JSON_SORT_KEYS | JSON_INDENT(1));
		}
		assert_true(json_equal(doc, files));
		json_decref(files);
		json_decref(doc);
		json_decref(again);
		plan_free(p);
	}
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_happens_no_invariant_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
