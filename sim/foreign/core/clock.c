/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets in two files, and what they say of the files' clocks; see clock.h. */
#include "clock.h"

#include <string.h>

struct key {
	uint64_t half[2];
};

size_t clocks_arena_size(void)
{
	return lru_arena_size(CLOCK_PACKETS, sizeof(struct key)) +
	       arena_need(CLOCK_PACKETS, sizeof(struct clock_packet));
}

void clocks_init(struct clocks *c, struct arena *a, uint32_t file_n, uint64_t seed)
{
	*c = (struct clocks){ .file_n = file_n };
	lru_init(&c->seen, a, CLOCK_PACKETS, sizeof(struct key), seed);
	c->packet = arena_take(a, CLOCK_PACKETS, sizeof(*c->packet));
}

/* The same for the same packet, in whichever file. */
static struct key key_of(const struct capture_message *m)
{
	uint8_t b[2 * (sizeof(struct ip) + 2) + 3];
	uint64_t name = dns_hash(m->m + DNS_HEADER, m->question.end - DNS_HEADER, 1);
	struct key k;

	memcpy(b, m->src.ip.b, 16);
	memcpy(b + 16, m->dst.ip.b, 16);
	dns_put16(b + 32, m->src.port);
	dns_put16(b + 34, m->dst.port);
	memcpy(b + 36, m->m, 2);
	b[38] = m->answer;
	for (unsigned i = 0; i < 2; i++)
		k.half[i] = dns_hash(b, 39, name + i);
	return k;
}

static struct clock_link *link_of(struct clocks *c, uint32_t a, uint32_t b)
{
	for (unsigned i = 0; i < c->link_n; i++)
		if (c->link[i].a == a && c->link[i].b == b)
			return &c->link[i];
	if (c->link_n == CLOCK_LINKS)
		return NULL;
	struct clock_link *l = &c->link[c->link_n++];
	*l = (struct clock_link){ a, b, 0, 0, INT64_MAX, INT64_MIN, INT64_MAX, INT64_MIN };
	return l;
}

static void widen(int64_t *min, int64_t *max, int64_t v)
{
	*min = v < *min ? v : *min;
	*max = v > *max ? v : *max;
}

/* The packet was at the first of its places, and in file at t_ns. */
static void tie(struct clocks *c, const struct clock_packet *p, uint32_t file, int64_t t_ns,
                bool answer)
{
	bool after = p->file[0] < file;
	struct clock_link *l = link_of(c, after ? p->file[0] : file, after ? file : p->file[0]);
	int64_t d;

	if (l == NULL || __builtin_sub_overflow(t_ns, p->t_ns[0], &d) || d == INT64_MIN) {
		c->unlinked++;
		return;
	}
	d = after ? d : -d;
	if (answer) {
		l->answers++;
		widen(&l->answer_min, &l->answer_max, d);
	} else {
		l->asks++;
		widen(&l->ask_min, &l->ask_max, d);
	}
}

static void place(struct clocks *c, struct clock_packet *p, const struct capture_message *m)
{
	unsigned i = 0;

	while (i < p->n && p->file[i] != m->file)
		i++;
	if (i < p->n)
		p->n = 0;
	if (p->n == CLOCK_PLACES)
		return;
	if (p->n > 0)
		tie(c, p, m->file, m->t_ns, m->answer);
	p->file[p->n] = m->file;
	p->t_ns[p->n++] = m->t_ns;
}

void clocks_see(struct clocks *c, const struct capture_message *m)
{
	if (c->file_n < 2 || m->tcp) /* over TCP it is told when its last segment came */
		return;
	struct key k = key_of(m);
	uint32_t hash = lru_hash(&c->seen, &k), slot = lru_find_hashed(&c->seen, &k, hash);
	if (slot == LRU_NONE) {
		if (lru_full(&c->seen))
			lru_drop(&c->seen, lru_oldest(&c->seen));
		slot = lru_add_hashed(&c->seen, &k, hash);
		c->packet[slot].n = 0;
	}
	lru_touch(&c->seen, slot);
	place(c, &c->packet[slot], m);
}

/* What a link says: b's clock less a's lies in lo...hi. */
static bool bounds(const struct clock_link *l, int64_t *lo, int64_t *hi)
{
	if (l->asks == 0 || l->answers == 0) {
		*lo = l->asks > 0 ? l->ask_min : l->answer_min;
		*hi = l->asks > 0 ? l->ask_max : l->answer_max;
		return true;
	}
	if (l->answer_max <= l->ask_min) { /* b is nearer to the servers */
		*lo = l->answer_max;
		*hi = l->ask_min;
		return true;
	}
	*lo = l->ask_max < l->answer_min ? l->ask_max : l->answer_min;
	*hi = l->ask_max < l->answer_min ? l->answer_min : l->ask_max;
	return l->ask_max <= l->answer_min;
}

/* Ties the file at the link's one end to the clock that is known at the other. True: it did. */
static bool follow(const struct clock_link *l, struct clock_file *f)
{
	bool forward = f[l->a].known;
	struct clock_file *from = &f[forward ? l->a : l->b], *to = &f[forward ? l->b : l->a];
	int64_t lo, hi;

	if (from->known == to->known)
		return false;
	bool one = bounds(l, &lo, &hi);
	int64_t middle = lo / 2 + hi / 2, ahead;
	if (lo <= 0 && hi >= 0)
		middle = 0;
	if (__builtin_add_overflow(from->ahead_ns, forward ? middle : -middle, &ahead))
		return false;
	int64_t half = middle - lo > hi - middle ? middle - lo : hi - middle;
	*to = (struct clock_file){ true, !one || from->drifts, ahead, from->unsure_ns + half };
	return true;
}

void clocks_solve(const struct clocks *c, struct clock_file *out)
{
	bool more = true;

	memset(out, 0, c->file_n * sizeof(*out));
	out[0].known = true;
	while (more) {
		more = false;
		for (unsigned i = 0; i < c->link_n; i++)
			more = follow(&c->link[i], out) || more;
	}
}
