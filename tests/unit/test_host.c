/* SPDX-License-Identifier: BSD-3-Clause */
/* The operating system's side, and the arena that it maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/host/host.h"

static void an_arena_hands_out_zeroed_aligned_memory(void **state)
{
	struct arena a;

	(void)state;
	assert_int_equal(arena_need(0, 8), 0);
	assert_int_equal(arena_need(1, 1), 64);
	assert_int_equal(arena_need(3, 64), 192);
	assert_int_equal(host_arena(&a, arena_need(1, 1) + arena_need(100, 7)), 0);
	uint8_t *p = arena_take(&a, 1, 1), *q = arena_take(&a, 100, 7);
	assert_true((uintptr_t)p % 64 == 0 && (uintptr_t)q % 64 == 0 && q == p + 64);
	for (int i = 0; i < 700; i++)
		assert_int_equal(q[i], 0);
	assert_true(a.used == a.cap);
	host_arena_free(&a);
}

static void take_sealed(struct arena *a)
{
	arena_seal(a);
	arena_take(a, 1, 1);
}

static void take_too_much(struct arena *a)
{
	arena_take(a, 129, 1);
}

static void take_overflowing(struct arena *a)
{
	arena_take(a, SIZE_MAX / 2, 3);
}

/* True when f ends a child by abort. */
static bool ends(void (*f)(struct arena *))
{
	struct arena a;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL || host_arena(&a, 128) < 0)
			_exit(1);
		f(&a);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void a_wrong_arena_ends_the_program(void **state)
{
	(void)state;
	assert_true(ends(take_sealed));
	assert_true(ends(take_too_much));
	assert_true(ends(take_overflowing));
}

static void clocks_go_forward(void **state)
{
	int64_t a = host_mono_ns(), b = host_mono_ns();

	(void)state;
	assert_true(a > 0 && b >= a && host_real_ns() > 1600000000000000000);
}

static void seeds_differ(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	host_seed(a);
	host_seed(b);
	assert_memory_not_equal(a, b, 32);
}

static void files_are_read_whole_or_refused(void **state)
{
	char path[] = "/tmp/test_host-XXXXXX", *text;
	int fd = mkstemp(path);
	size_t len;

	(void)state;
	assert_true(fd >= 0 && write(fd, "hello", 5) == 5);
	assert_int_equal(host_read_file(path, 5, &text, &len), 0);
	assert_true(len == 5 && strcmp(text, "hello") == 0);
	free(text);
	assert_int_equal(host_read_file(path, 4, &text, &len), -EFBIG);
	assert_int_equal(host_read_file("/tmp", 100, &text, &len), -EISDIR);
	assert_int_equal(host_read_file("/nowhere/at/all", 100, &text, &len), -ENOENT);
	assert_int_equal(host_read_file("/proc/self/smaps", 4000, &text, &len), -EFBIG);
	assert_int_equal(host_read_file("/proc/self/smaps", 10000000, &text, &len), 0);
	assert_true(len > 10000 && strlen(text) == len);
	free(text);
	assert_int_equal(host_read_file("/proc/self/stat", 100000, &text, &len), 0);
	assert_true(len > 0 && text[len] == '\0');
	free(text);
	close(fd);
	unlink(path);
}

static void the_supervisor_is_told(void **state)
{
	char dir[] = "/tmp/test_host-XXXXXX", got[32] = { 0 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(host_notify("READY=1"), 0);
	assert_non_null(mkdtemp(dir));
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/notify", dir);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	setenv("NOTIFY_SOCKET", un.sun_path, 1);
	assert_int_equal(host_notify("READY=1"), 0);
	assert_int_equal(recv(fd, got, sizeof(got), 0), 7);
	assert_string_equal(got, "READY=1");
	close(fd);
	unlink(un.sun_path);
	assert_int_equal(host_notify("READY=1"), -ENOENT);
	rmdir(dir);
	unsetenv("NOTIFY_SOCKET");
}

static void endpoints_survive_sockaddr(void **state)
{
	static const struct { const char *text; sa_family_t family; } rows[] = {
		{ "192.0.2.3:53", AF_INET }, { "0.0.0.0:1", AF_INET },
		{ "[2001:db8::1]:65535", AF_INET6 }, { "[::]:53", AF_INET6 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct sockaddr_storage ss;
		struct ep ep, back;
		assert_int_equal(ep_parse(&ep, rows[i].text, 0), 0);
		assert_true(host_sockaddr(&ep, &ss) <= sizeof(ss));
		assert_int_equal(ss.ss_family, rows[i].family);
		back = host_ep(&ss);
		assert_true(ep_eq(&ep, &back));
		host_sockaddr6(&ep, &ss);
		assert_int_equal(ss.ss_family, AF_INET6);
		back = host_ep(&ss);
		assert_true(ep_eq(&ep, &back));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arena_hands_out_zeroed_aligned_memory),
		cmocka_unit_test(a_wrong_arena_ends_the_program),
		cmocka_unit_test(clocks_go_forward),
		cmocka_unit_test(seeds_differ),
		cmocka_unit_test(files_are_read_whole_or_refused),
		cmocka_unit_test(the_supervisor_is_told),
		cmocka_unit_test(endpoints_survive_sockaddr),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
