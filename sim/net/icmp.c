/* SPDX-License-Identifier: BSD-3-Clause */
/* What an ICMP error carries of the datagram that it is about (RFC 792, RFC 4443). */
#include <errno.h>
#include <string.h>

#include "frame.h"
#include "lib/dns.h"

enum { ETHERNET = 14, ICMP_HEADER = 8, INNER_MAX = 1500, TYPE_IP4 = 0x0800, TYPE_IP6 = 0x86dd };

int frame_icmp_inner(struct frame *inner, const uint8_t *icmp, size_t len)
{
	uint8_t bytes[ETHERNET + INNER_MAX];

	if (len <= ICMP_HEADER)
		return -EBADMSG;
	len = len - ICMP_HEADER < INNER_MAX ? len - ICMP_HEADER : INNER_MAX;
	memset(bytes, 0, ETHERNET);
	dns_put16(bytes + 12, icmp[ICMP_HEADER] >> 4 == 4 ? TYPE_IP4 : TYPE_IP6);
	memcpy(bytes + ETHERNET, icmp + ICMP_HEADER, len);
	if (frame_parse(inner, bytes, ETHERNET + len) < 0 || inner->kind != FRAME_UDP)
		return -EBADMSG;
	inner->payload = icmp + ICMP_HEADER + (inner->payload - bytes - ETHERNET);
	return 0;
}
