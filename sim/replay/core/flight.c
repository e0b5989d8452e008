/* SPDX-License-Identifier: BSD-3-Clause */
/* Queries that are out; see flight.h. Places are used again last in, first out. */
#include "flight.h"

#include "lib/must.h"

/* Odd, so that steps of it come by every ID; far from 1, so that neighbours don't cluster. */
enum { ID_STEP = 40503 };

static unsigned bucket_bits(uint32_t max)
{
	unsigned bits = 1;

	while ((uint64_t)1 << bits < (uint64_t)max * 2)
		bits++;
	return bits;
}

size_t flight_arena_size(uint32_t max, uint32_t sockets)
{
	return arena_need((size_t)1 << bucket_bits(max), sizeof(uint32_t)) +
	       2 * arena_need(sockets, sizeof(uint32_t)) + arena_need(sockets, sizeof(uint16_t)) +
	       arena_need(max, sizeof(struct flight_query));
}

void flight_init(struct flight *f, struct arena *a, uint32_t max, uint32_t sockets)
{
	unsigned bits = bucket_bits(max);

	*f = (struct flight){ .max = max, .sockets = sockets, .oldest = FLIGHT_NONE,
	                      .newest = FLIGHT_NONE, .free = FLIGHT_NONE, .shift = 64 - bits };
	f->bucket = arena_take(a, (size_t)1 << bits, sizeof(uint32_t));
	f->first = arena_take(a, sockets, sizeof(uint32_t));
	f->out = arena_take(a, sockets, sizeof(uint32_t));
	f->spare = arena_take(a, sockets, sizeof(uint16_t));
	f->query = arena_take(a, max, sizeof(struct flight_query));
}

static uint32_t *bucket_of(const struct flight *f, uint32_t socket, uint16_t id)
{
	uint64_t key = (uint64_t)socket << 16 | id;

	return &f->bucket[key * UINT64_C(0x9e3779b97f4a7c15) >> f->shift];
}

uint32_t flight_find(const struct flight *f, uint32_t socket, uint16_t id)
{
	uint32_t p = *bucket_of(f, socket, id);

	while (p != 0 && (f->query[p - 1].socket != socket || f->query[p - 1].id != id))
		p = f->query[p - 1].chain;
	return p != 0 ? p - 1 : FLIGHT_NONE;
}

uint32_t flight_any(const struct flight *f, uint32_t socket)
{
	return f->first[socket] != 0 ? f->first[socket] - 1 : FLIGHT_NONE;
}

static uint32_t place_for(struct flight *f)
{
	uint32_t p = f->free;

	if (p == FLIGHT_NONE)
		return f->fresh++;
	f->free = f->query[p].chain;
	return p;
}

uint32_t flight_take(struct flight *f, uint32_t socket, uint16_t id, uint32_t query, int64_t now_ns)
{
	DMUST(!flight_full(f) && !flight_socket_full(f, socket));
	/* Where the last search ended, so that many queries of one ID don't search for long. */
	while (flight_find(f, socket, id) != FLIGHT_NONE)
		id = f->spare[socket] = (uint16_t)(f->spare[socket] + ID_STEP);
	uint32_t p = place_for(f), *bucket = bucket_of(f, socket, id);
	uint32_t after = flight_any(f, socket);

	f->query[p] = (struct flight_query){
		.sent_ns = now_ns, .query = query, .socket = socket, .id = id, .chain = *bucket,
		.older = f->newest, .newer = FLIGHT_NONE, .before = FLIGHT_NONE, .after = after,
	};
	*bucket = p + 1;
	if (f->newest != FLIGHT_NONE)
		f->query[f->newest].newer = p;
	else
		f->oldest = p;
	f->newest = p;
	if (after != FLIGHT_NONE)
		f->query[after].before = p;
	f->first[socket] = p + 1;
	f->out[socket]++;
	f->used++;
	return p;
}

static void unlink_from_all(struct flight *f, const struct flight_query *q)
{
	if (q->older != FLIGHT_NONE)
		f->query[q->older].newer = q->newer;
	else
		f->oldest = q->newer;
	if (q->newer != FLIGHT_NONE)
		f->query[q->newer].older = q->older;
	else
		f->newest = q->older;
}

static void unlink_from_socket(struct flight *f, const struct flight_query *q)
{
	if (q->before != FLIGHT_NONE)
		f->query[q->before].after = q->after;
	else
		f->first[q->socket] = q->after != FLIGHT_NONE ? q->after + 1 : 0;
	if (q->after != FLIGHT_NONE)
		f->query[q->after].before = q->before;
	f->out[q->socket]--;
}

void flight_drop(struct flight *f, uint32_t place)
{
	struct flight_query *q = &f->query[place];
	uint32_t *p = bucket_of(f, q->socket, q->id);

	while (*p != place + 1)
		p = &f->query[*p - 1].chain;
	*p = q->chain;
	unlink_from_all(f, q);
	unlink_from_socket(f, q);
	q->chain = f->free;
	f->free = place;
	f->used--;
}

void flight_check(const struct flight *f)
{
	uint32_t n = 0, out = 0, last = FLIGHT_NONE;

	for (uint32_t p = f->oldest; p != FLIGHT_NONE; last = p, p = f->query[p].newer, n++) {
		const struct flight_query *q = &f->query[p];
		MUST(q->older == last && flight_find(f, q->socket, q->id) == p);
		MUST(last == FLIGHT_NONE || f->query[last].sent_ns <= q->sent_ns);
	}
	MUST(n == f->used && f->newest == last && n <= f->max);
	for (uint32_t s = 0; s < f->sockets; s++) {
		uint32_t mine = 0;
		for (uint32_t p = flight_any(f, s); p != FLIGHT_NONE; p = f->query[p].after, mine++)
			MUST(f->query[p].socket == s);
		MUST(mine == f->out[s] && mine <= FLIGHT_SOCKET_MAX);
		out += mine;
	}
	MUST(out == n);
}
