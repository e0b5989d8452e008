/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures as written: read back with libpcap, in order, to the nanosecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#include "sim/net/pcapw.h"

static char path[] = "/tmp/test_pcapw.XXXXXX";

static pcap_t *reopen(void)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO,
	                                                    error);

	assert_non_null(p);
	return p;
}

static void late_records_are_put_in_order(void **state)
{
	const int64_t t[] = { 1000000005, 1000000009, 1000000007, 1000000009, 1000000001 };
	const int64_t want[] = { 1, 5, 7, 9, 9 };
	const uint8_t what[] = { 4, 0, 2, 1, 3 };
	struct pcap_pkthdr *h;
	const u_char *data;
	struct pcapw *w;

	(void)state;
	assert_int_equal(pcapw_open(&w, path), 0);
	for (uint8_t i = 0; i < 5; i++)
		pcapw_add(w, t[i], &i, 1, 60);
	assert_int_equal(pcapw_records(w), 5);
	uint64_t bytes = pcapw_bytes(w);
	assert_int_equal(pcapw_close(w), 0);
	pcap_t *p = reopen();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(pcap_next_ex(p, &h, &data), 1);
		assert_int_equal(h->ts.tv_sec, 1);
		assert_int_equal(h->ts.tv_usec, want[i]);
		assert_int_equal(h->caplen, 1);
		assert_int_equal(h->len, 60);
		assert_int_equal(data[0], what[i]);
	}
	assert_int_equal(pcap_next_ex(p, &h, &data), PCAP_ERROR_BREAK);
	pcap_close(p);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, bytes);
}

static void many_records_in_pairs_turned_round_come_out_sorted(void **state)
{
	enum { N = 10000 };
	uint8_t frame[PCAPW_FRAME_MAX] = { 0 };
	struct pcap_pkthdr *h;
	const u_char *data;
	struct pcapw *w;

	(void)state;
	assert_int_equal(pcapw_open(&w, path), 0);
	for (int i = 0; i < N; i++) {
		int t = i ^ 63; /* blocks of 64, each backwards */
		memcpy(frame, &t, sizeof(t));
		pcapw_add(w, t, frame, (size_t)(4 + t % 1500), PCAPW_FRAME_MAX);
	}
	assert_int_equal(pcapw_close(w), 0);
	pcap_t *p = reopen();
	for (int i = 0; i < N; i++) {
		int t;
		assert_int_equal(pcap_next_ex(p, &h, &data), 1);
		memcpy(&t, data, sizeof(t));
		assert_int_equal(h->ts.tv_usec, t);
		assert_int_equal(h->caplen, 4 + t % 1500);
		assert_true(t == i || i >= N / 64 * 64); /* the last block isn't whole */
	}
	pcap_close(p);
}

static void a_path_that_cant_be_is_an_error(void **state)
{
	struct pcapw *w;

	(void)state;
	assert_int_equal(pcapw_open(&w, "/nonexistent/x.pcap"), -2);
	assert_null(w);
}

static void a_full_disk_is_an_error_at_the_end(void **state)
{
	struct pcapw *w;

	(void)state;
	if (access("/dev/full", W_OK) != 0)
		skip();
	assert_int_equal(pcapw_open(&w, "/dev/full"), 0);
	pcapw_add(w, 1, (const uint8_t *)"x", 1, 1);
	assert_int_equal(pcapw_close(w), -5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_records_are_put_in_order),
		cmocka_unit_test(many_records_in_pairs_turned_round_come_out_sorted),
		cmocka_unit_test(a_path_that_cant_be_is_an_error),
		cmocka_unit_test(a_full_disk_is_an_error_at_the_end),
	};
	int fd = mkstemp(path);

	if (fd >= 0)
		close(fd);
	int bad = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return bad;
}
