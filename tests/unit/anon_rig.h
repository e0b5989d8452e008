/* SPDX-License-Identifier: BSD-3-Clause */
/* An anonymizer with its memory, and what it gives, packet by packet. */
#ifndef EK_TESTS_ANON_RIG_H
#define EK_TESTS_ANON_RIG_H

#include "lib/host/host.h"
#include "sim/pcap/core/anon.h"
#include "tests/capture_make.h"

enum { ANON_RIG_PACKETS = 512 };

struct anon_rig {
	struct arena arena;
	struct anon *a;
	uint64_t packets;              /* that went in */
	unsigned n;                    /* that came out */
	struct capture_packet out[ANON_RIG_PACKETS]; /* their bytes are the rig's */
	uint8_t frame[MADE_FRAME_MAX]; /* for who makes packets */
};

static inline void anon_rig_key(struct anon_rig *r, struct anon_options o, const char *key)
{
	memset(o.key, 0, PRF_KEY);
	memcpy(o.key, key, strlen(key));
	MUST(host_arena(&r->arena, anon_arena_size(&o)) == 0);
	r->a = anon_init(&r->arena, &o);
	MUST(r->arena.used <= r->arena.cap && r->arena.cap - r->arena.used < 8192);
	arena_seal(&r->arena);
	r->packets = 0;
	r->n = 0;
}

static inline void anon_rig_init(struct anon_rig *r, const struct anon_options *o)
{
	anon_rig_key(r, *o, "a key");
}

static inline void anon_rig_fini(struct anon_rig *r)
{
	for (unsigned i = 0; i < r->n; i++)
		free((void *)(uintptr_t)r->out[i].bytes);
	host_arena_free(&r->arena);
}

static inline void anon_rig_pull(struct anon_rig *r)
{
	struct capture_packet p;
	unsigned file;

	while (anon_next(r->a, &p, &file)) {
		uint8_t *copy = malloc(p.len > 0 ? p.len : 1);
		MUST(copy != NULL && r->n < ANON_RIG_PACKETS && p.fault == 0);
		if (p.len > 0)
			memcpy(copy, p.bytes, p.len);
		p.bytes = copy;
		r->out[r->n++] = p;
	}
}

/* Feeds a packet of which the capture holds len of wire_len bytes, in exactly as much memory. */
static inline void anon_rig_cut(struct anon_rig *r, int64_t t_ns, uint16_t link, const uint8_t *p,
                                size_t len, size_t wire_len)
{
	uint8_t *exact = malloc(len > 0 ? len : 1);

	MUST(exact != NULL);
	if (len > 0)
		memcpy(exact, p, len);
	struct capture_packet packet = { .t_ns = t_ns, .number = ++r->packets, .bytes = exact,
	                                 .len = (uint32_t)len, .wire_len = (uint32_t)wire_len,
	                                 .link = link };
	anon_packet(r->a, &packet, 0);
	anon_rig_pull(r);
	free(exact);
}

static inline void anon_rig_frame(struct anon_rig *r, int64_t t_ns, const uint8_t *p, size_t len)
{
	anon_rig_cut(r, t_ns, LINK_ETHERNET, p, len, len);
}

static inline void anon_rig_end(struct anon_rig *r)
{
	anon_end(r->a);
	anon_rig_pull(r);
}

/* Each packet was given or dropped, and as many came out as were given. */
static inline bool anon_rig_conserves(const struct anon_rig *r)
{
	const uint64_t *count = anon_counts(r->a);
	uint64_t given = 0, dropped = 0;

	for (unsigned i = 0; i < ANON_COUNTS; i++) {
		given += anon_count_row[i].kind == ANON_GIVEN ? count[i] : 0;
		dropped += anon_count_row[i].kind == ANON_DROPPED ? count[i] : 0;
	}
	return given == r->n && given + dropped == r->packets;
}

/* Whether what lies in p[0..n) is part of something that came out. */
static inline bool anon_rig_shows(const struct anon_rig *r, const void *p, size_t n)
{
	for (unsigned i = 0; i < r->n; i++)
		if (memmem(r->out[i].bytes, r->out[i].len, p, n) != NULL)
			return true;
	return false;
}

#endif
