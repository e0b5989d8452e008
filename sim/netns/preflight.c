/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings that stand in the way of user namespaces; see preflight.h. */
#include "preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/must.h"

/* A setting that forbids when it has this value. */
static const struct {
	const char *path;
	long forbids;
	const char *text;
} settings[] = {
	{ "/proc/sys/user/max_user_namespaces", 0,
	  "user.max_user_namespaces is 0: sysctl -w user.max_user_namespaces=10000" },
	{ "/proc/sys/user/max_net_namespaces", 0,
	  "user.max_net_namespaces is 0: sysctl -w user.max_net_namespaces=10000" },
	{ "/proc/sys/kernel/unprivileged_userns_clone", 0,
	  "kernel.unprivileged_userns_clone is 0: sysctl -w kernel.unprivileged_userns_clone=1" },
	{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 1,
	  "kernel.apparmor_restrict_unprivileged_userns is 1 (Ubuntu 23.10 and later): "
	  "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root" },
};

/* The number in a file of /proc; -1: no such file. */
static long read_number(const char *path)
{
	char text[32];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

/* Seccomp: 2 in /proc/self/status: a filter, as container engines set. */
static bool filtered(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");
	bool yes = false;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		yes |= strncmp(line, "Seccomp:\t2", 10) == 0;
	if (f != NULL)
		fclose(f);
	return yes;
}

bool preflight_refused(int err)
{
	return err == -EPERM || err == -EACCES || err == -ENOSPC || err == -EUSERS ||
	       err == -EOPNOTSUPP || err == -ENOSYS || err == -EAFNOSUPPORT;
}

void preflight_explain(const char *step, int err, char *out, size_t len)
{
	const char *why = "";

	if (err == -EPERM)
		why = "this user, or the container it is in, may not make namespaces "
		      "(user_namespaces(7))";
	if (filtered())
		why = "a seccomp filter is in place: in Docker run the container with "
		      "--security-opt seccomp=unconfined --security-opt apparmor=unconfined, or "
		      "as root with --cap-add SYS_ADMIN --cap-add NET_ADMIN";
	if (err == -EOPNOTSUPP || err == -EAFNOSUPPORT)
		why = "the kernel lacks veth or packet sockets (modules veth, af_packet)";
	for (size_t i = COUNT_OF(settings); i-- > 0;)
		if (read_number(settings[i].path) == settings[i].forbids &&
		    (i != 1 || strstr(step, "network") != NULL) && (i < 3 || geteuid() != 0))
			why = settings[i].text;
	snprintf(out, len, "can't %s: %s%s%s", step, strerror(-err), *why != '\0' ? "; " : "", why);
}
