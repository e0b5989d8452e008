/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers; see scrub.h. */
#include "scrub.h"

#include <string.h>

#include "sim/capture/core/layer.h"

enum {
	IP4_HEADER = 20, IP6_HEADER = 40, IP6_EXTENSION = 8,
	PROTO_HOPS = 0, PROTO_ROUTING = 43, PROTO_FRAGMENT = 44, PROTO_AH = 51, PROTO_DEST = 60,
	TCP_HEADER = 20,
	OPTION_END = 0, OPTION_NOTHING = 1, /* of IPv4 and of TCP */
	OPTION_PADDING = 1,                 /* of IPv6 */
};

/* An address of a cooked capture: its length, then a field of eight bytes. */
static void scrub_cooked(struct permute *p, uint8_t *field, size_t n)
{
	n = n < 8 ? n : 8;
	if (n == 6)
		permute_mac(p, field);
	else if (n > 0)
		permute_bytes(p, field, n);
	memset(field + n, 0, 8 - n);
}

void scrub_link(struct permute *p, uint16_t link, uint8_t *bytes, size_t skip)
{
	if (link == LINK_ETHERNET && skip >= 12) {
		permute_mac(p, bytes);
		permute_mac(p, bytes + 6);
	} else if (link == LINK_SLL && skip >= 16) {
		scrub_cooked(p, bytes + 6, dns_get16(bytes + 4));
	} else if (link == LINK_SLL2 && skip >= 20) {
		scrub_cooked(p, bytes + 12, bytes[11]);
	}
}

static void permute4(struct permute *p, uint8_t *at)
{
	struct ip ip = ip_v4(at[0], at[1], at[2], at[3]);

	ip = permute_ip(p, &ip);
	memcpy(at, ip.b + 12, 4);
}

static void permute6(struct permute *p, uint8_t *at)
{
	struct ip ip;

	memcpy(ip.b, at, 16);
	ip = permute_ip(p, &ip);
	memcpy(at, ip.b, 16);
}

/* IPv4's options, if any, become none. */
static void scrub4(struct permute *p, uint8_t *bytes, size_t header)
{
	permute4(p, bytes + 12);
	permute4(p, bytes + 16);
	memset(bytes + IP4_HEADER, OPTION_NOTHING, header - IP4_HEADER);
	frame_sum_ip4(bytes, header);
}

static void scrub6(struct permute *p, uint8_t *bytes)
{
	permute6(p, bytes + 8);
	permute6(p, bytes + 24);
}

/* The options of a header become padding (RFC 8200 section 4.2). */
static void pad(uint8_t *at, size_t n)
{
	memset(at, 0, n);
	while (n >= 2) {
		size_t take = n < 257 ? n : 257;
		at[0] = OPTION_PADDING;
		at[1] = (uint8_t)(take - 2);
		at += take;
		n -= take;
	}
}

/* Extension headers up to body, or to the Fragment header that ends at it. */
static bool scrub_extensions(uint8_t *bytes, size_t body)
{
	uint8_t is = bytes[6];

	for (size_t at = IP6_HEADER; at < body;) {
		size_t n = is == PROTO_FRAGMENT ? IP6_EXTENSION : (bytes[at + 1] + 1u) * 8;
		if (is != PROTO_HOPS && is != PROTO_DEST && is != PROTO_FRAGMENT)
			return false;
		if (is != PROTO_FRAGMENT)
			pad(bytes + at + 2, n - 2);
		is = bytes[at];
		at += n;
	}
	return true;
}

bool scrub_ip(struct permute *p, uint8_t *bytes, size_t len, size_t body, size_t end)
{
	memset(bytes + end, 0, len - end);
	if (bytes[0] >> 4 == 4) {
		scrub4(p, bytes, body);
		return true;
	}
	scrub6(p, bytes);
	return scrub_extensions(bytes, body);
}

size_t scrub_quoted_ip(struct permute *p, uint8_t *bytes, size_t len)
{
	size_t header = len >= IP4_HEADER ? (size_t)(bytes[0] & 0xf) * 4 : 0;

	if (header >= IP4_HEADER && header <= len && bytes[0] >> 4 == 4) {
		scrub4(p, bytes, header);
		return header;
	}
	if (len < IP6_HEADER || bytes[0] >> 4 != 6)
		return 0;
	scrub6(p, bytes);
	return IP6_HEADER;
}

/* How many bytes the option at p[0..n) takes if it may stay; 0: it may not. */
static size_t tcp_option(const uint8_t *p, size_t n)
{
	static const struct { uint8_t kind, len; } known[] = {
		{ 2, 4 }, { 3, 3 }, { 4, 2 }, { 8, 10 }, /* segment size, scale, SACK, time */
		{ 5, 10 }, { 5, 18 }, { 5, 26 }, { 5, 34 }, /* what came */
	};

	if (p[0] == OPTION_NOTHING)
		return 1;
	for (size_t i = 0; n >= 2 && i < COUNT_OF(known); i++)
		if (p[0] == known[i].kind && p[1] == known[i].len && p[1] <= n)
			return p[1];
	return 0;
}

void scrub_tcp(uint8_t *bytes, size_t header)
{
	for (size_t at = TCP_HEADER; at < header;) {
		size_t n = tcp_option(bytes + at, header - at);
		if (n == 0 && (bytes[at] == OPTION_END || header - at < 2 || bytes[at + 1] < 2 ||
		               bytes[at + 1] > header - at)) {
			memset(bytes + at, OPTION_END, header - at);
			return;
		}
		if (n == 0) {
			n = bytes[at + 1];
			memset(bytes + at, OPTION_NOTHING, n);
		}
		at += n;
	}
}
