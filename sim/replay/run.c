/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sender's loop. What is due goes out before answers are looked at, and those are only looked
 * at when nothing is due soon; but every LOOK_MS at least, or sockets would overflow.
 */
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "io.h"
#include "lib/host/host.h"
#include "lib/host/net.h"
#include "sim/replay/core/pace.h"

enum {
	EVENTS = 64,
	BEGIN_NS = 5000000,      /* from the start to the first query's time */
	EARLY_NS = 70000,        /* the second thread: awake before a query is due */
	OVERDUE_NS = 30000,      /* and a case for it in any case */
	SPARE_TIME_NS = 150000,  /* so long nothing is due: answers can be looked at */
	WAIT_NS = 2000000,       /* and so long: answers can be waited for */
	LOOK_NS = 5000000,       /* later than this they are looked at anyway */
	PROGRESS_NS = 100000000, /* also how soon a signal is noticed at the latest */
};

/* What the loop itself keeps. */
struct loop {
	struct pace pace;
	int64_t looked_ns;     /* when answers were looked at last */
	int64_t told_ns;       /* the same of progress */
};

static bool stopped(const struct replay_io *io)
{
	return io->task->stop != NULL && *io->task->stop != 0;
}

/* Sends all that is due and says when something will be. Under the lock. */
static unsigned send_due(struct replay_io *io, int64_t now_ns)
{
	unsigned n = 0, all = 0;

	do {
		n = replay_poll(io->core, now_ns, io->out.d, REPLAY_BATCH);
		replay_udp_send(io, n);
		for (unsigned i = 0; i < n; i++) {
			const struct dgram *d = &io->out.d[i];
			if (d->verdict == REPLAY_CLOSE)
				replay_tcp_end(io, d->conn);
			else if (d->verdict == REPLAY_OPEN)
				replay_tcp_open(io, d->conn);
			else if (d->proto == DGRAM_TCP)
				replay_tcp_send(io, d);
			all += d->verdict == REPLAY_SEND;
		}
	} while (n > 0 && io->timed);
	atomic_store(&io->spare.due_ns, replay_due(io->core));
	if (all > 0)
		io->sent_ns = host_mono_ns();
	return all;
}

static void send_overdue(void *arg, int64_t now_ns)
{
	struct replay_io *io = arg;

	io->result->spared += send_due(io, now_ns);
}

/* The loop's own call of it: when the next query is due, and when there is anything to do. */
static void look_at_core(struct replay_io *io, int64_t *due_ns, int64_t *deadline_ns)
{
	pthread_mutex_lock(&io->spare.lock);
	send_due(io, host_mono_ns());
	*due_ns = replay_due(io->core);
	*deadline_ns = replay_deadline(io->core);
	pthread_mutex_unlock(&io->spare.lock);
}

/* Takes n events; waits for none. */
static void take_events(struct replay_io *io, const struct epoll_event *e, int n)
{
	for (int i = 0; i < n; i++) {
		if (e[i].data.u64 < REPLAY_EVENT_TCP) {
			replay_udp_receive(io, (unsigned)e[i].data.u64);
			continue;
		}
		pthread_mutex_lock(&io->spare.lock);
		replay_tcp_event(io, (unsigned)(e[i].data.u64 - REPLAY_EVENT_TCP));
		pthread_mutex_unlock(&io->spare.lock);
	}
}

static void tell(struct replay_io *io, struct loop *l, int64_t now_ns)
{
	struct replay_counts c;

	if (io->task->progress == NULL || now_ns - l->told_ns < PROGRESS_NS)
		return;
	l->told_ns = now_ns;
	pthread_mutex_lock(&io->spare.lock);
	replay_counts(io->core, &c);
	pthread_mutex_unlock(&io->spare.lock);
	io->task->progress(io->task->arg, &c);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Looks at answers and waits for them until then. */
static void receive(struct replay_io *io, struct loop *l, int64_t until_ns)
{
	struct epoll_event e[EVENTS];

	int n = net_wait(io->epoll, e, EVENTS, until_ns);
	take_events(io, e, n);
	l->looked_ns = host_mono_ns();
}

/* ---- by the capture's times ---- */

/*
 * Looks at the clock until it is time, or the other thread has sent it. Before that it polls once
 * for nothing, so that what sending needs is in the processor's caches by then.
 */
static void look_at_clock(struct replay_io *io, struct loop *l, int64_t due_ns)
{
	int64_t since = host_mono_ns(), now = since, due, deadline;

	spare_awake(&io->spare, due_ns);
	look_at_core(io, &due, &deadline);
	while (now < due_ns && atomic_load_explicit(&io->spare.due_ns, memory_order_relaxed) ==
	                       due_ns)
		now = host_mono_ns();
	pace_looked(&l->pace, now - since);
}

/* Sleeps and looks at the clock until due_ns, which is near. */
static void wait_exactly(struct replay_io *io, struct loop *l, int64_t due_ns)
{
	int64_t now = host_mono_ns(), until = pace_sleep(&l->pace, now, due_ns);
	struct timespec ts = { until / 1000000000, until % 1000000000 };

	if (until > now) {
		if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) != 0)
			return; /* a signal */
		pace_woke(&l->pace, until, host_mono_ns());
	}
	look_at_clock(io, l, due_ns);
}

/* Whatever there is time for until the next query is due. */
static void wait_timed(struct replay_io *io, struct loop *l, int64_t due_ns, int64_t deadline_ns)
{
	int64_t now = host_mono_ns();
	int64_t left = due_ns - now;

	if (left > WAIT_NS) {
		int64_t until = earlier(due_ns - WAIT_NS / 2, now + PROGRESS_NS);
		tell(io, l, now);
		receive(io, l, earlier(until, deadline_ns));
		return;
	}
	if (left > SPARE_TIME_NS || now - l->looked_ns > LOOK_NS) {
		tell(io, l, now);
		receive(io, l, now);
	}
	if (left > 0)
		wait_exactly(io, l, due_ns);
}

static void run_timed(struct replay_io *io, struct loop *l)
{
	int64_t due, deadline;

	while (!stopped(io)) {
		look_at_core(io, &due, &deadline);
		spare_tell(&io->spare, due);
		if (deadline == INT64_MAX)
			break;
		wait_timed(io, l, due, deadline);
	}
}

/* ---- as fast as may be ---- */

static void run_max(struct replay_io *io, struct loop *l)
{
	int64_t due, deadline;

	while (!stopped(io)) {
		look_at_core(io, &due, &deadline);
		int64_t now = host_mono_ns();
		if (deadline == INT64_MAX)
			break;
		tell(io, l, now);
		receive(io, l, earlier(deadline, now + PROGRESS_NS));
	}
}

/* ---- all of it ---- */

static int64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int open_all(struct replay_io *io)
{
	io->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < REPLAY_SOCKETS; i++)
		io->udp[i] = -1;
	for (unsigned i = 0; i < REPLAY_BATCH; i++) {
		io->out.d[i].data = i == 0 ? io->out.any : io->out.few[i - 1];
		io->out.d[i].cap = i == 0 ? UINT16_MAX : REPLAY_SHORT;
	}
	return io->epoll < 0 ? -errno : replay_udp_open(io);
}

static void run(struct replay_io *io, int64_t t0_ns)
{
	struct loop l = { 0 };
	int64_t cpu = cpu_ns();

	io->sent_ns = t0_ns;
	pace_init(&l.pace, host_mono_ns());
	spare_punctual();
	if (io->timed) {
		spare_start(&io->spare, EARLY_NS, OVERDUE_NS, send_overdue, io);
		run_timed(io, &l);
	} else {
		pthread_mutex_init(&io->spare.lock, NULL);
		run_max(io, &l);
	}
	spare_end(&io->spare);
	io->result->stopped = stopped(io);
	io->result->took_ns = host_mono_ns() - t0_ns;
	io->result->sending_ns = io->sent_ns - t0_ns;
	io->result->cpu_ns = cpu_ns() - cpu;
}

int replay_run(struct replay_result *out, const struct replay_task *task)
{
	struct arena a = { 0 };
	struct replay_io *io = calloc(1, sizeof(*io));
	int err = io != NULL ? host_arena(&a, replay_arena_size(&task->core)) : -ENOMEM;

	*out = (struct replay_result){ 0 };
	hist_init(&out->late_ns);
	if (err < 0)
		goto out;
	net_allow_many_files();
	io->task = task;
	io->result = out;
	io->timed = !task->core.max;
	io->real_ns = host_real_offset_ns();
	err = open_all(io);
	if (err == 0) {
		int64_t lead_ns = task->core.trace->connection_n > 0 ? REPLAY_LEAD_NS : 0;
		int64_t t0_ns = host_mono_ns() + lead_ns + BEGIN_NS;
		io->core = replay_init(&a, &task->core, t0_ns);
		arena_seal(&a);
		run(io, t0_ns);
		replay_counts(io->core, &out->counts);
		out->latency_ns = *replay_latency(io->core);
	}
	replay_tcp_close(io);
	replay_udp_close(io);
	if (io->epoll >= 0)
		close(io->epoll);
out:
	host_arena_free(&a);
	free(io);
	return err;
}
