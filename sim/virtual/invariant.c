/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold whatever the plan does, checked beside the cores and not by them, on the datagrams
 * that hosts send: an answer goes to who asked, one to each time that the query came; no query goes
 * to a server that its balancer holds down; no query ID is used again on a socket while it is out;
 * frames are conserved; nothing is left pending; once the last fault is over, everything is
 * answered again. What is broken becomes an event "violation", which makes the verdict FAIL. After
 * every event the cores of its host check themselves, too; what they find ends the program.
 */
#include "invariant.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/net/fault.h"
#include "sim/plan/bounds.h"

enum { VIOLATIONS_MAX = 32 };

struct asked {
	uint64_t key;
	int64_t t_ns;
	unsigned node;
	uint16_t id;
	uint16_t came;              /* to its balancer; links may double it */
	uint16_t answered;
};

struct out {
	uint64_t key;
	int64_t until_ns;
};

struct watcher {
	unsigned violations;
	int64_t calm_ns;            /* from here on all is well; INT64_MAX: never */
	struct table asked, out;    /* key to index in these */
	struct asked *ask;
	size_t ask_n, ask_cap;
	struct out *sent;
	size_t sent_n, sent_cap;
};

static void __attribute__((format(printf, 3, 4)))
violation(struct world *w, unsigned node, const char *format, ...)
{
	char what[300];
	va_list ap;

	if (w->watcher->violations++ >= VIOLATIONS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	events_add(&w->events, "violation", w->now_ns,
	           json_pack("{s:s, s:s}", "node", w->plan->node[node].name, "what", what));
}

/* Whether fault i is one, or the end of one, that some later fault ends. */
static bool is_over(const struct plan *p, unsigned i)
{
	const struct plan_fault *f = &p->fault[i];

	if (!fault_is_stub(f->kind))
		return plan_fault_returns(f->kind) || plan_fault_end(p, i) != PLAN_NONE;
	for (unsigned k = i; k < p->fault_n; k++)
		if (p->fault[k].node == f->node && (p->fault[k].kind == PLAN_KILL ||
		    (p->fault[k].kind == f->kind && p->fault[k].value_ppm == 0)))
			return true;
	return false;
}

/*
 * From when on everything must be answered: when the last fault is over, and the recursors that
 * came back must be known to be. Never, while anything stays broken or loses frames.
 */
static int64_t calm_from(const struct plan *p)
{
	int64_t last = 0, back = 0;

	for (unsigned i = 0; i < p->node_n; i++) {
		if (plan_link_loses(&p->node[i].link))
			return INT64_MAX;
		int64_t t = p->node[i].role == PLAN_RECURSOR ? plan_back_ns(p, (int)i) : 0;
		back = t > back ? t : back;
	}
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (!is_over(p, i))
			return INT64_MAX;
		last = f->at_ns > last ? f->at_ns : last;
	}
	if (back == INT64_MAX)
		return p->fault_n > 0 ? INT64_MAX : 0;
	return last + (p->fault_n > 0 ? back + p->limits.slack_ns : 0);
}

void invariant_init(struct world *w)
{
	struct watcher *x = calloc(1, sizeof(*x));

	MUST(x != NULL);
	x->calm_ns = calm_from(w->plan);
	table_init(&x->asked, 256);
	table_init(&x->out, 256);
	w->watcher = x;
}

void invariant_free(struct world *w)
{
	struct watcher *x = w->watcher;

	if (x == NULL)
		return;
	table_free(&x->asked);
	table_free(&x->out);
	free(x->ask);
	free(x->sent);
	free(x);
}

/* Client, balancer, ID and question: what a query and its answer share. */
static uint64_t ask_key(const struct ep *client, const struct ep *server,
                        const struct judge_message *m)
{
	return key_of(&client->ip, client->port, m->id,
	              m->question ^ key_of(&server->ip, server->port, 0, 0));
}

static void query_asked(struct world *w, const struct host *h, const struct slot *s)
{
	struct watcher *x = w->watcher;
	uint64_t key = ask_key(&s->f.src, &s->f.dst, &s->message);

	x->ask = grow(x->ask, x->ask_n, &x->ask_cap, sizeof(*x->ask));
	x->ask[x->ask_n] = (struct asked){ key, w->now_ns, h->node, s->message.id, 0, 0 };
	table_put(&x->asked, key, x->ask_n++);
}

static void answer_given(struct world *w, const struct host *h, const struct slot *s)
{
	struct watcher *x = w->watcher;
	const uint64_t *at = table_find(&x->asked, ask_key(&s->f.dst, &s->f.src, &s->message));
	char client[EP_TEXT];

	ep_format(&s->f.dst, client);
	if (at == NULL)
		violation(w, h->node, "an answer with ID %u goes to %s, who didn't ask that",
		          s->message.id, client);
	else if (x->ask[*at].answered >= x->ask[*at].came)
		violation(w, h->node, "a second answer with ID %u goes to %s", s->message.id,
		          client);
	else
		x->ask[*at].answered++;
}

/* roundrobin's pools take turns among all of theirs when none is up. */
static bool takes_turns_down(const struct balancer_host *lb, unsigned server)
{
	for (unsigned i = 0; i < bal_pools(&lb->conf); i++)
		if (bal_pool_has(&lb->conf, i, server) &&
		    bal_pool_policy(&lb->conf, i) == BAL_ROUNDROBIN &&
		    !bal_shared_any_up(lb->shared, &lb->conf, i))
			return true;
	return false;
}

static void forwarded(struct world *w, const struct host *h, const struct slot *s, unsigned server)
{
	struct watcher *x = w->watcher;
	const struct balancer_host *lb = h->lb;
	uint64_t key = key_of(&s->f.dst.ip, s->f.src.port, s->message.id, h->node + 1);
	const uint64_t *at = table_find(&x->out, key);

	if (!bal_shared_up(lb->shared, server) && !takes_turns_down(lb, server))
		violation(w, h->node, "a query goes to %s, which is held down",
		          lb->conf.server[server].name);
	if (bal_shared_drained(lb->shared, server))
		violation(w, h->node, "a query goes to %s, which is drained",
		          lb->conf.server[server].name);
	if (at != NULL && x->sent[*at].until_ns > w->now_ns)
		violation(w, h->node, "query ID %u is used again towards %s while a query with it "
		          "is out", s->message.id, lb->conf.server[server].name);
	x->sent = grow(x->sent, x->sent_n, &x->sent_cap, sizeof(*x->sent));
	int64_t own_ns = lb->conf.server[server].udp_timeout_ns;
	x->sent[x->sent_n] = (struct out){ key, w->now_ns + (own_ns > 0 ? own_ns
	                                                     : lb->conf.udp_timeout_ns) };
	table_put(&x->out, key, x->sent_n++);
}

/* The server whose address it is, or -1. */
static int server_of(const struct balancer_host *lb, const struct ep *ep)
{
	for (unsigned i = 0; i < lb->conf.server_n; i++)
		if (ep_eq(&lb->conf.server[i].addr, ep))
			return (int)i;
	return -1;
}

void invariant_sent(struct world *w, const struct host *h, const struct slot *s)
{
	if (w->watcher == NULL || !s->read)
		return;
	if (h->role == PLAN_CLIENTS && !s->message.answer)
		query_asked(w, h, s);
	if (h->role != PLAN_BALANCER)
		return;
	int server = server_of(h->lb, &s->f.dst);
	bool worker = s->f.src.port >= h->lb->back_base &&
	              s->f.src.port < h->lb->back_base + h->lb->back_n;
	if (server < 0 && s->message.answer)
		answer_given(w, h, s);
	else if (server >= 0 && !s->message.answer && worker)
		forwarded(w, h, s, (unsigned)server);
}

static void query_came(struct watcher *x, const struct slot *s)
{
	const uint64_t *at = table_find(&x->asked, ask_key(&s->f.src, &s->f.dst, &s->message));

	if (at != NULL)
		x->ask[*at].came++;
}

void invariant_received(struct world *w, const struct host *h, const struct slot *s)
{
	if (w->watcher == NULL || !s->read || h->role != PLAN_BALANCER)
		return;
	if (s->message.answer)
		table_drop(&w->watcher->out,
		           key_of(&s->f.src.ip, s->f.dst.port, s->message.id, h->node + 1));
	else
		query_came(w->watcher, s);
}

void invariant_event(struct world *w, const struct host *h)
{
	if (w->watcher == NULL)
		return;
	bool lives = h != NULL && (h->state == HOST_RUNS || h->state == HOST_HANGS);
	if (lives && h->lb != NULL) {
		bal_check(h->lb->bal);
		health_check(h->lb->health);
	}
	if (lives && h->rec != NULL)
		rec_check(h->rec->rec);
	for (unsigned i = 0; i < w->plan->load_n; i++)
		if (w->load[i].load != NULL && &w->host[w->load[i].host] == h)
			load_check(w->load[i].load);
}

static bool overloaded(const struct world *w)
{
	for (unsigned i = 0; i < w->plan->node_n; i++)
		if (w->host[i].queue_drops > 0)
			return true;
	return false;
}

/* Once all is well every query is answered: its last try ends before the plan does. */
static void check_calm(struct world *w)
{
	const struct watcher *x = w->watcher;
	int64_t from = x->calm_ns, timeout = 0;

	for (unsigned i = 0; i < w->plan->load_n; i++)
		timeout = w->plan->load[i].timeout_ns > timeout ? w->plan->load[i].timeout_ns
		                                                : timeout;
	if (faults_skipped(w))
		return; /* what was to bring all back may be among them */
	for (size_t i = 0; i < x->ask_n && from != INT64_MAX && !overloaded(w); i++) {
		const struct asked *a = &x->ask[i];
		if (!a->answered && a->t_ns - w->t0_ns >= from &&
		    a->t_ns + timeout <= w->t0_ns + w->plan->end_ns)
			violation(w, a->node, "a query with ID %u of %.3f s wasn't answered, with "
			          "everything well again since %.3f s", a->id,
			          (double)((a->t_ns - w->t0_ns) / 1000) / 1e6,
			          (double)(from / 1000) / 1e6);
	}
}

void invariant_end(struct world *w)
{
	uint64_t received = 0;

	if (w->watcher == NULL || w->trouble[0] != '\0')
		return;
	for (unsigned i = 0; i < w->plan->node_n; i++)
		received += w->host[i].received;
	if (w->frames + w->doubled != received + w->lost || w->slot_used != 0)
		violation(w, 0, "%llu frames were sent, %llu doubled, %llu received, %llu lost, "
		          "%u are left", (unsigned long long)w->frames,
		          (unsigned long long)w->doubled, (unsigned long long)received,
		          (unsigned long long)w->lost, w->slot_used);
	check_calm(w);
}

void invariant_pending(struct world *w)
{
	if (w->watcher == NULL)
		return;
	for (unsigned i = 0; i < w->plan->node_n; i++) {
		const struct host *h = &w->host[i];
		if (h->state == HOST_RUNS && h->lb != NULL && bal_deadline(h->lb->bal) < w->now_ns)
			violation(w, i, "%u queries are still pending after their time",
			          bal_outstanding(h->lb->bal));
	}
}
