/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Judges a capture that no engine made: an operator's, of balancers' servers' side, of servers, or
 * of both sides. The capture is read twice: first for who is who, which file tells best of whom
 * and how clocks differ (core/survey.h), then each packet once (core/ledger.h), into the judge that
 * judges runs, by a plan made of what was named. What a capture can't decide is INCONCLUSIVE, and
 * said. docs/foreign.md has what can be concluded.
 */
#ifndef EK_FOREIGN_FOREIGN_H
#define EK_FOREIGN_FOREIGN_H

#include <jansson.h>

#include "balancer/core/conf.h"
#include "core/backend.h"
#include "core/who.h"

enum {
	FOREIGN_ERROR_TEXT = 1024,
	FOREIGN_RETAINED = 1 << 23, /* seconds of a million queries a second; below 1 GB */
};

/* Where it is taken from which servers are up. */
enum foreign_epochs {
	EPOCHS_AUTO = 0,   /* health checks, of servers that have any in the capture; or traffic */
	EPOCHS_TRAFFIC,
	EPOCHS_NONE,       /* whoever judges says that all were up all the time */
};

struct foreign_options {
	const char *const *path;     /* none of them "-" */
	const char *const *name;     /* what each is called; as many */
	unsigned path_n;
	struct bal_conf conf;        /* policy, servers with names, checks; what else it says */
	bool checks_known;           /* conf's checks are what ran, and not dnsdist's defaults */
	unsigned balancer_n;         /* addresses that are named; 0: whoever asks a server */
	const struct balancer_name *balancer;
	uint32_t catch_ppm;
	double miss, flake;
	int64_t from_ns, to_ns;      /* window, from the capture's first message on */
	int64_t lag_ns;              /* a query leaves a balancer after at most this */
	enum foreign_epochs epochs;
	size_t retained_max;         /* records that the judge may hold; 0: FOREIGN_RETAINED */
	bool progress;               /* on stderr, if that is a terminal */
};

/*
 * The verdict document, a new reference; or NULL with one line in error when there is nothing to
 * judge: a file isn't a capture, or there are too many balancers or servers.
 */
json_t *foreign_judge(const struct foreign_options *o, char error[FOREIGN_ERROR_TEXT]);

#endif
