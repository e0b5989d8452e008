/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is said to balancers at their consoles, as an operator says it: the program's own client
 * (-e COMMAND) runs beside it, with its configuration, and prints nothing when all is well.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lab.h"

enum { TIMEOUT_MS = 2000, COMMAND = 4096 };

/* Server s of a balancer: the statement that does f to it. */
static const char *method(const struct plan_fault *f)
{
	switch (f->kind) {
	case PLAN_DRAIN: return "setDrain(true)";
	case PLAN_UNDRAIN: return "setDrain(false)";
	case PLAN_SET_DOWN: return "setDown()";
	default: return "setAuto()";
	}
}

/* One statement for each server that is f's node. How many. */
static unsigned command(const struct plan_conf *c, const struct plan_fault *f, char *out)
{
	unsigned n = 0, at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < c->server_n && at < COMMAND - 64; i++)
		if (c->server_node[i] == f->node) {
			at += (unsigned)snprintf(out + at, COMMAND - at, "%sgetServer(%u):%s",
			                         n > 0 ? "; " : "", i, method(f));
			n++;
		}
	return n;
}

/* Why a client's end isn't the one that it should be; "" when it is. */
static void why(int status, char *said, char *out, size_t len)
{
	said[strcspn(said, "\n")] = '\0';
	out[0] = '\0';
	if (status < 0)
		snprintf(out, len, "%s", status == -ETIME ? "no answer within 2 s"
		                                          : strerror(-status));
	else if (status != 0 || said[0] != '\0')
		snprintf(out, len, "%s", said[0] != '\0' ? said : "its client failed");
}

bool lab_console(struct lab *l, const struct plan_fault *f, char *evidence, size_t len)
{
	char text[COMMAND], said[200], wrong[240];
	unsigned n = 0;

	for (unsigned i = 0; i < l->plan->node_n; i++) {
		const struct plan_node *b = &l->plan->node[i];
		const struct proc *p = &l->proc[i];
		if (b->role != PLAN_BALANCER || p->pid == 0 || !p->ready || p->hung ||
		    command(&l->plan->conf[b->conf], f, text) == 0)
			continue;
		char *argv[] = { p->argv[0], "-C", b->config_path, "-e", text, NULL };
		int status = proc_beside(p, &l->world, argv, TIMEOUT_MS, said, sizeof(said));
		why(status, said, wrong, sizeof(wrong));
		if (wrong[0] != '\0') {
			snprintf(evidence, len, "%s can't be told %s: %s", b->name, method(f),
			         wrong);
			return false;
		}
		n++;
	}
	snprintf(evidence, len, "%u running balancers were told", n);
	return n > 0;
}
