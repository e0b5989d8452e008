/* SPDX-License-Identifier: BSD-3-Clause */
/* Gathering for console and web server; see desk.h. */
#include "desk.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control.h"
#include "http.h"
#include "lib/host/host.h"

#define SECOND_NS INT64_C(1000000000)

/* ---- gathering ---- */

static void read_process(const struct desk *d, struct stats *s)
{
	struct rusage r;
	unsigned long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	DIR *dir = opendir("/proc/self/fd");

	if (f != NULL && fscanf(f, "%lu %lu", &pages, &resident) == 2)
		s->memory = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
	if (f != NULL)
		fclose(f);
	while (dir != NULL && readdir(dir) != NULL)
		s->files++;
	if (dir != NULL)
		closedir(dir);
	getrusage(RUSAGE_SELF, &r);
	s->user_ms = (uint64_t)r.ru_utime.tv_sec * 1000 + (uint64_t)r.ru_utime.tv_usec / 1000;
	s->system_ms = (uint64_t)r.ru_stime.tv_sec * 1000 + (uint64_t)r.ru_stime.tv_usec / 1000;
	s->uptime_s = (uint64_t)((host_mono_ns() - d->start_ns) / SECOND_NS);
}

/* The workers' are added up in s itself. */
static void read_matches(const struct desk *d, struct stats *s, struct worker_counts *c)
{
	const struct bal_rules *r = d->config->conf.rules;

	for (unsigned i = 0; r != NULL && i < BAL_CHAINS; i++) {
		memset(s->matches[i], 0, r->chain[i].n * sizeof(*s->matches[i]));
		c->matches[i] = s->matches[i];
	}
}

static void read_workers(const struct desk *d, struct stats *s)
{
	static const struct { const char *name, *prose; } own[] = {
#define X(id, name, prose) { name, prose },
		WORKER_COUNTS(X)
#undef X
	};
	unsigned n = d->config->conf.server_n, pools = bal_pools(&d->config->conf);
	struct worker_counts c = { 0 };

	STATIC_MUST((int)WORKER_COUNT_N <= (int)STATS_OWN_MAX);
	c.server = calloc(n > 0 ? n : 1, sizeof(*c.server));
	c.pool = calloc(pools, sizeof(*c.pool));
	MUST(c.server != NULL && c.pool != NULL);
	read_matches(d, s, &c);
	for (unsigned i = 0; atomic_load(d->started) && i < d->worker_n; i++)
		worker_add_counts(d->worker[i], &c);
	memcpy(s->verdict, c.verdict, sizeof(s->verdict));
	s->timeouts = c.timeouts;
	s->outstanding = c.outstanding;
	s->cache_hits = c.verdict[BAL_CACHE_HIT];
	s->cache_misses = c.cache_misses;
	s->cache_refused = c.not_cached;
	s->cache_entries = bal_shared_cached(d->shared, &d->config->conf);
	s->send_errors = c.back_failed;
	s->counts = c.counts;
	s->own_n = WORKER_COUNT_N;
	for (unsigned i = 0; i < WORKER_COUNT_N; i++)
		s->own[i] = (struct stats_own){ own[i].name, own[i].prose, c.own[i] };
	for (unsigned i = 0; i < n; i++)
		s->server[i].counts = c.server[i];
	for (unsigned i = 0; i < pools; i++) {
		const struct pcache *packets = d->shared->pool[i].packets;
		s->pool[i] = (struct stats_pool){ c.pool[i].hits, c.pool[i].misses,
		                                  packets == NULL ? 0 : pcache_count(packets) };
	}
	free(c.server);
	free(c.pool);
}

static void read_shared(const struct desk *d, struct stats *s, int64_t now_ns)
{
	for (unsigned i = 0; i < d->config->conf.server_n; i++) {
		struct bal_shared_server *from = &d->shared->server[i];
		struct stats_server *to = &s->server[i];
		to->up = bal_shared_up(d->shared, i);
		to->drained = bal_shared_drained(d->shared, i);
		to->mode = bal_shared_mode(d->shared, i);
		to->outstanding = atomic_load_explicit(&from->outstanding, memory_order_relaxed);
		to->latency_us = atomic_load_explicit(&from->latency_us128,
		                                      memory_order_relaxed) / 128;
		to->qps_limit = atomic_load_explicit(&from->qps, memory_order_relaxed);
		to->drains = atomic_load_explicit(&from->drains, memory_order_relaxed);
		to->slow_starts = atomic_load_explicit(&from->slow_starts, memory_order_relaxed);
		to->slow = to->up && bal_shared_whole_ns(d->shared, i) > now_ns;
		to->transitions = atomic_load_explicit(&from->transitions, memory_order_relaxed);
		to->down_ms = (uint64_t)bal_shared_down_ns(d->shared, i, now_ns) / 1000000;
	}
}

/* Events a second times 10. */
static uint64_t rate10(uint64_t before, uint64_t after, int64_t took_ns)
{
	return (after - before) * 10000 / (uint64_t)(took_ns / 1000000);
}

/* Rates are those between the last two looks at least a second apart. */
static void read_rates(struct desk *d, struct stats *s, int64_t now_ns)
{
	int64_t took_ns = now_ns - d->looked_ns;

	for (unsigned i = 0; i < d->config->conf.server_n; i++) {
		struct stats_server *last = &d->last[i], *to = &s->server[i];
		if (took_ns >= SECOND_NS) {
			last->qps10 = rate10(last->counts.queries, to->counts.queries, took_ns);
			last->drops10 = rate10(last->counts.timeouts, to->counts.timeouts, took_ns);
			last->counts = to->counts;
		}
		to->qps10 = last->qps10;
		to->drops10 = last->drops10;
	}
	if (took_ns >= SECOND_NS)
		d->looked_ns = now_ns;
}

static void read_all(void *arg, struct stats *s)
{
	struct desk *d = arg;
	const struct config *config = s->config;
	struct stats_server *server = s->server;
	struct stats_pool *pool = s->pool;
	uint64_t *matches[BAL_CHAINS];

	memcpy(matches, s->matches, sizeof(matches));
	*s = (struct stats){ .config = config, .server = server, .pool = pool };
	memcpy(s->matches, matches, sizeof(matches));
	pthread_mutex_lock(&d->lock);
	int64_t now_ns = host_mono_ns();
	read_process(d, s);
	read_workers(d, s);
	read_shared(d, s, now_ns);
	read_rates(d, s, now_ns);
	pthread_mutex_unlock(&d->lock);
}

/* ---- commands ---- */

static void set_mode(void *arg, unsigned server, enum bal_check_mode mode)
{
	watch_set_mode(((struct desk *)arg)->watch, server, mode);
}

static void set_state(void *arg, unsigned server, bool up)
{
	watch_set_state(((struct desk *)arg)->watch, server, up);
}

static void set_qps(void *arg, unsigned server, uint32_t qps)
{
	struct desk *d = arg;

	atomic_store_explicit(&d->shared->server[server].qps, qps, memory_order_relaxed);
}

static void set_drain(void *arg, unsigned server, bool drained)
{
	watch_drain(((struct desk *)arg)->watch, server, drained);
}

/* ---- start ---- */

static int listen_at(const char *what, const struct ep *ep, int *out)
{
	char addr[EP_TEXT];

	*out = control_listen(ep);
	if (*out >= 0)
		return 0;
	ep_format(ep, addr);
	fprintf(stderr, "Fatal error: %s can't listen on %s: %s\n", what, addr, strerror(-*out));
	return 1;
}

int desk_listen(struct desk *d, const struct config *config)
{
	const struct config_admin *a = &config->admin;

	d->config = config;
	d->console = d->web = -1;
	if (a->console.on && listen_at("the console", &a->console.listen, &d->console) != 0)
		return 1;
	return a->web.on ? listen_at("the web server", &a->web.listen, &d->web) : 0;
}

static void print_console(const struct admin_console *c)
{
	char text[PREFIX_TEXT], addr[EP_TEXT];

	printf("Console ACL allowing connections from: ");
	for (unsigned i = 0; i < c->acl.n; i++) {
		prefix_format(&c->acl.prefix[i], text);
		printf("%s%s", i > 0 ? ", " : "", text);
	}
	if (!c->keyed)
		printf("\nWarning, the console has been enabled via 'controlSocket()' but no key "
		       "has been set with 'setKey()' so all connections will fail until a key has "
		       "been set");
	ep_format(&c->listen, addr);
	printf("\nAccepting control connections on %s\n", addr);
	fflush(stdout);
}

int desk_start(struct desk *d)
{
	char addr[EP_TEXT];

	d->admin = (struct admin){ .config = d->config, .arg = d, .read = read_all,
	                           .set_mode = set_mode, .set_state = set_state,
	                           .set_qps = set_qps, .set_drain = set_drain };
	d->start_ns = d->looked_ns = host_mono_ns();
	d->last = calloc(d->config->conf.server_n + 1u, sizeof(*d->last));
	MUST(d->last != NULL && pthread_mutex_init(&d->lock, NULL) == 0);
	if (d->console >= 0) {
		print_console(&d->config->admin.console);
		control_start(&d->admin, d->console);
	}
	if (d->web < 0)
		return 0;
	if (http_start(&d->admin, d->web) < 0) {
		fprintf(stderr, "Fatal error: the web server doesn't start\n");
		return 1;
	}
	ep_format(&d->config->admin.web.listen, addr);
	printf("Webserver launched on %s\n", addr);
	fflush(stdout);
	return 0;
}
