/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Second tries over UDP (setUDPRetry): a query that one server hasn't answered for so long goes to
 * another one. Nothing chose a server for it, so it is no draw; whether it is one shows by a query
 * with its question that still waits for another server.
 */
#ifndef EK_JUDGE_RETRY_H
#define EK_JUDGE_RETRY_H

#include "inner.h"

void retry_init(struct balancer *b);
void retry_free(struct balancer *b);
/* Whether a forward over UDP that leaves now may be a second try. */
bool retry_may_be(struct balancer *b, int64_t t_ns, uint64_t question, unsigned server);
/* A first try leaves for server; the server answers one. */
void retry_forward(struct balancer *b, int64_t t_ns, uint64_t question, unsigned server);
void retry_answer(struct balancer *b, uint64_t question, unsigned server);

#endif
