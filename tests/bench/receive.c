/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When queries came, by the kernel's clock: notes the time of each datagram and the number in its
 * name ("q000123.") until SIGTERM, then writes them out as text. It looks at its socket 50 times a
 * second, so that it hardly disturbs who sends. argv: address, port, file. Says when it is ready.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, SIZE = 512, MANY = 4000000, NAME = 12 };

static struct { long long t_ns; unsigned n; } *noted;
static unsigned noted_n;
static volatile sig_atomic_t over;

static unsigned char buffer[BATCH][SIZE];
static char control[BATCH][64] __attribute__((aligned(8)));
static struct iovec iov[BATCH];
static struct mmsghdr m[BATCH];

static void on_term(int n)
{
	over = n;
}

static void note(struct msghdr *h, const unsigned char *p, unsigned len)
{
	struct timespec ts = { 0, 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
	if (len < NAME + 9 || noted_n == MANY)
		return;
	noted[noted_n].t_ns = ts.tv_sec * 1000000000ll + ts.tv_nsec;
	noted[noted_n++].n = (unsigned)strtoul((const char *)p + NAME + 2, NULL, 10);
}

static void drain(int fd)
{
	int n;

	do {
		for (int i = 0; i < BATCH; i++) {
			iov[i].iov_base = buffer[i];
			iov[i].iov_len = SIZE - 1;
			m[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1,
			                                .msg_control = control[i],
			                                .msg_controllen = sizeof(control[i]) };
		}
		n = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			note(&m[i].msg_hdr, buffer[i], m[i].msg_len);
	} while (n > 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	const struct timespec pause = { 0, 20000000 };
	const int bytes = 4 << 20, on = 1;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 4 || inet_pton(AF_INET, argv[1], &sin.sin_addr) != 1)
		return 1;
	sin.sin_port = htons((unsigned short)atoi(argv[2]));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0)
		return 1;
	noted = malloc(MANY * sizeof(*noted));
	signal(SIGTERM, on_term);
	printf("ready\n");
	fflush(stdout);
	while (!over) {
		nanosleep(&pause, NULL);
		drain(fd);
	}
	drain(fd);
	FILE *f = fopen(argv[3], "w");
	for (unsigned i = 0; f != NULL && i < noted_n; i++)
		fprintf(f, "%u %lld\n", noted[i].n, noted[i].t_ns);
	return f == NULL || fclose(f) != 0;
}
