/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Are draws that claim to be random independent: within a balancer, where the next choice must not
 * lean on the last one, and between two, which must not draw the same numbers? Both look at draws
 * in the order of the queries at the front. That order doesn't depend on what was drawn, which the
 * order of leaving does where a balancer sends a batch server by server. Between two, the n-th draw
 * of one is laid beside the n-th of the other: the kinds of draws wait until all have come so far.
 */
#include <stdlib.h>
#include <string.h>

#include "even.h"

enum {
	AGREE_STEP = 1024,   /* draws that are compared at once, at least */
	AGREE_MAX = 1 << 20, /* that one may be ahead; then who is behind is no longer waited for */
};

void row_add(struct row *r, uint8_t kind)
{
	uint8_t one = kind == 0;

	if (kind == LEFT_OUT)
		return;
	r->switches += r->n > 0 && one != r->last;
	r->ones += one;
	r->last = one;
	r->n++;
}

void agree_init(struct agree *a, unsigned n)
{
	*a = (struct agree){ .n = n };
	a->kind = zeroed(n, sizeof(*a->kind));
	a->next = zeroed(n, sizeof(*a->next));
	a->cap = zeroed(n, sizeof(*a->cap));
	a->both = zeroed((size_t)n * n, sizeof(*a->both));
	a->same = zeroed((size_t)n * n, sizeof(*a->same));
}

void agree_free(struct agree *a)
{
	for (unsigned i = 0; i < a->n; i++)
		free(a->kind[i]);
	free(a->kind);
	free(a->next);
	free(a->cap);
	free(a->both);
	free(a->same);
}

/* Draws of balancer i that wait from base on. */
static size_t waiting(const struct agree *a, unsigned i)
{
	return a->next[i] > a->base ? (size_t)(a->next[i] - a->base) : 0;
}

static void compare(struct agree *a, unsigned x, unsigned y, size_t n)
{
	const uint8_t *kx = a->kind[x], *ky = a->kind[y];
	uint64_t both = 0, same = 0;

	for (size_t i = 0; i < n; i++) {
		bool counts = kx[i] != LEFT_OUT && ky[i] != LEFT_OUT;
		both += counts;
		same += counts && kx[i] == ky[i];
	}
	a->both[x * a->n + y] += both;
	a->same[x * a->n + y] += same;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Compares the first n draws that wait, as far as they have come, and forgets them. */
static void agree_take(struct agree *a, size_t n)
{
	for (unsigned x = 0; x < a->n; x++)
		for (unsigned y = x + 1; y < a->n; y++)
			compare(a, x, y, least(n, least(waiting(a, x), waiting(a, y))));
	for (unsigned i = 0; i < a->n; i++)
		if (waiting(a, i) > n)
			memmove(a->kind[i], a->kind[i] + n, waiting(a, i) - n);
	a->base += n;
}

/* Draws that all have come to, when it is time to look at them. */
static void agree_look(struct agree *a)
{
	size_t all = SIZE_MAX, most = 0;

	for (unsigned i = 0; i < a->n; i++) {
		size_t n = waiting(a, i);
		all = least(all, n);
		most = n > most ? n : most;
	}
	if (all >= AGREE_STEP && all >= most / 4)
		agree_take(a, all);
	else if (most >= AGREE_MAX)
		agree_take(a, AGREE_MAX / 4);
}

void agree_add(struct agree *a, unsigned balancer, uint8_t kind)
{
	size_t at = waiting(a, balancer);

	if (a->n < 2 || a->next[balancer]++ < a->base)
		return;
	a->kind[balancer] = grow(a->kind[balancer], at, &a->cap[balancer], 1);
	a->kind[balancer][at] = kind;
	if ((at + 1) % AGREE_STEP == 0)
		agree_look(a);
}

/* Changes between consecutive draws; false when a right system hardly ever has so few or many. */
static bool switches_right(const struct pool *o, const struct row *r, double level)
{
	uint64_t zeros = r->n - r->ones;

	if (r->n < 2)
		return true;
	if (o->p[0] > 0.4999999 && o->p[0] < 0.5000001) {
		struct stat_range is = stat_binom_accept(r->n - 1, 0.5, level);
		return r->switches >= is.lo && r->switches <= is.hi;
	}
	return stat_runs_lower(r->switches + 1, r->ones, zeros) > level / 2 &&
	       stat_runs_upper(r->switches + 1, r->ones, zeros) > level / 2;
}

static bool within_right(const struct even *v, const struct pool *o, unsigned b, double level,
                         struct text *t)
{
	const struct row *r = &v->row[b];

	if (switches_right(o, r, level))
		return true;
	text_add(t, "%s doesn't draw at random: in ",
	         node_name(v->j, (int)v->j->balancer[b].node));
	text_count(t, r->n);
	text_add(t, " queries it changed the server ");
	text_count(t, r->switches);
	text_add(t, " times");
	return false;
}

/* Agreements by draw index are Binomial(n, sum of p^2) for balancers that draw on their own. */
static bool between_right(const struct even *v, const struct pool *o, unsigned a, unsigned b,
                          double level, struct text *t)
{
	const struct balancer *x = &v->j->balancer[a], *y = &v->j->balancer[b];
	uint64_t n = v->agree.both[a * v->agree.n + b], same = v->agree.same[a * v->agree.n + b];
	double p = 0;

	for (unsigned k = 0; k < v->kind_n; k++)
		p += o->p[k] * o->p[k];
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

	if (o == NULL || o->n < 2)
		return true;
	agree_take(&v->agree, SIZE_MAX);
	for (unsigned a = 0; a < n; a++) {
		if (!within_right(v, o, a, level, t))
			return false;
		for (unsigned b = 0; b < a; b++)
			if (!between_right(v, o, b, a, level, t))
				return false;
	}
	return true;
}
