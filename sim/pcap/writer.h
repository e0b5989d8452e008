/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A capture being written: pcap with nanoseconds, of any link type, to a path or standard output.
 * A path has it once it is whole; until then it lies beside it, and what isn't finished is removed.
 * pcapw.h writes the lab's captures, which are Ethernet, in order, and must not cost anything.
 */
#ifndef EK_PCAP_WRITER_H
#define EK_PCAP_WRITER_H

#include "sim/capture/core/packet.h"
#include "sim/capture/file.h"

struct writer;

/* The last time that a pcap can say: it has 32 bits of seconds, until 2106-02-07T06:28:15Z. */
static const int64_t WRITER_LAST_NS = INT64_C(1000000000) * UINT32_MAX + 999999999;

/*
 * path "-": standard output. Nothing is made before the first packet or writer_finish. Returns 0,
 * or -errno with one line in error: path can't be written, or is one of the files input[0..n)
 * ("-": standard input), or standard output is a terminal. path is borrowed.
 */
int writer_open(struct writer **out, const char *path, const char *const *input, unsigned n,
                char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;
/* The link type of all packets; before the first one. */
void writer_link(struct writer *w, uint16_t link);
/*
 * 0 or -errno. p->link is the writer's, and p->t_ns at most WRITER_LAST_NS; a time before 1970 is
 * written as 1970.
 */
int writer_add(struct writer *w, const struct capture_packet *p) MUST_CHECK;
uint64_t writer_packets(const struct writer *w);
/* The file is whole. Returns 0 or -errno; then it is removed. w is freed. */
int writer_finish(struct writer *take_w) MUST_CHECK;
/* Removes what was written and frees w; NULL: nothing. */
void writer_discard(struct writer *take_w);

#endif
