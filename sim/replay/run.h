/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sends a trace to a server: sockets and clock around the core (sim/replay/core/replay.h).
 *
 * By the capture's times each query has a wake-up of its own, a little early; the rest of the time
 * is spent looking at the clock, as far as pace.h allows. A second thread on another processor
 * sends what is overdue. Answers are looked at when there is time; the kernel says when they came.
 * As fast as may be, queries go out in batches while others are waited for.
 */
#ifndef EK_REPLAY_RUN_H
#define EK_REPLAY_RUN_H

#include <signal.h>

#include "sim/replay/core/replay.h"

struct replay_task {
	struct replay_options core;
	struct ep to;
	const volatile sig_atomic_t *stop;  /* not 0: no more, and don't wait */
	/* Called now and then, when there is time; NULL: not. */
	void (*progress)(void *arg, const struct replay_counts *c);
	void *arg;
};

struct replay_result {
	struct replay_counts counts;
	struct hist latency_ns;    /* time to answers */
	struct hist late_ns;       /* call returned - when it was due; see late_n in run.c */
	int64_t took_ns;           /* from the first query's time to the last thing done */
	int64_t sending_ns;        /* to the last query */
	int64_t cpu_ns;            /* of the process meanwhile */
	uint64_t refused;          /* ICMP errors that sockets reported */
	uint64_t spared;           /* queries that the second thread sent */
	uint64_t waited;           /* over TCP, for their connection: late_ns hasn't got them */
	bool stopped;
};

/* Blocks until done or stopped. Returns 0, or -errno when it couldn't begin. */
int replay_run(struct replay_result *out, const struct replay_task *task) MUST_CHECK;

#endif
