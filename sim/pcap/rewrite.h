/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures read, merged by time, cut, filtered, anonymized, and written as one: what evenkeel pcap
 * does, packet by packet. One pass; memory doesn't grow.
 *
 *	rewrite_open(&r, &options, error);
 *	while ((more = rewrite_step(r, error)) > 0)
 *		...
 *	rewrite_finish(r, error), or rewrite_discard(r) when more < 0 or nothing is wanted any more
 */
#ifndef EK_PCAP_REWRITE_H
#define EK_PCAP_REWRITE_H

#include "cut.h"
#include "sim/capture/capture.h"
#include "sim/pcap/core/anon.h"

struct rewrite_options {
	const char *const *path;     /* "-": standard input */
	unsigned path_n;             /* from 1 on */
	const char *out;             /* "-": standard output */
	const struct cut *cut;       /* NULL: all */
	const char *filter;          /* NULL: all; of the packets as they were */
	const uint8_t *key;          /* PRF_KEY bytes; NULL: not anonymized */
	const uint16_t *port;        /* what is DNS when it is anonymized; as anon_options */
	unsigned port_n;
	const struct permute_kept *kept; /* names that stay then */
	unsigned kept_n;
	bool raw;                    /* link layers are taken off */
	const struct moment *start;  /* the first packet's time; NULL: as it was */
};

/* What became of packets: all that were read, and why some weren't written. */
struct rewrite_counts {
	uint64_t read, written;
	uint64_t record;             /* broken records */
	uint64_t cut, filter;
	uint64_t late;               /* their time is behind a pcap's last one */
	uint64_t link;               /* not of the file's link type, nor to be made so */
	const uint64_t *anon;        /* by enum anon_count; NULL: not anonymized */
};

struct rewrite;

/*
 * Returns 0, or -errno with one line in error; what o points to is borrowed until the end. *capture
 * is the reader, for capture_progress and capture_trouble.
 */
int rewrite_open(struct rewrite **out, const struct rewrite_options *o, struct capture **capture,
                 char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;
/* Reads a packet and writes what is ready. 1; 0: there are no more; -errno with a line in error. */
int rewrite_step(struct rewrite *r, char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;
/* Whole but for frees: the file is in place. 0, or -errno and no file. */
int rewrite_finish(struct rewrite *r, char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;
struct rewrite_counts rewrite_counts(const struct rewrite *r);
/* Frees all; an unfinished file is removed. NULL: nothing. */
void rewrite_discard(struct rewrite *take_r);

#endif
