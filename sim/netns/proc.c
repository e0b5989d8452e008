/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs of nodes; see proc.h. */
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/host.h"

/* Nodes step back when the processor is short: the wire and the clients keep the time. */
enum { NODE_NICE = 5, EXEC_FAILED = 127 };

void proc_arg(struct proc *p, const char *format, ...)
{
	char text[PROC_ARG];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	MUST(p->argc + 1 < PROC_ARGS);
	p->argv[p->argc++] = strdup(text);
	p->argv[p->argc] = NULL;
}

int proc_listen(struct proc *p, const struct proc_world *w)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char path[ROOM_PATH];

	room_file(w->room, p->name, "notify", path);
	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, strlen(path) + 1);
	p->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->notify < 0)
		return -errno;
	return bind(p->notify, (struct sockaddr *)&un, sizeof(un)) < 0 ? -errno : 0;
}

static void child_fail(const char *what, int err)
{
	fprintf(stderr, "evenkeel: can't %s: %s\n", what, strerror(err));
	_exit(EXEC_FAILED);
}

/* Output into out, or where that is -1 into DIR/NODE.log; no input; nothing else of ours open. */
static void child_files(const struct proc *p, const struct proc_world *w, int out)
{
	char path[PROC_ARG + PLAN_NAME_TEXT];
	int null = open("/dev/null", O_RDONLY);

	snprintf(path, sizeof(path), "%s/%s.log", w->dir, p->name);
	if (out < 0)
		out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (out < 0)
		child_fail("open its log", errno);
	dup2(null, 0);
	dup2(out, 1);
	dup2(out, 2);
	(void)syscall(SYS_close_range, 3U, ~0U, 0U);
}

/* The new process, from fork to exec. */
static _Noreturn void child(const struct proc *p, const struct proc_world *w, char *const argv[],
                            int out)
{
	char notify[ROOM_PATH + 32], path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
	                                      "/usr/bin:/sbin:/bin";
	char home[] = "HOME=/", lang[] = "LC_ALL=C";
	char *env[] = { path, home, lang, notify, NULL };
	sigset_t none;
	int err = layout_enter(w->layout, p->node);

	if (err == 0)
		err = room_enter(w->room, p->name);
	child_files(p, w, out);
	if (err != 0)
		child_fail("enter the node's namespaces", -err);
	snprintf(notify, sizeof(notify), "NOTIFY_SOCKET=%s/notify", w->room->path);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	(void)setpriority(PRIO_PROCESS, 0, NODE_NICE);
	execve(argv[0], argv, env);
	child_fail(argv[0], errno);
	_exit(EXEC_FAILED);
}

int proc_start(struct proc *p, const struct proc_world *w)
{
	pid_t pid;

	p->ready = false;
	p->hung = false;
	p->started_ns = host_mono_ns();
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(p, w, p->argv, -1);
	p->pid = pid;
	return 0;
}

/* Waits for the end of a child. Its wait status, or -ETIME: it was killed after ms. */
static int end_of(pid_t pid, int ms)
{
	struct pollfd ended = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	bool late = ended.fd < 0 || poll(&ended, 1, ms) != 1;
	int status = 0;

	if (late)
		kill(pid, SIGKILL);
	if (ended.fd >= 0)
		close(ended.fd);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return late ? -ETIME : status;
}

int proc_beside(const struct proc *p, const struct proc_world *w, char *const argv[], int ms,
                char *out, size_t len)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		child(p, w, argv, fd[1]);
	int err = pid < 0 ? -errno : 0;
	close(fd[1]);
	if (err == 0)
		err = end_of(pid, ms);
	ssize_t n = read(fd[0], out, len - 1);
	out[n > 0 ? n : 0] = '\0';
	close(fd[0]);
	return err;
}

bool proc_hear(struct proc *p)
{
	char text[4096], *save;
	ssize_t n;
	bool ready = false;

	while ((n = recv(p->notify, text, sizeof(text) - 1, MSG_DONTWAIT)) >= 0) {
		text[n] = '\0';
		for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
			ready |= strcmp(l, "READY=1") == 0;
	}
	if (!ready || p->ready || p->pid == 0)
		return false;
	p->ready = true;
	return true;
}

void proc_ended(struct proc *p, int64_t cpu_us)
{
	p->pid = 0;
	p->ready = false;
	p->hung = false;
	p->cpu_us += cpu_us;
}

static int64_t rusage_us(const struct rusage *u)
{
	return (int64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000000 + u->ru_utime.tv_usec +
	       u->ru_stime.tv_usec;
}

int proc_kill(struct proc *p, int *status)
{
	struct rusage u;

	if (p->pid == 0 || kill(p->pid, SIGKILL) < 0)
		return -ESRCH;
	while (wait4(p->pid, status, 0, &u) < 0)
		if (errno != EINTR)
			return -errno;
	proc_ended(p, rusage_us(&u));
	return WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL ? 0 : -ESRCH;
}

/* Sends a signal and waits for the state change it makes; an exit is left for others to see. */
static int signal_and_see(struct proc *p, int signal_number, int option, int code)
{
	siginfo_t i = { 0 };

	if (p->pid == 0 || kill(p->pid, signal_number) < 0)
		return -ESRCH;
	while (waitid(P_PID, (id_t)p->pid, &i, option | WEXITED | WNOWAIT) < 0)
		if (errno != EINTR)
			return -errno;
	if (i.si_code != code)
		return -ESRCH;
	(void)waitid(P_PID, (id_t)p->pid, &i, option | WNOHANG);
	return 0;
}

int proc_hang(struct proc *p)
{
	int err = signal_and_see(p, SIGSTOP, WSTOPPED, CLD_STOPPED);

	p->hung = err == 0;
	return err;
}

int proc_resume(struct proc *p)
{
	int err = p->hung ? signal_and_see(p, SIGCONT, WCONTINUED, CLD_CONTINUED) : -ESRCH;

	if (err == 0)
		p->hung = false;
	return err;
}
