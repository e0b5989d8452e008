/* SPDX-License-Identifier: BSD-3-Clause */
/* Two rings; see hold.h. */
#include "hold.h"

#include <string.h>

size_t hold_arena_size(uint32_t packets, uint32_t bytes)
{
	return arena_need(packets, sizeof(struct held)) + arena_need(1, bytes);
}

void hold_init(struct hold *h, struct arena *a, uint32_t packets, uint32_t bytes)
{
	MUST(packets > 0 && bytes >= 2 * CAPTURE_SNAP_MAX);
	*h = (struct hold){ .cap = packets, .bytes_cap = bytes };
	h->of = arena_take(a, packets, sizeof(*h->of));
	h->bytes = arena_take(a, 1, bytes);
}

struct held *hold_at(struct hold *h, uint32_t i)
{
	return &h->of[(h->first + i) % h->cap];
}

struct held *hold_first(struct hold *h)
{
	return h->n > 0 ? hold_at(h, 0) : NULL;
}

/* Where n bytes in one piece are free; UINT32_MAX: nowhere. */
static uint32_t place(const struct hold *h, uint32_t n)
{
	uint32_t first = h->n > 0 ? h->of[h->first].at : 0;

	if (h->n == 0)
		return 0;
	if (h->end > first) {
		if (h->bytes_cap - h->end >= n)
			return h->end;
		return first > n ? 0 : UINT32_MAX;
	}
	return first - h->end > n ? h->end : UINT32_MAX;
}

bool hold_room(const struct hold *h)
{
	return h->n < h->cap && place(h, CAPTURE_SNAP_MAX) != UINT32_MAX;
}

struct held *hold_put(struct hold *h, const struct capture_packet *p, unsigned file)
{
	uint32_t at = place(h, p->len);

	MUST(h->n < h->cap && at != UINT32_MAX);
	struct held *e = hold_at(h, h->n++);
	*e = (struct held){ .packet = *p, .file = file, .at = at };
	e->packet.bytes = NULL;
	if (p->len > 0)
		memcpy(h->bytes + at, p->bytes, p->len);
	h->end = at + p->len;
	return e;
}

void hold_undo(struct hold *h)
{
	h->end = hold_at(h, --h->n)->at;
}

void hold_drop_first(struct hold *h)
{
	h->first = (h->first + 1) % h->cap;
	h->n--;
}
