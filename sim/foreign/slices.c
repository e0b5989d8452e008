/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shares over time, for people: the judge's series put together to a few stretches. No verdict
 * rests on them; that of all of them together does on the draws.
 */
#include "inner.h"

enum { SLICES = 10 };

/* Queries to one server in bins [from, to). */
static int64_t sum(const json_t *bins, size_t from, size_t to)
{
	int64_t n = 0;

	for (size_t i = from; i < to && i < json_array_size(bins); i++)
		n += json_integer_value(json_array_get(bins, i));
	return n;
}

static json_t *slice(json_t *servers, size_t from, size_t to, int64_t bin_ns)
{
	json_t *shares = json_object(), *bins;
	const char *name;
	int64_t all = 0;

	json_object_foreach(servers, name, bins)
		all += sum(bins, from, to);
	json_object_foreach(servers, name, bins)
		json_object_set_new(shares, name, json_integer(all > 0 ?
		                    sum(bins, from, to) * 1000000 / all : 0));
	return json_pack("{s:I, s:I, s:I, s:o}", "from_ns", (json_int_t)((int64_t)from * bin_ns),
	                 "to_ns", (json_int_t)((int64_t)to * bin_ns), "queries", (json_int_t)all,
	                 "share_ppm", shares);
}

json_t *foreign_slices(const json_t *series)
{
	json_t *list = json_array(), *servers = json_object_get(series, "servers"), *bins;
	int64_t bin_ns = json_integer_value(json_object_get(series, "bin_ns"));
	const char *name;
	size_t n = 0;

	json_object_foreach(servers, name, bins)
		n = json_array_size(bins);
	size_t each = n / SLICES + (n % SLICES > 0);
	for (size_t from = 0; from < n; from += each)
		json_array_append_new(list, slice(servers, from, from + each < n ? from + each : n,
		                                  bin_ns));
	return list;
}
