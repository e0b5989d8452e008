/* SPDX-License-Identifier: BSD-3-Clause */
/* Prints plans; see print.h. Plain text, at most about 100 columns. */
#include "print.h"

#include <string.h>

#include "answers.h"
#include "bounds.h"
#include "downs.h"
#include "replay.h"
#include "samples.h"
#include "schema.h"

/* Times as they are written in scenarios. Four may be in use at a time. */
static const char *time_text(int64_t ns)
{
	static char text[4][32];
	static unsigned turn;
	static const struct { const char *unit; double ns; } units[] = {
		{ "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "ns", 1 },
	};
	char *out = text[turn++ % COUNT_OF(text)];
	size_t i = 0;

	if (ns == INT64_MAX)
		return "never";
	while (i < COUNT_OF(units) - 1 && (double)ns < units[i].ns && ns != 0)
		i++;
	snprintf(out, sizeof(text[0]), "%.9g %s", (double)ns / units[i].ns, units[i].unit);
	return out;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void print_dist(FILE *to, const struct dist_spec *d)
{
	if (d->kind == DIST_CONSTANT)
		fprintf(to, "%s", time_text(d->a_ns));
	else if (d->kind == DIST_EXPONENTIAL)
		fprintf(to, "exponential, mean %s", time_text(d->a_ns));
	else
		fprintf(to, "%s, %s...%s", plan_dist_names[d->kind], time_text(d->a_ns),
		        time_text(d->b_ns));
}

static void print_takes(FILE *to, const struct dist_spec *d)
{
	fputs("takes ", to);
	print_dist(to, d);
}

static void print_link(FILE *to, const struct plan_link *l)
{
	fprintf(to, "link %s", time_text(l->delay_ns));
	if (l->loss_ppm > 0)
		fprintf(to, " loss %g", l->loss_ppm / 1e6);
	if (l->jitter_ns > 0)
		fprintf(to, " jitter %s", time_text(l->jitter_ns));
	if (l->duplicate_ppm > 0)
		fprintf(to, " duplicate %g", l->duplicate_ppm / 1e6);
	if (l->reorder_ppm > 0)
		fprintf(to, " reorder %g by %s", l->reorder_ppm / 1e6, time_text(l->reorder_ns));
	if (l->rate_bps > 0)
		fprintf(to, " rate %llu bit/s, queue %u bytes", (unsigned long long)l->rate_bps,
		        l->queue_bytes);
}

static void print_node(FILE *to, const struct plan *p, const struct plan_node *n)
{
	char text[PREFIX_TEXT + IP_TEXT];

	fprintf(to, "  %-8s %-8s ", n->name, plan_role_names[n->role]);
	for (unsigned i = 0; i < n->addr_n; i++) {
		ip_format(&n->addr[i], text);
		fprintf(to, "%s%s", i > 0 ? " " : "", text);
	}
	for (unsigned i = 0; i < n->net_n; i++) {
		prefix_format(&n->net[i], text);
		fprintf(to, "%s%s", i > 0 ? " " : "", text);
	}
	fputs("; ", to);
	print_link(to, &n->link);
	if (n->role == PLAN_BALANCER)
		fprintf(to, "; %s: %s", base_name(n->config_path),
		        plan_policy_names[p->conf[n->conf].policy]);
	if (n->role == PLAN_RECURSOR) {
		int asks = plan_authority_of(p, (int)(n - p->node));
		fprintf(to, "; %s; %s; a miss ", base_name(n->config_path),
		        n->packetcache ? "packet cache" : "no packet cache");
		if (asks != PLAN_NONE)
			fprintf(to, "asks %s", p->node[asks].name);
		else
			print_takes(to, &n->miss);
	}
	if (n->role == PLAN_AUTHORITY) {
		fputs("; an answer ", to);
		print_takes(to, &n->miss);
	}
	fputc('\n', to);
}

/* Which answers recursors give, and what of the loads has none. */
static void print_answers(FILE *to, const struct plan *p)
{
	const struct plan_answers *a = p->answers;

	fprintf(to, "\nAnswers\n  %s (sha256 %.16s...), to %llu questions%s; others are made\n",
	        base_name(a->path), a->sha256, (unsigned long long)a->questions,
	        a->delays ? "; a miss takes as long as captured" : "");
	if (a->again_n + a->truncated_n + a->longer_n + a->others_n > 0)
		fprintf(to, "  left out: %llu more of the same, %llu truncated, %llu too long, "
		        "%llu others\n", (unsigned long long)a->again_n,
		        (unsigned long long)a->truncated_n, (unsigned long long)a->longer_n,
		        (unsigned long long)a->others_n);
	for (unsigned i = 0; i < p->load_n; i++) {
		const struct plan_replay *r = p->load[i].replay;
		char name[DNS_NAME_TEXT];
		uint32_t first;
		uint64_t n = answers_missing(p, &p->load[i], &first);
		if (n == 0)
			continue;
		const struct trace_query *q = &r->trace->query[first];
		dns_name_format(r->trace->bytes + q->at + DNS_HEADER, q->name_len, name);
		fprintf(to, "  %llu of %llu queries of %s have none, the first is for %s\n",
		        (unsigned long long)n, (unsigned long long)r->query_n,
		        base_name(r->path), name);
	}
}

static void print_tries(FILE *to, const struct plan_load *l)
{
	fprintf(to, ", %u %s of %s%s%s: %.0f queries\n", l->tries, l->tries == 1 ? "try" : "tries",
	        time_text(l->timeout_ns), l->tries == 1 ? "" : " each",
	        l->tries > 1 && l->retry == PLAN_SAME ? " at the same balancer" : "",
	        plan_load_queries(l, l->from_ns, l->to_ns));
}

/* The capture, how it is played, and what of it isn't. */
static void print_replay(FILE *to, const struct plan *p, const struct plan_load *l)
{
	const struct plan_replay *r = l->replay;
	char net[PREFIX_TEXT];

	fprintf(to, "  %s ... %s  %s (sha256 %.16s...), %llu queries in %s", time_text(l->from_ns),
	        time_text(l->to_ns), base_name(r->path), r->sha256, (unsigned long long)r->query_n,
	        time_text(r->pace.period_ns));
	if (r->pace.loops > 1)
		fprintf(to, ", %llu times", (unsigned long long)r->pace.loops);
	if (r->pace.speed != TRACE_SPEED_ONE)
		fprintf(to, ", %.12g times as fast", (double)r->pace.speed / TRACE_SPEED_ONE);
	prefix_format(&r->net, net);
	fprintf(to, "\n                 from %u address%s%s%s of %s over IPv%u, ", l->clients,
	        l->clients == 1 ? "" : "es", r->addresses == PLAN_MAPPED ? " mapped into " : "",
	        r->addresses == PLAN_MAPPED ? net : "", p->node[l->node].name, l->family);
	if (replay_keeps(p, l))
		fputs("balancers as captured, or ", to);
	fprintf(to, "a balancer %s\n", l->choose == PLAN_PER_QUERY ? "for each query"
	        : "for each client");
	fprintf(to, "                 %u names", l->name_n);
	print_tries(to, l);
	if (r->servers_n + r->family_n + r->others_n > 0)
		fprintf(to, "                 left out: %llu queries of servers or to others, "
		        "%llu of the other family, %llu messages that are no plain query\n",
		        (unsigned long long)r->servers_n, (unsigned long long)r->family_n,
		        (unsigned long long)r->others_n);
	if (r->copies_n > 0)
		fprintf(to, "                 %llu packets that the capture has twice are asked "
		        "once\n", (unsigned long long)r->copies_n);
}

static void print_load(FILE *to, const struct plan *p, const struct plan_load *l)
{
	char rate[32];

	snprintf(rate, sizeof(rate), "%.12g", (double)l->rate_mqps / 1000);
	fprintf(to, "  %s ... %s  %s a second, %s, from %u address%s of %s over IPv%u, ",
	        time_text(l->from_ns), time_text(l->to_ns), rate,
	        plan_arrivals_names[l->arrivals], l->clients, l->clients == 1 ? "" : "es",
	        p->node[l->node].name, l->family);
	fprintf(to, "a balancer %s\n", l->choose == PLAN_PER_QUERY ? "for each query"
	        : "for each client");
	fputs("                 ", to);
	if (l->names == PLAN_UNIQUE)
		fputs("unique names", to);
	else
		fprintf(to, "%u names (zipf, exponent %.12g)", l->name_n, l->zipf_milli / 1000.0);
	print_tries(to, l);
}

/* How long a silence can't be noticed, and so how many queries must go to the dead recursor. */
static void print_silence(FILE *to, const struct plan *p, unsigned fault)
{
	const struct plan_fault *f = &p->fault[fault];
	int64_t least = plan_notice_ns(p, fault);
	double mean = plan_misrouted_mean(p, f->at_ns, f->at_ns + least,
	                                  plan_share_least(p, f->node));

	fprintf(to, ": noticed within %s", time_text(plan_detect_ns(p, f->node)));
	if (least > 0)
		fprintf(to, ", not before %s; at least %llu queries go to it", time_text(least),
		        (unsigned long long)plan_poisson_least(mean, PLAN_FLAKE));
}

static void print_fault(FILE *to, const struct plan *p, unsigned fault)
{
	const struct plan_fault *f = &p->fault[fault];
	const struct plan_node *n = &p->node[f->node];

	fprintf(to, "  %-8s %s %s", time_text(f->at_ns), plan_fault_name(f->kind), n->name);
	if (f->when != PLAN_AT)
		fprintf(to, ", at the latest: %s after every balancer has marked %s %s",
		        time_text(f->plus_ns), p->node[f->when_node].name,
		        f->when == PLAN_WHEN_UP ? "up" : "down");
	if (f->value_ns > 0)
		fprintf(to, ", %s", time_text(f->value_ns));
	if (f->value_ppm > 0)
		fprintf(to, ", %g of %s", f->value_ppm / 1e6, f->kind >= PLAN_SERVFAIL
		        ? "its answers"
		        : "its frames");
	if (f->spares_checks)
		fputs(", health checks spared", to);
	if (f->rate_bps > 0)
		fprintf(to, ", %llu bit/s, queue %u bytes", (unsigned long long)f->rate_bps,
		        f->queue_bytes);
	if (f->way != PLAN_BOTH_WAYS)
		fprintf(to, ", %s only", plan_way_names[f->way]);
	if (n->role == PLAN_RECURSOR && plan_fault_silences(f->kind))
		print_silence(to, p, fault);
	if (n->role == PLAN_RECURSOR && plan_fault_returns(f->kind))
		fprintf(to, ": in use within %s", time_text(plan_back_ns(p, f->node)));
	fputc('\n', to);
}

static void print_sample(FILE *to, const struct plan *p, const struct plan_expect *e)
{
	struct plan_sample s;

	plan_sample(&s, p, e);
	fprintf(to, "           %.0f %s %s, %llu at least; %llu decide (catch %g, miss %g, "
	        "flake %g)\n", s.mean, s.names ? "names" : "queries",
	        s.cached ? "are in no balancer's cache" : "count",
	        (unsigned long long)s.least, (unsigned long long)s.need,
	        e->catch_ppm / 1e6, e->miss, e->flake);
}

static void print_names(FILE *to, const struct plan *p, const struct plan_expect *e)
{
	for (unsigned i = 0; i < e->node_n; i++)
		fprintf(to, "%s%s", i > 0 ? ", " : " ", p->node[e->node[i]].name);
}

/* What each of the policy's choices is held against. */
static void print_policy(FILE *to, const struct plan *p, const struct plan_expect *e)
{
	static const char *const held[POLICY_N] = {
		[BAL_LEAST_OUTSTANDING] = "what is outstanding, and the order",
		[BAL_FIRST_AVAILABLE] = "the order, and the room under qps limits",
		[BAL_WRANDOM] = "who is up, and the draws before",
		[BAL_ROUNDROBIN] = "whose turn it is",
		[BAL_WHASHED] = "where its name went before",
		[BAL_CHASHED] = "where its name went before, and among other servers",
		[BAL_ORDERED_WRANDOM] = "the lowest order that is up, and the draws before",
		[BAL_LUA] = "nothing",
	};

	fprintf(to, " from %s to %s\n", time_text(e->during_from_ns), time_text(e->during_to_ns));
	for (unsigned i = 0; i < p->conf_n; i++)
		fprintf(to, "           %s: each choice against %s\n",
		        plan_policy_names[p->conf[i].policy], held[p->conf[i].policy]);
}

static void print_lost(FILE *to, const struct plan *p, const struct plan_expect *e)
{
	double mean = plan_lost_mean(p);

	if (e->at_most != PLAN_MODEL)
		fprintf(to, " at most %lld\n", (long long)e->at_most);
	else
		fprintf(to, " at most %llu: the mean is at most %.6g, at flake %g\n",
		        (unsigned long long)plan_poisson_most(mean, e->flake), mean, e->flake);
}

static void print_outage(FILE *to, const struct plan *p, const struct plan_expect *e)
{
	int64_t from = e->during_from_ns, until = e->during_to_ns;
	int64_t model = plan_outage_ns(p, from, until, e->flake);

	fprintf(to, " within %s%s, from %s to %s\n",
	        time_text(e->within_ns == PLAN_MODEL ? model : e->within_ns),
	        e->within_ns == PLAN_MODEL ? " (model)" : "", time_text(from), time_text(until));
	if (plan_replays(p))
		return; /* its pauses count, too */
	fprintf(to, "           of a right system at most %s, for %s of which no query is sure of "
	        "an answer\n", time_text(model), time_text(plan_dark_ns(p, from, until)));
}

/* The claims about failover beyond detect, back and lost. */
static void print_measure(FILE *to, const struct plan *p, const struct plan_expect *e)
{
	bool model = e->within_ns == PLAN_MODEL;
	int64_t bound = e->within_ns;

	switch (e->kind) {
	case PLAN_FLAPS:
		fprintf(to, " at most %lld; the mean is at most %.4g\n", (long long)e->at_most,
		        plan_flaps_mean(p, e));
		break;
	case PLAN_OUTAGE: print_outage(to, p, e); break;
	case PLAN_OVERSHOOT:
		bound = model ? plan_back_ns(p, e->node[0]) : bound;
		fprintf(to, " at most %g of any %u queries until %s after its return; a right "
			"system "
		        "has more with a probability of up to %.3g\n", e->share_ppm / 1e6,
		        PLAN_HERD_WINDOW, time_text(bound), plan_overshoot_chance(p, e));
		break;
	case PLAN_FAILOVER:
		fprintf(to, " within %s%s; at most %.4g miss it in the mean\n",
		        time_text(model ? plan_failover_ns(p) : bound), model ? " (model)" : "",
		        plan_failover_mean(p, e->node[0]));
		break;
	default:
		break;
	}
}

static void print_expect(FILE *to, const struct plan *p, const struct plan_expect *e)
{
	int64_t bound = e->within_ns;

	fprintf(to, "  line %-3u %-8s", e->line, plan_expect_name(e->kind));
	print_names(to, p, e);
	switch (e->kind) {
	case PLAN_EVEN:
		fprintf(to, " from %s to %s\n", time_text(e->during_from_ns),
		        time_text(e->during_to_ns));
		print_sample(to, p, e);
		break;
	case PLAN_DETECT:
		bound = bound == PLAN_MODEL ? plan_detect_ns(p, e->node[0]) : bound;
		fprintf(to, " within %s + %s of slack and the measured loop gap%s\n",
		        time_text(bound),
		        time_text(p->limits.slack_ns), e->within_ns == PLAN_MODEL ? " (model)"
			: "");
		break;
	case PLAN_BACK:
		fprintf(to, " within %s, %s\n", time_text(bound), e->to_share
		        ? "with its full share"
		        : "with a first query");
		if (e->to_share)
			print_sample(to, p, e);
		break;
	case PLAN_LOST: print_lost(to, p, e); break;
	case PLAN_FLAPS: case PLAN_OUTAGE: case PLAN_OVERSHOOT: case PLAN_FAILOVER:
		print_measure(to, p, e);
		break;
	case PLAN_ANSWERS:
		fprintf(to, " wrong at most %llu, duplicate at most %llu",
		        (unsigned long long)e->wrong,
		        (unsigned long long)e->duplicate);
		if (e->error >= 0)
			fprintf(to, ", errors at most %lld", (long long)e->error);
		if (e->error_least > 0)
			fprintf(to, ", errors at least %llu", (unsigned long long)e->error_least);
		fputc('\n', to);
		break;
	case PLAN_CACHE:
		if (e->at_balancers)
			fprintf(to, " at least %g of all queries at the balancers, from %s to %s\n",
			        e->hits_ppm / 1e6, time_text(e->during_from_ns),
			        time_text(e->during_to_ns));
		else
			fprintf(to, " at least %g within %s, from %s to %s\n", e->hits_ppm / 1e6,
			        time_text(bound), time_text(e->during_from_ns),
			        time_text(e->during_to_ns));
		break;
	case PLAN_LATENCY:
		fprintf(to, " quantile %g within %s, from %s to %s\n", e->quantile_ppm / 1e6,
		        time_text(bound), time_text(e->during_from_ns), time_text(e->during_to_ns));
		break;
	case PLAN_POLICY: print_policy(to, p, e); break;
	}
}

static void print_program(FILE *to, const char *what, const struct plan_program *g,
                          const char *ours)
{
	fprintf(to, "  %-8s %s%s%s", what, g->path != NULL ? g->path : ours,
	        g->version[0] != '\0' ? " " : "", g->version);
	if (g->checks != 0)
		fprintf(to, ", health checks %s", plan_checks_names[g->checks]);
	fputc('\n', to);
}

/* The machine that virtual time imitates, where it isn't the model's own. */
static void print_machine(FILE *to, const struct plan *p)
{
	const struct { const char *what; int64_t ns; } all[] = {
		{ "they are late by", p->wake_ns },
		{ "a balancer wakes up and sends in", p->balancer_wake_ns },
		{ "a balancer sends an answer back in", p->balancer_return_ns },
		{ "a recursor wakes up and sends in", p->recursor_wake_ns },
		{ "a balancer starts in", p->balancer_start_ns },
		{ "a recursor starts in", p->recursor_start_ns },
	};

	for (size_t i = 0; i < COUNT_OF(all) && p->for_virtual; i++)
		if (all[i].ns > 0)
			fprintf(to, "  in virtual time %s %s\n", all[i].what,
			        time_text(all[i].ns));
}

static void print_expectations(FILE *to, const struct plan *p, const struct plan_beside *beside)
{
	if (p->expect_n > 0)
		fputs("\nExpectations\n", to);
	if (p->expect_n > 0 && beside != NULL)
		beside->head(beside->arg, to);
	for (unsigned i = 0; i < p->expect_n; i++) {
		print_expect(to, p, &p->expect[i]);
		if (beside != NULL)
			beside->expect(beside->arg, to, i);
	}
}

void plan_print(FILE *to, const struct plan *p, const struct plan_beside *beside)
{
	double flakes = 0;

	fprintf(to, "%s: seed %llu, %s%s%s, %s until all is settled\n", p->name,
	        (unsigned long long)p->seed, p->for_netns ? "netns" : "",
	        p->for_netns && p->for_virtual ? " or " : "", p->for_virtual ? "virtual time" : "",
	        time_text(p->end_ns));
	fputs("\nPrograms\n", to);
	print_program(to, "balancer", &p->balancer, "our balancer");
	print_program(to, "recursor", &p->recursor, "our recursor-stub");
	print_machine(to, p);
	fputs("\nNodes\n", to);
	for (unsigned i = 0; i < p->node_n; i++)
		print_node(to, p, &p->node[i]);
	if (p->answers_n > 0)
		print_answers(to, p);
	fputs("\nLoad\n", to);
	for (unsigned i = 0; i < p->load_n; i++)
		(p->load[i].replay_n > 0 ? print_replay : print_load)(to, p, &p->load[i]);
	if (p->fault_n > 0)
		fputs("\nTimeline\n", to);
	for (unsigned i = 0; i < p->fault_n; i++)
		print_fault(to, p, i);
	print_expectations(to, p, beside);
	for (unsigned i = 0; i < p->expect_n; i++)
		flakes += p->expect[i].flake;
	fprintf(to, "\nA right system fails in at most %g of the runs.\n", flakes);
}

unsigned lint_print(FILE *to, const struct lint *l, const char *scenario, bool errors)
{
	unsigned printed = 0;

	for (unsigned i = 0; i < l->note_n; i++) {
		const struct lint_note *n = &l->note[i];
		if (n->error != errors)
			continue;
		fprintf(to, "%s%s", errors ? "evenkeel: " : "note: ", n->file[0] != '\0' ? n->file
		        : scenario);
		if (n->line > 0)
			fprintf(to, ":%u", n->line);
		fprintf(to, ": %s\n", n->text);
		printed++;
	}
	return printed;
}
