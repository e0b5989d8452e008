/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Puts a verdict's files into its run directory, each whole or not at all: written beside its name
 * and renamed. The bytes depend on the document alone, not on where the directory is.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fmt.h"
#include "report.h"

enum { CANONICAL = JSON_SORT_KEYS | JSON_REAL_PRECISION(REPORT_DIGITS) };

/*
 * Sorted and indented for people, but for the long lists of "series", which take one line. No
 * string can hold the newline before the key, so what is found is the key.
 */
static void write_json(FILE *to, const json_t *doc)
{
	static const char hole[] = "\n  \"series\": null";
	const json_t *series = js_get(doc, "series");
	json_t *copy = json_copy((json_t *)(uintptr_t)doc);
	char *text, *at;

	if (series != NULL)
		json_object_set_new(copy, "series", json_null());
	text = json_dumps(copy, CANONICAL | JSON_INDENT(2));
	at = text != NULL && series != NULL ? strstr(text, hole) : NULL;
	if (at != NULL) {
		at += strlen(hole) - strlen("null");
		fwrite(text, 1, (size_t)(at - text), to);
		json_dumpf(series, to, CANONICAL | JSON_COMPACT | JSON_ENCODE_ANY);
		fputs(at + strlen("null"), to);
	} else if (text != NULL) {
		fputs(text, to);
	}
	fputc('\n', to);
	free(text);
	json_decref(copy);
}

static void write_text(FILE *to, const json_t *doc)
{
	report_text(to, doc, NULL, false);
}

static void write_junit(FILE *to, const json_t *doc)
{
	report_junit(to, &doc, 1);
}

static void write_tap(FILE *to, const json_t *doc)
{
	report_tap(to, &doc, 1);
}

static void write_html(FILE *to, const json_t *doc)
{
	report_html(to, doc, report_dygraphs);
}

/* The reports first, verdict.json last: where it is, all of them are. */
static const struct {
	const char *name;
	void (*write)(FILE *, const json_t *);
} files[] = {
	{ "report.txt", write_text },
	{ "report.html", write_html },
	{ "junit.xml", write_junit },
	{ "report.tap", write_tap },
	{ "verdict.json", write_json },
};

/* Fills the file behind fd, which it closes. Returns 0 or -errno. */
static int fill(int fd, void (*write)(FILE *, const json_t *), const json_t *doc)
{
	FILE *to = fdopen(fd, "w");
	int err = 0;

	if (to == NULL) {
		err = -errno;
		close(fd);
		return err;
	}
	write(to, doc);
	if (fchmod(fd, 0644) != 0 || fflush(to) != 0 || ferror(to))
		err = errno != 0 ? -errno : -EIO;
	if (fclose(to) != 0 && err == 0)
		err = -errno;
	return err;
}

static int write_file(const char *dir, const char *name, void (*write)(FILE *, const json_t *),
                      const json_t *doc)
{
	char path[4096], temp[4096];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	int m = snprintf(temp, sizeof(temp), "%s/.%s.XXXXXX", dir, name);
	int fd, err;

	if (n < 0 || m < 0 || (size_t)m >= sizeof(temp))
		return -ENAMETOOLONG;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = fill(fd, write, doc);
	if (err == 0 && rename(temp, path) != 0)
		err = -errno;
	if (err != 0)
		unlink(temp);
	return err;
}

int report_write(const char *run_dir, const json_t *doc)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int err = write_file(run_dir, files[i].name, files[i].write, doc);
		if (err != 0)
			return err;
	}
	return 0;
}
