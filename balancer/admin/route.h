/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the web server says to a request, apart from HTTP itself: who may see what, and which path
 * is what. As in dnsdist: the password (basic authentication) opens statistics and the overview,
 * the API key (X-API-Key) these and the API.
 */
#ifndef EK_BALANCER_ROUTE_H
#define EK_BALANCER_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "command.h"

/* A NULL: the request has none. */
struct route_request {
	const char *method, *path;
	const char *authorization;     /* the header, "Basic ..." */
	const char *api_key;           /* the header X-API-Key */
	const char *command, *name;    /* ?command= of /jsonstat and ?name= of pool, decoded */
};

struct route_answer {
	unsigned status;               /* 200, 400, 401, 404, 405 */
	const char *type;
	char *body;                    /* the caller frees it */
};

void route(const struct admin *a, const struct route_request *r, struct route_answer *out);

/*
 * Header i of every answer: those that dnsdist sends, but for the ones that customHeaders replaces,
 * and customHeaders. False: there are no more.
 */
bool route_header(const struct admin_web *w, unsigned i, const char **name, const char **value);

#endif
