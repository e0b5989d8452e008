/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections, their two directions, and messages in them; see tcp.h. */
#include "tcp.h"

#include <string.h>

#include "lib/dns.h"

enum {
	FIN = 1, SYN = 2, RST = 4, ACK = 16,
	WINDOW = 1 << 24, /* farther away than this from what comes next it isn't the same stream */
};

/* Two retransmissions, by RFC 6298's first timeouts: after 1 s and 2 s more. */
static const int64_t PATIENCE_NS = INT64_C(3000000000);

struct key {
	struct ip low, high;
	uint16_t low_port, high_port;
	uint32_t zero;
};

STATIC_MUST(sizeof(struct key) == 40);

size_t tcp_streams_arena_size(uint32_t connections)
{
	return lru_arena_size(connections, sizeof(struct key)) +
	       arena_need(connections, sizeof(struct tcp_connection)) +
	       arena_need(1, TCP_MESSAGE_MAX);
}

void tcp_streams_init(struct tcp_streams *t, struct arena *a, uint32_t connections, uint64_t seed,
                      struct pieces_pool *pool, uint64_t *count)
{
	*t = (struct tcp_streams){ .pool = pool, .count = count };
	lru_init(&t->table, a, connections, sizeof(struct key), seed);
	t->of = arena_take(a, connections, sizeof(*t->of));
	t->message = arena_take(a, 1, TCP_MESSAGE_MAX);
}

/* ---- connections ---- */

/* Forgets a direction; what it had of a message is lost. */
static void half_reset(struct tcp_streams *t, struct tcp_half *h)
{
	if (!pieces_empty(t->pool, &h->pieces))
		t->count[CAPTURE_TCP_OPEN]++;
	pieces_clear(t->pool, &h->pieces);
	*h = (struct tcp_half){ 0 };
}

static void forget(struct tcp_streams *t, uint32_t slot)
{
	half_reset(t, &t->of[slot].half[0]);
	half_reset(t, &t->of[slot].half[1]);
	lru_drop(&t->table, slot);
}

void tcp_streams_end(struct tcp_streams *t)
{
	for (uint32_t slot; (slot = lru_oldest(&t->table)) != LRU_NONE;)
		forget(t, slot);
	t->half = NULL;
}

/*
 * The connection of a frame and, in *side, whose direction it is. NULL: nothing is to be
 * followed.
 */
static struct tcp_connection *connection_of(struct tcp_streams *t, const struct frame *f,
                                            unsigned *side)
{
	int order = ip_cmp(&f->src.ip, &f->dst.ip);

	*side = order > 0 || (order == 0 && f->src.port > f->dst.port);
	const struct ep *low = *side == 0 ? &f->src : &f->dst;
	const struct ep *high = *side == 0 ? &f->dst : &f->src;
	struct key key = { low->ip, high->ip, low->port, high->port, 0 };
	uint32_t hash = lru_hash(&t->table, &key);
	uint32_t slot = lru_find_hashed(&t->table, &key, hash);
	if (slot != LRU_NONE) {
		lru_touch(&t->table, slot);
		return &t->of[slot];
	}
	if (f->payload_len == 0 && (f->tcp_flags & SYN) == 0)
		return NULL;
	if (lru_full(&t->table)) {
		slot = lru_oldest(&t->table);
		t->count[CAPTURE_TCP_FULL] += !t->of[slot].closed;
		forget(t, slot);
	}
	slot = lru_add_hashed(&t->table, &key, hash);
	t->of[slot] = (struct tcp_connection){ .number = ++t->connections };
	return &t->of[slot];
}

/* A SYN: a direction's start, or with another number than before a new connection's. */
static void begin(struct tcp_streams *t, struct tcp_connection *c, unsigned side,
                  const struct frame *f)
{
	struct tcp_half *h = &c->half[side];
	uint32_t first = f->tcp_seq + 1;

	if (h->begun && h->first == first)
		return; /* it came again */
	if (h->known && !h->begun && h->next - first < WINDOW) {
		h->begun = true; /* captured behind its data; a new connection starts higher up */
		h->first = first;
		return;
	}
	if (h->known && (f->tcp_flags & ACK) == 0) {
		half_reset(t, &c->half[0]);
		half_reset(t, &c->half[1]);
		c->number = ++t->connections;
	} else if (h->known) {
		half_reset(t, h);
	}
	*h = (struct tcp_half){ .next = first, .first = first, .known = true, .begun = true,
	                        .framed = true };
	c->closed = false;
}

/* ---- a direction's bytes ---- */

/* Goes on at a position behind bytes that are missing. */
static void jump(struct tcp_streams *t, struct tcp_half *h, uint32_t to)
{
	t->count[CAPTURE_TCP_GAP]++;
	pieces_clear(t->pool, &h->pieces);
	h->next = to;
	h->framed = false;
	h->gap_ns = 0;
}

/* The same where there are pieces behind the gap: at the first of them, or else at to. */
static void jump_gap(struct tcp_streams *t, struct tcp_half *h, uint32_t to)
{
	uint32_t run = pieces_run(t->pool, &h->pieces, h->next, PIECES_BYTES_MAX);

	pieces_forget(t->pool, &h->pieces, h->next + run);
	if (pieces_empty(t->pool, &h->pieces)) {
		jump(t, h, to);
		return;
	}
	t->count[CAPTURE_TCP_GAP]++;
	h->next = pieces_first(t->pool, &h->pieces);
	h->framed = false;
	h->gap_ns = 0;
}

/* Puts bytes that can't be read on the spot with the pieces; when these are full, later. */
static void keep(struct tcp_streams *t, struct tcp_half *h, uint32_t seq, const uint8_t *p,
                 uint32_t n)
{
	if (pieces_add(t->pool, &h->pieces, seq, p, n) != PIECES_FULL)
		return;
	jump_gap(t, h, seq);
	t->late = p;
	t->late_n = n;
	t->late_seq = seq;
}

/* Now is later: pieces have been read, or else are given up. False: there is nothing. */
static bool keep_late(struct tcp_streams *t, struct tcp_half *h)
{
	uint32_t n = t->late_n;

	t->late_n = 0;
	if (n > 0 && pieces_add(t->pool, &h->pieces, t->late_seq, t->late, n) == PIECES_FULL) {
		jump(t, h, t->late_seq);
		t->p = t->late;
		t->n = n;
	}
	return n > 0;
}

/* Whether there are pieces behind a gap, and whether that is so for too long. */
static void watch_gap(struct tcp_streams *t, struct tcp_half *h, int64_t t_ns, uint32_t seq)
{
	uint32_t bytes = pieces_bytes(t->pool, &h->pieces);

	if (pieces_run(t->pool, &h->pieces, h->next, bytes) == bytes)
		h->gap_ns = 0;
	else if (h->gap_ns == 0)
		h->gap_ns = t_ns;
	else if (t_ns - h->gap_ns > PATIENCE_NS)
		jump_gap(t, h, seq);
}

/* Bytes at seq: what was read before is cut away, what comes next is ready to be read. */
static void take(struct tcp_streams *t, struct tcp_half *h, int64_t t_ns, uint32_t seq,
                 const struct frame *f)
{
	const uint8_t *p = f->payload;
	uint32_t n = f->payload_len;

	if (!h->known)
		*h = (struct tcp_half){ .next = seq, .known = true };
	int32_t ahead = (int32_t)(seq - h->next);
	if (ahead > WINDOW || ahead < -WINDOW || pieces_lost(t->pool, &h->pieces)) {
		jump(t, h, seq);
		ahead = 0;
	}
	if (ahead < 0) {
		uint32_t old = (uint32_t)-ahead;
		if (old >= n)
			return;
#ifdef EK_PLANT /* what make fuzz must find: where what was read ends within a segment */
		old -= old > 40;
#endif
		p += old;
		n -= old;
		seq = h->next;
	}
	if (seq == h->next && pieces_run(t->pool, &h->pieces, seq, 1) == 0) {
		t->p = p;
		t->n = n;
		h->gap_ns = 0; /* if there was one, this closes it */
		return;
	}
	keep(t, h, seq, p, n);
	watch_gap(t, h, t_ns, seq);
}

void tcp_streams_segment(struct tcp_streams *t, int64_t t_ns, const struct frame *f)
{
	unsigned side;
	struct tcp_connection *c = connection_of(t, f, &side);

	t->half = NULL;
	t->n = 0;
	t->late_n = 0;
	if (c == NULL)
		return;
	bool syn = (f->tcp_flags & SYN) != 0;
	if (syn)
		begin(t, c, side, f);
	if ((f->tcp_flags & (FIN | RST)) != 0)
		c->closed = true;
	if (f->payload_len == 0)
		return;
	t->now = c;
	t->half = &c->half[side];
	take(t, t->half, t_ns, f->tcp_seq + syn, f);
}

/* ---- messages ---- */

/* What starts with p[0..n) reads as a message behind its length, though it may not be whole. */
static bool reads_as_message(const uint8_t *p, uint32_t n)
{
	struct dns_question q;

	if (n < STREAM_PREFIX + DNS_HEADER)
		return false;
	size_t need = stream_need(p, n), have = n < need ? n : need;
	if (dns_question(&q, p + STREAM_PREFIX, have - STREAM_PREFIX) < 0)
		return false;
	return q.class == DNS_IN || q.class == DNS_CH || q.class == 255;
}

/* Looks whether a message starts where a segment, or pieces behind a gap, do. */
static bool find_frame(struct tcp_streams *t, struct tcp_half *h)
{
	const uint8_t *p = t->p;
	uint32_t n = t->n;

	if (n == 0) {
		p = t->message;
		n = pieces_run(t->pool, &h->pieces, h->next, TCP_MESSAGE_MAX);
		pieces_copy(t->pool, &h->pieces, h->next, t->message, n);
	}
	if (n == 0)
		return false;
	h->framed = reads_as_message(p, n);
	if (h->framed)
		return true;
	t->count[CAPTURE_TCP_FRAME]++;
	h->next += n;
	pieces_forget(t->pool, &h->pieces, h->next);
	t->n = 0;
	return false;
}

/* From the segment itself; what is left of it when no message is whole goes to the pieces. */
static bool from_segment(struct tcp_streams *t, struct tcp_half *h, const uint8_t **m,
                         uint16_t *len)
{
	size_t took = stream_first(t->p, t->n, m, len);

	h->next += (uint32_t)took;
	t->p += took;
	t->n -= (uint32_t)took;
	if (took > 0 && t->n > 0)
		return true;
	pieces_forget(t->pool, &h->pieces, h->next); /* what was in the segment too */
	if (t->n > 0)
		keep(t, h, h->next, t->p, t->n);
	t->n = 0;
	return took > 0;
}

static bool from_pieces(struct tcp_streams *t, struct tcp_half *h, const uint8_t **m, uint16_t *len)
{
	uint8_t prefix[STREAM_PREFIX];

	if (pieces_run(t->pool, &h->pieces, h->next, STREAM_PREFIX) < STREAM_PREFIX)
		return false;
	pieces_copy(t->pool, &h->pieces, h->next, prefix, STREAM_PREFIX);
	uint32_t need = (uint32_t)stream_need(prefix, STREAM_PREFIX);
	if (pieces_run(t->pool, &h->pieces, h->next, need) < need)
		return false;
	pieces_copy(t->pool, &h->pieces, h->next, t->message, need);
	h->next += need;
	pieces_forget(t->pool, &h->pieces, h->next);
	*m = t->message + STREAM_PREFIX;
	*len = (uint16_t)(need - STREAM_PREFIX);
	return true;
}

bool tcp_streams_next(struct tcp_streams *t, const uint8_t **m, uint16_t *len,
                      uint64_t *connection)
{
	struct tcp_half *h = t->half;

	if (h == NULL)
		return false;
	*connection = t->now->number;
	do {
		while (h->framed || find_frame(t, h)) {
			bool got = t->n > 0 && from_segment(t, h, m, len);
			if (!got && !from_pieces(t, h, m, len))
				break;
			if (*len >= DNS_HEADER)
				return true;
			t->count[CAPTURE_TCP_SHORT]++;
		}
	} while (keep_late(t, h));
	return false;
}
