/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The virtual engine: a plan happens in virtual time, in this process, without any privilege. The
 * same balancer, health, recursor and load cores as in the programs, the same link model as on the
 * wire, one event queue; processes, hosts and their kernels are models (model.h). The judge eats
 * the links' taps as they come, frames are built only where a capture is written. The same plan
 * gives the same bytes, on every machine.
 *
 * For our own programs only: a plan that names foreign ones is refused.
 */
#ifndef EK_VIRTUAL_H
#define EK_VIRTUAL_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/plan/plan.h"

enum { VIRTUAL_ERROR_TEXT = 1024 };

/* How far a run is, for whoever waits. */
struct virtual_progress {
	int64_t t_ns;               /* from t = 0 */
	int64_t end_ns;             /* of the plan */
	uint64_t sent, answered;    /* clients' queries so far */
};

struct virtual_sabotage;            /* sabotage.h: what tests break on purpose */

/* Whether programs switch the invariants on: in builds that check themselves. */
#ifdef EK_DEBUG
#define VIRTUAL_INVARIANTS true
#else
#define VIRTUAL_INVARIANTS false
#endif

struct virtual_options {
	const char *dir;            /* for events.jsonl and NODE.pcap; NULL: no file is written */
	bool pcap;                  /* with dir: captures too */
	bool invariants;            /* check cores and engine after every event: slow */
	volatile sig_atomic_t *stop;/* not 0: end early, the verdict is INVALID; may be NULL */
	/* Called now and then, about every 100,000 events; may be NULL. */
	void (*progress)(void *arg, const struct virtual_progress *p);
	void *progress_arg;
	const struct virtual_sabotage *sabotage; /* NULL but in tests */
};

/*
 * Makes p happen and judges it. p is borrowed for the call; only its seed differs between two runs
 * of one scenario. Returns the verdict document, a new reference, or NULL with one line in error:
 * what this engine can't do, or a file that can't be written. Several runs at once in one process
 * don't disturb each other.
 */
json_t *virtual_run(const struct plan *p, const struct virtual_options *o,
                    char error[VIRTUAL_ERROR_TEXT]) __attribute__((warn_unused_result));
/* Why this engine can't run p, as a sentence in error; false when it can. */
bool virtual_refuses(const struct plan *p, char error[VIRTUAL_ERROR_TEXT]);

#endif
