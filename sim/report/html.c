/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The report as one HTML page that needs nothing else: the same facts as the text, and plots of
 * load and latency over time, drawn by dygraphs, whose script is put into the page.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"

#include "fmt.h"
#include "report.h"

enum { SCRIPT_MAX = 4 << 20 };

const char *const report_dygraphs[] = {
	"/usr/share/javascript/dygraphs", "/usr/share/nodejs/dygraphs/dist", NULL,
};

static const char style[] =
	"body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
	"color:#222;background:#fff}\n"
	"table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;text-align:right;"
	"border-bottom:1px solid #ddd}td:first-child,th:first-child,.left{text-align:left}\n"
	"section{border-left:.3rem solid #999;padding:.1rem 1rem;margin:1rem 0}\n"
	".PASS{border-color:#1a7f37}.FAIL{border-color:#cf222e}.INCONCLUSIVE{border-color:#9a6700}"
	".INVALID{border-color:#8250df}\n"
	"b.PASS{color:#1a7f37}b.FAIL{color:#cf222e}b.INCONCLUSIVE{color:#9a6700}"
	"b.INVALID{color:#8250df}\n"
	".bar{display:inline-block;height:.7rem;background:#4078c0}code{font-size:.9em}"
	".plot{width:100%;height:15rem;margin:1.5rem 0}dt{color:#666}dd{margin:0 0 .4rem 1rem}\n";

/* Rows are [seconds, value...]; the edges of phases are drawn as lines. */
static const char plots[] =
	"const d=JSON.parse(document.getElementById('series').textContent);\n"
	"const names=Object.keys(d.servers||{}),bin=d.bin_ns/1e9;\n"
	"function rows(cols,scale){const n=Math.max(0,...cols.map(c=>c.length));\n"
	" return Array.from({length:n},(_,i)=>[d.from_ns/1e9+i*bin,"
	"...cols.map(c=>c[i]==null?null:c[i]*scale)])}\n"
	"function plot(id,title,labels,cols,scale,unit){const r=rows(cols,scale);\n"
	" if(!r.length||!cols.length){document.getElementById(id).remove();return}\n"
	" new Dygraph(document.getElementById(id),r,{title,labels:['s',...labels],ylabel:unit,"
	"xlabel:'seconds',legend:'always',includeZero:true,stepPlot:true,animatedZooms:true,\n"
	"  underlayCallback(c,a,g){c.strokeStyle='#999';for(const x of d.edges){"
	"const p=g.toDomXCoord(x/1e9);c.beginPath();c.moveTo(p,a.y);c.lineTo(p,a.y+a.h);"
	"c.stroke()}}})}\n"
	"plot('load','queries forwarded to each server, and lost',[...names,'lost'],"
	"[...names.map(n=>d.servers[n]),d.lost||[]],1/bin,'per second');\n"
	"plot('latency','latency, as the clients saw it',['p50','p99'],"
	"[d.latency_p50_us||[],d.latency_p99_us||[]],1e-3,'ms');\n";

static void escaped(FILE *to, const char *before, const char *text, const char *after)
{
	fputs(before, to);
	fmt_xml(to, text, false);
	fputs(after, to);
}

/* Escapes what write puts out. */
static void escaped_by(FILE *to, void (*write)(FILE *, const json_t *), const json_t *v)
{
	char *text = NULL;
	size_t len;
	FILE *mem = open_memstream(&text, &len);

	if (mem == NULL)
		return;
	write(mem, v);
	fclose(mem);
	fmt_xml(to, text, false);
	free(text);
}

static void figures(FILE *to, const char *label, const json_t *o)
{
	const char *key;
	json_t *list;

	if (json_object_size(o) == 0)
		return;
	fprintf(to, "<dt>%s<dd>", label);
	escaped_by(to, fmt_members, o);
	fputc('\n', to);
	json_object_foreach((json_t *)(uintptr_t)o, key, list)
		for (size_t i = 0; js_named(list) && i < json_array_size(list); i++) {
			const json_t *one = json_array_get(list, i);
			escaped(to, "<dd>", js_str(one, "name", "?"), ": ");
			escaped_by(to, fmt_members, one);
			fputc('\n', to);
		}
}

static void expectation(FILE *to, const json_t *e)
{
	const json_t *list = js_get(e, "evidence");
	const char *mark = js_verdict(e);

	fprintf(to, "<section class=\"%s\"><h3><b class=\"%s\">%s</b> ", mark, mark, mark);
	escaped(to, "", js_str(e, "title", js_str(e, "kind", "?")), "</h3>\n");
	escaped(to, "<p>", js_str(e, "why", ""), "\n<dl>\n");
	escaped(to, "<dt>claim<dd>", js_str(e, "claim", ""), "\n");
	figures(to, "measured", js_get(e, "measured"));
	figures(to, "bound", js_get(e, "bound"));
	if (json_array_size(list) > 0)
		fputs("<dt>evidence\n", to);
	for (size_t i = 0; i < json_array_size(list); i++) {
		fputs("<dd><code>", to);
		escaped_by(to, fmt_evidence, json_array_get(list, i));
		fputs("</code>\n", to);
	}
	fputs("</dl></section>\n", to);
}

/* Invariants that were broken, each a failure of its own. */
static void violations(FILE *to, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		fputs("<section class=\"FAIL\"><h3><b class=\"FAIL\">FAIL</b> ", to);
		escaped_by(to, fmt_violation, json_array_get(list, i));
		fputs("</h3></section>\n", to);
	}
}

static void servers(FILE *to, const json_t *list)
{
	char text[FMT_TEXT];

	if (json_array_size(list) == 0)
		return;
	fputs("<table><tr><th>server<th>address<th>queries<th>share<th>\n", to);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *s = json_array_get(list, i);
		int64_t ppm = js_int(s, "share_ppm", 0);
		escaped(to, "<tr><td>", js_str(s, "name", "?"), "");
		escaped(to, "<td>", js_str(s, "address", "?"), "");
		fprintf(to, "<td>%s", fmt_count(text, js_int(s, "queries", 0)));
		fprintf(to, "<td>%s", fmt_ppm(text, ppm));
		fprintf(to, "<td class=\"left\"><span class=\"bar\" style=\"width:%dpx\"></span>\n",
		        ppm > 0 && ppm <= 1000000 ? (int)(ppm / 5000) : 0);
	}
	fputs("</table>\n", to);
}

static void latency(FILE *to, const json_t *phase, const char *key)
{
	char text[FMT_TEXT];

	escaped(to, "<td>", fmt_latency(text, phase, key), "");
}

static void phases(FILE *to, const json_t *list)
{
	static const char *const counts[] = { "queries", "lost", "error" };
	char text[FMT_TEXT];

	if (json_array_size(list) == 0)
		return;
	fputs("<table><tr><th>phase<th>from<th>to<th>queries<th>lost<th>errors<th>p50<th>p99\n",
	      to);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *p = json_array_get(list, i);
		escaped(to, "<tr><td>", js_str(p, "what", "?"), "");
		fprintf(to, "<td>%s", fmt_ns(text, js_int(p, "from_ns", 0)));
		fprintf(to, "<td>%s", fmt_ns(text, js_int(p, "to_ns", 0)));
		for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++)
			fprintf(to, "<td>%s", fmt_count(text, js_int(p, counts[k], 0)));
		latency(to, p, "p50");
		latency(to, p, "p99");
		fputc('\n', to);
	}
	fputs("</table>\n", to);
}

/*
 * A file of dygraphs', which the caller frees; NULL where it isn't installed, or where it has the
 * tag that would end the element that it is put into.
 */
static char *asset(const char *const *folders, const char *name, const char *end)
{
	for (; folders != NULL && *folders != NULL; folders++) {
		char path[512], *text = NULL;
		size_t len;
		snprintf(path, sizeof(path), "%s/%s", *folders, name);
		if (host_read_file(path, SCRIPT_MAX, &text, &len) != 0)
			continue;
		if (strstr(text, end) == NULL)
			return text;
		free(text);
	}
	return NULL;
}

/* The series and the phases' edges as JSON that can't end the script element that holds it. */
static void series_json(FILE *to, const json_t *doc)
{
	json_t *all = json_deep_copy(js_get(doc, "series")), *edges = json_array();
	const json_t *list = js_get(doc, "phases");
	char *text;

	for (size_t i = 1; i < json_array_size(list); i++)
		json_array_append_new(edges, json_integer(js_int(json_array_get(list, i),
		                                                 "from_ns", 0)));
	json_object_set_new(all, "edges", edges);
	text = json_dumps(all, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(REPORT_DIGITS));
	for (const char *c = text; c != NULL && *c != '\0'; c++)
		fputs(*c == '<' ? "\\u003c" : (char[]){ *c, '\0' }, to);
	free(text);
	json_decref(all);
}

static void over_time(FILE *to, const json_t *doc, const char *const *dygraphs)
{
	char *js, *css;

	if (js_int(js_get(doc, "series"), "bin_ns", 0) <= 0)
		return;
	js = asset(dygraphs, "dygraph.min.js", "</script");
	if (js == NULL) {
		fputs("<p>No plots: this machine has no dygraphs (Debian: libjs-dygraphs).\n", to);
		return;
	}
	css = asset(dygraphs, "dygraph.min.css", "</style");
	fprintf(to, "<style>\n%s\n</style>\n", css != NULL ? css : "");
	fputs("<div class=\"plot\" id=\"load\"></div>\n<div class=\"plot\" id=\"latency\"></div>\n"
	      "<script type=\"application/json\" id=\"series\">", to);
	series_json(to, doc);
	fprintf(to, "</script>\n<script>%s\n</script>\n<script>\n%s</script>\n", js, plots);
	free(js);
	free(css);
}

static void head(FILE *to, const json_t *doc)
{
	const char *mark = js_verdict(doc);

	fputs("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n", to);
	fprintf(to, "<title>%s ", mark);
	escaped(to, "", js_str(doc, "scenario", "?"), "</title>\n");
	fprintf(to, "<style>\n%s</style>\n<h1><b class=\"%s\">%s</b> ", style, mark, mark);
	escaped(to, "", js_str(doc, "scenario", "?"), "</h1>\n<p>");
	if (js_get(doc, "foreign") != NULL) {
		fputs("a capture\n", to);
		return;
	}
	fprintf(to, "seed %" PRId64, js_int(doc, "seed", 0));
	escaped(to, ", engine ", js_str(doc, "engine", "?"), "");
	escaped(to, ", plan <code>", js_str(doc, "plan_sha256", "?"), "</code>\n");
}

void report_html(FILE *to, const json_t *doc, const char *const *dygraphs)
{
	const json_t *list = js_get(doc, "expectations"), *bad = js_get(doc, "invalid");

	head(to, doc);
	for (size_t i = 0; i < json_array_size(bad); i++) {
		const char *s = json_string_value(json_array_get(bad, i));
		escaped(to, "<p><b class=\"INVALID\">!</b> ", s != NULL ? s : "?", "\n");
	}
	for (size_t i = 0; i < json_array_size(js_get(doc, "defects")); i++) {
		const char *s = json_string_value(json_array_get(js_get(doc, "defects"), i));
		escaped(to, "<p><b class=\"INVALID\">!</b> wrong on purpose: ",
		        s != NULL ? s : "?", "\n");
	}
	for (size_t i = 0; i < json_array_size(list); i++)
		expectation(to, json_array_get(list, i));
	violations(to, js_get(doc, "violations"));
	over_time(to, doc, dygraphs);
	servers(to, js_get(doc, "servers"));
	phases(to, js_get(doc, "phases"));
	if (js_get(doc, "foreign") != NULL) {
		fputs("<h2>Capture</h2>\n<pre>", to);
		escaped_by(to, report_foreign, js_get(doc, "foreign"));
		fputs("</pre>\n</html>\n", to);
		return;
	}
	fputs("<h2>Harness</h2>\n<p>", to);
	escaped_by(to, fmt_members, js_get(doc, "harness"));
	fputs("\n</html>\n", to);
}
