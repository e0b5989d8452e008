/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP packets that came in pieces (RFC 791 section 3.2, RFC 8200 section 4.5), put together again.
 * A packet whose pieces overlap without being the same is dropped whole (RFC 5722), one of which
 * a piece is missing after 30 seconds of the capture's time too; when there are too many the
 * oldest goes.
 */
#ifndef EK_CAPTURE_FRAGMENT_H
#define EK_CAPTURE_FRAGMENT_H

#include "lib/lru.h"
#include "pieces.h"
#include "packet.h"
#include "sim/net/frame.h"

enum { FRAGMENT_BYTES_MAX = 65535 };

struct fragment {
	struct pieces pieces;
	uint32_t total;     /* bytes of the whole; 0: its end hasn't come */
	int64_t t_ns;       /* of the first piece that came */
	uint8_t proto;      /* of the piece at offset 0 */
};

struct fragments {
	struct lru table;
	struct fragment *of; /* by the table's slots */
	struct pieces_pool *pool;
	uint64_t *count;     /* by enum capture_count */
};

size_t fragments_arena_size(uint32_t packets);
/* pool and count are the caller's. packets: that may be unfinished at once. */
void fragments_init(struct fragments *f, struct arena *a, uint32_t packets, uint64_t seed,
                    struct pieces_pool *pool, uint64_t *count);
/*
 * b is a fragment that came at t_ns. True when it makes a packet whole: b is that packet's then,
 * its bytes in whole[FRAGMENT_BYTES_MAX]. Otherwise *verdict says what the piece counts as.
 */
bool fragments_add(struct fragments *f, int64_t t_ns, struct ip_body *b, uint8_t *whole,
                   enum capture_count *verdict);
/* The capture is over: counts what stays unfinished, and forgets it. */
void fragments_end(struct fragments *f);

#endif
