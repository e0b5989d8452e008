/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a frame: nothing is read outside of it, and what is claimed lies inside; and what is
 * made of the frame that was found parses the same again, with right checksums.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sim/net/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_same(const struct frame *a, const struct frame *b)
{
	size_t skip = a->kind == FRAME_ICMP ? 4 : 0; /* its checksum is put right */

	MUST(a->kind == b->kind && ep_eq(&a->src, &b->src) && ep_eq(&a->dst, &b->dst));
	MUST(a->tcp_seq == b->tcp_seq && a->tcp_ack == b->tcp_ack && a->tcp_flags == b->tcp_flags);
	MUST(a->icmp_type == b->icmp_type && a->icmp_code == b->icmp_code);
	MUST(a->payload_len == b->payload_len);
	MUST(memcmp(a->payload + skip, b->payload + skip, a->payload_len - skip) == 0);
}

static void make_again(const struct frame *f)
{
	static const uint8_t mac[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	static uint8_t out[FRAME_HEADERS + UINT16_MAX];
	struct frame g;
	int n = frame_make(out, FRAME_HEADERS + f->payload_len, mac, f);

	if (ip_is4(&f->src.ip) != ip_is4(&f->dst.ip)) {
		MUST(n == -EINVAL); /* an IPv6 packet with one mapped address */
		return;
	}
	if (n == -ENOSPC) { /* a longer header than it had: IPv4's in place of IPv6's, a SYN's */
		MUST(f->payload_len > UINT16_MAX - FRAME_HEADERS);
		return;
	}
	MUST(n > 0 && frame_parse(&g, out, (size_t)n) == 0 && frame_sums_right(out, (size_t)n));
	must_be_same(f, &g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f;
	struct ip dst;

	if (frame_parse(&f, data, size) == 0 && f.payload != NULL) {
		MUST(f.kind != FRAME_OTHER);
		MUST(f.payload >= data && f.payload + f.payload_len <= data + size);
		MUST(frame_dst(&dst, data, size) == 0 && ip_eq(&dst, &f.dst.ip));
		make_again(&f);
	}
	if (frame_sums_right(data, size))
		MUST(frame_parse(&f, data, size) == 0);
	return 0;
}
