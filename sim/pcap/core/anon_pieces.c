/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP fragments: their data is zero until their packet is whole and reads as a DNS message over
 * UDP. That is replaced, and written over the fragments that wait for it.
 */
#include <string.h>

#include "anon_inner.h"
#include "message.h"

static bool same_packet(const struct held *e, const struct held *of)
{
	return e->waits == HOLD_PIECES && e->id == of->id && e->ip.v6 == of->ip.v6 &&
	       (e->ip.v6 || e->ip.proto == of->ip.proto) && ip_eq(&e->src.ip, &of->src.ip) &&
	       ip_eq(&e->dst.ip, &of->dst.ip);
}

/*
 * The packet w, in a->whole, done in a->message: its UDP header, message and checksum. False when
 * it isn't DNS over UDP.
 */
static bool replace(struct anon *a, const struct held *e, const struct ip_body *w)
{
	uint8_t *out = a->message;
	struct frame f;

	if (w->p != a->whole || w->len > TCP_MESSAGE_MAX || frame_body(&f, w) < 0 ||
	    f.kind != FRAME_UDP || !anon_is_dns(a, &f) || f.payload_len < DNS_HEADER)
		return false;
	memset(out, 0, w->len);
	memcpy(out, w->p, UDP_HEADER);
	if (!message_anonymize(a->permute, out + UDP_HEADER, f.payload, f.payload_len))
		return false;
	struct ip_body b = *w;
	b.p = out;
	b.src = e->ip.src;
	b.dst = e->ip.dst;
	frame_sum_body(out, &b);
	return true;
}

/* Hands out what is done, or nothing, to all that waited for it. */
static void give_pieces(struct anon *a, const struct held *of, size_t len)
{
	for (uint32_t i = 0; i < a->hold.n; i++) {
		struct held *e = hold_at(&a->hold, i);
		if (!same_packet(e, of))
			continue;
		if ((size_t)e->seq + e->n <= len) {
			memcpy(anon_body(a, e), a->message + e->seq, e->n);
			e->waits = HOLD_NOTHING;
		}
	}
}

enum anon_count anon_piece(struct anon *a, struct held *e, const struct ip_body *b)
{
	struct ip_body w = *b;
	enum capture_count verdict;

	e->waits = HOLD_PIECES;
	e->src.ip = b->src;
	e->dst.ip = b->dst;
	e->id = b->id;
	e->seq = b->offset;
	e->n = (uint32_t)b->len;
	memset(anon_body(a, e), 0, e->n);
	bool whole = fragments_add(&a->fragments, e->packet.t_ns, &w, a->whole, &verdict);
	if (!whole && verdict != CAPTURE_FRAGMENT)
		return ANON_PIECES;
	if (whole && replace(a, e, &w))
		give_pieces(a, &(struct held){ .src = e->src, .dst = e->dst, .id = e->id,
		                               .ip = e->ip }, w.len);
	return ANON_FRAGMENT;
}
