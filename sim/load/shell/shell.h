/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clients' shell: sockets, TCP connections and clock around the load core. Runs in the client
 * node's own process and namespace, in one thread, until every query is settled.
 */
#ifndef EK_LOAD_SHELL_H
#define EK_LOAD_SHELL_H

#include <stdatomic.h>

#include "lib/hist.h"
#include "sim/load/core/load.h"

/* In memory that the node shares with the engine; the engine reads it as the run goes. */
struct load_result {
	_Atomic uint64_t sent;         /* for the progress bar, now and then */
	_Atomic uint64_t answered;
	_Atomic int done;              /* 1: all fields below are final */
	struct load_counts counts;
	uint64_t unsent;               /* due queries that couldn't be sent */
	struct hist late_ns;           /* send call returned - planned time, of every query */
	int64_t loop_gap_max_ns;       /* longest time between two looks at the clock while busy */
	int64_t cpu_us;                /* of the whole process */
	int error;                     /* -errno that ended it early, or 0 */
};

/*
 * Sends plan->load[load]. t0_ns: CLOCK_MONOTONIC of t = 0, in the near future. The clients'
 * addresses are on the interface already. Blocks until done. Returns 0 or -errno, also in
 * result->error.
 */
int load_shell_run(const struct plan *p, unsigned load, int64_t t0_ns, struct load_result *result);

#endif
