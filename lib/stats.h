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
 * P(runs <= r) and P(runs >= r) when every order is equally likely. O(min(a, b)).
 */
double stat_runs_lower(uint64_t r, uint64_t a, uint64_t b);
double stat_runs_upper(uint64_t r, uint64_t a, uint64_t b);

/*
 * Order statistics: the ranks (from 1) of n sorted values between which the quantile q lies, each
 * end erring with at most level / 2. lo 0: below every value; hi n + 1: above every value.
 */
struct stat_range stat_quantile_ranks(uint64_t n, double q, double level);

/* ---- e-process ---- */

enum { STAT_E_KINDS = 32 }; /* most kinds (servers) that one process tells apart */

/*
 * Evidence against "each draw falls on kind i with probability p[i]", as a Dirichlet mixture
 * (Lindon and Malek, NeurIPS 2022, arXiv 2011.03567): a right system ever crosses E = 1 / level
 * with probability at most level, however often one looks. One e_set for each eligible set, whose
 * p may differ; one log_e over all of them, which the caller keeps and passes.
 */
struct stat_e_set {
	unsigned n;                     /* kinds, 1...STAT_E_KINDS */
	uint64_t total;                 /* draws */
	uint64_t count[STAT_E_KINDS];
	double p[STAT_E_KINDS];         /* add up to 1 */
};

/* p: n probabilities, each above 0, adding up to 1. */
void stat_e_init(struct stat_e_set *e, unsigned n, const double *p);
/* One draw of kind i; returns what is to be added to ln E. O(1). */
double stat_e_draw(struct stat_e_set *e, unsigned i);
/* ln(1 / level): the alarm rings at ln E of this or more. */
double stat_e_alarm(double level);

#endif
