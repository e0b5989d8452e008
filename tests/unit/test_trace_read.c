/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of a capture's messages become a trace, and how they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "sim/trace/read.h"
#include "tests/capture_make.h"

static char path[] = "/tmp/ek-trace-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void put(struct made *m, uint32_t at_us, const uint8_t *frame, size_t len)
{
	made_record(m, at_us / 1000000, at_us % 1000000, frame, len, len);
}

static void udp(struct made *m, uint32_t at_us, const char *src, const char *dst, uint16_t id,
                uint16_t flags)
{
	uint8_t frame[MADE_FRAME_MAX], message[512];
	uint16_t len = made_message(message, id, flags, "www.example.");

	put(m, at_us, frame, made_udp(frame, src, dst, message, len));
}

/* A query over TCP; with seq 1 on a new connection, whose SYN comes before. */
static void tcp(struct made *m, uint32_t at_us, const char *src, uint32_t seq, uint16_t id)
{
	uint8_t frame[MADE_FRAME_MAX], message[512 + 2];
	uint16_t len = made_message(message + 2, id, DNS_RD, "www.example.");

	if (seq == 1)
		put(m, at_us, frame, made_tcp(frame, src, "192.0.2.53", 2, 0, NULL, 0));
	dns_put16(message, len);
	put(m, at_us, frame, made_tcp(frame, src, "192.0.2.53", 16, seq, message, len + 2u));
}

static void write_file(const struct made *m)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(m->p, 1, m->n, f), m->n);
	assert_int_equal(fclose(f), 0);
}

static char error[CAPTURE_ERROR_TEXT], trouble[CAPTURE_ERROR_TEXT];
static struct trace_counts counts;

static int read_trace(struct trace *t, struct trace_options *o)
{
	static const char *const paths[] = { path };

	o->capture.path = paths;
	o->capture.path_n = 1;
	return trace_read(t, &counts, o, trouble, error);
}

/* IDs of the trace's queries: "1;2;". */
static const char *ids(const struct trace *t)
{
	static char text[512];
	size_t n = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < t->query_n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u;",
		                      dns_id(t->bytes + t->query[i].at));
	return text;
}

/*
 * Both sides of a balancer: 192.0.2.53 is asked by 10.0.0.2 and 10.0.0.1, and asks 192.0.2.3. Its
 * health check comes before anybody has asked it.
 */
static void make_sides(struct made *m)
{
	made_pcap(m, false, LINK_ETHERNET);
	udp(m, 1000, "192.0.2.53:4000", "192.0.2.3", 1, DNS_RD);
	udp(m, 2000, "10.0.0.2:5000", "192.0.2.53", 2, DNS_RD);
	udp(m, 2100, "192.0.2.53:4000", "192.0.2.3", 3, DNS_RD);
	udp(m, 2200, "192.0.2.3", "192.0.2.53:4000", 3, DNS_QR);
	udp(m, 2300, "192.0.2.53", "10.0.0.2:5000", 2, DNS_QR);
	udp(m, 5000, "10.0.0.1:5001", "192.0.2.53", 4, DNS_RD);
	udp(m, 4000, "10.0.0.1:5001", "192.0.2.53", 5, 0);
	udp(m, 6000, "[2001:db8::1]:5001", "[2001:db8::53]", 6, DNS_RD);
	udp(m, 7000, "10.0.0.1:5001", "192.0.2.53", 7, 4 << 11); /* NOTIFY */
	udp(m, 8000, "127.0.0.1:5001", "127.0.0.1", 8, DNS_RD);
}

static void clients_queries_are_told_from_servers(void **state)
{
	static const struct prefix recursor = { { "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\3" }, 128 };
	static const struct {
		const char *what, *ids;
		struct trace_options o;
		struct trace_counts counts;
	} rows[] = {
		{ "all, by time, without a server's, and who asks himself", "2;5;4;6;8;",
		  { .limit = 0 }, { 5, 2, 1, 0, 2, 0 } },
		{ "those to a server that was named", "1;3;",
		  { .server = &recursor, .server_n = 1 }, { 2, 2, 1, 0, 5, 0 } },
		{ "one family", "2;5;4;8;", { .family = 4 }, { 4, 2, 1, 1, 2, 0 } },
		{ "the other", "6;", { .family = 6 }, { 1, 2, 1, 6, 0, 0 } },
		{ "what a filter leaves", "5;4;", { .capture.filter = "src host 10.0.0.1" },
		  { 2, 0, 1, 0, 0, 0 } },
		{ "messages that aren't too long", "6;", { .longest = 29, .family = 6 },
		  { 1, 2, 1, 6, 0, 0 } },
		{ "a limit", "2;5;4;", { .limit = 3 }, { 3, 2, 0, 0, 2, 0 } },
		{ "a limit that the check before must not fill", "2;4;", { .limit = 2 },
		  { 2, 2, 0, 0, 2, 0 } },
	};
	struct made m = { 0 };
	struct trace t;

	(void)state;
	make_sides(&m);
	write_file(&m);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct trace_options o = rows[i].o;
		int err = read_trace(&t, &o);
		if (err != 0)
			fail_msg("%s: %s", rows[i].what, error);
		if (strcmp(ids(&t), rows[i].ids) != 0)
			fail_msg("%s: %s", rows[i].what, ids(&t));
		if (memcmp(&counts, &rows[i].counts, sizeof(counts)) != 0)
			fail_msg("%s: counts %llu %llu %llu %llu %llu", rows[i].what,
			         (unsigned long long)counts.kept,
			         (unsigned long long)counts.answers,
			         (unsigned long long)counts.others,
			         (unsigned long long)counts.family,
			         (unsigned long long)counts.servers);
		trace_free(&t);
	}
	made_free(&m);
}

/* What only looks like the first one, and what is it again; each has a flag that tells it. */
static void make_copies(struct made *m)
{
	made_pcap(m, false, LINK_ETHERNET);
	udp(m, 1000, "10.0.0.1:5000", "192.0.2.53", 1, DNS_RD);
	udp(m, 1003, "10.0.0.1:5000", "192.0.2.53", 1, DNS_RD);
	udp(m, 1020, "10.0.0.1:5000", "192.0.2.53", 2, DNS_RD);
	udp(m, 1020, "10.0.0.1:5000", "192.0.2.53", 1, 0);
	udp(m, 1020, "10.0.0.1:5001", "192.0.2.53", 1, DNS_RD);
	udp(m, 1020, "10.0.0.2:5000", "192.0.2.53", 1, DNS_RD);
	udp(m, 1020, "10.0.0.1:5000", "192.0.2.54", 1, DNS_RD);
	udp(m, 10999, "10.0.0.1:5000", "192.0.2.53", 1, DNS_RD);
	udp(m, 11000, "10.0.0.1:5000", "192.0.2.53", 1, DNS_RD);
	udp(m, 900000, "10.0.0.1:5000", "192.0.2.53", 3, DNS_RD);
	udp(m, 11005, "10.0.0.1:5000", "192.0.2.53", 1, DNS_RD); /* a clock that was set back */
	udp(m, 880000, "10.0.0.1:5000", "192.0.2.53", 3, DNS_RD);
}

static void a_packet_that_is_there_twice_is_kept_once(void **state)
{
	struct made m = { 0 };
	struct trace_options o = { .limit = 0 };
	struct trace t;

	(void)state;
	make_copies(&m);
	write_file(&m);
	assert_int_equal(read_trace(&t, &o), 0);
	assert_string_equal(ids(&t), "1;2;1;1;1;1;1;3;3;");
	assert_int_equal(t.query[6].t_ns, 10000000);
	assert_int_equal(counts.kept, 9);
	assert_int_equal(counts.copies, 3);
	trace_free(&t);
	made_free(&m);
}

static void of_two_files_with_the_same_each_packet_is_kept_once(void **state)
{
	static const char *const twice[] = { path, path };
	struct trace_options o = { .capture = { .path = twice, .path_n = 2 } };
	struct made m = { 0 };
	struct trace t;

	(void)state;
	made_pcap(&m, false, LINK_ETHERNET);
	udp(&m, 1000, "10.0.0.1:5001", "192.0.2.53", 1, DNS_RD);
	tcp(&m, 2000, "10.0.0.2:5002", 1, 2);
	tcp(&m, 3000, "10.0.0.2:5002", 1 + 31, 3);
	write_file(&m);
	if (trace_read(&t, &counts, &o, trouble, error) != 0)
		fail_msg("%s", error);
	assert_string_equal(ids(&t), "1;2;3;");
	assert_int_equal(t.connection_n, 1);
	assert_int_equal(counts.copies, 1);
	trace_free(&t);
	made_free(&m);
}

static void a_query_is_told_with_all_that_it_was(void **state)
{
	struct trace_options o = { .family = 4 };
	struct made m = { 0 };
	struct trace t;
	char text[EP_TEXT];

	(void)state;
	make_sides(&m);
	write_file(&m);
	assert_int_equal(read_trace(&t, &o), 0);
	assert_int_equal(t.first_unix_ns, 2000000);
	assert_int_equal(t.client_n, 3);
	assert_int_equal(t.server_n, 2);
	const struct trace_query *q = &t.query[2];
	assert_int_equal(q->t_ns, 3000000);
	ip_format(&t.client[q->client], text);
	assert_string_equal(text, "10.0.0.1");
	ep_format(&t.server[q->server], text);
	assert_string_equal(text, "192.0.2.53:53");
	assert_int_equal(q->port, 5001);
	assert_int_equal(q->connection, 0);
	assert_int_equal(dns_flags(t.bytes + q->at), DNS_RD);
	assert_int_equal(q->name_len, 13);
	assert_int_equal(q->len, DNS_HEADER + 13 + 4);
	assert_true(ip_cmp(&t.client[0], &t.client[1]) < 0);
	assert_true(ip_cmp(&t.client[1], &t.client[2]) < 0);
	trace_free(&t);
	made_free(&m);
}

static void connections_are_numbered_by_their_first_queries(void **state)
{
	static const uint32_t want[] = { 0, 1, 2, 1 };
	static const bool more[] = { false, true, false, false };
	struct trace_options o = { .family = 4 };
	struct made m = { 0 };
	struct trace t;

	(void)state;
	made_pcap(&m, false, LINK_ETHERNET);
	udp(&m, 1000, "10.0.0.1:5001", "192.0.2.53", 1, DNS_RD);
	tcp(&m, 2000, "10.0.0.2:5002", 1, 2);
	tcp(&m, 3000, "10.0.0.3:5003", 1, 3);
	tcp(&m, 4000, "10.0.0.2:5002", 1 + 31, 4);
	write_file(&m);
	assert_int_equal(read_trace(&t, &o), 0);
	assert_string_equal(ids(&t), "1;2;3;4;");
	assert_int_equal(t.connection_n, 2);
	for (size_t i = 0; i < COUNT_OF(want); i++)
		assert_true(t.query[i].connection == want[i] && t.query[i].more == more[i]);
	trace_free(&t);
	made_free(&m);
}

static void what_is_no_trace_is_one_line(void **state)
{
	static const struct {
		struct trace_options o;
		int err;
		const char *said;
	} rows[] = {
		{ { .capture.filter = "src host 10.0.0.9" }, -ENODATA,
		  "no client's query in it (0 answers" },
		{ { .longest = 28 }, -ENODATA, "0 of the other family, 8 other messages" },
		{ { .capture.filter = "scr host" }, -EINVAL, "'scr host': expected a filter" },
	};
	struct made m = { 0 };
	struct trace t;

	(void)state;
	make_sides(&m);
	write_file(&m);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct trace_options o = rows[i].o;
		assert_int_equal(read_trace(&t, &o), rows[i].err);
		if (strstr(error, rows[i].said) == NULL || strchr(error, '\n') != NULL)
			fail_msg("%s", error);
		trace_free(&t);
	}
	made_free(&m);
}

static void a_capture_that_is_cut_off_gives_what_it_has(void **state)
{
	struct trace_options o = { .family = 4 };
	struct made m = { 0 };
	struct trace t;

	(void)state;
	make_sides(&m);
	m.n -= 10;
	write_file(&m);
	assert_int_equal(read_trace(&t, &o), 0);
	assert_string_equal(ids(&t), "2;5;4;");
	assert_non_null(strstr(trouble, path));
	trace_free(&t);
	made_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_queries_are_told_from_servers),
		cmocka_unit_test(a_packet_that_is_there_twice_is_kept_once),
		cmocka_unit_test(of_two_files_with_the_same_each_packet_is_kept_once),
		cmocka_unit_test(a_query_is_told_with_all_that_it_was),
		cmocka_unit_test(connections_are_numbered_by_their_first_queries),
		cmocka_unit_test(what_is_no_trace_is_one_line),
		cmocka_unit_test(a_capture_that_is_cut_off_gives_what_it_has),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
