/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What captured DNS traffic comes to: messages in, figures out, in memory that is taken at init
 * and doesn't grow. Queries are matched to answers by addresses, ports, ID, transport and
 * question. What can't be bounded exactly is kept in sketches that say how exact they are
 * (lib/topk, lib/hll, lib/hist); all else is exact. Pure: the only time is the messages'.
 *
 *	exchange    a query, or an answer whose query the capture doesn't have: what names, types,
 *	            clients and servers are counted by, so that a capture of one direction tells of
 *	            them too
 *	again       a query like one that hasn't been answered yet; its answer time counts from the
 *	            first
 *	unanswered  a query without an answer within INFO_TIMEOUT_NS, or, at the capture's end,
 *	            within INFO_LAST_NS
 *	open        a query of the capture's last INFO_LAST_NS without an answer: nothing can be
 *	            said of it
 */
#ifndef EK_INFO_INFO_H
#define EK_INFO_INFO_H

#include "lib/hist.h"
#include "lib/hll.h"
#include "lib/topk.h"
#include "sim/capture/core/dissect.h"

#define INFO_TIMEOUT_NS INT64_C(5000000000)
#define INFO_LAST_NS INT64_C(1000000000)

enum {
	INFO_NAMES = 2048, INFO_CLIENTS = 2048, INFO_SERVERS = 256, INFO_OUTSTANDING = 1 << 18,
	INFO_BINS = 256, INFO_RCODES = 16,
};

/* Since it came into the list of servers, if others had to make room (topk's over). */
struct info_server {
	uint64_t queries;      /* without those sent again */
	uint64_t answered;
	uint64_t unanswered;
	uint64_t failed;       /* answers with SERVFAIL */
	struct hist times;     /* ns, of answered */
};

struct info_name {
	uint8_t len;           /* of the wire form, in lower case */
	uint8_t wire[DNS_NAME_MAX];
};

struct info_server_key {
	struct ip ip;
	uint64_t port;
};

struct info {
	int64_t first_ns, last_ns; /* unix time, of messages */
	uint64_t queries, answers;
	uint64_t tcp_queries, tcp_answers;
	uint64_t again, answered, unanswered, open;
	uint64_t unasked;      /* answers without a query */
	uint64_t forgotten;    /* queries that had to make room before their time was over */
	uint64_t truncated;    /* answers with TC */
	uint64_t exchanges, unreadable; /* of these, without a question that can be read */
	uint64_t type[UINT16_MAX + 1];  /* of exchanges */
	uint64_t rcode[INFO_RCODES];    /* of answers; without EDNS's upper bits */
	uint64_t connections;  /* the highest number of one */
	/* Queries over time: INFO_BINS bins of 2^bin_shift ns from first_ns on. */
	unsigned bin_shift;
	int64_t bin_base_ns;
	uint64_t bin[INFO_BINS];
	/* Who and what: by slot. */
	struct topk names, clients, servers;
	struct info_name *name;
	struct info_server *server;
	struct hist times;     /* of all servers */
	struct hll names_seen, clients_seen, servers_seen;
	/* Queries that wait for their answers. */
	struct lru waiting;
	int64_t *since_ns;
};

size_t info_arena_size(void);
/* seed: of hash tables. */
struct info *info_init(struct arena *a, uint64_t seed);
void info_add(struct info *i, const struct capture_message *m);
/* There are no more messages. Once. */
void info_end(struct info *i);

#endif
