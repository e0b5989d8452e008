/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Captures of balancers and servers that never were, for tests of judging foreign ones: queries at
 * random times, each sent on by the policy or by another one, answered after a while, with health
 * checks or without; seen at the balancers, at the servers, or at both, by clocks that differ.
 * Header only.
 */
#ifndef EK_TESTS_FOREIGN_MAKE_H
#define EK_TESTS_FOREIGN_MAKE_H

#include "sim/foreign/foreign.h"
#include "tests/capture_make.h"

enum { SCENE_SERVERS = 4, SCENE_BALANCERS = 2, SCENE_FILES = SCENE_SERVERS + SCENE_BALANCERS };
#define SCENE_MS INT64_C(1000000)
#define SCENE_S INT64_C(1000000000)
#define SCENE_START (INT64_C(1700000000) * SCENE_S)

/* All zero: one balancer, two servers, chance, 1,000 queries a second for 10 s, its back side. */
struct scene_knobs {
	enum bal_policy does;      /* 0: wrandom */
	unsigned servers, balancers, rate, names;
	int64_t ms;                /* how long; 0: 10 s */
	unsigned weight[SCENE_SERVERS]; /* as drawn; 0: 1 */
	unsigned favour_each;      /* each so many a query goes to the first server; 0: none */
	bool v6, front, checks, tcp;
	bool at_servers, at_both;  /* where it is captured; else at the balancers */
	bool one_file;             /* all in one file */
	bool twice;                /* each packet is in its file twice */
	bool drained;              /* the first server is asked no more, though it is alive */
	bool still_asked;          /* it is dead, and asked */
	int64_t down_ms, up_ms;    /* when it is out; 0: never */
	int64_t notice_ms, back_ms; /* the balancer asks it as long as that, and only then again */
	int64_t pause_from_ms, pause_to_ms; /* nobody asks anything */
	int64_t ahead_ns;          /* the servers' clocks are ahead by this */
	int64_t starts_late_ms;    /* the last file begins as much later */
	int64_t answer_us;         /* a server takes up to this; 0: 500 */
	unsigned lose_permille;    /* of queries, in the capture alone */
	bool check_names_asked;    /* clients ask for what health checks do */
	int64_t backwards_ms;      /* one packet has a time so much earlier */
};

struct scene_packet {
	int64_t t_ns;
	uint64_t order;
	struct ep src, dst;
	uint8_t file;
	uint16_t len;
	uint8_t m[80];
};

struct scene {
	struct scene_knobs k;
	uint64_t random;
	struct scene_packet *p;
	size_t n, cap;
	unsigned turn[SCENE_BALANCERS];
	int64_t busy[SCENE_BALANCERS][SCENE_SERVERS][64]; /* leastOutstanding: until when */
	struct made file[SCENE_FILES];
	unsigned file_n;
};

static inline uint64_t scene_random(struct scene *s)
{
	uint64_t z = s->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline struct ep scene_ep(const struct scene *s, unsigned net, unsigned host, unsigned port)
{
	struct ip ip = ip_v4(192, 0, (uint8_t)net, (uint8_t)host);

	if (s->k.v6) {
		MUST(ip_parse(&ip, "2001:db8::") == 0);
		ip.b[13] = (uint8_t)net;
		ip.b[15] = (uint8_t)host;
	}
	return (struct ep){ ip, (uint16_t)port };
}

static inline struct ep scene_server(const struct scene *s, unsigned i)
{
	return scene_ep(s, 2, 3 + i, 53);
}

static inline struct ep scene_balancer(const struct scene *s, unsigned b, unsigned port)
{
	return scene_ep(s, 102, 2 + b, port);
}

static inline void scene_add(struct scene *s, int64_t t_ns, unsigned file, const struct ep *src,
                             const struct ep *dst, const uint8_t *m, uint16_t len)
{
	if (s->n + 2 > s->cap) {
		s->cap = 2 * s->cap + 4096;
		s->p = realloc(s->p, s->cap * sizeof(*s->p));
		MUST(s->p != NULL);
	}
	for (unsigned i = 0; i <= s->k.twice; i++) {
		struct scene_packet *p = &s->p[s->n];
		*p = (struct scene_packet){ t_ns + i * 20000, s->n, *src, *dst, (uint8_t)file,
		                            len, { 0 } };
		memcpy(p->m, m, len);
		s->n++;
	}
}

/* Between a balancer and a server, 100 us apart; at: when it is at the balancer. */
static inline void scene_back(struct scene *s, int64_t at_ns, unsigned b, unsigned server,
                              const struct scene_packet *p)
{
	bool answer = (dns_flags(p->m) & DNS_QR) != 0;
	int64_t there = at_ns + (answer ? -100000 : 100000) + s->k.ahead_ns;

	if (s->k.lose_permille > 0 && scene_random(s) % 1000 < s->k.lose_permille)
		return;
	if (!s->k.at_servers || s->k.at_both)
		scene_add(s, at_ns, b, &p->src, &p->dst, p->m, p->len);
	if (s->k.at_servers || s->k.at_both)
		scene_add(s, there, SCENE_BALANCERS + server, &p->src, &p->dst, p->m, p->len);
}

static inline bool scene_dead(const struct scene *s, unsigned server, int64_t t_ns)
{
	return server == 0 && s->k.up_ms > 0 && !s->k.drained && t_ns >= s->k.down_ms * SCENE_MS &&
	       t_ns < s->k.up_ms * SCENE_MS;
}

/* As the balancer knows it. */
static inline bool scene_up(const struct scene *s, unsigned server, int64_t t_ns)
{
	return server != 0 || s->k.up_ms == 0 || s->k.still_asked ||
	       t_ns < (s->k.down_ms + s->k.notice_ms) * SCENE_MS ||
	       t_ns >= (s->k.up_ms + s->k.back_ms) * SCENE_MS;
}

static inline unsigned scene_draw(struct scene *s, uint64_t x, int64_t t_ns)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < s->k.servers; i++)
		all += scene_up(s, i, t_ns) ? s->k.weight[i] : 0;
	x %= all;
	for (unsigned i = 0; i < s->k.servers; i++) {
		if (!scene_up(s, i, t_ns))
			continue;
		if (x < s->k.weight[i])
			return i;
		x -= s->k.weight[i];
	}
	return 0;
}

static inline unsigned scene_outstanding(const struct scene *s, unsigned b, unsigned i, int64_t t)
{
	unsigned n = 0;

	for (unsigned k = 0; k < 64; k++)
		n += s->busy[b][i][k] > t;
	return n;
}

/* The highest hash of name and server: when one goes, its names alone move. */
static inline uint64_t scene_hash(uint64_t name, unsigned server)
{
	return dns_hash((const uint8_t *)&name, sizeof(name), server + 77);
}

static inline unsigned scene_choose(struct scene *s, unsigned b, uint64_t name, int64_t t_ns)
{
	unsigned best = s->k.servers;

	switch (s->k.does) {
	case BAL_ROUNDROBIN:
		do
			best = s->turn[b]++ % s->k.servers;
		while (!scene_up(s, best, t_ns));
		return best;
	case BAL_WHASHED:
		return scene_draw(s, scene_hash(name, 0), t_ns);
	case BAL_WRANDOM:
		return scene_draw(s, scene_random(s) >> 8, t_ns);
	default:
		break;
	}
	for (unsigned i = s->k.servers; i-- > 0;) {
		bool first = best == s->k.servers;
		if (!scene_up(s, i, t_ns))
			continue;
		if (first || s->k.does == BAL_FIRST_AVAILABLE ||
		    (s->k.does == BAL_CHASHED && scene_hash(name, i) > scene_hash(name, best)) ||
		    (s->k.does == BAL_LEAST_OUTSTANDING &&
		     scene_outstanding(s, b, i, t_ns) <= scene_outstanding(s, b, best, t_ns)))
			best = i;
	}
	return best;
}

static inline uint16_t scene_message(uint8_t *m, uint16_t id, uint16_t flags, uint64_t name,
                                     bool check)
{
	char text[64];
	uint8_t wide[512];

	snprintf(text, sizeof(text), "n%llu.example", (unsigned long long)name);
	uint16_t len = made_message(wide, id, flags, check ? "a.root-servers.net" : text);
	MUST(len <= 80);
	memcpy(m, wide, len);
	return len;
}

/* A query and its answer, if there is one. Returns when the balancer has the answer. */
static inline int64_t scene_ask(struct scene *s, int64_t t_ns, unsigned b, unsigned server,
                                const struct scene_packet *q)
{
	struct scene_packet p = *q;
	int64_t took = 200000 + (int64_t)(scene_random(s) % (uint64_t)(s->k.answer_us * 1000));

	p.dst = scene_server(s, server);
	scene_back(s, t_ns, b, server, &p);
	if (scene_dead(s, server, t_ns + 100000))
		return INT64_MAX;
	struct ep src = p.dst;
	p.dst = p.src;
	p.src = src;
	p.m[2] |= 0x80;
	scene_back(s, t_ns + took, b, server, &p);
	return t_ns + took;
}

static inline void scene_front(struct scene *s, int64_t t_ns, unsigned b,
                               const struct scene_packet *q, uint16_t id, bool answer)
{
	struct ep client = scene_ep(s, 9, 1 + id % 200, 1024 + id % 50000);
	struct ep own = scene_balancer(s, b, 53);
	struct scene_packet p = *q;

	dns_put16(p.m, id);
	p.m[2] = answer ? (uint8_t)(p.m[2] | 0x80) : p.m[2];
	if (!s->k.at_servers || s->k.at_both)
		scene_add(s, t_ns, b, answer ? &own : &client, answer ? &client : &own, p.m, p.len);
}

static inline void scene_query(struct scene *s, int64_t t_ns, uint64_t i)
{
	unsigned b = (unsigned)(scene_random(s) >> 20) % s->k.balancers;
	uint64_t name = s->k.names > 0 ? scene_random(s) % s->k.names : i;
	unsigned server = scene_choose(s, b, name, t_ns + 50000);
	struct scene_packet q = { .src = scene_balancer(s, b, 20000 + server) };
	bool check = s->k.check_names_asked && i % 50 == 0;

	if (s->k.favour_each > 0 && i % s->k.favour_each == 0)
		server = 0;
	q.len = scene_message(q.m, (uint16_t)scene_random(s), 0x0100, name, check);
	if (s->k.front)
		scene_front(s, t_ns, b, &q, (uint16_t)i, false);
	int64_t over = scene_ask(s, t_ns + 50000, b, server, &q);
	int64_t *slot = s->busy[b][server];
	for (unsigned k = 0; k < 64; k++)
		if (slot[k] <= t_ns + 50000) {
			slot[k] = over == INT64_MAX ? t_ns + 2 * SCENE_S : over;
			break;
		}
	if (s->k.front && over != INT64_MAX)
		scene_front(s, over + 50000, b, &q, (uint16_t)i, true);
}

static inline void scene_checks(struct scene *s)
{
	for (unsigned b = 0; b < s->k.balancers; b++)
		for (unsigned i = 0; i < s->k.servers; i++)
			for (int64_t t = (50 + 90 * b + 37 * i) * SCENE_MS;
			     t < s->k.ms * SCENE_MS; t += SCENE_S) {
				struct scene_packet q = { .src = scene_balancer(s, b,
				                          (unsigned)(40000 + t / SCENE_S)) };
				q.len = scene_message(q.m, (uint16_t)scene_random(s), 0x0100, 0,
				                      true);
				scene_ask(s, t, b, i, &q);
			}
}

static inline int scene_order(const void *a, const void *b)
{
	const struct scene_packet *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* One file for each place, or one for all. */
static inline void scene_write(struct scene *s)
{
	uint8_t frame[512];
	int last = -1;

	for (size_t i = 0; i < s->n && s->k.one_file; i++)
		s->p[i].file = 0;
	if (s->n > 0)
		qsort(s->p, s->n, sizeof(*s->p), scene_order);
	for (size_t i = 0; i < s->n; i++) {
		struct scene_packet *p = &s->p[i];
		bool late = p->file > 0 && p->file == s->p[s->n - 1].file &&
		            p->t_ns < s->k.starts_late_ms * SCENE_MS;
		if (late)
			continue;
		if (p->file != last)
			made_pcap(&s->file[s->file_n++], true, 1);
		last = p->file;
		int64_t back = i == s->n / 2 ? s->k.backwards_ms * SCENE_MS : 0;
		int64_t t = SCENE_START + p->t_ns - back;
		int n = frame_udp(frame, sizeof(frame), made_mac, &p->src, &p->dst, p->m, p->len);
		MUST(n > 0);
		made_record(&s->file[s->file_n - 1], (uint32_t)(t / SCENE_S),
		            (uint32_t)(t % SCENE_S), frame, (size_t)n, (size_t)n);
	}
}

static inline void scene_defaults(struct scene_knobs *k)
{
	k->does = k->does == 0 ? BAL_WRANDOM : k->does;
	k->servers = k->servers == 0 ? 2 : k->servers;
	k->balancers = k->balancers == 0 ? 1 : k->balancers;
	k->rate = k->rate == 0 ? 1000 : k->rate;
	k->ms = k->ms == 0 ? 10000 : k->ms;
	k->answer_us = k->answer_us == 0 ? 500 : k->answer_us;
	for (unsigned i = 0; i < SCENE_SERVERS; i++)
		k->weight[i] = k->weight[i] == 0 ? 1 : k->weight[i];
}

/* Gaps between queries are uniform, so that they come together now and then. */
static inline struct scene *scene_new(const struct scene_knobs *k, uint64_t seed)
{
	struct scene *s = calloc(1, sizeof(*s));
	int64_t t = 100 * SCENE_MS;

	MUST(s != NULL);
	s->k = *k;
	s->random = seed;
	scene_defaults(&s->k);
	if (s->k.checks)
		scene_checks(s);
	for (uint64_t i = 0; t < s->k.ms * SCENE_MS; i++) {
		t += (int64_t)(scene_random(s) % (uint64_t)(2 * SCENE_S / s->k.rate));
		if (t < s->k.pause_from_ms * SCENE_MS || t >= s->k.pause_to_ms * SCENE_MS)
			scene_query(s, t, i);
	}
	scene_write(s);
	return s;
}

static inline void scene_free(struct scene *take_s)
{
	for (unsigned i = 0; i < SCENE_FILES; i++)
		made_free(&take_s->file[i]);
	free(take_s->p);
	free(take_s);
}

/* ---- judged ---- */

static inline void scene_servers(const struct scene *s, struct bal_server *server)
{
	for (unsigned i = 0; i < s->k.servers; i++) {
		bal_server_defaults(&server[i]);
		server[i].addr = scene_server(s, i);
		snprintf(server[i].name, sizeof(server[i].name), "R%u", i);
	}
}

/* The options that fit; what the caller wants otherwise it changes. server: SCENE_SERVERS. */
static inline struct foreign_options scene_options(const struct scene *s, enum bal_policy policy,
                                                   struct bal_server *server)
{
	struct foreign_options o = {
		.checks_known = true,
		.catch_ppm = 100000, .miss = 1e-4, .flake = 1e-9, .to_ns = INT64_MAX / 4,
		.lag_ns = SCENE_MS,
	};

	scene_servers(s, server);
	o.conf.policy = policy;
	o.conf.server_n = s->k.servers;
	o.conf.server = server;
	o.conf.udp_timeout_ns = 2 * SCENE_S;
	return o;
}

/* Judges the scene's files, in temporary files. The caller drops the document. */
static inline json_t *scene_judge(struct scene *s, struct foreign_options *o,
                                  char error[FOREIGN_ERROR_TEXT])
{
	char path[SCENE_FILES][40], name[SCENE_FILES][16];
	const char *paths[SCENE_FILES], *names[SCENE_FILES];
	FILE *f[SCENE_FILES];

	for (unsigned i = 0; i < s->file_n; i++) {
		f[i] = tmpfile();
		MUST(f[i] != NULL && fwrite(s->file[i].p, 1, s->file[i].n, f[i]) == s->file[i].n &&
		     fflush(f[i]) == 0);
		snprintf(path[i], sizeof(path[i]), "/proc/self/fd/%d", fileno(f[i]));
		snprintf(name[i], sizeof(name[i]), "f%u", i);
		paths[i] = path[i];
		names[i] = name[i];
	}
	o->path = paths;
	o->name = names;
	o->path_n = s->file_n;
	json_t *doc = foreign_judge(o, error);
	for (unsigned i = 0; i < s->file_n; i++)
		fclose(f[i]);
	return doc;
}

#endif
