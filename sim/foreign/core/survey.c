/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts by balancer, backend and file; see survey.h. */
#include "survey.h"

void survey_init(struct survey *s, struct arena *a, struct who *who,
                 const struct check_question *check, uint32_t file_n)
{
	s->who = who;
	s->check = check;
	for (uint32_t i = 0; i < file_n; i++)
		s->file[i] = (struct chain_file){ .first_ns = INT64_MAX, .last_ns = INT64_MIN };
	clocks_init(&s->clocks, a, file_n, 1);
}

/* The file's place; SURVEY_FILES: there is none. */
static unsigned count(struct survey_files *f, uint32_t file)
{
	unsigned i = 0;

	while (i < f->n && f->by[i].file != file)
		i++;
	if (i == SURVEY_FILES)
		return i;
	if (i == f->n) {
		f->by[i].file = file;
		f->by[i].check_ns = INT64_MIN;
		f->n++;
	}
	f->by[i].queries++;
	return i;
}

/* A health check, in the file at place. Copies of one come closer than any interval. */
static void check_seen(struct survey_pair *p, unsigned place, int64_t t_ns)
{
	p->checks++;
	if (place == SURVEY_FILES)
		return;
	int64_t last = p->files.by[place].check_ns;
	uint64_t ms = last != INT64_MIN && t_ns > last ? (uint64_t)(t_ns - last) / 1000000 : 0;
	unsigned bits = 0;
	p->files.by[place].check_ns = t_ns;
	for (; bits + 1 < SURVEY_GAPS && ms >> bits > 1; bits++)
		;
	p->gap_n[bits] += ms >= 10;
	p->gap_ms[bits] += ms >= 10 ? ms : 0;
}

int64_t survey_interval_ns(const struct survey_pair *p)
{
	unsigned most = 0;

	for (unsigned i = 1; i < SURVEY_GAPS; i++)
		most = p->gap_n[i] > p->gap_n[most] ? i : most;
	return p->gap_n[most] < 2 ? 0 : (int64_t)(p->gap_ms[most] / p->gap_n[most] + 1) * 1000000;
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

static void widen(struct chain_file *f, int64_t t_ns)
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
	struct chain_file *file = &s->file[m->file];
	file->balancers |= UINT64_C(1) << p.balancer;
	if (p.side == SIDE_FRONT) {
		file->fronts |= UINT64_C(1) << p.balancer;
		count(&s->front[p.balancer], m->file);
		return;
	}
	file->backends[p.backend / 64] |= UINT64_C(1) << p.backend % 64;
	struct survey_pair *pair = &s->pair[p.balancer][p.backend];
	unsigned place = count(&pair->files, m->file);
	if (check_asked(&s->check[p.backend], m))
		check_seen(pair, place, m->t_ns);
}

static uint64_t queries_in(const struct survey_files *f, uint32_t file)
{
	for (unsigned i = 0; i < f->n; i++)
		if (f->by[i].file == file)
			return f->by[i].queries;
	return 0;
}

/* The file with the most of these queries, the first of those; -1: none has any. */
static int best_of(const struct survey_files *f)
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

/* Of all that the balancer sends, and is asked. */
static uint64_t all_in(const struct survey *s, unsigned balancer, uint32_t file)
{
	uint64_t n = queries_in(&s->front[balancer], file);

	for (unsigned i = 0; i < s->who->backend_n; i++)
		n += queries_in(&s->pair[balancer][i].files, file);
	return n;
}

/* The file that tells most of the balancer, the first of those; -1: there is none. */
static int home_of(const struct survey *s, unsigned balancer)
{
	int home = -1;
	uint64_t most = 0;

	for (unsigned i = 0; i < s->who->backend_n; i++) {
		const struct survey_files *f = &s->pair[balancer][i].files;
		for (unsigned k = 0; k < f->n; k++) {
			uint64_t n = all_in(s, balancer, f->by[k].file);
			if (n > most || (n == most && (int)f->by[k].file < home)) {
				most = n;
				home = (int)f->by[k].file;
			}
		}
	}
	return home;
}

void survey_end(struct survey *s)
{
	for (unsigned b = 0; b < s->who->balancer_n; b++)
		s->home[b] = home_of(s, b);
}

int survey_file(const struct survey *s, unsigned balancer, unsigned backend)
{
	const struct survey_files *f = &s->pair[balancer][backend].files;
	int home = s->home[balancer], best = best_of(f);

	if (best < 0)
		return -1;
	uint64_t most = queries_in(f, (uint32_t)best), own = queries_in(f, (uint32_t)home);
	return own >= most - most / 100 ? home : best;
}

/*
 * Timers make gaps of nearly one length, in one bucket or two beside each other, but for a few when
 * checks were lost or a round was slow; when somebody asks the same question by chance about half
 * of them are.
 */
static bool regular(const struct survey_pair *p)
{
	uint64_t all = 0, most = 0;

	for (unsigned i = 0; i < SURVEY_GAPS; i++) {
		uint64_t both = p->gap_n[i] + (i + 1 < SURVEY_GAPS ? p->gap_n[i + 1] : 0);
		all += p->gap_n[i];
		most = both > most ? both : most;
	}
	return all - most <= all / 10 + 2;
}

bool survey_checked(const struct survey *s, unsigned balancer, unsigned backend, bool lazy)
{
	const struct survey_pair *p = &s->pair[balancer][backend];

	return p->checks >= SURVEY_CHECKS_LEAST && (lazy || regular(p));
}

int survey_front(const struct survey *s, unsigned balancer)
{
	int file = best_of(&s->front[balancer]);
	uint64_t sent_on = 0;

	if (file < 0)
		return -1;
	for (unsigned i = 0; i < s->who->backend_n; i++) {
		const struct survey_pair *p = &s->pair[balancer][i];
		if (p->files.n > 0 && survey_file(s, balancer, i) != file)
			return -1;
		uint64_t all = queries_in(&p->files, (uint32_t)file);
		sent_on += all > p->checks ? all - p->checks : 0;
	}
	return queries_in(&s->front[balancer], (uint32_t)file) >= sent_on / 2 ? file : -1;
}
