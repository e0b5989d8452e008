/* SPDX-License-Identifier: BSD-3-Clause */
/* Bump allocation out of one block; see arena.h. */
#include "arena.h"

#include "must.h"

enum { ALIGN = 64 };

void arena_init(struct arena *a, void *base, size_t cap)
{
	MUST(((uintptr_t)base & (ALIGN - 1)) == 0);
	*a = (struct arena){ .base = base, .cap = cap };
}

size_t arena_need(size_t n, size_t size)
{
	MUST(size == 0 || n <= (SIZE_MAX - ALIGN) / size);
	return (n * size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

void *arena_take(struct arena *a, size_t n, size_t size)
{
	size_t need = arena_need(n, size);
	uint8_t *p = a->base + a->used;

	MUST(!a->sealed);
	MUST(need <= a->cap - a->used);
	a->used += need;
	return p;
}

void arena_seal(struct arena *a)
{
	a->sealed = true;
}
