/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The judge's insides. While taps come in, trackers only match and record: the client side what
 * became of each planned query, each balancer's side which server each query went to and what its
 * probes said, each recursor's side how soon it answered. judge_finish then lays the events beside
 * that, turns probes into epochs, and lets each expectation measure and decide.
 */
#ifndef EK_JUDGE_INNER_H
#define EK_JUDGE_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dns.h"
#include "lib/hist.h"
#include "lib/stats.h"
#include "sim/judge/tap.h"
#include "text.h"

#define NEVER INT64_MIN /* a time that hasn't come */

/* ---- table.c: open addressing, 64-bit keys that are hashes already, to 64-bit values ---- */

struct slot {
	uint64_t key;   /* 0: free */
	uint64_t value;
};

struct table {
	struct slot *slot;
	uint64_t mask;
	uint64_t n;
};

void table_init(struct table *t, uint64_t expected);
void table_free(struct table *t);
/* Sets key's value, replacing one that is there. */
void table_put(struct table *t, uint64_t key, uint64_t value);
/* The value, or NULL; good until the next put or drop. */
uint64_t *table_find(const struct table *t, uint64_t key);
void table_drop(struct table *t, uint64_t key);
/* Room for one more element of an array that doubles; *cap in elements. */
void *grow(void *p, size_t n, size_t *cap, size_t size);

/* ---- what every tracker reads out of a datagram ---- */

/* What the tap's UDP payload says: as it came with the tap, or read into space; NULL: no DNS. */
const struct judge_message *tap_message(const struct judge_tap *t, struct judge_message *space);
uint64_t question_hash(const uint8_t *name, size_t len, uint16_t type, uint16_t class);
/* Never 0. */
uint64_t key_of(const struct ip *ip, uint16_t port, uint16_t id, uint64_t question);

/*
 * said.c: "came: ...; expected: ..." about the answer m[0..len), the latter by the stub's own rules
 * when deserved, which is the same message, isn't NULL. The caller frees.
 */
char *said(const uint8_t *m, size_t len, const struct judge_message *deserved);

/* ---- tcp.c: DNS messages out of the segments that come in ---- */

struct tcp; /* the streams that are followed, each one direction of a connection */

struct tcp *tcp_new(void);
void tcp_free(struct tcp *take_t);
/*
 * One segment, in the order of the capture. Calls message for every DNS message that it completes
 * (RFC 1035, 4.2.2); m is good until it returns. A segment that comes twice or out of order is put
 * in its place. Streams, and what they hold, are bounded: one too many is not followed on, nor is
 * one that breaks the bounds.
 */
void tcp_segment(struct tcp *t, const struct frame *f,
                 void (*message)(void *of, const uint8_t *m, size_t len), void *of);
/* Streams that were given up: their answers are missing. */
uint64_t tcp_given_up(const struct tcp *t);

/* ---- client.c: one record for each planned query ---- */

struct query {
	int64_t plan_ns;
	int64_t sent_ns;       /* first try at the client's interface; NEVER */
	int64_t answer_ns;     /* first answer; NEVER */
	uint64_t key;          /* of client, ID and question */
	uint64_t identity;     /* of client and question: what a later try shares */
	uint64_t front;        /* of client, port, ID and question, once sent: see struct front */
	struct ip to;
	uint32_t sent_frame;
	uint32_t answer_frame;
	uint16_t port;
	uint16_t id;
	uint16_t load;
	uint16_t balancer;     /* index among the plan's balancers */
	uint8_t match;         /* enum rec_match of the first answer; 0: none */
	bool truncated;        /* an answer over UDP had TC: the client goes on over TCP */
	bool duplicate;        /* some try was answered twice */
	uint8_t tries;         /* seen on the wire */
	uint8_t answer_try;    /* which try the first answer belongs to, from 1 */
	uint32_t same;         /* index + 1 of the query of this identity before; 0: none */
	uint32_t before;       /* index + 1 of the query of this key before; 0: none */
	uint64_t answered;     /* tries that were, over UDP in even bits, TCP in odd ones */
};

enum {
	BADS_MAX = 4096, /* kept with their frames; more are only counted */
	SAID_MAX = 5,    /* of those, with what they said */
};

/* An answer that is wrong, late or one too many. */
struct bad {
	uint32_t frame;
	uint32_t query;   /* index, or UINT32_MAX: to none */
	int64_t t_ns;
	struct ip from;
	uint64_t front;   /* key of client, port, ID and question, as a balancer saw it */
	const char *what;
	char *said;       /* what came and what was expected; NULL: not kept */
};

struct client {
	unsigned node;
	struct query *query;
	size_t query_n, query_cap;
	size_t expired;         /* queries below are too old to be matched any more */
	struct table by_key, by_identity;
	uint64_t unplanned, stray, wrong, duplicate, sent_seen;
	struct tcp *tcp;        /* answers over TCP */
	int64_t last_ns;        /* latest tap */
	struct bad *bad;
	size_t bad_n, bad_cap;
	struct planned *planned; /* generators of this node's loads, each with its next query */
	unsigned planned_n;
	bool oracle;            /* answers are our stub's: their data can be told */
};

int client_init(struct client *c, const struct plan *p, unsigned node,
                char error[JUDGE_ERROR_TEXT]);
void client_free(struct client *c);
void client_tap(struct client *c, const struct plan *p, const struct judge_tap *t, bool out);
/* No more taps: takes in what was planned and never seen. */
void client_finish(struct client *c);
/* When the query is given up: its last try's deadline. */
int64_t query_deadline(const struct plan *p, const struct query *q);
/* True when it was answered in time, whatever the answer said. */
bool query_answered(const struct plan *p, const struct query *q);

/* ---- balancer.c ---- */

/* A client's query is forwarded within this, or never. */
#define BALANCER_STALE_NS 1000000000ll

/* A client's query, forwarded: one random draw. */
struct draw {
	int64_t t_ns;
	int64_t answer_ns;  /* NEVER */
	uint32_t frame;
	uint32_t front;     /* the query on the front that it forwards; UINT32_MAX: none found */
	uint16_t server;
};

struct probe {
	int64_t t_ns;
	int64_t answer_ns;  /* NEVER */
	int64_t refused_ns; /* ICMP said that nobody listens; NEVER */
	uint32_t frame;
	uint32_t answer_frame;
	uint16_t server;
	bool good;
};

/* A client's query at the front. */
struct front {
	int64_t t_ns;
	uint64_t key;       /* client, port, ID, question */
	uint32_t next;      /* the next one that waits with this question; UINT32_MAX */
	uint32_t last;      /* of those, when this is the first */
	uint32_t since;     /* from this one's time on somebody waited with this question */
	uint16_t server;    /* UINT16_MAX: not forwarded */
	bool answered;
	bool shared;        /* one of several that wait with one question: a guess */
};

/* State of one server as its probes tell: uncertain from lo, then state from hi on. */
enum server_state { SERVER_DOWN, SERVER_UP, SERVER_UNKNOWN };

struct change {
	int64_t lo_ns, hi_ns;
	enum server_state state;
	uint32_t frame;     /* of the probe or answer that decided */
};

struct server {
	struct change *change;
	size_t change_n, change_cap;
};

struct balancer {
	unsigned node;
	const struct plan_conf *conf;
	struct draw *draw;
	size_t draw_n, draw_cap;
	struct probe *probe;
	size_t probe_n, probe_cap;
	struct front *front;
	size_t front_n, front_cap;
	struct server *server;      /* conf->server_n of them */
	uint64_t *check;            /* hash of each server's check question */
	struct table servers;       /* endpoint to server */
	struct table waiting;       /* question to the first front that waits */
	struct table fronts;        /* key to front */
	struct table backs;         /* server's answer to draw, or to probe */
	uint64_t repeated;          /* forwards matched first-in first-out */
	uint64_t answers_unmatched; /* of servers */
	uint64_t front_answers;     /* sent to clients */
	uint64_t tcp_sent;          /* segments with data to servers, which nobody follows */
};

void balancer_init(struct balancer *b, const struct plan *p, unsigned node);
void balancer_free(struct balancer *b);
void balancer_tap(struct balancer *b, const struct judge_tap *t, bool out);

/* ---- recursor.c ---- */

struct cache_count {
	uint64_t answers, hits;
};

struct recursor {
	unsigned node;
	struct table open;          /* query to arrival */
	struct cache_count *cache;  /* one for each expectation of the plan */
	struct table checks;        /* questions of health checks */
	uint64_t queries, answers;
};

void recursor_init(struct recursor *r, const struct plan *p, unsigned node);
void recursor_free(struct recursor *r);
void recursor_tap(struct recursor *r, const struct plan *p, const struct judge_tap *t, bool out);

/* ---- events.c ---- */

struct fault_seen {
	bool told, verified;
	int64_t from_ns, to_ns;
	char evidence[200];
};

struct node_seen {
	bool told;
	int64_t if_sent, if_received, wire_took, wire_gave, if_drops, rcvbuf_errors;
	int64_t pcap_records;       /* by the event; -1: not told */
	int64_t queue_drops;        /* of a modelled host: it's the system's, not the harness's */
	uint64_t frames;            /* taps */
};

enum { VIOLATIONS_MAX = 32 };

/* An invariant that the system broke, by the engine's own checkers. */
struct violation {
	char *what;
	int node;
	int64_t t_ns;
};

struct events {
	bool start, end, wire, clock;
	char engine[16];
	int64_t t0_unix_ns;
	char plan_sha256[65];
	int64_t setup_us, ready_us;
	int64_t late_p50_us, late_p99_us, late_p999_us, late_max_us;
	int64_t planned, sent, unsent, loads;
	int64_t wire_drops, delay_p50_us, delay_p99_us, loop_gap_max_us;
	int64_t clock_step_us;
	unsigned violation_n;
	uint64_t violation_more;    /* beyond VIOLATIONS_MAX */
	struct violation violation[VIOLATIONS_MAX];
	struct fault_seen *fault;   /* as plan.fault */
	struct node_seen *node;     /* as plan.node */
};

/* ---- the judge ---- */

enum { INVALID_MAX = 32 };

struct judge {
	const struct plan *plan;
	struct events events;
	char *invalid[INVALID_MAX];
	unsigned invalid_n, invalid_more;
	unsigned client_n, balancer_n, recursor_n;
	struct client *client;
	struct balancer *balancer;
	struct recursor *recursor;
	unsigned *tracker;          /* node to index in the array of its role */
	struct table owners;        /* address to node */
	int64_t wire_late_p999_us;  /* sent at the interface - planned, by packets */
	int64_t wire_late_max_us;
	int64_t slack_ns;           /* on every bound: the plan's and the measured loop gap */
};

/* health.c: fills each server's changes. slack_ns: how long a program may take to act. */
void health_epochs(struct balancer *b, enum plan_checks checks, int64_t slack_ns);
/* Walks through a server's states by time; t_ns never decreases from call to call. */
enum server_state server_state_at(const struct server *s, size_t *cursor, int64_t t_ns);

/* gates.c: adds every reason for INVALID. */
void gates(struct judge *j);
/* Client queries that went to fault's recursor from its death to its return. */
uint64_t fault_misrouted(const struct judge *j, unsigned fault);
/* How many that are at least: or the fault didn't happen. 0 when nothing is sure. */
uint64_t fault_misrouted_least(const struct judge *j, unsigned fault);

/* ---- expectations: what each fills in ---- */

struct finding {
	enum verdict verdict;
	struct text title, claim, why;
	json_t *measured, *bound, *evidence;
};

/* Adds a frame to the evidence. */
void finding_frame(struct finding *f, const struct judge *j, unsigned node, uint64_t frame,
                   int64_t t_ns, const char *what);
void expect_even(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_detect(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_back(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_lost(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_answers(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_cache(struct judge *j, unsigned expect, struct finding *f);
void expect_latency(struct judge *j, const struct plan_expect *e, struct finding *f);

/* series.c: counts over time, "series" of docs/run-directory.md. New reference. */
json_t *judge_series(const struct judge *j);
/* doc.c */
json_t *judge_document(struct judge *j);
/* Probability, of all that went right, that an expectation doesn't pass. */
double expect_flake(const struct plan_expect *e);
double expect_miss(const struct plan_expect *e);

/* The engine lives in virtual time: there is no clock to step, and captures are optional. */
bool engine_is_virtual(const struct judge *j);

/* The name of a node. */
static inline const char *node_name(const struct judge *j, int node)
{
	return node >= 0 ? j->plan->node[node].name : "?";
}

#endif
