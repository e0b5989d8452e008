/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a balancer costs that knows nothing of DNS but the ID: recvmmsg and sendmmsg in batches of
 * 64, servers in turn, IDs from a counter, a table of who asked. No time-outs, no checks, no
 * counters. argv: port, threads, ports of two servers. Prints a line when it listens.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, SIZE = 4096, SERVERS = 2, THREADS = 64 };

struct slot {
	struct sockaddr_in client;
	unsigned char id[2];
};

/* A batch for each kind of socket, so that only what was used must be set again. */
struct batch {
	unsigned used;
	unsigned char buffer[BATCH][SIZE];
	struct iovec iov[BATCH];
	struct sockaddr_in name[BATCH];
	struct mmsghdr m[BATCH];
};

struct relay {
	pthread_t thread;
	int front, back[SERVERS];
	unsigned next;
	struct slot slot[SERVERS][65536];
	struct batch query, answer;
	struct mmsghdr out[SERVERS][BATCH];
};

static int open_udp(int port, int connects)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port) };
	const int on = 1, bytes = 4 << 20;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, "127.0.0.1", &sin.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if ((connects ? connect : bind)(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		exit(1);
	return fd;
}

static int receive(struct batch *b, int fd, int named)
{
	for (unsigned i = 0; i < b->used; i++) {
		b->iov[i] = (struct iovec){ b->buffer[i], SIZE };
		b->m[i].msg_hdr = (struct msghdr){ .msg_iov = &b->iov[i], .msg_iovlen = 1 };
		if (named) {
			b->m[i].msg_hdr.msg_name = &b->name[i];
			b->m[i].msg_hdr.msg_namelen = sizeof(b->name[i]);
		}
	}
	int n = recvmmsg(fd, b->m, BATCH, 0, NULL);
	b->used = n > 0 ? (unsigned)n : 0;
	return n;
}

static void queries(struct relay *r)
{
	struct batch *b = &r->query;
	int n = receive(b, r->front, 1);
	unsigned outs[SERVERS] = { 0 };

	for (int i = 0; i < n; i++) {
		unsigned id = r->next++, to = id % SERVERS;
		struct slot *s = &r->slot[to][id / SERVERS & 0xffff];
		s->client = b->name[i];
		memcpy(s->id, b->buffer[i], 2);
		b->buffer[i][0] = (unsigned char)(id / SERVERS >> 8);
		b->buffer[i][1] = (unsigned char)(id / SERVERS);
		b->iov[i].iov_len = b->m[i].msg_len;
		r->out[to][outs[to]++].msg_hdr = (struct msghdr){ .msg_iov = &b->iov[i],
		                                                  .msg_iovlen = 1 };
	}
	for (unsigned to = 0; to < SERVERS; to++)
		if (outs[to] > 0)
			sendmmsg(r->back[to], r->out[to], outs[to], 0);
}

static void answers(struct relay *r, unsigned from)
{
	struct batch *b = &r->answer;
	int n = receive(b, r->back[from], 0);

	for (int i = 0; i < n; i++) {
		struct slot *s = &r->slot[from][b->buffer[i][0] << 8 | b->buffer[i][1]];
		memcpy(b->buffer[i], s->id, 2);
		b->iov[i].iov_len = b->m[i].msg_len;
		b->m[i].msg_hdr.msg_name = &s->client;
		b->m[i].msg_hdr.msg_namelen = sizeof(s->client);
	}
	if (n > 0)
		sendmmsg(r->front, b->m, (unsigned)n, 0);
}

static void *run(void *arg)
{
	struct relay *r = arg;
	struct pollfd p[1 + SERVERS] = { { r->front, POLLIN, 0 } };

	for (unsigned i = 0; i < SERVERS; i++)
		p[1 + i] = (struct pollfd){ r->back[i], POLLIN, 0 };
	while (poll(p, 1 + SERVERS, -1) >= 0) {
		if (p[0].revents != 0)
			queries(r);
		for (unsigned i = 0; i < SERVERS; i++)
			if (p[1 + i].revents != 0)
				answers(r, i);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = argc == 3 + SERVERS ? atoi(argv[2]) : 0;
	struct relay *r = calloc(THREADS, sizeof(*r));

	if (threads < 1 || threads > THREADS || r == NULL)
		return 1;
	for (int t = 0; t < threads; t++) {
		r[t].query.used = r[t].answer.used = BATCH; /* all are set before the first use */
		r[t].front = open_udp(atoi(argv[1]), 0);
		for (int i = 0; i < SERVERS; i++)
			r[t].back[i] = open_udp(atoi(argv[3 + i]), 1);
	}
	printf("ready\n");
	fflush(stdout);
	for (int t = 0; t < threads; t++)
		pthread_create(&r[t].thread, NULL, run, &r[t]);
	pthread_join(r[0].thread, NULL);
	return 1;
}
