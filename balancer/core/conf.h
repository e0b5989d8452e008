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

enum {
	BAL_SERVERS_MAX = 1024,
	BAL_NAME_TEXT = 64,       /* a server's name, NUL included */
	BAL_SOCKETS_MAX = 64,     /* sockets of one server */
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

/* How a server's health is checked. */
struct bal_check {
	enum bal_check_mode mode;      /* up and down: forced by setUp, setDown; no probes */
	bool must_resolve;             /* false; true: NXDOMAIN and REFUSED fail too */
	bool set_cd;                   /* false */
	uint16_t type;                 /* A */
	uint16_t class;                /* IN */
	uint16_t name_len;
	uint8_t name[DNS_NAME_MAX];    /* wire form; a.root-servers.net. */
	int64_t interval_ns;           /* 1 s */
	int64_t timeout_ns;            /* 1 s */
	uint32_t max_failures;         /* 1; failures in a row that take it down */
	uint32_t rise;                 /* 1; successes in a row that bring it back */
};

struct bal_server {
	struct ep addr;                /* port 53 */
	char name[BAL_NAME_TEXT];      /* "" */
	char id[BAL_NAME_TEXT];        /* "": made of name and address, see bal_server_id */
	int32_t order;                 /* 1; lower first */
	int32_t weight;                /* 1...INT32_MAX */
	uint32_t qps;                  /* 0: no limit */
	uint16_t sockets;              /* 1...BAL_SOCKETS_MAX */
	struct bal_check check;
	unsigned line;                 /* of its newServer, for messages */
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

struct bal_conf {
	enum bal_policy policy;
	bool servfail_when_no_server;  /* false: drop */
	bool roundrobin_fail_on_no_server; /* false: all servers take turns when none is up */
	int64_t udp_timeout_ns;        /* 2 s */
	uint32_t max_outstanding;      /* 65535 per server and worker, 1...65535 */
	bool perturbation_set;         /* false: drawn from the balancer's seed */
	uint32_t perturbation;         /* of whashed's and chashed's hash */
	uint32_t weighted_factor_ppm;  /* of wrandom, whashed, orderedWrandUntag; 0: no bound */
	uint32_t chashed_factor_ppm;   /* the same of chashed; else at least 1000000 */
	unsigned server_n;
	const struct bal_server *server;   /* in order of (order, definition) */
	unsigned front_n;
	const struct ep *front;            /* listen here; default 127.0.0.1:53 */
	unsigned acl_n;
	const struct prefix *acl;          /* clients that may ask */
	struct bal_cache_conf cache;       /* of the default pool; zero: none */
	uint32_t stale_s;                  /* 0; use expired answers so long when no server is up */
#ifdef EK_DEFECTS
	const struct defects *defects;     /* NULL: none; see lib/defect.h */
#endif
};

/*
 * What chashed knows a server by: its id, else "NAME (ADDRESS:PORT)", without a name the address
 * alone. Returns its length.
 */
size_t bal_server_id(const struct bal_server *s, char out[BAL_SERVER_ID]);
/* Fills in the defaults of a cache: everything but its entries. */
void bal_cache_defaults(struct bal_cache_conf *c);

/* Fills in the defaults of one server: everything but its address. */
void bal_server_defaults(struct bal_server *s);

#endif
