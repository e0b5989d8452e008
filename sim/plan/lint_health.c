/* SPDX-License-Identifier: BSD-3-Clause */
/* Health checks that the judge can't follow, so that no claim rests on what it can't know. */
#include "lint.h"

void lint_health(struct lint *l, const struct plan *p)
{
	unsigned line;

	if (plan_confuses_checks(p, &line))
		lint_add(l, true, NULL, line, "truncate sends clients to TCP, where health checks "
		         "go too, and the judge can't tell the one from the other: expected "
		         "servers without checkTCP");
}
