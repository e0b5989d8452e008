/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lines about slow starts: one when a server begins one, one when it has its whole share, each
 * to standard output. Only looks; core/slow.h decides.
 */
#ifndef EK_BALANCER_SHELL_SLOW_H
#define EK_BALANCER_SHELL_SLOW_H

#include <stdint.h>

#include "balancer/core/shared.h"
#include "balancer/core/succeed.h"

struct slow;

/* Both are borrowed for its life. */
struct slow *slow_new(const struct bal_conf *conf, const struct bal_shared *shared);
/* A reload: for the succession's new configuration, and its shared struct. Frees take_old. */
struct slow *slow_succeed(struct slow *take_old, const struct bal_shared *shared,
                          const struct bal_succession *s);
/* Prints what has changed until now_ns. O(servers) where any starts slowly, else O(1). */
void slow_pass(struct slow *s, int64_t now_ns);
/* When the next start is over; INT64_MAX: none is on. As of the last pass. */
int64_t slow_deadline(const struct slow *s);
/* A server as the lines name it: "DNS3 (192.0.2.4:53)", or its address alone. */
enum { SLOW_NAME = BAL_NAME_TEXT + EP_TEXT + 3 };
void slow_name(const struct bal_server *s, char out[SLOW_NAME]);

#endif
