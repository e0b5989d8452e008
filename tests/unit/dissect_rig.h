/* SPDX-License-Identifier: BSD-3-Clause */
/* A dissect with its memory, and the messages of packets as one line of text each. */
#ifndef EK_TESTS_DISSECT_RIG_H
#define EK_TESTS_DISSECT_RIG_H

#include "lib/host/host.h"
#include "sim/capture/core/dissect.h"
#include "tests/capture_make.h"

struct dissect_rig {
	struct arena arena;
	struct dissect *d;
	uint64_t packets;
	uint8_t frame[MADE_FRAME_MAX]; /* for who makes packets */
	char said[4096];               /* messages since dissect_said, "ID;" or "ID#CONNECTION;" */
};

static inline void dissect_rig_init(struct dissect_rig *r, const struct dissect_options *o)
{
	MUST(host_arena(&r->arena, dissect_arena_size(o)) == 0);
	r->d = dissect_init(&r->arena, o);
	MUST(r->arena.used <= r->arena.cap && r->arena.cap - r->arena.used < 8192);
	arena_seal(&r->arena);
	r->packets = 0;
	r->said[0] = '\0';
}

static inline void dissect_rig_fini(struct dissect_rig *r)
{
	host_arena_free(&r->arena);
}

static inline void dissect_rig_pull(struct dissect_rig *r)
{
	struct capture_message m;

	while (dissect_next(r->d, &m)) {
		size_t n = strlen(r->said);
		MUST(m.len >= DNS_HEADER && (m.tcp == (m.connection > 0)));
		snprintf(r->said + n, sizeof(r->said) - n, m.tcp ? "%u#%u;" : "%u;", dns_id(m.m),
		         (unsigned)m.connection);
	}
}

/* Feeds a packet of which the capture holds len of wire_len bytes, in exactly as much memory. */
static inline void dissect_rig_cut(struct dissect_rig *r, int64_t t_ns, uint16_t link,
                                   const uint8_t *p, size_t len, size_t wire_len)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);

	MUST(exact != NULL);
	if (len > 0)
		memcpy(exact, p, len);
	struct capture_packet packet = { .t_ns = t_ns, .number = ++r->packets, .bytes = exact,
	                                 .len = (uint32_t)len, .wire_len = (uint32_t)wire_len,
	                                 .link = link };
	dissect_packet(r->d, &packet, 0);
	dissect_rig_pull(r);
	free(exact);
}

static inline void dissect_rig_frame(struct dissect_rig *r, int64_t t_ns, const uint8_t *p,
                                     size_t len)
{
	dissect_rig_cut(r, t_ns, LINK_ETHERNET, p, len, len);
}

/* What the packets since the last call said. Borrowed until then. */
static inline const char *dissect_said(struct dissect_rig *r)
{
	static char said[sizeof(r->said)];

	memcpy(said, r->said, sizeof(said));
	r->said[0] = '\0';
	return said;
}

/* Each packet has counted once. */
static inline bool dissect_rig_conserves(const struct dissect_rig *r)
{
	const uint64_t *count = dissect_counts(r->d);
	uint64_t sum = 0;

	for (unsigned i = 0; i < CAPTURE_COUNTS; i++)
		sum += capture_count_row[i].kind != CAPTURE_LOST ? count[i] : 0;
	return sum == r->packets;
}

#endif
