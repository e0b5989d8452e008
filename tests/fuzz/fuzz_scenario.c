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
#include "tests/capture_make.h"

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

/* Two queries, one of them over TCP. */
static void put_capture(void)
{
	uint8_t frame[MADE_FRAME_MAX], message[512 + 2];
	uint16_t len = made_message(message + 2, 1, DNS_RD, "a.example.");
	struct made m = { 0 };

	made_pcap(&m, true, LINK_ETHERNET);
	size_t n = made_udp(frame, "192.160.102.130:5000", "192.160.102.2", message + 2, len);
	made_record(&m, 1, 0, frame, n, n);
	n = made_tcp(frame, "192.160.102.131:5000", "192.160.102.2", 2, 0, NULL, 0);
	made_record(&m, 1, 1000, frame, n, n);
	dns_put16(message, len);
	n = made_tcp(frame, "192.160.102.131:5000", "192.160.102.2", 16, 1, message, len + 2u);
	made_record(&m, 1, 2000, frame, n, n);
	put("c", m.p, m.n);
	made_free(&m);
}

static void clean(void)
{
	static const char *const names[] = { "d", "r", "c", "s.lua" };
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
	put_capture();
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
