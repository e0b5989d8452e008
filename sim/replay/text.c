/* SPDX-License-Identifier: BSD-3-Clause */
/* Text out of the document; see doc.h. */
#include <inttypes.h>
#include <string.h>

#include "doc.h"
#include "sim/report/fmt.h"

enum { LABEL = 12 };

static void label(FILE *to, const char *text)
{
	fprintf(to, "%-*s ", LABEL, text);
}

/* "UDP", or "TCP 30 in 4 connections" behind it. */
static void say_tcp(FILE *to, int64_t tcp, int64_t connections)
{
	char n[FMT_TEXT], c[FMT_TEXT];

	if (tcp > 0)
		fprintf(to, "; over TCP %s in %s connections", fmt_count(n, tcp),
		        fmt_count(c, connections));
	fputc('\n', to);
}

static int64_t per_second(int64_t n, int64_t ns)
{
	return ns > 0 ? js_whole((double)n * 1e9 / (double)ns + 0.5) : n;
}

/* "A 90 %, AAAA 10 %" in the order of their names. */
static void say_shares(FILE *to, const json_t *counts)
{
	const char *key, *comma = "";
	const json_t *v;
	int64_t all = 0;
	char share[FMT_TEXT];

	json_object_foreach((json_t *)(uintptr_t)counts, key, v)
		all += json_integer_value(v);
	json_object_foreach((json_t *)(uintptr_t)counts, key, v) {
		fprintf(to, "%s%s %s", comma, key,
		        fmt_ppm(share, js_whole((double)json_integer_value(v) * 1e6 /
		                                (double)all)));
		comma = ", ";
	}
	fputc('\n', to);
}

static void say_copies(FILE *to, const json_t *doc)
{
	int64_t copies = js_int(js_get(doc, "capture"), "copies", 0);
	char n[FMT_TEXT];

	if (copies == 0)
		return;
	label(to, "copies");
	fprintf(to, "%s packets that the capture has twice; their queries are asked once\n",
	        fmt_count(n, copies));
}

/* ---- what is sent ---- */

static void say_capture(FILE *to, const json_t *doc)
{
	const json_t *c = js_get(doc, "capture");
	char q[FMT_TEXT], n[FMT_TEXT], span[FMT_TEXT];

	label(to, "capture");
	fprintf(to, "%s queries from %s addresses in %s", fmt_count(q, js_int(c, "queries", 0)),
	        fmt_count(n, js_int(c, "clients", 0)), fmt_ns(span, js_int(c, "span_ns", 0)));
	say_tcp(to, js_int(c, "queries_tcp", 0), js_int(c, "connections", 0));
	if (js_int(c, "left_out", 0) > 0) {
		label(to, "left out");
		fprintf(to, "%s messages that aren't clients' queries, or not to the server\n",
		        fmt_count(n, js_int(c, "left_out", 0)));
	}
	say_copies(to, doc);
}

static void say_how(FILE *to, const json_t *doc)
{
	int64_t planned = js_int(doc, "planned", 0), ns = js_int(doc, "planned_ns", 0);
	char n[FMT_TEXT], took[FMT_TEXT], rate[FMT_TEXT], most[FMT_TEXT];

	label(to, "to send");
	fprintf(to, "%s queries to %s", fmt_count(n, planned), js_str(doc, "to", "?"));
	if (js_int(doc, "loops", 1) > 1)
		fprintf(to, ", in %s loops", fmt_count(n, js_int(doc, "loops", 1)));
	fputc('\n', to);
	label(to, "rate");
	if (ns == 0)
		fprintf(to, "as fast as may be, at most %s out at once\n",
		        fmt_count(n, js_int(doc, "in_flight", 0)));
	else
		fprintf(to, "in %s at speed %g: %s a second on average, at most %s in any second\n",
		        fmt_ns(took, ns), json_number_value(js_get(doc, "speed")),
		        fmt_count(rate, per_second(planned, ns)),
		        fmt_count(most, js_int(doc, "most_in_a_second", 0)));
	if (json_is_integer(js_get(doc, "limit_per_second"))) {
		label(to, "limit");
		fprintf(to, "%s a second\n", fmt_count(n, js_int(doc, "limit_per_second", 0)));
	}
}

static void say_first(FILE *to, const json_t *doc)
{
	const json_t *e;
	size_t i;
	char t[FMT_TEXT];

	label(to, "types");
	say_shares(to, js_get(js_get(doc, "capture"), "types"));
	json_array_foreach(js_get(doc, "first"), i, e) {
		label(to, i == 0 ? "first" : "");
		fprintf(to, "%10s  ", fmt_ns(t, js_int(e, "t_ns", 0)));
		fprintf(to, "%s  %s  ", js_str(e, "client", "?"), js_str(e, "transport", "?"));
		fmt_put(to, js_str(e, "name", "?"));
		fprintf(to, " %s\n", js_str(e, "type", "?"));
	}
}

/* ---- what came of it ---- */

static void say_sent(FILE *to, const json_t *r, int64_t planned)
{
	int64_t sent = js_int(r, "sent", 0), ns = js_int(r, "sending_ns", 0);
	char n[FMT_TEXT], all[FMT_TEXT], took[FMT_TEXT], rate[FMT_TEXT];

	label(to, "sent");
	fmt_count(n, sent);
	if (sent < planned)
		fprintf(to, "%s of %s", n, fmt_count(all, planned));
	else
		fputs(n, to);
	fprintf(to, " in %s, %s a second", fmt_ns(took, ns), fmt_count(rate, per_second(sent, ns)));
	say_tcp(to, js_int(r, "sent_tcp", 0), js_int(r, "connections", 0));
}

static void say_answers(FILE *to, const json_t *r)
{
	int64_t sent = js_int(r, "sent", 0), answered = js_int(r, "answered", 0);
	char n[FMT_TEXT], share[FMT_TEXT];

	label(to, "answered");
	fprintf(to, "%s (%s)%s", fmt_count(n, answered),
	        fmt_ppm(share, sent > 0 ? js_whole((double)answered * 1e6 / (double)sent) : 0),
	        answered > 0 ? ": " : "\n");
	if (answered > 0)
		say_shares(to, js_get(r, "rcodes"));
}

/* What there is only sometimes. */
static void say_rest(FILE *to, const json_t *r)
{
	static const struct { const char *key, *label, *what; } row[] = {
		{ "unanswered", "unanswered", "in time" },
		{ "open", "open", "without an answer when it was stopped" },
		{ "given_up", "given up", "not waited for any longer: too many were out" },
		{ "failed", "failed", "over TCP: no connection, or it ended before the answer" },
		{ "unsent", "unsent", "that the system refused to send" },
		{ "refused", "errors", "that sockets reported: nobody there, or unreachable" },
		{ "unmatched", "unmatched", "answers too late, twice, or to what wasn't asked" },
		{ "broken", "broken", "messages that aren't answers" },
		{ "truncated", "truncated", "answers; not asked again over TCP" },
		{ "renumbered", "other IDs", "queries whose ID was out already" },
	};
	char n[FMT_TEXT];

	for (size_t i = 0; i < COUNT_OF(row); i++) {
		if (js_int(r, row[i].key, 0) == 0)
			continue;
		label(to, row[i].label);
		fprintf(to, "%s %s\n", fmt_count(n, js_int(r, row[i].key, 0)), row[i].what);
	}
	if (js_int(r, "delayed", 0) > 0) {
		label(to, "delayed");
		fprintf(to, "%s by the limit, ", fmt_count(n, js_int(r, "delayed", 0)));
		fprintf(to, "by at most %s\n", fmt_ns(n, js_int(r, "delayed_ns_max", 0)));
	}
}

static void say_times(FILE *to, const char *name, const json_t *t)
{
	static const char *const q[][2] = { { "p50", "p50" }, { "p90", "p90" }, { "p99", "p99" },
	                                    { "p999", "p99.9" }, { "max", "max" } };
	char text[FMT_TEXT];

	if (!json_is_object(t))
		return;
	label(to, name);
	for (size_t i = 0; i < COUNT_OF(q); i++)
		fprintf(to, "%s%s %s", i > 0 ? ", " : "", q[i][1],
		        fmt_ns(text, js_int(t, q[i][0], 0)));
	fputc('\n', to);
}

void replay_text(FILE *to, const json_t *doc)
{
	const json_t *r = js_get(doc, "result");

	if (r == NULL) {
		say_capture(to, doc);
		say_how(to, doc);
		say_first(to, doc);
		return;
	}
	say_sent(to, r, js_int(doc, "planned", 0));
	say_answers(to, r);
	say_rest(to, r);
	say_copies(to, doc);
	say_times(to, "answer time", js_get(r, "answer_ns"));
	say_times(to, "late by", js_get(r, "late_ns"));
}
