/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan: what one scenario, its configuration files and the command line come to, as plain data.
 * The engines, the load, the judge and the report see only this, never Lua. Data and pure functions
 * here; making a plan, and its JSON, are in plan_io.h. All times are ns; instants count from t = 0,
 * the readiness barrier. Probabilities and shares that are settings are in millionths (ppm).
 */
#ifndef EK_PLAN_H
#define EK_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "balancer/core/conf.h"
#include "lib/dist.h"
#include "sim/trace/core/trace.h"

enum {
	PLAN_NAME_TEXT = 64,
	PLAN_NODES_MAX = 1024,
	PLAN_INCLUDES_MAX = 4096,   /* files that one configuration includes */
	PLAN_ADDRS_MAX = 8,
	PLAN_NETS_MAX = 4,
	PLAN_TYPES_MAX = 16,
	PLAN_ASKED_MAX = 16,
	PLAN_EXPECT_NODES_MAX = 128,
	PLAN_NAMES_MAX = 1 << 20,  /* pairs of a name and a set of servers that the judge keeps */
	PLAN_NONE = -1,
};

/* An authority is what foreign recursors ask: the engine adds it, no scenario names it. */
enum plan_role { PLAN_CLIENTS = 1, PLAN_BALANCER, PLAN_RECURSOR, PLAN_AUTHORITY };

/* A node's cable; the same in both directions. */
struct plan_link {
	int64_t delay_ns;
	uint32_t loss_ppm;
	int64_t jitter_ns;         /* uniform in 0...jitter_ns more */
	uint32_t duplicate_ppm;
	uint32_t reorder_ppm;      /* held back for reorder_ns */
	int64_t reorder_ns;
	uint64_t rate_bps;         /* 0: no limit */
	uint32_t queue_bytes;      /* with a rate */
};

struct plan_node {
	char name[PLAN_NAME_TEXT];
	enum plan_role role;
	unsigned addr_n;
	struct ip addr[PLAN_ADDRS_MAX];
	unsigned net_n;
	struct prefix net[PLAN_NETS_MAX]; /* clients: where their addresses come from */
	struct plan_link link;
	int conf;                  /* balancer: index into plan.conf */
	char *config_path;         /* balancer, recursor: file, absolute; else NULL */
	struct dist_spec miss;     /* recursor: what a cache miss costs; authority: each answer */
	bool packetcache;          /* recursor: as its recursor.conf says */
	unsigned line;             /* of the scenario */
};

/* A balancer configuration file as balancer/config read it; balancers may share one. */
/* A file that a configuration includes. */
struct plan_include {
	char *path;                /* absolute */
	char sha256[65];
};

struct plan_conf {
	char *path;                /* absolute */
	char sha256[65];
	unsigned include_n;
	struct plan_include *include; /* in the order in which they are read */
	enum bal_policy policy;
	int64_t udp_timeout_ns;
	int64_t udp_retry_ns;      /* 0: no second try */
	bool servfail_when_no_server;
	bool servfail_on_timeout;
	bool same_hash;            /* setWHashedPertubation: two balancers hash names alike */
	bool console;              /* controlSocket and setKey: it can be told things */
	uint32_t factor_ppm;       /* balancing factor of the policy; 0: none */
	uint32_t cache_entries;    /* of the packet cache; 0: none */
	unsigned rule_line;        /* of the first rule, addAction or its like; 0: there is none */
	unsigned server_n;
	struct bal_server *server; /* in bal_conf's order */
	int *server_node;          /* which node answers for server i: index into plan.node */
};

/* How health checks behave in time, by program and version; decides the closed-form bounds. */
enum plan_checks {
	PLAN_CHECKS_EXACT = 1,     /* ours: a timer for each server */
	PLAN_CHECKS_ROUNDS,        /* dnsdist up to 1.8.0: rounds of 1 s + the slowest probe */
	PLAN_CHECKS_ASYNC,         /* dnsdist from 1.8.1 */
};

struct plan_program {
	char *path;                /* NULL: our own, beside evenkeel */
	char version[32];          /* as it says itself; "" for ours */
	enum plan_checks checks;   /* balancer only */
};

enum plan_arrivals { PLAN_CONSTANT = 1, PLAN_POISSON, PLAN_CAPTURED_TIMES };
enum plan_names { PLAN_ZIPF = 1, PLAN_UNIQUE, PLAN_CAPTURED_NAMES };
enum plan_choose { PLAN_PER_QUERY = 1, PLAN_PER_CLIENT };
enum plan_retry { PLAN_OTHER = 1, PLAN_SAME };

struct plan_type {
	uint16_t type;             /* DNS type */
	uint32_t share_ppm;        /* all of a load's add up to 1,000,000 */
};

enum plan_addresses { PLAN_ORIGINAL = 1, PLAN_MAPPED };

/* A load that is captured queries (sim/trace) and not drawn. */
struct plan_replay {
	char *path;                /* of the capture, absolute */
	char sha256[65];
	char *filter;              /* pcap-filter(7); NULL: none */
	uint64_t limit;            /* queries from the start; 0: all */
	unsigned asked_n;
	struct prefix asked[PLAN_ASKED_MAX]; /* queries to these; none: as sim/trace decides */
	struct trace_pace pace;
	enum plan_addresses addresses;
	struct prefix net;         /* mapped: where to; original: 0 bits */
	uint64_t query_n;          /* of one loop, as the capture was read first */
	/* Not in plan.json: read from the capture when the plan is (plan_read_captures). */
	struct trace *trace;       /* NULL: not yet */
	struct ip *client;         /* the trace's clients, as the lab has them */
	uint64_t servers_n;        /* left out: queries from servers, or to others than named */
	uint64_t family_n;         /* of the other family */
	uint64_t others_n;         /* messages that are neither answers nor plain queries */
	uint64_t copies_n;         /* packets that the capture has twice, kept once */
	uint64_t open_n;           /* the most that are due within a query's life, all its tries */
	uint64_t peak_mqps;        /* the rate of the busiest tenth of a second */
};

/* Captured answers that the recursors give (recursor-stub/core/book.h). */
struct plan_answers {
	char *path;                /* of the capture, absolute */
	char sha256[65];
	bool delays;               /* a miss takes as long as captured, where that tells */
	uint64_t questions;        /* that have an answer */
	/* Not in plan.json: read from the capture when the plan is (plan_read_captures). */
	struct rec_book *book;     /* NULL: not yet */
	uint64_t again_n, truncated_n, longer_n, others_n; /* answers that were left out */
};

/* What one group of clients sends. Open loop: the send times don't depend on answers. */
struct plan_load {
	int node;                  /* the client node */
	unsigned clients;          /* addresses, taken in order from the node's nets, 1... */
	enum plan_choose choose;   /* the balancer, by query or once by client */
	enum plan_arrivals arrivals;
	uint64_t rate_mqps;        /* thousandths of a query per second */
	int64_t from_ns;
	int64_t to_ns;             /* queries are planned in [from, to) */
	enum plan_names names;
	uint32_t name_n;           /* zipf: how many names */
	uint32_t zipf_milli;       /* zipf: exponent in thousandths */
	unsigned type_n;
	struct plan_type type[PLAN_TYPES_MAX];
	uint16_t edns_size;        /* announced UDP size; 0: no EDNS */
	int64_t timeout_ns;        /* of one try */
	unsigned tries;            /* 1... */
	enum plan_retry retry;     /* whom a later try asks: another balancer, or the same */
	unsigned family;           /* 4 or 6: which of the balancers' addresses are asked */
	/*
	 * 0 or 1. With it clients, rate, names' number and the end are the capture's, and types,
	 * EDNS and zipf's exponent mean nothing.
	 */
	unsigned replay_n;
	struct plan_replay *replay;
};

/* Faults: name in scenarios, what it acts on. */
enum plan_fault_kind {
	PLAN_KILL = 1,   /* SIGKILL: process gone, port closed */
	PLAN_START,      /* a killed one again */
	PLAN_HANG,       /* SIGSTOP */
	PLAN_RESUME,     /* SIGCONT */
	PLAN_BLACKHOLE,  /* the wire drops all to and from the node */
	PLAN_HEAL,       /* the link as the plan set it at the start */
	PLAN_LOSS,       /* value_ppm of the link's frames, each direction */
	PLAN_DELAY,      /* value_ns in each direction */
	PLAN_JITTER,     /* up to value_ns more, in order */
	PLAN_DUPLICATE,  /* value_ppm of the frames come twice */
	PLAN_REORDER,    /* value_ppm of the frames are held back for value_ns */
	PLAN_RATE,       /* rate_bps, with a queue of queue_bytes; 0: no limit */
	PLAN_CUT,        /* the wire drops all one way */
	PLAN_SERVFAIL,   /* the stub's faults: value_ppm of its answers */
	PLAN_SLOW,       /* value_ns more on each answer, to value_ppm of them */
	PLAN_WRONG,
	PLAN_TRUNCATE,
	PLAN_REFUSE,
	PLAN_DROP,
	PLAN_DRAIN,      /* said at the console of every balancer that runs: nothing new for it */
	PLAN_UNDRAIN,
	PLAN_SET_DOWN,   /* the same: it is down, whatever its health checks say, and has none */
	PLAN_SET_AUTO,   /* health checks decide again */
};

/* Directions of a link's fault, as the node sees them. */
enum plan_way { PLAN_BOTH_WAYS = 0, PLAN_OUT, PLAN_IN };

/* What a fault waits for. */
enum plan_when {
	PLAN_AT = 0,     /* an instant */
	PLAN_WHEN_DOWN,  /* every balancer that checks a recursor has marked it down */
	PLAN_WHEN_UP,
};

struct plan_fault {
	enum plan_fault_kind kind;
	int node;
	int64_t at_ns;             /* of a trigger: the latest instant */
	int64_t value_ns;
	uint32_t value_ppm;
	bool spares_checks;        /* of a stub's: health checks are answered as ever */
	uint64_t rate_bps;
	uint32_t queue_bytes;
	enum plan_way way;
	unsigned line;
	/* A trigger: plus_ns after the marks of when_node that come after fault after - 1. */
	unsigned when;             /* enum plan_when */
	int when_node;
	unsigned after;
	int64_t plus_ns;
	int64_t earliest_ns;
};

enum plan_expect_kind {
	PLAN_EVEN = 1, PLAN_DETECT, PLAN_BACK, PLAN_LOST, PLAN_ANSWERS, PLAN_CACHE, PLAN_LATENCY,
	PLAN_POLICY, PLAN_FLAPS, PLAN_OUTAGE, PLAN_OVERSHOOT, PLAN_FAILOVER,
};

/* A claim about the run. Which fields count depends on kind; the others are 0. */
struct plan_expect {
	enum plan_expect_kind kind;
	unsigned line;
	unsigned node_n;
	int node[PLAN_EXPECT_NODES_MAX]; /* even, flaps: the servers; detect, back, ...: the one */
	int64_t during_from_ns;          /* even, answers, cache, latency, policy, outage: window */
	int64_t during_to_ns;
	uint32_t catch_ppm;              /* even, back to share: smallest skew that must not pass */
	double miss;                     /* probability that a system skewed by catch passes */
	double flake;                    /* probability that a right system doesn't pass */
	int64_t within_ns;               /* a time; PLAN_MODEL: the bound */
	int64_t at_most;                 /* lost, flaps: a count; PLAN_MODEL: by the model */
	uint32_t share_ppm;              /* overshoot: the greatest share of a window */
	bool to_share;                   /* back: until the full share, not only the first query */
	uint64_t wrong, duplicate;       /* answers: the most that may be */
	int64_t error;                   /* answers: the most SERVFAIL, REFUSED; -1: any number */
	uint64_t error_least;            /* and the least */
	uint32_t hits_ppm;               /* cache: least share of hits */
	bool at_balancers;               /* cache: theirs, of all queries; else the recursors' */
	uint32_t quantile_ppm;           /* latency: which quantile must be within within_ns */
};

#define PLAN_MODEL INT64_MIN /* "model": a closed-form bound out of the configuration */

/* Above these a run is INVALID (sim/judge). */
struct plan_limits {
	int64_t send_late_p999_ns;  /* 1 ms */
	int64_t send_late_max_ns;   /* 20 ms */
	int64_t loop_gap_ns;        /* 50 ms */
	int64_t slack_ns;           /* 20 ms, added to every bound, with the measured loop gap */
};

enum { PLAN_WAKE_MAX_NS = 100000000 };
#define PLAN_START_MAX_NS INT64_C(10000000000) /* what a lab waits for a program at most */

struct plan {
	char name[PLAN_NAME_TEXT];  /* of the scenario: its file name without .lua */
	char *scenario_path;        /* absolute */
	uint64_t seed;
	bool for_netns, for_virtual;/* engines that the scenario is for */
	int64_t wake_ns;            /* how late programs wake in virtual time; 0: the model's */
	int64_t balancer_wake_ns, recursor_wake_ns;   /* a query until they send; 0: by wake_ns */
	int64_t balancer_return_ns;                   /* an answer; 0: as balancer_wake_ns has it */
	int64_t balancer_start_ns, recursor_start_ns; /* how long they start; 0: the model's */
	struct plan_program balancer, recursor;
	struct plan_limits limits;
	unsigned node_n;
	struct plan_node *node;     /* clients, balancers, recursors, authorities, in that order */
	unsigned conf_n;
	struct plan_conf *conf;
	unsigned answers_n;
	struct plan_answers *answers; /* 0 or 1; none: recursors make their answers */
	unsigned load_n;
	struct plan_load *load;
	unsigned fault_n;
	struct plan_fault *fault;   /* by time */
	unsigned expect_n;
	struct plan_expect *expect;
	int64_t end_ns;             /* the last load's end + tries * timeout: all is settled then */
};

/* Node of that name, or PLAN_NONE. */
int plan_find_node(const struct plan *p, const char *name);
bool plan_same_miss(const struct dist_spec *a, const struct dist_spec *b);
/* Which authority a recursor asks, or PLAN_NONE: a stub makes its answers up. */
int plan_authority_of(const struct plan *p, int recursor);
/* The earliest instant at which a fault may happen. */
int64_t plan_fault_earliest(const struct plan_fault *f);
const char *plan_fault_name(enum plan_fault_kind k);
/* PLAN_DRAIN and those after it: it is said at the balancers' consoles. */
bool plan_fault_said(enum plan_fault_kind k);
/* It takes a recursor out of service, and which fault puts it back; 0: it takes none out. */
enum plan_fault_kind plan_fault_unsaid(enum plan_fault_kind k);
const char *plan_expect_name(enum plan_expect_kind k);
/* Seed of a stream, as every core wants it. */
void plan_seed(const struct plan *p, uint8_t out[32]);

#endif
