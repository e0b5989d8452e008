/* SPDX-License-Identifier: BSD-3-Clause */
/* Captured answers: which of a capture are kept, what is given again, and what the judge says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "recursor-stub/answers/read.h"
#include "recursor-stub/core/rec.h"
#include "tests/capture_make.h"

#define CLIENT "192.0.2.100:40000"
#define SERVER "192.0.2.3:53"

static const int64_t MS = 1000000;

static char path[] = "/tmp/ek-book-XXXXXX";
static struct made file;               /* the capture that is being made */
static struct rec_book book;
static struct book_counts count;
static uint8_t frame[MADE_FRAME_MAX];

/* A message that is being made, and what a book says to one. */
static struct dns_writer w;
static uint8_t m[8192], out[REC_ANSWER_MAX];

static int begin(void **state)
{
	(void)state;
	made_pcap(&file, true, LINK_ETHERNET);
	return 0;
}

static int end(void **state)
{
	(void)state;
	made_free(&file);
	book_free(&book);
	return 0;
}

static void packet(int64_t t_ns, size_t n)
{
	made_record(&file, 1000 + (uint32_t)(t_ns / 1000000000), (uint32_t)(t_ns % 1000000000),
	            frame, n, n);
}

static int read_file(char error[CAPTURE_ERROR_TEXT])
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(file.p, 1, file.n, f), file.n);
	assert_int_equal(fclose(f), 0);
	return book_read(&book, &count, path, NULL, error);
}

static void read_book(void)
{
	char error[CAPTURE_ERROR_TEXT];

	if (read_file(error) < 0)
		fail_msg("%s", error);
}

/* Begins a message; flags with QR make it an answer. */
static void message(const char *name, uint16_t type, uint16_t flags)
{
	uint8_t wire[DNS_NAME_MAX];
	int n = dns_name_parse(wire, name);

	assert_true(n > 0);
	n = dns_query(m, sizeof(m), 7, flags, wire, (size_t)n, type, DNS_IN, 0);
	assert_true(n > 0);
	w = (struct dns_writer){ .m = m, .len = (size_t)n, .cap = sizeof(m) };
}

static void address(uint8_t last, uint32_t ttl)
{
	size_t at = dns_w_rr(&w, DNS_A, ttl);

	dns_w_u32(&w, 0xc6336400u | last);
	dns_w_rr_end(&w, at);
	dns_put16(m + 6, (uint16_t)(dns_ancount(m) + 1));
}

static void opt(uint16_t size, bool dnssec_ok)
{
	dns_w_opt(&w, size, dnssec_ok);
	dns_put16(m + 10, (uint16_t)(dns_arcount(m) + 1));
}

/* The message goes into the capture. */
static void put(int64_t t_ns)
{
	bool answer = (dns_flags(m) & DNS_QR) != 0;

	assert_false(w.full);
	packet(t_ns, made_udp(frame, answer ? SERVER : CLIENT, answer ? CLIENT : SERVER, m, w.len));
}

static void put_answer(const char *name, uint8_t last)
{
	message(name, DNS_A, DNS_QR | DNS_RA);
	address(last, 300);
	put(0);
}

/* What the book says to the message that was made; its length. */
static size_t ask(uint32_t ttl_left)
{
	struct dns_question q;

	assert_int_equal(dns_question(&q, m, w.len), 0);
	int n = rec_book_answer(&book, out, sizeof(out), m, w.len, &q, ttl_left);
	assert_true(n > 0);
	return (size_t)n;
}

static const struct rec_book_entry *find(void)
{
	struct dns_question q;
	struct dns_edns e;

	assert_int_equal(dns_question(&q, m, w.len), 0);
	assert_int_equal(dns_edns(&e, m, w.len, q.end), 0);
	return rec_book_find(&book, m, &q, &e);
}

/* ---- what is given again ---- */

static void a_question_gets_the_answer_that_it_got(void **state)
{
	uint8_t was[512];
	(void)state;

	message("WWW.example.com", DNS_A, DNS_QR | DNS_AA | DNS_RA | DNS_AD | DNS_RD);
	address(77, 300);
	address(78, 20);
	put(0);
	size_t n = w.len;
	memcpy(was, m, n);
	read_book();
	message("wwW.Example.com", DNS_A, DNS_CD);
	dns_put16(m, 0x4242);
	assert_int_equal(ask(UINT32_MAX), n);
	assert_int_equal(dns_id(out), 0x4242);
	assert_int_equal(dns_flags(out), DNS_QR | DNS_AA | DNS_RA | DNS_AD | DNS_CD);
	assert_memory_equal(out + DNS_HEADER, m + DNS_HEADER, 17); /* the name as asked */
	assert_memory_equal(out + 4, was + 4, 8);
	assert_memory_equal(out + w.len, was + w.len, n - w.len);
	/* An aged one has lower TTLs, where they were above. */
	assert_int_equal(ask(100), n);
	assert_int_equal(dns_get32(out + w.len + 6), 100);
	assert_int_equal(dns_get32(out + w.len + 16 + 6), 20);
}

static void other_questions_are_made_as_ever(void **state)
{
	static const struct {
		const char *what, *name;
		uint16_t type;
		bool dnssec_ok;
	} row[] = {
		{ "another name", "x.www.example.com", DNS_A, false },
		{ "another type", "www.example.com", DNS_AAAA, false },
		{ "DNSSEC wanted", "www.example.com", DNS_A, true },
	};
	(void)state;

	put_answer("www.example.com", 77);
	read_book();
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		uint8_t made[REC_ANSWER_MAX];
		struct dns_question q;
		message(row[i].name, row[i].type, DNS_RD);
		if (row[i].dnssec_ok)
			opt(1232, true);
		if (find() != NULL)
			fail_msg("%s is found", row[i].what);
		size_t n = ask(UINT32_MAX);
		assert_int_equal(dns_question(&q, m, w.len), 0);
		assert_int_equal(rec_answer(made, sizeof(made), m, w.len, &q, UINT32_MAX), n);
		assert_memory_equal(out, made, n);
	}
	message("www.example.com", DNS_A, 0);
	dns_put16(m + w.len - 2, DNS_CH);
	assert_null(find());
	dns_put16(m + w.len - 2, DNS_IN);
	assert_non_null(find());
}

static void edns_is_answered_where_it_is_asked(void **state)
{
	struct dns_question q;
	struct dns_edns e;
	(void)state;

	message("a.example", DNS_A, DNS_QR);
	address(1, 60);
	opt(4000, false);
	put(0);
	message("b.example", DNS_A, DNS_QR);
	address(2, 60);
	opt(1400, true);
	put(0);
	read_book();
	message("a.example", DNS_A, 0);
	size_t plain = ask(UINT32_MAX);
	assert_int_equal(dns_question(&q, out, plain), 0);
	assert_int_equal(dns_edns(&e, out, plain, q.end), 0);
	assert_false(e.present);
	opt(1232, false);
	assert_int_equal(ask(UINT32_MAX), plain + 11);
	assert_int_equal(dns_edns(&e, out, plain + 11, q.end), 0);
	assert_true(e.present && e.udp_size == 4000 && !e.dnssec_ok);
	message("b.example", DNS_A, 0);
	assert_null(find());
	opt(1232, true);
	size_t n = ask(UINT32_MAX);
	assert_int_equal(dns_edns(&e, out, n, q.end), 0);
	assert_true(e.present && e.udp_size == 1400 && e.dnssec_ok);
	/* A later version of EDNS isn't for the book. */
	m[w.len - 5] = 1;
	assert_null(find());
}

static void of_several_answers_the_first_good_one_counts(void **state)
{
	(void)state;
	message("a.example", DNS_A, DNS_QR | DNS_SERVFAIL);
	put(0);
	put_answer("a.example", 1);
	put_answer("A.example", 2);
	message("a.example", DNS_A, DNS_QR | DNS_REFUSED);
	put(0);
	message("b.example", DNS_A, DNS_QR | DNS_SERVFAIL);
	put(0);
	message("b.example", DNS_A, DNS_QR | DNS_REFUSED);
	put(0);
	read_book();
	assert_int_equal(count.kept, 2);
	assert_int_equal(count.again, 4);
	message("a.example", DNS_A, 0);
	size_t n = ask(UINT32_MAX);
	assert_int_equal(dns_flags(out) & DNS_RCODE, DNS_NOERROR);
	assert_int_equal(out[n - 1], 1);
	message("b.example", DNS_A, 0);
	ask(UINT32_MAX);
	assert_int_equal(dns_flags(out) & DNS_RCODE, DNS_SERVFAIL);
}

static void what_cannot_be_given_again_is_counted(void **state)
{
	(void)state;
	message("tc.example", DNS_A, DNS_QR | DNS_TC);
	put(0);
	message("long.example", DNS_A, DNS_QR);
	for (unsigned i = 0; i < 256; i++)
		address((uint8_t)i, 60);
	put(0);
	message("notify.example", DNS_SOA, DNS_QR | 4 << 11);
	put(0);
	message("cut.example", DNS_A, DNS_QR);
	address(1, 60);
	w.len--;
	put(0);
	message("more.example", DNS_A, DNS_QR);
	address(1, 60);
	dns_w_u8(&w, 0);
	put(0);
	message("signed.example", DNS_A, DNS_QR);
	size_t at = dns_w_rr(&w, 250, 0);
	dns_w_rr_end(&w, at);
	dns_put16(m + 10, 1);
	put(0);
	message("opt-first.example", DNS_A, DNS_QR);
	opt(1232, false);
	at = dns_w_rr(&w, DNS_A, 60);
	dns_w_u32(&w, 1);
	dns_w_rr_end(&w, at);
	dns_put16(m + 10, 2);
	put(0);
	put_answer("good.example", 1);
	read_book();
	assert_int_equal(count.kept, 1);
	assert_int_equal(count.truncated, 1);
	assert_int_equal(count.longer, 1);
	assert_int_equal(count.others, 5);
	assert_int_equal(book.entry_n, 1);
}

static void many_questions_are_all_found(void **state)
{
	enum { MANY = 5000 };
	char name[64];
	(void)state;

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		put_answer(name, (uint8_t)i);
	}
	read_book();
	assert_int_equal(book.entry_n, MANY);
	for (unsigned i = 0; i < MANY + 100; i++) {
		snprintf(name, sizeof(name), "N%u.example", i);
		message(name, DNS_A, 0);
		assert_true((find() != NULL) == (i < MANY));
		size_t n = ask(UINT32_MAX);
		assert_true(i >= MANY || out[n - 1] == (uint8_t)i);
	}
}

static void a_capture_without_answers_is_refused(void **state)
{
	char error[CAPTURE_ERROR_TEXT];
	(void)state;

	message("a.example", DNS_A, 0);
	put(0);
	assert_int_equal(read_file(error), -ENODATA);
	assert_non_null(strstr(error, ": no answer in it that could be given again"));
	assert_int_equal(book_read(&book, NULL, "/nonexistent", NULL, error), -ENOENT);
}

/* ---- times ---- */

static void a_delay_is_from_the_first_query_to_the_answer(void **state)
{
	uint8_t tcp[600];
	(void)state;

	message("a.example", DNS_A, 0);
	put(10 * MS);
	put(15 * MS);
	message("a.example", DNS_A, DNS_QR);
	put(17 * MS);
	message("b.example", DNS_A, DNS_QR);
	put(18 * MS);
	/* Over TCP, and the answer of a server without EDNS to who wanted DNSSEC. */
	message("c.example", DNS_A, 0);
	opt(1232, true);
	dns_put16(tcp, (uint16_t)w.len);
	memcpy(tcp + 2, m, w.len);
	packet(20 * MS, made_tcp(frame, CLIENT, SERVER, 2, 99, NULL, 0));
	packet(20 * MS, made_tcp(frame, CLIENT, SERVER, 24, 100, tcp, w.len + 2));
	message("c.example", DNS_A, DNS_QR);
	dns_put16(tcp, (uint16_t)w.len);
	memcpy(tcp + 2, m, w.len);
	packet(60 * MS, made_tcp(frame, SERVER, CLIENT, 24, 500, tcp, w.len + 2));
	read_book();
	message("a.example", DNS_A, 0);
	assert_int_equal(find()->delay_ns, 7 * MS);
	message("b.example", DNS_A, 0);
	assert_int_equal(find()->delay_ns, -1);
	message("c.example", DNS_A, 0);
	assert_null(find());
	opt(512, true);
	assert_int_equal(find()->delay_ns, 40 * MS);
	assert_int_equal(book.delay_max_ns, 40 * MS);
}

/* ---- the stub's core ---- */

struct stub {
	struct arena arena, dist_arena;
	struct rec_conf conf;
	struct dist miss;
	struct rec *rec;
	struct dgram d;
	uint8_t buf[REC_ANSWER_MAX];
};

static void stub_begin(struct stub *s, bool delays)
{
	static const struct dist_spec spec = { DIST_CONSTANT, 20000000, 0 };
	const uint8_t seed[32] = { 1 };

	rec_conf_init(&s->conf);
	assert_int_equal(host_arena(&s->dist_arena, dist_arena_size(&spec)), 0);
	dist_init(&s->miss, &spec, &s->dist_arena);
	s->conf.miss = &s->miss;
	s->conf.book = &book;
	s->conf.book_delays = delays;
	size_t need = rec_shared_arena_size(&s->conf) + rec_arena_size(&s->conf);
	assert_int_equal(host_arena(&s->arena, need), 0);
	struct rec_shared *shared = rec_shared_init(&s->arena, &s->conf, seed);
	s->rec = rec_init(&s->arena, &s->conf, shared, seed, 0);
	arena_seal(&s->arena);
}

static void stub_end(struct stub *s)
{
	rec_check(s->rec);
	host_arena_free(&s->arena);
	host_arena_free(&s->dist_arena);
}

/* Asks for name at now_ns; when the answer is due. */
static int64_t stub_ask(struct stub *s, const char *name, int64_t now_ns)
{
	message(name, DNS_A, DNS_RD);
	memcpy(s->buf, m, w.len);
	s->d = (struct dgram){ .data = s->buf, .len = (uint16_t)w.len, .cap = sizeof(s->buf),
	                       .peer = { ip_v4(127, 0, 0, 1), 4444 },
	                       .local = { ip_v4(127, 0, 0, 53), 53 } };
	rec_rx(s->rec, now_ns, &s->d, 1);
	if (s->d.verdict == REC_ANSWER)
		return now_ns;
	assert_int_equal(s->d.verdict, REC_WAIT);
	int64_t due_ns = rec_deadline(s->rec);
	s->d.data = s->buf;
	s->d.cap = sizeof(s->buf);
	assert_int_equal(rec_poll(s->rec, due_ns, &s->d, 1), 1);
	return due_ns;
}

static void a_miss_takes_what_it_took_in_the_capture(void **state)
{
	static struct stub s;
	(void)state;

	message("a.example", DNS_A, 0);
	put(0);
	message("a.example", DNS_A, DNS_QR | DNS_AA);
	address(77, 2);
	put(35 * MS);
	message("b.example", DNS_A, DNS_QR); /* of which nobody knows how long it took */
	address(78, 300);
	put(40 * MS);
	read_book();
	for (unsigned delays = 0; delays <= 1; delays++) {
		stub_begin(&s, delays == 1);
		assert_int_equal(stub_ask(&s, "a.example", 0), (delays ? 35 : 20) * MS);
		assert_int_equal(s.buf[s.d.len - 1], 77);
		assert_true(dns_flags(s.buf) & DNS_AA);
		assert_int_equal(rec_book_match(&book, s.buf, s.d.len), REC_RIGHT);
		/* Cached, it ages: for its captured TTL of 2 s. */
		assert_int_equal(stub_ask(&s, "a.example", 1500 * MS), 1500 * MS);
		assert_int_equal(dns_get32(s.buf + s.d.len - 10), 1);
		assert_int_equal(rec_book_match(&book, s.buf, s.d.len), REC_RIGHT);
		assert_true(stub_ask(&s, "a.example", 2100 * MS) > 2100 * MS);
		assert_int_equal(stub_ask(&s, "b.example", 0), 20 * MS);
		assert_int_equal(s.buf[s.d.len - 1], 78);
		assert_int_equal(stub_ask(&s, "c.example", 0), 20 * MS);
		assert_int_equal(rec_book_match(&book, s.buf, s.d.len), REC_RIGHT);
		assert_int_equal(rec_answer_match(s.buf, s.d.len), REC_RIGHT);
		stub_end(&s);
	}
}

/* ---- the judge's match ---- */

static void an_answer_is_held_against_the_captured_one(void **state)
{
	static const struct {
		const char *what;
		size_t at;                /* changed in the answer, from its start, or its end */
		bool from_end;
		uint8_t bits;
		enum rec_match match;
	} row[] = {
		{ "as it was", 0, false, 0, REC_RIGHT },
		{ "another ID", 0, false, 1, REC_RIGHT },
		{ "RD", 2, false, 1, REC_RIGHT },
		{ "CD", 3, false, 0x10, REC_RIGHT },
		{ "not AA", 2, false, 4, REC_WRONG_DATA },
		{ "AD", 3, false, 0x20, REC_WRONG_DATA },
		{ "TC", 2, false, 2, REC_TRUNCATED },
		{ "NXDOMAIN", 3, false, 3, REC_WRONG_RCODE },
		{ "SERVFAIL", 3, false, 2, REC_ERROR },
		{ "another address", 1, true, 1, REC_WRONG_DATA },
		{ "a lower TTL", 7, true, 1, REC_RIGHT },
		{ "a higher TTL", 7, true, 2, REC_WRONG_DATA },
		{ "another name, whose answer is made", 13, false, 1, REC_WRONG_DATA },
	};
	(void)state;

	message("a.example", DNS_A, DNS_QR | DNS_AA | DNS_RA);
	address(77, 301);
	put(0);
	message("sf.example", DNS_A, DNS_QR | DNS_SERVFAIL);
	put(0);
	read_book();
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		message("a.example", DNS_A, 0);
		size_t n = ask(UINT32_MAX);
		out[row[i].from_end ? n - row[i].at : row[i].at] ^= row[i].bits;
		if (rec_book_match(&book, out, n) != row[i].match)
			fail_msg("%s: %d", row[i].what, rec_book_match(&book, out, n));
	}
	message("sf.example", DNS_A, 0);
	size_t n = ask(UINT32_MAX);
	assert_int_equal(rec_book_match(&book, out, n), REC_RIGHT);
	out[3] ^= DNS_SERVFAIL;
	assert_int_equal(rec_book_match(&book, out, n), REC_WRONG_RCODE);
}

static int make_path(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_question_gets_the_answer_that_it_got),
		TEST(other_questions_are_made_as_ever),
		TEST(edns_is_answered_where_it_is_asked),
		TEST(of_several_answers_the_first_good_one_counts),
		TEST(what_cannot_be_given_again_is_counted),
		TEST(many_questions_are_all_found),
		TEST(a_capture_without_answers_is_refused),
		TEST(a_delay_is_from_the_first_query_to_the_answer),
		TEST(a_miss_takes_what_it_took_in_the_capture),
		TEST(an_answer_is_held_against_the_captured_one),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
