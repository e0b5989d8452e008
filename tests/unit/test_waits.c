/* SPDX-License-Identifier: BSD-3-Clause */
/* How long programs waited for a processor, out of a procfs of our own making and the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/must.h"
#include "sim/netns/waits.h"

static char proc[64];

static void put(int pid, int tid, const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%d", proc, pid);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%d/task", proc, pid);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%d/task/%d", proc, pid, tid);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%d/task/%d/schedstat", proc, pid, tid);
	FILE *f = fopen(path, "w");
	MUST(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static int begin(void **state)
{
	(void)state;
	snprintf(proc, sizeof(proc), "/tmp/evenkeel-test-waits-XXXXXX");
	return mkdtemp(proc) == NULL;
}

static int end(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", proc);
	return system(command);
}

static void the_longest_wait_of_any_thread_counts(void **state)
{
	struct waits w = { 0 };

	(void)state;
	put(7, 7, "1000 5000000 12\n");
	put(7, 8, "1000 90000000 3\n");
	waits_look(&w, proc, 7, true);
	assert_true(w.told);
	assert_int_equal(w.max_ns, 0); /* what was before isn't ours */
	put(7, 7, "1000 45000000 13\n");
	put(7, 8, "1000 91000000 4\n");
	waits_look(&w, proc, 7, true);
	assert_int_equal(w.max_ns, 40000000);
	put(7, 8, "1000 121000000 5\n");
	waits_look(&w, proc, 7, true);
	assert_int_equal(w.max_ns, 40000000);
}

static void what_doesn_t_count_is_forgotten(void **state)
{
	struct waits w = { 0 };

	(void)state;
	put(7, 7, "1 1000 1\n");
	waits_look(&w, proc, 7, false);
	put(7, 7, "1 900001000 2\n");
	waits_look(&w, proc, 7, false);
	put(7, 7, "1 900003000 2\n");
	waits_look(&w, proc, 7, true);
	assert_int_equal(w.max_ns, 2000);
}

/* A pid may be taken again, by a program that has waited longer in its whole life. */
static void another_life_begins_anew(void **state)
{
	struct waits w = { 0 };

	(void)state;
	put(7, 7, "1 1000 1\n");
	put(9, 9, "1 800000000 1\n");
	waits_look(&w, proc, 7, true);
	waits_look(&w, proc, 0, true);
	put(7, 7, "1 500000000 1\n");
	waits_look(&w, proc, 7, true);
	waits_look(&w, proc, 9, true);
	assert_int_equal(w.max_ns, 0);
}

static void what_can_t_be_read_is_nothing(void **state)
{
	struct waits w = { 0 };

	(void)state;
	put(7, 7, "nonsense\n");
	waits_look(&w, proc, 7, true);
	waits_look(&w, proc, 12345, true);
	assert_false(w.told);
	assert_int_equal(w.max_ns, 0);
	assert_false(waits_proc_is_ours(proc));
}

static void our_own_kernel_is_read(void **state)
{
	struct waits w = { 0 };

	(void)state;
	if (!waits_proc_is_ours("/proc") || access("/proc/self/schedstat", R_OK) != 0)
		skip();
	waits_look(&w, "/proc", getpid(), true);
	assert_true(w.told);
	assert_true(w.n >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_longest_wait_of_any_thread_counts, begin, end),
		cmocka_unit_test_setup_teardown(what_doesn_t_count_is_forgotten, begin, end),
		cmocka_unit_test_setup_teardown(another_life_begins_anew, begin, end),
		cmocka_unit_test_setup_teardown(what_can_t_be_read_is_nothing, begin, end),
		cmocka_unit_test(our_own_kernel_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
