/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What shells with sockets share: which address of ours a datagram came to, and leaves from
 * (IP_PKTINFO, IPV6_PKTINFO), taking connections, and waiting for sockets to the nanosecond.
 */
#ifndef EK_HOST_NET_H
#define EK_HOST_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/addr.h"

/* Makes a socket of ep's family tell the address that was asked. Returns 0 or -errno. */
int net_tell_asked(int fd, const struct ep *ep) MUST_CHECK;

/* Room for one address in a control message. */
enum { NET_CONTROL = 64 };
/* The asked address out of a received message's control data; *ip unchanged when there is none. */
void net_asked(const struct msghdr *m, struct ip *ip);
/* Makes m leave from ip; control has NET_CONTROL bytes, aligned to 8, zeroed once. */
void net_leave_from(struct msghdr *m, void *control, const struct ip *ip);

/* Adds fd, for reading. what: comes back in the event's data.u64. Ends the program when refused. */
void net_watch(int epoll, int fd, uint64_t what);
/* Waits until something is ready, or until_ns (monotonic; INT64_MAX: for ever). How many are. */
int net_wait(int epoll, struct epoll_event *events, int max, int64_t until_ns);

/*
 * Takes a connection, non-blocking; its address in *peer. -1: there is none, or no descriptor is
 * left. Then *reserve, which net_reserve gave, is given up to take one and close it, as what waits
 * would wake its listener for ever.
 */
int net_accept(int listener, int *reserve, struct ep *peer);
int net_reserve(void);

/* As many open files as the system lets us have. */
void net_allow_many_files(void);

#endif
