/* SPDX-License-Identifier: BSD-3-Clause */
/* Delay, loss and cuts of links; see link.h. */
#include "link.h"

#include "lib/heap.h"
#include "lib/must.h"

struct link {
	struct link_set set;
	struct link_counts counts;
	struct drbg random;
};

struct links {
	struct link *link; /* 2 * node + way */
	unsigned nodes;
	struct heap heap;  /* what: receiver << 32 | frame */
};

enum { PPM = 1000000 };

size_t links_arena_size(unsigned nodes, size_t frames)
{
	return arena_need(1, sizeof(struct links)) + arena_need(2 * nodes, sizeof(struct link)) +
	       arena_need(frames, sizeof(struct heap_item));
}

struct links *links_init(struct arena *a, const uint8_t seed[DRBG_SEED], unsigned nodes,
                         size_t frames)
{
	struct links *l = arena_take(a, 1, sizeof(*l));

	MUST(nodes >= 1 && nodes <= 65536);
	l->nodes = nodes;
	l->link = arena_take(a, 2 * nodes, sizeof(*l->link));
	for (uint32_t i = 0; i < 2 * nodes; i++)
		drbg_init(&l->link[i].random, seed, DRBG_LINK, i);
	heap_init(&l->heap, arena_take(a, frames, sizeof(struct heap_item)), frames);
	return l;
}

static struct link *get(const struct links *l, unsigned node, enum link_way way)
{
	MUST(node < l->nodes);
	return &l->link[2 * node + (unsigned)way];
}

void links_set(struct links *l, unsigned node, enum link_way way, const struct link_set *s)
{
	MUST(s->delay_ns >= 0 && s->loss_ppm <= PPM);
	get(l, node, way)->set = *s;
}

struct link_set links_get(const struct links *l, unsigned node, enum link_way way)
{
	return get(l, node, way)->set;
}

struct link_counts links_counts(const struct links *l, unsigned node, enum link_way way)
{
	return get(l, node, way)->counts;
}

static bool is_cut(struct link *k)
{
	k->counts.cut += k->set.cut;
	return k->set.cut;
}

/* One draw for each frame while there is a loss, whatever comes of it. */
static bool is_lost(struct link *k)
{
	bool lost = k->set.loss_ppm > 0 && drbg_below(&k->random, PPM) < k->set.loss_ppm;

	k->counts.lost += lost;
	return lost;
}

enum link_fate links_cross(struct links *l, int64_t t_ns, unsigned from, unsigned to,
                           int64_t *due_ns)
{
	struct link *out = get(l, from, LINK_OUT), *in = get(l, to, LINK_IN);

	if (is_cut(out) || is_lost(out))
		return LINK_LOST;
	out->counts.passed++;
	if (is_lost(in))
		return LINK_LOST;
	*due_ns = t_ns + out->set.delay_ns + in->set.delay_ns;
	return LINK_PASSED;
}

enum link_fate links_arrive(struct links *l, unsigned to)
{
	struct link *in = get(l, to, LINK_IN);

	if (is_cut(in))
		return LINK_LOST;
	in->counts.passed++;
	return LINK_PASSED;
}

enum link_fate links_enter(struct links *l, int64_t t_ns, unsigned from, unsigned to,
                           uint32_t frame)
{
	int64_t due_ns;
	enum link_fate fate = links_cross(l, t_ns, from, to, &due_ns);

	if (fate == LINK_PASSED &&
	    !heap_push(&l->heap, due_ns, (uint64_t)to << 32 | frame))
		return LINK_FULL;
	return fate;
}

bool links_leave(struct links *l, int64_t now_ns, struct link_arrival *out)
{
	if (heap_first(&l->heap) > now_ns || l->heap.n == 0)
		return false;
	struct heap_item i = heap_pop(&l->heap);
	unsigned to = (unsigned)(i.what >> 32);
	*out = (struct link_arrival){
		.frame = (uint32_t)i.what, .t_ns = i.t_ns, .to = to, .fate = links_arrive(l, to),
	};
	return true;
}

int64_t links_deadline(const struct links *l)
{
	return heap_first(&l->heap);
}

size_t links_pending(const struct links *l)
{
	return l->heap.n;
}
