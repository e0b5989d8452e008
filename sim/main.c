/* SPDX-License-Identifier: BSD-3-Clause */
/* evenkeel's front door: finds the subcommand and hands over. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "version.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{ "run", cmd_run, "run scenarios and judge them" },
	{ "plan", cmd_plan, "print what a scenario comes to, and what is wrong with it" },
	{ "judge", cmd_judge, "judge a run directory again, or captures of production" },
	{ "seeds", cmd_seeds, "run a scenario with thousands of seeds, in virtual time" },
	{ "search", cmd_search, "look for a schedule of faults that a scenario fails under" },
	{ "info", cmd_info, "say what is in captures of DNS traffic" },
	{ "replay", cmd_replay, "send a capture's queries to a server" },
	{ "pcap", cmd_pcap, "merge, cut, filter and anonymize captures" },
};

static void usage(FILE *to)
{
	fprintf(to, "usage: evenkeel COMMAND [ARG]...\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  %-7s %s\n", commands[i].name, commands[i].what);
	fprintf(to, "\nevenkeel COMMAND --help tells more. Exit status: 0 PASS, 1 FAIL,\n"
	            "2 usage or scenario error, 3 INCONCLUSIVE, 4 INVALID, 77 can't run here.\n");
}

static void no_command(const char *name)
{
	size_t n = sizeof(commands) / sizeof(commands[0]);

	fprintf(stderr, "evenkeel: no command '%s': expected ", name);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", commands[i].name);
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	char name[32];

	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0) {
			snprintf(name, sizeof(name), "evenkeel %s", commands[i].name);
			argv[1] = name; /* getopt's complaints begin with it */
			return commands[i].run(argc - 1, argv + 1);
		}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("evenkeel %s\n", EVENKEEL_VERSION);
		return 0;
	}
	no_command(argv[1]);
	return EXIT_USAGE;
}
