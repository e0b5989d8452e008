/* SPDX-License-Identifier: BSD-3-Clause */
/* What a bad answer said, and what the question deserved, for people who read the evidence. */
#include <stdio.h>
#include <string.h>

#include "inner.h"
#include "lib/host/dnstext.h"
#include "recursor-stub/core/book.h"

enum { LINE_TEXT = 400, SAID_TEXT = 2 * LINE_TEXT + 32 };

/* What the stub makes of the answer's question, as a line. False when it makes nothing. */
static bool expected(const struct rec_book *book, const struct judge_message *m,
                     char line[LINE_TEXT])
{
	uint8_t answer[REC_ANSWER_MAX];
	int n = rec_book_answer(book, answer, sizeof(answer), m->m, m->len, &m->q, UINT32_MAX);

	if (n < 0)
		return false;
	dnstext(answer, (size_t)n, line, LINE_TEXT);
	return true;
}

char *said(const struct rec_book *book, const uint8_t *m, size_t len,
           const struct judge_message *deserved)
{
	char came[LINE_TEXT], want[LINE_TEXT], text[SAID_TEXT];

	dnstext(m, len, came, sizeof(came));
	if (deserved != NULL && expected(book, deserved, want))
		snprintf(text, sizeof(text), "came: %s; expected: %s", came, want);
	else
		snprintf(text, sizeof(text), "came: %s", came);
	char *copy = strdup(text);
	MUST(copy != NULL);
	return copy;
}
