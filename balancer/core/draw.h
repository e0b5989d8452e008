/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Uniform draws of 32 bits, for server and query ID: lib/drbg's drbg_below takes 64 bits and two
 * divisions, which the hot path can do without.
 */
#ifndef EK_BALANCER_DRAW_H
#define EK_BALANCER_DRAW_H

#include <stdint.h>

#include "lib/drbg.h"

/*
 * Uniform in [0, bound), without bias; bound >= 1. Multiplication instead of division, a draw that
 * falls into the uneven rest is drawn again (Lemire, "Fast random integer generation in an
 * interval", 2019).
 */
static inline uint32_t draw_below(struct drbg *r, uint32_t bound)
{
	uint64_t m = (uint64_t)drbg_u32(r) * bound;

	if ((uint32_t)m < bound) {
		uint32_t rest = (0u - bound) % bound; /* 2^32 mod bound */
		while ((uint32_t)m < rest)
			m = (uint64_t)drbg_u32(r) * bound;
	}
	return (uint32_t)(m >> 32);
}

#endif
