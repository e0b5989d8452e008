/* SPDX-License-Identifier: BSD-3-Clause */
/* plan_load for those who want the notes too. */
#ifndef EK_PLAN_LOAD_H
#define EK_PLAN_LOAD_H

#include "lint.h"
#include "plan_io.h"

/* As plan_load; lint gets what there is to say, also where the plan is refused for it. */
struct plan *plan_load_noted(const char *path, const struct plan_options *o, struct lint *lint,
                             char error[PLAN_ERROR_TEXT]);

#endif
