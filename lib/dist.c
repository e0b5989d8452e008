/* SPDX-License-Identifier: BSD-3-Clause */
/* Integer tables of distributions; see dist.h. */
#include "dist.h"

#include <stdbool.h>

#include "fmath.h"
#include "must.h"

/* The standard normal's distribution function, for 0 <= x <= 8, as a series of positive terms. */
static double normal_cdf(double x)
{
	double term = x, sum = x;

	for (int i = 1; i < 300 && term > sum * 1e-18; i++) {
		term *= x * x / (2 * i + 1);
		sum += term;
	}
	return 0.5 + sum * fm_exp(-x * x / 2) * 0.39894228040143267794;
}

/*
 * The standard normal's quantile for 0 < p < 1. The function is concave above its median, so
 * Newton's method from 0 climbs to the root without passing it.
 */
static double normal_quantile(double p)
{
	double x = 0;

	if (p < 0.5)
		return -normal_quantile(1 - p);
	for (int i = 0; i < 40 && x < 8; i++) {
		double step = (p - normal_cdf(x)) / (fm_exp(-x * x / 2) * 0.39894228040143267794);
		x += step;
		if (step < 1e-13)
			break;
	}
	return x;
}

static double quantile_ns(const struct dist_spec *s, double p)
{
	double a = (double)s->a_ns, b = (double)s->b_ns;

	if (p <= 0)
		return 0;
	if (s->kind == DIST_EXPONENTIAL)
		return -a * fm_log1p(-p);
	return fm_exp(fm_log(a) + (fm_log(b) - fm_log(a)) * normal_quantile(p));
}

static bool wants_table(const struct dist_spec *s)
{
	return (s->kind == DIST_EXPONENTIAL || s->kind == DIST_LOGNORMAL) && s->a_ns > 0;
}

size_t dist_arena_size(const struct dist_spec *spec)
{
	return wants_table(spec) ? 2 * arena_need(DIST_STEPS + 1, sizeof(int64_t)) : 0;
}

static void fill(int64_t *to, const struct dist_spec *s, double from, double width)
{
	for (int i = 0; i <= DIST_STEPS; i++) {
		double p = from + width * i / DIST_STEPS;
		double last = from + width * (i - 0.5) / DIST_STEPS;
		to[i] = (int64_t)quantile_ns(s, p < 1 ? p : last);
	}
}

void dist_init(struct dist *d, const struct dist_spec *spec, struct arena *a)
{
	*d = (struct dist){ .spec = *spec };
	MUST(spec->a_ns >= 0);
	MUST(spec->kind != DIST_UNIFORM || spec->b_ns >= spec->a_ns);
	MUST(spec->kind != DIST_LOGNORMAL || (spec->a_ns > 0 && spec->b_ns > spec->a_ns));
	if (!wants_table(spec))
		return;
	d->body = arena_take(a, DIST_STEPS + 1, sizeof(int64_t));
	d->tail = arena_take(a, DIST_STEPS + 1, sizeof(int64_t));
	fill(d->body, spec, 0, 1);
	fill(d->tail, spec, 1 - 1.0 / DIST_STEPS, 1.0 / DIST_STEPS);
}

/* Linear between t[i] and t[i + 1] at frac / 2^20. */
static int64_t between(const int64_t *t, uint32_t i, uint32_t frac)
{
	return t[i] + (int64_t)((uint64_t)(t[i + 1] - t[i]) / 1048576 * frac +
	       (uint64_t)(t[i + 1] - t[i]) % 1048576 * frac / 1048576);
}

int64_t dist_draw(const struct dist *d, struct drbg *r)
{
	if (d->spec.kind == DIST_UNIFORM)
		return d->spec.a_ns +
		       (int64_t)drbg_below(r, (uint64_t)(d->spec.b_ns - d->spec.a_ns) + 1);
	if (d->body == NULL)
		return d->spec.a_ns;
	uint32_t v = drbg_u32(r), step = v >> 20;
	if (step < DIST_STEPS - 1)
		return between(d->body, step, v & 0xfffff);
	v = drbg_u32(r);
	return between(d->tail, v >> 20, v & 0xfffff);
}

size_t zipf_arena_size(uint32_t n)
{
	return 2 * arena_need(n, sizeof(uint32_t)) + arena_need(n, sizeof(double));
}

static double zipf_weights(double *w, uint32_t n, uint32_t s_milli)
{
	double sum = 0;

	for (uint32_t k = 0; k < n; k++) {
		w[k] = fm_exp(-(s_milli / 1000.0) * fm_log(k + 1.0));
		sum += w[k];
	}
	return sum;
}

/* Column k keeps its own weight and is filled up to the mean by rank from. */
static void top_up(struct zipf *z, double *w, double mean, uint32_t k, uint32_t from)
{
	z->accept[k] = (uint32_t)(w[k] / mean * 4294967295.0);
	z->alias[k] = from;
	w[from] -= mean - w[k];
}

/*
 * The alias method. Weights fall with rank, so the ranks above the mean are a prefix, which gives
 * to the others in turn; one that has given too much is topped up by its neighbour.
 */
static void zipf_fill(struct zipf *z, double *w, double mean)
{
	uint32_t give = 0, first_small = 0;

	while (first_small < z->n && w[first_small] >= mean)
		first_small++;
	for (uint32_t k = first_small; k < z->n; k++) {
		top_up(z, w, mean, k, give);
		for (; give + 1 < first_small && w[give] < mean; give++)
			top_up(z, w, mean, give, give + 1);
	}
}

void zipf_init(struct zipf *z, uint32_t n, uint32_t s_milli, struct arena *a)
{
	MUST(n >= 1 && n <= 10000000 && s_milli <= 10000);
	z->n = n;
	z->accept = arena_take(a, n, sizeof(*z->accept));
	z->alias = arena_take(a, n, sizeof(*z->alias));
	double *w = arena_take(a, n, sizeof(*w));
	double mean = zipf_weights(w, n, s_milli) / n;
	for (uint32_t k = 0; k < n; k++) {
		z->accept[k] = UINT32_MAX;
		z->alias[k] = k;
	}
	zipf_fill(z, w, mean);
}

uint32_t zipf_draw(const struct zipf *z, struct drbg *r)
{
	uint32_t k = (uint32_t)drbg_below(r, z->n);

	return drbg_u32(r) <= z->accept[k] ? k : z->alias[k];
}
