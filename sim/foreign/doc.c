/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A foreign capture's verdict document: what the judge says of a lab is taken out, and "foreign"
 * has the capture, its balancers and servers, when servers were out, and what can't be concluded.
 * docs/foreign.md lists the keys.
 */
#include <stdlib.h>
#include <string.h>

#include "inner.h"

static void set(json_t *o, const char *key, int64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void set_count(json_t *o, const char *key, uint64_t v)
{
	set(o, key, (int64_t)v);
}

/* ---- files ---- */

static json_t *file_json(const struct foreign *f, unsigned i)
{
	const struct clock_file *c = &f->clock[i];
	json_t *o = json_pack("{s:s}", "name", f->o->name[i]);

	if (f->trouble[i] != NULL)
		json_object_set_new(o, "trouble", json_string(f->trouble[i]));
	if (f->tap[i] != i)
		json_object_set_new(o, "piece_of", json_string(f->o->name[f->tap[i]]));
	if (f->o->path_n == 1)
		return o;
	json_object_set_new(o, "clock_known", json_boolean(c->known));
	if (!c->known)
		return o;
	set(o, "clock_ahead_ns", c->ahead_ns);
	set(o, "clock_unsure_ns", c->unsure_ns);
	if (c->drifts)
		json_object_set_new(o, "clock_drifts", json_true());
	return o;
}

static json_t *files(const struct foreign *f)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < f->o->path_n; i++)
		json_array_append_new(list, file_json(f, i));
	return list;
}

/* ---- balancers and servers ---- */

static json_t *balancer_json(const struct foreign *f, unsigned b)
{
	json_t *addresses = json_array(), *o;
	char text[IP_TEXT];

	for (unsigned a = 0; a < f->who.address_n; a++) {
		ip_format(&f->who.address[a], text);
		if (f->who.owner[a] == b)
			json_array_append_new(addresses, json_string(text));
	}
	o = json_pack("{s:s, s:o, s:b}", "name", f->balancer_name[b], "addresses", addresses,
	              "front", f->front_file[b] >= 0);
	return o;
}

static json_t *balancers(const struct foreign *f)
{
	json_t *list = json_array();

	for (unsigned b = 0; b < f->who.balancer_n; b++)
		json_array_append_new(list, balancer_json(f, b));
	return list;
}

static json_t *answer_times(const struct hist *h)
{
	static const struct {
		const char *name;
		uint32_t ppm;
	} q[] = { { "p50", 500000 }, { "p90", 900000 }, { "p99", 990000 }, { "max", 1000000 } };
	json_t *o = json_object();

	for (unsigned i = 0; i < COUNT_OF(q); i++)
		json_object_set_new(o, q[i].name, h->n == 0 ? json_null() :
		                    json_integer((json_int_t)(hist_quantile(h, q[i].ppm) / 1000)));
	return o;
}

static json_t *backend_json(const struct foreign *f, unsigned i)
{
	const struct ledger_server *s = &f->ledger->server[i];
	json_t *o = json_object();
	char text[EP_TEXT];

	ep_format(&f->who.backend[i], text);
	json_object_set_new(o, "name", json_string(f->o->conf.server[i].name));
	json_object_set_new(o, "address", json_string(text));
	set_count(o, "queries", s->queries);
	set_count(o, "answered", s->answered);
	set_count(o, "late", s->late);
	set_count(o, "unanswered", s->unanswered);
	set_count(o, "open", s->open);
	set_count(o, "forgotten", s->forgotten);
	set_count(o, "servfail", s->failed);
	set_count(o, "unasked", s->answers_unasked);
	set_count(o, "checks", s->checks);
	set_count(o, "checks_unanswered", s->checks_unanswered);
	json_object_set_new(o, "answer_us", answer_times(&s->times));
	return o;
}

static json_t *backends(const struct foreign *f)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < f->who.backend_n; i++)
		json_array_append_new(list, backend_json(f, i));
	return list;
}

/* ---- epochs ---- */

static json_t *interval(const struct judge_change *c)
{
	return json_pack("[I, I]", (json_int_t)c->lo_ns, (json_int_t)c->hi_ns);
}

static json_t *epoch_json(const struct foreign *f, const struct foreign_epoch *e)
{
	static const char *const by[] = { [JUDGE_BY_CHECKS] = "checks",
	                                  [JUDGE_BY_TRAFFIC] = "traffic",
	                                  [JUDGE_BY_ABSENCE] = "absence" };
	const struct judge_change *c = e->down;
	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o}",
	                      "balancer", f->balancer_name[c->balancer],
	                      "server", f->o->conf.server[c->server].name,
	                      "by", by[c->by], "down_ns", interval(c),
	                      "up_ns", e->up != NULL ? interval(e->up) : json_null());

	if (c->by == JUDGE_BY_TRAFFIC)
		set_count(o, "unanswered", c->unanswered);
	return o;
}

/* Each time that a balancer had a server out. */
static json_t *epochs(const struct foreign *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->epoch_n; i++)
		json_array_append_new(list, epoch_json(f, &f->epoch[i]));
	return list;
}

/* ---- the document ---- */

static json_t *counted(const struct foreign *f)
{
	json_t *o = json_object();

	set_count(o, "packets", f->packets);
	set_count(o, "messages", f->survey->messages);
	set_count(o, "copies", f->ledger->copies);
	set_count(o, "copies_in_other_files", f->ledger->copies_of_files);
	set_count(o, "from_others", f->survey->strangers);
	set_count(o, "outside", f->outside);
	set_count(o, "cut", f->cut);
	set_count(o, "tcp_lost", f->tcp_lost);
	set_count(o, "timeless", f->timeless);
	set_count(o, "backwards", f->backwards);
	return o;
}

static json_t *foreign_json(struct foreign *f, json_t *doc)
{
	json_t *o = json_object();

	json_object_set_new(o, "files", files(f));
	set(o, "first_unix_ns", f->survey->first_ns);
	set(o, "last_unix_ns", f->survey->last_ns);
	json_object_set_new(o, "counted", counted(f));
	json_object_set_new(o, "balancers", balancers(f));
	json_object_set_new(o, "backends", backends(f));
	json_object_set_new(o, "epochs", epochs(f));
	json_object_set_new(o, "slices", foreign_slices(json_object_get(doc, "series")));
	set_count(o, "epochs_more", f->epochs_more);
	set(o, "lag_ns", f->o->lag_ns);
	json_object_set_new(o, "limits", foreign_limits(f, doc));
	return o;
}

/* What the capture is called: its first file, and how many more there are. */
static json_t *title(const struct foreign_options *o)
{
	const char *slash = strrchr(o->name[0], '/');
	const char *name = slash != NULL && slash[1] != '\0' ? slash + 1 : o->name[0];

	return o->path_n > 1 ? json_sprintf("%s and %u more", name, o->path_n - 1) :
	                       json_string(name);
}

/* There were no clients of ours, nothing was planned, and no harness promised anything. */
void foreign_doc(struct foreign *f, json_t *doc)
{
	static const char *const lab[] = { "seed", "plan_sha256", "balancer", "recursor",
	                                   "harness", "phases", "violations" };
	static const char *const clients[] = { "lost", "latency_p50_us", "latency_p99_us" };
	json_t *e;
	size_t i;

	for (i = 0; i < COUNT_OF(lab); i++)
		json_object_del(doc, lab[i]);
	for (i = 0; i < COUNT_OF(clients); i++)
		json_object_del(json_object_get(doc, "series"), clients[i]);
	json_array_foreach(json_object_get(doc, "expectations"), i, e)
		json_object_del(e, "line");
	json_object_set_new(doc, "engine", json_string("capture"));
	json_object_set_new(doc, "scenario", title(f->o));
	json_object_set_new(doc, "foreign", foreign_json(f, doc));
}
