/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures as written: read back with libpcap, in order, to the nanosecond; byte for byte what
 * libpcap writes of the same records.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#include "lib/drbg.h"
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
	assert_int_equal(pcapw_open(&w, path, PCAPW_BACK), 0);
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
	assert_int_equal(pcapw_open(&w, path, PCAPW_BACK), 0);
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
	assert_int_equal(pcapw_open(&w, "/nonexistent/x.pcap", 0), -2);
	assert_null(w);
}

/* A record of a test: number i of n, at t_ns, its length and bytes drawn from i. */
struct made {
	int64_t t_ns;
	unsigned i;
};

static size_t made_frame(uint8_t out[PCAPW_FRAME_MAX], unsigned i)
{
	size_t len = i % 97 == 0 ? PCAPW_FRAME_MAX : (size_t)i * 7919 % 300;

	memset(out, (int)(i * 31 % 251), len);
	return len;
}

static int by_time(const void *a, const void *b)
{
	const struct made *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return (x->i > y->i) - (x->i < y->i);
}

/* The same records through libpcap, and through us, must give the same file. */
static void write_with_libpcap(const char *to, const struct made *m, unsigned n)
{
	pcap_t *p = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, 262144,
	                                                 PCAP_TSTAMP_PRECISION_NANO);
	pcap_dumper_t *d = pcap_dump_open(p, to);
	uint8_t frame[PCAPW_FRAME_MAX];

	assert_non_null(d);
	for (unsigned i = 0; i < n; i++) {
		struct pcap_pkthdr h = { .caplen = (uint32_t)made_frame(frame, m[i].i) };
		h.len = h.caplen + m[i].i % 3;
		h.ts.tv_sec = m[i].t_ns / 1000000000;
		h.ts.tv_usec = m[i].t_ns % 1000000000;
		pcap_dump((u_char *)d, &h, frame);
	}
	pcap_dump_close(d);
	pcap_close(p);
}

static void write_with_ours(const struct made *m, unsigned n, unsigned back)
{
	uint8_t frame[PCAPW_FRAME_MAX];
	struct pcapw *w;

	assert_int_equal(pcapw_open(&w, path, back), 0);
	for (unsigned i = 0; i < n; i++) {
		size_t len = made_frame(frame, m[i].i);
		pcapw_add(w, m[i].t_ns, frame, len, len + m[i].i % 3);
	}
	assert_int_equal(pcapw_records(w), n);
	assert_int_equal(pcapw_close(w), 0);
}

static uint8_t *whole(const char *from, size_t *len)
{
	FILE *f = fopen(from, "re");
	struct stat st;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	*len = (size_t)st.st_size;
	uint8_t *bytes = malloc(*len + 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, *len, f), *len);
	fclose(f);
	return bytes;
}

static void assert_same_files(const char *other, const char *what, unsigned back)
{
	size_t len, other_len;
	uint8_t *bytes = whole(path, &len), *other_bytes = whole(other, &other_len);

	if (len != other_len || memcmp(bytes, other_bytes, len) != 0)
		fail_msg("%s, back %u: %zu bytes, %zu", what, back, len, other_len);
	free(bytes);
	free(other_bytes);
}

static const unsigned backs[] = { 0, 1, 2, 7, PCAPW_BACK, 1000 };

static void files_are_libpcaps_byte_for_byte(void **state)
{
	enum { N = 20000 }; /* more than ten chunks */
	static const unsigned some[] = { 0, 1, 2, 100, N };
	static struct made m[N];
	char other[sizeof(path) + 8];

	(void)state;
	snprintf(other, sizeof(other), "%s.lib", path);
	for (unsigned i = 0; i < N; i++)
		m[i] = (struct made){ 1700000000987654321 + (int64_t)i * 12345678 / 3, i };
	for (size_t k = 0; k < COUNT_OF(some); k++) {
		write_with_libpcap(other, m, some[k]);
		for (size_t b = 0; b < COUNT_OF(backs); b++) {
			write_with_ours(m, some[k], backs[b]);
			assert_same_files(other, "in order", backs[b]);
		}
	}
	unlink(other);
}

/*
 * Records in an order in which none comes more than back places late come out sorted, those of one
 * time as they came. Each seed draws how late.
 */
static void what_comes_late_enough_is_put_in_order(void **state)
{
	enum { N = 6000, SEEDS = 6 };
	static struct made m[N], sorted[N];
	char other[sizeof(path) + 8];
	uint8_t seed[DRBG_SEED];
	struct drbg r;

	(void)state;
	snprintf(other, sizeof(other), "%s.lib", path);
	for (uint64_t s = 1; s <= SEEDS; s++) {
		drbg_seed_from_u64(seed, s);
		drbg_init(&r, seed, DRBG_TEST, 0);
		unsigned back = backs[1 + s % (COUNT_OF(backs) - 1)];
		for (unsigned i = 0; i < N; i++)
			m[i].t_ns = 1700000000000000000 + (int64_t)(i - i % 3);
		for (unsigned i = 0; i + back < N; i += 1 + (unsigned)drbg_below(&r, back * 3)) {
			unsigned late = (unsigned)drbg_below(&r, back + 1);
			struct made first = m[i];
			memmove(&m[i], &m[i + 1], late * sizeof(m[0]));
			m[i + late] = first;
			i += late; /* so that nobody is overtaken twice */
		}
		for (unsigned i = 0; i < N; i++)
			m[i].i = i;
		memcpy(sorted, m, sizeof(m));
		qsort(sorted, N, sizeof(sorted[0]), by_time);
		write_with_libpcap(other, sorted, N);
		write_with_ours(m, N, back);
		assert_same_files(other, "late", back);
	}
	unlink(other);
}

static void what_comes_too_late_goes_as_far_back_as_it_may(void **state)
{
	const struct made in[] = { { 10, 0 }, { 20, 1 }, { 30, 2 }, { 40, 3 }, { 5, 4 } };
	const struct made out[] = { { 10, 0 }, { 20, 1 }, { 5, 4 }, { 30, 2 }, { 40, 3 } };
	char other[sizeof(path) + 8];

	(void)state;
	snprintf(other, sizeof(other), "%s.lib", path);
	write_with_libpcap(other, out, COUNT_OF(out));
	write_with_ours(in, COUNT_OF(in), 2);
	assert_same_files(other, "too late", 2);
	unlink(other);
}

static void a_full_disk_is_an_error_at_the_end(void **state)
{
	static const uint8_t frame[PCAPW_FRAME_MAX];
	struct pcapw *w;

	(void)state;
	if (access("/dev/full", W_OK) != 0)
		skip();
	for (unsigned n = 0; n <= 1000; n += 500) { /* found at the end, or after a chunk */
		assert_int_equal(pcapw_open(&w, "/dev/full", n / 100), 0);
		for (unsigned i = 0; i < n; i++)
			pcapw_add(w, 1, frame, sizeof(frame), sizeof(frame));
		assert_int_equal(pcapw_close(w), -28); /* ENOSPC */
	}
}

static void a_file_that_may_not_grow_is_an_error_at_the_end(void **state)
{
	static const uint8_t frame[PCAPW_FRAME_MAX];
	const rlim_t most[] = { 100, 300000, 1000000 }; /* of 1,032,024 */
	struct rlimit was, now;
	struct pcapw *w;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
	for (size_t k = 0; k < COUNT_OF(most); k++) {
		assert_int_equal(pcapw_open(&w, path, 0), 0);
		now = (struct rlimit){ most[k], was.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
		for (unsigned i = 0; i < 500; i++)
			pcapw_add(w, 1, frame, sizeof(frame), sizeof(frame));
		int err = pcapw_close(w);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		assert_int_equal(err, -27); /* EFBIG */
	}
	signal(SIGXFSZ, old);
}

static size_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void two_hundred_idle_captures_take_little_memory(void **state)
{
	enum { N = 200, EACH = 20000 };
	struct pcapw *w[N];

	(void)state;
#ifdef EK_DEBUG
	skip(); /* sanitizers' shadows count as well */
#endif
	size_t before = resident_bytes();
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(pcapw_open(&w[i], path, PCAPW_BACK), 0);
		pcapw_add(w[i], 1, (const uint8_t *)"x", 1, 1);
	}
	assert_in_range(resident_bytes() - before, 0, N * EACH);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(pcapw_close(w[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_records_are_put_in_order),
		cmocka_unit_test(many_records_in_pairs_turned_round_come_out_sorted),
		cmocka_unit_test(a_path_that_cant_be_is_an_error),
		cmocka_unit_test(files_are_libpcaps_byte_for_byte),
		cmocka_unit_test(what_comes_late_enough_is_put_in_order),
		cmocka_unit_test(what_comes_too_late_goes_as_far_back_as_it_may),
		cmocka_unit_test(a_full_disk_is_an_error_at_the_end),
		cmocka_unit_test(a_file_that_may_not_grow_is_an_error_at_the_end),
		cmocka_unit_test(two_hundred_idle_captures_take_little_memory),
	};
	int fd = mkstemp(path);

	if (fd >= 0)
		close(fd);
	int bad = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return bad;
}
