/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health checking, a core of its own (lib/dgram.h's three functions). Each server has its own exact
 * timer: the first probe when probing starts, the second after a part of the interval that the seed
 * draws (so that phases are spread), then one every interval, never later because another server is
 * dead. A probe is a query for the check's name with a random ID, RD, CD if asked for, no EDNS. It
 * succeeds by an answer to its socket and address with its ID and question, rcode neither SERVFAIL
 * nor, with must_resolve, NXDOMAIN or REFUSED; it fails by such an rcode, by a refusal, or at its
 * timeout, counted from when it was sent. max_failures in a row take a server down, rise in a row
 * bring it back; the first result is taken as it is. Where the check says so a probe goes over TCP:
 * then all of it, connecting, sending and reading a framed answer, must be done within the timeout,
 * and a connection that is refused, or ends before an answer, is a failure at once.
 *
 * With lazy checks a server that is up isn't probed while its clients' queries fare well: their
 * results are looked at every look_ns, and once too many failed it is probed as above, until a
 * success says that all is well or max_failures that it is down. Down, it is probed every
 * failed_ns, or with back_off at gaps that double from there, until rise successes in a row; each
 * of them is failed_ns after the one before.
 *
 * A timeout above the interval makes probes overlap: each is waited for to its own end, up to
 * HEALTH_PENDING_MAX of one server, and a success also settles the older ones, whose news it
 * overtook. So, with interval I, timeout T and m = max_failures, a server that dies is down at most
 * m * I + T later, and one that comes back is up at most rise * I + RTT later (T at most
 * 63 * I, and poll called at health_deadline). After a stall longer than an interval, missed
 * probes aren't made up for.
 *
 * Logical port 1 + i is server i. The shell opens a fresh source port for each probe and closes it
 * when the probe is over; .conn carries the number of the probe from x_poll's output, and the
 * shell must set it again on the answer, so that an answer counts only on its probe's own socket.
 * .proto says how a probe goes, and must say how its answer came. Over TCP the shell opens a
 * connection, sends the message with its length in front when that is there, and gives whole
 * messages back without theirs.
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

enum { HEALTH_PENDING_MAX = 64 }; /* probes of one server that are waited for at a time */

enum health_verdict {
	HEALTH_PROBE = 1,   /* from poll: send it to peer from a fresh port */
	HEALTH_GOOD,        /* from rx: the answer that was asked for */
	HEALTH_BAD,         /* from rx: an answer that counts as a failure (SERVFAIL, ...) */
	HEALTH_IGNORED,     /* from rx: matches no probe; nothing has changed */
};

/*
 * A change of state, for the log and the counters: pulled, never pushed. What has changed back
 * before it was pulled isn't told. The balancer cores don't wait for that: they see the state in
 * shared at their next batch.
 */
struct health_change {
	int64_t t_ns;
	unsigned server;
	bool up;
	bool initial;       /* the first result, also told when it changes nothing */
};

/* Bytes that health_init takes from its arena. */
size_t health_arena_size(const struct bal_conf *conf);
/* conf and shared are borrowed for the core's life. Servers in auto mode start as not yet known:
 * down in shared until their first result. now_ns: the time that probing starts. */
struct health *health_init(struct arena *a, const struct bal_conf *conf, struct bal_shared *shared,
                           const uint8_t seed[32], int64_t now_ns);
/*
 * Judges answers: verdict HEALTH_GOOD, _BAD or _IGNORED, nothing else is written. Call it before
 * health_poll: an answer that is there counts, even if a stall has made both late. O(pending).
 */
void health_rx(struct health *h, int64_t now_ns, struct dgram *d, unsigned n);
/*
 * A probe that couldn't be sent, was refused (ICMP, RST), or whose connection ended: it fails now
 * instead of at its timeout.
 */
void health_refused(struct health *h, int64_t now_ns, unsigned server, uint32_t conn);
/*
 * Ends probes whose time is over and writes the probes that are due, each with port, peer, conn,
 * t_ns (when it was due), verdict HEALTH_PROBE. cap of each d at least HEALTH_PROBE_MAX. O(log
 * servers) for each.
 */
enum { HEALTH_PROBE_MAX = DNS_HEADER + DNS_NAME_MAX + 4 };
unsigned health_poll(struct health *h, int64_t now_ns, struct dgram *d, unsigned max);
int64_t health_deadline(const struct health *h);
/*
 * A console's setUp, setDown and setAuto. Up and down: so from now on, without probes; what is
 * pending is forgotten. Auto: probing starts, the first probe at once, and the state is the one
 * that it has until max_failures or rise results say otherwise. Shared and the changes tell of it
 * as of a result. O(timers of all servers).
 */
void health_set_mode(struct health *h, int64_t now_ns, unsigned server, enum bal_check_mode mode);
/* setAuto(up): a server in auto mode counts as up, or down, until results say otherwise. */
void health_set_state(struct health *h, int64_t now_ns, unsigned server, bool up);
/* The next change not yet told. False when there is none. */
bool health_next_change(struct health *h, struct health_change *c);
/* True once every server in auto mode has had its first result. */
bool health_ready(const struct health *h);
/* True while that probe of server is waited for; then its socket stays open. O(pending). */
bool health_waits(const struct health *h, unsigned server, uint32_t conn);
/*
 * The newest probe that server is waiting for, 0: none. Numbers of a server rise. With a timeout of
 * at most the interval there is no other, but for the moment by which a late probe overlaps.
 */
uint32_t health_probe(const struct health *h, unsigned server);
/* Asserts the invariants. O(servers + pending). */
void health_check(const struct health *h);

#endif
