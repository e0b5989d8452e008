/* SPDX-License-Identifier: BSD-3-Clause */
/* EDNS Client Subnet into queries and out of answers; PROXY headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/dns.h"
#include "lib/ecs.h"
#include "lib/proxy.h"

enum { CAP = 512, HEAD = DNS_HEADER + 3 + 4 };

struct message {
	uint8_t m[CAP];
	uint16_t len;
	size_t q_end;
};

static struct ip addr(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(&ip, text), 0);
	return ip;
}

static void add_bytes(struct message *q, const void *p, size_t n)
{
	memcpy(q->m + q->len, p, n);
	q->len = (uint16_t)(q->len + n);
}

/* A query for "a.", with an OPT record that has these options, when options isn't NULL. */
static struct message query(const char *options, size_t n)
{
	static const uint8_t opt[] = { 0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0 };
	struct message q = { .q_end = HEAD };

	q.len = (uint16_t)dns_query(q.m, CAP, 7, DNS_RD, (const uint8_t *)"\1a", 3, DNS_A, DNS_IN,
	                            0);
	if (options == NULL)
		return q;
	dns_put16(q.m + 10, 1);
	add_bytes(&q, opt, sizeof(opt));
	dns_put16(q.m + q.len - 2, (uint16_t)n);
	add_bytes(&q, options, n);
	return q;
}

#define ECS_OURS "\0\10\0\7\0\1\30\0\300\0\2"            /* 192.0.2.0/24 */
#define ECS_OWN "\0\10\0\10\0\1\40\0\12\1\2\3"           /* 10.1.2.3/32 */
#define COOKIE "\0\12\0\10abcdefgh"
#define N(s) s, sizeof(s) - 1

static void the_subnet_goes_into_a_query(void **state)
{
	static const struct {
		const char *what, *options, *after;
		size_t n, after_n;
		bool replace;
		enum ecs_change change;
	} rows[] = {
		{ "no EDNS", NULL, ECS_OURS, 0, 11, false, ECS_OPT_ADDED },
		{ "no options", "", ECS_OURS, 0, 11, false, ECS_OPTION_ADDED },
		{ "a cookie", COOKIE, COOKIE ECS_OURS, 12, 23, false, ECS_OPTION_ADDED },
		{ "its own subnet", ECS_OWN, ECS_OWN, 12, 12, false, ECS_NOTHING },
		{ "replaced", ECS_OWN COOKIE, COOKIE ECS_OURS, 24, 23, true, ECS_REPLACED },
		{ "options cut off", "\0\12\0\11abc", "\0\12\0\11abc", 7, 7, false, ECS_NOTHING },
	};
	struct ip client = addr("192.0.2.77");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct message q = query(rows[i].options, rows[i].n);
		struct dns_edns e;
		enum ecs_change c = ecs_add(q.m, &q.len, CAP, q.q_end, &client, 24,
		                            rows[i].replace);
		if (c != rows[i].change || dns_edns(&e, q.m, q.len, q.q_end) < 0 || !e.present ||
		    e.end != q.len || (size_t)(e.end - e.at) != 11 + rows[i].after_n ||
		    memcmp(q.m + e.at + 11, rows[i].after, rows[i].after_n) != 0)
			fail_msg("%s: %d", rows[i].what, c);
		assert_int_equal(e.dnssec_ok, rows[i].options != NULL);
		assert_int_equal(e.udp_size, rows[i].options != NULL ? 4096 : ECS_UDP_SIZE);
	}
}

static void families_and_lengths_are_right(void **state)
{
	static const struct { const char *client, *option; unsigned bits; size_t n; } rows[] = {
		{ "192.0.2.77", "\0\10\0\10\0\1\40\0\300\0\2\115", 32, 12 },
		{ "192.0.2.255", "\0\10\0\10\0\1\31\0\300\0\2\200", 25, 12 },
		{ "192.0.2.77", "\0\10\0\4\0\1\0\0", 0, 8 },
		{ "2001:db8:1:2:3::4", "\0\10\0\13\0\2\70\0\40\1\15\270\0\1\0", 56, 15 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct message q = query(NULL, 0);
		struct ip client = addr(rows[i].client);
		assert_int_equal(ecs_add(q.m, &q.len, CAP, q.q_end, &client, rows[i].bits, false),
		                 ECS_OPT_ADDED);
		assert_int_equal(q.len, HEAD + 11 + rows[i].n);
		assert_memory_equal(q.m + HEAD + 11, rows[i].option, rows[i].n);
	}
}

static void what_cannot_take_it_stays_as_it_is(void **state)
{
	struct ip client = addr("192.0.2.77");
	struct message q = query(NULL, 0), before = q;

	(void)state;
	assert_int_equal(ecs_add(q.m, &q.len, q.len + 21u, q.q_end, &client, 24, false),
	                 ECS_NOTHING);
	assert_memory_equal(&q, &before, sizeof(q));
	q = query(N(COOKIE)); /* with a signature behind */
	add_bytes(&q, "\0\0\372\0\377\0\0\0\0\0\1x", 12);
	dns_put16(q.m + 10, 2);
	before = q;
	assert_int_equal(ecs_add(q.m, &q.len, CAP, q.q_end, &client, 24, true), ECS_NOTHING);
	assert_memory_equal(&q, &before, sizeof(q));
	q = query(NULL, 0); /* the same without EDNS */
	add_bytes(&q, "\0\0\372\0\377\0\0\0\0\0\1x", 12);
	dns_put16(q.m + 10, 1);
	before = q;
	assert_int_equal(ecs_add(q.m, &q.len, CAP, q.q_end, &client, 24, true), ECS_NOTHING);
	assert_memory_equal(&q, &before, sizeof(q));
}

static void what_was_added_comes_out_of_the_answer(void **state)
{
	static const struct {
		const char *what, *options, *after;
		size_t n, after_n;
		enum ecs_change added;
		bool opt;
	} rows[] = {
		{ "an OPT record", ECS_OURS, "", 11, 0, ECS_OPT_ADDED, false },
		{ "an OPT record without it", "", "", 0, 0, ECS_OPT_ADDED, false },
		{ "an option", ECS_OURS, "", 11, 0, ECS_OPTION_ADDED, true },
		{ "between others", COOKIE ECS_OURS COOKIE, COOKIE COOKIE, 35, 24,
		  ECS_OPTION_ADDED, true },
		{ "an option that isn't there", COOKIE, COOKIE, 12, 12, ECS_OPTION_ADDED, true },
		{ "the client's own", ECS_OWN, ECS_OWN, 12, 12, ECS_NOTHING, true },
		{ "one that was replaced", ECS_OURS, ECS_OURS, 11, 11, ECS_REPLACED, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct message a = query(rows[i].options, rows[i].n);
		struct dns_edns e;
		ecs_remove(a.m, &a.len, a.q_end, rows[i].added);
		if (dns_edns(&e, a.m, a.len, a.q_end) < 0 || e.present != rows[i].opt)
			fail_msg("%s", rows[i].what);
		if (!e.present)
			assert_int_equal(a.len, HEAD);
		else if ((size_t)(e.end - e.at) != 11 + rows[i].after_n ||
		         memcmp(a.m + e.at + 11, rows[i].after, rows[i].after_n) != 0)
			fail_msg("%s", rows[i].what);
	}
}

static void before_a_signature_it_becomes_padding(void **state)
{
	struct message a = query(N(ECS_OURS));
	uint16_t len;

	(void)state;
	add_bytes(&a, "\0\0\372\0\377\0\0\0\0\0\1x", 12);
	dns_put16(a.m + 10, 2);
	len = a.len;
	ecs_remove(a.m, &a.len, a.q_end, ECS_OPT_ADDED);
	assert_int_equal(a.len, len);
	assert_memory_equal(a.m + HEAD + 11, "\0\14\0\7\0\0\0\0\0\0\0", 11);
}

static void proxy_headers_say_who_asked_whom(void **state)
{
	static const uint8_t head[] = "\r\n\r\n\0\r\nQUIT\n";
	struct ep client = { addr("192.0.2.77"), 4711 }, local = { addr("198.51.100.1"), 53 };
	uint8_t out[PROXY_MAX];

	(void)state;
	assert_int_equal(proxy_header(out, &client, &local, false), 28);
	assert_memory_equal(out, head, 12);
	assert_memory_equal(out + 12, "\41\22\0\14\300\0\2\115\306\63\144\1\22\147\0\65", 16);
	assert_int_equal(proxy_header(out, &client, &local, true), 28);
	assert_int_equal(out[13], 0x11);
	client.ip = addr("2001:db8::1");
	local.ip = addr("2001:db8::2");
	assert_int_equal(proxy_header(out, &client, &local, true), 52);
	assert_memory_equal(out + 12, "\41\41\0\44", 4);
	assert_memory_equal(out + 16, client.ip.b, 16);
	assert_memory_equal(out + 32, local.ip.b, 16);
	assert_memory_equal(out + 48, "\22\147\0\65", 4);
	proxy_local(out);
	assert_memory_equal(out + 12, "\40\0\0\0", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_subnet_goes_into_a_query),
		cmocka_unit_test(families_and_lengths_are_right),
		cmocka_unit_test(what_cannot_take_it_stays_as_it_is),
		cmocka_unit_test(what_was_added_comes_out_of_the_answer),
		cmocka_unit_test(before_a_signature_it_becomes_padding),
		cmocka_unit_test(proxy_headers_say_who_asked_whom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
