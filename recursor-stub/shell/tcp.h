/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS over TCP (RFC 7766): two bytes of length before each message, pipelined, answered in any
 * order. Connections are bounded in number, in queries that wait, in unsent bytes and in idle time.
 * One of these per worker; a connection's number tells whose it was even after it has been closed.
 */
#ifndef EK_STUB_TCP_H
#define EK_STUB_TCP_H

#include <stdatomic.h>
#include <stdint.h>

#include "recursor-stub/config/conf.h"
#include "lib/dgram.h"
#include "recursor-stub/core/rec.h"

struct tcp;

/* epoll: where connections are watched, with data tag | number. clients: count over all workers. */
struct tcp *tcp_new(const struct stub_conf *conf, struct rec *rec, int epoll, uint64_t tag,
                    _Atomic uint32_t *clients);
void tcp_free(struct tcp *t);
/* Takes the connections that wait at a listening socket, or refuses them. */
void tcp_accept(struct tcp *t, int listener, int64_t now_ns);
/* epoll says that connection number conn is ready for events. */
void tcp_ready(struct tcp *t, uint32_t conn, uint32_t events, int64_t now_ns);
/* Sends a message that rec_poll made to its connection, if that is still there. */
void tcp_answer(struct tcp *t, const struct dgram *d, int64_t now_ns);
/* Closes idle connections. */
void tcp_expire(struct tcp *t, int64_t now_ns);
/* When tcp_expire next has work; INT64_MAX: never. */
int64_t tcp_deadline(const struct tcp *t);

#endif
