/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses beside datagrams, connections, and waiting; see net.h. */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

int net_tell_asked(int fd, const struct ep *ep)
{
	const int on = 1;
	bool v4 = ip_is4(&ep->ip);
	int err = setsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
	                     v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof(on));

	return err < 0 ? -errno : 0;
}

void net_asked(const struct msghdr *m, struct ip *ip)
{
	struct msghdr *h = (struct msghdr *)(uintptr_t)m;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo in;
			memcpy(&in, CMSG_DATA(c), sizeof(in));
			memcpy(ip->b + 12, &in.ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo in;
			memcpy(&in, CMSG_DATA(c), sizeof(in));
			memcpy(ip->b, &in.ipi6_addr, 16);
		}
	}
}

void net_leave_from(struct msghdr *m, void *control, const struct ip *ip)
{
	struct in_pktinfo in = { 0 };
	struct in6_pktinfo in6 = { 0 };
	bool v4 = ip_is4(ip);
	size_t len = v4 ? sizeof(in) : sizeof(in6);

	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(len);
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	c->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
	c->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(&in.ipi_spec_dst, ip->b + 12, 4);
	memcpy(&in6.ipi6_addr, ip->b, 16);
	memcpy(CMSG_DATA(c), v4 ? (void *)&in : (void *)&in6, len);
}

void net_watch(int epoll, int fd, uint64_t what)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = what };

	MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0);
}

/* Kernels before 5.11 wait in milliseconds. */
static int wait_ms(int epoll, struct epoll_event *events, int max, int64_t left_ns)
{
	int64_t ms = left_ns < 0 ? -1 : (left_ns + 999999) / 1000000;

	return epoll_wait(epoll, events, max, ms > 86400000 ? 86400000 : (int)ms);
}

int net_wait(int epoll, struct epoll_event *events, int max, int64_t until_ns)
{
	int64_t left_ns = -1;
	struct timespec left;

	if (until_ns != INT64_MAX) {
		left_ns = until_ns - host_mono_ns();
		left_ns = left_ns > 0 ? left_ns : 0;
		left.tv_sec = left_ns / 1000000000;
		left.tv_nsec = left_ns % 1000000000;
	}
	int n = epoll_pwait2(epoll, events, max, left_ns < 0 ? NULL : &left, NULL);
	if (n < 0 && errno == ENOSYS)
		n = wait_ms(epoll, events, max, left_ns);
	MUST(n >= 0 || errno == EINTR);
	return n > 0 ? n : 0;
}

int net_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void refuse_one(int listener, int *reserve)
{
	if (*reserve >= 0)
		close(*reserve);
	int fd = accept(listener, NULL, NULL);
	if (fd >= 0)
		close(fd);
	*reserve = net_reserve();
}

int net_accept(int listener, int *reserve, struct ep *peer)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = accept4(listener, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			refuse_one(listener, reserve);
		return -1;
	}
	if (*reserve < 0) /* another thread was faster */
		*reserve = net_reserve();
	*peer = host_ep(&ss);
	return fd;
}

void net_allow_many_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}
