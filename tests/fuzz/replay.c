/* SPDX-License-Identifier: BSD-3-Clause */
/* A plain main for a fuzz target: feeds it every file and every file of every folder named. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20 };

/* Feeds one file. Returns 1 when it was read. */
static unsigned feed(const char *path)
{
	char *data;
	size_t len;

	if (host_read_file(path, INPUT_MAX, &data, &len) < 0)
		return 0;
	uint8_t *exact = malloc(len > 0 ? len : 1); /* exact size: reads past the end are seen */
	MUST(exact != NULL);
	memcpy(exact, data, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	free(data);
	return 1;
}

static unsigned feed_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned n = 0;

	if (dir == NULL)
		return feed(folder);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char path[4096];
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		n += feed(path);
	}
	closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	unsigned n = 0;

	for (int i = 1; i < argc; i++)
		n += feed_folder(argv[i]);
	printf("%u inputs\n", n);
	return n > 0 ? 0 : 1;
}
