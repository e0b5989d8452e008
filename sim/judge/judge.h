/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The judge: a run directory in, a verdict out. It believes packets; plan.json tells it what was
 * planned, events.jsonl what isn't in packets. The same directory judged again gives the same
 * bytes. docs/run-directory.md describes both sides.
 */
#ifndef EK_JUDGE_H
#define EK_JUDGE_H

#include <jansson.h>

#include "sim/plan/plan.h"

enum { JUDGE_ERROR_TEXT = 1024 };

enum verdict { VERDICT_PASS, VERDICT_INCONCLUSIVE, VERDICT_FAIL, VERDICT_INVALID };

/*
 * Judges run_dir. Returns the verdict document (new reference), or NULL with one line in error when
 * there is no run to judge (missing or broken plan.json: a usage error, exit status 2). A broken or
 * missing pcap is not an error but an INVALID verdict that names it.
 */
json_t *judge_run(const char *run_dir, char error[JUDGE_ERROR_TEXT]);
/* The "verdict" of a verdict document. */
enum verdict judge_verdict(const json_t *doc);
/* evenkeel's exit status for it (sim/cmd.h). */
int judge_exit_status(enum verdict v);

#endif
