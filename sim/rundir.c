/* SPDX-License-Identifier: BSD-3-Clause */
/* Making run directories; see rundir.h. */
#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/host/host.h"

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && strcmp(s + n - k, end) == 0;
}

static bool is_ours(const char *name)
{
	static const char *const names[] = { "plan.json", "events.jsonl", "verdict.json",
	                                     "report.txt", "report.html", "report.tap",
	                                     "junit.xml" };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return ends_with(name, ".pcap") || ends_with(name, ".log");
}

static bool is_seeds(const char *name)
{
	return strcmp(name, "seeds.jsonl") == 0 || strcmp(name, "seeds.json") == 0 ||
	       strcmp(name, "seeds.txt") == 0 || strncmp(name, ".seeds.", 7) == 0 ||
	       (strncmp(name, "failure-", 8) == 0 && ends_with(name, ".lua"));
}

/* A kind of directory: what may be in it, and what must be if anything is. */
struct kind {
	bool (*is_ours)(const char *name);
	const char *mark, *what;
};

static const struct kind run_kind = { is_ours, "plan.json", "a run directory" };
static const struct kind seeds_kind = { is_seeds, "seeds.jsonl", "a directory of evenkeel seeds" };

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Looks at all files: true when each is ours. *any: there are files; *mark: the mark too. */
static bool all_ours(DIR *d, const struct kind *k, bool *any, bool *mark)
{
	struct dirent *e;

	*any = *mark = false;
	while ((e = readdir(d)) != NULL) {
		if (is_dot(e->d_name))
			continue;
		*any = true;
		*mark |= strcmp(e->d_name, k->mark) == 0;
		if (!k->is_ours(e->d_name))
			return false;
	}
	return true;
}

/* Opens dir, which is of that kind, or empty. NULL with errno and a line in error: it isn't. */
static DIR *open_ours(const char *dir, const struct kind *k, char error[RUNDIR_ERROR])
{
	bool any, mark, ours;
	DIR *d = opendir(dir);

	if (d == NULL) {
		snprintf(error, RUNDIR_ERROR, "%s: %s", dir, strerror(errno));
		return NULL;
	}
	ours = all_ours(d, k, &any, &mark);
	if (!any || (ours && mark))
		return d;
	snprintf(error, RUNDIR_ERROR, "%s: exists and isn't %s: not replaced", dir, k->what);
	closedir(d);
	errno = EEXIST;
	return NULL;
}

static int empty(const char *dir, char error[RUNDIR_ERROR])
{
	DIR *d = open_ours(dir, &run_kind, error);
	struct dirent *e;

	if (d == NULL)
		return -errno;
	rewinddir(d);
	while ((e = readdir(d)) != NULL)
		if (!is_dot(e->d_name))
			(void)unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	return 0;
}

/* mkdir -p. */
static int make_all(char *path)
{
	for (char *at = path + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		int bad = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
		*at = '/';
		if (bad != 0 && bad != -EROFS && bad != -EACCES)
			return bad;
	}
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

/* Makes dir and its parents; its absolute path in out. */
static int make(const char *dir, char out[RUNDIR_PATH], char error[RUNDIR_ERROR])
{
	char path[RUNDIR_PATH], real[PATH_MAX];
	int err;

	if (strlen(dir) >= sizeof(path) || dir[0] == '\0') {
		snprintf(error, RUNDIR_ERROR, "a run directory's name is 1...4095 bytes long");
		return -ENAMETOOLONG;
	}
	strcpy(path, dir);
	err = make_all(path);
	if (err == 0 && realpath(dir, real) == NULL)
		err = -errno;
	if (err != 0) {
		snprintf(error, RUNDIR_ERROR, "%s: can't make the run directory: %s", dir,
		         strerror(-err));
		return err;
	}
	snprintf(out, RUNDIR_PATH, "%.4095s", real);
	return 0;
}

int rundir_make(const char *dir, char out[RUNDIR_PATH], char error[RUNDIR_ERROR])
{
	int err = make(dir, out, error);

	return err != 0 ? err : empty(out, error);
}

int rundir_make_seeds(const char *dir, char out[RUNDIR_PATH], char error[RUNDIR_ERROR])
{
	int err = make(dir, out, error);
	DIR *d = err == 0 ? open_ours(out, &seeds_kind, error) : NULL;

	if (err == 0 && d == NULL)
		err = -errno;
	if (d != NULL)
		closedir(d);
	return err;
}

int rundir_write(const char *dir, const char *name, const char *text)
{
	char path[RUNDIR_PATH + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	if (f == NULL)
		return -errno;
	int err = fputs(text, f) < 0 ? -errno : 0;
	if (fclose(f) != 0 && err == 0)
		err = -errno;
	return err;
}

/* ---- two directories ---- */

/* Reads dir/name; NULL when it can't. */
static char *read_file(const char *dir, const char *name, size_t *len)
{
	char path[RUNDIR_PATH + 256], *text = NULL;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return host_read_file(path, SIZE_MAX / 4, &text, len) == 0 ? text : NULL;
}

static bool same_file(const char *a, const char *b, const char *name, FILE *to)
{
	size_t a_len = 0, b_len = 0, at = 0;
	char *x = read_file(a, name, &a_len), *y = read_file(b, name, &b_len);
	size_t least = a_len < b_len ? a_len : b_len;

	while (x != NULL && y != NULL && at < least && x[at] == y[at])
		at++;
	bool same = x != NULL && y != NULL && a_len == b_len && at == a_len;
	if (!same && (x == NULL || y == NULL))
		fprintf(to, "evenkeel: %s is only in %s\n", name, x == NULL ? b : a);
	else if (!same)
		fprintf(to, "evenkeel: %s differs between %s and %s, from byte %zu on\n", name, a,
		        b, at + 1);
	free(x);
	free(y);
	return same;
}

/* Files of a against b; those that aren't in a aren't looked at when only_missing. */
static unsigned count_differing(const char *a, const char *b, bool only_missing, unsigned *files,
                                FILE *to)
{
	char path[RUNDIR_PATH + 256];
	unsigned n = 0;
	struct dirent *e;
	DIR *d = opendir(a);

	if (d == NULL)
		return 1;
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", b, e->d_name);
		if (is_dot(e->d_name) || (only_missing && access(path, F_OK) == 0))
			continue;
		++*files;
		n += !same_file(a, b, e->d_name, to);
	}
	closedir(d);
	return n;
}

bool rundir_same(const char *a, const char *b, FILE *to)
{
	unsigned files = 0;
	unsigned n = count_differing(a, b, false, &files, to) +
	             count_differing(b, a, true, &files, to);

	if (n == 0)
		fprintf(to, "evenkeel: all %u files agree, byte for byte\n", files);
	return n == 0;
}
