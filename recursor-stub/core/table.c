/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and prose of verdicts and counters, and the counters themselves; see rec.h. */
#include "rec_impl.h"

static const struct {
	const char *name, *prose;
	bool sends;
} verdicts[] = {
	{ "none", "", false },
#define VERDICT(id, name, sends, prose) { name, prose, sends },
#include "verdict.def"
#undef VERDICT
};

static const struct {
	const char *name, *prose;
} counters[] = {
#define COUNTER(id, name, prose) { name, prose },
#include "counter.def"
#undef COUNTER
};

STATIC_MUST(COUNT_OF(counters) == REC_C_FAULT);

const char *rec_verdict_name(enum rec_verdict v)
{
	return verdicts[v].name;
}

const char *rec_verdict_prose(enum rec_verdict v)
{
	return verdicts[v].prose;
}

bool rec_verdict_sends(enum rec_verdict v)
{
	return verdicts[v].sends;
}

const char *rec_counter_name(enum rec_counter c)
{
	return c < REC_C_FAULT ? counters[c].name
	                       : rec_fault_name((enum rec_fault)(c - REC_C_FAULT));
}

const char *rec_counter_prose(enum rec_counter c)
{
	return c < REC_C_FAULT ? counters[c].prose
	                       : rec_fault_prose((enum rec_fault)(c - REC_C_FAULT));
}

/* One thread writes, others may read. */
void rec_add(struct rec *r, enum rec_counter c, uint64_t n)
{
	uint64_t v = atomic_load_explicit(&r->count[c], memory_order_relaxed);

	atomic_store_explicit(&r->count[c], v + n, memory_order_relaxed);
}

uint64_t rec_count(const struct rec *r, enum rec_counter c)
{
	return atomic_load_explicit(&r->count[c], memory_order_relaxed);
}

uint64_t rec_verdicts(const struct rec *r, enum rec_verdict v)
{
	return r->verdict[v];
}

uint64_t rec_answered_later(const struct rec *r)
{
	return r->later;
}
