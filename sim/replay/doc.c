/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures as a document; see doc.h. */
#include "doc.h"

#include <stdlib.h>

#include "lib/dns.h"
#include "sim/report/figures.h"

#define SECOND_NS INT64_C(1000000000)

static void set(json_t *o, const char *key, json_t *take_value)
{
	MUST(json_object_set_new(o, key, take_value) == 0);
}

static void set_count(json_t *o, const char *key, uint64_t n)
{
	set(o, key, json_integer((json_int_t)n));
}

static void set_endpoint(json_t *o, const char *key, const struct ep *ep)
{
	char text[EP_TEXT];

	ep_format(ep, text);
	set(o, key, json_string(text));
}

/* ---- what is sent ---- */

static uint16_t type_of(const struct trace *t, const struct trace_query *q)
{
	return dns_get16(t->bytes + q->at + DNS_HEADER + q->name_len);
}

static json_t *types_of(const struct trace *t)
{
	uint64_t *n = calloc(UINT16_MAX + 1, sizeof(*n));

	MUST(n != NULL);
	for (uint32_t i = 0; i < t->query_n; i++)
		n[type_of(t, &t->query[i])]++;
	json_t *o = figures_types(n);
	free(n);
	return o;
}

/* The first queries, as a person wants to see them. */
static json_t *first_of(const struct replay_options *o)
{
	const struct trace *t = o->trace;
	json_t *list = json_array();
	char name[DNS_NAME_TEXT];

	for (uint32_t i = 0; i < t->query_n && i < REPLAY_LISTED; i++) {
		const struct trace_query *q = &t->query[i];
		struct ep client = { t->client[q->client], q->port };
		json_t *e = json_object();
		dns_name_format(t->bytes + q->at + DNS_HEADER, q->name_len, name);
		set_count(e, "t_ns", (uint64_t)trace_at(t, &o->pace, i));
		set_endpoint(e, "client", &client);
		set(e, "transport", json_string(q->connection != 0 ? "TCP" : "UDP"));
		set(e, "name", json_string(name));
		set(e, "type", figures_type(type_of(t, q)));
		json_array_append_new(list, e);
	}
	return list;
}

static json_t *capture_of(const struct trace *t, const struct trace_counts *c)
{
	json_t *o = json_object();
	uint64_t tcp = 0;

	for (uint32_t i = 0; i < t->query_n; i++)
		tcp += t->query[i].connection != 0;
	set_count(o, "queries", t->query_n);
	set_count(o, "queries_tcp", tcp);
	set_count(o, "connections", t->connection_n);
	set_count(o, "clients", t->client_n);
	set_count(o, "servers", t->server_n);
	set_count(o, "span_ns", (uint64_t)t->query[t->query_n - 1].t_ns);
	set_count(o, "first_unix_ns", (uint64_t)t->first_unix_ns);
	set_count(o, "answers", c->answers);
	set_count(o, "copies", c->copies);
	set_count(o, "left_out", c->others + c->family + c->servers);
	set(o, "types", types_of(t));
	return o;
}

json_t *replay_doc_plan(const struct replay_task *task, const struct trace_counts *counts)
{
	const struct replay_options *o = &task->core;
	json_t *doc = json_object();

	MUST(doc != NULL);
	set_endpoint(doc, "to", &task->to);
	set(doc, "capture", capture_of(o->trace, counts));
	set(doc, "speed", o->max ? json_string("max") :
	    json_real((double)o->pace.speed / TRACE_SPEED_ONE));
	set_count(doc, "loops", o->pace.loops);
	set(doc, "limit_per_second", o->rate > 0 ? json_integer((json_int_t)o->rate) : json_null());
	set_count(doc, "timeout_ns", (uint64_t)o->timeout_ns);
	set_count(doc, "planned", trace_planned(o->trace, &o->pace));
	if (o->max) {
		set_count(doc, "in_flight", o->in_flight);
	} else {
		set_count(doc, "planned_ns", (uint64_t)trace_lasts(&o->pace));
		set_count(doc, "most_in_a_second", trace_most(o->trace, &o->pace, SECOND_NS));
	}
	set(doc, "first", first_of(o));
	return doc;
}

/* ---- what came of it ---- */

static json_t *counts_of(const struct replay_result *r)
{
	const struct replay_counts *c = &r->counts;
	const struct { const char *key; uint64_t n; } row[] = {
		{ "sent", c->sent - c->unsent }, { "sent_tcp", c->tcp },
		{ "connections", c->connections }, { "answered", c->answered },
		{ "unanswered", c->timed_out }, { "given_up", c->given_up },
		{ "failed", c->failed }, { "unsent", c->unsent }, { "open", c->open },
		{ "unmatched", c->unmatched }, { "broken", c->broken },
		{ "truncated", c->truncated }, { "renumbered", c->renumbered },
		{ "refused", r->refused }, { "delayed", c->delayed },
		{ "delayed_ns_max", (uint64_t)c->delayed_ns_max },
		{ "waited_for_connection", r->waited }, { "sent_by_second_thread", r->spared },
	};
	json_t *o = json_object();

	for (size_t k = 0; k < COUNT_OF(row); k++)
		set_count(o, row[k].key, row[k].n);
	return o;
}

void replay_doc_result(json_t *doc, const struct replay_result *r)
{
	json_t *o = counts_of(r);

	set(o, "rcodes", figures_rcodes(r->counts.rcode));
	set(o, "answer_ns", figures_times(&r->latency_ns));
	set(o, "late_ns", figures_times(&r->late_ns));
	set(o, "sending_ns", json_integer(r->sending_ns));
	set(o, "took_ns", json_integer(r->took_ns));
	set(o, "cpu_ns", json_integer(r->cpu_ns));
	set(o, "stopped", json_boolean(r->stopped));
	set(doc, "result", o);
}
