/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet as a capture file holds it, and what can become of one (count.def). The words that
 * files' formats, link layers and the reading of messages have in common.
 */
#ifndef EK_CAPTURE_PACKET_H
#define EK_CAPTURE_PACKET_H

#include <stddef.h>
#include <stdint.h>

enum capture_count {
#define COUNT(id, kind, name, prose) CAPTURE_##id,
#include "count.def"
#undef COUNT
	CAPTURE_COUNTS
};

enum capture_kind { CAPTURE_READ, CAPTURE_SKIP, CAPTURE_LOST };

struct capture_count_row {
	enum capture_kind kind;
	const char *name;   /* as JSON has it */
	const char *prose;
};

extern const struct capture_count_row capture_count_row[CAPTURE_COUNTS];

enum { CAPTURE_SNAP_MAX = 262144 }; /* bytes of a packet, as libpcap has it too */

struct capture_packet {
	int64_t t_ns;          /* unix time */
	uint64_t number;       /* in its file, from 1, as tshark and tcpdump count */
	const uint8_t *bytes;  /* borrowed until the next is read */
	uint32_t len;          /* bytes of it that the capture holds, at most CAPTURE_SNAP_MAX */
	uint32_t wire_len;     /* bytes that it had */
	uint32_t interface;    /* pcapng's number of it within its section, otherwise 0 */
	uint16_t link;         /* LINKTYPE_, as tcpdump.org/linktypes.html numbers them */
	uint16_t fault;        /* 0, or CAPTURE_RECORD or CAPTURE_NO_TIME: don't look at the rest */
};

#endif
