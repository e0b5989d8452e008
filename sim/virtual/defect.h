/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The defects of lib/defect.def as people name them, and a virtual run that has some. For tests and
 * for the test-only build (make MODE=defects), whose evenkeel takes --defect; no other program
 * links this. A run with a defect says so in its events and its report, and repeats byte for byte.
 */
#ifndef EK_VIRTUAL_DEFECT_H
#define EK_VIRTUAL_DEFECT_H

#include <stdio.h>

#include "lib/defect.h"
#include "lib/must.h"
#include "virtual.h"

enum { DEFECT_TEXT = 256 };

/*
 * Switches on what text says, NAME or NAME=VALUE. -EINVAL, with one line in error: no such defect,
 * no such value, or one that this build hasn't got (those inside of the cores need MODE=defects).
 */
int defects_parse(struct defects *set, const char *text, char error[DEFECT_TEXT]) MUST_CHECK;
/* The table: name, value with its range, prose. */
void defects_list(FILE *to);
const char *defect_name(enum defect d);
/* The text that switches it on as it is in set: what defects_parse takes. */
void defect_text(const struct defects *set, enum defect d, char out[DEFECT_TEXT]);
/* virtual_run with the defects of set. Nothing is kept from one run to the next. */
json_t *defects_run(const struct defects *set, const struct plan *p,
                    const struct virtual_options *o, char error[VIRTUAL_ERROR_TEXT])
	__attribute__((warn_unused_result));

#endif
