/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text that a person reads: what held, how sure we are, where the evidence lies, and what to
 * do next. 80 columns; colour only when asked for; nothing assumed about which keys are there.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fmt.h"
#include "lib/must.h"
#include "report.h"

enum { BLOCK = 6, LABEL = 10, SERVERS_MAX = 40, EVIDENCE_MAX = 6, BAR = 14 };

struct words {
	const char *verdict, *color, *headline, *next;
};

/* Of a capture that no scenario made, where they differ. */
static const struct words foreign_words[] = {
	{ "PASS", NULL, "What was claimed of this capture is so", NULL },
	{ "FAIL", NULL, "The packets refute what was claimed of this capture",
	  "Look at the evidence of what failed, and at what the capture can't say." },
	{ "INCONCLUSIVE", NULL, "Nothing is refuted, but this capture can't decide",
	  "Capture for longer, or what is named above; or ask for a coarser --catch." },
	{ "INVALID", NULL, "This capture can't be judged",
	  "This says nothing about the system. Remove the cause named above." },
};

static const struct words words[] = {
	{ "PASS", "\033[1;32m", "What this scenario claims is so", NULL },
	{ "FAIL", "\033[1;31m", "The packets refute what this scenario claims",
	  "Look at the evidence of what failed. The run is valid: running it again until it passes "
	  "would only hide the fault." },
	{ "INCONCLUSIVE", "\033[1;33m", "Nothing is refuted, but there is too little data to say",
	  "Give it more queries (a higher rate, a longer window) or ask for a coarser catch; "
	  "evenkeel plan prints how many queries each expectation needs." },
	{ "INVALID", "\033[1;35m",
	  "The harness broke its own promises, so this run proves nothing",
	  "This says nothing about the system under test. Remove the cause named above (a busy "
	  "machine? lower the rate, run fewer labs at once) and run it again." },
	{ "UNKNOWN", "\033[1;35m", "This document has no verdict that this version knows",
	  "Judge the run again with this version." },
};

static size_t word_index(const json_t *o)
{
	const char *v = js_verdict(o);
	size_t i = 0;

	while (strcmp(words[i].verdict, v) != 0)
		i++;
	return i;
}

/* What to say of a document's verdict. */
static const struct words *words_of(const json_t *doc)
{
	size_t i = word_index(doc);

	return js_get(doc, "foreign") != NULL && i < COUNT_OF(foreign_words) ? &foreign_words[i] :
	       &words[i];
}

static void mark(FILE *to, const json_t *o, bool color)
{
	size_t i = word_index(o);

	if (color)
		fprintf(to, "%s%s\033[0m", words[i].color, words[i].verdict);
	else
		fputs(words[i].verdict, to);
}

/* Prints what write puts out, wrapped behind a label in an expectation's block. */
static void labelled(FILE *to, const char *label, void (*write)(FILE *, const json_t *),
                     const json_t *v)
{
	char first[64], *text = NULL;
	size_t len;
	FILE *mem = open_memstream(&text, &len);

	if (mem == NULL)
		return;
	write(mem, v);
	fclose(mem);
	snprintf(first, sizeof(first), "%*s%-*s", BLOCK, "", len > 0 ? LABEL : 0, label);
	fmt_wrap(to, first, BLOCK + LABEL, text);
	free(text);
}

static unsigned count_holding(const json_t *list)
{
	unsigned n = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		n += strcmp(js_verdict(json_array_get(list, i)), "PASS") == 0;
	return n;
}

/* What it comes to, and how sure that is: the chance that a right system misses PASS. */
static void summary(FILE *to, const json_t *doc)
{
	const json_t *list = js_get(doc, "expectations"), *flake = js_get(doc, "flake_sum");
	double f = json_number_value(flake);
	char text[FMT_TEXT], line[320], sure[120] = "";

	if (json_is_number(flake) && f >= 1e-15 && f < 1)
		snprintf(sure, sizeof(sure), " By chance alone, a right system would miss PASS in "
		         "one of %s such runs.", fmt_count(text, (int64_t)(1 / f + 0.5)));
	if (strcmp(js_verdict(doc), "INVALID") == 0)
		snprintf(line, sizeof(line), "%s:", words_of(doc)->headline);
	else if (json_array_size(js_get(doc, "violations")) > 0)
		snprintf(line, sizeof(line), "The system under test broke its own invariants; "
		         "%u of %zu expectations hold.%s", count_holding(list),
		         json_array_size(list), sure);
	else
		snprintf(line, sizeof(line), "%s: %u of %zu expectations hold.%s",
		         words_of(doc)->headline, count_holding(list),
		         json_array_size(list), sure);
	fmt_wrap(to, "", 0, line);
}

static void program(FILE *to, const json_t *doc, const char *role)
{
	const json_t *p = js_get(doc, role);
	const char *version = js_str(p, "version", "");

	if (p == NULL)
		return;
	fprintf(to, "%s: ", role);
	fmt_put(to, js_str(p, "program", "?"));
	fputs(version[0] != '\0' ? " " : "", to);
	fmt_put(to, version);
	fputc('\n', to);
}

/* What recursors answered by, where that was captured. */
static void answers(FILE *to, const json_t *doc)
{
	const json_t *a = js_get(doc, "answers");

	if (a == NULL)
		return;
	fputs("answers: captured, ", to);
	fmt_put(to, js_str(a, "file", "?"));
	fprintf(to, ": %" PRId64 " held against it", js_int(a, "captured", 0));
	if (js_int(a, "made", 0) > 0) {
		fprintf(to, ", %" PRId64 " made, as it has none, the first to ",
		        js_int(a, "made", 0));
		fmt_put(to, js_str(a, "first_made", "?"));
	}
	fputc('\n', to);
}

static void headline(FILE *to, const json_t *doc, bool color)
{
	mark(to, doc, color);
	fputs("  ", to);
	fmt_put(to, js_str(doc, "scenario", "?"));
	if (js_get(doc, "foreign") == NULL) {
		fprintf(to, ", seed %" PRId64 ", engine ", js_int(doc, "seed", 0));
		fmt_put(to, js_str(doc, "engine", "?"));
	}
	fputs("\n\n", to);
	summary(to, doc);
	for (size_t i = 0; i < json_array_size(js_get(doc, "invalid")); i++) {
		const char *s = json_string_value(json_array_get(js_get(doc, "invalid"), i));
		fmt_wrap(to, "  ! ", 4, s != NULL ? s : "?");
	}
	for (size_t i = 0; i < json_array_size(js_get(doc, "defects")); i++) {
		const char *s = json_string_value(json_array_get(js_get(doc, "defects"), i));
		fmt_wrap(to, "  ! wrong on purpose: ", 4, s != NULL ? s : "?");
	}
	if (json_is_object(js_get(doc, "balancer")))
		fputc('\n', to);
	program(to, doc, "balancer");
	program(to, doc, "recursor");
	answers(to, doc);
}

static void evidence(FILE *to, const json_t *list)
{
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n && i < EVIDENCE_MAX; i++)
		labelled(to, i == 0 ? "evidence" : "", fmt_evidence, json_array_get(list, i));
	if (n > EVIDENCE_MAX)
		fprintf(to, "%*sand %zu more in verdict.json\n", BLOCK + LABEL, "",
		        n - EVIDENCE_MAX);
}

/* Figures of an expectation: a line for the whole, then one for each balancer or server. */
static void figures(FILE *to, const char *label, const json_t *o)
{
	const char *key;
	json_t *list;

	if (json_object_size(o) == 0)
		return;
	labelled(to, label, fmt_members, o);
	json_object_foreach((json_t *)(uintptr_t)o, key, list)
		for (size_t i = 0; js_named(list) && i < json_array_size(list); i++) {
			char name[LABEL];
			snprintf(name, sizeof(name), "  %.*s", LABEL - 4,
			         js_str(json_array_get(list, i), "name", "?"));
			labelled(to, name, fmt_members, json_array_get(list, i));
		}
}

/* What it claims, measured and bounded by; the short report keeps it for what doesn't hold. */
static void details(FILE *to, const json_t *e)
{
	const char *claim = js_str(e, "claim", "");

	if (claim[0] != '\0')
		fmt_wrap(to, "      claim     ", BLOCK + LABEL, claim);
	figures(to, "measured", js_get(e, "measured"));
	figures(to, "bound", js_get(e, "bound"));
}

static void expectation(FILE *to, const json_t *e, bool color, bool full)
{
	const char *why = js_str(e, "why", "");
	char line[32], title[440];
	unsigned col;

	snprintf(line, sizeof(line), " (line %" PRId64 ")", js_int(e, "line", 0));
	snprintf(title, sizeof(title), "%.400s%s", js_str(e, "title", js_str(e, "kind", "?")),
	         js_get(e, "line") != NULL ? line : "");
	fputc('\n', to);
	mark(to, e, color);
	col = (unsigned)fprintf(to, "%s", strlen(js_verdict(e)) < 5 ? "  " : " ");
	fmt_wrap_from(to, col + (unsigned)strlen(js_verdict(e)), BLOCK, title);
	if (why[0] != '\0')
		fmt_wrap(to, "      ", BLOCK, why);
	if (full || strcmp(js_verdict(e), "PASS") != 0)
		details(to, e);
	evidence(to, js_get(e, "evidence"));
}

/* Invariants that were broken, each a failure of its own. */
static void violations(FILE *to, const json_t *list, bool color)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		char *text = NULL;
		size_t len;
		FILE *mem = open_memstream(&text, &len);
		if (mem == NULL)
			return;
		fmt_violation(mem, json_array_get(list, i));
		fclose(mem);
		fprintf(to, "\n%sFAIL%s  ", color ? words[1].color : "", color ? "\033[0m" : "");
		fmt_wrap_from(to, BLOCK, BLOCK, text);
		free(text);
	}
}

/* All queries that balancer sent to any server. */
static double balancer_total(const json_t *servers, const char *balancer)
{
	double n = 0;

	for (size_t i = 0; i < json_array_size(servers); i++)
		n += (double)js_int(js_get(json_array_get(servers, i), "by_balancer"), balancer, 0);
	return n;
}

/* How many balancers have a column of their own; their names are the first server's keys. */
static unsigned balancer_columns(const json_t *servers)
{
	size_t n = json_object_size(js_get(json_array_get(servers, 0), "by_balancer"));

	return n > 2 ? 2 : (unsigned)n;
}

static void server_row(FILE *to, const json_t *servers, const json_t *s)
{
	const json_t *first = js_get(json_array_get(servers, 0), "by_balancer");
	int64_t ppm = js_int(s, "share_ppm", 0);
	void *it = json_object_iter((json_t *)(uintptr_t)first);
	char text[FMT_TEXT];

	fmt_cell(to, js_str(s, "name", "?"), 9, false);
	fputc(' ', to);
	fmt_cell(to, js_str(s, "address", "?"), 18, false);
	fmt_cell(to, fmt_count(text, js_int(s, "queries", 0)), 9, true);
	fmt_cell(to, fmt_ppm(text, ppm), 9, true);
	for (unsigned i = 0; i < balancer_columns(servers); i++) {
		const char *lb = json_object_iter_key(it);
		double all = balancer_total(servers, lb);
		double n = (double)js_int(js_get(s, "by_balancer"), lb, 0);
		fmt_cell(to, fmt_ppm(text, all > 0 ? js_whole(1e6 * n / all) : 0), 9, true);
		it = json_object_iter_next((json_t *)(uintptr_t)first, it);
	}
	fputs("  ", to);
	int fill = ppm < 0 ? 0 : ppm > 1000000 ? BAR : (int)((ppm * BAR / 2 + 250000) / 500000);
	fprintf(to, "%.*s%.*s\n", fill, "##############", BAR - fill, "..............");
}

static void servers_table(FILE *to, const json_t *servers)
{
	const json_t *first = js_get(json_array_get(servers, 0), "by_balancer");
	size_t n = json_array_size(servers);
	void *it = json_object_iter((json_t *)(uintptr_t)first);

	if (n == 0)
		return;
	fprintf(to, "\n%-9s %-18s%9s%9s", "server", "address", "queries", "share");
	for (unsigned i = 0; i < balancer_columns(servers); i++) {
		char head[FMT_TEXT];
		snprintf(head, sizeof(head), "of %.30s", json_object_iter_key(it));
		fmt_cell(to, head, 9, true);
		it = json_object_iter_next((json_t *)(uintptr_t)first, it);
	}
	fputc('\n', to);
	for (size_t i = 0; i < n && i < SERVERS_MAX; i++)
		server_row(to, servers, json_array_get(servers, i));
	if (n > SERVERS_MAX)
		fprintf(to, "and %zu more servers in verdict.json\n", n - SERVERS_MAX);
	if (json_object_size(first) > 2)
		fprintf(to, "%zu balancers in all: verdict.json has each one's share\n",
		        json_object_size(first));
}

static void latency_cell(FILE *to, const json_t *phase, const char *key)
{
	char text[FMT_TEXT];

	fmt_cell(to, fmt_latency(text, phase, key), 10, true);
}

static void phase_row(FILE *to, const json_t *p)
{
	static const char *const counts[] = { "queries", "lost", "error" };
	static const char *const times[] = { "from_ns", "to_ns" };
	char text[FMT_TEXT];

	fmt_cell(to, js_str(p, "what", "?"), 16, false);
	for (unsigned i = 0; i < 2; i++)
		fmt_cell(to, fmt_ns(text, js_int(p, times[i], 0)), 9, true);
	for (unsigned i = 0; i < 3; i++)
		fmt_cell(to, fmt_count(text, js_int(p, counts[i], 0)), i == 0 ? 10 : 8, true);
	latency_cell(to, p, "p50");
	latency_cell(to, p, "p99");
	fputc('\n', to);
}

/* What so many queries say of the quantiles of all that might have been. */
static void ranges_table(FILE *to, const json_t *phases)
{
	static const char *const keys[] = { "p50", "p90", "p99" };
	char text[FMT_TEXT];

	fprintf(to, "\n%-16s%21s%21s%21s\n", "latency between", "p50", "p90", "p99");
	for (size_t i = 0; i < json_array_size(phases); i++) {
		const json_t *p = json_array_get(phases, i);
		fmt_cell(to, js_str(p, "what", "?"), 16, false);
		for (unsigned k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
			fmt_cell(to, fmt_latency_range(text, p, keys[k]), 21, true);
		fputc('\n', to);
	}
}

static void phases_table(FILE *to, const json_t *phases)
{
	if (json_array_size(phases) == 0)
		return;
	fprintf(to, "\n%-16s%9s%9s%10s%8s%8s%10s%10s\n", "phase", "from", "to", "queries", "lost",
	        "errors", "p50", "p99");
	for (size_t i = 0; i < json_array_size(phases); i++)
		phase_row(to, json_array_get(phases, i));
	if (js_get(json_array_get(phases, 0), "latency_range_us") != NULL)
		ranges_table(to, phases);
}

/* How well the harness kept its promises; a key that is missing is left out. */
static void harness(FILE *to, const json_t *h)
{
	static const struct {
		const char *key, *label;
	} rows[] = {
		{ "setup_ms", "set up in" },
		{ "ready_ms", "ready in" },
		{ "send_late_p50_us", "queries late p50" },
		{ "send_late_p999_us", "late p99.9" },
		{ "send_late_max_us", "late at most" },
		{ "left_late_max_us", "at their interface at most" },
		{ "unsent", "unsent" },
		{ "wire_delay_p50_us", "wire added p50" },
		{ "wire_delay_p99_us", "added p99" },
		{ "wire_drops", "frames dropped" },
		{ "loop_gap_max_us", "longest loop gap" },
		{ "program_wait_max_us", "a program waited for a processor at most" },
		{ "clock_step_us", "clock step" },
	};
	char *text = NULL;
	size_t len, shown = 0;
	FILE *mem = open_memstream(&text, &len);

	if (mem == NULL)
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (js_get(h, rows[i].key) == NULL)
			continue;
		fprintf(mem, "%s%s ", shown++ > 0 ? ", " : "", rows[i].label);
		fmt_value(mem, rows[i].key, js_get(h, rows[i].key));
	}
	fclose(mem);
	if (shown > 0) {
		fputc('\n', to);
		fmt_wrap(to, "harness: ", 9, text);
	}
	free(text);
}

/* A command that shows the first evidence of the first expectation that doesn't hold. */
static void show_first(FILE *to, const json_t *doc, const char *dir)
{
	const json_t *list = js_get(doc, "expectations");
	bool foreign = js_get(doc, "foreign") != NULL; /* captures have whole paths */

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		const json_t *v = json_array_get(js_get(e, "evidence"), 0);
		if (strcmp(js_verdict(e), "PASS") == 0 || js_get(v, "frame") == NULL)
			continue;
		fputs("  tshark -r ", to);
		fmt_put(to, foreign ? "" : dir);
		fputs(foreign ? "" : "/", to);
		fmt_put(to, js_str(v, "pcap", "?"));
		fprintf(to, " -Y frame.number==%" PRId64 " -V\n", js_int(v, "frame", 0));
		return;
	}
}

static void next_steps(FILE *to, const json_t *doc, const char *dir)
{
	const char *next = words_of(doc)->next;

	if (next != NULL) {
		fputc('\n', to);
		fmt_wrap(to, "next: ", 6, next);
		if (strcmp(js_verdict(doc), "FAIL") == 0)
			show_first(to, doc, dir);
	}
	if (js_get(doc, "foreign") != NULL)
		return;
	fputs("\nfiles: ", to);
	fmt_put(to, dir);
	fputs("/: report.txt (every figure), report.html (plots), *.pcap, *.log\n"
	      "judge again: evenkeel judge ", to);
	fmt_put(to, dir);
	fputc('\n', to);
}

void report_text(FILE *to, const json_t *doc, const char *run_dir, bool color)
{
	const json_t *list = js_get(doc, "expectations");
	bool valid = strcmp(js_verdict(doc), "INVALID") != 0;

	headline(to, doc, color);
	for (size_t i = 0; i < json_array_size(list); i++)
		expectation(to, json_array_get(list, i), color && valid, run_dir == NULL);
	violations(to, js_get(doc, "violations"), color && valid);
	servers_table(to, js_get(doc, "servers"));
	phases_table(to, js_get(doc, "phases"));
	report_foreign(to, js_get(doc, "foreign"));
	harness(to, js_get(doc, "harness"));
	next_steps(to, doc, run_dir != NULL ? run_dir : ".");
}
