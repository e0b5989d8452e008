/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counts over time for the report's plots: queries forwarded to each server, queries lost, and
 * latency, in bins. No verdict rests on them.
 */
#include <stdlib.h>

#include "inner.h"

enum { BINS_WANTED = 150 };
#define BIN_LEAST_NS INT64_C(100000000)

/* Multiples of a tenth of a second, about BINS_WANTED of them until the last load's end. */
void series_init(struct judge *j)
{
	const struct plan *p = j->plan;
	int64_t end = 0, tenths;

	for (unsigned i = 0; i < p->load_n; i++)
		end = p->load[i].to_ns > end ? p->load[i].to_ns : end;
	if (p->load_n == 0) /* a foreign capture */
		end = p->end_ns;
	tenths = end / BINS_WANTED / BIN_LEAST_NS + 1;
	j->bin_ns = tenths * BIN_LEAST_NS;
	j->bin_n = (size_t)((end - 1) / j->bin_ns) + 1;
	j->bin = zeroed(j->bin_n, sizeof(*j->bin));
	j->node_bin = zeroed(p->node_n, sizeof(*j->node_bin));
	for (unsigned i = 0; i < p->node_n; i++)
		if (p->node[i].role == PLAN_RECURSOR)
			j->node_bin[i] = zeroed(j->bin_n, sizeof(uint64_t));
}

void series_free(struct judge *j)
{
	for (size_t i = 0; i < j->bin_n && j->bin != NULL; i++)
		spread_free(&j->bin[i].latency);
	for (unsigned i = 0; i < j->plan->node_n && j->node_bin != NULL; i++)
		free(j->node_bin[i]);
	free(j->bin);
	free(j->node_bin);
}

/* A balancer's forwards come in the order of time, so the bin is mostly the last one's. */
void series_draw(struct judge *j, struct balancer *b, int node, int64_t t_ns)
{
	if (t_ns >= b->bin_end_ns || t_ns < b->bin_end_ns - j->bin_ns) {
		b->bin = t_ns < 0 ? j->bin_n : (size_t)(t_ns / j->bin_ns);
		b->bin_end_ns = t_ns < 0 ? 0 : (int64_t)(b->bin + 1) * j->bin_ns;
	}
	if (b->bin < j->bin_n && node >= 0 && j->node_bin[node] != NULL)
		j->node_bin[node][b->bin]++;
}

static json_t *counts(const uint64_t *count, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer((json_int_t)count[i]));
	return list;
}

/* Forwards of client queries to each recursor, by the time at which they left a balancer. */
static json_t *servers_series(const struct judge *j)
{
	json_t *servers = json_object();

	for (unsigned i = 0; i < j->plan->node_n; i++)
		if (j->node_bin[i] != NULL)
			json_object_set_new(servers, j->plan->node[i].name,
			                    counts(j->node_bin[i], j->bin_n));
	return servers;
}

/* A quantile, or null where there is none because the query was lost. */
static void append_quantile(json_t *list, const struct spread *s, uint32_t ppm)
{
	int64_t v = s->n > 0 ? spread_quantile(s, ppm) : INT64_MAX;

	json_array_append_new(list, v >= INT64_MAX / 4 ? json_null()
	                                               : json_integer((json_int_t)(v / 1000)));
}

json_t *judge_series(const struct judge *j)
{
	json_t *p50 = json_array(), *p99 = json_array(), *lost = json_array();

	for (size_t i = 0; i < j->bin_n; i++) {
		append_quantile(p50, &j->bin[i].latency, 500000);
		append_quantile(p99, &j->bin[i].latency, 990000);
		json_array_append_new(lost, json_integer((json_int_t)j->bin[i].lost));
	}
	return json_pack("{s:i, s:I, s:o, s:o, s:o, s:o}", "from_ns", 0,
	                 "bin_ns", (json_int_t)j->bin_ns,
	                 "servers", servers_series(j), "lost", lost,
	                 "latency_p50_us", p50, "latency_p99_us", p99);
}
