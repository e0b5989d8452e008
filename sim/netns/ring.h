/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames in and out of a network namespace: a TPACKET_V2 ring over all its interfaces to receive
 * (a V3 ring holds a lone frame back), sendmmsg to send. Only what comes in is seen, not what the
 * sender itself sent out.
 */
#ifndef EK_RING_H
#define EK_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/must.h"

enum { RING_SLOT = 2048, RING_BATCH = 32 };

struct ring {
	int rx, tx;         /* rx: readable when a frame is there */
	uint8_t *map;
	size_t bytes;
	unsigned slots, next;
};

struct ring_frame {
	const uint8_t *data; /* valid until ring_done */
	size_t len;          /* in data */
	size_t orig_len;
	int64_t real_ns;     /* CLOCK_REALTIME when the kernel got it */
	unsigned ifindex;
};

struct ring_out {
	uint8_t *data;
	size_t len;
	unsigned ifindex;
	bool failed;         /* out: the kernel didn't take it */
};

/* slots: a multiple of 32. Returns 0 or -errno. */
int ring_open(struct ring *r, unsigned slots) MUST_CHECK;
void ring_close(struct ring *r);
/* The next frame, or false. Give it back with ring_done before the next call. */
bool ring_next(struct ring *r, struct ring_frame *f);
void ring_done(struct ring *r);
/* Frames that the kernel dropped since the last call. */
uint64_t ring_drops(struct ring *r);
/* Sends out[0..n), n at most RING_BATCH. Returns how many failed. */
unsigned ring_send(struct ring *r, struct ring_out *out, unsigned n);

#endif
