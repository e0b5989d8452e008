/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recursor-stub: answers as a PowerDNS Recursor would whose authoritative servers are answer.h's.
 * This thread reads the configuration, starts the workers, says READY=1 when every socket listens,
 * and then serves the control socket and waits for the signal that ends the program.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "recursor-stub/answers/read.h"
#include "recursor-stub/config/conf.h"
#include "control.h"
#include "lib/host/host.h"
#include "lib/host/net.h"
#include "lib/version.h"
#include "recursor-stub/config/settings.h"
#include "worker.h"

enum { PATH_BYTES = 4096, THREADS_MAX = 64 };

struct stub {
	struct settings settings;
	struct stub_conf conf;
	struct rec_book book;
	struct arena arena;
	struct dist miss;
	struct rec_shared *shared;
	struct rec *rec[THREADS_MAX];
	_Atomic uint32_t tcp_clients;
	struct control control;
	const char *config_file;   /* --config */
	bool verbose;
};

static void usage(FILE *to)
{
	fprintf(to, "usage: recursor-stub [--config-dir DIR | --config FILE] [--KEY=VALUE]...\n"
	        "       recursor-stub --help | --version\n\n"
	        "A recursor that makes its answers up, or gives captured ones. Settings, as in\n"
	        "recursor.conf:\n\n");
	settings_help(to);
}

/* Ends the program over a mistake of the user's: one line, whatever bytes it quotes. */
static _Noreturn void die(const char *message)
{
	fputs("recursor-stub: ", stderr);
	for (const char *p = message; *p != '\0'; p++)
		fputc((unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p, stderr);
	fputc('\n', stderr);
	exit(1);
}

static void set(struct stub *s, const char *where, const char *key, const char *value, bool append)
{
	if (settings_set(&s->settings, where, key, value, append) < 0)
		die(s->settings.error);
}

/* The value of an option that may stand in the next argument: --config FILE, --config-dir DIR. */
static const char *option(char **argv, int *i, const char *name)
{
	const char *arg = argv[*i];
	size_t n = strlen(name);

	if (strncmp(arg, name, n) != 0 || (arg[n] != '\0' && arg[n] != '='))
		return NULL;
	if (arg[n] == '=')
		return arg + n + 1;
	if (argv[*i + 1] == NULL)
		die("an option at the end has no value");
	return argv[++*i];
}

/* One --KEY=VALUE; --KEY alone is yes. */
static void key_value(struct stub *s, const char *arg)
{
	char where[PATH_BYTES], key[128];
	size_t n = strcspn(arg + 2, "=");
	bool append = n > 0 && arg[2 + n] == '=' && arg[1 + n] == '+';
	const char *value = arg[2 + n] == '=' ? arg + 3 + n : "yes";

	if (strncmp(arg, "--", 2) != 0 || n == 0 || n >= sizeof(key)) {
		snprintf(where, sizeof(where), "'%.200s' isn't --KEY=VALUE; see --help", arg);
		die(where);
	}
	snprintf(key, sizeof(key), "%.*s", (int)(n - append), arg + 2);
	snprintf(where, sizeof(where), "--%s", key);
	set(s, where, key, value, append);
}

/*
 * Reads the command line. pass 0 finds out where the configuration file is; pass 1, after it has
 * been read, sets the keys.
 */
static void arguments(struct stub *s, char **argv, int pass)
{
	for (int i = 1; argv[i] != NULL; i++) {
		const char *v;
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			usage(stdout);
			exit(0);
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("recursor-stub %s\n", EVENKEEL_VERSION);
			exit(0);
		}
		if (strcmp(argv[i], "-v") == 0)
			s->verbose = true;
		else if ((v = option(argv, &i, "--config")) != NULL)
			s->config_file = v;
		else if ((v = option(argv, &i, "--config-dir")) != NULL)
			set(s, "--config-dir", "config-dir", v, false);
		else if (pass == 1 || strncmp(argv[i], "--config-name=", 14) == 0)
			key_value(s, argv[i]);
	}
}

static void read_config(struct stub *s, char **argv)
{
	const char *folder, *name;
	char path[PATH_BYTES];

	settings_init(&s->settings);
	arguments(s, argv, 0);
	folder = settings_get(&s->settings, SET_CONFIG_DIR);
	name = settings_get(&s->settings, SET_CONFIG_NAME);
	snprintf(path, sizeof(path), "%s/recursor%s%s.conf", folder, name[0] ? "-" : "", name);
	if (s->config_file != NULL)
		snprintf(path, sizeof(path), "%s", s->config_file);
	if ((s->config_file != NULL || folder[0] != '\0') &&
	    settings_file(&s->settings, path) < 0)
		die(s->settings.error);
	arguments(s, argv, 1);
	if (conf_read(&s->conf, &s->settings) < 0)
		die(s->settings.error);
	if (s->verbose && s->settings.unused != NULL)
		fprintf(stderr, "recursor-stub: without effect: %s\n", s->settings.unused);
}

/* Reads the captured answers, if there are to be any, and says what they come to. */
static void read_answers(struct stub *s)
{
	char error[CAPTURE_ERROR_TEXT], trouble[CAPTURE_ERROR_TEXT];
	struct book_counts n;

	if (s->conf.answers[0] == '\0')
		return;
	if (book_read(&s->book, &n, s->conf.answers, trouble, error) < 0)
		die(error);
	s->conf.rec.book = &s->book;
	if (trouble[0] != '\0')
		fprintf(stderr, "recursor-stub: %s: %s\n", s->conf.answers, trouble);
	fprintf(stderr, "recursor-stub: answers to %llu questions from %s; left out: %llu more "
	        "of the same, %llu truncated, %llu too long, %llu others\n",
	        (unsigned long long)n.kept, s->conf.answers, (unsigned long long)n.again,
	        (unsigned long long)n.truncated, (unsigned long long)n.longer,
	        (unsigned long long)n.others);
}

static void make_cores(struct stub *s)
{
	struct stub_conf *c = &s->conf;
	uint8_t seed[32];

	if (c->seeded)
		drbg_seed_from_u64(seed, c->seed);
	else
		host_seed(seed);
	size_t size = dist_arena_size(&c->miss) + rec_shared_arena_size(&c->rec) +
	              c->threads * rec_arena_size(&c->rec);
	int err = host_arena(&s->arena, size);
	if (err < 0)
		die("not enough memory for caches of this size");
	dist_init(&s->miss, &c->miss, &s->arena);
	c->rec.miss = &s->miss;
	s->shared = rec_shared_init(&s->arena, &c->rec, seed);
	for (unsigned i = 0; i < c->threads; i++)
		s->rec[i] = rec_init(&s->arena, &c->rec, s->shared, seed, i);
	arena_seal(&s->arena);
	for (unsigned f = 0; f < REC_FAULTS; f++)
		rec_fault(s->shared, (enum rec_fault)f, c->fault_ppm[f],
		          f == REC_F_SLOW ? c->slow_ns : 0);
}

/* Signals go to this thread alone, through a descriptor. */
static int take_signals(void)
{
	sigset_t set_;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set_);
	sigaddset(&set_, SIGTERM);
	sigaddset(&set_, SIGINT);
	MUST(sigprocmask(SIG_BLOCK, &set_, NULL) == 0);
	int fd = signalfd(-1, &set_, SFD_CLOEXEC);
	MUST(fd >= 0);
	return fd;
}

static void start_workers(struct stub *s)
{
	struct worker *worker[THREADS_MAX];
	char at[EP_TEXT], message[200];
	struct ep where;
	int err;

	for (unsigned i = 0; i < s->conf.threads; i++) {
		worker[i] = worker_new(&s->conf, s->rec[i], &s->tcp_clients, &where, &err);
		if (worker[i] != NULL)
			continue;
		ep_format(&where, at);
		snprintf(message, sizeof(message), "can't listen at %s: %s", at, strerror(-err));
		die(message);
	}
	for (unsigned i = 0; i < s->conf.threads; i++)
		MUST(worker_start(worker[i]) == 0);
}

static void start_control(struct stub *s)
{
	const char *folder = settings_get(&s->settings, SET_SOCKET_DIR);
	int err;

	s->control = (struct control){ .conf = &s->conf, .rec = s->rec, .shared = s->shared,
	                               .tcp_clients = &s->tcp_clients,
	                               .start_ns = host_mono_ns(), .fd = -1 };
	if (folder[0] == '\0')
		return;
	err = control_listen(&s->control, folder, settings_get(&s->settings, SET_CONFIG_NAME));
	if (err < 0) {
		settings_fail(&s->settings, SET_SOCKET_DIR, strerror(-err));
		die(s->settings.error);
	}
}

static void announce(const struct stub *s)
{
	char at[EP_TEXT];

	for (unsigned i = 0; i < s->conf.listen_n; i++) {
		ep_format(&s->conf.listen[i], at);
		fprintf(stderr, "recursor-stub: listening at %s\n", at);
	}
	int err = host_notify("READY=1");
	if (err < 0)
		fprintf(stderr, "recursor-stub: can't notify the supervisor: %s\n", strerror(-err));
}

static void serve_control(struct stub *s, int signals)
{
	struct pollfd p[2] = { { .fd = signals, .events = POLLIN },
	                       { .fd = s->control.fd, .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents != 0)
			return;
		if (p[1].revents != 0 && control_serve(&s->control))
			return;
	}
}

int main(int argc, char **argv)
{
	static struct stub s;

	(void)argc;
	read_config(&s, argv);
	read_answers(&s);
	make_cores(&s);
	int signals = take_signals();
	net_allow_many_files(); /* one for each TCP client */
	start_workers(&s);
	start_control(&s);
	announce(&s);
	serve_control(&s, signals);
	(void)host_notify("STOPPING=1");
	control_close(&s.control);
	_exit(0); /* the workers never stop by themselves, and have nothing to tidy up */
}
