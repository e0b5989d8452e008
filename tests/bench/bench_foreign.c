/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Judging a foreign capture: queries a second of all of it, both passes, the judge and the verdict,
 * on a balancer's back side with a million and more packets; beside it a bare loop that reads the
 * same capture once through libpcap and matches queries and answers in one table. Rounds
 * alternate, medians. And peak memory on a capture that is four times as long. One JSON object a
 * row.
 */
#include <pcap/pcap.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "tests/bench/bare.h"
#include "tests/foreign_make.h"

enum { ROUNDS = 5, QUERIES = 600000 };

static uint64_t random_state = 1;

static uint32_t draw(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(((random_state >> 32) * n) >> 32);
}

static void put(FILE *f, int64_t t_ns, const struct ep *src, const struct ep *dst,
                const uint8_t *m, size_t len)
{
	uint8_t frame[FRAME_HEADERS + 512];
	struct made r = { 0 };
	int n = frame_udp(frame, sizeof(frame), made_mac, src, dst, m, len);

	MUST(n > 0);
	made_record(&r, (uint32_t)(1000 + t_ns / SCENE_S), (uint32_t)(t_ns % SCENE_S), frame,
	            (size_t)n, (size_t)n);
	MUST(fwrite(r.p, 1, r.n, f) == r.n);
	made_free(&r);
}

/* 10,000 queries a second to one of two servers, by chance, each answered with two records. */
static void write_capture(const char *path, uint32_t queries)
{
	struct ep lb = made_ep("192.160.102.2:4000");
	struct ep server[2] = { made_ep("192.0.2.3"), made_ep("192.0.2.4") };
	FILE *f = fopen(path, "wb");
	struct made head = { 0 };
	char name[64];
	uint8_t m[512];

	MUST(f != NULL);
	made_pcap(&head, true, LINK_ETHERNET);
	MUST(fwrite(head.p, 1, head.n, f) == head.n);
	made_free(&head);
	for (uint32_t i = 0; i < queries; i++) {
		const struct ep *to = &server[draw(2)];
		int64_t t = (int64_t)i * 100000;
		snprintf(name, sizeof(name), "www.host%u.example.org", draw(1 + draw(20000)));
		uint16_t n = made_message(m, (uint16_t)draw(65536), DNS_RD, name);
		put(f, t, &lb, to, m, n);
		struct dns_writer w = { .m = m, .len = n, .cap = sizeof(m) };
		dns_put16(m + 2, DNS_QR | DNS_RD | DNS_RA);
		dns_put16(m + 6, 2);
		for (unsigned k = 0; k < 2; k++) {
			size_t rr = dns_w_rr(&w, DNS_A, 300);
			dns_w_u32(&w, draw(UINT32_MAX));
			dns_w_rr_end(&w, rr);
		}
		put(f, t + 50000, to, &lb, m, w.len);
	}
	MUST(fclose(f) == 0);
}

static void bare(const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const u_char *bytes;
	uint64_t packets = 0, matched = 0;
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO,
	                                                       error);

	MUST(pcap != NULL);
	bare_forget();
	for (; pcap_next_ex(pcap, &h, &bytes) == 1; packets++)
		matched += bare_packet(bytes, h->caplen);
	pcap_close(pcap);
	MUST(packets == 2 * QUERIES && matched > QUERIES / 2);
}

static void judge(const char *path)
{
	struct scene s = { .k = { .servers = 2 } };
	struct bal_server server[SCENE_SERVERS];
	char error[FOREIGN_ERROR_TEXT] = "";
	struct foreign_options o = scene_options(&s, BAL_WRANDOM, server);

	o.path = o.name = &path;
	o.path_n = 1;
	json_t *doc = foreign_judge(&o, error);
	MUST(doc != NULL);
	MUST(strcmp(json_string_value(json_object_get(doc, "verdict")), "PASS") == 0);
	json_decref(doc);
}

static int cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double rate(double *seconds)
{
	qsort(seconds, ROUNDS, sizeof(*seconds), cmp);
	return QUERIES / seconds[ROUNDS / 2];
}

static void row(const char *name, const char *unit, double is, double peer, const char *peer_name,
                const char *goal)
{
	printf("{\"name\": \"%s\", \"unit\": \"%s\", \"ours\": %.0f, \"peer\": %.0f, "
	       "\"peer_name\": \"%s\", \"ratio\": %.3f, \"goal\": \"%s\"}\n", name, unit, is, peer,
	       peer_name, is / peer, goal);
	MUST(fflush(stdout) == 0);
}

static double seconds_of(void (*work)(const char *), const char *path)
{
	int64_t start = host_mono_ns();

	work(path);
	return (double)(host_mono_ns() - start) / 1e9;
}

/* Peak memory in KiB of evenkeel judge on it. */
static double memory_of(const char *path)
{
	struct rusage used;
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0) {
		MUST(freopen("/dev/null", "w", stdout) != NULL);
		execl("build/bin/evenkeel", "evenkeel", "judge", "--policy", "wrandom",
		      "--backend", "A=192.0.2.3", "--backend", "B=192.0.2.4", path,
		      (char *)NULL);
		_exit(127);
	}
	MUST(wait4(pid, &status, 0, &used) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return (double)used.ru_maxrss;
}

int main(void)
{
	char path[] = "/tmp/ek-bench-XXXXXX";
	double ours_s[ROUNDS], bare_s[ROUNDS];
	int fd = mkstemp(path);

	MUST(fd >= 0);
	close(fd);
	/* memory first: a child begins with its parent's */
	write_capture(path, QUERIES);
	double small = memory_of(path);
	write_capture(path, 4 * QUERIES);
	double large = memory_of(path);
	write_capture(path, QUERIES);
	for (unsigned i = 0; i < ROUNDS; i++) {
		bare_s[i] = seconds_of(bare, path);
		ours_s[i] = seconds_of(judge, path);
	}
	unlink(path);
	row("foreign: queries judged, both passes", "queries/s", rate(ours_s), rate(bare_s),
	    "bare libpcap loop, once", ">=0.2");
	row("foreign: memory on a capture four times as long", "KiB", large, small,
	    "on one of 146 MB", "<=1.1");
	return 0;
}
