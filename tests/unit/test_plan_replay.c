/* SPDX-License-Identifier: BSD-3-Clause */
/* Loads that are captured queries: what a scenario says of them, what is refused, what is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan_files.h"
#include "sim/load/core/load.h"
#include "lib/host/host.h"
#include "sim/plan/bounds.h"
#include "sim/plan/downs.h"
#include "sim/plan/plan_io.h"
#include "sim/plan/samples.h"
#include "tests/capture_make.h"

enum { QUERIES = 40, GAP_MS = 100 };

/*
 * The template's load replaced by settings of a replay. The capture: 40 queries, one each 100 ms,
 * by 192.160.102.130, .131 and .200 in turns for 8 names; each second one asks LB2's address, the
 * others 198.51.100.53; the clients' address ends in 9.9.9.9 once, which is no client of the lab.
 */
static const char drawn[] = "  rate = 1000, to = \"15s\",\n  names = zipf(1000),\n";

static void put_query(struct made *m, unsigned i, const char *client)
{
	uint8_t frame[MADE_FRAME_MAX], message[512];
	char name[32], src[64];

	snprintf(name, sizeof(name), "n%u.example.", i % 8);
	snprintf(src, sizeof(src), "%s:%u", client, 5000 + i % 3);
	uint16_t len = made_message(message, (uint16_t)i, DNS_RD, name);
	size_t n = made_udp(frame, src, i % 2 == 0 ? "198.51.100.53" : "192.160.102.3", message,
	                    len);
	uint64_t ms = (uint64_t)i * GAP_MS;
	made_record(m, (uint32_t)(1000 + ms / 1000), (uint32_t)(ms % 1000 * 1000), frame, n, n);
}

/* One query over TCP, to an address that the lab doesn't have. */
static void put_tcp(struct made *m)
{
	uint8_t frame[MADE_FRAME_MAX], message[512 + 2];
	uint16_t len = made_message(message + 2, 1, DNS_RD, "n1.example.");

	size_t n = made_tcp(frame, "192.160.102.130:5000", "198.51.100.53", 2, 0, NULL, 0);
	made_record(m, 1000, 0, frame, n, n);
	dns_put16(message, len);
	n = made_tcp(frame, "192.160.102.130:5000", "198.51.100.53", 16, 1, message, len + 2u);
	made_record(m, 1000, 0, frame, n, n);
}

static void write_captures(void)
{
	static const char *const client[] = { "192.160.102.130", "192.160.102.131",
	                                      "192.160.102.200" };
	struct made m = { 0 };

	made_pcap(&m, false, LINK_ETHERNET);
	for (unsigned i = 0; i < QUERIES; i++)
		put_query(&m, i, client[i % 3]);
	plan_write("c.pcap", (const char *)m.p, m.n);
	put_query(&m, QUERIES, "9.9.9.9");
	plan_write("outside.pcap", (const char *)m.p, m.n);
	m.n = 24; /* the file's header */
	put_tcp(&m);
	plan_write("tcp.pcap", (const char *)m.p, m.n);
	m.n = 24;
	put_query(&m, 0, client[0]);
	put_query(&m, 400 * 86400 * (1000 / GAP_MS), client[0]);
	plan_write("years.pcap", (const char *)m.p, m.n);
	made_free(&m);
}

/* more: what comes behind the load. links: of the lab, after their delay. */
static struct plan *load_beside(const char *settings, const char *links, const char *more,
                                char error[PLAN_ERROR_TEXT])
{
	static const char delay[] = "delay = \"50us\"";
	const char *at = strstr(plan_scenario, drawn), *link = strstr(plan_scenario, delay);
	char text[8192];

	MUST(at != NULL && link != NULL && link < at);
	link += strlen(delay);
	snprintf(text, sizeof(text), "%.*s%s%.*s  %s,\n}\n%s", (int)(link - plan_scenario),
	         plan_scenario, links, (int)(at - link), link, settings, more);
	plan_write("s.lua", text, strlen(text));
	error[0] = '\0';
	return plan_load("s.lua", NULL, error);
}

static struct plan *load_with(const char *settings, char error[PLAN_ERROR_TEXT])
{
	return load_beside(settings, "", "expect { answers { wrong = 0 } }\n", error);
}

static int set_up(void **state)
{
	if (plan_folder_open(state) != 0)
		return -1;
	plan_write_all();
	write_captures();
	return 0;
}

static int tear_down(void **state)
{
	unlink("c.pcap");
	unlink("outside.pcap");
	unlink("tcp.pcap");
	unlink("years.pcap");
	unlink("again.lua");
	return plan_folder_close(state);
}

static void a_replay_is_planned_as_its_capture_says(void **state)
{
	static const struct {
		const char *settings;
		unsigned clients, names;
		uint64_t query_n, loops, speed, rate_mqps;
		int64_t from_ns, to_ns;
	} rows[] = {
		{ "replay = \"c.pcap\"", 3, 8, 40, 1, 1000000, 10000, 0, 4000000000 },
		{ "replay = \"c.pcap\", from = \"1s\", speed = 2, loop = 3", 3, 8, 40, 3, 2000000,
		  20000, 1000000000, 7000000000 },
		{ "replay = \"c.pcap\", limit = 10, stop = \"500ms\"", 3, 8, 10, 1, 1000000, 10000,
		  0, 500000000 },
		{ "replay = \"c.pcap\", servers = \"192.160.102.3\"", 3, 4, 20, 1, 1000000, 5000,
		  0, 4000000000 },
		{ "replay = \"c.pcap\", servers = { \"192.160.102.0/24\", \"192.0.2.1\" }", 3, 4,
		  20, 1, 1000000, 5000, 0, 4000000000 },
		{ "replay = \"c.pcap\", filter = \"src host 192.160.102.130\"", 1, 8, 14, 1,
		  1000000, 3333, 0, 4200000000 },
		{ "replay = \"outside.pcap\", clients = \"map\", to = \"balancers\"", 4, 8, 41, 1,
		  1000000, 10000, 0, 4100000000 },
		{ "replay = \"c.pcap\", clients = \"192.160.102.192/27\", group = \"clients\"", 3,
		  8, 40, 1, 1000000, 10000, 0, 4000000000 },
	};
	char error[PLAN_ERROR_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct plan *p = load_with(rows[i].settings, error);
		if (p == NULL)
			fail_msg("%s: %s", rows[i].settings, error);
		const struct plan_load *l = &p->load[0];
		if (l->clients != rows[i].clients || l->name_n != rows[i].names ||
		    l->replay->query_n != rows[i].query_n || l->rate_mqps != rows[i].rate_mqps ||
		    l->replay->pace.loops != rows[i].loops ||
		    l->replay->pace.speed != rows[i].speed || l->from_ns != rows[i].from_ns ||
		    l->to_ns != rows[i].to_ns || p->end_ns != l->to_ns + 2000000000)
			fail_msg("%s: %u clients, %u names, %llu queries, rate %llu, %lld...%lld",
			         rows[i].settings, l->clients, l->name_n,
			         (unsigned long long)l->replay->query_n,
			         (unsigned long long)l->rate_mqps, (long long)l->from_ns,
			         (long long)l->to_ns);
		plan_free(p);
	}
}

static void what_is_wrong_with_a_replay_is_one_line(void **state)
{
	static const struct {
		const char *settings, *said;
	} rows[] = {
		{ "replay = \"none.pcap\"", "s.lua:10: load.replay: 'none.pcap': No such file" },
		{ "replay = \".\"", ": Is a directory" },
		{ "replay = \"s.lua\"", "s.lua:10: load.replay: " },
		{ "replay = \"c.pcap\", speed = 0", "s.lua:10: load.speed: 0: expected a factor" },
		{ "replay = \"c.pcap\", loop = 0", "s.lua:10: load.loop: 0: expected a whole" },
		{ "replay = \"c.pcap\", loop = 10000000000", "s.lua:9: load: all loops take more" },
		{ "replay = \"years.pcap\", speed = 1000000",
		  "s.lua:10: load.replay: the capture spans more than 400 days" },
		{ "replay = \"c.pcap\", stop = \"1s\", from = \"1s\"",
		  "s.lua:10: load.stop: expected an instant after 'from'" },
		{ "replay = \"c.pcap\", to = \"15s\"",
		  "s.lua:10: load.to: '15s': expected one of \"balancers\"" },
		{ "replay = \"c.pcap\", rate = 10", "s.lua:10: load.rate: no such key" },
		{ "replay = \"c.pcap\", filter = \"scr port\"",
		  "s.lua:10: load.replay: 'scr port': expected a filter as tcpdump has it" },
		{ "replay = \"c.pcap\", filter = \"src host 1.2.3.4\"",
		  "no client's query in it (0 answers" },
		{ "replay = \"c.pcap\", family = 6",
		  "expected the family of the clients' network" },
		{ "replay = \"outside.pcap\"",
		  "s.lua:10: load.replay: the capture's client 9.9.9.9 is outside of the "
		  "networks of clients: expected a net with it" },
		{ "replay = \"c.pcap\", clients = \"192.160.102.192/29\"", "192.160.102.192/29 "
		  "has no room for the prefixes of 3 clients: expected a /28 or shorter" },
		{ "replay = \"c.pcap\", clients = \"10.0.0.0/8\"",
		  "s.lua:10: load.clients: '10.0.0.0/8': expected a network inside of" },
		{ "replay = \"c.pcap\", clients = \"mop\"", "s.lua:10: load.clients: 'mop': "
		  "expected \"original\", \"map\", or a network" },
		{ "replay = \"c.pcap\", servers = \"x\"", "s.lua:10: load.servers: 'x': expected "
		  "an address" },
	};
	char error[PLAN_ERROR_TEXT];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct plan *p = load_with(rows[i].settings, error);
		if (p != NULL || strstr(error, rows[i].said) == NULL || strchr(error, '\n') != NULL)
			fail_msg("%s: %s", rows[i].settings, error);
	}
}

/* "TIME NAME-NUMBER CLIENT BALANCER;" of the first n queries. */
static void next_text(const struct plan *p, unsigned n, char *out, size_t cap)
{
	struct arena a;
	struct load_query q;
	char ip[IP_TEXT];
	size_t len = 0;

	assert_null(load_gen_refuses(p, 0));
	assert_int_equal(host_arena(&a, load_gen_arena_size(p, 0)), 0);
	struct load_gen *g = load_gen_init(&a, p, 0);
	for (unsigned i = 0; i < n && load_gen_next(g, &q); i++) {
		ip_format(&q.client, ip);
		assert_int_equal(q.index, i);
		len += (size_t)snprintf(out + len, cap - len, "%lld %c %s %u %u;",
		                        (long long)(q.t_ns / 1000000), q.name[2], ip,
		                        q.balancer, q.source);
	}
	host_arena_free(&a);
}

static void queries_are_those_of_the_capture(void **state)
{
	char error[PLAN_ERROR_TEXT], text[1024];

	(void)state;
	struct plan *p = load_with("replay = \"c.pcap\", from = \"1s\"", error);
	assert_string_equal(error, "");
	next_text(p, 4, text, sizeof(text));
	/* what asked LB2 asks it; of what asked nobody here the balancer is drawn */
	const char *want[] = { "1000 0 192.160.102.130 ", "1100 1 192.160.102.131 1 9;",
	                       "1200 2 192.160.102.200 ", "1300 3 192.160.102.130 1 8;" };
	for (size_t i = 0; i < COUNT_OF(want); i++)
		if (strstr(text, want[i]) == NULL)
			fail_msg("%s: %s", want[i], text);
	plan_free(p);
	p = load_with("replay = \"c.pcap\", limit = 2, loop = 3, speed = 0.5, clients = \"map\"",
	              error);
	assert_string_equal(error, "");
	next_text(p, 100, text, sizeof(text));
	for (const char *at = text, *times[] = { "0 0 ", "200 1 ", "400 0 ", "600 1 ", "800 0 ",
	                                         "1000 1 " }, **t = times; t < times + 6; t++) {
		assert_memory_equal(at, *t, strlen(*t));
		at = strchr(at, ';') + 1;
		assert_true(t < times + 5 || *at == '\0');
	}
	plan_free(p);
}

static void windows_count_the_queries_that_are_in_them(void **state)
{
	char error[PLAN_ERROR_TEXT];

	(void)state;
	struct plan *p = load_with("replay = \"c.pcap\", from = \"1s\", loop = 2", error);
	assert_string_equal(error, "");
	assert_true(plan_queries(p, 0, INT64_MAX) == 80);
	assert_true(plan_queries(p, 0, 1000000000) == 0);
	assert_true(plan_queries(p, 0, 1000000001) == 1);
	assert_true(plan_queries(p, 2000000000, 3050000000) == 11);
	assert_int_equal(plan_planned_least(p, 2000000000, 3050000000, 1e-9), 11);
	/* eight names, so eleven queries have eight */
	double names = plan_names(p, 2000000000, 3050000000, 1e9);
	assert_true(names > 7.99 * 2 && names < 8.01 * 2);
	plan_free(p);
}

static void virtual_time_has_no_tcp_over_links_that_lose(void **state)
{
	static const char only[] = "engines = { \"virtual\" }\nexpect { answers { wrong = 0 } }\n";
	char error[PLAN_ERROR_TEXT];

	(void)state;
	plan_free(load_beside("replay = \"c.pcap\"", ", loss = 0.01", only, error));
	assert_string_equal(error, "");
	plan_free(load_beside("replay = \"tcp.pcap\"", "", only, error));
	assert_string_equal(error, "");
	assert_null(load_beside("replay = \"tcp.pcap\"", ", loss = 0.01", only, error));
	assert_non_null(strstr(error, "queries or checks go over TCP while a link loses"));
}

/*
 * A balancer is away from 1 s on, and back so late that it may not know its servers before the end:
 * thirty queries are planned in that time.
 */
static void what_a_balancer_loses_is_all_where_all_may_ask_it(void **state)
{
	static const char away[] = "at \"1s\" { blackhole = \"LB1\" }\n"
	                           "at \"2s\" { heal = \"LB1\" }\n"
	                           "expect { lost { at_most = \"model\" } }\n";
	char error[PLAN_ERROR_TEXT];

	(void)state;
	struct plan *p = load_beside("replay = \"c.pcap\"", "", away, error);
	assert_string_equal(error, "");
	double kept = plan_lost_mean(p);
	plan_free(p);
	p = load_beside("replay = \"c.pcap\", servers = \"198.51.100.53\"", "", away, error);
	assert_string_equal(error, "");
	double drawn_mean = plan_lost_mean(p); /* these are every second one, and half ask LB1 */
	plan_free(p);
	if (kept < 29.99 || kept > 30.01 || drawn_mean < 7.49 || drawn_mean > 7.51)
		fail_msg("%f, %f", kept, drawn_mean);
}

static void a_plan_knows_its_capture_again(void **state)
{
	char error[PLAN_ERROR_TEXT], again[PLAN_ERROR_TEXT] = "";

	(void)state;
	struct plan *p = load_with("replay = \"c.pcap\", filter = \"udp\", loop = 2, speed = 1.5, "
	                           "limit = 30, clients = \"map\", servers = \"0.0.0.0/0\"", error);
	assert_string_equal(error, "");
	json_t *j = plan_to_json(p);
	struct plan *q = plan_from_json(j, again);
	assert_string_equal(again, "");
	assert_non_null(load_gen_refuses(q, 0)); /* its capture isn't there yet */
	assert_int_equal(plan_read_captures(q, again), 0);
	assert_null(load_gen_refuses(q, 0));
	char *a = plan_to_text(p), *b = plan_to_text(q), one[512], other[512];
	assert_string_equal(a, b);
	next_text(p, 8, one, sizeof(one));
	next_text(q, 8, other, sizeof(other));
	assert_string_equal(one, other);
	plan_free(q);

	/* as a scenario, too */
	char here[256];
	FILE *f = fopen("again.lua", "w");
	assert_non_null(getcwd(here, sizeof(here)));
	assert_non_null(f);
	plan_write_scenario(f, p, here);
	assert_int_equal(fclose(f), 0);
	q = plan_load("again.lua", NULL, again);
	assert_string_equal(again, "");
	json_t *k = plan_to_json(q);
	assert_true(json_equal(json_object_get(j, "load"), json_object_get(k, "load")));
	json_decref(k);
	plan_free(q);

	/* another capture in its place is refused */
	plan_write("c.pcap", "", 0);
	q = plan_from_json(j, again);
	assert_non_null(q);
	assert_true(plan_read_captures(q, again) < 0);
	assert_non_null(strstr(again, "expected "));
	assert_non_null(strstr(again, p->load[0].replay->sha256));
	plan_free(q);
	write_captures();
	json_decref(j);
	free(a);
	free(b);
	plan_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_replay_is_planned_as_its_capture_says),
		cmocka_unit_test(what_is_wrong_with_a_replay_is_one_line),
		cmocka_unit_test(queries_are_those_of_the_capture),
		cmocka_unit_test(windows_count_the_queries_that_are_in_them),
		cmocka_unit_test(virtual_time_has_no_tcp_over_links_that_lose),
		cmocka_unit_test(what_a_balancer_loses_is_all_where_all_may_ask_it),
		cmocka_unit_test(a_plan_knows_its_capture_again),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
