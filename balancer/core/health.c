/* SPDX-License-Identifier: BSD-3-Clause */
/* Probes, their timers and what their results mean; see health.h. */
#include "health.h"

#include <string.h>

#include "lib/drbg.h"
#include "lib/heap.h"

struct probe {
	int64_t until_ns;       /* fails then */
	uint32_t conn;          /* its number, from 1 */
	uint16_t id;
};

/* One server's check. */
struct target {
	struct probe *pending;  /* oldest first */
	unsigned pending_n, pending_cap;
	uint32_t last_conn;
	uint32_t failures;      /* in a row, while up */
	uint32_t successes;     /* in a row, while down */
	uint32_t lost;          /* lazy: probes since it is down, or since its last success */
	bool suspect;           /* lazy: up, and probed because queries fail */
	enum bal_check_mode mode;
	bool spread;            /* the probe after the first, which sets the phase, is planned */
	bool due;               /* defects alone look at it: its next probe is planned */
	bool known, up;
	bool told, told_up;     /* what health_next_change has said */
	bool queued;            /* stands in the queue of changes */
	int64_t changed_ns;
};

struct health {
	const struct bal_conf *conf;
	struct bal_shared *shared;
	struct target *target;
	unsigned unknown_n;     /* servers in auto mode without a result */
	unsigned queue_first, queue_n;
	uint16_t *queue;        /* ring of servers that have changed, each at most once */
	struct heap timers;     /* what: server << 32 | conn; conn 0: a probe is due */
	struct drbg random;
};

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The least time between two probes. */
static int64_t least_gap_ns(const struct bal_check *c)
{
	if (!c->lazy.on)
		return c->interval_ns;
	return least(c->interval_ns, least(lazy_gap_ns(&c->lazy, 0), c->lazy.look_ns));
}

static unsigned pending_cap(const struct bal_check *c)
{
	/* One more for the part of T that is left, one for a probe that left late. */
	int64_t n = c->timeout_ns / least_gap_ns(c) + 2;

	return n < HEALTH_PENDING_MAX ? (unsigned)n : HEALTH_PENDING_MAX;
}

/*
 * Timers of one server: one until the next probe, one for each probe. A probe that was answered
 * leaves its timer behind until its time or until it comes first, so there are as many as probes
 * fit into a timeout, and a few for the first phase and for a probe that left late.
 */
static size_t timer_cap(const struct bal_conf *conf)
{
	size_t n = 0;

	for (unsigned i = 0; i < conf->server_n; i++) {
		const struct bal_check *c = &conf->server[i].check;
		n += (size_t)(c->timeout_ns / least_gap_ns(c)) + 6;
	}
	return n;
}

size_t health_arena_size(const struct bal_conf *conf)
{
	size_t size = arena_need(1, sizeof(struct health)) +
	              arena_need(conf->server_n, sizeof(struct target)) +
	              arena_need(conf->server_n, sizeof(uint16_t)) +
	              arena_need(timer_cap(conf), sizeof(struct heap_item));

	for (unsigned i = 0; i < conf->server_n; i++)
		size += arena_need(pending_cap(&conf->server[i].check), sizeof(struct probe));
	return size;
}

static void plan(struct health *h, int64_t t_ns, unsigned server, uint32_t conn)
{
	MUST(heap_push(&h->timers, t_ns, (uint64_t)server << 32 | conn));
}

static void init_target(struct health *h, struct arena *a, unsigned server, int64_t now_ns)
{
	const struct bal_check *c = &h->conf->server[server].check;
	struct target *t = &h->target[server];

	MUST(c->interval_ns >= 1 && c->timeout_ns >= 1 && c->max_failures >= 1 && c->rise >= 1);
	MUST(c->name_len >= 1 && c->name_len <= DNS_NAME_MAX);
	t->pending_cap = pending_cap(c);
	t->pending = arena_take(a, t->pending_cap, sizeof(*t->pending));
	t->mode = c->mode;
	if (c->mode == BAL_CHECK_AUTO) {
		h->unknown_n++;
		t->due = true;
		plan(h, now_ns, server, 0);
		return;
	}
	t->known = t->told = true;
	t->up = t->told_up = c->mode == BAL_CHECK_UP;
	bal_shared_turn(h->shared, server, t->up, true, now_ns);
}

struct health *health_init(struct arena *a, const struct bal_conf *conf, struct bal_shared *shared,
                           const uint8_t seed[32], int64_t now_ns)
{
	struct health *h = arena_take(a, 1, sizeof(*h));
	size_t cap = timer_cap(conf);

	MUST(shared->server_n == conf->server_n);
	h->conf = conf;
	h->shared = shared;
	h->target = arena_take(a, conf->server_n, sizeof(*h->target));
	h->queue = arena_take(a, conf->server_n, sizeof(*h->queue));
	heap_init(&h->timers, arena_take(a, cap, sizeof(struct heap_item)), cap);
	drbg_init(&h->random, seed, DRBG_HEALTH, 0);
	for (unsigned i = 0; i < conf->server_n; i++)
		init_target(h, a, i, now_ns);
	return h;
}

static void set_up(struct health *h, int64_t now_ns, unsigned server, bool up)
{
	struct target *t = &h->target[server];

	bal_shared_turn(h->shared, server, up, !t->known, now_ns);
	h->unknown_n -= !t->known;
	t->known = true;
	t->up = up;
	t->failures = t->successes = 0;
	t->changed_ns = now_ns;
	if (!up && HAS_DEFECT(h->conf, DEFECT_LATENCY_RESET))
		atomic_store_explicit(&h->shared->server[server].latency_us128, 0,
		                      memory_order_relaxed);
	if (t->queued)
		return;
	t->queued = true;
	h->queue[(h->queue_first + h->queue_n++) % h->conf->server_n] = (uint16_t)server;
}

/* Defects: what a result must not do. */
static bool ignored(const struct health *h, const struct target *t, bool good)
{
	if (t->known && t->up && !good && HAS_DEFECT(h->conf, DEFECT_HEALTH_OFF))
		return true;
	if (t->known && !t->up && good && HAS_DEFECT(h->conf, DEFECT_NEVER_BACK))
		return true;
	return t->known && t->up && good && HAS_DEFECT(h->conf, DEFECT_FAILURES_ADD_UP);
}

/* Defect: the last probe of a round is over, so the next round is planned. */
static void end_round(struct health *h, int64_t now_ns)
{
	for (unsigned i = 0; i < h->conf->server_n; i++)
		if (h->target[i].pending_n > 0 || h->target[i].due)
			return;
	for (unsigned i = 0; i < h->conf->server_n; i++)
		if (h->target[i].mode == BAL_CHECK_AUTO) {
			h->target[i].due = true;
			plan(h, now_ns + h->conf->server[i].check.interval_ns, i, 0);
		}
}

/*
 * Takes timers of the server out of the heap, in place: a push never reaches an unread item. Those
 * of probes that are waited for only with all.
 */
static void drop_timers(struct health *h, unsigned server, bool all)
{
	size_t n = h->timers.n;

	h->timers.n = 0;
	for (size_t i = 0; i < n; i++) {
		struct heap_item item = h->timers.item[i];
		if (item.what >> 32 != server || (!all && (uint32_t)item.what != 0))
			MUST(heap_push(&h->timers, item.t_ns, item.what));
	}
}

/* The server's next probe, or look, is due then. */
static void replan(struct health *h, int64_t t_ns, unsigned server)
{
	drop_timers(h, server, false);
	plan(h, t_ns, server, 0);
}

/* A lazily checked server is well, or down: from now on other gaps hold. */
static void rest(struct health *h, int64_t now_ns, unsigned server)
{
	const struct bal_lazy *c = &h->conf->server[server].check.lazy;
	struct target *t = &h->target[server];

	t->suspect = false;
	t->lost = 0;
	lazy_forget(&h->shared->lazy[server]);
	replan(h, now_ns + (t->up ? c->look_ns : lazy_gap_ns(c, 0)), server);
}

/* What a result means for when a lazily checked server is probed next. */
static void adapt(struct health *h, int64_t now_ns, unsigned server, bool was_up, bool good)
{
	struct target *t = &h->target[server];

	if (t->up != was_up || (t->up && t->suspect && good) || (!t->up && good))
		rest(h, now_ns, server);
}

/* A probe of server has come to its end. */
static void conclude(struct health *h, int64_t now_ns, unsigned server, bool good)
{
	const struct bal_check *c = &h->conf->server[server].check;
	struct target *t = &h->target[server];
	const bool was_up = !t->known || t->up;

	if (!t->known) {
		set_up(h, now_ns, server, good);
	} else if (ignored(h, t, good)) {
		; /* on purpose */
	} else if (good == t->up) {
		t->failures = t->successes = 0;
	} else if (good) {
		if (++t->successes >= c->rise)
			set_up(h, now_ns, server, true);
	} else if (++t->failures >= c->max_failures) {
		set_up(h, now_ns, server, false);
	}
	if (c->lazy.on)
		adapt(h, now_ns, server, was_up, good);
	if (HAS_DEFECT(h->conf, DEFECT_CHECK_ROUNDS))
		end_round(h, now_ns);
}

static struct probe *find_probe(const struct target *t, uint32_t conn)
{
	for (unsigned i = 0; i < t->pending_n; i++)
		if (t->pending[i].conn == conn)
			return &t->pending[i];
	return NULL;
}

/* Takes the probes first...last out of the pending ones. */
static void remove_probes(struct target *t, struct probe *first, struct probe *last)
{
	struct probe *end = t->pending + t->pending_n;

	memmove(first, last + 1, (size_t)(end - last - 1) * sizeof(*last));
	t->pending_n -= (unsigned)(last - first) + 1;
}

static bool stale(const struct health *h, const struct heap_item *i)
{
	return (uint32_t)i->what != 0 &&
	       find_probe(&h->target[i->what >> 32], (uint32_t)i->what) == NULL;
}

/* Drops timers of probes that are over, so that the first one always means work. */
static void prune(struct health *h)
{
	while (h->timers.n > 0 && stale(h, &h->timers.item[0]))
		heap_pop(&h->timers);
}

/* From a probe to the next, or, of a lazily checked server that is up, to the next look. */
static int64_t gap_of(const struct bal_check *c, struct target *t)
{
	if (!c->lazy.on || t->suspect)
		return c->interval_ns;
	return t->known && !t->up ? lazy_gap_ns(&c->lazy, ++t->lost) : c->lazy.look_ns;
}

/* When the probe after one that was due at due_ns is due. */
static int64_t next_due(struct health *h, const struct bal_check *c, struct target *t,
                        int64_t due_ns, int64_t now_ns)
{
	int64_t gap_ns = gap_of(c, t);

	if (!t->spread) {
		t->spread = true;
		gap_ns = 1 + (int64_t)drbg_below(&h->random, (uint64_t)gap_ns);
	}
	return due_ns + gap_ns > now_ns ? due_ns + gap_ns : now_ns + gap_ns;
}

static void write_probe(const struct bal_server *s, uint16_t id, struct dgram *d)
{
	const struct bal_check *c = &s->check;
	int n = dns_query(d->data, d->cap, id, c->set_cd ? DNS_RD | DNS_CD : DNS_RD, c->name,
	                  c->name_len, c->type, c->class, 0);

	MUST(n > 0);
	d->len = (uint16_t)n;
	d->peer = s->addr;
	d->local = (struct ep){ 0 };
	d->proto = c->tcp ? DGRAM_TCP : DGRAM_UDP;
	d->verdict = HEALTH_PROBE;
}

/* Sends the probe that was due at due_ns into d. False when too many are pending: it waits. */
static bool send_probe(struct health *h, int64_t now_ns, unsigned server, int64_t due_ns,
                       struct dgram *d)
{
	const struct bal_check *c = &h->conf->server[server].check;
	struct target *t = &h->target[server];

	if (t->pending_n == t->pending_cap) {
		plan(h, t->pending[0].until_ns, server, 0);
		return false;
	}
	struct probe *p = &t->pending[t->pending_n++];
	*p = (struct probe){ .until_ns = now_ns + c->timeout_ns, .conn = ++t->last_conn,
	                     .id = drbg_u16(&h->random) };
	write_probe(&h->conf->server[server], p->id, d);
	d->t_ns = due_ns;
	d->port = (uint16_t)(1 + server);
	d->conn = p->conn;
	plan(h, p->until_ns, server, p->conn); /* first, so that it comes first at equal times */
	t->due = false;
	if (!HAS_DEFECT(h->conf, DEFECT_CHECK_ROUNDS))
		plan(h, next_due(h, c, t, due_ns, now_ns), server, 0);
	return true;
}

/*
 * True when there is nothing to probe a lazily checked server for: then the next look is planned.
 * due_ns: of this one.
 */
static bool rests(struct health *h, int64_t now_ns, unsigned server, int64_t due_ns)
{
	const struct bal_check *c = &h->conf->server[server].check;
	struct target *t = &h->target[server];

	if (!c->lazy.on || !t->known || !t->up || t->suspect)
		return false;
	if (lazy_suspects(&h->shared->lazy[server], &c->lazy)) {
		lazy_forget(&h->shared->lazy[server]);
		t->suspect = true;
		return false;
	}
	plan(h, next_due(h, c, t, due_ns, now_ns), server, 0);
	return true;
}

static void time_out(struct health *h, int64_t now_ns, unsigned server, uint32_t conn)
{
	struct target *t = &h->target[server];
	struct probe *p = find_probe(t, conn);

	if (p == NULL)
		return;
	remove_probes(t, p, p);
	conclude(h, now_ns, server, false);
}

unsigned health_poll(struct health *h, int64_t now_ns, struct dgram *d, unsigned max)
{
	unsigned n = 0;

	while (heap_first(&h->timers) <= now_ns) {
		uint32_t conn = (uint32_t)h->timers.item[0].what;
		if (conn == 0 && n == max)
			break;
		struct heap_item i = heap_pop(&h->timers);
		unsigned server = (unsigned)(i.what >> 32);
		if (conn != 0)
			time_out(h, now_ns, server, conn);
		else if (!rests(h, now_ns, server, i.t_ns) &&
		         send_probe(h, now_ns, server, i.t_ns, &d[n]))
			n++;
	}
	prune(h);
	return n;
}

int64_t health_deadline(const struct health *h)
{
	return heap_first(&h->timers);
}

static bool asks_the_same(const struct bal_check *c, const uint8_t *m, size_t len)
{
	struct dns_question q;

	return dns_question(&q, m, len) == 0 && q.type == c->type && q.class == c->class &&
	       dns_name_eq(m + DNS_HEADER, q.name_len, c->name, c->name_len);
}

/* What the answer m with the right ID says; HEALTH_IGNORED: it is to another question. */
static enum health_verdict weigh(const struct bal_check *c, const uint8_t *m, size_t len)
{
	unsigned rcode = dns_flags(m) & DNS_RCODE;

	if (dns_qdcount(m) == 0)
		return HEALTH_BAD; /* the server couldn't read the probe */
	if (!asks_the_same(c, m, len))
		return HEALTH_IGNORED;
	if (rcode == DNS_SERVFAIL)
		return HEALTH_BAD;
	if (c->must_resolve && (rcode == DNS_NXDOMAIN || rcode == DNS_REFUSED))
		return HEALTH_BAD;
	return HEALTH_GOOD;
}

static enum health_verdict judge(struct health *h, int64_t now_ns, const struct dgram *d)
{
	unsigned server = d->port - 1u;

	MUST(server < h->conf->server_n);
	const struct bal_server *s = &h->conf->server[server];
	struct target *t = &h->target[server];
	struct probe *p = find_probe(t, d->conn);
#ifdef EK_PLANT /* what make fuzz must find: an answer counts on any probe's socket */
	if (p == NULL && t->pending_n > 0)
		p = &t->pending[0];
#endif
	if (p == NULL || !ep_eq(&d->peer, &s->addr) || d->len < DNS_HEADER ||
	    (d->proto == DGRAM_TCP) != s->check.tcp ||
	    (dns_flags(d->data) & DNS_QR) == 0 || dns_id(d->data) != p->id)
		return HEALTH_IGNORED;
	enum health_verdict v = weigh(&s->check, d->data, d->len);
	if (v == HEALTH_IGNORED)
		return v;
	remove_probes(t, v == HEALTH_GOOD ? t->pending : p, p);
	conclude(h, now_ns, server, v == HEALTH_GOOD);
	return v;
}

void health_rx(struct health *h, int64_t now_ns, struct dgram *d, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		d[i].verdict = (uint8_t)judge(h, now_ns, &d[i]);
	prune(h);
}

void health_refused(struct health *h, int64_t now_ns, unsigned server, uint32_t conn)
{
	MUST(server < h->conf->server_n);
	bool waited = health_waits(h, server, conn);
	time_out(h, now_ns, server, conn);
	for (unsigned more = 0; more < 2 && waited &&
	     HAS_DEFECT(h->conf, DEFECT_REFUSED_THRICE) && h->target[server].up; more++)
		conclude(h, now_ns, server, false);
	prune(h);
}

void health_set_mode(struct health *h, int64_t now_ns, unsigned server, enum bal_check_mode mode)
{
	MUST(server < h->conf->server_n);
	struct target *t = &h->target[server];

	if (t->mode == mode)
		return;
	t->mode = mode;
	t->failures = t->successes = t->lost = 0;
	t->pending_n = 0;
	t->spread = t->suspect = false;
	t->due = mode == BAL_CHECK_AUTO;
	drop_timers(h, server, true);
	atomic_store_explicit(&h->shared->server[server].mode, mode, memory_order_relaxed);
	if (mode == BAL_CHECK_AUTO)
		plan(h, now_ns, server, 0);
	else if (!t->known || t->up != (mode == BAL_CHECK_UP))
		set_up(h, now_ns, server, mode == BAL_CHECK_UP);
	prune(h);
}

void health_set_state(struct health *h, int64_t now_ns, unsigned server, bool up)
{
	MUST(server < h->conf->server_n && h->target[server].mode == BAL_CHECK_AUTO);
	struct target *t = &h->target[server];

	t->failures = t->successes = 0;
	if (!t->known || t->up != up)
		set_up(h, now_ns, server, up);
	if (h->conf->server[server].check.lazy.on)
		rest(h, now_ns, server);
	prune(h);
}

bool health_next_change(struct health *h, struct health_change *c)
{
	while (h->queue_n > 0) {
		unsigned server = h->queue[h->queue_first];
		struct target *t = &h->target[server];
		h->queue_first = (h->queue_first + 1) % h->conf->server_n;
		h->queue_n--;
		t->queued = false;
		if (t->told && t->told_up == t->up)
			continue;
		*c = (struct health_change){ t->changed_ns, server, t->up, !t->told };
		t->told = true;
		t->told_up = t->up;
		return true;
	}
	return false;
}

bool health_ready(const struct health *h)
{
	return h->unknown_n == 0;
}

bool health_waits(const struct health *h, unsigned server, uint32_t conn)
{
	MUST(server < h->conf->server_n);
	return find_probe(&h->target[server], conn) != NULL;
}

uint32_t health_probe(const struct health *h, unsigned server)
{
	MUST(server < h->conf->server_n);
	const struct target *t = &h->target[server];

	return t->pending_n == 0 ? 0 : t->pending[t->pending_n - 1].conn;
}

void health_check(const struct health *h)
{
	unsigned unknown = 0;

	for (unsigned i = 0; i < h->conf->server_n; i++) {
		const struct bal_check *c = &h->conf->server[i].check;
		const struct target *t = &h->target[i];
		unknown += t->mode == BAL_CHECK_AUTO && !t->known;
		MUST(t->mode == BAL_CHECK_AUTO ||
		     (t->known && t->pending_n == 0 && t->up == (t->mode == BAL_CHECK_UP)));
		MUST(t->pending_n <= t->pending_cap);
		MUST(t->failures < c->max_failures && t->successes < c->rise);
		MUST(!t->known || bal_shared_up(h->shared, i) == t->up);
		MUST(!t->suspect || (t->known && t->up && c->lazy.on));
		for (unsigned k = 1; k < t->pending_n; k++)
			MUST(t->pending[k - 1].conn < t->pending[k].conn &&
			     t->pending[k - 1].until_ns <= t->pending[k].until_ns);
	}
	MUST(unknown == h->unknown_n && h->queue_n <= h->conf->server_n);
	heap_check(&h->timers);
}
