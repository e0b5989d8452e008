/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading captures: packets a second of the reader alone (all messages of a capture of more than
 * a million packets, one after the other) and of everything that evenkeel info does with them;
 * beside them a bare loop that reads the same capture through libpcap, takes each packet apart by
 * hand and matches queries and answers in one table, and tcpdump -n. Rounds alternate, medians.
 * Then info's memory on a generated stream of 2 GB against one of 20 MB. One JSON object a row.
 *
 *	bench_capture --stream GIGABYTES | evenkeel info -
 *
 * writes such a stream of any length to standard output, for trying it by hand.
 */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "sim/capture/capture.h"
#include "sim/info/core/info.h"
#include "tests/bench/bare.h"
#include "tests/capture_make.h"

enum { ROUNDS = 5, QUERIES = 600000, PAIRS = 4096 };

/* ---- traffic ---- */

static uint64_t random_state = 1;

static uint32_t draw(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(((random_state >> 32) * n) >> 32);
}

/*
 * A query and its answer with two records, as frames; from one of 1,000 clients to one of 4
 * servers.
 */
static size_t make_pair(uint8_t *query, size_t *query_len, uint8_t *answer)
{
	char client[32], server[32], name[64];
	uint8_t m[512];

	snprintf(client, sizeof(client), "10.1.%u.%u:%u", draw(4), 1 + draw(250),
	         1024 + draw(60000));
	snprintf(server, sizeof(server), "192.0.2.%u:53", 1 + draw(4));
	snprintf(name, sizeof(name), "www.host%u.example.org", draw(1 + draw(20000)));
	uint16_t n = made_message(m, (uint16_t)draw(65536), DNS_RD, name);
	*query_len = made_udp(query, client, server, m, n);
	struct dns_writer w = { .m = m, .len = n, .cap = sizeof(m) };
	dns_put16(m + 2, DNS_QR | DNS_RD | DNS_RA);
	dns_put16(m + 6, 2);
	for (unsigned i = 0; i < 2; i++) {
		size_t rr = dns_w_rr(&w, DNS_A, 300);
		dns_w_u32(&w, draw(UINT32_MAX));
		dns_w_rr_end(&w, rr);
	}
	return made_udp(answer, server, client, m, w.len);
}

static void write_capture(const char *path)
{
	static uint8_t q[MADE_FRAME_MAX], a[MADE_FRAME_MAX];
	struct made m = { 0 };
	FILE *f = fopen(path, "wb");
	size_t qn;

	MUST(f != NULL);
	made_pcap(&m, true, LINK_ETHERNET);
	for (uint32_t i = 0; i < QUERIES; i++) {
		size_t an = make_pair(q, &qn, a);
		made_record(&m, 1000 + i / 10000, i % 10000 * 100000, q, qn, qn);
		made_record(&m, 1000 + i / 10000, i % 10000 * 100000 + 50000, a, an, an);
	}
	MUST(fwrite(m.p, 1, m.n, f) == m.n && fclose(f) == 0);
	made_free(&m);
}

/*
 * Makes a record that was written in an earlier second one of second s: other clients, names that
 * were never there, and each sixteenth query's answer with another ID.
 */
static void renew(uint8_t *record, uint32_t s, uint32_t i)
{
	uint8_t *frame = record + 16, *client = frame + (i % 2 == 0 ? 26 : 30), *name = frame + 54;

	memcpy(record, &s, sizeof(s));
	client[1] = (uint8_t)(s >> 8);
	client[2] = (uint8_t)s;
	name[1] = (uint8_t)('a' + s % 26);
	name[2] = (uint8_t)('a' + s / 26 % 26);
	name[3] = (uint8_t)('a' + s / 676 % 26);
	if (i % 32 == 31)
		frame[42] ^= 1;
}

/* The same PAIRS of queries and answers again and again, renewed each time. */
static void write_stream(FILE *to, uint64_t bytes)
{
	static uint8_t q[MADE_FRAME_MAX], a[MADE_FRAME_MAX];
	struct made m = { 0 };
	size_t qn, head;
	uint64_t written = 0;

	made_pcap(&m, true, LINK_ETHERNET);
	head = m.n;
	for (uint32_t i = 0; i < PAIRS; i++) {
		size_t an = make_pair(q, &qn, a);
		made_record(&m, 0, i * 200000, q, qn, qn);
		made_record(&m, 0, i * 200000 + 100000, a, an, an);
	}
	for (uint32_t s = 1; written < bytes; s++) {
		size_t from = s == 1 ? 0 : head;
		if (fwrite(m.p + from, 1, m.n - from, to) != m.n - from)
			break; /* the reader is gone */
		written += m.n - from;
		uint32_t len;
		for (size_t at = head, i = 0; at < m.n; at += 16 + len, i++) {
			memcpy(&len, m.p + at + 8, sizeof(len));
			renew(m.p + at, s, (uint32_t)i);
		}
	}
	made_free(&m);
}

/* ---- readers ---- */

static uint64_t bare(const char *path)
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
	return packets;
}

/* All messages, to nowhere or into info. */
static void ours(const char *path, struct info *info)
{
	struct capture_options o = { .path = &path, .path_n = 1 };
	char error[CAPTURE_ERROR_TEXT];
	struct capture_message m;
	struct capture *c;
	uint64_t n = 0, answers = 0;

	MUST(capture_open(&c, &o, error) == 0);
	for (; capture_next(c, &m); n++) {
		answers += m.answer && m.asks;
		if (info != NULL)
			info_add(info, &m);
	}
	MUST(n == 2 * QUERIES && answers == QUERIES);
	capture_close(c);
}

static void ours_info(const char *path)
{
	struct arena a;

	MUST(host_arena(&a, info_arena_size()) == 0);
	struct info *i = info_init(&a, 1);
	ours(path, i);
	info_end(i);
	MUST(i->answered + i->unanswered + i->again + i->open == QUERIES);
	host_arena_free(&a);
}

/* ---- rows ---- */

static int cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double rate(double *seconds)
{
	qsort(seconds, ROUNDS, sizeof(*seconds), cmp);
	return 2 * QUERIES / seconds[ROUNDS / 2];
}

static void row(const char *name, const char *unit, double is, double peer, const char *peer_name,
                const char *goal)
{
	printf("{\"name\": \"%s\", \"unit\": \"%s\", \"ours\": %.0f, \"peer\": %.0f, "
	       "\"peer_name\": \"%s\", \"ratio\": %.3f, \"goal\": \"%s\"}\n", name, unit, is, peer,
	       peer_name, is / peer, goal);
}

static double seconds_since(int64_t start_ns)
{
	return (double)(host_mono_ns() - start_ns) / 1e9;
}

static void bench_speed(const char *path)
{
	double read_s[ROUNDS], info_s[ROUNDS], bare_s[ROUNDS], dump_s[ROUNDS];
	bool dump = system("command -v tcpdump >/dev/null 2>&1") == 0;
	char command[128];

	snprintf(command, sizeof(command), "tcpdump -n -r %s >/dev/null 2>&1", path);
	for (unsigned i = 0; i < ROUNDS; i++) {
		int64_t start = host_mono_ns();
		bare(path);
		bare_s[i] = seconds_since(start);
		start = host_mono_ns();
		ours(path, NULL);
		read_s[i] = seconds_since(start);
		start = host_mono_ns();
		ours_info(path);
		info_s[i] = seconds_since(start);
		start = host_mono_ns();
		MUST(!dump || system(command) == 0);
		dump_s[i] = seconds_since(start);
	}
	double b = rate(bare_s), r = rate(read_s), f = rate(info_s), d = rate(dump_s);
	row("capture: packets read to messages", "packets/s", r, b, "bare libpcap loop", ">=0.5");
	row("info: packets read and summed up", "packets/s", f, b, "bare libpcap loop", ">=0.5");
	if (dump)
		row("info: the same beside tcpdump", "packets/s", f, d, "tcpdump -n", ">=8");
}

/* Peak memory in KiB of evenkeel info on a stream of so many bytes. */
static double info_memory(uint64_t bytes)
{
	struct rusage used;
	int fd[2], status;

	MUST(fflush(stdout) == 0 && pipe(fd) == 0);
	pid_t pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		MUST(dup2(fd[0], 0) == 0 && freopen("/dev/null", "w", stdout) != NULL);
		close(fd[0]);
		close(fd[1]);
		execl("build/bin/evenkeel", "evenkeel", "info", "-", (char *)NULL);
		_exit(127);
	}
	close(fd[0]);
	FILE *to = fdopen(fd[1], "wb");
	MUST(to != NULL);
	write_stream(to, bytes);
	fclose(to);
	MUST(wait4(pid, &status, 0, &used) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return (double)used.ru_maxrss;
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/ek-bench-XXXXXX";

	if (argc == 3 && strcmp(argv[1], "--stream") == 0) {
		write_stream(stdout, (uint64_t)(atof(argv[2]) * 1e9));
		return 0;
	}
	int fd = mkstemp(path);
	MUST(fd >= 0);
	close(fd);
	write_capture(path);
	bench_speed(path);
	unlink(path);
	double small = info_memory(20000000), large = info_memory(2000000000);
	row("info: memory on a stream of 2 GB", "KiB", large, small, "on one of 20 MB", "<=1.1");
	return 0;
}
