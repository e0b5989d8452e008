/* SPDX-License-Identifier: BSD-3-Clause */
/* What topQueries, topClients and topResponses write, which is what dnsdist's write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "balancer/admin/top.h"
#include "lib/must.h"

static struct top_entry entry(const char *name, unsigned client, unsigned rcode)
{
	struct top_entry e = { .client = ip_v4(127, 0, 0, (uint8_t)client),
	                       .rcode = (uint8_t)rcode };
	int len = dns_name_parse(e.name, name);

	MUST(len > 0);
	e.name_len = (uint8_t)len;
	return e;
}

static void what_comes_most_often_is_first(void **state)
{
	static const struct {
		const char *what;
		enum top_by by;
		unsigned labels;
		int rcode;
		unsigned rows;
		const char *says;
	} rows[] = {
		{ "names", TOP_NAME, TOP_LABELS, TOP_ANY_RCODE, 2,
		  "   1  a.example.org.                              5 45.5%\n"
		  "   2  www.example.org.                            3 27.3%\n"
		  "   3  Rest                                        3 27.3%\n" },
		{ "two labels", TOP_NAME, 2, TOP_ANY_RCODE, 10,
		  "   1  example.org.                                8 72.7%\n"
		  "   2  example.net.                                2 18.2%\n"
		  "   3  example.com.                                1  9.1%\n"
		  "   4  Rest                                        0  0.0%\n" },
		{ "no label", TOP_NAME, 0, TOP_ANY_RCODE, 10,
		  "   1  .                                          11 100.0%\n"
		  "   2  Rest                                        0  0.0%\n" },
		{ "clients", TOP_CLIENT, TOP_LABELS, TOP_ANY_RCODE, 1,
		  "   1  127.0.0.1                                   9 81.8%\n"
		  "   2  Rest                                        2 18.2%\n" },
		{ "an rcode", TOP_NAME, TOP_LABELS, 3, 10,
		  "   1  b.c.example.net.                            2 100.0%\n"
		  "   2  Rest                                        0  0.0%\n" },
		{ "an rcode that nobody had", TOP_NAME, TOP_LABELS, 5, 10,
		  "   1  Rest                                        0 100.0%\n" },
		{ "no rows", TOP_NAME, TOP_LABELS, TOP_ANY_RCODE, 0,
		  "   1  Rest                                       11 100.0%\n" },
	};
	struct top_entry e[11];
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		e[n++] = entry("a.example.org.", 1, 0);
	e[n++] = entry("WWW.example.org.", 1, 0);
	e[n++] = entry("x.example.com.", 1, 0);
	e[n++] = entry("www.Example.org.", 1, 0);
	e[n++] = entry("b.c.example.net.", 9, 3);
	e[n++] = entry("WWW.EXAMPLE.ORG.", 1, 0);
	e[n++] = entry("b.c.example.net.", 9, 3);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *to = open_memstream(&text, &len);
		top_show(to, e, n, rows[i].by, rows[i].labels, rows[i].rcode, rows[i].rows);
		fclose(to);
		if (strcmp(text, rows[i].says) != 0)
			fail_msg("%s:\n%s", rows[i].what, text);
		free(text);
	}
}

static void the_root_and_nothing_at_all_are_shown(void **state)
{
	struct top_entry e = entry(".", 1, 0);
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	top_show(to, &e, 1, TOP_NAME, TOP_LABELS, TOP_ANY_RCODE, 1);
	top_show(to, NULL, 0, TOP_CLIENT, TOP_LABELS, TOP_ANY_RCODE, 1);
	fclose(to);
	assert_string_equal(text, "   1  .                                           1 100.0%\n"
	                          "   2  Rest                                        0  0.0%\n"
	                          "   1  Rest                                        0 100.0%\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_most_often_is_first),
		cmocka_unit_test(the_root_and_nothing_at_all_are_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
