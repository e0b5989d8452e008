/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lab's ground: a network namespace for each node, a veth pair from it to the wire's namespace
 * (the caller's), addresses and routes, offloads off; and at the end the kernel's own counters.
 *
 *      node 0             node 1
 *   +---------+        +---------+      eth0: no ARP, no ND, no link-local address;
 *   |  eth0   |        |  eth0   |      /32 and /128 addresses, default routes on the device;
 *   +----|----+        +----|----+      a node's nets are local routes, so each address is its own
 *   +----|------------------|----+
 *   |   w0                 w1    |      the wire's namespace: no addresses, nothing is forwarded
 *   +----------------------------+      but by the wire's packet sockets
 */
#ifndef EK_LAYOUT_H
#define EK_LAYOUT_H

#include <stdint.h>

#include "lib/must.h"
#include "nl.h"
#include "sim/plan/plan.h"

enum { LAYOUT_MAC = 6 };

struct layout {
	unsigned n;
	int wire_fd;     /* the wire's network namespace */
	int *netns_fd;   /* of each node */
	int *nl_fd;      /* a netlink socket in each node's namespace */
	struct nl wire_nl;
	struct nl nl;    /* for one of nl_fd */
};

/*
 * Lays out plan's nodes from the current namespace, and comes back to it. Returns 0, or -errno with
 * *step saying what couldn't be done. Nothing needs undoing: the namespaces go with their process.
 */
int layout_make(struct layout *l, const struct plan *p, const char **step) MUST_CHECK;
/* Moves the calling thread: into node's network namespace, back to the wire's. 0 or -errno. */
int layout_enter(const struct layout *l, unsigned node) MUST_CHECK;
int layout_leave(const struct layout *l) MUST_CHECK;

/* Interface index of node's veth in the wire's namespace, and back; PLAN_NONE: not ours. */
unsigned layout_ifindex(unsigned node);
int layout_node(unsigned ifindex);
/* The address of the node's eth0. */
void layout_mac(unsigned node, uint8_t mac[LAYOUT_MAC]);

struct layout_counters {
	uint64_t sent, received;    /* frames, at the node's eth0 */
	uint64_t drops;             /* either end, either direction */
	uint64_t udp_rcvbuf_errors; /* IPv4 and IPv6 */
};

/* Enters the node's namespace and comes back. 0 or -errno. */
int layout_counters(struct layout *l, unsigned node, struct layout_counters *out) MUST_CHECK;

#endif
