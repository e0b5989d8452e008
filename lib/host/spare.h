/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second sender for loops that must send in time. A processor may stand still for some
 * milliseconds while the others run, above all a virtual one that its host doesn't wake in time. So
 * a second thread sleeps on another processor until something is overdue, which it mostly isn't,
 * and then sends it.
 *
 *	spare_start(&s, overdue_ns, send, arg);
 *	loop:   pthread_mutex_lock(&s.lock); ... send what is due ... pthread_mutex_unlock(&s.lock);
 *	        spare_tell(&s, when the next is due);
 *	spare_end(&s);
 */
#ifndef EK_HOST_SPARE_H
#define EK_HOST_SPARE_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct spare {
	pthread_mutex_t lock;                /* whoever has it may send */
	_Atomic int64_t due_ns;              /* monotonic, of what is next; INT64_MAX: nothing */
	_Atomic int loop_cpu;                /* where the loop ran last */
	_Atomic bool over;
	_Atomic int64_t awake_ns;            /* the loop is awake for what is due then */
	int64_t early_ns;                    /* 0: not before anything is overdue */
	int64_t overdue_ns;                  /* later than this is a case for the second sender */
	void (*send)(void *arg, int64_t now_ns); /* under the lock; sets due_ns */
	void *arg;
	bool runs;
	pthread_t thread;
	int policy;                          /* of the loop's thread, as the rest */
	struct sched_param param;
	cpu_set_t allowed;
};

/*
 * Exact timers and short slices for the calling thread, where the kernel has them. Neither needs
 * privilege, and doing without is late, not wrong.
 */
void spare_punctual(void);

/* The second sender begins, if there are two processors; without it the lock works too. */
void spare_start(struct spare *s, int64_t early_ns, int64_t overdue_ns,
                 void (*send)(void *arg, int64_t now_ns), void *arg);
/* The loop is awake, and will send what is due then. */
static inline void spare_awake(struct spare *s, int64_t due_ns)
{
	atomic_store_explicit(&s->awake_ns, due_ns, memory_order_relaxed);
}
/* The loop is here now, and the next is due then. */
static inline void spare_tell(struct spare *s, int64_t due_ns)
{
	atomic_store(&s->due_ns, due_ns);
	atomic_store_explicit(&s->loop_cpu, sched_getcpu(), memory_order_relaxed);
}
/* Waits for its end; not under the lock. */
void spare_end(struct spare *s);

#endif
