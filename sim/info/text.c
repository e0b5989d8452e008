/* SPDX-License-Identifier: BSD-3-Clause */
/* A screen of text out of the document; see doc.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "doc.h"
#include "sim/report/fmt.h"

enum { LABEL = 12, LISTED = 5, SERVERS = 12, ROWS = 64, LINE_TEXT = 512, SERVER_WIDTH = 26 };

struct out {
	FILE *to;
	unsigned width;
	bool color, blocks;
};

/* ---- lines ---- */

static void label(const struct out *o, const char *text)
{
	fprintf(o->to, "%s%-*s%s", o->color ? "\033[1m" : "", LABEL, text,
	        o->color ? "\033[0m" : "");
}

/* A line under a label, cut to the width; "" continues the one before. */
static void line(const struct out *o, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void line(const struct out *o, const char *name, const char *format, ...)
{
	char text[LINE_TEXT];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	label(o, name);
	if (fmt_width(text) > o->width - LABEL)
		fmt_cell(o->to, text, o->width - LABEL, false);
	else
		fmt_put(o->to, text);
	fputc('\n', o->to);
}

static const char *count_text(char out[FMT_TEXT], const json_t *o, const char *key)
{
	return fmt_count(out, js_int(o, key, 0));
}

/* "2026-11-27 02:30:00.123 UTC" */
static const char *time_text(char out[FMT_TEXT], int64_t unix_ns)
{
	time_t s = (time_t)(unix_ns / 1000000000);
	struct tm tm;
	char day[32];

	if (gmtime_r(&s, &tm) == NULL || strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		day[0] = '\0';
	snprintf(out, FMT_TEXT, "%s.%03d UTC", day, (int)(unix_ns / 1000000 % 1000));
	return out;
}

/* ---- what there is ---- */

static void say_files(const struct out *o, const json_t *doc)
{
	const json_t *files = js_get(doc, "files"), *f;
	size_t i, n = json_array_size(files);

	json_array_foreach(files, i, f) {
		const char *trouble = js_str(f, "trouble", NULL);
		if (n <= LISTED || trouble != NULL)
			line(o, i == 0 ? "capture" : "", "%s", js_str(f, "file", "?"));
		if (trouble != NULL) /* not cut off where the path is long */
			line(o, "", "%s", trouble);
	}
	if (n > LISTED)
		line(o, "captures", "%zu files", n);
}

static void say_time(const struct out *o, const json_t *doc)
{
	int64_t first = js_int(doc, "first_unix_ns", 0), last = js_int(doc, "last_unix_ns", 0);
	char a[FMT_TEXT], b[FMT_TEXT], span[FMT_TEXT];

	line(o, "time", "%s, from %s to %s", fmt_ns(span, last - first), time_text(a, first),
	     time_text(b, last));
}

static void say_messages(const struct out *o, const json_t *doc)
{
	const json_t *m = js_get(doc, "messages");
	char q[FMT_TEXT], a[FMT_TEXT], qt[FMT_TEXT], at[FMT_TEXT], c[FMT_TEXT];

	line(o, "queries", "%s (over TCP %s, in %s connections)", count_text(q, m, "queries"),
	     count_text(qt, m, "queries_tcp"), count_text(c, m, "connections"));
	line(o, "answers", "%s (over TCP %s), truncated %s", count_text(a, m, "answers"),
	     count_text(at, m, "answers_tcp"), count_text(c, m, "truncated"));
}

static void say_unanswered(const struct out *o, const json_t *doc)
{
	const json_t *m = js_get(doc, "messages");
	int64_t lost = js_int(m, "unanswered", 0), asked = lost + js_int(m, "answered", 0);
	char n[FMT_TEXT], p[FMT_TEXT], again[FMT_TEXT], open[FMT_TEXT], un[FMT_TEXT];

	line(o, "unanswered", "%s (%s), asked again %s, too near the end to say %s",
	     fmt_count(n, lost), fmt_ppm(p, asked > 0 ? lost * 1000000 / asked : 0),
	     count_text(again, m, "again"), count_text(open, m, "open"));
	if (js_int(m, "unasked", 0) > 0)
		line(o, "", "%s answers without a query", count_text(un, m, "unasked"));
	if (js_int(m, "forgotten", 0) > 0)
		line(o, "", "%s queries were too many at once to be followed",
		     count_text(un, m, "forgotten"));
}

/* ---- rate ---- */

/* The bins put together into at most so many columns. Returns how many there are. */
static unsigned columns_of(const json_t *bins, unsigned most, int64_t *column, size_t *each)
{
	size_t n = json_array_size(bins);

	*each = n > 0 ? (n + most - 1) / most : 1;
	for (size_t b = 0; b < n; b++) {
		column[b / *each] = b % *each == 0 ? 0 : column[b / *each];
		column[b / *each] += json_integer_value(json_array_get(bins, b));
	}
	return (unsigned)((n + *each - 1) / *each);
}

static void say_rate(const struct out *o, const json_t *doc)
{
	static const char *const block[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const ascii[] = { " ", ".", ":", "-", "=", "+", "*", "%", "#" };
	const json_t *r = js_get(doc, "rate");
	int64_t column[ROWS], most = 0, span = js_int(doc, "last_unix_ns", 0) -
	                                       js_int(doc, "first_unix_ns", 0);
	size_t each;
	unsigned room = o->width - LABEL < ROWS ? o->width - LABEL : ROWS;
	unsigned n = columns_of(js_get(r, "queries"), room, column, &each);
	char bar[ROWS * 4 + 1] = "", mean[FMT_TEXT], top[FMT_TEXT], in[FMT_TEXT];
	double wide_s = (double)js_int(r, "bin_ns", 1) * (double)each / 1e9;

	for (unsigned i = 0; i < n; i++)
		most = column[i] > most ? column[i] : most;
	for (unsigned i = 0; i < n && most > 0; i++) {
		int64_t high = (column[i] * 8 + most - 1) / most;
		strcat(bar, o->blocks ? block[high] : ascii[high]);
	}
	double queries = (double)js_int(js_get(doc, "messages"), "queries", 0);
	line(o, "rate", "%s queries a second on average, at most %s in %s",
	     fmt_count(mean, span > 0 ? js_whole(queries * 1e9 / (double)span + 0.5) : 0),
	     fmt_count(top, js_whole((double)most / wide_s + 0.5)),
	     fmt_ns(in, js_whole(wide_s * 1e9)));
	if (most > 0)
		line(o, "", "%s", bar);
}

/* ---- lists ---- */

/* Members of an object of counts, the highest first. */
struct member {
	const char *key;
	int64_t n;
};

static int by_count(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->n != y->n)
		return x->n < y->n ? 1 : -1;
	return strcmp(x->key, y->key);
}

/* "A 60.0 %, AAAA 30.0 %", as many as fit. */
static void say_counts(const struct out *o, const char *name, const json_t *counts)
{
	struct member m[ROWS];
	size_t n = 0;
	int64_t all = 0;
	char text[LINE_TEXT] = "", entry[LINE_TEXT], share[FMT_TEXT];
	const char *key;
	const json_t *v;

	json_object_foreach((json_t *)(uintptr_t)counts, key, v) {
		all += json_integer_value(v);
		if (n < ROWS)
			m[n++] = (struct member){ key, json_integer_value(v) };
	}
	if (n == 0)
		return;
	qsort(m, n, sizeof(m[0]), by_count);
	for (size_t i = 0; i < n; i++) {
		snprintf(entry, sizeof(entry), "%s%s %s", i > 0 ? ", " : "", m[i].key,
		         fmt_ppm(share, m[i].n * 1000000 / all));
		if (fmt_width(text) + fmt_width(entry) + LABEL > o->width)
			break;
		strcat(text, entry);
	}
	line(o, name, "%s", text);
}

/* How many there are, and the most frequent of them. */
static void say_top(const struct out *o, const char *name, const char *key, const json_t *list)
{
	const json_t *top = js_get(list, "top"), *e;
	bool exact = strcmp(js_str(list, "distinct_is", ""), "exact") == 0;
	char n[FMT_TEXT], p[FMT_TEXT], over[FMT_TEXT] = "";
	size_t i;

	line(o, name, "%s%s", exact ? "" : "about ", count_text(n, list, "distinct"));
	json_array_foreach(top, i, e) {
		if (i == LISTED)
			break;
		int64_t all = js_int(list, "all", 1), extra = js_int(e, "over", 0);
		if (extra > 0)
			snprintf(over, sizeof(over), ", %.3f %% of it at most another's",
			         (double)extra * 100 / (double)(all > 0 ? all : 1));
		else
			over[0] = '\0';
		line(o, "", "%7s  %s%s", fmt_ppm(p, js_int(e, "share_ppm", 0)), js_str(e, key, "?"),
		     over);
	}
}

static const char *time_or_none(char out[FMT_TEXT], const json_t *times, const char *key)
{
	if (!json_is_object(times))
		return "-";
	return fmt_ns(out, js_int(times, key, 0));
}

static void server_line(const struct out *o, const char *name, const char *who, const json_t *e,
                        int64_t all)
{
	const json_t *t = js_get(e, "answer_ns");
	char share[FMT_TEXT], un[FMT_TEXT], a[FMT_TEXT], b[FMT_TEXT], c[FMT_TEXT], d[FMT_TEXT];

	line(o, name, "%-*s %8s %10s %9s %9s %9s %9s", SERVER_WIDTH, who,
	     fmt_ppm(share, all > 0 ? js_int(e, "count", 0) * 1000000 / all : 0),
	     count_text(un, e, "unanswered"), time_or_none(a, t, "p50"), time_or_none(b, t, "p90"),
	     time_or_none(c, t, "p99"), time_or_none(d, t, "max"));
}

static void say_servers(const struct out *o, const json_t *doc)
{
	const json_t *list = js_get(doc, "servers"), *top = js_get(list, "top"), *e;
	size_t i, n = json_array_size(top);
	char text[FMT_TEXT];

	line(o, "servers", "%-*s %8s %10s %9s %9s %9s %9s", SERVER_WIDTH,
	     count_text(text, list, "distinct"), "share", "unanswered", "p50", "p90", "p99", "max");
	json_array_foreach(top, i, e) {
		if (i == SERVERS)
			break;
		server_line(o, "", js_str(e, "server", "?"), e, js_int(list, "all", 1));
	}
	if (n > SERVERS)
		line(o, "", "and others; --json tells more");
}

/* ---- what there isn't ---- */

static const char *prose_of(const char *name)
{
	for (unsigned i = 0; i < CAPTURE_COUNTS; i++)
		if (strcmp(capture_count_row[i].name, name) == 0)
			return capture_count_row[i].prose;
	return name;
}

static void say_causes(const struct out *o, const char *name, const json_t *counts)
{
	const char *key;
	const json_t *v;
	char n[FMT_TEXT];
	bool first = true;

	json_object_foreach((json_t *)(uintptr_t)counts, key, v) {
		line(o, first ? name : "", "%7s  %s", fmt_count(n, json_integer_value(v)),
		     prose_of(key));
		first = false;
	}
}

void info_text(FILE *to, const json_t *doc, unsigned width, bool color, bool blocks)
{
	struct out o = { to, width < 40 ? 40 : width > 200 ? 200 : width, color, blocks };
	const json_t *packets = js_get(doc, "packets");
	const json_t *m = js_get(doc, "messages");
	char n[FMT_TEXT];

	say_files(&o, doc);
	line(&o, "packets", "%s", count_text(n, packets, "all"));
	say_causes(&o, "skipped", js_get(packets, "skipped"));
	say_causes(&o, "lost", js_get(packets, "lost"));
	if (js_int(m, "queries", 0) + js_int(m, "answers", 0) == 0) {
		line(&o, "queries", "none, and no answers");
		return;
	}
	say_time(&o, doc);
	say_messages(&o, doc);
	say_unanswered(&o, doc);
	say_rate(&o, doc);
	say_counts(&o, "types", js_get(doc, "types"));
	say_counts(&o, "rcodes", js_get(doc, "rcodes"));
	say_top(&o, "clients", "client", js_get(doc, "clients"));
	say_top(&o, "names", "name", js_get(doc, "names"));
	say_servers(&o, doc);
}
