/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a capture of answers: whatever is kept of it is given again to its question, and is
 * what the judge calls right; counts add up to the answers. The bug that EK_PLANT plants keeps an
 * answer's OPT record with its others.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recursor-stub/answers/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_answer(const struct rec_book *b, const struct rec_book_entry *e)
{
	uint8_t query[600], out[REC_ANSWER_MAX];
	struct dns_question q;
	struct dns_edns edns;
	int len = dns_query(query, sizeof(query), 7, DNS_RD, b->bytes + e->at, e->name_len,
	                    e->type, e->class, 0);

	MUST(len > 0);
	struct dns_writer w = { .m = query, .len = (size_t)len, .cap = sizeof(query) };
	if (e->dnssec_ok) {
		dns_w_opt(&w, 1232, true);
		dns_put16(query + 10, 1);
	}
	MUST(!w.full && dns_question(&q, query, w.len) == 0);
	MUST(dns_edns(&edns, query, w.len, q.end) == 0);
	MUST(rec_book_find(b, query, &q, &edns) == e);
	len = rec_book_answer(b, out, sizeof(out), query, w.len, &q, UINT32_MAX);
	MUST(len >= q.end);
	enum rec_match m = rec_book_match(b, out, (size_t)len);
	MUST(m == REC_RIGHT || (m == REC_ERROR && e->rcode_high != 0));
	MUST(rec_book_answer(b, out, sizeof(out), query, w.len, &q, 1) == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64], trouble[CAPTURE_ERROR_TEXT], error[CAPTURE_ERROR_TEXT];
	int fd = memfd_create("book", MFD_CLOEXEC);
	struct book_counts n;
	struct rec_book b;

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (book_read(&b, &n, path, trouble, error) == 0) {
		MUST(n.kept == b.entry_n && n.kept > 0);
		for (uint32_t i = 0; i < b.entry_n; i++)
			must_answer(&b, &b.entry[i]);
		book_free(&b);
	} else {
		MUST(strchr(error, '\n') == NULL && error[0] != '\0');
	}
	close(fd);
	return 0;
}
