/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is broken on purpose, to show that judge and invariants find it: hooks around the cores of a
 * virtual run. defect.h has those that there are; no program but a test-only build's sets them.
 */
#ifndef EK_VIRTUAL_SABOTAGE_H
#define EK_VIRTUAL_SABOTAGE_H

#include "balancer/core/conf.h"
#include "balancer/core/shared.h"
#include "lib/dgram.h"
#include "recursor-stub/core/rec.h"
#include "sim/net/events.h"
#include "sim/plan/plan.h"

/* What becomes of a datagram; all zeros: it is sent. */
struct sabotage_fate {
	bool lost, twice;
	int64_t late_ns;            /* held back for so long */
};

/* Each hook may be NULL. node: index in the plan. */
struct virtual_sabotage {
	void *arg;
	/* The run begins: what it should tell. */
	void (*begin)(void *arg, struct events *e, int64_t now_ns);
	/*
	 * A balancer is about to start with conf, which is its own copy; server[] may be changed
	 * for the time of the run.
	 */
	void (*conf)(void *arg, unsigned node, struct bal_conf *conf, struct bal_server *server);
	/* The seed that its cores get. */
	void (*seed)(void *arg, unsigned node, uint8_t seed[32]);
	/*
	 * A datagram that a balancer's core has judged and that is about to be sent. ports: of its
	 * servers, as bal_port counts them.
	 */
	struct sabotage_fate (*sent)(void *arg, unsigned node, const struct bal_conf *conf,
	                             struct bal_shared *shared, struct dgram *d);
	/* A datagram that is about to be given to a balancer's core. */
	void (*received)(void *arg, unsigned node, struct dgram *d);
	/* The plan that clients get in p's place, valid for the run. */
	const struct plan *(*clients)(void *arg, const struct plan *p);
	/* Whether an answer that a recursor's core made is lost. */
	bool (*answered)(void *arg, unsigned node, const struct dgram *d);
	/* A recursor is about to start. */
	void (*stub)(void *arg, unsigned node, struct rec_conf *conf);
};

#endif
