/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures as a document; see doc.h. */
#include "doc.h"

#include <string.h>

#include "sim/report/figures.h"

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void set(json_t *o, const char *key, json_t *take_value)
{
	MUST(json_object_set_new(o, key, take_value) == 0);
}

static uint64_t share_ppm(uint64_t part, uint64_t all)
{
	return all > 0 ? (uint64_t)((double)part * 1e6 / (double)all + 0.5) : 0;
}

/* ---- packets ---- */

static json_t *files_of(const struct capture *c, const struct capture_options *o)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < o->path_n; i++) {
		const char *trouble = capture_trouble(c, i);
		json_t *f = json_object();
		json_t *name = json_string(o->path[i]);
		set(f, "file", name != NULL ? name : json_string("(a name that isn't UTF-8)"));
		set(f, "trouble", trouble != NULL ? json_string(trouble) : json_null());
		json_array_append_new(list, f);
	}
	return list;
}

/* Counts of one kind that aren't 0. */
static json_t *counts_of(const uint64_t *count, enum capture_kind kind)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < CAPTURE_COUNTS; i++)
		if (capture_count_row[i].kind == kind && count[i] > 0)
			set(o, capture_count_row[i].name, number(count[i]));
	return o;
}

static json_t *packets_of(const struct capture *c)
{
	const uint64_t *count = capture_counts(c);
	json_t *o = json_object();

	set(o, "all", number(capture_packets(c)));
	set(o, "read", counts_of(count, CAPTURE_READ));
	set(o, "skipped", counts_of(count, CAPTURE_SKIP));
	set(o, "lost", counts_of(count, CAPTURE_LOST));
	return o;
}

/* ---- messages ---- */

static json_t *messages_of(const struct info *i)
{
	const struct { const char *key; uint64_t n; } row[] = {
		{ "queries", i->queries }, { "answers", i->answers },
		{ "queries_tcp", i->tcp_queries }, { "answers_tcp", i->tcp_answers },
		{ "connections", i->connections }, { "again", i->again },
		{ "answered", i->answered }, { "unanswered", i->unanswered }, { "open", i->open },
		{ "forgotten", i->forgotten }, { "unasked", i->unasked },
		{ "truncated", i->truncated }, { "exchanges", i->exchanges },
		{ "unreadable", i->unreadable },
	};
	json_t *o = json_object();

	for (size_t k = 0; k < COUNT_OF(row); k++)
		set(o, row[k].key, number(row[k].n));
	return o;
}

static json_t *rate_of(const struct info *i)
{
	json_t *o = json_object(), *bins = json_array();
	uint64_t span = (uint64_t)(i->last_ns - i->bin_base_ns);
	uint64_t used = i->last_ns > i->bin_base_ns ? span >> i->bin_shift : 0;

	for (uint64_t b = 0; b <= used && b < INFO_BINS; b++)
		json_array_append_new(bins, number(i->bin[b]));
	set(o, "bin_ns", number(UINT64_C(1) << i->bin_shift));
	set(o, "queries", bins);
	return o;
}

/* ---- lists ---- */

/* A list's first entries, each by what entry adds to it. */
static json_t *top_of(const struct info *i, const struct topk *t, const struct hll *seen,
                      void (*entry)(json_t *o, const struct info *i, uint32_t slot))
{
	uint32_t slot[INFO_TOP], n = topk_list(t, slot, INFO_TOP);
	json_t *o = json_object(), *list = json_array();
	bool exact = !t->crowded;

	for (uint32_t k = 0; k < n; k++) {
		const struct topk_slot *s = &t->slot[slot[k]];
		json_t *e = json_object();
		entry(e, i, slot[k]);
		set(e, "count", number(s->count));
		set(e, "over", number(s->over));
		set(e, "share_ppm", number(share_ppm(s->count, t->n)));
		json_array_append_new(list, e);
	}
	set(o, "distinct", number(exact ? t->table.used : hll_count(seen)));
	set(o, "distinct_is", json_string(exact ? "exact" : "estimate"));
	set(o, "all", number(t->n));
	set(o, "top", list);
	return o;
}

static void name_entry(json_t *o, const struct info *i, uint32_t slot)
{
	char text[DNS_NAME_TEXT];

	dns_name_format(i->name[slot].wire, i->name[slot].len, text);
	set(o, "name", json_string(text));
}

static void client_entry(json_t *o, const struct info *i, uint32_t slot)
{
	char text[IP_TEXT];
	struct ip ip;

	memcpy(&ip, topk_key(&i->clients, slot), sizeof(ip));
	ip_format(&ip, text);
	set(o, "client", json_string(text));
}

static void server_entry(json_t *o, const struct info *i, uint32_t slot)
{
	const struct info_server *s = &i->server[slot];
	struct info_server_key key;
	char text[EP_TEXT];

	memcpy(&key, topk_key(&i->servers, slot), sizeof(key));
	ep_format(&(struct ep){ key.ip, (uint16_t)key.port }, text);
	set(o, "server", json_string(text));
	set(o, "queries", number(s->queries));
	set(o, "answered", number(s->answered));
	set(o, "unanswered", number(s->unanswered));
	set(o, "servfail", number(s->failed));
	set(o, "answer_ns", figures_times(&s->times));
}

json_t *info_doc(const struct info *i, const struct capture *c, const struct capture_options *o)
{
	json_t *doc = json_object();

	MUST(doc != NULL);
	set(doc, "files", files_of(c, o));
	set(doc, "packets", packets_of(c));
	set(doc, "first_unix_ns", json_integer(i->first_ns));
	set(doc, "last_unix_ns", json_integer(i->last_ns));
	set(doc, "messages", messages_of(i));
	set(doc, "rate", rate_of(i));
	set(doc, "clients", top_of(i, &i->clients, &i->clients_seen, client_entry));
	set(doc, "names", top_of(i, &i->names, &i->names_seen, name_entry));
	set(doc, "servers", top_of(i, &i->servers, &i->servers_seen, server_entry));
	set(doc, "types", figures_types(i->type));
	set(doc, "rcodes", figures_rcodes(i->rcode));
	set(doc, "answer_ns", figures_times(&i->times));
	return doc;
}
