/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Link layers taken off: where the IP packet begins in what a capture holds of a frame. Ethernet
 * with any number of VLAN tags (802.1Q, 802.1ad and what came before it), Linux cooked v1 and v2,
 * raw IP, and BSD's loopback.
 */
#ifndef EK_CAPTURE_LAYER_H
#define EK_CAPTURE_LAYER_H

#include "packet.h"

enum { /* tcpdump.org/linktypes.html */
	LINK_NULL = 0, LINK_ETHERNET = 1, LINK_RAW_BSD = 12, LINK_RAW_OPENBSD = 14, LINK_RAW = 101,
	LINK_LOOP = 108, LINK_SLL = 113, LINK_IPV4 = 228, LINK_IPV6 = 229, LINK_SLL2 = 276,
};

/*
 * Returns how many of p[0..len) lie before the IP packet; or, negative, which capture_count says
 * why there is none.
 */
int layer_skip(uint16_t link, const uint8_t *p, size_t len);

#endif
