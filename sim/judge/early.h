/* SPDX-License-Identifier: BSD-3-Clause */
/* Balancers that turn away from a dead recursor before their health checks can tell: detect's. */
#ifndef EK_JUDGE_EARLY_H
#define EK_JUDGE_EARLY_H

#include "gone.h"

/* A settled draw, while the servers' states are those of then. */
void gones_settled(struct judge *j, struct balancer *b, const struct draw *d);
/* Some detect fails because a balancer turned away before its checks could tell. */
bool fault_left_early(const struct judge *j, unsigned fault);

#endif
