/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the nodes see of the file system: the host's, but for one small private tmpfs with a
 * directory for each node (its sockets, its copy of a configuration) and an /etc/resolv.conf of
 * their own. It exists in the lab's mount namespaces only.
 */
#ifndef EK_ROOM_H
#define EK_ROOM_H

#include <stddef.h>

#include "lib/must.h"
#include "sim/plan/plan.h"

enum { ROOM_PATH = 4096 };

struct room {
	const char *path; /* where the tmpfs is; a node sees its own directory here */
};

/*
 * Mounts it over a directory that none of keep[0..n) (absolute paths that must stay visible) lies
 * below. The mount namespace must be the lab's own. Returns 0 or -errno with *step.
 */
int room_make(struct room *r, const char *const *keep, size_t n, const char **step) MUST_CHECK;
/* Makes a node's directory. 0 or -errno. */
int room_add(const struct room *r, const char *node) MUST_CHECK;
/* "PATH/NODE/FILE", as the lab's first process sees it. */
void room_file(const struct room *r, const char *node, const char *file, char out[ROOM_PATH]);
/* Moves the calling process into a mount namespace where r->path is the node's. 0 or -errno. */
int room_enter(const struct room *r, const char *node) MUST_CHECK;

#endif
