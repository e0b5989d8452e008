/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP segments: their data is zero until messages that they carry parts of are whole. Each
 * message is then written over the segments that wait for it, where it was.
 */
#include <string.h>

#include "anon_inner.h"
#include "message.h"
#include "scrub.h"

/* The one direction of a connection that e waits for. */
static bool same_half(const struct held *e, uint64_t connection, const struct frame *f)
{
	return e->waits == HOLD_STREAM && e->id == connection && ep_eq(&e->src, &f->src) &&
	       ep_eq(&e->dst, &f->dst);
}

/* Writes the stream's bytes p[0..n) at position at into e, as far as they belong there. */
static void fill(struct anon *a, struct held *e, uint32_t at, const uint8_t *p, uint32_t n)
{
	int64_t off = (int32_t)(at - e->seq);
	int64_t from = off > 0 ? off : 0, to = off + n < e->n ? off + n : e->n;

	if (from >= to)
		return;
	memcpy(hold_bytes(&a->hold, e) + e->payload + from, p + (from - off), (size_t)(to - from));
	e->filled += (uint32_t)(to - from);
}

/* A message that became whole, at the stream's position at. */
static void give_message(struct anon *a, const struct frame *f, uint64_t connection, uint32_t at,
                         const uint8_t *m, uint16_t len)
{
	stream_prefix(a->message, len);
	if (!message_anonymize(a->permute, a->message + STREAM_PREFIX, m, len))
		a->count[ANON_MESSAGE_BLANK]++;
	for (uint32_t i = 0; i < a->hold.n; i++) {
		struct held *e = hold_at(&a->hold, i);
		if (same_half(e, connection, f))
			fill(a, e, at, a->message, STREAM_PREFIX + (uint32_t)len);
	}
}

/* What was read up to next won't be filled any more. */
static void stop_waiting(struct anon *a, const struct frame *f, uint64_t connection, uint32_t next)
{
	for (uint32_t i = 0; i < a->hold.n; i++) {
		struct held *e = hold_at(&a->hold, i);
		if (same_half(e, connection, f) && (int32_t)(next - (e->seq + e->n)) >= 0)
			e->waits = HOLD_NOTHING;
	}
}

static void wait_for(struct anon *a, struct held *e, const struct frame *f)
{
	e->waits = HOLD_STREAM;
	e->id = a->tcp.now->number;
	e->src = f->src;
	e->dst = f->dst;
	e->seq = f->tcp_seq + ((f->tcp_flags & 2) != 0);
}

enum anon_count anon_tcp(struct anon *a, struct held *e, const struct frame *f)
{
	size_t header = e->ip.len - f->payload_len;
	const uint8_t *m;
	uint64_t connection;
	uint16_t len;

	scrub_tcp(anon_body(a, e), header);
	e->payload = e->body + (uint32_t)header;
	e->n = f->payload_len;
	memset(hold_bytes(&a->hold, e) + e->payload, 0, e->n);
	tcp_streams_segment(&a->tcp, e->packet.t_ns, f);
	if (e->n == 0 || a->tcp.half == NULL)
		return ANON_TCP;
	wait_for(a, e, f);
	while (tcp_streams_next(&a->tcp, &m, &len, &connection))
		give_message(a, f, connection, a->tcp.half->next - len - STREAM_PREFIX, m, len);
	stop_waiting(a, f, e->id, a->tcp.half->next);
	return ANON_TCP;
}
