/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compiles what rule.h's lists have into struct bal_rules: trees of selectors into tests that jump,
 * from the last to the first so that every jump goes to a lower index; sets into tables.
 */
#include <stdlib.h>
#include <string.h>

#include "regex.h"
#include "rule.h"

struct builder {
	const struct rule_list *from;
	struct bal_test *test;
	unsigned test_n;
	bool full;
};

/* ---- selectors ---- */

static uint32_t put_test(struct builder *b, const struct rule_node *n, uint32_t yes, uint32_t no)
{
	if (b->test_n == BAL_TESTS_MAX) {
		b->full = true;
		return BAL_NO_MATCH;
	}
	b->test[b->test_n] = (struct bal_test){ .kind = n->kind, .arg = n->arg, .yes = yes,
	                                        .no = no };
	return b->test_n++;
}

/*
 * Where the selector begins, which goes on at yes when it holds and at no when it doesn't. An
 * AndRule of nothing holds, an OrRule of nothing doesn't. As deep as RULE_DEPTH.
 */
static uint32_t put(struct builder *b, unsigned node, uint32_t yes, uint32_t no)
{
	const struct rule_node *n = &b->from->node[node];
	const unsigned *child = n->child_n > 0 ? b->from->child + n->child : NULL;
	uint32_t at = n->kind == SELECT_AND ? yes : no;

	switch (n->kind) {
	case SELECT_AND:
		for (unsigned i = n->child_n; i-- > 0 && !b->full;)
			at = put(b, child[i], at, no);
		return at;
	case SELECT_OR:
		for (unsigned i = n->child_n; i-- > 0 && !b->full;)
			at = put(b, child[i], yes, at);
		return at;
	case SELECT_NOT:
		return put(b, child[0], no, yes);
	case BAL_TEST_ALL:
		return yes;
	default:
		return put_test(b, n, yes, no);
	}
}

/* ---- sets ---- */

static void *zeros(size_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	MUST(p != NULL);
	return p;
}

static void *copy(const void *from, size_t n, size_t size)
{
	void *to = zeros(n, size);

	if (n > 0)
		memcpy(to, from, n * size);
	return to;
}

static struct bal_nameset build_names(const struct rule_names *s)
{
	struct bal_nameset to = { .suffixes = s->suffixes, .mask = 1 };
	uint32_t *slot;

	while (to.mask + 1 < 2 * (s->n + 1))
		to.mask = 2 * to.mask + 1;
	to.slot = slot = zeros(to.mask + 1, sizeof(*slot));
	to.bytes = copy(s->bytes, s->len, 1);
	for (size_t at = 0; at < s->len; at += 1u + s->bytes[at]) {
		const uint8_t *name = s->bytes + at + 1;
		uint32_t i = (uint32_t)bal_nameset_hash(name, s->bytes[at]) & to.mask;
		if (s->bytes[at] == 1) {
			to.root = true;
			continue;
		}
		while (slot[i] != 0 && !dns_name_eq(to.bytes + slot[i], to.bytes[slot[i] - 1], name,
		                                    s->bytes[at]))
			i = (i + 1) & to.mask;
		slot[i] = (uint32_t)at + 1;
	}
	return to;
}

struct net_order {
	struct rule_net net;
	unsigned at;               /* what was said later counts */
};

static int by_length_and_address(const void *a, const void *b)
{
	const struct net_order *x = a, *y = b;
	int cmp = ip_cmp(&x->net.prefix.ip, &y->net.prefix.ip);

	if (x->net.prefix.bits != y->net.prefix.bits)
		return x->net.prefix.bits > y->net.prefix.bits ? -1 : 1;
	if (cmp != 0)
		return cmp;
	return x->at < y->at ? -1 : 1;
}

static struct bal_netset build_nets(const struct rule_nets *s)
{
	struct net_order *sorted = zeros(s->n, sizeof(*sorted));
	struct bal_net *net = zeros(s->n, sizeof(*net));
	struct bal_netrun *run = zeros(129, sizeof(*run));
	struct bal_netset to = { .run = run, .net = net };
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++)
		sorted[i] = (struct net_order){ s->net[i], i };
	qsort(sorted, s->n, sizeof(*sorted), by_length_and_address);
	for (unsigned i = 0; i < s->n; i++) {
		const struct prefix *p = &sorted[i].net.prefix;
		bool same = i > 0 && p->bits == sorted[i - 1].net.prefix.bits;
		if (!same)
			run[to.run_n++] = (struct bal_netrun){ .bits = p->bits, .first = n };
		if (!same || ip_cmp(&p->ip, &net[n - 1].ip) != 0) {
			run[to.run_n - 1].n++;
			n++;
		}
		net[n - 1] = (struct bal_net){ p->ip, sorted[i].net.in };
	}
	free(sorted);
	return to;
}

static void build_sets(struct bal_rules *r, struct rule_list *from)
{
	struct bal_nameset *names = zeros(from->names_n, sizeof(*names));
	struct bal_netset *nets = zeros(from->nets_n, sizeof(*nets));

	for (unsigned i = 0; i < from->names_n; i++)
		names[i] = build_names(&from->names[i]);
	for (unsigned i = 0; i < from->nets_n; i++)
		nets[i] = build_nets(&from->nets[i]);
	r->nameset = names;
	r->nameset_n = from->names_n;
	r->netset = nets;
	r->netset_n = from->nets_n;
	r->regex = copy(from->regex, from->regex_n, sizeof(*from->regex));
	r->regex_n = from->regex_n;
	from->regex_n = 0; /* their tables are r's now */
	r->limit = copy(from->limit, from->limit_n, sizeof(*from->limit));
	r->limit_n = from->limit_n;
	r->range = copy(from->range, from->range_n, sizeof(*from->range));
	r->range_n = from->range_n;
	r->address = copy(from->address, from->address_n, sizeof(*from->address));
	r->address_n = from->address_n;
	r->data = copy(from->data.bytes, from->data.len, 1);
	r->data_n = from->data.len;
	r->log = copy(from->log, from->log_n, sizeof(*from->log));
	r->log_n = from->log_n;
}

/* ---- chains ---- */

static void build_chain(struct builder *b, struct bal_rules *r, unsigned chain)
{
	unsigned n = b->from->item_n[chain];
	const struct rule_item *item = b->from->item[chain];
	struct bal_rule *rule = zeros(n, sizeof(*rule));
	struct bal_rule_text *text = zeros(n, sizeof(*text));

	for (unsigned i = 0; i < n; i++) {
		const struct bal_action *a = &b->from->act[item[i].act].action;
		rule[i].test = put(b, item[i].node, BAL_MATCH, BAL_NO_MATCH);
		rule[i].action = *a;
		text[i] = item[i].text;
		text[i].selector = strdup(item[i].text.selector);
		text[i].action = strdup(item[i].text.action);
		MUST(text[i].selector != NULL && text[i].action != NULL);
		bool delays = a->kind == BAL_ACT_DELAY || a->kind == BAL_ACT_LUA;
		r->delays = r->delays || delays;
		r->delays_servers = r->delays_servers || (delays && chain == BAL_QUERIES);
		r->calls = r->calls || a->kind == BAL_ACT_LUA;
		r->ecs = r->ecs || a->kind == BAL_ACT_LUA ||
		         (a->kind >= BAL_ACT_ECS && a->kind <= BAL_ACT_ECS_OFF);
		r->tags = r->tags || a->kind == BAL_ACT_LUA || a->kind == BAL_ACT_TAG;
	}
	r->chain[chain] = (struct bal_chain){ n, rule, text };
}

struct bal_rules *cf_rules_build(struct rule_list *from, bool *too_many)
{
	struct builder b = { .from = from };
	unsigned n = 0;

	for (unsigned i = 0; i < BAL_CHAINS; i++)
		n += from->item_n[i];
	*too_many = false;
	if (n == 0)
		return NULL;
	struct bal_rules *r = zeros(1, sizeof(*r));
	b.test = zeros(BAL_TESTS_MAX, sizeof(*b.test));
	for (unsigned i = 0; i < BAL_CHAINS; i++)
		build_chain(&b, r, i);
	r->test = copy(b.test, b.test_n, sizeof(*b.test));
	r->test_n = b.test_n;
	for (unsigned i = 0; i < r->test_n; i++)
		r->calls = r->calls || r->test[i].kind == BAL_TEST_LUA;
	free(b.test);
	build_sets(r, from);
	*too_many = b.full;
	return r;
}

static void release(const void *p)
{
	free((void *)(uintptr_t)p);
}

void cf_rules_fini(const struct bal_rules *r)
{
	if (r == NULL)
		return;
	for (unsigned i = 0; i < BAL_CHAINS; i++) {
		for (unsigned k = 0; k < r->chain[i].n; k++) {
			release(r->chain[i].text[k].selector);
			release(r->chain[i].text[k].action);
		}
		release(r->chain[i].rule);
		release(r->chain[i].text);
	}
	for (unsigned i = 0; i < r->nameset_n; i++) {
		release(r->nameset[i].slot);
		release(r->nameset[i].bytes);
	}
	for (unsigned i = 0; i < r->netset_n; i++) {
		release(r->netset[i].run);
		release(r->netset[i].net);
	}
	for (unsigned i = 0; i < r->regex_n; i++) {
		release(r->regex[i].next);
		release(r->regex[i].final);
	}
	release(r->test);
	release(r->nameset);
	release(r->netset);
	release(r->regex);
	release(r->limit);
	release(r->range);
	release(r->address);
	release(r->data);
	release(r->log);
	release(r);
}
