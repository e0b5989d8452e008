/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes a book (recursor-stub/core/book.h) of a capture: its answers by their questions. Of several
 * answers to one question the first counts that is no error; where all are errors, the first.
 * Everybody who reads the same capture has the same book.
 */
#ifndef EK_STUB_ANSWERS_READ_H
#define EK_STUB_ANSWERS_READ_H

#include "recursor-stub/core/book.h"
#include "sim/capture/capture.h"

enum { BOOK_ENTRIES_MAX = 1 << 24, BOOK_BYTES_MAX = 1 << 30 };

/* What became of the capture's answers; they add up to all of them. */
struct book_counts {
	uint64_t kept;         /* one for each question */
	uint64_t again;        /* of a question that has one */
	uint64_t truncated;    /* TC is set: what they were cut from may come over TCP */
	uint64_t longer;       /* than REC_ANSWER_MAX */
	uint64_t others;       /* not one question, broken records, a signature, no QUERY */
};

/*
 * Returns 0; or, with one line in error, -errno: what capture_open says, -ENODATA when there is no
 * answer, -E2BIG when there are too many. What is read up to a file's broken place is kept: then
 * trouble (CAPTURE_ERROR_TEXT bytes, or NULL) says where and what, otherwise it is empty. On
 * success b is to be freed; counts may be NULL.
 */
int book_read(struct rec_book *b, struct book_counts *counts, const char *path, char *trouble,
              char error[CAPTURE_ERROR_TEXT]) MUST_CHECK;
/* Frees what b holds, not b; all zero will do. */
void book_free(struct rec_book *b);

#endif
