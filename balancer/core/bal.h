/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The balancer core: one per worker. It judges queries (which server, which ID) and answers (whose
 * they are), and times out what nobody answered. See lib/dgram.h for the three functions.
 *
 * Logical ports: 0 is the front (peer: the client, local: the address that was asked); from 1 on
 * the servers' sockets in order: server 0's sockets, then server 1's... (bal_port). The verdict
 * says what a datagram has become: a query that is answered here stays on port 0 with its peer and
 * local, and holds the answer; a query that goes to a server has its port, peer and ID rewritten in
 * place; an answer that goes to its client has port 0, the client as peer, the asked address as
 * local, and the client's ID, RD and CD again.
 */
#ifndef EK_BALANCER_BAL_H
#define EK_BALANCER_BAL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "conf.h"
#include "hooks.h"
#include "lib/dgram.h"
#include "shared.h"

struct bal;

/* Every verdict, once, from verdict.def: its name, whether the datagram is sent, its prose. */
enum bal_verdict {
	BAL_NO_VERDICT = 0,
#define VERDICT(id, name, send, prose) id,
#include "verdict.def"
#undef VERDICT
	BAL_VERDICTS,
};

/*
 * Bytes that bal_init takes from its arena: about 20 MB of zero pages for each server and 256 KiB
 * for each of its sockets at 65,535 outstanding, touched only where used (lib/host maps lazily).
 */
size_t bal_arena_size(const struct bal_conf *conf);
/* conf and shared are borrowed for the core's life. worker: this core's index, for its stream. */
struct bal *bal_init(struct arena *a, const struct bal_conf *conf, struct bal_shared *shared,
                     const uint8_t seed[32], uint32_t worker);
/*
 * What it calls where the configuration has Lua functions (config.function_n); set before anything
 * else is asked of it. h is borrowed for the core's life, and calls come from bal_rx and from what
 * bal_tcp_* does alone.
 */
void bal_set_hooks(struct bal *b, const struct bal_hooks *h);
/*
 * Judges d[0..n) in place; each verdict is one of verdict.def. Queries (port 0) are judged in this
 * order: access list, length, QR, qdcount 0 (NOTIMP), question, rules, packet cache, server, free
 * ID. Rules may answer, drop or delay it.
 * Answers: sender, length and QR, ID, question. An answer counts for the query with its socket, ID,
 * server address and question (RFC 5452 section 9.1), at the latest 1 ns before the query's time is
 * over; a message that doesn't match leaves the query waiting. local of a forwarded query stays as
 * it was.
 * d[i].port must be a port of this core, d[i].t_ns isn't read. O(n) plus O(servers) for a batch
 * with queries.
 */
void bal_rx(struct bal *b, int64_t now_ns, struct dgram *d, unsigned n);
/*
 * Time-outs: a query without an answer udp_timeout_ns, its server's or else the configuration's,
 * after it was forwarded is forgotten; bal_rx does the same first, so nothing depends on who is
 * called first. Writes up to max datagrams into d, whose data and cap (BAL_POLL_MIN at least) are
 * the caller's, and returns how many; verdict, port and peer as bal_rx leaves them:
 * - answers that a rule delayed and that are due, under the verdicts that they were given;
 * - with servfail_on_timeout SERVFAIL for each query whose time is over. Until it is written it
 *   takes up its server's room.
 * - with udp_retry_ns each query that wasn't answered for so long once more, for another server
 *   that is up, if there is one. Its time goes on as before; the first answer counts, a second is
 *   late. A server's counts have both tries.
 * O(1) for each, O(servers) for a second try, O(log delayed) for a delayed answer.
 */
enum { BAL_POLL_MIN = 512 };
unsigned bal_poll(struct bal *b, int64_t now_ns, struct dgram *d, unsigned max);
/*
 * When bal_poll next has work: the oldest query's time-out, or what is owed or delayed. INT64_MAX:
 * never.
 */
int64_t bal_deadline(const struct bal *b);

/*
 * When no query is out over UDP: the memory that such queries took, which the caller may zero, so
 * that the system has it back. Else, or when there is none, returns 0. O(sockets).
 */
size_t bal_rest(struct bal *b, void **memory);

/* Ports of the core: 1 + sum of the servers' sockets. */
unsigned bal_ports(const struct bal_conf *conf);
/* The logical port of a server's socket. */
unsigned bal_port(const struct bal_conf *conf, unsigned server, unsigned socket);
/* The server that a logical port of 1 or more belongs to. O(1). */
unsigned bal_port_server(const struct bal *b, unsigned port);

const char *bal_verdict_name(enum bal_verdict v);
const char *bal_verdict_prose(enum bal_verdict v);
/* True when the shell must send the datagram. */
bool bal_verdict_sends(enum bal_verdict v);
/* What a rule wants written. */
struct bal_logged {
	struct ep client;
	uint16_t log;                    /* of conf->rules->log */
	uint16_t type, id, name_len;
	int16_t rcode;                   /* of an answer; -1: a query */
	uint8_t name[DNS_NAME_MAX];      /* wire form */
};
/*
 * Takes the oldest of what waits to be written; false: nothing does. At most BAL_LOGGED_MAX wait,
 * so call it after each batch; what comes beyond is counted in bal_not_logged.
 */
bool bal_next_logged(struct bal *b, struct bal_logged *out);
uint64_t bal_not_logged(const struct bal *b);
/* How often a rule matched; the configuration has rules. */
uint64_t bal_matches(const struct bal *b, enum bal_chain_kind chain, unsigned rule);
/* How often verdict v was given, in bal_poll too; timeouts and outstanding are counted beside. */
uint64_t bal_count(const struct bal *b, enum bal_verdict v);
uint64_t bal_timeouts(const struct bal *b);
uint32_t bal_outstanding(const struct bal *b);
/* Queries that were looked up in a packet cache and not found; answers that it didn't take. */
uint64_t bal_cache_misses(const struct bal *b);
uint64_t bal_not_cached(const struct bal *b);
/* What a worker counts of a pool's packet cache. */
struct bal_pool_counts {
	uint64_t hits, misses, not_cached;
};
struct bal_pool_counts bal_pool_counts(const struct bal *b, unsigned pool);
/*
 * What a worker counts of one server: what it was sent (over TCP: first tries), answered, and
 * didn't answer in time (over UDP).
 */
struct bal_server_counts {
	uint64_t queries, responses, timeouts;
};
const struct bal_server_counts *bal_server_counts(const struct bal *b, unsigned server);

enum { BAL_TOOK_N = 6, BAL_AVERAGES = 4 };

/* What a worker counts of messages, beside their verdicts. */
struct bal_counts {
	uint64_t rd_queries;             /* queries with the RD bit */
	uint64_t servfail_responses;     /* SERVFAIL from servers */
	uint64_t not_delayed;            /* answers that no place was left for, sent at once */
	uint64_t rules_failed;           /* calls of rules' functions that failed */
	uint64_t not_tagged;             /* tags of rules that a query had no room for */
	uint64_t rcode[16];              /* answers to clients, by rcode */
	uint64_t took[BAL_TOOK_N];       /* servers' answers, by bal_took_ms */
	uint64_t took_us;                /* their sum */
	/* of about the last 2^7, 2^10, 2^13, 2^20 answers, in 1/2^20 us */
	int64_t average[BAL_AVERAGES];
};
const struct bal_counts *bal_counts(const struct bal *b);
/* took[i] counts answers in less than this; INT32_MAX for the last. */
extern const int32_t bal_took_ms[BAL_TOOK_N];
/* Asserts the invariants, conservation among them: forwarded = answered + timed out +
 * outstanding. */
void bal_check(const struct bal *b);

#endif
