/* SPDX-License-Identifier: BSD-3-Clause */
/* A plan for people: who, what, when, what is claimed and with how many queries it is decided. */
#ifndef EK_PLAN_PRINT_H
#define EK_PLAN_PRINT_H

#include <stdio.h>

#include "lint.h"
#include "plan.h"

/* What somebody else knows of the plan and wants printed with it. */
struct plan_beside {
	void (*head)(void *arg, FILE *to);                       /* before all expectations */
	void (*expect)(void *arg, FILE *to, unsigned expect);    /* below each one's bound */
	void *arg;
};

/* beside may be NULL. */
void plan_print(FILE *to, const struct plan *p, const struct plan_beside *beside);
/* One line for each note; errors: only those, else only the others. Returns how many. */
unsigned lint_print(FILE *to, const struct lint *l, const char *scenario, bool errors);

#endif
