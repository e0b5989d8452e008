/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts over time for the report's plots: queries forwarded to each server, queries lost, and
 * latency, in bins. No verdict rests on them.
 */
#include <stdlib.h>

#include "inner.h"

enum { BINS_WANTED = 150 };
#define BIN_LEAST_NS INT64_C(100000000)

struct bins {
	int64_t width_ns;
	size_t n;
};

/* Multiples of a tenth of a second, about BINS_WANTED of them until the last load's end. */
static struct bins bins_of(const struct plan *p)
{
	int64_t end = 0, tenths;

	for (unsigned i = 0; i < p->load_n; i++)
		end = p->load[i].to_ns > end ? p->load[i].to_ns : end;
	tenths = end / BINS_WANTED / BIN_LEAST_NS + 1;
	return (struct bins){ .width_ns = tenths * BIN_LEAST_NS,
	                      .n = (size_t)((end - 1) / (tenths * BIN_LEAST_NS)) + 1 };
}

static json_t *counts(const uint64_t *count, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer((json_int_t)count[i]));
	return list;
}

/* Forwards of client queries to the recursor node, by the time at which they left a balancer. */
static json_t *server_series(const struct judge *j, const struct bins *bins, int node)
{
	uint64_t *count = calloc(bins->n, sizeof(*count));

	MUST(count != NULL);
	for (unsigned i = 0; i < j->balancer_n; i++) {
		const struct balancer *b = &j->balancer[i];
		for (size_t k = 0; k < b->draw_n; k++) {
			const struct draw *d = &b->draw[k];
			if (b->conf->server_node[d->server] == node && d->t_ns >= 0 &&
			    (size_t)(d->t_ns / bins->width_ns) < bins->n)
				count[d->t_ns / bins->width_ns]++;
		}
	}
	json_t *list = counts(count, bins->n);
	free(count);
	return list;
}

static json_t *servers_series(const struct judge *j, const struct bins *bins)
{
	json_t *servers = json_object();

	for (unsigned i = 0; i < j->plan->node_n; i++)
		if (j->plan->node[i].role == PLAN_RECURSOR)
			json_object_set_new(servers, j->plan->node[i].name,
			                    server_series(j, bins, (int)i));
	return servers;
}

/* The bin of a query by its planned time, or bins->n when it isn't counted. */
static size_t bin_of(const struct bins *bins, const struct query *q)
{
	if (q->sent_ns == NEVER || q->plan_ns < 0)
		return bins->n;
	size_t i = (size_t)(q->plan_ns / bins->width_ns);
	return i < bins->n ? i : bins->n;
}

static json_t *lost_series(const struct judge *j, const struct bins *bins)
{
	uint64_t *lost = calloc(bins->n + 1, sizeof(*lost));

	MUST(lost != NULL);
	for (unsigned i = 0; i < j->client_n; i++)
		for (size_t k = 0; k < j->client[i].query_n; k++) {
			const struct query *q = &j->client[i].query[k];
			lost[bin_of(bins, q)] += !query_answered(j->plan, q);
		}
	json_t *list = counts(lost, bins->n);
	free(lost);
	return list;
}

/* A quantile, or null where there is none because the query was lost. */
static void append_quantile(json_t *list, const struct hist *h, uint32_t ppm)
{
	int64_t v = h->n > 0 ? hist_quantile(h, ppm) : INT64_MAX;

	json_array_append_new(list, v >= INT64_MAX / 4 ? json_null()
	                                               : json_integer((json_int_t)(v / 1000)));
}

/* Latencies of all clients' queries in bin i. cursor: where each client's next query is. */
static void fill(const struct judge *j, const struct bins *bins, size_t i, size_t *cursor,
                 struct hist *h)
{
	int64_t end = (int64_t)(i + 1) * bins->width_ns;

	hist_init(h);
	for (unsigned c = 0; c < j->client_n; c++) {
		const struct client *cl = &j->client[c];
		for (; cursor[c] < cl->query_n && cl->query[cursor[c]].plan_ns < end; cursor[c]++) {
			const struct query *q = &cl->query[cursor[c]];
			if (bin_of(bins, q) == i)
				hist_add(h, query_answered(j->plan, q) ? q->answer_ns - q->plan_ns
				                                       : INT64_MAX / 2);
		}
	}
}

static void latency_series(const struct judge *j, const struct bins *bins, json_t *p50, json_t *p99)
{
	struct hist *h = malloc(sizeof(*h));
	size_t *cursor = calloc(j->client_n + 1, sizeof(*cursor));

	MUST(h != NULL && cursor != NULL);
	for (size_t i = 0; i < bins->n; i++) {
		fill(j, bins, i, cursor, h);
		append_quantile(p50, h, 500000);
		append_quantile(p99, h, 990000);
	}
	free(cursor);
	free(h);
}

json_t *judge_series(const struct judge *j)
{
	struct bins bins = bins_of(j->plan);
	json_t *p50 = json_array(), *p99 = json_array();

	latency_series(j, &bins, p50, p99);
	return json_pack("{s:i, s:I, s:o, s:o, s:o, s:o}", "from_ns", 0,
	                 "bin_ns", (json_int_t)bins.width_ns,
	                 "servers", servers_series(j, &bins), "lost", lost_series(j, &bins),
	                 "latency_p50_us", p50, "latency_p99_us", p99);
}
