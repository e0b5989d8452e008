/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The links between nodes and the wire: what happens to a frame on its way, and when it arrives.
 * One model for both engines. A frame from node A to node B runs through A's link outwards and B's
 * link inwards; each has a delay, a loss and can be cut, each draws from a random stream of its own
 * (seed, DRBG_LINK, 2 * node + way), so a fault on one link doesn't change another's luck. Settings
 * count when a frame enters; a cut inwards counts when it would leave, so that nothing arrives
 * behind a blackhole. A smaller delay lets later frames overtake earlier ones.
 *
 * Frames are the caller's: here they are numbers. Pure: memory from an arena, no clock. Who has a
 * queue of his own, as the virtual engine does, asks links_cross and links_arrive and takes no room
 * for frames here.
 */
#ifndef EK_LINK_H
#define EK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/drbg.h"

enum link_way { LINK_OUT = 0, LINK_IN = 1 }; /* as the node sees it */

struct link_set {
	int64_t delay_ns;   /* >= 0 */
	uint32_t loss_ppm;  /* 0...1,000,000 */
	bool cut;           /* nothing passes */
};

struct link_counts {
	uint64_t passed;    /* frames that weren't lost here */
	uint64_t lost;      /* by loss_ppm */
	uint64_t cut;       /* because the link was cut */
};

enum link_fate {
	LINK_PASSED = 1,    /* under way, or arrived */
	LINK_LOST,          /* as the model wants it */
	LINK_FULL,          /* more frames under way than there is room: the caller's trouble */
};

/* A frame that comes out at its receiver. */
struct link_arrival {
	uint64_t frame;     /* the caller's number */
	int64_t t_ns;       /* when it was due */
	unsigned to;        /* node */
	enum link_fate fate;/* LINK_PASSED or LINK_LOST */
};

struct links;

/* nodes: 1...65536. frames: the most that can be under way at once in its queue; may be 0. */
size_t links_arena_size(unsigned nodes, size_t frames);
/* All links without delay or loss; seed as plan_seed makes it. */
struct links *links_init(struct arena *a, const uint8_t seed[DRBG_SEED], unsigned nodes,
                         size_t frames);
/* Changes how a link treats frames from now on. */
void links_set(struct links *l, unsigned node, enum link_way way, const struct link_set *s);
struct link_set links_get(const struct links *l, unsigned node, enum link_way way);
struct link_counts links_counts(const struct links *l, unsigned node, enum link_way way);

/*
 * The model alone: a frame leaves node from for node to at t_ns. LINK_PASSED: it comes to the end
 * of to's link at *due_ns, where links_arrive says whether it gets through. Else LINK_LOST.
 */
enum link_fate links_cross(struct links *l, int64_t t_ns, unsigned from, unsigned to,
                           int64_t *due_ns);
/* A frame has come to the end of node to's link: LINK_PASSED, or LINK_LOST when it is cut now. */
enum link_fate links_arrive(struct links *l, unsigned to);

/*
 * With a queue: a frame leaves node from for node to at t_ns. frame: below 2^32. LINK_PASSED: it
 * will come out of links_leave. Otherwise it is the caller's again at once. O(log frames).
 */
enum link_fate links_enter(struct links *l, int64_t t_ns, unsigned from, unsigned to,
                           uint32_t frame);
/* The next frame that is due at now_ns, or false. By due time, then in order of entry. */
bool links_leave(struct links *l, int64_t now_ns, struct link_arrival *out);
/* When links_leave next has one; INT64_MAX: nothing is under way. */
int64_t links_deadline(const struct links *l);
/* Frames under way. */
size_t links_pending(const struct links *l);

#endif
