/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapng, block by block: section headers, interfaces with their link types and clocks, and packets
 * in the three kinds of blocks that there are for them. What else there is is passed over unseen,
 * however long it is.
 */
#include <errno.h>

#include "format_inner.h"

enum {
	BLOCK_HEAD = 8, BLOCK_LEAST = 12,
	BLOCK_SECTION = 0x0a0d0d0a, BLOCK_INTERFACE = 1, BLOCK_PACKET = 2, BLOCK_SIMPLE = 3,
	BLOCK_ENHANCED = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	SECTION_BODY = 16, INTERFACE_BODY = 8, PACKET_BODY = 20, SIMPLE_BODY = 4,
	OPTION_END = 0, OPTION_CLOCK = 9, OPTION_OFFSET = 14,
};

/* ticks of 10^-n or, with the high bit, 2^-n seconds. */
static void clock_ticks(struct format_clock *c, uint8_t v)
{
	unsigned n = v & 0x7f;

	c->mul = 1;
	c->div = 1;
	c->shift = 0;
	c->usable = (v & 0x80) != 0 ? n <= 64 : n <= 28;
	if ((v & 0x80) != 0) {
		c->mul = 1000000000;
		c->shift = (uint8_t)n;
		return;
	}
	for (unsigned i = n; i < 9; i++)
		c->mul *= 10;
	for (unsigned i = 9; i < n && c->usable; i++)
		c->div *= 10;
}

static void clock_offset(const struct format *f, struct format_clock *c, const uint8_t *p)
{
	bool big = f->swap == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
	uint64_t high = get32(f, p + (big ? 0 : 4)), low = get32(f, p + (big ? 4 : 0));
	int64_t s = (int64_t)(high << 32 | low);

	if (__builtin_mul_overflow(s, INT64_C(1000000000), &c->offset_ns))
		c->usable = false;
}

/* An interface's options: p[0..n) is what follows its fixed part. */
static void read_options(const struct format *f, struct format_clock *c, const uint8_t *p, size_t n)
{
	while (n >= 4) {
		uint16_t code = get16(f, p), len = get16(f, p + 2);
		size_t all = 4 + ((len + 3u) & ~3u);
		if (code == OPTION_END || all > n)
			return;
		if (code == OPTION_CLOCK && len == 1)
			clock_ticks(c, p[4]);
		else if (code == OPTION_OFFSET && len == 8)
			clock_offset(f, c, p + 4);
		p += all;
		n -= all;
	}
}

/* One that there is no room for has a number all the same, so that its packets are known as its. */
static void read_interface(struct format *f, const uint8_t *body, size_t len)
{
	uint32_t at = f->interface_n++;

	if (at >= FORMAT_INTERFACES_MAX || len < INTERFACE_BODY)
		return;
	struct format_interface *i = &f->interface[at];
	*i = (struct format_interface){ .link = get16(f, body), .snap = get32(f, body + 4) };
	clock_ticks(&i->clock, 6);
	read_options(f, &i->clock, body + INTERFACE_BODY, len - INTERFACE_BODY);
}

static void read_packet(struct format *f, const uint8_t *body, size_t len, bool enhanced,
                        struct capture_packet *out)
{
	uint64_t ticks = (uint64_t)get32(f, body + 4) << 32 | get32(f, body + 8);
	uint32_t interface = enhanced ? get32(f, body) : get16(f, body);

	out->number = ++f->packets;
	out->bytes = body + PACKET_BODY;
	out->len = get32(f, body + 12);
	out->wire_len = get32(f, body + 16);
	out->interface = interface;
	out->fault = CAPTURE_RECORD;
#ifdef EK_PLANT /* what make fuzz must find: a length that its block has no room for */
	len += 2;
#endif
	if (interface < f->interface_n && interface < FORMAT_INTERFACES_MAX &&
	    out->len <= len - PACKET_BODY && out->len <= CAPTURE_SNAP_MAX) {
		const struct format_interface *i = &f->interface[interface];
		out->link = i->link;
		out->wire_len = out->wire_len > out->len ? out->wire_len : out->len;
		out->fault = format_time(&i->clock, ticks, &out->t_ns) ? 0 : CAPTURE_NO_TIME;
	} else {
		out->len = 0;
	}
}

static void read_simple(struct format *f, const uint8_t *body, size_t len,
                        struct capture_packet *out)
{
	uint32_t wire_len = get32(f, body), snap = f->interface_n > 0 ? f->interface[0].snap : 0;
	size_t most = len - SIMPLE_BODY;

	*out = (struct capture_packet){
		.number = ++f->packets, .bytes = body + SIMPLE_BODY, .wire_len = wire_len,
		.fault = CAPTURE_NO_TIME,
	};
	if (f->interface_n == 0)
		out->fault = CAPTURE_RECORD;
	else
		out->link = f->interface[0].link;
	most = snap > 0 && snap < most ? snap : most;
	out->len = (uint32_t)(wire_len < most ? wire_len : most);
}

/* The file's, or a further section's, start: its byte order counts from here on. */
static int read_section(struct format *f, const uint8_t *p, size_t n)
{
	if (n < BLOCK_HEAD + SECTION_BODY)
		return FORMAT_MORE;
	f->swap = false;
	if (get32(f, p + 8) != BYTE_ORDER_MAGIC) {
		f->swap = true;
		if (get32(f, p + 8) != BYTE_ORDER_MAGIC)
			return format_fail(f, f->packets == 0 ? FORMAT_NOT_CAPTURE : FORMAT_BLOCK);
	}
	uint32_t all = get32(f, p + 4);
	if (all < BLOCK_LEAST + SECTION_BODY || all % 4 != 0)
		return format_fail(f, FORMAT_BLOCK);
	if (get16(f, p + 12) != 1)
		return format_fail(f, FORMAT_VERSION);
	f->interface_n = 0;
	f->skip = all - (BLOCK_HEAD + SECTION_BODY);
	return BLOCK_HEAD + SECTION_BODY;
}

static size_t body_least(uint32_t type)
{
	switch (type) {
	case BLOCK_INTERFACE:
		return INTERFACE_BODY;
	case BLOCK_PACKET:
	case BLOCK_ENHANCED:
		return PACKET_BODY;
	case BLOCK_SIMPLE:
		return SIMPLE_BODY;
	default:
		return 0; /* not looked at */
	}
}

int format_pcapng_next(struct format *f, const uint8_t *p, size_t n, struct capture_packet *out)
{
	if (n < BLOCK_LEAST)
		return FORMAT_MORE;
	uint32_t type = get32(f, p), all = get32(f, p + 4);
	if (type == BLOCK_SECTION)
		return read_section(f, p, n);
	size_t least = body_least(type);
	if (all < BLOCK_LEAST + least || all % 4 != 0)
		return format_fail(f, FORMAT_BLOCK);
	if (least == 0) {
		f->skip = all - BLOCK_HEAD;
		return BLOCK_HEAD;
	}
	if (all > FORMAT_NEED_MAX)
		return format_fail(f, FORMAT_BLOCK);
	if (n < all)
		return FORMAT_MORE;
	if (get32(f, p + all - 4) != all)
		return format_fail(f, FORMAT_BLOCK);
	const uint8_t *body = p + BLOCK_HEAD;
	size_t len = all - BLOCK_LEAST;
	if (type == BLOCK_INTERFACE)
		read_interface(f, body, len);
	else if (type == BLOCK_SIMPLE)
		read_simple(f, body, len, out);
	else
		read_packet(f, body, len, type == BLOCK_ENHANCED, out);
	return (int)all;
}
