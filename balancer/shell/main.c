/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * balancer: reads a dnsdist configuration, binds, gives up privileges, and runs: workers in threads
 * of their own, health checks and signals in this one.
 */
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "balancer/config/config.h"
#include "control.h"
#include "desk.h"
#include "http.h"
#include "lib/drbg.h"
#include "lib/host/host.h"
#include "lib/host/net.h"
#include "options.h"
#include "socket.h"
#include "watch.h"
#include "worker.h"

#define SIGNAL WATCH_MAX /* event: a signal */

struct balancer {
	struct options o;
	struct config *config;
	const struct bal_conf *conf;
	struct bal_shared *shared;
	struct arena arena;
	struct watch *watch;
	struct worker *worker[OPTIONS_WORKERS_MAX];
	int epoll, signals;
	struct desk desk;
	atomic_bool started;        /* also read by console and web server */
	bool ready;
};

static int fatal(const char *what, const char *which, int err)
{
	fprintf(stderr, "Fatal error: %s%s: %s\n", what, which, strerror(-err));
	return 1;
}

/* ---- configuration ---- */

static void print_notes(const struct config *c, const struct options *o)
{
	for (unsigned i = 0; i < c->note_n; i++) {
		const struct config_note *n = &c->note[i];
		if (n->kind == CONFIG_PRINT)
			printf("%s\n", n->text);
		else if (o->verbose)
			printf("%s:%u: %s has no effect here\n", o->config, n->line, n->text);
	}
}

/* What is wrong goes to stdout when that was the question, as dnsdist does it. */
static int load(struct balancer *b)
{
	const struct config_options co = {
		.mode = CONFIG_STRICT, .front_n = b->o.front_n, .front = b->o.front,
		.acl_n = b->o.acl_n, .acl = b->o.acl,
	};
	char error[CONFIG_ERROR_TEXT];
	FILE *to = b->o.check_config ? stdout : stderr;

	if (access(b->o.config, R_OK) < 0) {
		fprintf(to, "Fatal error: Unable to read configuration from '%s': %s\n",
		        b->o.config, strerror(errno));
		return 1;
	}
	b->config = config_load(b->o.config, &co, error);
	if (b->config == NULL) {
		fprintf(to, "Fatal Lua error: %s\n", error);
		return 1;
	}
	if (b->config->admin.web.on && !http_available()) {
		fprintf(to, "Fatal error: webserver: this program was built without libmicrohttpd "
		        "and has no web server\n");
		return 1;
	}
	b->conf = &b->config->conf;
	print_notes(b->config, &b->o);
	return 0;
}

/* ---- privileges ---- */

static bool number(const char *text, unsigned *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	*out = (unsigned)v;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && v < UINT32_MAX;
}

static int find_ids(const struct options *o, unsigned *uid, unsigned *gid)
{
	if (o->group != NULL && !number(o->group, gid)) {
		const struct group *g = getgrnam(o->group);
		if (g == NULL)
			return fatal("-g ", o->group, -ENOENT);
		*gid = g->gr_gid;
	}
	if (o->user != NULL && !number(o->user, uid)) {
		const struct passwd *p = getpwnam(o->user);
		if (p == NULL)
			return fatal("-u ", o->user, -ENOENT);
		*uid = p->pw_uid;
	}
	return 0;
}

/* Becomes -u and -g. Nothing happens for who we are already. */
static int drop_privileges(const struct options *o)
{
	unsigned uid = geteuid(), gid = getegid();
	int status = find_ids(o, &uid, &gid);

	if (status != 0)
		return status;
	bool other = uid != geteuid() || gid != getegid();
	if (other && geteuid() == 0 && setgroups(0, NULL) < 0)
		return fatal("giving up groups", "", -errno);
	if (gid != getegid() && setgid(gid) < 0)
		return fatal("-g ", o->group, -errno);
	if (uid != geteuid() && setuid(uid) < 0)
		return fatal("-u ", o->user, -errno);
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
	print_count("not-logged", c.not_logged, "line of LogAction that found no place");
	print_count("not-delayed", c.counts.not_delayed, "delayed answer that found no place");
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
	print_count("tcp-stuck", c.tcp_stuck, "connection closed: its peer took too little");
	print_servers(b);
	for (unsigned i = 0; i < WORKER_COUNT_N; i++)
		print_count(own[i].name, c.own[i], own[i].prose);
	fflush(stdout);
}

/* ---- the run ---- */

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

static int open_all(struct balancer *b, const uint8_t seed[32])
{
	unsigned bad = 0;
	int err = check_fronts(b->conf, &bad);
	char text[EP_TEXT];

	for (unsigned i = 0; err == 0 && i < b->o.workers; i++)
		b->worker[i] = worker_new(b->conf, b->shared, seed, i, b->o.io, &bad,
		                          &err);
	if (err < 0 && bad == b->conf->front_n)
		return fatal(b->o.io == IO_URING ? "--io io_uring" : "no memory for the workers",
		             "", err);
	if (err < 0) {
		ep_format(&b->conf->front[bad], text);
		return fatal("can't listen on ", text, err);
	}
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

static void loop(struct balancer *b)
{
	struct epoll_event events[64];

	for (;;) {
		watch_pass(b->watch);
		advance(b);
		int n = net_wait(b->epoll, events, COUNT_OF(events), watch_deadline(b->watch));
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
	return desk_start(&b->desk);
}

static int make_shared(struct balancer *b, const uint8_t seed[32])
{
	int err = host_arena(&b->arena, bal_shared_arena_size(b->conf) +
	                                bal_shared_cache_arena_size(b->conf));

	if (err < 0)
		return fatal("no memory for the packet cache", "", err);
	b->shared = bal_shared_init(&b->arena, b->conf);
	bal_shared_cache_init(b->shared, &b->arena, b->conf, seed);
	return 0;
}

static int run(struct balancer *b)
{
	uint8_t seed[32];

	if (b->o.seeded) {
		fprintf(stderr, "Warning: --simulation-seed makes query IDs predictable: never use "
		                "it in service\n");
		drbg_seed_from_u64(seed, b->o.seed);
	} else {
		host_seed(seed);
	}
	net_allow_many_files(); /* many servers with many sockets, and one for each probe */
	open_signals(b);
	int status = make_shared(b, seed);
	if (status == 0)
		status = open_all(b, seed);
	if (status == 0)
		status = desk_listen(&b->desk, b->config);
	if (status == 0)
		status = drop_privileges(&b->o);
	if (status != 0)
		return status;
	steer_workers(b);
	print_acl(b->conf);
	prctl(PR_SET_TIMERSLACK, 1);
	b->watch = watch_new(b->conf, b->shared, seed, b->epoll);
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
