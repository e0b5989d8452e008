/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Are answers those that their questions deserve? rec_book_match, that remembers right answers; and
 * what came out of a capture, where recursors answer out of one.
 */
#ifndef EK_JUDGE_ORACLE_H
#define EK_JUDGE_ORACLE_H

#include <jansson.h>

#include "recursor-stub/core/book.h"
#include "sim/judge/tap.h"
#include "text.h"

struct judge;
struct oracle;
/*
 * resolved: real resolvers answer, by rec_answer_match_resolved. book: what recursors answer by,
 * borrowed; NULL: they make their answers.
 */
struct oracle *oracle_new(bool resolved, const struct rec_book *book);
void oracle_free(struct oracle *take_o);
enum rec_match oracle_match(struct oracle *o, const struct judge_message *m);
/* Of the answers that were matched so far, those that book has for their questions, or hasn't. */
struct captured {
	uint64_t captured, made;
	char first_made[DNS_NAME_TEXT + 16]; /* name and type of the first; "": none was */
};
void oracle_captured(const struct oracle *o, struct captured *sum);
/* captured.c: of all clients, as JSON; NULL: recursors make their answers. */
json_t *captured_json(const struct judge *j);
/* ", ..." about those that were made, if any. */
void captured_tell(const struct judge *j, struct text *t);
/* What is wrong with an answer of this kind, in words; NULL: nothing that it could help. */
const char *oracle_wrong(enum rec_match m);

#endif
