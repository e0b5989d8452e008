/* SPDX-License-Identifier: BSD-3-Clause */
/* A run directory in, a verdict document out; see judge.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inner.h"
#include "lib/host/host.h"
#include "lib/host/net.h"
#include "pcap.h"
#include "sim/cmd.h"
#include "sim/plan/plan_io.h"

enum { PATH_TEXT = 4096};
static const size_t PLAN_BYTES_MAX = 64u << 20, EVENTS_BYTES_MAX = 256u << 20;

static bool path_of(char out[PATH_TEXT], const char *dir, const char *name, const char *suffix)
{
	int n = snprintf(out, PATH_TEXT, "%s/%s%s", dir, name, suffix);

	return n > 0 && n < PATH_TEXT;
}

static struct plan *read_plan(const char *dir, char error[JUDGE_ERROR_TEXT])
{
	char path[PATH_TEXT], why[PLAN_ERROR_TEXT] = "";
	json_error_t at;
	char *text;
	size_t len;

	if (!path_of(path, dir, "plan.json", "")) {
		snprintf(error, JUDGE_ERROR_TEXT, "%.900s: path too long", dir);
		return NULL;
	}
	int err = host_read_file(path, PLAN_BYTES_MAX, &text, &len);
	if (err < 0) {
		snprintf(error, JUDGE_ERROR_TEXT, "%.900s: %s", path, strerror(-err));
		return NULL;
	}
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	free(text);
	if (json == NULL) {
		snprintf(error, JUDGE_ERROR_TEXT, "%.700s:%d: %s", path, at.line, at.text);
		return NULL;
	}
	struct plan *p = plan_from_json(json, why);
	json_decref(json);
	if (p != NULL && plan_read_captures(p, why) < 0) {
		plan_free(p);
		p = NULL;
	}
	if (p == NULL)
		snprintf(error, JUDGE_ERROR_TEXT, "%.500s: %.500s", path, why);
	return p;
}

/* Events, a line each. */
static void read_lines(struct judge *j, char *text)
{
	unsigned line = 0;

	for (char *end; *text != '\0'; text = end) {
		json_error_t at;
		end = text + strcspn(text, "\n");
		size_t len = (size_t)(end - text);
		end += *end == '\n';
		line++;
		json_t *event = json_loadb(text, len, 0, &at);
		if (json_is_object(event))
			judge_event(j, event);
		else
			judge_invalid(j, "events.jsonl:%u: not a JSON object", line);
		json_decref(event);
	}
}

static void read_events(struct judge *j, const char *dir)
{
	char path[PATH_TEXT];
	char *text;
	size_t len;

	if (!path_of(path, dir, "events.jsonl", ""))
		return;
	int err = host_read_file(path, EVENTS_BYTES_MAX, &text, &len);
	if (err < 0) {
		judge_invalid(j, "events.jsonl: %s", strerror(-err));
		return;
	}
	read_lines(j, text);
	free(text);
}

static void read_pcaps(struct judge *j, const char *dir)
{
	unsigned n = j->plan->node_n;
	struct judge_pcap *pcap = zeroed(n, sizeof(*pcap));
	char path[PATH_TEXT];

	net_allow_many_files(); /* all captures are open at once */
	for (unsigned i = 0; i < n; i++) {
		const char *name = j->plan->node[i].name;
		pcap[i].file = path_of(path, dir, name, ".pcap") ? fopen(path, "rb") : NULL;
		pcap[i].err = pcap[i].file == NULL ? errno : 0;
	}
	judge_pcaps(j, pcap);
	free(pcap);
}

json_t *judge_run(const char *run_dir, char error[JUDGE_ERROR_TEXT])
{
	struct plan *p = read_plan(run_dir, error);
	json_t *doc = NULL;

	if (p == NULL)
		return NULL;
	struct judge *j = judge_new(p, error);
	if (j != NULL) {
		read_events(j, run_dir);
		read_pcaps(j, run_dir);
		doc = judge_finish(j);
	}
	judge_free(j);
	plan_free(p);
	return doc;
}

int judge_exit_status(enum verdict v)
{
	switch (v) {
	case VERDICT_PASS:
		return EXIT_PASS;
	case VERDICT_INCONCLUSIVE:
		return EXIT_INCONCLUSIVE;
	case VERDICT_FAIL:
		return EXIT_FAIL;
	case VERDICT_INVALID:
		return EXIT_INVALID;
	}
	return EXIT_INVALID;
}
