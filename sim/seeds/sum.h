/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The summary of a sweep: how many runs came to which verdict, how each measure is distributed,
 * beside the bound that each run was judged by, and which seeds didn't pass. The quantiles are for
 * people; nothing is judged by them. INVALID runs count as such and measure nothing. A function of
 * the result alone: the same rows give the same bytes.
 */
#ifndef EK_SEEDS_SUM_H
#define EK_SEEDS_SUM_H

#include "result.h"
#include "sim/judge/judge.h"

enum { SEEDS_TOLD = 20, SEEDS_BINS = 20 };

/*
 * {"header", "runs", "verdict" (the worst), "verdicts": {"PASS": n, ...},
 *  "expectations": [{"kind", "line", "nodes", "verdicts", "measures", "histogram"}],
 *  "phases": [{"what", "measures"}], "not_pass_n", "not_pass": [{"seed", "verdict", "reasons",
 *  "repeat"}] (the first SEEDS_TOLD), "fail_rate_upper_ppb"}
 *
 * A measure: {"name", "what", "bound": null or {"at_most", "at_least"}, "bound_varies", and the
 * quantiles of quant.h}. A histogram: {"bin_ns", "counts", "later"}: SEEDS_BINS bins from 0 to the
 * bound, and how many are beyond; null where there is nothing to show. fail_rate_upper_ppb: exact
 * upper end of the rate of FAIL at 95 % when there was none, in billionths, else null.
 * r: all rows are there. New reference.
 */
json_t *seeds_sum(const struct seeds_result *r);
/* The "verdict" of a summary. */
enum verdict seeds_sum_verdict(const json_t *summary);
/* A word of a command as a shell takes it. */
void seeds_put_word(FILE *to, const char *word);
/* Whether a word of the first line's "set" is a --defect: what a test-only build did wrong. */
bool seeds_is_defect(const char *word);
/* What "set" says, as options of a command, each with a space before; or its defects alone. */
void seeds_put_given(FILE *to, const json_t *head, bool defects_only);
/* The command that runs a seed again, as a shell takes it; the caller frees. */
char *seeds_repeat(const json_t *head, uint64_t seed);

#endif
