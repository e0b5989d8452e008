/* SPDX-License-Identifier: BSD-3-Clause */
/* sim/plan: a plan survives the way through JSON byte for byte, its bytes are canonical, and a
 * broken plan.json is refused with the place that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "plan_files.h"
#include "sim/plan/schema.h"
#include "sim/plan/plan_io.h"

static struct plan *reference(void)
{
	char error[PLAN_ERROR_TEXT];

	plan_write_all();
	struct plan *p = plan_load("s.lua", NULL, error);
	assert_string_equal(error, "");
	return p;
}

static void a_plan_read_back_from_json_gives_the_same_bytes(void **state)
{
	(void)state;
	char error[PLAN_ERROR_TEXT] = "", before[65], after[65];
	struct plan *p = reference();
	p->expect[1].flake = 1.0 / 3;
	json_t *j = plan_to_json(p);
	struct plan *q = plan_from_json(j, error);
	assert_string_equal(error, "");
	char *a = plan_to_text(p), *b = plan_to_text(q);
	assert_string_equal(a, b);
	assert_true(q->expect[1].flake == 1.0 / 3);
	assert_true(q->expect[1].within_ns == PLAN_MODEL && q->expect[4].error == -1);
	plan_sha256(p, before);
	plan_sha256(q, after);
	assert_string_equal(before, after);
	q->seed++;
	plan_sha256(q, after);
	assert_string_not_equal(before, after);
	free(a);
	free(b);
	json_decref(j);
	plan_free(p);
	plan_free(q);
}

static void check_sorted(const struct schema *s)
{
	for (unsigned i = 0; i < s->field_n; i++) {
		const struct schema_field *f = &s->field[i];
		if (i > 0)
			assert_true(strcmp(f[-1].key, f->key) < 0);
		if (f->type != NULL)
			check_sorted(f->type);
		if (f->elem != NULL && f->elem->type != NULL)
			check_sorted(f->elem->type);
	}
}

static void keys_stand_in_sorted_order(void **state)
{
	(void)state;
	check_sorted(&plan_schema);
	struct plan *p = reference();
	json_t *j = plan_to_json(p);
	char *text = plan_to_text(p);
	char *unsorted = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(17));
	assert_string_equal(text, unsorted);
	free(text);
	free(unsorted);
	json_decref(j);
	plan_free(p);
}

static void the_same_scenario_gives_the_same_bytes(void **state)
{
	(void)state;
	struct plan *p = reference(), *q = reference();
	char *a = plan_to_text(p), *b = plan_to_text(q);
	assert_string_equal(a, b);
	free(a);
	free(b);
	plan_free(p);
	plan_free(q);
}

static void what_says_nothing_is_left_out_and_what_says_something_is_kept(void **state)
{
	(void)state;
	char error[PLAN_ERROR_TEXT] = "";
	struct plan *p = reference();
	char *text = plan_to_text(p);

	assert_null(strstr(text, "cache_entries"));
	assert_null(strstr(text, "at_balancers"));
	free(text);
	p->conf[0].cache_entries = 7;
	p->expect[0].at_balancers = true;
	text = plan_to_text(p);
	assert_non_null(strstr(text, "\"cache_entries\":7,"));
	assert_non_null(strstr(text, "\"at_balancers\":true,"));
	json_t *j = plan_to_json(p);
	struct plan *q = plan_from_json(j, error);
	assert_string_equal(error, "");
	assert_int_equal(q->conf[0].cache_entries, 7);
	assert_true(q->expect[0].at_balancers && !q->expect[1].at_balancers);
	free(text);
	json_decref(j);
	plan_free(p);
	plan_free(q);
}

static const struct {
	const char *what, *from, *to, *error;
} broken[] = {
	{ "a wrong type", "\"seed\":1", "\"seed\":\"1\"",
	  "plan.json: seed: expected a whole number 0...9223372036854775807" },
	{ "a strange key", "\"seed\":1", "\"seed\":1,\"sead\":1",
	  "plan.json: sead: expected no such key" },
	{ "a missing key", "\"seed\":1", "\"sead\":1",
	  "plan.json: seed: expected a value, found none" },
	{ "a strange word", "\"poisson\"", "\"poison\"",
	  "plan.json: load[0].arrivals: expected one of the words that docs/plan.md lists" },
	{ "an index that points nowhere", "\"server_node\":[3,4]", "\"server_node\":[3,5]",
	  "plan.json: conf[0].server_node[1]: expected a recursor" },
	{ "an index that points to a balancer", "\"nodes\":[3,4]", "\"nodes\":[3,1]",
	  "plan.json: expect[0].nodes[1]: expected a recursor" },
	{ "lists of different lengths", "\"server_node\":[3,4]", "\"server_node\":[3]",
	  "plan.json: conf[0].server_node: expected a list as long as the one before" },
	{ "a broken address", "192.0.2.3:53", "192.0.2.300:53",
	  "plan.json: conf[0].server[0].address: expected an address and port" },
	{ "a text with a zero", "\"name\":\"LB1\"", "\"name\":\"L\\u0000B\"",
	  "plan.json: node[1].name: expected a text of at most 63 bytes" },
	{ "shares that don't add up", "\"share_ppm\":1000000", "\"share_ppm\":999999",
	  "plan.json: load[0].types: expected shares that add up to 1000000" },
	{ "two nodes of one name", "\"name\":\"DNS3\",\"nets\"", "\"name\":\"DNS1\",\"nets\"",
	  "plan.json: node[4].name 'DNS1': expected a name of its own" },
	{ "faults out of order", "\"at_ns\":5000000000", "\"at_ns\":11000000000",
	  "plan.json: fault[1].at_ns: expected faults in the order of time" },
};

static void a_broken_plan_is_refused_with_its_place(void **state)
{
	(void)state;
	struct plan *p = reference();
	char *text = plan_to_text(p), changed[16384], error[PLAN_ERROR_TEXT];

	for (size_t i = 0; i < COUNT_OF(broken); i++) {
		const char *at = strstr(text, broken[i].from);
		assert_non_null(at);
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, broken[i].to,
		         at + strlen(broken[i].from));
		json_t *j = json_loads(changed, JSON_ALLOW_NUL, NULL);
		assert_non_null(j);
		struct plan *q = plan_from_json(j, error);
		if (q != NULL || strcmp(error, broken[i].error) != 0)
			fail_msg("%s: '%s', expected '%s'", broken[i].what, error, broken[i].error);
		json_decref(j);
	}
	free(text);
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_read_back_from_json_gives_the_same_bytes),
		cmocka_unit_test(keys_stand_in_sorted_order),
		cmocka_unit_test(the_same_scenario_gives_the_same_bytes),
		cmocka_unit_test(what_says_nothing_is_left_out_and_what_says_something_is_kept),
		cmocka_unit_test(a_broken_plan_is_refused_with_its_place),
	};
	return cmocka_run_group_tests(tests, plan_folder_open, plan_folder_close);
}
