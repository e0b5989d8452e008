/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames made, taken apart, cut off at every byte and broken at every bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "sim/net/frame.h"

static const uint8_t mac[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };

static struct ep ep(const char *text)
{
	struct ep e;

	assert_int_equal(ep_parse(&e, text, 0), 0);
	return e;
}

static const struct { const char *what, *src, *dst, *payload; } row[] = {
	{ "IPv4", "192.0.2.3:53", "192.160.102.130:40000", "hello, world" },
	{ "IPv4, odd length", "192.0.2.3:53", "192.160.102.130:40000", "odd" },
	{ "IPv6", "[2001:db8::1]:53", "[2605:e200:d000::2]:1", "hello, world" },
	{ "empty", "192.0.2.3:53", "192.0.2.4:5353", "" },
};

static void what_is_made_is_taken_apart_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		uint8_t out[256];
		struct ep src = ep(row[i].src), dst = ep(row[i].dst);
		struct frame f;
		struct ip ip;
		int n = frame_udp(out, sizeof(out), mac, &src, &dst,
		                  (const uint8_t *)row[i].payload, strlen(row[i].payload));
		assert_true(n > 0);
		assert_int_equal(frame_parse(&f, out, (size_t)n), 0);
		assert_int_equal(f.kind, FRAME_UDP);
		assert_true(ep_eq(&f.src, &src) && ep_eq(&f.dst, &dst));
		assert_int_equal(f.payload_len, strlen(row[i].payload));
		assert_memory_equal(f.payload, row[i].payload, f.payload_len);
		assert_int_equal(frame_dst(&ip, out, (size_t)n), 0);
		assert_true(ip_eq(&ip, &dst.ip));
		assert_true(frame_sums_right(out, (size_t)n));
	}
}

static void a_frame_cut_off_anywhere_is_broken(void **state)
{
	uint8_t out[256];
	struct frame f;
	(void)state;

	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct ep src = ep(row[i].src), dst = ep(row[i].dst);
		int n = frame_udp(out, sizeof(out), mac, &src, &dst,
		                  (const uint8_t *)row[i].payload, strlen(row[i].payload));
		for (int cut = 0; cut < n; cut++) {
			assert_int_equal(frame_parse(&f, out, (size_t)cut), -EBADMSG);
			assert_false(frame_sums_right(out, (size_t)cut));
		}
		assert_int_equal(frame_udp(out, (size_t)n - 1, mac, &src, &dst,
		                           (const uint8_t *)row[i].payload,
		                           strlen(row[i].payload)), -ENOSPC);
	}
}

/* RFC 768: UDP says its own length; IP may be longer. */
static void what_lies_behind_udps_length_is_in_no_sum(void **state)
{
	enum { ETHERNET = 14, MORE = 5 };
	uint8_t out[256] = { 0 };
	struct ep src = ep("192.0.2.1:4000"), dst = ep("192.0.2.3:53");
	struct frame f;
	(void)state;

	int n = frame_udp(out, sizeof(out) - MORE, mac, &src, &dst, (const uint8_t *)"abc", 3);
	assert_true(n > 0);
	memset(out + n, 0xa5, MORE);
	out[ETHERNET + 3] += MORE; /* IP's total length */
	frame_sum_ip4(out + ETHERNET, 20);
	assert_int_equal(frame_parse(&f, out, (size_t)n + MORE), 0);
	assert_int_equal(f.payload_len, 3);
	assert_true(frame_sums_right(out, (size_t)n + MORE));
	out[n - 1] ^= 1;
	assert_false(frame_sums_right(out, (size_t)n + MORE));
}

static void any_flipped_bit_of_addresses_or_data_breaks_a_sum(void **state)
{
	uint8_t out[256];
	(void)state;

	for (size_t i = 0; i < 3; i++) {
		struct ep src = ep(row[i].src), dst = ep(row[i].dst);
		int n = frame_udp(out, sizeof(out), mac, &src, &dst,
		                  (const uint8_t *)row[i].payload, strlen(row[i].payload));
		int from = ip_is4(&src.ip) ? 14 + 12 : 14 + 8;
		for (int bit = from * 8; bit < n * 8; bit++) {
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(frame_sums_right(out, (size_t)n));
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void fragments_and_strangers_are_other(void **state)
{
	uint8_t out[256];
	struct ep src = ep("192.0.2.3:53"), dst = ep("192.0.2.4:53");
	struct frame f;
	(void)state;

	int n = frame_udp(out, sizeof(out), mac, &src, &dst, (const uint8_t *)"abc", 3);
	assert_true(n > 0);
	out[14 + 6] = 0x20; /* more fragments */
	assert_int_equal(frame_parse(&f, out, (size_t)n), 0);
	assert_int_equal(f.kind, FRAME_OTHER);
	assert_true(ip_eq(&f.dst.ip, &dst.ip));
	out[12] = 0x08, out[13] = 0x06; /* ARP */
	assert_int_equal(frame_parse(&f, out, (size_t)n), 0);
	assert_int_equal(f.kind, FRAME_OTHER);
	struct ip ip;
	assert_int_equal(frame_dst(&ip, out, (size_t)n), -EBADMSG);
}

/* Extension headers between IPv6 and UDP: the first's number, their bytes, what it comes to. */
static void ipv6_extension_headers_are_passed_over(void **state)
{
	static const struct {
		const char *what;
		uint8_t first, bytes[24];
		size_t n;
		int result;
		enum frame_kind kind;
	} ext[] = {
		{ "options for each hop", 0, { 17, 0 }, 8, 0, FRAME_UDP },
		{ "two of them", 0, { 60, 0, 0, 0, 0, 0, 0, 0, 17, 1 }, 24, 0, FRAME_UDP },
		{ "routing", 43, { 17, 1 }, 16, 0, FRAME_UDP },
		{ "authentication", 51, { 17, 1 }, 12, 0, FRAME_UDP },
		{ "a whole packet with a Fragment header", 44, { 17 }, 8, 0, FRAME_UDP },
		{ "the first of more", 44, { 17, 0, 0, 1 }, 8, 0, FRAME_OTHER },
		{ "another's piece", 44, { 17, 0, 0, 8 }, 8, 0, FRAME_OTHER },
		{ "encrypted", 50, { 17, 0 }, 8, 0, FRAME_OTHER },
		{ "longer than the packet", 0, { 17, 200 }, 8, -EBADMSG, FRAME_OTHER },
		{ "in a circle", 0, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }, 16, -EBADMSG, FRAME_OTHER },
	};
	struct ep src = ep("[2001:db8::1]:53"), dst = ep("[2001:db8::2]:5353");
	(void)state;

	for (size_t i = 0; i < COUNT_OF(ext); i++) {
		uint8_t plain[256], out[256];
		struct frame f;
		int n = frame_udp(plain, sizeof(plain), mac, &src, &dst, (const uint8_t *)"abc", 3);
		assert_true(n > 0);
		memcpy(out, plain, 54);
		memcpy(out + 54, ext[i].bytes, ext[i].n);
		memcpy(out + 54 + ext[i].n, plain + 54, (size_t)n - 54);
		out[20] = ext[i].first;
		out[19] = (uint8_t)(out[19] + ext[i].n);
		size_t len = (size_t)n + ext[i].n;
		if (frame_parse(&f, out, len) != ext[i].result || f.kind != ext[i].kind)
			fail_msg("%s: kind %d", ext[i].what, (int)f.kind);
		if (f.kind == FRAME_UDP)
			assert_true(f.payload_len == 3 && memcmp(f.payload, "abc", 3) == 0);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(frame_parse(&f, out, cut), -EBADMSG);
	}
}

static void tcp_and_icmp_of_the_wire(void **state)
{
	/* a SYN and a port unreachable as Linux sends them */
	static const uint8_t syn[] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
		0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0xb6, 0xc8, 192, 0, 2, 3, 192, 0, 2, 4,
		0x9c, 0x40, 0, 53, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 2, 0xff, 0xff, 0x8f, 0x62, 0, 0,
	};
	static const uint8_t unreachable[] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0,
		0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0xf6, 0xd9, 192, 0, 2, 3, 192, 0, 2, 4,
		3, 3, 0xfc, 0xfc, 0, 0, 0, 0,
	};
	struct frame f;
	(void)state;

	assert_int_equal(frame_parse(&f, syn, sizeof(syn)), 0);
	assert_int_equal(f.kind, FRAME_TCP);
	assert_int_equal(f.tcp_flags, 2);
	assert_int_equal(f.tcp_seq, 1);
	assert_int_equal(f.tcp_ack, 2);
	assert_int_equal(f.payload_len, 0);
	assert_true(frame_sums_right(syn, sizeof(syn)));
	assert_int_equal(frame_parse(&f, unreachable, sizeof(unreachable)), 0);
	assert_int_equal(f.kind, FRAME_ICMP);
	assert_int_equal(f.icmp_type, 3);
	assert_int_equal(f.icmp_code, 3);
	assert_true(frame_sums_right(unreachable, sizeof(unreachable)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_is_taken_apart_again),
		cmocka_unit_test(a_frame_cut_off_anywhere_is_broken),
		cmocka_unit_test(what_lies_behind_udps_length_is_in_no_sum),
		cmocka_unit_test(any_flipped_bit_of_addresses_or_data_breaks_a_sum),
		cmocka_unit_test(fragments_and_strangers_are_other),
		cmocka_unit_test(ipv6_extension_headers_are_passed_over),
		cmocka_unit_test(tcp_and_icmp_of_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
