/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reloads, by SIGHUP or the console. The file is read anew and made ready beside what runs: memory,
 * sockets at new addresses, a health check of what is new. When every new server has had its first
 * result, or a second has passed, each worker takes it over between two batches (succeed.h). If
 * anything is wrong before that it is refused in one line, and all goes on as before. All of it in
 * the main thread, which never waits for anybody but a worker's batch.
 */
#ifndef EK_BALANCER_RELOAD_H
#define EK_BALANCER_RELOAD_H

#include "balancer.h"

struct reload *reload_new(void);
/* Somebody wants one. One that isn't finished is followed by another. */
void reload_want(struct balancer *b);
/* Does what can be done now; in each turn of the loop, after watch_pass. */
void reload_pass(struct balancer *b);
/* When reload_pass next has work; INT64_MAX: not by time. */
int64_t reload_deadline(const struct balancer *b);

#endif
