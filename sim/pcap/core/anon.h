/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets in, packets out that say no more who asked whom for what: each as long as it was, at its
 * time, in its order. What is given was read: headers (scrub.h) and whole DNS messages
 * (message.h) over UDP, in IP fragments and in TCP streams, and what ICMP quotes of them; the rest
 * of a packet is zero, or the packet is dropped and counted (anon.def). Checksums are right.
 *
 * A message in several packets is replaced once all of it was there, so packets wait in a queue:
 * for three seconds of the capture's time at most, or until the queue is full. Memory is taken at
 * init.
 *
 *	anon_packet(a, &packet, file);
 *	while (anon_next(a, &packet, &file))
 *		...
 *	anon_end(a); and once more anon_next
 */
#ifndef EK_PCAP_ANON_H
#define EK_PCAP_ANON_H

#include "permute.h"
#include "sim/capture/core/packet.h"

enum anon_count {
#define ANON(id, kind, name, prose) ANON_##id,
#include "anon.def"
#undef ANON
	ANON_COUNTS
};

enum anon_kind { ANON_GIVEN, ANON_DROPPED, ANON_BLANKED };

struct anon_count_row {
	enum anon_kind kind;
	const char *name;
	const char *prose;
};

extern const struct anon_count_row anon_count_row[ANON_COUNTS];

struct anon_options {
	const uint16_t *port;  /* what has one of these ports is DNS */
	unsigned port_n;       /* 0: port 53 */
	uint32_t connections;  /* as dissect_options has them; 0: its defaults */
	uint32_t fragmented;
	uint32_t blocks;
	uint32_t packets;      /* that may wait; 0: ANON_PACKETS */
	uint32_t bytes;        /* of theirs, twice CAPTURE_SNAP_MAX at least; 0: ANON_BYTES */
	const struct permute_kept *kept; /* names that stay: kept_n of them */
	unsigned kept_n;
	uint64_t seed;         /* of hash tables */
	uint8_t key[PRF_KEY];
};

enum { ANON_PACKETS = 2048, ANON_BYTES = 8 << 20 };

struct anon;

size_t anon_arena_size(const struct anon_options *o);
struct anon *anon_init(struct arena *a, const struct anon_options *o);
/* Takes a packet; its bytes are not needed afterwards. anon_next has said false since the last. */
void anon_packet(struct anon *a, const struct capture_packet *p, unsigned file);
/* The next packet that is done, its bytes borrowed until the next call. */
bool anon_next(struct anon *a, struct capture_packet *out, unsigned *file);
/* There are no more packets: nothing is waited for any more. */
void anon_end(struct anon *a);
/* By enum anon_count, of packets that were given or dropped. */
const uint64_t *anon_counts(const struct anon *a);

#endif
