/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes what rules want logged, a line each, as dnsdist does. Each worker has files of its own,
 * open for appending, so that lines of several never mix.
 */
#ifndef EK_BALANCER_RULE_LOG_H
#define EK_BALANCER_RULE_LOG_H

#include "balancer/core/bal.h"

struct rule_log;

/*
 * Opens the logs of a configuration; first: this worker is the one that empties those that aren't
 * appended to. NULL: none is configured. One that can't be opened is told of, and stays without.
 */
struct rule_log *rule_log_new(const struct bal_conf *conf, bool first);
/* Writes all that waits. l may be NULL. */
void rule_log_pass(struct rule_log *l, struct bal *b);
/* One line, without its end. Returns its length. */
size_t rule_log_line(const struct bal_logged *e, char *out, size_t size);

#endif
