/* SPDX-License-Identifier: BSD-3-Clause */
/* evenkeel info: what captures hold, in a screen. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/host/host.h"
#include "sim/info/doc.h"
#include "sim/report/fmt.h"
#include "sim/report/progress.h"

enum { PORTS_MAX = 64, STEPS = 4096 };

struct arguments {
	bool json;
	uint16_t port[PORTS_MAX];
	unsigned port_n;
};

static void usage(FILE *to)
{
	fputs("usage: evenkeel info [--json] [--port N]... FILE...\n\n"
	      "Says what is in captures of DNS traffic: when, how much, who asked whom for\n"
	      "what, how fast and how often the answers came, and what couldn't be read and\n"
	      "why. Several files are one capture, merged by time. pcap and pcapng, plain or\n"
	      "gzip; - is standard input.\n\n"
	      "  --json    print every figure as JSON, in one line\n"
	      "  --port N  what is to or from this port is DNS (53); repeatable\n"
	      "  --help    print this\n\n"
	      "Exit status: 0; 2 when a file isn't a capture or can't be read at all.\n", to);
}

static int parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' }, { "port", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	uint64_t port;

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'j':
			a->json = true;
			break;
		case 'p':
			if (a->port_n == PORTS_MAX)
				return complain("--port: at most 64 of them");
			if (parse_number("port", optarg, 1, UINT16_MAX, &port) < 0)
				return EXIT_USAGE;
			a->port[a->port_n++] = (uint16_t)port;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return complain("info: no capture given: see evenkeel info --help");
	if (argc - optind > CAPTURE_FILES_MAX)
		return complain("info: at most 4096 captures at once");
	return -1;
}

/* Reads it all. */
static void sum_up(struct capture *c, struct info *i)
{
	struct capture_message m;
	struct progress p;
	enum capture_step step;

	progress_start(&p, stderr, "reading", host_mono_ns());
	for (unsigned n = 0; (step = capture_step(c, &m)) != CAPTURE_OVER; n++) {
		if (step == CAPTURE_MESSAGE)
			info_add(i, &m);
		if (step == CAPTURE_MESSAGE && n % STEPS != 0)
			continue;
		uint64_t done, all;
		capture_progress(c, &done, &all);
		progress_update(&p, host_mono_ns(), (int64_t)done, (int64_t)all, NULL);
	}
	info_end(i);
	progress_end(&p);
}

static unsigned terminal_width(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
		return w.ws_col;
	return 120;
}

/* Whether the terminal's, or whoever reads it, characters are UTF-8. */
static bool in_utf8(void)
{
	static const char *const name[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < COUNT_OF(name); i++) {
		const char *v = getenv(name[i]);
		if (v != NULL && v[0] != '\0')
			return strstr(v, "UTF-8") != NULL || strstr(v, "utf8") != NULL;
	}
	return false;
}

static void tell(const struct info *i, const struct capture *c, const struct capture_options *o,
                 bool json)
{
	json_t *doc = info_doc(i, c, o);

	if (json) {
		json_dumpf(doc, stdout, JSON_SORT_KEYS | JSON_COMPACT);
		putchar('\n');
	} else {
		info_text(stdout, doc, terminal_width(), isatty(STDOUT_FILENO) == 1, in_utf8());
	}
	json_decref(doc);
}

int cmd_info(int argc, char **argv)
{
	struct arguments a = { 0 };
	char error[CAPTURE_ERROR_TEXT];
	struct capture *c;
	struct arena arena;
	uint64_t seed[4];

	int status = parse(argc, argv, &a);
	if (status >= 0)
		return status;
	struct capture_options o = {
		.path = (const char *const *)(argv + optind), .path_n = (unsigned)(argc - optind),
		.dissect = { .port = a.port, .port_n = a.port_n },
	};
	if (capture_open(&c, &o, error) < 0) {
		fprintf(stderr, "evenkeel info: %s\n", error);
		return EXIT_USAGE;
	}
	if (host_arena(&arena, info_arena_size()) < 0) {
		capture_close(c);
		return complain("info: no memory");
	}
	host_seed((uint8_t *)seed);
	struct info *i = info_init(&arena, seed[0]);
	sum_up(c, i);
	tell(i, c, &o, a.json);
	host_arena_free(&arena);
	capture_close(c);
	return 0;
}
