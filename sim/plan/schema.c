/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of schema.h. Keys of a struct in sorted order; tests hold that. */
#include "schema.h"

#include "recursor-stub/answers/read.h"

const char *const plan_fault_names[FAULT_N] = {
	[PLAN_KILL] = "kill", [PLAN_START] = "start", [PLAN_HANG] = "hang",
	[PLAN_RESUME] = "resume", [PLAN_BLACKHOLE] = "blackhole", [PLAN_HEAL] = "heal",
	[PLAN_LOSS] = "loss", [PLAN_DELAY] = "delay", [PLAN_JITTER] = "jitter",
	[PLAN_DUPLICATE] = "duplicate", [PLAN_REORDER] = "reorder", [PLAN_RATE] = "rate",
	[PLAN_CUT] = "cut", [PLAN_SERVFAIL] = "servfail",
	[PLAN_SLOW] = "slow", [PLAN_WRONG] = "wrong", [PLAN_TRUNCATE] = "truncate",
	[PLAN_REFUSE] = "refuse", [PLAN_DROP] = "drop",
	[PLAN_DRAIN] = "drain", [PLAN_UNDRAIN] = "undrain",
	[PLAN_SET_DOWN] = "setDown", [PLAN_SET_AUTO] = "setAuto",
};
const char *const plan_expect_names[EXPECT_N] = {
	[PLAN_EVEN] = "even", [PLAN_DETECT] = "detect", [PLAN_BACK] = "back",
	[PLAN_LOST] = "lost", [PLAN_ANSWERS] = "answers", [PLAN_CACHE] = "cache",
	[PLAN_LATENCY] = "latency", [PLAN_POLICY] = "policy", [PLAN_FLAPS] = "flaps",
	[PLAN_OUTAGE] = "outage", [PLAN_OVERSHOOT] = "overshoot", [PLAN_FAILOVER] = "failover",
};
const char *const plan_policy_names[POLICY_N] = {
	[BAL_LEAST_OUTSTANDING] = "leastOutstanding", [BAL_FIRST_AVAILABLE] = "firstAvailable",
	[BAL_WRANDOM] = "wrandom", [BAL_ROUNDROBIN] = "roundrobin",
	[BAL_WHASHED] = "whashed", [BAL_CHASHED] = "chashed",
	[BAL_ORDERED_WRANDOM] = "orderedWrandUntag", [BAL_LUA] = "lua",
};
const char *const plan_role_names[] = {
	[PLAN_CLIENTS] = "clients", [PLAN_BALANCER] = "balancer", [PLAN_RECURSOR] = "recursor",
	[PLAN_AUTHORITY] = "authority",
};
const char *const plan_checks_names[] = {
	[PLAN_CHECKS_EXACT] = "exact", [PLAN_CHECKS_ROUNDS] = "rounds",
	[PLAN_CHECKS_ASYNC] = "async",
};
const char *const plan_arrivals_names[] = {
	[PLAN_CONSTANT] = "constant", [PLAN_POISSON] = "poisson",
	[PLAN_CAPTURED_TIMES] = "captured",
};
const char *const plan_names_names[] = {
	[PLAN_ZIPF] = "zipf", [PLAN_UNIQUE] = "unique", [PLAN_CAPTURED_NAMES] = "captured",
};
const char *const plan_addresses_names[] = {
	[PLAN_ORIGINAL] = "original", [PLAN_MAPPED] = "map",
};
const char *const plan_choose_names[] = {
	[PLAN_PER_QUERY] = "per_query", [PLAN_PER_CLIENT] = "per_client",
};
const char *const plan_retry_names[] = { [PLAN_OTHER] = "other", [PLAN_SAME] = "same" };
const char *const plan_way_names[] = { [PLAN_OUT] = "out", [PLAN_IN] = "in" };
const char *const plan_dist_names[] = {
	[DIST_CONSTANT] = "constant", [DIST_UNIFORM] = "uniform",
	[DIST_EXPONENTIAL] = "exponential", [DIST_LOGNORMAL] = "lognormal",
};
static const char *const check_mode_names[] = {
	[BAL_CHECK_AUTO] = "auto", [BAL_CHECK_UP] = "up", [BAL_CHECK_DOWN] = "down",
};

#define MEMBER(s, m) (((struct s *)0)->m)
#define SIGNED(x) _Generic((x), int: true, long: true, default: false)
#define AT(s, m) .at = offsetof(struct s, m)
#define INT(k, s, m, l, h) { .key = k, .kind = SCHEMA_INT, AT(s, m), .cap = sizeof(MEMBER(s, m)), \
		.is_signed = SIGNED(MEMBER(s, m)), .lo = (l), .hi = (h) }
#define MODEL(k, s, m, h) { .key = k, .kind = SCHEMA_MODEL, AT(s, m), .cap = sizeof(int64_t), \
		.is_signed = true, .hi = (h) }
#define TIME(k, s, m) INT(k, s, m, 0, PLAN_TIME_MAX_NS)
#define TEXT(k, s, m) { .key = k, .kind = SCHEMA_TEXT, AT(s, m), .cap = sizeof(MEMBER(s, m)) }
#define STRING(k, s, m) { .key = k, .kind = SCHEMA_STRING, AT(s, m) }
#define BOOL(k, s, m) { .key = k, .kind = SCHEMA_BOOL, AT(s, m) }
/* Later than the first plans: left out when it says nothing. */
#define MAYBE_BOOL(k, s, m) { .key = k, .kind = SCHEMA_BOOL, AT(s, m), .optional = true }
#define MAYBE_INT(k, s, m, h) { .key = k, .kind = SCHEMA_INT, AT(s, m), \
		.cap = sizeof(MEMBER(s, m)), .is_signed = SIGNED(MEMBER(s, m)), .hi = (h), \
		.optional = true }
#define REAL(k, s, m) { .key = k, .kind = SCHEMA_REAL, AT(s, m) }
#define ENUM(k, s, m, n) { .key = k, .kind = SCHEMA_ENUM, AT(s, m), .names = n, \
		.hi = (int64_t)COUNT_OF(n) - 1 }
#define OBJECT(k, s, m, t) { .key = k, .kind = SCHEMA_OBJECT, AT(s, m), .type = &t }
#define ARRAY(k, s, m, c, e) { .key = k, .kind = SCHEMA_ARRAY, AT(s, m), \
		.count_at = offsetof(struct s, c), .hi = (int64_t)COUNT_OF(MEMBER(s, m)), \
		.elem = &e, .elem_size = sizeof(MEMBER(s, m)[0]) }
#define LIST(k, s, m, c, e, h) { .key = k, .kind = SCHEMA_LIST, AT(s, m), \
		.count_at = offsetof(struct s, c), .hi = (h), .elem = &e, \
		.elem_size = sizeof(MEMBER(s, m)[0]) }
#define SCHEMA(f) { .field_n = COUNT_OF(f), .field = f }

static const struct schema_field elem_ip = { .key = "address", .kind = SCHEMA_IP };
static const struct schema_field elem_prefix = { .key = "net", .kind = SCHEMA_PREFIX };
static const struct schema_field elem_node = {
	.key = "node", .kind = SCHEMA_INT, .cap = sizeof(int), .is_signed = true,
	.lo = 0, .hi = PLAN_NODES_MAX - 1,
};

static const struct schema_field link_fields[] = {
	TIME("delay_ns", plan_link, delay_ns),
	MAYBE_INT("duplicate_ppm", plan_link, duplicate_ppm, 1000000),
	MAYBE_INT("jitter_ns", plan_link, jitter_ns, PLAN_TIME_MAX_NS),
	INT("loss_ppm", plan_link, loss_ppm, 0, 1000000),
	MAYBE_INT("queue_bytes", plan_link, queue_bytes, PLAN_QUEUE_MAX),
	MAYBE_INT("rate_bps", plan_link, rate_bps, PLAN_BPS_MAX),
	MAYBE_INT("reorder_ns", plan_link, reorder_ns, PLAN_TIME_MAX_NS),
	MAYBE_INT("reorder_ppm", plan_link, reorder_ppm, 1000000),
};
static const struct schema link_schema = SCHEMA(link_fields);

static const struct schema_field dist_fields[] = {
	TIME("a_ns", dist_spec, a_ns),
	TIME("b_ns", dist_spec, b_ns),
	ENUM("kind", dist_spec, kind, plan_dist_names),
};
static const struct schema dist_schema = SCHEMA(dist_fields);

static const struct schema_field node_fields[] = {
	ARRAY("addresses", plan_node, addr, addr_n, elem_ip),
	INT("conf", plan_node, conf, -1, PLAN_NODES_MAX - 1),
	STRING("config_path", plan_node, config_path),
	INT("line", plan_node, line, 0, INT32_MAX),
	OBJECT("link", plan_node, link, link_schema),
	OBJECT("miss", plan_node, miss, dist_schema),
	TEXT("name", plan_node, name),
	ARRAY("nets", plan_node, net, net_n, elem_prefix),
	BOOL("packetcache", plan_node, packetcache),
	ENUM("role", plan_node, role, plan_role_names),
};
static const struct schema node_schema = SCHEMA(node_fields);

static const struct schema_field check_fields[] = {
	INT("class", bal_check, class, 0, UINT16_MAX),
	TIME("interval_ns", bal_check, interval_ns),
	MAYBE_BOOL("lazy", bal_check, lazy.on),
	MAYBE_BOOL("lazy_back_off", bal_check, lazy.back_off),
	MAYBE_INT("lazy_back_off_max_ns", bal_check, lazy.back_off_max_ns, PLAN_TIME_MAX_NS),
	MAYBE_INT("lazy_failed_ns", bal_check, lazy.failed_ns, PLAN_TIME_MAX_NS),
	MAYBE_INT("lazy_min_samples", bal_check, lazy.min_samples, UINT16_MAX),
	MAYBE_INT("lazy_samples", bal_check, lazy.samples, UINT16_MAX),
	MAYBE_INT("lazy_threshold", bal_check, lazy.threshold, 100),
	MAYBE_BOOL("lazy_timeouts_only", bal_check, lazy.timeouts_only),
	INT("max_failures", bal_check, max_failures, 1, UINT32_MAX),
	ENUM("mode", bal_check, mode, check_mode_names),
	BOOL("must_resolve", bal_check, must_resolve),
	{ .key = "name", .kind = SCHEMA_NAME, AT(bal_check, name),
	  .count_at = offsetof(struct bal_check, name_len) },
	INT("rise", bal_check, rise, 1, UINT32_MAX),
	BOOL("set_cd", bal_check, set_cd),
	MAYBE_BOOL("tcp", bal_check, tcp),
	TIME("timeout_ns", bal_check, timeout_ns),
	INT("type", bal_check, type, 0, UINT16_MAX),
};
static const struct schema check_schema = SCHEMA(check_fields);

static const struct schema_field server_fields[] = {
	{ .key = "address", .kind = SCHEMA_EP, AT(bal_server, addr) },
	OBJECT("check", bal_server, check, check_schema),
	INT("line", bal_server, line, 0, INT32_MAX),
	TEXT("name", bal_server, name),
	INT("order", bal_server, order, INT32_MIN, INT32_MAX),
	MAYBE_BOOL("proxy", bal_server, proxy),
	INT("qps", bal_server, qps, 0, UINT32_MAX),
	MAYBE_INT("slow_start_ns", bal_server, slow_start_ns, PLAN_TIME_MAX_NS),
	INT("sockets", bal_server, sockets, 1, BAL_SOCKETS_MAX),
	MAYBE_BOOL("tcp_only", bal_server, tcp_only),
	INT("weight", bal_server, weight, 1, INT32_MAX),
};
static const struct schema server_schema = SCHEMA(server_fields);
static const struct schema_field elem_server = {
	.key = "server", .kind = SCHEMA_OBJECT, .type = &server_schema,
};

static const struct schema_field include_fields[] = {
	STRING("path", plan_include, path),
	TEXT("sha256", plan_include, sha256),
};
static const struct schema include_schema = SCHEMA(include_fields);
static const struct schema_field elem_include = {
	.key = "include", .kind = SCHEMA_OBJECT, .type = &include_schema,
};

static const struct schema_field conf_fields[] = {
	MAYBE_INT("cache_entries", plan_conf, cache_entries, INT32_MAX),
	MAYBE_BOOL("console", plan_conf, console),
	MAYBE_INT("factor_ppm", plan_conf, factor_ppm, UINT32_MAX),
	{ .key = "include", .kind = SCHEMA_LIST, AT(plan_conf, include), .optional = true,
	  .count_at = offsetof(struct plan_conf, include_n), .hi = PLAN_INCLUDES_MAX,
	  .elem = &elem_include, .elem_size = sizeof(struct plan_include) },
	STRING("path", plan_conf, path),
	ENUM("policy", plan_conf, policy, plan_policy_names),
	MAYBE_BOOL("same_hash", plan_conf, same_hash),
	LIST("server", plan_conf, server, server_n, elem_server, BAL_SERVERS_MAX),
	{ .key = "server_node", .kind = SCHEMA_LIST, AT(plan_conf, server_node), .counted = true,
	  .count_at = offsetof(struct plan_conf, server_n), .hi = BAL_SERVERS_MAX,
	  .elem = &elem_node, .elem_size = sizeof(int) },
	MAYBE_BOOL("servfail_on_timeout", plan_conf, servfail_on_timeout),
	BOOL("servfail_when_no_server", plan_conf, servfail_when_no_server),
	TEXT("sha256", plan_conf, sha256),
	MAYBE_INT("udp_retry_ns", plan_conf, udp_retry_ns, PLAN_TIME_MAX_NS),
	TIME("udp_timeout_ns", plan_conf, udp_timeout_ns),
};
static const struct schema conf_schema = SCHEMA(conf_fields);

static const struct schema_field program_fields[] = {
	ENUM("checks", plan_program, checks, plan_checks_names),
	STRING("path", plan_program, path),
	TEXT("version", plan_program, version),
};
static const struct schema program_schema = SCHEMA(program_fields);

static const struct schema_field recursor_program_fields[] = {
	STRING("path", plan_program, path),
	TEXT("version", plan_program, version),
};
static const struct schema recursor_program_schema = SCHEMA(recursor_program_fields);

static const struct schema_field type_fields[] = {
	INT("share_ppm", plan_type, share_ppm, 1, 1000000),
	INT("type", plan_type, type, 1, UINT16_MAX),
};
static const struct schema type_schema = SCHEMA(type_fields);
static const struct schema_field elem_type = {
	.key = "type", .kind = SCHEMA_OBJECT, .type = &type_schema,
};

static const struct schema_field replay_fields[] = {
	ENUM("addresses", plan_replay, addresses, plan_addresses_names),
	ARRAY("asked", plan_replay, asked, asked_n, elem_prefix),
	STRING("filter", plan_replay, filter),
	INT("limit", plan_replay, limit, 0, TRACE_QUERIES_MAX),
	INT("loops", plan_replay, pace.loops, 1, PLAN_LOOPS_MAX),
	{ .key = "net", .kind = SCHEMA_PREFIX, AT(plan_replay, net) },
	STRING("path", plan_replay, path),
	INT("period_ns", plan_replay, pace.period_ns, 1, PLAN_TIME_MAX_NS),
	INT("queries", plan_replay, query_n, 1, TRACE_QUERIES_MAX),
	TEXT("sha256", plan_replay, sha256),
	INT("speed_millionths", plan_replay, pace.speed, 1, (int64_t)TRACE_SPEED_MAX),
};
static const struct schema replay_schema = SCHEMA(replay_fields);
static const struct schema_field elem_replay = {
	.key = "replay", .kind = SCHEMA_OBJECT, .type = &replay_schema,
};

static const struct schema_field load_fields[] = {
	ENUM("arrivals", plan_load, arrivals, plan_arrivals_names),
	ENUM("choose", plan_load, choose, plan_choose_names),
	INT("clients", plan_load, clients, 1, TRACE_ADDRESSES_MAX),
	INT("edns_size", plan_load, edns_size, 0, UINT16_MAX),
	INT("family", plan_load, family, 4, 6),
	TIME("from_ns", plan_load, from_ns),
	INT("name_n", plan_load, name_n, 0, TRACE_QUERIES_MAX),
	ENUM("names", plan_load, names, plan_names_names),
	INT("node", plan_load, node, 0, PLAN_NODES_MAX - 1),
	INT("rate_mqps", plan_load, rate_mqps, 1, PLAN_RATE_MAX_MQPS),
	{ .key = "replay", .kind = SCHEMA_LIST, AT(plan_load, replay), .optional = true,
	  .count_at = offsetof(struct plan_load, replay_n), .hi = 1, .elem = &elem_replay,
	  .elem_size = sizeof(struct plan_replay) },
	ENUM("retry", plan_load, retry, plan_retry_names),
	TIME("timeout_ns", plan_load, timeout_ns),
	TIME("to_ns", plan_load, to_ns),
	INT("tries", plan_load, tries, 1, 100),
	ARRAY("types", plan_load, type, type_n, elem_type),
	INT("zipf_milli", plan_load, zipf_milli, 0, 10000),
};
static const struct schema load_schema = SCHEMA(load_fields);

static const struct schema_field fault_fields[] = {
	MAYBE_INT("after", plan_fault, after, PLAN_FAULTS_MAX),
	TIME("at_ns", plan_fault, at_ns),
	MAYBE_INT("earliest_ns", plan_fault, earliest_ns, PLAN_TIME_MAX_NS),
	ENUM("kind", plan_fault, kind, plan_fault_names),
	INT("line", plan_fault, line, 0, INT32_MAX),
	INT("node", plan_fault, node, 0, PLAN_NODES_MAX - 1),
	MAYBE_INT("plus_ns", plan_fault, plus_ns, PLAN_TIME_MAX_NS),
	MAYBE_INT("queue_bytes", plan_fault, queue_bytes, PLAN_QUEUE_MAX),
	MAYBE_INT("rate_bps", plan_fault, rate_bps, PLAN_BPS_MAX),
	BOOL("spares_checks", plan_fault, spares_checks),
	TIME("value_ns", plan_fault, value_ns),
	INT("value_ppm", plan_fault, value_ppm, 0, 1000000),
	{ .key = "way", .kind = SCHEMA_ENUM, AT(plan_fault, way), .names = plan_way_names,
	  .cap = sizeof(unsigned), .hi = PLAN_IN, .optional = true },
	MAYBE_INT("when", plan_fault, when, PLAN_WHEN_UP),
	MAYBE_INT("when_node", plan_fault, when_node, PLAN_NODES_MAX - 1),
};
static const struct schema fault_schema = SCHEMA(fault_fields);

static const struct schema_field expect_fields[] = {
	MAYBE_BOOL("at_balancers", plan_expect, at_balancers),
	MODEL("at_most", plan_expect, at_most, INT64_MAX),
	INT("catch_ppm", plan_expect, catch_ppm, 0, 1000000),
	INT("duplicate", plan_expect, duplicate, 0, INT64_MAX),
	TIME("during_from_ns", plan_expect, during_from_ns),
	TIME("during_to_ns", plan_expect, during_to_ns),
	INT("error", plan_expect, error, -1, INT64_MAX),
	INT("error_least", plan_expect, error_least, 0, INT64_MAX),
	REAL("flake", plan_expect, flake),
	INT("hits_ppm", plan_expect, hits_ppm, 0, 1000000),
	ENUM("kind", plan_expect, kind, plan_expect_names),
	INT("line", plan_expect, line, 0, INT32_MAX),
	REAL("miss", plan_expect, miss),
	ARRAY("nodes", plan_expect, node, node_n, elem_node),
	INT("quantile_ppm", plan_expect, quantile_ppm, 0, 1000000),
	INT("share_ppm", plan_expect, share_ppm, 0, 1000000),
	BOOL("to_share", plan_expect, to_share),
	MODEL("within_ns", plan_expect, within_ns, PLAN_TIME_MAX_NS),
	INT("wrong", plan_expect, wrong, 0, INT64_MAX),
};
static const struct schema expect_schema = SCHEMA(expect_fields);

static const struct schema_field limits_fields[] = {
	TIME("loop_gap_ns", plan_limits, loop_gap_ns),
	TIME("send_late_max_ns", plan_limits, send_late_max_ns),
	TIME("send_late_p999_ns", plan_limits, send_late_p999_ns),
	TIME("slack_ns", plan_limits, slack_ns),
};
static const struct schema limits_schema = SCHEMA(limits_fields);

static const struct schema_field answers_fields[] = {
	BOOL("delays", plan_answers, delays),
	STRING("path", plan_answers, path),
	INT("questions", plan_answers, questions, 1, BOOK_ENTRIES_MAX),
	TEXT("sha256", plan_answers, sha256),
};
static const struct schema answers_schema = SCHEMA(answers_fields);

#define ELEM(n) static const struct schema_field elem_##n = { \
	.key = #n, .kind = SCHEMA_OBJECT, .type = &n##_schema }
ELEM(answers);
ELEM(conf);
ELEM(load);
ELEM(fault);
ELEM(expect);
static const struct schema_field elem_node_object = {
	.key = "node", .kind = SCHEMA_OBJECT, .type = &node_schema,
};

static const struct schema_field plan_fields[] = {
	{ .key = "answers", .kind = SCHEMA_LIST, AT(plan, answers), .optional = true,
	  .count_at = offsetof(struct plan, answers_n), .hi = 1, .elem = &elem_answers,
	  .elem_size = sizeof(struct plan_answers) },
	OBJECT("balancer", plan, balancer, program_schema),
	MAYBE_INT("balancer_return_ns", plan, balancer_return_ns, PLAN_WAKE_MAX_NS),
	MAYBE_INT("balancer_start_ns", plan, balancer_start_ns, PLAN_START_MAX_NS),
	MAYBE_INT("balancer_wake_ns", plan, balancer_wake_ns, PLAN_WAKE_MAX_NS),
	LIST("conf", plan, conf, conf_n, elem_conf, PLAN_NODES_MAX),
	TIME("end_ns", plan, end_ns),
	LIST("expect", plan, expect, expect_n, elem_expect, PLAN_EXPECTS_MAX),
	LIST("fault", plan, fault, fault_n, elem_fault, PLAN_FAULTS_MAX),
	BOOL("for_netns", plan, for_netns),
	BOOL("for_virtual", plan, for_virtual),
	OBJECT("limits", plan, limits, limits_schema),
	LIST("load", plan, load, load_n, elem_load, PLAN_LOADS_MAX),
	TEXT("name", plan, name),
	LIST("node", plan, node, node_n, elem_node_object, PLAN_NODES_MAX),
	OBJECT("recursor", plan, recursor, recursor_program_schema),
	MAYBE_INT("recursor_start_ns", plan, recursor_start_ns, PLAN_START_MAX_NS),
	MAYBE_INT("recursor_wake_ns", plan, recursor_wake_ns, PLAN_WAKE_MAX_NS),
	STRING("scenario_path", plan, scenario_path),
	INT("seed", plan, seed, 0, INT64_MAX),
	MAYBE_INT("wake_ns", plan, wake_ns, PLAN_WAKE_MAX_NS),
};
const struct schema plan_schema = SCHEMA(plan_fields);
