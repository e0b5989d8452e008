/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every reader of lib/dns on any bytes, and what must hold between them: offsets stay inside, what
 * was written is read back, text and wire form are inverses.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/dns.h"
#include "lib/ecs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const uint8_t *name, size_t len)
{
	char text[DNS_NAME_TEXT];
	uint8_t back[DNS_NAME_MAX], low[DNS_NAME_MAX];
	size_t n = dns_name_format(name, len, text);

	MUST(n == strlen(text) && n < sizeof(text));
	int got = dns_name_parse(back, text);
	MUST(got == (int)len && memcmp(back, name, len) == 0);
	dns_name_lower(low, name, len);
	MUST(dns_name_eq(low, len, name, len));
	MUST(dns_name_hash(low, len, 7) == dns_name_hash(name, len, 7));
}

static void check_name(const uint8_t *m, size_t len, size_t at)
{
	uint8_t out[DNS_NAME_MAX];
	int skip = dns_name_skip(m, len, at), n = dns_name_expand(out, m, len, at);

	MUST(skip < 0 || (skip >= 1 && at + (size_t)skip <= len && skip <= DNS_NAME_MAX + 1));
	MUST(n < 0 || (n >= 1 && n <= DNS_NAME_MAX && out[n - 1] == 0));
	MUST(n < 0 || skip > 0);
	if (n > 0) {
		MUST(dns_name_skip(out, (size_t)n, 0) == n);
		check_text(out, (size_t)n);
	}
}

/* A query made of a question must have that question. */
static void check_query(const uint8_t *m, const struct dns_question *q)
{
	uint8_t out[DNS_HEADER + DNS_NAME_MAX + 4 + 11];
	struct dns_question again;
	struct dns_edns e;
	int n = dns_query(out, sizeof(out), dns_id(m), DNS_RD, m + DNS_HEADER, q->name_len, q->type,
	                  q->class, DNS_EDNS_MAX);

	MUST(n > 0 && dns_question(&again, out, (size_t)n) == 0);
	MUST(dns_question_eq(m, q, out, &again));
	MUST(dns_edns(&e, out, (size_t)n, again.end) == 0);
	MUST(e.present && e.udp_size == DNS_EDNS_MAX && e.end == n);
	MUST(dns_query(out, (size_t)n - 1, 0, 0, m + DNS_HEADER, q->name_len, q->type, q->class,
	               DNS_EDNS_MAX) < 0);
}

static void check_records(const uint8_t *m, size_t len, size_t at)
{
	struct dns_rr rr;

	for (int i = 0; i < 100 && dns_rr(&rr, m, len, at) == 0; i++) {
		MUST(rr.name == at && rr.rdata > at && rr.end <= len);
		MUST(rr.end == rr.rdata + rr.rdlen);
		check_name(m, len, rr.name);
		at = rr.end;
	}
}

/* A subnet goes into any query that has a question, and comes out again. */
static void check_subnet(const uint8_t *m, size_t size, const struct dns_question *q)
{
	uint8_t *copy = malloc(size + ECS_ADDED_MAX);
	const struct ip client = { { 1, 2, 3, 4 } };
	uint16_t len = (uint16_t)size, before;
	struct dns_edns e;

	MUST(copy != NULL);
	for (unsigned replace = 0; replace < 2; replace++) {
		memcpy(copy, m, size);
		len = (uint16_t)size;
		enum ecs_change c = ecs_add(copy, &len, size + ECS_ADDED_MAX, q->end,
		                            &client, m[0] % 129u, replace);
		MUST(c != ECS_NOTHING || (len == size && memcmp(copy, m, size) == 0));
		MUST(c == ECS_NOTHING || (dns_edns(&e, copy, len, q->end) == 0 && e.present &&
		                          e.end == len));
		before = len;
		ecs_remove(copy, &len, q->end, c);
		MUST(len <= before && (c != ECS_OPT_ADDED || len == q->end));
		MUST(c != ECS_OPTION_ADDED || (len == size && memcmp(copy, m, size) == 0));
	}
	free(copy);
}

static void check_message(const uint8_t *m, size_t len)
{
	struct dns_question q;
	struct dns_edns e;

	if (dns_question(&q, m, len) < 0)
		return;
	MUST(q.name_len >= 1 && q.name_len <= DNS_NAME_MAX && q.end <= len);
	MUST(dns_question_eq(m, &q, m, &q));
	check_text(m + DNS_HEADER, q.name_len);
	check_query(m, &q);
	check_records(m, len, q.end);
	if (len < UINT16_MAX - 64)
		check_subnet(m, len, &q);
	if (dns_edns(&e, m, len, q.end) == 0 && e.present)
		MUST(e.udp_size >= DNS_UDP_MAX && e.at >= q.end && e.end <= len);
}

static void check_parse(const uint8_t *data, size_t size)
{
	char text[1200];
	uint8_t out[DNS_NAME_MAX];
	size_t n = size < sizeof(text) - 1 ? size : sizeof(text) - 1;

	memcpy(text, data, n);
	text[n] = '\0';
	int len = dns_name_parse(out, text);
	if (len >= 0) {
		MUST(len >= 1 && len <= DNS_NAME_MAX && dns_name_skip(out, (size_t)len, 0) == len);
		check_text(out, (size_t)len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > UINT16_MAX)
		return 0;
	check_message(data, size);
	check_parse(data, size);
	check_name(data, size, 0);
	check_name(data, size, DNS_HEADER);
	if (size > 0)
		check_name(data, size, data[0]);
	return 0;
}
