/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The report's writers against golden files: each tests/golden/report/NAME.json is a verdict
 * document, NAME.txt, NAME.xml and NAME.tap what comes of it. EK_GOLDEN=update writes them anew.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/host/host.h"
#include "sim/report/fmt.h"
#include "sim/report/report.h"

#define GOLDEN "tests/golden/report/"

static json_t *load(const char *name)
{
	char path[256];
	json_error_t e;

	snprintf(path, sizeof(path), GOLDEN "%s.json", name);
	json_t *doc = json_load_file(path, 0, &e);
	if (doc == NULL)
		fail_msg("%s:%d: %s", path, e.line, e.text);
	return doc;
}

static char *slurp(const char *path)
{
	char *text = NULL;
	size_t len;

	if (host_read_file(path, 1 << 20, &text, &len) != 0)
		fail_msg("%s can't be read", path);
	return text;
}

static bool updating(void)
{
	const char *v = getenv("EK_GOLDEN");

	return v != NULL && strcmp(v, "update") == 0;
}

static void assert_golden(const char *name, const char *kind, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), GOLDEN "%s.%s", name, kind);
	if (updating()) {
		FILE *to = fopen(path, "w");
		assert_non_null(to);
		fputs(text, to);
		fclose(to);
	}
	char *want = slurp(path);
	assert_string_equal(text, want);
	free(want);
}

enum kind { TEXT, COLOR, JUNIT, TAP, HTML };

/* What a writer makes of documents; the caller frees it. */
static char *written(enum kind k, const json_t *const *doc, unsigned n)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(to);
	if (k == TEXT || k == COLOR)
		report_text(to, doc[0], "runs/x-1", k == COLOR);
	else if (k == JUNIT)
		report_junit(to, doc, n);
	else if (k == TAP)
		report_tap(to, doc, n);
	else
		report_html(to, doc[0], NULL);
	fclose(to);
	return text;
}

static void check(const char *name, const char *kind, enum kind k)
{
	json_t *doc = load(name);
	const json_t *one = doc;
	char *text = written(k, &one, 1);

	assert_golden(name, kind, text);
	free(text);
	json_decref(doc);
}

static const char *const names[] = { "pass", "fail", "invalid", "foreign", "violation" };
enum { NAMES = sizeof(names) / sizeof(names[0]) };

static void text_is_as_the_golden_files_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < NAMES; i++)
		check(names[i], "txt", TEXT);
}

static void junit_is_as_the_golden_files_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < NAMES; i++)
		check(names[i], "xml", JUNIT);
}

static void tap_is_as_the_golden_files_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < NAMES; i++)
		check(names[i], "tap", TAP);
}

static void html_is_as_the_golden_files_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < NAMES; i++)
		check(names[i], "html", HTML);
}

/* What a page's plots come to, with a script in the place of dygraphs'. */
static char *page_with_script(const char *script)
{
	char dir[] = "/tmp/ek-report-XXXXXX", path[64], *text = NULL;
	const char *folders[] = { "/nowhere", dir, NULL };
	json_t *doc = load("pass");
	size_t len;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/dygraph.min.js", dir);
	FILE *js = fopen(path, "w");
	fputs(script, js);
	fclose(js);
	FILE *to = open_memstream(&text, &len);
	report_html(to, doc, folders);
	fclose(to);
	json_decref(doc);
	unlink(path);
	rmdir(dir);
	return text;
}

static void plots_have_the_series_and_the_script_in_the_page(void **state)
{
	char *page = page_with_script("var Dygraph=1;");

	(void)state;
	assert_non_null(strstr(page, "<script>var Dygraph=1;\n</script>"));
	assert_non_null(strstr(page, "\"edges\":[5000000000,10000000000]"));
	assert_non_null(strstr(page, "DNS3\\u003c/script>"));
	assert_null(strstr(page, "No plots"));
	free(page);
}

static void a_script_that_would_end_its_element_is_left_out(void **state)
{
	char *page = page_with_script("'</script>'");

	(void)state;
	assert_non_null(strstr(page, "No plots"));
	free(page);
}

static void several_runs_share_one_stream(void **state)
{
	(void)state;
	json_t *doc[2] = { load("pass"), load("fail") };
	const json_t *both[2] = { doc[0], doc[1] };
	char *tap = written(TAP, both, 2), *xml = written(JUNIT, both, 2);

	assert_non_null(strstr(tap, "\n1..6\n"));
	assert_non_null(strstr(tap, "\nok 4 - hang seed 7 harness"));
	assert_non_null(strstr(xml, "tests=\"6\" failures=\"1\" errors=\"0\" skipped=\"1\""));
	free(tap);
	free(xml);
	json_decref(doc[0]);
	json_decref(doc[1]);
}

static void text_keeps_to_80_columns_and_holds_no_control_characters(void **state)
{
	(void)state;
	for (size_t i = 0; i < NAMES; i++) {
		json_t *doc = load(names[i]);
		const json_t *one = doc;
		char *text = written(TEXT, &one, 1), *rest = text, *line;
		while ((line = strsep(&rest, "\n")) != NULL) {
			assert_true(fmt_width(line) <= REPORT_WIDTH);
			for (const char *c = line; *c != '\0'; c++)
				assert_true((unsigned char)*c >= 0x20);
		}
		free(text);
		json_decref(doc);
	}
}

static void colour_comes_only_when_asked(void **state)
{
	(void)state;
	json_t *doc = load("pass");
	const json_t *one = doc;
	char *plain = written(TEXT, &one, 1), *color = written(COLOR, &one, 1);

	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(color, "\033[1;32mPASS\033[0m"));
	free(plain);
	free(color);
	json_decref(doc);
}

static void no_document_at_all_is_survived(void **state)
{
	(void)state;
	const json_t *none = NULL;

	for (enum kind k = TEXT; k <= HTML; k++)
		free(written(k, &none, 1));
}

static void figures_are_as_people_read_them(void **state)
{
	static const struct {
		const char *what, *key;
		double value;
		const char *want;
	} rows[] = {
		{ "nothing", "a_ns", 0, "0 s" },
		{ "nanoseconds", "a_ns", 850, "850 ns" },
		{ "microseconds", "a_ns", 12345, "12.3 us" },
		{ "many microseconds", "a_us", 310, "310 us" },
		{ "milliseconds", "a_ms", 4.7, "4.70 ms" },
		{ "many milliseconds", "a_ns", 861234567, "861 ms" },
		{ "seconds", "a_ns", 2021000000, "2.021 s" },
		{ "before the start", "a_ns", -12345, "-12.3 us" },
		{ "half", "a_ppm", 500000, "50 %" },
		{ "nearly half", "a_ppm", 499398, "49.94 %" },
		{ "very little", "a_ppm", 3, "0.0003 %" },
		{ "a real", "alarm", 0.25, "0.25" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = NULL;
		size_t len;
		FILE *to = open_memstream(&text, &len);
		json_t *v = json_real(rows[i].value);
		fmt_value(to, rows[i].key, v);
		fclose(to);
		if (strcmp(text, rows[i].want) != 0)
			fail_msg("%s: '%s' instead of '%s'", rows[i].what, text, rows[i].want);
		free(text);
		json_decref(v);
	}
}

static void counts_have_commas(void **state)
{
	static const struct {
		int64_t n;
		const char *want;
	} rows[] = {
		{ 0, "0" }, { 999, "999" }, { 1000, "1,000" }, { -1000, "-1,000" },
		{ -100, "-100" }, { 1234567, "1,234,567" },
		{ INT64_MIN, "-9,223,372,036,854,775,808" },
	};
	char text[FMT_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(fmt_count(text, rows[i].n), rows[i].want);
}

static void files_are_written_whole_and_the_same_each_time(void **state)
{
	static const char *const files[] = { "verdict.json", "report.txt", "junit.xml",
	                                     "report.tap", "report.html" };
	char dir[] = "/tmp/ek-report-XXXXXX", path[64];
	json_t *doc = load("pass");

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(report_write(dir, doc), 0);
	snprintf(path, sizeof(path), "%s/verdict.json", dir);
	char *first = slurp(path);
	json_t *again = json_load_file(path, 0, NULL);
	assert_int_equal(report_write(dir, again), 0);
	char *second = slurp(path);
	assert_string_equal(first, second);
	assert_true(json_equal(doc, again));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0); /* nothing else was left behind */
	assert_int_equal(report_write(dir, doc), -ENOENT);
	free(first);
	free(second);
	json_decref(doc);
	json_decref(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_as_the_golden_files_say),
		cmocka_unit_test(junit_is_as_the_golden_files_say),
		cmocka_unit_test(tap_is_as_the_golden_files_say),
		cmocka_unit_test(html_is_as_the_golden_files_say),
		cmocka_unit_test(plots_have_the_series_and_the_script_in_the_page),
		cmocka_unit_test(a_script_that_would_end_its_element_is_left_out),
		cmocka_unit_test(several_runs_share_one_stream),
		cmocka_unit_test(text_keeps_to_80_columns_and_holds_no_control_characters),
		cmocka_unit_test(colour_comes_only_when_asked),
		cmocka_unit_test(no_document_at_all_is_survived),
		cmocka_unit_test(figures_are_as_people_read_them),
		cmocka_unit_test(counts_have_commas),
		cmocka_unit_test(files_are_written_whole_and_the_same_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
