/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any text as a scenario, beside the reference set-up's configuration files. What is accepted must
 * survive the way through JSON; what is refused has one line. The bug that EK_PLANT plants
 * divides by a unit of time that it doesn't know.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/plan/plan_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/evenkeel-fuzz-XXXXXX";
static char scenario[64];

static const char dnsdist[] =
	"setLocal(\"0.0.0.0:53\")\naddLocal(\"[::]:53\")\n"
	"setACL({\"192.160.102.0/24\", \"2605:e200:d000::/44\"})\n"
	"newServer{address=\"192.0.2.3\", name=\"DNS1\"}\n"
	"newServer{address=\"192.0.2.4\", name=\"DNS3\"}\nsetServerPolicy(wrandom)\n";

static void put(const char *name, const void *bytes, size_t len)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	MUST(f != NULL && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
}

static void clean(void)
{
	static const char *const names[] = { "d", "r", "s.lua" };
	char path[64];

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static void open_folder(void)
{
	if (scenario[0] != '\0')
		return;
	MUST(mkdtemp(folder) != NULL);
	atexit(clean);
	snprintf(scenario, sizeof(scenario), "%s/s.lua", folder);
	put("d", dnsdist, sizeof(dnsdist) - 1);
	put("r", "allow-from=0.0.0.0/0\n", 21);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[PLAN_ERROR_TEXT], again[PLAN_ERROR_TEXT];

	open_folder();
	put("s.lua", data, size);
	struct plan *p = plan_load(scenario, NULL, error);
	if (p == NULL) {
		MUST(error[0] != '\0' && strchr(error, '\n') == NULL);
		return 0;
	}
	json_t *j = plan_to_json(p);
	struct plan *q = plan_from_json(j, again);
	MUST(q != NULL);
	json_decref(j);
	plan_free(p);
	plan_free(q);
	return 0;
}
