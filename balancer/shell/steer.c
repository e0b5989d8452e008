/* SPDX-License-Identifier: BSD-3-Clause */
/* How busy workers are, and to whom the kernel gives queries; see steer.h. */
#include "steer.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include <time.h>

enum {
	WINDOW_NS = 20000000,       /* of a measurement */
	STALE_NS = 100000000,       /* who hasn't measured for so long has nothing to do */
	CALM_NS = 1000000000,
	MUCH = 500, LITTLE = 250,   /* thousandths of a processor */
	FULL = 28, FULL_PASSES = 4, /* datagrams of so many passes in the mean: it can't keep up */
};

#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif

void steer_init(struct steer *s, unsigned workers)
{
	s->workers = workers;
	s->alone = workers > 1;
}

static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What all have to do, by what they measured last. */
static uint32_t load_of_all(const struct steer *s, int64_t now_ns)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < s->workers; i++)
		if (atomic_load_explicit(&s->worker[i].at_ns, memory_order_relaxed) + STALE_NS >
		    now_ns)
			sum += atomic_load_explicit(&s->worker[i].load, memory_order_relaxed);
	return sum;
}

static void decide(struct steerer *w, int64_t now_ns, uint32_t load)
{
	struct steer *s = w->steer;
	bool full = w->passes >= FULL_PASSES && w->datagrams >= FULL * w->passes;

	if (load > MUCH || full) {
		atomic_store_explicit(&s->calm_ns, now_ns, memory_order_relaxed);
		atomic_store_explicit(&s->alone, false, memory_order_relaxed);
	} else if (load_of_all(s, now_ns) > LITTLE) {
		atomic_store_explicit(&s->calm_ns, now_ns, memory_order_relaxed);
	} else if (now_ns - atomic_load_explicit(&s->calm_ns, memory_order_relaxed) > CALM_NS) {
		atomic_store_explicit(&s->alone, true, memory_order_relaxed);
	}
}

static void begin_window(struct steerer *w, int64_t now_ns)
{
	w->since_ns = now_ns;
	w->cpu_ns = cpu_ns();
	w->passes = w->datagrams = 0;
}

bool steer_pass(struct steerer *w, int64_t now_ns, unsigned n, bool *alone)
{
	struct steer *s = w->steer;
	bool before;

	if (s == NULL || s->workers == 1)
		return false;
	w->passes++;
	w->datagrams += n;
	if (now_ns - w->since_ns < WINDOW_NS)
		return false;
	uint32_t load = (uint32_t)((cpu_ns() - w->cpu_ns) * 1000 / (now_ns - w->since_ns));
	atomic_store_explicit(&s->worker[w->index].load, load, memory_order_relaxed);
	atomic_store_explicit(&s->worker[w->index].at_ns, now_ns, memory_order_relaxed);
	before = atomic_load_explicit(&s->alone, memory_order_relaxed);
	decide(w, now_ns, load);
	*alone = atomic_load_explicit(&s->alone, memory_order_relaxed);
	begin_window(w, now_ns);
	/* said again now and then, since a reload brings sockets that weren't told */
	if (*alone == before && (!*alone || now_ns - w->told_ns < CALM_NS))
		return false;
	w->told_ns = now_ns;
	return true;
}

int steer_tell(int fd, bool alone)
{
	struct sock_filter first = { .code = BPF_RET | BPF_K, .k = 0 };
	struct sock_fprog program = { .len = 1, .filter = &first };
	int zero = 0, got;

	if (alone)
		got = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
		                 sizeof(program));
	else
		got = setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &zero, sizeof(zero));
	return got < 0 ? -errno : 0;
}
