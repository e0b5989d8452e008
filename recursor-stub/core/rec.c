/* SPDX-License-Identifier: BSD-3-Clause */
/* The recursor stub's core: what each query deserves, and when; see rec.h. */
#include "rec.h"

#include <string.h>

#include "rec_impl.h"

enum {
	SECOND = 1000000000,
	OPCODE_NOTIFY = 4 << 11,
	WAITING_DEFAULT = 2048, /* max-mthreads */
};

/* PowerDNS's default of allow-from. */
#define V4(a, b, c, d) { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d } }
static const struct rec_allow private_networks[] = {
	{ { V4(127, 0, 0, 0), 104 }, false },
	{ { V4(10, 0, 0, 0), 104 }, false },
	{ { V4(100, 64, 0, 0), 106 }, false },
	{ { V4(169, 254, 0, 0), 112 }, false },
	{ { V4(192, 168, 0, 0), 112 }, false },
	{ { V4(172, 16, 0, 0), 108 }, false },
	{ { { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 } }, 128 }, false },
	{ { { { 0xfc } }, 7 }, false },
	{ { { { 0xfe, 0x80 } }, 10 }, false },
};

void rec_conf_init(struct rec_conf *c)
{
	*c = (struct rec_conf){
		.allow = private_networks, .allow_n = COUNT_OF(private_networks),
		.packetcache = true, .packetcache_entries = 500000, .packetcache_ttl = 3600,
		.packetcache_servfail_ttl = 60, .cache_entries = 1000000, .cache_ttl = 86400,
		.negative_ttl = 3600, .waiting = WAITING_DEFAULT, .udp_size = DNS_EDNS_MAX,
	};
}

static struct pcache_conf packets_conf(const struct rec_conf *conf)
{
	return (struct pcache_conf){ .entries = conf->packetcache_entries };
}

/* A record is one block of 128 or 256 bytes: a name, a type, nothing else. */
static struct pcache_conf records_conf(const struct rec_conf *conf)
{
	return (struct pcache_conf){ .entries = conf->cache_entries,
	                             .bytes = (uint64_t)conf->cache_entries * 256 + 65536 };
}

size_t rec_shared_arena_size(const struct rec_conf *conf)
{
	struct pcache_conf p = packets_conf(conf), r = records_conf(conf);

	return arena_need(1, sizeof(struct rec_shared)) + pcache_arena_size(&p) +
	       pcache_arena_size(&r);
}

struct rec_shared *rec_shared_init(struct arena *a, const struct rec_conf *conf,
                                   const uint8_t seed[32])
{
	struct rec_shared *s = arena_take(a, 1, sizeof(*s));
	struct pcache_conf p = packets_conf(conf), r = records_conf(conf);
	struct drbg keys;

	drbg_init(&keys, seed, DRBG_CACHE_KEY, 0);
	p.secret = drbg_u64(&keys);
	r.secret = drbg_u64(&keys);
	s->packets = pcache_init(a, &p);
	s->records = pcache_init(a, &r);
	return s;
}

size_t rec_arena_size(const struct rec_conf *conf)
{
	return arena_need(1, sizeof(struct rec)) + wait_arena_size(conf->waiting);
}

struct rec *rec_init(struct arena *a, const struct rec_conf *conf, struct rec_shared *shared,
                     const uint8_t seed[32], uint32_t worker)
{
	struct rec *r = arena_take(a, 1, sizeof(*r));

	r->conf = conf;
	r->shared = shared;
	drbg_init(&r->faults, seed, DRBG_RECURSOR, worker);
	drbg_init(&r->misses, seed, DRBG_MISS, worker);
	wait_init(&r->wait, conf->waiting, a);
	return r;
}

static bool allowed(const struct rec_conf *conf, const struct ip *client)
{
	const struct rec_allow *best = NULL;

	for (unsigned i = 0; i < conf->allow_n; i++) {
		const struct rec_allow *x = &conf->allow[i];
		if (prefix_has(&x->prefix, client) &&
		    (best == NULL || x->prefix.bits >= best->prefix.bits))
			best = x;
	}
	return best != NULL && !best->deny;
}

bool rec_accept(struct rec *r, const struct ip *client)
{
	bool ok = allowed(r->conf, client);

	rec_add(r, REC_C_ACL_TCP, !ok);
	return ok;
}

static void count_rcode(struct rec *r, const uint8_t *m)
{
	switch (dns_flags(m) & DNS_RCODE) {
	case DNS_NOERROR: rec_add(r, REC_C_NOERROR, 1); break;
	case DNS_NXDOMAIN: rec_add(r, REC_C_NXDOMAIN, 1); break;
	case DNS_SERVFAIL: rec_add(r, REC_C_SERVFAIL, 1); break;
	default: break;
	}
}

static void count_time(struct rec *r, int64_t took_ns)
{
	enum rec_counter c = took_ns < SECOND / 1000 ? REC_C_0_1 :
	                     took_ns < SECOND / 100 ? REC_C_1_10 :
	                     took_ns < SECOND / 10 ? REC_C_10_100 :
	                     took_ns < SECOND ? REC_C_100_1000 : REC_C_SLOW;

	rec_add(r, c, 1);
}

/* Bytes that the answer to a query may have; d is its buffer. */
static size_t size_limit(const struct rec_conf *conf, const struct dgram *d,
                         const struct dns_edns *e)
{
	size_t limit = e->present ? e->udp_size : DNS_UDP_MAX;

	if (d->proto == DGRAM_TCP)
		return d->cap;
	limit = limit < conf->udp_size ? limit : conf->udp_size;
	return limit < d->cap ? limit : d->cap;
}

/* Puts the answer that is in r->answer into d; faults that change it come last. */
static void deliver(struct rec *r, struct dgram *d, size_t len, bool wrong, bool truncate)
{
	if (wrong)
		rec_spoil(r->answer, len);
	if (truncate && d->proto == DGRAM_UDP)
		len = rec_truncate(r->answer, len);
	MUST(len <= d->cap);
	memcpy(d->data, r->answer, len);
	d->len = (uint16_t)len;
	count_rcode(r, d->data);
}

/* The answer to a query that isn't in the packet cache: made, cut to size, cached. */
static size_t make_answer(struct rec *r, struct rec_query *x, const uint8_t *m, size_t m_len,
                          uint32_t ttl_left)
{
	const struct rec_conf *conf = r->conf;
	int n = rec_book_answer(conf->book, r->answer, sizeof(r->answer), m, m_len, &x->q,
	                        ttl_left);

	MUST(n > 0);
	size_t len = (size_t)n;
	uint32_t ttl = pcache_min_ttl(r->answer, len, x->q.end);
	bool servfail = (dns_flags(r->answer) & DNS_RCODE) == DNS_SERVFAIL;
	uint32_t most = servfail ? conf->packetcache_servfail_ttl : conf->packetcache_ttl;
	if (len > size_limit(conf, x->d, &x->e)) {
		len = rec_truncate(r->answer, len);
		rec_add(r, REC_C_TRUNCATED, 1);
	}
	ttl = ttl < most ? ttl : most;
	if (x->cacheable && ttl > 0)
		rec_add(r, REC_C_NOT_CACHED,
		        pcache_put(r->shared->packets, &x->key, x->now_ns, (int64_t)ttl * SECOND,
		                   r->answer, len) > PCACHE_EVICTED);
	return len;
}

/* An answer of an error code and nothing else, never cached. */
static void answer_error(struct rec *r, struct rec_query *x, enum dns_rcode rcode)
{
	struct dgram *d = x->d;

	dns_put16(d->data + 2, (uint16_t)(DNS_QR | DNS_RA | rcode |
	                                  (dns_flags(d->data) & (DNS_RD | DNS_CD))));
	memset(d->data + 6, 0, 6);
	d->len = x->q.end;
	count_rcode(r, d->data);
}

/* Names that a recursor knows from its root hints. */
static bool is_hint(const uint8_t *m, const struct dns_question *q)
{
	static const uint8_t tail[] = "\14root-servers\3net";
	uint8_t low[DNS_NAME_MAX];

	if (q->name_len == 1)
		return q->type == DNS_NS;
	if (q->name_len != 2 + sizeof(tail) || m[DNS_HEADER] != 1)
		return false;
	dns_name_lower(low, m + DNS_HEADER, q->name_len);
	return memcmp(low + 2, tail, sizeof(tail)) == 0 && low[1] >= 'a' && low[1] <= 'm' &&
	       (q->type == DNS_A || q->type == DNS_AAAA);
}

/* What no authoritative server need be asked for: EDNS of a later version, odd classes. */
static bool is_trivial(const struct dns_question *q, const struct dns_edns *e)
{
	return e->version > 0 || q->class != DNS_IN;
}

/* True when the records are known; *ttl_left: how long they may still be given out. */
static bool known(struct rec *r, const struct rec_query *x, const struct pcache_key *name,
                  uint32_t *ttl_left)
{
	struct pcache_hit hit;
	uint8_t none[8];

	*ttl_left = r->conf->cache_ttl;
	if (is_trivial(&x->q, &x->e))
		return true;
	if (r->conf->cold)
		return false;
	if (is_hint(x->d->data, &x->q))
		return true;
	if (!pcache_get(r->shared->records, name, x->now_ns, none, sizeof(none), &hit))
		return false;
	*ttl_left = (uint32_t)((hit.left_ns + SECOND - 1) / SECOND);
	return true;
}

/* Keeps the query until due_ns. */
static enum rec_verdict keep_waiting(struct rec *r, struct rec_query *x, uint32_t hash,
                                     int64_t miss_ns, uint32_t ttl_left)
{
	int64_t due_ns = miss_ns + x->luck.slow_ns;
	struct waiter *w = wait_add(&r->wait, x->d, &x->q, &x->e, hash, due_ns);

	if (w == NULL) {
		rec_add(r, REC_C_FULL, 1);
		return REC_DROP_FULL;
	}
	w->t_ns = x->now_ns;
	w->miss_ns = miss_ns;
	w->miss = ttl_left == UINT32_MAX;
	w->ttl_left = ttl_left;
	w->wrong = x->luck.hit[REC_F_WRONG];
	w->truncate = x->luck.hit[REC_F_TRUNCATE];
	rec_add(r, REC_C_WAITING, 1);
	return REC_WAIT;
}

/* What a miss costs: what it did in the capture, or else a draw. */
static int64_t miss_costs(struct rec *r, const struct rec_query *x)
{
	const struct rec_conf *c = r->conf;
	const struct rec_book_entry *e =
		c->book_delays ? rec_book_find(c->book, x->d->data, &x->q, &x->e) : NULL;

	if (e != NULL && e->delay_ns >= 0)
		return e->delay_ns;
	return c->miss != NULL ? dist_draw(c->miss, &r->misses) : 0;
}

/* When a miss for this question is over: with the one under way, or after a delay of its own. */
static int64_t miss_over(struct rec *r, struct rec_query *x, uint32_t hash)
{
	const struct waiter *w = r->conf->cold ? NULL :
		wait_find(&r->wait, x->d->data, &x->q, hash, x->now_ns);

	if (w != NULL) {
		rec_add(r, REC_C_CHAINED, 1);
		return w->miss_ns;
	}
	rec_add(r, REC_C_OUT, 1);
	return x->now_ns + miss_costs(r, x);
}

/* How long records may be given out in all, seconds. */
static uint32_t ttl_cap(const struct rec_conf *conf, const uint8_t *answer)
{
	bool positive = dns_ancount(answer) > 0;

	return positive || conf->negative_ttl > conf->cache_ttl ? conf->cache_ttl
	                                                       : conf->negative_ttl;
}

/* A miss is over: what it found is made, and goes into both caches. */
static size_t learn(struct rec *r, struct rec_query *x, const struct pcache_key *name,
                    const uint8_t *m, size_t m_len)
{
	struct pcache_hit hit;
	uint8_t none[8];
	int n = rec_book_answer(r->conf->book, r->answer, sizeof(r->answer), m, m_len, &x->q,
	                        UINT32_MAX);

	MUST(n > 0);
	uint32_t cap = ttl_cap(r->conf, r->answer);
	uint32_t ttl = pcache_min_ttl(r->answer, (size_t)n, x->q.end);
	ttl = ttl < cap ? ttl : cap;
	if (!r->conf->cold &&
	    !pcache_get(r->shared->records, name, x->now_ns, none, sizeof(none), &hit))
		pcache_put(r->shared->records, name, x->now_ns, (int64_t)ttl * SECOND, none, 0);
	rec_add(r, REC_C_MISSES, 1);
	return make_answer(r, x, m, m_len, cap);
}

/* Neither faults nor the packet cache had an answer. */
static enum rec_verdict resolve(struct rec *r, struct rec_query *x)
{
	struct dgram *d = x->d;
	struct pcache_key name;
	uint32_t ttl_left;
	size_t len;

	pcache_key_name(&name, r->shared->records, d->data + DNS_HEADER, &x->q);
	uint32_t hash = (uint32_t)name.hash;
	if (known(r, x, &name, &ttl_left)) {
		if (x->luck.slow_ns > 0)
			return keep_waiting(r, x, hash, x->now_ns, ttl_left);
		rec_add(r, REC_C_HITS, 1);
		len = make_answer(r, x, d->data, d->len, ttl_left);
	} else {
		int64_t over_ns = miss_over(r, x, hash);
		if (over_ns > x->now_ns || x->luck.slow_ns > 0)
			return keep_waiting(r, x, hash, over_ns, UINT32_MAX);
		len = learn(r, x, &name, d->data, d->len);
	}
	count_time(r, 0);
	deliver(r, d, len, x->luck.hit[REC_F_WRONG], x->luck.hit[REC_F_TRUNCATE]);
	return REC_ANSWER;
}

/* Takes the answer out of the packet cache into r->answer. Returns its length, 0: a miss. */
static size_t from_packets(struct rec *r, struct rec_query *x)
{
	struct dgram *d = x->d;
	struct pcache_hit hit;
	size_t most = d->cap < sizeof(r->answer) ? d->cap : sizeof(r->answer);

	if (!pcache_get(r->shared->packets, &x->key, x->now_ns, r->answer, most, &hit))
		return 0;
	memcpy(r->answer, d->data, 2);
	memcpy(r->answer + DNS_HEADER, d->data + DNS_HEADER, x->q.name_len);
	if (hit.age_ns >= SECOND)
		pcache_age(r->answer, hit.len, x->q.end, (uint32_t)(hit.age_ns / SECOND));
	return hit.len;
}

/* A query that can be read, after faults. */
static enum rec_verdict serve(struct rec *r, struct rec_query *x)
{
	struct dgram *d = x->d;

	x->cacheable = r->conf->packetcache &&
	               pcache_key_query(&x->key, r->shared->packets, d->data, d->len, &x->q,
	                                &x->e, d->proto == DGRAM_TCP);
	size_t len = x->cacheable ? from_packets(r, x) : 0;
	if (r->conf->packetcache)
		rec_add(r, len > 0 ? REC_C_PC_HITS : REC_C_PC_MISSES, 1);
	if (len == 0)
		return resolve(r, x);
	if (x->luck.slow_ns > 0) {
		uint32_t ttl = pcache_min_ttl(r->answer, len, x->q.end);
		ttl = ttl < UINT32_MAX ? ttl : r->conf->packetcache_ttl;
		return keep_waiting(r, x, 0, x->now_ns, ttl);
	}
	deliver(r, d, len, x->luck.hit[REC_F_WRONG], x->luck.hit[REC_F_TRUNCATE]);
	return REC_ANSWER;
}

/* The faults that leave nothing of the normal path. REC_NO_VERDICT: none hit. */
static enum rec_verdict fail(struct rec *r, struct rec_query *x)
{
	static const enum rec_fault order[] = { REC_F_DROP, REC_F_REFUSE, REC_F_SERVFAIL };

	for (unsigned i = 0; i < COUNT_OF(order); i++) {
		if (!x->luck.hit[order[i]])
			continue;
		rec_add(r, REC_C_FAULT + (enum rec_counter)order[i], 1);
		if (order[i] == REC_F_DROP)
			return REC_DROP_FAULT;
		answer_error(r, x, order[i] == REC_F_REFUSE ? DNS_REFUSED : DNS_SERVFAIL);
		return REC_ANSWER;
	}
	for (unsigned f = REC_F_SLOW; f < REC_FAULTS; f++)
		rec_add(r, REC_C_FAULT + (enum rec_counter)f, x->luck.hit[f]);
	return REC_NO_VERDICT;
}

/* What is no query at all, or from nobody we serve. REC_NO_VERDICT: fine so far. */
static enum rec_verdict screen(struct rec *r, const struct dgram *d)
{
	const uint8_t *m = d->data;

	if (d->len < DNS_HEADER)
		return REC_DROP_IGNORED;
	if (d->proto == DGRAM_UDP && !allowed(r->conf, &d->peer.ip))
		return REC_DROP_ACL;
	if ((dns_flags(m) & DNS_QR) != 0)
		return REC_DROP_IGNORED;
	if ((dns_flags(m) & DNS_OPCODE) == OPCODE_NOTIFY)
		return REC_DROP_NOTIFY;
	if ((dns_flags(m) & DNS_OPCODE) != 0)
		return REC_DROP_IGNORED;
	return dns_qdcount(m) == 0 ? REC_DROP_EMPTY : REC_NO_VERDICT;
}

static void count_drop(struct rec *r, enum rec_verdict v)
{
	switch (v) {
	case REC_DROP_ACL: rec_add(r, REC_C_ACL_UDP, 1); break;
	case REC_DROP_IGNORED: rec_add(r, REC_C_IGNORED, 1); break;
	case REC_DROP_NOTIFY: rec_add(r, REC_C_NOTIFY, 1); break;
	case REC_DROP_EMPTY: rec_add(r, REC_C_EMPTY, 1); break;
	case REC_DROP_BROKEN: rec_add(r, REC_C_BROKEN, 1); break;
	default: break;
	}
}

static enum rec_verdict judge(struct rec *r, int64_t now_ns, struct dgram *d)
{
	struct rec_query x;
	enum rec_verdict v = screen(r, d);

	if (v != REC_NO_VERDICT)
		return v;
	x.d = d;
	x.now_ns = now_ns;
	if (dns_question(&x.q, d->data, d->len) < 0 ||
	    dns_edns(&x.e, d->data, d->len, x.q.end) < 0)
		return REC_DROP_BROKEN;
	rec_add(r, REC_C_QUESTIONS, 1);
	rec_add(r, REC_C_TCP, d->proto == DGRAM_TCP);
	rec_add(r, REC_C_IPV6, !ip_is4(&d->peer.ip));
	rec_luck(r, d->data, &x.q, &x.luck);
	v = fail(r, &x);
	return v != REC_NO_VERDICT ? v : serve(r, &x);
}

void rec_rx(struct rec *r, int64_t now_ns, struct dgram *d, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		enum rec_verdict v = judge(r, now_ns, &d[i]);
		count_drop(r, v);
		d[i].verdict = (uint8_t)v;
		r->verdict[v]++;
		r->taken++;
	}
}

/* Answers one that has waited. */
static void answer_waiter(struct rec *r, struct waiter *w, struct dgram *d, int64_t now_ns)
{
	struct rec_query x = { .d = d, .now_ns = now_ns };
	struct pcache_key name;

	d->t_ns = w->due_ns;
	d->peer = w->peer;
	d->local = w->local;
	d->conn = w->conn;
	d->port = w->port;
	d->proto = w->proto;
	d->verdict = REC_ANSWER;
	MUST(dns_question(&x.q, w->query, w->len) == 0);
	MUST(dns_edns(&x.e, w->query, w->len, x.q.end) == 0);
	x.cacheable = r->conf->packetcache && !w->cut &&
	              pcache_key_query(&x.key, r->shared->packets, w->query, w->len, &x.q, &x.e,
	                               d->proto == DGRAM_TCP);
	pcache_key_name(&name, r->shared->records, w->query + DNS_HEADER, &x.q);
	size_t len = w->miss ? learn(r, &x, &name, w->query, w->len)
	                     : make_answer(r, &x, w->query, w->len, w->ttl_left);
	rec_add(r, REC_C_HITS, !w->miss);
	count_time(r, now_ns - w->t_ns);
	deliver(r, d, len, w->wrong, w->truncate);
}

unsigned rec_poll(struct rec *r, int64_t now_ns, struct dgram *d, unsigned max)
{
	unsigned n = 0;

	for (struct waiter *w; n < max && (w = wait_due(&r->wait, now_ns)) != NULL; n++) {
		answer_waiter(r, w, &d[n], w->due_ns);
		wait_remove(&r->wait, w);
		rec_add(r, REC_C_WAITING, UINT64_MAX);
		r->later++;
	}
	return n;
}

int64_t rec_deadline(const struct rec *r)
{
	return heap_first(&r->wait.heap);
}

void rec_wipe(struct rec_shared *s, uint64_t *packets, uint64_t *records)
{
	*packets = pcache_wipe(s->packets);
	*records = pcache_wipe(s->records);
}

uint32_t rec_packets(const struct rec_shared *s)
{
	return pcache_count(s->packets);
}

uint32_t rec_records(const struct rec_shared *s)
{
	return pcache_count(s->records);
}

void rec_check(const struct rec *r)
{
	uint64_t sum = 0;

	for (unsigned v = 0; v < REC_VERDICTS; v++)
		sum += r->verdict[v];
	MUST(sum == r->taken && r->verdict[REC_NO_VERDICT] == 0);
	MUST(r->verdict[REC_WAIT] == r->later + r->wait.n);
	MUST(rec_count(r, REC_C_WAITING) == r->wait.n);
	wait_check(&r->wait);
}
