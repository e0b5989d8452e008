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

/* An IP packet's body: its protocol (-1: a fragment) and its bytes. */
struct body {
	int proto;
	bool v6;
	const uint8_t *p;
	size_t len;
};

static int parse_ip4(struct frame *f, struct body *b, const uint8_t *p, size_t len)
{
	if (len < IP4_HEADER || p[0] >> 4 != 4)
		return -EBADMSG;
	size_t header = (size_t)(p[0] & 0xf) * 4, total = dns_get16(p + 2);
	if (header < IP4_HEADER || total < header || total > len)
		return -EBADMSG;
	f->src.ip = ip4_at(p + 12);
	f->dst.ip = ip4_at(p + 16);
	bool fragment = (dns_get16(p + 6) & (IP4_MORE_FRAGMENTS | IP4_OFFSET)) != 0;
	*b = (struct body){ fragment ? -1 : p[9], false, p + header, total - header };
	return 0;
}

static int parse_ip6(struct frame *f, struct body *b, const uint8_t *p, size_t len)
{
	if (len < IP6_HEADER || p[0] >> 4 != 6 || IP6_HEADER + (size_t)dns_get16(p + 4) > len)
		return -EBADMSG;
	f->src.ip = ip6_at(p + 8);
	f->dst.ip = ip6_at(p + 24);
	*b = (struct body){ p[6], true, p + IP6_HEADER, dns_get16(p + 4) };
	return 0;
}

static int parse_udp(struct frame *f, const struct body *b)
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

static int parse_tcp(struct frame *f, const struct body *b)
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

static int parse_icmp(struct frame *f, const struct body *b)
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

/* The IP layer of a frame. Returns 1 when it has one, 0 when it has none, or -EBADMSG. */
static int parse_network(struct frame *f, struct body *b, const uint8_t *p, size_t len)
{
	int err;

	if (len < ETHERNET)
		return -EBADMSG;
	switch (dns_get16(p + 12)) {
	case TYPE_IP4:
		err = parse_ip4(f, b, p + ETHERNET, len - ETHERNET);
		break;
	case TYPE_IP6:
		err = parse_ip6(f, b, p + ETHERNET, len - ETHERNET);
		break;
	default:
		return 0;
	}
	return err < 0 ? err : 1;
}

int frame_parse(struct frame *f, const uint8_t *p, size_t len)
{
	struct body b;

	*f = (struct frame){ 0 };
	int got = parse_network(f, &b, p, len);
	if (got <= 0)
		return got;
	if (b.proto == PROTO_UDP)
		return parse_udp(f, &b);
	if (b.proto == PROTO_TCP)
		return parse_tcp(f, &b);
	if (b.proto == (b.v6 ? PROTO_ICMP6 : PROTO_ICMP))
		return parse_icmp(f, &b);
	return 0;
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

/* The transport's sum, pseudo header included, is all ones when it holds. */
static bool body_sum_right(const struct frame *f, const struct body *b)
{
	uint32_t s = sum_bytes(b->p, b->len);

	if (b->proto != PROTO_ICMP)
		s += sum_addresses(&f->src.ip, &f->dst.ip, !b->v6) + (uint32_t)b->proto +
		     (uint32_t)b->len;
	return sum_check(s) == 0;
}

bool frame_sums_right(const uint8_t *p, size_t len)
{
	struct frame f;
	struct body b;

	if (frame_parse(&f, p, len) < 0)
		return false;
	if (parse_network(&f, &b, p, len) <= 0)
		return true;
	if (!b.v6 && sum_check(sum_bytes(p + ETHERNET, (size_t)(p[ETHERNET] & 0xf) * 4)) != 0)
		return false;
	if (f.kind == FRAME_OTHER || (f.kind == FRAME_UDP && !b.v6 && dns_get16(b.p + 6) == 0))
		return true;
	return body_sum_right(&f, &b);
}
