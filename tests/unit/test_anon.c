/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets anonymized: each transport, messages in several packets, what is dropped and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "anon_rig.h"
#include "dissect_rig.h"

#define CLIENT4 "198.51.100.77:40000"
#define SERVER4 "203.0.113.53:53"
#define CLIENT6 "[2001:db8::77]:40000"
#define SERVER6 "[2001:db8:5::53]:53"
#define NAME "telling-name.example.org"
#define LABEL "\14telling-name"

static const int64_t SECOND = INT64_C(1000000000);
enum { STREAM_MESSAGES = 3, ROOM_OF_STREAM = STREAM_MESSAGES * 514 };
static const struct anon_options plain;

static uint64_t count(const struct anon_rig *r, enum anon_count c)
{
	return anon_counts(r->a)[c];
}

/* Nothing of NAME, and none of the addresses, is in what came out. */
static void assert_silent(const struct anon_rig *r)
{
	static const char *const ends[] = { CLIENT4, SERVER4, CLIENT6, SERVER6 };

	assert_false(anon_rig_shows(r, LABEL, sizeof(LABEL) - 1));
	assert_false(anon_rig_shows(r, "telling", 7));
	assert_false(anon_rig_shows(r, made_mac, 6));
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct ep e = made_ep(ends[i]);
		assert_false(anon_rig_shows(r, ip_is4(&e.ip) ? e.ip.b + 12 : e.ip.b,
		                            ip_is4(&e.ip) ? 4 : 16));
	}
}

/* What a reader makes of what came out: messages by ID, as dissect_rig has them. */
static void assert_read(const struct anon_rig *r, const char *said)
{
	struct dissect_rig d;

	dissect_rig_init(&d, &(struct dissect_options){ 0 });
	for (unsigned i = 0; i < r->n; i++)
		dissect_rig_cut(&d, r->out[i].t_ns, r->out[i].link, r->out[i].bytes, r->out[i].len,
		                r->out[i].wire_len);
	assert_string_equal(dissect_said(&d), said);
	dissect_rig_fini(&d);
}

static void assert_sums(const struct anon_rig *r)
{
	for (unsigned i = 0; i < r->n; i++)
		assert_true(frame_sums_right(r->out[i].bytes, r->out[i].len));
}

static size_t query(struct anon_rig *r, bool v6, uint16_t id)
{
	uint8_t m[512];
	uint16_t n = made_message(m, id, DNS_RD, NAME);

	return made_udp(r->frame, v6 ? CLIENT6 : CLIENT4, v6 ? SERVER6 : SERVER4, m, n);
}

static void a_query_over_udp_keeps_its_shape(void **state)
{
	struct anon_rig r;
	struct frame before, after;
	(void)state;

	anon_rig_init(&r, &plain);
	for (unsigned v6 = 0; v6 <= 1; v6++) {
		size_t n = query(&r, v6 == 1, 7);
		anon_rig_frame(&r, 42 + v6, r.frame, n);
		assert_int_equal(r.n, v6 + 1);
		const struct capture_packet *p = &r.out[v6];
		assert_true(p->t_ns == 42 + v6 && p->len == n && p->wire_len == n);
		assert_int_equal(p->link, LINK_ETHERNET);
		assert_int_equal(frame_parse(&before, r.frame, n), 0);
		assert_int_equal(frame_parse(&after, p->bytes, n), 0);
		assert_true(after.kind == FRAME_UDP && after.src.port == before.src.port);
		assert_true(after.dst.port == 53 && after.payload_len == before.payload_len);
		assert_memory_equal(after.payload, before.payload, DNS_HEADER);
	}
	assert_silent(&r);
	assert_sums(&r);
	assert_true(anon_rig_conserves(&r));
	anon_rig_fini(&r);
}

static void every_link_layer_is_anonymized(void **state)
{
	static const struct {
		const char *what;
		uint16_t link;
		const char *head;
		size_t n;
	} row[] = {
		{ "raw", LINK_RAW, "", 0 },
		{ "cooked", LINK_SLL, "\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x08\0", 16 },
		{ "cooked, no address", LINK_SLL, "\0\0\3\4\0\0\0\0\0\0\0\0\0\0\x08\0", 16 },
		{ "cooked v2", LINK_SLL2,
		  "\x08\0\0\0\0\0\0\3\0\1\0\6\2\0\0\0\0\1\0\0", 20 },
		{ "loopback", LINK_NULL, "\2\0\0\0", 4 },
		{ "a tagged frame", LINK_ETHERNET,
		  "\2\0\0\0\0\1\2\0\0\0\0\1\x81\0\0\5\x08\0", 18 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct anon_rig r;
		uint8_t p[256];
		anon_rig_init(&r, &plain);
		size_t n = query(&r, false, 7) - MADE_ETHERNET;
		memcpy(p, row[i].head, row[i].n);
		memcpy(p + row[i].n, r.frame + MADE_ETHERNET, n);
		anon_rig_cut(&r, 1, row[i].link, p, row[i].n + n, row[i].n + n);
		if (r.n != 1)
			fail_msg("%s is dropped", row[i].what);
		assert_silent(&r);
		assert_read(&r, "7;");
		anon_rig_fini(&r);
	}
}

/* An ICMP packet of the client's with p[0..n) as its message; its length. */
static size_t icmp(struct anon_rig *r, const uint8_t *p, size_t n)
{
	struct frame f = { .kind = FRAME_ICMP, .src = made_ep(CLIENT4), .dst = made_ep(SERVER4),
	                   .payload = p, .payload_len = (uint32_t)n };
	int len = frame_make(r->frame, MADE_FRAME_MAX, made_mac, &f);

	assert_true(len > 0);
	return (size_t)len;
}

static void what_icmp_quotes_is_anonymized(void **state)
{
	struct anon_rig r;
	struct ep c = made_ep(CLIENT4), s = made_ep(SERVER4), c6 = made_ep(CLIENT6),
	          s6 = made_ep(SERVER6);
	struct frame f, inner, plain_inner;
	uint8_t m[512], q[512];
	(void)state;

	anon_rig_init(&r, &plain);
	uint16_t n = made_message(m, 77, DNS_RD, NAME);
	int len = frame_icmp_unreachable(r.frame, MADE_FRAME_MAX, made_mac, &c, &s, m, n);
	assert_true(len > 0);
	anon_rig_frame(&r, 1, r.frame, (size_t)len);
	len = frame_icmp_unreachable(r.frame, MADE_FRAME_MAX, made_mac, &c6, &s6, m, n);
	assert_true(len > 0);
	anon_rig_frame(&r, 2, r.frame, (size_t)len);
	assert_int_equal(r.n, 2);
	assert_silent(&r);
	assert_sums(&r);
	/* The quoted datagram is the anonymized one's beginning, and its answer's addresses fit. */
	anon_rig_frame(&r, 3, r.frame, made_udp(r.frame, CLIENT4, SERVER4, m, n));
	assert_int_equal(frame_parse(&f, r.out[0].bytes, r.out[0].len), 0);
	assert_int_equal(frame_icmp_inner(&inner, f.payload, f.payload_len), 0);
	assert_int_equal(frame_parse(&plain_inner, r.out[2].bytes, r.out[2].len), 0);
	assert_true(ep_eq(&inner.src, &plain_inner.src) && ep_eq(&inner.dst, &plain_inner.dst));
	assert_int_equal(inner.payload_len, n);
	assert_memory_equal(inner.payload, plain_inner.payload, n);
	/* Cut off anywhere, nothing shows. */
	len = frame_icmp_body(q, sizeof(q), &c, &s, m, n);
	assert_true(len > 0);
	for (size_t k = 8; k < (size_t)len; k++)
		anon_rig_frame(&r, 4, r.frame, icmp(&r, q, k));
	/* An echo's data, too. */
	memcpy(q, "\10\0..\0\1\0\1telling-name", 20);
	anon_rig_frame(&r, 5, r.frame, icmp(&r, q, 20));
	assert_silent(&r);
	assert_sums(&r);
	assert_int_equal(count(&r, ANON_ICMP), (uint64_t)len - 8 + 3);
	assert_true(anon_rig_conserves(&r));
	anon_rig_fini(&r);
}

static void what_icmp_quotes_and_is_not_dns_is_zero(void **state)
{
	struct ep c = made_ep(CLIENT4), s = made_ep(SERVER4), other = made_ep("203.0.113.53:5000");
	uint8_t q[512], m[512];
	struct anon_rig r;
	(void)state;

	anon_rig_init(&r, &plain);
	/* UDP to another port; and bytes behind the quoted datagram. */
	int n = frame_icmp_body(q, sizeof(q), &c, &other, (const uint8_t *)"telling-name", 12);
	assert_true(n > 0);
	anon_rig_frame(&r, 1, r.frame, icmp(&r, q, (size_t)n));
	uint16_t len = made_message(m, 1, 0, "a.example");
	n = frame_icmp_body(q, sizeof(q), &c, &s, m, len);
	assert_true(n > 0);
	memcpy(q + n, "telling-name", 12);
	anon_rig_frame(&r, 2, r.frame, icmp(&r, q, (size_t)n + 12));
	/* TCP, whose data is behind a header that stays; another protocol; a later fragment. */
	memcpy(q + 8 + 20 + 20, "telling-name", 12);
	q[8 + 9] = 6;
	anon_rig_frame(&r, 3, r.frame, icmp(&r, q, 8 + 20 + 20 + 12));
	memcpy(q + 8 + 20, "telling-name", 12);
	q[8 + 9] = 47;
	anon_rig_frame(&r, 4, r.frame, icmp(&r, q, 8 + 20 + 12));
	q[8 + 9] = 17;
	q[8 + 7] = 1;
	anon_rig_frame(&r, 5, r.frame, icmp(&r, q, 8 + 20 + 12));
	/* And what is no packet. */
	memcpy(q + 8, "telling-name", 12);
	anon_rig_frame(&r, 6, r.frame, icmp(&r, q, 20));
	assert_int_equal(r.n, 6);
	assert_silent(&r);
	assert_sums(&r);
	anon_rig_fini(&r);
}

static void options_of_headers_say_nothing(void **state)
{
	static const uint8_t hops[] = { 17, 0, 0x3e, 4, 't', 'e', 'l', 'l' };
	struct anon_rig r;
	uint8_t p[512];
	(void)state;

	anon_rig_init(&r, &plain);
	/* IPv4: record route. */
	size_t n = query(&r, false, 1);
	memcpy(p, r.frame, 34);
	memcpy(p + 34, "\7\7\10telling", 8);
	memcpy(p + 42, r.frame + 34, n - 34);
	p[14] = 0x47;
	dns_put16(p + 16, (uint16_t)(n - 14 + 8));
	anon_rig_frame(&r, 1, p, n + 8);
	/* IPv6: a destination option. */
	n = query(&r, true, 2);
	memcpy(p, r.frame, 54);
	memcpy(p + 54, hops, 8);
	memcpy(p + 62, r.frame + 54, n - 54);
	p[20] = 60;
	dns_put16(p + 18, (uint16_t)(n - 54 + 8));
	anon_rig_frame(&r, 2, p, n + 8);
	/* And bytes behind the packet's end. */
	n = query(&r, false, 3);
	memcpy(r.frame + n, "telling-name", 12);
	anon_rig_frame(&r, 3, r.frame, n + 12);
	assert_int_equal(r.n, 3);
	assert_silent(&r);
	assert_false(anon_rig_shows(&r, "tell", 4));
	assert_sums(&r);
	assert_read(&r, "1;2;3;");
	/* A routing header has addresses that wouldn't be found. */
	p[20] = 43;
	anon_rig_frame(&r, 4, p, n + 28);
	assert_int_equal(count(&r, ANON_IP), 1);
	assert_true(anon_rig_conserves(&r));
	anon_rig_fini(&r);
}

static void what_is_dropped_is_counted_by_its_cause(void **state)
{
	struct anon_rig r;
	uint8_t m[512];
	(void)state;

	anon_rig_init(&r, &plain);
	size_t n = query(&r, false, 1);
	anon_rig_cut(&r, 1, LINK_ETHERNET, r.frame, n - 1, n);
	assert_int_equal(count(&r, ANON_CUT), 1);
	anon_rig_cut(&r, 1, 127, r.frame, n, n);
	anon_rig_frame(&r, 1, r.frame, 13);
	assert_int_equal(count(&r, ANON_LINK), 2);
	r.frame[13] = 6;
	anon_rig_frame(&r, 1, r.frame, n);
	assert_int_equal(count(&r, ANON_NOT_IP), 1);
	n = query(&r, false, 1);
	r.frame[14] = 0x41;
	anon_rig_frame(&r, 1, r.frame, n);
	assert_int_equal(count(&r, ANON_IP), 1);
	n = query(&r, false, 1);
	r.frame[23] = 47;
	anon_rig_frame(&r, 1, r.frame, n);
	anon_rig_frame(&r, 1, r.frame, icmp(&r, (const uint8_t *)"\5\1..\xc6\x33\x64\x4d", 8));
	assert_int_equal(count(&r, ANON_OTHER), 2);
	n = query(&r, false, 1);
	r.frame[39] = 7;
	anon_rig_frame(&r, 1, r.frame, n);
	assert_int_equal(count(&r, ANON_TRANSPORT), 1);
	uint16_t len = made_message(m, 1, 0, NAME);
	anon_rig_frame(&r, 1, r.frame, made_udp(r.frame, CLIENT4, "203.0.113.5:5353", m, len));
	anon_rig_frame(&r, 1, r.frame, made_tcp(r.frame, CLIENT4, "203.0.113.5:80", 24, 1, m, len));
	assert_int_equal(count(&r, ANON_PORT), 2);
	anon_rig_frame(&r, 1, r.frame, made_udp(r.frame, CLIENT4, SERVER4, m, len - 1));
	anon_rig_frame(&r, 1, r.frame, made_udp(r.frame, CLIENT4, SERVER4, m, 5));
	assert_int_equal(count(&r, ANON_MESSAGE), 2);
	anon_packet(r.a, &(struct capture_packet){ .fault = CAPTURE_RECORD }, 0);
	r.packets++;
	assert_int_equal(count(&r, ANON_RECORD), 1);
	assert_int_equal(r.n, 0);
	assert_true(anon_rig_conserves(&r));
	anon_rig_fini(&r);
}

/* ---- TCP ---- */



/* Three queries behind their lengths; how many bytes. */
static size_t stream(uint8_t out[ROOM_OF_STREAM])
{
	size_t n = 0;

	for (uint16_t id = 1; id <= STREAM_MESSAGES; id++) {
		uint16_t len = made_message(out + n + 2, id, DNS_RD, NAME);
		dns_put16(out + n, len);
		n += 2u + len;
	}
	return n;
}

static void segment(struct anon_rig *r, int64_t t_ns, uint8_t flags, uint32_t seq, const void *p,
                    size_t n)
{
	anon_rig_frame(r, t_ns, r->frame,
	               made_tcp(r->frame, CLIENT4, SERVER4, flags, seq, p, n));
}

static void messages_are_replaced_however_their_stream_is_cut(void **state)
{
	uint8_t s[ROOM_OF_STREAM];
	size_t n = stream(s);
	(void)state;

	for (size_t step = 1; step <= n; step++) {
		struct anon_rig r;
		anon_rig_init(&r, &plain);
		segment(&r, 0, 2, 99, NULL, 0);
		for (size_t at = 0; at < n; at += step)
			segment(&r, (int64_t)at, 24, (uint32_t)(100 + at), s + at,
			        step < n - at ? step : n - at);
		/* All is there: nothing waits any more. */
		assert_int_equal(r.n, 1 + (n + step - 1) / step);
		assert_int_equal(count(&r, ANON_SEGMENT_BLANK), 0);
		for (unsigned i = 1; i < r.n; i++)
			assert_true(r.out[i].t_ns == (int64_t)((i - 1) * step));
		assert_silent(&r);
		assert_sums(&r);
		assert_read(&r, "1#1;2#1;3#1;");
		assert_true(anon_rig_conserves(&r));
		anon_rig_fini(&r);
	}
}

static void segments_out_of_order_wait_for_each_other(void **state)
{
	struct anon_rig r;
	uint8_t s[ROOM_OF_STREAM];
	size_t n = stream(s);
	(void)state;

	anon_rig_init(&r, &plain);
	segment(&r, 0, 2, 99, NULL, 0);
	segment(&r, 1, 24, 150, s + 50, n - 50);
	segment(&r, 2, 24, 100, s, 20);
	assert_int_equal(r.n, 1);
	segment(&r, 3, 24, 120, s + 20, 30);
	assert_int_equal(r.n, 4);
	segment(&r, 4, 24, 120, s + 20, 30);    /* once more: zeros */
	assert_int_equal(r.n, 5);
	assert_int_equal(count(&r, ANON_SEGMENT_BLANK), 1);
	assert_silent(&r);
	assert_sums(&r);
	assert_read(&r, "1#1;2#1;3#1;");
	anon_rig_fini(&r);
}

static void others_wait_with_a_message_that_is_not_whole(void **state)
{
	struct anon_rig r;
	uint8_t s[ROOM_OF_STREAM];
	size_t n = stream(s);
	(void)state;

	anon_rig_init(&r, &plain);
	segment(&r, 0, 2, 99, NULL, 0);
	segment(&r, SECOND, 24, 100, s, 20);
	anon_rig_frame(&r, 2 * SECOND, r.frame, query(&r, false, 9));
	assert_int_equal(r.n, 1);
	/* More than three seconds are too many: what is there of it is zero. */
	anon_rig_frame(&r, 4 * SECOND + 1, r.frame, query(&r, false, 10));
	assert_int_equal(r.n, 4);
	assert_int_equal(count(&r, ANON_SEGMENT_BLANK), 1);
	segment(&r, 5 * SECOND, 24, 120, s + 20, n - 20);
	assert_int_equal(r.n, 5);
	assert_silent(&r);
	assert_sums(&r);
	/* Nor is anything waited for at the end. */
	segment(&r, 6 * SECOND, 24, (uint32_t)(100 + n), s, 20);
	assert_int_equal(r.n, 5);
	anon_rig_end(&r);
	assert_int_equal(r.n, 6);
	assert_silent(&r);
	assert_true(anon_rig_conserves(&r));
	anon_rig_fini(&r);
}

static void a_full_queue_gives_way(void **state)
{
	struct anon_rig r;
	uint8_t s[ROOM_OF_STREAM];
	(void)state;

	stream(s);
	anon_rig_init(&r, &(struct anon_options){ .packets = 8, .bytes = 2 * CAPTURE_SNAP_MAX });
	segment(&r, 0, 2, 99, NULL, 0);
	segment(&r, 0, 24, 100, s, 20);
	for (uint16_t id = 1; id <= 100; id++) {
		anon_rig_frame(&r, 1, r.frame, query(&r, false, id));
		assert_true(r.n + 8 >= r.packets);
	}
	assert_int_equal(count(&r, ANON_SEGMENT_BLANK), 1);
	assert_silent(&r);
	anon_rig_fini(&r);
}

static void a_message_that_does_not_read_keeps_its_place(void **state)
{
	struct anon_rig r;
	uint8_t s[ROOM_OF_STREAM];
	size_t n = stream(s);
	(void)state;

	anon_rig_init(&r, &plain);
	s[2 + 7] = 1; /* the first says that there is an answer */
	segment(&r, 0, 2, 99, NULL, 0);
	segment(&r, 1, 24, 100, s, n);
	assert_int_equal(r.n, 2);
	assert_int_equal(count(&r, ANON_MESSAGE_BLANK), 1);
	assert_int_equal(count(&r, ANON_SEGMENT_BLANK), 0);
	assert_silent(&r);
	assert_read(&r, "1#1;2#1;3#1;");
	anon_rig_fini(&r);
}

static void a_connection_picked_up_midway_shows_nothing(void **state)
{
	struct anon_rig r;
	uint8_t s[ROOM_OF_STREAM];
	size_t n = stream(s);
	(void)state;

	anon_rig_init(&r, &plain);
	segment(&r, 1, 24, 110, s + 10, 50);          /* the middle of a message */
	segment(&r, 2, 24, (uint32_t)(100 + n), s, n); /* then a gap, then messages */
	anon_rig_end(&r);
	assert_int_equal(r.n, 2);
	assert_silent(&r);
	anon_rig_fini(&r);
}

static void options_of_tcp_that_say_something_are_taken_out(void **state)
{
	static const uint8_t options[20] = { 2, 4, 5, 0xb4, 34, 10, 't', 'e', 'l', 'l', 'i', 'n',
	                                     'g', '!', 3, 3, 7, 1, 0, 0 };
	struct anon_rig r;
	uint8_t p[256];
	(void)state;

	anon_rig_init(&r, &plain);
	size_t n = made_tcp(r.frame, CLIENT4, SERVER4, 16, 1, NULL, 0);
	memcpy(p, r.frame, n);
	memcpy(p + n, options, 20);
	p[46] = 0xa0;
	dns_put16(p + 16, (uint16_t)(n + 20 - 14));
	anon_rig_frame(&r, 1, p, n + 20);
	assert_int_equal(r.n, 1);
	assert_silent(&r);
	assert_memory_equal(r.out[0].bytes + n, "\2\4\5\xb4\1\1\1\1\1\1\1\1\1\1\3\3\7\1\0\0", 20);
	assert_sums(&r);
	anon_rig_fini(&r);
}

/* ---- fragments ---- */

enum { PIECE = 16 };

/* Each of three pieces' bytes, among the last three packets, are body's at its place. */
static void assert_put_together(const struct anon_rig *r, const uint8_t *body, size_t len)
{
	size_t seen = 0;

	for (unsigned i = r->n - 3; i < r->n; i++) {
		struct ip_body b;
		assert_int_equal(frame_ip(&b, r->out[i].bytes + MADE_ETHERNET,
		                          r->out[i].len - MADE_ETHERNET), 0);
		assert_true(b.fragment && b.offset + b.len <= len);
		assert_memory_equal(b.p, body + b.offset, b.len);
		seen += b.len;
	}
	assert_int_equal(seen, len);
}

/* A query in three pieces that come in order: they make up the query in one piece. */
static void give_pieces_in(const unsigned order[3], bool v6)
{
	struct anon_rig r;
	uint8_t piece[MADE_FRAME_MAX];
	size_t n, body = v6 ? 54 : 34;

	anon_rig_init(&r, &plain);
	anon_rig_frame(&r, 0, r.frame, query(&r, v6, 5));
	n = query(&r, v6, 5);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(r.n, 1);
		anon_rig_frame(&r, 1 + i, piece,
		               made_fragment(piece, r.frame, n, order[i] * PIECE,
		                             order[i] == 2 ? 500 : PIECE));
	}
	assert_int_equal(r.n, 4);
	assert_int_equal(count(&r, ANON_FRAGMENT), 3);
	assert_silent(&r);
	assert_true(frame_sums_right(r.out[0].bytes, r.out[0].len));
	assert_put_together(&r, r.out[0].bytes + body, n - body);
	assert_read(&r, "5;5;");
	assert_true(anon_rig_conserves(&r));
	anon_rig_fini(&r);
}

static void fragments_are_given_when_their_packet_is_whole(void **state)
{
	static const unsigned order[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
	                                     { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	(void)state;

	for (size_t i = 0; i < COUNT_OF(order); i++) {
		give_pieces_in(order[i], false);
		give_pieces_in(order[i], true);
	}
}

static void fragments_of_nothing_whole_are_dropped(void **state)
{
	struct anon_rig r;
	uint8_t piece[MADE_FRAME_MAX], m[512];
	(void)state;

	anon_rig_init(&r, &plain);
	size_t n = query(&r, false, 5);
	anon_rig_frame(&r, 1, piece, made_fragment(piece, r.frame, n, 16, 16));
	/* Whole, but no message. */
	made_message(m, 1, 0, NAME);
	n = made_udp(r.frame, CLIENT6, SERVER6, m, 30);
	anon_rig_frame(&r, 2, piece, made_fragment(piece, r.frame, n, 0, 16));
	anon_rig_frame(&r, 3, piece, made_fragment(piece, r.frame, n, 16, 500));
	anon_rig_frame(&r, 4 * SECOND, r.frame, query(&r, false, 6));
	anon_rig_end(&r);
	assert_int_equal(r.n, 1);
	assert_int_equal(count(&r, ANON_PIECES), 3);
	assert_silent(&r);
	assert_true(anon_rig_conserves(&r));
	anon_rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_over_udp_keeps_its_shape),
		cmocka_unit_test(every_link_layer_is_anonymized),
		cmocka_unit_test(what_icmp_quotes_is_anonymized),
		cmocka_unit_test(what_icmp_quotes_and_is_not_dns_is_zero),
		cmocka_unit_test(options_of_headers_say_nothing),
		cmocka_unit_test(what_is_dropped_is_counted_by_its_cause),
		cmocka_unit_test(messages_are_replaced_however_their_stream_is_cut),
		cmocka_unit_test(segments_out_of_order_wait_for_each_other),
		cmocka_unit_test(others_wait_with_a_message_that_is_not_whole),
		cmocka_unit_test(a_full_queue_gives_way),
		cmocka_unit_test(a_message_that_does_not_read_keeps_its_place),
		cmocka_unit_test(a_connection_picked_up_midway_shows_nothing),
		cmocka_unit_test(options_of_tcp_that_say_something_are_taken_out),
		cmocka_unit_test(fragments_are_given_when_their_packet_is_whole),
		cmocka_unit_test(fragments_of_nothing_whole_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
