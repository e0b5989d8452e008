/* SPDX-License-Identifier: BSD-3-Clause */
/* Quantiles of what many runs measured; see quant.h. */
#include "quant.h"

#include <stdlib.h>

#include "lib/must.h"

static const struct {
	const char *name;
	uint32_t ppm;
} quantiles[] = {
	{ "min", 0 }, { "p1", 10000 }, { "p50", 500000 }, { "p90", 900000 }, { "p99", 990000 },
	{ "max", 1000000 },
};

void seeds_quant_free(struct seeds_quant *q)
{
	free(q->v);
	*q = (struct seeds_quant){ 0 };
}

void seeds_quant_add(struct seeds_quant *q, int64_t v)
{
	if (q->n == q->cap) {
		q->cap = q->cap > 0 ? q->cap * 2 : 64;
		q->v = realloc(q->v, q->cap * sizeof(*q->v));
		MUST(q->v != NULL);
	}
	q->v[q->n++] = v;
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void seeds_quant_sort(struct seeds_quant *q)
{
	if (q->n > 0)
		qsort(q->v, q->n, sizeof(*q->v), by_value);
}

int64_t seeds_quant_at(const struct seeds_quant *q, uint32_t ppm)
{
	size_t rank = (q->n * ppm + 999999) / 1000000;

	MUST(q->n > 0 && ppm <= 1000000);
	return q->v[rank > 0 ? rank - 1 : 0];
}

json_t *seeds_quant_json(const struct seeds_quant *q)
{
	json_t *o = json_object();
	json_int_t beyond = 0;

	for (size_t i = q->n; i > 0 && q->v[i - 1] == SEEDS_BEYOND; i--)
		beyond++;
	for (size_t i = 0; i < COUNT_OF(quantiles); i++) {
		int64_t v = q->n > 0 ? seeds_quant_at(q, quantiles[i].ppm) : SEEDS_BEYOND;
		json_object_set_new(o, quantiles[i].name, v == SEEDS_BEYOND ? json_null()
		                    : json_integer((json_int_t)v));
	}
	json_object_set_new(o, "n", json_integer((json_int_t)q->n));
	json_object_set_new(o, "none", json_integer((json_int_t)q->none));
	json_object_set_new(o, "beyond", json_integer(beyond));
	return o;
}
