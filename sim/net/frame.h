/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethernet frames with IPv4 or IPv6 and UDP, TCP or ICMP in them: taken apart (judge, wire, readers
 * of captures) and made (virtual engine, tests). Every read is bounded; nothing is allocated.
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

enum {
	FRAME_HEADERS = 14 + 40 + 24, /* the most that is made before a payload */
	FRAME_MAX = 65535 + 14,
	FRAME_ICMP_MAX = 1280 - 40,   /* an ICMP message as frame_icmp_body makes it */
	FRAME_WINDOW = 64240,         /* Linux's first */
};

/*
 * Takes apart an Ethernet frame. Returns 0 with kind OTHER for what isn't IP or isn't one of the
 * kinds (fragments too: addresses are set), -EBADMSG for what claims to be and is cut off.
 */
int frame_parse(struct frame *f, const uint8_t *p, size_t len) MUST_CHECK;

/*
 * The same in two steps, for who has IP packets, fragments among them. First the network layer:
 * what an IP packet carries, behind IPv6's extension headers.
 */
struct ip_body {
	struct ip src, dst;
	const uint8_t *p;
	size_t len;
	uint32_t id;       /* which fragments belong together */
	uint32_t offset;   /* of a fragment's bytes in the whole */
	uint8_t proto;
	bool v6;
	bool fragment;     /* p is a piece: the rest comes apart */
	bool more;         /* and isn't the last */
};

/* p[0..len): an IP packet, bytes behind its end are ignored. Returns 0 or -EBADMSG. */
int frame_ip(struct ip_body *b, const uint8_t *p, size_t len) MUST_CHECK;
/*
 * b: of a packet's first fragment; p[0..len): what all its fragments carry, put together. Makes b
 * the whole packet's, behind what extension headers were cut into pieces too. 0 or -EBADMSG.
 */
int frame_ip_whole(struct ip_body *b, const uint8_t *p, size_t len) MUST_CHECK;
/* Then the transport, as frame_parse returns it. */
int frame_body(struct frame *f, const struct ip_body *b) MUST_CHECK;
/* Destination address alone, for routing. Returns 0, or -EBADMSG when it has none. Cheap. */
int frame_dst(struct ip *dst, const uint8_t *p, size_t len) MUST_CHECK;
/* True when IP, UDP, TCP and ICMP checksums hold (an absent UDP checksum over IPv4 holds). */
bool frame_sums_right(const uint8_t *p, size_t len);

/*
 * For who changes packets. Puts right the checksum of the IPv4 header p[0..header); and that of the
 * UDP, TCP or ICMP packet p, of b's addresses, protocol and length: b->p may be p, and b is no
 * fragment. An absent UDP checksum over IPv4 stays absent, another transport as it is.
 */
void frame_sum_ip4(uint8_t *p, size_t header);
void frame_sum_body(uint8_t *p, const struct ip_body *b);

/*
 * What follows makes frames as a kernel sends them, with right checksums: TTL 64; over IPv4 ID 0
 * and "don't fragment", but for ICMP, which has precedence 6 and may be fragmented. mac: six bytes
 * destination, then six source. src and dst are of one family. Each returns the frame's length, or
 * -ENOSPC when it is more than cap or than IP can carry; cap of FRAME_HEADERS + payload suffices.
 */
int frame_udp(uint8_t *out, size_t cap, const uint8_t mac[12], const struct ep *src,
              const struct ep *dst, const uint8_t *payload, size_t len) MUST_CHECK;
/*
 * A TCP segment of f's endpoints, numbers, flags and payload; the rest of f doesn't count. A SYN
 * has the one option of a maximum segment size, 1460 or 1440 (RFC 9293 section 3.7.1).
 */
int frame_tcp(uint8_t *out, size_t cap, const uint8_t mac[12], const struct frame *f,
              uint16_t window) MUST_CHECK;
/*
 * The ICMP message, from its header on, with which dst refuses a UDP datagram from src because
 * nobody has its port: RFC 792 type 3 code 3, or RFC 4443 type 1 code 4, followed by the datagram
 * from its IP header on, cut where the whole packet comes to 576 or 1,280 bytes. Its length, or
 * -ENOSPC; cap of FRAME_ICMP_MAX suffices.
 */
int frame_icmp_body(uint8_t *out, size_t cap, const struct ep *src, const struct ep *dst,
                    const uint8_t *payload, size_t len) MUST_CHECK;
/* The same as a frame from dst to src. */
int frame_icmp_unreachable(uint8_t *out, size_t cap, const uint8_t mac[12], const struct ep *src,
                           const struct ep *dst, const uint8_t *payload, size_t len) MUST_CHECK;
/*
 * Any frame of kind UDP, TCP or ICMP: frame_parse of it gives *f again, but that an ICMP message's
 * checksum is put right. The window of a TCP segment is FRAME_WINDOW, or 0 with RST. -EINVAL for
 * another kind, for two families, and for an ICMP message without its eight bytes of header.
 */
int frame_make(uint8_t *out, size_t cap, const uint8_t mac[12], const struct frame *f) MUST_CHECK;
/* How long that frame is, without making it. */
size_t frame_size(const struct frame *f);

/*
 * The UDP datagram that an ICMP error, from its header on, carries: who had sent it to whom, and as
 * much of its payload as there is. Returns 0, or -EBADMSG when there is none in it.
 */
int frame_icmp_inner(struct frame *inner, const uint8_t *icmp, size_t len) MUST_CHECK;

#endif
