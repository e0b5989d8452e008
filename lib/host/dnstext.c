/* SPDX-License-Identifier: BSD-3-Clause */
/* DNS messages as one line of text; see dnstext.h. */
#include "dnstext.h"

#include <ldns/ldns.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct text {
	char *out;
	size_t n;
	size_t cap;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list ap;
	int n;

	if (t->n + 1 >= t->cap)
		return;
	va_start(ap, format);
	n = vsnprintf(t->out + t->n, t->cap - t->n, format, ap);
	va_end(ap);
	t->n += n > 0 ? (size_t)n : 0;
	if (t->n < t->cap)
		return;
	t->n = t->cap - 1;
	if (t->cap > 4)
		memcpy(t->out + t->cap - 4, "...", 4);
}

/* A record without its line end, fields parted by single spaces. */
static void put_rr(struct text *t, const ldns_rr *rr)
{
	char *s = ldns_rr2str(rr);

	for (char *p = s; p != NULL && *p != '\0'; p++)
		*p = *p == '\t' || *p == '\n' ? ' ' : *p;
	put(t, "; %.*s", s != NULL ? (int)strlen(s) - 1 : 0, s != NULL ? s : "");
	free(s);
}

static void put_packet(struct text *t, const ldns_pkt *pkt)
{
	char *rcode = ldns_pkt_rcode2str(ldns_pkt_get_rcode(pkt));
	const ldns_rr_list *answers = ldns_pkt_answer(pkt);

	put(t, "%s%s", rcode != NULL ? rcode : "?", ldns_pkt_tc(pkt) ? " TC" : "");
	free(rcode);
	if (ldns_pkt_qdcount(pkt) > 0)
		put_rr(t, ldns_rr_list_rr(ldns_pkt_question(pkt), 0));
	for (size_t i = 0; i < ldns_rr_list_rr_count(answers); i++)
		put_rr(t, ldns_rr_list_rr(answers, i));
}

void dnstext(const uint8_t *m, size_t len, char *out, size_t cap)
{
	struct text t = { .out = out, .cap = cap };
	ldns_pkt *pkt = NULL;
	ldns_status status = ldns_wire2pkt(&pkt, m, len);

	out[0] = '\0';
	if (status != LDNS_STATUS_OK) {
		put(&t, "not a DNS message (%zu bytes): %s", len, ldns_get_errorstr_by_id(status));
		return;
	}
	put_packet(&t, pkt);
	ldns_pkt_free(pkt);
}
