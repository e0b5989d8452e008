/* SPDX-License-Identifier: BSD-3-Clause */
/* One JSON object a line; see events.h. */
#include "events.h"

#include <errno.h>

int events_open(struct events *e, const char *dir)
{
	char path[4200];

	*e = (struct events){ .to = NULL };
	if (dir != NULL) {
		snprintf(path, sizeof(path), "%s/events.jsonl", dir);
		e->to = fopen(path, "we");
		if (e->to == NULL)
			return -errno;
	}
	e->waiting = json_array();
	MUST(e->waiting != NULL);
	return 0;
}

static void write_line(struct events *e, const json_t *line)
{
	if (e->tell != NULL)
		e->tell(e->tell_arg, line);
	if (e->to == NULL)
		return;
	json_dumpf(line, e->to, JSON_COMPACT);
	fputc('\n', e->to);
	fflush(e->to);
}

/* A new line, its time still absolute. */
static json_t *make(const char *event, int64_t mono_ns, json_t *take_o)
{
	json_t *line = json_pack("{s:s, s:I}", "event", event, "t_ns", (json_int_t)mono_ns);

	MUST(line != NULL);
	if (take_o != NULL)
		MUST(json_object_update(line, take_o) == 0);
	json_decref(take_o);
	return line;
}

static void rebase(const struct events *e, json_t *line)
{
	json_t *t = json_object_get(line, "t_ns");

	json_integer_set(t, json_integer_value(t) - e->t0_ns);
}

void events_add(struct events *e, const char *event, int64_t mono_ns, json_t *take_o)
{
	json_t *line = make(event, mono_ns, take_o);

	if (e->t0_ns == 0) {
		json_array_append_new(e->waiting, line);
		return;
	}
	rebase(e, line);
	write_line(e, line);
	json_decref(line);
}

void events_zero(struct events *e, int64_t t0_ns, json_t *take_first)
{
	size_t i;
	json_t *line, *first = make("start", t0_ns, take_first);

	e->t0_ns = t0_ns;
	rebase(e, first);
	write_line(e, first);
	json_decref(first);
	json_array_foreach(e->waiting, i, line) {
		rebase(e, line);
		write_line(e, line);
	}
	json_array_clear(e->waiting);
}

int events_close(struct events *e)
{
	int bad = 0;

	json_decref(e->waiting);
	errno = 0;
	if (e->to != NULL) {
		bad = ferror(e->to);
		bad |= fclose(e->to);
	}
	if (bad == 0)
		return 0;
	return errno != 0 ? -errno : -EIO; /* what failed before isn't known any more */
}
