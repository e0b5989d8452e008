/* SPDX-License-Identifier: BSD-3-Clause */
/* The changes of servers' states in a foreign capture, so many of them, in the order of telling. */
#include <stdlib.h>

#include "inner.h"

void changes_add(struct judge *j, const struct judge_change *c)
{
	struct changes *l = &j->changes;

	if (l->n == JUDGE_CHANGES_MAX) {
		l->more++;
		return;
	}
	l->at = grow(l->at, l->n, &l->cap, sizeof(*l->at));
	l->at[l->n++] = *c;
}

struct judge_change *changes_last(struct judge *j, const struct balancer *b, unsigned server)
{
	for (size_t i = j->changes.n; i-- > 0;) {
		struct judge_change *c = &j->changes.at[i];
		if (c->balancer == b->index && c->server == server && c->by == JUDGE_BY_TRAFFIC)
			return c;
	}
	return NULL;
}

const struct judge_change *judge_changes(const struct judge *j, size_t *n, uint64_t *more)
{
	*n = j->changes.n;
	*more = j->changes.more;
	return j->changes.at;
}
