/* SPDX-License-Identifier: BSD-3-Clause */
/* Clocks, seeds, memory, sd_notify, files and addresses; see host.h. */
#include "host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { READ_FIRST = 4096 }; /* room for files that say less */

_Noreturn void must_fail(const char *expr, const char *file, int line)
{
	fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, expr);
	abort();
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	MUST(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t host_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t host_real_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t host_real_offset_ns(void)
{
	int64_t best_ns = INT64_MAX, offset_ns = 0;

	for (int i = 0; i < 16; i++) {
		int64_t before = host_mono_ns(), real = host_real_ns();
		int64_t took = host_mono_ns() - before;
		if (took < best_ns) {
			best_ns = took;
			offset_ns = real - before - took / 2;
		}
	}
	return offset_ns;
}

void host_seed(uint8_t seed[32])
{
	MUST(getrandom(seed, 32, 0) == 32);
}

int host_arena(struct arena *a, size_t cap)
{
	void *p = mmap(NULL, cap > 0 ? cap : 1, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	(void)madvise(p, cap, MADV_NOHUGEPAGE); /* a touched page shall cost 4 KiB, not 2 MiB */
	arena_init(a, p, cap);
	return 0;
}

void host_arena_free(struct arena *a)
{
	if (a->base != NULL)
		munmap(a->base, a->cap > 0 ? a->cap : 1);
	a->base = NULL;
}

void host_give_back(void *memory, size_t len)
{
	const uintptr_t page = 4096;
	uintptr_t from = (uintptr_t)memory, to = from + len;
	uintptr_t first = (from + page - 1) / page * page, last = to / page * page;

	if (first >= last) {
		memset(memory, 0, len);
		return;
	}
	memset(memory, 0, first - from);
	memset((void *)last, 0, to - last);
	MUST(madvise((void *)first, last - first, MADV_DONTNEED) == 0);
}

int host_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t n = path != NULL ? strlen(path) : 0;
	int fd, err = 0;

	if (n == 0)
		return 0;
	if (n >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, n);
	if (path[0] == '@')
		un.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (sendto(fd, state, strlen(state), 0, (struct sockaddr *)&un, len) < 0)
		err = -errno;
	close(fd);
	return err;
}

/*
 * Reads until the end, but no more than max + 1 bytes, into *buf of room bytes, which grows: a file
 * of /proc doesn't know its size. Returns bytes read or -errno.
 */
static ssize_t read_all(int fd, char **buf, size_t room, size_t max)
{
	size_t n = 0;

	for (;;) {
		if (n + 1 == room && n <= max) {
			room *= 2;
			*buf = realloc(*buf, room);
			MUST(*buf != NULL);
		}
		size_t want = n <= max && max + 1 - n < room - 1 - n ? max + 1 - n : room - 1 - n;
		ssize_t got = n <= max ? read(fd, *buf + n, want) : 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return (ssize_t)n;
		n += (size_t)got;
	}
}

int host_read_file(const char *path, size_t max, char **out, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
		close(fd);
		return -EISDIR;
	}
	size_t size = st.st_size > READ_FIRST ? (size_t)st.st_size : READ_FIRST;
	size_t room = (size < max ? size : max) + 2;
	char *buf = malloc(room);
	MUST(buf != NULL);
	n = read_all(fd, &buf, room, max);
	close(fd);
	if (n < 0 || (size_t)n > max) {
		free(buf);
		return n < 0 ? (int)n : -EFBIG;
	}
	buf[n] = '\0';
	*out = buf;
	*len = (size_t)n;
	return 0;
}

socklen_t host_sockaddr6(const struct ep *ep, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(in6, 0, sizeof(*in6));
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(ep->port);
	memcpy(&in6->sin6_addr, ep->ip.b, 16);
	return sizeof(*in6);
}

socklen_t host_sockaddr(const struct ep *ep, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;

	if (!ip_is4(&ep->ip))
		return host_sockaddr6(ep, ss);
	memset(in, 0, sizeof(*in));
	in->sin_family = AF_INET;
	in->sin_port = htons(ep->port);
	memcpy(&in->sin_addr, ep->ip.b + 12, 4);
	return sizeof(*in);
}

struct ep host_ep(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
	struct ep ep = { .ip = ip_v4(0, 0, 0, 0) };

	if (ss->ss_family == AF_INET) {
		memcpy(ep.ip.b + 12, &in->sin_addr, 4);
		ep.port = ntohs(in->sin_port);
	} else {
		memcpy(ep.ip.b, &in6->sin6_addr, 16);
		ep.port = ntohs(in6->sin6_port);
	}
	return ep;
}
