/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Workers over socket pairs; see pool.h. To a worker: the seed, 8 bytes. Back: a letter (P: it
 * passed, N: it didn't, E: it can't be run), the row or the reason, and a newline.
 */
#include "pool.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "row.h"
#include "sim/judge/judge.h"

enum { TICK_MS = 100, CHUNK = 65536 };

struct worker {
	pid_t pid;              /* 0: none */
	int fd;                 /* ours of the pair */
	uint64_t k;             /* the row that it makes */
	bool busy;
	char *in;               /* what came of its answer */
	size_t n, cap;
};

struct pool {
	struct seeds_result *r;
	const struct seeds_pool_options *o;
	struct worker *worker;
	uint64_t next, done, not_pass;
	char *error;
	int err;
};

/* One run, as its letter and text; the caller frees. */
static char *run_text(const struct seeds_pool_options *o, uint64_t seed, char *letter)
{
	char error[VIRTUAL_ERROR_TEXT] = "";
	struct plan p = *o->plan;
	struct virtual_options v = { .stop = o->stop, .invariants = o->invariants,
	                             .sabotage = o->sabotage };

	p.seed = seed;
	struct plan *made = o->make != NULL ? o->make(o->make_arg, &p) : NULL;
	const struct plan *runs = made != NULL ? made : &p;
	json_t *doc = o->run(runs, &v, error), *row = NULL;
	if (doc != NULL)
		row = o->row != NULL ? o->row(runs, doc) : seeds_row(doc);
	if (made != NULL)
		o->unmake(made);
	if (doc == NULL) {
		char *text = NULL;
		for (char *at = error; *at != '\0'; at++)
			*at = *at == '\n' ? ' ' : *at;
		*letter = 'E';
		MUST(asprintf(&text, "seed %" PRIu64 ": %s", seed, error) >= 0);
		return text;
	}
	MUST(row != NULL);
	json_object_set_new(row, "seed", json_integer((json_int_t)seed));
	*letter = judge_verdict(row) == VERDICT_PASS ? 'P' : 'N';
	char *text = seeds_row_text(row);
	json_decref(row);
	json_decref(doc);
	return text;
}

/* ---- the worker's side ---- */

static bool send_all(int fd, const void *data, size_t n)
{
	for (const char *at = data; n > 0;) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

_Noreturn static void worker_main(const struct seeds_pool_options *o, int fd)
{
	uint64_t seed;
	char letter;

	while (recv(fd, &seed, sizeof(seed), MSG_WAITALL) == (ssize_t)sizeof(seed)) {
		char *text = run_text(o, seed, &letter);
		if (!send_all(fd, &letter, 1) || !send_all(fd, text, strlen(text)) ||
		    !send_all(fd, "\n", 1))
			break;
		free(text);
	}
	_exit(0);
}

/* ---- our side ---- */

static int worker_start(struct pool *p, struct worker *w)
{
	pid_t parent = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	fflush(NULL);
	w->pid = fork();
	if (w->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGINT, SIG_IGN); /* a terminal's goes to all; we are told by the parent */
		signal(SIGTERM, SIG_DFL);
		for (unsigned i = 0; i < p->o->jobs; i++)
			if (p->worker[i].pid > 0)
				close(p->worker[i].fd);
		close(pair[0]);
		if (getppid() != parent)
			_exit(1);
		worker_main(p->o, pair[1]);
	}
	close(pair[1]);
	w->fd = pair[0];
	if (w->pid > 0)
		return 0;
	int err = -errno;
	w->pid = 0;
	close(w->fd);
	return err;
}

/* Ends a worker and says how it ended. */
static int worker_end(struct worker *w, int signal_it)
{
	int status = 0;

	if (signal_it != 0)
		kill(w->pid, signal_it);
	close(w->fd);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
	w->n = 0;
	return status;
}

static void pool_fail(struct pool *p, const char *what, int err)
{
	p->err = -EINVAL;
	snprintf(p->error, SEEDS_ERROR, "%s: %s", what, strerror(-err));
}

/* Gives the worker the next seed, if there is one. */
static void feed(struct pool *p, struct worker *w)
{
	w->busy = false;
	if (p->next >= p->r->n)
		return;
	if (w->pid == 0) {
		int err = worker_start(p, w);
		if (err != 0) {
			pool_fail(p, "can't start a worker", err);
			return;
		}
	}
	w->k = p->next++;
	w->busy = true;
	uint64_t seed = seeds_result_seed(p->r, w->k);
	(void)send_all(w->fd, &seed, sizeof(seed)); /* a dead one shows when it is read */
}

static void tell(const struct pool *p)
{
	if (p->o->progress != NULL)
		p->o->progress(p->o->progress_arg, p->done, p->not_pass);
}

static void keep(struct pool *p, uint64_t k, char *take_text, bool pass)
{
	MUST(p->r->row[k] == NULL);
	p->r->row[k] = take_text;
	p->done++;
	p->not_pass += !pass;
	tell(p);
}

/* The worker died: its run is INVALID. */
static void lose(struct pool *p, struct worker *w)
{
	int status = worker_end(w, 0);
	char why[128];

	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "the run crashed: signal %d (%s)", WTERMSIG(status),
		         strsignal(WTERMSIG(status)));
	else
		snprintf(why, sizeof(why), "the run ended its process with status %d",
		         WEXITSTATUS(status));
	json_t *row = seeds_row_lost(seeds_result_seed(p->r, w->k), why);
	keep(p, w->k, seeds_row_text(row), false);
	json_decref(row);
	feed(p, w);
}

/* A whole answer is in: letter, text, newline. */
static void answer(struct pool *p, struct worker *w)
{
	w->in[w->n - 1] = '\0';
	w->n = 0;
	if (w->in[0] == 'E') {
		p->err = -EINVAL;
		snprintf(p->error, SEEDS_ERROR, "%.1000s", w->in + 1);
		return;
	}
	char *text = strdup(w->in + 1);
	MUST(text != NULL);
	keep(p, w->k, text, w->in[0] == 'P');
	feed(p, w);
}

static void read_some(struct pool *p, struct worker *w)
{
	if (w->cap - w->n < CHUNK) {
		w->cap += CHUNK;
		w->in = realloc(w->in, w->cap);
		MUST(w->in != NULL);
	}
	ssize_t n = recv(w->fd, w->in + w->n, w->cap - w->n, 0);
	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		lose(p, w);
		return;
	}
	w->n += (size_t)n;
	if (w->in[w->n - 1] == '\n')
		answer(p, w);
}

static void turn(struct pool *p, struct pollfd *fds)
{
	for (unsigned i = 0; i < p->o->jobs; i++)
		fds[i] = (struct pollfd){ .fd = p->worker[i].busy ? p->worker[i].fd : -1,
		                          .events = POLLIN };
	int ready = poll(fds, p->o->jobs, TICK_MS);

	for (unsigned i = 0; ready > 0 && i < p->o->jobs && p->err == 0; i++)
		if (fds[i].fd >= 0 && fds[i].revents != 0)
			read_some(p, &p->worker[i]);
	if (ready == 0)
		tell(p);
}

int seeds_pool(struct seeds_result *r, const struct seeds_pool_options *o,
               char error[SEEDS_ERROR])
{
	struct pool p = { .r = r, .o = o, .error = error };
	struct pollfd *fds = calloc(o->jobs, sizeof(*fds));

	p.worker = calloc(o->jobs, sizeof(*p.worker));
	MUST(fds != NULL && p.worker != NULL);
	for (unsigned i = 0; i < o->jobs && p.err == 0; i++)
		feed(&p, &p.worker[i]);
	while (p.done < r->n && p.err == 0 && *o->stop == 0)
		turn(&p, fds);
	for (unsigned i = 0; i < o->jobs; i++) {
		if (p.worker[i].pid > 0)
			(void)worker_end(&p.worker[i], SIGKILL);
		free(p.worker[i].in);
	}
	free(p.worker);
	free(fds);
	return p.err == 0 && p.done < r->n ? -EINTR : p.err;
}

int seeds_here(struct seeds_result *r, const struct seeds_pool_options *o,
               char error[SEEDS_ERROR])
{
	struct pool p = { .r = r, .o = o, .error = error };
	char letter;

	for (uint64_t k = 0; k < r->n; k++) {
		if (*o->stop != 0)
			return -EINTR;
		char *text = run_text(o, seeds_result_seed(r, k), &letter);
		if (letter == 'E') {
			snprintf(error, SEEDS_ERROR, "%.1000s", text);
			free(text);
			return -EINVAL;
		}
		keep(&p, k, text, letter == 'P');
	}
	return *o->stop != 0 ? -EINTR : 0;
}
