/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of the balancer, and waiting for them to the nanosecond. */
#ifndef EK_BALANCER_NET_H
#define EK_BALANCER_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/addr.h"

/*
 * A UDP socket that listens at ep. share: with SO_REUSEPORT, one of several; without, only to find
 * out whether the address is free. A wildcard one tells the address that was asked. Returns the
 * descriptor or -errno.
 */
int net_front(const struct ep *ep, bool share);
/* A UDP socket from a fresh port, connected to ep. Returns the descriptor or -errno. */
int net_back(const struct ep *ep);

/* Room for one address in a control message. */
enum { NET_CONTROL = 64 };
/* The asked address out of a received message's control data; *ip unchanged when there is none. */
void net_asked(const struct msghdr *m, struct ip *ip);
/* Makes m leave from ip; control has NET_CONTROL bytes, zeroed once. */
void net_leave_from(struct msghdr *m, void *control, const struct ip *ip);

/* Adds fd, for reading. what: comes back in the event's data.u64. Ends the program when refused. */
void net_watch(int epoll, int fd, uint64_t what);
/* Waits until something is ready, or until_ns (monotonic; INT64_MAX: for ever). How many are. */
int net_wait(int epoll, struct epoll_event *events, int max, int64_t until_ns);

#endif
