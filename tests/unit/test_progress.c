/* SPDX-License-Identifier: BSD-3-Clause */
/* The progress bar: its line at several widths, and that a pipe sees nothing of it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/report/fmt.h"
#include "sim/report/progress.h"

#define SECOND INT64_C(1000000000)

static void lines_fit_their_width(void **state)
{
	static const struct {
		const char *what;
		unsigned width;
		int64_t spent_ns, done, all;
		const char *phase, *want;
	} rows[] = {
		{ "the start", 60, 0, 0, 10, "set up",
		  "blog [.......................................]   0 %  set up" },
		{ "half way", 60, 7 * SECOND, 5, 10, "DNS1 killed",
		  "blog [############............]  50 %  7 s left  DNS1 killed" },
		{ "done", 40, 10 * SECOND, 10, 10, NULL,
		  "blog [###########################] 100 %" },
		{ "too narrow for the phase", 32, 7 * SECOND, 5, 10, "a long phase text",
		  "blog [####.....]  50 %  7 s left" },
		{ "too narrow for a bar", 12, 7 * SECOND, 5, 10, "x", "  50 %" },
		{ "no end known", 40, SECOND, 0, 0, "reading", "blog  reading" },
		{ "no room at all", 0, SECOND, 1, 2, "x", "" },
		{ "beyond the end", 30, SECOND, 12, 10, "x", "blog [##############] 100 %  x" },
		{ "an hour", 60, 3600 * SECOND, 1, 10, "x",
		  "blog [###...........................]  10 %  540 min left  x" },
	};
	char line[PROGRESS_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct progress_at at = { rows[i].done, rows[i].all, rows[i].phase };
		progress_line(line, rows[i].width, "blog", rows[i].spent_ns, &at);
		assert_true(fmt_width(line) <= rows[i].width);
		if (strcmp(line, rows[i].want) != 0)
			fail_msg("%s: '%s' instead of '%s'", rows[i].what, line, rows[i].want);
	}
}

static void a_file_sees_nothing_of_it(void **state)
{
	struct progress p;
	FILE *to = tmpfile();

	(void)state;
	assert_non_null(to);
	progress_start(&p, to, "blog", 0);
	for (int64_t t = 0; t < 5; t++)
		progress_update(&p, t * SECOND, t, 5, "x");
	progress_end(&p);
	assert_int_equal(ftell(to), 0);
	fclose(to);
}

/* A terminal of our own: its other end reads what is drawn. */
static void a_terminal_sees_ten_drawings_a_second_and_then_a_clear_line(void **state)
{
	struct progress p;
	static const char clear[] = "\033[K\r\033[K";
	char seen[16384] = "";
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	size_t drawings = 0, n = 0;

	(void)state;
	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
		skip();
	FILE *to = fopen(ptsname(master), "w");
	assert_non_null(to);
	progress_start(&p, to, "blog", 0);
	for (int64_t ms = 0; ms < 1000; ms++)
		progress_update(&p, ms * 1000000, ms, 1000, "x");
	progress_end(&p);
	while (strstr(seen, clear) == NULL) {
		ssize_t got = read(master, seen + n, sizeof(seen) - 1 - n);
		assert_true(got > 0);
		n += (size_t)got;
	}
	for (const char *c = seen; (c = strstr(c, "blog [")) != NULL; c++)
		drawings++;
	assert_int_equal(drawings, 10);
	assert_string_equal(strstr(seen, clear), clear);
	fclose(to);
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_fit_their_width),
		cmocka_unit_test(a_file_sees_nothing_of_it),
		cmocka_unit_test(a_terminal_sees_ten_drawings_a_second_and_then_a_clear_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
