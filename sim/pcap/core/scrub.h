/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet's headers without what identifies somebody, in place: link addresses and IP addresses
 * permuted, options that could hold either blanked, bytes behind the packet's end zeroed. What
 * they carry is the caller's to look at (anon.h).
 */
#ifndef EK_PCAP_SCRUB_H
#define EK_PCAP_SCRUB_H

#include "permute.h"
#include "sim/net/frame.h"

/* bytes[0..skip): the link layer, as layer_skip found it. */
void scrub_link(struct permute *p, uint16_t link, uint8_t *bytes, size_t skip);
/*
 * The IP header of bytes[0..len), one that frame_ip reads, up to what it carries, which is at
 * bytes[body..end). False when it has an extension header that says what can't be replaced
 * (RFC 8200's Routing, RFC 4302). An IPv4 header's checksum is right afterwards.
 */
bool scrub_ip(struct permute *p, uint8_t *bytes, size_t len, size_t body, size_t end);
/*
 * The same of a packet of which only the beginning may be there, bytes[0..len), as ICMP quotes
 * it. Returns how long its header is; 0: it can't be read. Extension headers count as data.
 */
size_t scrub_quoted_ip(struct permute *p, uint8_t *bytes, size_t len);
/* A TCP header of header bytes: options but for those that RFC 9293, 7323 and 2018 define. */
void scrub_tcp(uint8_t *bytes, size_t header);

#endif
