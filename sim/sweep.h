/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What evenkeel seeds and evenkeel search have in common around their runs: which shard, the
 * directory, the progress bar, being stopped, shards' directories read again. A function that
 * returns int gives an exit status, its complaint made, or SWEEP_ON.
 */
#ifndef EK_SWEEP_H
#define EK_SWEEP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "rundir.h"
#include "sim/report/progress.h"
#include "sim/seeds/result.h"

enum { SWEEP_ON = -1 };

/* The number of the signal that asks to stop; 0: none yet. For whoever runs. */
extern volatile sig_atomic_t sweep_stop;
/* From now on SIGINT and SIGTERM set it. */
void sweep_listen(void);

/* Whether p can run in virtual time; path: how the user called it. */
int sweep_refuses(const struct plan *p, const char *path);
/*
 * Which shard of range: given, --shard's value, or what a scheduler's variables say where it is
 * NULL; told on stderr. all, unit: for the complaint about an empty one, "seeds 1..9", "seeds".
 */
int sweep_shard(const char *given, const struct seeds_range *range, const char *all,
                const char *unit, struct seeds_shard *part);
/* Makes the directory for r: out, or usual and the shard where that is NULL. Free for r's files. */
int sweep_prepare(const struct seeds_result *r, const char *out, const char *usual,
                  char dir[RUNDIR_PATH]);
/* Reads n directories, all of evenkeel search or all of seeds, and puts them together into all. */
int sweep_merge(char **dir, unsigned n, bool search, struct seeds_result *all);

/* How many runs go at once: jobs, 0: one for each processor; no more than there are runs. */
unsigned sweep_jobs(uint64_t jobs, const struct seeds_result *r);

/* The bar over r's runs, and what is told after them. */
struct sweep_bar {
	struct progress bar;
	uint64_t runs;
	int64_t start_ns;
};

void sweep_begin(struct sweep_bar *b, const char *name, const struct seeds_result *r);
/* seeds_pool's progress; arg: the bar. */
void sweep_progress(void *arg, uint64_t done, uint64_t not_pass);
/* err, error: as the pool left them; jobs: so many went at once. */
int sweep_end(struct sweep_bar *b, int err, const char *error, unsigned jobs);

#endif
