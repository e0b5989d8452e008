/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The programs' part of TCP in virtual time: what the shells of balancer, recursor and clients do
 * with streams, around the same cores. A program looks at a stream when something has come on it,
 * takes what is whole, and writes what its core makes of it.
 */
#include "tcp.h"

#include <string.h>

/* ---- balancer ---- */

static int front_of(const struct bal_conf *c, const struct ep *dst)
{
	for (unsigned i = 0; i < c->front_n; i++)
		if (c->front[i].port == dst->port && !c->listen[i].udp_only &&
		    ip_is4(&c->front[i].ip) == ip_is4(&dst->ip) &&
		    (ip_is_any(&c->front[i].ip) || ip_eq(&c->front[i].ip, &dst->ip)))
			return (int)i;
	return -1;
}

bool tcp_listens(const struct host *h, const struct ep *dst)
{
	if (h->state != HOST_RUNS && h->state != HOST_HANGS)
		return false;
	if (h->lb != NULL)
		return front_of(&h->lb->conf, dst) >= 0;
	return h->rec != NULL && stub_port(h, dst) >= 0;
}

static struct stream *of_conn(struct world *w, struct host *h, uint32_t conn)
{
	return tcp_find(w, h->lb->stream[bal_tcp_place(conn)]);
}

static void take_messages(struct world *w, struct host *h, struct stream *s, unsigned k,
                          int64_t done_ns);

/* What became of a message, if it is to be sent. */
static void send_on(struct world *w, struct host *h, const struct stream *from,
                    const struct dgram *d, int64_t done_ns)
{
	bool sends = bal_verdict_sends(d->verdict);
	struct stream *to = sends && d->proto == DGRAM_TCP ? of_conn(w, h, d->conn) : NULL;

	if (sends && d->proto == DGRAM_UDP)
		lb_answer(w, h, d, done_ns);
	if (to == NULL)
		return;
	tcp_write(w, to, 1, d->data, d->len, done_ns);
	if (to != from)
		take_messages(w, h, to, 1, done_ns); /* it may have room for the next now */
}

static void take_messages(struct world *w, struct host *h, struct stream *s, unsigned k,
                          int64_t done_ns)
{
	struct side *me = &s->side[k];
	uint8_t *m;

	while ((k == 0 || bal_tcp_takes(h->lb->bal, me->app)) && tcp_has_message(me)) {
		int len = tcp_read(w, me, &m);
		struct dgram d = {
			.data = m, .len = (uint16_t)len, .cap = UINT16_MAX, .t_ns = w->now_ns,
			.peer = s->side[1 - k].ep, .local = me->ep, .proto = DGRAM_TCP,
			.port = k == 0, .conn = me->app,
		};
		bal_rx(h->lb->bal, w->now_ns, &d, 1);
		send_on(w, h, s, &d, done_ns);
	}
}

static void order_open(struct world *w, struct host *h, const struct dgram *d, int64_t done_ns)
{
	struct ep own = { host_own_ip(h, &d->peer.ip), tcp_fresh_port(w) };
	struct stream *s = tcp_open(w, h, &own, &d->peer, done_ns);

	if (s == NULL)
		return; /* the run is over */
	s->side[0].app = d->conn;
	h->lb->stream[bal_tcp_place(d->conn)] = s->id;
}

void tcp_lb_orders(struct world *w, struct host *h, int64_t done_ns)
{
	static const size_t room = UINT16_MAX;
	struct dgram d = { .data = w->tcp_out, .cap = (uint16_t)room };

	while (w->trouble[0] == '\0' && bal_tcp_poll(h->lb->bal, w->now_ns, &d)) {
		unsigned k = d.port == 0;
		struct stream *s = of_conn(w, h, d.conn);
		if (d.verdict == BAL_ORDER_OPEN) {
			order_open(w, h, &d, done_ns);
		} else if (d.verdict == BAL_ORDER_SEND && s != NULL) {
			tcp_write(w, s, k, d.data, d.len, done_ns);
		} else if (d.verdict == BAL_ORDER_GREET && s != NULL) {
			tcp_write_raw(w, s, k, d.data, d.len, done_ns);
		} else if (d.verdict == BAL_ORDER_CLOSE) {
			h->lb->stream[bal_tcp_place(d.conn)] = 0;
			if (s != NULL && s->side[k].app == d.conn)
				tcp_close(w, s, k, done_ns);
			bal_tcp_closed(h->lb->bal, w->now_ns, d.conn);
		}
	}
}

/* Its program closes it, and tells the core. */
static void lb_lost(struct world *w, struct host *h, struct stream *s, unsigned k, int64_t done_ns)
{
	uint32_t conn = s->side[k].app;

	h->lb->stream[bal_tcp_place(conn)] = 0;
	tcp_close(w, s, k, done_ns);
	bal_tcp_closed(h->lb->bal, w->now_ns, conn);
}

static void lb_server_looks(struct world *w, struct host *h, struct stream *s, int64_t done_ns)
{
	struct side *me = &s->side[0];

	if (me->connected) {
		me->connected = false;
		bal_tcp_connected(h->lb->bal, w->now_ns, me->app);
	}
	take_messages(w, h, s, 0, done_ns);
	if (me->reset || me->fin_in)
		lb_lost(w, h, s, 0, done_ns);
}

static void lb_client_looks(struct world *w, struct host *h, struct stream *s, int64_t done_ns)
{
	struct side *me = &s->side[1];

	if (me->app == 0) {
		int front = front_of(&h->lb->conf, &me->ep);
		me->app = bal_tcp_accept(h->lb->bal, w->now_ns, &s->side[0].ep, &me->ep,
		                         (unsigned)front);
		if (me->app == 0) {
			tcp_abort(w, s, 1, done_ns);
			return;
		}
		h->lb->stream[bal_tcp_place(me->app)] = s->id;
	}
	if (me->reset) {
		lb_lost(w, h, s, 1, done_ns);
		return;
	}
	take_messages(w, h, s, 1, done_ns);
	if (me->fin_in && !tcp_has_message(me))
		bal_tcp_eof(h->lb->bal, w->now_ns, me->app);
}

/* ---- a balancer's health checks ---- */

uint32_t tcp_probe(struct world *w, struct host *h, const struct dgram *d, int64_t t_ns)
{
	struct ep own = { host_own_ip(h, &d->peer.ip), tcp_fresh_port(w) };
	struct stream *s = tcp_open(w, h, &own, &d->peer, t_ns);

	if (s == NULL)
		return 0;
	s->side[0].app = d->conn;
	s->check = d->port;
	tcp_keep(s, d->data, d->len);
	return s->id;
}

void tcp_probe_close(struct world *w, uint32_t stream)
{
	struct stream *s = tcp_find(w, stream);

	if (s != NULL)
		tcp_close(w, s, 0, w->now_ns + MODEL_KERNEL);
}

void tcp_probe_looks(struct world *w, struct host *h, struct stream *s)
{
	const uint32_t id = s->id;
	struct side *me = &s->side[0];
	const unsigned server = s->check - 1;
	uint8_t *m;

	if (me->connected) {
		me->connected = false;
		tcp_flush(w, s, w->now_ns + MODEL_KERNEL);
	}
	while (tcp_find(w, id) == s && !me->gone) {
		int len = tcp_read(w, me, &m);
		if (len < 0 && !me->reset && !me->fin_in)
			return;
		lb_probe_over(w, h, server, me->app, len < 0 ? NULL : m, (uint16_t)len);
		if (len < 0)
			return;
	}
}

/* ---- recursor ---- */

static void stub_done(struct world *w, struct stream *s, int64_t done_ns)
{
	const struct side *me = &s->side[1];

	if (me->reset || (me->fin_in && me->waiting == 0 && !tcp_has_message(me)))
		tcp_close(w, s, 1, done_ns);
}

/* Gives one message to the core. False: the connection is closed for it. */
static bool stub_give(struct world *w, struct host *h, struct stream *s, uint8_t *m, int len,
                      int64_t done_ns)
{
	struct side *me = &s->side[1];
	struct dgram d = {
		.data = m, .len = (uint16_t)len, .cap = UINT16_MAX, .t_ns = w->now_ns,
		.peer = s->side[0].ep, .local = me->ep, .proto = DGRAM_TCP, .conn = s->id,
	};

	rec_rx(h->rec->rec, w->now_ns, &d, 1);
	switch ((enum rec_verdict)d.verdict) {
	case REC_ANSWER: tcp_write(w, s, 1, d.data, d.len, done_ns); return true;
	case REC_WAIT: me->waiting++; return true;
	case REC_DROP_FAULT: case REC_DROP_FULL: return true;
	default: return false;
	}
}

static void stub_looks(struct world *w, struct host *h, struct stream *s, int64_t done_ns)
{
	struct side *me = &s->side[1];
	uint8_t *m;

	if (me->app == 0) {
		if (!rec_accept(h->rec->rec, &s->side[0].ep.ip)) {
			tcp_abort(w, s, 1, done_ns);
			return;
		}
		me->app = 1;
		tcp_timer(w, s->id, TCP_TIMER_IDLE, w->now_ns + h->rec->conf->tcp_timeout_ns);
	}
	me->active_ns = w->now_ns;
	for (int len; !me->reset && (len = tcp_read(w, me, &m)) >= 0;) {
		if (!stub_give(w, h, s, m, len, done_ns)) {
			tcp_close(w, s, 1, done_ns);
			return;
		}
	}
	stub_done(w, s, done_ns);
}

void tcp_stub_answer(struct world *w, const struct dgram *d, int64_t done_ns)
{
	struct stream *s = tcp_find(w, d->conn);

	if (s == NULL || s->side[1].gone)
		return;
	s->side[1].waiting--;
	s->side[1].active_ns = w->now_ns;
	tcp_write(w, s, 1, d->data, d->len, done_ns);
	stub_done(w, s, done_ns);
}

void tcp_idle(struct world *w, struct stream *s)
{
	struct side *me = &s->side[1];
	const struct host *h = &w->host[me->node];

	if (me->gone || h->rec == NULL || h->state == HOST_ENDED)
		return;
	int64_t timeout = h->rec->conf->tcp_timeout_ns;
	int64_t end = me->waiting > 0 || h->state != HOST_RUNS ? w->now_ns + timeout
	                                                       : me->active_ns + timeout;
	if (end <= w->now_ns)
		tcp_close(w, s, 1, w->now_ns);
	else
		tcp_timer(w, s->id, TCP_TIMER_IDLE, end);
}

/* ---- clients ---- */

static bool shared(const struct stream *s)
{
	return (s->side[0].app & LOAD_CONN_SHARED) != 0;
}

/* A captured connection may be there already. */
void tcp_connect(struct world *w, unsigned load, const struct dgram *d)
{
	struct ep own = { d->local.ip, 0 };
	int64_t leaves = w->now_ns + host_lag_ns(w), until = d->t_ns;
	struct stream *s = (d->conn & LOAD_CONN_SHARED) != 0 ? tcp_find_client(w, load, d->conn)
	                                                      : NULL;
	if (s == NULL) {
		own.port = tcp_fresh_port(w);
		s = tcp_open(w, &w->host[w->load[load].host], &own, &d->peer, leaves);
	}
	if (s == NULL)
		return;
	s->side[0].app = d->conn;
	s->load = load;
	until += w->plan->load[load].timeout_ns;
	s->until_ns = until > s->until_ns ? until : s->until_ns;
	s->waiting++;
	s->more = d->verdict == LOAD_SEND_MORE;
	if (s->established && !s->side[0].connected && s->out_len == 0)
		tcp_write(w, s, 0, d->data, d->len, leaves);
	else
		tcp_keep(s, d->data, d->len);
	/* Its core knows by itself when a try's time is over. */
	tcp_timer(w, s->id, TCP_TIMER_UNTIL, s->until_ns);
}

void tcp_client_until(struct world *w, struct stream *s)
{
	if (w->now_ns < s->until_ns)
		return;
	s->waiting = 0;
	if (!s->more || s->out_len > 0)
		tcp_close(w, s, 0, w->now_ns);
}

/* A message that came. False: the stream isn't wanted any more. */
static bool client_takes(struct world *w, struct stream *s, uint8_t *m, uint16_t len)
{
	struct dgram d = {
		.data = m, .len = len, .cap = UINT16_MAX, .t_ns = w->now_ns,
		.local = s->side[0].ep, .peer = s->side[1].ep, .proto = DGRAM_TCP,
		.conn = s->side[0].app,
	};

	load_rx(w->load[s->load].load, w->now_ns, &d, 1);
	s->waiting -= s->waiting > 0;
	if (d.verdict == LOAD_ANSWERED || (shared(s) && d.verdict == LOAD_UNMATCHED))
		return s->waiting > 0 || s->more;
	load_tcp_failed(w->load[s->load].load, w->now_ns, s->side[0].app);
	return false;
}

void tcp_client_looks(struct world *w, struct stream *s)
{
	struct side *me = &s->side[0];
	const unsigned load = s->load;
	bool wanted = true;
	uint8_t *m;
	int len;

	if (me->connected) {
		me->connected = false;
		tcp_flush(w, s, w->now_ns + MODEL_KERNEL);
	}
	while (wanted && (len = tcp_read(w, me, &m)) >= 0)
		wanted = client_takes(w, s, m, (uint16_t)len);
	if (wanted && !me->reset && !me->fin_in)
		return;
	if (wanted && s->waiting > 0)
		load_tcp_failed(w->load[load].load, w->now_ns, me->app);
	tcp_close(w, s, 0, w->now_ns + MODEL_KERNEL);
	clients_arm(w, load);
}

/* ---- the host's call ---- */

void tcp_look(struct world *w, struct host *h, uint32_t slot, int64_t done_ns)
{
	struct stream *s = tcp_find(w, w->slot[slot].conn);
	unsigned k = s != NULL && ep_eq(&w->slot[slot].f.dst, &s->side[1].ep);

	slot_give(w, slot);
	if (s == NULL || s->side[k].gone || s->side[k].generation != h->generation)
		return;
	if (h->rec != NULL)
		stub_looks(w, h, s, done_ns);
	else if (s->check != 0 && k == 0)
		tcp_probe_looks(w, h, s);
	else if (k == 0)
		lb_server_looks(w, h, s, done_ns);
	else
		lb_client_looks(w, h, s, done_ns);
	if (h->lb != NULL)
		tcp_lb_orders(w, h, done_ns);
}
