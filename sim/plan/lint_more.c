/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What our balancer does beyond dnsdist (SERVFAIL on time-out), where a plan's clients can't see
 * it, or a claim about it can't be judged.
 */
#include "bounds.h"
#include "lint.h"

static void lint_told(struct lint *l, const struct plan *p, const struct plan_conf *c)
{
	if (c->servfail_on_timeout && !plan_tells_timeouts(p, c))
		lint_add(l, false, c->path, 0, "setServFailOnTimeout: a time-out is told %.9gs "
		         "after the query, and clients may have given up by then: expected a "
		         "longer timeout in load, or a shorter setUDPTimeout",
		         (double)c->udp_timeout_ns / 1e9);
}

void lint_more(struct lint *l, const struct plan *p)
{
	for (unsigned i = 0; i < p->conf_n; i++)
		lint_told(l, p, &p->conf[i]);
}
