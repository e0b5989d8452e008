/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The load core: gives out planned queries when they are due, keeps each open until its answer or
 * its last timeout, tries again at another balancer under a new ID, and asks over TCP after TC.
 * All tries wait equally long and go out in the order of their due times, so the list of those that
 * wait is in the order of their deadlines: timing out is O(1).
 */
#include "load.h"

#include <string.h>

#include "lib/drbg.h"

enum { NIL = 0, CHECK_WALK = 64 };
#define LATER_TRY UINT32_MAX

enum state {
	FREE,
	UDP_OPEN,    /* asked over UDP */
	TCP_SOON,    /* truncated; goes to TCP at the next poll */
	TCP_OPEN,    /* asked over TCP */
	RETRY_SOON,  /* its TCP connection failed; the next try goes out at the next poll */
};

/* An open query. Links are indices into the table; entry 0 is never used, so NIL is none. */
struct open {
	int64_t deadline_ns;  /* of this try */
	int64_t soon_ns;      /* TCP_SOON, RETRY_SOON: since when */
	uint64_t number;      /* of its name */
	struct ip client;
	uint32_t older, newer;/* list of those that wait */
	uint32_t chain;       /* next with the same hash; or next free */
	uint32_t soon_next;
	uint32_t conn;        /* TCP_OPEN */
	uint32_t target;
	uint16_t source, id, type;
	uint8_t tries_left;
	uint8_t state;
};

struct load {
	const struct plan_load *spec;
	struct load_gen *gen;
	struct drbg retries;
	int64_t t0_ns;
	struct load_query next;
	bool has_next;
	struct load_counts count;
	struct open *open;
	uint32_t cap, touched, free;      /* entries; the highest used so far; list of free ones */
	uint32_t oldest, newest;          /* UDP_OPEN, TCP_SOON, TCP_OPEN, by deadline */
	uint32_t soon_first, soon_last;   /* TCP_SOON, RETRY_SOON, by soon_ns */
	uint32_t *bucket, mask;
	uint64_t hash_key;
	uint32_t conns;
};

static uint64_t root(uint64_t v)
{
	uint64_t r = 0;

	for (uint64_t bit = (uint64_t)1 << 31; bit != 0; bit >>= 1)
		if ((r + bit) * (r + bit) <= v)
			r += bit;
	return r;
}

/*
 * How many can be open: those planned within timeout * tries. A Poisson count exceeds its mean by
 * twelve standard deviations once in 10^32 windows.
 */
static uint32_t capacity(const struct plan_load *l)
{
	if (l->replay_n > 0)
		return (uint32_t)l->replay->open_n + 64;
	uint64_t window_us = (uint64_t)l->timeout_ns * l->tries / 1000 + 1;
	uint64_t mean = l->rate_mqps * (window_us / 1000 + 1) / 1000000 + 1;
	uint64_t cap = mean + 12 * (root(mean) + 1) + 64;

	MUST(cap < UINT32_MAX / 4);
	return (uint32_t)cap;
}

static uint32_t bucket_count(uint32_t cap)
{
	uint32_t n = 16;

	while (n < cap)
		n *= 2;
	return n;
}

size_t load_arena_size(const struct plan *p, unsigned load)
{
	uint32_t cap = capacity(&p->load[load]);

	return load_gen_arena_size(p, load) + arena_need(1, sizeof(struct load)) +
	       arena_need(cap + 1, sizeof(struct open)) +
	       arena_need(bucket_count(cap), sizeof(uint32_t));
}

struct load *load_init(struct arena *a, const struct plan *p, unsigned load, int64_t t0_ns)
{
	struct load *l = arena_take(a, 1, sizeof(*l));
	uint8_t seed[DRBG_SEED];

	l->spec = &p->load[load];
	l->t0_ns = t0_ns;
	l->gen = load_gen_init(a, p, load);
	drbg_seed_from_u64(seed, p->seed);
	drbg_init(&l->retries, seed, DRBG_RETRIES, load);
	l->hash_key = drbg_u64(&l->retries);
	l->cap = capacity(l->spec);
	l->open = arena_take(a, l->cap + 1, sizeof(*l->open));
	l->bucket = arena_take(a, bucket_count(l->cap), sizeof(*l->bucket));
	l->mask = bucket_count(l->cap) - 1;
	l->has_next = load_gen_next(l->gen, &l->next);
	return l;
}

/* The bucket of a query's identity on its socket. */
static uint32_t *bucket_of(const struct load *l, const struct ip *client, uint16_t source,
                           uint16_t id)
{
	uint64_t key = l->hash_key ^ ((uint64_t)source << 16 | id);

	return &l->bucket[dns_hash(client->b, sizeof(client->b), key) & l->mask];
}

static void hash_in(struct load *l, uint32_t i)
{
	struct open *o = &l->open[i];
	uint32_t *b = bucket_of(l, &o->client, o->source, o->id);

	o->chain = *b;
	*b = i;
}

static void hash_out(struct load *l, uint32_t i)
{
	struct open *o = &l->open[i];
	uint32_t *at = bucket_of(l, &o->client, o->source, o->id);

	for (; *at != i; at = &l->open[*at].chain)
		MUST(*at != NIL);
	*at = o->chain;
}

static void wait_in(struct load *l, uint32_t i)
{
	struct open *o = &l->open[i];

	MUST(l->newest == NIL || l->open[l->newest].deadline_ns <= o->deadline_ns);
	o->older = l->newest;
	o->newer = NIL;
	*(l->newest != NIL ? &l->open[l->newest].newer : &l->oldest) = i;
	l->newest = i;
}

static void wait_out(struct load *l, uint32_t i)
{
	struct open *o = &l->open[i];

	*(o->older != NIL ? &l->open[o->older].newer : &l->oldest) = o->newer;
	*(o->newer != NIL ? &l->open[o->newer].older : &l->newest) = o->older;
}

static void soon_in(struct load *l, uint32_t i, int64_t now_ns)
{
	struct open *o = &l->open[i];

	o->soon_ns = now_ns;
	o->soon_next = NIL;
	*(l->soon_last != NIL ? &l->open[l->soon_last].soon_next : &l->soon_first) = i;
	l->soon_last = i;
}

static uint32_t soon_out(struct load *l)
{
	uint32_t i = l->soon_first;

	l->soon_first = l->open[i].soon_next;
	if (l->soon_first == NIL)
		l->soon_last = NIL;
	return i;
}

static uint32_t take_entry(struct load *l)
{
	uint32_t i = l->free;

	if (i != NIL) {
		l->free = l->open[i].chain;
	} else {
		MUST(l->touched < l->cap);
		i = ++l->touched;
	}
	l->count.open++;
	return i;
}

/* The entry must be in no list. */
static void give_entry(struct load *l, uint32_t i)
{
	l->open[i].state = FREE;
	l->open[i].chain = l->free;
	l->free = i;
	l->count.open--;
}

/* The query's bytes. Returns their number. */
static uint16_t write_message(const struct load *l, const struct open *o, struct dgram *d)
{
	uint8_t room[DNS_NAME_MAX];
	const struct load_query *q = &l->next;
	uint16_t captured_len;
	const uint8_t *captured = load_gen_captured(l->gen, o->number, &captured_len);
	if (captured != NULL) {
		MUST(captured_len <= d->cap);
		memcpy(d->data, captured, captured_len);
		dns_put16(d->data, o->id);
		return captured_len;
	}
	bool made = l->has_next && q->number == o->number; /* as it is at a first try */
	const uint8_t *name = made ? q->name : room;
	uint16_t name_len = made ? q->name_len : load_gen_name(l->gen, o->number, room);

	int len = dns_query(d->data, d->cap, o->id, DNS_RD, name, name_len, o->type, DNS_IN,
	                    l->spec->edns_size);
	MUST(len > 0);
	return (uint16_t)len;
}

static void write_query(const struct load *l, const struct open *o, int64_t due_ns, struct dgram *d)
{
	unsigned balancer;
	bool more = false, tcp = o->state == TCP_OPEN;

	if (tcp && (o->conn & LOAD_CONN_SHARED) != 0)
		(void)load_gen_connection(l->gen, o->number, &more);
	d->len = write_message(l, o, d);
	d->t_ns = due_ns;
	d->peer = load_gen_balancer(l->gen, o->target, &balancer);
	d->local = (struct ep){ .ip = o->client };
	d->port = o->source;
	d->verdict = more ? LOAD_SEND_MORE : LOAD_SEND;
	d->proto = tcp ? DGRAM_TCP : DGRAM_UDP;
	d->conn = tcp ? o->conn : 0;
}

/* Sends entry i, which is in no list: over UDP, or on its connection if it has one. */
static void ask(struct load *l, uint32_t i, int64_t due_ns, struct dgram *d)
{
	struct open *o = &l->open[i];

	o->state = o->conn != 0 ? TCP_OPEN : UDP_OPEN;
	l->count.tcp += o->conn != 0;
	o->deadline_ns = due_ns + l->spec->timeout_ns;
	o->tries_left--;
	hash_in(l, i);
	wait_in(l, i);
	write_query(l, o, due_ns, d);
}

static void ask_next(struct load *l, struct dgram *d)
{
	const struct load_query *q = &l->next;
	uint32_t i = take_entry(l);

	l->open[i] = (struct open){
		.number = q->number, .client = q->client, .target = q->target, .source = q->source,
		.id = q->id, .type = q->type, .tries_left = (uint8_t)l->spec->tries,
		.conn = q->connection > 0 ? LOAD_CONN_SHARED | q->connection : 0,
	};
	l->count.planned++;
	l->count.sent++;
	ask(l, i, l->t0_ns + q->t_ns, d);
	l->has_next = load_gen_next(l->gen, &l->next);
}

/* A number for a connection that is entry i's alone. */
static uint32_t own_connection(struct load *l, uint32_t i)
{
	uint32_t range = l->mask * 2 + 2; /* a power of 2 above every index */

	return (l->conns++ * range | i) & ~LOAD_CONN_SHARED;
}

/*
 * The next try: another balancer, if there is one and clients do so; a new ID. The entry is in no
 * list.
 */
static void ask_again(struct load *l, uint32_t i, int64_t due_ns, struct dgram *d)
{
	struct open *o = &l->open[i];
	unsigned n = load_gen_balancers(l->gen), step = 0;
	bool more;

	if (n > 1 && l->spec->retry != PLAN_SAME)
		step = 1 + (unsigned)drbg_below(&l->retries, n - 1);
	o->target = (o->target + step) % n;
	o->id = load_gen_spare_id(l->gen, o->source);
	o->conn = load_gen_connection(l->gen, o->number, &more) > 0 ? own_connection(l, i) : 0;
	l->count.retries++;
	ask(l, i, due_ns, d);
	if (o->conn == 0)
		d->conn = LATER_TRY;
}

static void ask_over_tcp(struct load *l, uint32_t i, struct dgram *d)
{
	struct open *o = &l->open[i];

	o->state = TCP_OPEN;
	o->conn = own_connection(l, i);
	l->count.tcp++;
	write_query(l, o, o->soon_ns, d);
}

/* The oldest try has timed out. Returns how many queries went into d, 1 or 0. */
static unsigned time_out(struct load *l, struct dgram *d)
{
	uint32_t i = l->oldest;
	struct open *o = &l->open[i];

	MUST(o->state == UDP_OPEN || o->state == TCP_OPEN);
	wait_out(l, i);
	hash_out(l, i);
	if (o->tries_left > 0) {
		ask_again(l, i, o->deadline_ns, d);
		return 1;
	}
	l->count.timed_out++;
	give_entry(l, i);
	return 0;
}

static void send_soon(struct load *l, struct dgram *d)
{
	uint32_t i = soon_out(l);
	struct open *o = &l->open[i];

	if (o->state == TCP_SOON)
		ask_over_tcp(l, i, d);
	else
		ask_again(l, i, o->soon_ns, d);
}

static int64_t next_ns(const struct load *l)
{
	return l->has_next ? l->t0_ns + l->next.t_ns : INT64_MAX;
}

static int64_t soon_ns(const struct load *l)
{
	return l->soon_first != NIL ? l->open[l->soon_first].soon_ns : INT64_MAX;
}

static int64_t timeout_ns(const struct load *l)
{
	return l->oldest != NIL ? l->open[l->oldest].deadline_ns : INT64_MAX;
}

int64_t load_deadline(const struct load *l)
{
	int64_t next = next_ns(l), soon = soon_ns(l), timeout = timeout_ns(l);
	int64_t first = next < soon ? next : soon;

	return first < timeout ? first : timeout;
}

/* What is due first goes first, also when much has become due at once: deadlines stay in order. */
unsigned load_poll(struct load *l, int64_t now_ns, struct dgram *d, unsigned max)
{
	unsigned n = 0;

	while (n < max) {
		int64_t first = load_deadline(l);
		if (first > now_ns || first == INT64_MAX)
			break;
		if (timeout_ns(l) == first)
			n += time_out(l, &d[n]);
		else if (soon_ns(l) == first)
			send_soon(l, &d[n++]);
		else
			ask_next(l, &d[n++]);
	}
	return n;
}

/* True when the answer d with question q is what entry o waits for. */
static bool answers(const struct load *l, const struct open *o, const struct dgram *d,
                    const struct dns_question *q)
{
	uint8_t name[DNS_NAME_MAX];
	uint16_t name_len = load_gen_name(l->gen, o->number, name);
	unsigned balancer;
	struct ep to = load_gen_balancer(l->gen, o->target, &balancer);

#ifdef EK_PLANT
	to.port = d->peer.port;
#endif
	return o->id == dns_id(d->data) && q->type == o->type &&
	       q->class == load_gen_class(l->gen, o->number) &&
	       ep_eq(&d->peer, &to) &&
	       dns_name_eq(d->data + DNS_HEADER, q->name_len, name, name_len);
}

static uint32_t find_udp(const struct load *l, const struct dgram *d, const struct dns_question *q)
{
	uint32_t i;

	if (d->port >= LOAD_SOCKETS)
		return NIL;
	i = *bucket_of(l, &d->local.ip, d->port, dns_id(d->data));
	for (; i != NIL; i = l->open[i].chain) {
		const struct open *o = &l->open[i];
		if (o->state == UDP_OPEN && o->source == d->port &&
		    ip_eq(&o->client, &d->local.ip) && answers(l, o, d, q))
			return i;
	}
	return NIL;
}

static uint32_t find_conn(const struct load *l, uint32_t conn)
{
	uint32_t i = conn & (l->mask * 2 + 1);

	if ((conn & LOAD_CONN_SHARED) != 0 || i == NIL || i > l->touched)
		return NIL;
	return l->open[i].state == TCP_OPEN && l->open[i].conn == conn ? i : NIL;
}

/* Of a connection that may have several: their socket counts as the first. */
static uint32_t find_shared(const struct load *l, const struct dgram *d,
                            const struct dns_question *q)
{
	uint32_t i = *bucket_of(l, &d->local.ip, 0, dns_id(d->data));

	for (; i != NIL; i = l->open[i].chain)
		if (l->open[i].state == TCP_OPEN && l->open[i].conn == d->conn &&
		    answers(l, &l->open[i], d, q))
			return i;
	return NIL;
}

static uint32_t find_tcp(const struct load *l, const struct dgram *d, const struct dns_question *q)
{
	uint32_t i = find_conn(l, d->conn);

	if ((d->conn & LOAD_CONN_SHARED) != 0)
		return find_shared(l, d, q);
	return i != NIL && answers(l, &l->open[i], d, q) ? i : NIL;
}

static enum load_verdict judge(struct load *l, int64_t now_ns, const struct dgram *d)
{
	struct dns_question q;

	if (dns_question(&q, d->data, d->len) < 0 || !(dns_flags(d->data) & DNS_QR) ||
	    (dns_flags(d->data) & DNS_OPCODE) != 0)
		return LOAD_BROKEN;
	uint32_t i = d->proto == DGRAM_TCP ? find_tcp(l, d, &q) : find_udp(l, d, &q);
	if (i == NIL || now_ns >= l->open[i].deadline_ns)
		return LOAD_UNMATCHED;
	if (d->proto == DGRAM_UDP && (dns_flags(d->data) & DNS_TC)) {
		l->open[i].state = TCP_SOON;
		soon_in(l, i, now_ns);
		return LOAD_TRUNCATED;
	}
	wait_out(l, i);
	hash_out(l, i);
	give_entry(l, i);
	return LOAD_ANSWERED;
}

void load_rx(struct load *l, int64_t now_ns, struct dgram *d, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		enum load_verdict v = judge(l, now_ns, &d[i]);
		l->count.answered += v == LOAD_ANSWERED;
		l->count.unmatched += v == LOAD_UNMATCHED;
		l->count.broken += v == LOAD_BROKEN;
		d[i].verdict = (uint8_t)v;
	}
}

/* The try of entry i, on a connection that is gone, unless its time is over anyway. */
static void fail_try(struct load *l, int64_t now_ns, uint32_t i)
{
	if (now_ns >= l->open[i].deadline_ns)
		return;
	wait_out(l, i);
	hash_out(l, i);
	if (l->open[i].tries_left > 0) {
		l->open[i].state = RETRY_SOON;
		soon_in(l, i, now_ns);
		return;
	}
	l->count.timed_out++;
	give_entry(l, i);
}

void load_tcp_failed(struct load *l, int64_t now_ns, uint32_t conn)
{
	uint32_t i = find_conn(l, conn), newer;

	if (i != NIL)
		fail_try(l, now_ns, i);
	if ((conn & LOAD_CONN_SHARED) == 0)
		return;
	for (i = l->oldest; i != NIL; i = newer) {
		newer = l->open[i].newer;
		if (l->open[i].state == TCP_OPEN && l->open[i].conn == conn)
			fail_try(l, now_ns, i);
	}
}

void load_counts(const struct load *l, struct load_counts *c)
{
	*c = l->count;
}

bool load_done(const struct load *l)
{
	return !l->has_next && l->count.open == 0;
}

void load_check(const struct load *l)
{
	const struct load_counts *c = &l->count;
	uint32_t before = NIL, i = l->oldest;

	MUST(c->planned == c->sent);
	MUST(c->planned == c->answered + c->timed_out + c->open);
	MUST(c->open <= l->touched && l->touched <= l->cap);
	MUST((l->oldest == NIL) == (l->newest == NIL));
	for (int n = 0; i != NIL && n < CHECK_WALK; before = i, i = l->open[i].newer, n++) {
		MUST(l->open[i].state != FREE && l->open[i].state != RETRY_SOON);
		MUST(l->open[i].older == before);
		MUST(before == NIL || l->open[before].deadline_ns <= l->open[i].deadline_ns);
	}
	MUST(i != NIL || l->newest == before);
	i = l->soon_first;
	for (int n = 0; i != NIL && n < CHECK_WALK; i = l->open[i].soon_next, n++)
		MUST(l->open[i].state == TCP_SOON || l->open[i].state == RETRY_SOON);
}
