/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What evenkeel replay says: what would be sent, or what was and what came of it; as a document
 * (docs/captures.md has its keys), and as text made of that document alone.
 */
#ifndef EK_REPLAY_DOC_H
#define EK_REPLAY_DOC_H

#include <jansson.h>
#include <stdio.h>

#include "run.h"
#include "sim/trace/read.h"

enum { REPLAY_LISTED = 10 }; /* queries that a dry run lists */

/* What is sent, whereto and how. A new reference. task->core is all set. */
json_t *replay_doc_plan(const struct replay_task *task, const struct trace_counts *counts);
/* Adds what came of it. */
void replay_doc_result(json_t *doc, const struct replay_result *r);

void replay_text(FILE *to, const json_t *doc);

#endif
