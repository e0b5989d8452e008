/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes the runs of a sweep, each in one of several worker processes. A worker takes one seed after
 * the other; which worker makes which run doesn't matter, so neither does how many there are. One
 * that dies loses its run, which becomes an INVALID row, and is replaced. All of them die with this
 * process, whatever ends it.
 */
#ifndef EK_SEEDS_POOL_H
#define EK_SEEDS_POOL_H

#include <signal.h>

#include "result.h"
#include "sim/virtual/virtual.h"

enum { SEEDS_JOBS_MAX = 1024 };

/* virtual_run, or what a test has in its place. */
typedef json_t *seeds_run_fn(const struct plan *p, const struct virtual_options *o,
                             char error[VIRTUAL_ERROR_TEXT]);

struct seeds_pool_options {
	const struct plan *plan;    /* its seed doesn't matter */
	seeds_run_fn *run;
	unsigned jobs;              /* workers, 1...SEEDS_JOBS_MAX */
	volatile sig_atomic_t *stop;/* not 0: end early */
	/* Called after every run and a few times a second; may be NULL. not_pass: of done. */
	void (*progress)(void *arg, uint64_t done, uint64_t not_pass);
	void *progress_arg;
	bool invariants;            /* check them in every run */
	const struct virtual_sabotage *sabotage; /* NULL but in tests */
	/*
	 * make: what runs in the place of plan, whose seed is the run's; a plan of the caller's own
	 * that is given to unmake after the run. row: what is kept of its document. All may be
	 * NULL: the plan itself, and seeds_row.
	 */
	struct plan *(*make)(void *arg, const struct plan *plan);
	void (*unmake)(struct plan *take_p);
	json_t *(*row)(const struct plan *made, const json_t *doc);
	void *make_arg;
};

/*
 * Fills in every row of r. 0; -EINTR when stop was set; -EINVAL with one line in error when a run
 * can't be made. SIGPIPE needn't be ignored.
 */
int seeds_pool(struct seeds_result *r, const struct seeds_pool_options *o,
               char error[SEEDS_ERROR]) MUST_CHECK;
/* The same in this process, one after the other: a crash ends it. jobs doesn't count. */
int seeds_here(struct seeds_result *r, const struct seeds_pool_options *o,
               char error[SEEDS_ERROR]) MUST_CHECK;

#endif
