/* SPDX-License-Identifier: BSD-3-Clause */
/* A trace's times; see trace.h. */
#include "trace.h"

__extension__ typedef unsigned __int128 wide;

enum { GAPLESS_NS = 1000000000 };

int64_t trace_period(const struct trace *t)
{
	int64_t span = t->query_n > 0 ? t->query[t->query_n - 1].t_ns : 0;

	if (span == 0)
		return GAPLESS_NS;
	int64_t gap = span / (t->query_n - 1) + (span < t->query_n - 1);
	return span < INT64_MAX - gap ? span + gap : INT64_MAX;
}

uint64_t trace_planned(const struct trace *t, const struct trace_pace *pace)
{
	return t->query_n * pace->loops;
}

/* Without the speed, of query n of all loops. */
static wide captured(const struct trace *t, const struct trace_pace *pace, uint64_t n)
{
	return (wide)(n / t->query_n) * (uint64_t)pace->period_ns +
	       (uint64_t)t->query[n % t->query_n].t_ns;
}

static int64_t scaled(const struct trace_pace *pace, wide ns)
{
	wide v = ns * TRACE_SPEED_ONE / pace->speed;

	return v < INT64_MAX ? (int64_t)v : INT64_MAX;
}

int64_t trace_at(const struct trace *t, const struct trace_pace *pace, uint64_t n)
{
	return scaled(pace, captured(t, pace, n));
}

int64_t trace_lasts(const struct trace_pace *pace)
{
	return scaled(pace, (wide)(uint64_t)pace->period_ns * pace->loops);
}

/* The first of the queries [from, to) that is captured at ns or later; to: none. */
static uint64_t first_at(const struct trace *t, const struct trace_pace *pace, uint64_t from,
                         uint64_t to, wide ns)
{
	while (from < to) {
		uint64_t middle = from + (to - from) / 2;
		if (captured(t, pace, middle) >= ns)
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

uint64_t trace_before(const struct trace *t, const struct trace_pace *pace, int64_t t_ns)
{
	wide ns = t_ns > 0 ? (uint64_t)t_ns : 0;

	/* scaled(x) >= ns when x * ONE >= ns * speed */
	ns = (ns * pace->speed + TRACE_SPEED_ONE - 1) / TRACE_SPEED_ONE;
	return first_at(t, pace, 0, trace_planned(t, pace), ns);
}

uint64_t trace_most(const struct trace *t, const struct trace_pace *pace, int64_t window_ns)
{
	/* Two times' difference is off by less than 1 ns for being rounded. */
	wide window = ((wide)(uint64_t)window_ns + 1) * pace->speed / TRACE_SPEED_ONE + 1;
	uint64_t all = trace_planned(t, pace), most = 0;

	for (uint64_t n = 0; n < t->query_n; n++) { /* later loops are as the first */
		uint64_t end = first_at(t, pace, n, all, captured(t, pace, n) + window);
		most = end - n > most ? end - n : most;
	}
	return most;
}
