/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a zone transfer: by its SOA records, in however many messages they come. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "balancer/core/transfer.h"
#include "lib/dns.h"

/*
 * A transfer in letters: a digit is an SOA record with that serial, a dot another record, a bar
 * ends a message. over: how many messages it takes, 0: it isn't over. has: the version that the
 * client says it has.
 */
static const struct {
	const char *what, *records;
	unsigned over;
	char has;
} rows[] = {
	{ "a zone in one message", "1..1", 1, 0 },
	{ "a zone in three", "1.|..|.1", 3, 0 },
	{ "a record in each", "1|.|.|1", 4, 0 },
	{ "an empty zone", "11", 1, 0 },
	{ "a zone cut short", "1..|..", 0, 0 },
	{ "one step", "21.2.2", 1, 0 },
	{ "two steps", "31.2.2.3.3", 1, 0 },
	{ "two steps in messages", "31.|2.2|.3|.3", 4, 0 },
	{ "steps cut short", "31.2.2.3.", 0, 0 },
	{ "a whole zone for an incremental one", "2...2", 1, 0 },
	{ "nothing new, or the first of more", "1", 0, 0 },
	{ "the version that the client has", "1", 1, '1' },
	{ "an older one than it has", "1", 1, '2' },
	{ "a newer one, or the first of more", "2", 0, '1' },
	{ "the steps from its version on", "21.2.2", 1, '1' },
	{ "an answer without an SOA", "..", 0, 0 },
	{ "one that begins with another record", ".1.1", 0, 0 },
	{ "an empty message", "|1.1", 2, 0 },
};

static void begin(uint8_t *m, struct dns_writer *w)
{
	memset(m, 0, DNS_HEADER);
	*w = (struct dns_writer){ .m = m, .len = DNS_HEADER, .cap = 1000 };
}

static void add(struct dns_writer *w, char c)
{
	static const uint8_t names[] = { 1, 'a', 0, 0xc0, 0x0c };
	size_t rr = dns_w_rr(w, c == '.' ? DNS_A : DNS_SOA, 300);

	if (c == '.') {
		dns_w_u32(w, 0x7f000001);
	} else {
		dns_w_bytes(w, names, sizeof(names));
		for (unsigned i = 0; i < 5; i++)
			dns_w_u32(w, i == 0 ? (uint32_t)c : 0);
	}
	dns_w_rr_end(w, rr);
	dns_put16(w->m + 6, (uint16_t)(dns_ancount(w->m) + 1));
}

/* A query that says that its client has this version; 0: it says nothing. */
static void ask(struct transfer *t, char has)
{
	uint8_t m[1000];
	struct dns_writer w;

	*t = (struct transfer){ 0 };
	begin(m, &w);
	if (has != 0)
		add(&w, has);
	dns_put16(m + 8, dns_ancount(m)); /* in the authority section */
	dns_put16(m + 6, 0);
	transfer_asked(t, m, w.len, DNS_HEADER);
	assert_int_equal(t->has, has != 0);
}

static unsigned messages_until_over(const char *records, char has)
{
	struct transfer t;
	struct dns_writer w;
	uint8_t m[1000];
	unsigned n = 1;

	ask(&t, has);
	for (begin(m, &w);; records++) {
		if (*records != '|' && *records != '\0') {
			add(&w, *records);
			continue;
		}
		if (transfer_over(&t, m, w.len))
			return n;
		if (*records == '\0')
			return 0;
		begin(m, &w);
		n++;
	}
}

static void a_transfer_is_over_with_its_last_soa_record(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned n = messages_until_over(rows[i].records, rows[i].has);
		if (n != rows[i].over)
			fail_msg("%s: %u messages", rows[i].what, n);
	}
}

static void what_is_damaged_is_not_followed(void **state)
{
	struct dns_writer w;
	uint8_t m[1000];

	(void)state;
	begin(m, &w);
	for (const char *p = "1..1"; *p != '\0'; p++)
		add(&w, *p);
	for (size_t len = DNS_HEADER; len < w.len; len++) {
		struct transfer t = { 0 };
		assert_false(transfer_over(&t, m, len));
		assert_false(transfer_over(&t, m, w.len));
		assert_true(t.strange);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_transfer_is_over_with_its_last_soa_record),
		cmocka_unit_test(what_is_damaged_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
