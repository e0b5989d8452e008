/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's outside: makes the lab's first process in namespaces of its own, follows it from
 * evenkeel, and sees that it ends. An ordinary user gets a user namespace in which it is root; root
 * does without, unless it lacks the capability.
 */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"
#include "lib/host/host.h"
#include "preflight.h"

enum { POLL_MS = 100, NAMESPACES = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC };

struct outside {
	const struct plan *plan;
	const struct netns_options *o;
	struct lab_shared *shared;
	size_t shared_len;
	int to_lab[2];       /* written: end early; closed: evenkeel is gone */
	int from_lab[2];     /* closed: the lab has ended */
	uid_t uid;
	gid_t gid;
	int64_t begun_ns;
	bool user_ns;
};

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Who started evenkeel is root in here (user_namespaces(7)). */
static int map_ids(const struct outside *x)
{
	char uid[64], gid[64];
	int err;

	snprintf(uid, sizeof(uid), "0 %u 1", x->uid);
	snprintf(gid, sizeof(gid), "0 %u 1", x->gid);
	err = write_file("/proc/self/setgroups", "deny");
	if (err != 0 && err != -ENOENT)
		return err;
	err = write_file("/proc/self/uid_map", uid);
	return err != 0 ? err : write_file("/proc/self/gid_map", gid);
}

/* The lab's first process. */
static _Noreturn void inside(struct outside *x)
{
	char byte;
	int err = 0;

	(void)prctl(PR_SET_NAME, "ek-lab");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(x->to_lab[1]);
	close(x->from_lab[0]);
	if (read(x->to_lab[0], &byte, 1) != 1)
		_exit(1); /* evenkeel was gone before we asked to be told */
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	snprintf(x->shared->step, sizeof(x->shared->step), "map the user into its namespace");
	if (x->user_ns)
		err = map_ids(x);
	if (err != 0) {
		atomic_store(&x->shared->cant, err);
		_exit(1);
	}
	_exit(lab_main(x->plan, x->o, x->shared, x->to_lab[0], x->begun_ns));
}

static pid_t clone_process(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
}

/* Makes the lab's first process. Returns its pid or -errno. */
static pid_t make_lab(struct outside *x)
{
	unsigned long user = CLONE_NEWUSER;
	pid_t pid = -1;

	x->user_ns = false;
	fflush(NULL);
	if (x->uid == 0)
		pid = clone_process(NAMESPACES);
	if (pid < 0) {
		x->user_ns = true;
		pid = clone_process(NAMESPACES | user);
	}
	if (pid == 0)
		inside(x);
	return pid < 0 ? -errno : pid;
}

static void show(struct outside *x)
{
	struct netns_progress p = { .end_ns = x->plan->end_ns };
	int64_t t0 = atomic_load(&x->shared->t0_ns);

	if (x->o->progress == NULL)
		return;
	p.t_ns = t0 == 0 ? -1 : host_mono_ns() - t0;
	for (unsigned i = 0; i < x->shared->load_n; i++) {
		p.sent += atomic_load(&x->shared->load[i].sent);
		p.answered += atomic_load(&x->shared->load[i].answered);
	}
	memcpy(p.phase, x->shared->phase, sizeof(p.phase));
	p.phase[sizeof(p.phase) - 1] = '\0';
	x->o->progress(x->o->progress_arg, &p);
}

/* Follows the lab to its end. */
static int follow(struct outside *x, pid_t pid)
{
	struct pollfd p = { .fd = x->from_lab[0], .events = POLLIN };
	bool asked = false;
	int status;

	for (;;) {
		int n = poll(&p, 1, POLL_MS);
		if (!asked && x->o->stop != NULL && *x->o->stop != 0)
			asked = write(x->to_lab[1], "e", 1) == 1;
		if (n > 0)
			break;
		show(x);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

/* The last line of events.jsonl: the lab is gone, and this is how long it took. */
static int write_end(const struct outside *x, int64_t gone_ns)
{
	int64_t bye = atomic_load(&x->shared->bye_ns), t0 = atomic_load(&x->shared->t0_ns);
	char path[4200];

	snprintf(path, sizeof(path), "%s/events.jsonl", x->o->dir);
	FILE *f = fopen(path, "ae");
	if (f == NULL)
		return -errno;
	fprintf(f, "{\"event\":\"end\",\"t_ns\":%lld,\"teardown_us\":%lld}\n",
	        (long long)(gone_ns - t0), (long long)((gone_ns - bye) / 1000));
	return fclose(f) == 0 ? 0 : -EIO;
}

/* The lab has ended: what came of it. */
static int conclude(struct outside *x, int status, char error[NETNS_TEXT])
{
	int64_t gone_ns = host_mono_ns();
	int cant = atomic_load(&x->shared->cant);

	if (cant != 0) {
		preflight_explain(x->shared->step, cant, error, NETNS_TEXT);
		return preflight_refused(cant) ? -EOPNOTSUPP : cant;
	}
	if (status == 0)
		return write_end(x, gone_ns);
	if (atomic_load(&x->shared->t0_ns) != 0)
		return 0; /* no end event: the judge will say so */
	snprintf(error, NETNS_TEXT, "the lab ended before its start (status %d)", status);
	return -EIO;
}

static int run(struct outside *x, char error[NETNS_TEXT])
{
	x->begun_ns = host_mono_ns();
	pid_t pid = make_lab(x);

	if (pid < 0) {
		preflight_explain("make namespaces", pid, error, NETNS_TEXT);
		return preflight_refused(pid) ? -EOPNOTSUPP : pid;
	}
	close(x->to_lab[0]);
	close(x->from_lab[1]);
	(void)!write(x->to_lab[1], "g", 1);
	int status = follow(x, pid);
	close(x->to_lab[1]);
	close(x->from_lab[0]);
	return conclude(x, status, error);
}

int netns_run(const struct plan *p, const struct netns_options *o, char error[NETNS_TEXT])
{
	struct outside x = { .plan = p, .o = o, .uid = geteuid(), .gid = getegid() };
	int err;

	x.shared_len = sizeof(*x.shared) + p->load_n * sizeof(struct load_result);
	x.shared = mmap(NULL, x.shared_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	                0);
	if (x.shared == MAP_FAILED || pipe2(x.to_lab, O_CLOEXEC) < 0 ||
	    pipe2(x.from_lab, O_CLOEXEC) < 0) {
		snprintf(error, NETNS_TEXT, "can't make pipes: %s", strerror(errno));
		return -errno;
	}
	x.shared->load_n = p->load_n;
	err = run(&x, error);
	munmap(x.shared, x.shared_len);
	return err;
}
