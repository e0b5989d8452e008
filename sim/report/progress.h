/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A progress bar for long work: one line on a terminal, drawn anew at most ten times a second, and
 * nothing at all on a pipe or file. It keeps no clock of its own: the caller passes the time.
 *
 *	progress_start(&p, stderr, "blog", now);
 *	progress_update(&p, now, done_ns, all_ns, "DNS1 killed");    as often as you like
 *	progress_end(&p);                                            clears the line
 */
#ifndef EK_REPORT_PROGRESS_H
#define EK_REPORT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
	FILE *to;
	bool shown;            /* to is a terminal */
	unsigned width;        /* columns; 0: asked of the terminal at each drawing */
	const char *title;     /* borrowed until progress_end */
	int64_t start_ns;
	int64_t drawn_ns;      /* when last */
};

enum { PROGRESS_TEXT = 512 };

/* How far the work is. */
struct progress_at {
	int64_t done, all;     /* of any unit: ns, queries, runs; all 0: not known */
	const char *phase;     /* a few words, or NULL */
};

void progress_start(struct progress *p, FILE *to, const char *title, int64_t now_ns);
/* done of all units (of any kind: ns, queries, runs) at now_ns; phase: a few words, or NULL. */
void progress_update(struct progress *p, int64_t now_ns, int64_t done, int64_t all,
                     const char *phase);
/* Clears the line; the next output begins at its start. */
void progress_end(struct progress *p);

/*
 * The line itself after spent_ns of work, without moving the cursor:
 * "blog [#####.....]  50 %  7 s left  DNS1 killed". Never wider than width columns: what doesn't
 * fit is left out, the phase first, the bar last.
 */
void progress_line(char out[PROGRESS_TEXT], unsigned width, const char *title, int64_t spent_ns,
                   const struct progress_at *at);

#endif
