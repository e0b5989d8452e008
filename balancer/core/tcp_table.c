/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables of the balancer's TCP: connections, the queries on them, their bytes in blocks, IDs by
 * hash, deadlines in a heap that knows where each connection is. Places are used again last in,
 * first out, so few connections touch little memory; all of it is zero pages until then.
 */
#include "tcp_impl.h"

#include <string.h>

#include "draw.h"

/* ---- connections ---- */

struct tcp_conn *btcp_conn_take(struct tcp *t, enum tcp_state state)
{
	struct tcp_conn *c;

	if (t->conn_free != 0) {
		c = &t->conn[t->conn_free - 1];
		t->conn_free = c->after;
	} else if (t->conn_touched < btcp_conns(t)) {
		c = &t->conn[t->conn_touched++];
	} else {
		return NULL;
	}
	*c = (struct tcp_conn){
		.turn = c->turn, .state = (uint8_t)state, .listed = c->listed,
		.next_listed = c->next_listed, .opened_ns = t->now_ns, .since_ns = t->now_ns,
		.due_ns = INT64_MAX,
	};
	return c;
}

void btcp_conn_free(struct tcp *t, struct tcp_conn *c)
{
	btcp_due(t, c, INT64_MAX);
	c->state = TCP_FREE;
	c->turn++;
	c->after = t->conn_free;
	t->conn_free = btcp_at(t, c);
}

struct tcp_conn *btcp_conn_find(const struct tcp *t, uint32_t conn)
{
	uint32_t at = conn & 0xffff;

	if (at == 0 || at > t->conn_touched)
		return NULL;
	struct tcp_conn *c = &t->conn[at - 1];
	return c->state != TCP_FREE && c->turn == conn >> 16 ? c : NULL;
}

void btcp_list(struct tcp *t, struct tcp_conn *c)
{
	if (c->listed)
		return;
	c->listed = true;
	c->next_listed = 0;
	if (t->listed_first == 0)
		t->listed_first = btcp_at(t, c);
	else
		t->conn[t->listed_last - 1].next_listed = btcp_at(t, c);
	t->listed_last = btcp_at(t, c);
}

/* ---- deadlines ---- */

/* By time, then by place: a total order. */
static bool before(const struct tcp *t, uint32_t a, uint32_t b)
{
	int64_t ta = t->conn[a - 1].due_ns, tb = t->conn[b - 1].due_ns;

	return ta != tb ? ta < tb : a < b;
}

static void put(struct tcp *t, uint32_t i, uint32_t who)
{
	t->heap[i] = who;
	t->conn[who - 1].at = i + 1;
}

static void sift_up(struct tcp *t, uint32_t i, uint32_t who)
{
	for (; i > 0 && before(t, who, t->heap[(i - 1) / 2]); i = (i - 1) / 2)
		put(t, i, t->heap[(i - 1) / 2]);
	put(t, i, who);
}

static void sift_down(struct tcp *t, uint32_t i, uint32_t who)
{
	for (uint32_t c; (c = 2 * i + 1) < t->heap_n; i = c) {
		if (c + 1 < t->heap_n && before(t, t->heap[c + 1], t->heap[c]))
			c++;
		if (!before(t, t->heap[c], who))
			break;
		put(t, i, t->heap[c]);
	}
	put(t, i, who);
}

static void heap_remove(struct tcp *t, struct tcp_conn *c)
{
	uint32_t i = c->at - 1, last = t->heap[--t->heap_n];

	c->at = 0;
	if (i == t->heap_n)
		return;
	if (i > 0 && before(t, last, t->heap[(i - 1) / 2]))
		sift_up(t, i, last);
	else
		sift_down(t, i, last);
}

void btcp_due(struct tcp *t, struct tcp_conn *c, int64_t due_ns)
{
	if (c->due_ns == due_ns)
		return;
	if (c->at != 0)
		heap_remove(t, c);
	c->due_ns = due_ns;
	if (due_ns != INT64_MAX)
		sift_up(t, t->heap_n++, btcp_at(t, c));
}

/* ---- queries ---- */

static struct tcp_block *block_take(struct tcp *t)
{
	struct tcp_block *b;

	if (t->block_free != 0) {
		b = &t->block[t->block_free - 1];
		t->block_free = b->next;
		return b;
	}
	return t->block_touched < 4 * btcp_conns(t) ? &t->block[t->block_touched++] : NULL;
}

static void blocks_free(struct tcp *t, uint32_t first)
{
	while (first != 0) {
		struct tcp_block *b = &t->block[first - 1];
		uint32_t next = b->next;
		b->next = t->block_free;
		t->block_free = first;
		first = next;
	}
}

/* Copies a message into blocks; the first one's place plus 1, or 0, nothing kept. */
static uint32_t blocks_write(struct tcp *t, const uint8_t *p, size_t len)
{
	uint32_t first = 0, *link = &first;

	while (len > 0) {
		size_t n = len < TCP_BLOCK_BYTES ? len : TCP_BLOCK_BYTES;
		struct tcp_block *b = block_take(t);
		if (b == NULL) {
			blocks_free(t, first);
			return 0;
		}
		b->next = 0;
		memcpy(b->data, p, n);
		*link = (uint32_t)(b - t->block) + 1;
		link = &b->next;
		p += n;
		len -= n;
	}
	return first;
}

struct tcp_query *btcp_query_take(struct tcp *t, const uint8_t *message, uint16_t len)
{
	struct tcp_query *q;
	uint32_t block;

	if (t->query_free == 0 && t->query_touched == btcp_conns(t))
		return NULL;
	block = blocks_write(t, message, len);
	if (block == 0)
		return NULL;
	if (t->query_free != 0) {
		q = &t->query[t->query_free - 1];
		t->query_free = q->next_hash;
	} else {
		q = &t->query[t->query_touched++];
	}
	memset(&q->client, 0, sizeof(*q) - offsetof(struct tcp_query, client));
	q->block = block;
	q->len = len;
	t->used++;
	return q;
}

void btcp_query_free(struct tcp *t, struct tcp_query *q)
{
	blocks_free(t, q->block);
	q->next_hash = t->query_free;
	t->query_free = btcp_query_at(t, q);
	t->used--;
}

void btcp_query_read(const struct tcp *t, const struct tcp_query *q, uint8_t *out)
{
	size_t len = q->len;

	for (uint32_t at = q->block; len > 0; at = t->block[at - 1].next) {
		size_t n = len < TCP_BLOCK_BYTES ? len : TCP_BLOCK_BYTES;
		memcpy(out, t->block[at - 1].data, n);
		out += n;
		len -= n;
	}
}

/* ---- IDs ---- */

static uint32_t *bucket(const struct tcp *t, uint32_t conn, uint16_t id)
{
	uint32_t h = (conn * UINT32_C(0x9e3779b1)) ^ (id * UINT32_C(0x85ebca6b));

	return &t->hash[(h ^ h >> 15) % btcp_conns(t)];
}

struct tcp_query *btcp_id_find(const struct tcp *t, const struct tcp_conn *c, uint16_t id)
{
	uint32_t at = btcp_at(t, c);

	for (uint32_t i = *bucket(t, at, id); i != 0; i = t->query[i - 1].next_hash) {
		struct tcp_query *q = &t->query[i - 1];
		if (q->server_conn == at && q->id == id)
			return q;
	}
	return NULL;
}

/* At most a quarter of the IDs is taken (BAL_TCP_IN_FLIGHT), so a draw or two are enough. */
void btcp_id_take(struct tcp *t, struct tcp_query *q, const struct tcp_conn *c)
{
	uint32_t *b;

	do
		q->id = drbg_u16(&t->random);
	while (btcp_id_find(t, c, q->id) != NULL);
	b = bucket(t, btcp_at(t, c), q->id);
	q->next_hash = *b;
	*b = btcp_query_at(t, q);
}

void btcp_id_free(struct tcp *t, struct tcp_query *q)
{
	uint32_t *link = bucket(t, q->server_conn, q->id), at = btcp_query_at(t, q);

	while (*link != at)
		link = &t->query[*link - 1].next_hash;
	*link = q->next_hash;
}

/* ---- lists ---- */

#define LIST(add, remove, link, owner)                                                            \
	void add(struct tcp *t, struct tcp_conn *c, struct tcp_query *q)                          \
	{                                                                                         \
		q->owner = btcp_at(t, c);                                                         \
		q->link = (struct tcp_link){ .before = c->last };                                 \
		if (c->last != 0)                                                                 \
			t->query[c->last - 1].link.after = btcp_query_at(t, q);                   \
		else                                                                              \
			c->first = btcp_query_at(t, q);                                           \
		c->last = btcp_query_at(t, q);                                                    \
	}                                                                                         \
	void remove(struct tcp *t, struct tcp_query *q)                                           \
	{                                                                                         \
		struct tcp_conn *c = &t->conn[q->owner - 1];                                      \
		if (q->link.before != 0)                                                          \
			t->query[q->link.before - 1].link.after = q->link.after;                  \
		else                                                                              \
			c->first = q->link.after;                                                 \
		if (q->link.after != 0)                                                           \
			t->query[q->link.after - 1].link.before = q->link.before;                 \
		else                                                                              \
			c->last = q->link.before;                                                 \
		q->owner = 0;                                                                     \
	}

LIST(btcp_client_add, btcp_client_remove, of_client, client)
LIST(btcp_server_add, btcp_server_remove, of_server, server_conn)
