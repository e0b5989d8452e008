/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures in order of time; see pcapw.h. */
#include "pcapw.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

enum { STDIO_BYTES = 64 << 10, SNAPLEN = 262144, FILE_HEADER = 24, RECORD_HEADER = 16 };

struct record {
	int64_t t_ns;
	uint32_t len;
	uint32_t orig_len;
	unsigned slot;
};

struct pcapw {
	pcap_t *format;
	pcap_dumper_t *dump;
	uint64_t records;
	uint64_t bytes;
	unsigned n;
	struct record back[PCAPW_BACK]; /* by time */
	uint8_t data[PCAPW_BACK][PCAPW_FRAME_MAX];
	char stdio[STDIO_BYTES];
};

int pcapw_open(struct pcapw **out, const char *path)
{
	struct pcapw *w = calloc(1, sizeof(*w));
	int err;

	*out = NULL;
	MUST(w != NULL);
	w->format = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, SNAPLEN,
	                                                 PCAP_TSTAMP_PRECISION_NANO);
	MUST(w->format != NULL);
	FILE *f = fopen(path, "we");
	if (f == NULL) {
		err = -errno;
		pcap_close(w->format);
		free(w);
		return err;
	}
	setvbuf(f, w->stdio, _IOFBF, STDIO_BYTES);
	w->dump = pcap_dump_fopen(w->format, f);
	MUST(w->dump != NULL);
	w->bytes = FILE_HEADER;
	for (unsigned i = 0; i < PCAPW_BACK; i++)
		w->back[i].slot = i;
	*out = w;
	return 0;
}

static void write_first(struct pcapw *w)
{
	struct record first = w->back[0];
	struct pcap_pkthdr h = { .caplen = first.len, .len = first.orig_len };

	h.ts.tv_sec = first.t_ns / 1000000000;
	h.ts.tv_usec = first.t_ns % 1000000000; /* libpcap: nanoseconds with this precision */
	pcap_dump((u_char *)w->dump, &h, w->data[first.slot]);
	w->n--;
	memmove(w->back, w->back + 1, w->n * sizeof(w->back[0]));
	w->back[w->n] = first; /* keeps its slot, which is free now */
}

void pcapw_add(struct pcapw *w, int64_t t_ns, const uint8_t *frame, size_t len, size_t orig_len)
{
	MUST(len <= PCAPW_FRAME_MAX && len <= orig_len && t_ns >= 0);
	if (w->n == PCAPW_BACK)
		write_first(w);
	unsigned slot = w->back[w->n].slot, at = w->n++;
	memcpy(w->data[slot], frame, len);
	for (; at > 0 && w->back[at - 1].t_ns > t_ns; at--)
		w->back[at] = w->back[at - 1];
	w->back[at] = (struct record){ t_ns, (uint32_t)len, (uint32_t)orig_len, slot };
	w->records++;
	w->bytes += RECORD_HEADER + len;
}

uint64_t pcapw_records(const struct pcapw *w)
{
	return w->records;
}

uint64_t pcapw_bytes(const struct pcapw *w)
{
	return w->bytes;
}

int pcapw_close(struct pcapw *take_w)
{
	int err = 0;

	while (take_w->n > 0)
		write_first(take_w);
	if (pcap_dump_flush(take_w->dump) != 0 || ferror(pcap_dump_file(take_w->dump)))
		err = -EIO;
	pcap_dump_close(take_w->dump);
	pcap_close(take_w->format);
	free(take_w);
	return err;
}
