/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capture files taken apart: bytes in, packets out, however the bytes were cut. pcap with micro-
 * and nanoseconds and pcapng (draft-ietf-opsawg-pcapng) with any number of sections and
 * interfaces, each with a link type and a clock of its own; both in either byte order. Whatever
 * the bytes are, no more than FORMAT_NEED_MAX of them are ever asked for at once. A pcapng record
 * that contradicts itself is passed over, as its block says where the next one is; behind a
 * broken pcap record nothing more can be read. Pure; nothing is allocated.
 */
#ifndef EK_CAPTURE_FORMAT_H
#define EK_CAPTURE_FORMAT_H

#include <stdbool.h>

#include "lib/must.h"
#include "packet.h"

enum { FORMAT_INTERFACES_MAX = 256, FORMAT_NEED_MAX = CAPTURE_SNAP_MAX + (256 << 10) };

enum format_kind { FORMAT_UNKNOWN = 0, FORMAT_PCAP, FORMAT_PCAPNG };

enum format_fault {
	FORMAT_FINE = 0,
	FORMAT_NOT_CAPTURE,   /* the file doesn't begin as one */
	FORMAT_VERSION,       /* a version that isn't known */
	FORMAT_RECORD,        /* a record whose length makes no sense */
	FORMAT_BLOCK,         /* the same of a pcapng block */
	FORMAT_CUT_OFF,       /* ends in the middle of something */
};

/* A clock: ticks times mul, by div, shifted right. */
struct format_clock {
	uint64_t mul, div;
	uint8_t shift;
	bool usable;
	int64_t offset_ns;
};

struct format_interface {
	uint16_t link;
	uint32_t snap;        /* 0: none */
	struct format_clock clock;
};

struct format {
	enum format_kind kind;
	enum format_fault fault;
	bool swap;            /* the file has the other byte order */
	uint64_t packets;     /* so far */
	uint64_t offset;      /* bytes used so far: where the fault is */
	uint64_t skip;        /* bytes to pass over before the next block */
	uint32_t interface_n;
	struct format_interface interface[FORMAT_INTERFACES_MAX];
};

void format_init(struct format *f);
/*
 * p[0..n) are the file's bytes from where the last call's ended; last: there are no more behind
 * them. Returns how many were used; then out->bytes is NULL when there was no packet in them,
 * otherwise *out is the next, its bytes in p. 0: more bytes are needed, never more than
 * FORMAT_NEED_MAX; at the end, with last, there is nothing left. -EBADMSG: no more can be read,
 * f->fault says why.
 */
int format_next(struct format *f, const uint8_t *p, size_t n, bool last, struct capture_packet *out)
	MUST_CHECK;
/* What a fault means, as the end of a sentence. */
const char *format_fault_text(enum format_fault fault);

#endif
