/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a capture can't decide. Each row is a condition, the sentence that says so, and which
 * verdicts it takes back: a PASS that rests on what a balancer may have done on purpose, a FAIL
 * that a packet which isn't there might excuse. A verdict that is taken back is INCONCLUSIVE.
 */
#include <string.h>

#include "inner.h"

/* A server that is asked no more was dead, rather than out of favour, if it had left so many. */
enum { UNANSWERED_LEAST = 2 };

/* ---- conditions ---- */

static bool no_front(const struct foreign *f)
{
	return f->back_only;
}

static bool by_traffic(const struct foreign *f)
{
	return f->by_traffic && foreign_draws(f->o->conf.policy);
}

/* Which servers were up isn't known, and the policy's choices can't tell. */
static bool all_taken_for_up(const struct foreign *f)
{
	return f->by_traffic && !foreign_draws(f->o->conf.policy);
}

static bool said_to_be_up(const struct foreign *f)
{
	return f->o->epochs == EPOCHS_NONE;
}

static bool quiet_alive(const struct foreign *f)
{
	for (size_t i = 0; i < f->epoch_n; i++) {
		const struct judge_change *c = f->epoch[i].down;
		if (c->by == JUDGE_BY_TRAFFIC && (f->checked[c->balancer][c->server] ||
		                                  c->unanswered < UNANSWERED_LEAST))
			return true;
	}
	return f->epochs_more > 0;
}

static bool incomplete(const struct foreign *f)
{
	uint64_t n = f->cut + f->tcp_lost;

	for (unsigned i = 0; i < f->who.backend_n; i++)
		n += f->ledger->server[i].answers_unasked + f->ledger->server[i].forgotten;
	for (unsigned i = 0; i < f->o->path_n; i++)
		n += f->trouble[i] != NULL;
	return n > 0;
}

static bool clock_unsure(const struct foreign *f, int file)
{
	const struct clock_file *c = &f->clock[file];

	return !c->known || c->drifts || c->unsure_ns > f->o->lag_ns;
}

static bool several_files(const struct foreign *f)
{
	for (unsigned b = 0; b < f->who.balancer_n; b++) {
		int first = -1;
		for (unsigned s = 0; s < f->who.backend_n; s++) {
			int file = f->pair_file[b][s];
			if (file >= 0 && first >= 0 && file != first)
				return true;
			first = first < 0 ? file : first;
		}
	}
	return false;
}

/* What is lost between servers and balancer looks answered at the servers. */
static bool unseen_outages(const struct foreign *f)
{
	return several_files(f) && !foreign_draws(f->o->conf.policy) &&
	       f->o->epochs != EPOCHS_NONE;
}

/* What one server's capture lacks looks like a share that it didn't get. */
static bool uneven_loss(const struct foreign *f)
{
	return incomplete(f) && several_files(f);
}

/* Queries of one balancer come out of several files whose clocks may differ. */
static bool order_unsure(const struct foreign *f)
{
	for (unsigned b = 0; b < f->who.balancer_n; b++) {
		int first = -1;
		for (unsigned s = 0; s < f->who.backend_n; s++) {
			int file = f->pair_file[b][s];
			if (file < 0)
				continue;
			if (first >= 0 && file != first &&
			    (clock_unsure(f, file) || clock_unsure(f, first)))
				return true;
			first = first < 0 ? file : first;
		}
	}
	return false;
}

static bool no_answers(const struct foreign *f)
{
	for (unsigned i = 0; i < f->who.backend_n; i++)
		if (f->ledger->server[i].answered + f->ledger->server[i].late > 0)
			return false;
	return f->outside < f->taken;
}

static bool others_ask(const struct foreign *f)
{
	return f->survey->strangers > 0;
}

static bool checks_guessed(const struct foreign *f)
{
	return !f->o->checks_known && f->by_checks;
}

/* Checks by another name, one a second, might be more than one in a hundred of the queries. */
static bool checks_unseen(const struct foreign *f)
{
	const int64_t seconds = (f->survey->last_ns - f->survey->first_ns) / 1000000000;
	uint64_t queries = 0;
	bool some = false;

	for (unsigned i = 0; i < f->who.backend_n; i++) {
		queries += f->ledger->server[i].queries;
		some = some || f->ledger->server[i].checks == 0;
	}
	return !f->o->checks_known && f->by_traffic && some &&
	       (uint64_t)seconds * f->who.balancer_n * f->who.backend_n > queries / 100;
}

static bool rules(const struct foreign *f)
{
	return f->plan->conf_n > 0 && (f->plan->conf[0].rule_line > 0 || f->o->conf.pool_n > 1);
}

static bool has_cache(const struct foreign *f)
{
	return f->o->conf.cache.entries > 0;
}

/* Too much to be the ends of captures that were begun and ended by hand. */
static bool mostly_outside(const struct foreign *f)
{
	return f->outside > f->taken / 3;
}

static bool silent_window(const struct foreign *f)
{
	return f->outside > 0 && !mostly_outside(f);
}

/* ---- which verdicts they take back ---- */

enum {
	BACK_NONE = 0, BACK_PASS = 1, BACK_EXACT = 2, BACK_FAIL = 4, BACK_ORDER = 8, BACK_DOWN = 16,
};

static const struct row {
	bool (*is)(const struct foreign *f);
	unsigned back;
	const char *says;
} rows[] = {
	{ no_front, BACK_NONE,
	  "who asked isn't in the capture, or can't be laid beside what was sent on: whether draws "
	  "are independent of one another, and what balancers answered from their caches, isn't "
	  "judged" },
	{ by_traffic, BACK_NONE,
	  "there are no health checks of some servers: that one was out is inferred from how long "
	  "the draws went without it, so outages of fewer draws aren't seen, and queries at an "
	  "outage's ends are left out" },
	{ all_taken_for_up, BACK_FAIL,
	  "there are no health checks of some servers, and this policy's choices don't tell who "
	  "was up: all are taken for up, and what looks wrong may be an outage (--epochs none says "
	  "that there was none)" },
	{ said_to_be_up, BACK_NONE,
	  "that all servers were up all the time is taken from the command line" },
	{ quiet_alive, BACK_PASS,
	  "some server was asked nothing for longer than chance explains, though it had answered "
	  "all before, or its health checks too: whether it was out on purpose, or cut off beyond "
	  "the capture, or unfairly, isn't to be seen" },
	{ checks_guessed, BACK_DOWN,
	  "how health checks decide is taken for dnsdist's defaults (one failure, one success, "
	  "1 s): give --config where they are set otherwise" },
	{ checks_unseen, BACK_PASS | BACK_FAIL,
	  "no health checks by dnsdist's default name are there: if they have another one they are "
	  "taken for queries, and would count here: give --config" },
	{ incomplete, BACK_EXACT,
	  "the capture lacks packets: claims that one packet decides can't fail" },
	{ uneven_loss, BACK_PASS | BACK_FAIL,
	  "the capture lacks packets, and one balancer's queries come out of several files: one "
	  "may lack more of them than another" },
	{ unseen_outages, BACK_FAIL,
	  "captures of the servers don't show what is lost on the way back, and this policy's "
	  "choices don't tell who was up for the balancer" },
	{ order_unsure, BACK_ORDER,
	  "one balancer's queries come out of files whose clocks no common packet ties closely "
	  "enough: the order of its choices isn't known" },
	{ no_answers, BACK_NONE,
	  "there are no answers in the capture: what was answered, and when, isn't known" },
	{ others_ask, BACK_NONE,
	  "queries of others than the balancers that were named are left out" },
	{ rules, BACK_FAIL,
	  "the configuration has rules or pools, which may send queries elsewhere than the policy "
	  "does" },
	{ has_cache, BACK_NONE,
	  "the balancers have a packet cache: what it answers reaches no server and isn't a draw" },
	{ mostly_outside, BACK_PASS | BACK_FAIL,
	  "more than a third of the messages are from before all files of a balancer had begun, or "
	  "after one had ended, and are left out: what the files tell of isn't the same time" },
	{ silent_window, BACK_NONE,
	  "messages from before all files of a balancer had begun, or after one had ended, are "
	  "left out" },
};

static bool asked_the_down(const json_t *e)
{
	return json_integer_value(json_object_get(json_object_get(e, "measured"),
	                                          "to_a_down_server")) > 0;
}

/* The claim is refuted by a single packet, or by packets' order. */
static bool is_exact(const struct foreign *f, const json_t *e)
{
	bool chance = f->o->conf.policy == BAL_WRANDOM || f->o->conf.policy == BAL_WHASHED ||
	              f->o->conf.policy == BAL_ORDERED_WRANDOM;
	const char *kind = json_string_value(json_object_get(e, "kind"));

	return !chance || strcmp(kind, "policy") == 0 || asked_the_down(e);
}

static bool by_order(const struct foreign *f)
{
	return f->o->conf.policy == BAL_ROUNDROBIN || f->o->conf.policy == BAL_LEAST_OUTSTANDING ||
	       f->o->conf.policy == BAL_FIRST_AVAILABLE;
}

static bool takes_back(const struct foreign *f, const struct row *r, const json_t *e)
{
	const char *verdict = json_string_value(json_object_get(e, "verdict"));

	if (strcmp(verdict, "PASS") == 0)
		return (r->back & BACK_PASS) != 0;
	if (strcmp(verdict, "FAIL") != 0)
		return false;
	return (r->back & BACK_FAIL) != 0 || ((r->back & BACK_EXACT) != 0 && is_exact(f, e)) ||
	       ((r->back & BACK_ORDER) != 0 && by_order(f)) ||
	       ((r->back & BACK_DOWN) != 0 && asked_the_down(e));
}

static void take_back(const struct foreign *f, const struct row *r, json_t *doc)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(doc, "expectations"), i, e) {
		if (!takes_back(f, r, e))
			continue;
		const char *why = json_string_value(json_object_get(e, "why"));
		json_object_set_new(e, "why", json_sprintf("%s; but %s", why, r->says));
		json_object_set_new(e, "verdict", json_string("INCONCLUSIVE"));
	}
}

/* The worst of the expectations', unless the capture is invalid. */
static void verdict_anew(json_t *doc)
{
	static const char *const names[] = { "PASS", "INCONCLUSIVE", "FAIL" };
	unsigned worst = 0;
	json_t *e;
	size_t i;

	if (strcmp(json_string_value(json_object_get(doc, "verdict")), "INVALID") == 0)
		return;
	json_array_foreach(json_object_get(doc, "expectations"), i, e)
		for (unsigned k = worst; k < COUNT_OF(names); k++)
			if (strcmp(json_string_value(json_object_get(e, "verdict")), names[k]) == 0)
				worst = k;
	json_object_set_new(doc, "verdict", json_string(names[worst]));
}

json_t *foreign_limits(struct foreign *f, json_t *doc)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].is(f)) {
			json_array_append_new(list, json_string(rows[i].says));
			take_back(f, &rows[i], doc);
		}
	if (json_array_size(json_object_get(doc, "expectations")) > 0)
		verdict_anew(doc);
	return list;
}
