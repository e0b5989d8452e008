/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An IP packet under another link layer, for captures whose packets have several and a file that
 * can have one. Pure.
 */
#ifndef EK_PCAP_RELINK_H
#define EK_PCAP_RELINK_H

#include "lib/must.h"
#include "sim/capture/core/packet.h"

enum { RELINK_MORE = 14 }; /* bytes that a packet can grow by */

/*
 * Makes p a packet of link: LINK_RAW, or LINK_ETHERNET, whose addresses are zero then. out[0..cap)
 * is where its bytes go if they aren't where they were. Returns 0; -ENOTSUP when p has no IP
 * packet or link is another; -ENOSPC when cap is too small, p->len + RELINK_MORE suffices.
 */
int relink(struct capture_packet *p, uint16_t link, uint8_t *out, size_t cap) MUST_CHECK;

#endif
