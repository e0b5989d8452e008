/* SPDX-License-Identifier: BSD-3-Clause */
/* What a scenario says at balancers' consoles: what it comes to, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_files.h"
#include "sim/plan/load.h"
#include "sim/plan/plan_io.h"

/* Line 13 of the scenario. */
#define FAULT "at \"5s\" { kill = \"DNS1\" }"
#define VIRTUAL "engines = { \"virtual\" }\n"
#define CONSOLE "controlSocket(\"127.0.0.1\")\n"
#define KEY "setKey(\"ZXZlbmtlZWw6IGEga2V5IG9ubHkgZm9yIHRoZSBsYWI=\")\n"

/* The scenario with that in place of its first fault, and lines before the configuration. */
static struct plan *load(const char *faults, const char *conf, char *error)
{
	struct plan_options o = { 0 };
	char text[4096];

	plan_write_all();
	plan_write_changed("s.lua", plan_scenario, FAULT, faults);
	snprintf(text, sizeof(text), "%s%s", conf, plan_dnsdist);
	plan_write_changed("dnsdist.conf", text, NULL, NULL);
	return plan_load("s.lua", &o, error);
}

static const struct {
	const char *faults, *conf, *error;
} refused[] = {
	{ VIRTUAL "at \"5s\" { undrain = \"DNS1\" }", "",
	  "s.lua:14: at: undrain of DNS1 at 5s is impossible: it isn't drained" },
	{ VIRTUAL "at \"4s\" { drain = \"DNS1\" } at \"5s\" { drain = \"DNS1\" }", "",
	  "s.lua:14: at: drain of DNS1 at 5s is impossible: it is drained already" },
	{ VIRTUAL "at \"4s\" { setDown = \"DNS1\" } at \"5s\" { undrain = \"DNS1\" }", "",
	  "s.lua:14: at: undrain of DNS1 at 5s is impossible: it isn't drained" },
	{ VIRTUAL "at \"5s\" { setAuto = \"DNS1\" }", "",
	  "s.lua:14: at: setAuto of DNS1 at 5s is impossible: it isn't set down" },
	{ VIRTUAL "at \"4s\" { setDown = \"DNS1\" } at \"5s\" { setDown = \"DNS1\" }",
	  "", "s.lua:14: at: setDown of DNS1 at 5s is impossible: it is set down already" },
	{ "at \"5s\" { drain = \"LB1\" }", "",
	  "s.lua:13: at.drain: no recursor 'LB1': expected one of DNS1, DNS3" },
	{ FAULT " at \"9s\" { drain = \"DNS3\" }", "",
	  "s.lua:13: drain: the balancers of dnsdist.conf can't be told: expected controlSocket "
	  "and setKey in it, or engines = { \"virtual\" }" },
	{ FAULT " at \"9s\" { setDown = \"DNS3\" }", CONSOLE,
	  "s.lua:13: setDown: the balancers of dnsdist.conf can't be told: expected controlSocket "
	  "and setKey in it, or engines = { \"virtual\" }" },
	{ VIRTUAL "at \"4s\" { drain = \"DNS3\" } " FAULT, "",
	  "s.lua:17: expect.even: DNS3 is drained at 4s: expected a time without" },
	{ VIRTUAL "at \"4s\" { setDown = \"DNS3\" } " FAULT, "",
	  "s.lua:17: expect.even: DNS3 is set down at 4s: expected a time without" },
	{ VIRTUAL "at \"5s\" { drain = \"DNS1\" } " FAULT, "",
	  "s.lua:19: expect.back: DNS1 is drained at 5s: expected a time without" },
};

static void what_can_not_be_said_is_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		char error[PLAN_ERROR_TEXT];
		struct plan *p = load(refused[i].faults, refused[i].conf, error);
		if (p != NULL)
			fail_msg("'%s': loaded", refused[i].faults);
		for (char *at; (at = strstr(error, plan_folder)) != NULL;)
			memmove(at, at + strlen(plan_folder) + 1,
			        strlen(at + strlen(plan_folder) + 1) + 1);
		assert_string_equal(error, refused[i].error);
	}
}

static void a_configuration_with_a_console_is_told(void **state)
{
	char error[PLAN_ERROR_TEXT];

	(void)state;
	struct plan *p = load(FAULT " at \"6s\" { setDown = \"DNS3\" } at \"8s\" { setAuto = "
	                      "\"DNS3\" }", CONSOLE KEY, error);
	assert_string_equal(error, "");
	assert_true(p->conf[0].console);
	assert_int_equal(p->fault[1].kind, PLAN_SET_DOWN);
	json_t *j = plan_to_json(p);
	struct plan *back = plan_from_json(j, error);
	assert_non_null(back);
	assert_true(back->conf[0].console);
	json_decref(j);
	plan_free(back);
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_not_be_said_is_refused),
		cmocka_unit_test(a_configuration_with_a_console_is_told),
	};

	return cmocka_run_group_tests(tests, plan_folder_open, plan_folder_close);
}
