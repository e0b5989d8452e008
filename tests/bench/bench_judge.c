/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets a second of judging a run directory of more than a million packets, all of it: reading,
 * planning the load anew, matching across tiers, checking each answer, deciding. Beside it a bare
 * loop that reads the same captures through libpcap, parses each query and answer and matches them
 * in one table, and beside that tcpdump -n. Then queries a second where nothing is read: records
 * straight into judge_tap, messages read before, as the virtual engine feeds them; beside it what
 * the bare loop makes of captures with as many packets a query. Rounds alternate, medians. One JSON
 * object a row.
 */
#include <pcap/pcap.h>
#include <unistd.h>

#include "tests/bench/bare.h"
#include "tests/judge/synth.h"

enum { ROUNDS = 3 };

static uint64_t bare(const struct plan *p, const char *dir, uint64_t *matched)
{
	uint64_t packets = 0;

	for (unsigned i = 0; i < p->node_n; i++) {
		char path[4096], error[PCAP_ERRBUF_SIZE];
		struct pcap_pkthdr *h;
		const u_char *bytes;
		snprintf(path, sizeof(path), "%s/%s.pcap", dir, p->node[i].name);
		pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path,
		                       PCAP_TSTAMP_PRECISION_NANO, error);
		MUST(pcap != NULL);
		bare_forget();
		for (; pcap_next_ex(pcap, &h, &bytes) == 1; packets++)
			*matched += bare_packet(bytes, h->caplen);
		pcap_close(pcap);
	}
	return packets;
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

static const char *unit = "packets/s";

static void row(const char *name, double ours, double peer, const char *peer_name, const char *goal)
{
	printf("{\"name\": \"%s\", \"unit\": \"%s\", \"ours\": %.0f, \"peer\": %.0f, "
	       "\"peer_name\": \"%s\", \"ratio\": %.3f, \"goal\": \"%s\"}\n", name, unit, ours,
	       peer, peer_name, ours / peer, goal);
}

static double seconds_since(int64_t start_ns)
{
	return (double)(host_mono_ns() - start_ns) / 1e9;
}

/* ---- a stream ---- */

struct fed {
	struct frame frame;
	struct judge_message message;
	struct judge_tap tap;
};

/* A run's records as judge_tap takes them, their bytes in one piece. The caller frees both. */
static struct fed *feed_of(struct synth *s, uint8_t **bytes)
{
	struct fed *fed = calloc(s->n, sizeof(*fed));
	uint64_t number[16] = { 0 };
	size_t all = 0;

	for (size_t i = 0; i < s->n; i++)
		all += s->record[i].len;
	uint8_t *at = *bytes = malloc(all + 64);
	MUST(fed != NULL && at != NULL);
	for (size_t i = 0; i < s->n; i++) {
		struct synth_record *r = &s->record[i];
		memcpy(at, r->data, r->len);
		free(r->data);
		r->data = at;
		at += r->len;
		fed[i].frame = synth_frame(r);
		MUST(judge_message_read(&fed[i].message, r->data, r->len));
		fed[i].tap = (struct judge_tap){ r->t_ns, ++number[r->node], r->node,
		                                 &fed[i].frame, &fed[i].message };
		r->data = NULL;
	}
	return fed;
}

/* Seconds for all taps. An engine has just made each; here it comes from far away, so it is sent
 * for a little before. */
static double stream_seconds(const struct synth *s, const struct fed *fed)
{
	enum { AHEAD = 24 };
	char error[JUDGE_ERROR_TEXT];
	struct judge *j = judge_new(s->plan, error);

	MUST(j != NULL);
	synth_tell(s, j);
	int64_t start = host_mono_ns();
	for (size_t i = 0; i < s->n; i++) {
		const struct fed *soon = &fed[i + AHEAD < s->n ? i + AHEAD : i];
		for (size_t at = 0; at < sizeof(*soon); at += 64)
			__builtin_prefetch((const char *)soon + at);
		__builtin_prefetch(soon->frame.payload);
		__builtin_prefetch(soon->frame.payload + 64);
		judge_tap(j, &fed[i].tap);
	}
	json_t *doc = judge_finish(j);
	double seconds = seconds_since(start);
	MUST(judge_verdict(doc) == VERDICT_PASS);
	json_decref(doc);
	judge_free(j);
	return seconds;
}

/* bare: packets a second of the bare loop. */
static void bench_stream(double bare_packets)
{
	static const struct synth_knobs right = { .in_virtual = true };
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, 1);
	double s_of[ROUNDS];
	uint8_t *bytes;
	struct synth s;

	p->load[0].to_ns = 120 * SYNTH_S;
	p->end_ns = 122 * SYNTH_S;
	synth_run(&s, p, &right);
	struct fed *fed = feed_of(&s, &bytes);
	for (unsigned i = 0; i < ROUNDS; i++)
		s_of[i] = stream_seconds(&s, fed);
	unit = "queries/s";
	row("judge: queries judged as a stream", (double)s.queries / median(s_of),
	    bare_packets * (double)s.queries / (double)s.n, "bare libpcap loop", ">=2");
	free(fed);
	free(bytes);
	synth_fini(&s);
	plan_free(p);
}

static double bench(const struct plan *p, const char *dir, const char *tcpdump)
{
	double judge_s[ROUNDS], bare_s[ROUNDS], dump_s[ROUNDS];
	uint64_t packets = 0, matched = 0;
	char error[JUDGE_ERROR_TEXT] = "";

	for (unsigned i = 0; i < ROUNDS; i++) {
		int64_t start = host_mono_ns();
		packets = bare(p, dir, &matched);
		bare_s[i] = seconds_since(start);
		start = host_mono_ns();
		json_t *doc = judge_run(dir, error);
		judge_s[i] = seconds_since(start);
		MUST(doc != NULL && judge_verdict(doc) == VERDICT_PASS);
		json_decref(doc);
		start = host_mono_ns();
		MUST(tcpdump == NULL || system(tcpdump) == 0);
		dump_s[i] = seconds_since(start);
	}
	MUST(packets >= 1000000 && matched > packets / 3);
	double n = (double)packets, plain = n / median(bare_s);
	row("judge: packets judged", n / median(judge_s), plain, "bare libpcap loop", ">=0.5");
	if (tcpdump != NULL)
		row("judge: bare libpcap loop", plain, n / median(dump_s), "tcpdump -n", ">=15");
	return plain;
}

/* The command that has tcpdump read every capture; NULL when there is no tcpdump. */
static const char *tcpdump_command(char *out, size_t cap, const char *dir)
{
	if (system("command -v tcpdump >/dev/null 2>&1") != 0)
		return NULL;
	snprintf(out, cap, "for f in %s/*.pcap; do tcpdump -n -r \"$f\" >/dev/null 2>&1 || exit 1; "
	         "done", dir);
	return out;
}

int main(void)
{
	static const struct synth_knobs right;
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, 1);
	char dir[] = "/tmp/ek-bench-XXXXXX", command[256];
	struct synth s;

	p->load[0].rate_mqps = 9000000;
	MUST(mkdtemp(dir) != NULL);
	synth_run(&s, p, &right);
	synth_write(&s, dir);
	synth_fini(&s);
	double plain = bench(p, dir, tcpdump_command(command, sizeof(command), dir));
	synth_remove(p, dir);
	bench_stream(plain);
	plan_free(p);
	return 0;
}
