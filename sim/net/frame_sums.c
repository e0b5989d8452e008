/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checksums of packets that somebody changed, put right: IPv4's header (RFC 791), UDP, TCP and
 * ICMP. Nothing else of a packet is touched, and nothing is believed that isn't there.
 */
#include "frame.h"
#include "inner.h"

void frame_sum_ip4(uint8_t *p, size_t header)
{
	dns_put16(p + 10, 0);
	dns_put16(p + 10, sum_check(sum_bytes(p, header)));
}

/* Where the checksum lies behind the transport's start; 0: it has none that is known. */
static size_t sum_at(const struct ip_body *b)
{
	switch (b->proto) {
	case PROTO_UDP:
		return b->len >= UDP_HEADER && (b->v6 || dns_get16(b->p + 6) != 0) ? 6 : 0;
	case PROTO_TCP:
		return b->len >= TCP_HEADER ? 16 : 0;
	case PROTO_ICMP:
		return !b->v6 && b->len >= ICMP_HEADER ? 2 : 0;
	case PROTO_ICMP6:
		return b->v6 && b->len >= ICMP_HEADER ? 2 : 0;
	default:
		return 0;
	}
}

void frame_sum_body(uint8_t *p, const struct ip_body *b)
{
	size_t at = sum_at(b), len = b->len;

	if (at == 0)
		return;
	if (b->proto == PROTO_UDP && dns_get16(b->p + 4) < len)
		len = dns_get16(b->p + 4);
	dns_put16(p + at, 0);
	uint32_t s = sum_bytes(p, len);
	if (b->proto != PROTO_ICMP)
		s += sum_addresses(&b->src, &b->dst, !b->v6) + (uint32_t)b->proto + (uint32_t)len;
	uint16_t check = sum_check(s);
	dns_put16(p + at, check == 0 && b->proto == PROTO_UDP ? 0xffff : check); /* RFC 768 */
}
