/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is who in a capture: the servers by address and port, the balancers by address. Tables of
 * one size; a look-up is a hash and a compare. Pure.
 */
#ifndef EK_FOREIGN_WHO_H
#define EK_FOREIGN_WHO_H

#include "lib/addr.h"
#include "sim/capture/core/dissect.h"

enum {
	WHO_BACKENDS = 128, WHO_BALANCERS = 64, WHO_ADDRESSES = 256, WHO_SLOTS = 1024,
	WHO_NOBODY = -1,
};

struct who {
	unsigned backend_n, balancer_n, address_n;
	struct ep backend[WHO_BACKENDS];
	struct ip address[WHO_ADDRESSES];    /* of balancers */
	uint8_t owner[WHO_ADDRESSES];        /* which one's */
	uint16_t by_ep[WHO_SLOTS], by_ip[WHO_SLOTS]; /* index + 1; 0: free */
};

/* All zero is an empty one. False: it is there already, or there is no room. */
bool who_add_backend(struct who *w, const struct ep *ep);
/* An address of balancer b, which is one of those that there are, or the next. The same. */
bool who_add_address(struct who *w, const struct ip *ip, unsigned b);
/* An index, or WHO_NOBODY. */
int who_backend(const struct who *w, const struct ep *ep);
int who_balancer(const struct who *w, const struct ip *ip);

/* On which side of a balancer a message is, and whose. */
enum side { SIDE_NONE, SIDE_BACK, SIDE_FRONT };

struct party {
	enum side side;
	int balancer;         /* WHO_NOBODY: somebody else asks a backend */
	int backend;          /* of SIDE_BACK */
};

struct party who_of(const struct who *w, const struct capture_message *m);

/* What a backend is asked when its health is checked. */
struct check_question {
	uint16_t type, class, name_len;
	uint8_t name[DNS_NAME_MAX];
};

bool check_asked(const struct check_question *c, const struct capture_message *m);

#endif
