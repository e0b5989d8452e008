/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of defects, and what is said about one that can't be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "sim/virtual/defect.h"

static void what_is_wrong_with_a_defect_is_said(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{ "wieghts", "--defect wieghts: no such defect: did you mean 'weights'?: expected "
		  "one of --defect list" },
		{ "", "--defect : no such defect: expected one of --defect list" },
		{ "weights=0", "--defect weights=0: expected a whole number from 1 to 99" },
		{ "weights=100", "--defect weights=100: expected a whole number from 1 to 99" },
		{ "weights=", "--defect weights=: expected a whole number from 1 to 99" },
		{ "weights=5x", "--defect weights=5x: expected a whole number from 1 to 99" },
		{ "weights=-1", "--defect weights=-1: expected a whole number from 1 to 99" },
		{ "equal-seeds=1", "--defect equal-seeds=1: expected no value" },
#ifndef EK_DEFECTS
		{ "health-off", "--defect health-off: expected a build with MODE=defects" },
#endif
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct defects set = { 0 };
		char error[DEFECT_TEXT] = "";
		assert_int_equal(defects_parse(&set, rows[i].text, error), -EINVAL);
		assert_string_equal(error, rows[i].error);
		assert_true(set.on == 0);
	}
}

static void defects_add_up_with_their_values(void **state)
{
	struct defects set = { 0 };
	char error[DEFECT_TEXT];

	(void)state;
	assert_int_equal(defects_parse(&set, "weights", error), 0);
	assert_int_equal(defects_parse(&set, "asks-dead=7", error), 0);
	assert_int_equal(defects_parse(&set, "equal-seeds", error), 0);
	assert_true(set.on == ((uint64_t)1 << DEFECT_WEIGHTS | (uint64_t)1 << DEFECT_ASKS_DEAD |
	                       (uint64_t)1 << DEFECT_EQUAL_SEEDS));
	assert_int_equal(set.value[DEFECT_WEIGHTS], 55);
	assert_int_equal(set.value[DEFECT_ASKS_DEAD], 7);
	defect_text(&set, DEFECT_ASKS_DEAD, error);
	assert_string_equal(error, "asks-dead=7");
	defect_text(&set, DEFECT_EQUAL_SEEDS, error);
	assert_string_equal(error, "equal-seeds"); /* it takes no value, so none is told */
}

static void names_are_unique_and_defaults_lie_in_their_range(void **state)
{
	static const struct {
		uint32_t value, low, high;
		const char *prose;
	} rows[DEFECTS] = {
#define DEFECT(id, name, where, value, low, high, prose) [id] = { value, low, high, prose },
#include "lib/defect.def"
#undef DEFECT
	};

	(void)state;
	for (unsigned d = 0; d < DEFECTS; d++) {
		assert_true(rows[d].low <= rows[d].value && rows[d].value <= rows[d].high);
		assert_true(strlen(rows[d].prose) > 0);
		for (unsigned k = 0; k < d; k++)
			assert_string_not_equal(defect_name((enum defect)d),
			                        defect_name((enum defect)k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_with_a_defect_is_said),
		cmocka_unit_test(defects_add_up_with_their_values),
		cmocka_unit_test(names_are_unique_and_defaults_lie_in_their_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
