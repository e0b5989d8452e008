/* SPDX-License-Identifier: BSD-3-Clause */
/* Jenkins' hash of 1996, without regard to case; see namehash.h. */
#include "namehash.h"

static uint32_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c + 32u : c;
}

/* One of three steps: each of x, y, z loses the other two and is crossed with a shifted one. */
static void step(uint32_t s[3], unsigned right, unsigned left, unsigned last)
{
	s[0] = (s[0] - s[1] - s[2]) ^ s[2] >> right;
	s[1] = (s[1] - s[2] - s[0]) ^ s[0] << left;
	s[2] = (s[2] - s[0] - s[1]) ^ s[1] >> last;
}

static void mix(uint32_t s[3])
{
	step(s, 13, 8, 13);
	step(s, 12, 16, 5);
	step(s, 3, 10, 15);
}

uint32_t namehash(const uint8_t *bytes, size_t len, uint32_t initial)
{
	uint32_t s[3] = { 0x9e3779b9, 0x9e3779b9, initial };
	size_t at = 0;

	for (; len - at >= 12; at += 12) {
		for (unsigned i = 0; i < 12; i++)
			s[i / 4] += lower(bytes[at + i]) << i % 4 * 8;
		mix(s);
	}
	s[2] += (uint32_t)len;
	for (unsigned i = 0; i < len - at; i++) {
		unsigned place = i < 8 ? i : i + 1; /* the third word's low byte is the length's */
		s[place / 4] += lower(bytes[at + i]) << place % 4 * 8;
	}
	mix(s);
	return s[2];
}
