/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a capture file: what is given out lies in what was read, each packet counts once,
 * tables stay within their bounds, and reading the bytes in other pieces gives the same. The
 * input's first byte says how large the pieces are. The bug that EK_PLANT plants believes a
 * pcapng packet's length.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"
#include "sim/capture/core/dissect.h"
#include "sim/capture/core/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t packets, messages, hash;
	int result;
};

/* Small tables, so that they are full at once. */
static const struct dissect_options small = { .connections = 4, .fragmented = 4, .blocks = 128,
                                              .seed = 1 };

static void messages_of(struct dissect *d, const struct capture_packet *p, struct sum *s)
{
	struct capture_message m;

	dissect_packet(d, p, 0);
	for (; dissect_next(d, &m); s->messages++) {
		MUST(m.len >= DNS_HEADER && m.packet == p->number && m.t_ns == p->t_ns);
		MUST(!m.asks || (m.question.end <= m.len && m.question.name_len >= 1));
		MUST(m.tcp == (m.connection > 0));
		s->hash = dns_hash(m.m, m.len, s->hash + m.packet);
	}
}

static void must_conserve(const struct dissect *d, uint64_t packets)
{
	const uint64_t *count = dissect_counts(d);
	uint64_t sum = 0;

	for (unsigned i = 0; i < CAPTURE_COUNTS; i++)
		sum += capture_count_row[i].kind != CAPTURE_LOST ? count[i] : 0;
	MUST(sum == packets);
}

/* Reads p[0..n), at most step more bytes at a time, each time in exactly as much memory. */
static struct sum read_in_steps(struct dissect *d, const uint8_t *p, size_t n, size_t step)
{
	static struct format format;
	struct sum s = { 0 };
	size_t at = 0, have = 0;

	format_init(&format);
	for (;;) {
		struct capture_packet packet;
		bool last = at + have == n;
		uint8_t *exact = malloc(have > 0 ? have : 1);
		MUST(exact != NULL);
		if (have > 0)
			memcpy(exact, p + at, have);
		s.result = format_next(&format, exact, have, last, &packet);
		if (s.result > 0 && packet.bytes != NULL) {
			MUST(packet.bytes >= exact && packet.bytes + packet.len <= exact + have);
			s.packets++;
			messages_of(d, &packet, &s);
		}
		free(exact);
		if (s.result < 0 || (s.result == 0 && last))
			break;
		MUST((size_t)s.result <= have);
		at += (size_t)s.result;
		have -= (size_t)s.result;
		if (s.result == 0)
			have += step < n - at - have ? step : n - at - have;
		MUST(have < FORMAT_NEED_MAX + step);
	}
	return s;
}

static struct sum read_all(const uint8_t *p, size_t n, size_t step)
{
	struct arena a;

	MUST(host_arena(&a, dissect_arena_size(&small)) == 0);
	struct dissect *d = dissect_init(&a, &small);
	arena_seal(&a);
	struct sum s = read_in_steps(d, p, n, step);
	dissect_end(d);
	must_conserve(d, s.packets);
	host_arena_free(&a);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct sum whole = read_all(data + 1, size - 1, size);
	struct sum cut = read_all(data + 1, size - 1, 1u + data[0]);
	MUST(whole.packets == cut.packets && whole.messages == cut.messages);
	MUST(whole.hash == cut.hash && whole.result == cut.result);
	return 0;
}
