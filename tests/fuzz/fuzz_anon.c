/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a capture to be anonymized: each packet counts once, what is given has its length,
 * time and place, its checksums are right, no label of a question stays, and doing it again gives
 * the same. The bug that EK_PLANT plants believes the length of an EDNS option.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"
#include "sim/capture/core/format.h"
#include "sim/capture/core/layer.h"
#include "sim/net/frame.h"
#include "sim/pcap/core/anon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LABEL = 8, PACKETS_MAX = 4096 };

struct sum {
	uint64_t packets, given, last, hash;
};

/* Small tables, so that they are full at once. */
static const struct anon_options small = {
	.connections = 4, .fragmented = 4, .blocks = 128, .packets = 6,
	.bytes = 2 * CAPTURE_SNAP_MAX, .seed = 1, .key = "fuzz",
};

/* Where each packet's bytes are in the input. */
static const uint8_t *original[PACKETS_MAX];

/* Long labels can't have come out as they went in. */
static void must_differ(const uint8_t *was, const uint8_t *is, size_t len)
{
	struct dns_question q;

	if (dns_question(&q, was, len) < 0)
		return;
	for (size_t at = DNS_HEADER; was[at] != 0; at += 1u + was[at]) {
		MUST(was[at] == is[at]);
		MUST(was[at] < LABEL || memcmp(was + at + 1, is + at + 1, was[at]) != 0);
	}
}

static void must_be_silent(const struct capture_packet *p)
{
	struct frame was, is;

	if (p->link != LINK_ETHERNET || frame_parse(&is, p->bytes, p->len) < 0 ||
	    is.kind == FRAME_OTHER)
		return;
	MUST(frame_sums_right(p->bytes, p->len));
	MUST(frame_parse(&was, original[p->number - 1], p->len) == 0 && was.kind == is.kind);
	MUST(was.payload_len == is.payload_len && was.src.port == is.src.port);
	if (is.kind == FRAME_UDP)
		must_differ(was.payload, is.payload, is.payload_len);
}

static void pull(struct anon *a, struct sum *s)
{
	struct capture_packet p;
	unsigned file;

	for (; anon_next(a, &p, &file); s->given++) {
		MUST(p.number > s->last && p.number <= s->packets && p.fault == 0);
		MUST(p.len == p.wire_len);
		s->last = p.number;
		s->hash = dns_hash(p.bytes, p.len, s->hash + p.number);
		must_be_silent(&p);
	}
}

static void must_conserve(const struct anon *a, const struct sum *s)
{
	const uint64_t *count = anon_counts(a);
	uint64_t given = 0, dropped = 0;

	for (unsigned i = 0; i < ANON_COUNTS; i++) {
		given += anon_count_row[i].kind == ANON_GIVEN ? count[i] : 0;
		dropped += anon_count_row[i].kind == ANON_DROPPED ? count[i] : 0;
	}
	MUST(given == s->given && given + dropped == s->packets);
}

/* Feeds each packet in exactly as much memory as it has. */
static void feed(struct anon *a, const struct capture_packet *p, struct sum *s)
{
	uint8_t *exact = malloc(p->len > 0 ? p->len : 1);
	struct capture_packet q = *p;

	MUST(exact != NULL);
	if (p->len > 0)
		memcpy(exact, p->bytes, p->len);
	original[s->packets++] = p->bytes;
	q.bytes = exact;
	q.number = s->packets;
	anon_packet(a, &q, 0);
	free(exact);
	pull(a, s);
}

static struct sum run(const uint8_t *data, size_t size)
{
	static struct format format;
	struct sum s = { 0 };
	struct arena arena;

	MUST(host_arena(&arena, anon_arena_size(&small)) == 0);
	struct anon *a = anon_init(&arena, &small);
	arena_seal(&arena);
	format_init(&format);
	for (size_t at = 0; s.packets < PACKETS_MAX;) {
		struct capture_packet packet;
		int n = format_next(&format, data + at, size - at, true, &packet);
		if (n <= 0)
			break;
		at += (size_t)n;
		if (packet.bytes != NULL)
			feed(a, &packet, &s);
	}
	anon_end(a);
	pull(a, &s);
	must_conserve(a, &s);
	host_arena_free(&arena);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum once = run(data, size), twice = run(data, size);

	MUST(once.given == twice.given && once.hash == twice.hash);
	return 0;
}
