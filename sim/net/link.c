/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links; see link.h. What every frame looks at is in struct link, the rest in struct more, which a
 * frame reads only when one of its two links has something there.
 */
#include "link.h"

#include "lib/heap.h"
#include "lib/must.h"

struct link {
	int64_t delay_ns;
	uint32_t loss_ppm;
	bool cut;
	bool special;      /* more's matters */
	uint64_t passed, lost, cuts;
	struct drbg random;
};

/* Jitter, duplicates, order and rate. */
struct more {
	struct link_set set;
	int64_t queue_ns;  /* what the queue holds at most, in time to send it */
	int64_t free_ns;   /* when all that is in the queue is sent */
	uint64_t jittered, doubled, reordered, full;
	struct drbg jitter, duplicate, reorder;
};

struct links {
	struct link *link; /* 2 * node + way */
	struct more *more; /* as well */
	int64_t *last_ns;  /* nodes * from + to: the latest due time of a jittered frame */
	unsigned nodes;
	struct heap heap;  /* what: receiver << 32 | frame */
};

enum { PPM = 1000000, NODES_MAX = 1024, STREAMS = 1 << 17 };
static const uint64_t BYTE_NS = 8000000000; /* to send a byte at one bit per second */

size_t links_arena_size(unsigned nodes, size_t frames)
{
	return arena_need(1, sizeof(struct links)) + arena_need(2 * nodes, sizeof(struct link)) +
	       arena_need(2 * nodes, sizeof(struct more)) +
	       arena_need((size_t)nodes * nodes, sizeof(int64_t)) +
	       arena_need(frames, sizeof(struct heap_item));
}

struct links *links_init(struct arena *a, const uint8_t seed[DRBG_SEED], unsigned nodes,
                         size_t frames)
{
	struct links *l = arena_take(a, 1, sizeof(*l));

	MUST(nodes >= 1 && nodes <= NODES_MAX);
	l->nodes = nodes;
	l->link = arena_take(a, 2 * nodes, sizeof(*l->link));
	l->more = arena_take(a, 2 * nodes, sizeof(*l->more));
	l->last_ns = arena_take(a, (size_t)nodes * nodes, sizeof(*l->last_ns));
	for (uint32_t i = 0; i < 2 * nodes; i++) {
		drbg_init(&l->link[i].random, seed, DRBG_LINK, i);
		drbg_init(&l->more[i].jitter, seed, DRBG_LINK, STREAMS + i);
		drbg_init(&l->more[i].duplicate, seed, DRBG_LINK, 2 * STREAMS + i);
		drbg_init(&l->more[i].reorder, seed, DRBG_LINK, 3 * STREAMS + i);
	}
	heap_init(&l->heap, arena_take(a, frames, sizeof(struct heap_item)), frames);
	return l;
}

static struct link *get(const struct links *l, unsigned node, enum link_way way)
{
	MUST(node < l->nodes);
	return &l->link[2 * node + (unsigned)way];
}

static struct more *more_of(const struct links *l, const struct link *k)
{
	return &l->more[k - l->link];
}

void links_set(struct links *l, unsigned node, enum link_way way, const struct link_set *s)
{
	struct link *k = get(l, node, way);
	struct more *m = more_of(l, k);

	MUST(s->delay_ns >= 0 && s->loss_ppm <= PPM && s->jitter_ns >= 0 && s->reorder_ns >= 0 &&
	     s->duplicate_ppm <= PPM && s->reorder_ppm <= PPM &&
	     s->queue_bytes <= INT64_MAX / BYTE_NS);
	k->delay_ns = s->delay_ns;
	k->loss_ppm = s->loss_ppm;
	k->cut = s->cut;
	k->special = s->jitter_ns > 0 || s->duplicate_ppm > 0 || s->reorder_ppm > 0 ||
	             s->rate_bps > 0;
	m->set = *s;
	m->queue_ns = s->rate_bps > 0 ? (int64_t)(s->queue_bytes * BYTE_NS / s->rate_bps) : 0;
}

struct link_set links_get(const struct links *l, unsigned node, enum link_way way)
{
	return more_of(l, get(l, node, way))->set;
}

struct link_counts links_counts(const struct links *l, unsigned node, enum link_way way)
{
	const struct link *k = get(l, node, way);
	const struct more *m = more_of(l, k);

	return (struct link_counts){
		.passed = k->passed, .lost = k->lost, .cut = k->cuts, .jittered = m->jittered,
		.doubled = m->doubled, .reordered = m->reordered, .full = m->full,
	};
}

static bool is_cut(struct link *k)
{
	k->cuts += k->cut;
	return k->cut;
}

/* One draw for each frame while there is a chance, whatever comes of it. */
static bool draw(struct drbg *r, uint32_t ppm)
{
	return ppm > 0 && drbg_below(r, PPM) < ppm;
}

static bool is_lost(struct link *k)
{
	bool lost = draw(&k->random, k->loss_ppm);

	k->lost += lost;
	return lost;
}

static bool is_doubled(struct more *m)
{
	bool doubled = draw(&m->duplicate, m->set.duplicate_ppm);

	m->doubled += doubled;
	return doubled;
}

/* Into the link's queue at t_ns; *due_ns is no earlier than when it has been sent. */
static bool queue_takes(struct more *m, int64_t t_ns, size_t len, int64_t *due_ns)
{
	uint64_t rate = m->set.rate_bps;

	if (rate == 0)
		return true;
	int64_t done = (m->free_ns > t_ns ? m->free_ns : t_ns) +
	               (int64_t)((len * BYTE_NS + rate - 1) / rate);
	if (done - t_ns > m->queue_ns) {
		m->full++;
		return false;
	}
	m->free_ns = done;
	*due_ns = done > *due_ns ? done : *due_ns;
	return true;
}

/* What the link adds for one frame behind its queue. */
static int64_t added(const struct link *k, struct more *m, bool *held)
{
	int64_t ns = k->delay_ns, jitter = 0;

	if (m->set.jitter_ns > 0)
		jitter = (int64_t)drbg_below(&m->jitter, (uint64_t)m->set.jitter_ns + 1);
	m->jittered += jitter > 0;
	if (draw(&m->reorder, m->set.reorder_ppm)) {
		m->reordered++;
		*held = true;
		ns += m->set.reorder_ns;
	}
	return ns + jitter;
}

/* One frame, or its copy, that neither link has lost. */
static bool goes(struct links *l, int64_t t_ns, unsigned from, unsigned to, size_t len,
                 int64_t *due_ns)
{
	struct link *out = get(l, from, LINK_OUT), *in = get(l, to, LINK_IN);
	struct more *mo = more_of(l, out), *mi = more_of(l, in);
	int64_t *last = &l->last_ns[(size_t)l->nodes * from + to], due = t_ns;
	bool held = false;

	if (!queue_takes(mo, t_ns, len, &due))
		return false;
	out->passed++;
	if (!queue_takes(mi, t_ns, len, &due))
		return false;
	due += added(out, mo, &held);
	due += added(in, mi, &held);
	if (!held && (mo->set.jitter_ns > 0 || mi->set.jitter_ns > 0)) {
		due = due > *last ? due : *last;
		*last = due;
	}
	*due_ns = due;
	return true;
}

static enum link_fate cross_special(struct links *l, int64_t t_ns, unsigned from, unsigned to,
                                    size_t len, int64_t due_ns[2])
{
	bool by_out = is_doubled(more_of(l, get(l, from, LINK_OUT)));
	bool by_in = is_doubled(more_of(l, get(l, to, LINK_IN)));
	unsigned n = 0;

	for (unsigned i = 0; i < 1u + (by_out || by_in); i++)
		n += goes(l, t_ns, from, to, len, &due_ns[n]);
	return n == 0 ? LINK_LOST : n == 1 ? LINK_PASSED : LINK_DOUBLED;
}

enum link_fate links_cross(struct links *l, int64_t t_ns, unsigned from, unsigned to, size_t len,
                           int64_t due_ns[2])
{
	struct link *out = get(l, from, LINK_OUT), *in = get(l, to, LINK_IN);

	if (is_cut(out) || is_lost(out))
		return LINK_LOST;
	if (is_lost(in)) {
		out->passed++;
		return LINK_LOST;
	}
	if (out->special || in->special)
		return cross_special(l, t_ns, from, to, len, due_ns);
	out->passed++;
	due_ns[0] = t_ns + out->delay_ns + in->delay_ns;
	return LINK_PASSED;
}

enum link_fate links_arrive(struct links *l, unsigned to)
{
	struct link *in = get(l, to, LINK_IN);

	if (is_cut(in))
		return LINK_LOST;
	in->passed++;
	return LINK_PASSED;
}

enum link_fate links_enter(struct links *l, int64_t t_ns, unsigned from, unsigned to, size_t len,
                           uint32_t frame)
{
	int64_t due_ns[2];
	enum link_fate fate = links_cross(l, t_ns, from, to, len, due_ns);
	size_t n = fate == LINK_DOUBLED ? 2 : fate == LINK_PASSED;

	if (l->heap.cap - l->heap.n < n)
		return LINK_FULL;
	for (size_t i = 0; i < n; i++)
		MUST(heap_push(&l->heap, due_ns[i], (uint64_t)to << 32 | frame));
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
