/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets in, DNS messages out: link layer, IP and its fragments, UDP, TCP. One packet may make
 * many messages whole, or none; they are pulled. Every packet counts once (count.def). All memory
 * is taken at init, so it is the same for a capture of any length, and of any content.
 *
 *	dissect_packet(d, &packet);
 *	while (dissect_next(d, &message))
 *		...
 */
#ifndef EK_CAPTURE_DISSECT_H
#define EK_CAPTURE_DISSECT_H

#include <stdbool.h>

#include "lib/addr.h"
#include "lib/arena.h"
#include "lib/dns.h"
#include "packet.h"

/* A DNS message as it was in a capture. */
struct capture_message {
	int64_t t_ns;          /* unix time: of the packet that made it whole */
	uint64_t packet;       /* the number of that packet in its file, from 1 */
	unsigned file;         /* which file, from 0, in the order that they were given in */
	struct ep src, dst;
	const uint8_t *m;      /* borrowed until the next is asked for; without TCP's length */
	uint16_t len;          /* DNS_HEADER...65535 */
	bool tcp;
	bool answer;           /* QR: from the server. Otherwise from the client */
	bool asks;             /* question is set: there is exactly one, and it can be read */
	struct dns_question question;
	uint64_t connection;   /* TCP: from 1, the same in both directions; UDP: 0 */
};

static inline const struct ep *capture_client(const struct capture_message *m)
{
	return m->answer ? &m->dst : &m->src;
}

static inline const struct ep *capture_server(const struct capture_message *m)
{
	return m->answer ? &m->src : &m->dst;
}

struct dissect_options {
	const uint16_t *port;  /* what has one of these ports is DNS */
	unsigned port_n;       /* 0: port 53 */
	uint32_t connections;  /* TCP's, at once; 0: DISSECT_CONNECTIONS */
	uint32_t fragmented;   /* unfinished packets; 0: DISSECT_FRAGMENTED */
	uint32_t blocks;       /* of 2 KiB for what came in pieces; 0: DISSECT_BLOCKS */
	uint64_t seed;         /* of hash tables; changes nothing but who can slow them down */
};

enum { DISSECT_CONNECTIONS = 65536, DISSECT_FRAGMENTED = 4096, DISSECT_BLOCKS = 16384 };

struct dissect;

size_t dissect_arena_size(const struct dissect_options *o);
struct dissect *dissect_init(struct arena *a, const struct dissect_options *o);
/* The bytes of p are borrowed until its last message was pulled. file: as messages tell it. */
void dissect_packet(struct dissect *d, const struct capture_packet *p, unsigned file);
/* The next message that this packet made whole; false: none, or no more. */
bool dissect_next(struct dissect *d, struct capture_message *m);
/* There are no more packets: what is unfinished is counted as such. */
void dissect_end(struct dissect *d);
/* By enum capture_count. */
const uint64_t *dissect_counts(const struct dissect *d);

#endif
