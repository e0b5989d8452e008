/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures in: all nodes' pcaps through sim/capture into judge_tap, merged by time. A file that is
 * missing, broken, cut off, or that holds cut frames makes the run INVALID with the file's name and
 * the record's number; what could be read before that is judged all the same, and so are the other
 * files.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inner.h"
#include "lib/heap.h"
#include "pcap.h"
#include "sim/capture/core/layer.h"
#include "sim/capture/file.h"

static const int64_t SECOND = 1000000000;

/* A capture, and its next record. */
struct source {
	const struct plan_node *node;
	struct capture_file *file; /* NULL: there is nothing more in it */
	struct capture_packet packet;
	struct judge_tap tap;
	char *trouble;          /* what is wrong with it, as a sentence; NULL: nothing */
};

static void trouble(struct source *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void trouble(struct source *s, const char *format, ...)
{
	struct text t = { .n = 0 };
	char line[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	text_add(&t, "%s.pcap: %s", s->node->name, line);
	s->trouble = strdup(t.s);
	MUST(s->trouble != NULL);
	capture_file_close(s->file);
	s->file = NULL;
}

static void source_open(struct source *s, const struct judge_pcap *from)
{
	char error[CAPTURE_ERROR_TEXT], name[sizeof(error) / 2];

	if (from->file == NULL) {
		trouble(s, "%s", strerror(from->err));
		return;
	}
	snprintf(name, sizeof(name), "%s.pcap", s->node->name);
	if (capture_file_from(&s->file, from->file, name, error) < 0) {
		s->trouble = strdup(error);
		MUST(s->trouble != NULL);
	}
}

/* What makes a record, and so the rest of its file, unfit to judge by. False: nothing. */
static bool source_refuses(struct source *s, unsigned long long number)
{
	const struct capture_packet *p = &s->packet;

	if (p->fault == CAPTURE_RECORD)
		trouble(s, "record %llu contradicts itself", number);
	else if (p->fault != 0 || p->t_ns > UINT32_MAX * SECOND)
		trouble(s, "record %llu has no sensible time", number);
	else if (p->link != LINK_ETHERNET)
		trouble(s, "link type %u, expected Ethernet", p->link);
	else if (p->len < p->wire_len)
		trouble(s, "record %llu holds %u of its frame's %u bytes", number, p->len,
		        p->wire_len);
	return s->trouble != NULL;
}

/* Reads the next record. False when there is none, or when the rest can't be trusted. */
static bool source_next(struct source *s, int64_t t0_unix_ns)
{
	int got = s->file != NULL ? capture_file_next(s->file, &s->packet) : 0;
	unsigned long long number = s->tap.number + 1;

	if (got < 0)
		trouble(s, "cut off or broken at record %llu: %s", number,
		        capture_file_trouble(s->file));
	if (got != 1 || source_refuses(s, number))
		return false;
	s->tap.number = number;
	s->tap.t_ns = s->packet.t_ns - t0_unix_ns;
	return true;
}

static void source_feed(struct judge *j, struct source *s)
{
	struct frame f;

	if (frame_parse(&f, s->packet.bytes, s->packet.len) < 0)
		f = (struct frame){ .kind = FRAME_OTHER };
	s->tap.frame = &f;
	judge_tap(j, &s->tap);
}

/* The records of all sources by time; of one time, by node. */
static void merge(struct judge *j, struct source *source, unsigned n)
{
	struct heap_item *room = zeroed(n, sizeof(*room));
	int64_t t0 = j->events.t0_unix_ns;
	struct heap heap;

	heap_init(&heap, room, n + 1);
	for (unsigned i = 0; i < n; i++)
		if (source_next(&source[i], t0))
			MUST(heap_push(&heap, source[i].tap.t_ns, i));
	while (heap_first(&heap) != INT64_MAX) {
		struct source *s = &source[heap_pop(&heap).what];
		int64_t others = heap_first(&heap);
		bool more;
		do {
			source_feed(j, s);
			more = source_next(s, t0);
		} while (more && s->tap.t_ns < others);
		if (more)
			MUST(heap_push(&heap, s->tap.t_ns, (uint64_t)(s - source)));
	}
	free(room);
}

void judge_pcaps(struct judge *j, const struct judge_pcap *take_pcap)
{
	unsigned n = j->plan->node_n;
	struct source *source = zeroed(n, sizeof(*source));

	for (unsigned i = 0; i < n; i++) {
		source[i].node = &j->plan->node[i];
		source[i].tap.node = i;
		source_open(&source[i], &take_pcap[i]);
	}
	merge(j, source, n);
	for (unsigned i = 0; i < n; i++) {
		if (source[i].trouble != NULL)
			judge_invalid(j, "%s", source[i].trouble);
		free(source[i].trouble);
		capture_file_close(source[i].file);
	}
	free(source);
}
