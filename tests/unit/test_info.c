/* SPDX-License-Identifier: BSD-3-Clause */
/* What messages come to: matching, what is unanswered or can't be said, bins, full tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/host/host.h"
#include "sim/info/core/info.h"
#include "tests/capture_make.h"

static const int64_t MS = 1000000, SECOND = INT64_C(1000000000);

struct rig {
	struct arena arena;
	struct info *i;
};

static void rig_init(struct rig *r)
{
	assert_int_equal(host_arena(&r->arena, info_arena_size()), 0);
	r->i = info_init(&r->arena, 1);
	arena_seal(&r->arena);
}

static void rig_fini(struct rig *r)
{
	host_arena_free(&r->arena);
}

/* A message of client n with that ID; flags: with DNS_QR an answer. */
static void say(struct rig *r, int64_t t_ns, unsigned client, uint16_t id, uint16_t flags,
                const char *name, const char *server)
{
	uint8_t wire[512];
	struct capture_message m = { .t_ns = t_ns, .m = wire };
	struct ep c = made_ep("10.0.0.0:4000"), s = made_ep(server);

	c.ip = ip_add(&c.ip, client);
	m.len = made_message(wire, id, flags, name);
	m.answer = (flags & DNS_QR) != 0;
	m.src = m.answer ? s : c;
	m.dst = m.answer ? c : s;
	m.asks = dns_question(&m.question, wire, m.len) == 0;
	info_add(r->i, &m);
}

#define S1 "192.0.2.1:53"
#define S2 "192.0.2.2:53"

static void an_answer_is_its_query_s(void **state)
{
	struct rig r;
	(void)state;

	rig_init(&r);
	say(&r, 10 * MS, 1, 7, 0, "a.example", S1);
	say(&r, 11 * MS, 1, 7, 0, "b.example", S1); /* another question */
	say(&r, 12 * MS, 2, 7, 0, "a.example", S1); /* another client */
	say(&r, 13 * MS, 1, 7, 0, "a.example", S2); /* another server */
	say(&r, 14 * MS, 1, 7, DNS_QR, "A.exAmple", S1);
	say(&r, 15 * MS, 1, 8, DNS_QR, "b.example", S1); /* another ID */
	say(&r, 16 * MS, 1, 7, DNS_QR, "a.example", S1); /* again */
	say(&r, 17 * MS, 1, 7, DNS_QR | DNS_SERVFAIL | DNS_TC, "a.example", S2);
	assert_true(r.i->queries == 4 && r.i->answers == 4);
	assert_true(r.i->answered == 2 && r.i->unasked == 2);
	assert_true(r.i->rcode[DNS_NOERROR] == 3 && r.i->rcode[DNS_SERVFAIL] == 1);
	assert_true(r.i->truncated == 1 && r.i->times.max == 4 * MS);
	assert_true(r.i->exchanges == 6 && r.i->type[DNS_A] == 6);
	assert_int_equal(hll_count(&r.i->clients_seen), 2);
	assert_int_equal(hll_count(&r.i->names_seen), 2);
	assert_int_equal(r.i->servers.table.used, 2);
	rig_fini(&r);
}

static void a_query_that_comes_again_counts_from_the_first(void **state)
{
	struct rig r;
	(void)state;

	rig_init(&r);
	say(&r, 10 * MS, 1, 7, 0, "a.example", S1);
	say(&r, 20 * MS, 1, 7, 0, "a.example", S1);
	say(&r, 30 * MS, 1, 7, DNS_QR, "a.example", S1);
	assert_true(r.i->queries == 2 && r.i->again == 1 && r.i->exchanges == 1);
	assert_int_equal(r.i->times.max, 20 * MS);
	info_end(r.i);
	assert_true(r.i->unanswered == 0 && r.i->open == 0);
	rig_fini(&r);
}

static void what_is_unanswered_is_told_from_what_can_t_be_said(void **state)
{
	struct rig r;
	(void)state;

	rig_init(&r);
	say(&r, 0, 1, 1, 0, "a.example", S1);
	say(&r, 100 * MS, 1, 2, 0, "a.example", S1);
	say(&r, INFO_TIMEOUT_NS, 1, 1, DNS_QR, "a.example", S1);            /* in time */
	say(&r, INFO_TIMEOUT_NS + 101 * MS, 1, 2, DNS_QR, "a.example", S1); /* late */
	assert_true(r.i->answered == 1 && r.i->unanswered == 1 && r.i->unasked == 1);
	say(&r, 10 * SECOND, 1, 3, 0, "a.example", S1);
	say(&r, 11 * SECOND + 1, 1, 4, 0, "a.example", S1);
	info_end(r.i);
	assert_true(r.i->unanswered == 2 && r.i->open == 1);
	assert_int_equal(r.i->answered + r.i->unanswered + r.i->open + r.i->again + r.i->forgotten,
	                 r.i->queries);
	assert_int_equal(r.i->server[0].unanswered, 2);
	rig_fini(&r);
}

static void bins_hold_any_span(void **state)
{
	struct rig r;
	(void)state;

	rig_init(&r);
	for (unsigned i = 0; i < 1000; i++)
		say(&r, i * MS, 1, (uint16_t)i, 0, "a.example", S1);
	uint64_t sum = 0;
	for (unsigned b = 0; b < INFO_BINS; b++)
		sum += r.i->bin[b];
	assert_int_equal(sum, 1000);
	unsigned used = (unsigned)(999 * MS >> r.i->bin_shift);
	assert_true(used >= INFO_BINS / 2 - 1 && used < INFO_BINS);
	say(&r, INT64_MAX - 1, 1, 1, 0, "a.example", S1);
	assert_int_equal(r.i->bin[0], 1000);
	assert_true(r.i->first_ns == 0 && r.i->last_ns == INT64_MAX - 1);
	assert_int_equal(r.i->unanswered, 1000);
	say(&r, 5, 1, 2000, 0, "a.example", S1); /* back in time */
	info_end(r.i);
	assert_int_equal(r.i->unanswered + r.i->open, 1002);
	rig_fini(&r);
}

static void more_than_there_is_room_for_is_counted(void **state)
{
	enum { MANY = INFO_OUTSTANDING + 1000 };
	struct rig r;
	(void)state;

	rig_init(&r);
	for (unsigned i = 0; i < MANY; i++)
		say(&r, i, i, 1, 0, "a.example", S1);
	assert_true(r.i->forgotten == 1000 && r.i->unanswered == 0);
	assert_true(r.i->clients.crowded && !r.i->servers.crowded);
	info_end(r.i);
	assert_int_equal(r.i->open, INFO_OUTSTANDING);
	double off = (double)hll_count(&r.i->clients_seen) / MANY - 1;
	assert_true(off < 0.025 && off > -0.025);
	rig_fini(&r);
}

static void servers_beyond_the_room_push_the_rarest_out(void **state)
{
	struct rig r;
	(void)state;

	rig_init(&r);
	for (unsigned i = 0; i < 3 * INFO_SERVERS; i++) {
		char server[32];
		snprintf(server, sizeof(server), "10.1.%u.%u:53", i / 256, i % 256);
		say(&r, i * MS, 1, (uint16_t)i, 0, "a.example", S1);
		say(&r, i * MS, 1, (uint16_t)i, DNS_QR, "a.example", S1);
		say(&r, i * MS, 1, (uint16_t)i, 0, "a.example", server);
	}
	info_end(r.i);
	uint32_t first;
	assert_int_equal(topk_list(&r.i->servers, &first, 1), 1);
	assert_int_equal(r.i->server[first].queries, 3 * INFO_SERVERS);
	assert_int_equal(r.i->server[first].answered, 3 * INFO_SERVERS);
	assert_true(r.i->servers.slot[first].over == 0 && r.i->servers.crowded);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_its_query_s),
		cmocka_unit_test(a_query_that_comes_again_counts_from_the_first),
		cmocka_unit_test(what_is_unanswered_is_told_from_what_can_t_be_said),
		cmocka_unit_test(bins_hold_any_span),
		cmocka_unit_test(more_than_there_is_room_for_is_counted),
		cmocka_unit_test(servers_beyond_the_room_push_the_rarest_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
