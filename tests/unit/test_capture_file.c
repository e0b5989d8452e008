/* SPDX-License-Identifier: BSD-3-Clause */
/* Files: plain and gzip, whole, cut off and broken, what isn't a capture, and many as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>
#include <zlib.h>

#include "sim/capture/capture.h"
#include "tests/capture_make.h"

enum { PACKETS = 300, PATHS = 3, PATH_TEXT = 64 };

static char dir[] = "/tmp/ek-capture-XXXXXX";
static char path[PATHS][PATH_TEXT];

static int make_dir(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	for (unsigned i = 0; i < PATHS; i++)
		snprintf(path[i], PATH_TEXT, "%s/%u.pcap", dir, i);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PATHS; i++)
		unlink(path[i]);
	return rmdir(dir);
}

static void write_plain(unsigned i, const void *p, size_t n)
{
	FILE *f = fopen(path[i], "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* Appends a gzip member. */
static void write_gzip(unsigned i, const char *how, const void *p, size_t n)
{
	gzFile f = gzopen(path[i], how);

	assert_non_null(f);
	assert_int_equal(gzwrite(f, p, (unsigned)n), n);
	assert_int_equal(gzclose(f), Z_OK);
}

/* PACKETS queries whose IDs are their times in ms, every step ms, the first at first ms. */
static void make_capture(struct made *m, unsigned first, unsigned step)
{
	static uint8_t frame[MADE_FRAME_MAX];
	uint8_t q[512];

	made_pcap(m, true, LINK_ETHERNET);
	for (unsigned i = 0; i < PACKETS; i++) {
		unsigned ms = first + i * step;
		uint16_t n = made_message(q, (uint16_t)ms, DNS_RD, "www.example.org");
		size_t len = made_udp(frame, "192.0.2.100:40000", "192.0.2.3:53", q, n);
		made_record(m, ms / 1000, ms % 1000 * 1000000, frame, len, len);
	}
}

static struct capture *open_files(unsigned n, struct capture_options *o)
{
	static const char *paths[PATHS] = { path[0], path[1], path[2] };
	char error[CAPTURE_ERROR_TEXT] = "";
	struct capture *c;

	*o = (struct capture_options){ .path = paths, .path_n = n };
	if (capture_open(&c, o, error) < 0)
		fail_msg("%s", error);
	return c;
}

/* Reads one file to its end; how many messages, and what is wrong with it, or "". */
static unsigned read_file(char trouble[CAPTURE_ERROR_TEXT])
{
	struct capture_options o;
	struct capture *c = open_files(1, &o);
	struct capture_message m;
	unsigned n = 0;

	while (capture_next(c, &m))
		n++;
	assert_false(capture_next(c, &m));
	snprintf(trouble, CAPTURE_ERROR_TEXT, "%s",
	         capture_trouble(c, 0) != NULL ? capture_trouble(c, 0) : "");
	assert_int_equal(capture_packets(c), n);
	assert_int_equal(capture_counts(c)[CAPTURE_UDP], n);
	capture_close(c);
	return n;
}

static void plain_and_gzip_give_the_same(void **state)
{
	char trouble[CAPTURE_ERROR_TEXT];
	struct made m = { 0 };
	(void)state;

	make_capture(&m, 0, 1);
	write_plain(0, m.p, m.n);
	assert_int_equal(read_file(trouble), PACKETS);
	assert_string_equal(trouble, "");
	write_gzip(0, "wb", m.p, m.n);
	assert_int_equal(read_file(trouble), PACKETS);
	assert_string_equal(trouble, "");
	write_gzip(0, "wb", m.p, 10); /* in three members, the first of which ends in the header */
	write_gzip(0, "ab", m.p + 10, 5000);
	write_gzip(0, "ab", m.p + 5010, m.n - 5010);
	FILE *f = fopen(path[0], "ab");
	assert_non_null(f);
	assert_true(fputs("no member at all", f) >= 0);
	fclose(f);
	assert_int_equal(read_file(trouble), PACKETS);
	assert_string_equal(trouble, "");
	made_free(&m);
}

static void what_is_cut_off_or_broken_is_read_as_far_as_it_goes(void **state)
{
	char trouble[CAPTURE_ERROR_TEXT];
	struct made m = { 0 };
	unsigned n;
	(void)state;

	make_capture(&m, 0, 1);
	write_plain(0, m.p, m.n - 1);
	assert_int_equal(read_file(trouble), PACKETS - 1);
	assert_non_null(strstr(trouble, "cut off in the middle of a record, behind packet 299"));
	write_gzip(0, "wb", m.p, m.n);
	assert_int_equal(truncate(path[0], 2000), 0);
	n = read_file(trouble);
	assert_true(n > 0 && n < PACKETS);
	assert_string_equal(trouble, "its gzip stream is cut off");
	write_gzip(0, "wb", m.p, m.n);
	FILE *f = fopen(path[0], "r+b");
	assert_non_null(f);
	assert_int_equal(fseek(f, 1500, SEEK_SET), 0);
	for (unsigned i = 0; i < 50; i++)
		fputc(0xff, f);
	fclose(f);
	n = read_file(trouble);
	assert_true(n < PACKETS);
	assert_true(trouble[0] != '\0');
	m.p[24 + 11] = 0xff; /* a record of 4 GB */
	write_plain(0, m.p, m.n);
	assert_int_equal(read_file(trouble), 0);
	assert_non_null(strstr(trouble, "a record whose length makes no sense, behind packet 0"));
	made_free(&m);
}

static void what_is_no_capture_is_said_in_one_line(void **state)
{
	static const struct { const char *bytes; size_t n; int err; const char *said; } row[] = {
		{ "", 0, -EBADMSG, "0.pcap: not a capture: expected pcap or pcapng, plain" },
		{ "hello, world", 12, -EBADMSG, "0.pcap: not a capture" },
		{ "\xd4\xc3\xb2\xa1", 4, -EBADMSG, "0.pcap: not a capture" },
		{ "\x28\xb5\x2f\xfd----", 8, -EBADMSG, "0.pcap: packed with zstd: expected" },
		{ "\x1f\x8b----------", 12, -EBADMSG, "0.pcap: its gzip stream is broken" },
		{ "\x1f\x8b", 2, -EBADMSG, "0.pcap: its gzip stream is cut off" },
	};
	const char *paths[] = { path[0] };
	struct capture_options o = { .path = paths, .path_n = 1 };
	char error[CAPTURE_ERROR_TEXT];
	struct capture *c;
	(void)state;

	for (size_t i = 0; i < COUNT_OF(row); i++) {
		write_plain(0, row[i].bytes, row[i].n);
		assert_int_equal(capture_open(&c, &o, error), row[i].err);
		if (strstr(error, row[i].said) == NULL)
			fail_msg("'%s' and not '%s'", error, row[i].said);
		assert_null(c);
	}
	unlink(path[0]);
	assert_int_equal(capture_open(&c, &o, error), -ENOENT);
	assert_non_null(strstr(error, "0.pcap: No such file"));
	paths[0] = dir;
	assert_int_equal(capture_open(&c, &o, error), -EISDIR);
	assert_non_null(strstr(error, "Is a directory"));
}

static void files_are_merged_by_time(void **state)
{
	struct capture_options o;
	struct capture_message m;
	unsigned n = 0, of[PATHS] = { 0 };
	int64_t last = 0;
	(void)state;

	for (unsigned i = 0; i < PATHS; i++) {
		struct made made = { 0 };
		make_capture(&made, i, 3 + i);
		write_plain(i, made.p, made.n);
		made_free(&made);
	}
	struct capture *c = open_files(PATHS, &o);
	for (; capture_next(c, &m); n++) {
		assert_true(m.t_ns >= last && m.t_ns == dns_id(m.m) * INT64_C(1000000));
		assert_int_equal(m.packet, ++of[m.file]);
		last = m.t_ns;
	}
	assert_int_equal(n, PATHS * PACKETS);
	uint64_t done, all;
	capture_progress(c, &done, &all);
	assert_true(done == all && all > 0);
	capture_close(c);
}

static void packets_can_be_had_unread(void **state)
{
	struct capture_options o;
	struct capture_packet p;
	unsigned n = 0, file;
	struct made m = { 0 };
	(void)state;

	make_capture(&m, 5, 1);
	write_plain(0, m.p, m.n);
	struct capture *c = open_files(1, &o);
	for (; capture_next_packet(c, &p, &file); n++)
		assert_true(p.t_ns == (5 + n) * INT64_C(1000000) && p.number == n + 1);
	assert_int_equal(n, PACKETS);
	assert_int_equal(file, 0);
	capture_close(c);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_and_gzip_give_the_same),
		cmocka_unit_test(what_is_cut_off_or_broken_is_read_as_far_as_it_goes),
		cmocka_unit_test(what_is_no_capture_is_said_in_one_line),
		cmocka_unit_test(files_are_merged_by_time),
		cmocka_unit_test(packets_can_be_had_unread),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
