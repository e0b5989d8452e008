/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames made; see frame.h. A payload is read twice, for its sum and to be copied, everything else
 * of a checksum is added up from the values at hand: a capture of a million queries a second wants
 * millions of these.
 */
#include "frame.h"

#include <errno.h>
#include <string.h>

#include "inner.h"

enum {
	TTL = 64,
	IP4_CONTROL = 0xc0,         /* precedence 6: what the kernel gives ICMP's errors */
	IP4_ICMP_PACKET = 576,      /* longest with an error (RFC 1812 section 4.3.2.3) */
	IP6_ICMP_PACKET = 1280,     /* the same (RFC 4443 section 2.4 (c)) */
	TCP_SYN = 2, TCP_RST = 4, TCP_MSS_LEN = 4,
	MTU = 1500,
};

/* An IP packet to be made. */
struct packet {
	const struct ip *src, *dst;
	bool v4;
	unsigned proto;
	size_t len;                 /* behind the IP header */
	uint32_t sum;               /* of the addresses */
};

static inline struct packet packet(const struct ip *src, const struct ip *dst, unsigned proto,
                                   size_t len)
{
	bool v4 = ip_is4(src);

	MUST(v4 == ip_is4(dst));
	return (struct packet){ src, dst, v4, proto, len, sum_addresses(src, dst, v4) };
}

static size_t ip_header(const struct packet *k)
{
	return k->v4 ? IP4_HEADER : IP6_HEADER;
}

/* The sum of the pseudo header. */
static uint32_t pseudo(const struct packet *k)
{
	return k->sum + k->proto + (uint32_t)k->len;
}

static inline void put_ip4(uint8_t *p, const struct packet *k)
{
	bool icmp = k->proto == PROTO_ICMP;
	uint16_t first = icmp ? 0x4500 | IP4_CONTROL : 0x4500;
	uint16_t fragment = icmp ? 0 : IP4_DONT_FRAGMENT;
	uint16_t total = (uint16_t)(IP4_HEADER + k->len), live = (uint16_t)(TTL << 8 | k->proto);

	dns_put16(p, first);
	dns_put16(p + 2, total);
	dns_put16(p + 4, 0);
	dns_put16(p + 6, fragment);
	dns_put16(p + 8, live);
	dns_put16(p + 10, sum_check((uint32_t)first + total + fragment + live + k->sum));
	memcpy(p + 12, k->src->b + 12, 4);
	memcpy(p + 16, k->dst->b + 12, 4);
}

static inline void put_ip6(uint8_t *p, const struct packet *k)
{
	dns_put32(p, 0x60000000);
	dns_put16(p + 4, (uint16_t)k->len);
	p[6] = (uint8_t)k->proto;
	p[7] = TTL;
	memcpy(p + 8, k->src->b, 16);
	memcpy(p + 24, k->dst->b, 16);
}

static inline void put_ip(uint8_t *p, const struct packet *k)
{
	if (k->v4)
		put_ip4(p, k);
	else
		put_ip6(p, k);
}

/* True when IP can carry it, and the frame fits cap. */
static bool fits(const struct packet *k, size_t cap)
{
	size_t header = ip_header(k);

	return k->len + (k->v4 ? header : 0) <= UINT16_MAX && ETHERNET + header + k->len <= cap;
}

/* Ethernet and IP headers. Returns where the rest goes. */
static inline uint8_t *put_headers(uint8_t *out, const uint8_t mac[12], const struct packet *k)
{
	memcpy(out, mac, 12);
	dns_put16(out + 12, k->v4 ? TYPE_IP4 : TYPE_IP6);
	put_ip(out + ETHERNET, k);
	return out + ETHERNET + ip_header(k);
}

static int frame_len(const struct packet *k)
{
	return (int)(ETHERNET + ip_header(k) + k->len);
}

static inline void put_udp(uint8_t *p, const struct packet *k, uint16_t src, uint16_t dst,
                           const uint8_t *payload)
{
	size_t len = k->len - UDP_HEADER;
	uint32_t s = pseudo(k) + src + dst + (uint32_t)k->len + sum_bytes(payload, len);
	uint16_t check = sum_check(s);

	dns_put16(p, src);
	dns_put16(p + 2, dst);
	dns_put16(p + 4, (uint16_t)k->len);
	dns_put16(p + 6, check != 0 ? check : 0xffff); /* 0 would say: none (RFC 768) */
}

int frame_udp(uint8_t *out, size_t cap, const uint8_t mac[12], const struct ep *src,
              const struct ep *dst, const uint8_t *payload, size_t len)
{
	struct packet k = packet(&src->ip, &dst->ip, PROTO_UDP, UDP_HEADER + len);

	if (!fits(&k, cap))
		return -ENOSPC;
	uint8_t *udp = put_headers(out, mac, &k);
	put_udp(udp, &k, src->port, dst->port, payload);
	if (len > 0)
		memcpy(udp + UDP_HEADER, payload, len);
	return frame_len(&k);
}

int frame_tcp(uint8_t *out, size_t cap, const uint8_t mac[12], const struct frame *f,
              uint16_t window)
{
	size_t header = TCP_HEADER + ((f->tcp_flags & TCP_SYN) != 0 ? TCP_MSS_LEN : 0);
	struct packet k = packet(&f->src.ip, &f->dst.ip, PROTO_TCP, header + f->payload_len);

	if (!fits(&k, cap))
		return -ENOSPC;
	uint8_t *tcp = put_headers(out, mac, &k);
	dns_put16(tcp, f->src.port);
	dns_put16(tcp + 2, f->dst.port);
	dns_put32(tcp + 4, f->tcp_seq);
	dns_put32(tcp + 8, f->tcp_ack);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = f->tcp_flags;
	dns_put16(tcp + 14, window);
	dns_put32(tcp + 16, 0); /* checksum, urgent pointer */
	if (header > TCP_HEADER) {
		dns_put16(tcp + 20, 2 << 8 | TCP_MSS_LEN);
		dns_put16(tcp + 22, (uint16_t)(MTU - ip_header(&k) - TCP_HEADER));
	}
	if (f->payload_len > 0)
		memcpy(tcp + header, f->payload, f->payload_len);
	uint32_t s = pseudo(&k) + sum_bytes(tcp, header) + sum_bytes(f->payload, f->payload_len);
	dns_put16(tcp + 16, sum_check(s));
	return frame_len(&k);
}

static void put_icmp_sum(uint8_t *icmp, const struct packet *k)
{
	dns_put16(icmp + 2, 0);
	dns_put16(icmp + 2, sum_check(sum_bytes(icmp, k->len) + (k->v4 ? 0 : pseudo(k))));
}

int frame_icmp_body(uint8_t *out, size_t cap, const struct ep *src, const struct ep *dst,
                    const uint8_t *payload, size_t len)
{
	struct packet refused = packet(&src->ip, &dst->ip, PROTO_UDP, UDP_HEADER + len);
	size_t headers = ICMP_HEADER + ip_header(&refused) + UDP_HEADER;
	size_t max = (refused.v4 ? IP4_ICMP_PACKET : IP6_ICMP_PACKET) - ip_header(&refused);
	size_t quoted = headers + len <= max ? len : max - headers;

	if (!fits(&refused, SIZE_MAX) || headers + quoted > cap)
		return -ENOSPC;
	out[0] = refused.v4 ? 3 : 1;
	out[1] = refused.v4 ? 3 : 4;
	memset(out + 2, 0, ICMP_HEADER - 2);
	put_ip(out + ICMP_HEADER, &refused);
	put_udp(out + headers - UDP_HEADER, &refused, src->port, dst->port, payload);
	if (quoted > 0)
		memcpy(out + headers, payload, quoted);
	struct packet k = refused;
	k.proto = refused.v4 ? PROTO_ICMP : PROTO_ICMP6;
	k.len = headers + quoted;
	put_icmp_sum(out, &k);
	return (int)k.len;
}

int frame_icmp_unreachable(uint8_t *out, size_t cap, const uint8_t mac[12], const struct ep *src,
                           const struct ep *dst, const uint8_t *payload, size_t len)
{
	bool v4 = ip_is4(&src->ip);
	struct packet k = packet(&dst->ip, &src->ip, v4 ? PROTO_ICMP : PROTO_ICMP6, 0);
	size_t headers = ETHERNET + ip_header(&k);

	if (cap < headers)
		return -ENOSPC;
	int n = frame_icmp_body(out + headers, cap - headers, src, dst, payload, len);
	if (n < 0)
		return n;
	k.len = (size_t)n;
	put_headers(out, mac, &k);
	return frame_len(&k);
}

static int make_icmp(uint8_t *out, size_t cap, const uint8_t mac[12], const struct frame *f)
{
	unsigned proto = ip_is4(&f->src.ip) ? PROTO_ICMP : PROTO_ICMP6;
	struct packet k = packet(&f->src.ip, &f->dst.ip, proto, f->payload_len);

	if (k.len < ICMP_HEADER)
		return -EINVAL;
	if (!fits(&k, cap))
		return -ENOSPC;
	uint8_t *icmp = put_headers(out, mac, &k);
	memcpy(icmp, f->payload, k.len);
	put_icmp_sum(icmp, &k);
	return frame_len(&k);
}

int frame_make(uint8_t *out, size_t cap, const uint8_t mac[12], const struct frame *f)
{
	if (ip_is4(&f->src.ip) != ip_is4(&f->dst.ip))
		return -EINVAL;
	switch (f->kind) {
	case FRAME_UDP:
		return frame_udp(out, cap, mac, &f->src, &f->dst, f->payload, f->payload_len);
	case FRAME_TCP:
		return frame_tcp(out, cap, mac, f,
		                 (f->tcp_flags & TCP_RST) != 0 ? 0 : FRAME_WINDOW);
	case FRAME_ICMP:
		return make_icmp(out, cap, mac, f);
	case FRAME_OTHER:
		break;
	}
	return -EINVAL;
}

size_t frame_size(const struct frame *f)
{
	struct packet k = { .v4 = ip_is4(&f->src.ip) };
	size_t header = f->kind == FRAME_UDP ? UDP_HEADER : f->kind == FRAME_TCP ? TCP_HEADER : 0;

	if (f->kind == FRAME_TCP && (f->tcp_flags & TCP_SYN) != 0)
		header += TCP_MSS_LEN;
	return ETHERNET + ip_header(&k) + header + f->payload_len;
}
