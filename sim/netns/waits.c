/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that wait for a processor; see waits.h. */
#include "waits.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool waits_proc_is_ours(const char *proc)
{
	char path[64], to[32] = "";

	snprintf(path, sizeof(path), "%s/self", proc);
	return readlink(path, to, sizeof(to) - 1) > 0 && atoi(to) == (int)getpid();
}

/* False when the thread is gone, or the kernel doesn't tell. */
static bool read_wait(int tasks, const char *tid, uint64_t *ns)
{
	char path[300], text[96];
	ssize_t len = -1;

	snprintf(path, sizeof(path), "%s/schedstat", tid);
	int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (len <= 0)
		return false;
	text[len] = '\0';
	return sscanf(text, "%*u %" SCNu64, ns) == 1;
}

static const struct waits_thread *thread_of(const struct waits *w, int tid)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->thread[i].tid == tid)
			return &w->thread[i];
	return NULL;
}

static void look_at_all(struct waits *w, DIR *tasks, bool counts)
{
	struct waits now = { .pid = w->pid, .max_ns = w->max_ns, .told = w->told };

	for (struct dirent *e; (e = readdir(tasks)) != NULL && now.n < WAITS_THREADS;) {
		struct waits_thread t = { .tid = atoi(e->d_name) };
		if (t.tid <= 0 || !read_wait(dirfd(tasks), e->d_name, &t.ns))
			continue;
		const struct waits_thread *was = thread_of(w, t.tid);
		if (counts && was != NULL && (int64_t)(t.ns - was->ns) > now.max_ns)
			now.max_ns = (int64_t)(t.ns - was->ns);
		now.told = true;
		now.thread[now.n++] = t;
	}
	*w = now;
}

void waits_look(struct waits *w, const char *proc, pid_t pid, bool counts)
{
	char path[64];

	if (w->pid != pid)
		w->n = 0; /* another life */
	w->pid = pid;
	if (pid == 0)
		return;
	snprintf(path, sizeof(path), "%s/%d/task", proc, (int)pid);
	DIR *tasks = opendir(path);
	if (tasks == NULL)
		return;
	look_at_all(w, tasks, counts);
	closedir(tasks);
}
