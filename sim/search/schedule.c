/* SPDX-License-Identifier: BSD-3-Clause */
/* Which faults begin and end what, how they are drawn and put in order; see schedule.h. */
#include "schedule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/drbg.h"
#include "sim/plan/faults.h"
#include "sim/plan/lint.h"
#include "sim/plan/schema.h"

#define MS INT64_C(1000000)
#define START_NS (100 * MS)

/* What taps may be late by (a second) is more than twice a link's delay. */
enum { TRIES = 8, DELAY_MOST_MS = 400, SLOW_MOST_MS = 3000 };

/* Each fault that begins something: what ends it (itself: with a ratio of 0), what it spoils. */
static const struct {
	enum plan_fault_kind begin, end;
	unsigned spoils;
} pairs[] = {
	{ PLAN_KILL, PLAN_START, SEARCH_SILENCES }, { PLAN_HANG, PLAN_RESUME, SEARCH_SILENCES },
	{ PLAN_BLACKHOLE, PLAN_HEAL, SEARCH_SILENCES }, { PLAN_LOSS, PLAN_HEAL, SEARCH_OTHER },
	{ PLAN_DELAY, PLAN_HEAL, SEARCH_OTHER }, { PLAN_JITTER, PLAN_HEAL, SEARCH_OTHER },
	{ PLAN_DUPLICATE, PLAN_HEAL, SEARCH_WRONG }, { PLAN_REORDER, PLAN_HEAL, SEARCH_OTHER },
	{ PLAN_RATE, PLAN_HEAL, SEARCH_OTHER }, { PLAN_CUT, PLAN_HEAL, SEARCH_SILENCES },
	{ PLAN_SERVFAIL, PLAN_SERVFAIL, SEARCH_OTHER },
	{ PLAN_SLOW, PLAN_SLOW, SEARCH_OTHER }, { PLAN_WRONG, PLAN_WRONG, SEARCH_WRONG },
	{ PLAN_TRUNCATE, PLAN_TRUNCATE, SEARCH_OTHER },
	{ PLAN_REFUSE, PLAN_REFUSE, SEARCH_OTHER }, { PLAN_DROP, PLAN_DROP, SEARCH_OTHER },
};

static int find(enum plan_fault_kind kind)
{
	for (size_t i = 0; i < COUNT_OF(pairs); i++)
		if (pairs[i].begin == kind)
			return (int)i;
	return -1;
}

unsigned search_spoils(enum plan_fault_kind kind)
{
	int i = find(kind);

	return i < 0 ? 0 : pairs[i].spoils;
}

bool search_is_end(const struct plan_fault *f)
{
	int i = find(f->kind);

	return i < 0 || (pairs[i].end == f->kind && f->value_ppm == 0);
}

int64_t search_load_end(const struct plan *p)
{
	int64_t last = 0;

	for (unsigned i = 0; i < p->load_n; i++)
		last = p->load[i].to_ns > last ? p->load[i].to_ns : last;
	return last;
}

/* ---- what may be drawn, as text ---- */

/* The next word of a list; its length, and *at behind it. */
static size_t next_word(const char **at, const char **word)
{
	size_t n = strcspn(*at, ",");

	*word = *at;
	*at += n + ((*at)[n] == ',');
	return n;
}

int search_kinds_parse(struct search_spec *spec, const char *text, char error[SEARCH_ERROR])
{
	const char *at = text, *word;
	size_t len = 0;

	spec->kinds = 0;
	do {
		size_t n = next_word(&at, &word);
		bool found = false;
		for (size_t i = 0; i < COUNT_OF(pairs); i++) {
			const char *name = plan_fault_name(pairs[i].begin);
			if (strlen(name) != n || strncmp(name, word, n) != 0)
				continue;
			found = true;
			spec->kinds |= 1u << pairs[i].begin;
		}
		if (found)
			continue;
		len = (size_t)snprintf(error, SEARCH_ERROR, "--faults: '%.*s': expected some of",
		                       n < 64 ? (int)n : 64, word);
		for (size_t i = 0; i < COUNT_OF(pairs); i++)
			len += (size_t)snprintf(error + len, SEARCH_ERROR - len, "%s %s",
			                        i > 0 ? "," : "", plan_fault_name(pairs[i].begin));
		return -EINVAL;
	} while (*at != '\0');
	return 0;
}

/* Whether a fault of that kind can happen to a node of that role at all. */
static bool fits(enum plan_fault_kind kind, enum plan_role role)
{
	unsigned takes = faults_takes(kind);

	if (takes & FAULT_STUB)
		return role == PLAN_RECURSOR;
	return role != PLAN_CLIENTS || (takes & FAULT_LINK);
}

static int nothing_fits(const struct search_spec *spec, const struct plan *p,
                        char error[SEARCH_ERROR])
{
	for (unsigned i = 0; i < spec->node_n; i++) {
		bool any = false;
		for (size_t k = 0; k < COUNT_OF(pairs); k++)
			any = any || ((spec->kinds >> pairs[k].begin & 1) &&
			              fits(pairs[k].begin, p->node[spec->node[i]].role));
		if (any)
			continue;
		snprintf(error, SEARCH_ERROR, "--nodes: %s: none of --faults can happen to it",
		         p->node[spec->node[i]].name);
		return -EINVAL;
	}
	return 0;
}

int search_nodes_parse(struct search_spec *spec, const struct plan *p, const char *text,
                       char error[SEARCH_ERROR])
{
	const char *at = text, *word;
	char name[PLAN_NAME_TEXT];

	spec->node_n = 0;
	for (unsigned i = 0; text == NULL && i < p->node_n; i++)
		if (p->node[i].role == PLAN_RECURSOR)
			spec->node[spec->node_n++] = (int)i;
	while (text != NULL && (*at != '\0' || spec->node_n == 0)) {
		size_t n = next_word(&at, &word);
		snprintf(name, sizeof(name), "%.*s", n < sizeof(name) ? (int)n : 0, word);
		int node = plan_find_node(p, name);
		if (node == PLAN_NONE || spec->node_n == PLAN_NODES_MAX) {
			snprintf(error, SEARCH_ERROR, "--nodes: '%.*s': expected names of nodes, "
			         "as in DNS1,DNS3", n < 64 ? (int)n : 64, word);
			return -EINVAL;
		}
		spec->node[spec->node_n++] = node;
	}
	return nothing_fits(spec, p, error);
}

/* ---- laying out ---- */

static struct plan_fault begin_of(const struct search_window *w)
{
	return (struct plan_fault){ .kind = w->kind, .node = w->node, .at_ns = w->at_ns,
	                            .value_ns = w->value_ns, .value_ppm = w->value_ppm,
	                            .rate_bps = w->rate_bps, .way = w->way,
	                            .queue_bytes = w->rate_bps > 0 ? PLAN_QUEUE_BYTES : 0 };
}

static struct plan_fault end_of(const struct search_window *w)
{
	enum plan_fault_kind end = pairs[find(w->kind)].end;

	return (struct plan_fault){ .kind = end, .node = w->node, .at_ns = w->until_ns,
	                            .value_ns = end == w->kind ? w->value_ns : 0 };
}

/* Puts f in by time, behind what is there of the same time. */
static void put(struct plan *p, struct plan_fault f)
{
	unsigned k = p->fault_n++;

	for (; k > 0 && p->fault[k - 1].at_ns > f.at_ns; k--)
		p->fault[k] = p->fault[k - 1];
	p->fault[k] = f;
}

/* What a program needs to start, at most: a balancer asks its servers before it is ready. */
static int64_t start_ns(const struct plan *p, int node)
{
	int64_t most = 0;

	if (p->node[node].role != PLAN_BALANCER)
		return START_NS;
	const struct plan_conf *c = &p->conf[p->node[node].conf];
	for (unsigned i = 0; i < c->server_n; i++)
		most = c->server[i].check.timeout_ns > most ? c->server[i].check.timeout_ns : most;
	return START_NS + 2 * most;
}

/* The first fault of a program that is starting still; false: there is none. */
static bool too_soon(const struct plan *p, unsigned *which)
{
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *s = &p->fault[i];
		int64_t ready = s->at_ns + start_ns(p, s->node);
		for (unsigned k = i + 1; s->kind == PLAN_START && k < p->fault_n; k++) {
			const struct plan_fault *f = &p->fault[k];
			*which = k;
			if (f->node == s->node && f->at_ns < ready &&
			    !(faults_takes(f->kind) & FAULT_LINK))
				return true;
		}
	}
	return false;
}

bool search_lay_out(struct plan *p, const struct search_schedule *s)
{
	unsigned bad = 0, line;

	p->fault_n = 0;
	for (unsigned i = 0; i < s->n; i++) {
		put(p, begin_of(&s->window[i]));
		if (s->window[i].until_ns > 0)
			put(p, end_of(&s->window[i]));
	}
	while (faults_impossible(p, &bad) != NULL || too_soon(p, &bad)) {
		if (!search_is_end(&p->fault[bad])) {
			p->fault_n = 0;
			return false;
		}
		p->fault_n--;
		memmove(&p->fault[bad], &p->fault[bad + 1],
		        (p->fault_n - bad) * sizeof(*p->fault));
	}
	if (!plan_upsets_tcp(p, &line) && !plan_confuses_checks(p, &line))
		return true;
	p->fault_n = 0; /* virtual time, or the judge, can't */
	return false;
}

unsigned search_events(const struct search_schedule *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->window[i].until_ns > 0 ? 2 : 1;
	return n;
}

/* ---- drawing ---- */

/* A whole number of ms in 1...most, of any order of magnitude. */
static int64_t draw_ms(struct drbg *r, int64_t most)
{
	int64_t scale = 10;

	for (uint64_t k = drbg_below(r, 5); k > 0 && scale < most; k--)
		scale *= 10;
	return 1 + (int64_t)drbg_below(r, (uint64_t)(scale < most ? scale : most));
}

static enum plan_fault_kind draw_kind(struct drbg *r, uint32_t kinds)
{
	uint64_t k = drbg_below(r, (uint64_t)__builtin_popcount(kinds));

	while (k-- > 0)
		kinds &= kinds - 1;
	return (enum plan_fault_kind)__builtin_ctz(kinds);
}

/* In [from, end), both ends ms; one in eight never ends. */
static struct search_window draw_window(struct drbg *r, const struct search_spec *spec,
                                        int64_t from_ms, int64_t end_ms)
{
	enum plan_fault_kind kind = draw_kind(r, spec->kinds);
	struct search_window w = { .kind = kind, .value_ppm = 1000000 };
	unsigned takes = faults_takes(kind);
	int64_t at = from_ms + (int64_t)drbg_below(r, (uint64_t)(end_ms - from_ms));
	int64_t length = draw_ms(r, end_ms - from_ms);
	int64_t by = draw_ms(r, kind == PLAN_DELAY ? DELAY_MOST_MS : SLOW_MOST_MS);
	uint32_t ratio = 10000 * (1 + (uint32_t)drbg_below(r, 100));
	uint64_t rate = 10000 * (1 + drbg_below(r, 1000));
	enum plan_way way = (enum plan_way)drbg_below(r, 3);

	w.node = spec->node[drbg_below(r, spec->node_n)];
	w.at_ns = at * MS;
	if (drbg_below(r, 8) > 0 && at + length < end_ms)
		w.until_ns = (at + length) * MS;
	w.value_ppm = takes & FAULT_RATIO ? ratio : 0;
	w.value_ns = takes & FAULT_BY ? by * MS : 0;
	w.rate_bps = takes & FAULT_BITS ? rate : 0;
	w.way = takes & FAULT_WAY ? way : PLAN_BOTH_WAYS;
	if (kind == PLAN_CUT && way == PLAN_BOTH_WAYS)
		w.way = PLAN_IN;
	return w;
}

void search_draw(struct search_schedule *s, const struct search_spec *spec, const struct plan *p)
{
	struct plan_fault room[2 * SEARCH_EVENTS_MAX];
	struct plan try = *p;
	int64_t from = INT64_MAX, end = search_load_end(p) / MS;
	uint8_t seed[32];
	struct drbg r;

	plan_seed(p, seed);
	drbg_init(&r, seed, DRBG_SEARCH, 0);
	for (unsigned i = 0; i < p->load_n; i++)
		from = p->load[i].from_ns < from ? p->load[i].from_ns : from;
	from = from / MS < end ? from / MS : end - 1;
	try.fault = room;
	s->n = 0;
	unsigned want = 1 + (unsigned)drbg_below(&r, spec->max_events);
	for (unsigned i = 0; i < TRIES * want && search_events(s) < want; i++) {
		struct search_window w = draw_window(&r, spec, from, end);
		if (!fits(w.kind, p->node[w.node].role))
			continue;
		if (w.until_ns > 0 && search_events(s) + 2 > want)
			w.until_ns = 0;
		s->window[s->n++] = w;
		if (!search_lay_out(&try, s))
			s->n--;
	}
}
