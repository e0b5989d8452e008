/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures in: each node's pcap, record by record, through libpcap into judge_tap. A file that is
 * missing, broken, cut off, or that holds cut frames makes the run INVALID with the file's name and
 * the record's number; what could be read before that is judged all the same.
 */
#include <pcap/pcap.h>

#include "inner.h"
#include "pcap.h"

static const int64_t SECOND = 1000000000;

/* One record. False when the rest can't be trusted. */
static bool feed_record(struct judge *j, const struct judge_tap *t, const char *name,
                        const struct pcap_pkthdr *h, const uint8_t *bytes)
{
	struct judge_tap tap = *t;
	struct frame f;

	if (h->caplen < h->len) {
		judge_invalid(j, "%s: record %llu holds %u of its frame's %u bytes", name,
		              (unsigned long long)t->number, h->caplen, h->len);
		return false;
	}
	if (frame_parse(&f, bytes, h->caplen) < 0)
		f = (struct frame){ .kind = FRAME_OTHER };
	if (h->ts.tv_sec < 0 || h->ts.tv_sec > (time_t)UINT32_MAX || h->ts.tv_usec < 0 ||
	    h->ts.tv_usec >= SECOND) {
		judge_invalid(j, "%s: record %llu has no sensible time", name,
		              (unsigned long long)t->number);
		return false;
	}
	tap.t_ns = (int64_t)h->ts.tv_sec * SECOND + (int64_t)h->ts.tv_usec -
	           j->events.t0_unix_ns;
	tap.frame = &f;
	judge_tap(j, &tap);
	return true;
}

static void feed_all(struct judge *j, unsigned node, const char *name, pcap_t *pcap)
{
	struct judge_tap t = { .node = node };
	struct pcap_pkthdr *h;
	const u_char *bytes;
	int got;

	if (pcap_datalink(pcap) != DLT_EN10MB) {
		judge_invalid(j, "%s: link type %d, expected Ethernet", name, pcap_datalink(pcap));
		return;
	}
	while ((got = pcap_next_ex(pcap, &h, &bytes)) == 1) {
		t.number++;
		if (!feed_record(j, &t, name, h, bytes))
			return;
	}
	if (got == PCAP_ERROR)
		judge_invalid(j, "%s: cut off or broken at record %llu: %s", name,
		              (unsigned long long)t.number + 1, pcap_geterr(pcap));
}

void judge_pcap(struct judge *j, unsigned node, FILE *take_file)
{
	char error[PCAP_ERRBUF_SIZE] = "";
	struct text name = { .n = 0 };

	text_add(&name, "%s.pcap", j->plan->node[node].name);
	pcap_t *pcap = pcap_fopen_offline_with_tstamp_precision(take_file,
	                                                        PCAP_TSTAMP_PRECISION_NANO, error);
	if (pcap == NULL) {
		judge_invalid(j, "%s: not a capture: %s", name.s, error);
		fclose(take_file);
		return;
	}
	feed_all(j, node, name.s, pcap);
	pcap_close(pcap);
}
