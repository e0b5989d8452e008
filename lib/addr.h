/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IP addresses, endpoints, prefixes and access lists. An IPv4 address is kept as its IPv4-mapped
 * IPv6 form (RFC 4291 section 2.5.5.2), so every address is 16 bytes and compares as bytes; a
 * /24 of IPv4 is 120 bits. Text is read strictly and written as RFC 5952 asks. Pure: no resolver,
 * no locale, no allocation.
 */
#ifndef EK_ADDR_H
#define EK_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "must.h"

struct ip {
	uint8_t b[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
};

struct ep {
	struct ip ip;
	uint16_t port; /* host order; 0: any or unknown */
};

struct prefix {
	struct ip ip;  /* bits past .bits are zero */
	uint8_t bits;  /* 0...128; IPv4 /n is 96+n */
};

enum {
	IP_TEXT = 46,              /* room for ip_format, NUL included */
	EP_TEXT = IP_TEXT + 2 + 6, /* room for ep_format: brackets, colon, port */
	PREFIX_TEXT = IP_TEXT + 4,
};

/* The address as a, b, c, d in IPv4. */
struct ip ip_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d);
/* True when ip is an IPv4 address. The unspecified ::ffff:0.0.0.0 is IPv4, :: is IPv6. */
bool ip_is4(const struct ip *ip);
bool ip_eq(const struct ip *a, const struct ip *b);
bool ep_eq(const struct ep *a, const struct ep *b);
/* Byte order: IPv6 below ::ffff:0:0 first. Returns <0, 0 or >0. */
int ip_cmp(const struct ip *a, const struct ip *b);
/* True for 0.0.0.0 and ::, the wildcard binds. */
bool ip_is_any(const struct ip *ip);
/* The address n after ip, carrying over all 16 bytes. */
struct ip ip_add(const struct ip *ip, uint64_t n);

/*
 * Reads one address from the NUL-terminated text, all of it. Dotted quads without leading zeros
 * (RFC 6943 section 3.1.1), IPv6 as RFC 4291 section 2.2. Returns 0, or -EINVAL and *ip unchanged.
 */
int ip_parse(struct ip *ip, const char *text) MUST_CHECK;
/*
 * Reads "ADDR", "ADDR:PORT" (IPv4), "[ADDR]" or "[ADDR]:PORT". port_default stands in for a
 * missing port. Returns 0, -EINVAL for a bad address, -ERANGE for a port outside of 1...65535.
 */
int ep_parse(struct ep *ep, const char *text, uint16_t port_default) MUST_CHECK;
/*
 * Reads "ADDR/BITS", or "ADDR" as a host prefix. Returns 0, -EINVAL for a bad address, -ERANGE for
 * bad bits. Bits of the address past the mask are cleared, not refused.
 */
int prefix_parse(struct prefix *p, const char *text) MUST_CHECK;

/* Each writes a NUL-terminated text and returns its length without the NUL. */
size_t ip_format(const struct ip *ip, char out[IP_TEXT]);
/* "192.0.2.3:53" or "[2001:db8::1]:53", as dnsdist prints them. */
size_t ep_format(const struct ep *ep, char out[EP_TEXT]);
/* Always with its bits: "192.0.2.0/24", "2001:db8::/32". */
size_t prefix_format(const struct prefix *p, char out[PREFIX_TEXT]);

/* IPv6 prefixes hold no IPv4 address, not even ::/0: 0.0.0.0/0 is all of IPv4. */
bool prefix_has(const struct prefix *p, const struct ip *ip);
/* True when any of p[0..n) holds ip; an empty list holds nothing. O(n). */
bool prefix_any(const struct prefix *p, size_t n, const struct ip *ip);

#endif
