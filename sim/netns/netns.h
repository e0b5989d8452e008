/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The netns engine: a plan happens in real time, with real processes in network namespaces. All of
 * the lab is below one process, the first of its own PID namespace, which dies with its parent:
 * nothing is left behind, whatever ends the run. docs/netns.md has the picture.
 */
#ifndef EK_NETNS_H
#define EK_NETNS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/must.h"
#include "sim/plan/plan.h"

enum { NETNS_TEXT = 1024, NETNS_PHASE = 64 };

struct netns_progress {
	int64_t t_ns, end_ns;        /* from t = 0; t_ns < 0: not there yet */
	uint64_t sent, answered;     /* of all loads */
	char phase[NETNS_PHASE];     /* what is being done, or which fault was last */
};

struct netns_options {
	const char *dir;             /* the run directory, which exists */
	const char *balancer;        /* programs, absolute */
	const char *recursor;
	const char *authority;       /* our recursor-stub, for what foreign recursors ask */
	bool pcap;                   /* write NODE.pcap */
	volatile sig_atomic_t *stop; /* set to a signal's number: end early and tidily; or NULL */
	void (*progress)(void *arg, const struct netns_progress *p); /* about 10 times a second */
	void *progress_arg;
};

/*
 * Runs plan p and writes NODE.pcap, NODE.log and events.jsonl into o->dir. Returns 0 when there is
 * something to judge, however badly it went; -EOPNOTSUPP when this machine can't do it, with the
 * setting that stands in the way in error; another -errno when the lab couldn't be made.
 */
int netns_run(const struct plan *p, const struct netns_options *o,
              char error[NETNS_TEXT]) MUST_CHECK;

#endif
