/* SPDX-License-Identifier: BSD-3-Clause */
/* DNS messages without names and addresses: each kind of record's data, options, compression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/host/host.h"
#include "sim/pcap/core/message.h"

enum { ROOM = 1024 };

struct rig {
	struct arena arena;
	struct permute *p;
	struct dns_writer w;
	uint8_t m[ROOM], out[ROOM];
};

static void begin(struct rig *r, uint16_t answers, uint16_t additional)
{
	static const uint8_t name[] = "\3www\7example\3org";
	uint8_t key[PRF_KEY] = { 9 };

	assert_int_equal(host_arena(&r->arena, permute_arena_size()), 0);
	r->p = permute_init(&r->arena, key, NULL, 0, 7);
	int n = dns_query(r->m, ROOM, 0x1234, DNS_QR | DNS_RD, name, sizeof(name), DNS_A, DNS_IN,
	                  0);
	assert_true(n > 0);
	dns_put16(r->m + 6, answers);
	dns_put16(r->m + 10, additional);
	r->w = (struct dns_writer){ .m = r->m, .len = (size_t)n, .cap = ROOM };
}

static void end(struct rig *r)
{
	host_arena_free(&r->arena);
}

/* Anonymizes what was written; whether it could be read. */
static bool run(struct rig *r)
{
	uint8_t *exact = malloc(r->w.len);

	assert_false(r->w.full);
	assert_non_null(exact);
	memcpy(exact, r->m, r->w.len);
	bool whole = message_anonymize(r->p, r->out, exact, r->w.len);
	free(exact);
	return whole;
}

static void record(struct rig *r, uint16_t type, uint16_t class, const char *data, size_t n)
{
	dns_w_u16(&r->w, 0xc00c);
	dns_w_u16(&r->w, type);
	dns_w_u16(&r->w, class);
	dns_w_u32(&r->w, 300);
	dns_w_u16(&r->w, (uint16_t)n);
	dns_w_bytes(&r->w, data, n);
}

/*
 * Holds each byte of data against what came of it: '=' stays; of a run of '!' or of '?' something
 * changes; '0' becomes zero.
 */
static void hold_against(const char *what, const char *is, const uint8_t *before,
                         const uint8_t *after)
{
	for (size_t i = 0; is[i] != '\0';) {
		size_t n = strspn(is + i, (char[]){ is[i], '\0' });
		bool same = memcmp(before + i, after + i, n) == 0;
		for (size_t k = 0; is[i] == '0' && k < n; k++)
			same = after[i + k] == 0 && (k == 0 || same);
		if (same != (is[i] == '=' || is[i] == '0'))
			fail_msg("%s: byte %zu, %c", what, i, is[i]);
		i += n;
	}
}

#define DATA(text) text, sizeof(text) - 1

struct kind {
	const char *what;
	uint16_t type, class;
	const char *data;
	size_t n;
	const char *is;     /* as hold_against has it */
};

static void hold_record_against(const struct kind *k)
{
	struct rig r;

	begin(&r, 1, 0);
	record(&r, k->type, k->class, k->data, k->n);
	if (!run(&r))
		fail_msg("%s isn't read", k->what);
	assert_int_equal(strlen(k->is), k->n);
	hold_against(k->what, k->is, (const uint8_t *)k->data, r.out + r.w.len - k->n);
	/* Header, type, class, TTL and length stay. */
	size_t head = r.w.len - k->n - 12;
	assert_memory_equal(r.out, r.m, DNS_HEADER);
	assert_memory_equal(r.out + head, r.m + head, 12);
	end(&r);
}

static void of_each_type_what_says_nothing_stays(void **state)
{
	static const struct kind row[] = {
		{ "A", DNS_A, 1, DATA("\xc6\x33\x64\x4d"), "!!!!" },
		{ "A of another class", DNS_A, 3, DATA("\1a\0ab"), "!!!!!" },
		{ "AAAA", DNS_AAAA, 1, DATA("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
		  "!!!!!!!!!!!!!!!!" },
		{ "NS", DNS_NS, 1, DATA("\2ns\xc0\x10"), "=!!==" },
		{ "CNAME", DNS_CNAME, 1, DATA("\5other\0"), "=!!!!!=" },
		{ "PTR", DNS_PTR, 1, DATA("\4host\3net\0"), "=!!!!=!!!=" },
		{ "DNAME", 39, 1, DATA("\4host\3net\0"), "=!!!!=!!!=" },
		{ "SOA", DNS_SOA, 1,
		  DATA("\2ns\xc0\x10\4host\xc0\x10\1\2\3\4\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4"),
		  "=!!===!!!!==!!!!================" },
		{ "MX", DNS_MX, 1, DATA("\0\12\4mail\xc0\x10"), "===!!!!==" },
		{ "SRV", DNS_SRV, 1, DATA("\0\1\0\2\0\65\3sip\xc0\x10"), "=======!!!==" },
		{ "TXT", DNS_TXT, 1, DATA("\6secret\3two"), "=!!!!!!=!!!" },
		{ "NAPTR", 35, 1, DATA("\0\1\0\2\1u\3E2U\5!^.*!\4repl\0"),
		  "=====!=!!!=!!!!!=!!!!=" },
		{ "CAA", DNS_CAA, 1, DATA("\0\5issueca.example"), "=======!!!!!!!!!!" },
		{ "DS", DNS_DS, 1, DATA("\1\2\10\2abcdef"), "!!==!!!!!!" },
		{ "DNSKEY", DNS_DNSKEY, 1, DATA("\1\1\3\10abcdef"), "====!!!!!!" },
		{ "RRSIG", 46, 1,
		  DATA("\0\1\10\3\0\0\1\x2c\1\2\3\4\5\6\7\10\11\12\7example\0signature"),
		  "========!!!!!!!!!!=!!!!!!!=!!!!!!!!!" },
		{ "NSEC", 47, 1, DATA("\4next\xc0\x10\0\1\x40"), "=!!!!=====" },
		{ "NSEC, two windows", 47, 1, DATA("\0\0\1\x40\1\2\0\x40"), "========" },
		{ "NSEC, none", 47, 1, DATA("\0"), "=" },
		{ "NSEC3", 50, 1, DATA("\1\0\0\12\4salt\4hash\0\1\x40"), "=====!!!!=!!!!===" },
		{ "HTTPS", DNS_HTTPS, 1,
		  DATA("\0\1\3svc\0\0\1\0\3\2h2\0\4\0\4\xc6\x33\x64\x4d\0\5\0\3ech"),
		  "===!!!========" "====!!!!" "====!!!" },
		{ "SVCB, what says nothing", 64, 1,
		  DATA("\0\1\0" "\0\0\0\4\0\1\0\3" "\0\1\0\14\2h3\10http/1.1" "\0\2\0\0"
		       "\0\3\0\2\1\xbb"), "===" "========" "================" "====" "======" },
		{ "TSIG", 250, 255,
		  DATA("\4hmac\0\0\0\1\2\3\4\1\x2c\0\4abcd\x12\x34\0\0\0\0"),
		  "=!!!!===========!!!!======" },
		{ "a type that nobody knows", 65280, 1, DATA("secret data"), "!!!!!!!!!!!" },
		{ "no data", DNS_A, 255, "", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++)
		hold_record_against(&row[i]);
}

static void what_is_no_such_thing_does_not_stay(void **state)
{
	static const struct kind row[] = {
		{ "CAA of another tag", DNS_CAA, 1, DATA("\0\4leakca.ex"), "==!!!!!!!!!" },
		{ "NSEC without a bitmap", 47, 1, DATA("\0leakleak"), "=!!!!!!!!" },
		{ "NSEC, a window without types", 47, 1, DATA("\0\0\1\x40\1\0"), "=!!!!!" },
		{ "NSEC, windows out of order", 47, 1, DATA("\0\1\1\x40\0\1\x40"), "=!!!!!!" },
		{ "NSEC, a window that ends in zero", 47, 1, DATA("\0\0\2k\0"), "=!!!!" },
		{ "NSEC, more behind the bitmap", 47, 1, DATA("\0\0\1\x40leak"), "=!!!!!!!" },
		{ "NSEC3 without a bitmap", 50, 1, DATA("\1\0\0\12\0\1hleak"), "======!!!!!" },
		{ "SVCB, keys that aren't", 64, 1, DATA("\0\1\0\0\0\0\4leak"), "=======!!!!" },
		{ "SVCB, half a key", 64, 1, DATA("\0\1\0\0\0\0\3\0\1k"), "=======!!!" },
		{ "SVCB, an unknown protocol", 64, 1, DATA("\0\1\0\0\1\0\10\2h3\4leak"),
		  "===========!!!!" },
		{ "SVCB, no ALPN with more", 64, 1, DATA("\0\1\0\0\2\0\4leak"), "=======!!!!" },
		{ "SVCB, a port that is too long", 64, 1, DATA("\0\1\0\0\3\0\4leak"),
		  "=======!!!!" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++)
		hold_record_against(&row[i]);
}

static void of_each_option_what_says_nothing_stays(void **state)
{
	static const struct {
		const char *what;
		const char *data;
		size_t n;
		const char *is;
	} row[] = {
		{ "subnet", DATA("\0\10\0\7\0\1\x18\0\xc6\x33\x64"), "========!!!" },
		{ "subnet of 12 bits", DATA("\0\10\0\6\0\1\x0c\0\xc6\x30"), "========!!" },
		{ "subnet, IPv6", DATA("\0\10\0\12\0\2\x30\0\x20\1\x0d\xb8\0\1"),
		  "========!!!!!!" },
		{ "no subnet", DATA("\0\10\0\4\0\1\0\0"), "========" },
		{ "subnet of no family", DATA("\0\10\0\6\0\7\x10\0ab"), "====!!!!!!" },
		{ "subnet of family 0", DATA("\0\10\0\4\0\0\0\0"), "========" },
		{ "subnet of too many bits", DATA("\0\10\0\4leak"), "====!!!!" },
		{ "subnet of a scope of too many bits", DATA("\0\10\0\5\0\1\1e\x80"),
		  "====!!!!!" },
		{ "subnet that is cut off", DATA("\0\10\0\3\0\1e"), "====!!!" },
		{ "algorithms", DATA("\0\5\0\3\10\15\17\0\6\0\2\1\4\0\7\0\1\1"),
		  "==================" },
		{ "signatures of no algorithms", DATA("\0\5\0\4leak"), "====!!!!" },
		{ "hashes of no algorithms", DATA("\0\6\0\4\1\2\3k"), "====!!!!" },
		{ "NSEC3's hashes of no algorithms", DATA("\0\7\0\2\1k"), "====!!" },
		{ "expire", DATA("\0\11\0\4\0\1\2\3\0\11\0\0"), "============" },
		{ "an expire that is too long", DATA("\0\11\0\10leakleak"), "====!!!!!!!!" },
		{ "a keepalive that is too long", DATA("\0\13\0\4leak"), "====!!!!" },
		{ "cookie", DATA("\0\12\0\10abcdefgh"), "====!!!!!!!!" },
		{ "NSID", DATA("\0\3\0\4host"), "====!!!!" },
		{ "error", DATA("\0\17\0\7\0\3stale"), "======!!!!!" },
		{ "keepalive", DATA("\0\13\0\2\0\144"), "======" },
		{ "padding", DATA("\0\14\0\4leak"), "====0000" },
		{ "unknown", DATA("\xff\0\0\3abc"), "====!!!" },
		{ "two", DATA("\0\13\0\2\0\144\0\3\0\4host"), "==========!!!!" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct rig r;
		begin(&r, 0, 1);
		dns_w_opt(&r.w, 1232, true);
		dns_put16(r.m + r.w.len - 2, (uint16_t)row[i].n);
		dns_w_bytes(&r.w, row[i].data, row[i].n);
		if (!run(&r))
			fail_msg("%s isn't read", row[i].what);
		hold_against(row[i].what, row[i].is, (const uint8_t *)row[i].data,
		             r.out + r.w.len - row[i].n);
		end(&r);
	}
}

static void a_subnet_is_of_the_client_it_is_of(void **state)
{
	struct rig r;
	struct ip client = ip_v4(198, 51, 100, 77);
	(void)state;

	begin(&r, 0, 1);
	dns_w_opt(&r.w, 1232, false);
	dns_put16(r.m + r.w.len - 2, 11);
	dns_w_bytes(&r.w, "\0\10\0\7\0\1\x18\0\xc6\x33\x64", 11);
	assert_true(run(&r));
	client = permute_ip(r.p, &client);
	assert_memory_equal(r.out + r.w.len - 3, client.b + 12, 3);
	end(&r);
}

static void compressed_names_stay_compressed_and_the_same(void **state)
{
	struct rig r;
	uint8_t a[DNS_NAME_MAX], b[DNS_NAME_MAX], www[DNS_NAME_MAX];
	(void)state;

	begin(&r, 3, 0);
	size_t first = r.w.len;
	record(&r, DNS_CNAME, DNS_IN, DATA("\5alias\xc0\x10"));
	record(&r, DNS_NS, DNS_IN, DATA("\2ns\xc0\x14"));
	dns_put16(r.m + r.w.len - 2, (uint16_t)(0xc000 | (first + 12)));
	record(&r, DNS_PTR, DNS_IN, DATA("\xc0\x0c"));
	assert_true(run(&r));
	int n = dns_name_expand(www, r.out, r.w.len, DNS_HEADER);
	assert_int_equal(n, 17);
	/* alias.example.org: its zone is www.example.org's. */
	assert_int_equal(dns_name_expand(a, r.out, r.w.len, first + 12), 19);
	assert_memory_equal(a + 6, www + 4, 13);
	/* The last points at the question. */
	assert_int_equal(dns_name_expand(b, r.out, r.w.len, r.w.len - 2), 17);
	assert_memory_equal(b, www, 17);
	assert_memory_equal(r.out + r.w.len - 2, "\xc0\x0c", 2);
	/* And each is what the name would be without compression. */
	uint8_t alone[] = "\5alias\7example\3org";
	permute_name(r.p, alone, alone, sizeof(alone));
	assert_memory_equal(a, alone, sizeof(alone));
	end(&r);
}

static void what_cannot_be_read_is_zero(void **state)
{
	static const struct {
		const char *what;
		uint16_t type;
		const char *data;
		size_t n;
	} row[] = {
		{ "an address that is too short", DNS_A, DATA("\xc6\x33\x64") },
		{ "an address that is too long", DNS_A, DATA("\xc6\x33\x64\x4d!") },
		{ "a name that is cut off", DNS_NS, DATA("\5abc") },
		{ "a pointer into the header", DNS_NS, DATA("\xc0\2") },
		{ "a pointer into a label", DNS_NS, DATA("\xc0\x0e") },
		{ "a pointer to itself", DNS_NS, DATA("\xc0\x29") },
		{ "a pointer forward", DNS_NS, DATA("\xc0\xff") },
		{ "something behind the name", DNS_NS, DATA("\1a\0leak") },
		{ "a string longer than its record", DNS_TXT, DATA("\7leak") },
		{ "a parameter longer than its record", DNS_HTTPS, DATA("\0\1\0\0\4\0\10leak") },
		{ "more behind an SOA's timers", DNS_SOA,
		  DATA("\0\0\1\2\3\4\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4leak") },
		{ "an SOA without all timers", DNS_SOA, DATA("\0\0\1\2\3\4\0\0\0\1") },
		{ "a protocol longer than its parameter", DNS_HTTPS,
		  DATA("\0\1\0\0\1\0\5\6leak") },
		{ "an MX without a name", DNS_MX, DATA("\0") },
		{ "a label of a kind that isn't", DNS_NS, DATA("\x41leakleak") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct rig r;
		begin(&r, 1, 0);
		size_t good = r.w.len;
		record(&r, row[i].type, DNS_IN, row[i].data, row[i].n);
		if (run(&r))
			fail_msg("%s is read", row[i].what);
		for (size_t k = good; k < r.w.len; k++)
			assert_int_equal(r.out[k], 0);
		end(&r);
	}
}

static void a_message_is_read_up_to_where_it_ends(void **state)
{
	struct rig r;
	(void)state;

	begin(&r, 1, 0);
	size_t asked = r.w.len;
	record(&r, DNS_TXT, DNS_IN, DATA("\6secret"));
	for (size_t len = 0; len < r.w.len; len++) {
		memset(r.out, 0xee, ROOM);
		size_t n = len < DNS_HEADER ? 0 : len < asked ? DNS_HEADER : asked;
		assert_false(message_anonymize(r.p, r.out, r.m, len));
		assert_memory_equal(r.out, r.m, n < DNS_HEADER ? n : DNS_HEADER);
		assert_true(n <= DNS_HEADER || dns_get16(r.out + asked - 2) == DNS_IN);
		for (size_t k = n; k < len; k++)
			assert_int_equal(r.out[k], 0);
		assert_int_equal(r.out[len], 0xee);
	}
	/* What is behind it doesn't stay. */
	dns_w_bytes(&r.w, "trailing", 8);
	assert_true(run(&r));
	assert_memory_not_equal(r.out + r.w.len - 8, "trailing", 8);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_each_type_what_says_nothing_stays),
		cmocka_unit_test(what_is_no_such_thing_does_not_stay),
		cmocka_unit_test(of_each_option_what_says_nothing_stays),
		cmocka_unit_test(a_subnet_is_of_the_client_it_is_of),
		cmocka_unit_test(compressed_names_stay_compressed_and_the_same),
		cmocka_unit_test(what_cannot_be_read_is_zero),
		cmocka_unit_test(a_message_is_read_up_to_where_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
