/* SPDX-License-Identifier: BSD-3-Clause */
/* The sender's TCP connections, beside a core that knows of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "sim/replay/io.h"
#include "tests/replay_rig.h"

static struct replay_rig rig;
static struct replay_task task;

/* Two connections with two queries each, all due at once, to where nobody has to listen. */
static struct replay_io *start(unsigned *n)
{
	struct replay_io *io = calloc(1, sizeof(*io));

	assert_non_null(io);
	rig_init(&rig);
	for (uint16_t i = 0; i < 4; i++)
		rig_add(&rig, 0, 0, 1, i, 1 + i % 2);
	rig_start(&rig);
	assert_int_equal(ep_parse(&task.to, "127.0.0.1:9", 0), 0);
	io->task = &task;
	io->core = rig.r;
	io->result = calloc(1, sizeof(*io->result));
	assert_non_null(io->result);
	io->epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_true(io->epoll >= 0);
	*n = replay_poll(rig.r, RIG_T0, rig.d, RIG_BATCH);
	return io;
}

static void end(struct replay_io *io)
{
	replay_tcp_close(io);
	close(io->epoll);
	free(io->result);
	free(io);
	rig_fini(&rig);
}

/* A batch's first query may fail, and with it those behind it on the same connection. */
static void what_has_failed_with_its_connection_is_not_sent_on_another(void **state)
{
	unsigned n, sends = 0;
	struct replay_io *io = start(&n);
	uint32_t failed = 0;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		if (rig.d[i].verdict != REPLAY_SEND)
			continue;
		if (sends++ == 0) {
			failed = rig.d[i].conn;
			replay_tcp_failed(rig.r, failed);
			assert_false(replay_is_out(rig.r, &rig.d[i]));
		}
		replay_tcp_send(io, &rig.d[i]);
		assert_true(rig.d[i].conn == failed || io->tcp[rig.d[i].conn - 1] != NULL);
	}
	assert_int_equal(sends, 4);
	assert_null(io->tcp[failed - 1]);
	assert_int_equal(rig_counts(&rig).failed, 2);
	end(io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_failed_with_its_connection_is_not_sent_on_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
