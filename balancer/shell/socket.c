/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets; see socket.h. */
#include "socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "lib/host/host.h"
#include "lib/host/net.h"

enum { BUFFER = 4 << 20 }; /* bytes asked for; without privilege the kernel gives what it may */

static int turn_on(int fd, int level, int option)
{
	const int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on));
}

/* Room for what comes in while the thread doesn't run. */
static void widen(int fd)
{
	const int bytes = BUFFER;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static int open_tcp(const struct ep *ep)
{
	int family = ip_is4(&ep->ip) ? AF_INET : AF_INET6;

	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

static int open_udp(const struct ep *ep)
{
	int family = ip_is4(&ep->ip) ? AF_INET : AF_INET6;

	return socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
}

static int prepare_front(int fd, const struct ep *ep, bool share)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(ep, &ss);

	if (share && turn_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
		return -errno;
	if (!ip_is4(&ep->ip) && turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0)
		return -errno;
	int err = ip_is_any(&ep->ip) ? net_tell_asked(fd, ep) : 0;
	if (err < 0)
		return err;
	widen(fd);
	return bind(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

int socket_front(const struct ep *ep, bool share)
{
	int fd = open_udp(ep);

	if (fd < 0)
		return -errno;
	int err = prepare_front(fd, ep, share);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

int socket_back(const struct ep *ep)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(ep, &ss);
	int fd = open_udp(ep);

	if (fd < 0)
		return -errno;
	widen(fd);
	if (connect(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;
	int err = -errno;
	close(fd);
	return err;
}

void socket_buffers(int fd, int receive, int send)
{
	if (receive > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive, sizeof(receive));
	if (send > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send, sizeof(send));
}

void socket_prompt(int fd)
{
	(void)turn_on(fd, IPPROTO_TCP, TCP_NODELAY);
}

static int prepare_listen(int fd, const struct ep *ep, int queue, bool share)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(ep, &ss);

	if (turn_on(fd, SOL_SOCKET, SO_REUSEADDR) < 0 ||
	    (share && turn_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0))
		return -errno;
	if (!ip_is4(&ep->ip) && turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, queue) < 0)
		return -errno;
	return 0;
}

int socket_listen(const struct ep *ep, int queue, bool share)
{
	int fd = open_tcp(ep);

	if (fd < 0)
		return -errno;
	int err = prepare_listen(fd, ep, queue, share);
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

int socket_connect(const struct ep *ep)
{
	struct sockaddr_storage ss;
	socklen_t len = host_sockaddr(ep, &ss);
	int fd = open_tcp(ep);

	if (fd < 0)
		return -errno;
	socket_prompt(fd);
	if (connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS)
		return fd;
	int err = -errno;
	close(fd);
	return err;
}
