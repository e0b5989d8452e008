/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an ICMP error carries of the datagram that it is about (RFC 792, RFC 4443). It may be cut
 * off: the headers suffice, as they do for a kernel.
 */
#include <errno.h>
#include <string.h>

#include "frame.h"
#include "inner.h"
#include "lib/dns.h"

/* The length of the IP header, with the addresses read; 0 when it isn't one of a UDP datagram. */
static size_t ip_header(struct frame *f, const uint8_t *p, size_t len)
{
	if (len >= IP4_HEADER && p[0] >> 4 == 4 && p[9] == PROTO_UDP) {
		f->src.ip = ip_v4(p[12], p[13], p[14], p[15]);
		f->dst.ip = ip_v4(p[16], p[17], p[18], p[19]);
		return (size_t)(p[0] & 0xf) * 4;
	}
	if (len >= IP6_HEADER && p[0] >> 4 == 6 && p[6] == PROTO_UDP) {
		memcpy(f->src.ip.b, p + 8, 16);
		memcpy(f->dst.ip.b, p + 24, 16);
		return IP6_HEADER;
	}
	return 0;
}

int frame_icmp_inner(struct frame *inner, const uint8_t *icmp, size_t len)
{
	const uint8_t *p = icmp + ICMP_HEADER;

	*inner = (struct frame){ .kind = FRAME_UDP };
	if (len <= ICMP_HEADER)
		return -EBADMSG;
	len -= ICMP_HEADER;
	size_t header = ip_header(inner, p, len);
	if (header < IP4_HEADER || len < header + UDP_HEADER)
		return -EBADMSG;
	inner->src.port = dns_get16(p + header);
	inner->dst.port = dns_get16(p + header + 2);
	inner->payload = p + header + UDP_HEADER;
	inner->payload_len = (uint32_t)(len - header - UDP_HEADER);
	size_t said = dns_get16(p + header + 4);
	if (said >= UDP_HEADER && said - UDP_HEADER < inner->payload_len)
		inner->payload_len = (uint32_t)(said - UDP_HEADER);
	return 0;
}
