/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames taken apart: Ethernet, IPv4 (RFC 791), IPv6 (RFC 8200), UDP (RFC 768), TCP (RFC 9293) and
 * ICMP headers; see frame.h. Lengths inside of headers are only believed after they were held
 * against the bytes that are there.
 */
#include "frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "inner.h"

static struct ip ip4_at(const uint8_t *p)
{
	return ip_v4(p[0], p[1], p[2], p[3]);
}

static struct ip ip6_at(const uint8_t *p)
{
	struct ip ip;

	memcpy(ip.b, p, 16);
	return ip;
}

static int parse_ip4(struct ip_body *b, const uint8_t *p, size_t len)
{
	if (len < IP4_HEADER || p[0] >> 4 != 4)
		return -EBADMSG;
	size_t header = (size_t)(p[0] & 0xf) * 4, total = dns_get16(p + 2);
	if (header < IP4_HEADER || total < header || total > len)
		return -EBADMSG;
	uint16_t piece = dns_get16(p + 6);
	*b = (struct ip_body){
		.src = ip4_at(p + 12), .dst = ip4_at(p + 16), .p = p + header,
		.len = total - header, .proto = p[9], .id = dns_get16(p + 4),
		.more = (piece & IP4_MORE_FRAGMENTS) != 0,
		.offset = (uint32_t)(piece & IP4_OFFSET) * 8,
	};
	b->fragment = b->more || b->offset > 0;
	return 0;
}

/* Takes n bytes from the body's start. */
static int body_take(struct ip_body *b, size_t n)
{
	if (n > b->len)
		return -EBADMSG;
	b->p += n;
	b->len -= n;
	return 0;
}

/* An IPv6 Fragment header (RFC 8200 section 4.5). */
static int take_fragment(struct ip_body *b)
{
	if (b->len < IP6_EXTENSION)
		return -EBADMSG;
	uint16_t piece = dns_get16(b->p + 2);
	b->proto = b->p[0];
	b->id = dns_get32(b->p + 4);
	b->more = (piece & 1) != 0;
	b->offset = piece & 0xfff8u;
	b->fragment = b->more || b->offset > 0;
	return body_take(b, IP6_EXTENSION);
}

/*
 * Extension headers (RFC 8200 section 4, RFC 4302) from the body's start, up to the first piece
 * of a packet or to something else. Each takes bytes away, so this ends.
 */
static int take_extensions(struct ip_body *b)
{
	int err = 0;

	while (err == 0 && !b->fragment) {
		uint8_t is = b->proto;
		if (is == PROTO_FRAGMENT) {
			err = take_fragment(b);
			continue;
		}
		if (is != PROTO_HOPS && is != PROTO_ROUTING && is != PROTO_DEST && is != PROTO_AH)
			break;
		if (b->len < IP6_EXTENSION)
			return -EBADMSG;
		b->proto = b->p[0];
		err = body_take(b, is == PROTO_AH ? (b->p[1] + 2u) * 4 : (b->p[1] + 1u) * 8);
	}
	return err;
}

static int parse_ip6(struct ip_body *b, const uint8_t *p, size_t len)
{
	if (len < IP6_HEADER || p[0] >> 4 != 6 || IP6_HEADER + (size_t)dns_get16(p + 4) > len)
		return -EBADMSG;
	*b = (struct ip_body){
		.src = ip6_at(p + 8), .dst = ip6_at(p + 24), .p = p + IP6_HEADER,
		.len = dns_get16(p + 4), .proto = p[6], .v6 = true,
	};
	return take_extensions(b);
}

int frame_ip(struct ip_body *b, const uint8_t *p, size_t len)
{
	if (len < 1)
		return -EBADMSG;
	return p[0] >> 4 == 6 ? parse_ip6(b, p, len) : parse_ip4(b, p, len);
}

int frame_ip_whole(struct ip_body *b, const uint8_t *p, size_t len)
{
	b->p = p;
	b->len = len;
	b->fragment = false;
	b->more = false;
	b->offset = 0;
	return b->v6 ? take_extensions(b) : 0;
}

static int parse_udp(struct frame *f, const struct ip_body *b)
{
	if (b->len < UDP_HEADER)
		return -EBADMSG;
	size_t len = dns_get16(b->p + 4);
#ifdef EK_PLANT
	if (len < UDP_HEADER) /* planted: the length field is believed */
#else
	if (len < UDP_HEADER || len > b->len)
#endif
		return -EBADMSG;
	f->kind = FRAME_UDP;
	f->src.port = dns_get16(b->p);
	f->dst.port = dns_get16(b->p + 2);
	f->payload = b->p + UDP_HEADER;
	f->payload_len = (uint32_t)(len - UDP_HEADER);
	return 0;
}

static int parse_tcp(struct frame *f, const struct ip_body *b)
{
	if (b->len < TCP_HEADER)
		return -EBADMSG;
	size_t header = (size_t)(b->p[12] >> 4) * 4;
	if (header < TCP_HEADER || header > b->len)
		return -EBADMSG;
	f->kind = FRAME_TCP;
	f->src.port = dns_get16(b->p);
	f->dst.port = dns_get16(b->p + 2);
	f->tcp_seq = dns_get32(b->p + 4);
	f->tcp_ack = dns_get32(b->p + 8);
	f->tcp_flags = b->p[13];
	f->payload = b->p + header;
	f->payload_len = (uint32_t)(b->len - header);
	return 0;
}

static int parse_icmp(struct frame *f, const struct ip_body *b)
{
	if (b->len < ICMP_HEADER)
		return -EBADMSG;
	f->kind = FRAME_ICMP;
	f->icmp_type = b->p[0];
	f->icmp_code = b->p[1];
	f->payload = b->p;
	f->payload_len = (uint32_t)b->len;
	return 0;
}

int frame_body(struct frame *f, const struct ip_body *b)
{
	*f = (struct frame){ .src.ip = b->src, .dst.ip = b->dst };
	if (b->fragment)
		return 0;
	if (b->proto == PROTO_UDP)
		return parse_udp(f, b);
	if (b->proto == PROTO_TCP)
		return parse_tcp(f, b);
	if (b->proto == (b->v6 ? PROTO_ICMP6 : PROTO_ICMP))
		return parse_icmp(f, b);
	return 0;
}

/* The IP layer of a frame. Returns 1 when it has one, 0 when it has none, or -EBADMSG. */
static int parse_network(struct ip_body *b, const uint8_t *p, size_t len)
{
	int err;

	if (len < ETHERNET)
		return -EBADMSG;
	switch (dns_get16(p + 12)) {
	case TYPE_IP4:
		err = parse_ip4(b, p + ETHERNET, len - ETHERNET);
		break;
	case TYPE_IP6:
		err = parse_ip6(b, p + ETHERNET, len - ETHERNET);
		break;
	default:
		return 0;
	}
	return err < 0 ? err : 1;
}

int frame_parse(struct frame *f, const uint8_t *p, size_t len)
{
	struct ip_body b;

	int got = parse_network(&b, p, len);
	if (got > 0)
		return frame_body(f, &b);
	*f = (struct frame){ 0 };
	return got;
}

int frame_dst(struct ip *dst, const uint8_t *p, size_t len)
{
	if (len >= ETHERNET + IP4_HEADER && dns_get16(p + 12) == TYPE_IP4)
		*dst = ip4_at(p + ETHERNET + 16);
	else if (len >= ETHERNET + IP6_HEADER && dns_get16(p + 12) == TYPE_IP6)
		*dst = ip6_at(p + ETHERNET + 24);
	else
		return -EBADMSG;
	return 0;
}

/*
 * The transport's sum, pseudo header included, is all ones when it holds. UDP's is over the length
 * that UDP says (RFC 768): what lies behind is padding.
 */
static bool body_sum_right(const struct frame *f, const struct ip_body *b)
{
	size_t len = f->kind == FRAME_UDP ? UDP_HEADER + f->payload_len : b->len;
	uint32_t s = sum_bytes(b->p, len);

	if (b->proto != PROTO_ICMP)
		s += sum_addresses(&f->src.ip, &f->dst.ip, !b->v6) + (uint32_t)b->proto +
		     (uint32_t)len;
	return sum_check(s) == 0;
}

bool frame_sums_right(const uint8_t *p, size_t len)
{
	struct frame f;
	struct ip_body b;

	if (frame_parse(&f, p, len) < 0)
		return false;
	if (parse_network(&b, p, len) <= 0)
		return true;
	if (!b.v6 && sum_check(sum_bytes(p + ETHERNET, (size_t)(p[ETHERNET] & 0xf) * 4)) != 0)
		return false;
	if (f.kind == FRAME_OTHER || (f.kind == FRAME_UDP && !b.v6 && dns_get16(b.p + 6) == 0))
		return true;
	return body_sum_right(&f, &b);
}
