/* SPDX-License-Identifier: BSD-3-Clause */
/* The two passes over a capture; see foreign.h. */
#include "foreign.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inner.h"
#include "lib/host/host.h"
#include "sim/plan/plan_io.h"
#include "sim/report/progress.h"

enum { STEPS = 4096 };
/* A time further from the first than this is nobody's: sums with it must not overflow. */
static const int64_t SPAN_MAX_NS = INT64_C(1) << 61;

static void *room(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	MUST(p != NULL);
	return p;
}

/* ---- who is who, as it was named ---- */

static void add_port(struct foreign *f, uint16_t port)
{
	for (unsigned i = 0; i < f->port_n; i++)
		if (f->port[i] == port)
			return;
	f->port[f->port_n++] = port;
}

static int name_backends(struct foreign *f, char error[FOREIGN_ERROR_TEXT])
{
	const struct bal_conf *c = &f->o->conf;
	char text[EP_TEXT];

	if (c->server_n > WHO_BACKENDS) {
		snprintf(error, FOREIGN_ERROR_TEXT, "%u servers: at most %d can be judged",
		         c->server_n, WHO_BACKENDS);
		return -1;
	}
	add_port(f, BACKEND_PORT);
	for (unsigned i = 0; i < c->server_n; i++) {
		const struct bal_check *k = &c->server[i].check;
		struct check_question *q = &f->check[i];
		ep_format(&c->server[i].addr, text);
		if (!who_add_backend(&f->who, &c->server[i].addr)) {
			snprintf(error, FOREIGN_ERROR_TEXT, "server %s: %s is another one's "
			         "address, too", c->server[i].name, text);
			return -1;
		}
		add_port(f, c->server[i].addr.port);
		*q = (struct check_question){ .type = k->type, .class = k->class,
		                              .name_len = k->name_len };
		memcpy(q->name, k->name, k->name_len);
	}
	return 0;
}

/* The balancer of that name, or the next one. */
static unsigned balancer_named(const struct foreign *f, const char *name)
{
	unsigned b = 0;

	while (b < f->who.balancer_n && strcmp(f->balancer_name[b], name) != 0)
		b++;
	return b;
}

static int name_balancers(struct foreign *f, char error[FOREIGN_ERROR_TEXT])
{
	for (unsigned i = 0; i < f->o->balancer_n; i++) {
		const struct balancer_name *n = &f->o->balancer[i];
		unsigned b = balancer_named(f, n->name), of = 0;
		for (unsigned a = 0; a < f->who.address_n; a++)
			of += f->who.owner[a] == b;
		if (of == PLAN_ADDRS_MAX || !who_add_address(&f->who, &n->ip, b)) {
			snprintf(error, FOREIGN_ERROR_TEXT, "balancer %s: its address is another "
			         "one's, too, or there are too many: at most %d balancers with %d "
			         "addresses each", n->name, WHO_BALANCERS, PLAN_ADDRS_MAX);
			return -1;
		}
		memcpy(f->balancer_name[b], n->name, sizeof(n->name));
	}
	return 0;
}

/* ---- passes ---- */

static int open_capture(const struct foreign *f, struct capture **c, struct capture_options *o,
                        char error[FOREIGN_ERROR_TEXT])
{
	*o = (struct capture_options){
		.path = f->o->path, .path_n = f->o->path_n, .ahead_ns = f->ahead_ns,
		.dissect = { .port = f->port, .port_n = f->port_n },
	};
	return capture_open(c, o, error);
}

/* Reads it all, each message to take. what: for whoever watches. */
static void read_all(struct foreign *f, struct capture *c, const char *what,
                     void (*take)(struct foreign *, const struct capture_message *))
{
	struct capture_message m;
	struct progress p;
	enum capture_step step;

	if (f->o->progress)
		progress_start(&p, stderr, what, host_mono_ns());
	for (unsigned n = 0; (step = capture_step(c, &m)) != CAPTURE_OVER; n++) {
		uint64_t done, all;
		if (step == CAPTURE_MESSAGE)
			take(f, &m);
		if (!f->o->progress || (step == CAPTURE_MESSAGE && n % STEPS != 0))
			continue;
		capture_progress(c, &done, &all);
		progress_update(&p, host_mono_ns(), (int64_t)done, (int64_t)all, NULL);
	}
	if (f->o->progress)
		progress_end(&p);
}

/* The message as if the pieces of a capture were one file. */
static struct capture_message in_one(const struct foreign *f, const struct capture_message *m)
{
	struct capture_message one = *m;

	one.file = f->tap[m->file];
	return one;
}

static void look(struct foreign *f, const struct capture_message *m)
{
	const struct capture_message one = in_one(f, m);

	survey_add(f->survey, &one);
}

static int survey_pass(struct foreign *f, char error[FOREIGN_ERROR_TEXT])
{
	struct capture_options o;
	struct capture *c;

	if (open_capture(f, &c, &o, error) < 0)
		return -1;
	f->survey->named = f->o->balancer_n > 0;
	survey_init(f->survey, &f->arena, &f->who, f->check, f->o->path_n);
	read_all(f, c, "surveying", look);
	survey_end(f->survey);
	capture_close(c);
	return 0;
}

/* Anew, now that it is known which files are pieces of one. */
static int survey_chained(struct foreign *f, char error[FOREIGN_ERROR_TEXT])
{
	struct survey *first = f->survey;

	f->survey = room(1, sizeof(*f->survey));
	f->survey->file = first->file;
	free(first);
	return survey_pass(f, error);
}

static int survey(struct foreign *f, char error[FOREIGN_ERROR_TEXT])
{
	for (unsigned i = 0; i < f->o->path_n; i++)
		f->tap[i] = i;
	if (survey_pass(f, error) < 0)
		return -1;
	f->chained = chain_files(f->survey->file, f->o->path_n, f->tap);
	if (f->chained > 0 && survey_chained(f, error) < 0)
		return -1;
	if (f->survey->no_room == 0)
		return 0;
	snprintf(error, FOREIGN_ERROR_TEXT, "more than %d addresses ask the servers: name the "
	         "balancers with --balancer", WHO_BALANCERS);
	return -1;
}

/* When all files have begun, and none has ended, that tell of the balancer's queries. */
static struct survey_span window_of(const struct foreign *f, unsigned b)
{
	struct survey_span w = { INT64_MIN, INT64_MAX };

	for (unsigned s = 0; s < f->who.backend_n; s++) {
		int file = f->pair_file[b][s];
		if (file < 0)
			continue;
		int64_t first = f->survey->file[file].first_ns - f->clock[file].ahead_ns;
		int64_t last = f->survey->file[file].last_ns - f->clock[file].ahead_ns;
		w.first_ns = first > w.first_ns ? first : w.first_ns;
		w.last_ns = last < w.last_ns ? last : w.last_ns;
	}
	return w;
}

/* What the survey decides. */
static void settle_survey(struct foreign *f)
{
	for (unsigned b = 0; b < f->who.balancer_n; b++) {
		f->front_file[b] = survey_front(f->survey, b);
		f->back_only |= f->front_file[b] < 0;
		for (unsigned s = 0; s < f->who.backend_n; s++)
			f->pair_file[b][s] = survey_file(f->survey, b, s);
		if (f->balancer_name[b][0] != '\0')
			continue;
		for (unsigned a = 0; a < f->who.address_n; a++)
			if (f->who.owner[a] == b)
				ip_format(&f->who.address[a], f->balancer_name[b]);
	}
	clocks_solve(&f->survey->clocks, f->clock);
	for (unsigned i = 0; i < f->o->path_n; i++) {
		f->clock[i] = f->clock[f->tap[i]];
		f->ahead_ns[i] = f->clock[i].ahead_ns;
	}
	for (unsigned b = 0; b < f->who.balancer_n; b++)
		f->window[b] = window_of(f, b);
}

/* A message to the judge; one that its file has behind another one comes at that one's time. */
static void tap(struct foreign *f, const struct capture_message *m, const struct party *p)
{
	struct frame frame = { .kind = m->tcp ? FRAME_TCP : FRAME_UDP, .src = m->src,
	                       .dst = m->dst, .payload = m->m, .payload_len = m->len };
	struct judge_message message;
	int64_t t_ns = m->t_ns - f->survey->first_ns, *last = &f->last_ns[p->balancer];

	if (f->full || !judge_message_read(&message, m->m, m->len))
		return;
	f->backwards += t_ns < *last;
	t_ns = t_ns < *last && t_ns > *last - JUDGE_SKEW_NS ? *last : t_ns;
	*last = t_ns > *last ? t_ns : *last;
	judge_tap(f->judge, &(struct judge_tap){
		.t_ns = t_ns, .number = (uint64_t)m->file << JUDGE_FILE_SHIFT | m->packet,
		.node = (unsigned)p->balancer, .frame = &frame, .message = &message,
	});
}

/* The judge forgets as time goes on; a capture in which it doesn't would fill any memory. */
static void watch(struct foreign *f)
{
	size_t most = f->o->retained_max > 0 ? f->o->retained_max : (size_t)FOREIGN_RETAINED;

	if (f->full || judge_retained(f->judge) <= most)
		return;
	f->full = true;
	judge_invalid(f->judge, "more than %zu queries are in the balance at once: the rest of the "
	              "capture isn't judged", most);
}

static void take(struct foreign *f, const struct capture_message *m)
{
	struct party p = who_of(&f->who, m);

	if (p.side == SIDE_NONE || p.balancer == WHO_NOBODY || !m->asks)
		return;
	if (m->t_ns - f->survey->first_ns > SPAN_MAX_NS) {
		f->timeless++;
		return;
	}
	const struct survey_span *w = &f->window[p.balancer];
	const struct capture_message one = in_one(f, m);
	if (m->t_ns < w->first_ns || m->t_ns > w->last_ns)
		f->outside++;
	else if (ledger_add(f->ledger, &one, &p))
		tap(f, m, &p);
	if (f->taken++ % STEPS == 0)
		watch(f);
}

static void keep_counts(struct foreign *f, const struct capture *c)
{
	const uint64_t *n = capture_counts(c);

	f->packets = capture_packets(c);
	f->cut = n[CAPTURE_CUT];
	f->tcp_lost = n[CAPTURE_TCP_GAP] + n[CAPTURE_TCP_FULL] + n[CAPTURE_TCP_OPEN];
	for (unsigned i = 0; i < f->o->path_n; i++) {
		const char *s = capture_trouble(c, i);
		f->trouble[i] = s != NULL ? strdup(s) : NULL;
	}
}

static void set_up_judge(struct foreign *f)
{
	judge_foreign(f->judge, f->o->name);
	for (unsigned b = 0; b < f->who.balancer_n; b++) {
		if (f->front_file[b] < 0)
			judge_back_only(f->judge, b, f->o->lag_ns);
		if (f->o->epochs != EPOCHS_NONE && foreign_draws(f->o->conf.policy))
			judge_by_traffic(f->judge, b, f->o->flake);
	}
}

static json_t *judge(struct foreign *f, char error[FOREIGN_ERROR_TEXT])
{
	struct capture_options o;
	struct capture *c;

	f->plan = foreign_plan(f);
	f->judge = judge_new(f->plan, error);
	if (f->judge == NULL || open_capture(f, &c, &o, error) < 0)
		return NULL;
	set_up_judge(f);
	f->ledger->who = &f->who;
	f->ledger->check = f->check;
	f->ledger->pair_file = f->pair_file[0];
	f->ledger->front_file = f->front_file;
	f->ledger->timeout_ns = f->plan->conf_n > 0 ? f->plan->conf[0].udp_timeout_ns : 0;
	f->ledger->first_ns = f->survey->first_ns;
	ledger_init(f->ledger, &f->arena);
	read_all(f, c, "judging", take);
	ledger_end(f->ledger);
	keep_counts(f, c);
	capture_close(c);
	if (judge_disorder(f->judge) > 0)
		judge_invalid(f->judge, "%llu packets come more than a second behind the order of "
		              "time", (unsigned long long)judge_disorder(f->judge));
	if (f->who.balancer_n == 0 || f->survey->related == 0)
		judge_invalid(f->judge, "no query to any of the servers in %llu DNS messages: are "
		              "their addresses right?",
		              (unsigned long long)f->survey->messages);
	json_t *doc = judge_finish(f->judge);
	foreign_epochs_init(f);
	foreign_doc(f, doc);
	return doc;
}

/* ---- life ---- */

static void foreign_free(struct foreign *f)
{
	judge_free(f->judge);
	plan_free(f->plan);
	for (unsigned i = 0; i < f->o->path_n; i++)
		free(f->trouble[i]);
	free(f->trouble);
	free(f->epoch);
	free(f->clock);
	free(f->ahead_ns);
	free(f->tap);
	free(f->survey->file);
	free(f->survey);
	free(f->ledger);
	if (f->arena.base != NULL)
		host_arena_free(&f->arena);
	free(f);
}

json_t *foreign_judge(const struct foreign_options *o, char error[FOREIGN_ERROR_TEXT])
{
	struct foreign *f = room(1, sizeof(*f));
	json_t *doc = NULL;

	f->o = o;
	f->trouble = room(o->path_n, sizeof(*f->trouble));
	f->clock = room(o->path_n, sizeof(*f->clock));
	f->ahead_ns = room(o->path_n, sizeof(*f->ahead_ns));
	f->tap = room(o->path_n, sizeof(*f->tap));
	f->survey = room(1, sizeof(*f->survey));
	f->survey->file = room(o->path_n, sizeof(*f->survey->file));
	f->ledger = room(1, sizeof(*f->ledger));
	int err = host_arena(&f->arena, 2 * clocks_arena_size() + ledger_arena_size());
	if (err < 0)
		snprintf(error, FOREIGN_ERROR_TEXT, "no memory: %s", strerror(-err));
	else if (name_backends(f, error) == 0 && name_balancers(f, error) == 0 &&
	         survey(f, error) == 0) {
		settle_survey(f);
		doc = judge(f, error);
	}
	foreign_free(f);
	return doc;
}
