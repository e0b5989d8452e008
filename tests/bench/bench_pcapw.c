/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What captures cost: DNS-sized frames written in order, beside plain write(2) of the very same
 * bytes to the same file system in chunks of 256 KiB; and UDP frames made, beside memcpy of as many
 * bytes. Rounds alternate, medians of the ratios. One JSON object a row. Files lie in a folder of
 * their own under TMPDIR, which is removed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/drbg.h"
#include "lib/host/host.h"
#include "sim/net/frame.h"
#include "sim/net/pcapw.h"

enum {
	ROUNDS = 9,
	FRAMES = 1024,             /* different ones, used over and over */
	PAYLOAD_MIN = 30, PAYLOAD_MAX = 230,
	RECORDS = 400000,
	MADE = 2000000,
	CHUNK = 256 << 10,
};

struct sample {
	struct ep src, dst;
	size_t payload_len, frame_len;
	uint8_t payload[PAYLOAD_MAX];
	uint8_t frame[FRAME_HEADERS + PAYLOAD_MAX];
};

static const uint8_t mac[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
static const int64_t START = 1700000000000000000;
static struct sample sample[FRAMES];

/* Every fourth is IPv6. */
static void make_samples(void)
{
	uint8_t seed[DRBG_SEED];
	struct drbg r;

	drbg_seed_from_u64(seed, 1);
	drbg_init(&r, seed, DRBG_TEST, 0);
	for (unsigned i = 0; i < FRAMES; i++) {
		struct sample *s = &sample[i];
		const char *src = i % 4 == 0 ? "[2001:db8::1]:53" : "192.0.2.3:53";
		const char *dst = i % 4 == 0 ? "[2001:db8::2]:4000" : "192.0.2.4:4000";
		MUST(ep_parse(&s->src, src, 0) == 0 && ep_parse(&s->dst, dst, 0) == 0);
		s->payload_len = PAYLOAD_MIN + drbg_below(&r, PAYLOAD_MAX - PAYLOAD_MIN + 1);
		drbg_bytes(&r, s->payload, s->payload_len);
		int len = frame_udp(s->frame, sizeof(s->frame), mac, &s->src, &s->dst, s->payload,
		                    s->payload_len);
		MUST(len > 0);
		s->frame_len = (size_t)len;
	}
}

static double seconds_since(int64_t start_ns)
{
	return (double)(host_mono_ns() - start_ns) / 1e9;
}

static int cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), cmp);
	return v[ROUNDS / 2];
}

/* Bytes a second of both, and their ratio round by round; goal as JSON. */
static void row(const char *name, double bytes, double ours_s[ROUNDS], double peer_s[ROUNDS],
                const char *peer_name, const char *goal)
{
	double ratio[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++)
		ratio[i] = peer_s[i] / ours_s[i];
	printf("{\"name\": \"%s\", \"unit\": \"MB/s\", \"ours\": %.0f, \"peer\": %.0f, "
	       "\"peer_name\": \"%s\", \"ratio\": %.3f, \"goal\": %s}\n", name,
	       bytes / median(ours_s) / 1e6, bytes / median(peer_s) / 1e6, peer_name,
	       median(ratio), goal);
}

static double write_capture(const char *path, unsigned back)
{
	int64_t start = host_mono_ns();
	struct pcapw *w;

	MUST(pcapw_open(&w, path, back) == 0);
	for (unsigned i = 0; i < RECORDS; i++) {
		const struct sample *s = &sample[i % FRAMES];
		pcapw_add(w, START + i * 1000, s->frame, s->frame_len, s->frame_len);
	}
	MUST(pcapw_close(w) == 0);
	return seconds_since(start);
}

static double write_plain(const char *path, const uint8_t *bytes, size_t len)
{
	int64_t start = host_mono_ns();
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	MUST(fd >= 0);
	for (size_t at = 0, n; at < len; at += n) {
		n = len - at < CHUNK ? len - at : CHUNK;
		MUST(write(fd, bytes + at, n) == (ssize_t)n);
	}
	MUST(close(fd) == 0);
	return seconds_since(start);
}

static uint8_t *read_whole(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	struct stat st;

	MUST(f != NULL && fstat(fileno(f), &st) == 0);
	*len = (size_t)st.st_size;
	uint8_t *bytes = malloc(*len);
	MUST(bytes != NULL && fread(bytes, 1, *len, f) == *len);
	fclose(f);
	return bytes;
}

static void bench_writing(const char *dir, const char *name, unsigned back)
{
	double ours_s[ROUNDS], peer_s[ROUNDS];
	char path[4096];
	size_t len;

	snprintf(path, sizeof(path), "%s/x.pcap", dir);
	write_capture(path, back);
	uint8_t *bytes = read_whole(path, &len);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unlink(path);
		ours_s[i] = write_capture(path, back);
		unlink(path);
		peer_s[i] = write_plain(path, bytes, len);
	}
	unlink(path);
	free(bytes);
	row(name, (double)len, ours_s, peer_s, "write(2) of the same bytes", "\">=0.5\"");
}

static double make_frames(uint64_t *bytes)
{
	static uint8_t out[FRAME_HEADERS + PAYLOAD_MAX];
	int64_t start = host_mono_ns();

	*bytes = 0;
	for (unsigned i = 0; i < MADE; i++) {
		const struct sample *s = &sample[i % FRAMES];
		*bytes += (unsigned)frame_udp(out, sizeof(out), mac, &s->src, &s->dst, s->payload,
		                              s->payload_len);
		__asm__ volatile("" : : "r"(out) : "memory");
	}
	return seconds_since(start);
}

static double copy_frames(void)
{
	static uint8_t out[FRAME_HEADERS + PAYLOAD_MAX];
	int64_t start = host_mono_ns();

	for (unsigned i = 0; i < MADE; i++) {
		const struct sample *s = &sample[i % FRAMES];
		memcpy(out, s->frame, s->frame_len);
		__asm__ volatile("" : : "r"(out) : "memory");
	}
	return seconds_since(start);
}

static void bench_making(void)
{
	double ours_s[ROUNDS], peer_s[ROUNDS];
	uint64_t bytes = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		ours_s[i] = make_frames(&bytes);
		peer_s[i] = copy_frames();
	}
	row("frames: UDP made", (double)bytes, ours_s, peer_s, "memcpy of the same bytes", "null");
	fprintf(stderr, "frames: UDP made: %.1f ns each, copied: %.1f ns\n",
	        median(ours_s) / MADE * 1e9, median(peer_s) / MADE * 1e9);
}

int main(void)
{
	const char *tmp = getenv("TMPDIR");
	char dir[4000];

	snprintf(dir, sizeof(dir), "%s/ek-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
	MUST(mkdtemp(dir) != NULL);
	make_samples();
	bench_writing(dir, "captures: bytes written in order", 0);
	bench_writing(dir, "captures: in order, late ones awaited", PCAPW_BACK);
	bench_making();
	MUST(rmdir(dir) == 0);
	return 0;
}
