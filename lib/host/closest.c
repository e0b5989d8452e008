/* SPDX-License-Identifier: BSD-3-Clause */
/* Distances between words; see closest.h. */
#include "closest.h"

#include <string.h>

enum { WORD_MAX = 63 };

static unsigned least_of(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edits that make b[0..n) of a[0..m); both at most WORD_MAX long. */
static unsigned distance(const char *a, size_t m, const char *b, size_t n)
{
	unsigned rows[3][WORD_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];

	for (unsigned k = 0; k <= n; k++)
		row[k] = k;
	for (unsigned i = 1; i <= m; i++) {
		unsigned *free_row = before;
		before = last;
		last = row;
		row = free_row;
		row[0] = i;
		for (unsigned k = 1; k <= n; k++) {
			char x = fold(a[i - 1]), y = fold(b[k - 1]);
			row[k] = least_of(last[k - 1] + (x != y),
			                  least_of(last[k], row[k - 1]) + 1);
			if (i > 1 && k > 1 && x == fold(b[k - 2]) && fold(a[i - 2]) == y)
				row[k] = least_of(row[k], before[k - 2] + 1);
		}
	}
	return row[n];
}

const char *closest(const char *word, const char *const *names, size_t n)
{
	size_t len = strlen(word);
	unsigned least = len < 5 ? 2 : len < 9 ? 3 : (unsigned)len / 3 + 1;
	const char *best = NULL;

	for (size_t i = 0; i < n && len <= WORD_MAX; i++) {
		size_t name_len = names[i] != NULL ? strlen(names[i]) : WORD_MAX + 1;
		if (name_len > WORD_MAX)
			continue;
		unsigned d = distance(word, len, names[i], name_len);
		if (d < least) {
			least = d;
			best = names[i];
		}
	}
	return best;
}
