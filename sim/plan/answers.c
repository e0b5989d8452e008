/* SPDX-License-Identifier: BSD-3-Clause */
/* Captured answers; see answers.h. */
#include "answers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "recursor-stub/answers/read.h"
#include "replay.h"

int answers_read(struct plan_answers *a, char trouble[PLAN_ERROR_TEXT],
                 char error[PLAN_ERROR_TEXT])
{
	STATIC_MUST((int)PLAN_ERROR_TEXT >= (int)CAPTURE_ERROR_TEXT);
	char why[CAPTURE_ERROR_TEXT];
	struct book_counts n;

	if (plan_check_sha256(a->path, a->sha256, error) < 0)
		return -EINVAL;
	a->book = calloc(1, sizeof(*a->book));
	MUST(a->book != NULL);
	if (book_read(a->book, &n, a->path, trouble, why) < 0) {
		snprintf(error, PLAN_ERROR_TEXT, "%s", why);
		answers_free(a);
		return -EINVAL;
	}
	if (a->questions != 0 && a->questions != n.kept) {
		snprintf(error, PLAN_ERROR_TEXT, "%.400s: answers to %" PRIu64 " questions: "
		         "expected %" PRIu64 ", as the plan says", a->path, n.kept, a->questions);
		answers_free(a);
		return -EINVAL;
	}
	a->questions = n.kept;
	a->again_n = n.again;
	a->truncated_n = n.truncated;
	a->longer_n = n.longer;
	a->others_n = n.others;
	return 0;
}

void answers_free(struct plan_answers *a)
{
	if (a->book != NULL)
		book_free(a->book);
	free(a->book);
	a->book = NULL;
}

const struct rec_book *plan_book(const struct plan *p)
{
	return p->answers_n > 0 ? p->answers->book : NULL;
}

uint64_t answers_missing(const struct plan *p, const struct plan_load *l, uint32_t *first)
{
	const struct rec_book *book = plan_book(p);
	uint64_t missing = 0;

	if (book == NULL || l->replay_n == 0)
		return 0;
	const struct trace *t = l->replay->trace;
	for (uint32_t i = 0; i < t->query_n; i++) {
		const uint8_t *m = t->bytes + t->query[i].at;
		struct dns_question q;
		struct dns_edns e;
		if (dns_question(&q, m, t->query[i].len) == 0 &&
		    dns_edns(&e, m, t->query[i].len, q.end) == 0 &&
		    rec_book_find(book, m, &q, &e) != NULL)
			continue;
		if (missing++ == 0)
			*first = i;
	}
	return missing;
}
