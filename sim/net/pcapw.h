/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes a capture: Ethernet, nanosecond timestamps, the file that libpcap would write on this
 * machine. Records may come in some places late (a wire sees what a node sent a moment after it
 * handed something over); so many stay in the buffer, so that the file is in order of time. A
 * record that comes in order costs little more than its copy into that buffer; an idle capture
 * hardly takes memory.
 */
#ifndef EK_PCAPW_H
#define EK_PCAPW_H

#include <stddef.h>
#include <stdint.h>

#include "lib/must.h"

enum { PCAPW_BACK = 128, PCAPW_FRAME_MAX = 2048 };

struct pcapw;

/*
 * Makes or overwrites path. back: how many places late a record may come, PCAPW_BACK for a wire;
 * with 0 all come in order, which is checked. Returns 0 or -errno, then *out is NULL.
 */
int pcapw_open(struct pcapw **out, const char *path, unsigned back) MUST_CHECK;
/*
 * t_ns: unix time; one that comes later still goes as far back as it may. len: 0...PCAPW_FRAME_MAX;
 * orig_len: as long as the frame was. Writes 64 KiB at a time, which a processor's cache still
 * holds.
 */
void pcapw_add(struct pcapw *w, int64_t t_ns, const uint8_t *frame, size_t len, size_t orig_len);
uint64_t pcapw_records(const struct pcapw *w);
/* Size of the whole file once it is closed. */
uint64_t pcapw_bytes(const struct pcapw *w);
/* Writes what is left and frees w. Returns 0, or -errno of what couldn't be written. */
int pcapw_close(struct pcapw *take_w) MUST_CHECK;

#endif
