/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * even: is the load spread as the policy says? The draws of each balancer are laid against the
 * epochs that its probes tell; draws within a transition are left out whatever they chose. Under
 * wrandom stretches with equal probabilities are pooled. Here draws are counted; share.c decides.
 */
#include "even.h"

#include <stdlib.h>
#include <string.h>

/* ---- pools ---- */

static struct set set_new(unsigned kind_n)
{
	return (struct set){ 0, zeroed(kind_n, sizeof(uint64_t)) };
}

static struct pool *pool_new(struct even *v, const double *p)
{
	struct pool *o = zeroed(1, sizeof(*o));

	o->p = zeroed(v->kind_n, sizeof(*o->p));
	memcpy(o->p, p, v->kind_n * sizeof(*p));
	for (unsigned k = 0; k < v->kind_n; k++)
		o->n += p[k] > 0;
	o->full = o->n == v->kind_n;
	stat_e_init(&o->e);
	o->all = set_new(v->kind_n);
	o->by_balancer = zeroed(v->j->balancer_n, sizeof(*o->by_balancer));
	for (unsigned b = 0; b < v->j->balancer_n; b++)
		o->by_balancer[b] = set_new(v->kind_n);
	v->pool = grow(v->pool, v->pool_n, &v->pool_cap, sizeof(struct pool *));
	v->pool[v->pool_n++] = o;
	return o;
}

static void pool_free(struct pool *o, unsigned balancer_n)
{
	for (unsigned b = 0; b < balancer_n; b++)
		free(o->by_balancer[b].count);
	free(o->by_balancer);
	free(o->all.count);
	free(o->p);
	free(o);
}

/* The pool of these probabilities, which may be a new one. */
static struct pool *pool_find(struct even *v, const double *p)
{
	size_t bytes = v->kind_n * sizeof(*p);
	uint64_t key = dns_hash((const uint8_t *)p, bytes, 0) | 1;
	const uint64_t *first = table_find(&v->by_p, key);
	struct pool *o = first != NULL ? v->pool[*first] : NULL;

	for (; o != NULL; o = o->next)
		if (memcmp(o->p, p, bytes) == 0)
			return o;
	o = pool_new(v, p);
	o->next = first != NULL ? v->pool[*first] : NULL;
	table_put(&v->by_p, key, v->pool_n - 1);
	return o;
}

/* The pool of the servers that are up; NULL when none of the named ones is. */
static struct pool *pool_of(struct even *v, const struct balancer *b)
{
	const uint8_t *kind = v->kind[v->j->plan->node[b->node].conf];
	int32_t order = v->stretch[b->index].order;
	int64_t weight[PLAN_EXPECT_NODES_MAX] = { 0 }, all = 0;
	double p[PLAN_EXPECT_NODES_MAX];

	for (unsigned i = 0; i < b->conf->server_n; i++)
		if (b->server[i].state == SERVER_UP && kind[i] < v->kind_n &&
		    b->conf->server[i].order <= order) {
			weight[kind[i]] += b->conf->server[i].weight;
			all += b->conf->server[i].weight;
		}
	if (all == 0)
		return NULL;
	for (unsigned k = 0; k < v->kind_n; k++)
		p[k] = (double)weight[k] / (double)all;
	return pool_find(v, p);
}

/* ---- stretches ---- */

static bool in_window(const struct even *v, int64_t t_ns)
{
	return t_ns >= v->e->during_from_ns && t_ns < v->e->during_to_ns;
}

/* The highest order that a server may have to be chosen: they stand in the order of theirs. */
static int32_t order_of(const struct balancer *b)
{
	for (unsigned i = 0; i < b->conf->server_n && b->conf->policy == BAL_ORDERED_WRANDOM; i++)
		if (b->server[i].state == SERVER_UP)
			return b->conf->server[i].order;
	return INT32_MAX;
}

static void stretch_open(struct even *v, const struct balancer *b, struct stretch *s)
{
	s->open = true;
	s->epoch = b->health.epoch;
	s->certain = b->health.unknown_n == 0;
	s->from_ns = b->health.epoch_ns > v->e->during_from_ns ? b->health.epoch_ns :
	             v->e->during_from_ns;
	s->order = order_of(b);
	s->pool = s->certain ? pool_of(v, b) : NULL;
	if (v->j->turns && s->certain)
		turns_open(v, b, s);
}

static void stretch_close(struct even *v, const struct balancer *b, int64_t t_ns)
{
	struct stretch *s = &v->stretch[b->index];
	int64_t until = t_ns < v->e->during_to_ns ? t_ns : v->e->during_to_ns;
	bool anew = balancer_anew(v->j, b, s->from_ns) ||
	            balancer_starts(v->j, b, s->from_ns, until) > 0; /* turns begin anew, too */

	if (s->open && s->certain && v->j->turns && !anew)
		turns_close(v, b, s, until);
	s->open = false;
}

void even_epoch_ends(struct even *v, const struct balancer *b, int64_t t_ns)
{
	stretch_close(v, b, t_ns);
}

void even_look(struct even *v, const struct balancer *b, int64_t t_ns)
{
	if (!in_window(v, t_ns))
		return;
	if (!v->stretch[b->index].open)
		stretch_open(v, b, &v->stretch[b->index]);
}

/* ---- draws ---- */

static bool none_up(const struct balancer *b)
{
	for (unsigned i = 0; i < b->conf->server_n; i++)
		if (b->server[i].state == SERVER_UP)
			return false;
	return true;
}

/* A server that must not be chosen was. It may have been drawn after the stretch. */
static void draw_ineligible(struct even *v, const struct balancer *b, const struct draw *d)
{
	struct ineligible *i = &v->ineligible[b->index];

	bool all = v->j->turns && none_up(b); /* then all take turns */
	if (all || d->t_ns >= health_next(b) || d->t_ns >= v->e->during_to_ns ||
	    balancer_anew(v->j, b, d->t_ns)) {
		v->left_out++;
		return;
	}
	if (i->n++ > 0)
		return;
	i->order = b->server[d->server].state == SERVER_UP;
	i->frame = d->frame;
	i->server_node = (unsigned)b->conf->server_node[d->server];
	i->t_ns = d->t_ns;
}

static void set_draw(struct set *s, unsigned kind)
{
	s->count[kind]++;
	s->total++;
}

static double set_ratio(const struct set *s, double p, unsigned kind)
{
	return stat_e_ratio(p, s->count[kind], s->total);
}

/* Under whashed a name is drawn once, for each set of servers. */
static bool new_name(struct even *v, const struct balancer *b, const struct draw *d)
{
	bool straddles = d->t_ns >= health_next(b) || d->since_ns < b->health.epoch_ns;
	struct sight before;

	if (d->name == NULL || straddles || balancer_anew(v->j, b, d->t_ns)) {
		v->left_out++;
		return false;
	}
	return names_see(v->names, b, d, false, &before) == NAME_NEW;
}

/* Counts a draw within a stretch. Its kind in the full pool, or LEFT_OUT. */
static uint8_t take_draw(struct even *v, const struct balancer *b, const struct stretch *s,
                         const struct draw *d)
{
	uint8_t kind = v->kind[v->j->plan->node[b->node].conf][d->server];
	struct pool *o = s->pool;

	if (b->server[d->server].state != SERVER_UP ||
	    b->conf->server[d->server].order > s->order) {
		draw_ineligible(v, b, d);
		return LEFT_OUT;
	}
	v->left_out += o == NULL || d->unsure;
	v->unsure += d->unsure;
	if (o == NULL || d->unsure || kind == v->kind_n || (v->names != NULL && !new_name(v, b, d)))
		return LEFT_OUT;
	double ratio = set_ratio(&o->all, o->p[kind], kind);
	stat_e_take(&o->e, ratio);
	stat_e_take(&v->e_all, ratio);
	set_draw(&o->all, kind);
	if (v->j->balancer_n > 1) {
		struct set *own = &o->by_balancer[b->index];
		stat_e_take(&v->e_by_balancer[b->index], set_ratio(own, o->p[kind], kind));
		set_draw(own, kind);
	}
	return o->full && !d->lone && !d->shared ? kind : LEFT_OUT;
}

void even_draw(struct even *v, const struct balancer *b, const struct draw *d)
{
	struct stretch *s = &v->stretch[b->index];
	uint8_t kind = LEFT_OUT;

	if (in_window(v, d->in_ns)) {
		if (!s->open)
			stretch_open(v, b, s);
		if (!s->certain)
			v->left_out++;
		else
			kind = take_draw(v, b, s, d);
		if (v->j->turns && s->certain)
			turns_draw(v, b, s, d);
	} else if (s->open) {
		stretch_close(v, b, d->in_ns);
	}
	if (d->lone || v->j->turns || v->names != NULL || b->back_only)
		return; /* the order of leaving isn't that of drawing */
	row_add(&v->row[b->index], kind);
	agree_add(&v->agree, b->index, kind);
}

size_t even_retained(const struct even *v)
{
	/* a pool of many kinds and balancers is as large as some draws */
	size_t n = v->pool_n * (1 + v->kind_n * (v->j->balancer_n + 1) / 8);

	for (unsigned b = 0; b < v->agree.n; b++)
		n += v->agree.next[b] > v->agree.base ? v->agree.next[b] - v->agree.base : 0;
	return n + (v->names != NULL ? v->names->n : 0);
}

/* ---- life ---- */

static uint8_t *kinds_of(const struct even *v, const struct plan_conf *c)
{
	uint8_t *kind = zeroed(c->server_n, 1);

	for (unsigned i = 0; i < c->server_n; i++) {
		unsigned k = 0;
		while (k < v->kind_n && v->e->node[k] != c->server_node[i])
			k++;
		kind[i] = (uint8_t)k;
	}
	return kind;
}

struct even *even_new(struct judge *j, const struct plan_expect *e)
{
	struct even *v = zeroed(1, sizeof(*v));

	v->j = j;
	v->e = e;
	v->kind_n = e->node_n;
	v->kind = zeroed(j->plan->conf_n, sizeof(*v->kind));
	for (unsigned i = 0; i < j->plan->conf_n; i++)
		v->kind[i] = kinds_of(v, &j->plan->conf[i]);
	table_init(&v->by_p, 0);
	if (j->balancer_n > 0 && j->balancer[0].conf->policy == BAL_WHASHED)
		v->names = names_new(j);
	stat_e_init(&v->e_all);
	v->e_by_balancer = zeroed(j->balancer_n, sizeof(*v->e_by_balancer));
	v->stretch = zeroed(j->balancer_n, sizeof(*v->stretch));
	v->row = zeroed(j->balancer_n, sizeof(*v->row));
	v->ineligible = zeroed(j->balancer_n, sizeof(*v->ineligible));
	agree_init(&v->agree, j->balancer_n);
	for (unsigned b = 0; b < j->balancer_n; b++) {
		unsigned server_n = j->balancer[b].conf->server_n;
		stat_e_init(&v->e_by_balancer[b]);
		v->stretch[b].surely = zeroed(2 * server_n, sizeof(uint64_t));
		v->stretch[b].maybe = v->stretch[b].surely + server_n;
	}
	return v;
}

void even_free(struct even *take_v)
{
	for (unsigned i = 0; i < take_v->j->plan->conf_n; i++)
		free(take_v->kind[i]);
	for (size_t i = 0; i < take_v->pool_n; i++)
		pool_free(take_v->pool[i], take_v->j->balancer_n);
	for (unsigned b = 0; b < take_v->j->balancer_n; b++)
		free(take_v->stretch[b].surely);
	names_free(take_v->names);
	agree_free(&take_v->agree);
	table_free(&take_v->by_p);
	free(take_v->kind);
	free(take_v->pool);
	free(take_v->e_by_balancer);
	free(take_v->stretch);
	free(take_v->row);
	free(take_v->ineligible);
	free(take_v->share);
	free(take_v);
}
