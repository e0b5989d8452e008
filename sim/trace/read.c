/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Traces out of captures; see read.h. Queries are collected as they come, those of each address
 * chained, so that all of an address go when it turns out to be a server. What is left is put into
 * order at the end.
 */
#include "read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dns.h"
#include "lib/host/host.h"

#define NONE UINT32_MAX

enum { SLOTS_LEAST = 1024, BUCKETS = 1 << 16 };

/* An address that asked or was asked. */
struct seen {
	struct ip ip;
	uint32_t last;         /* its last query; NONE */
	uint32_t kept;         /* how many of its queries are */
	uint32_t place;        /* among the trace's clients */
	bool server;           /* another address asked it */
};

struct collected {
	struct trace_query q;  /* indices into seen; the capture's connection; len 0: gone */
	uint32_t before;       /* the same address's one before; NONE */
	uint32_t alike;        /* the one before in its bucket; NONE */
	uint16_t server_port;
};

struct collect {
	const struct trace_options *o;
	struct trace_counts *count;
	struct collected *query;
	size_t n, cap;
	uint8_t *bytes;
	size_t byte_n, byte_cap;
	struct seen *seen;
	uint32_t seen_n, seen_cap;
	uint32_t *slot;        /* hash of seen, index + 1; a power of two */
	uint32_t slot_n;
	uint32_t *bucket;      /* by hash of messages: the last query, index + 1; BUCKETS */
	uint64_t key;
};

static void *grown(void *p, size_t n, size_t *cap, size_t size)
{
	if (n <= *cap)
		return p;
	*cap = 2 * n;
	p = realloc(p, *cap * size);
	MUST(p != NULL);
	return p;
}

static uint32_t *slot_of(const struct collect *c, const struct ip *ip)
{
	uint32_t i = (uint32_t)dns_hash(ip->b, sizeof(ip->b), c->key) & (c->slot_n - 1);

	while (c->slot[i] != 0 && !ip_eq(&c->seen[c->slot[i] - 1].ip, ip))
		i = (i + 1) & (c->slot_n - 1);
	return &c->slot[i];
}

static void more_slots(struct collect *c)
{
	c->slot_n = c->slot_n > 0 ? 2 * c->slot_n : SLOTS_LEAST;
	free(c->slot);
	c->slot = calloc(c->slot_n, sizeof(*c->slot));
	MUST(c->slot != NULL);
	for (uint32_t i = 0; i < c->seen_n; i++)
		*slot_of(c, &c->seen[i].ip) = i + 1;
}

/* The index of an address. */
static uint32_t seen_at(struct collect *c, const struct ip *ip)
{
	size_t cap = c->seen_cap;

	if (2 * (uint64_t)c->seen_n >= c->slot_n)
		more_slots(c);
	uint32_t *s = slot_of(c, ip);
	if (*s == 0) {
		c->seen = grown(c->seen, c->seen_n + 1, &cap, sizeof(*c->seen));
		c->seen_cap = (uint32_t)cap;
		c->seen[c->seen_n] = (struct seen){ .ip = *ip, .last = NONE };
		*s = ++c->seen_n;
	}
	return *s - 1;
}

/* What it asked before it was asked itself isn't a client's. */
static void make_server(struct collect *c, struct seen *s)
{
	s->server = true;
	for (uint32_t i = s->last; i != NONE; i = c->query[i].before)
		c->query[i].q.len = 0;
	c->count->kept -= s->kept;
	c->count->servers += s->kept;
	s->last = NONE;
	s->kept = 0;
}

/* Whether the query is a client's, as far as one knows now. */
static bool from_client(struct collect *c, const struct capture_message *m, uint32_t *client)
{
	bool named = prefix_any(c->o->server, c->o->server_n, &m->dst.ip);

	*client = seen_at(c, &m->src.ip);
	if (c->o->server_n > 0)
		return named;
	if (!ip_eq(&m->src.ip, &m->dst.ip)) {
		uint32_t asked = seen_at(c, &m->dst.ip);
		if (!c->seen[asked].server)
			make_server(c, &c->seen[asked]);
	}
	return !c->seen[*client].server;
}

static uint32_t *bucket_of(const struct collect *c, const struct capture_message *m)
{
	uint64_t who = dns_hash(m->src.ip.b, sizeof(m->src.ip.b), c->key + m->src.port);

	return &c->bucket[(uint32_t)dns_hash(m->m, m->len, who) & (BUCKETS - 1)];
}

static bool same_packet(const struct collect *c, const struct collected *q,
                        const struct capture_message *m)
{
	return q->q.t_ns - m->t_ns < TRACE_COPY_NS && q->q.connection == 0 &&
	       q->q.len == m->len && q->q.port == m->src.port &&
	       q->server_port == m->dst.port && ip_eq(&c->seen[q->q.client].ip, &m->src.ip) &&
	       ip_eq(&c->seen[q->q.server].ip, &m->dst.ip) &&
	       memcmp(c->bytes + q->q.at, m->m, m->len) == 0;
}

/* Whether a query that is kept is the same packet, captured elsewhere a moment before. */
static bool is_copy(const struct collect *c, const struct capture_message *m)
{
	const struct collected *q;

	if (m->connection != 0)
		return false;
	for (uint32_t i = *bucket_of(c, m); i != 0; i = q->alike + 1) {
		q = &c->query[i - 1];
		if (m->t_ns - q->q.t_ns >= TRACE_COPY_NS)
			return false;
		if (same_packet(c, q, m))
			return true;
	}
	return false;
}

/* Keeps a query. Returns 0, or -E2BIG. */
static int keep(struct collect *c, const struct capture_message *m, uint32_t client)
{
	if (c->n == TRACE_QUERIES_MAX || c->byte_n + m->len > TRACE_BYTES_MAX ||
	    m->connection > UINT32_MAX)
		return -E2BIG;
	uint32_t server = seen_at(c, &m->dst.ip);
	struct seen *s = &c->seen[client];
	uint32_t *bucket = bucket_of(c, m);
	c->bytes = grown(c->bytes, c->byte_n + m->len, &c->byte_cap, 1);
	c->query = grown(c->query, c->n + 1, &c->cap, sizeof(*c->query));
	memcpy(c->bytes + c->byte_n, m->m, m->len);
	c->query[c->n] = (struct collected){
		.q = { .t_ns = m->t_ns, .at = (uint32_t)c->byte_n, .client = client,
		       .server = server, .connection = (uint32_t)m->connection, .len = m->len,
		       .port = m->src.port, .name_len = (uint8_t)m->question.name_len },
		.before = s->last, .alike = *bucket - 1, .server_port = m->dst.port,
	};
	s->last = (uint32_t)c->n++;
	*bucket = (uint32_t)c->n;
	s->kept++;
	c->byte_n += m->len;
	c->count->kept++;
	return 0;
}

static bool is_query(const struct collect *c, const struct capture_message *m)
{
	return m->asks && (c->o->longest == 0 || m->len <= c->o->longest) &&
	       (dns_flags(m->m) & DNS_OPCODE) == 0;
}

static int take_message(struct collect *c, const struct capture_message *m)
{
	uint32_t client;

	if (c->seen_n >= TRACE_ADDRESSES_MAX)
		return -E2BIG;
	if (m->answer)
		c->count->answers++;
	else if (!is_query(c, m))
		c->count->others++;
	else if (c->o->family != 0 && ip_is4(&m->src.ip) != (c->o->family == 4))
		c->count->family++;
	else if (!from_client(c, m, &client))
		c->count->servers++;
	else if (is_copy(c, m))
		c->count->copies++;
	else
		return keep(c, m, client);
	return 0;
}

static bool wants_more(const struct collect *c)
{
	return c->o->limit == 0 || c->count->kept < c->o->limit;
}

static int read_all(struct collect *c, struct capture *from)
{
	struct capture_message m;
	enum capture_step step = CAPTURE_NOTHING;
	uint64_t done, all;
	int err = 0;

	for (unsigned n = 0; err == 0 && wants_more(c); n++) {
		step = capture_step(from, &m);
		if (step == CAPTURE_OVER)
			break;
		if (step == CAPTURE_MESSAGE)
			err = take_message(c, &m);
		if (c->o->progress != NULL && (n % 4096 == 0 || step == CAPTURE_NOTHING)) {
			capture_progress(from, &done, &all);
			c->o->progress(c->o->arg, done, all);
		}
	}
	return err;
}

/* Of two at one time the one that came first. */
static int by_time(const void *a, const void *b)
{
	const struct collected *x = a, *y = b;

	if (x->q.t_ns != y->q.t_ns)
		return x->q.t_ns < y->q.t_ns ? -1 : 1;
	return x->q.at < y->q.at ? -1 : 1;
}

static int by_address(const void *a, const void *b)
{
	const struct seen *const *x = a, *const *y = b;

	return ip_cmp(&(*x)->ip, &(*y)->ip);
}

/* Leaves out what is gone, and sorts. */
static void put_in_order(struct collect *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++)
		if (c->query[i].q.len > 0)
			c->query[n++] = c->query[i];
	c->n = n;
	qsort(c->query, c->n, sizeof(*c->query), by_time);
}

static void fill_clients(struct trace *t, struct collect *c)
{
	struct seen **asked = calloc(c->seen_n, sizeof(struct seen *));

	MUST(asked != NULL);
	for (uint32_t i = 0; i < c->seen_n; i++)
		if (c->seen[i].kept > 0)
			asked[t->client_n++] = &c->seen[i];
	qsort(asked, t->client_n, sizeof(struct seen *), by_address);
	t->client = calloc(t->client_n, sizeof(*t->client));
	MUST(t->client != NULL);
	for (uint32_t i = 0; i < t->client_n; i++) {
		t->client[i] = asked[i]->ip;
		asked[i]->place = i;
	}
	free(asked);
	for (size_t i = 0; i < c->n; i++)
		t->query[i].client = c->seen[c->query[i].q.client].place;
}

/* A thing and its number in the trace: a connection, or a server's address and port. */
struct numbered {
	uint64_t key;
	uint32_t number;       /* from 1; 0: none yet */
};

static int by_key(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

/* Sorts, and leaves each key once. Returns how many are left. */
static size_t unique(struct numbered *p, size_t n)
{
	size_t left = 0;

	qsort(p, n, sizeof(*p), by_key);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || p[i].key != p[left - 1].key)
			p[left++] = p[i];
	return left;
}

/*
 * Numbers the keys of all queries in the order in which they come up, 0 for the key 0, into number.
 * Returns how many there are.
 */
static uint32_t number_all(const uint64_t *key, size_t n, uint32_t *number)
{
	struct numbered *all = calloc(n, sizeof(*all));
	uint32_t given = 0;

	MUST(all != NULL);
	for (size_t i = 0; i < n; i++)
		all[i].key = key[i];
	size_t left = unique(all, n);
	for (size_t i = 0; i < n; i++) {
		struct numbered *at = bsearch(&(struct numbered){ .key = key[i] }, all, left,
		                              sizeof(*all), by_key);
		MUST(at != NULL);
		if (at->number == 0 && key[i] != 0)
			at->number = ++given;
		number[i] = at->number;
	}
	free(all);
	return given;
}

static void fill_servers(struct trace *t, const struct collect *c, uint64_t *key, uint32_t *number)
{
	for (size_t i = 0; i < c->n; i++) /* never 0, which means none */
		key[i] = ((uint64_t)c->query[i].q.server << 16 | c->query[i].server_port) + 1;
	t->server_n = number_all(key, c->n, number);
	t->server = calloc(t->server_n, sizeof(*t->server));
	MUST(t->server != NULL);
	for (size_t i = 0; i < c->n; i++) {
		const struct collected *q = &c->query[i];
		t->query[i].server = number[i] - 1;
		t->server[number[i] - 1] = (struct ep){ c->seen[q->q.server].ip, q->server_port };
	}
}

static void fill_connections(struct trace *t, const struct collect *c, uint64_t *key,
                             uint32_t *number)
{
	for (size_t i = 0; i < c->n; i++)
		key[i] = c->query[i].q.connection;
	t->connection_n = number_all(key, c->n, number);
	for (size_t i = 0; i < c->n; i++)
		t->query[i].connection = number[i];
	memset(number, 0, c->n * sizeof(*number)); /* from here on: whether it was seen */
	for (size_t i = c->n; i-- > 0;) {
		uint32_t k = t->query[i].connection;
		t->query[i].more = k > 0 && number[k - 1] > 0;
		if (k > 0)
			number[k - 1] = 1;
	}
}

static void fill(struct trace *t, struct collect *c)
{
	put_in_order(c);
	uint64_t *key = calloc(c->n, sizeof(*key));
	uint32_t *number = calloc(c->n, sizeof(*number));
	t->query = calloc(c->n, sizeof(*t->query));
	MUST(t->query != NULL && key != NULL && number != NULL);
	t->query_n = (uint32_t)c->n;
	t->first_unix_ns = c->query[0].q.t_ns;
	for (size_t i = 0; i < c->n; i++) {
		t->query[i] = c->query[i].q;
		t->query[i].t_ns -= t->first_unix_ns;
	}
	fill_clients(t, c);
	fill_servers(t, c, key, number);
	fill_connections(t, c, key, number);
	free(key);
	free(number);
	t->bytes = c->bytes; /* what is gone lies there still */
	t->byte_n = c->byte_n;
	c->bytes = NULL;
}

static int say(int err, const struct collect *c, char error[CAPTURE_ERROR_TEXT])
{
	const struct trace_options *o = c->o;
	const char *more = o->capture.path_n > 1 ? " and others" : "";
	const struct trace_counts *n = c->count;

	if (err == -E2BIG)
		snprintf(error, CAPTURE_ERROR_TEXT, "%s%s: more than %d queries, %d addresses or "
		         "%d bytes: expected a limit, or a filter that leaves fewer",
		         o->capture.path[0], more, TRACE_QUERIES_MAX, TRACE_ADDRESSES_MAX,
		         TRACE_BYTES_MAX);
	else if (err == -ENODATA)
		snprintf(error, CAPTURE_ERROR_TEXT, "%s%s: no client's query in it (%" PRIu64
		         " answers, %" PRIu64 " queries of servers or to others, %" PRIu64
		         " of the other family, %" PRIu64 " other messages): expected one at least",
		         o->capture.path[0], more, n->answers, n->servers, n->family, n->others);
	return err;
}

static void say_trouble(struct capture *from, const struct trace_options *o, char *trouble)
{
	for (unsigned i = 0; trouble != NULL && i < o->capture.path_n; i++)
		if (trouble[0] == '\0' && capture_trouble(from, i) != NULL)
			snprintf(trouble, CAPTURE_ERROR_TEXT, "%s: %s", o->capture.path[i],
			         capture_trouble(from, i));
}

int trace_read(struct trace *t, struct trace_counts *counts, const struct trace_options *o,
               char *trouble, char error[CAPTURE_ERROR_TEXT])
{
	struct collect c = { .o = o, .count = counts };
	struct capture *from;
	uint8_t seed[32];

	*t = (struct trace){ 0 };
	*counts = (struct trace_counts){ 0 };
	if (trouble != NULL)
		trouble[0] = '\0';
	int err = capture_open(&from, &o->capture, error);
	if (err < 0)
		return err;
	host_seed(seed);
	memcpy(&c.key, seed, sizeof(c.key));
	c.bucket = calloc(BUCKETS, sizeof(*c.bucket));
	MUST(c.bucket != NULL);
	err = read_all(&c, from);
	if (err == 0 && counts->kept == 0)
		err = -ENODATA;
	if (err == 0)
		fill(t, &c);
	say_trouble(from, o, trouble);
	capture_close(from);
	free(c.query);
	free(c.bytes);
	free(c.seen);
	free(c.slot);
	free(c.bucket);
	return say(err, &c, error);
}

void trace_free(struct trace *t)
{
	free(t->query);
	free(t->client);
	free(t->server);
	free(t->bytes);
	*t = (struct trace){ 0 };
}
