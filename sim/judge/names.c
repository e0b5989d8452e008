/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which server did a name go to, while the same servers were up? A policy that hashes names sends
 * each to one of them, today and tomorrow; on a ring, moreover, a name leaves its server only when
 * that goes, and goes to another only when that comes. Each pair of a name and a set of servers is
 * remembered once, as it was first seen. Tables are bounded: what finds no room is counted.
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

void name_of(struct name *n, const struct judge_message *m)
{
	const uint8_t *name = m->m + DNS_HEADER;
	size_t len = m->q.name_len;

	n->hash = dns_name_hash(name, len, 0);
	n->hash += n->hash == 0;
	n->len = (uint8_t)(len < sizeof(n->b) ? len : sizeof(n->b));
	n->whole = len == n->len;
	dns_name_lower(n->b, name, n->len);
}

void name_text(const struct name *n, char out[DNS_NAME_TEXT])
{
	uint8_t whole[DNS_NAME_MAX];

	memcpy(whole, n->b, n->len);
	if (n->whole)
		dns_name_format(whole, n->len, out);
	else
		snprintf(out, DNS_NAME_TEXT, "a long name");
}

/*
 * Balancers of one configuration hash alike where it says with which number; and on a ring where
 * servers have the same ids in all of them, which dnsdist draws anew at each start.
 */
static unsigned group_of(const struct judge *j, unsigned b, unsigned starts)
{
	const struct plan_conf *c = j->balancer[b].conf;
	bool alike = c->same_hash &&
	             (c->policy != BAL_CHASHED || j->plan->balancer.path == NULL);

	for (unsigned i = 0; i < b && alike; i++)
		if (j->balancer[i].conf == c)
			return i;
	return alike ? b : b + starts * j->balancer_n; /* another number at each start */
}

struct names *names_new(const struct judge *j)
{
	struct names *n = zeroed(1, sizeof(*n));

	table_init(&n->by, 0);
	n->set = zeroed(NAME_SETS_MAX, sizeof(*n->set));
	n->room = PLAN_NAMES_MAX;
	n->set_group = zeroed(NAME_SETS_MAX, sizeof(*n->set_group));
	n->set_up = zeroed(NAME_SETS_MAX, sizeof(*n->set_up));
	n->j = j;
	n->group = zeroed(j->balancer_n, sizeof(*n->group));
	n->starts = zeroed(j->balancer_n, sizeof(*n->starts));
	n->now = zeroed(j->balancer_n, sizeof(*n->now));
	n->epoch = zeroed(j->balancer_n, sizeof(*n->epoch));
	for (unsigned b = 0; b < j->balancer_n; b++)
		n->group[b] = group_of(j, b, 0);
	return n;
}

void names_free(struct names *take_n)
{
	if (take_n == NULL)
		return;
	for (unsigned i = 0; i < take_n->set_n; i++)
		free(take_n->set[i]);
	table_free(&take_n->by);
	free(take_n->sight);
	free(take_n->set);
	free(take_n->set_group);
	free(take_n->set_up);
	free(take_n->group);
	free(take_n->starts);
	free(take_n->now);
	free(take_n->epoch);
	free(take_n);
}

static bool has(const struct names *n, unsigned set, unsigned server)
{
	return (n->set[set][server / 8] >> server % 8 & 1) != 0;
}

/* The set of the servers that are up; -1: there are too many sets. */
static int set_find(struct names *n, const struct balancer *b)
{
	size_t bytes = (b->conf->server_n + 7u) / 8;
	uint8_t *up = zeroed(bytes, 1);
	unsigned up_n = 0;

	for (unsigned i = 0; i < b->conf->server_n; i++) {
		bool is = b->server[i].state == SERVER_UP;
		up[i / 8] |= (uint8_t)(is << i % 8);
		up_n += is;
	}
	for (unsigned i = 0; i < n->set_n; i++)
		if (n->set_group[i] == n->group[b->index] && memcmp(n->set[i], up, bytes) == 0) {
			free(up);
			return (int)i;
		}
	if (n->set_n == NAME_SETS_MAX) {
		free(up);
		return -1;
	}
	n->set_group[n->set_n] = n->group[b->index];
	n->set_up[n->set_n] = up_n;
	n->set[n->set_n] = up;
	return (int)n->set_n++;
}

static uint64_t key_in(uint64_t hash, unsigned set)
{
	uint64_t h = (hash ^ (set + 1) * 0x9fb21c651e98df25u) * 0xd6e8feb86659fd93u;

	h ^= h >> 32;
	return h != 0 ? h : 1;
}

/* The name was seen among other servers, and should have stayed where it was then; or be new. */
static enum sighting across(const struct names *n, const struct draw *d, unsigned set,
                            struct sight *before)
{
	enum sighting is = NAME_NEW;

	for (unsigned i = 0; i < n->set_n; i++) {
		const uint64_t *at = i != set && n->set_group[i] == n->set_group[set] ?
		                     table_find(&n->by, key_in(d->name->hash, i)) : NULL;
		const struct sight *s = at != NULL ? &n->sight[*at] : NULL;
		if (s == NULL || !has(n, set, s->server))
			continue;
		if (s->server == d->server) {
			is = NAME_STAYED;
		} else if (has(n, i, d->server)) {
			*before = *s;
			return NAME_MOVED;
		}
	}
	return is;
}

enum sighting names_see(struct names *n, const struct balancer *b, const struct draw *d, bool ring,
                        struct sight *before)
{
	unsigned starts = balancer_starts(n->j, b, 0, d->t_ns);
	if (starts != n->starts[b->index]) {
		n->starts[b->index] = starts;
		n->group[b->index] = group_of(n->j, b->index, starts);
		n->epoch[b->index] = 0;
	}
	if (n->epoch[b->index] != b->health.epoch + 1)
		n->now[b->index] = set_find(n, b);
	n->epoch[b->index] = b->health.epoch + 1;
	int set = n->now[b->index];
	if (set < 0) {
		n->full++;
		return NAME_FULL;
	}
	uint64_t key = key_in(d->name->hash, (unsigned)set);
	const uint64_t *at = table_find(&n->by, key);
	if (at != NULL) {
		*before = n->sight[*at];
		return before->server == d->server ? NAME_SAME : NAME_OTHER;
	}
	if (n->n == n->room) {
		n->full++;
		return NAME_FULL;
	}
	enum sighting is = ring ? across(n, d, (unsigned)set, before) : NAME_NEW;
	n->sight = grow(n->sight, n->n, &n->cap, sizeof(*n->sight));
	n->sight[n->n] = (struct sight){ d->t_ns, d->frame, (uint16_t)b->index, d->server };
	table_put(&n->by, key, n->n++);
	return is;
}

unsigned names_choice(const struct names *n, const struct balancer *b)
{
	return n->now[b->index] >= 0 ? n->set_up[n->now[b->index]] : 0;
}
