/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP sockets of one worker: accepts for the core's verdict, frames what comes in and goes out
 * (lib/stream.h), carries out the core's orders. It decides nothing but how much unsent output a
 * connection may have, and how long a peer may leave it without taking a byte. A connection has
 * memory of its own only while a message is unfinished on it.
 */
#ifndef EK_BALANCER_SHELL_TCP_H
#define EK_BALANCER_SHELL_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "balancer/core/tcp.h"

struct tcp_shell;

/* Events that are TCP's, by data.u64: a listening socket's, or a connection's. */
#define TCP_EVENT_LISTEN (UINT64_C(1) << 40)
#define TCP_EVENT_CONN (UINT64_C(1) << 41)

/*
 * All are borrowed for its life. epoll: where its sockets are watched. datagram: sends an answer to
 * a client that asked over UDP (tcpOnly).
 */
struct tcp_shell *tcp_shell_new(const struct bal_conf *conf, struct bal *b, int epoll,
                                void (*datagram)(void *of, const struct dgram *d), void *of);
/* Watches a listening socket, of conf->front[front]. */
void tcp_shell_listen(struct tcp_shell *t, int fd, unsigned front);
/* An event, as epoll gave it. */
void tcp_shell_event(struct tcp_shell *t, uint64_t what, uint32_t events, int64_t now_ns);
/* Carries out the core's orders and closes what is stuck; after each batch of events. */
void tcp_shell_pass(struct tcp_shell *t, int64_t now_ns);
/* When tcp_shell_pass next has work; INT64_MAX: never. */
int64_t tcp_shell_deadline(const struct tcp_shell *t);
/* Connections that were closed because their peer took nothing, or too little. */
uint64_t tcp_shell_stuck(const struct tcp_shell *t);

#endif
