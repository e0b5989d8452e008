/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethernet frames with IPv4 or IPv6 and UDP, TCP or ICMP in them: taken apart (judge, wire) and
 * made (virtual engine, tests). Every read is bounded; nothing is allocated.
 */
#ifndef EK_FRAME_H
#define EK_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

enum frame_kind { FRAME_OTHER = 0, FRAME_UDP, FRAME_TCP, FRAME_ICMP };

struct frame {
	enum frame_kind kind;
	struct ep src, dst;      /* ports 0 unless UDP or TCP */
	const uint8_t *payload;  /* UDP data, TCP segment data, ICMP message; inside of the frame */
	uint32_t payload_len;
	uint32_t tcp_seq, tcp_ack;
	uint8_t tcp_flags;       /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16 */
	uint8_t icmp_type, icmp_code;
};

enum { FRAME_HEADERS = 14 + 40 + 20, FRAME_MAX = 65535 + 14 };

/*
 * Takes apart an Ethernet frame. Returns 0 with kind OTHER for what isn't IP or isn't one of the
 * kinds (fragments too: addresses are set), -EBADMSG for what claims to be and is cut off.
 */
int frame_parse(struct frame *f, const uint8_t *p, size_t len) MUST_CHECK;
/* Destination address alone, for routing. Returns 0, or -EBADMSG when it has none. Cheap. */
int frame_dst(struct ip *dst, const uint8_t *p, size_t len) MUST_CHECK;
/*
 * Makes a UDP frame with right checksums. src and dst of one family; cap at least FRAME_HEADERS +
 * len. mac: six bytes destination, then six source. Returns its length or -ENOSPC.
 */
int frame_udp(uint8_t *out, size_t cap, const uint8_t mac[12], const struct ep *src,
              const struct ep *dst, const uint8_t *payload, size_t len) MUST_CHECK;
/* True when IP, UDP, TCP and ICMP checksums hold (an absent UDP checksum over IPv4 holds). */
bool frame_sums_right(const uint8_t *p, size_t len);

#endif
