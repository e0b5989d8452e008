/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The judge's insides. Trackers match taps as they come: the client side what became of each
 * planned query, each balancer's side which server each query went to and what its probes said,
 * each recursor's side how soon it answered. What can't change any more is settled: told to the
 * counters and expectations that want it, in the order of its time, and forgotten. So the judge is
 * as big as what is in flight. judge_finish settles the rest, and lets each expectation decide.
 */
#ifndef EK_JUDGE_INNER_H
#define EK_JUDGE_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dns.h"
#include "lib/stats.h"
#include "recursor-stub/core/book.h"
#include "sim/judge/tap.h"
#include "health.h"
#include "oracle.h"
#include "quiet.h"
#include "spread.h"
#include "table.h"
#include "text.h"

/* What the tap's UDP payload says: as it came with the tap, or read into space; NULL: no DNS. */
const struct judge_message *tap_message(const struct judge_tap *t, struct judge_message *space);

/*
 * said.c: "came: ...; expected: ..." about the answer m[0..len), the latter by the stub's own rules
 * and book when deserved, which is the same message, isn't NULL. The caller frees.
 */
char *said(const struct rec_book *book, const uint8_t *m, size_t len,
           const struct judge_message *deserved);

/* ---- tcp.c: DNS messages out of the segments that come in ---- */

struct tcp; /* the streams that are followed, each one direction of a connection */

struct tcp *tcp_new(void);
void tcp_free(struct tcp *t);
/*
 * One segment, in the order of the capture. Calls message for every DNS message that it completes
 * (RFC 1035, 4.2.2); m is good until it returns. A segment that comes twice or out of order is put
 * in its place. Streams, and what they hold, are bounded: one too many is not followed on, nor is
 * one that breaks the bounds. False: it has data of a stream that isn't followed.
 */
bool tcp_segment(struct tcp *t, const struct frame *f,
                 void (*message)(void *of, const uint8_t *m, size_t len), void *of);
/* Streams that were given up: their answers are missing. */
uint64_t tcp_given_up(const struct tcp *t);

/* ---- client.c: one record for each planned query, until it is settled ---- */

struct query {
	int64_t plan_ns;
	int64_t sent_ns;       /* first try at the client's interface; NEVER */
	int64_t answer_ns;     /* first answer; NEVER */
	uint64_t key;          /* of client, ID and question */
	uint64_t sent_frame;
	uint32_t answered;     /* tries that were, over UDP in even bits, TCP in odd ones */
	uint32_t same;         /* how far back the query of this identity before is; 0: none */
	uint32_t before;       /* the same for the query of this key before */
	uint16_t planned;      /* index among the client's struct planned */
	uint16_t target;       /* whom it is sent to, of those that planned knows */
	uint16_t port;
	uint8_t match;         /* enum rec_match of the first answer; 0: none */
	uint8_t tries;         /* seen on the wire */
	uint8_t answer_try;    /* which try the first answer belongs to, from 1 */
	bool truncated;        /* an answer over UDP had TC: the client goes on over TCP */
	bool duplicate;        /* some try was answered twice */
	bool tcp;              /* it is asked over TCP from the start */
};

STATIC_MUST(sizeof(struct query) == 64);

/* When it was seen, or, if it never was, was to be. */
static inline int64_t query_left_ns(const struct query *q)
{
	return q->sent_ns != NEVER ? q->sent_ns : q->plan_ns;
}

enum { BADS_MAX = 5 }; /* bad answers of a client that are kept; more are only counted */

/* An answer that is wrong, late or one too many. */
struct bad {
	uint64_t frame;
	int64_t t_ns;
	const char *what;
	const char *server; /* that was asked; NULL: unknown */
	char *said;         /* what came and what was expected */
};

/* Of the queries that are settled. */
struct settled {
	uint64_t planned, sent;
	uint64_t lost, lost_first, late, lost_truncated;
	uint64_t first_lost_frame;
	int64_t first_lost_ns;          /* NEVER: none was lost */
	unsigned phase;                 /* of the last one */
	size_t bin;
};

struct client {
	unsigned node;
	struct ring query;
	struct ring identity;           /* uint64_t of each: what a later try shares; or empty */
	struct ring retry;              /* keys of later tries */
	struct table by_key, by_identity;
	bool again;                     /* some load has more than one try */
	uint64_t unplanned, wrong, duplicate;
	struct tcp *tcp;                /* answers over TCP, and queries where some are planned */
	bool asks_tcp;                  /* some are */
	uint64_t tcp_unseen;            /* of these, whose connections didn't come about */
	struct bad bad[BADS_MAX];
	unsigned bad_n;
	struct planned *planned;        /* generators of this node's loads, each with its next */
	unsigned planned_n;
	int64_t hang_ns;                /* answers may come this much later than ever else */
	int64_t next_plan_ns;           /* when the next query of any is planned */
	struct oracle *oracle;          /* NULL: a foreign recursor's answers can't be told */
	struct settled settled;
};

int client_init(struct client *c, const struct plan *p, unsigned node,
                char error[JUDGE_ERROR_TEXT]);
void client_free(struct client *c);
void client_tap(struct judge *j, struct client *c, const struct judge_tap *t, bool out);
/* Settles what is too old by t_ns to be matched any more. */
void client_settle(struct judge *j, struct client *c, int64_t t_ns);
/* No more taps: settles the rest, and what was planned and never seen. */
void client_finish(struct judge *j, struct client *c);
/* When a query is given up: its last try's deadline. */
int64_t query_deadline(const struct client *c, const struct query *q);
/* The balancer that it goes to first: its index among the judge's. */
const struct ip *query_to(const struct client *c, const struct query *q);
unsigned query_balancer(const struct client *c, const struct query *q);
/* All that were planned before this are settled. */
int64_t client_settled(const struct client *c, int64_t t_ns);
/* True when it was answered in time, whatever the answer said. */
bool query_answered(const struct client *c, const struct query *q);
/* The load that planned it. */
const struct plan_load *query_load(const struct client *c, const struct query *q);

/* settled.c: counts a settled query wherever it counts. */
void query_settled(struct judge *j, struct client *c, const struct query *q);

struct cache_count {
	uint64_t answers, hits;
};

/* ---- balancer.c ---- */

/* A client's query is forwarded within this, or never. */
#define BALANCER_STALE_NS INT64_C(1000000000)

/* A client's query at the front, and how it was forwarded. */
struct front {
	int64_t t_ns;
	int64_t since_ns;   /* from then on somebody waited with this question */
	int64_t draw_ns;    /* when it left for a server */
	uint64_t key;       /* client, port, ID, question */
	uint64_t question;
	uint64_t frame;     /* of the forward */
	uint32_t next;      /* how far on the next one that waits with this question is; 0: none */
	uint32_t last;      /* how far on the last of them is, when this is the first */
	uint16_t server;    /* UINT16_MAX: not forwarded */
	bool shared;        /* one of several that wait with one question: a guess */
	bool hit;           /* answered from the balancer's cache: never forwarded */
	bool unsure;        /* as in struct draw */
};

STATIC_MUST(sizeof(struct front) == 64);

/* The name of a query at the front, kept beside it when some expectation goes by names. */
struct name {
	uint64_t hash;      /* case folded; never 0 */
	bool whole;
	uint8_t len;        /* of b, in wire form and small letters */
	uint8_t b[54];
};

STATIC_MUST(sizeof(struct name) == 64);

void name_of(struct name *n, const struct judge_message *m);
void name_text(const struct name *n, char out[DNS_NAME_TEXT]);

/* A forward that no query at the front explains. */
struct lone {
	int64_t t_ns;
	uint64_t frame;
	uint16_t server;
};

struct probe {
	int64_t t_ns;
	int64_t answer_ns;  /* NEVER */
	int64_t refused_ns; /* ICMP, RST or FIN said that nobody listens; NEVER */
	uint64_t frame, answer_frame;
	uint16_t server;
	bool good;
};

struct balancer {
	unsigned node, index;
	const struct plan_conf *conf;
	struct ring front, lone, probe;
	struct ring name;           /* struct name of each front; or empty */
	struct ring sent;           /* stale.c: when each draw left, by its number */
	struct aging stale;         /* queries whose answer came after their time; by key */
	struct track *track;        /* for policies that go by what is outstanding; or NULL */
	/* below these draws are settled; they are kept to be looked back at */
	uint64_t front_settled, lone_settled;
	uint64_t probe_settled;
	struct server *server;      /* conf->server_n of them */
	uint64_t *check;            /* hash of each server's check question */
	struct health health;
	struct flap *flap;          /* by server */
	struct table servers;       /* endpoint to server */
	struct table waiting;       /* question to the first front that waits */
	struct aging backs;         /* a server's answer to who asked */
	struct aging owed;          /* question to servers' answers that no client has yet */
	uint64_t repeated;          /* forwards matched first-in first-out */
	uint64_t answers_unmatched; /* of servers */
	struct tcp *tcp;            /* queries and answers over TCP, once there are any */
	/* forwards over TCP that no query explains: tries after the first; segments with data to
	 * servers that aren't followed; connections that servers refused */
	uint64_t tcp_again, tcp_unfollowed, tcp_refused;
	uint64_t udp_again;         /* second tries over UDP (setUDPRetry) */
	bool back_only;             /* its front isn't in the capture */
	struct quiet *quiet;        /* quiet.c: epochs out of traffic; or NULL */
	struct aging retry;         /* retry.c: since when a server hasn't answered */
	int64_t tcp_refused_ns;     /* the last one */
	uint64_t queries, hits;     /* clients' that are settled; those that weren't forwarded */
	struct cache_count *cache;  /* the same for each of the judge's caches, in its window */
	uint64_t draws;             /* and to each server */
	uint64_t *server_draws;
	size_t bin;                 /* of the last draw, in the series */
	int64_t bin_end_ns;
	int64_t gone_next_ns;       /* when gone has to be looked through again */
	size_t gone_over;           /* silences before are over for draws that settle */
	uint32_t *gone, *gone_active; /* silences that aren't over; those of them that are on */
	size_t gone_n, gone_cap, gone_active_n, gone_active_cap;
};

/* A settled draw: a client's query, forwarded. */
struct draw {
	int64_t in_ns;      /* its query came in: when it was drawn, at the earliest */
	int64_t since_ns;   /* the earliest, where it may have been another query's */
	int64_t t_ns;       /* it left */
	uint64_t frame;
	uint16_t server;
	bool lone, shared;
	bool unsure;        /* over TCP: another server may have been chosen, which refused */
	const struct name *name; /* NULL: not known */
};

void balancer_init(struct balancer *b, const struct plan *p, unsigned node, unsigned index);
void balancer_free(struct balancer *b);
void balancer_tap(struct judge *j, struct balancer *b, const struct judge_tap *t, bool out);
/* Forgets a query at the front that nobody forwarded in time, and that is the oldest such one. */
void balancer_stale(struct balancer *b, uint64_t front);
/*
 * Its program was started so shortly before t_ns that it isn't known what it knows: the first check
 * of each server decides, and what was outstanding or used up is forgotten.
 */
bool balancer_anew(const struct judge *j, const struct balancer *b, int64_t t_ns);
/* How often it was started until t_ns, or from from_ns on. */
unsigned balancer_starts(const struct judge *j, const struct balancer *b, int64_t from_ns,
                         int64_t t_ns);
/* What there was over TCP that may have been a choice and isn't known as one. */
uint64_t balancer_tcp_unsure(const struct balancer *b);
/* Counts a query at the front that is settled. */
void balancer_count(const struct judge *j, struct balancer *b, const struct front *f);
/* The server that a query was forwarded to, by its key at the front; NULL: not known. */
const char *server_asked(const struct judge *j, uint64_t key);
/* The draw of a front that was forwarded, or of a lone forward. */
struct draw front_draw(const struct front *f);
struct draw lone_draw(const struct lone *l);

/* Our side of a back link: the server's address, our port, the ID and the question. */
uint64_t back_key(const struct ep *server, const struct ep *own, const struct judge_message *m);
/* A probe sets out to server; its answer will be known by key. */
void back_add_probe(struct balancer *b, const struct judge_tap *t, unsigned server, uint64_t key);
/* The probe that a back stands for; NULL: it is over, or it is a client's query. */
struct probe *back_probe(const struct balancer *b, uint64_t back);

/* check_tcp.c */
/* A segment between a balancer and server. True when it is of a health check's connection. */
bool check_segment(struct balancer *b, const struct judge_tap *t, bool out, unsigned server);
/* A query over TCP is a health check's: its answer will tell. */
bool check_query(struct balancer *b, const struct judge_tap *t, const struct judge_message *m,
                 unsigned server);

/* health.c: servers that aren't checked. */
void epochs_init(struct balancer *b);
/* A server's state, from somewhere between lo_ns and hi_ns on. */
void health_change(struct judge *j, struct balancer *b, unsigned server, int64_t lo_ns,
                   int64_t hi_ns, enum server_state state);
/* From t_ns on it is asked too little to be up for sure, or no longer so, whatever its state. */
void health_quiet(struct balancer *b, unsigned server, int64_t t_ns, bool quiet);
void epochs_free(struct balancer *b);
/* Takes in what probes came to until t_ns; every probe sent until then is over. */
void health_until(struct judge *j, struct balancer *b, int64_t t_ns);
/* The balancer's program starts anew: it knows of no server. */
void health_restart(struct balancer *b, int64_t t_ns);
/* Puts the servers' states to what they are at t_ns, which never decreases. */
void health_at(struct balancer *b, int64_t t_ns);
/* When a state changes next, as far as is known. */
int64_t health_next(const struct balancer *b);
/* How long after a probe's deadline all is known about it. */
int64_t health_delay(const struct judge *j);

/* settle.c: settles what is old enough when t_ns has been seen; INT64_MAX: all. */
void judge_settle(struct judge *j, int64_t t_ns);

/* ---- recursor.c ---- */

struct recursor {
	unsigned node;
	struct aging open;          /* query to arrival */
	struct cache_count *cache;  /* one for each of the judge's caches */
	struct table checks;        /* questions of health checks, with who sends them */
	struct table check_questions;
};

void recursor_init(struct recursor *r, const struct judge *j, unsigned node);
void recursor_free(struct recursor *r);
void recursor_tap(struct judge *j, struct recursor *r, const struct judge_tap *t, bool out);

/* ---- events.c ---- */

struct fault_seen {
	bool told, verified;
	bool pending;               /* it has struck, and isn't proven yet */
	bool begun;                 /* it has struck at from_ns, and is told later */
	bool skipped;               /* its trigger didn't come: it wasn't carried out */
	int64_t from_ns, to_ns;
	char evidence[200];
};

struct node_seen {
	bool told;
	int64_t if_sent, if_received, wire_took, wire_gave, if_drops, rcvbuf_errors;
	int64_t pcap_records;       /* by the event; -1: not told */
	int64_t queue_drops;        /* of a modelled host: it's the system's, not the harness's */
	int64_t wait_max_us;        /* that its program waited for a processor; -1: not told */
	uint64_t frames;            /* taps */
};

enum { VIOLATIONS_MAX = 32, DEFECTS_MAX = 64 };

/* An invariant that the system broke, by the engine's own checkers. */
struct violation {
	char *what;
	int node;
	int64_t t_ns;
};

struct events {
	bool start, end, wire, clock, trouble;
	char engine[16];
	int64_t t0_unix_ns;
	char plan_sha256[65];
	int64_t setup_us, ready_us;
	int64_t late_p50_us, late_p99_us, late_p999_us, late_max_us;
	int64_t planned, sent, unsent, loads;
	int64_t wire_drops, delay_p50_us, delay_p99_us, loop_gap_max_us;
	int64_t clock_step_us;
	unsigned defect_n;
	char *defect[DEFECTS_MAX];  /* what a test-only build did wrong on purpose */
	unsigned violation_n;
	uint64_t violation_more;    /* beyond VIOLATIONS_MAX */
	struct violation violation[VIOLATIONS_MAX];
	struct fault_seen *fault;   /* as plan.fault */
	struct node_seen *node;     /* as plan.node */
};

/* ---- the judge ---- */

enum { INVALID_MAX = 32 };

/* Time between two faults. */
struct phase {
	int64_t from_ns, to_ns;
	uint64_t queries, answered, lost, error, wrong, duplicate, late;
	struct spread latency;
};

/* A stretch of time of the series. */
struct bin {
	uint64_t lost;
	struct spread latency;
};

/* An expectation about latency, and what it has seen. */
struct latency {
	const struct plan_expect *e;
	uint64_t queries, within, lost;
	struct spread spread;       /* of those that weren't lost */
};

/* An answers expectation, and what it has seen: queries by their time, bad answers by theirs. */
struct answers {
	const struct plan_expect *e;
	int64_t from_ns, to_ns;       /* its window; of the whole run, all time */
	uint64_t answered, wrong, duplicate, error;
	uint64_t stale, stale_frame;  /* passed on after their time; of the first: */
	int64_t stale_ns;
	unsigned stale_node;
	uint64_t truncated, over_tcp; /* by UDP answers; of those, with an answer over TCP */
};

/* What a node's taps need to know of it. */
struct tracked {
	enum plan_role role;
	unsigned index;             /* in the array of its role */
	unsigned addr_n, net_n;
	const struct ip *addr;
	const struct prefix *net;
	bool mixed;                 /* its nets hold other nodes' addresses */
};

struct judge {
	const struct plan *plan;
	struct events events;
	char *invalid[INVALID_MAX];
	unsigned invalid_n, invalid_more;
	unsigned client_n, balancer_n, recursor_n;
	struct client *client;
	struct balancer *balancer;
	struct recursor *recursor;
	struct tracked *tracked;    /* by node */
	struct table owners;        /* address to node */
	int64_t check_ns;           /* longest time-out of a health check */
	int64_t keep_ns;            /* as long an answer is matched to its query */
	bool turns;                 /* the policy is roundrobin */
	bool ahead;                 /* draws are judged by those that came after them, too */
	bool names_wanted;
	bool restarts;              /* of balancers are planned */
	int64_t seen_ns;            /* latest tap */
	int64_t settle_ns;          /* when judge_settle is due next */
	int64_t settled_ns;         /* draws that were made before are settled */
	uint64_t disorder;          /* taps that came too late to be in order */
	const char *const *file;    /* foreign: names of the captures; NULL: an engine made them */
	bool over;                  /* no more taps */
	int64_t lag_ns;             /* foreign: how long a query is in a balancer, at most */
	struct changes changes;
	char sha256[65];
	struct phase *phase;        /* plan.fault_n + 1 of them */
	struct bin *bin;
	size_t bin_n;
	int64_t bin_ns;
	uint64_t **node_bin;        /* recursors: draws to them in each bin; by node */
	struct late *late;          /* of first tries at the clients' interfaces */
	unsigned latency_n, cache_n, even_n, rule_n;
	struct latency *latency;
	const struct plan_expect **cache;
	struct even **even;         /* of even, then of policy */
	struct rule **rule;
	unsigned answers_n, outage_n;
	struct answers *answers;
	struct outage **outage;
	struct gones *gones;        /* silences that were told, and what is asked about them */
};

/* On every bound: the plan's slack and the measured loop gap, as far as it was told. */
int64_t judge_slack_ns(const struct judge *j);

/* late.c: exact to 1 us where a run is valid. */
struct late *late_new(void);
void late_free(struct late *l);
void late_add(struct late *l, int64_t ns);
int64_t late_p999_us(const struct late *l);
int64_t late_max_us(const struct late *l);

/* gates.c: adds every reason for INVALID. */
void gates(struct judge *j);
/* The same, for a run that FAILs: whether its programs had what they need. */
void gate_fail(struct judge *j);
/* The longest that a program waited for a processor; *node: whose. -1: not told. */
int64_t programs_waited_us(const struct judge *j, unsigned *node);

/* ---- gone.c: silences of nodes, as the engine tells them ---- */

void gones_init(struct judge *j);
void gones_free(struct judge *j);
/* A fault that may end a silence has begun, or won't happen. */
void gones_end_known(struct judge *j, unsigned fault);
/* A fault was told: a silence begins, or ends. */
void gones_fault(struct judge *j, unsigned fault);
/* A forward, as it leaves; again: a second try over UDP, which nothing chose a server for. */
void gones_draw(struct judge *j, struct balancer *b, const struct draw *d, bool again);
/* A query that came in at t_ns and that wasn't forwarded. */
void gones_nowhere(struct judge *j, struct balancer *b, int64_t t_ns);
/* A query planned then got no answer in time. */
void gones_lost(struct judge *j, int64_t plan_ns);
/* The end of a silence of the node's that is on at t_ns, by the plan; else t_ns. */
int64_t gones_silent_until(const struct judge *j, int node, int64_t t_ns);
/* Each silence with what it cost. */
json_t *gones_json(const struct judge *j);
/* An answer of a server to a query or a probe. */
void gones_answer(struct judge *j, int node, int64_t t_ns);
/* A probe that is over, in the order in which they were sent. */
void gones_probe(struct judge *j, struct balancer *b, const struct probe *p);
/* A server's health checks say something else, somewhere from lo_ns on until hi_ns. */
void gones_change(struct judge *j, struct balancer *b, unsigned server, enum server_state state,
                  int64_t lo_ns, int64_t hi_ns);
/* away.c: a query that is settled, and that went to the balancer node first. */
void gones_query(struct judge *j, unsigned client, int node, const struct query *q, bool answered,
                 bool first);

/* ---- expectations: what each fills in ---- */

struct finding {
	enum verdict verdict;
	struct text title, claim, why;
	json_t *measured, *bound, *evidence;
};

/* Adds a frame to the evidence. */
void finding_frame(struct finding *f, const struct judge *j, unsigned node, uint64_t frame,
                   int64_t t_ns, const char *what);

struct even *even_new(struct judge *j, const struct plan_expect *e);
void even_free(struct even *take_v);
/* The servers' states, which are what they were so far, change at t_ns. */
void even_epoch_ends(struct even *v, const struct balancer *b, int64_t t_ns);
/* All draws that were made before t_ns are told, and the servers' states are those of then. */
void even_look(struct even *v, const struct balancer *b, int64_t t_ns);
/* A settled draw, each balancer's in the order of their queries. */
void even_draw(struct even *v, const struct balancer *b, const struct draw *d);
size_t even_retained(const struct even *v);
/* Adds the policies' rules to the judge. */
void rules_init(struct judge *j);
void rules_free(struct judge *j);
/* A settled draw, before it counts as settled. */
void rules_draw(struct judge *j, struct balancer *b, const struct draw *d);
size_t rules_retained(const struct judge *j);
void expect_policy(struct rule *r, struct finding *f);
void expect_even(struct even *v, struct finding *f);
void expect_detect(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_back(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_lost(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_answers(struct judge *j, const struct answers *a, struct finding *f);
void expect_cache(struct judge *j, unsigned cache, struct finding *f);
void expect_latency(const struct latency *l, struct finding *f);
void expect_flaps(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_overshoot(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_failover(struct judge *j, const struct plan_expect *e, struct finding *f);
void expect_back_balancer(struct judge *j, const struct plan_expect *e, struct finding *f);

/* outage.c */
struct outage *outage_new(const struct judge *j, const struct plan_expect *e);
void outage_free(struct outage *take_o);
/* A settled query; balancer: index of the one that it went to first. */
void outage_query(struct outage *o, const struct query *q, uint32_t balancer, bool answered);
/* No query that was planned before t_ns is open. */
void outage_until(struct outage *o, int64_t t_ns);
void expect_outage(struct judge *j, struct outage *o, struct finding *f);

/* flaps.c */
struct flap *flaps_new(const struct balancer *b);
/* After a probe's outcome the server's state is told anew. */
void flaps_change(struct judge *j, struct balancer *b, const struct outcome *o,
                  enum server_state now);

/* series.c: counts over time, "series" of docs/run-directory.md. */
void series_init(struct judge *j);
void series_free(struct judge *j);
void series_draw(struct judge *j, struct balancer *b, int node, int64_t t_ns);
json_t *judge_series(const struct judge *j);
/* doc.c */
json_t *judge_document(struct judge *j);
/* Probability, of all that went right, that an expectation doesn't pass. */
double expect_flake(const struct plan_expect *e);
double expect_miss(const struct plan_expect *e);

/* The engine lives in virtual time: there is no clock to step, and captures are optional. */
bool engine_is_virtual(const struct judge *j);
/* When a fault is planned to strike, or has, where it waits for a trigger; INT64_MAX: not yet. */
int64_t fault_strikes(const struct judge *j, unsigned fault);

/* The name of a node. */
static inline const char *node_name(const struct judge *j, int node)
{
	return node >= 0 ? j->plan->node[node].name : "?";
}

#endif
