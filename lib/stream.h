/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS messages in a stream of bytes (RFC 1035 section 4.2.2, RFC 7766 section 8): two bytes of
 * length before each. Bytes in, messages out, however the bytes were cut. It never holds more than
 * one unfinished message and the two bytes; whole ones are seen where they lie. Memory is the
 * caller's.
 */
#ifndef EK_STREAM_H
#define EK_STREAM_H

#include <stddef.h>
#include <stdint.h>

enum { STREAM_PREFIX = 2, STREAM_MAX = STREAM_PREFIX + UINT16_MAX };

/*
 * The first message of p[0..n). Returns how many bytes it takes there, prefix included, and sets
 * *message and *len; 0 when it isn't whole.
 */
size_t stream_first(const uint8_t *p, size_t n, const uint8_t **message, uint16_t *len);
/*
 * How many bytes the message that begins at p is known to take in all: 2...65537. With fewer than
 * two bytes there, 2.
 */
size_t stream_need(const uint8_t *p, size_t n);
/* Writes the prefix of a message of len bytes. */
void stream_prefix(uint8_t out[STREAM_PREFIX], uint16_t len);

#endif
