/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many queries an expectation can count on, and how many it needs: lint refuses a plan that
 * can't decide what it claims, and evenkeel plan prints the figures. Exact, by lib/stats.
 */
#ifndef EK_PLAN_SAMPLES_H
#define EK_PLAN_SAMPLES_H

#include "plan.h"

/*
 * The least number of queries planned in the mean that will be there: the lower quantile of the
 * Poisson count at flake, or the count itself when every load in the window is constant.
 */
uint64_t plan_planned_least(const struct plan *p, int64_t from_ns, int64_t to_ns, double flake);

/*
 * Quantiles of a Poisson count: with probability at most flake it is below the least, or above the
 * most. Exact up to a mean of 10^8, from there on ten standard deviations (more than 1e-15 needs).
 */
uint64_t plan_poisson_least(double mean, double flake);
uint64_t plan_poisson_most(double mean, double flake);
/* The least mean whose least, or which itself when exact, is need. */
double plan_mean_for(uint64_t need, bool exact, double flake);

/*
 * Different names among so many queries planned in the window, in the mean, each balancer's counted
 * apart unless they hash alike. O(names of the loads).
 */
double plan_names(const struct plan *p, int64_t from_ns, int64_t to_ns, double queries);
/* The least number of them at flake, by Chernoff's bound. */
uint64_t plan_names_least(double mean, double flake);
/*
 * The probability that a right balancer's draws exceed overshoot's share somewhere, at most: the
 * sum over all windows. 1 where the policy doesn't draw by weight.
 */
double plan_overshoot_chance(const struct plan *p, const struct plan_expect *e);
/* The least share, in steps of a window, that this chance allows at flake; 0: none does. */
double plan_overshoot_least(const struct plan *p, const struct plan_expect *e);
/* Mean of the changes of state that lost checks cause, at most, over all balancers; for flaps. */
double plan_flaps_mean(const struct plan *p, const struct plan_expect *e);

enum { PLAN_HERD_WINDOW = 50 };

/* What an even, or a back to share, has to decide with. */
struct plan_sample {
	double mean;         /* draws that are expected to count: queries; under whashed, names */
	uint64_t least;      /* its lower quantile at flake */
	uint64_t need;       /* exact least n that decides; 0: no n below 4 * 10^9 does */
	double mean_needed;  /* the mean whose lower quantile is need */
	uint32_t p_ppm;      /* smallest share among the servers named */
	bool names;          /* names are what is drawn, not queries */
	int64_t window_ns;   /* time in which draws count */
	bool cached;         /* names that may be in a balancer's packet cache aren't in mean */
};

/*
 * Draws between the named servers while every server of their configuration is up, for even; or
 * from the latest return on, for back to share. e->miss and e->flake are divided by the number of
 * servers when there are more than two (of two, one share tells the other).
 */
void plan_sample(struct plan_sample *s, const struct plan *p, const struct plan_expect *e);

#endif
