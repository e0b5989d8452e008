/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network namespace of our own with nothing but loopback, where an ordinary user may bind port 53
 * and own any address: for tests and benches of shells with real sockets.
 */
#ifndef EK_TEST_LOOPBACK_H
#define EK_TEST_LOOPBACK_H

#include <errno.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/host.h"

static inline int loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

/* Enters a new namespace with loopback up. Returns 0, or -errno where that isn't allowed. */
static inline int loopback_enter(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -errno;
	return loopback_up();
}

/* Gives loopback one more IPv6 address. Returns 0 or -errno. */
static inline int loopback_add6(const struct ip *ip)
{
	struct in6_ifreq ifr = { .ifr6_prefixlen = 128, .ifr6_ifindex = 1 };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&ifr.ifr6_addr, ip->b, 16);
	int err = fd < 0 || ioctl(fd, SIOCSIFADDR, &ifr) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

#endif
