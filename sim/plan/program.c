/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asks a foreign program who it is, by PROG --version, so that the plan can apply the bounds of its
 * health checks. What isn't dnsdist is taken for a balancer of our own kind.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "scenario.h"

enum { ANSWER_MAX = 4096 };
#define PATIENCE_NS INT64_C(5000000000)

/* The program's file: as given when it has a slash, else the first in PATH. NULL: none. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	char tried[4096];

	if (strchr(name, '/') != NULL)
		return access(name, X_OK) == 0 ? realpath(name, NULL) : NULL;
	while (path != NULL && *path != '\0') {
		size_t n = strcspn(path, ":");
		snprintf(tried, sizeof(tried), "%.*s/%s", (int)n, path, name);
		if (access(tried, X_OK) == 0)
			return realpath(tried, NULL);
		path += n + (path[n] == ':');
	}
	return NULL;
}

/* The child: its output to fd, nothing to read. */
static _Noreturn void ask(const char *path, int fd)
{
	int null = open("/dev/null", O_RDONLY);

	dup2(null, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	execl(path, path, "--version", (char *)NULL);
	_exit(127);
}

/* Reads until the other end closes, the buffer is full or patience is over. */
static size_t listen_to(int fd, char *out, size_t cap)
{
	int64_t end = host_mono_ns() + PATIENCE_NS;
	size_t len = 0;

	while (len < cap - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end - host_mono_ns();
		if (left <= 0 || poll(&p, 1, (int)(left / 1000000) + 1) <= 0)
			break;
		ssize_t n = read(fd, out + len, cap - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	out[len] = '\0';
	return len;
}

static int version_of(const char *path, char out[ANSWER_MAX])
{
	int fd[2], status;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid == 0)
		ask(path, fd[1]);
	close(fd[1]);
	if (pid > 0) {
		listen_to(fd[0], out, ANSWER_MAX);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	close(fd[0]);
	return pid < 0 ? -EAGAIN : 0;
}

/* The first "digits.digits..." of text, at most cap - 1 bytes; "" when there is none. */
static void find_version(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		size_t whole = strspn(text, "0123456789");
		if (whole > 0 && text[whole] == '.' && text[whole + 1] >= '0' &&
		    text[whole + 1] <= '9')
			break;
		text += whole > 0 ? whole - 1 : 0;
	}
	while (n + 1 < cap && text[n] != '\0' &&
	       strchr("0123456789.abcdefghijklmnopqrstuvwxyz-", text[n]) != NULL) {
		out[n] = text[n];
		n++;
	}
	out[n] = '\0';
}

/* dnsdist checked in rounds until 1.8.0. */
static enum plan_checks checks_of(const char *version)
{
	int major = 0, minor = 0, patch = 0;

	sscanf(version, "%d.%d.%d", &major, &minor, &patch);
	bool async = major > 1 || (major == 1 && (minor > 8 || (minor == 8 && patch >= 1)));
	return async ? PLAN_CHECKS_ASYNC : PLAN_CHECKS_ROUNDS;
}

int program_probe(struct plan_program *p, const char *path, bool balancer,
                  char error[PLAN_ERROR_TEXT])
{
	static const char *const names[] = { "dnsdist", "PowerDNS Recursor" };
	char answer[ANSWER_MAX] = "";

	p->path = find_program(path);
	if (p->path == NULL) {
		snprintf(error, PLAN_ERROR_TEXT, "%.400s: %s: expected a program", path,
		         strerror(errno != 0 ? errno : ENOENT));
		return -ENOENT;
	}
	int e = version_of(p->path, answer);
	if (e < 0) {
		snprintf(error, PLAN_ERROR_TEXT, "%.400s --version: %s", path, strerror(-e));
		return e;
	}
	const char *at = strstr(answer, names[balancer ? 0 : 1]);
	find_version(at != NULL ? at : answer, p->version, sizeof(p->version));
	if (balancer)
		p->checks = at != NULL ? checks_of(p->version) : PLAN_CHECKS_EXACT;
	return 0;
}
