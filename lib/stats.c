/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Point probabilities by Loader's saddle-point form, which keeps its relative precision for any n;
 * tails by summing ratios outwards from the given value until a term no longer counts; quantiles
 * and interval ends by bisection on exact tails. See stats.h.
 */
#include "stats.h"

#include "fmath.h"
#include "must.h"

static const double LN_2PI = 1.83787706640934548356;
static const double NEGLIGIBLE = 1e-18;

/* ln(n!) minus Stirling's main term: the part of it that cancels badly otherwise. */
static double stirling_error(double n)
{
	double z = 1 / (n * n);

	if (n < 16)
		return fm_lgamma(n + 1) - (n + 0.5) * fm_log(n) + n - LN_2PI / 2;
	return (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z / 1680))) / n;
}

/* x ln(x / m) + m - x, exact also where x is close to m. */
static double deviance(double x, double m)
{
	double v = (x - m) / (x + m), s, term;

	if (v > 0.1 || v < -0.1)
		return x * fm_log(x / m) + m - x;
	s = (x - m) * v;
	term = 2 * x * v;
	for (int k = 3; k < 40; k += 2) {
		term *= v * v;
		s += term / k;
	}
	return s;
}

double stat_binom_log_pmf(uint64_t k, uint64_t n, double p)
{
	double x = (double)k, m = (double)n, rest = (double)(n - k);

	if (k > n || (p <= 0 && k > 0) || (p >= 1 && k < n))
		return -__builtin_inf();
	if (p <= 0 || p >= 1)
		return 0;
	if (k == 0)
		return m * fm_log1p(-p);
	if (k == n)
		return m * fm_log(p);
	return stirling_error(m) - stirling_error(x) - stirling_error(rest) -
	       deviance(x, m * p) - deviance(rest, m * (1 - p)) +
	       (fm_log(m / x) - fm_log(rest) - LN_2PI) / 2;
}

/* Sum of P(X = i) for i = k, k - 1...; right where k is below the mode. */
static double sum_down(uint64_t k, uint64_t n, double p)
{
	double first = fm_exp(stat_binom_log_pmf(k, n, p)), term = 1, sum = 1;

	for (uint64_t i = k; i > 0 && term > sum * NEGLIGIBLE; i--) {
		term *= (double)i / (double)(n - i + 1) * ((1 - p) / p);
		sum += term;
	}
	return first * sum;
}

/* Sum of P(X = i) for i = k, k + 1...; right where k is above the mode. */
static double sum_up(uint64_t k, uint64_t n, double p)
{
	double first = fm_exp(stat_binom_log_pmf(k, n, p)), term = 1, sum = 1;

	for (uint64_t i = k; i < n && term > sum * NEGLIGIBLE; i++) {
		term *= (double)(n - i) / (double)(i + 1) * (p / (1 - p));
		sum += term;
	}
	return first * sum;
}

static double at_most_one(double x)
{
	return x < 1 ? x : 1;
}

double stat_binom_lower(uint64_t k, uint64_t n, double p)
{
	if (k >= n || p <= 0)
		return 1;
	if (p >= 1)
		return 0;
	if ((double)k < (double)n * p)
		return at_most_one(sum_down(k, n, p));
	return 1 - at_most_one(sum_up(k + 1, n, p));
}

double stat_binom_upper(uint64_t k, uint64_t n, double p)
{
	if (k == 0)
		return 1;
	if (k > n || p <= 0)
		return 0;
	if (p >= 1)
		return 1;
	if ((double)k > (double)n * p)
		return at_most_one(sum_up(k, n, p));
	return 1 - at_most_one(sum_down(k - 1, n, p));
}

/* Whether k lies beyond the tail's end: P(X >= k) <= tail, or P(X <= k) > tail. */
static bool beyond(uint64_t k, uint64_t n, double p, double tail, bool upper)
{
	return upper ? stat_binom_upper(k, n, p) <= tail : stat_binom_lower(k, n, p) > tail;
}

/* About where that is. Only a place to begin at: the ends are exact. */
static uint64_t guess(uint64_t n, double p, double tail, bool upper)
{
	double off = -2 * fm_log(tail) * (double)n * p * (1 - p), k = (double)n * p;

	off = off > 1 ? __builtin_sqrt(off) * 0.93 : 1;
	k = upper ? k + off : k - off;
	return k > (double)n ? n : k > 0 ? (uint64_t)k : 0;
}

/* Least k in 0...n that is beyond; n + 1 when there is none. By bisection, from a guess on. */
static uint64_t tail_end(uint64_t n, double p, double tail, bool upper)
{
	uint64_t lo = 0, hi = n + 1, at = guess(n, p, tail, upper), step = 4;

	while (lo < hi) {
		bool below = beyond(at, n, p, tail, upper);
		*(below ? &hi : &lo) = below ? at : at + 1;
		uint64_t mid = lo + (hi - lo) / 2, next = below ? at - step : at + step;
		at = step < at && (below ? next > mid : next < mid) ? next : mid;
		step *= 4;
	}
	return lo;
}

static uint64_t least_upper(uint64_t n, double p, double tail)
{
	return tail_end(n, p, tail, true);
}

/* Number of k in 0, 1... with P(X <= k) <= tail: the greatest such k plus 1. */
static uint64_t count_lower(uint64_t n, double p, double tail)
{
	return tail_end(n, p, tail, false);
}

struct stat_range stat_binom_accept(uint64_t n, double p, double level)
{
	uint64_t above = least_upper(n, p, level / 2);

	return (struct stat_range){ count_lower(n, p, level / 2), above > 0 ? above - 1 : 0 };
}

double stat_binom_power(uint64_t n, double p0, double p1, double level)
{
	struct stat_range r = stat_binom_accept(n, p0, level);
	double low = r.lo > 0 ? stat_binom_lower(r.lo - 1, n, p1) : 0;

	return at_most_one(low + stat_binom_upper(r.hi + 1, n, p1));
}

struct stat_interval stat_clopper_pearson(uint64_t k, uint64_t n, double tail)
{
	struct stat_interval r = { 0, 1 };
	double below = 0, above = 1;

	MUST(k <= n);
	for (int i = 0; k > 0 && i < 64; i++) {
		double mid = (below + above) / 2;
		if (stat_binom_upper(k, n, mid) <= tail)
			below = mid;
		else
			above = mid;
	}
	r.lo = below;
	below = 0, above = 1;
	for (int i = 0; k < n && i < 64; i++) {
		double mid = (below + above) / 2;
		if (stat_binom_lower(k, n, mid) <= tail)
			above = mid;
		else
			below = mid;
	}
	r.hi = above;
	return r;
}

struct stat_range stat_equiv_pass(uint64_t n, double p, double catch, double miss)
{
	struct stat_range r = { 0, n };

	if (p - catch > 0)
		r.lo = least_upper(n, p - catch, miss);
	if (p + catch < 1) {
		uint64_t passing = count_lower(n, p + catch, miss);
		if (passing == 0)
			return (struct stat_range){ 1, 0 };
		r.hi = passing - 1;
	}
	return r;
}

/* P(X outside of r), small without cancelling. */
static double outside(struct stat_range r, uint64_t n, double p)
{
	if (r.lo > r.hi)
		return 1;
	return at_most_one((r.lo > 0 ? stat_binom_lower(r.lo - 1, n, p) : 0) +
	                   stat_binom_upper(r.hi + 1, n, p));
}

double stat_equiv_power(uint64_t n, double p, double catch, double miss)
{
	return 1 - outside(stat_equiv_pass(n, p, catch, miss), n, p);
}

/* What a sample size is searched for: power of a test, or decisiveness of an equivalence test. */
struct size_goal {
	bool equiv;
	double p, other, level, flake; /* other: p1, or catch; level: of the test, or miss */
};

static bool size_enough(const struct size_goal *g, uint64_t n)
{
	if (!g->equiv)
		return 1 - stat_binom_power(n, g->p, g->other, g->level) <= g->flake;
	return outside(stat_equiv_pass(n, g->p, g->other, g->level), n, g->p) <= g->flake;
}

/* Counts are whole, so the power is a saw: least n after which SAW more in a row are enough. */
static uint64_t size_search(const struct size_goal *g, uint64_t n_max)
{
	enum { SAW = 64 };
	uint64_t lo = 1, hi = 1, run = 0;

	while (hi <= n_max && !size_enough(g, hi))
		hi *= 2;
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		if (size_enough(g, mid))
			hi = mid;
		else
			lo = mid + 1;
	}
	for (uint64_t n = lo > 2 * SAW ? lo - 2 * SAW : 1; n <= n_max; n++) {
		run = size_enough(g, n) ? run + 1 : 0;
		if (run == SAW)
			return n - SAW + 1;
	}
	return 0;
}

uint64_t stat_binom_power_n(double p0, double p1, double level, double power, uint64_t n_max)
{
	return size_search(&(struct size_goal){ false, p0, p1, level, 1 - power }, n_max);
}

uint64_t stat_equiv_n(double p, double catch, double miss, double flake, uint64_t n_max)
{
	return size_search(&(struct size_goal){ true, p, catch, miss, flake }, n_max);
}

static double poisson_log_pmf(uint64_t k, double mean)
{
	double x = (double)k;

	if (mean <= 0)
		return k == 0 ? 0 : -__builtin_inf();
	if (k == 0)
		return -mean;
	return -stirling_error(x) - deviance(x, mean) - (LN_2PI + fm_log(x)) / 2;
}

double stat_poisson_upper(uint64_t k, double mean)
{
	double first = fm_exp(poisson_log_pmf(k, mean)), term = 1, sum = 1;

	if (k == 0)
		return 1;
	if ((double)k <= mean)
		return 1 - stat_poisson_lower(k - 1, mean);
	for (uint64_t i = k + 1; term > sum * NEGLIGIBLE; i++) {
		term *= mean / (double)i;
		sum += term;
	}
	return at_most_one(first * sum);
}

double stat_poisson_lower(uint64_t k, double mean)
{
	double first = fm_exp(poisson_log_pmf(k, mean)), term = 1, sum = 1;

	if ((double)k >= mean)
		return 1 - stat_poisson_upper(k + 1, mean);
	for (uint64_t i = k; i > 0 && term > sum * NEGLIGIBLE; i--) {
		term *= (double)i / mean;
		sum += term;
	}
	return at_most_one(first * sum);
}

uint64_t stat_poisson_most(double mean, double level)
{
	uint64_t lo = 0, hi = 1;

	while (stat_poisson_upper(hi + 1, mean) > level)
		hi *= 2;
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		if (stat_poisson_upper(mid + 1, mean) <= level)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

uint64_t stat_poisson_least(double mean, double level)
{
	uint64_t lo = 0, hi = (uint64_t)mean + 1;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo + 1) / 2;
		if (stat_poisson_lower(mid - 1, mean) <= level)
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

/* ln C(n, k). */
static double log_choose(uint64_t n, uint64_t k)
{
	if (k > n)
		return -__builtin_inf();
	return fm_lgamma((double)n + 1) - fm_lgamma((double)k + 1) -
	       fm_lgamma((double)(n - k) + 1);
}

/* P(runs = r), both kinds present. */
static double runs_pmf(uint64_t r, uint64_t a, uint64_t b, double all)
{
	uint64_t k = r / 2;

	if (r < 2)
		return 0;
	if (r % 2 == 0)
		return 2 * fm_exp(log_choose(a - 1, k - 1) + log_choose(b - 1, k - 1) - all);
	return fm_exp(log_choose(a - 1, k) + log_choose(b - 1, k - 1) - all) +
	       fm_exp(log_choose(a - 1, k - 1) + log_choose(b - 1, k) - all);
}

/*
 * Sum of P(runs = i) for i = from, then away from the middle until two in a row no longer count:
 * even and odd numbers of runs have ups and downs of their own.
 */
static double runs_sum(uint64_t from, uint64_t to, uint64_t a, uint64_t b)
{
	double all = log_choose(a + b, a), sum = 0;
	unsigned small = 0;

	for (uint64_t i = from; small < 2; i = from <= to ? i + 1 : i - 1) {
		double term = runs_pmf(i, a, b, all);
		sum += term;
		small = term > sum * NEGLIGIBLE ? 0 : small + 1;
		if (i == to)
			break;
	}
	return at_most_one(sum);
}

static uint64_t runs_max(uint64_t a, uint64_t b)
{
	uint64_t least = a < b ? a : b;

	return 2 * least + (a != b);
}

/* Runs that are to be expected. */
static double runs_mean(uint64_t a, uint64_t b)
{
	return 1 + 2 * (double)a * ((double)b / ((double)a + (double)b));
}

double stat_runs_lower(uint64_t r, uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return r >= (a + b > 0) ? 1 : 0;
	if (r < 2 || r >= runs_max(a, b))
		return r < 2 ? 0 : 1;
	if ((double)r < runs_mean(a, b))
		return runs_sum(r, 2, a, b);
	return 1 - runs_sum(r + 1, runs_max(a, b), a, b);
}

double stat_runs_upper(uint64_t r, uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return r <= (a + b > 0) ? 1 : 0;
	if (r <= 2 || r > runs_max(a, b))
		return r <= 2 ? 1 : 0;
	if ((double)r > runs_mean(a, b))
		return runs_sum(r, runs_max(a, b), a, b);
	return 1 - runs_sum(r - 1, 2, a, b);
}

struct stat_range stat_quantile_ranks(uint64_t n, double q, double level)
{
	struct stat_range r = stat_binom_accept(n, q, level);

	return (struct stat_range){ r.lo, r.hi + 1 };
}

void stat_e_init(struct stat_e *e)
{
	*e = (struct stat_e){ .product = 1, .product_most = 1 };
}

void stat_e_fold(struct stat_e *e)
{
	e->log_most = stat_e_log_most(e);
	e->log_base = stat_e_log(e);
	e->product = 1;
	e->product_most = 0;
}

double stat_e_log(const struct stat_e *e)
{
	return e->log_base + fm_log(e->product);
}

double stat_e_log_most(const struct stat_e *e)
{
	double most = e->product_most > 0 ? e->log_base + fm_log(e->product_most) : 0;

	return most > e->log_most ? most : e->log_most;
}

double stat_e_alarm(double level)
{
	return -fm_log(level);
}

bool stat_e_rings(const struct stat_e *e, double level)
{
	if (e->log_base >= 0 && e->log_base <= 0)
		return e->product * level >= 1;
	return stat_e_log(e) >= stat_e_alarm(level);
}
