/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy: each draw in the window against the configured rule. Draws that nobody can decide are
 * counted as open, those within a change of health are left out; the first few that are wrong are
 * kept with the reason. Where the policy is chance or turns an even of its own does the counting.
 */
#include "rule.h"

#include <stdlib.h>
#include <string.h>

static bool by_names(enum bal_policy p)
{
	return p == BAL_WHASHED || p == BAL_CHASHED;
}

static bool by_load(enum bal_policy p)
{
	return p == BAL_LEAST_OUTSTANDING || p == BAL_FIRST_AVAILABLE;
}

/* Adds a server's node to those that even knows, once each. */
static void name_node(struct plan_expect *e, int node)
{
	for (unsigned i = 0; i < e->node_n; i++)
		if (e->node[i] == node)
			return;
	if (e->node_n < PLAN_EXPECT_NODES_MAX)
		e->node[e->node_n++] = node;
}

/* What even counts for the policy: all servers, or those of the lowest order. */
static void add_even(struct judge *j, struct rule *r)
{
	r->all = *r->e;
	for (unsigned b = 0; b < j->balancer_n; b++) {
		const struct plan_conf *c = j->balancer[b].conf;
		for (unsigned i = 0; i < c->server_n; i++)
			if (c->policy != BAL_ORDERED_WRANDOM ||
			    c->server[i].order == c->server[0].order)
				name_node(&r->all, c->server_node[i]);
	}
	r->even = even_new(j, &r->all);
	j->even[j->even_n++] = r->even;
}

static struct rule *rule_new(struct judge *j, const struct plan_expect *e, enum bal_policy policy)
{
	struct rule *r = zeroed(1, sizeof(*r));

	r->j = j;
	r->e = e;
	r->policy = policy;
	r->count = zeroed(j->balancer_n, sizeof(*r->count));
	if (by_names(policy))
		r->names = names_new(j);
	else if (!by_load(policy))
		add_even(j, r);
	return r;
}

void rules_init(struct judge *j)
{
	const struct plan *p = j->plan;
	enum bal_policy policy = j->balancer_n > 0 ? j->balancer[0].conf->policy : BAL_WRANDOM;

	j->rule = zeroed(p->expect_n, sizeof(*j->rule));
	for (unsigned i = 0; i < p->expect_n; i++) {
		const struct plan_expect *e = &p->expect[i];
		j->names_wanted |= e->kind == PLAN_EVEN && policy == BAL_WHASHED;
		if (e->kind == PLAN_POLICY)
			j->rule[j->rule_n++] = rule_new(j, e, policy);
	}
	if (j->rule_n == 0)
		return;
	j->names_wanted |= by_names(policy);
	j->ahead |= by_load(policy);
	for (unsigned b = 0; b < j->balancer_n && by_load(policy); b++)
		j->balancer[b].track = track_new(j, &j->balancer[b]);
}

void rules_free(struct judge *j)
{
	for (unsigned i = 0; i < j->rule_n; i++) {
		names_free(j->rule[i]->names);
		free(j->rule[i]->count);
		free(j->rule[i]);
	}
	free(j->rule);
}

size_t rules_retained(const struct judge *j)
{
	size_t n = 0;

	for (unsigned i = 0; i < j->rule_n; i++)
		n += j->rule[i]->names != NULL ? j->rule[i]->names->n : 0;
	for (unsigned b = 0; b < j->balancer_n; b++)
		n += j->balancer[b].track != NULL ? track_retained(j->balancer[b].track) : 0;
	return n;
}

/* ---- draws ---- */

static const char *server_name(const struct balancer *b, unsigned server)
{
	return b->conf->server[server].name;
}

/* NULL when enough are kept. */
static struct offence *offence_new(struct rule *r, const struct balancer *b, const struct draw *d)
{
	if (r->offence_n == OFFENCES_MAX)
		return NULL;
	struct offence *o = &r->offence[r->offence_n++];
	*o = (struct offence){ .t_ns = d->t_ns, .frame = d->frame, .node = b->node };
	return o;
}

static void take_down(struct rule *r, const struct balancer *b, const struct draw *d)
{
	struct rule_count *c = &r->count[b->index];

	if (d->t_ns >= health_next(b) || d->t_ns >= r->e->during_to_ns) {
		c->left_out++; /* drawn after the stretch, maybe */
		return;
	}
	c->down++;
	struct offence *o = offence_new(r, b, d);
	if (o != NULL)
		text_add(&o->what, "to %s, whose health checks said that it was down",
		         server_name(b, d->server));
}

static void tell_moved(const struct rule *r, const struct balancer *b, const struct draw *d,
                       enum sighting is, const struct sight *before, struct offence *o)
{
	char name[DNS_NAME_TEXT];

	name_text(d->name, name);
	text_add(&o->what, "%.100s to %s, but to %s", name, server_name(b, d->server),
	         server_name(b, before->server));
	if (before->balancer != b->index)
		text_add(&o->what, " from %s", node_name(r->j,
		         (int)r->j->balancer[before->balancer].node));
	text_add(&o->what, " at ");
	text_time(&o->what, before->t_ns);
	text_add(&o->what, is == NAME_OTHER ? ", while the same servers were up" :
	         ", which is still up, while this one was up then");
	o->before_ns = before->t_ns;
	o->before_frame = before->frame;
	o->before_node = r->j->balancer[before->balancer].node;
}

static void take_name(struct rule *r, const struct balancer *b, const struct draw *d)
{
	struct rule_count *c = &r->count[b->index];
	struct sight before;
	struct offence *o;

	if (d->name == NULL || d->t_ns >= health_next(b) || d->since_ns < b->health.epoch_ns) {
		c->left_out++;
		return;
	}
	enum sighting is = names_see(r->names, b, d, r->policy == BAL_CHASHED, &before);
	bool choice = names_choice(r->names, b) > 1;
	switch (is) {
	case NAME_NEW:
		c->names++;
		break;
	case NAME_STAYED:
		c->names++;
		c->stayed += choice;
		c->telling += choice;
		break;
	case NAME_SAME:
		c->telling += choice;
		break;
	case NAME_OTHER:
	case NAME_MOVED:
		c->wrong++;
		if ((o = offence_new(r, b, d)) != NULL)
			tell_moved(r, b, d, is, &before, o);
		break;
	case NAME_FULL:
		c->left_out++;
		break;
	}
}

static void tell_wrong(const struct balancer *b, const struct draw *d, const struct opinion *o,
                       struct text *t)
{
	text_add(t, "to %s", server_name(b, d->server));
	if (o->count)
		text_add(t, " with at least %llu outstanding, while %s had at most %llu",
		         (unsigned long long)o->own, server_name(b, o->better),
		         (unsigned long long)o->others);
	else if (o->spent)
		text_add(t, " beyond its qps limit, while %s had room",
		         server_name(b, o->better));
	else
		text_add(t, ", while %s comes before it and had room", server_name(b, o->better));
}

static void take_opinion(struct rule *r, const struct balancer *b, const struct draw *d,
                         const struct opinion *p)
{
	struct rule_count *c = &r->count[b->index];
	struct offence *o;

	c->open += p->is == OPINION_OPEN;
	c->telling += p->telling;
	c->ties += p->tie;
	c->wrong += p->is == OPINION_WRONG;
	if (p->is == OPINION_WRONG && (o = offence_new(r, b, d)) != NULL)
		tell_wrong(b, d, p, &o->what);
}

static void rule_draw(struct rule *r, const struct balancer *b, const struct draw *d,
                      const struct opinion *o)
{
	struct rule_count *c = &r->count[b->index];

	if (d->in_ns < r->e->during_from_ns || d->in_ns >= r->e->during_to_ns)
		return;
	c->draws++;
	if (d->unsure || b->health.unknown_n > 0 || balancer_anew(r->j, b, d->t_ns))
		c->left_out++;
	else if (b->server[d->server].state != SERVER_UP)
		take_down(r, b, d);
	else if (r->names != NULL)
		take_name(r, b, d);
	else
		take_opinion(r, b, d, o);
}

void rules_draw(struct judge *j, struct balancer *b, const struct draw *d)
{
	struct opinion o = { .is = OPINION_OPEN };

	if (b->track != NULL)
		o = track_draw(j, b, d);
	for (unsigned i = 0; i < j->rule_n; i++)
		if (j->rule[i]->even == NULL)
			rule_draw(j->rule[i], b, d, &o);
}
