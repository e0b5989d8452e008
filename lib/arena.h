/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One block of memory, handed out from its start and never given back: a core's only allocator.
 * All of it is taken at init; then the arena is sealed and taking more is a bug. The block is the
 * caller's (lib/host maps it lazily, zero pages), must be zeroed, and outlives the core.
 */
#ifndef EK_ARENA_H
#define EK_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
	uint8_t *base;
	size_t used; /* bytes */
	size_t cap;  /* bytes */
	bool sealed;
};

/* base: zeroed memory of cap bytes, aligned to 64. */
void arena_init(struct arena *a, void *base, size_t cap);
/*
 * n * size zeroed bytes, aligned to 64. Never NULL: too small an arena or a sealed one is a bug of
 * the caller, who asks the core's x_arena_size() first, and ends the program.
 */
void *arena_take(struct arena *a, size_t n, size_t size);
/* Bytes that arena_take(n, size) uses up, alignment included. */
size_t arena_need(size_t n, size_t size);
void arena_seal(struct arena *a);

#endif
