/* SPDX-License-Identifier: BSD-3-Clause */
/* Outstanding queries by socket and ID, in order of departure; see idtable.h. */
#include "idtable.h"

#include "draw.h"

size_t idt_arena_size(const struct bal_conf *conf)
{
	size_t size = arena_need(conf->server_n, sizeof(struct idt_server)), sockets = 0;

	for (unsigned i = 0; i < conf->server_n; i++) {
		sockets += conf->server[i].sockets;
		size += arena_need(conf->max_outstanding, sizeof(struct idt_query));
	}
	return size + arena_need(conf->server_n, sizeof(struct idt_queue)) +
	       arena_need(sockets, sizeof(struct idt_socket)) +
	       2 * sockets * arena_need(IDT_IDS, sizeof(uint16_t));
}

/* The queue for a time-out, a new one for a new one. */
static uint16_t find_queue(struct idtable *t, int64_t timeout_ns)
{
	unsigned i = 0;

	while (i < t->queue_n && t->queue[i].timeout_ns != timeout_ns)
		i++;
	if (i == t->queue_n)
		t->queue[t->queue_n++] = (struct idt_queue){ timeout_ns, IDT_NONE, IDT_NONE,
		                                             IDT_NONE };
	return (uint16_t)i;
}

static void init_server(struct idtable *t, struct arena *a, unsigned server, unsigned sockets)
{
	struct idt_server *s = &t->server[server];

	MUST(sockets >= 1 && sockets <= BAL_SOCKETS_MAX);
	s->query = arena_take(a, t->max, sizeof(*s->query));
	s->socket = t->socket + t->socket_n;
	s->sockets = (uint16_t)sockets;
	for (unsigned i = 0; i < sockets; i++) {
		struct idt_socket *k = &t->socket[t->socket_n++];
		k->bag = arena_take(a, IDT_IDS, sizeof(*k->bag));
		k->slot = arena_take(a, IDT_IDS, sizeof(*k->slot));
		k->server = (uint16_t)server;
		k->socket = (uint16_t)i;
	}
}

void idt_init(struct idtable *t, struct arena *a, const struct bal_conf *conf)
{
	size_t sockets = 0;

	MUST(conf->server_n <= BAL_SERVERS_MAX);
	MUST(conf->max_outstanding >= 1 && conf->max_outstanding < IDT_IDS);
	*t = (struct idtable){ .server_n = conf->server_n, .max = conf->max_outstanding,
	                       .held_first = IDT_NONE, .held_last = IDT_NONE };
	for (unsigned i = 0; i < conf->server_n; i++)
		sockets += conf->server[i].sockets;
	t->server = arena_take(a, conf->server_n, sizeof(*t->server));
	t->socket = arena_take(a, sockets, sizeof(*t->socket));
	t->queue = arena_take(a, conf->server_n, sizeof(*t->queue));
	for (unsigned i = 0; i < conf->server_n; i++) {
		int64_t own_ns = conf->server[i].udp_timeout_ns;
		t->server[i].queue = find_queue(t, own_ns > 0 ? own_ns : conf->udp_timeout_ns);
	}
	for (unsigned i = 0; i < conf->server_n; i++)
		init_server(t, a, i, conf->server[i].sockets);
}

static struct idt_query *at_ref(const struct idtable *t, uint32_t ref)
{
	return &t->server[ref >> 16].query[ref & 0xffff];
}

/* Puts the free IDs into the bag: from now on a draw takes one step, however few are left. */
static void fill_bag(struct idt_socket *k)
{
	uint32_t n = 0;

	for (uint32_t id = 0; id < IDT_IDS; id++)
		if (k->slot[id] == 0)
			k->bag[n++] = (uint16_t)id;
	k->dense = true;
}

/*
 * Draws one of the free IDs. While most are free, IDs are drawn until one is: that touches one
 * place instead of three. In a dense table the last one takes the drawn one's place in the bag.
 */
static uint16_t draw_id(struct idt_socket *k, struct drbg *r)
{
	uint16_t id;

	if (!k->dense && k->used == IDT_DENSE)
		fill_bag(k);
	if (!k->dense) {
		do
			id = drbg_u16(r);
		while (k->slot[id] != 0);
	} else {
		uint32_t last = IDT_IDS - 1 - k->used, at = draw_below(r, last + 1);
		id = k->bag[at];
		k->bag[at] = k->bag[last];
	}
	k->used++;
	return id;
}

static void return_id(struct idt_socket *k, uint16_t id)
{
	k->used--;
	if (k->dense)
		k->bag[IDT_IDS - 1 - k->used] = id;
	if (k->used < IDT_SPARSE)
		k->dense = false;
}

static uint32_t take_slot(struct idt_server *s)
{
	uint32_t slot;

	if (s->free == 0)
		return s->touched++;
	slot = s->free - 1;
	s->free = s->query[slot].newer;
	return slot;
}

static struct idt_queue *queue_of(const struct idtable *t, uint32_t ref)
{
	return &t->queue[t->server[ref >> 16].queue];
}

static void link_newest(const struct idtable *t, struct idt_query *q, uint32_t ref)
{
	struct idt_queue *k = queue_of(t, ref);

	q->older = k->newest;
	q->newer = IDT_NONE;
	if (k->newest == IDT_NONE)
		k->oldest = ref;
	else
		at_ref(t, k->newest)->newer = ref;
	k->newest = ref;
	if (k->young == IDT_NONE)
		k->young = ref;
}

static void unlink_query(const struct idtable *t, const struct idt_query *q, uint32_t ref)
{
	struct idt_queue *k = queue_of(t, ref);

	if (k->young == ref)
		k->young = q->newer;
	if (q->older == IDT_NONE)
		k->oldest = q->newer;
	else
		at_ref(t, q->older)->newer = q->newer;
	if (q->newer == IDT_NONE)
		k->newest = q->older;
	else
		at_ref(t, q->newer)->older = q->older;
}

struct idt_query *idt_take(struct idtable *t, struct drbg *r, unsigned server)
{
	struct idt_server *s = &t->server[server];

	if (s->used + s->held == t->max)
		return NULL;
	uint32_t socket = s->sockets > 1 ? draw_below(r, s->sockets) : 0;
	uint32_t slot = take_slot(s);
	struct idt_query *q = &s->query[slot];
	q->socket = socket & 63u;
	q->id = draw_id(&s->socket[socket], r);
	s->socket[socket].slot[q->id] = (uint16_t)(slot + 1);
	link_newest(t, q, (uint32_t)server << 16 | slot);
	s->used++;
	t->used++;
	return q;
}

struct idt_query *idt_find(const struct idtable *t, unsigned socket, uint16_t id)
{
	const struct idt_socket *k = &t->socket[socket];
	uint32_t slot = k->slot[id];

	return slot == 0 ? NULL : &t->server[k->server].query[slot - 1];
}

struct idt_query *idt_oldest(const struct idtable *t, unsigned *server)
{
	struct idt_query *first = NULL;
	int64_t first_ns = INT64_MAX;

	for (unsigned i = 0; i < t->queue_n; i++) {
		uint32_t ref = t->queue[i].oldest;
		struct idt_query *q = ref != IDT_NONE ? at_ref(t, ref) : NULL;
		if (q == NULL || (first != NULL && idt_until_ns(t, ref >> 16, q) >= first_ns))
			continue;
		first = q;
		first_ns = idt_until_ns(t, ref >> 16, q);
		*server = ref >> 16;
	}
	return first;
}

/* Out of everything but its place. */
static void end(struct idtable *t, struct idt_server *s, const struct idt_query *q)
{
	struct idt_socket *k = &s->socket[q->socket];

	DMUST(q == &s->query[k->slot[q->id] - 1]);
	k->slot[q->id] = 0;
	return_id(k, q->id);
	unlink_query(t, q, (uint32_t)(s - t->server) << 16 | (uint32_t)(q - s->query));
	s->used--;
	t->used--;
}

static void give_slot(struct idt_server *s, struct idt_query *q)
{
	q->newer = s->free;
	s->free = (uint32_t)(q - s->query) + 1;
}

void idt_release(struct idtable *t, unsigned server, struct idt_query *q)
{
	end(t, &t->server[server], q);
	give_slot(&t->server[server], q);
}

/* Of those that weren't passed, which are the young of each queue, the one that left first. */
static uint32_t young(const struct idtable *t)
{
	uint32_t first = IDT_NONE;

	for (unsigned i = 0; i < t->queue_n; i++) {
		uint32_t ref = t->queue[i].young;
		if (ref != IDT_NONE && (first == IDT_NONE ||
		    at_ref(t, ref)->sent_ns < at_ref(t, first)->sent_ns))
			first = ref;
	}
	return first;
}

struct idt_query *idt_young(const struct idtable *t, unsigned *server)
{
	uint32_t ref = young(t);

	if (ref == IDT_NONE)
		return NULL;
	*server = ref >> 16;
	return at_ref(t, ref);
}

void idt_pass(struct idtable *t)
{
	uint32_t ref = young(t);

	queue_of(t, ref)->young = at_ref(t, ref)->newer;
}

void idt_hold(struct idtable *t, unsigned server, struct idt_query *q)
{
	uint32_t ref = (uint32_t)server << 16 | idt_slot(t, server, q);

	end(t, &t->server[server], q);
	q->newer = IDT_NONE;
	if (t->held_first == IDT_NONE)
		t->held_first = ref;
	else
		at_ref(t, t->held_last)->newer = ref;
	t->held_last = ref;
	t->server[server].held++;
}

struct idt_query *idt_held(const struct idtable *t, unsigned *server)
{
	if (t->held_first == IDT_NONE)
		return NULL;
	*server = t->held_first >> 16;
	return at_ref(t, t->held_first);
}

void idt_let_go(struct idtable *t)
{
	struct idt_server *s = &t->server[t->held_first >> 16];
	struct idt_query *q = at_ref(t, t->held_first);

	t->held_first = q->newer;
	s->held--;
	give_slot(s, q);
}

void idt_copy(struct idt_query *to, const struct idt_query *from)
{
	struct idt_query own = *to;

	*to = *from;
	to->older = own.older;
	to->newer = own.newer;
	to->id = own.id;
	to->socket = own.socket;
}

/* Walks a queue: each query is found under its ID, times don't decrease. How many there are. */
static uint32_t check_queue(const struct idtable *t, const struct idt_queue *k)
{
	uint32_t n = 0, before = IDT_NONE;
	int64_t sent_ns = INT64_MIN;
	bool passed = k->young == IDT_NONE;

	for (uint32_t ref = k->oldest; ref != IDT_NONE; n++) {
		const struct idt_query *q = at_ref(t, ref);
		const struct idt_server *s = &t->server[ref >> 16];
		MUST(q->older == before && q->sent_ns >= sent_ns && n < t->used);
		MUST(s->socket[q->socket].slot[q->id] == (ref & 0xffff) + 1);
		sent_ns = q->sent_ns;
		passed = passed || ref == k->young;
		before = ref;
		ref = q->newer;
	}
	MUST(k->newest == before && passed);
	return n;
}

/* What may be drawn next is free; the whole bag would be too much after each event. */
static void check_bag(const struct idt_socket *k)
{
	MUST(k->dense || k->used <= IDT_DENSE);
	for (uint32_t n = IDT_IDS - k->used, i = n > 64 ? n - 64 : 0; k->dense && i < n; i++)
		MUST(k->slot[k->bag[i]] == 0);
}

void idt_check(const struct idtable *t)
{
	uint32_t by_server = 0, by_socket = 0;

	for (unsigned i = 0; i < t->server_n; i++) {
		uint32_t taken = t->server[i].used + t->server[i].held;
		MUST(taken <= t->max && taken <= t->server[i].touched);
		by_server += t->server[i].used;
	}
	for (unsigned i = 0; i < t->socket_n; i++)
		by_socket += t->socket[i].used;
	MUST(by_server == t->used && by_socket == t->used);
#ifdef EK_DEBUG
	uint32_t queued = 0;
	for (unsigned i = 0; i < t->queue_n; i++)
		queued += check_queue(t, &t->queue[i]);
	MUST(queued == t->used);
	for (unsigned i = 0; i < t->socket_n; i++)
		check_bag(&t->socket[i]);
#else
	(void)check_queue;
	(void)check_bag;
#endif
}
