/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reloads: which server of a new configuration goes on as which old one, what is known of it after,
 * and its health checks, which notice nothing. What is out is in tests/prop/test_succeed_prop.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "balancer/core/succeed.h"
#include "tests/bal_rig.h"

#define SECOND INT64_C(1000000000)

enum { ROOM = 4 * BAL_SERVERS_MAX };

/* One configuration, what its workers share, and its health checks. */
struct side {
	struct bal_conf conf;
	struct bal_server *server;
	struct arena arena;
	struct bal_shared *shared;
	struct health *h;
};

static struct ep front[2];
static uint16_t server_[ROOM], heir_[ROOM], front_[4];
static uint8_t buf[8][RIG_BYTES];
static struct dgram d[8];

/* Servers by text: a letter is an address and a name. */
static void conf_of(struct side *s, const char *letters)
{
	*s = (struct side){ .server = calloc(ROOM, sizeof(*s->server)) };
	MUST(s->server != NULL);
	s->conf = (struct bal_conf){
		.policy = BAL_WRANDOM, .udp_timeout_ns = 2 * SECOND, .max_outstanding = 100,
		.server_n = (unsigned)strlen(letters), .server = s->server, .front_n = 1,
		.front = front,
	};
	for (unsigned i = 0; i < s->conf.server_n; i++) {
		s->server[i].addr = (struct ep){ ip_v4(192, 0, 2, (uint8_t)letters[i]), 53 };
		bal_server_defaults(&s->server[i]);
		s->server[i].name[0] = letters[i];
	}
}

static void make_shared(struct side *s)
{
	uint8_t seed[DRBG_SEED];

	drbg_seed_from_u64(seed, 1);
	MUST(host_arena(&s->arena, bal_shared_arena_size(&s->conf) +
	                           health_arena_size(&s->conf)) == 0);
	s->shared = bal_shared_init(&s->arena, &s->conf);
	s->h = health_init(&s->arena, &s->conf, s->shared, seed, 0);
}

static void start(struct side *s, const char *letters)
{
	conf_of(s, letters);
	make_shared(s);
	for (unsigned i = 0; i < COUNT_OF(d); i++)
		d[i] = (struct dgram){ .data = buf[i], .cap = RIG_BYTES };
}

static void stop(struct side *s)
{
	health_check(s->h);
	host_arena_free(&s->arena);
	free(s->server);
}

static struct bal_succession plan(const struct side *from, struct side *to)
{
	struct bal_succession s = { .server = server_, .heir = heir_, .front = front_ };

	assert_int_equal(bal_succession_plan(&s, &from->conf, from->shared, &to->conf, to->server),
	                 0);
	return s;
}

static void reload(struct side *from, struct side *to, int64_t now_ns)
{
	struct bal_succession s = plan(from, to);

	make_shared(to);
	bal_shared_succeed(to->shared, from->shared, &s);
	health_succeed(to->h, from->h, &s, now_ns);
	health_check(to->h);
	stop(from);
}

/* ---- who goes on as whom ---- */

static void servers_go_on_by_name_and_address(void **state)
{
	static const struct {
		const char *what, *from, *to;
		const char *server;  /* by from: its index of to */
		const char *heir;    /* by to: its index of from, or - */
		unsigned leaving;
	} rows[] = {
		{ "nothing changes", "ab", "ab", "01", "01", 0 },
		{ "another order", "ab", "ba", "10", "10", 0 },
		{ "one more", "ab", "axb", "02", "0-1", 0 },
		{ "one less: it leaves, behind the others", "abc", "ac", "021", "02", 1 },
		{ "all of them are other ones", "ab", "xyz", "34", "---", 2 },
		{ "no server any more", "ab", "", "01", "", 2 },
		{ "there were none", "", "ab", "", "--", 0 },
		{ "the same one twice", "aa", "aab", "01", "01-", 0 },
		{ "twice, and once", "aa", "a", "01", "0", 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct side from, to;
		start(&from, rows[i].from);
		conf_of(&to, rows[i].to);
		plan(&from, &to);
		print_message("%s\n", rows[i].what);
		assert_int_equal(to.conf.leaving_n, rows[i].leaving);
		for (unsigned k = 0; rows[i].server[k] != '\0'; k++)
			assert_int_equal(server_[k], rows[i].server[k] - '0');
		for (unsigned k = 0; rows[i].heir[k] != '\0'; k++)
			assert_int_equal(heir_[k], rows[i].heir[k] == '-' ? BAL_GONE
			                                                  : rows[i].heir[k] - '0');
		for (unsigned k = 0; k < from.conf.server_n; k++)
			assert_true(ep_eq(&to.server[server_[k]].addr, &from.server[k].addr));
		free(to.server);
		stop(&from);
	}
}

static void another_number_of_sockets_leaves_the_old_ones_to_what_is_out(void **state)
{
	struct side from, to;

	(void)state;
	start(&from, "ab");
	conf_of(&to, "ab");
	to.server[0].sockets = 4;
	plan(&from, &to);
	assert_int_equal(heir_[0], 0);
	assert_int_equal(server_[0], 2);
	assert_int_equal(to.conf.leaving_n, 1);
	free(to.server);
	stop(&from);
}

static void one_that_left_is_forgotten_when_it_has_finished_or_comes_back(void **state)
{
	struct side a, b, c;

	(void)state;
	start(&a, "ab");
	conf_of(&b, "a");
	reload(&a, &b, 0);
	assert_int_equal(b.conf.leaving_n, 1);
	atomic_store(&b.shared->server[1].outstanding, 3);
	conf_of(&c, "a");
	plan(&b, &c);
	assert_int_equal(c.conf.leaving_n, 1); /* it isn't finished */
	free(c.server);
	conf_of(&c, "ab");
	plan(&b, &c);
	assert_int_equal(c.conf.leaving_n, 0); /* it is back, with what is out, and new to health */
	assert_int_equal(server_[1], 1);
	assert_int_equal(heir_[1], BAL_GONE);
	free(c.server);
	atomic_store(&b.shared->server[1].outstanding, 0);
	conf_of(&c, "a");
	plan(&b, &c);
	assert_int_equal(c.conf.leaving_n, 0);
	assert_int_equal(server_[1], BAL_GONE);
	free(c.server);
	stop(&b);
}

static void too_many_that_leave_are_refused(void **state)
{
	struct bal_succession s = { .server = server_, .heir = heir_, .front = front_ };
	struct side from, to;

	(void)state;
	conf_of(&from, "");
	conf_of(&to, "");
	from.conf.server_n = to.conf.server_n = BAL_SERVERS_MAX;
	from.conf.leaving_n = 1;
	for (unsigned i = 0; i <= BAL_SERVERS_MAX; i++) {
		from.server[i].addr.port = (uint16_t)(1 + i);
		to.server[i].addr.port = (uint16_t)(3000 + i);
	}
	MUST(host_arena(&from.arena, bal_shared_arena_size(&from.conf)) == 0);
	from.shared = bal_shared_init(&from.arena, &from.conf);
	atomic_store(&from.shared->server[BAL_SERVERS_MAX].outstanding, 1);
	assert_int_equal(bal_succession_plan(&s, &from.conf, from.shared, &to.conf, to.server),
	                 -E2BIG);
	host_arena_free(&from.arena);
	free(from.server);
	free(to.server);
}

static void fronts_go_on_by_address(void **state)
{
	static struct ep other[2];
	struct side from, to;

	(void)state;
	front[0] = (struct ep){ ip_v4(127, 0, 0, 1), 53 };
	front[1] = (struct ep){ ip_v4(127, 0, 0, 2), 53 };
	other[0] = (struct ep){ ip_v4(127, 0, 0, 3), 53 };
	other[1] = front[1];
	start(&from, "a");
	conf_of(&to, "a");
	from.conf.front_n = to.conf.front_n = 2;
	to.conf.front = other;
	plan(&from, &to);
	assert_int_equal(front_[0], BAL_GONE);
	assert_int_equal(front_[1], 1);
	free(to.server);
	stop(&from);
}

static void what_is_known_of_a_server_is_kept(void **state)
{
	struct side from, to;

	(void)state;
	start(&from, "ab");
	struct bal_shared_server *s = &from.shared->server[1];
	bal_shared_turn(from.shared, 1, true, true, 0);
	bal_shared_turn(from.shared, 1, false, false, 5 * SECOND);
	bal_shared_turn(from.shared, 1, true, false, 7 * SECOND);
	atomic_store(&s->latency_us128, 1234);
	atomic_store(&s->qps_full_ns, 99);
	bal_shared_drain(from.shared, 1, true, 8 * SECOND);
	atomic_store(&s->qps, 55); /* by the console; the file says none */
	atomic_store(&from.shared->pool[0].turn, 17);
	from.conf.policy = BAL_ROUNDROBIN;
	conf_of(&to, "bx");
	struct bal_succession p = plan(&from, &to);
	make_shared(&to);
	bal_shared_succeed(to.shared, from.shared, &p);
	struct bal_shared_server *n = &to.shared->server[0];
	assert_true(bal_shared_up(to.shared, 0) && bal_shared_drained(to.shared, 0));
	assert_int_equal(atomic_load(&n->transitions), 2);
	assert_int_equal(bal_shared_down_ns(to.shared, 0, 8 * SECOND), 2 * SECOND);
	assert_int_equal(atomic_load(&n->drains), 1);
	assert_int_equal(atomic_load(&n->latency_us128), 1234);
	assert_int_equal(atomic_load(&n->qps_full_ns), 99);
	assert_int_equal(atomic_load(&n->qps), 55);
	assert_int_equal(atomic_load(&to.shared->pool[0].turn), 17);
	assert_false(bal_shared_up(to.shared, 1)); /* new: down until it has answered */
	assert_int_equal(atomic_load(&n->outstanding), 0); /* the workers bring that */
	to.server[0].qps = 9; /* the file says otherwise than before: that counts */
	struct arena arena;
	MUST(host_arena(&arena, bal_shared_arena_size(&to.conf)) == 0);
	struct bal_shared *again = bal_shared_init(&arena, &to.conf);
	bal_shared_succeed(again, from.shared, &p);
	assert_int_equal(atomic_load(&again->server[0].qps), 9);
	host_arena_free(&arena);
	bal_shared_turn(to.shared, 0, false, false, 9 * SECOND);
	bal_shared_follow(from.shared, to.shared, &p);
	assert_false(bal_shared_up(from.shared, 1));
	host_arena_free(&to.arena);
	free(to.server);
	stop(&from);
}

/* ---- health ---- */

/* Polls until a probe of the server leaves; the others' are left unanswered. */
static int64_t probe_of(struct side *s, unsigned server, struct dgram *out)
{
	for (;;) {
		int64_t t_ns = health_deadline(s->h);
		assert_true(t_ns < INT64_MAX);
		if (health_poll(s->h, t_ns, out, 1) == 1 && out->port == server + 1)
			return t_ns;
	}
}

static enum health_verdict answer(struct side *s, int64_t t_ns, struct dgram *probe, unsigned rcode)
{
	rig_turn(probe, rcode);
	health_rx(s->h, t_ns, probe, 1);
	health_check(s->h);
	return probe->verdict;
}

/* A server that is up, after its second probe at *t_ns, which isn't answered. */
static void start_up(struct side *s, const char *letters, int64_t *t_ns)
{
	start(s, letters);
	*t_ns = probe_of(s, 0, &d[0]);
	assert_int_equal(answer(s, *t_ns, &d[0], DNS_NOERROR), HEALTH_GOOD);
	*t_ns = probe_of(s, 0, &d[0]);
}

static void a_probe_that_is_out_and_the_timers_go_on(void **state)
{
	struct side from, to;
	int64_t t_ns, next_ns;

	(void)state;
	start_up(&from, "a", &t_ns);
	conf_of(&to, "ba"); /* under another number */
	reload(&from, &to, t_ns + 1);
	assert_false(health_ready(to.h)); /* because of b */
	d[0].port = 2;
	assert_int_equal(answer(&to, t_ns + 2, &d[0], DNS_NOERROR), HEALTH_GOOD);
	next_ns = probe_of(&to, 1, &d[1]);
	assert_int_equal(next_ns, t_ns + SECOND); /* the phase is kept */
	assert_int_equal(d[1].conn, d[0].conn + 1);
	stop(&to);
}

static void a_server_that_died_is_found_however_often_one_reloads(void **state)
{
	struct side now, next;
	int64_t t_ns;

	(void)state;
	start_up(&now, "a", &t_ns);
	for (int i = 0; i < 100; i++) { /* nine in a probe's time */
		conf_of(&next, "a");
		reload(&now, &next, t_ns + i * SECOND / 10);
		now = next;
		while (health_deadline(now.h) <= t_ns + i * SECOND / 10)
			health_poll(now.h, health_deadline(now.h), d, 1);
		assert_int_equal(bal_shared_up(now.shared, 0), i < 10);
	}
	assert_int_equal(atomic_load(&now.shared->server[0].transitions), 1);
	stop(&now);
}

static void failures_count_on_up_to_the_new_limit(void **state)
{
	struct side from, to;
	int64_t t_ns;

	(void)state;
	start(&from, "a");
	from.server[0].check.max_failures = 5;
	t_ns = probe_of(&from, 0, &d[0]);
	answer(&from, t_ns, &d[0], DNS_NOERROR);
	for (int i = 0; i < 3; i++) {
		t_ns = probe_of(&from, 0, &d[0]);
		answer(&from, t_ns, &d[0], DNS_SERVFAIL);
	}
	conf_of(&to, "a");
	to.server[0].check.max_failures = 4;
	reload(&from, &to, t_ns);
	assert_true(bal_shared_up(to.shared, 0));
	t_ns = probe_of(&to, 0, &d[0]);
	answer(&to, t_ns, &d[0], DNS_SERVFAIL);
	assert_false(bal_shared_up(to.shared, 0));
	stop(&to);
}

static void another_question_begins_with_a_probe_at_once(void **state)
{
	struct side from, to;
	int64_t t_ns;

	(void)state;
	start_up(&from, "a", &t_ns);
	conf_of(&to, "a");
	to.server[0].check.type = DNS_AAAA;
	reload(&from, &to, t_ns + 5);
	assert_true(health_ready(to.h) && bal_shared_up(to.shared, 0));
	assert_int_equal(answer(&to, t_ns + 6, &d[0], DNS_NOERROR), HEALTH_IGNORED);
	assert_int_equal(probe_of(&to, 0, &d[1]), t_ns + 5);
	stop(&to);
}

static void a_shorter_interval_holds_at_once(void **state)
{
	struct side from, to;
	int64_t t_ns;

	(void)state;
	start(&from, "a");
	from.server[0].check.interval_ns = 60 * SECOND;
	t_ns = probe_of(&from, 0, &d[0]);
	answer(&from, t_ns, &d[0], DNS_NOERROR);
	t_ns = probe_of(&from, 0, &d[0]);
	answer(&from, t_ns, &d[0], DNS_NOERROR);
	conf_of(&to, "a");
	reload(&from, &to, t_ns + 7);
	assert_int_equal(probe_of(&to, 0, &d[1]), t_ns + 7 + SECOND);
	stop(&to);
}

static void what_a_console_said_holds_unless_the_file_changes_it(void **state)
{
	static const struct {
		const char *what;
		enum bal_check_mode was, said, is, want;
		bool up;
	} rows[] = {
		{ "setDown holds", BAL_CHECK_AUTO, BAL_CHECK_DOWN, BAL_CHECK_AUTO, BAL_CHECK_DOWN,
		  false },
		{ "setUp holds", BAL_CHECK_AUTO, BAL_CHECK_UP, BAL_CHECK_AUTO, BAL_CHECK_UP, true },
		{ "the file forces it up now", BAL_CHECK_AUTO, BAL_CHECK_DOWN, BAL_CHECK_UP,
		  BAL_CHECK_UP, true },
		{ "the file forces it down no more", BAL_CHECK_DOWN, BAL_CHECK_DOWN, BAL_CHECK_AUTO,
		  BAL_CHECK_AUTO, false },
		{ "setAuto holds", BAL_CHECK_UP, BAL_CHECK_AUTO, BAL_CHECK_UP, BAL_CHECK_AUTO,
		  true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct side from, to;
		print_message("%s\n", rows[i].what);
		conf_of(&from, "a");
		from.server[0].check.mode = rows[i].was;
		make_shared(&from);
		health_set_mode(from.h, 1, 0, rows[i].said);
		conf_of(&to, "a");
		to.server[0].check.mode = rows[i].is;
		reload(&from, &to, 2);
		assert_int_equal(bal_shared_mode(to.shared, 0), rows[i].want);
		assert_int_equal(bal_shared_up(to.shared, 0), rows[i].up);
		assert_int_equal(health_deadline(to.h) < INT64_MAX, rows[i].want == BAL_CHECK_AUTO);
		stop(&to);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_go_on_by_name_and_address),
		cmocka_unit_test(another_number_of_sockets_leaves_the_old_ones_to_what_is_out),
		cmocka_unit_test(one_that_left_is_forgotten_when_it_has_finished_or_comes_back),
		cmocka_unit_test(too_many_that_leave_are_refused),
		cmocka_unit_test(fronts_go_on_by_address),
		cmocka_unit_test(what_is_known_of_a_server_is_kept),
		cmocka_unit_test(a_probe_that_is_out_and_the_timers_go_on),
		cmocka_unit_test(a_server_that_died_is_found_however_often_one_reloads),
		cmocka_unit_test(failures_count_on_up_to_the_new_limit),
		cmocka_unit_test(another_question_begins_with_a_probe_at_once),
		cmocka_unit_test(a_shorter_interval_holds_at_once),
		cmocka_unit_test(what_a_console_said_holds_unless_the_file_changes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
