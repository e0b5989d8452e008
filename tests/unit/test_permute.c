/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses, names and MACs permuted with a key: ranges that keep their meaning, and what stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/host/host.h"
#include "sim/pcap/core/permute.h"

struct rig {
	struct arena arena;
	struct permute *p;
};

static struct rig rig(uint8_t key)
{
	uint8_t k[PRF_KEY] = { key };
	struct rig r;

	assert_int_equal(host_arena(&r.arena, permute_arena_size()), 0);
	r.p = permute_init(&r.arena, k, NULL, 0, 7);
	assert_true(r.arena.used <= r.arena.cap && r.arena.cap - r.arena.used < 8192);
	arena_seal(&r.arena);
	return r;
}

static void done(struct rig *r)
{
	host_arena_free(&r->arena);
}

static struct ip ip(const char *text)
{
	struct ip out;

	assert_int_equal(ip_parse(&out, text), 0);
	return out;
}

static void ranges_with_a_meaning_keep_it(void **state)
{
	static const struct {
		const char *what, *from, *range;
	} row[] = {
		{ "private, class A", "10.1.2.3", "10.0.0.0/8" },
		{ "private, class B", "172.16.5.9", "172.16.0.0/12" },
		{ "private, class C", "192.168.77.1", "192.168.0.0/16" },
		{ "link-local", "169.254.3.4", "169.254.0.0/16" },
		{ "loopback", "127.0.0.53", "127.0.0.53/32" },
		{ "unspecified", "0.0.0.0", "0.0.0.0/32" },
		{ "this network", "0.77.1.2", "0.0.0.0/8" },
		{ "reserved", "241.2.3.4", "240.0.0.0/4" },
		{ "multicast", "224.0.0.251", "224.0.0.251/32" },
		{ "broadcast", "255.255.255.255", "255.255.255.255/32" },
		{ "unspecified, IPv6", "::", "::/128" },
		{ "loopback, IPv6", "::1", "::1/128" },
		{ "link-local, IPv6", "fe80::1234:5678", "fe80::/64" },
		{ "unique local", "fd12:3456:789a::1", "fd00::/8" },
		{ "multicast, IPv6", "ff02::fb", "ff02::/16" },
		{ "global, IPv6", "2001:db8::1", "2000::/3" },
	};

	(void)state;
	for (uint8_t key = 0; key < 8; key++) {
		struct rig r = rig(key);
		for (size_t i = 0; i < COUNT_OF(row); i++) {
			struct ip from = ip(row[i].from), out = permute_ip(r.p, &from);
			struct prefix range;
			assert_int_equal(prefix_parse(&range, row[i].range), 0);
			if (!prefix_has(&range, &out))
				fail_msg("%s left its range", row[i].what);
		}
		done(&r);
	}
}

static void addresses_that_nobody_should_have_are_permuted(void **state)
{
	static const char *const row[] = { "0.77.1.2", "0.200.0.1", "241.2.3.4", "250.1.2.3" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		unsigned changed = 0;
		for (uint8_t key = 0; key < 8; key++) {
			struct rig r = rig(key);
			struct ip from = ip(row[i]), out = permute_ip(r.p, &from);
			changed += !ip_eq(&from, &out);
			done(&r);
		}
		if (changed < 7)
			fail_msg("%s: changed by %u keys of 8", row[i], changed);
	}
}

static void others_do_not_move_into_such_a_range(void **state)
{
	static const char *const near[] = { "0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8",
	                                    "172.16.0.0/12",
	                                    "192.168.0.0/16", "224.0.0.0/3", "169.254.0.0/16" };
	static const char *const from[] = { "11.0.0.1", "126.255.255.255", "172.32.0.1",
	                                    "172.15.255.255", "192.169.0.1", "192.167.1.1",
	                                    "223.255.255.255", "169.253.1.1", "8.8.8.8",
	                                    "1.0.0.0" };

	(void)state;
	for (uint8_t key = 0; key < 20; key++) {
		struct rig r = rig(key);
		for (size_t i = 0; i < COUNT_OF(from); i++) {
			struct ip in = ip(from[i]), out = permute_ip(r.p, &in);
			for (size_t k = 0; k < COUNT_OF(near); k++) {
				struct prefix range;
				assert_int_equal(prefix_parse(&range, near[k]), 0);
				assert_false(prefix_has(&range, &out));
			}
		}
		done(&r);
	}
}

static void a_subnet_becomes_the_subnet_of_its_addresses(void **state)
{
	struct rig r = rig(1);
	struct ip whole = ip("198.51.100.77"), out = permute_ip(r.p, &whole);

	(void)state;
	for (unsigned bits = 0; bits <= 32; bits++) {
		struct ip net = permute_subnet(r.p, &whole, bits);
		struct prefix p = { net, (uint8_t)(96 + bits) };
		assert_true(prefix_has(&p, &out));
		for (unsigned bit = 96 + bits; bit < 128; bit++)
			assert_int_equal(net.b[bit / 8] >> (7 - bit % 8) & 1, 0);
	}
	done(&r);
}

/* The permuted name, as text. */
static const char *name(struct permute *p, const char *text)
{
	static char out[4][DNS_NAME_TEXT];
	static unsigned turn;
	uint8_t wire[DNS_NAME_MAX];
	int n = dns_name_parse(wire, text);

	assert_true(n > 0);
	permute_name(p, wire, wire, (size_t)n);
	turn = (turn + 1) % 4;
	assert_true(dns_name_format(wire, (size_t)n, out[turn]) > 0);
	return out[turn];
}

static void a_name_keeps_lengths_zones_and_kind_of_symbols(void **state)
{
	struct rig r = rig(1);
	(void)state;

	for (unsigned i = 0; i < 3; i++) { /* remembered or not */
		const char *www = name(r.p, "www.Example.org");
		const char *mail = name(r.p, "mail.eXample.org");
		assert_int_equal(strlen(www), strlen("www.example.org."));
		assert_true(www[3] == '.' && www[11] == '.');
		assert_string_equal(www + 4, mail + 5);
		assert_string_not_equal(www, "www.example.org.");
		assert_int_equal(strspn(www, "abcdefghijklmnopqrstuvwxyz0123456789-_."),
		                 strlen(www));
	}
	assert_string_equal(name(r.p, "."), ".");
	assert_string_equal(name(r.p, "ABC.example.org"), name(r.p, "abc.example.org"));
	/* The same label elsewhere says nothing about this one. */
	assert_true(strncmp(name(r.p, "longer-label.net"), name(r.p, "longer-label.org"), 12) != 0);
	assert_string_not_equal(name(r.p, "*.a\\000b.org"), name(r.p, "*.a\\001b.org"));
	done(&r);
}

static void labels_of_one_symbol_are_one_to_one(void **state)
{
	struct rig r = rig(3);
	bool seen[256] = { false };
	(void)state;

	for (unsigned c = 0; c < 256; c++) {
		uint8_t wire[3] = { 1, (uint8_t)c, 0 };
		if (c >= 'A' && c <= 'Z')
			continue;
		permute_name(r.p, wire, wire, 3);
		assert_true(wire[0] == 1 && wire[2] == 0 && !seen[wire[1]]);
		assert_false(wire[1] >= 'A' && wire[1] <= 'Z');
		seen[wire[1]] = true;
	}
	done(&r);
}

static void names_that_are_kept_stay_and_no_other_becomes_one(void **state)
{
	static const struct permute_kept kept[] = {
		{ "\1a\14root-servers\3net", 20 }, { "\1x", 3 },
	};
	const uint8_t key[PRF_KEY] = { 5 };
	bool seen[256] = { false };
	struct rig r = rig(5);
	struct arena a;
	(void)state;

	assert_int_equal(host_arena(&a, permute_arena_size()), 0);
	struct permute *p = permute_init(&a, key, kept, 2, 7);
	assert_string_equal(name(p, "A.root-servers.net"), "a.root-servers.net.");
	assert_string_equal(name(p, "root-servers.net"), "root-servers.net.");
	assert_string_equal(name(p, "net"), "net.");
	const char *b = name(p, "b.root-servers.net");
	assert_true(b[0] != 'a' && b[0] != 'b' && strcmp(b + 1, ".root-servers.net.") == 0);
	assert_string_not_equal(name(p, "www.a.root-servers.net"), "www.a.root-servers.net.");
	assert_string_equal(name(p, "www.a.root-servers.net") + 3, ".a.root-servers.net.");
	/* Elsewhere they are labels as any, and other names are what they were. */
	assert_string_not_equal(name(p, "a.root-servers.org"), "a.root-servers.org.");
	assert_string_equal(name(p, "www.example.org"), name(r.p, "www.example.org"));
	for (unsigned c = 0; c < 256; c++) {
		uint8_t wire[3] = { 1, (uint8_t)c, 0 };
		if (c >= 'A' && c <= 'Z')
			continue;
		permute_name(p, wire, wire, 3);
		assert_true(!seen[wire[1]] && (wire[1] == 'x') == (c == 'x'));
		seen[wire[1]] = true;
	}
	host_arena_free(&a);
	done(&r);
}

static void macs_stay_what_they_are_for(void **state)
{
	struct rig r = rig(1);
	uint8_t all[6] = { 255, 255, 255, 255, 255, 255 }, none[6] = { 0 };
	uint8_t one[6] = { 0x00, 0x16, 0x3e, 1, 2, 3 }, group[6] = { 1, 0, 0x5e, 0, 0, 1 };
	(void)state;

	permute_mac(r.p, all);
	permute_mac(r.p, none);
	permute_mac(r.p, one);
	permute_mac(r.p, group);
	assert_true(all[0] == 255 && all[5] == 255 && none[0] == 0 && none[5] == 0);
	assert_int_equal(one[0] & 3, 2);
	assert_int_equal(group[0] & 3, 3);
	assert_true(memcmp(one + 1, "\x16\x3e", 2) != 0 && memcmp(one + 3, "\1\2\3", 3) != 0);
	done(&r);
}

static void another_key_gives_another_permutation(void **state)
{
	struct rig r = rig(1), s = rig(2);
	struct ip a = ip("198.51.100.77"), x = permute_ip(r.p, &a), y = permute_ip(s.p, &a);
	uint8_t p[16] = "the same", q[16] = "the same";
	(void)state;

	assert_false(ip_eq(&x, &y));
	assert_string_not_equal(name(r.p, "example.org"), name(s.p, "example.org"));
	permute_bytes(r.p, p, 16);
	permute_bytes(s.p, q, 16);
	assert_memory_not_equal(p, q, 16);
	done(&r);
	done(&s);
}

/* What a key means must never change: captures anonymized with it must go on fitting together. */
static void a_key_means_the_same_for_ever(void **state)
{
	struct rig r = rig(1);
	struct ip four = ip("198.51.100.77"), six = ip("2001:db8::77");
	char text[IP_TEXT];
	(void)state;

	struct ip out = permute_ip(r.p, &four);
	ip_format(&out, text);
	assert_string_equal(text, "198.194.53.186");
	out = permute_ip(r.p, &six);
	ip_format(&out, text);
	assert_string_equal(text, "3cc9:4932:ab1e:4f29:88ad:83eb:e6f0:e772");
	assert_string_equal(name(r.p, "www.example.org"), "o9p.saymq9_.v81.");
	done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_with_a_meaning_keep_it),
		cmocka_unit_test(addresses_that_nobody_should_have_are_permuted),
		cmocka_unit_test(others_do_not_move_into_such_a_range),
		cmocka_unit_test(a_subnet_becomes_the_subnet_of_its_addresses),
		cmocka_unit_test(a_name_keeps_lengths_zones_and_kind_of_symbols),
		cmocka_unit_test(labels_of_one_symbol_are_one_to_one),
		cmocka_unit_test(names_that_are_kept_stay_and_no_other_becomes_one),
		cmocka_unit_test(macs_stay_what_they_are_for),
		cmocka_unit_test(another_key_gives_another_permutation),
		cmocka_unit_test(a_key_means_the_same_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
