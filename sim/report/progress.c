/* SPDX-License-Identifier: BSD-3-Clause */
/* The progress bar; see progress.h. */
#include "progress.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fmt.h"

enum { BAR_MAX = 40, BAR_MIN = 5, WIDTH_USUAL = 80 };
#define REDRAW_NS INT64_C(100000000)
#define SECOND_NS INT64_C(1000000000)

static unsigned terminal_width(const struct progress *p)
{
	struct winsize w;

	if (p->width > 0)
		return p->width;
	if (ioctl(fileno(p->to), TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
		return w.ws_col;
	return WIDTH_USUAL;
}

/* "  7 s left", from the pace so far; "" while there is none. */
static void time_left(char out[FMT_TEXT], int64_t spent_ns, double share)
{
	double left_s = (double)spent_ns / 1e9 * (1 - share) / share;

	out[0] = '\0';
	if (spent_ns < SECOND_NS || share < 0.01 || share >= 1 || left_s > 1e6)
		return;
	if (left_s < 100)
		snprintf(out, FMT_TEXT, "  %.0f s left", left_s);
	else
		snprintf(out, FMT_TEXT, "  %.0f min left", left_s / 60);
}

/* Appends s when it and reserve more columns still fit into width. */
static void add(char out[PROGRESS_TEXT], unsigned width, unsigned reserve, const char *s)
{
	size_t have = strlen(out), more = strlen(s);

	if (fmt_width(out) + fmt_width(s) + reserve <= width && have + more < PROGRESS_TEXT)
		memcpy(out + have, s, more + 1);
}

static void add_bar(char out[PROGRESS_TEXT], unsigned width, unsigned reserve, double share)
{
	unsigned used = fmt_width(out) + reserve + 3;
	unsigned n = used + BAR_MIN > width ? 0 : width - used;
	char bar[BAR_MAX + 4];

	if (n == 0)
		return;
	if (n > BAR_MAX)
		n = BAR_MAX;
	memset(bar, '.', sizeof(bar));
	memcpy(bar, " [", 2);
	memset(bar + 2, '#', (size_t)(share * n));
	memcpy(bar + 2 + n, "]", 2);
	add(out, width, 0, bar);
}

static double share_of(const struct progress_at *at)
{
	if (at->all <= 0 || at->done <= 0)
		return 0;
	return at->done >= at->all ? 1 : (double)at->done / (double)at->all;
}

void progress_line(char out[PROGRESS_TEXT], unsigned width, const char *title, int64_t spent_ns,
                   const struct progress_at *at)
{
	char percent[FMT_TEXT], left[FMT_TEXT], phase[128];
	double share = share_of(at);

	out[0] = '\0';
	snprintf(percent, sizeof(percent), " %3.0f %%", share * 100);
	phase[0] = '\0';
	if (at->phase != NULL)
		snprintf(phase, sizeof(phase), "  %.120s", at->phase);
	time_left(left, spent_ns, share);
	unsigned tail = fmt_width(percent) + fmt_width(left);
	unsigned room_phase = fmt_width(phase);
	bool roomy = fmt_width(title) + tail + room_phase + 3 + BAR_MIN <= width;
	add(out, width, tail, title);
	if (at->all > 0) {
		add_bar(out, width, tail + (roomy ? room_phase : 0), share);
		add(out, width, 0, percent);
		add(out, width, 0, left);
	}
	if (at->phase != NULL && (roomy || at->all <= 0))
		add(out, width, 0, phase);
}

void progress_start(struct progress *p, FILE *to, const char *title, int64_t now_ns)
{
	*p = (struct progress){ .to = to, .title = title, .start_ns = now_ns };
	p->shown = isatty(fileno(to)) == 1;
	p->drawn_ns = now_ns - REDRAW_NS;
}

void progress_update(struct progress *p, int64_t now_ns, int64_t done, int64_t all,
                     const char *phase)
{
	struct progress_at at = { .done = done, .all = all, .phase = phase };
	char line[PROGRESS_TEXT];

	if (!p->shown || now_ns - p->drawn_ns < REDRAW_NS)
		return;
	p->drawn_ns = now_ns;
	/* one column is left free: a terminal may wrap when the last one is taken */
	progress_line(line, terminal_width(p) - 1, p->title, now_ns - p->start_ns, &at);
	fputc('\r', p->to);
	fmt_put(p->to, line);
	fputs("\033[K", p->to);
	fflush(p->to);
}

void progress_end(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", p->to);
	fflush(p->to);
	p->shown = false;
}
