/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The latest queries and answers of one worker, for the console (setRingBuffersSize). What is kept
 * is copied beside the core, once for each batch under a lock that the worker never waits for: a
 * batch that comes while somebody reads isn't kept. Without it nothing is done but one comparison
 * for each batch.
 */
#ifndef EK_BALANCER_RECENT_H
#define EK_BALANCER_RECENT_H

#include <stdint.h>

#include "balancer/admin/top.h"
#include "balancer/core/bal.h"

struct recent;

/* So many of either kind at most; NULL: none are kept. */
struct recent *recent_new(uint32_t entries);
/* bal_rx, and keeps what came and went. r may be NULL. */
void recent_rx(struct recent *r, struct bal *b, int64_t now_ns, struct dgram *d, unsigned n);
/* Appends what is kept to *list of *n, which the caller frees. From any thread. */
void recent_copy(struct recent *r, bool answers, struct top_entry **list, size_t *n);

#endif
