/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How late queries left the clients' interfaces after their planned time: a count for each
 * microsecond of the range in which a valid run lies, so that quantiles are exact there, and a
 * histogram beyond.
 */
#include <stdlib.h>

#include "inner.h"

enum { EARLY_US = 5000, LATE_US = 32000 };

struct late {
	uint64_t n;
	int64_t max_ns;
	struct spread beyond;
	uint64_t *us;        /* EARLY_US + LATE_US of them, from the first query on */
};

struct late *late_new(void)
{
	return zeroed(1, sizeof(struct late));
}

void late_free(struct late *l)
{
	spread_free(&l->beyond);
	free(l->us);
	free(l);
}

void late_add(struct late *l, int64_t ns)
{
	int64_t us = ns / 1000 + EARLY_US;

	if (l->us == NULL)
		l->us = zeroed(EARLY_US + LATE_US, sizeof(*l->us));
	l->max_ns = l->n == 0 || ns > l->max_ns ? ns : l->max_ns;
	l->n++;
	if (us >= EARLY_US + LATE_US)
		spread_add(&l->beyond, ns);
	else
		l->us[us > 0 ? us : 0]++;
}

int64_t late_p999_us(const struct late *l)
{
	uint64_t rank = l->n > 0 ? (l->n - 1) * 999 / 1000 + 1 : 0, seen = 0;

	for (int64_t i = 0; i < EARLY_US + LATE_US && l->n > 0; i++) {
		seen += l->us[i];
		if (seen >= rank)
			return i - EARLY_US;
	}
	return l->n > 0 ? spread_rank_most(&l->beyond, rank - seen) / 1000 : 0;
}

int64_t late_max_us(const struct late *l)
{
	return l->n > 0 ? l->max_ns / 1000 : 0;
}
