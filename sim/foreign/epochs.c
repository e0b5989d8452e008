/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Changes of servers' states put together to epochs: which ends which, and which only echoes
 * another. A server that its health checks take out is quiet as well; that is told once.
 */
#include <stdlib.h>
#include <string.h>

#include "inner.h"

enum { KINDS = 2 }; /* what queries tell ends what queries tell; health checks end the rest */

static bool by_traffic(const struct foreign_epoch *e)
{
	return e->down->by == JUDGE_BY_TRAFFIC;
}

static bool overlap(const struct foreign_epoch *a, const struct foreign_epoch *b)
{
	int64_t a_ends = a->up != NULL ? a->up->hi_ns : INT64_MAX;
	int64_t b_ends = b->up != NULL ? b->up->hi_ns : INT64_MAX;

	return a->down->balancer == b->down->balancer && a->down->server == b->down->server &&
	       a->down->lo_ns <= b_ends && b->down->lo_ns <= a_ends;
}

static bool echo(const struct foreign *f, const struct foreign_epoch *e)
{
	for (size_t i = 0; i < f->epoch_n && by_traffic(e); i++)
		if (!by_traffic(&f->epoch[i]) && overlap(e, &f->epoch[i]))
			return true;
	return false;
}

/* Takes out those that echo another one. */
static void drop_echoes(struct foreign *f)
{
	size_t n = 0;
	bool *is = calloc(f->epoch_n + 1, sizeof(*is));

	MUST(is != NULL);
	for (size_t i = 0; i < f->epoch_n; i++)
		is[i] = echo(f, &f->epoch[i]);
	for (size_t i = 0; i < f->epoch_n; i++)
		if (!is[i])
			f->epoch[n++] = f->epoch[i];
	f->epoch_n = n;
	free(is);
}

void foreign_epochs_init(struct foreign *f)
{
	size_t n, open_n = (size_t)KINDS * WHO_BALANCERS * WHO_BACKENDS;
	const struct judge_change *list = judge_changes(f->judge, &n, &f->epochs_more);
	size_t *open = calloc(open_n, sizeof(*open)); /* epoch + 1 that isn't over */

	f->epoch = calloc(n + 1, sizeof(*f->epoch));
	MUST(open != NULL && f->epoch != NULL);
	for (size_t i = 0; i < n; i++) {
		const struct judge_change *c = &list[i];
		size_t *at = &open[((c->by == JUDGE_BY_TRAFFIC) * (size_t)WHO_BALANCERS +
		                    c->balancer) * WHO_BACKENDS + c->server];
		if (c->up && *at > 0)
			f->epoch[*at - 1].up = c;
		if (!c->up && *at == 0) { /* one that is out is still out */
			f->epoch[f->epoch_n++].down = c;
			*at = f->epoch_n;
		}
		*at = c->up ? 0 : *at;
	}
	free(open);
	drop_echoes(f);
}
