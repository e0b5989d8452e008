/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a plan asks on TCP for what virtual time doesn't model there: clients are sent to TCP
 * (truncate), or health checks go over it, while a link loses frames, doubles them or brings them
 * out of order.
 */
#include "bounds.h"
#include "lint.h"

/* When a truncating recursor stops: told to, or killed. */
static int64_t truncates_until(const struct plan *p, unsigned i)
{
	for (unsigned k = i + 1; k < p->fault_n; k++) {
		const struct plan_fault *f = &p->fault[k];
		if (f->node == p->fault[i].node &&
		    (f->kind == PLAN_KILL || (f->kind == PLAN_TRUNCATE && f->value_ppm == 0)))
			return f->at_ns;
	}
	return INT64_MAX;
}

static bool link_upsets(const struct plan_link *l)
{
	return plan_link_loses(l) || l->duplicate_ppm > 0 || l->reorder_ppm > 0;
}

static bool fault_upsets(const struct plan_fault *f)
{
	switch (f->kind) {
	case PLAN_LOSS:
	case PLAN_DUPLICATE:
	case PLAN_REORDER:
		return f->value_ppm > 0;
	case PLAN_RATE:
		return f->rate_bps > 0;
	case PLAN_CUT:
		return true;
	default:
		return false;
	}
}

static bool upset_within(const struct plan *p, int64_t from_ns, int64_t to_ns)
{
	for (unsigned i = 0; i < p->node_n; i++)
		if (link_upsets(&p->node[i].link))
			return true;
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		int end = plan_fault_end(p, i);
		if (fault_upsets(f) && f->at_ns < to_ns &&
		    (end == PLAN_NONE || p->fault[end].at_ns > from_ns))
			return true;
	}
	return false;
}

/* Health checks over TCP are under way all the time. */
bool plan_checks_tcp(const struct plan *p)
{
	for (unsigned c = 0; c < p->conf_n; c++)
		for (unsigned i = 0; i < p->conf[c].server_n; i++) {
			const struct bal_check *check = &p->conf[c].server[i].check;
			if (check->mode == BAL_CHECK_AUTO && check->tcp)
				return true;
		}
	return false;
}

/* Servers that are asked over TCP alone, or clients that were captured so. */
static bool queries_over_tcp(const struct plan *p)
{
	for (unsigned i = 0; i < p->load_n; i++)
		if (p->load[i].replay_n > 0 && p->load[i].replay->trace->connection_n > 0)
			return true;
	for (unsigned c = 0; c < p->conf_n; c++)
		for (unsigned i = 0; i < p->conf[c].server_n; i++)
			if (p->conf[c].server[i].tcp_only)
				return true;
	return false;
}

bool plan_upsets_tcp(const struct plan *p, unsigned *line)
{
	*line = 0;
	if ((plan_checks_tcp(p) || queries_over_tcp(p)) && upset_within(p, INT64_MIN, INT64_MAX))
		return true;
	for (unsigned i = 0; i < p->fault_n; i++) {
		const struct plan_fault *f = &p->fault[i];
		*line = f->line;
		if (f->kind == PLAN_TRUNCATE && f->value_ppm > 0 &&
		    upset_within(p, f->at_ns, truncates_until(p, i)))
			return true;
	}
	return false;
}

bool plan_confuses_checks(const struct plan *p, unsigned *line)
{
	*line = 0;
	if (plan_checks_tcp(p) && queries_over_tcp(p))
		return true;
	for (unsigned i = 0; i < p->fault_n && plan_checks_tcp(p); i++) {
		*line = p->fault[i].line;
		if (p->fault[i].kind == PLAN_TRUNCATE && p->fault[i].value_ppm > 0)
			return true;
	}
	return false;
}
