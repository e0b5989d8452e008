/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stream of planned queries: a pure function of plan and seed. Each thing that is drawn has a
 * stream of random numbers of its own, and every query takes the same amount from each, so changing
 * one setting of the load leaves the rest as it was.
 */
#include <string.h>

#include "lib/dist.h"
#include "lib/drbg.h"
#include "load.h"

STATIC_MUST((LOAD_SOCKETS & (LOAD_SOCKETS - 1)) == 0);

enum { ROUNDS = 6, MILLION = 1000000, OPEN_MAX = 10000000 };
enum { ID_APART = 8192, ID_APART_MAX = 14336 }; /* four times the latter leave 8,192 */
static const uint64_t RATE_MAX_MQPS = 10000000000; /* ten million queries a second */

struct target {
	struct ep to;
	unsigned balancer;
};

struct load_gen {
	const struct plan *plan;
	const struct plan_load *spec;
	unsigned load;
	struct drbg arrivals, names, types, clients, choice;
	struct dist gap;          /* Poisson: ps between two queries */
	struct zipf zipf;
	uint64_t index;
	int64_t t_ns;
	uint64_t frac;            /* of a ns: thousandths, or constant: 1 / rate_mqps */
	uint64_t client_key;      /* per client: which balancer */
	uint8_t id_key[ROUNDS];
	uint16_t id_at[LOAD_SOCKETS];    /* in the permutation: the next first try's */
	uint16_t spare_at[LOAD_SOCKETS]; /* the next later try's */
	uint16_t id_apart;        /* these two, at the least */
	unsigned target_n;
	struct target *target;
	const struct plan_replay *replay; /* NULL: queries are drawn */
	uint16_t *target_of;      /* replay: by server asked, one more; 0: by choice */
	struct ip *client;        /* of the first CLIENTS_KEPT at most */
	struct zipf_name *name;   /* of the first NAMES_KEPT at most; NULL: unique ones */
};

/* A name that was made before. */
struct zipf_name {
	uint8_t len;
	uint8_t b[23];
};

enum { CLIENTS_KEPT = 4096, NAMES_KEPT = 16384 };

static unsigned clients_kept(const struct plan_load *l)
{
	if (l->replay_n > 0)
		return 0;
	return l->clients < CLIENTS_KEPT ? l->clients : CLIENTS_KEPT;
}

static uint32_t names_kept(const struct plan_load *l)
{
	if (l->names != PLAN_ZIPF)
		return 0;
	return l->name_n < NAMES_KEPT ? l->name_n : NAMES_KEPT;
}

static bool of_family(const struct ip *ip, unsigned family)
{
	return ip_is4(ip) == (family == 4);
}

/* Addresses that a net has for clients, at most 2^32; *first: the first one, from its base. */
static uint64_t net_room(const struct prefix *net, unsigned *first)
{
	unsigned host = 128u - net->bits;

	*first = host >= 2;
	if (host >= 32)
		return (uint64_t)1 << 32;
	if (host < 2)
		return (uint64_t)1 << host;
	return ((uint64_t)1 << host) - (ip_is4(&net->ip) ? 2 : 1);
}

static uint64_t room_for_clients(const struct plan_node *node, unsigned family)
{
	uint64_t room = 0;
	unsigned first;

	for (unsigned i = 0; i < node->net_n; i++)
		if (of_family(&node->net[i].ip, family))
			room += net_room(&node->net[i], &first);
	return room;
}

struct ip load_client(const struct plan *p, unsigned load, unsigned i)
{
	const struct plan_load *l = &p->load[load];
	const struct plan_node *node = &p->node[l->node];
	uint64_t left = i;

	for (unsigned k = 0;; k++) {
		MUST(k < node->net_n);
		unsigned first;
		uint64_t room = net_room(&node->net[k], &first);
		if (!of_family(&node->net[k].ip, l->family))
			continue;
		if (left < room)
			return ip_add(&node->net[k].ip, first + left);
		left -= room;
	}
}

/* The balancers that have an address of the family, into t unless it is NULL; their number. */
static unsigned find_targets(const struct plan *p, unsigned family, struct target *t)
{
	unsigned balancer = 0, n = 0;

	for (unsigned i = 0; i < p->node_n; i++) {
		const struct plan_node *node = &p->node[i];
		if (node->role != PLAN_BALANCER)
			continue;
		unsigned k = 0;
		while (k < node->addr_n && !of_family(&node->addr[k], family))
			k++;
		if (k < node->addr_n) {
			if (t != NULL)
				t[n] = (struct target){ { node->addr[k], 53 }, balancer };
			n++;
		}
		balancer++;
	}
	return n;
}

static const char *refuses_replay(const struct plan_load *l)
{
	if (l->replay->trace == NULL)
		return "the load's capture wasn't read";
	return l->replay->open_n > OPEN_MAX
	       ? "a capture must have at most 10,000,000 queries within timeout * tries" : NULL;
}

static const char *refuses_types(const struct plan_load *l)
{
	uint64_t sum = 0;

	if (l->type_n < 1 || l->type_n > PLAN_TYPES_MAX)
		return "a load has 1 to 16 types";
	for (unsigned i = 0; i < l->type_n; i++)
		sum += l->type[i].share_ppm;
	return sum == MILLION ? NULL : "the shares of a load's types must add up to 1,000,000";
}

static const char *refuses_numbers(const struct plan_load *l)
{
	if (l->rate_mqps < 1 || l->rate_mqps > RATE_MAX_MQPS)
		return "a load's rate must be from 0.001 to 10,000,000 queries a second";
	if (l->from_ns < 0 || l->to_ns < l->from_ns || l->to_ns > INT64_MAX / 4)
		return "a load must end after it begins";
	if (l->timeout_ns < 1 || l->timeout_ns > (int64_t)3600 * 1000000000)
		return "a load's timeout must be above 0 and at most an hour";
	if (l->tries < 1 || l->tries > 16)
		return "a load's tries must be 1 to 16";
	if (l->replay_n > 0)
		return refuses_replay(l);
	if (l->rate_mqps * ((uint64_t)l->timeout_ns / 1000000 + 1) / MILLION * l->tries > OPEN_MAX)
		return "rate * timeout * tries of a load must be below 10,000,000 open queries";
	if (l->names != PLAN_ZIPF && l->names != PLAN_UNIQUE)
		return "a load's names must be zipf or unique";
	if (l->names == PLAN_ZIPF && (l->name_n < 1 || l->name_n > 10000000))
		return "zipf names must be 1 to 10,000,000";
	if (l->names == PLAN_ZIPF && l->zipf_milli > 10000)
		return "zipf's exponent must be 0 to 10";
	return refuses_types(l);
}

const char *load_gen_refuses(const struct plan *p, unsigned load)
{
	if (load >= p->load_n)
		return "the plan has no such load";
	const struct plan_load *l = &p->load[load];
	if (l->node < 0 || (unsigned)l->node >= p->node_n ||
	    p->node[l->node].role != PLAN_CLIENTS)
		return "a load must name a node of clients";
	if (l->family != 4 && l->family != 6)
		return "a load's family must be 4 or 6";
	if (l->clients < 1 ||
	    (l->replay_n == 0 && l->clients > room_for_clients(&p->node[l->node], l->family)))
		return "the clients' nets have too few addresses of the load's family";
	if (find_targets(p, l->family, NULL) == 0)
		return "no balancer has an address of the load's family";
	return refuses_numbers(l);
}

/* Gaps are drawn in ps, so that no rate is rounded. */
static struct dist_spec gap_spec(const struct plan_load *l)
{
	return (struct dist_spec){ .kind = DIST_EXPONENTIAL,
	                           .a_ns = (int64_t)(1000000000000000u / l->rate_mqps) };
}

size_t load_gen_arena_size(const struct plan *p, unsigned load)
{
	const struct plan_load *l = &p->load[load];
	struct dist_spec gap = gap_spec(l);
	size_t n = arena_need(1, sizeof(struct load_gen)) +
	           arena_need(find_targets(p, l->family, NULL), sizeof(struct target)) +
	           arena_need(clients_kept(l), sizeof(struct ip)) +
	           arena_need(names_kept(l), sizeof(struct zipf_name));

	if (l->replay_n > 0)
		return n + arena_need(l->replay->trace->server_n, sizeof(uint16_t));
	if (l->arrivals == PLAN_POISSON)
		n += dist_arena_size(&gap);
	return n + (l->names == PLAN_ZIPF ? zipf_arena_size(l->name_n) : 0);
}

/* First tries that a socket has within a time-out, and an eighth more: they come by chance. */
static uint16_t ids_apart(const struct plan_load *l)
{
	uint64_t ms = (uint64_t)l->timeout_ns / 1000000 + 1;
	uint64_t n = l->rate_mqps / LOAD_SOCKETS * ms / MILLION * 9 / 8;

	if (l->replay_n > 0 || n < ID_APART)
		return ID_APART;
	return n < ID_APART_MAX ? (uint16_t)n : ID_APART_MAX;
}

static void init_ids(struct load_gen *g, const uint8_t seed[DRBG_SEED])
{
	struct drbg r;

	drbg_init(&r, seed, DRBG_IDS, g->load);
	drbg_bytes(&r, g->id_key, sizeof(g->id_key));
	g->id_apart = ids_apart(g->spec);
	for (unsigned i = 0; i < LOAD_SOCKETS; i++)
		g->id_at[i] = drbg_u16(&r);
}

/* A permutation of the 65,536 IDs (Luby and Rackoff's construction), so that none comes twice. */
static uint16_t shuffled(const struct load_gen *g, uint16_t v)
{
	uint8_t left = (uint8_t)(v >> 8), right = (uint8_t)v;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t mixed = (right + (uint32_t)g->id_key[i] * 256 + 1) * 0x9e3779b1u;
		uint8_t swap = right;
		right = (uint8_t)(left ^ mixed >> 24);
		left = swap;
	}
	return (uint16_t)(left << 8 | right);
}

uint16_t load_gen_spare_id(struct load_gen *g, unsigned source)
{
	uint16_t ahead = (uint16_t)(g->spare_at[source] - g->id_at[source]);

	if (ahead < g->id_apart || ahead > UINT16_MAX - 2 * g->id_apart)
		g->spare_at[source] = (uint16_t)(g->id_at[source] + 2 * g->id_apart);
	return shuffled(g, g->spare_at[source]++);
}

/* Moves t_ns on by ps. */
static void advance(struct load_gen *g, uint64_t ps)
{
	g->frac += ps % 1000;
	g->t_ns += (int64_t)(ps / 1000 + g->frac / 1000);
	g->frac %= 1000;
}

/* One label: a letter, then the digits that stand in text[at..24). */
static uint8_t *put_digits(uint8_t *to, char letter, const char text[24], size_t at)
{
	size_t n = 24 - at;

	to[0] = (uint8_t)(n + 1);
	to[1] = (uint8_t)letter;
	memcpy(to + 2, text + at, n);
	return to + 2 + n;
}

static uint8_t *put_decimal(uint8_t *to, char letter, uint64_t v)
{
	char text[24];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	return put_digits(to, letter, text, at);
}

static uint8_t *put_hex(uint8_t *to, char letter, uint64_t v)
{
	char text[24];
	size_t at = sizeof(text);

	do
		text[--at] = "0123456789abcdef"[v & 15];
	while ((v >>= 4) > 0);
	return put_digits(to, letter, text, at);
}

static uint16_t make_name(const struct load_gen *g, uint64_t number, uint8_t out[DNS_NAME_MAX])
{
	static const uint8_t zipf[] = "\4zipf\7example", unique[] = "\6unique\7example";
	uint8_t *to = out;

	if (g->spec->names == PLAN_ZIPF) {
		to = put_decimal(to, 'k', number);
		memcpy(to, zipf, sizeof(zipf)); /* its NUL is the root label */
		to += sizeof(zipf);
	} else {
		to = put_hex(to, 'u', number);
		to = put_decimal(to, 'l', g->load);
		memcpy(to, unique, sizeof(unique));
		to += sizeof(unique);
	}
	return (uint16_t)(to - out);
}

static const struct trace_query *captured(const struct load_gen *g, uint64_t number)
{
	return &g->replay->trace->query[number % g->replay->trace->query_n];
}

static const uint8_t *captured_message(const struct load_gen *g, uint64_t number)
{
	return g->replay->trace->bytes + captured(g, number)->at;
}

/* Of the question: the type is the first two bytes behind the name, the class the next. */
static const uint8_t *behind_name(const struct load_gen *g, uint64_t number)
{
	return captured_message(g, number) + DNS_HEADER + captured(g, number)->name_len;
}

uint16_t load_gen_class(const struct load_gen *g, uint64_t number)
{
	return g->replay != NULL ? dns_get16(behind_name(g, number) + 2) : DNS_IN;
}

const uint8_t *load_gen_captured(const struct load_gen *g, uint64_t number, uint16_t *len)
{
	if (g->replay == NULL)
		return NULL;
	*len = captured(g, number)->len;
	return captured_message(g, number);
}

uint32_t load_gen_connection(const struct load_gen *g, uint64_t number, bool *more)
{
	if (g->replay == NULL || captured(g, number)->connection == 0)
		return 0;
	const struct trace *t = g->replay->trace;
	uint64_t before = number / t->query_n * t->connection_n;
	*more = captured(g, number)->more;
	return (uint32_t)((before + captured(g, number)->connection - 1) %
	                  LOAD_CONNECTIONS_MAX) + 1;
}

uint16_t load_gen_name(const struct load_gen *g, uint64_t number, uint8_t out[DNS_NAME_MAX])
{
	if (g->replay != NULL) {
		const struct trace_query *q = captured(g, number);
		memcpy(out, captured_message(g, number) + DNS_HEADER, q->name_len);
		return q->name_len;
	}
	if (number >= names_kept(g->spec))
		return make_name(g, number, out);
	memcpy(out, g->name[number].b, sizeof(g->name[number].b));
	return g->name[number].len;
}

static struct ip client_ip(const struct load_gen *g, unsigned i)
{
	return i < clients_kept(g->spec) ? g->client[i] : load_client(g->plan, g->load, i);
}

/* Makes the addresses and names that come up most before they do. */
static void keep(struct load_gen *g, struct arena *a)
{
	uint8_t name[DNS_NAME_MAX];

	g->client = arena_take(a, clients_kept(g->spec), sizeof(*g->client));
	for (unsigned i = 0; i < clients_kept(g->spec); i++)
		g->client[i] = load_client(g->plan, g->load, i);
	g->name = arena_take(a, names_kept(g->spec), sizeof(*g->name));
	for (uint32_t i = 0; i < names_kept(g->spec); i++) {
		g->name[i].len = (uint8_t)make_name(g, i, name);
		MUST(g->name[i].len <= sizeof(g->name[i].b));
		memcpy(g->name[i].b, name, g->name[i].len);
	}
}

/* Whether the address that was asked is one of that balancer's. */
static bool has_address(const struct plan *p, unsigned balancer, const struct ip *ip)
{
	unsigned i = 0, k = 0;

	for (; p->node[i].role != PLAN_BALANCER || k < balancer; i++)
		k += p->node[i].role == PLAN_BALANCER;
	for (unsigned a = 0; a < p->node[i].addr_n; a++)
		if (ip_eq(&p->node[i].addr[a], ip))
			return true;
	return false;
}

/* Who asked a balancer of the lab asks it again. */
static void find_asked(struct load_gen *g, struct arena *a)
{
	const struct trace *t = g->replay->trace;

	g->target_of = arena_take(a, t->server_n, sizeof(*g->target_of));
	for (uint32_t s = 0; s < t->server_n; s++)
		for (unsigned i = 0; i < g->target_n && g->target_of[s] == 0; i++)
			if (has_address(g->plan, g->target[i].balancer, &t->server[s].ip))
				g->target_of[s] = (uint16_t)(i + 1);
}

struct load_gen *load_gen_init(struct arena *a, const struct plan *p, unsigned load)
{
	uint8_t seed[DRBG_SEED];
	struct load_gen *g = arena_take(a, 1, sizeof(*g));

	MUST(load_gen_refuses(p, load) == NULL);
	*g = (struct load_gen){ .plan = p, .spec = &p->load[load], .load = load };
	drbg_seed_from_u64(seed, p->seed);
	drbg_init(&g->arrivals, seed, DRBG_ARRIVALS, load);
	drbg_init(&g->names, seed, DRBG_NAMES, load);
	drbg_init(&g->types, seed, DRBG_TYPES, load);
	drbg_init(&g->clients, seed, DRBG_CLIENTS, load);
	drbg_init(&g->choice, seed, DRBG_CHOICE, load);
	g->client_key = drbg_u64(&g->choice);
	init_ids(g, seed);
	g->target_n = find_targets(p, g->spec->family, NULL);
	g->target = arena_take(a, g->target_n, sizeof(*g->target));
	find_targets(p, g->spec->family, g->target);
	keep(g, a);
	g->replay = g->spec->replay_n > 0 ? g->spec->replay : NULL;
	if (g->replay != NULL) {
		find_asked(g, a);
		return g;
	}
	if (g->spec->names == PLAN_ZIPF)
		zipf_init(&g->zipf, g->spec->name_n, g->spec->zipf_milli, a);
	g->t_ns = g->spec->from_ns;
	if (g->spec->arrivals == PLAN_POISSON) {
		struct dist_spec gap = gap_spec(g->spec);
		dist_init(&g->gap, &gap, a);
		advance(g, (uint64_t)dist_draw(&g->gap, &g->arrivals));
	}
	return g;
}

/* The time of the query after this one: constant rates by exact fractions, without drift. */
static void step_time(struct load_gen *g)
{
	uint64_t rate = g->spec->rate_mqps;

	if (g->spec->arrivals == PLAN_POISSON) {
		advance(g, (uint64_t)dist_draw(&g->gap, &g->arrivals));
		return;
	}
	g->t_ns += (int64_t)(1000000000000u / rate);
	g->frac += 1000000000000u % rate;
	if (g->frac >= rate) {
		g->frac -= rate;
		g->t_ns++;
	}
}

unsigned load_gen_balancers(const struct load_gen *g)
{
	return g->target_n;
}

struct ep load_gen_balancer(const struct load_gen *g, unsigned i, unsigned *balancer)
{
	MUST(i < g->target_n);
	*balancer = g->target[i].balancer;
	return g->target[i].to;
}

static uint16_t draw_type(struct load_gen *g)
{
	unsigned i = 0;

	if (g->spec->type_n == 1)
		return g->spec->type[0].type; /* the stream is of no other use */
	uint32_t v = (uint32_t)drbg_below(&g->types, MILLION);

	while (i + 1 < g->spec->type_n && v >= g->spec->type[i].share_ppm)
		v -= g->spec->type[i++].share_ppm;
	return g->spec->type[i].type;
}

static void take_target(const struct load_gen *g, struct load_query *q, unsigned target)
{
	q->target = target;
	q->to = g->target[target].to;
	q->balancer = g->target[target].balancer;
}

static void choose_balancer(struct load_gen *g, struct load_query *q)
{
	uint64_t v = drbg_u32(&g->choice);
	uint8_t connection[4];

	dns_put32(connection, q->connection);
	if (g->spec->choose == PLAN_PER_CLIENT)
		v = dns_hash(q->client.b, sizeof(q->client.b), g->client_key) >> 32;
	else if (q->connection > 0) /* it has one other end */
		v = dns_hash(connection, sizeof(connection), g->client_key) >> 32;
	take_target(g, q, (unsigned)(v * g->target_n >> 32));
}

/* The next captured query. The stream of choices moves on whether it is needed or not. */
static bool next_captured(struct load_gen *g, struct load_query *q)
{
	const struct trace *t = g->replay->trace;

	if (g->index == trace_planned(t, &g->replay->pace))
		return false;
	q->t_ns = g->spec->from_ns + trace_at(t, &g->replay->pace, g->index);
	if (q->t_ns >= g->spec->to_ns)
		return false;
	const struct trace_query *from = captured(g, g->index);
	q->index = q->number = g->index++;
	q->client = g->replay->client[from->client];
	q->connection = load_gen_connection(g, q->number, &q->more);
	q->source = q->connection > 0 ? 0 : from->port % LOAD_SOCKETS;
	q->id = shuffled(g, g->id_at[q->source]++);
	q->type = dns_get16(behind_name(g, q->number));
	q->class = load_gen_class(g, q->number);
	choose_balancer(g, q);
	if (g->target_of[from->server] > 0)
		take_target(g, q, g->target_of[from->server] - 1u);
	q->name_len = load_gen_name(g, q->number, q->name);
	return true;
}

bool load_gen_next(struct load_gen *g, struct load_query *q)
{
	if (g->replay != NULL)
		return next_captured(g, q);
	if (g->t_ns >= g->spec->to_ns)
		return false;
	q->index = g->index++;
	q->t_ns = g->t_ns;
	step_time(g);
	q->client = client_ip(g, (unsigned)drbg_below(&g->clients, g->spec->clients));
	q->source = (uint16_t)(drbg_u64(&g->clients) % LOAD_SOCKETS); /* a power of 2 */
	q->id = shuffled(g, g->id_at[q->source]++);
	q->type = draw_type(g);
	q->class = DNS_IN;
	q->connection = 0;
	choose_balancer(g, q);
	q->number = g->spec->names == PLAN_ZIPF ? zipf_draw(&g->zipf, &g->names) : q->index;
	q->name_len = load_gen_name(g, q->number, q->name);
	return true;
}
