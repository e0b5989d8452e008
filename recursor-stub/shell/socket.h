/* SPDX-License-Identifier: BSD-3-Clause */
/* Listening sockets, and UDP in batches. */
#ifndef EK_STUB_SOCKET_H
#define EK_STUB_SOCKET_H

#include <stdbool.h>

#include "lib/dgram.h"

enum { UDP_BUFFER = 4096 };

/*
 * A socket bound to ep, SO_REUSEPORT, IPv6 ones IPv6 only; TCP: listening, non-blocking. Returns
 * its descriptor or -errno.
 */
int socket_bind(const struct ep *ep, bool tcp, bool non_local) MUST_CHECK;

/* A UDP socket of a worker. */
struct udp_socket {
	int fd;
	struct ep local;    /* where it is bound */
	bool wildcard;      /* then each packet says which address was asked */
};

/*
 * One worker's memory for a batch: descriptors, and what recvmmsg and sendmmsg want. About 300 KiB.
 */
struct udp_batch;
struct udp_batch *udp_batch_new(void);
void udp_batch_free(struct udp_batch *b);
/* The batch's descriptors, data and cap set anew; DGRAM_BATCH of them. */
struct dgram *udp_batch_clear(struct udp_batch *b);
/* Reads what is there, at most a batch. Returns how many, 0 when there is nothing. */
unsigned udp_read(struct udp_batch *b, const struct udp_socket *s, uint16_t port);
/* Sends those of d[0..n) that send[i] says over s. Returns how many the kernel refused. */
unsigned udp_send(struct udp_batch *b, const struct udp_socket *s, const struct dgram *d,
                  unsigned n, const bool *send);

#endif
