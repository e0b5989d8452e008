/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exact statistics of counts: binomial and Poisson tails, Clopper-Pearson intervals, sample sizes
 * of equivalence tests, runs tests, and an e-process that may be looked at after every draw. Pure
 * and made of lib/fmath alone, so the same counts give the same bits everywhere. Tails are sums of
 * point probabilities from the value outwards: no normal approximation anywhere. Probabilities
 * that are arguments lie in (0, 1) unless said otherwise; "level" is a probability of error.
 */
#ifndef EK_STATS_H
#define EK_STATS_H

#include <stdbool.h>
#include <stdint.h>

/* ---- binomial: k successes of n draws with probability p; p may be 0 or 1 ---- */

/* ln P(X = k); -infinity where that is impossible. O(1). */
double stat_binom_log_pmf(uint64_t k, uint64_t n, double p);
/* P(X <= k), and P(X >= k); k above n is all, or nothing. O(sqrt(n)). */
double stat_binom_lower(uint64_t k, uint64_t n, double p);
double stat_binom_upper(uint64_t k, uint64_t n, double p);

/* A closed range of counts. Empty when lo > hi. */
struct stat_range {
	uint64_t lo, hi;
};

/* The counts that a two-sided test at level accepts: each tail outside has at most level / 2. */
struct stat_range stat_binom_accept(uint64_t n, double p, double level);
/* Probability that a test of p0 at level (two-sided) refuses draws made with p1. */
double stat_binom_power(uint64_t n, double p0, double p1, double level);
/* Least n from which on (over the next 64 n) that power is at least power. 0: above n_max. */
uint64_t stat_binom_power_n(double p0, double p1, double level, double power, uint64_t n_max);

/* A closed interval of a probability. */
struct stat_interval {
	double lo, hi;
};

/* Clopper-Pearson: each end errs with probability at most tail. n = 0 gives 0...1. */
struct stat_interval stat_clopper_pearson(uint64_t k, uint64_t n, double tail);

/* ---- equivalence: p within catch of what it should be, two one-sided tests at level miss ---- */

/*
 * Counts that pass, which is when the Clopper-Pearson interval with tails of miss lies inside
 * p - catch ... p + catch. Ends of it outside of (0, 1) can't be missed.
 */
struct stat_range stat_equiv_pass(uint64_t n, double p, double catch, double miss);
/* Probability that a system with exactly p passes. */
double stat_equiv_power(uint64_t n, double p, double catch, double miss);
/*
 * Least n from which on (over the next 64 n) a right system passes with probability at least
 * 1 - flake. 0: above n_max.
 */
uint64_t stat_equiv_n(double p, double catch, double miss, double flake, uint64_t n_max);

/* ---- Poisson ---- */

/* P(X <= k) and P(X >= k) for a mean of at least 0. */
double stat_poisson_lower(uint64_t k, double mean);
double stat_poisson_upper(uint64_t k, double mean);
/* Least k with P(X > k) <= level: a right system exceeds it with at most that probability. */
uint64_t stat_poisson_most(double mean, double level);
/* Greatest k with P(X < k) <= level. */
uint64_t stat_poisson_least(double mean, double level);

/* ---- order of draws ---- */

/*
 * Wald and Wolfowitz's runs test, exact and conditional on a and b, the counts of the two kinds:
 * P(runs <= r) and P(runs >= r) when every order is equally likely. O(sqrt(min(a, b))).
 */
double stat_runs_lower(uint64_t r, uint64_t a, uint64_t b);
double stat_runs_upper(uint64_t r, uint64_t a, uint64_t b);

/*
 * Order statistics: the ranks (from 1) of n sorted values between which the quantile q lies, each
 * end erring with at most level / 2. lo 0: below every value; hi n + 1: above every value.
 */
struct stat_range stat_quantile_ranks(uint64_t n, double q, double level);

/* ---- e-process ---- */

/*
 * Evidence against "each draw falls on kind i with probability p[i]", as a Dirichlet mixture
 * (Lindon and Malek, NeurIPS 2022, arXiv 2011.03567): a right system ever crosses E = 1 / level
 * with probability at most level, however often one looks. E is the product of one ratio a draw;
 * the caller keeps the counts, a set of them for each eligible set, whose p may differ, and one E
 * over all. The product is kept as it is, and a logarithm taken only when it gets out of hand.
 */
enum { STAT_E_PRIOR = 40 }; /* the mixture's weight, in draws */

struct stat_e {
	double log_base, log_most;     /* of what was taken out of the product; greatest before */
	double product, product_most;  /* since then */
};

/*
 * By how much E grows with a draw of a kind of probability p, above 0, that came up count times
 * among total before.
 */
static inline double stat_e_ratio(double p, uint64_t count, uint64_t total)
{
	return (STAT_E_PRIOR * p + (double)count) / ((STAT_E_PRIOR + (double)total) * p);
}

void stat_e_init(struct stat_e *e); /* E = 1 */
/* Moves the product into log_base. */
void stat_e_fold(struct stat_e *e);

/* One draw's ratio. O(1). */
static inline void stat_e_take(struct stat_e *e, double ratio)
{
	e->product *= ratio;
	if (e->product > e->product_most)
		e->product_most = e->product;
	if (!(e->product > 0x1p-400 && e->product < 0x1p400))
		stat_e_fold(e);
}

double stat_e_log(const struct stat_e *e);      /* ln E now */
double stat_e_log_most(const struct stat_e *e); /* the greatest it ever was, at least 0 */
/* ln(1 / level): the alarm rings at ln E of this or more. */
double stat_e_alarm(double level);
/* E is 1 / level or more now. */
bool stat_e_rings(const struct stat_e *e, double level);

#endif
