/* SPDX-License-Identifier: BSD-3-Clause */
/* From reader to writer; see rewrite.h. */
#include "rewrite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "lib/host/host.h"
#include "sim/capture/core/layer.h"
#include "sim/pcap/core/relink.h"
#include "writer.h"

struct rewrite {
	const struct rewrite_options *o;
	struct capture_options reading;
	struct capture *capture;
	struct filter *filter;
	struct writer *writer;
	struct arena arena;
	struct anon *anon;
	uint16_t link;              /* what is written */
	bool begun;                 /* first_ns is set */
	int64_t first_ns;
	struct rewrite_counts n;
	uint8_t room[CAPTURE_SNAP_MAX + RELINK_MORE];
};

static int open_anon(struct rewrite *r, char error[CAPTURE_ERROR_TEXT])
{
	struct anon_options a = { .port = r->o->port, .port_n = r->o->port_n,
	                          .kept = r->o->kept, .kept_n = r->o->kept_n };
	uint8_t seed[32];

	host_seed(seed);
	memcpy(&a.seed, seed, sizeof(a.seed));
	memcpy(a.key, r->o->key, PRF_KEY);
	int err = host_arena(&r->arena, anon_arena_size(&a));
	if (err < 0) {
		snprintf(error, CAPTURE_ERROR_TEXT, "no memory for anonymizing: %s",
		         strerror(-err));
		return err;
	}
	r->anon = anon_init(&r->arena, &a);
	arena_seal(&r->arena);
	r->n.anon = anon_counts(r->anon);
	return 0;
}

/* The link type to write: what all files have, or else none at all. */
static void choose_link(struct rewrite *r)
{
	int link = capture_link(r->capture);

	link = link == CAPTURE_NO_PACKETS ? LINK_ETHERNET : link;
	r->link = r->o->raw || link < 0 ? LINK_RAW : (uint16_t)link;
	writer_link(r->writer, r->link);
}

int rewrite_open(struct rewrite **out, const struct rewrite_options *o, struct capture **capture,
                 char error[CAPTURE_ERROR_TEXT])
{
	struct rewrite *r = calloc(1, sizeof(*r));

	*out = NULL;
	MUST(r != NULL);
	r->o = o;
	r->reading = (struct capture_options){ .path = o->path, .path_n = o->path_n };
	r->filter = o->filter != NULL ? filter_new(o->filter) : NULL;
	int err = capture_open(&r->capture, &r->reading, error);
	if (err == 0 && r->filter != NULL)
		err = filter_check(r->filter, capture_link(r->capture), error);
	if (err == 0 && o->key != NULL)
		err = open_anon(r, error);
	if (err == 0)
		err = writer_open(&r->writer, o->out, o->path, o->path_n, error);
	if (err < 0) {
		rewrite_discard(r);
		return err;
	}
	choose_link(r);
	*capture = r->capture;
	*out = r;
	return 0;
}

/* The first packet with a time. Returns 0; -EINVAL: nothing could be in --cut. */
static int begin(struct rewrite *r, int64_t first_ns, char error[CAPTURE_ERROR_TEXT])
{
	r->begun = true;
	r->first_ns = first_ns;
	if (r->o->cut == NULL || !cut_is_empty(r->o->cut, first_ns))
		return 0;
	snprintf(error, CAPTURE_ERROR_TEXT, "--cut: the first packet is of @%lld.%09d: expected "
	         "FROM before TO", (long long)(first_ns / 1000000000),
	         (int)(first_ns % 1000000000));
	return -EINVAL;
}

/* Whether the packet is one that is wanted. Returns 1, 0 or -errno. */
static int wanted(struct rewrite *r, const struct capture_packet *p,
                  char error[CAPTURE_ERROR_TEXT])
{
	if (p->fault != 0) {
		r->n.record++;
		return 0;
	}
	int err = r->begun ? 0 : begin(r, p->t_ns, error);
	if (err < 0)
		return err;
	if (r->o->cut != NULL && !cut_has(r->o->cut, r->first_ns, p->t_ns)) {
		r->n.cut++;
		return 0;
	}
	int matches = r->filter != NULL ? filter_match(r->filter, p, error) : 1;
	r->n.filter += matches == 0;
	return matches;
}

/* Sets the clock back by so much that the first packet has the time that was asked for. */
static int64_t shifted(const struct rewrite *r, int64_t t_ns)
{
	int64_t out = t_ns;

	if (r->o->start != NULL &&
	    (__builtin_sub_overflow(t_ns, r->first_ns, &out) ||
	     __builtin_add_overflow(out, moment_ns(r->o->start, r->first_ns), &out)))
		out = INT64_MAX;
	return out;
}

static int give(struct rewrite *r, struct capture_packet *p, char error[CAPTURE_ERROR_TEXT])
{
	if (relink(p, r->link, r->room, sizeof(r->room)) < 0) {
		r->n.link++;
		return 0;
	}
	p->t_ns = shifted(r, p->t_ns);
	if (p->t_ns > WRITER_LAST_NS) {
		r->n.late++;
		return 0;
	}
	int err = writer_add(r->writer, p);
	r->n.written += err == 0;
	if (err < 0)
		snprintf(error, CAPTURE_ERROR_TEXT, "--out %s: %s", r->o->out, strerror(-err));
	return err;
}

/* What the anonymizer has done with by now. */
static int give_done(struct rewrite *r, char error[CAPTURE_ERROR_TEXT])
{
	struct capture_packet p;
	unsigned file;
	int err = 0;

	while (err == 0 && anon_next(r->anon, &p, &file))
		err = give(r, &p, error);
	return err;
}

int rewrite_step(struct rewrite *r, char error[CAPTURE_ERROR_TEXT])
{
	struct capture_packet p;
	unsigned file;

	if (!capture_next_packet(r->capture, &p, &file)) {
		if (r->anon == NULL)
			return 0;
		anon_end(r->anon);
		return give_done(r, error);
	}
	r->n.read++;
	int err = wanted(r, &p, error);
	if (err <= 0)
		return err < 0 ? err : 1;
	if (r->anon != NULL) {
		anon_packet(r->anon, &p, file);
		err = give_done(r, error);
	} else {
		err = give(r, &p, error);
	}
	return err < 0 ? err : 1;
}

int rewrite_finish(struct rewrite *r, char error[CAPTURE_ERROR_TEXT])
{
	int err = writer_finish(r->writer);

	r->writer = NULL;
	if (err < 0)
		snprintf(error, CAPTURE_ERROR_TEXT, "--out %s: %s", r->o->out, strerror(-err));
	return err;
}

struct rewrite_counts rewrite_counts(const struct rewrite *r)
{
	return r->n;
}

void rewrite_discard(struct rewrite *take_r)
{
	if (take_r == NULL)
		return;
	writer_discard(take_r->writer);
	filter_free(take_r->filter);
	capture_close(take_r->capture);
	if (take_r->arena.base != NULL)
		host_arena_free(&take_r->arena);
	free(take_r);
}
