/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of a sweep that are alike, whatever is swept; see sweep.h. */
#include "sweep.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"
#include "lib/host/host.h"
#include "sim/report/fmt.h"

volatile sig_atomic_t sweep_stop;

static void on_signal(int n)
{
	sweep_stop = n;
}

void sweep_listen(void)
{
	struct sigaction act = { .sa_handler = on_signal };

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

int sweep_refuses(const struct plan *p, const char *path)
{
	char why[VIRTUAL_ERROR_TEXT];

	if (p->for_virtual && !virtual_refuses(p, why))
		return SWEEP_ON;
	fprintf(stderr, "evenkeel: %s: %s\n", path, p->for_virtual ? why
	        : "isn't for the virtual engine");
	return EXIT_USAGE;
}

static const char *environment(const char *name)
{
	return getenv(name);
}

int sweep_shard(const char *given, const struct seeds_range *range, const char *all,
                const char *unit, struct seeds_shard *part)
{
	char error[SEEDS_ERROR] = "", text[SEEDS_SHARD_TEXT];
	const char *said = "--shard";

	if (given == NULL)
		said = seeds_shard_find(environment, part, error);
	else if (seeds_shard_parse("--shard", given, part, error) != 0)
		return complain(error);
	if (said == NULL && error[0] != '\0')
		return complain(error);
	seeds_shard_text(part, text);
	if (seeds_shard_count(part, range) == 0) {
		snprintf(error, sizeof(error), "%s: shard %s of %s is empty: expected no more "
		         "shards than %s", said, text, all, unit);
		return complain(error);
	}
	if (said != NULL)
		fprintf(stderr, "evenkeel: shard %s, by %s\n", text, said);
	return SWEEP_ON;
}

int sweep_prepare(const struct seeds_result *r, const char *out, const char *usual,
                  char dir[RUNDIR_PATH])
{
	char want[RUNDIR_PATH], part[64] = "", rundir_error[RUNDIR_ERROR], error[SEEDS_ERROR];

	if (r->shard.n > 1)
		snprintf(part, sizeof(part), ".%llu-of-%llu", (unsigned long long)r->shard.i,
		         (unsigned long long)r->shard.n);
	if (out != NULL)
		snprintf(want, sizeof(want), "%s", out);
	else
		snprintf(want, sizeof(want), "%.400s%s", usual, part);
	if (rundir_make_seeds(want, dir, rundir_error) != 0)
		return complain(rundir_error);
	return seeds_result_clash(r, dir, error) != 0 ? complain(error) : SWEEP_ON;
}

/* One directory, of the right command. */
static int read_part(const char *dir, bool search, struct seeds_result *part)
{
	char error[SEEDS_ERROR];

	if (seeds_result_read(part, dir, error) != 0)
		return complain(error);
	if ((json_object_get(part->head, "search") != NULL) == search)
		return SWEEP_ON;
	fprintf(stderr, "evenkeel: %s: %s of evenkeel search: expected evenkeel %s --merge\n", dir,
	        search ? "isn't" : "is", search ? "seeds" : "search");
	return EXIT_USAGE;
}

int sweep_merge(char **dir, unsigned n, bool search, struct seeds_result *all)
{
	struct seeds_result *part = calloc(n, sizeof(*part));
	char error[SEEDS_ERROR];
	int status = SWEEP_ON;

	MUST(part != NULL);
	for (unsigned i = 0; i < n && status == SWEEP_ON; i++)
		status = read_part(dir[i], search, &part[i]);
	if (status == SWEEP_ON &&
	    seeds_result_merge(all, part, (const char *const *)dir, n, error) != 0)
		status = complain(error);
	for (unsigned i = 0; i < n; i++)
		seeds_result_free(&part[i]);
	free(part);
	return status;
}

unsigned sweep_jobs(uint64_t jobs, const struct seeds_result *r)
{
	if (jobs == 0)
		jobs = processors();
	return (unsigned)(jobs < r->n ? jobs : r->n);
}

void sweep_begin(struct sweep_bar *b, const char *name, const struct seeds_result *r)
{
	b->runs = r->n;
	b->start_ns = host_mono_ns();
	progress_start(&b->bar, stderr, name, b->start_ns);
}

void sweep_progress(void *arg, uint64_t done, uint64_t not_pass)
{
	struct sweep_bar *b = arg;
	char phase[64];

	snprintf(phase, sizeof(phase), "%llu of %llu runs, %llu not PASS", (unsigned long long)done,
	         (unsigned long long)b->runs, (unsigned long long)not_pass);
	progress_update(&b->bar, host_mono_ns(), (int64_t)done, (int64_t)b->runs, phase);
}

int sweep_end(struct sweep_bar *b, int err, const char *error, unsigned jobs)
{
	int64_t ns = host_mono_ns() - b->start_ns;
	char count[FMT_TEXT], span[FMT_TEXT];

	progress_end(&b->bar);
	if (err == -EINTR) {
		fprintf(stderr, "evenkeel: stopped by signal %d: nothing is written\n",
		        (int)sweep_stop);
		return EXIT_INVALID;
	}
	if (err != 0)
		return complain(error);
	fprintf(stderr, "evenkeel: %s runs in %s, %.1f a second, %u at once\n",
	        fmt_count(count, (int64_t)b->runs), fmt_ns(span, ns),
	        (double)b->runs * 1e9 / (double)ns, jobs);
	return SWEEP_ON;
}
