/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan as the scenario that says it: the way back from plan_load. What a claim or a load takes is
 * read off the tables that its reader has, so a new key of theirs is written without a word here.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "lib/must.h"
#include "scenario.h"

enum { TIME = 32 };

static void put_time(FILE *to, int64_t ns)
{
	char text[TIME];

	value_print_time(text, sizeof(text), ns);
	fprintf(to, "\"%s\"", text);
}

/* v / scale, exactly; scale is a power of ten. */
static void put_scaled(FILE *to, uint64_t v, uint64_t scale)
{
	fprintf(to, "%" PRIu64, v / scale);
	if (v % scale == 0)
		return;
	fputc('.', to);
	for (uint64_t rest = v % scale; rest > 0; rest = rest * 10 % scale)
		fputc((int)('0' + rest * 10 / scale), to);
}

/* Names and paths may hold anything but NUL. */
static void put_text(FILE *to, const char *text)
{
	fputc('"', to);
	for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
		if (*at == '"' || *at == '\\')
			fprintf(to, "\\%c", *at);
		else if (*at < ' ')
			fprintf(to, "\\%03u", *at);
		else
			fputc(*at, to);
	fputc('"', to);
}

/* path, as seen from dir; both absolute. */
static void put_path(FILE *to, const char *path, const char *dir)
{
	char out[2 * PATH_MAX] = "", folder[PATH_MAX];
	size_t same = 0, n = 0;

	snprintf(folder, sizeof(folder), "%.4000s/", strcmp(dir, "/") == 0 ? "" : dir);
	for (size_t i = 0; folder[i] != '\0' && folder[i] == path[i]; i++)
		same = folder[i] == '/' ? i + 1 : same;
	for (const char *at = folder + same; *at != '\0' && n < PATH_MAX; at++)
		if (*at == '/')
			n += (size_t)snprintf(out + n, sizeof(out) - n, "../");
	snprintf(out + n, sizeof(out) - n, "%.4000s", path + same);
	put_text(to, out);
}

static int64_t stored(const struct key *k, const void *in)
{
	const char *at = (const char *)in + k->at;
	int64_t v64;
	uint32_t v32;
	uint16_t v16;

	switch (k->size) {
	case 8: memcpy(&v64, at, 8); return v64;
	case 4: memcpy(&v32, at, 4); return v32;
	default: memcpy(&v16, at, 2); return v16;
	}
}

static void put_value(FILE *to, const struct key *k, const void *in)
{
	int64_t v = stored(k, in);
	double chance;

	switch (k->kind) {
	case KEY_TIME: put_time(to, v); break;
	case KEY_TIME_MODEL:
		if (v == PLAN_MODEL)
			fputs("\"model\"", to);
		else
			put_time(to, v);
		break;
	case KEY_COUNT_MODEL: case KEY_COUNT_ANY:
		if (v < 0)
			fputs(k->kind == KEY_COUNT_ANY ? "\"any\"" : "\"model\"", to);
		else
			fprintf(to, "%" PRId64, v);
		break;
	case KEY_COUNT: fprintf(to, "%" PRId64, v); break;
	case KEY_RATIO: put_scaled(to, (uint64_t)v, 1000000); break;
	case KEY_RATE: put_scaled(to, (uint64_t)v, 1000); break;
	case KEY_WORD: fprintf(to, "\"%s\"", k->words[v]); break;
	case KEY_CHANCE:
		memcpy(&chance, (const char *)in + k->at, sizeof(chance));
		fprintf(to, "%.17g", chance);
		break;
	case KEY_OTHER: break;
	}
}

/* What stands between two members of a table. */
static void put_comma(FILE *to, bool *more)
{
	fputs(*more ? ", " : "", to);
	*more = true;
}

/* "KEY = VALUE" for each key that doesn't have its default. */
static void put_keys(FILE *to, bool *more, const struct key *keys, unsigned n, const void *in,
                     const void *defaults)
{
	for (unsigned i = 0; i < n; i++) {
		const struct key *k = &keys[i];
		if (k->kind == KEY_OTHER ||
		    (!k->required && stored(k, in) == stored(k, defaults)))
			continue;
		put_comma(to, more);
		fprintf(to, "%s = ", k->name);
		put_value(to, k, in);
	}
}

/* ---- the lab ---- */

static void put_dist(FILE *to, const struct dist_spec *d)
{
	if (d->kind != DIST_CONSTANT)
		fprintf(to, "%s(", plan_dist_names[d->kind]);
	put_time(to, d->a_ns);
	if (d->kind == DIST_UNIFORM || d->kind == DIST_LOGNORMAL) {
		fputs(", ", to);
		put_time(to, d->b_ns);
	}
	if (d->kind != DIST_CONSTANT)
		fputc(')', to);
}

static void put_addresses(FILE *to, const struct plan_node *n)
{
	char text[IP_TEXT];

	for (unsigned i = 0; i < n->addr_n; i++) {
		ip_format(&n->addr[i], text);
		fprintf(to, "%s\"%s\"", i > 0 ? ", " : "", text);
	}
}

static void put_balancers(FILE *to, const struct plan *p, const char *dir)
{
	fputs("  balancers = {\n", to);
	for (unsigned i = 0; i < p->node_n; i++) {
		if (p->node[i].role != PLAN_BALANCER)
			continue;
		fprintf(to, "    [\"%s\"] = { ", p->node[i].name);
		put_addresses(to, &p->node[i]);
		fputs(",\n      config = ", to);
		put_path(to, p->node[i].config_path, dir);
		fputs(" },\n", to);
	}
	fputs("  },\n", to);
}

/* Whether the node's addresses are those of the servers of its name, in their order. */
static bool named_by_servers(const struct plan *p, unsigned node)
{
	const struct plan_node *n = &p->node[node];
	unsigned found = 0;

	for (unsigned c = 0; c < p->conf_n; c++)
		for (unsigned i = 0; i < p->conf[c].server_n; i++) {
			const struct bal_server *s = &p->conf[c].server[i];
			bool known = false;
			if (p->conf[c].server_node[i] != (int)node)
				continue;
			for (unsigned a = 0; a < found; a++)
				known = known || ip_eq(&n->addr[a], &s->addr.ip);
			if (known)
				continue;
			if (strcmp(s->name, n->name) != 0 || found == n->addr_n ||
			    !ip_eq(&n->addr[found], &s->addr.ip))
				return false;
			found++;
		}
	return found == n->addr_n;
}

/*
 * Nodes come by name but for those that are only listed, which come first: as many as have what
 * the first one has are listed, so their order stays.
 */
static void put_recursors(FILE *to, const struct plan *p, const char *dir)
{
	const struct plan_node *first = NULL;
	bool listed = true;

	fputs("  recursors = {\n", to);
	for (unsigned i = 0; i < p->node_n; i++) {
		const struct plan_node *n = &p->node[i];
		if (n->role != PLAN_RECURSOR)
			continue;
		first = first != NULL ? first : n;
		listed = listed && named_by_servers(p, i) &&
		         strcmp(n->config_path, first->config_path) == 0 &&
		         plan_same_miss(&n->miss, &first->miss);
		if (listed) {
			fprintf(to, "    \"%s\",\n", n->name);
			continue;
		}
		fprintf(to, "    [\"%s\"] = { ", n->name);
		if (!named_by_servers(p, i)) {
			put_addresses(to, n);
			fputs(", ", to);
		}
		fputs("config = ", to);
		put_path(to, n->config_path, dir);
		fputs(", miss = ", to);
		put_dist(to, &n->miss);
		fputs(" },\n", to);
	}
	fputs("    config = ", to);
	put_path(to, first->config_path, dir);
	fputs(", miss = ", to);
	put_dist(to, &first->miss);
	if (p->answers_n > 0) {
		fputs(", answers = ", to);
		put_path(to, p->answers->path, dir);
		fputs(p->answers->delays ? ", delays = true" : "", to);
	}
	fputs(",\n  },\n", to);
}

/* The node's first load, of those that are drawn or of all; NULL. */
static const struct plan_load *load_of(const struct plan *p, unsigned node, bool drawn)
{
	for (unsigned i = 0; i < p->load_n; i++)
		if (p->load[i].node == (int)node && !(drawn && p->load[i].replay_n > 0))
			return &p->load[i];
	return NULL;
}

static void put_group(FILE *to, const struct plan *p, unsigned node)
{
	const struct plan_node *n = &p->node[node];
	char text[PREFIX_TEXT];

	fputs("{ net = { ", to);
	for (unsigned i = 0; i < n->net_n; i++) {
		prefix_format(&n->net[i], text);
		fprintf(to, "%s\"%s\"", i > 0 ? ", " : "", text);
	}
	fputs(" }", to);
	const struct plan_load *any = load_of(p, node, false), *drawn = load_of(p, node, true);
	if (drawn != NULL)
		fprintf(to, ", count = %u", drawn->clients);
	if (any != NULL)
		fprintf(to, ", choose = \"%s\"", plan_choose_names[any->choose]);
	fputs(" },\n", to);
}

static void put_clients(FILE *to, const struct plan *p)
{
	bool one = p->node[1].role != PLAN_CLIENTS && strcmp(p->node[0].name, "clients") == 0;

	fprintf(to, "  clients = %s", one ? "" : "{\n");
	for (unsigned i = 0; i < p->node_n && p->node[i].role == PLAN_CLIENTS; i++) {
		if (!one)
			fprintf(to, "    [\"%s\"] = ", p->node[i].name);
		put_group(to, p, i);
	}
	if (!one)
		fputs("  },\n", to);
}

static void put_link(FILE *to, const struct plan_link *l)
{
	fputs("delay = ", to);
	put_time(to, l->delay_ns);
	fputs(", loss = ", to);
	put_scaled(to, l->loss_ppm, 1000000);
	if (l->jitter_ns > 0) {
		fputs(", jitter = ", to);
		put_time(to, l->jitter_ns);
	}
	if (l->duplicate_ppm > 0) {
		fputs(", duplicate = ", to);
		put_scaled(to, l->duplicate_ppm, 1000000);
	}
	if (l->reorder_ppm > 0) {
		fputs(", reorder = ", to);
		put_scaled(to, l->reorder_ppm, 1000000);
	}
	if (l->reorder_ns > 0) {
		fputs(", reorder_by = ", to);
		put_time(to, l->reorder_ns);
	}
	if (l->rate_bps > 0)
		fprintf(to, ", rate = %" PRIu64, l->rate_bps);
	if (l->queue_bytes > 0)
		fprintf(to, ", queue = %u", l->queue_bytes);
}

static void put_links(FILE *to, const struct plan *p)
{
	fputs("  links = {\n", to);
	for (unsigned i = 0; i < p->node_n; i++) {
		fprintf(to, "    [\"%s\"] = { ", p->node[i].name);
		put_link(to, &p->node[i].link);
		fputs(" },\n", to);
	}
	fputs("  }", to);
}

/* ---- what happens, and what must hold ---- */

static void put_load(FILE *to, const struct plan *p, const struct plan_load *l)
{
	const struct plan_load *defaults;
	unsigned n;
	const struct key *keys = loads_keys(&n, &defaults);
	struct plan_load usual = *defaults;
	bool more = true;

	usual.family = ip_is4(&p->node[l->node].net[0].ip) ? 4 : 6;
	fprintf(to, "load {\n  clients = \"%s\"", p->node[l->node].name);
	put_keys(to, &more, keys, n, l, &usual);
	fputs(",\n  names = ", to);
	if (l->names == PLAN_ZIPF) {
		fprintf(to, "zipf(%u, ", l->name_n);
		put_scaled(to, l->zipf_milli, 1000);
		fputc(')', to);
	} else {
		fputs("unique()", to);
	}
	fputs(", types = { ", to);
	for (unsigned i = 0; i < l->type_n; i++) {
		fprintf(to, "%s%s = ", i > 0 ? ", " : "", loads_type_name(l->type[i].type));
		put_scaled(to, l->type[i].share_ppm, 1000000);
	}
	fputs(" }, edns = ", to);
	if (l->edns_size > 0)
		fprintf(to, "%u,\n}\n", l->edns_size);
	else
		fputs("false,\n}\n", to);
}

static void put_prefix(FILE *to, const struct prefix *net)
{
	char text[PREFIX_TEXT];

	prefix_format(net, text);
	fprintf(to, "\"%s\"", text);
}

static void put_asked(FILE *to, const struct plan_replay *r)
{
	for (unsigned i = 0; i < r->asked_n; i++) {
		fputs(i == 0 ? ", servers = { " : ", ", to);
		put_prefix(to, &r->asked[i]);
	}
	fputs(r->asked_n > 0 ? " }" : "", to);
}

static void put_replay(FILE *to, const struct plan *p, const struct plan_load *l, const char *dir)
{
	const struct plan_replay *defaults, *r = l->replay;
	unsigned n, own_n;
	const struct plan_load *drawn;
	bool more = true;

	(void)loads_keys(&n, &drawn);
	const struct key *own = replay_own_keys(&own_n, &defaults), *keys = replay_keys(&n);
	struct plan_load usual = *drawn;
	usual.family = ip_is4(&p->node[l->node].net[0].ip) ? 4 : 6;
	usual.to_ns = l->from_ns + trace_lasts(&r->pace);
	fputs("load {\n  replay = ", to);
	put_path(to, r->path, dir);
	fprintf(to, ", group = \"%s\", clients = ", p->node[l->node].name);
	if (r->addresses == PLAN_MAPPED)
		put_prefix(to, &r->net);
	else
		fputs("\"original\"", to);
	put_keys(to, &more, keys, n, l, &usual);
	put_keys(to, &more, own, own_n, r, defaults);
	fputs(", speed = ", to);
	put_scaled(to, r->pace.speed, TRACE_SPEED_ONE);
	if (r->filter != NULL) {
		fputs(", filter = ", to);
		put_text(to, r->filter);
	}
	put_asked(to, r);
	fputs(",\n}\n", to);
}

/* Its instant, or what it waits for. */
static void put_when(FILE *to, const struct plan *p, const struct plan_fault *f)
{
	if (f->when == PLAN_AT) {
		put_time(to, f->at_ns);
		return;
	}
	fprintf(to, "{ when = %s \"%s\"", f->when == PLAN_WHEN_UP ? "up" : "down",
	        p->node[f->when_node].name);
	if (f->plus_ns > 0) {
		fputs(", plus = ", to);
		put_time(to, f->plus_ns);
	}
	fputs(" }", to);
}

static void put_fault(FILE *to, const struct plan *p, const struct plan_fault *f)
{
	unsigned takes = faults_takes(f->kind);

	fputs("at ", to);
	put_when(to, p, f);
	fprintf(to, " { %s = \"%s\"", plan_fault_name(f->kind), p->node[f->node].name);
	if (takes & FAULT_RATIO) {
		fputs(", ratio = ", to);
		put_scaled(to, f->value_ppm, 1000000);
	}
	if (takes & FAULT_BY) {
		fputs(", by = ", to);
		put_time(to, f->value_ns);
	}
	if (takes & FAULT_BITS)
		fprintf(to, ", bits = %" PRIu64, f->rate_bps);
	if (f->queue_bytes > 0)
		fprintf(to, ", queue = %u", f->queue_bytes);
	if (f->way != PLAN_BOTH_WAYS)
		fprintf(to, ", way = \"%s\"", plan_way_names[f->way]);
	if (f->spares_checks)
		fputs(", spare = \"checks\"", to);
	fputs(" }\n", to);
}

/*
 * Fault b must stand before a in the file: a waits for marks after b, or else b would, read again,
 * wait for those after a.
 */
static bool must_precede(const struct plan *p, unsigned b, unsigned a)
{
	const struct plan_fault *x = &p->fault[b], *y = &p->fault[a];

	return (y->when != PLAN_AT && y->after == b + 1) ||
	       (x->when != PLAN_AT && a + 1 > x->after && y->node == x->when_node &&
	        faults_felt(y));
}

static bool may_follow(const struct plan *p, unsigned i, const bool *put)
{
	for (unsigned k = 0; k < p->fault_n; k++)
		if (!put[k] && k != i && must_precede(p, k, i))
			return false;
	return true;
}

static bool some_wait(const struct plan *p)
{
	for (unsigned i = 0; i < p->fault_n; i++)
		if (p->fault[i].when != PLAN_AT)
			return true;
	return false;
}

/* In the order of time, as far as triggers let it. */
static void put_faults(FILE *to, const struct plan *p)
{
	bool *put = calloc(p->fault_n + 1, sizeof(*put)), wait = some_wait(p);

	MUST(put != NULL);
	for (unsigned n = 0; n < p->fault_n; n++) {
		unsigned i = 0;
		while (i < p->fault_n && (put[i] || (wait && !may_follow(p, i, put))))
			i++;
		for (unsigned k = 0; i == p->fault_n && k < p->fault_n; k++)
			i = put[k] ? i : k; /* nobody's file: it has no such order */
		put_fault(to, p, &p->fault[i]);
		put[i] = true;
	}
	free(put);
}

static void put_expect(FILE *to, const struct plan *p, const struct plan_expect *e)
{
	const struct plan_expect *defaults;
	unsigned n;
	const struct key *keys = expects_keys(e->kind, &n, &defaults);
	bool more = false;

	fprintf(to, "  %s { ", plan_expect_name(e->kind));
	for (unsigned i = 0; i < e->node_n; i++) {
		put_comma(to, &more);
		fprintf(to, "\"%s\"", p->node[e->node[i]].name);
	}
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(keys[i].name, "during") != 0)
			continue;
		put_comma(to, &more);
		fputs("during = { ", to);
		put_time(to, e->during_from_ns);
		fputs(", ", to);
		put_time(to, e->during_to_ns);
		fputs(" }", to);
	}
	if (e->at_balancers) {
		put_comma(to, &more);
		fputs("at = \"balancers\"", to);
	}
	if (e->kind == PLAN_BACK) {
		put_comma(to, &more);
		fprintf(to, "to = \"%s\"", e->to_share ? "share" : "first");
	}
	put_keys(to, &more, keys, n, e, defaults);
	fputs(" },\n", to);
}

static void put_limits(FILE *to, const struct plan_limits *l)
{
	const struct { const char *name; int64_t ns; } all[] = {
		{ "send_late_p999", l->send_late_p999_ns },
		{ "send_late_max", l->send_late_max_ns },
		{ "loop_gap", l->loop_gap_ns }, { "slack", l->slack_ns },
	};

	fputs("limits { ", to);
	for (size_t i = 0; i < COUNT_OF(all); i++) {
		fprintf(to, "%s%s = ", i > 0 ? ", " : "", all[i].name);
		put_time(to, all[i].ns);
	}
	fputs(" }\n", to);
}

void plan_write_scenario(FILE *to, const struct plan *p, const char *dir)
{
	static const struct plan none;
	unsigned n;
	const struct key *keys = lab_keys(&n);
	bool more = true;

	if (p->seed <= UINT64_C(1) << 53)
		fprintf(to, "seed = %" PRIu64 "\n", p->seed);
	fprintf(to, "engines = { %s%s%s }\n", p->for_netns ? "\"netns\"" : "",
	        p->for_netns && p->for_virtual ? ", " : "",
	        p->for_virtual ? "\"virtual\"" : "");
	put_limits(to, &p->limits);
	fputs("lab {\n", to);
	put_balancers(to, p, dir);
	put_recursors(to, p, dir);
	put_clients(to, p);
	put_links(to, p);
	put_keys(to, &more, keys, n, p, &none);
	fputs(",\n}\n", to);
	for (unsigned i = 0; i < p->load_n; i++)
		if (p->load[i].replay_n > 0)
			put_replay(to, p, &p->load[i], dir);
		else
			put_load(to, p, &p->load[i]);
	put_faults(to, p);
	if (p->expect_n > 0)
		fputs("expect {\n", to);
	for (unsigned i = 0; i < p->expect_n; i++)
		put_expect(to, p, &p->expect[i]);
	if (p->expect_n > 0)
		fputs("}\n", to);
}
