/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The web server: libmicrohttpd in a thread of its own, where the program was built with it. What
 * is answered is balancer/admin/route's.
 */
#ifndef EK_BALANCER_HTTP_H
#define EK_BALANCER_HTTP_H

#include "balancer/admin/command.h"

/* False: this program was built without libmicrohttpd. */
bool http_available(void);
/* Serves on take_fd, which listens, as long as the program lives. Returns 0, or -ENOSYS. */
int http_start(const struct admin *admin, int take_fd) MUST_CHECK;

#endif
