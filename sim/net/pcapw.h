/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes a capture: Ethernet, nanosecond timestamps, through libpcap. Records may come in up to
 * PCAPW_BACK places late (a wire sees what a node sent a moment after it handed something over);
 * that many are kept back, so that the file is in order of time.
 */
#ifndef EK_PCAPW_H
#define EK_PCAPW_H

#include <stddef.h>
#include <stdint.h>

#include "lib/must.h"

enum { PCAPW_BACK = 128, PCAPW_FRAME_MAX = 2048 };

struct pcapw;

/* Makes or overwrites path. Returns 0 or -errno, then *out is NULL. */
int pcapw_open(struct pcapw **out, const char *path) MUST_CHECK;
/* t_ns: unix time. len: 0...PCAPW_FRAME_MAX; orig_len: as long as the frame was. */
void pcapw_add(struct pcapw *w, int64_t t_ns, const uint8_t *frame, size_t len, size_t orig_len);
uint64_t pcapw_records(const struct pcapw *w);
/* Size of the whole file once it is closed. */
uint64_t pcapw_bytes(const struct pcapw *w);
/* Writes what is left and frees w. Returns 0, or -EIO when anything couldn't be written. */
int pcapw_close(struct pcapw *take_w) MUST_CHECK;

#endif
