/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames made of random endpoints, numbers and payloads: taken apart they are the same again,
 * their sums hold, and no flipped bit of what sums cover goes unseen; refusals quote as much as
 * Linux does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "lib/drbg.h"
#include "sim/net/frame.h"
#include "sim/net/inner.h"

enum { SEEDS = 400, PAYLOAD = 1472 };

static const uint8_t mac[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

static struct ep random_ep(struct drbg *r, bool v4)
{
	struct ep e = { .port = drbg_u16(r) };

	if (v4) {
		uint32_t a = drbg_u32(r);
		e.ip = ip_v4((uint8_t)(a >> 24), (uint8_t)(a >> 16), (uint8_t)(a >> 8), (uint8_t)a);
		return e;
	}
	drbg_bytes(r, e.ip.b, 16);
	e.ip.b[0] = 0x20;
	return e;
}

/* What seed s makes; payload is where its bytes go. */
static struct frame random_frame(uint64_t s, uint8_t payload[PAYLOAD])
{
	static const size_t most[] = { 9, 200, PAYLOAD };
	uint8_t seed[DRBG_SEED];
	struct frame f = { 0 };
	struct drbg r;

	drbg_seed_from_u64(seed, s);
	drbg_init(&r, seed, DRBG_TEST, 0);
	bool v4 = drbg_below(&r, 2) == 0;
	f.kind = FRAME_UDP + (enum frame_kind)drbg_below(&r, 3);
	f.src = random_ep(&r, v4);
	f.dst = random_ep(&r, v4);
	f.payload = payload;
	f.payload_len = (uint32_t)drbg_below(&r, most[drbg_below(&r, 3)] + 1);
	drbg_bytes(&r, payload, PAYLOAD);
	if (f.kind == FRAME_TCP) {
		f.tcp_seq = drbg_u32(&r);
		f.tcp_ack = drbg_u32(&r);
		f.tcp_flags = (uint8_t)drbg_u32(&r);
	}
	if (f.kind == FRAME_ICMP) {
		f.src.port = f.dst.port = 0;
		f.payload_len += f.payload_len < 8 ? 8 : 0;
		f.icmp_type = payload[0];
		f.icmp_code = payload[1];
	}
	return f;
}

static bool same(const struct frame *a, const struct frame *b)
{
	size_t skip = a->kind == FRAME_ICMP ? 4 : 0; /* the checksum is put right */

	return a->kind == b->kind && ep_eq(&a->src, &b->src) && ep_eq(&a->dst, &b->dst) &&
	       a->tcp_seq == b->tcp_seq && a->tcp_ack == b->tcp_ack &&
	       a->tcp_flags == b->tcp_flags && a->icmp_type == b->icmp_type &&
	       a->icmp_code == b->icmp_code && a->payload_len == b->payload_len &&
	       memcmp(a->payload + skip, b->payload + skip, a->payload_len - skip) == 0;
}

static void what_is_made_is_taken_apart_the_same(void **state)
{
	uint8_t payload[PAYLOAD], out[FRAME_HEADERS + PAYLOAD], small[FRAME_HEADERS + PAYLOAD];

	(void)state;
	for (uint64_t s = 1; s <= SEEDS; s++) {
		struct frame f = random_frame(s, payload), g;
		int n = frame_make(out, FRAME_HEADERS + f.payload_len, mac, &f);
		if (n < 0 || frame_parse(&g, out, (size_t)n) != 0 || !same(&f, &g) ||
		    !frame_sums_right(out, (size_t)n) || memcmp(out, mac, 12) != 0)
			fail_msg("seed %u: %d", (unsigned)s, n);
		assert_int_equal(frame_make(small, (size_t)n, mac, &g), n);
		assert_int_equal(frame_size(&g), n);
		assert_memory_equal(out, small, (size_t)n);
		assert_int_equal(frame_make(small, (size_t)n - 1, mac, &f), -ENOSPC);
	}
}

/* But in the first eight bytes of an IPv6 header, which no sum covers. */
static void no_flipped_bit_goes_unseen(void **state)
{
	uint8_t payload[PAYLOAD], out[FRAME_HEADERS + PAYLOAD];

	(void)state;
	for (uint64_t s = 1; s <= SEEDS / 4; s++) {
		struct frame f = random_frame(s, payload);
		f.payload_len = f.payload_len > 100 ? 100 : f.payload_len;
		int n = frame_make(out, sizeof(out), mac, &f);
		assert_int_equal(frame_size(&f), n);
		int from = ip_is4(&f.src.ip) ? ETHERNET : ETHERNET + 8;
		for (int bit = from * 8; bit < n * 8; bit++) {
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (frame_sums_right(out, (size_t)n))
				fail_msg("seed %u, bit %d", (unsigned)s, bit);
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static struct ep ep(const char *text)
{
	struct ep e;

	assert_int_equal(ep_parse(&e, text, 0), 0);
	return e;
}

static void a_syn_says_its_segment_size(void **state)
{
	static const struct { const char *src, *dst; uint8_t mss[4]; } row[] = {
		{ "192.0.2.3:53", "192.0.2.4:4000", { 2, 4, 1460 >> 8, 1460 & 0xff } },
		{ "[2001:db8::1]:53", "[2001:db8::2]:4000", { 2, 4, 1440 >> 8, 1440 & 0xff } },
	};
	uint8_t out[FRAME_HEADERS];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct frame f = { .kind = FRAME_TCP, .src = ep(row[i].src), .dst = ep(row[i].dst),
		                   .tcp_seq = 7, .tcp_flags = 2 };
		int n = frame_tcp(out, sizeof(out), mac, &f, 1234);
		size_t tcp = i == 0 ? 14 + 20 : 14 + 40;
		assert_int_equal(n, tcp + 24);
		assert_memory_equal(out + tcp + 20, row[i].mss, 4);
		assert_int_equal(dns_get16(out + tcp + 14), 1234);
		f.tcp_flags = 16;
		assert_int_equal(frame_make(out, sizeof(out), mac, &f), tcp + 20);
		assert_int_equal(frame_size(&f), tcp + 20);
		assert_int_equal(dns_get16(out + tcp + 14), FRAME_WINDOW);
		f.tcp_flags = 4;
		assert_int_equal(frame_make(out, sizeof(out), mac, &f), tcp + 20);
		assert_int_equal(frame_size(&f), tcp + 20);
		assert_int_equal(dns_get16(out + tcp + 14), 0);
	}
}

static const struct refusal {
	const char *what, *src, *dst;
	size_t len, quoted;         /* of the payload */
	uint8_t type, code;
} refusal[] = {
	{ "IPv4", "192.0.2.3:4000", "192.0.2.4:53", 40, 40, 3, 3 },
	{ "IPv4, empty", "192.0.2.3:4000", "192.0.2.4:53", 0, 0, 3, 3 },
	{ "IPv4, all of it fits", "192.0.2.3:4000", "192.0.2.4:53", 520, 520, 3, 3 },
	{ "IPv4, one too long", "192.0.2.3:4000", "192.0.2.4:53", 521, 520, 3, 3 },
	{ "IPv6", "[2001:db8::1]:4000", "[2001:db8::2]:53", 41, 41, 1, 4 },
	{ "IPv6, all of it fits", "[2001:db8::1]:4000", "[2001:db8::2]:53", 1184, 1184, 1, 4 },
	{ "IPv6, one too long", "[2001:db8::1]:4000", "[2001:db8::2]:53", 1185, 1184, 1, 4 },
};

static void a_refusal_quotes_the_datagram_as_it_was_sent(void **state)
{
	static uint8_t payload[PAYLOAD];
	uint8_t sent[FRAME_HEADERS + PAYLOAD], out[FRAME_HEADERS + PAYLOAD], body[FRAME_ICMP_MAX];

	(void)state;
	for (size_t i = 0; i < PAYLOAD; i++)
		payload[i] = (uint8_t)(i * 31 + 7);
	for (size_t i = 0; i < COUNT_OF(refusal); i++) {
		const struct refusal *t = &refusal[i];
		struct ep src = ep(t->src), dst = ep(t->dst);
		size_t ip = ip_is4(&src.ip) ? 20 : 40;
		struct frame f;
		assert_true(frame_udp(sent, sizeof(sent), mac, &src, &dst, payload, t->len) > 0);
		int n = frame_icmp_unreachable(out, sizeof(out), mac, &src, &dst, payload, t->len);
		assert_int_equal(n, 14 + ip + 8 + ip + 8 + t->quoted);
		assert_true(frame_sums_right(out, (size_t)n));
		assert_int_equal(frame_parse(&f, out, (size_t)n), 0);
		assert_int_equal(f.kind, FRAME_ICMP);
		assert_true(ip_eq(&f.src.ip, &dst.ip) && ip_eq(&f.dst.ip, &src.ip));
		assert_int_equal(f.icmp_type, t->type);
		assert_int_equal(f.icmp_code, t->code);
		assert_memory_equal(f.payload + 8, sent + 14, f.payload_len - 8);
		int len = frame_icmp_body(body, sizeof(body), &src, &dst, payload, t->len);
		assert_int_equal(len, f.payload_len);
		assert_memory_equal(body, f.payload, f.payload_len);
		assert_int_equal(frame_icmp_body(body, (size_t)len - 1, &src, &dst, payload,
		                                 t->len), -ENOSPC);
		for (size_t cap = 0; cap < (size_t)n; cap++)
			assert_int_equal(frame_icmp_unreachable(out, cap, mac, &src, &dst, payload,
			                                        t->len), -ENOSPC);
		struct frame inner;
		assert_int_equal(frame_icmp_inner(&inner, body, (size_t)len), 0);
		assert_true(ep_eq(&inner.src, &src) && ep_eq(&inner.dst, &dst));
		assert_int_equal(inner.payload_len, t->quoted);
		assert_memory_equal(inner.payload, payload, t->quoted);
		assert_int_equal(frame_icmp_inner(&inner, body, 8 + ip + 7), -EBADMSG);
		f.payload = body;
		assert_int_equal(frame_make(sent, sizeof(sent), mac, &f), n);
		assert_int_equal(frame_size(&f), n);
		assert_int_equal(frame_icmp_unreachable(out, sizeof(out), mac, &src, &dst, payload,
		                                        t->len), n);
		assert_memory_equal(sent, out, (size_t)n);
	}
}

/* The header's first half as a killed recursor's kernel sent it in a lab, but for the length. */
static void a_refusal_is_what_linux_sends(void **state)
{
	static const uint8_t linux_icmp[] = {
		0x45, 0xc0, 0x00, 0x3b, 0x2c, 0x95, 0x00, 0x00, 0x40, 0x01
	};
	struct ep src = ep("192.160.102.2:4000"), dst = ep("192.0.2.3:53");
	uint8_t out[FRAME_HEADERS + FRAME_ICMP_MAX];

	(void)state;
	assert_int_equal(frame_icmp_unreachable(out, sizeof(out), mac, &src, &dst,
	                                        (const uint8_t *)"abc", 3), 14 + 59);
	out[14 + 4] = 0x2c, out[14 + 5] = 0x95; /* the kernel counts its identifications */
	assert_memory_equal(out + 14, linux_icmp, sizeof(linux_icmp));
}

static void what_cant_be_a_frame_is_refused(void **state)
{
	static uint8_t big[FRAME_MAX + 100], payload[65536];
	struct ep four = ep("192.0.2.3:53"), six = ep("[2001:db8::1]:53");
	struct frame f = { .kind = FRAME_OTHER, .src = four, .dst = four, .payload = payload };

	(void)state;
	assert_int_equal(frame_make(big, sizeof(big), mac, &f), -EINVAL);
	f.kind = FRAME_ICMP;
	f.payload_len = 7;
	assert_int_equal(frame_make(big, sizeof(big), mac, &f), -EINVAL);
	f.kind = FRAME_UDP;
	f.dst = six;
	assert_int_equal(frame_make(big, sizeof(big), mac, &f), -EINVAL);
	assert_int_equal(frame_udp(big, sizeof(big), mac, &four, &four, payload, 65507),
	                 FRAME_MAX);
	assert_true(frame_sums_right(big, FRAME_MAX));
	assert_int_equal(frame_udp(big, sizeof(big), mac, &four, &four, payload, 65508), -ENOSPC);
	assert_int_equal(frame_udp(big, sizeof(big), mac, &six, &six, payload, 65527),
	                 14 + 40 + 65535);
	assert_int_equal(frame_udp(big, sizeof(big), mac, &six, &six, payload, 65528), -ENOSPC);
}

/* Data that make the sum come to zero: it is sent as all ones (RFC 768). */
static void a_udp_sum_of_zero_is_sent_as_ones(void **state)
{
	uint8_t out[FRAME_HEADERS + 2], fill[2] = { 0, 0 };
	struct ep src = ep("[2001:db8::1]:53"), dst = ep("[2001:db8::2]:4000");
	int n = frame_udp(out, sizeof(out), mac, &src, &dst, fill, 2);

	(void)state;
	memcpy(fill, out + n - 4, 2);
	assert_int_equal(frame_udp(out, sizeof(out), mac, &src, &dst, fill, 2), n);
	assert_int_equal(dns_get16(out + n - 4), 0xffff);
	assert_true(frame_sums_right(out, (size_t)n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_is_taken_apart_the_same),
		cmocka_unit_test(no_flipped_bit_goes_unseen),
		cmocka_unit_test(a_syn_says_its_segment_size),
		cmocka_unit_test(a_refusal_quotes_the_datagram_as_it_was_sent),
		cmocka_unit_test(a_refusal_is_what_linux_sends),
		cmocka_unit_test(what_cant_be_a_frame_is_refused),
		cmocka_unit_test(a_udp_sum_of_zero_is_sent_as_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
