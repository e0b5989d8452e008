/* SPDX-License-Identifier: BSD-3-Clause */
/* What both formats' readers share: numbers in the file's byte order and ticks to nanoseconds. */
#ifndef EK_CAPTURE_FORMAT_INNER_H
#define EK_CAPTURE_FORMAT_INNER_H

#include <string.h>

#include "format.h"

/* More a record can't take: no packet, the file goes on behind it. */
enum { FORMAT_MORE = 0 };

static inline uint32_t get32(const struct format *f, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return f->swap ? __builtin_bswap32(v) : v;
}

static inline uint16_t get16(const struct format *f, const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return f->swap ? __builtin_bswap16(v) : v;
}

int format_fail(struct format *f, enum format_fault fault);
/* Ticks as unix time in ns. False when that is none between 1970 and 2262. */
bool format_time(const struct format_clock *c, uint64_t ticks, int64_t *t_ns);

/* format_next of each; p is behind what is known of the file's kind. Block by block. */
int format_pcapng_next(struct format *f, const uint8_t *p, size_t n, struct capture_packet *out);

#endif
