/* SPDX-License-Identifier: BSD-3-Clause */
/* DNS messages: questions, names, records, EDNS, and what the writer makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "lib/dns.h"

#define HEADER(qd) "\x12\x34\x01\x00\x00" qd "\x00\x00\x00\x00\x00\x00"
#define WWW "\3www\7example\3com"

struct message {
	uint8_t m[600];
	size_t len;
};

static const uint8_t *bytes(const char *text)
{
	return (const uint8_t *)text;
}

static void a_question_is_read_only_when_it_is_whole(void **state)
{
#define ROW(what, err, name_len, text) { what, err, name_len, text, sizeof(text) - 1 }
	static const struct {
		const char *what;
		int err;
		unsigned name_len;
		const char *m;
		size_t len;
	} rows[] = {
		ROW("plain", 0, 17, HEADER("\1") WWW "\0\0\1\0\1"),
		ROW("the root", 0, 1, HEADER("\1") "\0\0\2\0\1"),
		ROW("more behind it", 0, 17, HEADER("\1") WWW "\0\0\1\0\1\xff\xff"),
		ROW("nothing", -EBADMSG, 0, ""),
		ROW("a header cut off", -EBADMSG, 0, "\x12\x34\x01\x00\x00\1\0\0\0\0\0"),
		ROW("a header alone", -EBADMSG, 0, HEADER("\1")),
		ROW("no question", -EBADMSG, 0, HEADER("\0") WWW "\0\0\1\0\1"),
		ROW("two questions", -EBADMSG, 0, HEADER("\2") WWW "\0\0\1\0\1" WWW "\0\0\1\0\1"),
		ROW("the class cut off", -EBADMSG, 0, HEADER("\1") WWW "\0\0\1\0"),
		ROW("no root label", -EBADMSG, 0, HEADER("\1") WWW),
		ROW("a label past the end", -EBADMSG, 0, HEADER("\1") "\77www"),
		ROW("a pointer", -EBADMSG, 0, HEADER("\1") "\300\14\0\1\0\1"),
		ROW("a label of 64", -EBADMSG, 0, HEADER("\1") "\100aaaa\0\0\1\0\1"),
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dns_question q = { 0 };
		int err = dns_question(&q, bytes(rows[i].m), rows[i].len);
		if (err != rows[i].err || q.name_len != rows[i].name_len)
			fail_msg("%s: %d, name of %u", rows[i].what, err, q.name_len);
		if (err == 0)
			assert_true(q.class == 1 && q.end == DNS_HEADER + q.name_len + 4);
	}
}

/* A name of len bytes, 4...255, of labels of up to 63. */
static void long_name(uint8_t *to, unsigned len)
{
	unsigned left = len - 1;

	while (left > 0) {
		unsigned n = left > 64 ? left - 64 < 2 ? 32 : 64 : left;
		*to++ = (uint8_t)(n - 1);
		memset(to, 'a', n - 1);
		to += n - 1;
		left -= n;
	}
	*to = 0;
}

static void a_name_has_at_most_255_bytes(void **state)
{
	(void)state;
	for (unsigned len = 250; len <= 258; len++) {
		struct message w = { .m = { 0x12, 0x34, 1, 0, 0, 1 } };
		struct dns_question q;
		uint8_t out[DNS_NAME_MAX];
		long_name(w.m + DNS_HEADER, len);
		memcpy(w.m + DNS_HEADER + len, "\0\1\0\1", 4);
		w.len = DNS_HEADER + len + 4;
		bool good = len <= 255;
		assert_int_equal(dns_question(&q, w.m, w.len) == 0, good);
		assert_int_equal(dns_name_skip(w.m, w.len, DNS_HEADER), good ? (int)len : -EBADMSG);
		assert_int_equal(dns_name_expand(out, w.m, w.len, DNS_HEADER),
		                 good ? (int)len : -EBADMSG);
	}
}

static void compression_is_followed_back_and_never_forward(void **state)
{
	/*                        0          4        8  9   12     16  18  */
	static const char m[] = "\3com\0" "\1a\300\0" "\1b\300\5" "\300\21" "\300\11" "\300\377";
	static const struct {
		const char *what;
		size_t at;
		int skip, len;
		const char *text;
	} rows[] = {
		{ "no pointer", 0, 5, 5, "com." }, { "one", 5, 4, 7, "a.com." },
		{ "a chain", 9, 4, 9, "b.a.com." }, { "itself", 13, 2, -EBADMSG, NULL },
		{ "a pointer alone", 15, 2, 9, "b.a.com." },
		{ "past the end", 17, 2, -EBADMSG, NULL },
		{ "half a pointer", 18, -EBADMSG, -EBADMSG, NULL },
		{ "outside", 30, -EBADMSG, -EBADMSG, NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t out[DNS_NAME_MAX];
		char text[DNS_NAME_TEXT];
		int skip = dns_name_skip(bytes(m), sizeof(m) - 1, rows[i].at);
		int len = dns_name_expand(out, bytes(m), sizeof(m) - 1, rows[i].at);
		if (skip != rows[i].skip || len != rows[i].len)
			fail_msg("%s: skip %d, length %d", rows[i].what, skip, len);
		if (len > 0) {
			dns_name_format(out, (size_t)len, text);
			assert_string_equal(text, rows[i].text);
		}
	}
}

static void text_becomes_wire_form_and_back(void **state)
{
	static const struct { const char *text; int len; const char *want; } rows[] = {
		{ ".", 1, "." }, { "com", 5, "com." }, { "com.", 5, "com." },
		{ "WWW.Example.com.", 17, "WWW.Example.com." }, { "a\\.b.c", 7, "a\\.b.c." },
		{ "\\097.b", 5, "a.b." }, { "a\\ b", 5, "a\\032b." }, { "\\255", 3, "\\255." },
		{ "a\\;b", 5, "a\\;b." }, { "\\000.", 3, "\\000." },
		{ "", -EINVAL, NULL }, { "..", -EINVAL, NULL }, { ".a", -EINVAL, NULL },
		{ "a..b", -EINVAL, NULL }, { "\\256", -EINVAL, NULL }, { "\\12", -EINVAL, NULL },
		{ "a\\", -EINVAL, NULL },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", -EINVAL,
		  NULL },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t out[DNS_NAME_MAX];
		char text[DNS_NAME_TEXT];
		int len = dns_name_parse(out, rows[i].text);
		if (len != rows[i].len)
			fail_msg("\"%s\": %d", rows[i].text, len);
		if (len > 0) {
			assert_int_equal(dns_name_format(out, (size_t)len, text),
			  strlen(rows[i].want));
			assert_string_equal(text, rows[i].want);
		}
	}
}

static void case_does_not_part_names(void **state)
{
	uint8_t a[DNS_NAME_MAX], b[DNS_NAME_MAX], c[DNS_NAME_MAX];
	int n = dns_name_parse(a, "WwW.eXample.COM."), k = dns_name_parse(b, "www.example.com");
	int j = dns_name_parse(c, "www.example.con");

	(void)state;
	assert_true(n == 17 && k == 17 && j == 17);
	assert_true(dns_name_eq(a, 17, b, 17) && !dns_name_eq(b, 17, c, 17));
	assert_false(dns_name_eq(a, 17, b, 16));
	assert_true(dns_name_hash(a, 17, 1) == dns_name_hash(b, 17, 1));
	assert_true(dns_name_hash(a, 17, 1) != dns_name_hash(a, 17, 2));
	assert_true(dns_name_hash(b, 17, 1) != dns_name_hash(c, 17, 1));
	dns_name_lower(a, a, 17);
	assert_memory_equal(a, b, 17);
}

static void letters_are_folded_wherever_they_stand_and_nothing_else_is(void **state)
{
	uint8_t in[24], out[24];

	(void)state;
	for (unsigned at = 0; at < sizeof(in); at++)
		for (unsigned c = 0; c < 256; c++) {
			memset(in, 0x7f, sizeof(in));
			in[at] = (uint8_t)c;
			dns_name_lower(out, in, sizeof(in));
			uint8_t want = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : (uint8_t)c;
			for (unsigned i = 0; i < sizeof(in); i++)
				assert_int_equal(out[i], i == at ? want : 0x7f);
			assert_true(dns_name_hash(in, sizeof(in), 5) ==
			            dns_hash(out, sizeof(out), 5));
			assert_true(dns_name_hash(in, at + 1, 5) == dns_hash(out, at + 1, 5));
		}
}

static void names_of_every_length_are_folded_in_place_and_elsewhere(void **state)
{
	uint8_t in[64], out[64], want[64];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++) {
		in[i] = (uint8_t)('A' + i * 7 % 58);
		want[i] = in[i] <= 'Z' ? (uint8_t)(in[i] + 32) : in[i];
	}
	for (size_t n = 0; n <= sizeof(in); n++) {
		memset(out, '#', sizeof(out));
		dns_name_lower(out, in, n);
		assert_memory_equal(out, want, n);
		for (size_t i = n; i < sizeof(out); i++)
			assert_int_equal(out[i], '#');
		memcpy(out, in, sizeof(in));
		dns_name_lower(out, out, n);
		assert_memory_equal(out, want, n);
		assert_memory_equal(out + n, in + n, sizeof(in) - n);
	}
}

static void hashes_are_the_same_everywhere(void **state)
{
	(void)state;
	assert_true(dns_hash(bytes("example"), 7, 1) == 0x5cbfb58e050203cc);
	assert_true(dns_hash(bytes("0123456789abcdef"), 16, 2) == 0x8513bc9610395322);
	for (size_t n = 1; n < 20; n++)
		for (size_t k = 0; k < n; k++)
			assert_true(dns_hash(bytes("aaaaaaaaaaaaaaaaaaaa"), n, 9) !=
			            dns_hash(bytes("aaaaaaaaaaaaaaaaaaaa"), k, 9));
}

static void a_query_is_read_back_as_it_was_written(void **state)
{
	static const uint16_t sizes[] = { 0, 100, 512, 1232, 65535 };
	uint8_t m[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct dns_question q;
		struct dns_edns e;
		int n = dns_query(m, sizeof(m), 0xbeef, DNS_RD, bytes(WWW), 17, DNS_AAAA, DNS_IN,
		                  sizes[i]);
		assert_int_equal(n, 12 + 17 + 4 + (sizes[i] ? 11 : 0));
		assert_true(dns_id(m) == 0xbeef && dns_flags(m) == DNS_RD);
		assert_int_equal(dns_question(&q, m, (size_t)n), 0);
		assert_true(q.type == DNS_AAAA && q.class == DNS_IN);
		assert_int_equal(dns_edns(&e, m, (size_t)n, q.end), 0);
		assert_int_equal(e.present, sizes[i] != 0);
		if (e.present)
			assert_int_equal(e.udp_size, sizes[i] < 512 ? 512 : sizes[i]);
		assert_int_equal(dns_query(m, (size_t)n - 1, 1, 0, bytes(WWW), 17, 1, 1, sizes[i]),
		                 -ENOSPC);
	}
}

static void edns_is_found_once_or_refused(void **state)
{
#define OPT "\0\0\51\4\320\0\0\200\0\0\0"
#define RR "\300\14\0\1\0\1\0\0\0\74\0\4\1\2\3\4"
#define M(an, ar) "\0\0\0\0\0\1\0" an "\0\0\0" ar WWW "\0\0\1\0\1"
#define EROW(what, err, present, text) { what, err, present, text, sizeof(text) - 1 }
	static const struct { const char *what; int err; bool present; const char *m; size_t len; }
	rows[] = {
		EROW("none", 0, false, M("\0", "\0")),
		EROW("one", 0, true, M("\0", "\1") OPT),
		EROW("after records", 0, true, M("\1", "\2") RR RR OPT),
		EROW("two", -EBADMSG, true, M("\0", "\2") OPT OPT),
		EROW("not at the root", -EBADMSG, false, M("\0",
		  "\1") "\300\14\0\51\4\320\0\0\0\0\0\0"),
		EROW("among the answers, ignored", 0, false, M("\1", "\0") OPT),
		EROW("cut off", -EBADMSG, false, M("\0", "\1") "\0\0\51\4\320\0\0\200\0\0"),
		EROW("data past the end", -EBADMSG, false, M("\0",
		  "\1") "\0\0\51\4\320\0\0\200\0\0\1"),
		EROW("a count without records", -EBADMSG, false, M("\0", "\1")),
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct dns_question q;
		struct dns_edns e;
		assert_int_equal(dns_question(&q, bytes(rows[i].m), rows[i].len), 0);
		int err = dns_edns(&e, bytes(rows[i].m), rows[i].len, q.end);
		if (err != rows[i].err || e.present != rows[i].present)
			fail_msg("%s: %d, present %d", rows[i].what, err, e.present);
		if (err == 0 && e.present)
			assert_true(e.udp_size == 1232 && e.dnssec_ok && e.version == 0);
	}
}

static void a_full_writer_writes_no_more(void **state)
{
	uint8_t m[20];
	struct dns_writer w = { .m = m, .cap = 14 };

	(void)state;
	memset(m, 0xee, sizeof(m));
	size_t at = dns_w_rr(&w, DNS_A, 60);
	dns_w_u16(&w, 1);
	dns_w_rr_end(&w, at);
	assert_true(!w.full && w.len == 14 && dns_get16(m + 10) == 2);
	dns_w_u8(&w, 1);
	assert_true(w.full && w.len == 14 && m[14] == 0xee);
	dns_w_bytes(&w, m, 0);
	assert_true(w.full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_is_read_only_when_it_is_whole),
		cmocka_unit_test(a_name_has_at_most_255_bytes),
		cmocka_unit_test(compression_is_followed_back_and_never_forward),
		cmocka_unit_test(text_becomes_wire_form_and_back),
		cmocka_unit_test(case_does_not_part_names),
		cmocka_unit_test(letters_are_folded_wherever_they_stand_and_nothing_else_is),
		cmocka_unit_test(names_of_every_length_are_folded_in_place_and_elsewhere),
		cmocka_unit_test(hashes_are_the_same_everywhere),
		cmocka_unit_test(a_query_is_read_back_as_it_was_written),
		cmocka_unit_test(edns_is_found_once_or_refused),
		cmocka_unit_test(a_full_writer_writes_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
