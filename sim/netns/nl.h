/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rtnetlink in batches: many requests in one system call, one acknowledgement each. The socket
 * belongs to the network namespace that it was opened in, whatever its user does later.
 */
#ifndef EK_NL_H
#define EK_NL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/must.h"

enum { NL_BYTES = 8192, NL_BATCH = 64, NL_NESTS = 4 };

struct nl {
	int fd;
	uint32_t seq;
	unsigned n;                 /* requests in buf */
	size_t len;
	size_t head;                /* of the request that is being written */
	unsigned nest_n;
	size_t nest[NL_NESTS];
	uint8_t buf[NL_BYTES];
};

/* Opens a socket in the current network namespace. Returns 0 or -errno. */
int nl_open(struct nl *nl) MUST_CHECK;
void nl_close(struct nl *nl);
/* Begins a request whose fixed part is head[0..len). flags besides REQUEST and ACK. */
void nl_begin(struct nl *nl, uint16_t type, uint16_t flags, const void *head, size_t len);
void nl_attr(struct nl *nl, uint16_t type, const void *data, size_t len);
void nl_u32(struct nl *nl, uint16_t type, uint32_t v);
void nl_text(struct nl *nl, uint16_t type, const char *text);
/* Nested attributes; len bytes of fixed part first. */
void nl_nest(struct nl *nl, uint16_t type, const void *head, size_t len);
void nl_unnest(struct nl *nl);
/* Sends what has been written and waits for its acknowledgements. 0, or the first -errno. */
int nl_flush(struct nl *nl) MUST_CHECK;
/* True when another request might not fit: flush first. */
int nl_crowded(const struct nl *nl);

/* Counters of one interface, from IFLA_STATS64. */
struct nl_stats {
	uint64_t rx, tx, rx_dropped, tx_dropped;
};

int nl_link_stats(struct nl *nl, unsigned ifindex, struct nl_stats *out) MUST_CHECK;
/*
 * 0 when the interface carries frames, -EAGAIN when not yet: "up" has been said, and the kernel's
 * link watch still has to give it its queue. Frames that are sent before are lost.
 */
int nl_link_up(struct nl *nl, unsigned ifindex) MUST_CHECK;

#endif
