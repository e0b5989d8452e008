/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clients' loop: sleep until something is due, send all that is, then take what has come. What
 * is due goes out before answers are looked at, because lateness is what makes a run invalid.
 *
 * A second sender (lib/host/spare.h) stands in when this thread isn't woken in time.
 *
 * It never spins: the machine is shared with what is tested. Up to BUSY_MQPS every query has a
 * wake-up of its own; above that wake-ups come in steps and send what has become due, which costs
 * half a step of lateness on average and saves most of the processor time.
 */
#include "shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "lib/host/host.h"
#include "lib/host/net.h"
#include "sim/plan/replay.h"

enum { EVENTS = 64, STEP_MAX_NS = 200000, STEPS_NS = 1000000, OVERDUE_NS = 250000 };
static const uint64_t BUSY_MQPS = 5000000;

/* Sends all that is due at now_ns, and says when something will be. Under the lock. */
static void send_due(void *arg, int64_t now_ns)
{
	struct load_io *io = arg;
	unsigned n;

	do {
		n = load_poll(io->core, now_ns, io->out.d, DGRAM_BATCH);
		load_udp_send(io, n);
		for (unsigned i = 0; i < n; i++)
			if (io->out.d[i].proto == DGRAM_TCP)
				load_tcp_send(io, &io->out.d[i]);
	} while (n == DGRAM_BATCH);
	atomic_store(&io->spare.due_ns, load_deadline(io->core));
}

static void take_events(struct load_io *io, const struct epoll_event *e, int n)
{
	for (int i = 0; i < n; i++) {
		if (e[i].data.u32 < LOAD_EVENT_TCP)
			load_udp_receive(io, e[i].data.u32);
		else
			load_tcp_event(io, e[i].data.u32 - LOAD_EVENT_TCP);
	}
}

static struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

/* Waits for events until then. Returns how many there are, or -errno. */
static int wait_until(struct load_io *io, int64_t until_ns, struct epoll_event *e)
{
	int64_t left = until_ns - host_mono_ns();
	struct timespec ts = timespec_of(left > 0 ? left : 0);
	int n = epoll_pwait2(io->epoll, e, EVENTS, until_ns == INT64_MAX ? NULL : &ts, NULL);

	return n >= 0 ? n : errno == EINTR ? 0 : -errno;
}

/* Sleeps to the end of the step whatever arrives, then looks. */
static int sleep_step(struct load_io *io, int64_t until_ns, struct epoll_event *e)
{
	struct timespec ts = timespec_of(until_ns);

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	return wait_until(io, 0, e);
}

static void publish(struct load_io *io)
{
	struct load_counts c;

	load_counts(io->core, &c);
	atomic_store_explicit(&io->result->sent, c.sent, memory_order_relaxed);
	atomic_store_explicit(&io->result->answered, c.answered, memory_order_relaxed);
}

/* How far apart wake-ups are: 100 us at 10,000 queries a second, 200 us from 20,000 on; or 0. */
static int64_t step_length(uint64_t rate_mqps)
{
	if (rate_mqps <= BUSY_MQPS)
		return 0;
	return rate_mqps / 100 < STEP_MAX_NS ? (int64_t)(rate_mqps / 100) : STEP_MAX_NS;
}

/* One look at everything, with n events. Returns when to look next, or INT64_MIN: all is done. */
static int64_t look(struct load_io *io, int64_t now_ns, const struct epoll_event *e, int n)
{
	int64_t until, closing;
	bool done;

	pthread_mutex_lock(&io->spare.lock);
	send_due(io, now_ns);
	take_events(io, e, n);
	publish(io);
	done = load_done(io->core);
	until = load_deadline(io->core);
	closing = load_tcp_expire(io, now_ns);
	pthread_mutex_unlock(&io->spare.lock);
	atomic_store_explicit(&io->spare.loop_cpu, sched_getcpu(), memory_order_relaxed);
	if (done)
		return INT64_MIN;
	return until < closing ? until : closing;
}

static int run(struct load_io *io, int64_t step_ns)
{
	struct epoll_event e[EVENTS];
	int64_t expected = INT64_MAX;
	int n = 0;

	for (;;) {
		int64_t now = host_mono_ns();
		if (now - expected > io->result->loop_gap_max_ns)
			io->result->loop_gap_max_ns = now - expected;
		int64_t until = look(io, now, e, n);
		if (until == INT64_MIN)
			return 0;
		bool step = step_ns > 0 && until < now + STEPS_NS;
		if (step && until < now + step_ns)
			until = now + step_ns;
		n = step ? sleep_step(io, until, e) : wait_until(io, until, e);
		if (n < 0)
			return n;
		expected = until > now ? until : now;
	}
}

static int run_core(struct load_io *io)
{
	int err;

	io->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (io->epoll < 0)
		return -errno;
	for (unsigned i = 0; i < LOAD_SOCKETS; i++)
		io->udp[i] = -1;
	for (unsigned i = 0; i < DGRAM_BATCH; i++) {
		io->out.d[i].data = io->out.bytes[i];
		io->out.d[i].cap = LOAD_MESSAGE_MAX;
	}
	err = load_udp_open(io);
	if (err == 0) {
		int64_t step_ns = step_length(plan_load_peak_mqps(io->spec));
		spare_start(&io->spare, 0, OVERDUE_NS + step_ns, send_due, io);
		err = run(io, step_ns);
		spare_end(&io->spare);
	}
	load_udp_close(io);
	load_tcp_close(io);
	close(io->epoll);
	return err;
}

static int64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

int load_shell_run(const struct plan *p, unsigned load, int64_t t0_ns, struct load_result *result)
{
	struct arena a = { 0 };
	struct load_io *io = calloc(1, sizeof(*io));
	int err = io != NULL ? 0 : -ENOMEM;

	hist_init(&result->late_ns);
	if (err == 0 && load_gen_refuses(p, load) != NULL)
		err = -EINVAL;
	if (err == 0)
		err = host_arena(&a, load_arena_size(p, load));
	if (err == 0) {
		spare_punctual();
		net_allow_many_files();
		io->spec = &p->load[load];
		io->result = result;
		io->core = load_init(&a, p, load, t0_ns);
		arena_seal(&a);
		err = run_core(io);
		load_counts(io->core, &result->counts);
	}
	result->error = err;
	result->cpu_us = cpu_us();
	atomic_store_explicit(&result->done, 1, memory_order_release);
	host_arena_free(&a);
	free(io);
	return err;
}
