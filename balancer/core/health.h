/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health checking, a core of its own (lib/dgram.h's three functions). Each server has its own exact
 * timer: a probe every interval, never later because another server is dead; phases are spread over
 * the first interval from the seed. A probe that got no good answer by its timeout is a failure;
 * max_failures in a row take a server down, rise in a row bring it back. The first probe's result
 * is taken as it is.
 *
 * Logical port 1 + i is server i. The shell opens a fresh source port for each probe and closes it
 * when the probe is over; .conn carries the number of the probe from x_poll's output, and the
 * shell must set it again on the answer, so that an answer counts only on its probe's own socket.
 */
#ifndef EK_BALANCER_HEALTH_H
#define EK_BALANCER_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "conf.h"
#include "lib/dgram.h"
#include "shared.h"

struct health;

enum health_verdict {
	HEALTH_PROBE = 1,   /* from poll: send it to peer from a fresh port */
	HEALTH_GOOD,        /* from rx: the answer that was asked for */
	HEALTH_BAD,         /* from rx: an answer that counts as a failure (SERVFAIL, ...) */
	HEALTH_IGNORED,     /* from rx: matches no probe */
};

/* A change of state, for the log and the counters: pulled, never pushed. */
struct health_change {
	int64_t t_ns;
	unsigned server;
	bool up;
	bool initial;       /* the first result, also told when it changes nothing */
};

size_t health_arena_size(const struct bal_conf *conf);
/* conf and shared are borrowed for the core's life. Servers in auto mode start as not yet known:
 * down in shared until their first result. now_ns: the time that probing starts. */
struct health *health_init(struct arena *a, const struct bal_conf *conf, struct bal_shared *shared,
                           const uint8_t seed[32], int64_t now_ns);
void health_rx(struct health *h, int64_t now_ns, struct dgram *d, unsigned n);
/* A probe that couldn't be sent, or was refused (ICMP): it fails now instead of at its timeout. */
void health_refused(struct health *h, int64_t now_ns, unsigned server, uint32_t conn);
unsigned health_poll(struct health *h, int64_t now_ns, struct dgram *d, unsigned max);
int64_t health_deadline(const struct health *h);
/* The next change not yet told. False when there is none. */
bool health_next_change(struct health *h, struct health_change *c);
/* True once every server in auto mode has had its first result. */
bool health_ready(const struct health *h);
/* The number of the probe that server is waiting for, 0: none; other probes' sockets may close. */
uint32_t health_probe(const struct health *h, unsigned server);
/* Asserts the invariants. */
void health_check(const struct health *h);

#endif
