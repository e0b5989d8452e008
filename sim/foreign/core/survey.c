/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts by balancer, backend and file; see survey.h. */
#include "survey.h"

void survey_init(struct survey *s, struct arena *a, struct who *who,
                 const struct check_question *check, uint32_t file_n)
{
	s->who = who;
	s->check = check;
	s->named = who->balancer_n > 0;
	for (uint32_t i = 0; i < file_n; i++)
		s->file[i] = (struct survey_span){ INT64_MAX, INT64_MIN };
	clocks_init(&s->clocks, a, file_n, 1);
}

static void count(struct survey_files *f, uint32_t file)
{
	unsigned i = 0;

	while (i < f->n && f->by[i].file != file)
		i++;
	if (i == SURVEY_FILES)
		return;
	if (i == f->n) {
		f->by[i].file = file;
		f->n++;
	}
	f->by[i].queries++;
}

/* Whoever asks a backend is a balancer, unless they were named. */
static int newcomer(struct survey *s, const struct ip *ip)
{
	if (!s->named && who_add_address(s->who, ip, s->who->balancer_n))
		return who_balancer(s->who, ip);
	s->strangers++;
	s->no_room += !s->named;
	return WHO_NOBODY;
}

static void widen(struct survey_span *f, int64_t t_ns)
{
	f->first_ns = t_ns < f->first_ns ? t_ns : f->first_ns;
	f->last_ns = t_ns > f->last_ns ? t_ns : f->last_ns;
}

static void span(struct survey *s, int64_t t_ns)
{
	s->first_ns = s->related == 0 || t_ns < s->first_ns ? t_ns : s->first_ns;
	s->last_ns = s->related == 0 || t_ns > s->last_ns ? t_ns : s->last_ns;
	s->related++;
}

void survey_add(struct survey *s, const struct capture_message *m)
{
	struct party p = who_of(s->who, m);

	s->messages++;
	widen(&s->file[m->file], m->t_ns);
	if (p.side == SIDE_BACK && p.balancer == WHO_NOBODY && !m->answer)
		p.balancer = newcomer(s, &m->src.ip);
	if (p.balancer == WHO_NOBODY || !m->asks)
		return;
	span(s, m->t_ns);
	if (p.side == SIDE_BACK)
		clocks_see(&s->clocks, m);
	if (m->answer)
		return;
	if (p.side == SIDE_FRONT) {
		count(&s->front[p.balancer], m->file);
		return;
	}
	struct survey_pair *pair = &s->pair[p.balancer][p.backend];
	count(&pair->files, m->file);
	pair->checks += check_asked(&s->check[p.backend], m);
}

int survey_best(const struct survey_files *f)
{
	int best = -1;
	uint64_t most = 0;

	for (unsigned i = 0; i < f->n; i++)
		if (f->by[i].queries > most ||
		    (f->by[i].queries == most && (int)f->by[i].file < best)) {
			most = f->by[i].queries;
			best = (int)f->by[i].file;
		}
	return best;
}

uint64_t survey_most(const struct survey_files *f)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < f->n; i++)
		most = f->by[i].queries > most ? f->by[i].queries : most;
	return most;
}

bool survey_checked(const struct survey *s, unsigned balancer, unsigned backend)
{
	return s->pair[balancer][backend].checks >= SURVEY_CHECKS_LEAST;
}

int survey_front(const struct survey *s, unsigned balancer)
{
	int file = survey_best(&s->front[balancer]);
	uint64_t sent_on = 0;

	for (unsigned i = 0; i < s->who->backend_n; i++) {
		const struct survey_pair *p = &s->pair[balancer][i];
		if (p->files.n > 0 && survey_best(&p->files) != file)
			return -1;
		uint64_t all = survey_most(&p->files);
		sent_on += all > p->checks ? all - p->checks : 0;
	}
	return survey_most(&s->front[balancer]) >= sent_on / 2 ? file : -1;
}
