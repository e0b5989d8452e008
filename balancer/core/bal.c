/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a query in one worker: judged, answered from the cache or sent on, answered or timed
 * out; see bal.h.
 */
#include "bal_impl.h"

#include <errno.h>
#include <string.h>

#include "fit.h"
#include "lib/proxy.h"
#include "own.h"
#include "subnet.h"
#include "tcp_impl.h"

enum { LATENCY_MAX_US = 30000000 }; /* so that the EWMA in 1/128 us stays below 2^32 */

size_t bal_arena_size(const struct bal_conf *conf)
{
	size_t policies = arena_need(bal_pools(conf), sizeof(struct policy));

	for (unsigned i = 0; i < bal_pools(conf); i++)
		policies += policy_arena_size(conf, i);
	return arena_need(1, sizeof(struct bal)) + policies + idt_arena_size(conf) +
	       cache_arena_size(conf) + again_arena_size(conf) + btcp_arena_size(conf) +
	       brules_arena_size(conf) + late_arena_size(conf) +
	       arena_need(bal_conf_servers(conf), sizeof(struct bal_server_counts));
}

struct bal *bal_init(struct arena *a, const struct bal_conf *conf, struct bal_shared *shared,
                     const uint8_t seed[32], uint32_t worker)
{
	struct bal *b = arena_take(a, 1, sizeof(*b));

	MUST(conf->udp_timeout_ns >= 0 && shared->server_n == conf->server_n);
	b->conf = conf;
	b->shared = shared;
	b->now_ns = INT64_MIN;
	b->repairs = conf->quirks.fixup_case || conf->quirks.truncate_tc;
	b->policy = arena_take(a, bal_pools(conf), sizeof(*b->policy));
	for (unsigned i = 0; i < bal_pools(conf); i++)
		policy_init(&b->policy[i], a, conf, i, shared, seed);
	idt_init(&b->out, a, conf);
	cache_init(&b->cache, a, conf, shared);
	again_init(&b->again, a, conf);
	b->server = arena_take(a, bal_conf_servers(conf), sizeof(*b->server));
	drbg_init(&b->random, seed, DRBG_BALANCER, worker);
	brules_init(&b->rules, a, conf, shared, seed, worker);
	b->rules.tags.crowded = &b->counts.not_tagged;
	b->rules.failed = &b->counts.rules_failed;
	late_init(&b->late, a, conf);
	b->tcp = btcp_init(a, conf, shared, b->policy, seed, worker);
	return b;
}

void bal_set_hooks(struct bal *b, const struct bal_hooks *h)
{
	for (unsigned i = 0; i < bal_pools(b->conf); i++)
		b->policy[i].hooks = h;
	b->rules.hooks = h;
}

unsigned bal_ports(const struct bal_conf *conf)
{
	return bal_port(conf, bal_conf_servers(conf), 0);
}

unsigned bal_port(const struct bal_conf *conf, unsigned server, unsigned socket)
{
	unsigned port = 1;

	MUST(server <= bal_conf_servers(conf));
	for (unsigned i = 0; i < server; i++)
		port += conf->server[i].sockets;
	return port + socket;
}

unsigned bal_port_server(const struct bal *b, unsigned port)
{
	MUST(port >= 1 && port <= b->out.socket_n);
	return b->out.socket[port - 1].server;
}

static enum bal_verdict no_server(struct bal *b, struct dgram *d, const struct dns_question *q)
{
	if (!b->conf->servfail_when_no_server)
		return BAL_DROP_NO_SERVER;
	struct dns_edns e = own_read_edns(d, q->end);
	own_answer(d, DNS_SERVFAIL, q->end, &e, &b->conf->quirks);
	return BAL_SERVFAIL;
}

/* A query at hand. */
struct ask {
	struct dns_question question;
	struct rule_said said;
	uint8_t flags_hi, flags_lo;  /* as they came, before any rule */
};

static void remember(struct bal *b, struct idt_query *q, const struct dgram *d,
                     const struct ask *ask)
{
	const struct dns_question *question = &ask->question;

	q->sent_ns = b->now_ns;
	q->client = d->peer;
	q->local = d->local;
	q->type = question->type;
	q->class = question->class;
	q->client_id = dns_id(d->data);
	q->pool = ask->said.pool & (BAL_POOLS_MAX - 1u);
	q->name_len = (uint8_t)question->name_len;
	q->flags_hi = ask->flags_hi;
	q->flags_lo = ask->flags_lo;
	memcpy(q->name, d->data + DNS_HEADER, question->name_len);
}

struct policy *bal_policy(struct bal *b, unsigned pool)
{
	policy_look(&b->policy[pool], b->batch, b->now_ns);
	return &b->policy[pool];
}

/* The server that the policy's function says. */
static int call(const struct bal *b, const struct policy *p, const struct dgram *d,
                const struct dns_question *question)
{
	const struct bal_hook_query q = {
		.name = d->data + DNS_HEADER, .name_len = question->name_len,
		.type = question->type, .class = question->class, .id = dns_id(d->data),
		.flags = dns_flags(d->data), .tcp = d->proto == DGRAM_TCP, .peer = &d->peer,
		.local = &d->local, .message = d->data, .len = d->len, .end = question->end,
		.tags = &b->rules.tags.now,
	};

	return policy_call(p, &q);
}

/* The server that the pool's policy says; BAL_HOOK_NONE: none. */
static int choose(struct bal *b, const struct dgram *d, const struct ask *ask)
{
	struct policy *p = bal_policy(b, ask->said.pool);

	if (policy_calls(p))
		return call(b, p, d, &ask->question);
	return policy_pick(p, &b->random, b->now_ns, d->data + DNS_HEADER,
	                   ask->question.name_len);
}

/* Over TCP, later tries included, all else is tcp_server.c's. */
static enum bal_verdict forward_tcp(struct bal *b, struct dgram *d, unsigned server,
                                    const struct ask *ask)
{
	bool udp = d->proto == DGRAM_UDP;

	if (b->tcp == NULL)
		return BAL_DROP_FULL;
	btcp_begin(b->tcp, b->now_ns);
	bool transfer = !udp && (ask->question.type == DNS_AXFR ||
	                         ask->question.type == DNS_IXFR);
	uint16_t udp_size = udp ? fit_size(d, ask->question.end) : 0;
	unsigned ecs = subnet_tell(b->conf, d, server, ask->question.end, &ask->said.ecs);
	struct tcp_query *q = btcp_forward(b->tcp, d, server, transfer, udp_size);
	if (q == NULL)
		return BAL_DROP_FULL;
	remember(b, &q->q, d, ask);
	q->q.ecs = ecs & 3u;
	q->delay_ns = ask->said.delay_ns;
	if (transfer && ask->question.type == DNS_IXFR)
		transfer_asked(&q->seen, d->data, d->len, ask->question.end);
	cache_keep_tcp(&b->cache, btcp_slot(b->tcp, q));
	tags_keep_tcp(&b->rules.tags, btcp_slot(b->tcp, q));
	b->server[server].queries++;
	return BAL_TCP_FORWARD;
}

/* A PROXY header goes before the query in d, which has room for it. */
static void put_header(struct dgram *d, const struct idt_query *q)
{
	uint8_t header[PROXY_MAX];
	size_t n = proxy_header(header, &q->client, &q->local, false);

	memmove(d->data + n, d->data, d->len);
	memcpy(d->data, header, n);
	d->len = (uint16_t)(d->len + n);
}

/* Whether the query in d, and what goes into it for that server, fit into d. */
static bool has_room(const struct bal *b, const struct dgram *d, unsigned server)
{
	return !b->conf->server[server].proxy || d->len + PROXY_MAX + ECS_ADDED_MAX <= d->cap;
}

void bal_send_to(struct bal *b, struct dgram *d, unsigned server, struct idt_query *q,
                 const struct bal_ecs_said *ecs)
{
	dns_put16(d->data, q->id);
	q->ecs = subnet_tell(b->conf, d, server, (size_t)DNS_HEADER + q->name_len + 4, ecs) & 3u;
	if (b->conf->server[server].proxy)
		put_header(d, q);
	d->peer = b->conf->server[server].addr;
	d->port = (uint16_t)(b->out.server[server].socket - b->out.socket + q->socket + 1);
	atomic_fetch_add_explicit(&b->shared->server[server].outstanding, 1, memory_order_relaxed);
	b->server[server].queries++;
}

/* What rules said of the query in that place is wanted once more. */
static void keep_said(struct bal *b, unsigned server, uint32_t slot, const struct ask *ask)
{
	tags_keep(&b->rules.tags, server, slot);
	if (b->rules.ecs != NULL)
		*brules_ecs(&b->rules, server, slot) = ask->said.ecs;
}

static enum bal_verdict forward(struct bal *b, struct dgram *d, const struct ask *ask,
                                unsigned server)
{
	if (d->proto == DGRAM_TCP || b->conf->server[server].tcp_only)
		return forward_tcp(b, d, server, ask);
	if (!has_room(b, d, server))
		return BAL_DROP_FULL;
	struct idt_query *q = idt_take(&b->out, &b->random, server);
	if (q == NULL)
		return BAL_DROP_FULL;
	remember(b, q, d, ask);
	uint32_t slot = idt_slot(&b->out, server, q);
	if (b->conf->servfail_on_timeout)
		q->edns = own_edns(d, &ask->question) & 3u;
	cache_keep(&b->cache, server, slot);
	if (b->again.kept != NULL)
		again_keep(&b->again, server, slot, d);
	late_ask(&b->late, server, slot, ask->said.delay_ns);
	if (b->rules.conf != NULL)
		keep_said(b, server, slot, ask);
	bal_send_to(b, d, server, q, &ask->said.ecs);
	return BAL_FORWARD;
}

static uint8_t bits_from(uint8_t to, uint8_t from, unsigned bits)
{
	return (uint8_t)((to & ~bits) | (from & bits));
}

/* An answer that was made here, or is out of a cache: RD and CD as they came, rules about it. */
static enum bal_verdict give_own(struct bal *b, struct dgram *d, const struct ask *ask,
                                 enum bal_chain_kind chain, enum bal_verdict v)
{
	if (b->rules.conf == NULL || !bal_verdict_sends(v))
		return v;
	const struct rule_look l = {
		.now_ns = b->now_ns, .m = d->data, .len = d->len, .name = d->data + DNS_HEADER,
		.name_len = ask->question.name_len, .type = ask->question.type,
		.class = ask->question.class, .client = &d->peer, .local = &d->local,
		.tcp = d->proto == DGRAM_TCP, .id = dns_id(d->data), .answer = true,
	};
	struct rule_said said = { .delay_ns = ask->said.delay_ns };
	d->data[2] = bits_from(d->data[2], ask->flags_hi, DNS_RD >> 8);
	d->data[3] = bits_from(d->data[3], ask->flags_lo, DNS_CD);
	bool good = brules_answer(&b->rules, chain, &l, &said);
	b->delay_ns = said.delay_ns;
	return good ? v : BAL_RULE_DROP;
}

/* Where a query goes that no rule has ended. */
static enum bal_verdict route(struct bal *b, struct dgram *d, const struct ask *ask)
{
	int server = -1;

	/* before the policy: a hit takes no turn and uses up no qps */
	if (HAS_DEFECT(b->conf, DEFECT_POLICY_BEFORE_CACHE))
		server = choose(b, d, ask);
	if (b->rules.conf != NULL) {
		b->cache.failure_s = ask->said.failure_s;
		b->cache.ecs = ask->said.ecs;
	}
	if (ask->said.skip_cache)
		cache_skip(&b->cache);
	else if (cache_answer(&b->cache, b->now_ns, ask->said.pool, d, &ask->question))
		return give_own(b, d, ask, BAL_HITS, BAL_CACHE_HIT);
	if (!HAS_DEFECT(b->conf, DEFECT_POLICY_BEFORE_CACHE))
		server = choose(b, d, ask);
	if (server == BAL_HOOK_FAILED)
		return BAL_DROP_LUA;
	if (server < 0)
		return give_own(b, d, ask, BAL_OWN, no_server(b, d, &ask->question));
	return forward(b, d, ask, (unsigned)server);
}

static enum bal_verdict no_question(const struct bal *b, struct dgram *d)
{
	if (b->conf->quirks.drop_empty_queries)
		return BAL_DROP_EMPTY;
	struct dns_edns e = own_read_edns(d, DNS_HEADER);
	own_answer(d, DNS_NOTIMP, DNS_HEADER, &e, &b->conf->quirks);
	return BAL_NOTIMP;
}

static enum bal_verdict judge_query(struct bal *b, struct dgram *d)
{
	struct ask ask;

	if (!prefix_any(b->conf->acl, b->conf->acl_n, &d->peer.ip))
		return BAL_DROP_ACL;
	if (d->len < DNS_HEADER)
		return BAL_DROP_SHORT;
	if ((dns_flags(d->data) & DNS_QR) != 0)
		return BAL_DROP_RESPONSE;
	b->counts.rd_queries += (dns_flags(d->data) & DNS_RD) != 0;
	if (dns_qdcount(d->data) == 0)
		return no_question(b, d);
	if (dns_question(&ask.question, d->data, d->len) < 0)
		return BAL_DROP_BROKEN;
	ask.said = (struct rule_said){ 0 };
	ask.flags_hi = d->data[2];
	ask.flags_lo = d->data[3];
	if (b->rules.conf != NULL) {
		enum bal_verdict v = brules_query(&b->rules, d, &ask.question, b->now_ns,
		                                 &ask.said);
		if (v != BAL_NO_VERDICT)
			return give_own(b, d, &ask, BAL_OWN, v);
	}
	return route(b, d, &ask);
}

/* True when the message has q's question: its name without regard to case, its type and class. */
static bool same_question(const struct idt_query *q, const uint8_t *m, size_t len)
{
	size_t end = (size_t)DNS_HEADER + q->name_len;

#ifndef EK_PLANT /* what make fuzz must find: an answer cut off in its question is read past */
	if (len < end + 4)
		return false;
#else
	(void)len;
#endif
	return dns_name_eq(m + DNS_HEADER, q->name_len, q->name, q->name_len) &&
	       dns_get16(m + end) == q->type && dns_get16(m + end + 2) == q->class;
}

/*
 * Whether m answers q. Without a question only an error can (a server that couldn't read the query
 * says so); success or NXDOMAIN about no name is no answer, unless the configuration lets it be.
 */
static enum bal_verdict match(const struct bal *b, const struct idt_query *q, const uint8_t *m,
                              size_t len)
{
	struct dns_question question;
	unsigned rcode = dns_flags(m) & DNS_RCODE;

	if (dns_qdcount(m) == 0)
		return (rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN) &&
		       !b->conf->quirks.allow_empty_response ? BAL_DROP_BROKEN_ANSWER : BAL_ANSWER;
	if (dns_qdcount(m) == 1 && same_question(q, m, len))
		return BAL_ANSWER;
	return dns_question(&question, m, len) < 0 ? BAL_DROP_BROKEN_ANSWER
	                                           : BAL_DROP_WRONG_QUESTION;
}

/* Moves the server's latency 1/128 of the way to what this answer took. Lost races don't matter. */
static void learn_latency(struct bal_shared_server *s, int64_t took_ns)
{
	int64_t us = took_ns / 1000;
	uint32_t old = atomic_load_explicit(&s->latency_us128, memory_order_relaxed);
	uint32_t sample = us < LATENCY_MAX_US ? (uint32_t)us : LATENCY_MAX_US;

	atomic_store_explicit(&s->latency_us128, old - old / 128 + sample, memory_order_relaxed);
}

const int32_t bal_took_ms[BAL_TOOK_N] = { 1, 10, 50, 100, 1000, INT32_MAX };

/* Divisors are constants and powers of two because this is done for every answer. */
static void count_answer(struct bal *b, unsigned server, const struct dgram *d, int64_t took_ns)
{
	struct bal_counts *c = &b->counts;
	int64_t us = took_ns / 1000, fine = us * (1 << 20);
	unsigned i = 0;

	while (i < BAL_TOOK_N - 1 && us >= bal_took_ms[i] * INT64_C(1000))
		i++;
	c->took[i]++;
	c->took_us += (uint64_t)us;
	c->average[0] += (fine - c->average[0]) / (1 << 7);
	c->average[1] += (fine - c->average[1]) / (1 << 10);
	c->average[2] += (fine - c->average[2]) / (1 << 13);
	c->average[3] += (fine - c->average[3]) / (1 << 20);
	c->servfail_responses += (dns_flags(d->data) & DNS_RCODE) == DNS_SERVFAIL;
	b->server[server].responses++;
}

void bal_settle(struct bal *b, unsigned server, struct idt_query *q, bool hold)
{
	atomic_fetch_sub_explicit(&b->shared->server[server].outstanding, 1, memory_order_relaxed);
	if (hold)
		idt_hold(&b->out, server, q);
	else
		idt_release(&b->out, server, q);
}

void bal_give_back(struct dgram *d, const struct idt_query *q)
{
	subnet_take_back(d, q);
	dns_put16(d->data, q->client_id);
	d->data[2] = bits_from(d->data[2], q->flags_hi, DNS_RD >> 8);
	d->data[3] = bits_from(d->data[3], q->flags_lo, DNS_CD);
	d->peer = q->client;
	d->local = q->local;
	d->port = 0;
}

bool bal_is_owed(const struct bal *b, unsigned server, const struct idt_query *q)
{
	return b->again.kept == NULL ||
	       again_end(&b->again, server, idt_slot(&b->out, server, q));
}

/* What the configuration wants changed in an answer; it has q's question, or none. */
static void repair(const struct bal *b, struct dgram *d, const struct idt_query *q)
{
	const struct bal_quirks *quirks = &b->conf->quirks;
	size_t q_end = (size_t)DNS_HEADER + q->name_len + 4;

	if (dns_qdcount(d->data) != 1)
		return;
	if (quirks->fixup_case)
		memcpy(d->data + DNS_HEADER, q->name, q->name_len);
	if (quirks->truncate_tc && d->proto == DGRAM_UDP &&
	    (dns_flags(d->data) & DNS_TC) != 0)
		own_truncate(d, q_end, quirks);
}

/* Whether rules, which there are, let the answer to q through. *keep: a cache may have it. */
static bool rules_let(struct bal *b, const struct dgram *d, const struct idt_query *q, bool *keep)
{
	struct rule_said said = { .delay_ns = b->delay_ns };

	const struct rule_look l = {
		.now_ns = b->now_ns, .m = d->data, .len = d->len, .name = q->name,
		.name_len = q->name_len, .type = q->type, .class = q->class, .client = &q->client,
		.local = &q->local, .tcp = d->proto == DGRAM_TCP, .id = q->client_id,
		.answer = true,
	};
	bool let = brules_answer(&b->rules, BAL_ANSWERS, &l, &said);
	b->delay_ns = said.delay_ns;
	*keep = !said.skip_cache;
	return let;
}

/* The answer to q, whose client waits for it. */
static enum bal_verdict give(struct bal *b, struct dgram *d, unsigned server,
                             const struct idt_query *q)
{
	uint32_t slot = idt_slot(&b->out, server, q);
	bool keep = true;

	b->delay_ns = late_asked_ns(&b->late, server, slot);
	if (b->rules.conf != NULL) {
		tags_recall(&b->rules.tags, server, slot);
		if (!rules_let(b, d, q, &keep))
			return BAL_ANSWER_DROP;
	}
	bal_give_back(d, q);
	if (b->repairs)
		repair(b, d, q);
	if (keep)
		cache_learn(&b->cache, b->now_ns, server, slot, d,
		            (size_t)DNS_HEADER + q->name_len + 4);
	return BAL_ANSWER;
}

static enum bal_verdict judge_answer(struct bal *b, struct dgram *d)
{
	unsigned server = bal_port_server(b, d->port);

	if (!ep_eq(&d->peer, &b->conf->server[server].addr))
		return BAL_DROP_WRONG_SERVER;
	if (d->len < DNS_HEADER || (dns_flags(d->data) & DNS_QR) == 0)
		return BAL_DROP_BROKEN_ANSWER;
	struct idt_query *q = idt_find(&b->out, d->port - 1u, dns_id(d->data));
	if (q == NULL)
		return BAL_DROP_UNMATCHED;
	enum bal_verdict v = match(b, q, d->data, d->len);
	if (v != BAL_ANSWER)
		return v;
	learn_latency(&b->shared->server[server], b->now_ns - q->sent_ns);
	count_answer(b, server, d, b->now_ns - q->sent_ns);
	lazy_answered(b->shared->lazy, server, dns_flags(d->data) & DNS_RCODE);
	v = bal_is_owed(b, server, q) ? give(b, d, server, q) : BAL_DROP_LATE;
	bal_settle(b, server, q, false);
	return v;
}

/* A message of a client over TCP; what becomes of it decides what becomes of its connection. */
static enum bal_verdict judge_tcp_query(struct bal *b, struct dgram *d)
{
	uint32_t conn = d->conn;

	if (!btcp_heard(b->tcp, conn))
		return BAL_TCP_GONE;
	enum bal_verdict v = judge_query(b, d);
	if (bal_verdict_sends(v))
		btcp_served(b->tcp, conn);
	else if (v != BAL_TCP_FORWARD)
		btcp_refused(b->tcp, conn);
	return v;
}

/* A rule drops the answer to q: its client's connection ends once it has the others. */
static enum bal_verdict drop_tcp_answer(struct bal *b, struct tcp_query *q)
{
	unsigned server = q->server;
	bool wanted = btcp_wanted(q);
	uint32_t client = btcp_take_answer(b->tcp, q, true);

	if (!wanted)
		return BAL_TCP_GONE;
	b->server[server].responses++;
	btcp_refused(b->tcp, client);
	return BAL_TCP_ANSWER_DROP;
}

/* A message of a server over TCP. Those of a transfer after its first may be without a question. */
static enum bal_verdict judge_tcp_answer(struct bal *b, struct dgram *d)
{
	if (d->len < DNS_HEADER || (dns_flags(d->data) & DNS_QR) == 0)
		return BAL_DROP_BROKEN_ANSWER;
	struct tcp_query *q = btcp_find(b->tcp, d->conn, dns_id(d->data));
	if (q == NULL)
		return BAL_DROP_UNMATCHED;
	enum bal_verdict v = q->begun ? BAL_ANSWER : match(b, &q->q, d->data, d->len);
	if (v != BAL_ANSWER)
		return v;
	unsigned server = q->server, rcode = dns_flags(d->data) & DNS_RCODE;
	bool keep = true;
	lazy_answered(b->shared->lazy, server, rcode);
	tags_recall_tcp(&b->rules.tags, btcp_slot(b->tcp, q));
	b->delay_ns = late_kept_ns(&b->late, q->delay_ns);
	if (!q->begun && b->rules.conf != NULL && !rules_let(b, d, &q->q, &keep))
		return drop_tcp_answer(b, q);
	bool over = !q->transfer || rcode != DNS_NOERROR ||
	            transfer_over(&q->seen, d->data, d->len);
	uint16_t udp_size = q->udp_size;
	bal_give_back(d, &q->q);
	if (udp_size > 0)
		fit_udp(d, udp_size, &b->conf->quirks);
	if (b->repairs && !q->begun) /* a transfer's later messages have any question */
		repair(b, d, &q->q);
	if (keep)
		cache_learn_tcp(&b->cache, b->now_ns, btcp_slot(b->tcp, q), d,
		                (size_t)DNS_HEADER + q->q.name_len + 4);
	d->conn = btcp_take_answer(b->tcp, q, over);
	if (d->conn == 0 && udp_size == 0)
		return BAL_TCP_GONE;
	b->counts.servfail_responses += over && rcode == DNS_SERVFAIL;
	b->server[server].responses += over;
	return over ? BAL_TCP_ANSWER : BAL_TCP_PART;
}

static enum bal_verdict judge_tcp(struct bal *b, struct dgram *d)
{
	MUST(b->tcp != NULL);
	btcp_begin(b->tcp, b->now_ns);
	return d->port == 0 ? judge_tcp_query(b, d) : judge_tcp_answer(b, d);
}

/* Keeps an answer over UDP that is about to be sent until its delay is over. */
static void delay(struct bal *b, struct dgram *d)
{
	int64_t due_ns = b->now_ns + b->delay_ns;

	b->delay_ns = 0;
	if (d->port != 0 || d->proto != DGRAM_UDP || !bal_verdict_sends(d->verdict))
		return;
	if (late_keep(&b->late, d, d->verdict, due_ns)) {
		d->verdict = BAL_DELAYED;
		b->count[BAL_DELAYED]++;
	} else {
		b->counts.not_delayed++;
	}
}

void bal_rx(struct bal *b, int64_t now_ns, struct dgram *d, unsigned n)
{
	bal_begin(b, now_ns);
	b->batch++;
	for (unsigned i = 0; i < n; i++) {
		if (i + 1 < n)
			__builtin_prefetch(d[i + 1].data);
		enum bal_verdict v = d[i].proto == DGRAM_TCP ? judge_tcp(b, &d[i])
		                     : d[i].port == 0 ? judge_query(b, &d[i])
		                                      : judge_answer(b, &d[i]);
		d[i].verdict = (uint8_t)v;
		b->count[v]++;
		if (d[i].port == 0 && bal_verdict_sends(v))
			b->counts.rcode[dns_flags(d[i].data) & DNS_RCODE]++;
		if (b->delay_ns > 0)
			delay(b, &d[i]);
	}
	b->received += n;
}
