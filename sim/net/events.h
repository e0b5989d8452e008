/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * events.jsonl (docs/run-directory.md), as both engines write it. Until t = 0 is known events wait,
 * because each line counts its time from there. Who judges as the run goes is told each line too.
 */
#ifndef EK_EVENTS_H
#define EK_EVENTS_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/must.h"

struct events {
	FILE *to;           /* NULL: nothing is written */
	int64_t t0_ns;      /* monotonic time of t = 0; 0: not known yet */
	json_t *waiting;    /* array of events, t_ns still monotonic */
	void (*tell)(void *arg, const json_t *line); /* the caller's, after events_open; or NULL */
	void *tell_arg;
};

/* Makes dir/events.jsonl anew; dir NULL: no file. Returns 0 or -errno. */
int events_open(struct events *e, const char *dir) MUST_CHECK;
/* take_o: what belongs to the event besides event and t_ns; NULL: nothing. mono_ns: when. */
void events_add(struct events *e, const char *event, int64_t mono_ns, json_t *take_o);
/* t = 0 is known: writes first, then what has waited. */
void events_zero(struct events *e, int64_t t0_ns, json_t *take_first);
/* Writes what is left. Returns 0, or -EIO when something couldn't be written. */
int events_close(struct events *e) MUST_CHECK;

#endif
