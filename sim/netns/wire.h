/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The wire of the netns engine: one process in the namespace where all veths end. It takes frames
 * from a packet ring, routes them by destination address, lets the link model (sim/net/link.h)
 * decide when and whether they arrive, hands them over with the receiver's hardware address, and
 * writes one capture per node. It watches itself: its own added delay, the longest time that
 * something waited for it, drops of any kind.
 *
 * It talks with the lab's first process through shared memory alone: commands in, counters out.
 */
#ifndef EK_WIRE_H
#define EK_WIRE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/hist.h"
#include "sim/net/link.h"
#include "sim/plan/plan.h"

enum wire_state { WIRE_STARTING = 0, WIRE_RUNNING, WIRE_ENDED, WIRE_FAILED };

struct wire_node {
	_Atomic uint64_t took;       /* frames from the node */
	_Atomic uint64_t gave;       /* frames to it */
	uint64_t pcap_records, pcap_bytes;
	struct link_counts link[2];  /* by enum link_way, at the end */
};

/* Shared memory, zeroed; of wire_shared_size(nodes) bytes. Plain fields are final in WIRE_ENDED. */
struct wire_shared {
	_Atomic int state;           /* enum wire_state */
	_Atomic bool stop;           /* set: hand over what is under way, write all, end */
	_Atomic bool watching;       /* note who answered whom (wire_answered) */
	_Atomic int64_t from_ns;     /* frames and gaps of [from_ns, to_ns), CLOCK_MONOTONIC, */
	_Atomic int64_t to_ns;       /* are measured; 0: none yet */
	int error;                   /* WIRE_FAILED: -errno */
	char error_what[96];

	/* One command at a time: fill in, count asked up, ring the bell, wait for the echo. */
	_Atomic uint32_t asked, done;
	unsigned command_node;
	struct link_set command_set[2]; /* by enum link_way */
	int64_t command_ns;          /* out: when it took effect, CLOCK_MONOTONIC */
	struct link_counts command_was[2]; /* out: counts until then */

	_Atomic uint64_t frames;     /* taken */
	_Atomic uint64_t pending;    /* under way */
	uint64_t lost;               /* by the model */
	uint64_t doubled;            /* copies that the model made */
	uint64_t unroutable;         /* to nobody's address, or no IP frame */
	uint64_t ring_drops;         /* PACKET_STATISTICS */
	uint64_t full;               /* no room under way */
	uint64_t send_errors;
	uint64_t oversize;           /* longer than a slot of the ring */
	struct hist delay_ns;        /* handed over - due */
	int64_t loop_gap_max_ns;
	int64_t cpu_us;
	unsigned nodes;
	struct wire_node node[];     /* then nodes * nodes bytes: who answered whom */
};

struct wire_options {
	const struct plan *plan;
	const char *dir;             /* for NODE.pcap; NULL: no captures */
	int bell;                    /* eventfd: look at shared memory */
	int echo;                    /* eventfd: counted up when it runs, fails, has obeyed */
};

size_t wire_shared_size(unsigned nodes);
/* True when a DNS answer from node from has been on its way to node to while watching. */
bool wire_answered(const struct wire_shared *s, unsigned from, unsigned to);
/*
 * Runs in a process of its own, in the wire's namespace, until s->stop. Returns 0 or -errno, which
 * is in *s too.
 */
int wire_run(const struct wire_options *o, struct wire_shared *s);

#endif
