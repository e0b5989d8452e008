/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethernet, IPv4 (RFC 791), IPv6 (RFC 8200), UDP (RFC 768), TCP (RFC 9293) and ICMP headers; see
 * frame.h. Lengths inside of headers are only believed after they were held against the bytes that
 * are there.
 */
#include "frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "lib/dns.h"

enum {
	ETHERNET = 14, IP4_HEADER = 20, IP6_HEADER = 40, UDP_HEADER = 8, TCP_HEADER = 20,
	TYPE_IP4 = 0x0800, TYPE_IP6 = 0x86dd,
	PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58,
	IP4_MORE_FRAGMENTS = 0x2000, IP4_OFFSET = 0x1fff,
};

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
	if (b->len < 8)
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

/* The Internet checksum (RFC 1071), unfolded. */
static uint32_t sum(uint32_t s, const uint8_t *p, size_t len)
{
	for (; len > 1; p += 2, len -= 2)
		s += dns_get16(p);
	return len > 0 ? s + (uint32_t)(p[0] << 8) : s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)s;
}

/* The pseudo header, as both families sum it. */
static uint32_t sum_pseudo(const struct ip *src, const struct ip *dst, unsigned proto, size_t len)
{
	size_t skip = ip_is4(src) ? 12 : 0;

	return sum(sum(proto + (uint32_t)len, src->b + skip, 16 - skip), dst->b + skip,
	           16 - skip);
}

static size_t put_ip4(uint8_t *p, const struct ip *src, const struct ip *dst, size_t len)
{
	memset(p, 0, IP4_HEADER);
	p[0] = 0x45;
	dns_put16(p + 2, (uint16_t)(IP4_HEADER + len));
	dns_put16(p + 6, 0x4000); /* don't fragment, as a kernel sends small datagrams */
	p[8] = 64;
	p[9] = PROTO_UDP;
	memcpy(p + 12, src->b + 12, 4);
	memcpy(p + 16, dst->b + 12, 4);
	dns_put16(p + 10, (uint16_t)~fold(sum(0, p, IP4_HEADER)));
	return IP4_HEADER;
}

static size_t put_ip6(uint8_t *p, const struct ip *src, const struct ip *dst, size_t len)
{
	memset(p, 0, 8);
	p[0] = 0x60;
	dns_put16(p + 4, (uint16_t)len);
	p[6] = PROTO_UDP;
	p[7] = 64;
	memcpy(p + 8, src->b, 16);
	memcpy(p + 24, dst->b, 16);
	return IP6_HEADER;
}

int frame_udp(uint8_t *out, size_t cap, const uint8_t mac[12], const struct ep *src,
              const struct ep *dst, const uint8_t *payload, size_t len)
{
	bool v4 = ip_is4(&src->ip);
	size_t headers = ETHERNET + (v4 ? IP4_HEADER : IP6_HEADER);

	MUST(v4 == ip_is4(&dst->ip));
	if (len > UINT16_MAX - IP4_HEADER - UDP_HEADER || cap < headers + UDP_HEADER + len)
		return -ENOSPC;
	memcpy(out, mac, 12);
	dns_put16(out + 12, v4 ? TYPE_IP4 : TYPE_IP6);
	(v4 ? put_ip4 : put_ip6)(out + ETHERNET, &src->ip, &dst->ip, UDP_HEADER + len);
	uint8_t *udp = out + headers;
	dns_put16(udp, src->port);
	dns_put16(udp + 2, dst->port);
	dns_put16(udp + 4, (uint16_t)(UDP_HEADER + len));
	dns_put16(udp + 6, 0);
	if (len > 0)
		memcpy(udp + UDP_HEADER, payload, len);
	uint32_t s = sum_pseudo(&src->ip, &dst->ip, PROTO_UDP, UDP_HEADER + len);
	uint16_t check = (uint16_t)~fold(sum(s, udp, UDP_HEADER + len));
	dns_put16(udp + 6, check != 0 ? check : 0xffff);
	return (int)(headers + UDP_HEADER + len);
}

/* The transport's sum, pseudo header included, is all ones when it holds. */
static bool body_sum_right(const struct frame *f, const struct body *b)
{
	uint32_t s = 0;

	if (b->proto != PROTO_ICMP)
		s = sum_pseudo(&f->src.ip, &f->dst.ip, (unsigned)b->proto, b->len);
	return fold(sum(s, b->p, b->len)) == 0xffff;
}

bool frame_sums_right(const uint8_t *p, size_t len)
{
	struct frame f;
	struct body b;

	if (frame_parse(&f, p, len) < 0)
		return false;
	if (parse_network(&f, &b, p, len) <= 0)
		return true;
	if (!b.v6 && fold(sum(0, p + ETHERNET, (size_t)(p[ETHERNET] & 0xf) * 4)) != 0xffff)
		return false;
	if (f.kind == FRAME_OTHER || (f.kind == FRAME_UDP && !b.v6 && dns_get16(b.p + 6) == 0))
		return true;
	return body_sum_right(&f, &b);
}
