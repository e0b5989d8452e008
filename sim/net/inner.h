/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What taking frames apart and making them have in common: the headers' numbers and the Internet
 * checksum. Inside of sim/net only; frame.h is what others see.
 */
#ifndef EK_NET_INNER_H
#define EK_NET_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/dns.h"

enum {
	ETHERNET = 14, IP4_HEADER = 20, IP6_HEADER = 40, UDP_HEADER = 8, TCP_HEADER = 20,
	ICMP_HEADER = 8,
	TYPE_IP4 = 0x0800, TYPE_IP6 = 0x86dd,
	PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58,
	PROTO_HOPS = 0, PROTO_ROUTING = 43, PROTO_FRAGMENT = 44, PROTO_AH = 51, PROTO_DEST = 60,
	IP6_EXTENSION = 8, /* the least that one takes */
	LITTLE_ENDIAN_WORDS = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	IP4_DONT_FRAGMENT = 0x4000, IP4_MORE_FRAGMENTS = 0x2000, IP4_OFFSET = 0x1fff,
};

/*
 * One's complement sum of 16-bit words in network order (RFC 1071), an odd last byte filled up with
 * zero; folded to 0...0xffff, so that many of them add up in 32 bits. 0 only for zeros.
 */
uint32_t sum_bytes(const uint8_t *p, size_t len);

/* Eight bytes as the machine reads them. */
static inline uint64_t sum_word(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* a + b, the carry brought round. */
static inline uint64_t sum_plus(uint64_t a, uint64_t b)
{
	uint64_t s;
	bool carry = __builtin_add_overflow(a, b, &s);

	return s + carry;
}

/* A sum of words as the machine reads them, in 16 bits and network order. */
static inline uint32_t sum_fold(uint64_t s)
{
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffffffff) + (s >> 32);
	uint32_t t = (uint32_t)((s & 0xffff) + (s >> 16));
	t = (t & 0xffff) + (t >> 16);
	return LITTLE_ENDIAN_WORDS ? (t >> 8 | t << 8) & 0xffff : t;
}

/* The addresses' part of an IPv4 header and of both families' pseudo headers. */
static inline uint32_t sum_addresses(const struct ip *src, const struct ip *dst, bool v4)
{
	if (v4)
		return (uint32_t)dns_get16(src->b + 12) + dns_get16(src->b + 14) +
		       dns_get16(dst->b + 12) + dns_get16(dst->b + 14);
	return sum_fold(sum_plus(sum_plus(sum_word(src->b), sum_word(src->b + 8)),
	                         sum_plus(sum_word(dst->b), sum_word(dst->b + 8))));
}

/* The checksum of what adds up to s. */
static inline uint16_t sum_check(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

#endif
