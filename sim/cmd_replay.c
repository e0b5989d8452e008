/* SPDX-License-Identifier: BSD-3-Clause */
/* evenkeel replay: sends the clients' queries of captures to a server. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "lib/host/host.h"
#include "sim/replay/doc.h"
#include "sim/report/fmt.h"
#include "sim/report/progress.h"
#include "sweep.h"

enum { PORTS_MAX = 64, SERVERS_MAX = 64, IN_FLIGHT = 1000, IN_FLIGHT_MAX = 1 << 19 };
#define SECOND_NS INT64_C(1000000000)

struct arguments {
	struct replay_task task;
	struct trace_options read;
	uint16_t port[PORTS_MAX];
	struct prefix server[SERVERS_MAX];
	const char *to;
	uint64_t timeout_s, in_flight;
	bool dry, json;
};

static void usage(FILE *to)
{
	fputs("usage: evenkeel replay --to ADDR[:PORT] [OPTION]... FILE...\n\n"
	      "Sends the clients' queries in captures of DNS traffic to a server, when they\n"
	      "were captured, and says what came of it. Several files are one capture, merged\n"
	      "by time. pcap and pcapng, plain or gzip; - is standard input.\n\n"
	      "  --to ADDR[:PORT]  whereto (port 53)\n"
	      "  --rate N          at most N queries a second, and a tenth of that at once\n"
	      "                    besides; must be given when ADDR isn't a loopback address\n"
	      "  --speed X         so many times as fast as captured (1); max: as fast as may\n"
	      "                    be\n"
	      "  --in-flight N     with --speed max: queries out at once (1000)\n"
	      "  --loop N          everything N times (1)\n"
	      "  --limit N         only the capture's first N queries\n"
	      "  --filter TEXT     only packets that match, in pcap-filter(7)'s language\n"
	      "  --server NET      only queries that the capture has to NET; repeatable\n"
	      "  --port N          what is to or from this port is DNS (53); repeatable\n"
	      "  --timeout N       so many seconds an answer is waited for (5)\n"
	      "  --dry-run         send nothing, and say what would be sent\n"
	      "  --json            print every figure as JSON, in one line\n"
	      "  --help            print this\n\n"
	      "Exit status: 0 all was sent, 1 some of it wasn't, 2 mistake on the command line or\n"
	      "in a file.\n", to);
}

static int bad_value(const char *option, const char *text, const char *expected)
{
	fprintf(stderr, "evenkeel: --%s %s: expected %s\n", option, text, expected);
	return -EINVAL;
}

/* "0.5", "max". Digits behind the sixth place of a fraction don't count. */
static int parse_speed(const char *text, struct replay_options *o)
{
	uint64_t v = 0, unit = TRACE_SPEED_ONE;
	const char *p = text;

	if (strcmp(text, "max") == 0) {
		o->max = true;
		return 0;
	}
	for (; *p >= '0' && *p <= '9' && v < TRACE_SPEED_MAX; p++)
		v = v * 10 + (uint64_t)(*p - '0') * TRACE_SPEED_ONE;
	if (p > text && *p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++) {
			unit /= 10;
			v += (uint64_t)(*p - '0') * unit;
		}
	if (p == text || *p != '\0' || v == 0 || v > TRACE_SPEED_MAX)
		return bad_value("speed", text, "max, or a number 0.000001...1000000");
	o->max = false;
	o->pace.speed = v;
	return 0;
}

static int parse_to(const char *text, struct arguments *a)
{
	int err = ep_parse(&a->task.to, text, 53);
	const struct ip *ip = &a->task.to.ip;

	if (err == 0 && (ip_is_any(ip) || (ip_is4(ip) ? ip->b[12] >= 224 : ip->b[0] == 0xff)))
		err = -EINVAL;
	if (err < 0)
		return bad_value("to", text, "ADDR, ADDR:PORT or [ADDR]:PORT of one server");
	a->to = text;
	return 0;
}

static int add_port(const char *text, struct arguments *a)
{
	uint64_t port;

	if (a->read.capture.dissect.port_n == PORTS_MAX)
		return bad_value("port", text, "at most 64 of them");
	if (parse_number("port", text, 1, UINT16_MAX, &port) < 0)
		return -EINVAL;
	a->port[a->read.capture.dissect.port_n++] = (uint16_t)port;
	return 0;
}

static int add_server(const char *text, struct arguments *a)
{
	if (a->read.server_n == SERVERS_MAX)
		return bad_value("server", text, "at most 64 of them");
	if (prefix_parse(&a->server[a->read.server_n], text) < 0)
		return bad_value("server", text, "an address or ADDR/BITS");
	a->read.server_n++;
	return 0;
}

enum {
	TO = 256, RATE, SPEED, IN_FLIGHT_N, LOOP, LIMIT, FILTER, SERVER, PORT, TIMEOUT, DRY, JSON,
	HELP,
};

/* Returns 0 or -errno. */
static int take_option(int c, struct arguments *a)
{
	struct replay_options *o = &a->task.core;

	switch (c) {
	case TO: return parse_to(optarg, a);
	case RATE: return parse_number("rate", optarg, 1, REPLAY_RATE_MAX, &o->rate);
	case SPEED: return parse_speed(optarg, o);
	case IN_FLIGHT_N:
		return parse_number("in-flight", optarg, 1, IN_FLIGHT_MAX, &a->in_flight);
	case LOOP: return parse_number("loop", optarg, 1, 1000000000, &o->pace.loops);
	case LIMIT: return parse_number("limit", optarg, 1, INT64_MAX, &a->read.limit);
	case FILTER: a->read.capture.filter = optarg; return 0;
	case SERVER: return add_server(optarg, a);
	case PORT: return add_port(optarg, a);
	case TIMEOUT: return parse_number("timeout", optarg, 1, 3600, &a->timeout_s);
	case DRY: a->dry = true; return 0;
	case JSON: a->json = true; return 0;
	default: return -EINVAL;
	}
}

static bool is_loopback(const struct ip *ip)
{
	static const struct ip one6 = { .b = { [15] = 1 } };

	return ip_is4(ip) ? ip->b[12] == 127 : ip_eq(ip, &one6);
}

/* Returns -1 to go on, or an exit status. */
static int check(const struct arguments *a, int argc)
{
	if (optind == argc)
		return complain("replay: no capture given: see evenkeel replay --help");
	if (argc - optind > CAPTURE_FILES_MAX)
		return complain("replay: at most 4096 captures at once");
	if (a->to == NULL)
		return complain("replay: no --to given: expected the server's ADDR[:PORT]");
	if (!is_loopback(&a->task.to.ip) && a->task.core.rate == 0 && !a->dry) {
		fprintf(stderr, "evenkeel: --to %s: isn't a loopback address: expected --rate N "
		        "too, how many queries a second it may get\n", a->to);
		return EXIT_USAGE;
	}
	return -1;
}

static int parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, TO }, { "rate", required_argument, NULL, RATE },
		{ "speed", required_argument, NULL, SPEED },
		{ "in-flight", required_argument, NULL, IN_FLIGHT_N },
		{ "loop", required_argument, NULL, LOOP },
		{ "limit", required_argument, NULL, LIMIT },
		{ "filter", required_argument, NULL, FILTER },
		{ "server", required_argument, NULL, SERVER },
		{ "port", required_argument, NULL, PORT },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "dry-run", no_argument, NULL, DRY }, { "json", no_argument, NULL, JSON },
		{ "help", no_argument, NULL, HELP }, { NULL, 0, NULL, 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == HELP) {
			usage(stdout);
			return 0;
		}
		if (take_option(c, a) < 0)
			return EXIT_USAGE;
	}
	return check(a, argc);
}

/* ---- reading and sending ---- */

static void show_reading(void *arg, uint64_t done, uint64_t all)
{
	progress_update(arg, host_mono_ns(), (int64_t)done, (int64_t)all, NULL);
}

static int read_trace(struct arguments *a, struct trace *t, struct trace_counts *counts)
{
	char error[CAPTURE_ERROR_TEXT], trouble[CAPTURE_ERROR_TEXT];
	struct progress bar;

	progress_start(&bar, stderr, "reading", host_mono_ns());
	a->read.progress = show_reading;
	a->read.arg = &bar;
	int err = trace_read(t, counts, &a->read, trouble, error);
	progress_end(&bar);
	if (err < 0)
		fprintf(stderr, "evenkeel replay: %s\n", error);
	else if (trouble[0] != '\0')
		fprintf(stderr, "evenkeel replay: %s: what is before that is sent\n", trouble);
	return err;
}

static void show_sending(void *arg, const struct replay_counts *c)
{
	char text[FMT_TEXT + 16], n[FMT_TEXT];

	snprintf(text, sizeof(text), "%s answered", fmt_count(n, (int64_t)c->answered));
	progress_update(arg, host_mono_ns(), (int64_t)c->sent, (int64_t)c->planned, text);
}

/* Returns the exit status. */
static int send_all(struct arguments *a, json_t *doc)
{
	struct replay_result *r = malloc(sizeof(*r));
	struct progress bar;

	MUST(r != NULL);
	sweep_listen();
	a->task.stop = &sweep_stop;
	a->task.progress = show_sending;
	a->task.arg = &bar;
	progress_start(&bar, stderr, "sending", host_mono_ns());
	int err = replay_run(r, &a->task);
	progress_end(&bar);
	if (err < 0)
		fprintf(stderr, "evenkeel replay: %s: can't send: %s\n", a->to, strerror(-err));
	else
		replay_doc_result(doc, r);
	bool all = err == 0 && r->counts.sent == r->counts.planned && r->counts.unsent == 0 &&
	           r->counts.failed == 0;
	free(r);
	return err < 0 ? EXIT_USAGE : all ? 0 : EXIT_FAIL;
}

static void print(const json_t *doc, bool json)
{
	if (!json) {
		replay_text(stdout, doc);
		return;
	}
	json_dumpf(doc, stdout, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17));
	putchar('\n');
}

static int replay(struct arguments *a)
{
	struct replay_options *o = &a->task.core;
	struct trace_counts counts;
	struct trace t = { 0 };

	if (read_trace(a, &t, &counts) < 0)
		return EXIT_USAGE;
	o->trace = &t;
	o->pace.period_ns = trace_period(&t);
	o->in_flight = (uint32_t)a->in_flight;
	o->timeout_ns = (int64_t)a->timeout_s * SECOND_NS;
	json_t *doc = replay_doc_plan(&a->task, &counts);
	int status = a->dry ? 0 : send_all(a, doc);
	if (status != EXIT_USAGE)
		print(doc, a->json);
	json_decref(doc);
	trace_free(&t);
	return status;
}

int cmd_replay(int argc, char **argv)
{
	struct arguments *a = calloc(1, sizeof(*a));

	MUST(a != NULL);
	a->timeout_s = 5;
	a->in_flight = IN_FLIGHT;
	a->task.core.pace = (struct trace_pace){ .speed = TRACE_SPEED_ONE, .loops = 1 };
	int status = parse(argc, argv, a);
	if (status < 0) {
		a->read.capture.path = (const char *const *)(argv + optind);
		a->read.capture.path_n = (unsigned)(argc - optind);
		a->read.capture.dissect.port = a->port;
		a->read.server = a->server;
		status = replay(a);
	}
	free(a);
	return status;
}
