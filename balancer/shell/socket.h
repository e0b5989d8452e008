/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of the balancer. */
#ifndef EK_BALANCER_SOCKET_H
#define EK_BALANCER_SOCKET_H

#include <stdbool.h>

#include "balancer/core/conf.h"
#include "lib/dgram.h"

/*
 * A UDP socket that listens at ep. share: with SO_REUSEPORT, one of several; without, only to find
 * out whether the address is free. A wildcard one tells the address that was asked. Returns the
 * descriptor or -errno.
 */
int socket_front(const struct ep *ep, bool share);
/* Sets what isn't 0 of a socket's buffers, in bytes; the kernel's limits cut it short. */
void socket_buffers(int fd, int receive, int send);
/* A UDP socket from a fresh port at its source, connected to s. The descriptor or -errno. */
int socket_back(const struct bal_server *s);

/* Sends one datagram to d's peer; local: from its local address. 0 or -errno. */
int socket_send(int fd, const struct dgram *d, bool local);

/*
 * A TCP socket that listens at ep, queue connections waiting at most; share as above. Returns the
 * descriptor or -errno.
 */
int socket_listen(const struct ep *ep, int queue, bool share);
/* A TCP socket from its source, on its way to s. Returns the descriptor or -errno. */
int socket_connect(const struct bal_server *s);
/* Makes a TCP socket send at once what it is given. */
void socket_prompt(int fd);

#endif
