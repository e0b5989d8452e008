/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One stream of messages in any segments: the input says, six bytes each, which part of the
 * stream comes next, with which flags and after how long. As long as nothing had to be given up,
 * what comes out is the stream's messages, from the first on, each once. The bug that EK_PLANT
 * plants is one byte off where a segment begins in what was read before.
 */
#include <string.h>

#include "lib/host/host.h"
#include "sim/capture/core/dissect.h"
#include "tests/capture_make.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEP = 6, MESSAGES = 64, BYTES_MAX = MESSAGES * 300, SYN = 2, ACK = 16 };

static const struct dissect_options small = { .connections = 4, .fragmented = 4, .blocks = 128,
                                              .seed = 1 };

static uint32_t make_stream(uint8_t out[BYTES_MAX])
{
	uint32_t n = 0;

	for (uint16_t i = 0; i < MESSAGES; i++) {
		uint16_t len = (uint16_t)(DNS_HEADER + i * 37 % 280);
		dns_put16(out + n, len);
		for (uint32_t k = 2; k < len + 2u; k++)
			out[n + k] = (uint8_t)(k * 13 + i * 7);
		n += len + 2u;
	}
	return n;
}

/* Gives a segment out of the stream. Bit 0 of what: its SYN. */
static void give(struct dissect *d, int64_t t_ns, const uint8_t *stream, uint32_t at, uint32_t len,
                 uint8_t what)
{
	static uint8_t frame[MADE_FRAME_MAX];
	bool syn = (what & 1) != 0;
	uint8_t flags = syn ? SYN : (uint8_t)(ACK | (what >> 1 & 5));
	size_t n = made_tcp(frame, "192.0.2.9:999", "192.0.2.3:53", flags,
	                    UINT32_MAX - 500 + (syn ? 0 : 1 + at), stream + (syn ? 0 : at), len);
	struct capture_packet p = { .t_ns = t_ns, .number = 1, .bytes = frame, .len = (uint32_t)n,
	                            .wire_len = (uint32_t)n, .link = LINK_ETHERNET };

	dissect_packet(d, &p, 0);
}

static void play(struct dissect *d, const uint8_t *p, size_t n)
{
	static uint8_t stream[BYTES_MAX];
	uint32_t all = make_stream(stream), next = 0;
	const uint64_t *count = dissect_counts(d);
	struct capture_message m;
	int64_t t_ns = 0;

	give(d, 0, stream, 0, 0, 1);
	for (; n >= STEP; n -= STEP, p += STEP) {
		uint32_t at = dns_get16(p) % all, len = dns_get16(p + 2) % 1500;
		t_ns += p[5] * INT64_C(1000000);
		give(d, t_ns, stream, at, len < all - at ? len : all - at, p[4]);
		while (dissect_next(d, &m)) {
			if (count[CAPTURE_TCP_GAP] > 0)
				continue; /* from here on it may be out of frame */
			MUST(next < all && m.len == dns_get16(stream + next));
			MUST(memcmp(m.m, stream + next + 2, m.len) == 0);
			next += m.len + 2u;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;

	MUST(host_arena(&a, dissect_arena_size(&small)) == 0);
	struct dissect *d = dissect_init(&a, &small);
	arena_seal(&a);
	play(d, data, size < 6000 ? size : 6000);
	dissect_end(d);
	host_arena_free(&a);
	return 0;
}
