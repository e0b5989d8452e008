/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A search: a sweep (sim/seeds) whose runs each have a timeline of their own, what its rows tell,
 * and the failures made small. Summary and table are functions of rows and scenario alone.
 *
 * A row: {"claims": {KIND: worst verdict}, "events", "expectations": [], "invalid", "phases": [],
 * "seed", "signature": what failed, or null, "verdict"}.
 */
#ifndef EK_SEARCH_FIND_H
#define EK_SEARCH_FIND_H

#include <jansson.h>

#include "claims.h"
#include "sim/seeds/pool.h"

/* How many kinds of failure are shrunk, and how many seeds of each are named. */
enum { SEARCH_SHRUNK = 10, SEARCH_TOLD = 20, SEARCH_SENTENCE = 200 };

/* How runs are made; what a test has in the place of the engine and of a right system. */
struct search_how {
	const struct search_base *base;
	seeds_run_fn *run;
	const struct virtual_sabotage *sabotage;
	volatile sig_atomic_t *stop;
	unsigned jobs;
	void (*progress)(void *arg, uint64_t done, uint64_t not_pass);
	void *progress_arg;
};

/*
 * A failure that was shrunk: the case, how often it was run, the events before and after. plan: of
 * the case; the caller frees it with search_plan_free.
 */
struct search_found {
	struct search_case c;
	unsigned tries, before, after;
	struct plan *plan;
};

/* Fills in every row of r, as seeds_pool does, and with its errors. */
int search_run(struct seeds_result *r, const struct search_how *how, char error[SEEDS_ERROR])
	MUST_CHECK;
/* text with # for its numbers: what two sentences of one kind have in common. */
void search_without_numbers(char out[SEARCH_SENTENCE], const char *text);
/* What failed in a row, as one sentence, the same for one kind of failure; NULL: nothing. */
const char *search_signature(const json_t *row);
/*
 * Shrinks the failure of seed, whose signature is given. 0; -EINVAL with one line: it doesn't fail
 * again; -EINTR.
 */
int search_shrink_seed(struct search_found *f, const struct search_how *how, uint64_t seed,
                       const char *signature, char error[SEEDS_ERROR]) MUST_CHECK;
/*
 * The scenario of a failure that was found, with how it came about on top. again: the command that
 * runs it; dir: as for a plan's.
 */
void search_write(FILE *to, const struct search_found *f, const char *signature,
                  const char *again, const char *dir);

/*
 * {"header", "runs", "verdict" (FAIL, else INVALID, else PASS), "verdicts",
 *  "claims": {KIND: {VERDICT: n}}, "invalid": [{"n", "why", "first", "seeds"}],
 *  "failures": [{"n", "signature", "first", "seeds"}]}
 *
 * A run whose programs broke an invariant, or that crashed, has failed whatever its verdict is. New
 * reference.
 */
json_t *search_sum(const struct seeds_result *r);
/* A list of the first line as an option says it: "kill,hang". The caller frees. */
char *search_words(const json_t *list);
/* The commands that make the run of seed again, and that run the scenario name. Freed by you. */
char *search_repeat(const json_t *head, uint64_t seed);
char *search_again(const json_t *head, const char *name);

/* The table. */
void search_print(FILE *to, const json_t *summary);

#endif
