/* SPDX-License-Identifier: BSD-3-Clause */
/* Private mounts; see room.h. */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Directories that any system has and nobody misses in a lab. */
static const char *const places[] = { "/run/lock", "/mnt", "/media", "/srv", "/run", "/opt" };

static const char resolv[] = "# evenkeel: a lab's node has nobody to ask but its lab\n"
                             "nameserver 127.0.0.1\n";

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static const char *find_place(const char *const *keep, size_t n)
{
	struct stat st;

	for (size_t i = 0; i < COUNT_OF(places); i++) {
		bool free = stat(places[i], &st) == 0 && S_ISDIR(st.st_mode);
		for (size_t k = 0; free && k < n; k++)
			free = keep[k] == NULL || !below(keep[k], places[i]);
		if (free)
			return places[i];
	}
	return NULL;
}

static int write_resolv(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, resolv, sizeof(resolv) - 1) < 0)
		err = -errno;
	close(fd);
	return err;
}

int room_make(struct room *r, const char *const *keep, size_t n, const char **step)
{
	*step = "make its mounts private";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	/* A /proc of its own where that is allowed; the old one will do. */
	(void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	*step = "find a directory to mount its private files on";
	r->path = find_place(keep, n);
	if (r->path == NULL)
		return -ENOENT;
	*step = "mount a private tmpfs";
	if (mount("evenkeel", r->path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64m") < 0)
		return -errno;
	return 0;
}

void room_file(const struct room *r, const char *node, const char *file, char out[ROOM_PATH])
{
	snprintf(out, ROOM_PATH, "%s/%s/%s", r->path, node, file);
}

int room_add(const struct room *r, const char *node)
{
	char path[ROOM_PATH];

	room_file(r, node, "", path);
	if (mkdir(path, 0755) < 0)
		return -errno;
	room_file(r, node, "resolv.conf", path);
	return write_resolv(path);
}

int room_enter(const struct room *r, const char *node)
{
	char path[ROOM_PATH];

	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	room_file(r, node, "", path);
	if (mount(path, r->path, NULL, MS_BIND, NULL) < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/resolv.conf", r->path);
	if (mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}
