/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiled regular expressions match what the C library's match, byte for byte of the name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <regex.h>

#include "balancer/config/regex.h"
#include "lib/dns.h"
#include "lib/drbg.h"

static bool ours(const struct bal_regex *x, const char *name)
{
	uint8_t wire[DNS_NAME_MAX];
	int len = dns_name_parse(wire, name[0] != '\0' ? name : ".");

	assert_true(len > 0);
	return bal_regex_has(x, wire, (size_t)len);
}

static void agree(const char *text, const char *const *names, size_t n)
{
	char error[CF_REGEX_ERROR];
	struct bal_regex x;
	regex_t library;

	if (!cf_regex_compile(&x, text, error))
		fail_msg("%s: %s", text, error);
	assert_int_equal(regcomp(&library, text, REG_EXTENDED | REG_ICASE | REG_NOSUB), 0);
	for (size_t i = 0; i < n; i++) {
		bool want = regexec(&library, names[i], 0, NULL, 0) == 0;
		if (ours(&x, names[i]) != want)
			fail_msg("'%s' on '%s': not %d", text, names[i], want);
	}
	regfree(&library);
	cf_regex_fini(&x);
}

static const char *const names[] = {
	"", "a", "b", "com", "www.example.com", "WWW.Example.COM", "12345", "1234.example",
	"aa.bb.cc", "x-y_z.test",
	 "aaaaaaaaaaaaaaaaaaaa.org", "abab.abab", "a.b.c.d.e.f", "example.comx",
	"9f86d081884c7d659a2f.feed.example.net", "_dmarc.example.org", "ab\\.c.d", "zz--zz",
};

static void what_operators_write_matches_as_in_the_c_library(void **state)
{
	static const char *const texts[] = {
		"", "a", "^a", "a$", "^a$", "^$", "^", "$", "www", "^www\\.", "\\.com$",
		"exam?ple", "[0-9]{5,}", "[0-9]{4}", "^[a-z0-9]{20,}\\.", "(com|net|org)$",
		"^(.*\\.)?example\\.com$", "a|b|^$", "([a-z]{2}\\.){2}", "[^a-z.]", "[^A-Z]",
		"[[:digit:]]+", "[[:alpha:]]{3,5}\\.", "[[:upper:]]", "[[:punct:]][[:punct:]]",
		"[[:xdigit:]]{16}", "[]a]", "[a-]", "[^]]", "(ab)*\\.(ab)+$", "(a|b)*c", "(|a)b",
		"()", "a||b", "x*", "a**", "(a+)+$", "a{0}b", "a{,2}$", "a{2,3}", "(a.){2,}",
		"a)", "}", "\\w+\\.\\w+", "\\W", "\\S", "\\s", "\\`a", "e\\'", "^^a", "a$$",
		"$^", "(^a|b$)", "[.]", "[[.a.]]", "[[=b=]]", "\\-", "_", "\\.", "A{2}",
		"(a|ab)(c|bcd)?", "((((a))))", "[a-c]{1,3}[.]?[a-c]$", "^[^.]*\\.[^.]*$",
		".{10}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		agree(texts[i], names, COUNT_OF(names));
}

/* Of a few letters, so that much matches. Returns the length. */
static size_t draw_text(struct drbg *r, char *out, size_t max)
{
	static const char *const parts[] = {
		"a", "b", "C", "\\.", ".", "[ab]", "[^a]", "(a|b)", "(ab)", "a*", "b+", "a?",
		"|", "^", "$", "[a-b]*", "(a.)*", "b{2}", "a{1,2}", ".*", "(^a|b)", "(a$|.)",
		"[[:alpha:]]",
	};
	size_t len = 0;

	for (unsigned i = 0, n = 1 + (unsigned)drbg_below(r, 7); i < n; i++)
		len += (size_t)snprintf(out + len, max - len, "%s",
		                        parts[drbg_below(r, COUNT_OF(parts))]);
	return len;
}

static void draw_name(struct drbg *r, char *out)
{
	static const char letters[] = "aAbBcd";
	size_t n = 0;

	for (unsigned label = 0, labels = (unsigned)drbg_below(r, 4); label < labels; label++) {
		if (label > 0)
			out[n++] = '.';
		for (unsigned i = 0, len = 1 + (unsigned)drbg_below(r, 5); i < len; i++)
			out[n++] = letters[drbg_below(r, sizeof(letters) - 1)];
	}
	out[n] = '\0';
}

static void drawn_expressions_match_as_in_the_c_library(void **state)
{
	uint8_t seed[DRBG_SEED];
	struct drbg r;
	char text[128], name[8][64];
	const char *drawn[8];

	(void)state;
	drbg_seed_from_u64(seed, 5);
	drbg_init(&r, seed, DRBG_TEST, 0);
	for (unsigned i = 0; i < 3000; i++) {
		draw_text(&r, text, sizeof(text));
		for (unsigned k = 0; k < 8; k++) {
			draw_name(&r, name[k]);
			drawn[k] = name[k];
		}
		agree(text, drawn, 8);
	}
}

static void what_has_no_automaton_is_refused(void **state)
{
	static const struct { const char *text, *says; } rows[] = {
		{ "a(", "Unmatched ( or \\(" }, { "[a", "Unmatched [, [^, [:, [., or [=" },
		{ "*a", "Invalid preceding regular expression" },
		{ "(a)\\1", "it has a back reference" },
		{ "\\bwww", "it asks for the edge of a word" },
		{ "a{2000}{3}b", "it is too long, written out" },
		{ "a\\", "it ends in a backslash" },
		{ "((){9999}){9999}", "it is too long, written out" },
		{ "a{99999}", "it repeats too often" }, { "a{2", "Unmatched \\{" },
		{ "a{x}", "Invalid content of \\{\\}" },
		{ "a.{15}b", "its automaton would be too large" },
		{ "((((((((((a{9}){9}){9}){9}){9}){9}){9}){9}){9}){9})",
		  "it is too long, written out" },
	};
	char error[CF_REGEX_ERROR];
	struct bal_regex x;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (cf_regex_compile(&x, rows[i].text, error))
			fail_msg("%s: compiles to %u states", rows[i].text, x.state_n);
		if (strcmp(error, rows[i].says) != 0)
			fail_msg("%s: '%s'", rows[i].text, error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_operators_write_matches_as_in_the_c_library),
		cmocka_unit_test(drawn_expressions_match_as_in_the_c_library),
		cmocka_unit_test(what_has_no_automaton_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
