/* SPDX-License-Identifier: BSD-3-Clause */
/* libpcap's own numbers of link layers, which differ from those in files for raw IP. */
#ifndef EK_PCAP_DLT_H
#define EK_PCAP_DLT_H

#include <pcap/pcap.h>
#include <stdint.h>

#include "sim/capture/core/layer.h"

static inline int dlt_of_link(uint16_t link)
{
	switch (link) {
	case LINK_RAW:
	case LINK_RAW_BSD:
	case LINK_RAW_OPENBSD:
		return DLT_RAW;
	default:
		return link;
	}
}

#endif
