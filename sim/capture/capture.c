/* SPDX-License-Identifier: BSD-3-Clause */
/* Files merged by time, and their packets' messages; see capture.h. */
#include "capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/heap.h"
#include "lib/host/host.h"
#include "lib/host/net.h"
#include "sim/capture/filter.h"

struct source {
	struct capture_file *file;
	struct capture_packet packet; /* the next; of a file that isn't over */
};

struct capture {
	const struct capture_options *o;
	struct capture_filter *filter; /* NULL: all packets fit */
	struct arena arena;
	struct dissect *dissect;
	struct source *source;
	struct heap heap;         /* sources by their packets' times */
	struct heap_item *room;
	struct source *now;       /* whose packet was given out, or is being read; NULL: none */
	uint64_t packets;
	bool over;
};

static int open_files(struct capture *c, char error[CAPTURE_ERROR_TEXT])
{
	for (unsigned i = 0; i < c->o->path_n; i++) {
		int err = capture_file_open(&c->source[i].file, c->o->path[i], error);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Reads a source's next packet and puts it in line. One without a time counts as the last one's. */
static void advance(struct capture *c, struct source *s)
{
	int64_t last = s->packet.t_ns;

	if (capture_file_next(s->file, &s->packet) != 1)
		return;
	if (s->packet.fault != 0)
		s->packet.t_ns = last;
	else if (c->o->ahead_ns != NULL && s->packet.t_ns > c->o->ahead_ns[s - c->source])
		s->packet.t_ns -= c->o->ahead_ns[s - c->source];
	MUST(heap_push(&c->heap, s->packet.t_ns, (uint64_t)(s - c->source)));
}

static int take_memory(struct capture *c, char error[CAPTURE_ERROR_TEXT])
{
	struct dissect_options d = c->o->dissect;
	uint8_t seed[32];

	if (d.seed == 0) {
		host_seed(seed);
		memcpy(&d.seed, seed, sizeof(d.seed));
	}
	int err = host_arena(&c->arena, dissect_arena_size(&d));
	if (err < 0) {
		snprintf(error, CAPTURE_ERROR_TEXT, "no memory for reading captures: %s",
		         strerror(-err));
		return err;
	}
	c->dissect = dissect_init(&c->arena, &d);
	arena_seal(&c->arena);
	return 0;
}

int capture_open(struct capture **out, const struct capture_options *o,
                 char error[CAPTURE_ERROR_TEXT])
{
	struct capture *c = calloc(1, sizeof(*c));

	*out = NULL;
	MUST(c != NULL && o->path_n > 0 && o->path_n <= CAPTURE_FILES_MAX);
	c->o = o;
	c->source = calloc(o->path_n, sizeof(*c->source));
	c->room = calloc(o->path_n + 1, sizeof(*c->room));
	MUST(c->source != NULL && c->room != NULL);
	heap_init(&c->heap, c->room, o->path_n + 1);
	if (o->path_n > 64)
		net_allow_many_files();
	int err = o->filter != NULL ? capture_filter_new(&c->filter, o->filter, error) : 0;
	if (err == 0)
		err = take_memory(c, error);
	if (err == 0)
		err = open_files(c, error);
	if (err < 0) {
		capture_close(c);
		return err;
	}
	for (unsigned i = 0; i < o->path_n; i++)
		advance(c, &c->source[i]);
	*out = c;
	return 0;
}

/* The next packet of all is c->now's. */
static bool next_source(struct capture *c)
{
	struct source *s = c->now;

	c->now = NULL;
	if (s != NULL)
		advance(c, s);
	if (c->heap.n == 0)
		return false;
	c->now = &c->source[heap_pop(&c->heap).what];
	return true;
}

/* Whether the packet that comes now counts. */
static bool fits(struct capture *c)
{
	bool yes = c->filter == NULL || capture_filter_fits(c->filter, &c->now->packet);

	c->packets += yes;
	return yes;
}

bool capture_next_packet(struct capture *c, struct capture_packet *p, unsigned *file)
{
	do {
		if (!next_source(c))
			return false;
	} while (!fits(c));
	*p = c->now->packet;
	*file = (unsigned)(c->now - c->source);
	return true;
}

enum capture_step capture_step(struct capture *c, struct capture_message *m)
{
	for (unsigned n = 0; !c->over && n < CAPTURE_PATIENCE; n++) {
		if (c->now != NULL && dissect_next(c->dissect, m))
			return CAPTURE_MESSAGE;
		if (next_source(c)) {
			unsigned file = (unsigned)(c->now - c->source);
			if (fits(c))
				dissect_packet(c->dissect, &c->now->packet, file);
			continue;
		}
		dissect_end(c->dissect);
		c->over = true;
	}
	return c->over ? CAPTURE_OVER : CAPTURE_NOTHING;
}

bool capture_next(struct capture *c, struct capture_message *m)
{
	enum capture_step step;

	do
		step = capture_step(c, m);
	while (step == CAPTURE_NOTHING);
	return step == CAPTURE_MESSAGE;
}

int capture_link(const struct capture *c)
{
	int link = CAPTURE_NO_PACKETS;

	for (unsigned i = 0; i < c->o->path_n; i++) {
		const struct capture_packet *p = &c->source[i].packet;
		if (p->number == 0 || p->fault != 0)
			continue;
		if (link >= 0 && link != p->link)
			return CAPTURE_LINKS_DIFFER;
		link = p->link;
	}
	return link;
}

const uint64_t *capture_counts(const struct capture *c)
{
	return dissect_counts(c->dissect);
}

uint64_t capture_packets(const struct capture *c)
{
	return c->packets;
}

const char *capture_trouble(const struct capture *c, unsigned i)
{
	return capture_file_trouble(c->source[i].file);
}

void capture_progress(const struct capture *c, uint64_t *done, uint64_t *all)
{
	bool known = true;

	*done = 0;
	*all = 0;
	for (unsigned i = 0; i < c->o->path_n; i++) {
		uint64_t d, a;
		capture_file_progress(c->source[i].file, &d, &a);
		known = known && a > 0;
		*done += d;
		*all += a;
	}
	*all = known ? *all : 0;
}

void capture_close(struct capture *take_c)
{
	if (take_c == NULL)
		return;
	for (unsigned i = 0; i < take_c->o->path_n && take_c->source != NULL; i++)
		capture_file_close(take_c->source[i].file);
	capture_filter_free(take_c->filter);
	if (take_c->arena.base != NULL)
		host_arena_free(&take_c->arena);
	free(take_c->source);
	free(take_c->room);
	free(take_c);
}
