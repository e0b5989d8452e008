/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue of things to do, ordered by time and then by a sequence number that the heap gives out,
 * so the order is total and never depends on addresses. A 4-ary heap in memory of the caller, of
 * fixed capacity.
 */
#ifndef EK_HEAP_H
#define EK_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_item {
	int64_t t_ns;
	uint64_t seq; /* set by heap_push */
	uint64_t what;/* the caller's */
};

struct heap {
	struct heap_item *item;
	size_t n;
	size_t cap;
	uint64_t next_seq;
};

/* item: room for cap items, owned by the caller for the heap's life. */
void heap_init(struct heap *h, struct heap_item *item, size_t cap);
/* False, and nothing done, when the heap is full. O(log n). */
bool heap_push(struct heap *h, int64_t t_ns, uint64_t what);
/* Time of the first item; INT64_MAX when there is none. O(1). */
int64_t heap_first(const struct heap *h);
/* Removes the first item and returns it. The heap must not be empty. O(log n). */
struct heap_item heap_pop(struct heap *h);
/* As heap_pop and then heap_push, in about half the time. The heap must not be empty. */
void heap_replace(struct heap *h, int64_t t_ns, uint64_t what);
/* Asserts the heap order. O(n). */
void heap_check(const struct heap *h);

#endif
