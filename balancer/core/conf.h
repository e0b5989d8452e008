/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A balancer's configuration: one immutable snapshot, made by balancer/config out of a dnsdist Lua
 * file (or by hand in tests) and only read by the cores. A reload makes a new one. Defaults in the
 * comments are dnsdist 1.7's.
 */
#ifndef EK_BALANCER_CONF_H
#define EK_BALANCER_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/defect.h"
#include "lib/dns.h"
#include "ruleset.h"

enum {
	BAL_SERVERS_MAX = 1024,
	BAL_NAME_TEXT = 64,       /* a server's name, NUL included */
	BAL_SOCKETS_MAX = 64,     /* sockets of one server */
	BAL_TCP_CONNS = 16384,    /* connections of a worker unless made by hand */
	BAL_TCP_IN_FLIGHT = 16384, /* at most, on one connection */
	BAL_INTERFACE = 16,       /* an interface's name, NUL included */
	BAL_POOLS_MAX = 64,       /* a bit each in bal_server.pools */
	BAL_SERVER_ID = BAL_NAME_TEXT + EP_TEXT + 3, /* room for bal_server_id, NUL included */
	BAL_POINTS_MAX = 1 << 20, /* of chashed's ring: the sum of the weights */
};

enum bal_policy {
	BAL_LEAST_OUTSTANDING = 1, /* the default */
	BAL_FIRST_AVAILABLE,
	BAL_WRANDOM,
	BAL_ROUNDROBIN,
	BAL_WHASHED,
	BAL_CHASHED,
	BAL_ORDERED_WRANDOM,       /* orderedWrandUntag */
};

enum bal_check_mode { BAL_CHECK_AUTO = 1, BAL_CHECK_UP, BAL_CHECK_DOWN };

/* dnsdist's: it looks once a second. */
#define BAL_LAZY_LOOK_NS INT64_C(1000000000)

/* Probes only once clients' queries fail, or while the server is down (lazy.h). */
struct bal_lazy {
	bool on;                       /* false */
	bool timeouts_only;            /* false: SERVFAIL is a failure too */
	bool back_off;                 /* false; true: gaps double while it is down */
	uint16_t threshold;            /* 20; percent of failures that make it suspect */
	uint16_t samples;              /* 100 latest results of queries count */
	uint16_t min_samples;          /* 1; fewer say nothing */
	int64_t failed_ns;             /* 30 s; from probe to probe while it is down */
	int64_t back_off_max_ns;       /* 3600 s; with back_off, at most */
	int64_t look_ns;               /* BAL_LAZY_LOOK_NS; from one count of results to the next */
};

/* How a server's health is checked. */
struct bal_check {
	enum bal_check_mode mode;      /* up and down: forced by setUp, setDown; no probes */
	bool must_resolve;             /* false; true: NXDOMAIN and REFUSED fail too */
	bool set_cd;                   /* false */
	bool tcp;                      /* false; probes go over TCP */
	uint16_t type;                 /* A */
	uint16_t class;                /* IN */
	uint16_t name_len;
	uint8_t name[DNS_NAME_MAX];    /* wire form; a.root-servers.net. */
	int64_t interval_ns;           /* 1 s */
	int64_t timeout_ns;            /* 1 s */
	uint32_t max_failures;         /* 1; failures in a row that take it down */
	uint32_t rise;                 /* 1; successes in a row that bring it back */
	struct bal_lazy lazy;          /* in mode auto */
};

/* How queries go to a server over TCP. */
struct bal_server_tcp {
	int64_t connect_timeout_ns;    /* 5 s */
	int64_t send_timeout_ns;       /* 30 s without a byte taken; the shell's */
	int64_t recv_timeout_ns;       /* 30 s from a query to its answer */
	uint32_t retries;              /* 5 tries after the first */
	uint32_t max_in_flight;        /* 0, as 1: one query at a time on a connection */
	uint32_t max_conns;            /* 0: as many as needed; of each worker */
};

struct bal_server {
	struct ep addr;                /* port 53 */
	char name[BAL_NAME_TEXT];      /* "" */
	char id[BAL_NAME_TEXT];        /* "": made of name and address, see bal_server_id */
	int32_t order;                 /* 1; lower first */
	int32_t weight;                /* 1...INT32_MAX */
	uint32_t qps;                  /* 0: no limit */
	uint16_t sockets;              /* 1...BAL_SOCKETS_MAX */
	int64_t udp_timeout_ns;        /* 0: as for all */
	struct ip from;                /* ::, any; what we send to it from */
	char from_interface[BAL_INTERFACE]; /* "": any */
	bool tcp_only;                 /* false; true: clients' UDP goes to it over TCP, too */
	bool reconnect;                /* false; true: fresh sockets when it is up again */
	bool client_subnet;            /* false; true: queries tell the client's subnet (ECS) */
	bool proxy;                    /* false; true: a PROXY header before each query */
	uint64_t pools;                /* bit i: belongs to pool i; 1: the default pool */
	int64_t slow_start_ns;         /* 0: its whole share as soon as it is back; else 1 ms... */
	struct bal_check check;
	struct bal_server_tcp tcp;
	unsigned line;                 /* of its newServer, for messages */
};

/* How one of our addresses listens over TCP. */
struct bal_listen {
	uint32_t max_in_flight;        /* 0, as 1: a client's queries are answered one by one */
	uint32_t max_conns;            /* 0: no limit; of all workers */
	int32_t queue;                 /* connections that wait to be accepted; 4096 */
	bool udp_only;                 /* false */
};

/* TCP for all. conns 0: no TCP at all, and nothing is allocated for it. */
struct bal_tcp_conf {
	uint32_t conns;                /* of one worker, clients' and servers' together */
	int64_t recv_timeout_ns;       /* 2 s; a client has as long for a whole query */
	int64_t send_timeout_ns;       /* 2 s without a byte taken; the shell's */
	int64_t duration_ns;           /* 0: no limit; then a client's connection ends */
	int64_t idle_ns;               /* 10 s; an unused connection to a server is kept so long */
	uint32_t per_client;           /* 0: no limit; connections of one address, all workers */
	uint32_t queries;              /* 0: no limit; on one connection of a client */
	uint32_t cached;               /* 20 unused connections to a server, of each worker */
};

/* EDNS Client Subnet, for servers that are told of it (RFC 7871). */
struct bal_ecs {
	uint8_t bits4;                 /* 24; of an IPv4 client's address */
	uint8_t bits6;                 /* 56; of an IPv6 client's */
	bool replace;                  /* false: a query that has a subnet keeps it */
	bool any;                      /* some server is told; bal_ecs_wanted says */
};

/* The packet cache. Times in seconds. */
struct bal_cache_conf {
	uint32_t entries;              /* at most, over all workers; 0: there is none */
	uint32_t max_ttl;              /* 86400; a longer TTL counts as this */
	uint32_t min_ttl;              /* 0; what has a shorter TTL isn't cached */
	uint32_t failure_ttl;          /* 60; SERVFAIL and REFUSED; 0: they aren't cached */
	uint32_t negative_ttl;         /* 3600; at most, for NXDOMAIN and no data */
	uint32_t stale_ttl;            /* 60; TTL of an answer that has expired */
	bool dont_age;                 /* false; true: hits have the TTLs that the server gave */
	bool cookie_hashing;           /* false; true: a query's cookie belongs to its key */
};

/* How messages are treated, where dnsdist leaves a choice; zero is its default. */
struct bal_quirks {
	bool allow_empty_response;     /* an answer without a question counts, whatever it says */
	bool drop_empty_queries;       /* false: a query without a question gets NOTIMP */
	bool truncate_tc;              /* truncated answers are passed on without records */
	bool fixup_case;               /* an answer's question has the query's letters */
	bool own_without_edns;         /* our own answers have no OPT record */
	uint16_t own_udp_size;         /* that one announces; 0: 1232 */
	int32_t udp_receive, udp_send; /* bytes of each listening socket's buffers; 0: ours */
};

/* A set of servers that queries are sent to together (bal_server.pools). */
struct bal_pool {
	char name[BAL_NAME_TEXT];      /* "": the default pool */
	enum bal_policy policy;
	struct bal_cache_conf cache;   /* entries 0: none */
	unsigned shares;               /* 1 + the earlier pool whose cache it uses; 0: its own */
};

struct bal_conf {
	enum bal_policy policy;        /* of the default pool */
	bool servfail_when_no_server;  /* false: drop */
	bool servfail_on_timeout;      /* false: forget; over UDP */
	bool roundrobin_fail_on_no_server; /* false: all servers take turns when none is up */
	int64_t udp_timeout_ns;        /* 2 s */
	int64_t udp_retry_ns;          /* 0: never; after so long once more, at another server */
	uint32_t max_outstanding;      /* 65535 per server and worker, 1...65535 */
	bool perturbation_set;         /* false: drawn from the balancer's seed */
	uint32_t perturbation;         /* of whashed's and chashed's hash */
	uint32_t weighted_factor_ppm;  /* of wrandom, whashed, orderedWrandUntag; 0: no bound */
	uint32_t chashed_factor_ppm;   /* the same of chashed; else at least 1000000 */
	unsigned server_n;
	const struct bal_server *server;   /* in order of (order, definition) */
	unsigned front_n;
	const struct ep *front;            /* listen here; default 127.0.0.1:53 */
	const struct bal_listen *listen;   /* front_n of them; NULL: all are the default */
	struct bal_tcp_conf tcp;
	struct bal_quirks quirks;
	unsigned acl_n;
	const struct prefix *acl;          /* clients that may ask */
	struct bal_ecs ecs;
	struct bal_cache_conf cache;       /* of the default pool; zero: none */
	unsigned pool_n;                   /* 0: only the default pool, and all are in it */
	const struct bal_pool *pool;       /* the first is the default pool; see bal_pool_policy */
	const struct bal_rules *rules;     /* NULL: none */
	uint32_t stale_s;                  /* 0; use expired answers so long when no server is up */
#ifdef EK_DEFECTS
	const struct defects *defects;     /* NULL: none; see lib/defect.h */
#endif
};

/* Pools that there are, the default one included. */
unsigned bal_pools(const struct bal_conf *conf);
/* pool: below bal_pools. "": the default pool. */
const char *bal_pool_name(const struct bal_conf *conf, unsigned pool);
/* The pool of that name; -1: there is none. */
int bal_pool_find(const struct bal_conf *conf, const char *name);
enum bal_policy bal_pool_policy(const struct bal_conf *conf, unsigned pool);
const struct bal_cache_conf *bal_pool_cache(const struct bal_conf *conf, unsigned pool);
/* True when the server belongs to the pool. */
bool bal_pool_has(const struct bal_conf *conf, unsigned pool, unsigned server);
/* Servers of the pool. O(servers). */
unsigned bal_pool_servers(const struct bal_conf *conf, unsigned pool);

/*
 * What chashed knows a server by: its id, else "NAME (ADDRESS:PORT)", without a name the address
 * alone. Returns its length.
 */
size_t bal_server_id(const struct bal_server *s, char out[BAL_SERVER_ID]);
/* The defaults of all but any; and, once the servers are there, that. */
void bal_ecs_defaults(struct bal_ecs *e);
bool bal_ecs_wanted(const struct bal_server *s, unsigned n);
/* Fills in the defaults of a cache: everything but its entries. */
void bal_cache_defaults(struct bal_cache_conf *c);

/* Fills in the defaults of one server: everything but its address. */
void bal_server_defaults(struct bal_server *s);
void bal_tcp_defaults(struct bal_tcp_conf *t);

#endif
