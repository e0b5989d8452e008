/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * evenkeel run: from scenarios to verdicts. Each scenario is planned, made to happen by an engine,
 * judged from its run directory and reported; the exit status is the worst of all.
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/host/host.h"
#include "rundir.h"
#include "sim/judge/judge.h"
#include "sim/netns/netns.h"
#include "sim/plan/plan_io.h"
#include "sim/report/progress.h"
#include "sim/report/report.h"
#include "sim/virtual/virtual.h"

enum { JOBS_MAX = 64, AGAIN_MAX = 100 };

struct arguments {
	struct plan_options options;
	const char **set;
	unsigned set_n;
	uint64_t seed;
	char balancer[PATH_MAX], recursor[PATH_MAX], stub[PATH_MAX]; /* to start, absolute */
	const char *out;
	bool is_virtual;     /* engine: virtual time instead of namespaces */
	bool twice;          /* --check-determinism */
	bool invariants;     /* also where builds leave them out */
	bool pcap;
	unsigned jobs;
	unsigned again;      /* how often an INVALID run may be run again */
	char **scenario;
	unsigned scenario_n;
};

static volatile sig_atomic_t stop;

static void on_signal(int n)
{
	stop = n;
}

static void usage(FILE *to)
{
	fputs("usage: evenkeel run [OPTION]... SCENARIO.lua...\n\n"
	      "Makes each scenario happen, judges it from its packet captures and reports.\n\n"
	      "  --engine ENGINE    netns: in network namespaces, in real time (the default);\n"
	      "                     virtual: in virtual time, the same every time\n"
	      "  --check-determinism  with --engine virtual: run twice, in DIR and DIR.again;\n"
	      "                     exit 1 when any file differs\n"
	      "  --invariants       with --engine virtual: check the programs' invariants\n"
	      "  --seed N           the seed of every random draw, 0 ... 9223372036854775807\n"
	      "  --out DIR          the run directory (runs/SCENARIO-SEED); with several\n"
	      "                     scenarios the directory that theirs are made in\n"
	      "  --set PATH=VALUE   a value in the scenario's place: load.rate=2000; repeatable\n"
	      "  --balancer PROG    a program in our balancer's place, dnsdist\n"
	      "  --recursor PROG    a program in our recursor-stub's place, pdns_recursor\n"
	      "  --pcap all|none    write captures (all); without them a run in namespaces can't\n"
	      "                     be judged, and none can be judged again\n"
	      "  --jobs N           run so many scenarios at once (1)\n"
	      "  --again N          run again what is INVALID, up to N times (0)\n"
	      "  --help             print this\n\n"
	      "Exit status, the worst of all runs: 0 PASS, 1 FAIL, 2 usage or scenario error,\n"
	      "3 INCONCLUSIVE, 4 INVALID, 77 can't run here.\n", to);
}

/* A program as a shell would find it, absolute. */
static int find_program(const char *option, const char *name, char out[PATH_MAX])
{
	const char *path = getenv("PATH");
	char list[PATH_MAX], try[PATH_MAX], *save;

	if (strchr(name, '/') != NULL) {
		if (realpath(name, out) != NULL && access(out, X_OK) == 0)
			return 0;
	} else if (path != NULL && strlen(path) < sizeof(list)) {
		strcpy(list, path);
		for (char *d = strtok_r(list, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
			int n = snprintf(try, sizeof(try), "%s/%s", d, name);
			if (n < PATH_MAX && access(try, X_OK) == 0 && realpath(try, out) != NULL)
				return 0;
		}
	}
	fprintf(stderr, "evenkeel: --%s %s: no such program\n", option, name);
	return -ENOENT;
}

/* Our own program, beside this one. */
static int find_own(const char *name, char out[PATH_MAX])
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n <= 0)
		return -ENOENT;
	exe[n] = '\0';
	return snprintf(out, PATH_MAX, "%s/%s", dirname(exe), name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int parse_engine(struct arguments *a, const char *name)
{
	a->is_virtual = strcmp(name, "virtual") == 0;
	if (a->is_virtual || strcmp(name, "netns") == 0)
		return 0;
	fprintf(stderr, "evenkeel: --engine %s: expected netns or virtual\n", name);
	return -EINVAL;
}

static int parse_pcap(struct arguments *a, const char *which)
{
	a->pcap = strcmp(which, "all") == 0;
	if (a->pcap || strcmp(which, "none") == 0)
		return 0;
	fprintf(stderr, "evenkeel: --pcap %s: expected all or none\n", which);
	return -EINVAL;
}

enum {
	SET = 256, SEED, OUT, ENGINE, BALANCER, RECURSOR, PCAP, JOBS, AGAIN, TWICE, INVARIANTS,
	HELP,
};

/* One option. 0 or -errno, with the complaint made. */
static int parse_option(struct arguments *a, int c, const char *value)
{
	uint64_t n = 0;
	int err = 0;

	switch (c) {
	case SET: a->set[a->set_n++] = value; break;
	case OUT: a->out = value; break;
	case ENGINE: return parse_engine(a, value);
	case TWICE: a->twice = true; break;
	case INVARIANTS: a->invariants = true; break;
	case PCAP: return parse_pcap(a, value);
	case SEED:
		a->options.seed = &a->seed;
		return parse_number("seed", value, 0, INT64_MAX, &a->seed);
	case JOBS:
		err = parse_number("jobs", value, 1, JOBS_MAX, &n);
		a->jobs = (unsigned)n;
		return err;
	case AGAIN:
		err = parse_number("again", value, 0, AGAIN_MAX, &n);
		a->again = (unsigned)n;
		return err;
	case BALANCER:
		a->options.balancer = a->balancer;
		return find_program("balancer", value, a->balancer);
	case RECURSOR:
		a->options.recursor = a->recursor;
		return find_program("recursor", value, a->recursor);
#ifdef EK_DEFECTS
	case DEFECT_CHOSEN: return defects_choose(value);
#endif
	default: return -EINVAL;
	}
	return err;
}

/* Returns -1 to go on, or an exit status. */
static int parse(struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
		{ "set", required_argument, NULL, SET }, { "seed", required_argument, NULL, SEED },
		{ "out", required_argument, NULL, OUT },
		{ "engine", required_argument, NULL, ENGINE },
		{ "check-determinism", no_argument, NULL, TWICE },
		{ "invariants", no_argument, NULL, INVARIANTS },
		{ "balancer", required_argument, NULL, BALANCER },
		{ "recursor", required_argument, NULL, RECURSOR },
		{ "pcap", required_argument, NULL, PCAP },
		{ "jobs", required_argument, NULL, JOBS },
		{ "again", required_argument, NULL, AGAIN }, { "help", no_argument, NULL, HELP },
		DEFECT_OPTION
		{ 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == HELP) {
			usage(stdout);
			return EXIT_PASS;
		}
		if (parse_option(a, c, optarg) != 0)
			return EXIT_USAGE;
	}
	if (optind == argc) {
		fprintf(stderr, "evenkeel run: no scenario given: see evenkeel run --help\n");
		return EXIT_USAGE;
	}
	if (defects_chosen() && !a->is_virtual) {
		fprintf(stderr, "evenkeel run: --defect: expected --engine virtual with it\n");
		return EXIT_USAGE;
	}
	if ((a->twice || a->invariants) && !a->is_virtual) {
		fprintf(stderr, "evenkeel run: %s: expected --engine virtual with it\n",
		        a->twice ? "--check-determinism" : "--invariants");
		return EXIT_USAGE;
	}
	a->options.set = a->set;
	a->scenario = argv + optind;
	a->scenario_n = (unsigned)(argc - optind);
	if ((a->options.balancer == NULL && find_own("balancer", a->balancer) != 0) ||
	    find_own("recursor-stub", a->stub) != 0) {
		fprintf(stderr, "evenkeel: can't find its own programs\n");
		return EXIT_CANT;
	}
	if (a->options.recursor == NULL)
		memcpy(a->recursor, a->stub, sizeof(a->stub));
	return -1;
}

static void show(void *arg, const struct netns_progress *p)
{
	char phase[NETNS_PHASE + 64];

	snprintf(phase, sizeof(phase), "%s, %llu sent, %llu answered", p->phase,
	         (unsigned long long)p->sent, (unsigned long long)p->answered);
	progress_update(arg, host_mono_ns(), p->t_ns > 0 ? p->t_ns : 0, p->end_ns,
	                p->t_ns < 0 ? p->phase : phase);
}

/* Makes the run's directory, with plan.json in it. An exit status, or -1 to go on. */
static int prepare(const struct arguments *a, const struct plan *p, const char *suffix,
                   char dir[RUNDIR_PATH])
{
	char want[RUNDIR_PATH], error[RUNDIR_ERROR];

	if (a->out != NULL && a->scenario_n == 1)
		snprintf(want, sizeof(want), "%s%s", a->out, suffix);
	else
		snprintf(want, sizeof(want), "%s/%s-%llu%s", a->out != NULL ? a->out : "runs",
		         p->name, (unsigned long long)p->seed, suffix);
	if (rundir_make(want, dir, error) != 0) {
		fprintf(stderr, "evenkeel: %s\n", error);
		return EXIT_USAGE;
	}
	char *text = plan_to_text(p);
	int err = rundir_write(dir, "plan.json", text);
	free(text);
	if (err == 0)
		return -1;
	fprintf(stderr, "evenkeel: %s/plan.json: %s\n", dir, strerror(-err));
	return EXIT_USAGE;
}

/* Says in a line why a run that proves nothing is run again. */
static void tell_again(const json_t *doc, unsigned left)
{
	const json_t *why = json_array_get(json_object_get(doc, "invalid"), 0);
	const char *text = json_string_value(why);

	fprintf(stderr, "evenkeel: INVALID: %s; running it again, %u more at most\n",
	        text != NULL ? text : "no reason given", left);
}

/*
 * Reports a verdict, unless the run is to be made again: left says how often. NULL: there is none,
 * for the reason in error. An exit status.
 */
static int conclude(const char *dir, json_t *take_doc, const char *error, FILE *to, unsigned left)
{
	json_t *doc = take_doc;

	if (doc == NULL) {
		fprintf(stderr, "evenkeel: %s\n", error);
		return EXIT_USAGE;
	}
	int status = judge_exit_status(judge_verdict(doc));
	if (status == EXIT_INVALID && left > 0 && stop == 0) {
		tell_again(doc, left);
		json_decref(doc);
		return status;
	}
	int err = report_write(dir, doc);
	if (err != 0)
		fprintf(stderr, "evenkeel: %s: can't write the report: %s\n", dir, strerror(-err));
	report_text(to, doc, dir, isatty(fileno(to)) == 1);
	fflush(to);
	json_decref(doc);
	return err != 0 ? EXIT_USAGE : status;
}

static int run_netns(const struct arguments *a, const struct plan *p, const char *dir, FILE *to,
                     bool quiet, unsigned left)
{
	char error[NETNS_TEXT], why[JUDGE_ERROR_TEXT] = "";
	struct progress bar;
	struct netns_options o = {
		.dir = dir, .balancer = a->balancer, .recursor = a->recursor,
		.authority = a->stub, .pcap = a->pcap, .stop = &stop,
		.progress = quiet ? NULL : show, .progress_arg = &bar,
	};

	progress_start(&bar, stderr, p->name, host_mono_ns());
	int err = netns_run(p, &o, error);
	progress_end(&bar);
	if (err == 0) {
		json_t *doc = judge_run(dir, why);
		return conclude(dir, doc, why, to, left);
	}
	fprintf(stderr, "evenkeel: %s: %s\n", p->name, error);
	return err == -EOPNOTSUPP ? EXIT_CANT : EXIT_USAGE;
}

static void show_virtual(void *arg, const struct virtual_progress *p)
{
	char phase[NETNS_PHASE + 64];

	snprintf(phase, sizeof(phase), "%llu sent, %llu answered", (unsigned long long)p->sent,
	         (unsigned long long)p->answered);
	progress_update(arg, host_mono_ns(), p->t_ns > 0 ? p->t_ns : 0, p->end_ns, phase);
}

static int run_virtual(const struct arguments *a, const struct plan *p, const char *dir, FILE *to,
                       bool quiet)
{
	char error[VIRTUAL_ERROR_TEXT] = "";
	struct progress bar;
	struct virtual_options o = {
		.dir = dir, .pcap = a->pcap, .stop = &stop,
		.invariants = a->invariants || VIRTUAL_INVARIANTS,
		.progress = quiet ? NULL : show_virtual, .progress_arg = &bar,
	};

	progress_start(&bar, stderr, p->name, host_mono_ns());
	json_t *doc = VIRTUAL_RUN(p, &o, error);
	progress_end(&bar);
	return conclude(dir, doc, error, to, 0);
}

/* A plan made to happen once and judged. left: how often it may still be run again. */
static int run_once(const struct arguments *a, const struct plan *p, FILE *to, bool quiet,
                    unsigned left)
{
	char dir[RUNDIR_PATH], again[RUNDIR_PATH], error[VIRTUAL_ERROR_TEXT];

	if (a->is_virtual && virtual_refuses(p, error)) {
		fprintf(stderr, "evenkeel: %s\n", error);
		return EXIT_USAGE;
	}
	int status = prepare(a, p, "", dir);

	if (status != -1)
		return status;
	if (!a->is_virtual)
		return run_netns(a, p, dir, to, quiet, left);
	status = run_virtual(a, p, dir, to, quiet);
	if (!a->twice || status == EXIT_USAGE)
		return status;
	if (prepare(a, p, ".again", again) != -1)
		return EXIT_USAGE;
	FILE *null = fopen("/dev/null", "we");
	MUST(null != NULL);
	(void)run_virtual(a, p, again, null, quiet);
	fclose(null);
	return rundir_same(dir, again, stderr) ? status : EXIT_FAIL;
}

/* One scenario, all the way. quiet: others run beside it, so no progress bar. */
static int run_one(const struct arguments *a, const char *scenario, FILE *to, bool quiet)
{
	char error[PLAN_ERROR_TEXT];
	struct plan *p = plan_load(scenario, &a->options, error);
	int status = EXIT_USAGE;

	if (p == NULL) {
		fprintf(stderr, "evenkeel: %s\n", error);
		return EXIT_USAGE;
	}
	if (!(a->is_virtual ? p->for_virtual : p->for_netns))
		fprintf(stderr, "evenkeel: %s: isn't for the %s engine\n", scenario,
		        a->is_virtual ? "virtual" : "netns");
	else
		status = EXIT_INVALID;
	unsigned left = a->is_virtual ? 1 : a->again + 1; /* the same again would be the same */
	for (; status == EXIT_INVALID && left > 0 && stop == 0; left--)
		status = run_once(a, p, to, quiet, left - 1);
	plan_free(p);
	return status;
}

/* A scenario in a process of its own; what it prints comes out when it is done. */
struct job {
	pid_t pid;
	FILE *text;
};

static void start_job(const struct arguments *a, unsigned i, struct job *job)
{
	pid_t parent = getpid();

	job->text = tmpfile();
	MUST(job->text != NULL);
	fflush(NULL);
	job->pid = fork();
	MUST(job->pid >= 0);
	if (job->pid > 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_INVALID);
	exit(run_one(a, a->scenario[i], job->text, true));
}

static void print_job(struct job *job)
{
	char buf[8192];
	size_t n;

	rewind(job->text);
	while ((n = fread(buf, 1, sizeof(buf), job->text)) > 0)
		fwrite(buf, 1, n, stdout);
	fclose(job->text);
	fflush(stdout);
}

/* Waits for any job; tells the others when evenkeel is to end. Returns its index and status. */
static unsigned wait_job(struct job *job, unsigned n, int *status)
{
	for (;;) {
		pid_t pid = wait(status);
		for (unsigned i = 0; pid < 0 && stop != 0 && i < n; i++)
			if (job[i].pid > 0)
				kill(job[i].pid, SIGTERM);
		for (unsigned i = 0; pid > 0 && i < n; i++)
			if (job[i].pid == pid)
				return i;
		MUST(pid > 0 || errno == EINTR);
	}
}

static int run_jobs(const struct arguments *a)
{
	struct job *job = calloc(a->scenario_n, sizeof(*job));
	unsigned started = 0, running = 0;
	int worst = EXIT_PASS, status;

	MUST(job != NULL);
	while (running > 0 || (started < a->scenario_n && stop == 0)) {
		while (running < a->jobs && started < a->scenario_n && stop == 0) {
			start_job(a, started, &job[started]);
			started++;
			running++;
		}
		struct job *j = &job[wait_job(job, started, &status)];
		j->pid = 0;
		running--;
		print_job(j);
		worst = worse(worst, WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_INVALID);
	}
	free(job);
	return worst;
}

static int run_all(const struct arguments *a)
{
	int worst = EXIT_PASS;

	if (a->jobs > 1 && a->scenario_n > 1)
		return run_jobs(a);
	for (unsigned i = 0; i < a->scenario_n && stop == 0; i++)
		worst = worse(worst, run_one(a, a->scenario[i], stdout, false));
	return worst;
}

int cmd_run(int argc, char **argv)
{
	struct arguments a = { .jobs = 1, .pcap = true };
	struct sigaction act = { .sa_handler = on_signal };
	int status;

	a.set = calloc((size_t)argc + 1, sizeof(*a.set));
	MUST(a.set != NULL);
	status = parse(&a, argc, argv);
	if (status == -1) {
		sigaction(SIGINT, &act, NULL);
		sigaction(SIGTERM, &act, NULL);
		status = run_all(&a);
		if (stop != 0)
			status = worse(status, EXIT_INVALID);
	}
	free(a.set);
	return status;
}
