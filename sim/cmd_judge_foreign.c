/* SPDX-License-Identifier: BSD-3-Clause */
/* evenkeel judge of captures that no run made: the options that say who is who, and the report. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "balancer/config/config.h"
#include "cmd.h"
#include "sim/capture/capture.h"
#include "sim/foreign/foreign.h"
#include "sim/judge/judge.h"
#include "sim/plan/scenario.h"
#include "sim/plan/schema.h"
#include "sim/report/report.h"

struct arguments {
	struct foreign_options o;
	struct bal_server server[WHO_BACKENDS];
	struct balancer_name balancer[WHO_ADDRESSES];
	struct config *config;
	bool policy_said, catch_said, json;
	const char *out;
	char kept[32];               /* where standard input is; "": it isn't read */
};

void judge_foreign_usage(FILE *to)
{
	fputs("Judges captures of production, from the balancers' or the servers' side or both:\n"
	      "whether the policy was kept, when servers were out, what was answered and when.\n"
	      "Several files are one capture; - is standard input.\n\n"
	      "  --policy P           wrandom, roundrobin, leastOutstanding, firstAvailable,\n"
	      "                       whashed, chashed or orderedWrandUntag\n"
	      "  --backend NAME=ADDR[,WEIGHT]\n"
	      "                       a server: ADDR, ADDR:PORT or [ADDR]:PORT (53); repeatable\n"
	      "  --config FILE        take policy, servers, weights and health checks from a\n"
	      "                       dnsdist configuration instead\n"
	      "  --balancer [NAME=]ADDR\n"
	      "                       an address of a balancer; repeatable. Otherwise each\n"
	      "                       address that asks a server is one\n"
	      "  --catch SHARE        the smallest skew that must not pass (0.1, or less where\n"
	      "                       shares are small)\n"
	      "  --miss P, --flake P  how probable it is that such a skew passes (1e-4), and that\n"
	      "                       a right system doesn't (1e-9)\n"
	      "  --from T, --to T     only this window of the capture, such as 10s, 1.5h\n"
	      "  --lag T              a balancer keeps a query at most so long (2ms)\n"
	      "  --epochs auto|traffic|none\n"
	      "                       servers that are out are known from health checks, and else\n"
	      "                       from traffic; from traffic; there are none\n"
	      "  --out DIR            write verdict.json, report.txt, report.html, junit.xml and\n"
	      "                       report.tap there\n", to);
}

/* ---- options ---- */

static int bad(const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "evenkeel: --%s %s: expected %s\n", option, value, expected);
	return EXIT_USAGE;
}

static int take_policy(struct arguments *a, const char *text)
{
	for (int i = 1; i < (int)BAL_LUA; i++)
		if (strcasecmp(text, plan_policy_names[i]) == 0) {
			a->o.conf.policy = (enum bal_policy)i;
			a->policy_said = true;
			return 0;
		}
	return bad("policy", text, "wrandom, roundrobin, leastOutstanding, firstAvailable, "
	           "whashed, chashed or orderedWrandUntag");
}

static int take_backend(struct arguments *a, const char *text)
{
	struct bal_server *s = &a->server[a->o.conf.server_n];
	const char *expected;
	struct backend b;

	if (backend_parse(&b, text, &expected) < 0)
		return bad("backend", text, expected);
	if (a->o.conf.server_n == WHO_BACKENDS)
		return complain("--backend: at most 128 of them");
	for (unsigned i = 0; i < a->o.conf.server_n; i++)
		if (strcmp(a->server[i].name, b.name) == 0)
			return bad("backend", text, "a name that no other one has");
	bal_server_defaults(s);
	s->addr = b.addr;
	s->weight = b.weight;
	memcpy(s->name, b.name, sizeof(b.name));
	a->o.conf.server_n++;
	return 0;
}

static int take_balancer(struct arguments *a, const char *text)
{
	const char *expected;

	if (a->o.balancer_n == WHO_ADDRESSES)
		return complain("--balancer: at most 256 of them");
	if (balancer_parse(&a->balancer[a->o.balancer_n], text, &expected) < 0)
		return bad("balancer", text, expected);
	a->o.balancer_n++;
	return 0;
}

static int take_share(const char *option, const char *text, double most, double *out)
{
	char *end, expected[64];
	double v = strtod(text, &end);

	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && v > 0 && v <= most) {
		*out = v;
		return 0;
	}
	snprintf(expected, sizeof(expected), "a number above 0, at most %g", most);
	return bad(option, text, expected);
}

static int take_time(const char *option, const char *text, int64_t *out)
{
	int64_t ns = value_parse_time(text);

	if (ns < 0)
		return bad(option, text, "a time with its unit, such as 20ms, 10s or 1.5h");
	*out = ns;
	return 0;
}

static int take_epochs(struct arguments *a, const char *text)
{
	static const char *const names[] = { [EPOCHS_AUTO] = "auto", [EPOCHS_TRAFFIC] = "traffic",
	                                     [EPOCHS_NONE] = "none" };

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(text, names[i]) == 0) {
			a->o.epochs = (enum foreign_epochs)i;
			return 0;
		}
	return bad("epochs", text, "auto, traffic or none");
}

static int take_catch(struct arguments *a, const char *text)
{
	double v;

	if (take_share("catch", text, 0.5, &v) != 0)
		return EXIT_USAGE;
	a->o.catch_ppm = (uint32_t)(v * 1e6 + 0.5);
	a->catch_said = true;
	return a->o.catch_ppm > 0 ? 0 : bad("catch", text, "at least 0.000001");
}

/* Servers without a name are called by their addresses. */
static int take_config(struct arguments *a, const char *path)
{
	struct config_options o = { .mode = CONFIG_FOREIGN };
	char error[CONFIG_ERROR_TEXT];

	config_free(a->config);
	a->config = config_load(path, &o, error);
	if (a->config == NULL) {
		fprintf(stderr, "evenkeel: %s\n", error);
		return EXIT_USAGE;
	}
	return 0;
}

enum { POLICY = 1, BACKEND, BALANCER, CONFIG, CATCH, MISS, FLAKE, FROM, TO, LAG, EPOCHS, JSON, OUT,
       HELP };

static const struct option options[] = {
	{ "policy", required_argument, NULL, POLICY },
	{ "backend", required_argument, NULL, BACKEND },
	{ "balancer", required_argument, NULL, BALANCER },
	{ "config", required_argument, NULL, CONFIG },
	{ "catch", required_argument, NULL, CATCH },
	{ "miss", required_argument, NULL, MISS },
	{ "flake", required_argument, NULL, FLAKE },
	{ "from", required_argument, NULL, FROM },
	{ "to", required_argument, NULL, TO },
	{ "lag", required_argument, NULL, LAG },
	{ "epochs", required_argument, NULL, EPOCHS },
	{ "json", no_argument, NULL, JSON },
	{ "out", required_argument, NULL, OUT },
	{ "help", no_argument, NULL, HELP },
	{ NULL, 0, NULL, 0 },
};

static int take(struct arguments *a, int option)
{
	switch (option) {
	case POLICY:
		return take_policy(a, optarg);
	case BACKEND:
		return take_backend(a, optarg);
	case BALANCER:
		return take_balancer(a, optarg);
	case CONFIG:
		return take_config(a, optarg);
	case CATCH:
		return take_catch(a, optarg);
	case MISS:
		return take_share("miss", optarg, 0.1, &a->o.miss);
	case FLAKE:
		return take_share("flake", optarg, 0.1, &a->o.flake);
	case FROM:
		return take_time("from", optarg, &a->o.from_ns);
	case TO:
		return take_time("to", optarg, &a->o.to_ns);
	case LAG:
		return take_time("lag", optarg, &a->o.lag_ns);
	case EPOCHS:
		return take_epochs(a, optarg);
	case JSON:
		a->json = true;
		return 0;
	case OUT:
		a->out = optarg;
		return 0;
	}
	return EXIT_USAGE;
}

/* ---- what they come to ---- */

/* The configuration's, unless the command line says otherwise. */
static int use_config(struct arguments *a)
{
	enum bal_policy policy = a->o.conf.policy;

	if (a->config == NULL)
		return 0;
	if (a->o.conf.server_n > 0)
		return complain("judge: --backend and --config: expected one of them");
	const struct bal_conf *c = &a->config->conf;
	if (c->server_n == 0 || c->server_n > WHO_BACKENDS)
		return complain("judge: --config: expected 1...128 servers in the file");
	a->o.conf = *c;
	a->o.checks_known = true;
	memcpy(a->server, c->server, c->server_n * sizeof(*c->server));
	a->o.conf.server = a->server;
	a->o.conf.policy = a->policy_said ? policy : c->policy;
	for (unsigned i = 0; i < c->server_n; i++)
		if (a->server[i].name[0] == '\0')
			ep_format(&a->server[i].addr, a->server[i].name);
	return 0;
}

static double smallest_share(const struct bal_conf *c)
{
	double all = 0, least = INT32_MAX;

	for (unsigned i = 0; i < c->server_n; i++) {
		all += c->server[i].weight;
		least = c->server[i].weight < least ? c->server[i].weight : least;
	}
	return least / all;
}

static int check_catch(struct arguments *a)
{
	double share = smallest_share(&a->o.conf);
	char value[32], expected[96];

	if (!a->catch_said)
		a->o.catch_ppm = share > 0.25 ? 100000 : (uint32_t)(share * 0.4e6) + 1;
	if (a->o.catch_ppm <= share * 0.5e6 + 1)
		return 0;
	snprintf(value, sizeof(value), "%g", a->o.catch_ppm / 1e6);
	snprintf(expected, sizeof(expected), "at most %g, half the smallest share", share / 2);
	return bad("catch", value, expected);
}

static int check(struct arguments *a)
{
	if (use_config(a) != 0)
		return EXIT_USAGE;
	if (a->o.conf.server_n == 0)
		return complain("judge: no server given: expected --backend NAME=ADDR[,WEIGHT], or "
		                "--config");
	if (a->o.conf.policy == 0 || a->o.conf.policy == BAL_LUA)
		return complain("judge: no policy given that can be judged: expected --policy");
	if (a->o.to_ns <= a->o.from_ns)
		return complain("judge: --to: expected a time after --from");
	if (a->o.lag_ns > INT64_C(1000000000))
		return complain("judge: --lag: expected at most 1s");
	if (optind < 0 || a->o.path_n == 0)
		return complain("judge: no capture given: see evenkeel judge --help");
	if (a->o.path_n > CAPTURE_FILES_MAX)
		return complain("judge: at most 4096 captures at once");
	return check_catch(a);
}

/* -1: go on. */
static int parse(int argc, char **argv, struct arguments *a)
{
	optind = 1;
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == HELP) {
			judge_usage(stdout);
			return 0;
		}
		if (take(a, c) != 0)
			return EXIT_USAGE;
	}
	a->o.name = (const char *const *)(argv + optind);
	a->o.path_n = (unsigned)(argc - optind);
	return check(a) != 0 ? EXIT_USAGE : -1;
}

/* ---- standard input ---- */

static int copy(FILE *from, FILE *to)
{
	char buffer[65536];
	size_t n;

	while ((n = fread(buffer, 1, sizeof(buffer), from)) > 0)
		if (fwrite(buffer, 1, n, to) != n)
			return -1;
	return ferror(from) || fflush(to) != 0 ? -1 : 0;
}

/*
 * A capture is read twice, so what comes by standard input is kept in a file without a name. What
 * each file is called stays as it was given; paths[0..n) are where they are. Returns the file to
 * close, or NULL.
 */
static int keep_input(struct arguments *a, const char **paths, FILE **file)
{
	for (unsigned i = 0; i < a->o.path_n; i++) {
		paths[i] = a->o.name[i];
		if (strcmp(paths[i], "-") != 0)
			continue;
		if (*file != NULL)
			return complain("judge: - twice: there is one standard input");
		*file = tmpfile();
		if (*file == NULL || copy(stdin, *file) < 0) {
			fprintf(stderr, "evenkeel: judge: standard input can't be kept: %s\n",
			        strerror(errno));
			return EXIT_USAGE;
		}
		snprintf(a->kept, sizeof(a->kept), "/proc/self/fd/%d", fileno(*file));
		paths[i] = a->kept;
	}
	a->o.path = paths;
	return 0;
}

/* ---- the verdict ---- */

static int write_out(const char *dir, const json_t *doc)
{
	int err = mkdir(dir, 0777) == 0 || errno == EEXIST ? 0 : -errno;

	if (err == 0)
		err = report_write(dir, doc);
	if (err == 0)
		return 0;
	fprintf(stderr, "evenkeel: --out %s: can't write the verdict: %s\n", dir, strerror(-err));
	return EXIT_USAGE;
}

/* Standard input is called what the user called it. */
static int cant_judge(const struct arguments *a, const char *error)
{
	size_t n = strlen(a->kept);
	bool input = n > 0 && strncmp(error, a->kept, n) == 0;

	fprintf(stderr, "evenkeel: judge: %s%s\n", input ? "-" : "", error + (input ? n : 0));
	return EXIT_USAGE;
}

static int judge(struct arguments *a)
{
	char error[FOREIGN_ERROR_TEXT] = "";

	a->o.progress = isatty(STDERR_FILENO) == 1;
	json_t *doc = foreign_judge(&a->o, error);
	if (doc == NULL)
		return cant_judge(a, error);
	if (a->json) {
		json_dumpf(doc, stdout, JSON_SORT_KEYS | JSON_COMPACT);
		putchar('\n');
	} else {
		report_text(stdout, doc, a->out != NULL ? a->out : ".", isatty(STDOUT_FILENO) == 1);
	}
	int status = judge_exit_status(judge_verdict(doc));
	if (a->out != NULL && write_out(a->out, doc) != 0)
		status = EXIT_USAGE;
	json_decref(doc);
	return status;
}

int cmd_judge_foreign(int argc, char **argv)
{
	struct arguments *a = calloc(1, sizeof(*a));
	FILE *input = NULL;

	MUST(a != NULL);
	a->o.conf.server = a->server;
	a->o.conf.udp_timeout_ns = INT64_C(2000000000);
	a->o.balancer = a->balancer;
	a->o.miss = 1e-4;
	a->o.flake = 1e-9;
	a->o.lag_ns = 2000000;
	a->o.to_ns = INT64_MAX / 4;
	const char **paths = calloc((size_t)argc + 1, sizeof(*paths));
	MUST(paths != NULL);
	int status = parse(argc, argv, a);
	if (status < 0)
		status = keep_input(a, paths, &input);
	if (status == 0 && a->o.path != NULL)
		status = judge(a);
	if (input != NULL)
		fclose(input);
	config_free(a->config);
	free(paths);
	free(a);
	return status;
}
