/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The links between nodes and the wire: what happens to a frame on its way, and when it arrives.
 * One model for both engines. A frame from node A to node B runs through A's link outwards and B's
 * link inwards; each has a delay, a loss and can be cut, each draws from a random stream of its own
 * (seed, DRBG_LINK, 2 * node + way), so a fault on one link doesn't change another's luck. Settings
 * count when a frame enters; a cut inwards counts when it would leave, so that nothing arrives
 * behind a blackhole. A smaller delay lets later frames overtake earlier ones.
 *
 * Jitter adds a uniform part to the delay and keeps the order of frames between two nodes; a link
 * that reorders holds some frames back for a stated time, and others overtake these. A duplicated
 * frame comes twice, never more often: both links draw, of what both let pass. A rate is a queue of
 * so many bytes: frames go into the queues of both links when they set out and are on their way
 * when they are through both, so delays lie behind the queues; what finds no room is dropped. Each
 * of these draws from a stream of its own as well, so one fault doesn't change another's luck.
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
	int64_t jitter_ns;  /* >= 0: uniform in 0...jitter_ns on top of the delay */
	uint32_t duplicate_ppm; /* frames that come twice */
	uint32_t reorder_ppm;   /* frames that are held back for reorder_ns */
	int64_t reorder_ns; /* >= 0 */
	uint64_t rate_bps;  /* bits per second; 0: no limit */
	uint32_t queue_bytes; /* with a rate: what fits, the frame being sent included */
};

struct link_counts {
	uint64_t passed;    /* frames that weren't lost here */
	uint64_t lost;      /* by loss_ppm */
	uint64_t cut;       /* because the link was cut */
	uint64_t jittered;  /* got more than the delay; copies count, here and below */
	uint64_t doubled;   /* came twice by this link's draw */
	uint64_t reordered; /* were held back */
	uint64_t full;      /* found no room in the link's queue */
};

enum link_fate {
	LINK_PASSED = 1,    /* under way, or arrived */
	LINK_LOST,          /* as the model wants it */
	LINK_FULL,          /* more frames under way than there is room: the caller's trouble */
	LINK_DOUBLED,       /* under way, and a copy of it */
};

/* A frame that comes out at its receiver. */
struct link_arrival {
	uint64_t frame;     /* the caller's number */
	int64_t t_ns;       /* when it was due */
	unsigned to;        /* node */
	enum link_fate fate;/* LINK_PASSED or LINK_LOST */
};

struct links;

/* nodes: 1...1024. frames: the most that can be under way at once in its queue; may be 0. */
size_t links_arena_size(unsigned nodes, size_t frames);
/* All links without delay or loss; seed as plan_seed makes it. */
struct links *links_init(struct arena *a, const uint8_t seed[DRBG_SEED], unsigned nodes,
                         size_t frames);
/* Changes how a link treats frames from now on. */
void links_set(struct links *l, unsigned node, enum link_way way, const struct link_set *s);
struct link_set links_get(const struct links *l, unsigned node, enum link_way way);
struct link_counts links_counts(const struct links *l, unsigned node, enum link_way way);

/*
 * The model alone: a frame of len bytes leaves node from for node to at t_ns. LINK_PASSED: it comes
 * to the end of to's link at due_ns[0], where links_arrive says whether it gets through.
 * LINK_DOUBLED: so does a copy at due_ns[1], by itself. Else LINK_LOST. O(1).
 */
enum link_fate links_cross(struct links *l, int64_t t_ns, unsigned from, unsigned to, size_t len,
                           int64_t due_ns[2]);
/* A frame has come to the end of node to's link: LINK_PASSED, or LINK_LOST when it is cut now. */
enum link_fate links_arrive(struct links *l, unsigned to);

/*
 * With a queue: a frame of len bytes leaves node from for node to at t_ns. frame: below 2^32.
 * LINK_PASSED: it will come out of links_leave; LINK_DOUBLED: it will twice. Otherwise it is the
 * caller's again at once. O(log frames).
 */
enum link_fate links_enter(struct links *l, int64_t t_ns, unsigned from, unsigned to, size_t len,
                           uint32_t frame);
/* The next frame that is due at now_ns, or false. By due time, then in order of entry. */
bool links_leave(struct links *l, int64_t now_ns, struct link_arrival *out);
/* When links_leave next has one; INT64_MAX: nothing is under way. */
int64_t links_deadline(const struct links *l);
/* Frames under way. */
size_t links_pending(const struct links *l);

#endif
