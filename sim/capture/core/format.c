/* SPDX-License-Identifier: BSD-3-Clause */
/* The kind of a capture file, and pcap's records; see format.h. pcapng's are in format_pcapng.c. */
#include "format.h"

#include <errno.h>

#include "format_inner.h"

enum {
	PCAP_HEADER = 24, PCAP_RECORD = 16,
	PCAP_MICRO = (int)0xa1b2c3d4, PCAP_NANO = (int)0xa1b23c4d, PCAPNG_SECTION = 0x0a0d0d0a,
};

static const uint64_t SECOND = 1000000000;

__extension__ typedef unsigned __int128 wide; /* ticks in ns, before they are divided */

void format_init(struct format *f)
{
	*f = (struct format){ 0 };
}

int format_fail(struct format *f, enum format_fault fault)
{
	f->fault = fault;
	return -EBADMSG;
}

bool format_time(const struct format_clock *c, uint64_t ticks, int64_t *t_ns)
{
	wide t = (wide)ticks * c->mul;

	if (!c->usable)
		return false;
	if (c->div != 1)
		t /= c->div;
	t >>= c->shift;
	if (t > INT64_MAX || __builtin_add_overflow((int64_t)t, c->offset_ns, t_ns))
		return false;
	return *t_ns >= 0;
}

static int pcap_open(struct format *f, const uint8_t *p, size_t n)
{
	uint32_t magic = get32(f, p);

	if (n < PCAP_HEADER)
		return FORMAT_MORE;
	if (get16(f, p + 4) != 2)
		return format_fail(f, FORMAT_VERSION);
	f->kind = FORMAT_PCAP;
	f->interface_n = 1;
	f->interface[0] = (struct format_interface){
		.link = (uint16_t)get32(f, p + 20), /* above it, how long an FCS is */
		.snap = get32(f, p + 16),
		.clock = { .mul = magic == (uint32_t)PCAP_NANO ? 1 : 1000, .div = 1,
		           .usable = true },
	};
	return PCAP_HEADER;
}

static int open_any(struct format *f, const uint8_t *p, size_t n)
{
	if (n < 4)
		return FORMAT_MORE;
	for (int i = 0; i < 2; i++) {
		f->swap = i == 1;
		uint32_t magic = get32(f, p);
		if (magic == (uint32_t)PCAP_MICRO || magic == (uint32_t)PCAP_NANO)
			return pcap_open(f, p, n);
		if (magic == (uint32_t)PCAPNG_SECTION) {
			f->kind = FORMAT_PCAPNG;
			return format_pcapng_next(f, p, n, NULL);
		}
	}
	return format_fail(f, FORMAT_NOT_CAPTURE);
}

static int pcap_next(struct format *f, const uint8_t *p, size_t n, struct capture_packet *out)
{
	if (n < PCAP_RECORD)
		return FORMAT_MORE;
	uint32_t s = get32(f, p), part = get32(f, p + 4), len = get32(f, p + 8);
	uint32_t wire_len = get32(f, p + 12);
	uint64_t part_ns = part * f->interface[0].clock.mul;
	if (len > CAPTURE_SNAP_MAX)
		return format_fail(f, FORMAT_RECORD);
	if (n < PCAP_RECORD + len)
		return FORMAT_MORE;
	out->t_ns = (int64_t)(s * SECOND + part_ns);
	out->number = ++f->packets;
	out->bytes = p + PCAP_RECORD;
	out->len = len;
	out->wire_len = wire_len > len ? wire_len : len;
	out->interface = 0;
	out->link = f->interface[0].link;
	out->fault = part_ns >= SECOND ? CAPTURE_NO_TIME : 0;
	return (int)(PCAP_RECORD + len);
}

static int next(struct format *f, const uint8_t *p, size_t n, struct capture_packet *out)
{
	switch (f->kind) {
	case FORMAT_PCAP:
		return pcap_next(f, p, n, out);
	case FORMAT_PCAPNG:
		return format_pcapng_next(f, p, n, out);
	case FORMAT_UNKNOWN:
		break;
	}
	return open_any(f, p, n);
}

int format_next(struct format *f, const uint8_t *p, size_t n, bool last, struct capture_packet *out)
{
	out->bytes = NULL;
	if (f->skip > 0) {
		int used = (int)(f->skip < n ? f->skip : n < INT32_MAX ? n : INT32_MAX);
		f->skip -= (uint64_t)used;
		f->offset += (uint64_t)used;
		if (used > 0)
			return used;
		return last ? format_fail(f, FORMAT_CUT_OFF) : FORMAT_MORE;
	}
	int used = next(f, p, n, out);
	if (used > 0)
		f->offset += (uint64_t)used;
	if (used == FORMAT_MORE && last && f->kind == FORMAT_UNKNOWN)
		return format_fail(f, FORMAT_NOT_CAPTURE);
	if (used == FORMAT_MORE && last && n > 0)
		return format_fail(f, FORMAT_CUT_OFF);
	return used;
}

const char *format_fault_text(enum format_fault fault)
{
	static const char *const text[] = {
		[FORMAT_FINE] = "nothing is wrong",
		[FORMAT_NOT_CAPTURE] = "not a capture: expected pcap or pcapng, plain or gzip",
		[FORMAT_VERSION] = "a version of its format that isn't known",
		[FORMAT_RECORD] = "a record whose length makes no sense",
		[FORMAT_BLOCK] = "a block whose length makes no sense",
		[FORMAT_CUT_OFF] = "cut off in the middle of a record",
	};

	return text[fault];
}
