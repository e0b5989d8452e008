/* SPDX-License-Identifier: BSD-3-Clause */
/* What anonymizing a packet has in common with its parts: anon.c's, by transport. */
#ifndef EK_PCAP_ANON_INNER_H
#define EK_PCAP_ANON_INNER_H

#include "anon.h"
#include "hold.h"
#include "sim/capture/core/fragment.h"
#include "sim/capture/core/tcp.h"

enum { UDP_HEADER = 8, TCP_HEADER = 20, ICMP_HEADER = 8 };

struct anon {
	struct permute *permute;
	struct hold hold;
	struct pieces_pool *pool;
	struct fragments fragments;
	struct tcp_streams tcp;
	uint64_t capture_count[CAPTURE_COUNTS]; /* those two's, which nobody asks for */
	uint64_t count[ANON_COUNTS];
	bool port[UINT16_MAX + 1];
	bool given;                 /* the queue's first was given, and is to be dropped */
	int64_t now_ns;             /* the last packet's time */
	uint8_t *whole;             /* FRAGMENT_BYTES_MAX: a packet out of pieces */
	uint8_t *message;           /* TCP_MESSAGE_MAX: one that was anonymized */
};

/*
 * Each has e, held with its copy of a packet whose headers are done, and what was read of the
 * original; and returns what becomes of it, as far as is known.
 */
enum anon_count anon_udp(struct anon *a, struct held *e, const struct frame *f);
enum anon_count anon_tcp(struct anon *a, struct held *e, const struct frame *f);
enum anon_count anon_icmp(struct anon *a, struct held *e);
/* b: the piece, original; fragments_add has taken it, or with whole made a packet of it. */
enum anon_count anon_piece(struct anon *a, struct held *e, const struct ip_body *b);

static inline uint8_t *anon_body(struct anon *a, const struct held *e)
{
	return hold_bytes(&a->hold, e) + e->body;
}

static inline bool anon_is_dns(const struct anon *a, const struct frame *f)
{
	return a->port[f->src.port] || a->port[f->dst.port];
}

#endif
