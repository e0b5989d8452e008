/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker has counted, and what must add up; see bal.h. */
#include "bal_impl.h"
#include "tcp_impl.h"

uint64_t bal_count(const struct bal *b, enum bal_verdict v)
{
	MUST(v < BAL_VERDICTS);
	return b->count[v];
}

bool bal_next_logged(struct bal *b, struct bal_logged *out)
{
	struct rules *r = &b->rules;

	if (r->log_n == 0)
		return false;
	*out = r->logged[r->log_first];
	r->log_first = (r->log_first + 1) % BAL_LOGGED_MAX;
	r->log_n--;
	return true;
}

uint64_t bal_not_logged(const struct bal *b)
{
	return b->rules.not_logged;
}

uint64_t bal_matches(const struct bal *b, enum bal_chain_kind chain, unsigned rule)
{
	MUST(b->rules.conf != NULL && rule < b->rules.conf->chain[chain].n);
	return b->rules.matches[chain][rule];
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

struct bal_pool_counts bal_pool_counts(const struct bal *b, unsigned pool)
{
	MUST(pool < bal_pools(b->conf));
	return b->cache.counts[pool];
}

uint64_t bal_cache_misses(const struct bal *b)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < bal_pools(b->conf); i++)
		n += b->cache.counts[i].misses;
	return n;
}

uint64_t bal_not_cached(const struct bal *b)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < bal_pools(b->conf); i++)
		n += b->cache.counts[i].not_cached;
	return n;
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
	MUST(judged == b->received + b->count[BAL_TIMED_OUT] + b->count[BAL_RETRY] +
	               b->count[BAL_DELAYED]);
	MUST(b->count[BAL_NO_VERDICT] == 0);
	MUST(b->count[BAL_FORWARD] + b->count[BAL_RETRY] ==
	     b->count[BAL_ANSWER] + b->count[BAL_ANSWER_DROP] + b->count[BAL_DROP_LATE] +
	     b->timeouts + b->out.used);
	idt_check(&b->out);
	struct bal_server_counts sum = { 0 };
	for (unsigned i = 0; i < b->conf->server_n; i++) {
		sum.queries += b->server[i].queries;
		sum.responses += b->server[i].responses;
		sum.timeouts += b->server[i].timeouts;
	}
	MUST(sum.queries == b->count[BAL_FORWARD] + b->count[BAL_RETRY] +
	                    b->count[BAL_TCP_FORWARD]);
	MUST(sum.responses == b->count[BAL_ANSWER] + b->count[BAL_ANSWER_DROP] +
	                      b->count[BAL_DROP_LATE] + b->count[BAL_TCP_ANSWER] +
	                      b->count[BAL_TCP_ANSWER_DROP]);
	MUST(sum.timeouts == b->timeouts);
	if (b->tcp == NULL)
		return;
	MUST(b->count[BAL_TCP_FORWARD] == b->count[BAL_TCP_ANSWER] +
	     b->count[BAL_TCP_ANSWER_DROP] + btcp_unanswered(b->tcp));
	btcp_check(b->tcp);
}

struct tcp *btcp_of(const struct bal *b)
{
	return b->tcp;
}
