/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A host: an interface, a kernel with sockets of bounded room, and one program that takes its time
 * for each datagram. Datagrams that come while the program is at work, or stopped, wait in its
 * sockets; what finds no room is dropped and counted. Where nobody listens the kernel refuses, as
 * often as Linux lets it.
 */
#include "invariant.h"

#include <stdlib.h>
#include <string.h>

struct ip host_own_ip(const struct host *h, const struct ip *to)
{
	return ip_is4(to) ? h->own4 : h->own6;
}

static const uint16_t wake_us[WAKES][WAKE_POINTS] = {
#define WAKE(id, prose, ...) { __VA_ARGS__ },
	WAKE_TABLE(WAKE)
#undef WAKE
};

/* So that the median is what the plan says, processor time included; usual: it says nothing. */
static int64_t factor(int64_t wake_ns, int64_t packet_ns, enum wake by, int64_t usual)
{
	if (wake_ns == 0)
		return usual;
	return wake_ns > packet_ns ? (wake_ns - packet_ns) / wake_us[by][WAKE_STEPS / 2] : 0;
}

void host_days(struct host *h, const struct plan *p, int64_t usual)
{
	h->day = h->return_day = usual;
	if (h->role == PLAN_RECURSOR)
		h->day = factor(p->recursor_wake_ns, MODEL_RECURSOR_PACKET, WAKE_QUERY, usual);
	if (h->role != PLAN_BALANCER)
		return;
	h->day = factor(p->balancer_wake_ns, MODEL_BALANCER_PACKET, WAKE_FORWARD, usual);
	h->return_day = factor(p->balancer_return_ns, MODEL_BALANCER_PACKET, WAKE_RETURN, h->day);
}

int64_t host_wake_ns(struct host *h, enum wake by)
{
	uint32_t v = drbg_u16(&h->wakes), i = v >> 12;

	if (i == WAKE_STEPS - 1) {
		v = drbg_u16(&h->wakes);
		i = WAKE_STEPS + (v >> 12);
	}
	const int64_t fixed = by == WAKE_TIMER ? MODEL_TIMER / 1000 : 0;
	int64_t from = wake_us[by][i], to = wake_us[by][i + 1];
	int64_t way = v & 4095;
	if (i == WAKE_POINTS - 2) /* hardly any is as long as the longest */
		way = way * way * way >> 24;
	int64_t part = (from - fixed) * 4096 + (to - from) * way;
	return fixed * 1000 + part * (by == WAKE_RETURN ? h->return_day : h->day) / 4096;
}

int64_t host_lag_ns(const struct world *w)
{
	return w->plan->wake_ns > 0 ? w->plan->wake_ns : MODEL_SEND;
}

/* ---- leaving ---- */

void host_flush(struct world *w, struct host *h, int64_t until_ns)
{
	while (h->leaving.n > 0 && w->slot[h->leaving.first].t_ns <= until_ns) {
		uint32_t i = fifo_get(w, &h->leaving);
		tap(w, h, w->slot[i].t_ns, &w->slot[i]);
		if (w->slot[i].lost)
			slot_give(w, i);
	}
}

/* Into the list of what leaves, by time: a health check doesn't wait for the worker. */
static void put_leaving(struct world *w, struct host *h, uint32_t i)
{
	struct fifo *f = &h->leaving;
	uint32_t *at = &f->first;

	if (f->n == 0 || w->slot[f->last].t_ns <= w->slot[i].t_ns) {
		fifo_put(w, f, i);
		return;
	}
	while (w->slot[*at].t_ns <= w->slot[i].t_ns)
		at = &w->slot[*at].next;
	w->slot[i].next = *at;
	*at = i;
	f->n++;
}

/*
 * Reads the DNS message, unless its question is, byte for byte, the one that was read in this slot
 * before: then only ID and QR are new.
 */
static bool read_message(struct slot *s)
{
	const uint8_t *m = s->f.payload;
	size_t len = s->f.payload_len, n = s->question_n;

	if (n > 0 && len >= DNS_HEADER + n && dns_qdcount(m) == 1 &&
	    memcmp(m + DNS_HEADER, s->question, n) == 0) {
		s->message.len = len;
		s->message.id = dns_id(m);
		s->message.answer = (dns_flags(m) & DNS_QR) != 0;
		return true;
	}
	s->question_n = 0;
	if (!judge_message_read(&s->message, m, len))
		return false;
	n = s->message.q.end - (size_t)DNS_HEADER;
	if (n <= QUESTION_BYTES) {
		memcpy(s->question, m + DNS_HEADER, n);
		s->question_n = (uint16_t)n;
	}
	return true;
}

/* A copy of frame i that the links have made: it comes, and was sent by nobody. */
static uint32_t slot_copy(struct world *w, uint32_t i)
{
	uint32_t copy = slot_take(w);
	struct slot *s = &w->slot[copy];

	*s = w->slot[i];
	s->next = NO_SLOT;
	if (s->f.payload != NULL)
		memcpy(w->data[copy], s->f.payload, s->f.payload_len);
	s->f.payload = w->data[copy];
	s->message.m = w->data[copy];
	w->doubled++;
	return copy;
}

/* What is longer under way is shown before it arrives: the judge waits a second for no node. */
#define LONG_WAY_NS INT64_C(100000000)

/* Through both links, which may lose it or make two of it. */
static void cross(struct world *w, uint32_t i)
{
	struct slot *s = &w->slot[i];
	size_t len = frame_size(&s->f);
	int64_t due_ns[2];
	enum link_fate fate = links_cross(w->links, s->t_ns, s->from, s->to, len, due_ns);

	s->lost = fate == LINK_LOST;
	if (s->lost)
		return;
	world_push(w, due_ns[0], EVENT_ARRIVE, i);
	if (due_ns[0] - s->t_ns > LONG_WAY_NS)
		world_push(w, s->t_ns, EVENT_LEFT, s->from);
	if (fate == LINK_DOUBLED)
		world_push(w, due_ns[1], EVENT_ARRIVE, slot_copy(w, i));
}

void host_send(struct world *w, struct host *h, uint32_t i, int64_t t_ns)
{
	struct slot *s = &w->slot[i];
	int to = routes_find(&w->routes, &s->f.dst.ip);

	s->from = (uint16_t)h->node;
	s->to = (uint16_t)to;
	s->t_ns = t_ns;
	s->read = s->f.kind == FRAME_UDP && read_message(s);
	if (w->watcher != NULL)
		invariant_sent(w, h, s);
	h->sent++;
	w->frames++;
	put_leaving(w, h, i);
	if (to == PLAN_NONE || (unsigned)to == h->node) {
		w->unroutable++;
		s->lost = true;
	} else {
		cross(w, i);
	}
	w->lost += s->lost;
	if (s->lost)
		world_push(w, t_ns, EVENT_LEFT, h->node);
}

/* ---- refusals ---- */

/* Linux: time saved up, burst * gap at most; a message costs gap. */
static bool bucket_allows(struct bucket *b, int64_t now_ns, int64_t gap_ns, int64_t burst)
{
	int64_t saved = b->saved_ns + (now_ns - b->at_ns);

	saved = saved < burst * gap_ns ? saved : burst * gap_ns;
	b->at_ns = now_ns;
	b->saved_ns = saved >= gap_ns ? saved - gap_ns : saved;
	return saved >= gap_ns;
}

static struct bucket *peer_bucket(struct host *h, const struct ip *ip)
{
	uint64_t key = dns_hash(ip->b, sizeof(ip->b), 0) | 1, *at;

	if (h->peers.slot == NULL)
		table_init(&h->peers, 16);
	at = table_find(&h->peers, key);
	if (at != NULL)
		return &h->peer[*at];
	h->peer = grow(h->peer, h->peer_n, &h->peer_cap, sizeof(*h->peer));
	table_put(&h->peers, key, h->peer_n);
	h->peer[h->peer_n] = (struct bucket){ 0, INT64_MIN / 2 };
	return &h->peer[h->peer_n++];
}

static bool may_refuse(struct world *w, struct host *h, const struct ip *peer)
{
	int64_t gap = ip_is4(peer) ? MODEL_ICMP4_GAP : MODEL_ICMP6_GAP;

	return bucket_allows(&h->icmp, w->now_ns, MODEL_ICMP_ALL_GAP, MODEL_ICMP_ALL_BURST) &&
	       bucket_allows(peer_bucket(h, peer), w->now_ns, gap, MODEL_ICMP_BURST);
}

void host_refuse(struct world *w, uint32_t i)
{
	struct slot *s = &w->slot[i];
	struct host *h = &w->host[s->to];
	struct ep asked = s->f.dst, asker = s->f.src;
	uint8_t body[FRAME_ICMP_MAX];
	int n = frame_icmp_body(body, sizeof(body), &asker, &asked, s->f.payload,
	                        s->f.payload_len);

	MUST(n > 0 && n <= (int)sizeof(body));
	memcpy(w->data[i], body, (size_t)n);
	s->f = (struct frame){ .kind = FRAME_ICMP, .src = { asked.ip, 0 }, .dst = { asker.ip, 0 },
	                       .payload = w->data[i], .payload_len = (uint32_t)n };
	s->f.icmp_type = body[0];
	s->f.icmp_code = body[1];
	host_send(w, h, i, w->now_ns);
}

static void refuse(struct world *w, struct host *h, uint32_t i)
{
	if (h->state != HOST_ENDED && may_refuse(w, h, &w->slot[i].f.src.ip))
		world_push(w, w->now_ns + MODEL_KERNEL, EVENT_REFUSE, i);
	else
		slot_give(w, i);
}

/* ICMP says that nobody listened: the program whose datagram it was learns it at its socket. */
static void be_refused(struct world *w, struct host *h, uint32_t i)
{
	const struct frame *f = &w->slot[i].f;
	struct frame inner;

	if (h->lb != NULL && h->state == HOST_RUNS &&
	    frame_icmp_inner(&inner, f->payload, f->payload_len) == 0)
		lb_refused(w, h, &inner.src, &inner.dst);
	slot_give(w, i);
}

/* ---- sockets ---- */

static int port_of(const struct host *h, const struct ep *dst)
{
	return h->role == PLAN_BALANCER ? lb_port(h, dst) : stub_port(h, dst);
}

static bool program_serves(const struct host *h)
{
	return h->state == HOST_RUNS && (h->lb == NULL || h->lb->serves);
}

void host_serve_soon(struct world *w, struct host *h)
{
	if (h->serve_armed || h->sockets.n == 0 || !program_serves(h))
		return;
	h->serve_armed = true;
	world_push(w, h->busy_ns > w->now_ns ? h->busy_ns : w->now_ns, EVENT_SERVE, h->node);
}

/* What the first datagram after a balancer's start costs more; no later one does. */
static int64_t cold_ns(struct host *h)
{
	if (!h->cold)
		return 0;
	h->cold = false;
	return (2 * (int64_t)MODEL_COLD * drbg_u16(&h->wakes)) >> 16;
}

/* The program takes one datagram; wake_ns: it had to wake up for it. */
static void serve_one(struct world *w, struct host *h, uint32_t i, int port, int64_t wake_ns)
{
	bool lb = h->role == PLAN_BALANCER;
	int64_t work = lb ? MODEL_BALANCER_PACKET : MODEL_RECURSOR_PACKET;

	h->busy_ns = w->now_ns + wake_ns + work + cold_ns(h);
	if (w->slot[i].f.kind == FRAME_TCP)
		tcp_look(w, h, i, h->busy_ns);
	else if (lb)
		lb_datagram(w, h, i, port, h->busy_ns);
	else
		stub_datagram(w, h, i, port, h->busy_ns);
	host_arm(w, h);
}

void host_serve(struct world *w, struct host *h)
{
	h->serve_armed = false;
	if (h->sockets.n == 0 || !program_serves(h))
		return;
	if (h->busy_ns <= w->now_ns) {
		uint32_t i = fifo_get(w, &h->sockets);
		bool tcp = w->slot[i].f.kind == FRAME_TCP;
		int port = tcp ? 0 : port_of(h, &w->slot[i].f.dst);
		if (port == -2)
			lb_probe_answer(w, h, i);
		else if (port == -1)
			slot_give(w, i);
		else
			serve_one(w, h, i, port, 0);
	}
	host_serve_soon(w, h);
}

/* Into the sockets' buffers, if there is room; a stream's always has. */
static void keep(struct world *w, struct host *h, uint32_t i)
{
	if (h->sockets.n >= MODEL_SOCKET_QUEUE && w->slot[i].f.kind != FRAME_TCP) {
		h->queue_drops++;
		slot_give(w, i);
		return;
	}
	fifo_put(w, &h->sockets, i);
	host_serve_soon(w, h);
}

void host_take(struct world *w, struct host *h, uint32_t slot, enum wake by)
{
	if (program_serves(h) && h->sockets.n == 0 && h->busy_ns <= w->now_ns)
		serve_one(w, h, slot, 0, host_wake_ns(h, by));
	else
		keep(w, h, slot);
}

static void datagram(struct world *w, struct host *h, uint32_t i)
{
	bool there = h->state == HOST_RUNS || h->state == HOST_HANGS;
	int port = there ? port_of(h, &w->slot[i].f.dst) : -1;

	if (port == -1)
		refuse(w, h, i);
	else if (port == -2 && h->state == HOST_RUNS)
		lb_probe_answer(w, h, i);
	else if (program_serves(h) && h->sockets.n == 0 && h->busy_ns <= w->now_ns)
		serve_one(w, h, i, port,
		          host_wake_ns(h, h->lb == NULL ? WAKE_QUERY : port == 0 ? WAKE_FORWARD
		                                                                 : WAKE_RETURN));
	else
		keep(w, h, i);
}

void host_arrive(struct world *w, uint32_t i)
{
	struct slot *s = &w->slot[i];
	struct host *h = &w->host[s->to];

	host_flush(w, &w->host[s->from], s->t_ns);
	if (links_arrive(w->links, s->to) != LINK_PASSED) {
		w->lost++;
		slot_give(w, i);
		return;
	}
	host_flush(w, h, w->now_ns);
	h->received++;
	if (w->watcher != NULL)
		invariant_received(w, h, s);
	tap(w, h, w->now_ns, s);
	if (s->f.kind == FRAME_ICMP)
		be_refused(w, h, i);
	else if (s->f.kind == FRAME_TCP)
		tcp_segment_arrives(w, h, i);
	else if (h->role == PLAN_CLIENTS)
		clients_datagram(w, h, i);
	else
		datagram(w, h, i);
}

/* ---- waking up ---- */

void host_arm(struct world *w, struct host *h)
{
	int64_t t = h->lb != NULL ? bal_deadline(h->lb->bal) : rec_deadline(h->rec->rec);
	int64_t tcp = h->lb != NULL ? bal_tcp_deadline(h->lb->bal) : INT64_MAX;

	t = tcp < t ? tcp : t;
	if (t >= h->armed_ns || h->state != HOST_RUNS)
		return;
	t = t > w->now_ns ? t : w->now_ns;
	h->armed_ns = t;
	world_push(w, t, EVENT_WAKE, h->node);
}

void host_wake(struct world *w, struct host *h)
{
	h->armed_ns = INT64_MAX;
	if (h->state != HOST_RUNS)
		return;
	if (h->busy_ns > w->now_ns) {
		h->armed_ns = h->busy_ns;
		world_push(w, h->busy_ns, EVENT_WAKE, h->node);
		return;
	}
	if (h->lb != NULL)
		lb_wake(w, h);
	else
		stub_wake(w, h);
	host_arm(w, h);
}
