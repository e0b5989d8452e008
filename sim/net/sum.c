/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Internet checksum (RFC 1071), eight bytes at a time: the sum doesn't depend on the order of
 * bytes (section 2 (B)) nor on the words' width, so it is taken as the machine reads and turned
 * round once at the end.
 */
#include "inner.h"

/* The last rest (1...7) bytes before end, as if zeros followed; behind is how many there are. */
static uint64_t last(const uint8_t *end, size_t rest, size_t behind)
{
	uint64_t v = 0;

	if (behind < 8) {
		for (size_t i = 0; i < rest; i++)
			v |= (uint64_t)*(end - rest + i)
			     << (LITTLE_ENDIAN_WORDS ? 8 * i : 56 - 8 * i);
		return v;
	}
	v = sum_word(end - 8);
	return LITTLE_ENDIAN_WORDS ? v >> (64 - 8 * rest) : v << (64 - 8 * rest);
}

uint32_t sum_bytes(const uint8_t *p, size_t len)
{
	uint64_t a = 0, b = 0, c = 0, d = 0;
	size_t i = 0;

	for (; i + 32 <= len; i += 32) {
		a = sum_plus(a, sum_word(p + i));
		b = sum_plus(b, sum_word(p + i + 8));
		c = sum_plus(c, sum_word(p + i + 16));
		d = sum_plus(d, sum_word(p + i + 24));
	}
	for (; i + 8 <= len; i += 8)
		a = sum_plus(a, sum_word(p + i));
	if (i < len)
		b = sum_plus(b, last(p + len, len - i, len));
	return sum_fold(sum_plus(sum_plus(a, b), sum_plus(c, d)));
}
