/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a query in one worker: judged, answered from the cache or sent on, answered or timed
 * out; see bal.h.
 */
#include "bal.h"

#include <errno.h>
#include <string.h>

#include "cache.h"
#include "idtable.h"
#include "lib/drbg.h"
#include "policy.h"
#include "succeed.h"
#include "tcp_impl.h"

enum { LATENCY_MAX_US = 30000000 }; /* so that the EWMA in 1/128 us stays below 2^32 */

static const int64_t SECOND_NS = 1000000000;

struct bal {
	const struct bal_conf *conf;
	struct bal_shared *shared;
	int64_t now_ns;            /* of the call at hand, never decreasing */
	bool policy_fresh;         /* the policy has seen who is up in this batch */
	struct policy policy;
	struct idtable out;
	struct cache cache;
	struct drbg random;
	uint64_t count[BAL_VERDICTS];
	uint64_t received;
	uint64_t timeouts;
	struct bal_counts counts;
	struct bal_server_counts *server;
	struct bal_server_counts gone; /* of servers that have left */
	struct tcp *tcp;           /* NULL: none */
};

size_t bal_arena_size(const struct bal_conf *conf)
{
	return arena_need(1, sizeof(struct bal)) + policy_arena_size(conf) + idt_arena_size(conf) +
	       cache_arena_size(conf) + btcp_arena_size(conf) +
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
	policy_init(&b->policy, a, conf, shared, seed);
	idt_init(&b->out, a, conf);
	cache_init(&b->cache, a, conf, shared);
	b->server = arena_take(a, bal_conf_servers(conf), sizeof(*b->server));
	drbg_init(&b->random, seed, DRBG_BALANCER, worker);
	b->tcp = btcp_init(a, conf, shared, &b->policy, seed, worker);
	return b;
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

/*
 * Makes the query in d an answer without records: len bytes of it stay, and an OPT record follows
 * when edns says that there was one, with its DO bit (RFC 3225 section 3).
 */
static void turn_into_answer(struct dgram *d, enum dns_rcode rcode, size_t len,
                             const struct dns_edns *edns)
{
	struct dns_writer w = { .m = d->data, .len = len, .cap = d->cap };
	unsigned flags = dns_flags(d->data) & (DNS_OPCODE | DNS_RD | DNS_CD);

	flags |= DNS_QR | (unsigned)rcode | ((flags & DNS_RD) != 0 ? DNS_RA : 0u);
	dns_put16(d->data + 2, (uint16_t)flags);
	dns_put16(d->data + 4, len > DNS_HEADER);
	memset(d->data + 6, 0, 6);
	if (edns->present) {
		dns_w_opt(&w, DNS_EDNS_MAX, edns->dnssec_ok);
		dns_put16(d->data + 10, 1);
	}
	DMUST(!w.full); /* the query's own OPT record took more */
	d->len = (uint16_t)w.len;
}

static enum bal_verdict no_server(struct bal *b, struct dgram *d, const struct dns_question *q)
{
	struct dns_edns e;

	if (!b->conf->servfail_when_no_server)
		return BAL_DROP_NO_SERVER;
	if (dns_edns(&e, d->data, d->len, q->end) < 0)
		e.present = false;
	turn_into_answer(d, DNS_SERVFAIL, q->end, &e);
	return BAL_SERVFAIL;
}

static void remember(struct bal *b, struct idt_query *q, const struct dgram *d,
                     const struct dns_question *question)
{
	q->sent_ns = b->now_ns;
	q->client = d->peer;
	q->local = d->local;
	q->type = question->type;
	q->class = question->class;
	q->client_id = dns_id(d->data);
	q->name_len = (uint8_t)question->name_len;
	q->flags_hi = d->data[2];
	q->flags_lo = d->data[3];
	memcpy(q->name, d->data + DNS_HEADER, question->name_len);
}

/* The server that the policy says; -1: none. */
static int choose(struct bal *b, const struct dgram *d, const struct dns_question *question)
{
	if (!b->policy_fresh) {
		policy_refresh(&b->policy);
		b->policy_fresh = true;
	}
	return policy_pick(&b->policy, &b->random, b->now_ns, d->data + DNS_HEADER,
	                   question->name_len);
}

/* Over TCP, later tries included, all else is tcp_server.c's. */
static enum bal_verdict forward_tcp(struct bal *b, const struct dgram *d, unsigned server,
                                    const struct dns_question *question)
{
	bool transfer = question->type == DNS_AXFR || question->type == DNS_IXFR;
	struct tcp_query *q = btcp_forward(b->tcp, d, server, transfer);

	if (q == NULL)
		return BAL_DROP_FULL;
	remember(b, &q->q, d, question);
	cache_keep_tcp(&b->cache, btcp_slot(b->tcp, q));
	b->server[server].queries++;
	return BAL_TCP_FORWARD;
}

static enum bal_verdict forward(struct bal *b, struct dgram *d, const struct dns_question *question,
                                int server)
{
	if (server < 0)
		return no_server(b, d, question);
	if (d->proto == DGRAM_TCP)
		return forward_tcp(b, d, (unsigned)server, question);
	struct idt_query *q = idt_take(&b->out, &b->random, (unsigned)server);
	if (q == NULL)
		return BAL_DROP_FULL;
	remember(b, q, d, question);
	cache_keep(&b->cache, (unsigned)server, idt_slot(&b->out, (unsigned)server, q));
	dns_put16(d->data, q->id);
	d->peer = b->conf->server[server].addr;
	d->port = (uint16_t)(b->out.server[server].socket - b->out.socket + q->socket + 1);
	atomic_fetch_add_explicit(&b->shared->server[server].outstanding, 1, memory_order_relaxed);
	b->server[server].queries++;
	return BAL_FORWARD;
}

static enum bal_verdict judge_query(struct bal *b, struct dgram *d)
{
	struct dns_question question;
	int server = -1;

	if (!prefix_any(b->conf->acl, b->conf->acl_n, &d->peer.ip))
		return BAL_DROP_ACL;
	if (d->len < DNS_HEADER)
		return BAL_DROP_SHORT;
	if ((dns_flags(d->data) & DNS_QR) != 0)
		return BAL_DROP_RESPONSE;
	b->counts.rd_queries += (dns_flags(d->data) & DNS_RD) != 0;
	if (dns_qdcount(d->data) == 0) {
		turn_into_answer(d, DNS_NOTIMP, DNS_HEADER, &(struct dns_edns){ 0 });
		return BAL_NOTIMP;
	}
	if (dns_question(&question, d->data, d->len) < 0)
		return BAL_DROP_BROKEN;
	/* before the policy: a hit takes no turn and uses up no qps */
	if (HAS_DEFECT(b->conf, DEFECT_POLICY_BEFORE_CACHE))
		server = choose(b, d, &question);
	if (cache_answer(&b->cache, b->now_ns, d, &question))
		return BAL_CACHE_HIT;
	if (!HAS_DEFECT(b->conf, DEFECT_POLICY_BEFORE_CACHE))
		server = choose(b, d, &question);
	return forward(b, d, &question, server);
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
 * says so); success or NXDOMAIN about no name is no answer.
 */
static enum bal_verdict match(const struct idt_query *q, const uint8_t *m, size_t len)
{
	struct dns_question question;
	unsigned rcode = dns_flags(m) & DNS_RCODE;

	if (dns_qdcount(m) == 0)
		return rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN ? BAL_DROP_BROKEN_ANSWER
		                                                     : BAL_ANSWER;
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

static void settle(struct bal *b, unsigned server, struct idt_query *q)
{
	atomic_fetch_sub_explicit(&b->shared->server[server].outstanding, 1, memory_order_relaxed);
	idt_release(&b->out, server, q);
}

static uint8_t bits_from(uint8_t to, uint8_t from, unsigned bits)
{
	return (uint8_t)((to & ~bits) | (from & bits));
}

static void give_back(struct dgram *d, const struct idt_query *q)
{
	dns_put16(d->data, q->client_id);
	d->data[2] = bits_from(d->data[2], q->flags_hi, DNS_RD >> 8);
	d->data[3] = bits_from(d->data[3], q->flags_lo, DNS_CD);
	d->peer = q->client;
	d->local = q->local;
	d->port = 0;
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
	enum bal_verdict v = match(q, d->data, d->len);
	if (v != BAL_ANSWER)
		return v;
	learn_latency(&b->shared->server[server], b->now_ns - q->sent_ns);
	count_answer(b, server, d, b->now_ns - q->sent_ns);
	give_back(d, q);
	cache_learn(&b->cache, b->now_ns, server, idt_slot(&b->out, server, q), d,
	            (size_t)DNS_HEADER + q->name_len + 4);
	settle(b, server, q);
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

/* A message of a server over TCP. Those of a transfer after its first may be without a question. */
static enum bal_verdict judge_tcp_answer(struct bal *b, struct dgram *d)
{
	if (d->len < DNS_HEADER || (dns_flags(d->data) & DNS_QR) == 0)
		return BAL_DROP_BROKEN_ANSWER;
	struct tcp_query *q = btcp_find(b->tcp, d->conn, dns_id(d->data));
	if (q == NULL)
		return BAL_DROP_UNMATCHED;
	enum bal_verdict v = q->begun ? BAL_ANSWER : match(&q->q, d->data, d->len);
	if (v != BAL_ANSWER)
		return v;
	bool over = !q->transfer || (dns_flags(d->data) & DNS_RCODE) != DNS_NOERROR;
	unsigned server = q->server;
	give_back(d, &q->q);
	cache_learn_tcp(&b->cache, b->now_ns, btcp_slot(b->tcp, q), d,
	                (size_t)DNS_HEADER + q->q.name_len + 4);
	d->conn = btcp_take_answer(b->tcp, q, over);
	if (d->conn == 0)
		return BAL_TCP_GONE;
	b->counts.servfail_responses += over && (dns_flags(d->data) & DNS_RCODE) == DNS_SERVFAIL;
	b->server[server].responses += over;
	return over ? BAL_TCP_ANSWER : BAL_TCP_PART;
}

static enum bal_verdict judge_tcp(struct bal *b, struct dgram *d)
{
	MUST(b->tcp != NULL);
	btcp_begin(b->tcp, b->now_ns);
	return d->port == 0 ? judge_tcp_query(b, d) : judge_tcp_answer(b, d);
}

/* When query q's time is over. */
static int64_t until_ns(const struct bal *b, const struct idt_query *q)
{
	int64_t tick = 1;

	if (!HAS_DEFECT(b->conf, DEFECT_EXPIRY_TICKS))
		return q->sent_ns + b->conf->udp_timeout_ns;
	/* As dnsdist did it: each scan, one for all, first compares an age and then raises it. */
	if (b->conf->server_n > 0)
		tick = b->conf->server[0].check.interval_ns;
	return (q->sent_ns / tick + b->conf->udp_timeout_ns / SECOND_NS + 2) * tick;
}

/* Ends what nobody answered in time. An answer at the very moment is too late. */
static void expire(struct bal *b)
{
	unsigned server;

	for (struct idt_query *q; (q = idt_oldest(&b->out, &server)) != NULL;) {
		if (until_ns(b, q) > b->now_ns)
			return;
		settle(b, server, q);
		b->server[server].timeouts++;
		if (HAS_DEFECT(b->conf, DEFECT_OUTSTANDING_DRIFT))
			atomic_fetch_add_explicit(&b->shared->server[server].outstanding, 1,
			                          memory_order_relaxed);
		b->timeouts++;
	}
}

static void begin(struct bal *b, int64_t now_ns)
{
	MUST(now_ns >= b->now_ns);
	b->now_ns = now_ns;
	expire(b);
}

void bal_rx(struct bal *b, int64_t now_ns, struct dgram *d, unsigned n)
{
	begin(b, now_ns);
	b->policy_fresh = false;
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
	}
	b->received += n;
}

unsigned bal_poll(struct bal *b, int64_t now_ns, struct dgram *d, unsigned max)
{
	(void)d;
	(void)max;
	begin(b, now_ns);
	return 0;
}

int64_t bal_deadline(const struct bal *b)
{
	unsigned server;
	const struct idt_query *q = idt_oldest(&b->out, &server);

	return q == NULL ? INT64_MAX : until_ns(b, q);
}

size_t bal_rest(struct bal *b, void **memory)
{
	*memory = b->out.tables;
	return idt_rest(&b->out) ? b->out.tables_len : 0;
}

/* Counts of a server go to its heir, else to where its queries go. */
static void move_counts(struct bal *to, const struct bal *from, const struct bal_succession *s)
{
	for (unsigned i = 0; i < bal_conf_servers(from->conf); i++) {
		unsigned at = s->server[i];
		for (unsigned k = 0; k < to->conf->server_n; k++)
			at = s->heir[k] == i ? k : at;
		struct bal_server_counts *c = at == BAL_GONE ? &to->gone : &to->server[at];
		c->queries += from->server[i].queries;
		c->responses += from->server[i].responses;
		c->timeouts += from->server[i].timeouts;
	}
}

/* What is out over UDP, with what the cache keeps of it. */
static void move_queries(struct bal *to, struct bal *from, const struct bal_succession *s)
{
	unsigned was;

	for (struct idt_query *q; (q = idt_oldest(&from->out, &was)) != NULL;) {
		unsigned is = s->server[was];
		settle(from, was, q); /* its bytes stay until the place is used again */
		if (is == BAL_GONE) {
			to->timeouts++;
			to->gone.timeouts++;
			continue;
		}
		struct idt_query *own = idt_adopt(&to->out, q, is);
		cache_move(&to->cache, is, idt_slot(&to->out, is, own), &from->cache, was,
		           idt_slot(&from->out, was, q));
		atomic_fetch_add_explicit(&to->shared->server[is].outstanding, 1,
		                          memory_order_relaxed);
	}
	idt_adopted(&to->out);
}

void bal_succeed(struct bal *to, struct bal *from, const struct bal_succession *s)
{
	MUST(from->conf == s->from && to->conf == s->to);
	to->now_ns = from->now_ns;
	to->random = from->random;
	memcpy(to->count, from->count, sizeof(to->count));
	to->received = from->received;
	to->timeouts = from->timeouts;
	to->counts = from->counts;
	to->gone = from->gone;
	to->cache.misses = from->cache.misses;
	to->cache.not_cached = from->cache.not_cached;
	move_counts(to, from, s);
	move_queries(to, from, s);
	if (to->tcp == NULL)
		return;
	for (uint32_t slot = 0; slot < btcp_slots(from->tcp); slot++)
		cache_move_tcp(&to->cache, &from->cache, slot);
	btcp_succeed(to->tcp, from->tcp, s);
}

uint64_t bal_count(const struct bal *b, enum bal_verdict v)
{
	MUST(v < BAL_VERDICTS);
	return b->count[v];
}

uint64_t bal_timeouts(const struct bal *b)
{
	return b->timeouts;
}

const struct bal_server_counts *bal_server_counts(const struct bal *b, unsigned server)
{
	MUST(server < b->conf->server_n);
	return &b->server[server];
}

const struct bal_counts *bal_counts(const struct bal *b)
{
	return &b->counts;
}

uint64_t bal_cache_misses(const struct bal *b)
{
	return b->cache.misses;
}

uint64_t bal_not_cached(const struct bal *b)
{
	return b->cache.not_cached;
}

uint32_t bal_outstanding(const struct bal *b)
{
	return b->out.used;
}

void bal_check(const struct bal *b)
{
	uint64_t judged = 0;

	for (unsigned v = 0; v < BAL_VERDICTS; v++)
		judged += b->count[v];
	MUST(judged == b->received && b->count[BAL_NO_VERDICT] == 0);
	MUST(b->count[BAL_FORWARD] == b->count[BAL_ANSWER] + b->timeouts + b->out.used);
	idt_check(&b->out);
	struct bal_server_counts sum = b->gone;
	for (unsigned i = 0; i < bal_conf_servers(b->conf); i++) {
		sum.queries += b->server[i].queries;
		sum.responses += b->server[i].responses;
		sum.timeouts += b->server[i].timeouts;
	}
	MUST(sum.queries == b->count[BAL_FORWARD] + b->count[BAL_TCP_FORWARD]);
	MUST(sum.responses == b->count[BAL_ANSWER] + b->count[BAL_TCP_ANSWER]);
	MUST(sum.timeouts == b->timeouts);
	if (b->tcp == NULL)
		return;
	MUST(b->count[BAL_TCP_FORWARD] == b->count[BAL_TCP_ANSWER] + btcp_unanswered(b->tcp));
	btcp_check(b->tcp);
}

struct tcp *btcp_of(const struct bal *b)
{
	return b->tcp;
}
