/* SPDX-License-Identifier: BSD-3-Clause */
/* Figures about DNS traffic as documents have them; see figures.h. */
#include "figures.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/must.h"

enum { RCODES = 16 };

static void set(json_t *o, const char *key, uint64_t n)
{
	MUST(json_object_set_new(o, key, json_integer((json_int_t)n)) == 0);
}

json_t *figures_times(const struct hist *h)
{
	static const struct { const char *key; uint32_t ppm; } row[] = {
		{ "p50", 500000 }, { "p90", 900000 }, { "p99", 990000 }, { "p999", 999000 },
	};
	json_t *o = json_object();

	if (h->n == 0) {
		json_decref(o);
		return json_null();
	}
	for (size_t k = 0; k < COUNT_OF(row); k++)
		set(o, row[k].key, (uint64_t)hist_quantile(h, row[k].ppm));
	set(o, "max", (uint64_t)h->max);
	return o;
}

json_t *figures_type(uint16_t type)
{
	char *name = ldns_rr_type2str((ldns_rr_type)type);

	MUST(name != NULL);
	json_t *text = json_string(name);
	free(name);
	return text;
}

json_t *figures_types(const uint64_t *n)
{
	json_t *o = json_object();

	for (unsigned t = 0; t <= UINT16_MAX; t++) {
		json_t *name = n[t] > 0 ? figures_type((uint16_t)t) : NULL;
		if (name != NULL)
			set(o, json_string_value(name), n[t]);
		json_decref(name);
	}
	return o;
}

json_t *figures_rcodes(const uint64_t *n)
{
	json_t *o = json_object();

	for (unsigned r = 0; r < RCODES; r++) {
		const ldns_lookup_table *row = ldns_lookup_by_id(ldns_rcodes, (int)r);
		char name[16];
		snprintf(name, sizeof(name), "RCODE%u", r);
		if (n[r] > 0)
			set(o, row != NULL ? row->name : name, n[r]);
	}
	return o;
}
