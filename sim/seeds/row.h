/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One run, one row: what is kept of a verdict document (docs/run-directory.md) when thousands of
 * runs are made. Which measures those are stands in one table. A row is a JSON object whose text is
 * canonical: compact, keys sorted, whole numbers and sentences only.
 *
 *	{"expectations": [{"kind", "line", "verdict", "bound": {...}, "measured": {...}, "why"}],
 *	 "invalid": [...], "phases": [{"what", "measured": {...}}], "seed": n, "verdict": "PASS"}
 *
 * "measured" has one key for each measure, "LB1.last_query_ns" where several balancers or servers
 * have it; "LB1#2.last_query_ns" is the second time that LB1 was in the list: another silence.
 * "why" is there when the verdict isn't PASS.
 */
#ifndef EK_SEEDS_ROW_H
#define EK_SEEDS_ROW_H

#include <jansson.h>

#include "shard.h"
#include "sim/plan/plan.h"

/* How a bound limits what is measured. */
enum seeds_side { SEEDS_AT_MOST = 1, SEEDS_AT_LEAST, SEEDS_AROUND };

struct seeds_measure {
	enum plan_expect_kind kind; /* of its expectation; 0: a phase has it */
	const char *list;           /* the array in "measured" whose members have it; or NULL */
	const char *key;            /* ends with its unit: _ns, _us, _ppm; else a count */
	const char *bound;          /* key in "bound" that limits it; NULL: nothing does */
	enum seeds_side side;
	const char *beyond;         /* what null is called: beyond every value; NULL: none */
	const char *what;           /* for people */
};

extern const struct seeds_measure seeds_measures[];
extern const unsigned seeds_measure_n;

/* The measure of a key of "measured"; its index, or -1. kind: 0 for a phase's. */
int seeds_measure_find(enum plan_expect_kind kind, const char *name);
/* The kind of that name, or 0. */
enum plan_expect_kind seeds_kind(const char *name);

/* The row of a verdict document. New reference. */
json_t *seeds_row(const json_t *doc);
/* The row of a run that ended without a document: INVALID, for that reason. New reference. */
json_t *seeds_row_lost(uint64_t seed, const char *why);
/* Its text without a newline; the caller frees. */
char *seeds_row_text(const json_t *row);
/*
 * The row of a line, or NULL with what is wrong with it in error. expect_n: how many expectations
 * the plan has; a run that was lost may have none.
 */
json_t *seeds_row_parse(const char *line, size_t expect_n, char error[SEEDS_ERROR]);

#endif
