/* SPDX-License-Identifier: BSD-3-Clause */
/* Link layers taken off; see layer.h. */
#include "layer.h"

#include "lib/dns.h"

enum {
	ETHERNET_TYPE = 12, ETHERNET_HEADER = 14, VLAN_TAG = 4,
	SLL_TYPE = 14, SLL_HEADER = 16, SLL2_TYPE = 0, SLL2_HEADER = 20, NULL_HEADER = 4,
	TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd,
	TYPE_8021Q = 0x8100, TYPE_8021AD = 0x88a8, TYPE_QINQ = 0x9100, TYPE_QINQ2 = 0x9200,
};

/* What follows a type at p[type], behind a header of n bytes; tags are passed over. */
static int by_type(const uint8_t *p, size_t len, size_t type, size_t n)
{
	if (len < n)
		return -CAPTURE_LINK;
	for (;; type = n - 2) {
		switch (dns_get16(p + type)) {
		case TYPE_IPV4:
		case TYPE_IPV6:
			return (int)n;
		case TYPE_8021Q:
		case TYPE_8021AD:
		case TYPE_QINQ:
		case TYPE_QINQ2:
			n += VLAN_TAG;
			if (len < n)
				return -CAPTURE_LINK;
			break;
		default:
			return -CAPTURE_NOT_IP;
		}
	}
}

/*
 * The address family, in the byte order of whoever captured (NULL), is 2 or one of many for IPv6.
 */
static int by_family(const uint8_t *p, size_t len)
{
	if (len < NULL_HEADER)
		return -CAPTURE_LINK;
	uint32_t family = dns_get32(p);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	switch (family) {
	case 2:
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */
		return NULL_HEADER;
	default:
		return -CAPTURE_NOT_IP;
	}
}

int layer_skip(uint16_t link, const uint8_t *p, size_t len)
{
	switch (link) {
	case LINK_ETHERNET:
		return by_type(p, len, ETHERNET_TYPE, ETHERNET_HEADER);
	case LINK_SLL:
		return by_type(p, len, SLL_TYPE, SLL_HEADER);
	case LINK_SLL2:
		return by_type(p, len, SLL2_TYPE, SLL2_HEADER);
	case LINK_NULL:
	case LINK_LOOP:
		return by_family(p, len);
	case LINK_RAW:
	case LINK_RAW_BSD:
	case LINK_RAW_OPENBSD:
	case LINK_IPV4:
	case LINK_IPV6:
		return 0;
	default:
		return -CAPTURE_LINK_TYPE;
	}
}
