/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is wrong or odd about a plan that could be run: an expectation that its queries can't
 * decide, settings that don't do what they seem to. Errors refuse the plan; notes are told.
 */
#ifndef EK_PLAN_LINT_H
#define EK_PLAN_LINT_H

#include "plan.h"

enum { LINT_NOTES_MAX = 128, LINT_TEXT = 512 };

struct lint_note {
	bool error;
	unsigned line;              /* of the scenario, or of file; 0: not known */
	char file[256];             /* "": the scenario */
	char text[LINT_TEXT];
};

struct lint {
	unsigned note_n;            /* at most LINT_NOTES_MAX; what comes later is left out */
	struct lint_note note[LINT_NOTES_MAX];
};

/* Adds a note, printf-like. file: NULL for the scenario. */
void lint_add(struct lint *l, bool error, const char *file, unsigned line, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* True when some health check goes over TCP. */
bool plan_checks_tcp(const struct plan *p);
/*
 * True when the plan also sends clients there, so that the judge can't tell a check's connection,
 * which is known by being the only one to that server; *line: of the fault that sends them, 0 for
 * tcpOnly.
 */
bool plan_confuses_checks(const struct plan *p, unsigned *line);
/*
 * True when the plan sends clients to TCP, or has health checks there, while a link loses frames by
 * chance or one way, doubles them or changes their order; *line: of the fault that sends them, 0
 * for checks. Virtual time has none of it on TCP.
 */
bool plan_upsets_tcp(const struct plan *p, unsigned *line);
/* Adds what there is to say about the plan. */
void lint_plan(struct lint *l, const struct plan *p);

/* lint_health.c: health checks that the judge can't follow. */
void lint_health(struct lint *l, const struct plan *p);
/* True when some balancer checks the node lazily. */
bool lint_lazy(const struct plan *p, int node);

/*
 * lint_policy.c: refuses claims about single choices where a balancing factor bends them. True when
 * it did.
 */
bool lint_factor(struct lint *l, const struct plan_conf *c, const struct plan_expect *e);
/* Says what isn't judged where a Lua function chooses. */
void lint_lua(struct lint *l, const struct plan_conf *c);
/* lint_said.c: drain, setDown and what ends them. */
void lint_said(struct lint *l, const struct plan *p);
/* lint_more.c: what our balancer does beyond dnsdist. */
void lint_more(struct lint *l, const struct plan *p);
/* Can what is planned tell the policy from another? */
void lint_policy(struct lint *l, const struct plan *p, const struct plan_expect *e);

#endif
