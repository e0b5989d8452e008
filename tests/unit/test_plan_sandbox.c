/* SPDX-License-Identifier: BSD-3-Clause */
/* sim/plan: a scenario can't reach the world, run for ever, eat the memory, or differ from one run
 * to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/host/host.h"
#include "plan_files.h"
#include "sim/plan/plan_io.h"

/* Loads code followed by the reference scenario; NULL means that it was a plan. */
static const char *run(const char *code, size_t len, char error[PLAN_ERROR_TEXT])
{
	static char text[16384];

	memcpy(text, code, len);
	text[len] = '\n';
	strcpy(text + len + 1, plan_scenario);
	plan_write("s.lua", text, len + 1 + strlen(plan_scenario));
	struct plan *p = plan_load("s.lua", NULL, error);
	plan_free(p);
	return p != NULL ? NULL : error;
}

static void what_reaches_the_world_is_not_there(void **state)
{
	(void)state;
	static const char *const names[] = {
		"os", "io", "ffi", "jit", "debug", "package", "require", "load_", "loadstring",
		"dofile", "loadfile", "collectgarbage", "newproxy", "getfenv", "setfenv", "pcall",
		"xpcall", "coroutine", "setmetatable", "getmetatable", "rawset", "rawget", "next",
		"print", "_G", "module", "gcinfo", "bit",
	};
	char code[128], error[PLAN_ERROR_TEXT], expected[64];

	plan_write_all();
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		int n = snprintf(code, sizeof(code), "local x = %s", names[i]);
		assert_non_null(run(code, (size_t)n, error));
		snprintf(expected, sizeof(expected), "s.lua:1: no '%s' here", names[i]);
		assert_memory_equal(error, expected, strlen(expected));
	}
}

static void what_is_random_slow_or_compiled_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *what, *code, *error;
	} rows[] = {
		{ "random numbers", "local x = math.random()",
		  "s.lua:1: attempt to call field 'random' (a nil value)" },
		{ "last bits of libm", "local x = math.exp(1)",
		  "s.lua:1: attempt to call field 'exp' (a nil value)" },
		{ "patterns", "local x = ('a'):find('a')",
		  "s.lua:1: attempt to call method 'find' (a nil value)" },
		{ "compiled functions", "local x = string.dump(function() end)",
		  "s.lua:1: attempt to call field 'dump' (a nil value)" },
		{ "a loop without end", "while true do end",
		  "s.lua:1: the scenario takes too long: more than 20000000 steps" },
		{ "calls without end", "local function f() return f() end f()",
		  "s.lua:1: the scenario takes too long: more than 20000000 steps" },
		{ "calls without bottom", "local function f() return 1 + f() end f()",
		  "s.lua: stack overflow" },
		{ "a text that doubles", "local s = 'xxxxxxxx' for i = 1, 60 do s = s .. s end",
		  "s.lua: not enough memory" },
		{ "a text repeated", "local s = ('x'):rep(1e9)", "s.lua: not enough memory" },
		{ "a table that grows", "local t = {} for i = 1, 1e9 do t[i] = i end",
		  "s.lua: not enough memory" },
		{ "a table in a table in a table", "local t = {} for i = 1, 1e9 do t = { t } end",
		  "s.lua: not enough memory" },
		{ "an error that isn't a text", "error({})",
		  "s.lua: an error that isn't a text" },
		{ "an address as a text", "local s = ('%s'):format({})",
		  "s.lua:1: bad argument #1 to 'format' (expected a text or a number)" },
		{ "an address by %p", "local s = string.format('%p', 'x')",
		  "s.lua:1: bad argument #1 to 'format' (%p is an address" },
		{ "keys that have no order", "for k in pairs({ [{}] = 1 }) do end",
		  "s.lua:1: a key is a table: expected a name or a number" },
		{ "a lab that is a text", "lab 'x'",
		  "s.lua:1: lab: expected a table: lab { ... }" },
	};
	char error[PLAN_ERROR_TEXT];

	plan_write_all();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t start = host_mono_ns();
		if (run(rows[i].code, strlen(rows[i].code), error) == NULL)
			fail_msg("%s: loaded", rows[i].what);
		if (strncmp(error, rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s: '%s', expected '%s'", rows[i].what, error, rows[i].error);
		assert_true(host_mono_ns() - start < INT64_C(20000000000));
	}
	static const char compiled[] = "#\n\x1bLJ\x02";
	assert_non_null(run(compiled, sizeof(compiled) - 1, error));
	assert_string_equal(error, "s.lua: compiled Lua, or a NUL or escape character: "
	                    "expected text");
	assert_non_null(run("x\0y", 3, error));
}

static void the_order_of_pairs_is_that_of_the_keys(void **state)
{
	(void)state;
	static const char code[] =
		"local s = '' for k, v in pairs({ b = 1, a = 2, [10] = 3, [9] = 4, 'x', c = 5 }) "
			"do "
		"s = s .. k .. '=' .. v .. ' ' end "
		"assert(s == '1=x 9=4 10=3 a=2 b=1 c=5 ', s) "
		"assert(tostring({}) == 'table' and tostring(true) == 'true' and tostring(1.5) == "
			"'1.5')";
	char error[PLAN_ERROR_TEXT] = "";

	plan_write_all();
	run(code, sizeof(code) - 1, error);
	assert_string_equal(error, "");
}

static void a_scenario_may_compute_its_tables(void **state)
{
	(void)state;
	static const char code[] =
		"local function second(n) return string.format('%ds', n) end "
		"seed = 3 engines = { 'netns' } limits { slack = second(1) }";
	char error[PLAN_ERROR_TEXT] = "";

	plan_write_all();
	run(code, sizeof(code) - 1, error);
	assert_string_equal(error, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_reaches_the_world_is_not_there),
		cmocka_unit_test(what_is_random_slow_or_compiled_is_refused),
		cmocka_unit_test(the_order_of_pairs_is_that_of_the_keys),
		cmocka_unit_test(a_scenario_may_compute_its_tables),
	};
	return cmocka_run_group_tests(tests, plan_folder_open, plan_folder_close);
}
