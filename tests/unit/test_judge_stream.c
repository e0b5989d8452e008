/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The judge as a stream: it remembers what is in flight and no more, it doesn't mind how the taps
 * of different nodes interleave, and a hundred servers are as good as two.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/drbg.h"
#include "sim/judge/inner.h"
#include "tests/judge/synth.h"

/* ---- memory ---- */

struct size {
	size_t retained, bytes; /* the most at any time */
};

/* The most that the judge remembers of a run in which half the queries never get an answer. */
static struct size most_of(int64_t seconds)
{
	static const struct synth_knobs k = { .dead_still_used = true };
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, 1);
	struct size most = { 0, 0 };
	uint64_t number[16] = { 0 };
	char error[JUDGE_ERROR_TEXT];
	struct synth s;

	p->load[0].rate_mqps = 60000;
	p->load[0].to_ns = seconds * SYNTH_S;
	p->load[0].tries = 2;
	p->end_ns = p->load[0].to_ns + 4 * SYNTH_S;
	p->fault_n = 1; /* DNS1 dies and never comes back */
	synth_run(&s, p, &k);
	size_t before = mallinfo2().uordblks;
	struct judge *j = judge_new(p, error);
	MUST(j != NULL);
	synth_tell(&s, j);
	for (size_t i = 0; i < s.n; i++) {
		const struct synth_record *r = &s.record[i];
		struct frame f = synth_frame(r);
		struct judge_tap t = { r->t_ns, ++number[r->node], r->node, &f, NULL };
		judge_tap(j, &t);
		size_t n = judge_retained(j), bytes = mallinfo2().uordblks - before;
		most.retained = n > most.retained ? n : most.retained;
		most.bytes = bytes > most.bytes ? bytes : most.bytes;
	}
	json_decref(judge_finish(j));
	judge_free(j);
	synth_fini(&s);
	plan_free(p);
	return most;
}

static void a_run_ten_times_as_long_takes_no_more_memory(void **state)
{
	(void)state;
	mallopt(M_MMAP_THRESHOLD, 1 << 30); /* so that mallinfo2 tells of all */
	struct size one = most_of(100), ten = most_of(1000);

	print_message("retained %zu, then %zu; bytes %zu, then %zu\n", one.retained, ten.retained,
	              one.bytes, ten.bytes);
	assert_true(one.retained > 1000);
	assert_true(ten.retained * 10 < one.retained * 13);
	assert_true(ten.bytes * 10 <= one.bytes * 15);
}

/* ---- order ---- */

static int64_t lag_of(const struct synth_record *r, int64_t lag_ns)
{
	return r->node % 3 * lag_ns / 2;
}

static int64_t node_lag;

static int cmp_lagging(const void *a, const void *b)
{
	const struct synth_record *x = a, *y = b;
	int64_t tx = x->t_ns + lag_of(x, node_lag), ty = y->t_ns + lag_of(y, node_lag);

	if (tx != ty)
		return tx < ty ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

/* The verdict on a run whose nodes' taps come up to lag_ns behind each other's. */
static char *judged_with_lag(const struct synth_knobs *k, int64_t lag_ns, uint64_t seed)
{
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, seed);
	struct synth s;

	p->expect[0].during_to_ns = p->load[0].to_ns;
	synth_run(&s, p, k);
	node_lag = lag_ns;
	qsort(s.record, s.n, sizeof(*s.record), cmp_lagging);
	json_t *doc = synth_judge(&s);
	char *text = json_dumps(doc, JSON_SORT_KEYS);
	json_decref(doc);
	synth_fini(&s);
	plan_free(p);
	return text;
}

static void nodes_may_lag_by_less_than_a_second(void **state)
{
	static const struct synth_knobs k[] = {
		{ .stray = 0 }, { .dead_still_used = true }, { .shy_back = true },
		{ .skew_permille = { 600, 600 } }, { .same_seed = true }, { .lose_each = 7 },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(k); i++) {
		char *even = judged_with_lag(&k[i], 0, i + 1);
		char *lag = judged_with_lag(&k[i], 950 * SYNTH_MS, i + 1);
		char *behind = judged_with_lag(&k[i], 1500 * SYNTH_MS, i + 1);
		assert_string_equal(even, lag);
		assert_null(strstr(lag, "behind the order of time"));
		assert_non_null(strstr(behind, "came more than a second behind the order of time"));
		free(even);
		free(lag);
		free(behind);
	}
}

/* ---- messages that are read already ---- */

static json_t *judged_read(const struct synth *s)
{
	char error[JUDGE_ERROR_TEXT];
	struct judge *j = judge_new(s->plan, error);
	uint64_t number[16] = { 0 };

	MUST(j != NULL);
	synth_tell(s, j);
	for (size_t i = 0; i < s->n; i++) {
		const struct synth_record *r = &s->record[i];
		struct frame f = synth_frame(r);
		struct judge_message m;
		bool read = judge_message_read(&m, r->data, r->len);
		struct judge_tap t = { r->t_ns, ++number[r->node], r->node, &f,
		                       read ? &m : NULL };
		judge_tap(j, &t);
	}
	json_t *doc = judge_finish(j);
	judge_free(j);
	return doc;
}

static void a_message_may_be_read_by_whoever_taps(void **state)
{
	static const struct synth_knobs k = { .wrong_each = 300, .error_each = 70 };
	struct plan *p = synth_plan("scenarios/blog.lua", NULL, 3);
	struct synth s;
	(void)state;

	synth_run(&s, p, &k);
	json_t *a = synth_judge(&s), *b = judged_read(&s);
	assert_true(json_equal(a, b));
	json_decref(a);
	json_decref(b);
	synth_fini(&s);
	plan_free(p);
}

/* ---- events that come when they happen ---- */

static bool happens_by(const json_t *event, int64_t t_ns)
{
	const char *kind = json_string_value(json_object_get(event, "event"));

	if (strcmp(kind, "start") == 0)
		return true;
	return strcmp(kind, "fault") == 0 &&
	       json_integer_value(json_object_get(event, "from_ns")) <= t_ns;
}

/* As the virtual engine tells a run: each fault in its time, what is of the whole run last. */
static json_t *judged_as_it_happens(const struct synth *s)
{
	json_t *events = synth_events(s);
	char error[JUDGE_ERROR_TEXT];
	struct judge *j = judge_new(s->plan, error);
	uint64_t number[16] = { 0 };
	size_t told = 0;

	MUST(j != NULL);
	for (size_t i = 0; i < s->n; i++) {
		const struct synth_record *r = &s->record[i];
		struct frame f = synth_frame(r);
		struct judge_tap t = { r->t_ns, ++number[r->node], r->node, &f, NULL };
		while (happens_by(json_array_get(events, told), r->t_ns))
			judge_event(j, json_array_get(events, told++));
		judge_tap(j, &t);
	}
	for (; told < json_array_size(events); told++)
		judge_event(j, json_array_get(events, told));
	json_decref(events);
	json_t *doc = judge_finish(j);
	judge_free(j);
	return doc;
}

static void faults_may_be_told_when_they_happen(void **state)
{
	static const struct synth_knobs k[] = {
		{ .in_virtual = true }, { .in_virtual = true, .dead_still_used = true },
		{ .in_virtual = true, .shy_back = true },
		{ .in_virtual = true, .never_back = true },
		{ .in_virtual = true, .no_effect = true },
		{ .in_virtual = true, .notice_late_ns = 1100000000 },
	};
	static const char *const scenario[] = { "scenarios/blog.lua", "scenarios/hang.lua" };
	struct synth s;
	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(k); i++) {
		struct plan *p = synth_plan(scenario[i % 2], NULL, i + 1);
		p->expect[0].during_to_ns = p->load[0].to_ns;
		synth_run(&s, p, &k[i / 2]);
		json_t *before = synth_judge(&s), *then = judged_as_it_happens(&s);
		char *a = json_dumps(before, JSON_SORT_KEYS), *b = json_dumps(then, JSON_SORT_KEYS);
		assert_string_equal(a, b);
		free(a);
		free(b);
		json_decref(before);
		json_decref(then);
		synth_fini(&s);
		plan_free(p);
	}
}

/* ---- a hundred servers ---- */

enum { MANY = 100 };

/* A plan of one balancer and MANY recursors, made by hand; and its captures. */
struct many {
	struct plan plan;
	struct plan_conf conf;
	struct plan_node node[2 + MANY];
	struct plan_load load;
	struct plan_expect expect;
	struct bal_server server[MANY];
	int server_node[MANY];
	struct judge *j;
	struct drbg d;
	uint64_t number;
	char path[8];
};

static void many_plan(struct many *m, enum bal_check_mode mode, int64_t seconds)
{
	strcpy(m->path, "/x");
	m->node[0] = (struct plan_node){ .name = "clients", .role = PLAN_CLIENTS, .net_n = 1 };
	m->node[1] = (struct plan_node){ .name = "LB1", .role = PLAN_BALANCER, .addr_n = 1,
	                                 .addr = { ip_v4(192, 160, 102, 2) } };
	MUST(prefix_parse(&m->node[0].net[0], "192.160.102.128/25") == 0);
	m->expect = (struct plan_expect){ .kind = PLAN_EVEN, .node_n = MANY, .catch_ppm = 4000,
	                                  .during_to_ns = seconds * SYNTH_S };
	for (unsigned i = 0; i < MANY; i++) {
		struct plan_node *n = &m->node[2 + i];
		*n = (struct plan_node){ .role = PLAN_RECURSOR, .addr_n = 1,
		                         .addr = { ip_v4(192, 0, 2, (uint8_t)(3 + i)) } };
		snprintf(n->name, sizeof(n->name), "R%u", i);
		bal_server_defaults(&m->server[i]);
		m->server[i].addr = synth_ep(n->addr[0], 53);
		m->server[i].weight = 1;
		m->server[i].check.mode = mode;
		m->server[i].check.timeout_ns = 100 * SYNTH_MS;
		m->server[i].check.max_failures = m->server[i].check.rise = 1;
		m->server_node[i] = m->expect.node[i] = (int)(2 + i);
	}
	m->conf = (struct plan_conf){ .path = m->path, .policy = BAL_WRANDOM, .server_n = MANY,
	                              .server = m->server, .server_node = m->server_node };
	m->load = (struct plan_load){
		.clients = 2, .choose = PLAN_PER_QUERY, .arrivals = PLAN_CONSTANT,
		.rate_mqps = 1000, .names = PLAN_UNIQUE, .type_n = 1, .tries = 1, .family = 4,
		.retry = PLAN_OTHER,
		.type = { { DNS_A, 1000000 } }, .timeout_ns = SYNTH_S, .to_ns = seconds * SYNTH_S,
	};
	m->plan = (struct plan){ .name = "many", .scenario_path = m->path, .node_n = 2 + MANY,
	                         .node = m->node, .conf_n = 1, .conf = &m->conf, .load_n = 1,
	                         .load = &m->load, .expect_n = 1, .expect = &m->expect,
	                         .balancer.checks = PLAN_CHECKS_EXACT,
	                         .end_ns = (seconds + 1) * SYNTH_S,
	                         .limits = { .slack_ns = SYNTH_MS } };
}

static struct many *many_new(enum bal_check_mode mode, int64_t seconds)
{
	struct many *m = calloc(1, sizeof(*m));
	uint8_t seed[DRBG_SEED];
	char error[JUDGE_ERROR_TEXT];

	MUST(m != NULL);
	many_plan(m, mode, seconds);
	drbg_seed_from_u64(seed, 5);
	drbg_init(&m->d, seed, DRBG_TEST, 0);
	m->j = judge_new(&m->plan, error);
	MUST(m->j != NULL);
	return m;
}

static void many_tap(struct many *m, int64_t t_ns, const struct ep *src, const struct ep *dst,
                     const uint8_t *data, int len)
{
	struct frame f = { .kind = FRAME_UDP, .src = *src, .dst = *dst, .payload = data,
	                   .payload_len = (uint32_t)len };
	struct judge_tap t = { t_ns, ++m->number, 1, &f, NULL };

	MUST(len > 0);
	judge_tap(m->j, &t);
}

/* A client's query that goes to a server, at the balancer's interface. */
static void many_query(struct many *m, int64_t t_ns, unsigned server)
{
	struct ep client = synth_ep(ip_v4(192, 160, 102, 130), 40000);
	struct ep front = synth_ep(m->node[1].addr[0], 53);
	struct ep back = synth_ep(m->node[1].addr[0], (unsigned)(20000 + server));
	uint8_t name[DNS_NAME_MAX], q[512];
	char text[32];

	snprintf(text, sizeof(text), "q%llu.example.", (unsigned long long)m->number);
	int n = dns_name_parse(name, text);
	MUST(n > 0);
	int len = dns_query(q, sizeof(q), 7, DNS_RD, name, (size_t)n, DNS_A, DNS_IN, 0);
	many_tap(m, t_ns, &client, &front, q, len);
	many_tap(m, t_ns + 10 * SYNTH_US, &back, &m->server[server].addr, q, len);
}

static void many_probe(struct many *m, int64_t t_ns, unsigned server, bool answered)
{
	const struct bal_server *s = &m->server[server];
	struct ep own = synth_ep(m->node[1].addr[0], (unsigned)(30000 + server));
	uint8_t q[512], a[REC_ANSWER_MAX];
	struct dns_question question;
	int len = dns_query(q, sizeof(q), 9, DNS_RD, s->check.name, s->check.name_len,
	                    s->check.type, DNS_IN, 0);

	many_tap(m, t_ns, &own, &s->addr, q, len);
	if (!answered)
		return;
	MUST(dns_question(&question, q, (size_t)len) == 0);
	len = rec_answer(a, sizeof(a), q, (size_t)len, &question, UINT32_MAX);
	many_tap(m, t_ns + 200 * SYNTH_US, &s->addr, &own, a, len);
}

static json_t *many_finish(struct many *m)
{
	json_t *doc = judge_finish(m->j);
	json_t *even = json_incref(json_array_get(json_object_get(doc, "expectations"), 0));

	json_decref(doc);
	judge_free(m->j);
	free(m);
	return even;
}

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static int64_t measured(const json_t *even, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(even, "measured"), key));
}

static void a_hundred_servers_are_even_or_not(void **state)
{
	static const struct {
		const char *what;
		unsigned more;       /* of 1,000 draws, this many more to R77 */
		const char *verdict, *says;
	} row[] = {
		{ "even", 0, "PASS", "expected 1.0 % +- 0.4" },
		{ "one has three times its share", 20, "FAIL", "R77 got " },
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(row); i++) {
		struct many *m = many_new(BAL_CHECK_UP, 120);
		for (int64_t k = 0; k < 120000; k++) {
			bool more = drbg_below(&m->d, 1000) < row[i].more;
			many_query(m, k * SYNTH_MS, more ? 77 : (unsigned)drbg_below(&m->d, MANY));
		}
		json_t *even = many_finish(m);
		if (strcmp(text_of(even, "verdict"), row[i].verdict) != 0 ||
		    strstr(text_of(even, "why"), row[i].says) == NULL)
			fail_msg("%s: %s, %s", row[i].what, text_of(even, "verdict"),
			         text_of(even, "why"));
		assert_int_equal(measured(even, "queries"), 120000);
		json_decref(even);
	}
}

/* A server isn't asked from its failed probe's time-out on until it answers one again. */
static bool many_out(int64_t t_ns, int64_t each_ns, int64_t phase_ns, bool down, bool was_down)
{
	int64_t at = t_ns % each_ns;

	return (down && at >= SYNTH_S + phase_ns + 100 * SYNTH_MS) ||
	       (was_down && at <= phase_ns + SYNTH_MS);
}

/* One server after the other is down for a while: as many eligible sets as servers. */
static void a_rolling_restart_leaves_only_transitions_out(void **state)
{
	const int64_t each = 3 * SYNTH_S, step = 2 * SYNTH_MS;
	struct many *m = many_new(BAL_CHECK_AUTO, MANY * 3);
	uint64_t n = 0;
	(void)state;

	for (int64_t t = -SYNTH_S; t < MANY * each; t += step) {
		int64_t second = (t + SYNTH_S) % SYNTH_S;
		unsigned down = (unsigned)(t / each);
		bool is_down = t >= 0 && t % each >= SYNTH_S;
		if (second < MANY * step)
			many_probe(m, t, (unsigned)(second / step),
			           !is_down || second / step != down);
		unsigned server = (unsigned)drbg_below(&m->d, MANY);
		if (t < 0 || many_out(t, each, server * step, server == down, server + 1 == down))
			continue;
		many_query(m, t + SYNTH_US, server);
		n++;
	}
	json_t *even = many_finish(m);
	print_message("%llu draws, %lld left out\n", (unsigned long long)n,
	              (long long)measured(even, "left_out"));
	assert_int_equal(measured(even, "to_a_down_server"), 0);
	assert_true((uint64_t)measured(even, "left_out") * 20 < n);
	json_decref(even);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_ten_times_as_long_takes_no_more_memory),
		cmocka_unit_test(nodes_may_lag_by_less_than_a_second),
		cmocka_unit_test(a_message_may_be_read_by_whoever_taps),
		cmocka_unit_test(faults_may_be_told_when_they_happen),
		cmocka_unit_test(a_hundred_servers_are_even_or_not),
		cmocka_unit_test(a_rolling_restart_leaves_only_transitions_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
