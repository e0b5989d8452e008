/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tests break on purpose, to show that judge and invariants find it: hooks around the cores of
 * a virtual run. No program sets them.
 */
#ifndef EK_VIRTUAL_SABOTAGE_H
#define EK_VIRTUAL_SABOTAGE_H

#include "balancer/core/conf.h"
#include "balancer/core/shared.h"
#include "lib/dgram.h"

struct virtual_sabotage {
	void *arg;
	/*
	 * A balancer is about to start with conf, which is its own copy; server[] may be changed
	 * for the time of the run. NULL: left alone.
	 */
	void (*conf)(void *arg, unsigned node, struct bal_conf *conf, struct bal_server *server);
	/* The seed that its cores get. */
	void (*seed)(void *arg, unsigned node, uint8_t seed[32]);
	/*
	 * A datagram that a balancer's core has judged and that is about to be sent. ports: of its
	 * servers, as bal_port counts them.
	 */
	void (*sent)(void *arg, unsigned node, int64_t now_ns, const struct bal_conf *conf,
	             struct bal_shared *shared, struct dgram *d);
	/* A datagram that is about to be given to a balancer's core. */
	void (*received)(void *arg, unsigned node, struct dgram *d);
};

#endif
