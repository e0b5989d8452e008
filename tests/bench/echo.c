/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A backend that costs next to nothing: sends each query back as its own answer, with one A record
 * of an hour when the query has no EDNS. Over UDP in batches, over TCP at the same port with all
 * that one read brought in one write. Prints its port. argv: address, port (127.0.0.1, any).
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, SIZE = 2048, RECORD = 16, STREAM = 1 << 16, FDS = 65536 };

static unsigned char buffer[BATCH][SIZE];
static struct iovec iov[BATCH];
static struct sockaddr_in peer[BATCH];
static struct mmsghdr m[BATCH];

/* A connection's bytes that are no whole message yet. */
static struct { unsigned n; unsigned char *b; } kept[FDS];

/* Makes the query of n bytes at q its answer; returns its length. */
static unsigned answer(unsigned char *q, unsigned n)
{
	static const unsigned char record[RECORD] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4,
	                                              192, 0, 2, 1 };

	if (n < 12)
		return n;
	q[2] |= 0x84; /* QR, AA */
	if (q[10] != 0 || q[11] != 0)
		return n;
	q[7] = 1;
	memcpy(q + n, record, RECORD);
	return n + RECORD;
}

static int listen_at(int type, struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	const int on = 1;
	int fd = socket(AF_INET, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)sin, sizeof(*sin)) < 0 ||
	    getsockname(fd, (struct sockaddr *)sin, &len) < 0)
		return -1;
	return fd;
}

/* Reads what is there, answers what is whole. Returns 0 when the connection is over. */
static int serve(int fd)
{
	static unsigned char in[STREAM], out[2 * STREAM];
	unsigned n = kept[fd].n, at = 0, o = 0;

	memcpy(in, kept[fd].b, n);
	ssize_t got = read(fd, in + n, STREAM / 2);
	if (got <= 0)
		return 0;
	n += (unsigned)got;
	while (n - at >= 2 && n - at - 2 >= (unsigned)(in[at] << 8 | in[at + 1])) {
		unsigned len = (unsigned)(in[at] << 8 | in[at + 1]);
		memcpy(out + o + 2, in + at + 2, len);
		unsigned a = answer(out + o + 2, len);
		out[o] = (unsigned char)(a >> 8);
		out[o + 1] = (unsigned char)a;
		o += 2 + a;
		at += 2 + len;
	}
	kept[fd].n = n - at;
	memcpy(kept[fd].b, in + at, n - at);
	return o == 0 || write(fd, out, o) == (ssize_t)o;
}

static void *serve_tcp(void *arg)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = *(int *)arg }, events[BATCH];
	int listener = e.data.fd, epoll = epoll_create1(0);

	listen(listener, 1024);
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		int n = epoll_wait(epoll, events, BATCH, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd != listener) {
				if (!serve(fd))
					close(fd);
				continue;
			}
			fd = accept(listener, NULL, NULL);
			if (fd < 0 || fd >= FDS)
				exit(1);
			kept[fd].n = 0;
			if (kept[fd].b == NULL && (kept[fd].b = malloc(STREAM)) == NULL)
				exit(1);
			e.data.fd = fd;
			epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
		}
	}
	return NULL;
}

static void serve_udp(int fd)
{
	for (int i = 0; i < BATCH; i++) {
		iov[i].iov_base = buffer[i];
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
		m[i].msg_hdr.msg_name = &peer[i];
	}
	for (;;) {
		for (int i = 0; i < BATCH; i++) {
			iov[i].iov_len = SIZE - RECORD;
			m[i].msg_hdr.msg_namelen = sizeof(peer[i]);
		}
		int n = recvmmsg(fd, m, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			iov[i].iov_len = answer(buffer[i], m[i].msg_len);
		if (n > 0)
			sendmmsg(fd, m, (unsigned)n, 0);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	const int bytes = 4 << 20;
	pthread_t thread;

	if (inet_pton(AF_INET, argc > 1 ? argv[1] : "127.0.0.1", &sin.sin_addr) != 1)
		return 1;
	sin.sin_port = htons((unsigned short)(argc > 2 ? atoi(argv[2]) : 0));
	int udp = listen_at(SOCK_DGRAM, &sin), tcp = listen_at(SOCK_STREAM, &sin);
	if (udp < 0 || tcp < 0)
		return 1;
	setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	pthread_create(&thread, NULL, serve_tcp, &tcp);
	printf("%d\n", ntohs(sin.sin_port));
	fflush(stdout);
	serve_udp(udp);
	return 0;
}
