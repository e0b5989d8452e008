/* SPDX-License-Identifier: BSD-3-Clause */
/* The lab's life and its loop; see lab.h. */
#include "lab.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "sim/plan/plan_io.h"
#include "sim/version.h"

enum {
	TICK_NS = 100000000,              /* longest sleep; programs are looked at as often */
	WATCH_TICK_NS = 2000000,          /* while waiting for answers on the wire */
};

#define READY_NS INT64_C(10000000000)     /* longest wait for READY=1, and for probes */
#define LEAD_NS INT64_C(100000000)        /* for the clients to get ready in */
#define LEAD_NAME_NS INT64_C(1000)        /* the same, for each name of a Zipf load */
#define LATE_NS INT64_C(50000000)         /* a fault later than this is trouble */
#define SETTLE_NS INT64_C(2000000000)     /* longest wait for clients after the plan's end */

void lab_trouble(struct lab *l, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	events_add(&l->events, "trouble", host_mono_ns(), json_pack("{s:s}", "what", text));
}

void lab_phase(struct lab *l, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(l->shared->phase, sizeof(l->shared->phase), format, ap);
	va_end(ap);
}

void lab_process_event(struct lab *l, const struct proc *p, const char *what, pid_t pid,
                       const int *status)
{
	json_t *o = json_pack("{s:s, s:s, s:i}", "node", p->name, "what", what, "pid", (int)pid);
	char text[32];

	if (status != NULL) {
		snprintf(text, sizeof(text), WIFSIGNALED(*status) ? "signal %d" : "exit %d",
		         WIFSIGNALED(*status) ? WTERMSIG(*status) : WEXITSTATUS(*status));
		json_object_set_new(o, "status", json_string(text));
	}
	events_add(&l->events, "process", host_mono_ns(), o);
}

static int64_t rusage_us(const struct rusage *u)
{
	return (int64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000 + u->ru_utime.tv_usec +
	       u->ru_stime.tv_usec;
}

static void child_ended(struct lab *l, pid_t pid, int status, const struct rusage *u)
{
	if (pid == l->wire_pid)
		l->wire_pid = 0;
	for (unsigned i = 0; i < l->plan->load_n; i++)
		if (l->load_pid[i] == pid)
			l->load_pid[i] = 0;
	for (unsigned i = 0; i < l->plan->node_n; i++) {
		struct proc *p = &l->proc[i];
		if (p->pid != pid)
			continue;
		proc_ended(p, rusage_us(u));
		p->status = status;
		lab_process_event(l, p, "exited", pid, &status);
	}
}

static void reap(struct lab *l)
{
	struct signalfd_siginfo i;
	struct rusage u;
	int status;
	pid_t pid;

	while (read(l->child_fd, &i, sizeof(i)) > 0)
		;
	while ((pid = wait4(-1, &status, WNOHANG, &u)) > 0)
		child_ended(l, pid, status, &u);
}

static void hear(struct lab *l, unsigned node)
{
	if (!proc_hear(&l->proc[node]))
		return;
	lab_process_event(l, &l->proc[node], "ready", l->proc[node].pid, NULL);
	lab_fault_ready(l, node);
}

/* One look at everything, after at most ns of sleep. */
static void look(struct lab *l, int64_t ns)
{
	struct pollfd p[PLAN_NODES_MAX + 2];
	unsigned node[PLAN_NODES_MAX + 2], n = 2;
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	p[0] = (struct pollfd){ .fd = l->child_fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = l->stopped ? -1 : l->stop_fd, .events = POLLIN };
	for (unsigned i = 0; i < l->plan->node_n; i++)
		if (l->proc[i].name != NULL) {
			p[n] = (struct pollfd){ .fd = l->proc[i].notify, .events = POLLIN };
			node[n++] = i;
		}
	if (ppoll(p, n, &ts, NULL) <= 0)
		return;
	for (unsigned i = 2; i < n; i++)
		if ((p[i].revents & POLLIN) != 0)
			hear(l, node[i]);
	if (p[0].revents != 0)
		reap(l);
	if (p[1].revents != 0)
		l->stopped = true;
}

static bool is_load_time(const struct lab *l, int64_t ns)
{
	return l->t0_ns != 0 && ns >= l->t0_ns && ns < l->t0_ns + l->plan->end_ns;
}

/* The lab's own loop wanted to go on at due_ns. */
static void note_gap(struct lab *l, int64_t due_ns)
{
	int64_t now = host_mono_ns();

	if (is_load_time(l, due_ns) && now - due_ns > l->gap_max_ns)
		l->gap_max_ns = now - due_ns;
}

/* How long the programs have waited for a processor since the last look. */
static void note_waits(struct lab *l)
{
	int64_t now = host_mono_ns();

	if (l->waits == NULL || now - l->waits_ns < TICK_NS)
		return;
	for (unsigned i = 0; i < l->plan->node_n; i++)
		if (l->proc[i].name != NULL)
			waits_look(&l->waits[i], "/proc", l->proc[i].pid,
			           is_load_time(l, l->waits_ns));
	l->waits_ns = now;
}

int lab_until(struct lab *l, bool (*done)(struct lab *), int64_t until_ns)
{
	for (;;) {
		int64_t now = host_mono_ns(), ns = until_ns - now;
		bool watch = atomic_load(&l->wire->watching) || done == lab_when_look;
		int64_t tick = watch ? WATCH_TICK_NS : TICK_NS;
		if (done != NULL && done(l))
			return 0;
		if (l->stopped)
			return -EINTR;
		if (l->wire_pid == 0)
			return -EPIPE;
		if (ns <= 0)
			return -ETIME;
		tick = ns < tick ? ns : tick;
		look(l, tick);
		note_gap(l, now + tick);
		note_waits(l);
	}
}

int lab_ring(struct lab *l)
{
	struct pollfd p = { .fd = l->echo, .events = POLLIN };
	uint64_t n = 1;

	if (write(l->bell, &n, sizeof(n)) < 0 || poll(&p, 1, 1000) != 1)
		return -ETIME;
	return read(l->echo, &n, sizeof(n)) < 0 ? -ETIME : 0;
}

/* Says which node has ended before it was ready. Returns false when none has. */
static bool ended_too_soon(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->node_n; i++) {
		const struct proc *p = &l->proc[i];
		if (p->name == NULL || p->pid != 0)
			continue;
		if (WIFSIGNALED(p->status))
			lab_trouble(l, "%s ended before it was ready: signal %d; see %s.log",
			            p->name, WTERMSIG(p->status), p->name);
		else
			lab_trouble(l, "%s ended before it was ready: exit status %d; see %s.log",
			            p->name, WEXITSTATUS(p->status), p->name);
		return true;
	}
	return false;
}

/* Says which node isn't ready. */
static void not_ready_yet(struct lab *l)
{
	if (ended_too_soon(l))
		return;
	for (unsigned i = 0; i < l->plan->node_n; i++) {
		const struct proc *p = &l->proc[i];
		if (p->name != NULL && !p->ready) {
			lab_trouble(l, "%s hasn't said READY=1 within 10 s: see %s.log", p->name,
			            p->name);
			return;
		}
	}
	lab_trouble(l, "a health check of a balancer wasn't answered within 10 s");
}

/* Why lab_until came back early, when it did. */
static void why(struct lab *l, int err)
{
	if (err == -EINTR)
		lab_trouble(l, "ended early, as evenkeel was asked to");
	if (err == -EPIPE)
		lab_trouble(l, "the wire has ended: %s", l->wire->error_what);
}

static bool ready_or_lost(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->node_n; i++)
		if (l->proc[i].name != NULL && l->proc[i].pid == 0)
			return true;
	return lab_all_ready(l);
}

/* Starts the programs of a role and waits until they are ready. */
static int start_role(struct lab *l, enum plan_role role, const char *phase)
{
	lab_phase(l, "%s", phase);
	int err = lab_start_programs(l, role);

	if (err != 0)
		lab_trouble(l, "can't start a program: %s", strerror(-err));
	else
		err = lab_until(l, ready_or_lost, host_mono_ns() + READY_NS);
	return err == 0 && !lab_all_ready(l) ? -ECHILD : err;
}

/* Up to t = 0: the wire is proven, everybody is ready, the servers have answered. */
static int barrier(struct lab *l)
{
	int err = lab_prove_wire(l);

	if (err != 0) {
		lab_trouble(l, "the wire doesn't carry a test datagram: %s", strerror(-err));
		return err;
	}
	/* Whoever is asked comes first: a balancer's first probe decides how it begins. */
	err = start_role(l, PLAN_AUTHORITY, "authorities start");
	if (err == 0)
		err = start_role(l, PLAN_RECURSOR, "recursors start");
	if (err == 0)
		err = start_role(l, PLAN_BALANCER, "balancers start");
	if (err == 0)
		err = lab_until(l, lab_all_answered, host_mono_ns() + READY_NS);
	atomic_store(&l->wire->watching, false);
	why(l, err);
	if (err == -ETIME || err == -ECHILD)
		not_ready_yet(l);
	return err;
}

static void set_zero(struct lab *l)
{
	int64_t lead = LEAD_NS, now = host_mono_ns();
	char sha[65], real[32];

	for (unsigned i = 0; i < l->plan->load_n; i++)
		if (l->plan->load[i].names == PLAN_ZIPF)
			lead += LEAD_NAME_NS * l->plan->load[i].name_n;
	l->t0_ns = now + lead;
	l->t0_real_ns = l->t0_ns + host_real_offset_ns();
	plan_sha256(l->plan, sha);
	snprintf(real, sizeof(real), "%lld", (long long)l->t0_real_ns);
	events_zero(&l->events, l->t0_ns,
	            json_pack("{s:s, s:I, s:s, s:s, s:s}", "engine", "netns", "seed",
	                      (json_int_t)l->plan->seed, "plan_sha256", sha, "t0_unix_ns", real,
	                      "evenkeel", EVENKEEL_VERSION));
	events_add(&l->events, "setup", now,
	           json_pack("{s:I, s:I}", "setup_us", (json_int_t)(l->setup_ns / 1000),
	                     "ready_us", (json_int_t)((l->t0_ns - l->begun_ns) / 1000)));
	atomic_store(&l->wire->from_ns, l->t0_ns);
	atomic_store(&l->wire->to_ns, l->t0_ns + l->plan->end_ns);
	atomic_store(&l->shared->t0_ns, l->t0_ns);
}

static bool loads_done(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->load_n; i++)
		if (l->load_pid[i] != 0)
			return false;
	return true;
}

/* When fault i is to be seen to: as far as is known, or its latest instant. */
static int64_t due_ns(const struct lab *l, unsigned i)
{
	int64_t due = whens_due(l->whens, i);

	return l->t0_ns + (due != INT64_MAX ? due : l->plan->fault[i].at_ns);
}

/* The fault that comes next, in the plan's order where several do; -1: none is left. */
static int next_fault(const struct lab *l)
{
	int next = -1;

	for (unsigned i = 0; i < l->plan->fault_n; i++)
		if (l->fault[i].state == LAB_TO_COME &&
		    (next < 0 || due_ns(l, i) < due_ns(l, (unsigned)next)))
			next = (int)i;
	return next;
}

/* Its instant has come. */
static void see_to(struct lab *l, unsigned i)
{
	int64_t at = due_ns(l, i);

	if (whens_due(l->whens, i) == INT64_MAX) {
		lab_fault_skip(l, i);
		return;
	}
	lab_fault(l, i);
	if (l->fault[i].from_ns - at > LATE_NS)
		lab_trouble(l, "a fault was %lld ms late: the lab was starved",
		            (long long)((l->fault[i].from_ns - at) / 1000000));
}

/* From t = 0 to the end: faults at their times, then until the clients are done. */
static int timeline(struct lab *l)
{
	int err = -ETIME;

	for (int i; (err == -ETIME || err == 0) && (i = next_fault(l)) >= 0;) {
		bool listen = whens_listen(l->whens);
		err = lab_until(l, listen ? lab_when_look : NULL, due_ns(l, (unsigned)i));
		if (err == -ETIME)
			see_to(l, (unsigned)i);
	}
	if (err == 0)
		err = -ETIME;
	if (err == -ETIME)
		err = lab_until(l, NULL, l->t0_ns + l->plan->end_ns);
	if (err == -ETIME)
		err = lab_until(l, loads_done, host_mono_ns() + SETTLE_NS);
	if (err == -ETIME)
		lab_trouble(l, "the clients weren't done 2 s after the plan's end");
	return err;
}

static int run(struct lab *l)
{
	int err = barrier(l);

	set_zero(l);
	if (err != 0)
		return err;
	err = lab_start_loads(l);
	if (err != 0) {
		lab_trouble(l, "can't start the clients: %s", strerror(-err));
		return err;
	}
	lab_phase(l, "load");
	err = timeline(l);
	why(l, err);
	if (l->gap_max_ns > l->plan->limits.loop_gap_ns)
		lab_trouble(l, "the lab's first process stood still for %lld ms, at most %lld ms",
		            (long long)(l->gap_max_ns / 1000000),
		            (long long)(l->plan->limits.loop_gap_ns / 1000000));
	return err;
}

static int catch_children(struct lab *l)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGCHLD);
	sigprocmask(SIG_BLOCK, &s, NULL);
	signal(SIGPIPE, SIG_IGN);
	l->child_fd = signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->child_fd < 0 ? -errno : 0;
}

int lab_main(const struct plan *p, const struct netns_options *o, struct lab_shared *shared,
             int stop_fd, int64_t begun_ns)
{
	struct lab l = { .plan = p, .o = o, .shared = shared, .stop_fd = stop_fd,
	                 .begun_ns = begun_ns };
	int err = catch_children(&l);

	if (err == 0)
		err = lab_start(&l);
	if (err != 0) {
		atomic_store(&shared->cant, err);
		return 1;
	}
	(void)run(&l);
	lab_collect(&l);
	err = events_close(&l.events);
	atomic_store(&shared->bye_ns, host_mono_ns());
	return err == 0 ? 0 : 1;
}
