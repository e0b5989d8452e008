/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures as loads; see replay.h. */
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "answers.h"
#include "lib/dns.h"
#include "lib/fmath.h"
#include "schema.h"
#include "sim/trace/read.h"

enum { LONGEST = 1232, TENTH_NS = 100000000, HASH_BYTES = 1 << 16 };

/* Returns 0 or -errno. */
static int hash_file(const char *path, char out[65])
{
	crypto_hash_sha256_state state;
	unsigned char hash[crypto_hash_sha256_BYTES], *buffer = malloc(HASH_BYTES);
	FILE *f = fopen(path, "rb");
	size_t n;

	MUST(buffer != NULL);
	int err = f == NULL ? -errno : 0;
	crypto_hash_sha256_init(&state);
	while (err == 0 && (n = fread(buffer, 1, HASH_BYTES, f)) > 0)
		crypto_hash_sha256_update(&state, buffer, n);
	if (err == 0 && ferror(f))
		err = -errno; /* of the last fread: a directory, say */
	if (f != NULL)
		fclose(f);
	free(buffer);
	crypto_hash_sha256_final(&state, hash);
	sodium_bin2hex(out, 65, hash, sizeof(hash));
	return err;
}

/* Reads the file's hash, which must be the one of the plan if that has one. */
int plan_check_sha256(const char *path, char sha256[65], char error[PLAN_ERROR_TEXT])
{
	char is[65];
	int err = hash_file(path, is);

	if (err < 0)
		snprintf(error, PLAN_ERROR_TEXT, "%.400s: %s", path, strerror(-err));
	else if (sha256[0] != '\0' && strcmp(sha256, is) != 0)
		err = snprintf(error, PLAN_ERROR_TEXT, "%.400s: its sha256 is %s: expected %s, "
		               "the capture that the plan was made with", path, is, sha256);
	memcpy(sha256, is, sizeof(is));
	return err == 0 ? 0 : -EINVAL;
}

static int read_trace(const struct plan_load *l, struct plan_replay *r, char *trouble,
                      char error[PLAN_ERROR_TEXT])
{
	const char *const paths[] = { r->path };
	struct trace_options o = {
		.capture = { .path = paths, .path_n = 1, .filter = r->filter },
		.server = r->asked, .server_n = r->asked_n, .family = l->family,
		.longest = LONGEST, .limit = r->limit,
	};
	char why[CAPTURE_ERROR_TEXT];
	struct trace_counts counts;

	r->trace = calloc(1, sizeof(*r->trace));
	MUST(r->trace != NULL);
	if (trace_read(r->trace, &counts, &o, trouble, why) < 0) {
		snprintf(error, PLAN_ERROR_TEXT, "%s", why);
		return -EINVAL;
	}
	if (r->query_n != 0 && r->query_n != r->trace->query_n) {
		snprintf(error, PLAN_ERROR_TEXT, "%.400s: %" PRIu32 " queries: expected %" PRIu64
		         ", as the plan says", r->path, r->trace->query_n, r->query_n);
		return -EINVAL;
	}
	r->query_n = r->trace->query_n;
	r->servers_n = counts.servers;
	r->family_n = counts.family;
	r->others_n = counts.others;
	r->copies_n = counts.copies;
	return 0;
}

/* Maps the trace's clients into the net. */
static int map_clients(struct plan_replay *r, char error[PLAN_ERROR_TEXT])
{
	bool four = ip_is4(&r->net.ip);
	char net[PREFIX_TEXT];
	int bits;

	if (trace_map(r->trace->client, r->trace->client_n, &r->net, r->client, &bits) == 0)
		return 0;
	prefix_format(&r->net, net);
	if (bits < 0)
		snprintf(error, PLAN_ERROR_TEXT, "%s has no room for the prefixes of %u clients, "
		         "and no network has: expected clients = \"original\", or a filter", net,
		         r->trace->client_n);
	else
		snprintf(error, PLAN_ERROR_TEXT, "%s has no room for the prefixes of %u clients: "
		         "expected a /%d or shorter", net, r->trace->client_n,
		         four ? bits - 96 : bits);
	return -EINVAL;
}

/* Each must be in one of the node's nets, or nothing would reach it. */
static int keep_clients(const struct plan_node *node, struct plan_replay *r,
                        char error[PLAN_ERROR_TEXT])
{
	char text[IP_TEXT];

	for (uint32_t i = 0; i < r->trace->client_n; i++) {
		r->client[i] = r->trace->client[i];
		if (prefix_any(node->net, node->net_n, &r->client[i]))
			continue;
		ip_format(&r->client[i], text);
		snprintf(error, PLAN_ERROR_TEXT, "the capture's client %s is outside of the "
		         "networks of %s: expected a net with it, or clients = \"map\"", text,
		         node->name);
		return -EINVAL;
	}
	return 0;
}

static int by_hash(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The hashes of the names of n queries from one on, over loops, in order. To be freed. */
static uint64_t *sorted_names(const struct trace *t, uint64_t from, uint64_t n)
{
	uint64_t *hash = calloc(n + 1, sizeof(*hash));

	MUST(hash != NULL);
	for (uint64_t i = 0; i < n; i++) {
		const struct trace_query *q = &t->query[(from + i) % t->query_n];
		hash[i] = dns_name_hash(t->bytes + q->at + DNS_HEADER, q->name_len, 0);
	}
	qsort(hash, n, sizeof(*hash), by_hash);
	return hash;
}

static uint32_t distinct_names(const struct trace *t)
{
	uint64_t *hash = sorted_names(t, 0, t->query_n);
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->query_n; i++)
		n += i == 0 || hash[i] != hash[i - 1];
	free(hash);
	return n;
}

/* What follows from the trace for the load. */
static void fill_load(struct plan_load *l, struct plan_replay *r)
{
	const struct trace *t = r->trace;
	int64_t life_ns = (int64_t)l->tries * l->timeout_ns;

	if (r->pace.period_ns == 0)
		r->pace.period_ns = trace_period(t);
	l->clients = t->client_n;
	l->name_n = distinct_names(t);
	r->open_n = trace_most(t, &r->pace, life_ns);
	r->peak_mqps = trace_most(t, &r->pace, TENTH_NS) * (1000000000 / TENTH_NS) * 1000;
}

int replay_read(const struct plan *p, struct plan_load *l, char trouble[REPLAY_TROUBLE_TEXT],
                char error[PLAN_ERROR_TEXT])
{
	STATIC_MUST((int)REPLAY_TROUBLE_TEXT >= (int)CAPTURE_ERROR_TEXT);
	struct plan_replay *r = l->replay;
	int err = plan_check_sha256(r->path, r->sha256, error);

	if (err == 0)
		err = read_trace(l, r, trouble, error);
	if (err < 0)
		return err;
	r->client = calloc(r->trace->client_n, sizeof(*r->client));
	MUST(r->client != NULL);
	err = r->addresses == PLAN_MAPPED ? map_clients(r, error)
	                                  : keep_clients(&p->node[l->node], r, error);
	if (err == 0)
		fill_load(l, r);
	return err;
}

void replay_free(struct plan_replay *r)
{
	if (r->trace != NULL)
		trace_free(r->trace);
	free(r->trace);
	free(r->client);
	r->trace = NULL;
	r->client = NULL;
}

int plan_read_captures(struct plan *p, char error[PLAN_ERROR_TEXT])
{
	char trouble[PLAN_ERROR_TEXT], why[PLAN_ERROR_TEXT];

	if (p->answers_n > 0 && p->answers->book == NULL &&
	    answers_read(p->answers, trouble, why) < 0) {
		snprintf(error, PLAN_ERROR_TEXT, "answers[0]: %.900s", why);
		return -EINVAL;
	}
	for (unsigned i = 0; i < p->load_n; i++) {
		if (p->load[i].replay_n == 0 || p->load[i].replay->trace != NULL)
			continue;
		struct plan_load was = p->load[i];
		int err = replay_read(p, &p->load[i], trouble, why);
		if (err == 0 && (was.clients != p->load[i].clients ||
		                 was.name_n != p->load[i].name_n))
			err = snprintf(why, sizeof(why), "its clients and names aren't those of "
			               "the capture");
		if (err == 0)
			continue;
		snprintf(error, PLAN_ERROR_TEXT, "load[%u].replay: %.900s", i, why);
		return -EINVAL;
	}
	return 0;
}

/* Index of the first query at t_ns or later, an instant of the plan; none is due at the end. */
static uint64_t first_at(const struct plan_load *l, int64_t t_ns)
{
	int64_t t = t_ns < l->to_ns ? t_ns : l->to_ns;

	return trace_before(l->replay->trace, &l->replay->pace, t - l->from_ns);
}

uint64_t replay_queries(const struct plan_load *l, int64_t from_ns, int64_t to_ns)
{
	return from_ns < to_ns ? first_at(l, to_ns) - first_at(l, from_ns) : 0;
}

double replay_names(const struct plan_load *l, int64_t from_ns, int64_t to_ns, double probability)
{
	const struct trace *t = l->replay->trace;
	uint64_t n = replay_queries(l, from_ns, to_ns), once = n < t->query_n ? n : t->query_n;
	uint64_t *hash = sorted_names(t, first_at(l, from_ns), once);
	double names = 0, more = once > 0 ? (double)n / (double)once : 0;

	for (uint64_t i = 0, end; i < once; i = end) {
		for (end = i + 1; end < once && hash[end] == hash[i];)
			end++;
		names += 1 - fm_exp(-(double)(end - i) * more * probability);
	}
	free(hash);
	return names;
}

bool replay_keeps(const struct plan *p, const struct plan_load *l)
{
	const struct trace *t = l->replay->trace;

	for (unsigned i = 0; i < p->node_n; i++)
		for (unsigned a = 0; a < p->node[i].addr_n; a++)
			for (uint32_t s = 0; s < t->server_n; s++)
				if (p->node[i].role == PLAN_BALANCER &&
				    ip_eq(&t->server[s].ip, &p->node[i].addr[a]))
					return true;
	return false;
}

bool plan_replays(const struct plan *p)
{
	for (unsigned i = 0; i < p->load_n; i++)
		if (p->load[i].replay_n > 0)
			return true;
	return false;
}

uint64_t plan_load_peak_mqps(const struct plan_load *l)
{
	return l->replay_n > 0 ? l->replay->peak_mqps : l->rate_mqps;
}
