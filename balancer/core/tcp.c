/* SPDX-License-Identifier: BSD-3-Clause */
/* The balancer's TCP as shells see it (tcp.h), and what bal.c needs of it. */
#include "tcp_impl.h"

#include <string.h>

#include "lib/proxy.h"

size_t btcp_arena_size(const struct bal_conf *conf)
{
	uint32_t n = conf->tcp.conns;

	if (n == 0)
		return 0;
	return arena_need(1, sizeof(struct tcp)) + arena_need(n, sizeof(struct tcp_conn)) +
	       arena_need(n, sizeof(struct tcp_query)) +
	       arena_need(4 * (size_t)n, sizeof(struct tcp_block)) +
	       arena_need(bal_conf_servers(conf), sizeof(struct tcp_server)) +
	       2 * arena_need(n, sizeof(uint32_t));
}

struct tcp *btcp_init(struct arena *a, const struct bal_conf *conf, struct bal_shared *shared,
                     struct policy *policy, const uint8_t seed[32], uint32_t worker)
{
	uint32_t n = conf->tcp.conns;
	struct drbg key;

	if (n == 0)
		return NULL;
	MUST(n < UINT16_MAX);
	struct tcp *t = arena_take(a, 1, sizeof(*t));
	t->conf = conf;
	t->shared = shared;
	t->policy = policy;
	t->now_ns = INT64_MIN;
	t->conn = arena_take(a, n, sizeof(*t->conn));
	t->query = arena_take(a, n, sizeof(*t->query));
	t->block = arena_take(a, 4 * (size_t)n, sizeof(*t->block));
	t->server = arena_take(a, bal_conf_servers(conf), sizeof(*t->server));
	t->hash = arena_take(a, n, sizeof(*t->hash));
	t->heap = arena_take(a, n, sizeof(*t->heap));
	drbg_init(&t->random, seed, DRBG_TCP, worker);
	drbg_init(&key, seed, DRBG_TCP, UINT32_MAX); /* all workers share the table of clients */
	t->client_key = drbg_u64(&key);
	return t;
}

void btcp_begin(struct tcp *t, int64_t now_ns)
{
	MUST(now_ns >= t->now_ns);
	t->now_ns = now_ns;
	while (t->heap_n > 0) {
		struct tcp_conn *c = &t->conn[t->heap[0] - 1];
		if (c->due_ns > now_ns)
			return;
		if (c->client)
			btcp_client_expire(t, c);
		else
			btcp_server_expire(t, c);
	}
}

/* ---- for bal.c ---- */

struct tcp_query *btcp_forward(struct tcp *t, const struct dgram *d, unsigned server,
                               bool transfer, uint16_t udp_size)
{
	struct tcp_conn *c = udp_size > 0 ? NULL : btcp_conn_find(t, d->conn);
	struct tcp_query *q = btcp_query_take(t, d->data, d->len);

	if (q == NULL)
		return NULL;
	q->transfer = transfer;
	q->udp_size = udp_size;
	q->client_conn = d->conn;
	if (!btcp_route(t, q, server, false)) {
		btcp_query_free(t, q);
		return NULL;
	}
	if (c == NULL)
		return q;
	btcp_client_add(t, c, q);
	c->in_flight++;
	btcp_client_settle(t, c);
	return q;
}

struct tcp_query *btcp_find(const struct tcp *t, uint32_t conn, uint16_t id)
{
	const struct tcp_conn *c = btcp_conn_find(t, conn);

	return c != NULL && !c->client ? btcp_id_find(t, c, id) : NULL;
}

uint32_t btcp_take_answer(struct tcp *t, struct tcp_query *q, bool over)
{
	uint32_t client = q->client != 0 ? q->client_conn : 0;

	q->begun = q->transfer;
	if (over) {
		t->count[BAL_TCP_ABANDONED] += !btcp_wanted(q);
		btcp_client_lose(t, q);
	}
	btcp_answered(t, q, over);
	return client;
}

uint64_t btcp_unanswered(const struct tcp *t)
{
	return t->count[BAL_TCP_FAILED] + t->count[BAL_TCP_ABANDONED] +
	       t->count[BAL_TCP_TRANSFERRED] + t->used;
}

void btcp_check(const struct tcp *t)
{
	uint32_t clients = 0, servers = 0, queries = 0, due = 0;

	for (uint32_t i = 0; i < t->conn_touched; i++) {
		const struct tcp_conn *c = &t->conn[i];
		if (c->state == TCP_FREE)
			continue;
		clients += c->client;
		servers += !c->client;
		queries += c->client ? 0 : c->in_flight;
		due += c->at != 0;
		MUST(c->at == 0 || t->heap[c->at - 1] == i + 1);
		MUST((c->in_flight == 0) == (c->first == 0));
	}
	MUST(clients == t->clients && servers == t->servers);
	MUST(queries == t->used && due == t->heap_n);
}

/* ---- for shells ---- */

static struct tcp *begun(const struct bal *b, int64_t now_ns)
{
	struct tcp *t = btcp_of(b);

	MUST(t != NULL);
	btcp_begin(t, now_ns);
	return t;
}

uint32_t bal_tcp_accept(struct bal *b, int64_t now_ns, const struct ep *peer,
                        const struct ep *local, unsigned front)
{
	return btcp_accept(begun(b, now_ns), peer, local, front);
}

bool bal_tcp_takes(const struct bal *b, uint32_t conn)
{
	return btcp_takes(btcp_of(b), conn);
}

void bal_tcp_connected(struct bal *b, int64_t now_ns, uint32_t conn)
{
	struct tcp *t = begun(b, now_ns);
	struct tcp_conn *c = btcp_conn_find(t, conn);

	if (c == NULL || c->state != TCP_CONNECTING)
		return;
	c->state = TCP_OPEN;
	c->since_ns = t->now_ns;
	for (uint32_t i = c->first; i != 0; i = t->query[i - 1].of_server.after)
		t->query[i - 1].q.sent_ns = t->now_ns;
	btcp_list(t, c);
	btcp_server_settle(t, c);
}

void bal_tcp_eof(struct bal *b, int64_t now_ns, uint32_t conn)
{
	struct tcp *t = begun(b, now_ns);
	struct tcp_conn *c = btcp_conn_find(t, conn);

	if (c != NULL && c->client)
		btcp_client_drain(t, c);
}

void bal_tcp_closed(struct bal *b, int64_t now_ns, uint32_t conn)
{
	struct tcp *t = begun(b, now_ns);
	struct tcp_conn *c = btcp_conn_find(t, conn);

	if (c == NULL)
		return;
	if (c->client)
		btcp_client_gone(t, c);
	else
		btcp_server_gone(t, c);
}

static void order(struct tcp *t, const struct tcp_conn *c, struct dgram *d, enum bal_order what)
{
	d->verdict = (uint8_t)what;
	d->proto = DGRAM_TCP;
	d->conn = btcp_number(t, c);
	d->t_ns = t->now_ns;
	d->port = c->client ? 0 : (uint16_t)(c->owner + 1);
	d->len = 0;
	d->peer = c->client ? c->peer : t->conf->server[c->owner].addr;
	d->local = c->client ? c->local : (struct ep){ 0 };
}

/* Whose query it is, before anything else on the connection. */
static void order_greet(struct tcp *t, struct tcp_conn *c, struct dgram *d)
{
	const struct idt_query *q = &t->query[c->unsent - 1].q;

	order(t, c, d, BAL_ORDER_GREET);
	MUST(d->cap >= PROXY_MAX);
	d->len = (uint16_t)proxy_header(d->data, &q->client, &q->local, true);
	c->greet = false;
}

static void order_send(struct tcp *t, struct tcp_conn *c, struct dgram *d)
{
	struct tcp_query *q = &t->query[c->unsent - 1];

	order(t, c, d, BAL_ORDER_SEND);
	MUST(d->cap >= q->len);
	btcp_query_read(t, q, d->data);
	d->len = q->len;
	dns_put16(d->data, q->id);
	q->q.sent_ns = t->now_ns;
	c->unsent = q->of_server.after;
	btcp_server_settle(t, c);
}

/* The connection's next order; false: it has none. */
static bool next_order(struct tcp *t, struct tcp_conn *c, struct dgram *d)
{
	if (c->state != TCP_FREE && c->tell) {
		c->tell = false;
		order(t, c, d, c->state == TCP_CLOSING ? BAL_ORDER_CLOSE : BAL_ORDER_OPEN);
		return true;
	}
	if (c->state != TCP_OPEN || c->unsent == 0)
		return false;
	if (c->greet)
		order_greet(t, c, d);
	else
		order_send(t, c, d);
	return true;
}

bool bal_tcp_poll(struct bal *b, int64_t now_ns, struct dgram *d)
{
	struct tcp *t = begun(b, now_ns);

	while (t->listed_first != 0) {
		struct tcp_conn *c = &t->conn[t->listed_first - 1];
		if (next_order(t, c, d))
			return true;
		c->listed = false;
		t->listed_first = c->next_listed;
	}
	return false;
}

int64_t bal_tcp_deadline(const struct bal *b)
{
	const struct tcp *t = btcp_of(b);

	if (t == NULL)
		return INT64_MAX;
	if (t->listed_first != 0)
		return t->now_ns;
	return t->heap_n > 0 ? t->conn[t->heap[0] - 1].due_ns : INT64_MAX;
}

uint64_t bal_tcp_count(const struct bal *b, enum bal_tcp_count c)
{
	return btcp_of(b) != NULL ? btcp_of(b)->count[c] : 0;
}

uint32_t bal_tcp_outstanding(const struct bal *b)
{
	return btcp_of(b) != NULL ? btcp_of(b)->used : 0;
}

uint32_t bal_tcp_open(const struct bal *b, bool to_servers)
{
	const struct tcp *t = btcp_of(b);

	return t == NULL ? 0 : to_servers ? t->servers : t->clients;
}
