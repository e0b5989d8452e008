/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A filter in pcap-filter(7)'s language, compiled by libpcap for each link layer that packets turn
 * out to have.
 */
#ifndef EK_PCAP_FILTER_H
#define EK_PCAP_FILTER_H

#include <stdbool.h>

#include "sim/capture/core/packet.h"
#include "sim/capture/file.h"

struct filter;

/* text is borrowed. */
struct filter *filter_new(const char *text);
void filter_free(struct filter *take_f);
/*
 * Whether it compiles, before there is any packet: for a link type; or, link being negative,
 * for Ethernet or a cooked capture. Returns 0, or -EINVAL with one line in error.
 */
int filter_check(struct filter *f, int link, char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;
/*
 * Whether p matches. Returns 1 or 0; -EINVAL with one line in error when the filter doesn't compile
 * for p's link layer.
 */
int filter_match(struct filter *f, const struct capture_packet *p, char error[CAPTURE_ERROR_TEXT])
	MUST_CHECK;

#endif
