/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures and text for the report's writers; see fmt.h. */
#include "fmt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const json_t *js_get(const json_t *o, const char *key)
{
	return json_is_object(o) ? json_object_get(o, key) : NULL;
}

bool js_named(const json_t *list)
{
	return json_is_string(js_get(json_array_get(list, 0), "name"));
}

const char *js_str(const json_t *o, const char *key, const char *otherwise)
{
	const json_t *v = js_get(o, key);

	return json_is_string(v) ? json_string_value(v) : otherwise;
}

int64_t js_whole(double d)
{
	if (!(d > -9e18))
		return INT64_MIN;
	return d < 9e18 ? (int64_t)d : INT64_MAX;
}

int64_t js_int(const json_t *o, const char *key, int64_t otherwise)
{
	const json_t *v = js_get(o, key);

	if (json_is_integer(v))
		return json_integer_value(v);
	return json_is_real(v) ? js_whole(json_real_value(v)) : otherwise;
}

const char *js_verdict(const json_t *o)
{
	static const char *const known[] = { "PASS", "FAIL", "INCONCLUSIVE", "INVALID" };
	const char *v = js_str(o, "verdict", "");

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(v, known[i]) == 0)
			return known[i];
	return "UNKNOWN";
}

const char *fmt_ns(char out[FMT_TEXT], int64_t ns)
{
	double d = (double)ns, a = d < 0 ? -d : d;

	if (ns == 0)
		snprintf(out, FMT_TEXT, "0 s");
	else if (a < 1e3)
		snprintf(out, FMT_TEXT, "%" PRId64 " ns", ns);
	else if (a < 1e6)
		snprintf(out, FMT_TEXT, "%.*f us", a < 1e5 ? 1 : 0, d / 1e3);
	else if (a < 1e9)
		snprintf(out, FMT_TEXT, "%.*f ms", a < 1e7 ? 2 : a < 1e8 ? 1 : 0, d / 1e6);
	else
		snprintf(out, FMT_TEXT, "%.3f s", d / 1e9);
	return out;
}

const char *fmt_count(char out[FMT_TEXT], int64_t n)
{
	char digits[FMT_TEXT];
	int len = snprintf(digits, sizeof(digits), "%" PRId64, n);
	int lead = n < 0 ? 1 : 0, o = 0;

	for (int i = 0; i < len; i++) {
		if (i > lead && (len - i) % 3 == 0)
			out[o++] = ',';
		out[o++] = digits[i];
	}
	out[o] = '\0';
	return out;
}

const char *fmt_ppm(char out[FMT_TEXT], int64_t ppm)
{
	snprintf(out, FMT_TEXT, "%.*f %%", ppm != 0 && ppm < 1000 ? 4 : ppm % 10000 ? 2 : 0,
	         (double)ppm / 1e4);
	return out;
}

/* Beyond all answers: "> 2.000 s", when a query counts as lost. */
static const char *fmt_lost(char out[FMT_TEXT], const json_t *phase)
{
	int64_t after = js_int(phase, "lost_after_ns", 0);
	char text[FMT_TEXT];

	if (after <= 0)
		return "lost";
	snprintf(out, FMT_TEXT, "> %.20s", fmt_ns(text, after));
	return out;
}

const char *fmt_latency(char out[FMT_TEXT], const json_t *phase, const char *key)
{
	const json_t *v = js_get(js_get(phase, "latency_us"), key);

	if (json_is_number(v))
		return fmt_ns(out, js_whole(json_number_value(v) * 1e3));
	if (json_is_string(v))
		return json_string_value(v);
	return js_int(phase, "lost", 0) > 0 ? fmt_lost(out, phase) : "-";
}

const char *fmt_latency_range(char out[FMT_TEXT], const json_t *phase, const char *key)
{
	const json_t *range = js_get(js_get(phase, "latency_range_us"), key);
	char lo[FMT_TEXT], hi[FMT_TEXT];

	if (json_array_size(range) != 2 || js_int(phase, "queries", 0) == 0)
		return "-";
	for (unsigned i = 0; i < 2; i++) {
		const json_t *v = json_array_get(range, i);
		char *end = i == 0 ? lo : hi;
		if (json_is_integer(v))
			fmt_ns(end, js_whole(json_number_value(v) * 1e3));
		else
			snprintf(end, FMT_TEXT, "%.20s", js_int(phase, "lost", 0) > 0 ?
			         fmt_lost(out, phase) : "?");
	}
	if (strcmp(lo, hi) == 0)
		snprintf(out, FMT_TEXT, "%.20s", lo);
	else
		snprintf(out, FMT_TEXT, "%.20s...%.20s", lo, hi);
	return out;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && strcmp(s + n - m, end) == 0;
}

/* How many ns one of the key's unit is; 0 when it isn't a time. */
static double unit_ns(const char *key)
{
	if (ends_with(key, "_ns"))
		return 1;
	if (ends_with(key, "_us"))
		return 1e3;
	return ends_with(key, "_ms") ? 1e6 : 0;
}

static void put_number(FILE *to, const char *key, const json_t *v)
{
	char text[FMT_TEXT];
	double scale = unit_ns(key), d = json_number_value(v);

	if (scale > 0)
		fputs(fmt_ns(text, js_whole(d * scale)), to);
	else if (ends_with(key, "_ppm"))
		fputs(fmt_ppm(text, js_whole(d)), to);
	else if (json_is_integer(v))
		fputs(fmt_count(text, json_integer_value(v)), to);
	else
		fprintf(to, "%.6g", d);
}

static void put_array(FILE *to, const char *key, const json_t *v)
{
	fputc('[', to);
	for (size_t i = 0; i < json_array_size(v); i++) {
		fputs(i > 0 ? ", " : "", to);
		fmt_value(to, key, json_array_get(v, i));
	}
	fputc(']', to);
}

static void put_members(FILE *to, const char *outer, const json_t *o);

void fmt_value(FILE *to, const char *key, const json_t *v)
{
	if (json_is_number(v))
		put_number(to, key, v);
	else if (json_is_string(v))
		fputs(json_string_value(v), to);
	else if (json_is_boolean(v))
		fputs(json_is_true(v) ? "yes" : "no", to);
	else if (json_is_null(v))
		fputs("none", to);
	else if (json_is_array(v))
		put_array(to, key, v);
	else if (json_is_object(v)) {
		fputc('(', to);
		put_members(to, key, v);
		fputc(')', to);
	}
}

/* The key as a person reads it: no unit, spaces for underscores. */
static void put_key(FILE *to, const char *key)
{
	size_t n = strlen(key);

	if (unit_ns(key) > 0)
		n -= 3;
	else if (ends_with(key, "_ppm"))
		n -= 4;
	for (size_t i = 0; i < n; i++)
		fputc(key[i] == '_' ? ' ' : key[i], to);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The keys of o, sorted, in an array that the caller frees; *n of them. NULL when none. */
static const char **sorted_keys(const json_t *o, size_t *n)
{
	size_t size = json_object_size(o), i = 0;
	const char **keys = size > 0 ? calloc(size, sizeof(*keys)) : NULL;
	const char *key;
	json_t *v;

	*n = keys != NULL ? size : 0;
	if (keys == NULL)
		return NULL;
	json_object_foreach((json_t *)(uintptr_t)o, key, v)
		keys[i++] = key;
	qsort(keys, size, sizeof(*keys), by_name);
	return keys;
}

/* Members without a unit of their own have that of the key outer: {"share_ppm": {"DNS1": n}}. */
static void put_members(FILE *to, const char *outer, const json_t *o)
{
	size_t n, shown = 0;
	const char **keys = sorted_keys(o, &n);

	for (size_t i = 0; i < n; i++) {
		bool own = unit_ns(keys[i]) > 0 || ends_with(keys[i], "_ppm");
		if (strcmp(keys[i], "name") == 0 || js_named(json_object_get(o, keys[i])))
			continue;
		fputs(shown++ > 0 ? ", " : "", to);
		put_key(to, keys[i]);
		fputc(' ', to);
		fmt_value(to, own ? keys[i] : outer, json_object_get(o, keys[i]));
	}
	free(keys);
}

void fmt_members(FILE *to, const json_t *o)
{
	put_members(to, "", o);
}

void fmt_evidence(FILE *to, const json_t *e)
{
	char text[FMT_TEXT];
	const char *what = js_str(e, "what", "");

	fputs(js_str(e, "pcap", "?"), to);
	if (js_get(e, "frame") != NULL)
		fprintf(to, " frame %" PRId64, js_int(e, "frame", 0));
	if (js_get(e, "t_ns") != NULL)
		fprintf(to, " at %s", fmt_ns(text, js_int(e, "t_ns", 0)));
	if (what[0] != '\0')
		fprintf(to, ": %s", what);
}

void fmt_violation(FILE *to, const json_t *v)
{
	char text[FMT_TEXT];

	fputs(js_str(v, "what", "?"), to);
	if (js_get(v, "node") != NULL)
		fprintf(to, ", at %s", js_str(v, "node", "?"));
	if (js_get(v, "t_ns") != NULL)
		fprintf(to, ", at %s", fmt_ns(text, js_int(v, "t_ns", 0)));
}

/* Bytes of the code point at s; 1 at least, never beyond the end. */
static size_t point_len(const char *s)
{
	size_t n = 1;

	while (((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

unsigned fmt_width(const char *s)
{
	unsigned n = 0;

	for (; *s != '\0'; s += point_len(s))
		n++;
	return n;
}

/* C0, DEL, and C1 (U+0080 to U+009F, which begins with c2): a terminal may obey them. */
static bool is_control(const char *s)
{
	unsigned char a = (unsigned char)s[0], b = a != 0 ? (unsigned char)s[1] : 0;

	return a < 0x20 || a == 0x7f || (a == 0xc2 && b < 0xa0);
}

static void put_point(FILE *to, const char *s, size_t n)
{
	if (is_control(s))
		fputc('?', to);
	else
		fwrite(s, 1, n, to);
}

/* At most max columns of s. */
static void put_some(FILE *to, const char *s, unsigned max)
{
	while (*s != '\0' && max-- > 0) {
		size_t n = point_len(s);
		put_point(to, s, n);
		s += n;
	}
}

void fmt_put(FILE *to, const char *s)
{
	put_some(to, s, UINT32_MAX);
}

void fmt_cell(FILE *to, const char *s, unsigned width, bool right)
{
	unsigned w = fmt_width(s);
	int pad = w < width ? (int)(width - w) : 0;

	if (right)
		fprintf(to, "%*s", pad, "");
	if (w > width && width > 0) {
		put_some(to, s, width - 1);
		fputc('~', to);
	} else {
		fmt_put(to, s);
	}
	if (!right)
		fprintf(to, "%*s", pad, "");
}

/* Columns of the word at s, and its bytes in *len. */
static unsigned word(const char *s, size_t *len)
{
	unsigned w = 0;

	*len = 0;
	while (s[*len] != '\0' && s[*len] != ' ' && s[*len] != '\n') {
		*len += point_len(s + *len);
		w++;
	}
	return w;
}

void fmt_wrap_from(FILE *to, unsigned col, unsigned indent, const char *text)
{
	bool fresh = true;

	for (const char *s = text;;) {
		size_t len;
		s += strspn(s, " \n");
		unsigned w = word(s, &len);
		if (len == 0)
			break;
		if (!fresh && col + 1 + w > REPORT_WIDTH) {
			fprintf(to, "\n%*s", (int)indent, "");
			col = indent;
			fresh = true;
		}
		col += w + (fresh ? 0 : 1);
		fputs(fresh ? "" : " ", to);
		put_some(to, s, w);
		fresh = false;
		s += len;
	}
	fputc('\n', to);
}

void fmt_wrap(FILE *to, const char *first, unsigned indent, const char *text)
{
	fmt_put(to, first);
	fmt_wrap_from(to, fmt_width(first), indent, text);
}

void fmt_xml(FILE *to, const char *s, bool in_attribute)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '<')
			fputs("&lt;", to);
		else if (c == '>')
			fputs("&gt;", to);
		else if (c == '&')
			fputs("&amp;", to);
		else if (c == '"')
			fputs("&quot;", to);
		else if (c == '\'')
			fputs("&apos;", to);
		else if (c == '\n' || c == '\t')
			fprintf(to, in_attribute ? "&#%d;" : "%c", c);
		else if (c < 0x20 || c == 0x7f)
			fputc('?', to);
		else if (strncmp(s, "\xef\xbf\xbe", 3) == 0 || strncmp(s, "\xef\xbf\xbf", 3) == 0)
			fputc('?', to), s += 2;
		else
			fputc(c, to);
	}
}
