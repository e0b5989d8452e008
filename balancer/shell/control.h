/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The console's sockets: one thread of its own, for all connections, that never waits for one of
 * them. Commands run here one after the other, never on a worker's path. And the other end, for
 * balancer --client and --execute.
 */
#ifndef EK_BALANCER_CONTROL_H
#define EK_BALANCER_CONTROL_H

#include "balancer/admin/command.h"

/* Listens, for control_start. Returns the descriptor, or -errno. */
int control_listen(const struct ep *ep);
/* Serves the console on take_fd, in a thread that lives as long as the program. admin: as long. */
void control_start(const struct admin *admin, int take_fd);

/*
 * balancer --client and --execute: connects, runs the command, or each line of standard input when
 * it is NULL, and prints the answers. Returns the status to exit with.
 */
int control_client(const struct admin_console *conf, const char *command);

#endif
