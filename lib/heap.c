/* SPDX-License-Identifier: BSD-3-Clause */
/* A 4-ary heap; see heap.h. */
#include "heap.h"

#include "must.h"

static bool before(const struct heap_item *a, const struct heap_item *b)
{
	return a->t_ns != b->t_ns ? a->t_ns < b->t_ns : a->seq < b->seq;
}

void heap_init(struct heap *h, struct heap_item *item, size_t cap)
{
	*h = (struct heap){ .item = item, .cap = cap };
}

bool heap_push(struct heap *h, int64_t t_ns, uint64_t what)
{
	struct heap_item new = { t_ns, h->next_seq, what };
	size_t i = h->n;

	if (h->n == h->cap)
		return false;
	h->next_seq++;
	h->n++;
	for (; i > 0 && before(&new, &h->item[(i - 1) / 4]); i = (i - 1) / 4)
		h->item[i] = h->item[(i - 1) / 4];
	h->item[i] = new;
	return true;
}

int64_t heap_first(const struct heap *h)
{
	return h->n > 0 ? h->item[0].t_ns : INT64_MAX;
}

/* The first of the children of i, or h->n when it has none. */
static size_t least_child(const struct heap *h, size_t i)
{
	size_t best = 4 * i + 1, end = best + 4;

	if (best >= h->n)
		return h->n;
	end = end < h->n ? end : h->n;
	for (size_t c = best + 1; c < end; c++)
		if (before(&h->item[c], &h->item[best]))
			best = c;
	return best;
}

/* Puts it where it belongs, from the root down. */
static void sift_down(struct heap *h, const struct heap_item *it)
{
	size_t i = 0, c;

	while ((c = least_child(h, i)) < h->n && before(&h->item[c], it)) {
		h->item[i] = h->item[c];
		i = c;
	}
	h->item[i] = *it;
}

struct heap_item heap_pop(struct heap *h)
{
	MUST(h->n > 0);
	struct heap_item first = h->item[0], last = h->item[--h->n];

	sift_down(h, &last);
	return first;
}

void heap_replace(struct heap *h, int64_t t_ns, uint64_t what)
{
	struct heap_item new = { t_ns, h->next_seq++, what };

	MUST(h->n > 0);
	sift_down(h, &new);
}

void heap_check(const struct heap *h)
{
	MUST(h->n <= h->cap);
	for (size_t i = 1; i < h->n; i++)
		MUST(!before(&h->item[i], &h->item[(i - 1) / 4]));
}
