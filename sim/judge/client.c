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

#include "asked.h"
#include "inner.h"
#include "lib/host/host.h"
#include "recursor-stub/core/answer.h"
#include "sim/load/core/load.h"
#include "sim/plan/answers.h"
#include "sim/plan/bounds.h"

static const int64_t EARLY_NS = 5000000;      /* clocks of plan and capture agree within this */
static const int64_t KEEP_NS = 5000000000;    /* how late an answer is still known for what it is */
/* The same on connections that stay open: dnsdist waits 30 s for a server, and asks up to six. */
static const int64_t KEEP_TCP_NS = 180000000000;

struct planned {
	struct load_gen *gen;
	struct arena arena;
	const struct plan_load *load;
	int64_t lives_ns;       /* all of a query's tries together */
	struct ip *to;          /* whom it may ask */
	unsigned *balancer;     /* the same by index among the plan's balancers */
	bool more;
	struct load_query next;
};

/* A later try's key, which has to be forgotten with its query. */
struct retry {
	uint64_t key, index;
};

static int planned_init(struct planned *g, const struct plan *p, unsigned load)
{
	g->load = &p->load[load];
	g->lives_ns = (int64_t)g->load->tries * g->load->timeout_ns;
	if (host_arena(&g->arena, load_gen_arena_size(p, load)) < 0)
		return -1;
	g->gen = load_gen_init(&g->arena, p, load);
	g->to = zeroed(load_gen_balancers(g->gen), sizeof(*g->to));
	g->balancer = zeroed(load_gen_balancers(g->gen), sizeof(*g->balancer));
	for (unsigned i = 0; i < load_gen_balancers(g->gen); i++)
		g->to[i] = load_gen_balancer(g->gen, i, &g->balancer[i]).ip;
	g->more = load_gen_next(g->gen, &g->next);
	return 0;
}

/* When any load's next query is planned; INT64_MAX: none is. */
static int64_t next_plan(const struct client *c)
{
	int64_t next = INT64_MAX;

	for (unsigned i = 0; i < c->planned_n; i++)
		if (c->planned[i].more && c->planned[i].next.t_ns < next)
			next = c->planned[i].next.t_ns;
	return next;
}

/* The longest time for which a balancer hangs: what it had got it answers when it goes on. */
static int64_t longest_hang(const struct plan *p)
{
	int64_t most = 0;

	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		if (f->kind != PLAN_HANG || p->node[f->node].role != PLAN_BALANCER)
			continue;
		int end = plan_fault_end(p, i);
		int64_t t = (end != PLAN_NONE ? p->fault[end].at_ns : p->end_ns) -
		            plan_fault_earliest(f);
		most = t > most ? t : most;
	}
	return most;
}

int client_init(struct client *c, const struct plan *p, unsigned node,
                char error[JUDGE_ERROR_TEXT])
{
	*c = (struct client){ .node = node, .settled.first_lost_ns = NEVER,
	                      .hang_ns = longest_hang(p) };
	c->planned = zeroed(p->load_n, sizeof(*c->planned));
	bool resolved = p->node[p->node_n - 1].role == PLAN_AUTHORITY;
	c->oracle = p->recursor.path == NULL || resolved ?
	            oracle_new(resolved, plan_book(p)) : NULL;
	ring_init(&c->query, sizeof(struct query));
	ring_init(&c->identity, sizeof(uint64_t));
	ring_init(&c->retry, sizeof(struct retry));
	table_init(&c->by_key, 0);
	table_init(&c->by_identity, 0);
	for (unsigned i = 0; i < p->load_n; i++) {
		if (p->load[i].node != (int)node)
			continue;
		const char *why = load_gen_refuses(p, i);
		if (why == NULL && planned_init(&c->planned[c->planned_n], p, i) == 0) {
			c->again |= p->load[i].tries > 1;
			c->asks_tcp |= p->load[i].replay_n > 0 &&
			               p->load[i].replay->trace->connection_n > 0;
			c->planned_n++;
			continue;
		}
		snprintf(error, JUDGE_ERROR_TEXT, "load %u: %s", i + 1,
		         why != NULL ? why : "no memory for its names");
		return -1;
	}
	c->next_plan_ns = next_plan(c);
	if (c->asks_tcp && c->hang_ns < KEEP_TCP_NS)
		c->hang_ns = KEEP_TCP_NS;
	return 0;
}

void client_free(struct client *c)
{
	for (unsigned i = 0; i < c->planned_n; i++) {
		host_arena_free(&c->planned[i].arena);
		free(c->planned[i].to);
		free(c->planned[i].balancer);
	}
	for (unsigned i = 0; i < c->bad_n; i++)
		free(c->bad[i].said);
	tcp_free(c->tcp);
	oracle_free(c->oracle);
	free(c->planned);
	ring_free(&c->query);
	ring_free(&c->identity);
	ring_free(&c->retry);
	table_free(&c->by_key);
	table_free(&c->by_identity);
}

const struct plan_load *query_load(const struct client *c, const struct query *q)
{
	return c->planned[q->planned].load;
}

int64_t query_deadline(const struct client *c, const struct query *q)
{
	return q->plan_ns + c->planned[q->planned].lives_ns;
}

bool query_answered(const struct client *c, const struct query *q)
{
	return q->answer_ns != NEVER && q->answer_ns <= query_deadline(c, q);
}

const struct ip *query_to(const struct client *c, const struct query *q)
{
	return &c->planned[q->planned].to[q->target];
}

unsigned query_balancer(const struct client *c, const struct query *q)
{
	return c->planned[q->planned].balancer[q->target];
}

int64_t client_settled(const struct client *c, int64_t t_ns)
{
	if (c->query.base == c->query.next)
		return t_ns < c->next_plan_ns ? t_ns : c->next_plan_ns;
	return ((const struct query *)ring_at(&c->query, c->query.base))->plan_ns;
}

/* Enters index for key. Returns how far back the one before is; 0: there was none. */
static uint32_t enter(struct table *t, uint64_t key, uint64_t index)
{
	struct table_slot *s = table_place(t, key);
	uint64_t steps = index - index_of(s->value);

	if (s->key == 0) {
		table_fill(t, s, key, index);
		return 0;
	}
	s->value = index;
	return steps <= UINT32_MAX ? (uint32_t)steps : 0;
}

static void take_planned(struct client *c, struct planned *g)
{
	const struct load_query *n = &g->next;
	uint64_t question = question_hash(n->name, n->name_len, n->type, n->class);
	uint64_t index = c->query.next;
	struct query *q = ring_push(&c->query);

	*q = (struct query){
		.plan_ns = n->t_ns, .sent_ns = NEVER, .answer_ns = NEVER,
		.key = key_of(&n->client, 0, n->id, question),
		.planned = (uint16_t)(g - c->planned), .target = (uint16_t)n->target,
		.tcp = n->connection > 0,
	};
	q->before = enter(&c->by_key, q->key, index);
	if (c->again)
		*(uint64_t *)ring_push(&c->identity) = key_of(&n->client, 1, 0, question);
	if (q->tcp && g->load->tries > 1) /* its first try may never be seen */
		q->same = enter(&c->by_identity, key_of(&n->client, 1, 0, question), index);
	g->more = load_gen_next(g->gen, &g->next);
	c->next_plan_ns = next_plan(c);
}

/* Takes in what was planned up to t_ns, over all loads by time. */
static void plan_until(struct client *c, int64_t t_ns)
{
	while (c->next_plan_ns <= t_ns && c->next_plan_ns < INT64_MAX) {
		struct planned *g = c->planned;
		while (!g->more || g->next.t_ns > c->next_plan_ns)
			g++;
		take_planned(c, g);
	}
}

/* Forgets the key if it still means this query. */
static void forget(struct table *t, uint64_t key, uint64_t index)
{
	struct table_slot *s = table_slot(t, key);

	if (s != NULL && index_of(s->value) == index)
		table_drop_slot(t, s);
}

static void settle_first(struct judge *j, struct client *c)
{
	uint64_t index = c->query.base;
	const struct query *q = ring_at(&c->query, index);

	query_settled(j, c, q);
	forget(&c->by_key, q->key, index);
	c->query.base++;
	if (!c->again)
		return;
	forget(&c->by_identity, *(uint64_t *)ring_at(&c->identity, index), index);
	c->identity.base++;
	while (c->retry.base < c->retry.next) {
		const struct retry *r = ring_at(&c->retry, c->retry.base);
		if (r->index > index)
			return;
		forget(&c->by_key, r->key, r->index);
		c->retry.base++;
	}
}

void client_settle(struct judge *j, struct client *c, int64_t t_ns)
{
	plan_until(c, t_ns);
	while (c->query.base < c->query.next) {
		const struct query *q = ring_at(&c->query, c->query.base);
		if (query_deadline(c, q) + KEEP_NS + c->hang_ns >= t_ns)
			return;
		settle_first(j, c);
	}
}

void client_finish(struct judge *j, struct client *c)
{
	do {
		while (c->query.base < c->query.next)
			settle_first(j, c);
		if (!j->events.trouble) /* else it is INVALID, and what was to come is no matter */
			plan_until(c, c->next_plan_ns);
	} while (c->query.base < c->query.next);
}

/*
 * Whose next try leaves at t_ns: one client may ask one question again while an earlier query of it
 * still waits, so it is the one from that port, and that is due closest to now. Who has its answer
 * doesn't ask again, unless that came when the next try was on its way. UINT64_MAX: nobody's.
 */
static uint64_t try_again(const struct client *c, int64_t t_ns, uint16_t port, uint64_t identity,
                          bool tcp)
{
	uint64_t best = UINT64_MAX;
	int64_t least = INT64_MAX;
	int most = -1;

	for (uint64_t i = newest(c, table_find(&c->by_identity, identity)); i > 0;) {
		const struct query *q = ring_at(&c->query, i - 1);
		const struct plan_load *l = query_load(c, q);
		int64_t sent = q->tcp ? q->plan_ns : q->sent_ns;
		int64_t off = llabs(t_ns - (sent + q->tries * l->timeout_ns));
		int fits = 2 * (q->answer_ns == NEVER) + (q->port == port);
		bool worse = fits < most || (fits == most && off >= least);
		if (q->tries < l->tries && q->tcp == tcp && !worse) {
			most = fits;
			least = off;
			best = i - 1;
		}
		i = back_from(c, i - 1, q->same);
	}
	return best;
}

/*
 * The query of this key, to that address, that is planned first and hasn't left yet: at high rates
 * an ID comes again while the one before still waits, or from another socket a moment later.
 * UINT64_MAX: none.
 */
static uint64_t first_try(const struct client *c, const struct ip *to, uint64_t key, bool tcp)
{
	uint64_t best = UINT64_MAX;
	int64_t least = INT64_MAX;

	for (uint64_t i = newest(c, table_find(&c->by_key, key)); i > 0;) {
		const struct query *q = ring_at(&c->query, i - 1);
		if (q->sent_ns == NEVER && q->key == key && q->plan_ns < least && q->tcp == tcp &&
		    same_ip(query_to(c, q), to)) {
			least = q->plan_ns;
			best = i - 1;
		}
		i = back_from(c, i - 1, q->before);
	}
	return best;
}

/* Was a query of this key asked over UDP, and its answer truncated? Then it goes over TCP now. */
static bool truncated_before(const struct client *c, uint64_t key)
{
	uint64_t i = newest(c, table_find(&c->by_key, key));

	return i > 0 && ((const struct query *)ring_at(&c->query, i - 1))->truncated;
}

/*
 * Enters a query among those of its client and question, which are a chain from the newest on. One
 * that leaves after another that was planned later goes in behind that.
 */
static void enter_same(struct client *c, uint64_t index)
{
	uint64_t identity = *(uint64_t *)ring_at(&c->identity, index);
	uint64_t i = newest(c, table_find(&c->by_identity, identity)), next;
	struct query *q = ring_at(&c->query, index), *later;

	if (i <= index) {
		q->same = enter(&c->by_identity, identity, index);
		return;
	}
	later = ring_at(&c->query, i - 1);
	while ((next = back_from(c, i - 1, later->same)) > index + 1) {
		i = next;
		later = ring_at(&c->query, i - 1);
	}
	q->same = next > 0 ? (uint32_t)(index + 1 - next) : 0;
	later->same = (uint32_t)(i - 1 - index);
}

static void query_sent(struct client *c, const struct judge_tap *t, uint64_t index)
{
	struct query *q = ring_at(&c->query, index);

	q->sent_ns = t->t_ns;
	q->sent_frame = t->number;
	if (q->tries == 0) { /* over TCP a connection may come about when the next try has left */
		q->port = t->frame->src.port;
		q->tries = 1;
	}
	if (query_load(c, q)->tries > 1 && !q->tcp)
		enter_same(c, index);
}

static void later_key(struct client *c, uint64_t key, uint64_t index, unsigned try)
{
	table_put(&c->by_key, key, index | (uint64_t)try << TRY_SHIFT);
	*(struct retry *)ring_push(&c->retry) = (struct retry){ key, index };
}

/* Is the newest first try of this key still to leave, or without its answer? */
static bool first_waits(const struct client *c, uint64_t key)
{
	uint64_t i = newest(c, table_find(&c->by_key, key));
	const struct query *q = i > 0 ? ring_at(&c->query, i - 1) : NULL;

	return q != NULL && q->key == key && q->tries <= 1 && q->answered == 0;
}

/*
 * IDs of later tries are one socket's own, so two sockets of one client may have the same at a
 * time: they are known by their port, and where an answer comes over TCP, without, unless that
 * would hide another query's first try.
 */
static void later_try(struct client *c, const struct judge_tap *t, const struct judge_message *m,
                      uint64_t index, unsigned try)
{
	const struct frame *f = t->frame;
	uint64_t key = key_of(&f->src.ip, 0, m->id, m->question);

	if (!first_waits(c, key))
		later_key(c, key, index, try);
	later_key(c, later_key_of(&f->src.ip, f->src.port, &f->dst.ip, m), index, try);
}

/* A query on the wire: a first try, a later one, or one that nobody planned. */
static void client_query(struct client *c, const struct judge_tap *t,
                         const struct judge_message *m)
{
	uint64_t key = key_of(&t->frame->src.ip, 0, m->id, m->question), again = UINT64_MAX;
	bool tcp = t->frame->kind == FRAME_TCP;

	plan_until(c, t->t_ns + EARLY_NS);
	uint64_t first = first_try(c, &t->frame->dst.ip, key, tcp);
	if (first != UINT64_MAX) {
		query_sent(c, t, first);
		return;
	}
	if (tcp && truncated_before(c, key))
		return;
	if (c->again)
		again = try_again(c, t->t_ns, t->frame->src.port,
		                  key_of(&t->frame->src.ip, 1, 0, m->question), tcp);
	if (again == UINT64_MAX) {
		c->unplanned++;
		return;
	}
	struct query *q = ring_at(&c->query, again);
	q->port = t->frame->src.port;
	q->tries = (uint8_t)(q->tries == 0 ? 2 : q->tries + 1);
	later_try(c, t, m, again, q->tries);
}

/* m: NULL for what is no DNS message. deserved: it answers a query that the oracle knows. */
static void client_bad(const struct judge *j, struct client *c, const struct judge_tap *t,
                       const struct judge_message *m, bool deserved, const char *what)
{
	const struct frame *f = t->frame;

	if (c->bad_n == BADS_MAX)
		return;
	struct bad *b = &c->bad[c->bad_n++];
	*b = (struct bad){ .frame = t->number, .t_ns = t->t_ns, .what = what };
	if (m != NULL)
		b->server = server_asked(j, key_of(&f->dst.ip, f->dst.port, m->id, m->question));
	const struct rec_book *book = plan_book(j->plan);
	b->said = m != NULL ? said(book, m->m, m->len, deserved && c->oracle != NULL ? m : NULL) :
	          said(NULL, f->payload, f->payload_len, NULL);
}

/* What the answer says, by the oracle or, where nobody knows who was asked, by its rcode alone. */
static enum rec_match answer_match(const struct client *c, const struct judge_message *m)
{
	uint16_t flags = dns_flags(m->m), rcode = flags & DNS_RCODE;

	if (c->oracle != NULL)
		return oracle_match(c->oracle, m);
	if ((flags & DNS_TC) != 0)
		return REC_TRUNCATED;
	return rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN ? REC_RIGHT : REC_ERROR;
}

/* A wrong answer, or a duplicate, counts when it comes. */
static void count_bad(const struct judge *j, int64_t t_ns, bool wrong)
{
	for (unsigned i = 0; i < j->answers_n; i++) {
		struct answers *a = &j->answers[i];
		if (t_ns >= a->from_ns && t_ns < a->to_ns)
			*(wrong ? &a->wrong : &a->duplicate) += 1;
	}
}

/* Nobody asked for it: another ID, question, port or sender than that of any query. */
static void client_stray(const struct judge *j, struct client *c, const struct judge_tap *t,
                         const struct judge_message *m, const char *what)
{
	c->wrong++;
	count_bad(j, t->t_ns, true);
	client_bad(j, c, t, m, false, what);
}

/* An answer that belongs to a query's try: the first one counts, unless it says "over TCP". */
static void take_answer(const struct judge *j, struct client *c, const struct judge_tap *t,
                        const struct judge_message *m, uint64_t value)
{
	struct query *q = ring_at(&c->query, index_of(value));
	uint64_t try = try_of(value);
	bool tcp = t->frame->kind == FRAME_TCP;
	enum rec_match match = answer_match(c, m);
	const char *wrong = match == REC_TRUNCATED && tcp ? "truncated answer over TCP" :
	                    oracle_wrong(match);

	c->wrong += wrong != NULL;
	if (wrong != NULL) {
		count_bad(j, t->t_ns, true);
		client_bad(j, c, t, m, true, wrong);
	}
	if ((q->answered & try_bit(try, tcp)) != 0) {
		c->duplicate++;
		count_bad(j, t->t_ns, false);
		q->duplicate = true;
		client_bad(j, c, t, m, true, "second answer to one try");
	}
	q->answered |= try_bit(try, tcp);
	if (match == REC_TRUNCATED && !tcp) {
		q->truncated = true;
	} else if (q->answer_ns == NEVER) {
		q->answer_ns = t->t_ns;
		q->match = (uint8_t)match;
		q->answer_try = (uint8_t)try;
	}
}

static void client_answer(const struct judge *j, struct client *c, const struct judge_tap *t,
                          const struct judge_message *m)
{
	const struct frame *f = t->frame;
	uint64_t older;
	const uint64_t *v = answered_try(c, f, m, &older);
	const struct query *q = v != NULL ? ring_at(&c->query, index_of(*v)) : NULL;

	if (q == NULL || q->tries == 0) {
		client_stray(j, c, t, m, "answer to no query: no such ID and question is open");
		return;
	}
	bool own_port = f->kind == FRAME_TCP || q->port == f->dst.port;
	if (q->tries == 1 && (!own_port || !same_ip(query_to(c, q), &f->src.ip)))
		client_stray(j, c, t, m, "answer to no query: other port or sender");
	else
		take_answer(j, c, t, m, *v);
}

struct over_tcp {
	const struct judge *j;
	struct client *c;
	const struct judge_tap *t;
};

static void tcp_answer(void *of, const uint8_t *bytes, size_t len)
{
	const struct over_tcp *o = of;
	struct judge_message m;

	if (judge_message_read(&m, bytes, len) && m.answer)
		client_answer(o->j, o->c, o->t, &m);
	else
		client_stray(o->j, o->c, o->t, NULL, "answer that is no DNS answer");
}

static void tcp_query(void *of, const uint8_t *bytes, size_t len)
{
	const struct over_tcp *o = of;
	struct judge_message m;

	if (judge_message_read(&m, bytes, len) && !m.answer)
		client_query(o->c, o->t, &m);
	else
		o->c->unplanned++;
}

static void client_tcp(const struct judge *j, struct client *c, const struct judge_tap *t, bool out)
{
	struct over_tcp o = { j, c, t };

	if (c->tcp == NULL)
		c->tcp = tcp_new();
	/* What is given up is counted. */
	(void)tcp_segment(c->tcp, t->frame, out ? tcp_query : tcp_answer, &o);
}

void client_tap(struct judge *j, struct client *c, const struct judge_tap *t, bool out)
{
	struct judge_message space;

	if ((out ? t->frame->dst.port : t->frame->src.port) != 53)
		return;
	if (t->frame->kind == FRAME_TCP && (!out || c->asks_tcp))
		client_tcp(j, c, t, out);
	if (t->frame->kind != FRAME_UDP)
		return;
	const struct judge_message *m = tap_message(t, &space);
	if (out && m != NULL && !m->answer)
		client_query(c, t, m);
	else if (out)
		c->unplanned++;
	else if (m != NULL && m->answer)
		client_answer(j, c, t, m);
	else
		client_stray(j, c, t, NULL, "answer that is no DNS answer");
}
