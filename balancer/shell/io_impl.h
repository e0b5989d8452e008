/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of a worker's UDP share: sockets, messages on their way out, and what a way to
 * use them has to do. Not for anybody else; see io.h.
 */
#ifndef EK_BALANCER_SHELL_IO_IMPL_H
#define EK_BALANCER_SHELL_IO_IMPL_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "io.h"
#include "lib/host/net.h"

enum {
	IO_STRIDE = IO_BUFFER + 192, /* so that buffers' first lines spread over the cache */
	IO_NONE = UINT16_MAX,
	IO_JOIN_MAX = 64,           /* datagrams that are handed over as one: the kernel's limit */
	IO_JOIN_LEN = 512,          /* longer ones go alone */
	IO_SLOTS = 1024,            /* lists of what may be joined, a power of two */
};

/* A socket, and what waits to be sent on it in this pass: a list of the pool's indices. */
struct io_out {
	int fd;                     /* -1: couldn't be opened yet */
	bool front;
	bool wildcard;              /* front only: answers need their source address */
	bool deaf;                  /* front only: nothing is received any more */
	bool joins;                 /* what may be joined is handed over as one (UDP_SEGMENT) */
	uint16_t first, last;
	int64_t reopen_ns;
	const struct bal_server *server; /* NULL: front */
	const _Atomic uint32_t *changes; /* of the server's state; fresh when they are others */
	uint32_t seen;
	struct ep ep;               /* front: where it listens; else the server */
};

/* A descriptor: whose it is, and what its way does with it. */
struct io_socket {
	uint16_t place;             /* index of out; IO_NONE: not ours, or not any more */
	bool armed, closes;         /* io_uring: it receives; it is closed when that has ended */
};

/* Messages of a pass. One has a name when it is a front's, several iovs when it is joined. */
struct io_messages {
	unsigned n, iov_n;
	struct mmsghdr m[IO_ALL];
	struct iovec iov[IO_ALL];
	struct sockaddr_in6 name[IO_ALL];
	_Alignas(8) uint8_t control[IO_ALL][NET_CONTROL + CMSG_SPACE(sizeof(uint16_t))];
	uint16_t head[IO_SLOTS], tail[IO_SLOTS]; /* lists, while datagrams are sorted */
	uint16_t slot[IO_ALL];                   /* those in use */
};

/* One of the ways. */
struct io_way {
	const char *name;
	int (*open)(struct io *io);                    /* 0 or -errno */
	void (*listen)(struct io *io, int fd);         /* receives from now on */
	void (*leave)(struct io *io, int fd, bool closes); /* receives no more; closes it, or not */
	void (*start)(struct io *io);
	void (*wait)(struct io *io, int64_t until_ns); /* sets n, event_n and what they count */
	void (*flush)(struct io *io, unsigned index);  /* sends out[index]'s list */
};

extern const struct io_way io_plain, io_uring;

/* Room for n sockets, none of them there yet. Those there were are returned, for free(). */
struct io_out *io_lay_out(struct io *io, unsigned n);
/* Puts a socket at the next place. known: it has been there, at another place. */
void io_place(struct io *io, const struct io_out *o, bool known);
/* Stops receiving on a front that has a place. */
void io_deafen(struct io *io, struct io_out *o);
/* Closes a socket, with a place or without. */
void io_close(struct io *io, struct io_out *o);

/* A descriptor for the next datagram, its data in p. */
struct dgram *io_dgram(struct io *io, uint8_t *p, size_t len);
/* Fills in what a descriptor of a front's datagram needs: its sender, and the asked address. */
void io_from_client(struct dgram *d, const struct io_out *o, const void *name,
                    const struct msghdr *control);
void io_from_server(const struct io *io, struct dgram *d, unsigned index);
/* Makes messages out of out[index]'s list, after those that are there. Returns the first. */
unsigned io_make_messages(struct io *io, unsigned index);
/* m wasn't sent: says why in err. Sends its parts one by one if that can help, and counts. */
void io_unsent(struct io *io, struct io_out *o, const struct msghdr *m, int err);

#endif
