/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A folder of its own for tests that load scenarios: the reference set-up's two configuration files
 * and one scenario, s.lua, made of a template whose parts a test replaces. The test's working
 * folder moves there, so messages are the same everywhere.
 */
#ifndef EK_TEST_PLAN_FILES_H
#define EK_TEST_PLAN_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/must.h"

static char plan_folder[] = "/tmp/evenkeel-plan-XXXXXX";

static const char plan_dnsdist[] =
	"setLocal(\"0.0.0.0:53\")\n"
	"addLocal(\"[::]:53\")\n"
	"setACL({\"192.160.102.0/24\", \"2605:e200:d000::/44\"})\n"
	"newServer{address=\"192.0.2.3\", name=\"DNS1\", order=1}\n"
	"newServer{address=\"192.0.2.4\", name=\"DNS3\", order=1}\n"
	"setServerPolicy(wrandom)\n";

static const char plan_recursor[] =
	"allow-from=192.160.102.0/24, 2605:e200:d000::/44\n"
	"local-address=0.0.0.0, ::\n";

static const char plan_scenario[] =
	"lab {\n"
	"  balancers = { LB1 = { \"192.160.102.2\", \"2605:e200:d000::2\" },\n"
	"                LB2 = { \"192.160.102.3\", \"2605:e200:d000::3\" },\n"
	"                config = \"dnsdist.conf\" },\n"
	"  recursors = { \"DNS1\", \"DNS3\", config = \"recursor.conf\", miss = \"20ms\" },\n"
	"  clients = { net = \"192.160.102.128/25\", count = 50 },\n"
	"  links = { delay = \"50us\" },\n"
	"}\n"
	"load {\n"
	"  rate = 1000, to = \"15s\",\n"
	"  names = zipf(1000),\n"
	"}\n"
	"at \"5s\" { kill = \"DNS1\" }\n"
	"at \"10s\" { start = \"DNS1\" }\n"
	"expect {\n"
	"  even { \"DNS1\", \"DNS3\", during = { \"0s\", \"5s\" }, catch = 0.1 },\n"
	"  detect { \"DNS1\", within = \"model\" },\n"
	"  back { \"DNS1\", to = \"share\", within = \"3s\" },\n"
	"  lost { at_most = \"model\" },\n"
	"  answers { wrong = 0, duplicate = 0 },\n"
	"  cache { hits = 0.5 },\n"
	"}\n";

static inline void plan_write(const char *name, const char *text, size_t len)
{
	FILE *f = fopen(name, "w");

	MUST(f != NULL && fwrite(text, 1, len, f) == len && fclose(f) == 0);
}

/* Writes text with the first from replaced by to; from NULL: as it is. */
static inline void plan_write_changed(const char *name, const char *text, const char *from,
                                      const char *to)
{
	char changed[8192];
	const char *at = from != NULL ? strstr(text, from) : NULL;

	MUST(from == NULL || at != NULL);
	int n = at == NULL ? snprintf(changed, sizeof(changed), "%s", text)
	                   : snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text,
	                              to, at + strlen(from));
	MUST(n < (int)sizeof(changed));
	plan_write(name, changed, (size_t)n);
}

static inline void plan_write_all(void)
{
	plan_write_changed("dnsdist.conf", plan_dnsdist, NULL, NULL);
	plan_write_changed("recursor.conf", plan_recursor, NULL, NULL);
	plan_write_changed("s.lua", plan_scenario, NULL, NULL);
}

static inline int plan_folder_open(void **state)
{
	(void)state;
	return mkdtemp(plan_folder) != NULL && chdir(plan_folder) == 0 ? 0 : -1;
}

static inline int plan_folder_close(void **state)
{
	static const char *const files[] = { "dnsdist.conf", "recursor.conf", "s.lua" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(files); i++)
		unlink(files[i]);
	return chdir("/") == 0 && rmdir(plan_folder) == 0 ? 0 : -1;
}

#endif
