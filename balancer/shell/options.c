/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the command line; one table of flags gives getopt and --help what they need. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <luajit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
#include "lib/version.h"

enum { CHECK_CONFIG = 256, SUPERVISED, DISABLE_SYSLOG, SIMULATION_SEED, IO };

static const struct { int id; const char *name, *value, *prose; } flags[] = {
	{ 'a', "acl", "MASK", "clients that may ask, in place of the file's; may be repeated" },
	{ 'C', "config", "FILE", "dnsdist Lua configuration (/etc/dnsdist/dnsdist.conf)" },
	{ 'l', "local", "ADDR", "listen here, in place of the file's; may be repeated" },
	{ 'c', "client", NULL, "talk to the console at ADDR[:PORT] or the file's address" },
	{ 'e', "execute", "COMMAND", "the same for one command" },
	{ 'k', "setkey", "KEY", "key of the console, in place of the file's" },
	{ CHECK_CONFIG, "check-config", NULL, "read the configuration, say what is wrong, exit" },
	{ SUPERVISED, "supervised", NULL, "accepted: standard input is never read" },
	{ DISABLE_SYSLOG, "disable-syslog", NULL, "accepted: syslog is never used" },
	{ 'u', "uid", "USER", "become USER after binding" },
	{ 'g', "gid", "GROUP", "become GROUP after binding" },
	{ 'v', "verbose", NULL, "say what has no effect; print the counters at the end" },
	{ 'w', "workers", "N", "worker threads (as many as processors, at most 4)" },
	{ IO, "io", "WAY", "how sockets are used: auto (default), plain or io_uring" },
	{ SIMULATION_SEED, "simulation-seed", "N", "predictable query IDs: never in service" },
	{ 'V', "version", NULL, "print the version, exit" },
	{ 'h', "help", NULL, "print this, exit" },
};

static void usage(void)
{
	printf("usage: balancer --supervised -C FILE [-l ADDR]... [-a MASK]... [FLAG]...\n"
	       "       balancer -c [ADDR[:PORT]] [-C FILE] [-k KEY]\n"
	       "       balancer -e COMMAND [-C FILE] [-k KEY]\n\n");
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		char left[40], dash[4] = "   ";
		if (flags[i].prose == NULL)
			continue;
		if (flags[i].id < 256)
			snprintf(dash, sizeof(dash), "-%c,", flags[i].id);
		snprintf(left, sizeof(left), "%s --%s%s%s", dash, flags[i].name,
		         flags[i].value != NULL ? " " : "",
		         flags[i].value != NULL ? flags[i].value : "");
		printf("  %-24s %s\n", left, flags[i].prose);
	}
	printf("\nSIGUSR1 prints the counters. Exit status: 0, or 1 when the configuration, the\n"
	       "command line or a socket is wrong.\n");
}

static int wrong(const char *flag, const char *value, const char *expected)
{
	fprintf(stderr, "Fatal error: %s '%s': expected %s\n", flag, value, expected);
	return 1;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out >= min &&
	       *out <= max;
}

static int add_front(struct options *o, const char *text)
{
	if (o->front_n == OPTIONS_LIST_MAX ||
	    ep_parse(&o->front[o->front_n], text, 53) < 0)
		return wrong("--local", text, "an IP address, or one with a port");
	o->front_n++;
	return OPTIONS_GO_ON;
}

static int add_acl(struct options *o, const char *text)
{
	if (o->acl_n == OPTIONS_LIST_MAX || prefix_parse(&o->acl[o->acl_n], text) < 0)
		return wrong("--acl", text, "an IP address, or one with /BITS");
	o->acl_n++;
	return OPTIONS_GO_ON;
}

static int take_number(struct options *o, int id, const char *text)
{
	uint64_t v;

	if (id == 'w') {
		if (!number(text, 1, OPTIONS_WORKERS_MAX, &v))
			return wrong("--workers", text, "a number from 1 to 64");
		o->workers = (unsigned)v;
		o->workers_given = true;
	} else {
		if (!number(text, 0, UINT64_MAX, &o->seed))
			return wrong("--simulation-seed", text, "a whole number");
		o->seeded = true;
	}
	return OPTIONS_GO_ON;
}

static int take_io(struct options *o, const char *text)
{
	static const char *const names[] = { [IO_AUTO] = "auto", [IO_PLAIN] = "plain",
	                                     [IO_URING] = "io_uring" };

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			o->io = i;
			return OPTIONS_GO_ON;
		}
	}
	return wrong("--io", text, "auto, plain or io_uring");
}

static int take(struct options *o, int id, const char *value)
{
	switch (id) {
	case 'a': return add_acl(o, value);
	case 'l': return add_front(o, value);
	case 'C': o->config = value; break;
	case 'u': o->user = value; break;
	case 'g': o->group = value; break;
	case 'v': o->verbose = true; break;
	case CHECK_CONFIG: o->check_config = true; break;
	case SUPERVISED: case DISABLE_SYSLOG: break;
	case IO: return take_io(o, value);
	case 'w': case SIMULATION_SEED: return take_number(o, id, value);
	case 'V':
		printf("balancer %s (%s, %s)\n", EVENKEEL_VERSION, LUAJIT_VERSION,
		       http_available() ? "web server"
		                        : "no web server: built without libmicrohttpd");
		return 0;
	case 'h': usage(); return 0;
	case 'c': o->client = true; break;
	case 'e': o->client = true; o->command = value; break;
	case 'k': o->key = value; break;
	default: return 1; /* getopt has said what */
	}
	return OPTIONS_GO_ON;
}

static unsigned default_workers(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > 4 ? 4 : (unsigned)n;
}

int options_parse(struct options *o, int argc, char **argv)
{
	struct option longs[COUNT_OF(flags) + 1] = { 0 };

	memset(o, 0, sizeof(*o));
	o->config = "/etc/dnsdist/dnsdist.conf";
	o->workers = default_workers();
	for (size_t i = 0; i < COUNT_OF(flags); i++)
		longs[i] = (struct option){ flags[i].name, flags[i].value != NULL, NULL,
		                            flags[i].id };
	for (int id; (id = getopt_long(argc, argv, "a:C:l:u:g:vw:Vhce:k:", longs, NULL)) != -1;) {
		int status = take(o, id, optarg);
		if (status != OPTIONS_GO_ON)
			return status;
	}
	if (optind < argc && o->client) {
		if (ep_parse(&o->console, argv[optind], 5199) < 0)
			return wrong("--client", argv[optind], "an IP address, or one with a port");
		o->console_set = true;
		optind++;
	}
	if (optind < argc)
		return wrong("argument", argv[optind], "only flags; see --help");
	return OPTIONS_GO_ON;
}
