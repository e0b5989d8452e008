/* SPDX-License-Identifier: BSD-3-Clause */
/* The pools' packet caches as one worker uses them; see cache.h. */
#include "cache.h"

#include <string.h>

#include "subnet.h"

enum {
	SECOND = 1000000000,
	OPTION_COOKIE = 10,
	TYPE_IXFR = 251,
	HAS_COOKIE = 2,  /* in a key's first byte, beside whether it is over TCP */
};

/* Queries that may be out: over UDP server by server, then over TCP. */
static size_t places(const struct bal_conf *conf)
{
	return (size_t)bal_conf_servers(conf) * conf->max_outstanding + conf->tcp.conns;
}

static bool any_cache(const struct bal_conf *conf)
{
	for (unsigned i = 0; i < bal_pools(conf); i++)
		if (bal_pool_cache(conf, i)->entries > 0)
			return true;
	return false;
}

size_t cache_arena_size(const struct bal_conf *conf)
{
	size_t counts = arena_need(bal_pools(conf), sizeof(struct bal_pool_counts));

	return any_cache(conf) ? counts + arena_need(places(conf), sizeof(struct cache_kept))
	                       : counts;
}

void cache_init(struct cache *c, struct arena *a, const struct bal_conf *conf,
                const struct bal_shared *shared)
{
	c->counts = arena_take(a, bal_pools(conf), sizeof(*c->counts));
	if (!any_cache(conf))
		return;
	c->conf = conf;
	c->shared = shared;
	c->stale_ns = (int64_t)conf->stale_s * SECOND;
	c->kept_each = conf->max_outstanding;
	c->kept = arena_take(a, places(conf), sizeof(*c->kept));
	c->kept_tcp = c->kept + (size_t)bal_conf_servers(conf) * conf->max_outstanding;
}

static bool has_option(const uint8_t *p, size_t n, uint16_t code)
{
	while (n >= 4) {
		size_t size = 4u + dns_get16(p + 2);
		if (dns_get16(p) == code)
			return true;
		if (size > n)
			return false;
		p += size;
		n -= size;
	}
	return false;
}

/* What a server is told of a query's subnet, as bytes of its key. */
struct told {
	uint8_t net[16], bits, how;
};

STATIC_MUST(sizeof(struct told) == 18);

enum { HOW_REPLACE = 1, HOW_NOT = 2 };

static struct told what_is_told(const struct cache *c, const struct ip *client)
{
	struct bal_ecs_net of = subnet_of(c->conf, client, &c->ecs);
	struct told t = { .how = HOW_NOT };

	if (c->ecs.off)
		return t; /* it is for all of these */
	struct ip net = ecs_subnet(&of.ip, of.bits);
	memcpy(t.net, net.b, sizeof(t.net));
	t.bits = of.bits;
	t.how = subnet_replaces(c->conf, &c->ecs) ? HOW_REPLACE : 0;
	return t;
}

/* Where servers are told of clients' subnets an answer is for the one that asked. */
static bool add_subnet(struct cache *c, const struct ip *client)
{
	const struct told t = what_is_told(c, client);
	struct pcache_key *k = &c->key;

	if (k->len + sizeof(t) > PCACHE_KEY_MAX)
		return false;
	memcpy(k->b + k->len, &t, sizeof(t));
	k->len = (uint16_t)(k->len + sizeof(t));
	return true;
}

/*
 * Adds what isn't in the query as it is. Any cookie is as good as another, but none isn't: a client
 * that has had one from a server takes an answer without for a forged one (RFC 7873 section 5.3).
 */
static bool complete_key(struct cache *c, const struct pcache *packets, const struct dgram *d)
{
	struct pcache_key *k = &c->key;

	if (c->cookie)
		k->b[0] |= HAS_COOKIE;
	if (c->conf->ecs.any && !add_subnet(c, &d->peer.ip))
		return false;
	if (c->cookie || c->conf->ecs.any)
		k->hash = pcache_hash(packets, k->b, k->len);
	return true;
}

/* Makes the key of the query at hand. False: it isn't one whose answer is kept. */
static bool make_key(struct cache *c, const struct pcache *packets, const struct dgram *d,
                     const struct dns_question *q)
{
	unsigned skip = bal_pool_cache(c->conf, c->pool)->cookie_hashing ? 0 : PCACHE_SKIP_COOKIE;
	struct dns_edns e;

	if ((dns_flags(d->data) & DNS_OPCODE) != 0 || q->type == DNS_AXFR || q->type == TYPE_IXFR ||
	    dns_edns(&e, d->data, d->len, q->end) < 0)
		return false;
	c->cookie = skip != 0 && e.present &&
	            has_option(d->data + e.at + 11, (size_t)(e.end - e.at - 11), OPTION_COOKIE);
	if (pcache_key_packet(&c->key, packets, d->data, d->len, q, &e,
	                      d->proto == DGRAM_TCP, skip) &&
	    complete_key(c, packets, d))
		return true;
	c->key.len = 0;
	return false;
}

/* TTLs have aged; those of an expired answer say how long that is good for. */
static void age(struct cache *c, const struct dns_question *q, const struct pcache_hit *hit,
                bool stale)
{
	const struct bal_cache_conf *conf = bal_pool_cache(c->conf, c->pool);
	uint32_t age_s = (uint32_t)(hit->age_ns / SECOND);

	if (conf->dont_age)
		return;
	if (stale)
		pcache_set_ttl(c->answer, hit->len, q->end, conf->stale_ttl);
	else if (age_s > 0)
		pcache_age(c->answer, hit->len, q->end, age_s);
}

/* The answer that is in c->answer goes out in place of the query. */
static void give(struct cache *c, struct dgram *d, const struct dns_question *q,
                 const struct pcache_hit *hit, bool stale)
{
	memcpy(c->answer, d->data, 2);
	memcpy(c->answer + DNS_HEADER, d->data + DNS_HEADER, q->name_len);
	age(c, q, hit, stale);
	memcpy(d->data, c->answer, hit->len);
	d->len = hit->len;
}

static bool look_up(struct cache *c, const struct pcache *packets, int64_t now_ns,
                    struct dgram *d, const struct dns_question *q)
{
	size_t most = d->cap < sizeof(c->answer) ? d->cap : sizeof(c->answer);
	struct pcache_hit hit;
	bool stale = false;

	if (!make_key(c, packets, d, q))
		return false;
	bool found = pcache_get(packets, &c->key, now_ns, c->answer, most, &hit);
	if (!found && c->stale_ns > 0 && !bal_shared_any_up(c->shared, c->conf, c->pool)) {
		found = pcache_get(packets, &c->key, now_ns - c->stale_ns, c->answer, most, &hit);
		stale = found && hit.left_ns <= c->stale_ns;
	}
	if (found)
		give(c, d, q, &hit, stale);
	c->counts[c->pool].hits += found;
	c->counts[c->pool].misses += !found;
	return found;
}

bool cache_answer(struct cache *c, int64_t now_ns, unsigned pool, struct dgram *d,
                  const struct dns_question *q)
{
	if (c->conf == NULL)
		return false;
	const struct pcache *packets = c->shared->pool[pool].packets;
	c->pool = pool;
	c->key.len = 0;
	return packets != NULL && look_up(c, packets, now_ns, d, q);
}

void cache_skip(struct cache *c)
{
	c->key.len = 0;
}

static void keep(const struct cache *c, struct cache_kept *k)
{
	k->key.hash = c->key.hash;
	k->key.len = c->key.len;
	k->cookie = c->cookie;
	k->pool = (uint16_t)c->pool;
	k->failure_s = c->failure_s;
	memcpy(k->key.b, c->key.b, c->key.len);
}

/* A key is good for the pool of the same number alone: pools' hashes have keys of their own. */
static void move(const struct cache *c, struct cache_kept *to, const struct cache_kept *from,
                 const uint8_t *pools)
{
	unsigned pool = pools[from->pool];
	bool stays = pool == from->pool && c->shared->pool[pool].packets != NULL;

	to->key.hash = from->key.hash;
	to->key.len = stays ? from->key.len : 0;
	to->cookie = from->cookie;
	to->pool = (uint16_t)pool;
	to->failure_s = from->failure_s;
	memcpy(to->key.b, from->key.b, to->key.len);
}

void cache_move(struct cache *to, unsigned server, uint32_t slot, const struct cache *from,
                unsigned old_server, uint32_t old_slot, const uint8_t *pools)
{
	if (to->conf != NULL && from->conf != NULL)
		move(to, &to->kept[(size_t)server * to->kept_each + slot],
		     &from->kept[(size_t)old_server * from->kept_each + old_slot], pools);
}

void cache_move_tcp(struct cache *to, const struct cache *from, uint32_t slot,
                    const uint8_t *pools)
{
	if (to->conf != NULL && from->conf != NULL)
		move(to, &to->kept_tcp[slot], &from->kept_tcp[slot], pools);
}

void cache_keep(struct cache *c, unsigned server, uint32_t slot)
{
	if (c->conf != NULL)
		keep(c, &c->kept[(size_t)server * c->kept_each + slot]);
}

void cache_keep_again(struct cache *c, unsigned server, uint32_t slot, unsigned second,
                      uint32_t second_slot)
{
	if (c->conf != NULL)
		c->kept[(size_t)second * c->kept_each + second_slot] =
			c->kept[(size_t)server * c->kept_each + slot];
}

void cache_keep_tcp(struct cache *c, uint32_t slot)
{
	if (c->conf != NULL)
		keep(c, &c->kept_tcp[slot]);
}

/* What an answer's records say about how long it may be kept. */
struct records {
	uint32_t ttl;         /* the least; UINT32_MAX: there are none but OPT */
	uint32_t soa_ttl;     /* of an SOA in the authority section, at most its MINIMUM */
	bool soa, cookie;
};

static void read_soa(struct records *r, const uint8_t *m, const struct dns_rr *rr)
{
	uint32_t minimum = rr->rdlen >= 4 ? dns_get32(m + rr->end - 4) : 0;

	r->soa = true;
	r->soa_ttl = minimum < rr->ttl ? minimum : rr->ttl;
}

/* False when a record can't be read. */
static bool read_records(struct records *r, const uint8_t *m, size_t len, size_t at)
{
	unsigned authority = dns_ancount(m), additional = authority + dns_nscount(m);
	unsigned n = additional + dns_arcount(m);
	struct dns_rr rr;

	*r = (struct records){ .ttl = UINT32_MAX };
	for (unsigned i = 0; i < n; i++, at = rr.end) {
		if (dns_rr(&rr, m, len, at) < 0)
			return false;
		if (rr.type == DNS_OPT) {
			r->cookie = r->cookie || has_option(m + rr.rdata, rr.rdlen, OPTION_COOKIE);
			continue;
		}
		r->ttl = rr.ttl < r->ttl ? rr.ttl : r->ttl;
		if (rr.type == DNS_SOA && i >= authority && i < additional)
			read_soa(r, m, &rr);
	}
	return true;
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* How long an answer is kept, in seconds; 0: it isn't. failure_s: as in struct cache_kept. */
static uint32_t keep_s(const struct bal_cache_conf *conf, uint32_t failure_s, const uint8_t *m,
                       const struct records *r)
{
	unsigned rcode = dns_flags(m) & DNS_RCODE;
	uint32_t ttl = r->ttl;

	if (rcode == DNS_SERVFAIL || rcode == DNS_REFUSED)
		return failure_s > 0 ? failure_s - 1 : conf->failure_ttl;
	if (ttl == UINT32_MAX)
		return 0;
	if (rcode == DNS_NXDOMAIN || (rcode == DNS_NOERROR && r->soa))
		ttl = lesser(lesser(ttl, conf->negative_ttl), r->soa ? r->soa_ttl : ttl);
	ttl = lesser(ttl, conf->max_ttl);
	return ttl >= conf->min_ttl ? ttl : 0;
}

static void learn(struct cache *c, int64_t now_ns, const struct cache_kept *k,
                  const struct dgram *d, size_t q_end)
{
	struct records r;

	if (k->key.len == 0 || (dns_flags(d->data) & DNS_TC) != 0 || dns_qdcount(d->data) != 1 ||
	    !read_records(&r, d->data, d->len, q_end) || (k->cookie && r.cookie))
		return;
	uint32_t ttl_s = keep_s(bal_pool_cache(c->conf, k->pool), k->failure_s, d->data, &r);
	if (ttl_s == 0)
		return;
	c->counts[k->pool].not_cached += pcache_put(c->shared->pool[k->pool].packets, &k->key,
	                                            now_ns, (int64_t)ttl_s * SECOND, d->data,
	                                            d->len) > PCACHE_EVICTED;
}

void cache_learn(struct cache *c, int64_t now_ns, unsigned server, uint32_t slot,
                 const struct dgram *d, size_t q_end)
{
	if (c->conf != NULL)
		learn(c, now_ns, &c->kept[(size_t)server * c->kept_each + slot], d, q_end);
}

void cache_learn_tcp(struct cache *c, int64_t now_ns, uint32_t slot, const struct dgram *d,
                     size_t q_end)
{
	if (c->conf != NULL)
		learn(c, now_ns, &c->kept_tcp[slot], d, q_end);
}
