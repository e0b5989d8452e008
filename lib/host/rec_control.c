/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel's framing, and a client of it; see rec_control.h. */
#include "rec_control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static int read_all(int fd, void *to, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = recv(fd, (uint8_t *)to + at, len - at, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? -EBADMSG : -errno;
		at += (size_t)n;
	}
	return 0;
}

static int write_all(int fd, const void *from, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, (const uint8_t *)from + at, len - at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += (size_t)n;
	}
	return 0;
}

int rec_control_recv(int fd, int32_t *status, char **text)
{
	uint64_t len;
	int err = read_all(fd, status, sizeof(*status));

	if (err == 0)
		err = read_all(fd, &len, sizeof(len));
	if (err < 0)
		return err;
	if (len > REC_CONTROL_MAX)
		return -EFBIG;
	char *p = calloc(1, (size_t)len + 1);
	MUST(p != NULL);
	err = read_all(fd, p, (size_t)len);
	if (err < 0)
		free(p);
	else
		*text = p;
	return err;
}

int rec_control_send(int fd, int32_t status, const char *text)
{
	uint64_t len = strlen(text);
	int err = write_all(fd, &status, sizeof(status));

	if (err == 0)
		err = write_all(fd, &len, sizeof(len));
	return err < 0 ? err : write_all(fd, text, (size_t)len);
}

int rec_control_ask(const char *path, const char *command, unsigned timeout_ms, int32_t *status,
                    char **text)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval limit = { timeout_ms / 1000, (timeout_ms % 1000) * 1000 };
	int err = 0, fd;

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	memcpy(un.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
		err = -errno;
	if (err == 0)
		err = rec_control_send(fd, 0, command);
	if (err == 0)
		err = rec_control_recv(fd, status, text);
	close(fd);
	return err;
}
