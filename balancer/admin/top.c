/* SPDX-License-Identifier: BSD-3-Clause */
/* Counting what was kept: sorted by what, then by how often; see top.h. */
#include "top.h"

#include <stdlib.h>
#include <string.h>

#include "lib/must.h"

/* Its bytes, of which equal ones are the same: an address, or a name in lower case. */
struct thing {
	uint8_t len;
	uint8_t b[DNS_NAME_MAX];
};

struct group {
	const struct thing *thing;
	size_t n;
};

static int by_bytes(const void *a, const void *b)
{
	const struct thing *x = a, *y = b;
	size_t least = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->b, y->b, least);

	return order != 0 ? order : (int)x->len - (int)y->len;
}

static int by_count(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return by_bytes(x->thing, y->thing);
}

/* The last so many labels of a wire name. */
static void name_thing(struct thing *t, const struct top_entry *e, unsigned labels)
{
	unsigned n = 0;
	size_t at = 0;

	for (size_t i = 0; i < e->name_len && e->name[i] != 0; i += 1u + e->name[i])
		n++;
	for (; n > labels; n--)
		at += 1u + e->name[at];
	t->len = (uint8_t)(e->name_len - at);
	dns_name_lower(t->b, e->name + at, t->len);
}

static size_t things(struct thing *t, const struct top_entry *e, size_t n, enum top_by by,
                     unsigned labels, int rcode)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (rcode != TOP_ANY_RCODE && e[i].rcode != rcode)
			continue;
		struct thing *one = &t[kept++];
		if (by == TOP_NAME) {
			name_thing(one, &e[i], labels);
		} else {
			one->len = sizeof(e[i].client);
			memcpy(one->b, &e[i].client, sizeof(e[i].client));
		}
	}
	return kept;
}

static size_t groups(struct group *g, const struct thing *t, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (i == 0 || by_bytes(&t[i - 1], &t[i]) != 0)
			g[found++] = (struct group){ &t[i], 0 };
		g[found - 1].n++;
	}
	return found;
}

/* As dnsdist's console writes it. */
static void row(FILE *to, size_t rank, const char *what, size_t n, size_t all)
{
	size_t tenths = all > 0 ? (n * 1000 + all / 2) / all : 1000;

	fprintf(to, "%4zu  %-40s %4zu %2zu.%zu%%\n", rank, what, n, tenths / 10, tenths % 10);
}

static void show_group(FILE *to, size_t rank, const struct group *g, enum top_by by, size_t all)
{
	char text[DNS_NAME_TEXT];
	struct ip ip;

	if (by == TOP_NAME) {
		dns_name_format(g->thing->b, g->thing->len, text);
	} else {
		memcpy(&ip, g->thing->b, sizeof(ip));
		ip_format(&ip, text);
	}
	row(to, rank, text, g->n, all);
}

void top_show(FILE *to, const struct top_entry *e, size_t n, enum top_by by, unsigned labels,
              int rcode, unsigned rows)
{
	struct thing *t = calloc(n + 1, sizeof(*t));
	struct group *g = calloc(n + 1, sizeof(*g));
	size_t shown = 0;

	MUST(t != NULL && g != NULL);
	size_t all = things(t, e, n, by, labels, rcode);
	qsort(t, all, sizeof(*t), by_bytes);
	size_t found = groups(g, t, all), rest = all;
	qsort(g, found, sizeof(*g), by_count);
	for (; shown < found && shown < rows; shown++) {
		show_group(to, shown + 1, &g[shown], by, all);
		rest -= g[shown].n;
	}
	row(to, shown + 1, "Rest", rest, all);
	free(t);
	free(g);
}
