/* SPDX-License-Identifier: BSD-3-Clause */
/* The second sender; see spare.h. */
#include "spare.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

enum {
	SLICE_NS = 1000000,
	LOOK_MAX_NS = 50000000,
	MOVE_NS = 5000000,      /* a move costs as much as many wake-ups: no more often than this */
	ANY = -1,
};

/* sched_setattr(2), first version; the C library has no declaration of it. */
struct sched_attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime_ns, deadline_ns, period_ns;
};

/* From Linux 6.12 on a short time slice may be asked for: who wants less is woken sooner. */
void spare_punctual(void)
{
	struct sched_attributes a = { .size = sizeof(a), .runtime_ns = SLICE_NS };

	prctl(PR_SET_TIMERSLACK, 1);
	if (sched_getscheduler(0) == SCHED_OTHER) /* better already, if not */
		syscall(SYS_sched_setattr, 0, &a, 0);
}

/* Which processor the second sender keeps off. */
struct apart {
	int cpu;
	int64_t since_ns;
};

/* Stays off the processor that the loop runs on, if there is another one. */
static void keep_apart(const struct spare *s, struct apart *a, int64_t now_ns)
{
	int cpu = atomic_load_explicit(&s->loop_cpu, memory_order_relaxed);
	cpu_set_t others = s->allowed;

	if (cpu == a->cpu || now_ns - a->since_ns < MOVE_NS)
		return;
	CPU_CLR((size_t)cpu, &others);
	*a = (struct apart){ cpu, now_ns };
	(void)sched_setaffinity(0, sizeof(others), &others);
}

static void send_now(struct spare *s)
{
	pthread_mutex_lock(&s->lock);
	if (!atomic_load(&s->over))
		s->send(s->arg, host_mono_ns());
	pthread_mutex_unlock(&s->lock);
}

/* The loop is awake for it, or has sent it. */
static bool is_taken(const struct spare *s, int64_t due_ns)
{
	return atomic_load_explicit(&s->awake_ns, memory_order_relaxed) == due_ns ||
	       atomic_load_explicit(&s->due_ns, memory_order_relaxed) != due_ns;
}

/* Looks at the clock until it is time, which is early_ns away at most. False: it is taken. */
static bool look_at_clock(const struct spare *s, int64_t due_ns)
{
	while (!is_taken(s, due_ns))
		if (host_mono_ns() >= due_ns)
			return true;
	return false;
}

/* When to look again. Two looks at each thing: shortly before it is due, and when it is overdue. */
static int64_t next_look(const struct spare *s, int64_t now_ns, int64_t due_ns)
{
	int64_t until = now_ns + LOOK_MAX_NS, look = due_ns - s->early_ns;

	if (due_ns == INT64_MAX)
		return until;
	if (s->early_ns == 0 || look <= now_ns)
		look = due_ns + s->overdue_ns;
	return look < until ? look : until;
}

static void sleep_until(int64_t t_ns)
{
	struct timespec ts = { t_ns / 1000000000, t_ns % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static void *run(void *arg)
{
	struct spare *s = arg;
	struct apart apart = { .cpu = ANY };

	spare_punctual();
	if (s->policy != SCHED_OTHER) /* which a new thread doesn't inherit */
		(void)sched_setscheduler(0, s->policy, &s->param);
	while (!atomic_load(&s->over)) {
		int64_t now = host_mono_ns(), due = atomic_load(&s->due_ns);
		bool near = due != INT64_MAX && s->early_ns > 0 && due - s->early_ns <= now;
		if (due != INT64_MAX && due + s->overdue_ns <= now) {
			send_now(s);
			continue;
		}
		if (near && look_at_clock(s, due)) {
			send_now(s);
			continue;
		}
		keep_apart(s, &apart, now);
		sleep_until(next_look(s, now, due));
	}
	return NULL;
}

void spare_start(struct spare *s, int64_t early_ns, int64_t overdue_ns,
                 void (*send)(void *arg, int64_t now_ns), void *arg)
{
	*s = (struct spare){ .early_ns = early_ns, .overdue_ns = overdue_ns, .send = send,
	                     .arg = arg };
	pthread_mutex_init(&s->lock, NULL);
	atomic_store(&s->due_ns, INT64_MAX);
	s->policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
	s->loop_cpu = sched_getcpu();
	if (sched_getparam(0, &s->param) < 0 ||
	    sched_getaffinity(0, sizeof(s->allowed), &s->allowed) < 0 || CPU_COUNT(&s->allowed) < 2)
		return;
	s->runs = pthread_create(&s->thread, NULL, run, s) == 0;
}

void spare_end(struct spare *s)
{
	atomic_store(&s->over, true);
	if (s->runs)
		pthread_join(s->thread, NULL);
	pthread_mutex_destroy(&s->lock);
}
