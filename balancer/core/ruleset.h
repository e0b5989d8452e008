/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules, compiled: balancer/config makes these tables out of addAction and its like, and nothing
 * changes them after. A rule is a selector and an action. A selector is a test that jumps: to one
 * test when it holds, to another when it doesn't, always to a lower index, so that every selector
 * ends after at most as many steps as it has tests, whatever the query. The cost of a test is
 * bounded by the query's length and the logarithm of what was configured.
 */
#ifndef EK_BALANCER_RULESET_H
#define EK_BALANCER_RULESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"

enum {
	BAL_RULE_NAME = 64,            /* of a rule, NUL included */
	BAL_RULE_UUID = 37,            /* NUL included */
	BAL_TESTS_MAX = 1 << 16,
	BAL_RULES_MAX = 10000,         /* of one chain */
	BAL_LIMITS_MAX = 1024,
	BAL_LIMIT_PLACES = 1 << 16,    /* clients that one MaxQPSIPRule knows at once */
	BAL_REGEX_STATES = 1 << 14,
	BAL_SPOOF_MAX = 64,            /* addresses of one action */
	BAL_DELAYED_MAX = 4096,        /* delayed answers of a worker that wait */
	BAL_LOGGED_MAX = 1024,         /* lines of a worker that wait to be written */
	BAL_LOG_PATH = 256,
	BAL_LOGS_MAX = 256,
};

/* Where a selector ends. */
#define BAL_MATCH UINT32_MAX
#define BAL_NO_MATCH (UINT32_MAX - 1)

/* ---- sets, which tests look into ---- */

/*
 * Names in wire form and lower case, in a hash table with open addressing that is half empty at
 * least. A set of suffixes has a name when it has the name itself or one above it.
 */
struct bal_nameset {
	bool suffixes;
	bool root;                     /* "." is in it */
	uint32_t mask;                 /* slots - 1; slots are a power of 2 */
	const uint32_t *slot;          /* 1 + where the name is in bytes; 0: free */
	const uint8_t *bytes;          /* names, each behind a byte with its length */
};

struct bal_net {
	struct ip ip;
	bool in;                       /* false: what is in here isn't in the set */
};

/* Networks of one length, sorted by address. */
struct bal_netrun {
	uint8_t bits;
	uint32_t first, n;
};

/* The longest that has an address decides; there are at most 129 lengths, longest first. */
struct bal_netset {
	unsigned run_n;
	const struct bal_netrun *run;
	const struct bal_net *net;
};

/*
 * A regular expression as a deterministic automaton, so that a match takes a step for each byte.
 * It runs over the name as text, without the dot at its end; upper and lower case are one.
 */
struct bal_regex {
	uint16_t class_n;
	uint16_t class[256];           /* of a byte */
	uint32_t state_n;              /* the first is where it starts */
	const uint16_t *next;          /* by state * class_n + class */
	const uint8_t *final;          /* by state: BAL_REGEX_NOW, BAL_REGEX_AT_END */
};

enum { BAL_REGEX_NOW = 1, BAL_REGEX_AT_END = 2 };

/* A bucket that gets a token every gap_ns and holds burst_ns's worth; gap_ns 0: always dry. */
struct bal_limit {
	int64_t gap_ns, burst_ns;
	bool by_client;                /* one for each network of clients */
	uint8_t bits4, bits6;          /* by_client: lengths of these networks, of 128 */
};

/* ---- selectors ---- */

enum bal_test_kind {
	BAL_TEST_ALL = 1,
	BAL_TEST_NAME,      /* arg: nameset */
	BAL_TEST_REGEX,     /* arg: regex */
	BAL_TEST_TYPE, BAL_TEST_CLASS, BAL_TEST_OPCODE, BAL_TEST_RCODE, /* arg: the number */
	BAL_TEST_RD,
	BAL_TEST_TCP,       /* arg: 1 or 0 */
	BAL_TEST_CLIENT,    /* arg: netset that the client is in */
	BAL_TEST_LOCAL,     /* arg: netset that the address that was asked is in */
	BAL_TEST_ABOVE,     /* arg: limit, which has no token: there are more queries than that */
	BAL_TEST_WITHIN,    /* arg: limit, which has a token: there are no more than that */
	BAL_TEST_CHANCE,    /* arg: of 2^32 */
	BAL_TEST_POOL,      /* arg: pool, of which a server is up */
	BAL_TEST_DNSSEC,    /* DO or CD */
	BAL_TEST_LUA,       /* arg: the function's number */
	BAL_TEST_TAG,       /* arg: of the tag in data; the query has its name */
	BAL_TEST_TAG_VALUE, /* the same, and its value */
	BAL_TEST_LABELS,    /* range: labels of the name that are outside of it */
	BAL_TEST_LENGTH,    /* range: bytes of the name, the same */
	BAL_TEST_COUNT,     /* range: records of its section that the header has */
	BAL_TEST_TYPE_COUNT,/* range: records of its section and type */
	BAL_TEST_TAIL,      /* bytes behind the message */
	BAL_TEST_VERSION,   /* arg: EDNS of a version above that */
	BAL_TEST_OPTION,    /* arg: the code of an EDNS option */
	BAL_TEST_ERCODE,    /* arg: the rcode with the bits that EDNS adds */
	BAL_TEST_BUSY,      /* range: more queries than least are out to its pool */
	BAL_TEST_LOCAL_PORT,/* arg: the port that was asked */
};

struct bal_test {
	uint8_t kind;
	uint64_t arg;       /* range: an index of those */
	uint32_t yes, no;   /* below this test's own index, or BAL_MATCH or BAL_NO_MATCH */
};

/* What some tests have for arg: numbers from least to most, and whose. */
struct bal_range {
	uint32_t least, most;
	uint16_t type;
	uint8_t section;               /* of the message, 0 the question */
	uint8_t pool;
};

/* ---- actions ---- */

/* A subnet that servers are told instead of the client's. */
struct bal_ecs_net {
	struct ip ip;
	uint8_t bits;                  /* 0...32 or 128 */
};

/* What rules want of EDNS Client Subnet, where servers are told of it; zero: as configured. */
struct bal_ecs_said {
	bool off;
	bool net_set, bits_set, replace_set;
	bool replace;                  /* of a query's own subnet */
	uint8_t bits;                  /* of the client's address */
	struct bal_ecs_net net;
};

enum bal_act {
	/* those that end the chain */
	BAL_ACT_ALLOW = 1,
	BAL_ACT_DROP,
	BAL_ACT_RCODE,      /* arg: the rcode, 12 bits: with EDNS alone the upper 8 are said */
	BAL_ACT_SPOOF,      /* arg, n: of the addresses */
	BAL_ACT_SPOOF_RAW,  /* arg, len: of the records' data; n: records of type, 0: as asked */
	BAL_ACT_SOA,        /* arg, len: of a byte with the zone's length, it, an SOA's data */
	BAL_ACT_TRUNCATE,   /* over UDP alone */
	BAL_ACT_POOL,       /* arg: pool */
	BAL_ACT_QPS,        /* arg: limit; drops what is above */
	BAL_ACT_QPS_POOL,   /* arg: limit; pool: where what is below goes */
	/* and those that never do */
	BAL_ACT_NONE,
	BAL_ACT_DELAY,      /* delay_ns; over UDP alone */
	BAL_ACT_NO_RECURSE,
	BAL_ACT_SKIP_CACHE,
	BAL_ACT_DISABLE_VALIDATION, /* sets CD */
	BAL_ACT_LOG,        /* arg: log */
	BAL_ACT_TAG,        /* arg: of the tag in data */
	BAL_ACT_ECS,        /* arg: of two bal_ecs_net in data, for clients of IPv4 and IPv6 */
	BAL_ACT_ECS_BITS,   /* arg: bits of IPv4, and << 8 of IPv6 */
	BAL_ACT_ECS_REPLACE,/* arg: 1 or 0 */
	BAL_ACT_ECS_OFF,
	BAL_ACT_FAILURE_TTL,/* ttl of its answer in a cache, if that is SERVFAIL or REFUSED */
	BAL_ACT_LUA,        /* arg: the function's number, which says one of the others */
};

struct bal_action {
	uint8_t kind;
	uint8_t n;
	uint8_t pool;
	bool over;                     /* it ends the chain, whatever its kind */
	bool goes_on;                  /* or never: what it answers stays, what it drops doesn't */
	uint8_t rcode;                 /* of BAL_ACT_SOA */
	uint16_t type, len;            /* of BAL_ACT_SPOOF_RAW */
	uint16_t flags_set, flags;     /* of an answer: which of AA, TC, AD, RA are said, and how */
	uint32_t arg;
	uint32_t ttl;
	int64_t delay_ns;
};

struct bal_rule {
	uint32_t test;                 /* where its selector begins */
	struct bal_action action;
};

/* What people are told of a rule. */
struct bal_rule_text {
	char name[BAL_RULE_NAME];      /* "": none */
	char uuid[BAL_RULE_UUID];
	unsigned line;                 /* of its addAction */
	unsigned order;                /* of coming into being, from 0 */
	const char *selector, *action;
};

/* Where LogAction writes a line for each query or answer. */
struct bal_log {
	char path[BAL_LOG_PATH];       /* "": standard output */
	bool append, timestamp;
};

enum bal_chain_kind {
	BAL_QUERIES,    /* addAction */
	BAL_ANSWERS,    /* addResponseAction: answers of servers */
	BAL_HITS,       /* addCacheHitResponseAction */
	BAL_OWN,        /* addSelfAnsweredResponseAction: answers of rules */
	BAL_CHAINS,
};

struct bal_chain {
	unsigned n;
	const struct bal_rule *rule;   /* in the order in which they are looked at */
	const struct bal_rule_text *text;
};

struct bal_rules {
	struct bal_chain chain[BAL_CHAINS];
	unsigned test_n, nameset_n, netset_n, regex_n, limit_n, range_n, address_n, log_n;
	const struct bal_test *test;
	const struct bal_nameset *nameset;
	const struct bal_netset *netset;
	const struct bal_regex *regex;
	const struct bal_limit *limit;
	const struct bal_range *range;
	const struct ip *address;      /* of BAL_ACT_SPOOF */
	size_t data_n;
	/* of BAL_ACT_SPOOF_RAW: each record's, behind its length; tags, as in tags.h */
	const uint8_t *data;
	const struct bal_log *log;
	bool calls;                    /* some selector or action is a function */
	bool tags;                     /* some may give tags */
	bool ecs;                      /* some may say struct bal_ecs_said */
	bool delays;                   /* some action delays answers */
	bool delays_servers;           /* and to queries that are sent on */
};

/* True when the set has the name, or, of suffixes, one above it. O(len). */
bool bal_nameset_has(const struct bal_nameset *s, const uint8_t *name, size_t len);
/* The hash by which a set's names are found, lower case or not. */
uint64_t bal_nameset_hash(const uint8_t *name, size_t len);
/* O(lengths * log networks). */
bool bal_netset_has(const struct bal_netset *s, const struct ip *ip);
/* The address without its last bits. bits: of 128. */
struct ip bal_net_of(const struct ip *ip, unsigned bits);
/* name: in wire form. O(bytes of the name as text). */
bool bal_regex_has(const struct bal_regex *x, const uint8_t *name, size_t len);

#endif
