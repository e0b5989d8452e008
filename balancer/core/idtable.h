/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queries that are out: who asked what, under which ID on which server's socket, since when.
 * Each socket has all 65,536 IDs. A free one is drawn uniformly out of those that are free: while
 * fewer than half are out by drawing until one is free, two draws at most in the mean; else from a
 * bag of the free ones, which is filled once when the table becomes dense. So it is O(1) amortised
 * however full the table is. An answer finds its query in O(1) by socket and ID. The queries of one
 * server are kept densely and used again last in, first out, so that few outstanding queries touch
 * little memory. A list in order of departure gives time-outs in O(1), since all in it wait equally
 * long: one for each time-out that servers have, so one as a rule.
 * What is over may be held: its ID is free, its place isn't until it is let go.
 *
 * Memory is zero pages, touched only where used: an unused table costs nothing, and init is O(1) in
 * capacity. Indices, not pointers: a query is (server << 16 | slot), its reference.
 */
#ifndef EK_BALANCER_IDTABLE_H
#define EK_BALANCER_IDTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "lib/arena.h"
#include "lib/drbg.h"

/* From IDT_DENSE IDs out of a socket on draws are made from a bag, until IDT_SPARSE are. */
enum { IDT_IDS = 65536, IDT_DENSE = IDT_IDS / 2, IDT_SPARSE = IDT_IDS * 3 / 8 };

#define IDT_NONE UINT32_MAX

/* What a query said about EDNS, as bits. */
enum idt_edns { IDT_EDNS = 1, IDT_DNSSEC_OK = 2 };

/* One outstanding query. The first cache line is all that most questions need, with the second. */
struct idt_query {
	int64_t sent_ns;
	struct ep client;
	struct ep local;        /* the address that the client asked */
	uint32_t older, newer;  /* references; newer links the free ones too */
	uint16_t type, class;
	uint16_t client_id;
	uint16_t id;            /* on the server's socket */
	uint8_t name_len;
	unsigned socket : 6;    /* below BAL_SOCKETS_MAX */
	unsigned ecs : 2;       /* enum ecs_change: what was done to the query */
	uint8_t flags_hi;       /* the query's own flag bytes: RD, CD */
	uint8_t flags_lo;
	uint8_t name[DNS_NAME_MAX]; /* as asked, case kept */
	unsigned pool : 6;      /* below BAL_POOLS_MAX */
	unsigned edns : 2;      /* enum idt_edns; 0 unless somebody will want to know */
};

STATIC_MUST(sizeof(struct idt_query) == 320);
STATIC_MUST(offsetof(struct idt_query, name) == 64);

/* The IDs of one socket. */
struct idt_socket {
	uint16_t *bag;          /* dense: the free IDs, in [0, IDT_IDS - used) */
	uint16_t *slot;         /* by ID: slot + 1 of its query, 0: free */
	uint32_t used;          /* IDs that are out */
	uint16_t server;
	uint16_t socket;        /* index among its server's */
	bool dense;             /* many IDs are out: the bag counts */
};

/* Queries to servers of one time-out. */
struct idt_queue {
	int64_t timeout_ns;
	uint32_t oldest, newest;     /* references; IDT_NONE: no query is out */
	uint32_t young;              /* the oldest that wasn't passed; IDT_NONE */
};

struct idt_server {
	struct idt_query *query;
	struct idt_socket *socket;
	uint32_t free;          /* slot + 1 of the first free one that was used before; 0: none */
	uint32_t touched;       /* slots ever used */
	uint32_t used;          /* queries outstanding */
	uint32_t held;          /* places of those that are over and held */
	uint16_t sockets;
	uint16_t queue;
};

struct idtable {
	struct idt_server *server;
	struct idt_socket *socket;   /* by logical port - 1 */
	struct idt_queue *queue;
	unsigned server_n, socket_n, queue_n;
	uint32_t max;                /* outstanding queries of one server */
	uint32_t used;               /* of all servers */
	uint32_t held_first, held_last; /* references, linked by newer; IDT_NONE: none is held */
};

size_t idt_arena_size(const struct bal_conf *conf);
void idt_init(struct idtable *t, struct arena *a, const struct bal_conf *conf);
/*
 * A place for a query to server, with a free ID on one of its sockets, both drawn from r, linked as
 * the newest. NULL, nothing drawn, when the server has max queries outstanding or held. The caller
 * fills in what it knows; sent_ns must not be below the one before. O(1) amortised.
 */
struct idt_query *idt_take(struct idtable *t, struct drbg *r, unsigned server);
/* The outstanding query of a socket (0...socket_n-1) and ID, or NULL. O(1). */
struct idt_query *idt_find(const struct idtable *t, unsigned socket, uint16_t id);
/* The query whose time is over first, or NULL; its server. O(time-outs that servers have). */
struct idt_query *idt_oldest(const struct idtable *t, unsigned *server);
/* When it is over for an outstanding query of server. */
static inline int64_t idt_until_ns(const struct idtable *t, unsigned server,
                                   const struct idt_query *q)
{
	return q->sent_ns + t->queue[t->server[server].queue].timeout_ns;
}
/*
 * The query that is out for longest of those that weren't passed, or NULL; and passes it. Passing
 * goes in order of departure too, and forgets nothing. O(time-outs that servers have).
 */
struct idt_query *idt_young(const struct idtable *t, unsigned *server);
void idt_pass(struct idtable *t);
/* Ends an outstanding query of server; its ID is free again. O(1). */
void idt_release(struct idtable *t, unsigned server, struct idt_query *q);
/* The same, but it is held, behind those that are: the caller still wants to read it. O(1). */
void idt_hold(struct idtable *t, unsigned server, struct idt_query *q);
/* The one that is held for longest, or NULL; its server. */
struct idt_query *idt_held(const struct idtable *t, unsigned *server);
/* Lets that one go. */
void idt_let_go(struct idtable *t);
/* Copies what the caller filled in of a query to another place of it. */
void idt_copy(struct idt_query *to, const struct idt_query *from);
/* The place of an outstanding query among its server's, below max_outstanding. */
static inline uint32_t idt_slot(const struct idtable *t, unsigned server, const struct idt_query *q)
{
	return (uint32_t)(q - t->server[server].query);
}
/* Asserts the invariants. O(outstanding) in debug builds, else O(sockets). */
void idt_check(const struct idtable *t);

#endif
