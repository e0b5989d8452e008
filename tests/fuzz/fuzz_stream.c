/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The framer of messages over TCP under any bytes in any pieces: what comes out is the same as from
 * the whole, each message lies within what has come, and what is kept is never more than one
 * message. The input's first byte seeds the cut. The bug that EK_PLANT plants gives a message out
 * before its last byte has come.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/must.h"
#include "lib/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t hash;
	size_t messages, bytes;
};

static void add(struct sum *s, const uint8_t *m, uint16_t len)
{
	s->messages++;
	s->bytes += len;
	s->hash = (s->hash ^ len) * UINT64_C(0x100000001b3);
	for (uint16_t i = 0; i < len; i++)
		s->hash = (s->hash ^ m[i]) * UINT64_C(0x100000001b3);
}

/* Takes what is whole out of an exact copy of what has come; how much is left. */
static size_t take(struct sum *s, const uint8_t *p, size_t n)
{
	const uint8_t *m;
	uint16_t len;
	size_t at = 0, took;

	while ((took = stream_first(p + at, n - at, &m, &len)) > 0) {
		MUST(took == STREAM_PREFIX + (size_t)len && took == stream_need(p + at, n - at));
		add(s, m, len);
		at += took;
	}
	MUST(n - at < stream_need(p + at, n - at));
	return n - at;
}

static struct sum read_in_pieces(const uint8_t *p, size_t n, unsigned seed)
{
	struct sum s = { 0 };
	uint8_t *kept = NULL;
	size_t kept_n = 0;

	while (n > 0) {
		seed = seed * 1103515245u + 12345u;
		size_t piece = 1 + (seed >> 16) % (seed & 1024 ? 3 : 400);
		piece = piece < n ? piece : n;
		uint8_t *both = malloc(kept_n + piece);
		MUST(both != NULL);
		if (kept_n > 0)
			memcpy(both, kept, kept_n);
		memcpy(both + kept_n, p, piece);
		free(kept);
		size_t left = take(&s, both, kept_n + piece);
		kept = malloc(left + 1);
		MUST(kept != NULL && left < STREAM_MAX);
		memcpy(kept, both + kept_n + piece - left, left);
		kept_n = left;
		free(both);
		p += piece;
		n -= piece;
	}
	free(kept);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sum whole = { 0 };

	if (size < 1)
		return 0;
	take(&whole, data + 1, size - 1);
	struct sum cut = read_in_pieces(data + 1, size - 1, data[0]);
	MUST(cut.hash == whole.hash && cut.messages == whole.messages && cut.bytes == whole.bytes);
	return 0;
}
