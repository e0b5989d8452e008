/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The least that reading a capture for its queries and answers can be, for benches to be held
 * against: each packet is taken apart by hand and matched in one table.
 */
#ifndef EK_BENCH_BARE_H
#define EK_BENCH_BARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BARE_SLOTS = 1 << 21 };

static uint64_t bare_slot[BARE_SLOTS];

static inline uint64_t bare_mix(uint64_t h, const uint8_t *p, size_t n)
{
	uint64_t v;

	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&v, p, 8);
		h = (h ^ v) * 0x9fb21c651e98df25u;
		h ^= h >> 32;
	}
	v = 0;
	memcpy(&v, p, n);
	h = (h ^ v) * 0x9fb21c651e98df25u;
	return h ^ h >> 29;
}

/* Enters a query, or takes out the one that an answer belongs to. Returns 1 for a match. */
static inline unsigned bare_match(uint64_t key, bool answer)
{
	uint64_t i = key % BARE_SLOTS;

	while (bare_slot[i] != 0 && bare_slot[i] != key)
		i = (i + 1) % BARE_SLOTS;
	if (!answer)
		bare_slot[i] = key;
	return answer && bare_slot[i] == key;
}

/* IPv4 and UDP with a DNS question, by hand. */
static inline unsigned bare_packet(const uint8_t *p, size_t len)
{
	if (len < 14 + 20 + 8 + 12 || p[12] != 8 || p[13] != 0 || p[14] != 0x45 || p[23] != 17)
		return 0;
	const uint8_t *ip = p + 14, *udp = ip + 20, *m = udp + 8;
	size_t at = 12, end = len - 42;
	bool answer = (m[2] & 0x80) != 0;
	while (at < end && m[at] != 0)
		at += 1u + m[at];
	if (at + 5 > end)
		return 0;
	uint64_t h = bare_mix(0x9e3779b97f4a7c15u, ip + (answer ? 16 : 12), 4);
	h = bare_mix(h, ip + (answer ? 12 : 16), 4);
	h = bare_mix(h, udp + (answer ? 2 : 0), 2);
	h = bare_mix(h, m, 2);
	h = bare_mix(h, m + 12, at + 5 - 12);
	return bare_match(h | 1, answer);
}

static inline void bare_forget(void)
{
	memset(bare_slot, 0, sizeof(bare_slot));
}

#endif
