/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filters of packets, in tcpdump's language (pcap-filter(7)), by libpcap. A filter is compiled once
 * for each link type that comes up.
 */
#ifndef EK_CAPTURE_FILTER_H
#define EK_CAPTURE_FILTER_H

#include <stdbool.h>

#include "sim/capture/file.h"

struct capture_filter;

/*
 * Returns 0; or -EINVAL with one line in error that begins with what is wrong. text is borrowed for
 * the filter's life.
 */
int capture_filter_new(struct capture_filter **out, const char *text,
                       char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;
/* Whether the packet fits. Of a link type for which the filter makes no sense, none does. */
bool capture_filter_fits(struct capture_filter *f, const struct capture_packet *p);
void capture_filter_free(struct capture_filter *take_f);

#endif
