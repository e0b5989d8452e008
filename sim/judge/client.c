/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clients' side: what was planned, from the load's own generator, against what the client
 * node's interface saw. Queries are matched by client, ID and question; a later try, which has an
 * ID of its own, by client and question. Planned queries are taken in as time goes, so that a
 * question that repeats an ID seconds later is a query of its own. A truncated answer sends the
 * client on over TCP, whose answer is then the one that counts.
 */
#include <stdio.h>
#include <stdlib.h>

#include "inner.h"
#include "lib/host/host.h"
#include "recursor-stub/core/answer.h"
#include "sim/load/core/load.h"

enum { TRY_SHIFT = 40 }; /* a table value: try number above the query's index */

static const int64_t EARLY_NS = 5000000;      /* clocks of plan and capture agree within this */
static const int64_t KEEP_NS = 5000000000;    /* how late an answer is still known for what it is */

struct planned {
	struct load_gen *gen;
	struct arena arena;
	unsigned load;
	bool more;
	struct load_query next;
};

static int planned_init(struct planned *g, const struct plan *p, unsigned load)
{
	g->load = load;
	if (host_arena(&g->arena, load_gen_arena_size(p, load)) < 0)
		return -1;
	g->gen = load_gen_init(&g->arena, p, load);
	g->more = load_gen_next(g->gen, &g->next);
	return 0;
}

int client_init(struct client *c, const struct plan *p, unsigned node,
                char error[JUDGE_ERROR_TEXT])
{
	*c = (struct client){ .node = node, .oracle = p->recursor.path == NULL };
	c->planned = calloc(p->load_n + 1, sizeof(*c->planned));
	MUST(c->planned != NULL);
	table_init(&c->by_key, 256);
	table_init(&c->by_identity, 256);
	for (unsigned i = 0; i < p->load_n; i++) {
		if (p->load[i].node != (int)node)
			continue;
		const char *why = load_gen_refuses(p, i);
		if (why == NULL && planned_init(&c->planned[c->planned_n], p, i) == 0) {
			c->planned_n++;
			continue;
		}
		snprintf(error, JUDGE_ERROR_TEXT, "load %u: %s", i + 1,
		         why != NULL ? why : "no memory for its names");
		return -1;
	}
	return 0;
}

void client_free(struct client *c)
{
	for (unsigned i = 0; i < c->planned_n; i++)
		host_arena_free(&c->planned[i].arena);
	for (size_t i = 0; i < c->bad_n; i++)
		free(c->bad[i].said);
	tcp_free(c->tcp);
	free(c->planned);
	free(c->query);
	free(c->bad);
	table_free(&c->by_key);
	table_free(&c->by_identity);
}

int64_t query_deadline(const struct plan *p, const struct query *q)
{
	const struct plan_load *l = &p->load[q->load];

	return q->plan_ns + (int64_t)l->tries * l->timeout_ns;
}

bool query_answered(const struct plan *p, const struct query *q)
{
	return q->answer_ns != NEVER && q->answer_ns <= query_deadline(p, q);
}

static void take_planned(struct client *c, struct planned *g)
{
	const struct load_query *n = &g->next;
	uint64_t question = question_hash(n->name, n->name_len, n->type, DNS_IN);

	c->query = grow(c->query, c->query_n, &c->query_cap, sizeof(*c->query));
	struct query *q = &c->query[c->query_n];
	*q = (struct query){
		.plan_ns = n->t_ns, .sent_ns = NEVER, .answer_ns = NEVER,
		.key = key_of(&n->client, 0, n->id, question),
		.identity = key_of(&n->client, 1, 0, question),
		.to = n->to.ip,
		.id = n->id, .load = (uint16_t)g->load, .balancer = (uint16_t)n->balancer,
	};
	const uint64_t *v = table_find(&c->by_key, q->key);
	q->before = v != NULL ? (uint32_t)*v + 1 : 0;
	table_put(&c->by_key, q->key, c->query_n++);
	g->more = load_gen_next(g->gen, &g->next);
}

/* Takes in what was planned up to t_ns, over all loads by time. */
static void plan_until(struct client *c, int64_t t_ns)
{
	for (;;) {
		struct planned *first = NULL;
		for (unsigned i = 0; i < c->planned_n; i++) {
			struct planned *g = &c->planned[i];
			if (g->more && (first == NULL || g->next.t_ns < first->next.t_ns))
				first = g;
		}
		if (first == NULL || first->next.t_ns > t_ns)
			return;
		take_planned(c, first);
	}
}

/* Forgets the key if it still means this query. */
static void forget(struct table *t, uint64_t key, uint64_t index)
{
	const uint64_t *v = table_find(t, key);

	if (v != NULL && (*v & ((1ull << TRY_SHIFT) - 1)) == index)
		table_drop(t, key);
}

static void expire(struct client *c, const struct plan *p, int64_t t_ns)
{
	while (c->expired < c->query_n) {
		const struct query *q = &c->query[c->expired];
		if (query_deadline(p, q) + KEEP_NS >= t_ns)
			return;
		forget(&c->by_key, q->key, c->expired);
		forget(&c->by_identity, q->identity, c->expired);
		c->expired++;
	}
}

/* The newest query of its identity; it leads to those before it. */
static void remember(struct client *c, struct query *q, uint64_t index, uint64_t identity)
{
	const uint64_t *v = table_find(&c->by_identity, identity);

	q->same = v != NULL ? (uint32_t)*v + 1 : 0;
	table_put(&c->by_identity, identity, index);
}

/*
 * Whose next try leaves at t_ns: one client may ask one question again while an earlier query of it
 * still waits, so it is the one that is due closest to now. Who has its answer doesn't ask again,
 * unless that came when the next try was on its way. UINT64_MAX: nobody's.
 */
static uint64_t try_again(const struct client *c, const struct plan *p, int64_t t_ns,
                          uint64_t identity)
{
	const uint64_t *v = table_find(&c->by_identity, identity);
	uint64_t best = UINT64_MAX;
	int64_t least = INT64_MAX;
	bool waits = false;

	for (uint64_t i = v != NULL ? *v + 1 : 0; i > c->expired; i = c->query[i - 1].same) {
		const struct query *q = &c->query[i - 1];
		const struct plan_load *l = &p->load[q->load];
		int64_t off = llabs(t_ns - (q->sent_ns + q->tries * l->timeout_ns));
		bool open = q->answer_ns == NEVER;
		if (q->tries >= l->tries || open < waits || (open == waits && off >= least))
			continue;
		waits = open;
		least = off;
		best = i - 1;
	}
	return best;
}

/*
 * The query of this key that is planned closest to t_ns and hasn't left yet: at high rates an ID
 * comes again while the one before still waits. UINT64_MAX: none.
 */
static uint64_t first_try(const struct client *c, int64_t t_ns, uint64_t key)
{
	const uint64_t *v = table_find(&c->by_key, key);
	uint64_t best = UINT64_MAX;
	int64_t least = INT64_MAX;

	for (uint64_t i = v != NULL ? (*v & UINT32_MAX) + 1 : 0; i > c->expired;
	     i = c->query[i - 1].before) {
		const struct query *q = &c->query[i - 1];
		if (q->sent_ns == NEVER && q->key == key && llabs(t_ns - q->plan_ns) < least) {
			least = llabs(t_ns - q->plan_ns);
			best = i - 1;
		}
	}
	return best;
}

/* The value for the query of this key that this is an answer to; NULL: there is none. */
static const uint64_t *asked_for(const struct client *c, const struct frame *f, uint64_t key,
                                 uint64_t *value)
{
	const uint64_t *v = table_find(&c->by_key, key);

	for (uint64_t i = v != NULL ? (*v & UINT32_MAX) + 1 : 0; i > c->expired;
	     i = c->query[i - 1].before) {
		const struct query *q = &c->query[i - 1];
		if (q->key != key || q->tries != 1 || q->port != f->dst.port ||
		    !ip_eq(&q->to, &f->src.ip))
			continue;
		*value = i - 1;
		if (q->answer_ns == NEVER && q->answered == 0)
			return value;
		v = value;
	}
	return v;
}

/* A query on the wire: a first try, a later one, or one that nobody planned. */
static void client_query(struct client *c, const struct plan *p, const struct judge_tap *t,
                         const struct judge_message *m)
{
	uint64_t key = key_of(&t->frame->src.ip, 0, m->id, m->question);
	uint64_t identity = key_of(&t->frame->src.ip, 1, 0, m->question);

	plan_until(c, t->t_ns + EARLY_NS);
	expire(c, p, t->t_ns);
	uint64_t first = first_try(c, t->t_ns, key);
	if (first != UINT64_MAX) {
		struct query *q = &c->query[first];
		q->sent_ns = t->t_ns;
		q->sent_frame = (uint32_t)t->number;
		q->port = t->frame->src.port;
		q->front = key_of(&t->frame->src.ip, q->port, m->id, m->question);
		q->tries = 1;
		c->sent_seen++;
		if (p->load[q->load].tries > 1)
			remember(c, q, first, identity);
		return;
	}
	uint64_t again = try_again(c, p, t->t_ns, identity);
	if (again == UINT64_MAX) {
		c->unplanned++;
		return;
	}
	struct query *q = &c->query[again];
	q->port = t->frame->src.port;
	q->tries++;
	table_put(&c->by_key, key, again | (uint64_t)q->tries << TRY_SHIFT);
}

/* m: NULL for what is no DNS message. query: UINT32_MAX: it answers none. */
static void client_bad(struct client *c, const struct judge_tap *t, uint64_t query,
                       const struct judge_message *m, const char *what)
{
	const struct frame *f = t->frame;
	bool deserved = c->oracle && query != UINT32_MAX;

	if (c->bad_n == BADS_MAX)
		return;
	c->bad = grow(c->bad, c->bad_n, &c->bad_cap, sizeof(*c->bad));
	struct bad *b = &c->bad[c->bad_n++];
	*b = (struct bad){
		.frame = (uint32_t)t->number, .query = (uint32_t)query, .t_ns = t->t_ns,
		.from = f->src.ip, .what = what,
		.front = m == NULL ? 0 : key_of(&f->dst.ip, f->dst.port, m->id, m->question),
	};
	if (c->bad_n <= SAID_MAX)
		b->said = m != NULL ? said(m->m, m->len, deserved ? m : NULL) :
		          said(f->payload, f->payload_len, NULL);
}

/* What the answer says, by the oracle or, for a foreign recursor, by its rcode alone. */
static enum rec_match answer_match(const struct client *c, const struct judge_message *m)
{
	uint16_t flags = dns_flags(m->m), rcode = flags & DNS_RCODE;

	if (c->oracle)
		return rec_answer_match(m->m, m->len);
	if ((flags & DNS_TC) != 0)
		return REC_TRUNCATED;
	return rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN ? REC_RIGHT : REC_ERROR;
}

static const char *match_wrong(enum rec_match m)
{
	switch (m) {
	case REC_WRONG_RCODE:
		return "answer with the wrong rcode";
	case REC_WRONG_DATA:
		return "answer with wrong data";
	case REC_BROKEN:
		return "answer that is no DNS answer";
	case REC_RIGHT:
	case REC_TRUNCATED:
	case REC_ERROR:
		break;
	}
	return NULL;
}

/* Nobody asked for it: another ID, question, port or sender than that of any query. */
static void client_stray(struct client *c, const struct judge_tap *t, const struct judge_message *m,
                         const char *what)
{
	c->stray++;
	c->wrong++;
	client_bad(c, t, UINT32_MAX, m, what);
}

/* The bit of struct query's answered; 0 for tries that are too many to be told apart. */
static uint64_t try_bit(uint64_t try, bool tcp)
{
	return try <= 32 ? 1ull << ((try - 1) * 2 + tcp) : 0;
}

/* An answer that belongs to a query's try: the first one counts, unless it says "over TCP". */
static void take_answer(struct client *c, const struct judge_tap *t, const struct judge_message *m,
                        uint64_t index, uint64_t try)
{
	struct query *q = &c->query[index];
	bool tcp = t->frame->kind == FRAME_TCP;
	enum rec_match match = answer_match(c, m);
	const char *wrong = match == REC_TRUNCATED && tcp ? "truncated answer over TCP" :
	                    match_wrong(match);

	c->wrong += wrong != NULL;
	if (wrong != NULL)
		client_bad(c, t, index, m, wrong);
	if ((q->answered & try_bit(try, tcp)) != 0) {
		c->duplicate++;
		q->duplicate = true;
		client_bad(c, t, index, m, "second answer to one try");
	}
	q->answered |= try_bit(try, tcp);
	if (match == REC_TRUNCATED && !tcp) {
		q->truncated = true;
	} else if (q->answer_ns == NEVER) {
		q->answer_ns = t->t_ns;
		q->answer_frame = (uint32_t)t->number;
		q->match = (uint8_t)match;
		q->answer_try = (uint8_t)try;
	}
}

static void client_answer(struct client *c, const struct judge_tap *t,
                          const struct judge_message *m)
{
	const struct frame *f = t->frame;
	uint64_t older;
	const uint64_t *v = asked_for(c, f, key_of(&f->dst.ip, 0, m->id, m->question), &older);
	struct query *q = v != NULL ? &c->query[*v & UINT32_MAX] : NULL;

	if (q == NULL || q->tries == 0) {
		client_stray(c, t, m, "answer to no query: no such ID and question is open");
		return;
	}
	bool own_port = f->kind == FRAME_TCP || q->port == f->dst.port;
	if (q->tries == 1 && (!own_port || !ip_eq(&q->to, &f->src.ip))) {
		client_stray(c, t, m, "answer to no query: other port or sender");
		return;
	}
	uint64_t index = *v & UINT32_MAX, try = *v >> TRY_SHIFT;
	take_answer(c, t, m, index, try > 0 ? try : 1);
}

struct over_tcp {
	struct client *c;
	const struct judge_tap *t;
};

static void tcp_answer(void *of, const uint8_t *bytes, size_t len)
{
	const struct over_tcp *o = of;
	struct judge_message m;

	if (judge_message_read(&m, bytes, len) && m.answer)
		client_answer(o->c, o->t, &m);
	else
		client_stray(o->c, o->t, NULL, "answer that is no DNS answer");
}

static void client_tcp(struct client *c, const struct judge_tap *t)
{
	struct over_tcp o = { c, t };

	if (c->tcp == NULL)
		c->tcp = tcp_new();
	tcp_segment(c->tcp, t->frame, tcp_answer, &o);
}

void client_tap(struct client *c, const struct plan *p, const struct judge_tap *t, bool out)
{
	struct judge_message space;

	if ((out ? t->frame->dst.port : t->frame->src.port) != 53)
		return;
	if (t->frame->kind == FRAME_TCP && !out)
		client_tcp(c, t);
	if (t->frame->kind != FRAME_UDP)
		return;
	const struct judge_message *m = tap_message(t, &space);
	if (out && m != NULL && !m->answer)
		client_query(c, p, t, m);
	else if (out)
		c->unplanned++;
	else if (m != NULL && m->answer)
		client_answer(c, t, m);
	else
		client_stray(c, t, NULL, "answer that is no DNS answer");
}

void client_finish(struct client *c)
{
	plan_until(c, INT64_MAX);
}
