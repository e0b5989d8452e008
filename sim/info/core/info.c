/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures of captured traffic; see info.h. */
#include "info.h"

#include <string.h>

enum { BIN_SHIFT_LEAST = 20 };

/* Fixed, so that the same capture gives the same figures. */
static const uint64_t HASH_KEY = UINT64_C(0x9e3779b97f4a7c15);

/* A query on its way. */
struct key {
	struct ip client, server;
	uint16_t client_port, server_port;
	uint16_t id;
	uint16_t tcp;
	uint64_t question;
};

STATIC_MUST(sizeof(struct key) == 48);
STATIC_MUST(sizeof(struct info_server_key) == 24);

size_t info_arena_size(void)
{
	return arena_need(1, sizeof(struct info)) + topk_arena_size(INFO_NAMES, 8) +
	       topk_arena_size(INFO_CLIENTS, sizeof(struct ip)) +
	       topk_arena_size(INFO_SERVERS, sizeof(struct info_server_key)) +
	       arena_need(INFO_NAMES, sizeof(struct info_name)) +
	       arena_need(INFO_SERVERS, sizeof(struct info_server)) +
	       lru_arena_size(INFO_OUTSTANDING, sizeof(struct key)) +
	       arena_need(INFO_OUTSTANDING, sizeof(int64_t));
}

struct info *info_init(struct arena *a, uint64_t seed)
{
	struct info *i = arena_take(a, 1, sizeof(*i));

	topk_init(&i->names, a, INFO_NAMES, 8, seed);
	topk_init(&i->clients, a, INFO_CLIENTS, sizeof(struct ip), seed);
	topk_init(&i->servers, a, INFO_SERVERS, sizeof(struct info_server_key), seed);
	i->name = arena_take(a, INFO_NAMES, sizeof(*i->name));
	i->server = arena_take(a, INFO_SERVERS, sizeof(*i->server));
	lru_init(&i->waiting, a, INFO_OUTSTANDING, sizeof(struct key), seed);
	i->since_ns = arena_take(a, INFO_OUTSTANDING, sizeof(*i->since_ns));
	i->bin_shift = BIN_SHIFT_LEAST;
	return i;
}

/* ---- time ---- */

static void widen(struct info *i)
{
	for (unsigned b = 0; b < INFO_BINS / 2; b++)
		i->bin[b] = i->bin[2 * b] + i->bin[2 * b + 1];
	memset(&i->bin[INFO_BINS / 2], 0, sizeof(i->bin) / 2);
	i->bin_shift++;
}

/* Counts a query in its bin; one from before the first in the first. */
static void bin(struct info *i, int64_t t_ns)
{
	uint64_t since = t_ns > i->bin_base_ns ? (uint64_t)(t_ns - i->bin_base_ns) : 0;

	while (since >> i->bin_shift >= INFO_BINS)
		widen(i);
	i->bin[since >> i->bin_shift]++;
}

static void span(struct info *i, int64_t t_ns)
{
	if (i->queries + i->answers == 0) {
		i->first_ns = t_ns;
		i->last_ns = t_ns;
		i->bin_base_ns = t_ns;
	}
	i->first_ns = t_ns < i->first_ns ? t_ns : i->first_ns;
	i->last_ns = t_ns > i->last_ns ? t_ns : i->last_ns;
}

/* ---- who and what ---- */

static struct info_server_key server_key(const struct ep *ep)
{
	return (struct info_server_key){ ep->ip, ep->port };
}

/* The server of the list, or NULL when it isn't, or isn't any more, in it. */
static struct info_server *server_find(struct info *i, const struct ep *ep)
{
	struct info_server_key key = server_key(ep);
	uint32_t slot = lru_find(&i->servers.table, &key);

	return slot != LRU_NONE ? &i->server[slot] : NULL;
}

static struct info_server *server_count(struct info *i, const struct ep *ep)
{
	struct info_server_key key = server_key(ep);
	bool fresh;

	hll_add(&i->servers_seen, dns_hash((const uint8_t *)&key, sizeof(key), HASH_KEY));
	uint32_t slot = topk_add(&i->servers, &key, &fresh);
	if (fresh)
		i->server[slot] = (struct info_server){ 0 };
	return &i->server[slot];
}

static void name_count(struct info *i, const struct capture_message *m, uint64_t hash)
{
	bool fresh;
	uint32_t slot = topk_add(&i->names, &hash, &fresh);

	hll_add(&i->names_seen, hash);
	if (!fresh)
		return;
	i->name[slot].len = (uint8_t)m->question.name_len;
	dns_name_lower(i->name[slot].wire, m->m + DNS_HEADER, m->question.name_len);
}

/* A query, or an answer that stands for one; hash: of its name. Returns its server. */
static struct info_server *exchange(struct info *i, const struct capture_message *m, uint64_t hash)
{
	const struct ep *client = capture_client(m);
	bool fresh;

	i->exchanges++;
	topk_add(&i->clients, &client->ip, &fresh);
	hll_add(&i->clients_seen, dns_hash(client->ip.b, sizeof(client->ip.b), HASH_KEY));
	i->unreadable += !m->asks;
	if (m->asks) {
		i->type[m->question.type]++;
		name_count(i, m, hash);
	}
	return server_count(i, capture_server(m));
}

/* ---- queries and their answers ---- */

static struct key key_of(const struct capture_message *m, uint64_t hash)
{
	const struct ep *c = capture_client(m), *s = capture_server(m);
	uint64_t kind = (uint64_t)m->question.type << 16 | m->question.class;

	return (struct key){ c->ip, s->ip, c->port, s->port, dns_id(m->m), m->tcp,
	                     m->asks ? hash + kind * HASH_KEY : 0 };
}

/* The oldest that waits has waited for long enough, or must make room. */
static void give_up(struct info *i, uint64_t *counter)
{
	uint32_t slot = lru_oldest(&i->waiting);
	struct key key;

	memcpy(&key, lru_key(&i->waiting, slot), sizeof(key));
	struct ep ep = { key.server, key.server_port };
	struct info_server *s = server_find(i, &ep);
	if (s != NULL && counter == &i->unanswered)
		s->unanswered++;
	++*counter;
	lru_drop(&i->waiting, slot);
}

static void expire(struct info *i, int64_t t_ns)
{
	while (i->waiting.used > 0 &&
	       t_ns - i->since_ns[lru_oldest(&i->waiting)] > INFO_TIMEOUT_NS)
		give_up(i, &i->unanswered);
}

static void query(struct info *i, const struct capture_message *m, const struct key *key,
                  uint64_t hash)
{
	i->queries++;
	i->tcp_queries += m->tcp;
	bin(i, m->t_ns);
	uint32_t key_hash = lru_hash(&i->waiting, key);
	if (lru_find_hashed(&i->waiting, key, key_hash) != LRU_NONE) {
#ifdef EK_PLANT /* what make fuzz must find: a query that counts nowhere */
		i->again -= m->tcp;
#endif
		i->again++;
		return;
	}
	if (lru_full(&i->waiting))
		give_up(i, &i->forgotten);
	i->since_ns[lru_add_hashed(&i->waiting, key, key_hash)] = m->t_ns;
	exchange(i, m, hash)->queries++;
}

static void answer(struct info *i, const struct capture_message *m, const struct key *key,
                   uint64_t hash)
{
	uint16_t flags = dns_flags(m->m);
	uint32_t slot = lru_find(&i->waiting, key);

	i->answers++;
	i->tcp_answers += m->tcp;
	i->rcode[flags & DNS_RCODE]++;
	i->truncated += (flags & DNS_TC) != 0;
	i->unasked += slot == LRU_NONE;
	struct info_server *s = slot == LRU_NONE ? exchange(i, m, hash) : server_find(i, &m->src);
	if (s != NULL)
		s->failed += (flags & DNS_RCODE) == DNS_SERVFAIL;
	if (slot == LRU_NONE)
		return;
	int64_t took_ns = m->t_ns - i->since_ns[slot];
	i->answered++;
	hist_add(&i->times, took_ns);
	if (s != NULL) {
		s->answered++;
		hist_add(&s->times, took_ns);
	}
	lru_drop(&i->waiting, slot);
}

void info_add(struct info *i, const struct capture_message *m)
{
	uint64_t hash = m->asks ? dns_name_hash(m->m + DNS_HEADER, m->question.name_len, HASH_KEY)
	                        : 0;
	struct key key = key_of(m, hash);

	span(i, m->t_ns);
	expire(i, m->t_ns);
	i->connections = m->connection > i->connections ? m->connection : i->connections;
	if (m->answer)
		answer(i, m, &key, hash);
	else
		query(i, m, &key, hash);
}

void info_end(struct info *i)
{
	while (i->waiting.used > 0) {
		bool late = i->last_ns - i->since_ns[lru_oldest(&i->waiting)] <= INFO_LAST_NS;
		give_up(i, late ? &i->open : &i->unanswered);
	}
}
