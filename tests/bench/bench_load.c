/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Processor time per query of the clients against dnsperf's: same rates, same echo server, turn by
 * turn, in a namespace of the bench's own. User and system time of the whole process.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "sim/load/shell/shell.h"
#include "tests/unit/load_plan.h"
#include "tests/unit/loopback.h"

enum { SECONDS = 2, ROUNDS = 5, NAMES = 1000 };

static char names_file[] = "/tmp/bench_load-XXXXXX";

static int server_socket(void)
{
	struct ep at = { ip_v4(127, 0, 0, 2), 53 };
	struct sockaddr_storage ss;
	int size = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = host_sockaddr(&at, &ss);

	MUST(fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) == 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return fd;
}

/* Turns queries into answers for ever. */
static _Noreturn void echo(int fd)
{
	static struct mmsghdr msg[DGRAM_BATCH];
	static struct iovec iov[DGRAM_BATCH];
	static struct sockaddr_storage peer[DGRAM_BATCH];
	static uint8_t bytes[DGRAM_BATCH][1500];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		for (unsigned i = 0; i < DGRAM_BATCH; i++) {
			iov[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) };
			msg[i].msg_hdr = (struct msghdr){ .msg_name = &peer[i], .msg_iov = &iov[i],
				.msg_namelen = sizeof(peer[i]), .msg_iovlen = 1 };
		}
		int n = recvmmsg(fd, msg, DGRAM_BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++) {
			bytes[i][2] |= 0x80;
			iov[i].iov_len = msg[i].msg_len;
		}
		for (int at = 0, sent; at < n; at += sent > 0 ? sent : 1)
			sent = sendmmsg(fd, msg + at, (unsigned)(n - at), 0);
	}
}

static pid_t start_echo(void)
{
	int fd = server_socket();
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid == 0)
		echo(fd);
	close(fd);
	return pid;
}

/* Microseconds of processor time of a child that has ended. */
static double finish(pid_t pid)
{
	struct rusage u;
	int status;

	MUST(wait4(pid, &status, 0, &u) == pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static double run_ours(struct load_result *res, unsigned rate)
{
	struct load_plan t;

	load_plan_init(&t);
	MUST(prefix_parse(&t.node[0].net[0], "127.1.0.0/16") == 0);
	t.plan.node_n = 2;
	t.node[1].addr[0] = ip_v4(127, 0, 0, 2);
	t.load[0].rate_mqps = (uint64_t)rate * 1000;
	t.load[0].to_ns = SECONDS * LOAD_PLAN_S;
	memset(res, 0, sizeof(*res));
	pid_t pid = fork();
	MUST(pid >= 0);
	if (pid == 0)
		_exit(load_shell_run(&t.plan, 0, host_mono_ns() + 1000000, res) != 0);
	double us = finish(pid);
	fprintf(stderr, "    %u/s: %.2f us, answered %.2f %%, late p50 %.0f p99 %.0f p99.9 %.0f "
	        "max %.0f us\n", rate, us / (double)res->counts.sent,
	        100.0 * (double)res->counts.answered / (double)res->counts.sent,
	        (double)hist_quantile(&res->late_ns, 500000) / 1e3,
	        (double)hist_quantile(&res->late_ns, 990000) / 1e3,
	        (double)hist_quantile(&res->late_ns, 999000) / 1e3, (double)res->late_ns.max / 1e3);
	return us / (double)res->counts.answered;
}

static void write_names(void)
{
	int fd = mkstemp(names_file);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

	MUST(f != NULL);
	for (unsigned i = 0; i < NAMES; i++)
		fprintf(f, "k%u.zipf.example %s\n", i, i % 10 < 7 ? "A" : "AAAA");
	fclose(f);
}

/* 0 when dnsperf isn't there. */
static double run_dnsperf(unsigned rate)
{
	char limit[16], seconds[16], line[256];
	unsigned long done = 0;
	int out[2];

	snprintf(limit, sizeof(limit), "%u", rate);
	snprintf(seconds, sizeof(seconds), "%d", SECONDS);
	MUST(pipe(out) == 0);
	pid_t pid = fork();
	MUST(pid >= 0);
	if (pid == 0) {
		dup2(out[1], 1);
		close(out[0]);
		execlp("dnsperf", "dnsperf", "-s", "127.0.0.2", "-d", names_file, "-e", "-c", "16",
		       "-T", "1", "-q", "4000", "-t", "2", "-l", seconds, "-Q", limit,
		       (char *)NULL);
		_exit(0);
	}
	close(out[1]);
	FILE *f = fdopen(out[0], "r");
	while (fgets(line, sizeof(line), f) != NULL)
		sscanf(line, " Queries completed: %lu", &done);
	fclose(f);
	double us = finish(pid);
	return done > 0 ? us / (double)done : 0;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double v[ROUNDS])
{
	qsort(v, ROUNDS, sizeof(*v), by_size);
	return v[ROUNDS / 2];
}

static void compare(struct load_result *res, unsigned rate, const char *goal)
{
	double ours[ROUNDS], peer[ROUNDS], ratio[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		ours[i] = run_ours(res, rate);
		peer[i] = run_dnsperf(rate);
		ratio[i] = peer[i] > 0 ? ours[i] / peer[i] : 0;
	}
	printf("{\"name\": \"clients' CPU per query at %u/s\", \"unit\": \"us\", \"ours\": %.3f, ",
	       rate, median(ours));
	if (median(peer) > 0)
		printf("\"peer\": %.3f, \"peer_name\": \"dnsperf\", \"ratio\": %.3f, ",
		       median(peer), median(ratio));
	else
		printf("\"note\": \"dnsperf isn't installed\", ");
	printf("\"goal\": \"%s\"}\n", goal);
	fflush(stdout);
}

int main(void)
{
	struct load_result *res = mmap(NULL, sizeof(*res), PROT_READ | PROT_WRITE,
	                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	MUST(res != MAP_FAILED);
	if (loopback_enter() < 0) {
		printf("{\"name\": \"clients' CPU per query\", \"goal\": \"<=0.6\", "
		       "\"note\": \"no namespace for an ordinary user here\"}\n");
		return 0;
	}
	write_names();
	pid_t server = start_echo();
	compare(res, 20000, "<=0.6");
	compare(res, 50000, "<=0.6");
	kill(server, SIGKILL);
	unlink(names_file);
	return 0;
}
