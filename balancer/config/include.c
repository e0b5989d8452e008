/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * includeDirectory: evaluates a folder's *.conf files in the order of their names, each a text of
 * its own with its own lines, in the same state and bounds as the file that includes them. They are
 * read once; who evaluates the configuration again gets the same texts.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/host/host.h"

enum { FILES_MAX = 1000, PATH_TEXT = 4096 };

void cf_sources_free(struct config_source *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		free(s[i].path);
		free(s[i].text);
	}
	free(s);
}

void cf_source_add(struct loader *ld, const char *path, char *take_text, size_t len)
{
	void *new;

	ld->source = cf_list_add(ld->source, &ld->source_n, sizeof(*ld->source), &new);
	*(struct config_source *)new = (struct config_source){
		.path = strdup(path), .text = take_text, .len = len, .call = ld->include_n,
	};
	MUST(((struct config_source *)new)->path != NULL);
}

static int wanted(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".conf") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Reads one file, if it is one. Returns 0 or -errno. */
static int read_one(struct loader *ld, const char *folder, const char *name)
{
	char path[PATH_TEXT], *text;
	struct stat st;
	size_t len;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		return -ENAMETOOLONG;
	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	int err = host_read_file(path, CONFIG_FILE_MAX, &text, &len);
	if (err == 0)
		cf_source_add(ld, path, text, len);
	return err;
}

/* Reads them all. Returns 0, or -errno and the name of the culprit, "": the folder. */
static int read_all(struct loader *ld, const char *folder, char culprit[NAME_MAX + 1])
{
	struct dirent **list;
	int n = scandir(folder, &list, wanted, by_bytes), err = n < 0 ? -errno : 0;

	culprit[0] = '\0';
	if (n > FILES_MAX)
		err = -E2BIG;
	for (int i = 0; i < n; i++) {
		if (err == 0) {
			err = read_one(ld, folder, list[i]->d_name);
			snprintf(culprit, NAME_MAX + 1, "%s", list[i]->d_name);
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return err;
}

/* Where a path leads that the file says: from the folder that the file is in. */
static void resolve(lua_State *l, const char *path, char out[PATH_TEXT])
{
	const struct loader *ld = cf_loader(l);
	const char *main = ld->source[0].path, *slash = strrchr(main, '/');
	int folder = path[0] != '/' && slash != NULL ? (int)(slash - main) + 1 : 0;

	if (path[0] != '/' && ld->mode == CONFIG_FOREIGN && !ld->client)
		cf_fail(l, "includeDirectory: '%s': expected an absolute path: a real dnsdist "
		        "takes another from where it is started", path);
	if (snprintf(out, PATH_TEXT, "%.*s%s", folder, main, path) >= PATH_TEXT)
		cf_fail(l, "includeDirectory: a path of more than %d bytes", PATH_TEXT - 1);
	for (size_t n = strlen(out); n > 1 && out[n - 1] == '/'; n--)
		out[n - 1] = '\0';
}

static void find(lua_State *l, const char *path)
{
	struct loader *ld = cf_loader(l);
	char folder[PATH_TEXT], culprit[NAME_MAX + 1];

	resolve(l, path, folder);
	int err = read_all(ld, folder, culprit);
	if (err < 0 && !ld->client)
		cf_fail(l, "includeDirectory: '%s%s%s': %s", folder, culprit[0] != '\0' ? "/" : "",
		        culprit, strerror(-err));
}

static void run(lua_State *l, unsigned i)
{
	const struct config_source *s = &cf_loader(l)->source[i];
	char chunk[32];

	if (!luabox_is_text(s->text, s->len))
		cf_fail(l, "includeDirectory: '%s': compiled Lua, or a NUL or escape character: "
		        "expected text", s->path);
	snprintf(chunk, sizeof(chunk), "@config#%u", i);
	if (luaL_loadbuffer(l, s->text, s->len, chunk) != 0)
		lua_error(l);
	lua_call(l, 0, 0);
}

int cf_include_directory(lua_State *l)
{
	struct loader *ld = cf_loader(l);
	const char *path = cf_want_text(l, 1, "includeDirectory");

	if (cf_source(l) > 0)
		cf_fail(l, "includeDirectory: not in a file that was included itself");
	if (!ld->includes && ld->client)
		return 0;
	if (!ld->includes)
		cf_fail(l, "includeDirectory: not in a text that isn't a file");
	unsigned call = ++ld->include_n;
	if (!ld->again)
		find(l, path);
	for (unsigned i = 1; i < ld->source_n; i++)
		if (ld->source[i].call == call)
			run(l, i);
	return 0;
}
