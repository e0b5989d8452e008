/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Giving up privileges, once everything is bound: another user and group, no other groups, no
 * capability that could come back. Before any other thread is started.
 */
#ifndef EK_BALANCER_PRIVILEGES_H
#define EK_BALANCER_PRIVILEGES_H

#include "options.h"

/*
 * Becomes -u and -g. Nothing but the promise to gain nothing by exec happens for who we are
 * already: what a service manager has given, such as the capability to bind low ports, stays.
 * Returns 0, or the status to exit with: all has been said.
 */
int privileges_drop(const struct options *o);

#endif
