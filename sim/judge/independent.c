/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Are draws that claim to be random independent: within a balancer, where the next choice must not
 * lean on the last one, and between two, which must not draw the same numbers? Both look at draws
 * in the order of the queries at the front. That order doesn't depend on what was drawn, which the
 * order of leaving does where a balancer sends a batch server by server.
 */
#include <stdlib.h>

#include "even.h"

/* Draws of balancer b that lie in the full pool, as one row. Returns how many. */
static uint64_t row_of(const struct even *v, unsigned b, uint8_t *row)
{
	uint64_t n = 0;

	for (size_t i = 0; i < v->order_n[b]; i++)
		if (v->order[b][i] != LEFT_OUT)
			row[n++] = v->order[b][i] == 0;
	return n;
}

/* Changes between consecutive draws; false when a right system hardly ever has so few or many. */
static bool switches_right(const struct pool *o, const uint8_t *row, uint64_t n, double level,
                           uint64_t *switches)
{
	uint64_t ones = n > 0 ? row[0] : 0;

	*switches = 0;
	for (uint64_t i = 1; i < n; i++) {
		*switches += row[i] != row[i - 1];
		ones += row[i];
	}
	if (n < 2)
		return true;
	if (o->p[0] > 0.4999999 && o->p[0] < 0.5000001) {
		struct stat_range r = stat_binom_accept(n - 1, 0.5, level);
		return *switches >= r.lo && *switches <= r.hi;
	}
	return stat_runs_lower(*switches + 1, ones, n - ones) > level / 2 &&
	       stat_runs_upper(*switches + 1, ones, n - ones) > level / 2;
}

static bool within_right(struct even *v, const struct pool *o, unsigned b, double level,
                         struct text *t)
{
	uint8_t *row = malloc(v->order_n[b] + 1);
	uint64_t switches;

	MUST(row != NULL);
	uint64_t n = row_of(v, b, row);
	bool right = switches_right(o, row, n, level, &switches);
	free(row);
	if (!right) {
		text_add(t, "%s doesn't draw at random: in ",
		         node_name(v->j, (int)v->j->balancer[b].node));
		text_count(t, n);
		text_add(t, " queries it changed the server ");
		text_count(t, switches);
		text_add(t, " times");
	}
	return right;
}

/* Agreements by draw index are Binomial(n, sum of p^2) for balancers that draw on their own. */
static bool between_right(struct even *v, const struct pool *o, unsigned a, unsigned b,
                          double level, struct text *t)
{
	const struct balancer *x = &v->j->balancer[a], *y = &v->j->balancer[b];
	uint64_t n = 0, same = 0;
	double p = 0;

	for (unsigned k = 0; k < v->kind_n; k++)
		p += o->p[k] * o->p[k];
	for (size_t i = 0; i < v->order_n[a] && i < v->order_n[b]; i++) {
		if (v->order[a][i] == LEFT_OUT || v->order[b][i] == LEFT_OUT)
			continue;
		n++;
		same += v->order[a][i] == v->order[b][i];
	}
	struct stat_range r = stat_binom_accept(n, p, level);
	if (n == 0 || (same >= r.lo && same <= r.hi))
		return true;
	text_add(t, "%s and %s don't draw on their own: they agree in ",
	         node_name(v->j, (int)x->node), node_name(v->j, (int)y->node));
	text_count(t, same);
	text_add(t, " of ");
	text_count(t, n);
	text_add(t, " draws, expected ");
	text_count(t, r.lo);
	text_add(t, " to ");
	text_count(t, r.hi);
	return false;
}

bool even_independent(struct even *v, const struct pool *o, struct text *t)
{
	unsigned n = v->j->balancer_n;
	double level = expect_flake(v->e) / (n + n * (n - 1) / 2.0);

	if (o == NULL || o->all.n < 2)
		return true;
	for (unsigned a = 0; a < n; a++) {
		if (!within_right(v, o, a, level, t))
			return false;
		for (unsigned b = 0; b < a; b++)
			if (!between_right(v, o, b, a, level, t))
				return false;
	}
	return true;
}
