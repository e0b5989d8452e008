/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What holds between the values of a plan that is fit to run: indices that point somewhere,
 * distributions that can be drawn, shares that add up. Scenario errors are found earlier, with
 * their lines; this stands behind plan_from_json, so that nobody after it has to check again.
 */
#ifndef EK_PLAN_CHECK_H
#define EK_PLAN_CHECK_H

#include "plan_io.h"

/* Returns 0, or -EINVAL with one line in error. */
int plan_check(const struct plan *p, char error[PLAN_ERROR_TEXT]) MUST_CHECK;
/* True when a duration can be drawn from it. */
bool plan_dist_ok(const struct dist_spec *d);

#endif
