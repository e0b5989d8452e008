/* SPDX-License-Identifier: BSD-3-Clause */
/* Walking compiled rules; see rules.h. */
#include "rules.h"

#include <string.h>

#include "draw.h"
#include "look.h"
#include "own.h"

static bool says_ecs(const struct bal_conf *conf)
{
	return conf->rules != NULL && conf->rules->ecs && conf->ecs.any;
}

size_t brules_arena_size(const struct bal_conf *conf)
{
	size_t size = 0;

	for (unsigned i = 0; conf->rules != NULL && i < BAL_CHAINS; i++)
		size += arena_need(conf->rules->chain[i].n, sizeof(uint64_t));
	if (conf->rules != NULL && conf->rules->log_n > 0)
		size += arena_need(BAL_LOGGED_MAX, sizeof(struct bal_logged));
	if (says_ecs(conf))
		size += arena_need(bal_conf_servers(conf) * (size_t)conf->max_outstanding,
		                   sizeof(struct bal_ecs_said));
	return size + tags_arena_size(conf);
}

void brules_init(struct rules *r, struct arena *a, const struct bal_conf *conf,
                struct bal_shared *shared, const uint8_t seed[DRBG_SEED], uint32_t worker)
{
	struct drbg key;

	*r = (struct rules){ .conf = conf->rules, .bal = conf, .shared = shared };
	if (conf->rules == NULL)
		return;
	drbg_init(&r->random, seed, DRBG_RULES, worker);
	drbg_init(&key, seed, DRBG_RULES, UINT32_MAX); /* all workers share the tables */
	r->secret = drbg_u64(&key);
	for (unsigned i = 0; i < BAL_CHAINS; i++)
		r->matches[i] = arena_take(a, conf->rules->chain[i].n, sizeof(uint64_t));
	if (conf->rules->log_n > 0)
		r->logged = arena_take(a, BAL_LOGGED_MAX, sizeof(*r->logged));
	if (says_ecs(conf))
		r->ecs = arena_take(a, bal_conf_servers(conf) * (size_t)conf->max_outstanding,
		                    sizeof(*r->ecs));
	tags_init(&r->tags, a, conf);
}

/* ---- functions ---- */

/* What a function is told; it begins with none of its wishes. */
static struct bal_hook_rule about(const struct rules *r, const struct rule_look *l,
                                  const struct rule_said *said)
{
	size_t end = (size_t)DNS_HEADER + l->name_len + 4;

	return (struct bal_hook_rule){
		.q = { .name = l->name, .name_len = l->name_len, .type = l->type,
		       .class = l->class, .id = l->id, .flags = dns_flags(l->m), .tcp = l->tcp,
		       .peer = l->client, .local = l->local, .message = l->m, .len = l->len,
		       .end = end <= l->len ? end : l->len, .tags = &r->tags.now },
		.answer = l->answer, .flags = dns_flags(l->m),
		.skip_cache = said->skip_cache, .failure_s = said->failure_s,
		.ecs = said->ecs,
	};
}

/* False: the function failed. */
static bool call(struct rules *r, const struct bal_action *a, const struct rule_look *l,
                 struct rule_said *said, struct bal_hook_rule *m)
{
	struct tags before;

	tags_copy(&before, &r->tags.now);
	*m = about(r, l, said);
	m->tags = &r->tags.now;
	MUST(r->hooks != NULL);
	if (!r->hooks->act(r->hooks->arg, a->arg, m)) {
		tags_copy(&r->tags.now, &before);
		++*r->failed;
		return false;
	}
	dns_put16(l->m + 2, m->flags);
	said->skip_cache = m->skip_cache;
	said->failure_s = m->failure_s;
	said->ecs = m->ecs;
	return true;
}

static bool call_selector(const struct rules *r, unsigned function, const struct rule_look *l)
{
	struct bal_hook_rule m = about(r, l, &(struct rule_said){ 0 });

	MUST(r->hooks != NULL);
	int word = r->hooks->match(r->hooks->arg, function, &m);
	*r->failed += word == BAL_HOOK_FAILED;
	return word > 0;
}

/* ---- selectors ---- */

/* DO or CD; a message whose records can't be read has no DO. */
static bool wants_dnssec(const struct rule_look *l)
{
	return (dns_flags(l->m) & DNS_CD) != 0 || look_edns(l).dnssec_ok;
}

static bool is_above(const struct rule_look *l, unsigned version)
{
	struct dns_edns e = look_edns(l);

	return e.present && e.version > version;
}

static bool in_range(const struct bal_range *g, uint64_t n)
{
	return n >= g->least && n <= g->most;
}

/* The tests that are about a number. */
static bool ranges(const struct rules *r, const struct bal_test *t, const struct rule_look *l)
{
	const struct bal_range *g = &r->conf->range[t->arg];

	switch (t->kind) {
	case BAL_TEST_LABELS:
		return !in_range(g, look_labels(l));
	case BAL_TEST_LENGTH:
		return !in_range(g, l->name_len);
	case BAL_TEST_COUNT:
		return in_range(g, look_count(l, g->section));
	case BAL_TEST_TYPE_COUNT:
		return look_count(l, g->section) >= g->least &&
		       in_range(g, look_type_count(l, g->section, g->type));
	default:
		return bal_shared_load(r->shared, r->bal, g->pool) > g->least;
	}
}

/* Those that not every configuration has. */
static bool holds_too(struct rules *r, const struct bal_test *t, const struct rule_look *l)
{
	switch ((enum bal_test_kind)t->kind) {
	case BAL_TEST_LUA:
		return call_selector(r, (unsigned)t->arg, l);
	case BAL_TEST_TAG:
	case BAL_TEST_TAG_VALUE:
		return tags_have(&r->tags.now, r->conf->data + t->arg,
		                 t->kind == BAL_TEST_TAG_VALUE);
	case BAL_TEST_TAIL:
		return look_has_tail(l);
	case BAL_TEST_VERSION:
		return is_above(l, (unsigned)t->arg);
	case BAL_TEST_OPTION:
		return look_has_option(l, (uint16_t)t->arg);
	case BAL_TEST_ERCODE:
		return look_rcode(l) == t->arg;
	case BAL_TEST_LOCAL_PORT:
		return l->local->port == t->arg;
	default:
		return ranges(r, t, l);
	}
}

static bool holds(struct rules *r, const struct bal_test *t, const struct rule_look *l)
{
	const struct bal_rules *c = r->conf;

	switch ((enum bal_test_kind)t->kind) {
	case BAL_TEST_ALL:
		return true;
	case BAL_TEST_NAME:
		return bal_nameset_has(&c->nameset[t->arg], l->name, l->name_len);
	case BAL_TEST_REGEX:
		return bal_regex_has(&c->regex[t->arg], l->name, l->name_len);
	case BAL_TEST_TYPE:
		return l->type == t->arg;
	case BAL_TEST_CLASS:
		return l->class == t->arg;
	case BAL_TEST_OPCODE:
		return (dns_flags(l->m) & (unsigned)DNS_OPCODE) >> 11 == t->arg;
	case BAL_TEST_RCODE:
		return (dns_flags(l->m) & (unsigned)DNS_RCODE) == t->arg;
	case BAL_TEST_RD:
		return (dns_flags(l->m) & DNS_RD) != 0;
	case BAL_TEST_TCP:
		return l->tcp == (t->arg != 0);
	case BAL_TEST_CLIENT:
		return bal_netset_has(&c->netset[t->arg], &l->client->ip);
	case BAL_TEST_LOCAL:
		return bal_netset_has(&c->netset[t->arg], &l->local->ip);
	case BAL_TEST_ABOVE:
	case BAL_TEST_WITHIN:
		return limit_take(&r->shared->limit[t->arg], &c->limit[t->arg], &l->client->ip,
		                  r->secret, l->now_ns) == (t->kind == BAL_TEST_WITHIN);
	case BAL_TEST_CHANCE:
		return drbg_u32(&r->random) < t->arg;
	case BAL_TEST_POOL:
		return bal_shared_any_up(r->shared, r->bal, (unsigned)t->arg);
	case BAL_TEST_DNSSEC:
		return wants_dnssec(l);
	default:
		return holds_too(r, t, l);
	}
}

/* Ends: each test goes on below itself. */
static bool matches(struct rules *r, uint32_t at, const struct rule_look *l)
{
	while (at < BAL_NO_MATCH) {
		const struct bal_test *t = &r->conf->test[at];
		at = holds(r, t, l) ? t->yes : t->no;
	}
	return at == BAL_MATCH;
}

/* ---- answers of rules ---- */

static enum bal_verdict name_of(unsigned rcode)
{
	switch (rcode) {
	case DNS_NXDOMAIN: return BAL_RULE_NXDOMAIN;
	case DNS_REFUSED: return BAL_RULE_REFUSED;
	case DNS_SERVFAIL: return BAL_RULE_SERVFAIL;
	default: return BAL_RULE_ANSWER;
	}
}

/* The flags of an answer: RA is RD unless the action says what. */
static unsigned flags_of(const struct bal_action *a, const struct dgram *d)
{
	return (own_flags(d) & ~(unsigned)a->flags_set) | a->flags;
}

/* rcode: of 12 bits. */
static void answer(const struct rules *r, struct dgram *d, const struct dns_question *q,
                   unsigned flags, unsigned rcode)
{
	struct dns_edns e = own_read_edns(d, q->end);

	own_answer(d, flags | (rcode & DNS_RCODE), q->end, &e, &r->bal->quirks);
	own_rcode(d, rcode, &e, &r->bal->quirks);
}

static enum bal_verdict negative(const struct rules *r, const struct bal_action *a,
                                 struct dgram *d, const struct dns_question *q)
{
	const uint8_t *from = r->conf->data + a->arg;
	const struct own_soa soa = {
		.zone = from + 1, .zone_len = from[0], .data = from + 1 + from[0],
		.len = a->len - 1u - from[0], .ttl = a->ttl,
	};

	own_negative(d, flags_of(a, d) | a->rcode, q, &soa, &r->bal->quirks);
	return name_of(a->rcode);
}

static bool has_address(const struct bal_action *a, const struct ip *address, uint16_t type)
{
	for (unsigned i = 0; i < a->n; i++)
		if (type == DNS_ANY || type == (ip_is4(&address[i]) ? DNS_A : DNS_AAAA))
			return true;
	return false;
}

/* The addresses in an order of chance, as dnsdist has them. BAL_NO_VERDICT: none of that type. */
static enum bal_verdict spoof(struct rules *r, const struct bal_action *a, const struct ip *from,
                              struct dgram *d, const struct dns_question *q)
{
	struct ip address[BAL_SPOOF_MAX];

	if (!has_address(a, from, q->type))
		return BAL_NO_VERDICT;
	memcpy(address, from, a->n * sizeof(*address));
	for (unsigned i = a->n; i-- > 1;) {
		unsigned k = draw_below(&r->random, i + 1);
		struct ip moving = address[i];
		address[i] = address[k];
		address[k] = moving;
	}
	own_addresses(d, flags_of(a, d), q, address, a->n, a->ttl, &r->bal->quirks);
	return BAL_RULE_ANSWER;
}

/* Types that stand for others have no records of their own. */
static enum bal_verdict spoof_raw(const struct rules *r, const struct bal_action *a,
                                  const uint8_t *from, struct dgram *d,
                                  const struct dns_question *q)
{
	const struct own_data records = {
		.type = a->type != 0 ? a->type : q->type, .n = a->n, .data = from, .len = a->len,
	};

	if (a->n == 0 || records.type == DNS_ANY || records.type == DNS_AXFR ||
	    records.type == DNS_IXFR)
		return BAL_NO_VERDICT;
	own_records(d, flags_of(a, d), q, &records, a->ttl, &r->bal->quirks);
	return BAL_RULE_ANSWER;
}

/* An answer with that rcode, whose other flags are those that the query has now. */
static struct bal_action answer_as_it_is(const struct dgram *d, unsigned rcode)
{
	const unsigned kept = DNS_AA | DNS_TC | DNS_AD | DNS_RA;

	return (struct bal_action){
		.kind = BAL_ACT_RCODE, .arg = rcode, .over = true, .flags_set = (uint16_t)kept,
		.flags = (uint16_t)(dns_flags(d->data) & kept),
	};
}

/* ---- actions ---- */

static void set_flag(struct dgram *d, unsigned set, unsigned clear)
{
	dns_put16(d->data + 2, (uint16_t)((dns_flags(d->data) & ~clear) | set));
}

static bool has_token(struct rules *r, const struct bal_action *a, const struct rule_look *l)
{
	return limit_take(&r->shared->limit[a->arg], &r->conf->limit[a->arg], &l->client->ip,
	                  r->secret, l->now_ns);
}

static void log_it(struct rules *r, const struct bal_action *a, const struct rule_look *l)
{
	if (r->log_n == BAL_LOGGED_MAX) {
		r->not_logged++;
		return;
	}
	unsigned flags = dns_flags(l->m);
	struct bal_logged *to = &r->logged[(r->log_first + r->log_n++) % BAL_LOGGED_MAX];
	to->client = *l->client;
	to->log = (uint16_t)a->arg;
	to->type = l->type;
	to->id = l->id;
	to->name_len = l->name_len;
	to->rcode = (flags & DNS_QR) != 0 ? (int16_t)(flags & DNS_RCODE) : -1;
	memcpy(to->name, l->name, l->name_len);
}

static void tag(struct rules *r, const struct bal_action *a)
{
	if (!tags_set_one(&r->tags.now, r->conf->data + a->arg))
		++*r->tags.crowded;
}

static void note_ecs(const struct rules *r, const struct bal_action *a,
                     const struct rule_look *l, struct bal_ecs_said *to)
{
	bool four = ip_is4(&l->client->ip);

	if (a->kind == BAL_ACT_ECS) {
		to->net_set = true;
		memcpy(&to->net, r->conf->data + a->arg + (four ? 0 : sizeof(to->net)),
		       sizeof(to->net));
	} else if (a->kind == BAL_ACT_ECS_BITS) {
		to->bits_set = true;
		to->bits = (uint8_t)(four ? a->arg : a->arg >> 8);
	} else if (a->kind == BAL_ACT_ECS_REPLACE) {
		to->replace_set = true;
		to->replace = a->arg != 0;
	} else if (a->kind == BAL_ACT_ECS_OFF) {
		to->off = true;
	}
}

/* Actions that are noted for later, alike for queries and answers; others do nothing here. */
static void note(struct rules *r, const struct bal_action *a, const struct rule_look *l,
                 struct rule_said *said)
{
	if (a->kind == BAL_ACT_DELAY)
		said->delay_ns = a->delay_ns;
	else if (a->kind == BAL_ACT_SKIP_CACHE)
		said->skip_cache = true;
	else if (a->kind == BAL_ACT_LOG)
		log_it(r, a, l);
	else if (a->kind == BAL_ACT_TAG)
		tag(r, a);
	else if (a->kind == BAL_ACT_FAILURE_TTL)
		said->failure_s = a->ttl + 1;
	else
		note_ecs(r, a, l, &said->ecs);
}

/* *over: no later rule is looked at, whatever the verdict. */
static enum bal_verdict act(struct rules *r, const struct bal_action *a, struct dgram *d,
                            const struct dns_question *q, const struct rule_look *l,
                            struct rule_said *said, bool *over);

/* What a function wants done. One that fails has the query answered SERVFAIL, as in dnsdist. */
static enum bal_verdict act_lua(struct rules *r, const struct bal_action *a, struct dgram *d,
                                const struct dns_question *q, const struct rule_look *l,
                                struct rule_said *said, bool *over)
{
	struct bal_hook_rule m;
	enum bal_verdict v;

	if (!call(r, a, l, said, &m))
		m.action = answer_as_it_is(d, DNS_SERVFAIL);
	if (m.action.kind == BAL_ACT_RCODE)
		m.action = answer_as_it_is(d, m.action.arg);
	DMUST(m.action.kind != BAL_ACT_LUA);
	if (m.action.kind == BAL_ACT_SPOOF)
		v = spoof(r, &m.action, m.address, d, q);
	else if (m.action.kind == BAL_ACT_SPOOF_RAW)
		v = spoof_raw(r, &m.action, m.data, d, q);
	else
		v = act(r, &m.action, d, q, l, said, over);
	*over = *over || m.action.over;
	return v;
}

static enum bal_verdict act(struct rules *r, const struct bal_action *a, struct dgram *d,
                            const struct dns_question *q, const struct rule_look *l,
                            struct rule_said *said, bool *over)
{
	*over = true;
	switch ((enum bal_act)a->kind) {
	case BAL_ACT_ALLOW:
		return BAL_NO_VERDICT;
	case BAL_ACT_DROP:
		return BAL_RULE_DROP;
	case BAL_ACT_RCODE:
		answer(r, d, q, flags_of(a, d), a->arg);
		return name_of(a->arg);
	case BAL_ACT_SPOOF:
		*over = false;
		return spoof(r, a, r->conf->address + a->arg, d, q);
	case BAL_ACT_SPOOF_RAW:
		*over = false;
		return spoof_raw(r, a, r->conf->data + a->arg, d, q);
	case BAL_ACT_SOA:
		return negative(r, a, d, q);
	case BAL_ACT_TRUNCATE:
		*over = !l->tcp;
		if (l->tcp)
			return BAL_NO_VERDICT;
		answer(r, d, q, flags_of(a, d) | DNS_TC, DNS_NOERROR);
		return BAL_RULE_TRUNCATED;
	case BAL_ACT_POOL:
		said->pool = a->pool;
		return BAL_NO_VERDICT;
	case BAL_ACT_QPS:
		*over = false;
		return has_token(r, a, l) ? BAL_NO_VERDICT : BAL_RULE_DROP;
	case BAL_ACT_QPS_POOL:
		*over = has_token(r, a, l);
		if (*over)
			said->pool = a->pool;
		return BAL_NO_VERDICT;
	case BAL_ACT_NO_RECURSE:
		set_flag(d, 0, DNS_RD);
		break;
	case BAL_ACT_DISABLE_VALIDATION:
		set_flag(d, DNS_CD, 0);
		break;
	case BAL_ACT_LUA:
		*over = false;
		return act_lua(r, a, d, q, l, said, over);
	case BAL_ACT_DELAY: case BAL_ACT_SKIP_CACHE: case BAL_ACT_LOG: case BAL_ACT_TAG:
	case BAL_ACT_NONE: case BAL_ACT_FAILURE_TTL: case BAL_ACT_ECS: case BAL_ACT_ECS_BITS:
	case BAL_ACT_ECS_REPLACE: case BAL_ACT_ECS_OFF:
		note(r, a, l, said);
		break;
	}
	*over = false;
	return BAL_NO_VERDICT;
}

/* A query that a function has made a response is one, when no rule said anything else. */
static enum bal_verdict turned(struct rules *r, struct dgram *d, const struct dns_question *q)
{
	if (!r->conf->calls || (dns_flags(d->data) & DNS_QR) == 0)
		return BAL_NO_VERDICT;
	const struct bal_action a = answer_as_it_is(d, dns_flags(d->data) & DNS_RCODE);
	answer(r, d, q, flags_of(&a, d), a.arg);
	return name_of(a.arg);
}

enum bal_verdict brules_query(struct rules *r, struct dgram *d, const struct dns_question *q,
                             int64_t now_ns, struct rule_said *said)
{
	const struct bal_chain *c = &r->conf->chain[BAL_QUERIES];
	enum bal_verdict answered = BAL_NO_VERDICT;
	struct rule_look l = {
		.now_ns = now_ns, .m = d->data, .len = d->len, .name = d->data + DNS_HEADER,
		.name_len = q->name_len, .type = q->type, .class = q->class, .client = &d->peer,
		.local = &d->local, .tcp = d->proto == DGRAM_TCP, .id = dns_id(d->data),
	};

	r->tags.now.len = 0;
	for (unsigned i = 0; i < c->n; i++) {
		bool over;
		if (!matches(r, c->rule[i].test, &l))
			continue;
		r->matches[BAL_QUERIES][i]++;
		enum bal_verdict v = act(r, &c->rule[i].action, d, q, &l, said, &over);
		l.len = d->len;
		if (c->rule[i].action.goes_on) {
			answered = v != BAL_NO_VERDICT && v != BAL_RULE_DROP ? v : answered;
			continue;
		}
		if (v != BAL_NO_VERDICT)
			return v;
		if (over)
			break;
	}
	return answered != BAL_NO_VERDICT ? answered : turned(r, d, q);
}

/* What one rule does to an answer. BAL_ACT_DROP, BAL_ACT_ALLOW, or BAL_ACT_NONE: go on. */
static enum bal_act act_answer(struct rules *r, const struct bal_action *a,
                               const struct rule_look *l, struct rule_said *said)
{
	struct bal_hook_rule m;

	if (a->kind == BAL_ACT_LUA) {
		if (!call(r, a, l, said, &m))
			m.action = (struct bal_action){ .kind = BAL_ACT_RCODE,
			                                .arg = DNS_SERVFAIL };
		a = &m.action;
	}
	if (a->kind == BAL_ACT_RCODE) {
		dns_put16(l->m + 2, (uint16_t)((dns_flags(l->m) & ~(unsigned)DNS_RCODE) | a->arg));
		return BAL_ACT_ALLOW;
	}
	note(r, a, l, said);
	return a->kind == BAL_ACT_DROP || a->kind == BAL_ACT_ALLOW ? (enum bal_act)a->kind
	                                                            : BAL_ACT_NONE;
}

bool brules_answer(struct rules *r, enum bal_chain_kind chain, const struct rule_look *l,
                  struct rule_said *said)
{
	const struct bal_chain *c = &r->conf->chain[chain];

	for (unsigned i = 0; i < c->n; i++) {
		if (!matches(r, c->rule[i].test, l))
			continue;
		r->matches[chain][i]++;
		enum bal_act end = act_answer(r, &c->rule[i].action, l, said);
		if (end != BAL_ACT_NONE)
			return end == BAL_ACT_ALLOW;
	}
	return true;
}
