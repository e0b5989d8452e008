/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that wait, in order, for what lies in others: a queue with their bytes. Of fixed size;
 * who puts packets in takes them out before there is no room for the longest one any more.
 */
#ifndef EK_PCAP_HOLD_H
#define EK_PCAP_HOLD_H

#include <stdbool.h>

#include "lib/addr.h"
#include "lib/arena.h"
#include "sim/capture/core/packet.h"
#include "sim/net/frame.h"

enum hold_for { HOLD_NOTHING = 0, HOLD_STREAM, HOLD_PIECES };

struct held {
	struct capture_packet packet; /* bytes: NULL; they are at bytes + at */
	unsigned file;
	uint8_t verdict;              /* enum anon_count */
	enum hold_for waits;
	uint32_t at;                  /* in the queue's bytes */
	uint32_t body;                /* the transport's offset in the packet */
	struct ip_body ip;            /* as it goes out, p unset; for its checksum */
	/* What it waits for: a stream's bytes seq...seq + n, or a packet's from offset seq on. */
	struct ep src, dst;
	uint64_t id;                  /* the connection's number; the packet's identification */
	uint32_t seq;
	uint32_t n;
	uint32_t payload;             /* their offset in this packet */
	uint32_t filled;              /* how many of them are there */
};

struct hold {
	struct held *of;
	uint32_t cap, first, n;       /* of of: a ring */
	uint8_t *bytes;
	uint32_t bytes_cap, end;      /* a ring too; each packet in one piece */
};

size_t hold_arena_size(uint32_t packets, uint32_t bytes);
void hold_init(struct hold *h, struct arena *a, uint32_t packets, uint32_t bytes);
/* There is room for another packet of any length. */
bool hold_room(const struct hold *h);
/* Puts a packet in, with a copy of its bytes. There is room. Borrowed until hold_drop of it. */
struct held *hold_put(struct hold *h, const struct capture_packet *p, unsigned file);
/* Takes the newest out again. */
void hold_undo(struct hold *h);
/* The oldest; NULL: none. */
struct held *hold_first(struct hold *h);
void hold_drop_first(struct hold *h);
/* The i-th from the oldest, i < h->n. */
struct held *hold_at(struct hold *h, uint32_t i);

static inline uint8_t *hold_bytes(struct hold *h, const struct held *e)
{
	return h->bytes + e->at;
}

#endif
