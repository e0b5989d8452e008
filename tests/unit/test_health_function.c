/* SPDX-License-Identifier: BSD-3-Clause */
/* Probes whose question a function says: what is sent, which answers count, and when it fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "balancer/core/health.h"
#include "tests/bal_rig.h"

#define SECOND INT64_C(1000000000)

/* A function that asks n1.example, n2.example... or fails. */
static struct {
	bool fails;
	unsigned calls, function;
	struct bal_hook_probe was;
} fake;

static bool check(void *arg, unsigned function, struct bal_hook_probe *p)
{
	char name[32];

	assert_ptr_equal(arg, &fake);
	fake.function = function;
	fake.was = *p;
	fake.calls++;
	if (fake.fails)
		return false;
	snprintf(name, sizeof(name), "N%u.Example.", fake.calls);
	p->name_len = (size_t)dns_name_parse(p->name, name);
	p->type = DNS_AAAA;
	p->class = DNS_CH;
	p->flags = (uint16_t)(p->flags | DNS_CD | DNS_QR | 3);
	return true;
}

static const struct bal_hooks hooks = { .arg = &fake, .check = check };
static struct rig rig;
static struct health *h;
static uint8_t buf[RIG_BYTES];
static struct dgram d;

static void start(void)
{
	uint8_t seed[DRBG_SEED];

	memset(&fake, 0, sizeof(fake));
	drbg_seed_from_u64(seed, 1);
	rig_conf(&rig, 1);
	rig.server[0].check.mode = BAL_CHECK_AUTO;
	rig.server[0].check.function = 7;
	MUST(host_arena(&rig.arena, bal_shared_arena_size(&rig.conf) +
	                            health_arena_size(&rig.conf)) == 0);
	rig.shared = bal_shared_init(&rig.arena, &rig.conf);
	h = health_init(&rig.arena, &rig.conf, rig.shared, seed, 0);
	health_set_hooks(h, &hooks);
}

static void stop(void)
{
	health_check(h);
	host_arena_free(&rig.arena);
}

/* The next probe, in d; false: one was due and didn't go out. */
static bool next(int64_t *t_ns)
{
	*t_ns = health_deadline(h);
	d = (struct dgram){ .data = buf, .cap = RIG_BYTES };
	return health_poll(h, *t_ns, &d, 1) == 1;
}

static void it_is_told_what_would_be_asked_and_says_what_is(void **state)
{
	static const uint8_t want[] = "\x01\x10\0\1\0\0\0\0\0\0\2N1\7Example\0\0\x1c\0\3";
	int64_t t_ns;

	(void)state;
	start();
	assert_true(next(&t_ns));
	assert_int_equal(fake.function, 7);
	assert_int_equal(fake.was.flags, DNS_RD);
	assert_int_equal(fake.was.type, DNS_A);
	assert_int_equal(fake.was.class, DNS_IN);
	assert_true(dns_name_eq(fake.was.name, fake.was.name_len, rig.server[0].check.name,
	                        rig.server[0].check.name_len));
	assert_int_equal(d.len, sizeof(want) - 1 + 2);
	assert_memory_equal(buf + 2, want, sizeof(want) - 1); /* no response, no rcode */
	stop();
}

static void an_answer_counts_for_the_question_that_was_asked(void **state)
{
	static const struct {
		const char *what;
		int at, value;
		enum health_verdict want;
	} rows[] = {
		{ "another name", 14, '2', HEALTH_IGNORED },
		{ "another type", 25, 1, HEALTH_IGNORED },
		{ "another class", 27, 1, HEALTH_IGNORED }, { "SERVFAIL", 3, 2, HEALTH_BAD },
		{ "another case", 13, 'n', HEALTH_GOOD }, { "as asked", 13, 'N', HEALTH_GOOD },
	};
	int64_t t_ns;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start();
		assert_true(next(&t_ns));
		rig_turn(&d, DNS_NOERROR);
		buf[rows[i].at] = (uint8_t)rows[i].value;
		health_rx(h, t_ns, &d, 1);
		if (d.verdict != rows[i].want)
			fail_msg("%s: %d", rows[i].what, d.verdict);
		assert_int_equal(bal_shared_up(rig.shared, 0), rows[i].want == HEALTH_GOOD);
		stop();
	}
}

static void the_answer_to_the_probe_before_is_none_to_this_one(void **state)
{
	uint8_t first[RIG_BYTES];
	int64_t t_ns;

	(void)state;
	start();
	rig.server[0].check.timeout_ns = 5 * SECOND;
	assert_true(next(&t_ns));
	memcpy(first, buf, sizeof(first));
	while (!next(&t_ns))
		continue;
	rig_turn(&d, DNS_NOERROR);
	memcpy(buf + 12, first + 12, (size_t)d.len - 12); /* its question */
	health_rx(h, t_ns, &d, 1);
	assert_int_equal(d.verdict, HEALTH_IGNORED);
	stop();
}

static void a_function_that_fails_is_a_failed_probe(void **state)
{
	int64_t t_ns;

	(void)state;
	start();
	assert_true(next(&t_ns));
	rig_turn(&d, DNS_NOERROR);
	health_rx(h, t_ns, &d, 1);
	assert_true(bal_shared_up(rig.shared, 0));
	fake.fails = true;
	unsigned before = fake.calls;
	while (fake.calls == before)
		assert_false(next(&t_ns));
	assert_false(bal_shared_up(rig.shared, 0));
	fake.fails = false;
	int64_t failed_ns = t_ns;
	while (!next(&t_ns))
		continue;
	assert_int_equal(t_ns - failed_ns, SECOND); /* probing goes on in its time */
	rig_turn(&d, DNS_NOERROR);
	health_rx(h, t_ns, &d, 1);
	assert_true(bal_shared_up(rig.shared, 0));
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_told_what_would_be_asked_and_says_what_is),
		cmocka_unit_test(an_answer_counts_for_the_question_that_was_asked),
		cmocka_unit_test(the_answer_to_the_probe_before_is_none_to_this_one),
		cmocka_unit_test(a_function_that_fails_is_a_failed_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
