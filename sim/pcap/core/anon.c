/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets by their headers, UDP, and the queue's end; see anon.h. */
#include "anon.h"

#include <string.h>

#include "anon_inner.h"
#include "message.h"
#include "scrub.h"
#include "sim/capture/core/dissect.h"
#include "sim/capture/core/layer.h"

enum { IP4_AT = 12 };

static const int64_t PATIENCE_NS = INT64_C(3000000000);

const struct anon_count_row anon_count_row[ANON_COUNTS] = {
#define ANON(id, kind, name, prose) [ANON_##id] = { ANON_##kind, name, prose },
#include "anon.def"
#undef ANON
};

static struct anon_options filled(const struct anon_options *o)
{
	struct anon_options f = *o;

	f.connections = f.connections > 0 ? f.connections : DISSECT_CONNECTIONS;
	f.fragmented = f.fragmented > 0 ? f.fragmented : DISSECT_FRAGMENTED;
	f.blocks = f.blocks > 0 ? f.blocks : DISSECT_BLOCKS;
	f.packets = f.packets > 0 ? f.packets : ANON_PACKETS;
	f.bytes = f.bytes > 0 ? f.bytes : ANON_BYTES;
	return f;
}

size_t anon_arena_size(const struct anon_options *o)
{
	struct anon_options f = filled(o);

	return arena_need(1, sizeof(struct anon)) + permute_arena_size() +
	       hold_arena_size(f.packets, f.bytes) + pieces_arena_size(f.blocks) +
	       fragments_arena_size(f.fragmented) + tcp_streams_arena_size(f.connections) +
	       arena_need(1, FRAGMENT_BYTES_MAX) + arena_need(1, TCP_MESSAGE_MAX);
}

struct anon *anon_init(struct arena *arena, const struct anon_options *o)
{
	struct anon_options f = filled(o);
	struct anon *a = arena_take(arena, 1, sizeof(*a));

	a->permute = permute_init(arena, f.key, f.kept, f.kept_n, f.seed);
	hold_init(&a->hold, arena, f.packets, f.bytes);
	a->pool = pieces_init(arena, f.blocks);
	fragments_init(&a->fragments, arena, f.fragmented, f.seed, a->pool, a->capture_count);
	tcp_streams_init(&a->tcp, arena, f.connections, f.seed, a->pool, a->capture_count);
	a->whole = arena_take(arena, 1, FRAGMENT_BYTES_MAX);
	a->message = arena_take(arena, 1, TCP_MESSAGE_MAX);
	a->port[53] = f.port_n == 0;
	for (unsigned i = 0; i < f.port_n; i++)
		a->port[f.port[i]] = true;
	return a;
}

/* ---- one packet ---- */

enum anon_count anon_udp(struct anon *a, struct held *e, const struct frame *f)
{
	uint8_t *p = anon_body(a, e) + UDP_HEADER;
	size_t behind = e->ip.len - UDP_HEADER - f->payload_len;

	if (!anon_is_dns(a, f))
		return ANON_PORT;
	if (f->payload_len < DNS_HEADER ||
	    !message_anonymize(a->permute, p, f->payload, f->payload_len))
		return ANON_MESSAGE;
	memset(p + f->payload_len, 0, behind);
	return ANON_UDP;
}

static enum anon_count by_transport(struct anon *a, struct held *e, const struct ip_body *b)
{
	struct frame f;

	if (frame_body(&f, b) < 0)
		return ANON_TRANSPORT;
	switch (f.kind) {
	case FRAME_UDP:
		return anon_udp(a, e, &f);
	case FRAME_TCP:
		return anon_is_dns(a, &f) ? anon_tcp(a, e, &f) : ANON_PORT;
	case FRAME_ICMP:
		return anon_icmp(a, e);
	default:
		return ANON_OTHER;
	}
}

/* Headers done, and the copy's body described in e. False: it can't be given. */
static bool headers(struct anon *a, struct held *e, const struct ip_body *b, size_t skip,
                    size_t body)
{
	uint8_t *bytes = hold_bytes(&a->hold, e);

	e->body = (uint32_t)body;
	e->ip = *b;
	e->ip.p = NULL;
	e->ip.src = permute_ip(a->permute, &b->src);
	e->ip.dst = permute_ip(a->permute, &b->dst);
	scrub_link(a->permute, e->packet.link, bytes, skip);
	return scrub_ip(a->permute, bytes + skip, e->packet.len - skip, body - skip,
	                body - skip + b->len);
}

static enum anon_count look(struct anon *a, struct held *e, const struct capture_packet *p)
{
	struct ip_body b;

	if (p->len < p->wire_len)
		return ANON_CUT;
	int skip = layer_skip(p->link, p->bytes, p->len);
	if (skip < 0)
		return skip == -CAPTURE_NOT_IP ? ANON_NOT_IP : ANON_LINK;
	if (frame_ip(&b, p->bytes + skip, p->len - (uint32_t)skip) < 0)
		return ANON_IP;
	if (!headers(a, e, &b, (size_t)skip, (size_t)(b.p - p->bytes)))
		return ANON_IP;
	if (b.fragment)
		return anon_piece(a, e, &b); /* which has the whole's checksum */
	enum anon_count verdict = by_transport(a, e, &b);
	if (anon_count_row[verdict].kind == ANON_GIVEN && e->waits == HOLD_NOTHING)
		frame_sum_body(anon_body(a, e), &(struct ip_body){
			.p = anon_body(a, e), .len = e->ip.len, .src = e->ip.src,
			.dst = e->ip.dst, .proto = e->ip.proto, .v6 = e->ip.v6 });
	return verdict;
}

void anon_packet(struct anon *a, const struct capture_packet *p, unsigned file)
{
	if (p->fault != 0) {
		a->count[ANON_RECORD]++;
		return;
	}
	a->now_ns = p->t_ns;
	struct held *e = hold_put(&a->hold, p, file);
	e->verdict = (uint8_t)look(a, e, p);
	if (anon_count_row[e->verdict].kind == ANON_GIVEN)
		return;
	a->count[e->verdict]++;
	hold_undo(&a->hold);
}

/* ---- the queue's end ---- */

/* The packet leaves the queue: all that will be known of it is known. */
static void finish(struct anon *a, struct held *e)
{
	if (e->waits == HOLD_PIECES)
		e->verdict = ANON_PIECES;
	if (e->verdict != ANON_TCP)
		return;
	a->count[ANON_SEGMENT_BLANK] += e->filled < e->n;
	struct ip_body b = e->ip;
	b.p = anon_body(a, e);
	frame_sum_body(anon_body(a, e), &b);
}

static bool done(const struct anon *a, const struct held *e)
{
	return e->waits == HOLD_NOTHING || !hold_room(&a->hold) ||
	       a->now_ns - e->packet.t_ns > PATIENCE_NS;
}

bool anon_next(struct anon *a, struct capture_packet *out, unsigned *file)
{
	struct held *e;

	if (a->given)
		hold_drop_first(&a->hold);
	a->given = false;
	while ((e = hold_first(&a->hold)) != NULL && done(a, e)) {
		finish(a, e);
		a->count[e->verdict]++;
		a->given = anon_count_row[e->verdict].kind == ANON_GIVEN;
		if (a->given) {
			*out = e->packet;
			out->bytes = hold_bytes(&a->hold, e);
			*file = e->file;
			return true;
		}
		hold_drop_first(&a->hold);
	}
	return false;
}

void anon_end(struct anon *a)
{
	a->now_ns = INT64_MAX;
}

const uint64_t *anon_counts(const struct anon *a)
{
	return a->count;
}
