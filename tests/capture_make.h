/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures made in memory, for tests: pcap and pcapng files in either byte order, and packets
 * with DNS messages in them, over UDP, in IP fragments, and in TCP segments.
 */
#ifndef EK_TESTS_CAPTURE_MAKE_H
#define EK_TESTS_CAPTURE_MAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dns.h"
#include "sim/capture/core/layer.h"
#include "sim/net/frame.h"

/* Bytes that grow. made_free frees them. */
struct made {
	uint8_t *p;
	size_t n, cap;
	bool big;       /* numbers of files are big-endian */
};

static inline void made_free(struct made *m)
{
	free(m->p);
	*m = (struct made){ 0 };
}

static inline void made_bytes(struct made *m, const void *p, size_t n)
{
	if (m->n + n > m->cap) {
		m->cap = 2 * (m->n + n) + 64;
		m->p = realloc(m->p, m->cap);
		MUST(m->p != NULL);
	}
	if (n > 0)
		memcpy(m->p + m->n, p, n);
	m->n += n;
}

static inline void made_number(struct made *m, uint64_t v, unsigned bytes)
{
	uint8_t b[8];

	for (unsigned i = 0; i < bytes; i++)
		b[i] = (uint8_t)(v >> (8 * (m->big ? bytes - 1 - i : i)));
	made_bytes(m, b, bytes);
}

static inline void made32(struct made *m, uint32_t v)
{
	made_number(m, v, 4);
}

/* ---- pcap ---- */

static inline void made_pcap(struct made *m, bool nano, uint32_t link)
{
	made32(m, nano ? 0xa1b23c4d : 0xa1b2c3d4);
	made_number(m, 2, 2);
	made_number(m, 4, 2);
	made32(m, 0);
	made32(m, 0);
	made32(m, 262144);
	made32(m, link);
}

/* part: of a second, in the file's unit. */
static inline void made_record(struct made *m, uint32_t s, uint32_t part, const void *p, size_t len,
                               size_t wire_len)
{
	made32(m, s);
	made32(m, part);
	made32(m, (uint32_t)len);
	made32(m, (uint32_t)wire_len);
	made_bytes(m, p, len);
}

/* ---- pcapng ---- */

/* A block with any body, its length filled up to a multiple of four. */
static inline void made_block(struct made *m, uint32_t type, const void *body, size_t len)
{
	uint32_t all = (uint32_t)(12 + ((len + 3) & ~(size_t)3));

	made32(m, type);
	made32(m, all);
	made_bytes(m, body, len);
	made_bytes(m, "\0\0\0", all - 12 - len);
	made32(m, all);
}

static inline void made_section(struct made *m)
{
	struct made b = { .big = m->big };

	made32(&b, 0x1a2b3c4d);
	made_number(&b, 1, 2);
	made_number(&b, 0, 2);
	made_number(&b, UINT64_MAX, 8);
	made_block(m, 0x0a0d0d0a, b.p, b.n);
	made_free(&b);
}

/* resolution: if_tsresol, -1 for none; offset_s: if_tsoffset, 0 for none. */
static inline void made_interface(struct made *m, uint16_t link, int resolution, int64_t offset_s)
{
	struct made b = { .big = m->big };

	made_number(&b, link, 2);
	made_number(&b, 0, 2);
	made32(&b, 0);
	made_number(&b, 2, 2); /* if_name, to be passed over */
	made_number(&b, 5, 2);
	made_bytes(&b, "veth0\0\0", 8);
	if (resolution >= 0) {
		made_number(&b, 9, 2);
		made_number(&b, 1, 2);
		made_bytes(&b, (uint8_t[]){ (uint8_t)resolution, 0, 0, 0 }, 4);
	}
	if (offset_s != 0) {
		made_number(&b, 14, 2);
		made_number(&b, 8, 2);
		made_number(&b, (uint64_t)offset_s, 8);
	}
	made_number(&b, 0, 4);
	made_block(m, 1, b.p, b.n);
	made_free(&b);
}

static inline void made_packet(struct made *m, uint32_t interface, uint64_t ticks, const void *p,
                               size_t len, size_t wire_len)
{
	struct made b = { .big = m->big };

	made32(&b, interface);
	made32(&b, (uint32_t)(ticks >> 32));
	made32(&b, (uint32_t)ticks);
	made32(&b, (uint32_t)len);
	made32(&b, (uint32_t)wire_len);
	made_bytes(&b, p, len);
	made_bytes(&b, "\0\0\0", -len & 3);
	made_bytes(&b, "\2\0\4\0\0\0\0\0\0\0\0", 12); /* options */
	made_block(m, 6, b.p, b.n);
	made_free(&b);
}

static inline void made_simple(struct made *m, const void *p, size_t len)
{
	struct made b = { .big = m->big };

	made32(&b, (uint32_t)len);
	made_bytes(&b, p, len);
	made_block(m, 3, b.p, b.n);
	made_free(&b);
}

/* ---- packets ---- */

enum { MADE_ETHERNET = 14, MADE_FRAME_MAX = FRAME_HEADERS + 65535 };

static const uint8_t made_mac[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

static inline struct ep made_ep(const char *text)
{
	struct ep e;

	MUST(ep_parse(&e, text, 53) == 0);
	return e;
}

/* A query for name, or, with DNS_QR among the flags, an answer without records. Its length. */
static inline uint16_t made_message(uint8_t out[512], uint16_t id, uint16_t flags, const char *name)
{
	uint8_t wire[DNS_NAME_MAX];
	int n = dns_name_parse(wire, name);

	MUST(n > 0);
	n = dns_query(out, 512, id, flags, wire, (size_t)n, DNS_A, DNS_IN, 0);
	MUST(n > 0);
	return (uint16_t)n;
}

/* An Ethernet frame with a UDP datagram; its length. */
static inline size_t made_udp(uint8_t out[MADE_FRAME_MAX], const char *src, const char *dst,
                              const void *p, size_t len)
{
	struct ep s = made_ep(src), d = made_ep(dst);
	int n = frame_udp(out, MADE_FRAME_MAX, made_mac, &s, &d, p, len);

	MUST(n > 0);
	return (size_t)n;
}

/* An Ethernet frame with a TCP segment; its length. */
static inline size_t made_tcp(uint8_t out[MADE_FRAME_MAX], const char *src, const char *dst,
                              uint8_t flags, uint32_t seq, const void *p, size_t len)
{
	struct frame f = { .kind = FRAME_TCP, .src = made_ep(src), .dst = made_ep(dst),
	                   .tcp_flags = flags, .tcp_seq = seq, .payload = p,
	                   .payload_len = (uint32_t)len };
	int n = frame_tcp(out, MADE_FRAME_MAX, made_mac, &f, FRAME_WINDOW);

	MUST(n > 0);
	return (size_t)n;
}

/*
 * The piece of an Ethernet frame's IP packet that begins at offset at (a multiple of 8) of what the
 * packet carries and has n bytes, or what is left, as a frame of its own; its length. IPv6's comes
 * behind a Fragment header.
 */
static inline size_t made_fragment(uint8_t out[MADE_FRAME_MAX], const uint8_t *frame, size_t len,
                                   size_t at, size_t n)
{
	bool v6 = frame[12] == 0x86;
	size_t head = MADE_ETHERNET + (v6 ? 40 : 20), body = len - head;
	bool more = at + n < body;

	n = more ? n : body - at;
	memcpy(out, frame, head);
	if (!v6) {
		dns_put16(out + 16, (uint16_t)(20 + n));
		dns_put16(out + 18, 0x1234);
		dns_put16(out + 20, (uint16_t)(at / 8 | (more ? 0x2000u : 0)));
		memcpy(out + head, frame + head + at, n);
		return head + n;
	}
	dns_put16(out + 18, (uint16_t)(8 + n));
	out[head] = out[20];
	out[20] = 44;
	out[head + 1] = 0;
	dns_put16(out + head + 2, (uint16_t)(at | more));
	dns_put32(out + head + 4, 0x12345678);
	memcpy(out + head + 8, frame + head + at, n);
	return head + 8 + n;
}

#endif
