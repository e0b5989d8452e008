/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a balancer's probes tell of its servers' states (health.c): the configured state machine run
 * twice, once with each doubt decided for the server and once against it, and what follows over
 * time.
 */
#ifndef EK_JUDGE_HEALTH_H
#define EK_JUDGE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEVER INT64_MIN /* a time that hasn't come */

enum server_state { SERVER_DOWN, SERVER_UP, SERVER_UNKNOWN };
/* Edges beside states: a server that is up is asked nothing for too long, or is asked again. */
enum { EDGE_QUIET = 8, EDGE_HEARD };

/* The configured state machine. */
struct machine {
	bool known, up;
	unsigned fails, goods;
};

/* What a probe comes to. */
struct outcome {
	int64_t lo_ns, hi_ns;   /* when the program learns it */
	uint64_t frame;
	int64_t sent_ns;
	uint16_t server;
	bool restart;           /* no probe: the program begins anew */
	bool may_succeed, may_fail;
	uint8_t fails_most;     /* how many failures a program may count for it */
};

/* A server's state from t_ns on. */
struct edge {
	int64_t t_ns;
	uint16_t server;
	uint8_t state;          /* enum server_state, or EDGE_... */
};

struct server {
	struct machine hope, fear;
	enum server_state told;     /* by all outcomes so far */
	int64_t told_ns;            /* from then on */
	enum server_state state;    /* at the time that draws are settled to */
	bool quiet;                 /* foreign: so isn't known to be up */
	int64_t probe_ns;           /* foreign: the last probe that is over; NEVER */
	bool absent, absent_told;   /* foreign: none came where one was due */
};

struct health {
	struct outcome *outcome;    /* by time, not counted yet */
	size_t outcome_n, outcome_cap;
	struct edge *edge;          /* by time, from edge_at on */
	size_t edge_at, edge_n, edge_cap;
	unsigned unknown_n;         /* servers whose state isn't certain */
	uint64_t epoch;             /* grows with each edge */
	int64_t epoch_ns;           /* of the last one */
	int64_t restart_ns;         /* what was sent before doesn't count; NEVER */
};

#endif
