/* SPDX-License-Identifier: BSD-3-Clause */
/* Reloads, step by step; see reload.h. */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"

#define WAIT_NS INT64_C(1000000000) /* for new servers' first results */
#define BUSY_NS INT64_C(5000000)    /* until a command that is at work is asked for again */

struct reload {
	bool wanted;
	bool running;               /* health checks are the new ones, workers not yet */
	int64_t due_ns;
	struct config *config;
	struct bal_shared *shared;
	struct arena arena, packets;
	bool keeps_packets;
	struct bal_succession s;
	struct worker_next *next[OPTIONS_WORKERS_MAX];
	struct script *checks;      /* for the functions of health checks; NULL: none */
};

struct reload *reload_new(void)
{
	struct reload *r = calloc(1, sizeof(*r));

	MUST(r != NULL);
	r->due_ns = INT64_MAX;
	return r;
}

void reload_want(struct balancer *b)
{
	b->reload->wanted = true;
	if (!b->reload->running)
		b->reload->due_ns = 0;
}

static void notify(const char *state)
{
	int err = host_notify(state);

	if (err < 0)
		fprintf(stderr, "can't notify the supervisor: %s\n", strerror(-err));
}

static void notify_begin(void)
{
	char text[80];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
	         (long long)(host_mono_ns() / 1000));
	notify(text);
}

/* ---- what needs a new start ---- */

static void say_stays(const char *what, bool was, bool is)
{
	fprintf(stderr, "reload: %s: %s until a new start\n", what,
	        !was ? "there is none"
	        : !is ? "it stays" : "address and number of connections stay");
}

/* One place: whether it is there, where, and for how many. */
static void keep_place(const char *what, bool *on, struct ep *listen, unsigned *connections,
                       bool was_on, const struct ep *was, unsigned had)
{
	if (*on != was_on || (was_on && (!ep_eq(listen, was) || *connections != had)))
		say_stays(what, was_on, *on);
	*on = was_on;
	*listen = *was;
	*connections = had;
}

static void keep_places(struct config_admin *to, const struct config_admin *from)
{
	keep_place("controlSocket", &to->console.on, &to->console.listen, &to->console.connections,
	           from->console.on, &from->console.listen, from->console.connections);
	keep_place("webserver", &to->web.on, &to->web.listen, &to->web.connections, from->web.on,
	           &from->web.listen, from->web.connections);
}

/* ---- made ready ---- */

static void free_succession(struct bal_succession *s)
{
	free(s->server);
	free(s->heir);
	free(s->front);
	*s = (struct bal_succession){ 0 };
}

/* The new servers, with room for those that leave. */
static struct bal_server *make_room(const struct bal_conf *from, const struct bal_conf *to)
{
	struct bal_server *server =
		calloc(to->server_n + bal_conf_servers(from) + 1u, sizeof(*server));

	MUST(server != NULL);
	if (to->server_n > 0)
		memcpy(server, to->server, to->server_n * sizeof(*server));
	free((void *)(uintptr_t)to->server);
	return server;
}

static int plan(struct balancer *b, struct reload *r)
{
	struct bal_conf *to = &r->config->conf;
	unsigned wanted = to->max_outstanding;

	r->s.server = calloc(bal_conf_servers(b->conf) + 1u, sizeof(*r->s.server));
	r->s.heir = calloc(to->server_n + 1u, sizeof(*r->s.heir));
	r->s.front = calloc(b->conf->front_n + 1u, sizeof(*r->s.front));
	MUST(r->s.server != NULL && r->s.heir != NULL && r->s.front != NULL);
	int err = bal_succession_plan(&r->s, b->conf, b->shared, to, make_room(b->conf, to));
	if (err == 0 && to->max_outstanding != wanted)
		fprintf(stderr, "reload: setMaxUDPOutstanding: it stays %u until a new start\n",
		        to->max_outstanding);
	return err;
}

/* A state for the functions, where there are any. False: it can't be made, and error says why. */
static bool make_script(const struct balancer *b, const struct reload *r, uint32_t index,
                        struct script **out, char error[CONFIG_ERROR_TEXT])
{
	*out = NULL;
	if (r->config->function_n == 0)
		return true;
	*out = script_new(r->config, r->shared, b->seed, index, error);
	return *out != NULL;
}

static int prepare_worker(struct balancer *b, struct reload *r, unsigned i,
                          char error[CONFIG_ERROR_TEXT])
{
	struct script *s;
	unsigned bad;
	int err = 0;

	r->next[i] = worker_prepare(&r->s, r->shared, b->seed, i, &bad, &err);
	if (r->next[i] == NULL) {
		balancer_say_refused(&r->config->conf, bad, err, error);
		return err;
	}
	if (!make_script(b, r, i, &s, error)) {
		worker_abandon(r->next[i]);
		return -EINVAL;
	}
	worker_next_set_script(r->next[i], s);
	return 0;
}

/* The workers, and the functions of health checks. */
static int prepare_threads(struct balancer *b, struct reload *r, char error[CONFIG_ERROR_TEXT])
{
	unsigned n = 0;
	int err = 0;

	while (n < b->o.workers && (err = prepare_worker(b, r, n, error)) == 0)
		n++;
	if (err == 0 && !make_script(b, r, SCRIPT_CHECKS, &r->checks, error))
		err = -EINVAL;
	while (err < 0 && n-- > 0)
		worker_abandon(r->next[n]);
	return err;
}

/* Everything that may fail. Returns 0, or -errno and why in error; then nothing is left. */
static int prepare(struct balancer *b, struct reload *r, char error[CONFIG_ERROR_TEXT])
{
	int err = plan(b, r);

	if (err < 0) {
		snprintf(error, CONFIG_ERROR_TEXT, "%s: too many servers with those that are "
		         "leaving: expected at most %d", b->o.config, BAL_SERVERS_ALL);
		return err;
	}
	r->keeps_packets = bal_shared_same_cache(b->conf, &r->config->conf);
	err = balancer_make_shared(&r->config->conf, b->seed, &r->arena,
	                           r->keeps_packets ? NULL : &r->packets, &r->shared);
	if (err < 0) {
		snprintf(error, CONFIG_ERROR_TEXT, "no memory: %s", strerror(-err));
		return err;
	}
	for (unsigned i = 0; r->keeps_packets && i < bal_pools(b->conf); i++)
		r->shared->pool[i].packets = b->shared->pool[i].packets;
	err = prepare_threads(b, r, error);
	if (err < 0) {
		host_arena_free(&r->arena);
		if (!r->keeps_packets)
			host_arena_free(&r->packets);
	}
	return err;
}

static void end(struct balancer *b, struct reload *r)
{
	r->running = false;
	r->due_ns = r->wanted ? 0 : INT64_MAX;
	desk_resume(&b->desk);
	notify("READY=1");
}

static void begin(struct balancer *b, struct reload *r)
{
	char error[CONFIG_ERROR_TEXT];

	r->wanted = false;
	notify_begin();
	r->config = balancer_load(&b->o, error);
	if (r->config == NULL || prepare(b, r, error) < 0) {
		fprintf(stderr, "Reload refused, all goes on as before: %s\n", error);
		atomic_fetch_add(&b->reloads.refused, 1);
		config_free(r->config);
		free_succession(&r->s);
		end(b, r);
		return;
	}
	balancer_print_notes(r->config, &b->o);
	keep_places(&r->config->admin, &b->config->admin);
	watch_succeed(b->watch, r->shared, b->seed, &r->s, r->checks);
	r->running = true;
	r->due_ns = host_mono_ns() + WAIT_NS;
}

/* ---- taken over ---- */

static void say_done(const struct balancer *b, const struct bal_succession *s)
{
	unsigned new = 0;

	for (unsigned i = 0; i < s->to->server_n; i++)
		new += s->heir[i] == BAL_GONE;
	printf("Configuration '%s' reloaded: %u servers, %u of them new, %u leaving\n", b->o.config,
	       s->to->server_n, new, s->to->leaving_n);
	fflush(stdout);
}

static void take_over(struct balancer *b, struct reload *r)
{
	for (unsigned i = 0; i < b->o.workers; i++)
		worker_switch(b->worker[i], r->next[i]);
	desk_succeed(&b->desk, r->config, r->shared, &r->s);
	host_arena_free(&b->arena);
	b->arena = r->arena;
	if (!r->keeps_packets) {
		host_arena_free(&b->packets);
		b->packets = r->packets;
	}
	config_free(b->config);
	b->config = r->config;
	b->conf = &r->config->conf;
	b->shared = r->shared;
	atomic_fetch_add(&b->reloads.good, 1);
	say_done(b, &r->s);
	free_succession(&r->s);
	end(b, r);
}

void reload_pass(struct balancer *b)
{
	struct reload *r = b->reload;

	if (r->running) {
		bal_shared_follow(b->shared, r->shared, &r->s);
		if (watch_ready(b->watch) || host_mono_ns() >= r->due_ns)
			take_over(b, r);
		return;
	}
	if (!r->wanted || !b->ready)
		return;
	if (desk_pause(&b->desk))
		begin(b, r);
	else
		r->due_ns = host_mono_ns() + BUSY_NS;
}

int64_t reload_deadline(const struct balancer *b)
{
	return b->reload->running || b->ready ? b->reload->due_ns : INT64_MAX;
}
