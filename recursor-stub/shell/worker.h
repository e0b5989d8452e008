/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker: one thread, one core, sockets of its own, one epoll loop. */
#ifndef EK_STUB_WORKER_H
#define EK_STUB_WORKER_H

#include <stdatomic.h>

#include "recursor-stub/config/conf.h"
#include "recursor-stub/core/rec.h"

struct worker;

/*
 * Binds the worker's sockets at every address of conf, which is borrowed for its life. Returns the
 * worker, or NULL with *err -errno and *where the address that failed.
 */
struct worker *worker_new(const struct stub_conf *conf, struct rec *rec,
                          _Atomic uint32_t *tcp_clients, struct ep *where, int *err);
/* Serves for ever in a thread of its own. Returns 0 or -errno. */
int worker_start(struct worker *w);

#endif
