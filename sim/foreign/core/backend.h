/* SPDX-License-Identifier: BSD-3-Clause */
/* How a command line names who is who in a capture: NAME=ADDR[,WEIGHT] and [NAME=]ADDR. Pure. */
#ifndef EK_FOREIGN_BACKEND_H
#define EK_FOREIGN_BACKEND_H

#include "lib/addr.h"

enum { BACKEND_NAME_TEXT = 64, BACKEND_PORT = 53 };

/* A server that balancers send queries to. */
struct backend {
	char name[BACKEND_NAME_TEXT];
	struct ep addr;
	int32_t weight;       /* 1...INT32_MAX */
};

/*
 * Reads "NAME=ADDR[,WEIGHT]": the address as ep_parse reads it, port 53 and weight 1 unless they
 * are said. A name has 1...63 printable ASCII characters but '=', ',' and '/'. Returns 0; or
 * -EINVAL with what was expected in *expected, a constant.
 */
int backend_parse(struct backend *b, const char *text, const char **expected) MUST_CHECK;

/* An address of a balancer, under the name of all of its addresses. */
struct balancer_name {
	char name[BACKEND_NAME_TEXT];
	struct ip ip;
};

/* Reads "ADDR", which is its own name, or "NAME=ADDR". As backend_parse. */
int balancer_parse(struct balancer_name *b, const char *text, const char **expected) MUST_CHECK;

#endif
