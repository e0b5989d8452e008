/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * balancer: reads a dnsdist configuration, binds, gives up privileges, and runs: workers in threads
 * of their own, health checks and signals in this one.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "balancer.h"
#include "control.h"
#include "http.h"
#include "lib/drbg.h"
#include "lib/host/host.h"
#include "lib/host/net.h"
#include "privileges.h"
#include "reload.h"
#include "socket.h"

#define SIGNAL WATCH_MAX /* event: a signal */

static int fatal(const char *what, const char *which, int err)
{
	fprintf(stderr, "Fatal error: %s%s: %s\n", what, which, strerror(-err));
	return 1;
}

/* ---- configuration ---- */

void balancer_print_notes(const struct config *c, const struct options *o)
{
	for (unsigned i = 0; i < c->note_n; i++) {
		const struct config_note *n = &c->note[i];
		if (n->kind == CONFIG_PRINT)
			printf("%s\n", n->text);
		else if (o->verbose)
			printf("%s:%u: %s has no effect here\n", c->source[n->source].path,
			       n->line, n->text);
	}
	fflush(stdout);
}

struct config *balancer_load(const struct options *o, char error[CONFIG_ERROR_TEXT])
{
	const struct config_options co = {
		.mode = CONFIG_STRICT, .front_n = o->front_n, .front = o->front,
		.acl_n = o->acl_n, .acl = o->acl,
	};
	struct config *c = config_load(o->config, &co, error);

	if (c == NULL || !c->admin.web.on || http_available())
		return c;
	snprintf(error, CONFIG_ERROR_TEXT, "webserver: this program was built without "
	         "libmicrohttpd and has no web server");
	config_free(c);
	return NULL;
}

/* What is wrong goes to stdout when that was the question, as dnsdist does it. */
static int load(struct balancer *b)
{
	char error[CONFIG_ERROR_TEXT];
	FILE *to = b->o.check_config ? stdout : stderr;

	if (access(b->o.config, R_OK) < 0) {
		fprintf(to, "Fatal error: Unable to read configuration from '%s': %s\n",
		        b->o.config, strerror(errno));
		return 1;
	}
	b->config = balancer_load(&b->o, error);
	if (b->config == NULL) {
		fprintf(to, "Fatal %s: %s\n",
		        strncmp(error, "webserver:", 10) == 0 ? "error" : "Lua error", error);
		return 1;
	}
	b->conf = &b->config->conf;
	balancer_print_notes(b->config, &b->o);
	return 0;
}

/* ---- counters ---- */

static void print_count(const char *name, uint64_t n, const char *prose)
{
	printf("%-24s %12llu  %s\n", name, (unsigned long long)n, prose);
}

/* A line for each server: how it is now, how often that changed, how long it was down. */
static void print_servers(const struct balancer *b)
{
	int64_t now_ns = host_mono_ns();
	char addr[EP_TEXT];

	for (unsigned i = 0; i < b->conf->server_n; i++) {
		const struct bal_server *s = &b->conf->server[i];
		int64_t down_ms = bal_shared_down_ns(b->shared, i, now_ns) / 1000000;
		uint32_t changes = bal_shared_changes(b->shared, i);
		bool named = s->name[0] != '\0';
		ep_format(&s->addr, addr);
		printf("Server %s%s%s%s is %s, changed %u times, was down for %lld.%03d s\n",
		       s->name, named ? " (" : "", addr, named ? ")" : "",
		       bal_shared_up(b->shared, i) ? "up" : "down", changes,
		       (long long)(down_ms / 1000), (int)(down_ms % 1000));
	}
}

static void print_counters(struct balancer *b)
{
	static const struct { const char *name, *prose; } own[] = {
#define X(id, name, prose) { name, prose },
		WORKER_COUNTS(X)
#undef X
	};
	static const struct { const char *name, *prose; } tcp[] = {
#define X(id, name, prose) { name, prose },
		BAL_TCP_COUNTS(X)
#undef X
	};
	struct worker_counts c;

	memset(&c, 0, sizeof(c));
	for (unsigned i = 0; b->started && i < b->o.workers; i++)
		worker_add_counts(b->worker[i], &c);
	for (unsigned v = 1; v < BAL_VERDICTS; v++)
		print_count(bal_verdict_name(v), c.verdict[v], bal_verdict_prose(v));
	print_count("limits-crowded", limits_crowded(b->shared->limit, b->conf->rules),
	            "query that passed a limit by client, which knows too many others");
	print_count("not-logged", c.not_logged, "line of LogAction that found no place");
	print_count("not-delayed", c.counts.not_delayed, "delayed answer that found no place");
	print_count("rules-failed", c.counts.rules_failed,
	            "call of a rule's Lua function that failed");
	print_count("not-tagged", c.counts.not_tagged, "tag that its query had no room for");
	print_count("timeouts", c.timeouts, "query that no server answered in time");
	print_count("outstanding", c.outstanding, "query that a server still may answer");
	print_count("cache-misses", c.cache_misses, "query that isn't in the packet cache");
	print_count("cache-not-inserted", c.not_cached, "answer that the cache had no room for");
	print_count("cache-entries", bal_shared_cached(b->shared, b->conf),
	            "answer in the packet cache");
	for (unsigned i = 0; i < BAL_TCP_COUNT_N; i++)
		print_count(tcp[i].name, c.tcp[i], tcp[i].prose);
	print_count("tcp-outstanding", c.tcp_outstanding, "query over TCP on its way");
	print_count("tcp-clients", c.tcp_clients, "connection of a client that is open");
	print_count("tcp-servers", c.tcp_servers, "connection to a server that is open");
	print_count("reloads", b->reloads.good, "reload of the configuration");
	print_count("reloads-refused", b->reloads.refused, "reload that was refused");
	print_count("tcp-stuck", c.tcp_stuck, "connection closed: its peer took too little");
	print_servers(b);
	for (unsigned i = 0; i < WORKER_COUNT_N; i++)
		print_count(own[i].name, c.own[i], own[i].prose);
	fflush(stdout);
}

/* ---- the run ---- */

/* How often an address that is in use is tried again, every so many ns. */
enum { BIND_TRIES = 50, BIND_WAIT_NS = 20000000 };

/* With SO_REUSEPORT two balancers could share an address unseen: first see that it is free. */
static int check_fronts(const struct bal_conf *conf, unsigned *bad)
{
	for (unsigned i = 0; i < conf->front_n; i++) {
		int fd = socket_front(&conf->front[i], false);
		*bad = i;
		if (fd < 0)
			return fd;
		close(fd);
		fd = conf->listen[i].udp_only ? 0 : socket_listen(&conf->front[i], 1, false);
		if (fd < 0)
			return fd;
		if (fd > 0)
			close(fd);
	}
	return 0;
}

/* The kernel may need a moment for the sockets of a process that has just ended (io_uring). */
static int wait_for_fronts(const struct bal_conf *conf, unsigned *bad)
{
	const struct timespec moment = { .tv_nsec = BIND_WAIT_NS };
	int err = check_fronts(conf, bad);

	for (unsigned i = 0; err == -EADDRINUSE && i < BIND_TRIES; i++) {
		nanosleep(&moment, NULL);
		err = check_fronts(conf, bad);
	}
	return err;
}

void balancer_say_refused(const struct bal_conf *conf, unsigned bad, int err,
                          char text[CONFIG_ERROR_TEXT])
{
	char addr[EP_TEXT];

	if (bad == conf->front_n) {
		snprintf(text, CONFIG_ERROR_TEXT, "no memory for the workers: %s", strerror(-err));
		return;
	}
	ep_format(&conf->front[bad], addr);
	snprintf(text, CONFIG_ERROR_TEXT, "can't listen on %s: %s", addr, strerror(-err));
}

/* A thread's own state for the configuration's functions; NULL: it has been told why not. */
static struct script *make_script(const struct balancer *b, uint32_t index)
{
	char error[CONFIG_ERROR_TEXT];
	struct script *s = script_new(b->config, b->shared, b->seed, index, error);

	if (s == NULL)
		fprintf(stderr, "Fatal Lua error: %s\n", error);
	return s;
}

static bool give_scripts(struct balancer *b)
{
	for (unsigned i = 0; b->config->function_n > 0 && i < b->o.workers; i++) {
		struct script *s = make_script(b, i);
		if (s == NULL)
			return false;
		worker_set_script(b->worker[i], s);
	}
	return true;
}

static int open_all(struct balancer *b)
{
	unsigned bad = 0;
	int err = wait_for_fronts(b->conf, &bad);
	char text[CONFIG_ERROR_TEXT];

	for (unsigned i = 0; err == 0 && i < b->o.workers; i++)
		b->worker[i] = worker_new(b->conf, b->shared, b->seed, i, b->o.io, &bad, &err);
	if (err < 0 && bad == b->conf->front_n && b->o.io == IO_URING)
		return fatal("--io io_uring", "", err);
	if (err < 0) {
		balancer_say_refused(b->conf, bad, err, text);
		fprintf(stderr, "Fatal error: %s\n", text);
		return 1;
	}
	if (!give_scripts(b))
		return 1;
	for (unsigned i = 0; i < b->conf->front_n; i++) {
		ep_format(&b->conf->front[i], text);
		printf("Listening on %s\n", text);
	}
	return 0;
}

static void steer_workers(struct balancer *b)
{
	static struct steer steer; /* for the program's life, as they */

	steer_init(&steer, b->o.workers_given ? 1 : b->o.workers);
	for (unsigned i = 0; i < b->o.workers; i++)
		worker_steer(b->worker[i], &steer, i);
}

static void print_acl(const struct bal_conf *conf)
{
	char text[PREFIX_TEXT];

	printf("ACL allowing queries from: ");
	for (unsigned i = 0; i < conf->acl_n; i++) {
		prefix_format(&conf->acl[i], text);
		printf("%s%s", i > 0 ? ", " : "", text);
	}
	printf("\n");
	fflush(stdout);
}

static void open_signals(struct balancer *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	b->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	b->epoll = epoll_create1(EPOLL_CLOEXEC);
	MUST(b->signals >= 0 && b->epoll >= 0);
	net_watch(b->epoll, b->signals, SIGNAL);
}

/* True when the program shall end. */
static bool take_signal(struct balancer *b)
{
	struct signalfd_siginfo s;

	if (read(b->signals, &s, sizeof(s)) != sizeof(s))
		return false;
	if (s.ssi_signo == SIGUSR1) {
		print_counters(b);
		return false;
	}
	if (s.ssi_signo == SIGHUP) {
		reload_want(b);
		return false;
	}
	return true;
}

static bool any_up(const struct balancer *b)
{
	for (unsigned i = 0; i < b->conf->server_n; i++)
		if (bal_shared_up(b->shared, i))
			return true;
	return false;
}

/* Clients are served once a server is up, or it is known that none is; before, they queue up. */
static void advance(struct balancer *b)
{
	bool ready = watch_ready(b->watch);

	if (!b->started && (ready || any_up(b))) {
		b->started = true;
		for (unsigned i = 0; i < b->o.workers; i++)
			worker_start(b->worker[i]);
	}
	if (!b->ready && ready) {
		b->ready = true;
		int err = host_notify("READY=1");
		if (err < 0)
			fprintf(stderr, "can't notify the supervisor: %s\n", strerror(-err));
	}
}

static int64_t deadline(const struct balancer *b)
{
	int64_t watch = watch_deadline(b->watch), reload = reload_deadline(b);

	return watch < reload ? watch : reload;
}

static void loop(struct balancer *b)
{
	struct epoll_event events[64];

	for (;;) {
		watch_pass(b->watch);
		advance(b);
		reload_pass(b);
		int n = net_wait(b->epoll, events, COUNT_OF(events), deadline(b));
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 != SIGNAL)
				watch_event(b->watch, events[i].data.u64);
			else if (take_signal(b))
				return;
		}
	}
}

static int start_desk(struct balancer *b)
{
	b->desk.shared = b->shared;
	b->desk.watch = b->watch;
	b->desk.worker = b->worker;
	b->desk.worker_n = b->o.workers;
	b->desk.started = &b->started;
	b->desk.reloads = &b->reloads;
	return desk_start(&b->desk);
}

int balancer_make_shared(const struct bal_conf *conf, const uint8_t seed[32], struct arena *arena,
                         struct arena *packets, struct bal_shared **out)
{
	int err = host_arena(arena, bal_shared_arena_size(conf));

	if (err < 0)
		return err;
	*out = bal_shared_init(arena, conf);
	if (packets == NULL)
		return 0;
	err = host_arena(packets, bal_shared_cache_arena_size(conf));
	if (err < 0)
		host_arena_free(arena);
	else
		bal_shared_cache_init(*out, packets, conf, seed);
	return err;
}

static int make_shared(struct balancer *b)
{
	int err = balancer_make_shared(b->conf, b->seed, &b->arena, &b->packets, &b->shared);

	return err < 0 ? fatal("no memory for the packet cache", "", err) : 0;
}

static int run(struct balancer *b)
{
	if (b->o.seeded) {
		fprintf(stderr, "Warning: --simulation-seed makes query IDs predictable: never use "
		                "it in service\n");
		drbg_seed_from_u64(b->seed, b->o.seed);
	} else {
		host_seed(b->seed);
	}
	net_allow_many_files(); /* many servers with many sockets, and one for each probe */
	open_signals(b);
	int status = make_shared(b);
	if (status == 0)
		status = open_all(b);
	if (status == 0)
		status = desk_listen(&b->desk, b->config);
	if (status == 0)
		status = privileges_drop(&b->o);
	if (status != 0)
		return status;
	steer_workers(b);
	print_acl(b->conf);
	prctl(PR_SET_TIMERSLACK, 1);
	b->reload = reload_new();
	b->watch = watch_new(b->conf, b->shared, b->seed, b->epoll);
	if (b->config->function_n > 0) {
		struct script *s = make_script(b, SCRIPT_CHECKS);
		if (s == NULL)
			return 1;
		watch_set_script(b->watch, s);
	}
	status = start_desk(b);
	if (status != 0)
		return status;
	loop(b);
	host_notify("STOPPING=1");
	if (b->o.verbose)
		print_counters(b);
	fflush(stdout);
	_exit(0); /* workers go on until the very end; the kernel gives everything back */
}

/*
 * --client and --execute. The file is read for the console's settings alone, so it may be that of a
 * real dnsdist; it needn't be there when the command line says address and key.
 */
static int client(struct balancer *b)
{
	const struct config_options co = { .mode = CONFIG_FOREIGN, .client = true };
	char error[CONFIG_ERROR_TEXT];

	if (b->o.key != NULL && access(b->o.config, R_OK) < 0)
		b->config = config_parse("", "", 0, &co, error);
	else
		b->config = config_load(b->o.config, &co, error);
	if (b->config == NULL) {
		fprintf(stderr, "Fatal Lua error: %s\n", error);
		return 1;
	}
	struct admin_console c = b->config->admin.console;
	if (b->o.console_set)
		c.listen = b->o.console;
	if (b->o.key != NULL && admin_key_parse(c.key, b->o.key) < 0) {
		fprintf(stderr, "Fatal error: --setkey: expected 32 bytes in base64\n");
		return 1;
	}
	c.keyed |= b->o.key != NULL;
	return control_client(&c, b->o.command);
}

int main(int argc, char **argv)
{
	static struct balancer b;
	int status = options_parse(&b.o, argc, argv);

	if (status != OPTIONS_GO_ON)
		return status;
	MUST(sodium_init() >= 0);
	if (b.o.client) {
		status = client(&b);
		config_free(b.config);
		return status;
	}
	status = load(&b);
	if (status == 0 && b.o.check_config)
		printf("Configuration '%s' OK!\n", b.o.config);
	else if (status == 0)
		status = run(&b);
	config_free(b.config);
	return status;
}
