/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernels' part of TCP; see tcp.h. A SYN is sent again after a second, two, four when nothing
 * comes back; where nobody listens an RST refuses it. Each segment with data or FIN is acknowledged
 * at once. What comes to a program that is gone is answered with RST.
 */
#include "tcp.h"

#include <stdlib.h>
#include <string.h>

#include "lib/stream.h"

enum {
	FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16,
	PORT_LEAST = 56000, PORTS = 9000, RETRIES = 6,
	INDEX_BITS = 20,            /* of a stream's number; above them how often it was used */
	STREAMS_MAX = (1 << INDEX_BITS) - 1,
	MSS4 = 1460, MSS6 = 1440,
};

struct tcp_world {
	struct stream **stream;     /* pointers, so that a stream stays where it is */
	uint32_t n, cap, free;
	struct drbg random;         /* sequence numbers and ports */
	uint16_t next_port;
	uint8_t work[UINT16_MAX];   /* tcp_read's message */
};

STATIC_MUST((int)MSS4 <= (int)SLOT_BYTES);

static struct tcp_world *tcp_of(struct world *w)
{
	uint8_t seed[DRBG_SEED];

	if (w->tcp != NULL)
		return w->tcp;
	w->tcp = calloc(1, sizeof(*w->tcp));
	MUST(w->tcp != NULL);
	plan_seed(w->plan, seed);
	drbg_init(&w->tcp->random, seed, DRBG_PORTS, UINT32_MAX);
	return w->tcp;
}

static void forget(struct stream *s)
{
	free(s->side[0].in);
	free(s->side[1].in);
	free(s->out);
}

void tcp_free_all(struct world *w)
{
	for (uint32_t i = 0; w->tcp != NULL && i < w->tcp->n; i++) {
		forget(w->tcp->stream[i]);
		free(w->tcp->stream[i]);
	}
	if (w->tcp != NULL)
		free(w->tcp->stream);
	free(w->tcp);
}

uint16_t tcp_fresh_port(struct world *w)
{
	struct tcp_world *t = tcp_of(w);

	return (uint16_t)(PORT_LEAST + t->next_port++ % PORTS);
}

/* ---- streams ---- */

/* One that was never used before. */
static struct stream *grow_streams(struct world *w)
{
	struct tcp_world *t = w->tcp;

	if (t->n == STREAMS_MAX) {
		world_trouble(w, "more than %d TCP connections", STREAMS_MAX);
		return NULL;
	}
	if (t->n == t->cap) {
		t->cap = t->cap * 2 + 64;
		t->stream = realloc(t->stream, t->cap * sizeof(struct stream *));
		MUST(t->stream != NULL);
	}
	struct stream *s = calloc(1, sizeof(*s));
	MUST(s != NULL);
	t->stream[t->n++] = s;
	s->index = t->n;
	return s;
}

static struct stream *new_stream(struct world *w)
{
	struct tcp_world *t = tcp_of(w);
	struct stream *s = t->free != 0 ? t->stream[t->free - 1] : grow_streams(w);

	if (s == NULL)
		return NULL;
	if (t->free != 0)
		t->free = s->next_free;
	s->id = (s->turn << INDEX_BITS | s->index);
	return s;
}

struct stream *tcp_find(struct world *w, uint32_t id)
{
	uint32_t index = id & STREAMS_MAX;

	if (w->tcp == NULL || index == 0 || index > w->tcp->n)
		return NULL;
	return w->tcp->stream[index - 1]->id == id ? w->tcp->stream[index - 1] : NULL;
}

struct stream *tcp_find_client(struct world *w, unsigned load, uint32_t number)
{
	for (uint32_t i = 0; w->tcp != NULL && i < w->tcp->n; i++) {
		struct stream *s = w->tcp->stream[i];
		const struct side *me = &s->side[0];
		if (s->id != 0 && me->app == number && s->load == load && !me->gone &&
		    w->host[me->node].role == PLAN_CLIENTS)
			return s;
	}
	return NULL;
}

/* Over once neither program has a part in it, and what ends it has arrived. */
static void end_if_over(struct world *w, struct stream *s)
{
	for (unsigned k = 0; k < 2; k++) {
		const struct side *other = &s->side[1 - k];
		bool told = other->fin_in || other->reset;
		if (!s->side[k].gone || (s->side[k].fin_out && !told))
			return;
	}
	forget(s);
	*s = (struct stream){ .index = s->index, .turn = s->turn + 1, .next_free = w->tcp->free };
	w->tcp->free = s->index;
}

/* ---- segments ---- */

static void send_segment(struct world *w, struct stream *s, unsigned k, unsigned flags,
                         const uint8_t *data, uint32_t len, int64_t t_ns)
{
	struct side *from = &s->side[k];
	uint32_t i = slot_take(w);

	MUST(len <= SLOT_BYTES);
	from->last_ns = t_ns > from->last_ns ? t_ns : from->last_ns;
	w->slot[i].f = (struct frame){
		.kind = FRAME_TCP, .src = from->ep, .dst = s->side[1 - k].ep, .tcp_seq = from->seq,
		.tcp_ack = (flags & ACK) != 0 ? from->ack : 0, .tcp_flags = (uint8_t)flags,
		.payload = w->data[i], .payload_len = len,
	};
	if (len > 0)
		memcpy(w->data[i], data, len);
	w->slot[i].conn = s->id;
	from->seq += len + ((flags & (SYN | FIN)) != 0);
	host_send(w, &w->host[from->node], i, from->last_ns);
}

static void push_timer(struct world *w, const struct stream *s, enum tcp_timer what, int64_t t_ns)
{
	world_push(w, t_ns, EVENT_TCP, (uint64_t)what << 32 | s->id);
}

void tcp_timer(struct world *w, uint32_t id, enum tcp_timer what, int64_t t_ns)
{
	world_push(w, t_ns, EVENT_TCP, (uint64_t)what << 32 | id);
}

static void send_syn(struct world *w, struct stream *s, int64_t t_ns)
{
	send_segment(w, s, 0, SYN, NULL, 0, t_ns);
	push_timer(w, s, TCP_TIMER_SYN, t_ns + (MODEL_SYN_RETRY << s->syns));
	s->syns++;
}

struct stream *tcp_open(struct world *w, struct host *h, const struct ep *own,
                        const struct ep *peer, int64_t t_ns)
{
	struct stream *s = new_stream(w);
	int to = routes_find(&w->routes, &peer->ip);

	if (s == NULL)
		return NULL;
	s->side[0] = (struct side){ .node = h->node, .generation = h->generation, .ep = *own,
	                            .seq = drbg_u32(&w->tcp->random) };
	s->side[1] = (struct side){ .node = to == PLAN_NONE ? h->node : (unsigned)to,
	                            .ep = *peer, .gone = true };
	send_syn(w, s, t_ns);
	return s;
}

/* Nothing has come back to the last SYN. */
static void retry(struct world *w, struct stream *s)
{
	if (s->established || s->side[0].gone)
		return;
	if (s->syns > RETRIES)
		return; /* its program's time-out is over long ago */
	s->side[0].seq--;
	send_syn(w, s, w->now_ns);
}

static void write_bytes(struct world *w, struct stream *s, unsigned k, const uint8_t *p, size_t n,
                        int64_t t_ns)
{
	const size_t mss = ip_is4(&s->side[k].ep.ip) ? MSS4 : MSS6;

	while (n > 0) {
		size_t part = n < mss ? n : mss;
		n -= part;
		send_segment(w, s, k, ACK | (n == 0 ? PSH : 0u), p, (uint32_t)part, t_ns);
		p += part;
	}
}

void tcp_write(struct world *w, struct stream *s, unsigned k, const uint8_t *m, uint16_t len,
               int64_t t_ns)
{
	static const size_t room = STREAM_MAX;
	uint8_t *framed;

	if (s->side[k].gone || s->side[k].fin_out)
		return;
	framed = malloc(room);
	MUST(framed != NULL);
	stream_prefix(framed, len);
	memcpy(framed + STREAM_PREFIX, m, len);
	write_bytes(w, s, k, framed, STREAM_PREFIX + (size_t)len, t_ns);
	free(framed);
}

void tcp_keep(struct stream *s, const uint8_t *m, uint16_t len)
{
	s->out = realloc(s->out, s->out_len + STREAM_PREFIX + (size_t)len);
	MUST(s->out != NULL);
	stream_prefix(s->out + s->out_len, len);
	memcpy(s->out + s->out_len + STREAM_PREFIX, m, len);
	s->out_len += STREAM_PREFIX + (uint32_t)len;
}

void tcp_flush(struct world *w, struct stream *s, int64_t t_ns)
{
	if (!s->side[0].gone && !s->side[0].fin_out)
		write_bytes(w, s, 0, s->out, s->out_len, t_ns);
	s->out_len = 0;
}

void tcp_write_raw(struct world *w, struct stream *s, unsigned k, const uint8_t *p, size_t n,
                   int64_t t_ns)
{
	if (!s->side[k].gone && !s->side[k].fin_out)
		write_bytes(w, s, k, p, n, t_ns);
}

void tcp_close(struct world *w, struct stream *s, unsigned k, int64_t t_ns)
{
	struct side *me = &s->side[k];

	if (me->gone)
		return;
	me->gone = true;
	if (s->established && !me->reset) {
		send_segment(w, s, k, FIN | ACK, NULL, 0, t_ns);
		me->fin_out = true;
	}
	end_if_over(w, s);
}

void tcp_abort(struct world *w, struct stream *s, unsigned k, int64_t t_ns)
{
	if (s->side[k].gone)
		return;
	s->side[k].gone = true;
	send_segment(w, s, k, RST | ACK, NULL, 0, t_ns);
	end_if_over(w, s);
}

/* ---- what comes ---- */

static void refuse(struct world *w, struct stream *s, const struct frame *f)
{
	struct side *me = &s->side[1];

	me->seq = 0;
	me->ack = f->tcp_seq + 1;
	send_segment(w, s, 1, RST | ACK, NULL, 0, w->now_ns + MODEL_KERNEL);
}

static void syn_came(struct world *w, struct host *h, struct stream *s, const struct frame *f)
{
	struct side *me = &s->side[1];
	bool again = s->established;

	if (!again && !tcp_listens(h, &f->dst)) {
		refuse(w, s, f);
		return;
	}
	if (!again) {
		s->established = true;
		me->gone = false;
		me->generation = h->generation;
		me->seq = drbg_u32(&w->tcp->random);
		me->ack = f->tcp_seq + 1;
		me->active_ns = w->now_ns;
		send_segment(w, s, 1, SYN | ACK, NULL, 0, w->now_ns + MODEL_KERNEL);
	}
}

static void keep(struct side *me, const struct frame *f)
{
	if (me->in_len + f->payload_len > me->in_cap) {
		me->in_cap = (me->in_len + f->payload_len) * 2;
		me->in = realloc(me->in, me->in_cap);
		MUST(me->in != NULL);
	}
	memcpy(me->in + me->in_len, f->payload, f->payload_len);
	me->in_len += f->payload_len;
	me->ack += f->payload_len;
}

/* Data or the end came in order. False: what came before was lost, or it is nothing. */
static bool take_in(struct side *me, const struct frame *f)
{
	if (f->tcp_seq != me->ack || (f->payload_len == 0 && (f->tcp_flags & FIN) == 0))
		return false;
	if (f->payload_len > 0)
		keep(me, f);
	if ((f->tcp_flags & FIN) != 0) {
		me->fin_in = true;
		me->ack++;
	}
	return true;
}

/* The program shall look; its slot then comes to tcp_look. False: there is none. */
static bool tell(struct world *w, struct host *h, struct stream *s, unsigned k, uint32_t slot)
{
	struct side *me = &s->side[k];

	if (me->gone)
		return false;
	if (h->role == PLAN_CLIENTS) {
		slot_give(w, slot);
		tcp_client_looks(w, s);
	} else if (s->check != 0 && k == 0 && h->state == HOST_RUNS) {
		slot_give(w, slot); /* health checks don't wait for the worker */
		tcp_probe_looks(w, h, s);
	} else {
		host_take(w, h, slot, h->lb == NULL ? WAKE_QUERY : k == 1 ? WAKE_FORWARD
		                                                          : WAKE_RETURN);
	}
	return true;
}

/* Returns true when the slot was given on. */
static bool came(struct world *w, struct host *h, struct stream *s, uint32_t slot)
{
	const struct frame *f = &w->slot[slot].f;
	unsigned k = ep_eq(&f->dst, &s->side[1].ep);
	struct side *me = &s->side[k];

	if ((f->tcp_flags & RST) != 0) {
		me->reset = true;
		if (tell(w, h, s, k, slot))
			return true;
		end_if_over(w, s);
		return false;
	}
	if (f->tcp_flags == SYN) {
		syn_came(w, h, s, f);
		return false;
	}
	if (f->tcp_flags == (SYN | ACK)) {
		me->ack = f->tcp_seq + 1;
		me->connected = true;
		send_segment(w, s, k, me->gone ? RST | ACK : ACK, NULL, 0,
		             w->now_ns + MODEL_KERNEL);
		return tell(w, h, s, k, slot);
	}
	if (!take_in(me, f))
		return false;
	bool unwanted = me->gone && (f->tcp_flags & FIN) == 0;
	send_segment(w, s, k, unwanted ? RST | ACK : ACK, NULL, 0, w->now_ns + MODEL_KERNEL);
	if (tell(w, h, s, k, slot))
		return true;
	end_if_over(w, s);
	return false;
}

void tcp_segment_arrives(struct world *w, struct host *h, uint32_t slot)
{
	struct stream *s = tcp_find(w, w->slot[slot].conn);

	if (s == NULL || h->state == HOST_ENDED || !came(w, h, s, slot))
		slot_give(w, slot);
}

/* ---- programs and time ---- */

bool tcp_has_message(const struct side *k)
{
	const uint8_t *m;
	uint16_t len;

	return stream_first(k->in, k->in_len, &m, &len) > 0;
}

int tcp_read(struct world *w, struct side *k, uint8_t **data)
{
	const uint8_t *m;
	uint16_t len;
	size_t took = stream_first(k->in, k->in_len, &m, &len);

	if (took == 0)
		return -1;
	memcpy(w->tcp->work, m, len);
	k->in_len -= (uint32_t)took;
	memmove(k->in, k->in + took, k->in_len);
	*data = w->tcp->work;
	return len;
}

void tcp_event(struct world *w, uint64_t what)
{
	struct stream *s = tcp_find(w, (uint32_t)what);

	if (s == NULL)
		return;
	switch ((enum tcp_timer)(what >> 32)) {
	case TCP_TIMER_SYN: retry(w, s); break;
	case TCP_TIMER_UNTIL: tcp_client_until(w, s); break;
	case TCP_TIMER_IDLE: tcp_idle(w, s); break;
	}
}

void tcp_program_killed(struct world *w, struct host *h)
{
	for (uint32_t i = 0; w->tcp != NULL && i < w->tcp->n; i++) {
		struct stream *s = w->tcp->stream[i];
		for (unsigned k = 0; k < 2 && s->id != 0; k++)
			if (s->side[k].node == h->node)
				tcp_close(w, s, k, w->now_ns);
	}
}
