/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ring of chashed: each server has as many points on a ring of 2^32 places as it has weight,
 * and a name belongs to the first point at its own hash or after. A server that goes leaves its
 * names to the points behind its own and moves no other name. Point k (1...weight) of a server is
 * at namehash("ID-k", perturbation), as dnsdist has it; equal points belong to the earlier server.
 */
#ifndef EK_BALANCER_HASHRING_H
#define EK_BALANCER_HASHRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "lib/arena.h"

struct hashring {
	uint64_t *point;    /* hash << 16 | server, ascending */
	uint32_t point_n;
};

/* Sum of the weights of a pool's servers, its points; above BAL_POINTS_MAX there is no ring. */
uint64_t hashring_points(const struct bal_conf *conf, unsigned pool);
/* Bytes that hashring_init takes: 8 for each point. */
size_t hashring_arena_size(const struct bal_conf *conf, unsigned pool);
/* At most BAL_POINTS_MAX points. O(points log points). */
void hashring_init(struct hashring *r, struct arena *a, const struct bal_conf *conf, unsigned pool,
                   uint32_t perturbation);
/* The first point at hash or after, going round; below point_n. O(log points). */
uint32_t hashring_find(const struct hashring *r, uint32_t hash);
/* The server of a point. */
unsigned hashring_server(const struct hashring *r, uint32_t point);
/* The point after. */
uint32_t hashring_next(const struct hashring *r, uint32_t point);

#endif
