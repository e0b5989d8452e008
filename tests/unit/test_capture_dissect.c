/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets to messages over UDP: each link layer, fragments, what is skipped and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dissect_rig.h"

#define CLIENT4 "192.0.2.100:40000"
#define SERVER4 "192.0.2.3:53"
#define CLIENT6 "[2001:db8::100]:40000"
#define SERVER6 "[2001:db8::3]:53"

static const int64_t SECOND = INT64_C(1000000000);

static size_t query(struct dissect_rig *r, bool v6, uint16_t id)
{
	uint8_t m[512];
	uint16_t n = made_message(m, id, DNS_RD, "www.example.org");

	return made_udp(r->frame, v6 ? CLIENT6 : CLIENT4, v6 ? SERVER6 : SERVER4, m, n);
}

static uint64_t count(const struct dissect_rig *r, enum capture_count c)
{
	return dissect_counts(r->d)[c];
}

static void a_message_has_its_time_addresses_and_direction(void **state)
{
	struct dissect_rig r;
	struct capture_message m;
	uint8_t q[512];
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ 0 });
	for (unsigned i = 0; i < 4; i++) {
		bool v6 = (i & 1) != 0, answer = (i & 2) != 0;
		const char *client = v6 ? CLIENT6 : CLIENT4, *server = v6 ? SERVER6 : SERVER4;
		struct ep c = made_ep(client), s = made_ep(server);
		uint16_t n = made_message(q, 7, answer ? DNS_QR : 0, "a.example");
		size_t len = made_udp(r.frame, answer ? server : client, answer ? client : server,
		                      q, n);
		struct capture_packet p = { .t_ns = 42 + i, .number = 9, .bytes = r.frame,
		                            .len = (uint32_t)len, .wire_len = (uint32_t)len,
		                            .link = LINK_ETHERNET };
		dissect_packet(r.d, &p, 3);
		assert_true(dissect_next(r.d, &m));
		assert_true(m.t_ns == 42 + i && m.packet == 9 && m.file == 3);
		assert_true(m.answer == answer && !m.tcp && m.connection == 0);
		assert_true(ep_eq(capture_client(&m), &c) && ep_eq(capture_server(&m), &s));
		assert_true(m.len == n && memcmp(m.m, q, n) == 0);
		assert_true(m.asks && m.question.type == DNS_A && m.question.name_len == 11);
		assert_false(dissect_next(r.d, &m));
	}
	dissect_rig_fini(&r);
}

/* An IP packet under each link layer that is read. */
static void every_link_layer_gives_the_message(void **state)
{
	static const struct {
		const char *what;
		uint16_t link;
		const char *head4, *head6;
		size_t n;
	} row[] = {
		{ "raw", LINK_RAW, "", "", 0 },
		{ "cooked", LINK_SLL, "\0\0\0\1\0\6\1\2\3\4\5\6\0\0\x08\0",
		  "\0\0\0\1\0\6\1\2\3\4\5\6\0\0\x86\xdd", 16 },
		{ "cooked v2", LINK_SLL2, "\x08\0\0\0\0\0\0\3\0\1\0\6\1\2\3\4\5\6\0\0",
		  "\x86\xdd\0\0\0\0\0\3\0\1\0\6\1\2\3\4\5\6\0\0", 20 },
		{ "loopback", LINK_NULL, "\2\0\0\0", "\x1e\0\0\0", 4 },
		{ "a tagged frame", LINK_ETHERNET, "\0\0\0\0\0\0\0\0\0\0\0\0\x81\0\0\5\x08\0",
		  "\0\0\0\0\0\0\0\0\0\0\0\0\x81\0\0\5\x86\xdd", 18 },
	};
	struct dissect_rig r;
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ 0 });
	for (size_t i = 0; i < 2 * COUNT_OF(row); i++) {
		bool v6 = i % 2 == 1;
		uint8_t packet[512];
		size_t n = row[i / 2].n, len = query(&r, v6, (uint16_t)(100 + i));
		memcpy(packet, v6 ? row[i / 2].head6 : row[i / 2].head4, n);
		memcpy(packet + n, r.frame + MADE_ETHERNET, len - MADE_ETHERNET);
		dissect_rig_cut(&r, 1, row[i / 2].link, packet, n + len - MADE_ETHERNET,
		                n + len - MADE_ETHERNET);
		char expected[16];
		snprintf(expected, sizeof(expected), "%u;", (unsigned)(100 + i));
		if (strcmp(dissect_said(&r), expected) != 0)
			fail_msg("%s, %s", row[i / 2].what, v6 ? "IPv6" : "IPv4");
	}
	assert_true(dissect_rig_conserves(&r));
	dissect_rig_fini(&r);
}

static void what_is_skipped_is_counted_by_its_cause(void **state)
{
	static const struct {
		const char *what;
		size_t at, len;     /* the byte that is changed; where the packet is cut off */
		uint8_t to;
		enum capture_count is;
		bool whole;         /* the packet was as long as that */
	} row[] = {
		{ "nothing", 0, 0, 0, CAPTURE_UDP, true },
		{ "ARP", 13, 0, 6, CAPTURE_NOT_IP, true },
		{ "ends within Ethernet", 0, 13, 0, CAPTURE_LINK, true },
		{ "cut within Ethernet", 0, 13, 0, CAPTURE_CUT, false },
		{ "cut within IP", 0, 30, 0, CAPTURE_CUT, false },
		{ "cut within the message", 0, 60, 0, CAPTURE_CUT, false },
		{ "shorter than IP says", 0, 60, 0, CAPTURE_IP, true },
		{ "another IP version", 14, 0, 0x55, CAPTURE_IP, true },
		{ "ICMP", 23, 0, 1, CAPTURE_OTHER, true },
		{ "SCTP", 23, 0, 132, CAPTURE_OTHER, true },
		{ "a UDP length that is too long", 38, 0, 9, CAPTURE_TRANSPORT, true },
		{ "TCP with a header of no bytes", 23, 0, 6, CAPTURE_TRANSPORT, true },
		{ "another port", 37, 0, 54, CAPTURE_PORT, true },
		{ "11 bytes in UDP", 39, 0, 19, CAPTURE_SHORT, true },
	};
	struct dissect_rig r;
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ 0 });
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		size_t n = query(&r, false, 1), len = row[i].len > 0 ? row[i].len : n;
		uint64_t before = count(&r, row[i].is);
		if (row[i].at > 0)
			r.frame[row[i].at] = row[i].to;
		dissect_rig_cut(&r, 1, LINK_ETHERNET, r.frame, len, row[i].whole ? len : n);
		if (count(&r, row[i].is) != before + 1)
			fail_msg("%s", row[i].what);
		assert_string_equal(dissect_said(&r), row[i].is == CAPTURE_UDP ? "1;" : "");
	}
	struct capture_packet bad = { .number = 1, .fault = CAPTURE_NO_TIME };
	dissect_packet(r.d, &bad, 0);
	r.packets++;
	assert_int_equal(count(&r, CAPTURE_NO_TIME), 1);
	assert_true(dissect_rig_conserves(&r));
	dissect_rig_fini(&r);
}

static void dns_is_what_has_one_of_the_ports(void **state)
{
	const uint16_t ports[] = { 5300, 853 };
	struct dissect_rig r;
	uint8_t m[512];
	uint16_t n = made_message(m, 5, 0, "x.example");
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ .port = ports, .port_n = 2 });
	dissect_rig_frame(&r, 1, r.frame, made_udp(r.frame, CLIENT4, SERVER4, m, n));
	assert_string_equal(dissect_said(&r), "");
	dissect_rig_frame(&r, 1, r.frame, made_udp(r.frame, CLIENT4, "192.0.2.3:5300", m, n));
	dissect_rig_frame(&r, 1, r.frame, made_udp(r.frame, "192.0.2.3:853", CLIENT4, m, n));
	assert_string_equal(dissect_said(&r), "5;5;");
	dissect_rig_fini(&r);
}

/* A message that can't be read is one all the same. */
static void a_message_without_a_question_is_given_too(void **state)
{
	struct dissect_rig r;
	uint8_t m[512];
	uint16_t n = made_message(m, 5, 0, "x.example");
	struct capture_packet p = { .t_ns = 1, .bytes = r.frame, .link = LINK_ETHERNET };
	struct capture_message out;
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ 0 });
	m[5] = 0; /* qdcount */
	p.len = p.wire_len = (uint32_t)made_udp(r.frame, CLIENT4, SERVER4, m, n);
	dissect_packet(r.d, &p, 0);
	assert_true(dissect_next(r.d, &out) && !out.asks && out.len == n);
	dissect_rig_fini(&r);
}

/* ---- fragments ---- */

enum { PIECE = 16, PIECES_MAX = 8 };

/* A query's pieces, each a frame. */
struct cut {
	uint8_t frame[PIECES_MAX][256];
	size_t len[PIECES_MAX];
	unsigned n;
};

static void cut_up(struct cut *c, struct dissect_rig *r, bool v6)
{
	static uint8_t out[MADE_FRAME_MAX];
	size_t len = query(r, v6, 77), body = len - MADE_ETHERNET - (v6 ? 40 : 20);

	for (c->n = 0; c->n * PIECE < body; c->n++) {
		c->len[c->n] = made_fragment(out, r->frame, len, c->n * PIECE, PIECE);
		assert_true(c->len[c->n] <= sizeof(c->frame[0]) && c->n < PIECES_MAX);
		memcpy(c->frame[c->n], out, c->len[c->n]);
	}
}

static void fragments_in_any_order_make_the_packet(void **state)
{
	static const unsigned order[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	struct dissect_rig r;
	struct cut c;
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ 0 });
	for (unsigned i = 0; i < 2 * COUNT_OF(order); i++) {
		cut_up(&c, &r, i % 2 == 1);
		assert_int_equal(c.n, 3);
		for (unsigned k = 0; k < 3; k++) {
			const unsigned *o = order[i / 2];
			assert_string_equal(dissect_said(&r), "");
			dissect_rig_frame(&r, 1, c.frame[o[k]], c.len[o[k]]);
			if (k == 0) /* one twice */
				dissect_rig_frame(&r, 1, c.frame[o[k]], c.len[o[k]]);
		}
		assert_string_equal(dissect_said(&r), "77;");
	}
	assert_int_equal(count(&r, CAPTURE_FRAGMENT), 2 * COUNT_OF(order) * 3);
	assert_int_equal(count(&r, CAPTURE_UDP), 2 * COUNT_OF(order));
	dissect_end(r.d);
	assert_int_equal(count(&r, CAPTURE_FRAGMENT_LOST), 0);
	assert_true(dissect_rig_conserves(&r));
	dissect_rig_fini(&r);
}

static void fragments_that_overlap_are_dropped_with_their_packet(void **state)
{
	struct dissect_rig r;
	struct cut c;
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ 0 });
	cut_up(&c, &r, false);
	dissect_rig_frame(&r, 1, c.frame[0], c.len[0]);
	c.frame[1][MADE_ETHERNET + 7] = 1; /* from byte 8 on rather than from 16 */
	dissect_rig_frame(&r, 1, c.frame[1], c.len[1]);
	assert_int_equal(count(&r, CAPTURE_FRAGMENT_OVERLAP), 1);
	dissect_rig_frame(&r, 1, c.frame[2], c.len[2]);
	assert_string_equal(dissect_said(&r), "");
	c.frame[2][MADE_ETHERNET + 7] = 3; /* a second end, elsewhere */
	dissect_rig_frame(&r, 1, c.frame[2], c.len[2]);
	assert_int_equal(count(&r, CAPTURE_FRAGMENT_OVERLAP), 2);
	assert_true(dissect_rig_conserves(&r));
	dissect_rig_fini(&r);
}

static void fragments_wait_for_half_a_minute_and_make_room(void **state)
{
	struct dissect_rig r;
	struct cut c;
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ .fragmented = 4 });
	cut_up(&c, &r, true);
	dissect_rig_frame(&r, SECOND, c.frame[0], c.len[0]);
	dissect_rig_frame(&r, SECOND, c.frame[1], c.len[1]);
	dissect_rig_frame(&r, 32 * SECOND, c.frame[2], c.len[2]);
	assert_string_equal(dissect_said(&r), "");
	assert_int_equal(count(&r, CAPTURE_FRAGMENT_LOST), 1);
	for (uint8_t id = 1; id <= 9; id++) {
		c.frame[0][MADE_ETHERNET + 40 + 7] = id;
		dissect_rig_frame(&r, 33 * SECOND, c.frame[0], c.len[0]);
	}
	assert_int_equal(count(&r, CAPTURE_FRAGMENT_FULL), 6);
	dissect_end(r.d);
	assert_int_equal(count(&r, CAPTURE_FRAGMENT_LOST), 1 + 4);
	assert_true(dissect_rig_conserves(&r));
	dissect_rig_fini(&r);
}

static void a_fragment_beyond_what_a_packet_can_be_is_counted(void **state)
{
	struct dissect_rig r;
	struct cut c;
	(void)state;

	dissect_rig_init(&r, &(struct dissect_options){ 0 });
	cut_up(&c, &r, false);
	c.frame[2][MADE_ETHERNET + 6] = 0x1f;
	c.frame[2][MADE_ETHERNET + 7] = 0xff;
	dissect_rig_frame(&r, 1, c.frame[2], c.len[2]);
	c.frame[0][MADE_ETHERNET + 3] -= 1; /* 15 bytes, and more to come */
	dissect_rig_frame(&r, 1, c.frame[0], c.len[0]);
	assert_int_equal(count(&r, CAPTURE_FRAGMENT_SIZE), 2);
	dissect_rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_has_its_time_addresses_and_direction),
		cmocka_unit_test(every_link_layer_gives_the_message),
		cmocka_unit_test(what_is_skipped_is_counted_by_its_cause),
		cmocka_unit_test(dns_is_what_has_one_of_the_ports),
		cmocka_unit_test(a_message_without_a_question_is_given_too),
		cmocka_unit_test(fragments_in_any_order_make_the_packet),
		cmocka_unit_test(fragments_that_overlap_are_dropped_with_their_packet),
		cmocka_unit_test(fragments_wait_for_half_a_minute_and_make_room),
		cmocka_unit_test(a_fragment_beyond_what_a_packet_can_be_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
