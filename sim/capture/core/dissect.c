/* SPDX-License-Identifier: BSD-3-Clause */
/* One packet after the other, from its link layer up to its messages; see dissect.h. */
#include "dissect.h"

#include "fragment.h"
#include "layer.h"
#include "tcp.h"

struct dissect {
	uint64_t count[CAPTURE_COUNTS];
	bool port[UINT16_MAX + 1];
	struct pieces_pool *pool;
	struct fragments fragments;
	struct tcp_streams tcp;
	/* The packet that messages are being pulled out of. */
	int64_t t_ns;
	uint64_t number;
	unsigned file;
	struct frame frame;    /* kind OTHER: there is nothing in it, or it was given out */
	uint8_t *whole;        /* of fragments, FRAGMENT_BYTES_MAX bytes */
};

static struct dissect_options filled(const struct dissect_options *o)
{
	struct dissect_options f = *o;

	f.connections = f.connections > 0 ? f.connections : DISSECT_CONNECTIONS;
	f.fragmented = f.fragmented > 0 ? f.fragmented : DISSECT_FRAGMENTED;
	f.blocks = f.blocks > 0 ? f.blocks : DISSECT_BLOCKS;
	return f;
}

size_t dissect_arena_size(const struct dissect_options *o)
{
	struct dissect_options f = filled(o);

	return arena_need(1, sizeof(struct dissect)) + pieces_arena_size(f.blocks) +
	       fragments_arena_size(f.fragmented) + tcp_streams_arena_size(f.connections) +
	       arena_need(1, FRAGMENT_BYTES_MAX);
}

struct dissect *dissect_init(struct arena *a, const struct dissect_options *o)
{
	struct dissect_options f = filled(o);
	struct dissect *d = arena_take(a, 1, sizeof(*d));

	d->pool = pieces_init(a, f.blocks);
	fragments_init(&d->fragments, a, f.fragmented, f.seed, d->pool, d->count);
	tcp_streams_init(&d->tcp, a, f.connections, f.seed, d->pool, d->count);
	d->whole = arena_take(a, 1, FRAGMENT_BYTES_MAX);
	d->port[53] = f.port_n == 0;
	for (unsigned i = 0; i < f.port_n; i++)
		d->port[f.port[i]] = true;
	return d;
}

/* The IP packet in p, a whole one. False with a verdict when there is none. */
static bool ip_of(struct dissect *d, const struct capture_packet *p, struct ip_body *b,
                  enum capture_count *verdict)
{
	int skip = layer_skip(p->link, p->bytes, p->len);

	if (skip < 0) {
		bool cut = skip == -CAPTURE_LINK && p->len < p->wire_len;
		*verdict = cut ? CAPTURE_CUT : (enum capture_count)-skip;
		return false;
	}
	if (frame_ip(b, p->bytes + skip, p->len - (uint32_t)skip) < 0) {
		*verdict = p->len < p->wire_len ? CAPTURE_CUT : CAPTURE_IP;
		return false;
	}
	return !b->fragment || fragments_add(&d->fragments, p->t_ns, b, d->whole, verdict);
}

static enum capture_count look(struct dissect *d, const struct capture_packet *p)
{
	enum capture_count verdict;
	struct frame *f = &d->frame;
	struct ip_body b;

	if (!ip_of(d, p, &b, &verdict))
		return verdict;
	if (frame_body(f, &b) < 0) {
		f->kind = FRAME_OTHER;
		return CAPTURE_TRANSPORT;
	}
	if (f->kind != FRAME_UDP && f->kind != FRAME_TCP) {
		f->kind = FRAME_OTHER;
		return CAPTURE_OTHER;
	}
	if (!d->port[f->src.port] && !d->port[f->dst.port]) {
		f->kind = FRAME_OTHER;
		return CAPTURE_PORT;
	}
	if (f->kind == FRAME_TCP) {
		tcp_streams_segment(&d->tcp, p->t_ns, f);
		return CAPTURE_TCP;
	}
	if (f->payload_len >= DNS_HEADER)
		return CAPTURE_UDP;
	f->kind = FRAME_OTHER;
	return CAPTURE_SHORT;
}

void dissect_packet(struct dissect *d, const struct capture_packet *p, unsigned file)
{
	d->t_ns = p->t_ns;
	d->number = p->number;
	d->file = file;
	d->frame.kind = FRAME_OTHER;
	d->count[p->fault != 0 ? p->fault : look(d, p)]++;
}

static void fill(struct dissect *d, struct capture_message *out, const uint8_t *m, uint16_t len)
{
	out->t_ns = d->t_ns;
	out->packet = d->number;
	out->file = d->file;
	out->src = d->frame.src;
	out->dst = d->frame.dst;
	out->m = m;
	out->len = len;
	out->answer = (dns_flags(m) & DNS_QR) != 0;
	out->asks = dns_question(&out->question, m, len) == 0;
}

bool dissect_next(struct dissect *d, struct capture_message *out)
{
	const uint8_t *m;
	uint16_t len;

	out->connection = 0;
	out->tcp = d->frame.kind == FRAME_TCP;
	if (d->frame.kind == FRAME_UDP) {
		fill(d, out, d->frame.payload, (uint16_t)d->frame.payload_len);
		d->frame.kind = FRAME_OTHER;
		return true;
	}
	if (d->frame.kind != FRAME_TCP)
		return false;
	if (!tcp_streams_next(&d->tcp, &m, &len, &out->connection)) {
		d->frame.kind = FRAME_OTHER;
		return false;
	}
	fill(d, out, m, len);
	return true;
}

void dissect_end(struct dissect *d)
{
	d->frame.kind = FRAME_OTHER;
	fragments_end(&d->fragments);
	tcp_streams_end(&d->tcp);
}

const uint64_t *dissect_counts(const struct dissect *d)
{
	return d->count;
}
