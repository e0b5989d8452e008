/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults that the recursor stub does itself, told to it over its control socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "lib/dns.h"
#include "lib/host/rec_control.h"
#include "sim/plan/bounds.h"

enum { COMMAND = 128 + DNS_NAME_TEXT, TIMEOUT_MS = 500 };

/* Asks the stub of f's node. 0 with *text for the caller to free, or -errno. */
static int ask(struct lab *l, const struct plan_fault *f, const char *command, char **text)
{
	char path[ROOM_PATH];
	int32_t status = 0;

	room_file(&l->room, l->plan->node[f->node].name, "pdns_recursor.controlsocket", path);
	int err = rec_control_ask(path, command, TIMEOUT_MS, &status, text);
	if (err == 0 && status != 0) {
		free(*text);
		err = -EOPNOTSUPP;
	}
	return err;
}

int64_t lab_stub_count(struct lab *l, const struct plan_fault *f)
{
	char command[COMMAND], *text;

	snprintf(command, sizeof(command), "get stub-fault-%s", plan_fault_name(f->kind));
	int err = ask(l, f, command, &text);
	if (err != 0)
		return err;
	long long n = strtoll(text, NULL, 10);
	free(text);
	return n;
}

int64_t lab_stub_fault(struct lab *l, const struct plan_fault *f, char *evidence, size_t len)
{
	char command[COMMAND], *text = NULL;
	int64_t was = lab_stub_count(l, f);
	int n = snprintf(command, sizeof(command), "fault %s %u.%06u", plan_fault_name(f->kind),
	                 f->value_ppm / 1000000, f->value_ppm % 1000000);

	if (f->kind == PLAN_SLOW && f->value_ppm > 0)
		n += snprintf(command + n, sizeof(command) - (size_t)n, " %lldns",
		              (long long)f->value_ns);
	const struct bal_check *check = f->spares_checks ? plan_check_of(l->plan, f->node) : NULL;
	if (check != NULL) {
		char name[DNS_NAME_TEXT];
		dns_name_format(check->name, check->name_len, name);
		snprintf(command + n, sizeof(command) - (size_t)n, " spare %s", name);
	}
	int err = was < 0 ? (int)was : ask(l, f, command, &text);
	if (err != 0) {
		snprintf(evidence, len, "the stub can't be told '%s': %s", command,
		         strerror(-err));
		return err;
	}
	free(text);
	return was;
}
