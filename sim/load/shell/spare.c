/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clients' second sender. A processor may stand still for some milliseconds while the others
 * run, above all a virtual one that its host doesn't wake in time. So a second thread sleeps on
 * another processor until a query is overdue, which it mostly isn't, and then sends it.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "io.h"
#include "lib/host/host.h"

enum {
	OVERDUE_NS = 250000,
	LOOK_MAX_NS = 50000000,
	MOVE_NS = 5000000,      /* a move costs as much as many wake-ups: no more often than this */
	ANY = -1,
};

/* Which processor the second sender keeps off. */
struct apart {
	int cpu;
	int64_t since_ns;
};

/* Stays off the processor that the loop runs on, if there is another one. */
static void keep_apart(const struct load_spare *s, struct apart *a, int64_t now_ns)
{
	int cpu = atomic_load_explicit(&s->loop_cpu, memory_order_relaxed);
	cpu_set_t others = s->allowed;

	if (cpu == a->cpu || now_ns - a->since_ns < MOVE_NS)
		return;
	CPU_CLR((size_t)cpu, &others);
	*a = (struct apart){ cpu, now_ns };
	(void)sched_setaffinity(0, sizeof(others), &others);
}

static void *run(void *arg)
{
	struct load_io *io = arg;
	struct load_spare *s = &io->spare;
	struct apart apart = { .cpu = ANY };

	load_ask_for_punctuality();
	if (s->policy != SCHED_OTHER) /* which a new thread doesn't inherit */
		(void)sched_setscheduler(0, s->policy, &s->param);
	while (!atomic_load(&s->over)) {
		int64_t now = host_mono_ns(), due = atomic_load(&s->due_ns);
		if (due != INT64_MAX && due + s->overdue_ns <= now) {
			pthread_mutex_lock(&s->lock);
			if (!atomic_load(&s->over))
				load_send_due(io, host_mono_ns());
			pthread_mutex_unlock(&s->lock);
			continue;
		}
		keep_apart(s, &apart, now);
		int64_t until = now + LOOK_MAX_NS;
		if (due != INT64_MAX && due + s->overdue_ns < until)
			until = due + s->overdue_ns;
		struct timespec ts = { until / 1000000000, until % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	}
	return NULL;
}

void load_spare_start(struct load_io *io, int64_t step_ns)
{
	struct load_spare *s = &io->spare;

	pthread_mutex_init(&s->lock, NULL);
	atomic_store(&s->due_ns, INT64_MAX);
	s->overdue_ns = OVERDUE_NS + step_ns;
	s->policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
	s->loop_cpu = sched_getcpu();
	if (sched_getparam(0, &s->param) < 0 ||
	    sched_getaffinity(0, sizeof(s->allowed), &s->allowed) < 0 || CPU_COUNT(&s->allowed) < 2)
		return;
	s->runs = pthread_create(&s->thread, NULL, run, io) == 0;
}

void load_spare_end(struct load_io *io)
{
	struct load_spare *s = &io->spare;

	atomic_store(&s->over, true);
	if (s->runs)
		pthread_join(s->thread, NULL);
	pthread_mutex_destroy(&s->lock);
}
