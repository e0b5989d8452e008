/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Defects around the cores, as hooks of a virtual run; those inside of the cores are only switched
 * on here. What comes every so many times is counted, not drawn, so that nothing else shifts.
 */
#include "defect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/core/bal.h"
#include "lib/dns.h"
#include "lib/host/closest.h"
#include "sabotage.h"

enum where { CORE, HOOK };
enum { PORTS = 64, IDS_MAX = 64, LATE_EACH = 100 };
static const int64_t MS = 1000000;

static const struct {
	const char *name;
	enum where where;
	uint32_t value, low, high;
	const char *prose;
} table[DEFECTS] = {
#define DEFECT(id, name, where, value, low, high, prose) \
	[id] = { name, where, value, low, high, prose },
#include "lib/defect.def"
#undef DEFECT
};

/* What the hooks of one run remember. */
struct memory {
	const struct defects *set;
	uint64_t n[DEFECTS];        /* how often it could have happened */
	struct ep peer;             /* of the answer before */
	uint16_t id;
	uint16_t real[PORTS][IDS_MAX]; /* by port: the IDs behind the few that are used */
	unsigned next[PORTS];
	struct plan clients;        /* the plan, with other loads */
	struct plan_load *load;     /* those; owned */
};

static bool on(const struct memory *m, enum defect d)
{
	return (m->set->on >> d & 1) != 0;
}

/* Whether it is this one's turn, one in each. */
static bool turn(struct memory *m, enum defect d, uint32_t each)
{
	return on(m, d) && ++m->n[d] % each == 0;
}

/* ---- hooks ---- */

static void tell(void *arg, struct events *e, int64_t now_ns)
{
	const struct memory *m = arg;

	for (unsigned d = 0; d < DEFECTS; d++) {
		if (!on(m, d))
			continue;
		json_t *o = json_pack("{s:s, s:s}", "name", table[d].name, "what", table[d].prose);
		if (table[d].high > 0)
			json_object_set_new(o, "value", json_integer(m->set->value[d]));
		events_add(e, "defect", now_ns, o);
	}
}

static void change_conf(void *arg, unsigned node, struct bal_conf *conf, struct bal_server *server)
{
	const struct memory *m = arg;
	const uint32_t *value = m->set->value;

	(void)node;
	for (unsigned i = 0; i < conf->server_n; i++) {
		if (on(m, DEFECT_SLOW_CHECKS))
			server[i].check.interval_ns *= value[DEFECT_SLOW_CHECKS];
		if (on(m, DEFECT_SLOW_DETECT))
			server[i].check.max_failures += value[DEFECT_SLOW_DETECT];
	}
	if (on(m, DEFECT_WEIGHTS) && conf->server_n >= 2) {
		server[0].weight = (int32_t)value[DEFECT_WEIGHTS];
		server[1].weight = 100 - server[0].weight;
	}
#ifdef EK_DEFECTS
	conf->defects = m->set;
#endif
}

static void same_seed(void *arg, unsigned node, uint8_t seed[32])
{
	(void)node;
	if (on(arg, DEFECT_EQUAL_SEEDS))
		memset(seed, 7, 32);
}

static unsigned place(unsigned node, unsigned port)
{
	return (node * 8 + port) % PORTS;
}

/* Sends a query to a server that is down, if there is one. */
static void ask_the_dead(struct memory *m, const struct bal_conf *conf,
                         const struct bal_shared *shared, struct dgram *d)
{
	for (unsigned i = 0; i < conf->server_n; i++) {
		if (bal_shared_up(shared, i))
			continue;
		if (turn(m, DEFECT_ASKS_DEAD, m->set->value[DEFECT_ASKS_DEAD])) {
			d->peer = conf->server[i].addr;
			d->port = (uint16_t)bal_port(conf, i, 0);
		}
		return;
	}
}

static void few_ids(struct memory *m, unsigned node, struct dgram *d)
{
	unsigned at = place(node, d->port);
	unsigned i = m->next[at]++ % m->set->value[DEFECT_ID_REUSE];

	m->real[at][i] = dns_id(d->data);
	dns_put16(d->data, (uint16_t)i);
}

static void real_id(void *arg, unsigned node, struct dgram *d)
{
	const struct memory *m = arg;

	if (on(m, DEFECT_ID_REUSE) && d->port != 0 &&
	    dns_id(d->data) < m->set->value[DEFECT_ID_REUSE])
		dns_put16(d->data, m->real[place(node, d->port)][dns_id(d->data)]);
}

/* One answer goes to the client and under the ID of the one before. */
static void swap(struct memory *m, struct dgram *d)
{
	struct ep peer = d->peer;
	uint16_t id = dns_id(d->data);

	if (m->peer.port != 0 && turn(m, DEFECT_SWAP_ANSWERS, m->set->value[DEFECT_SWAP_ANSWERS])) {
		d->peer = m->peer;
		dns_put16(d->data, m->id);
	}
	m->peer = peer;
	m->id = id;
}

/* Where the first record's data ends, when that is an address; 0: it isn't. */
static size_t address_end(const struct dgram *d)
{
	struct dns_question q;

	if (dns_get16(d->data + 6) == 0 || dns_question(&q, d->data, d->len) < 0)
		return 0;
	int name_len = dns_name_skip(d->data, d->len, q.end);
	size_t at = q.end + (size_t)(name_len > 0 ? name_len : 0);
	if (name_len < 0 || at + 10 > d->len)
		return 0;
	unsigned type = dns_get16(d->data + at), len = dns_get16(d->data + at + 8);
	size_t end = at + 10 + len;
	return (type == DNS_A || type == DNS_AAAA) && len > 0 && end <= d->len ? end : 0;
}

static void damage(struct memory *m, struct dgram *d)
{
	size_t end = on(m, DEFECT_WRONG_DATA) ? address_end(d) : 0;

	if (end > 0 && turn(m, DEFECT_WRONG_DATA, m->set->value[DEFECT_WRONG_DATA]))
		d->data[end - 1] ^= 1;
}

static struct sabotage_fate answer(struct memory *m, struct dgram *d)
{
	struct sabotage_fate fate = { 0 };

	fate.lost = on(m, DEFECT_SERVFAIL_LOST) &&
	            (dns_flags(d->data) & DNS_RCODE) == DNS_SERVFAIL;
	swap(m, d);
	damage(m, d);
	if (turn(m, DEFECT_ANSWER_LATE, LATE_EACH))
		fate.late_ns = m->set->value[DEFECT_ANSWER_LATE] * MS;
	fate.twice = turn(m, DEFECT_ANSWER_TWICE, m->set->value[DEFECT_ANSWER_TWICE]);
	return fate;
}

static struct sabotage_fate sent(void *arg, unsigned node, const struct bal_conf *conf,
                                 struct bal_shared *shared, struct dgram *d)
{
	struct memory *m = arg;

	if (d->port == 0)
		return answer(m, d);
	ask_the_dead(m, conf, shared, d);
	if (on(m, DEFECT_ID_REUSE))
		few_ids(m, node, d);
	return (struct sabotage_fate){ 0 };
}

static bool checks_lost(void *arg, unsigned node, const struct dgram *d)
{
	static const char name[] = "\1a\14root-servers\3net"; /* what checks ask by default */
	struct memory *m = arg;

	(void)node;
	return on(m, DEFECT_CHECKS_LOST) && d->len >= DNS_HEADER + sizeof(name) &&
	       memcmp(d->data + DNS_HEADER, name, sizeof(name)) == 0 &&
	       turn(m, DEFECT_CHECKS_LOST, m->set->value[DEFECT_CHECKS_LOST]);
}

static void change_stub(void *arg, unsigned node, struct rec_conf *conf)
{
	(void)node;
	if (on(arg, DEFECT_ANSWERS_MADE))
		conf->book = NULL;
	if (!on(arg, DEFECT_CACHE_OFF))
		return;
	conf->packetcache = false;
	conf->cache_ttl = conf->negative_ttl = 0;
}

static const struct plan *change_clients(void *arg, const struct plan *p)
{
	struct memory *m = arg;

	if (!on(m, DEFECT_CLIENT_NEVER_RETRIES))
		return p;
	m->load = calloc(p->load_n + 1, sizeof(*m->load));
	MUST(m->load != NULL);
	m->clients = *p;
	m->clients.load = m->load;
	for (unsigned i = 0; i < p->load_n; i++) {
		m->load[i] = p->load[i];
		m->load[i].tries = 1;
	}
	return &m->clients;
}

/* ---- what the rest sees ---- */

const char *defect_name(enum defect d)
{
	MUST(d < DEFECTS);
	return table[d].name;
}

void defect_text(const struct defects *set, enum defect d, char out[DEFECT_TEXT])
{
	MUST(d < DEFECTS);
	if (table[d].high > 0)
		snprintf(out, DEFECT_TEXT, "%s=%u", table[d].name, set->value[d]);
	else
		snprintf(out, DEFECT_TEXT, "%s", table[d].name);
}

void defects_list(FILE *to)
{
	for (unsigned d = 0; d < DEFECTS; d++) {
		char value[64] = "";
		if (table[d].high > 0)
			snprintf(value, sizeof(value), "=%u (%u...%u)", table[d].value,
			         table[d].low, table[d].high);
		fprintf(to, "%s%s\n    %s\n", table[d].name, value, table[d].prose);
	}
}

static int find(const char *text, size_t len)
{
	for (unsigned d = 0; d < DEFECTS; d++)
		if (strlen(table[d].name) == len && memcmp(table[d].name, text, len) == 0)
			return (int)d;
	return -1;
}

static int no_such(const char *text, size_t len, char error[DEFECT_TEXT])
{
	const char *names[DEFECTS], *near;
	char word[64];

	for (unsigned d = 0; d < DEFECTS; d++)
		names[d] = table[d].name;
	snprintf(word, sizeof(word), "%.*s", (int)(len < 60 ? len : 60), text);
	near = closest(word, names, DEFECTS);
	snprintf(error, DEFECT_TEXT, "--defect %s: no such defect%s%s%s: expected one of --defect "
	         "list", word, near != NULL ? ": did you mean '" : "", near != NULL ? near : "",
	         near != NULL ? "'?" : "");
	return -EINVAL;
}

/* The value behind name=. */
static int read_value(uint32_t *out, unsigned d, const char *text, char error[DEFECT_TEXT])
{
	char *end = NULL;
	unsigned long long v = text != NULL ? strtoull(text, &end, 10) : table[d].value;

	if (text != NULL && table[d].high == 0) {
		snprintf(error, DEFECT_TEXT, "--defect %s=%.40s: expected no value",
		         table[d].name, text);
		return -EINVAL;
	}
	if (text != NULL && (text[0] < '0' || text[0] > '9' || *end != '\0' || v < table[d].low ||
	                     v > table[d].high)) {
		snprintf(error, DEFECT_TEXT, "--defect %s=%.40s: expected a whole number from %u "
		         "to %u", table[d].name, text, table[d].low, table[d].high);
		return -EINVAL;
	}
	*out = (uint32_t)v;
	return 0;
}

static bool is_built(enum where where)
{
#ifdef EK_DEFECTS
	(void)where;
	return true;
#else
	return where == HOOK;
#endif
}

int defects_parse(struct defects *set, const char *text, char error[DEFECT_TEXT])
{
	const char *equals = strchr(text, '=');
	size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
	int d = find(text, len);

	if (d < 0)
		return no_such(text, len, error);
	if (!is_built(table[d].where)) {
		snprintf(error, DEFECT_TEXT, "--defect %s: expected a build with MODE=defects",
		         table[d].name);
		return -EINVAL;
	}
	int err = read_value(&set->value[d], (unsigned)d, equals != NULL ? equals + 1 : NULL,
	                     error);
	if (err == 0)
		set->on |= (uint64_t)1 << d;
	return err;
}

json_t *defects_run(const struct defects *set, const struct plan *p,
                    const struct virtual_options *o, char error[VIRTUAL_ERROR_TEXT])
{
	struct memory *m = calloc(1, sizeof(*m));
	struct virtual_options own = *o;
	struct virtual_sabotage hooks = {
		.arg = m, .begin = tell, .conf = change_conf, .seed = same_seed, .sent = sent,
		.received = real_id, .stub = change_stub,
		.clients = change_clients, .answered = checks_lost,
	};

	MUST(m != NULL);
	m->set = set;
	own.sabotage = &hooks;
	json_t *doc = virtual_run(p, &own, error);
	free(m->load);
	free(m);
	return doc;
}

STATIC_MUST(DEFECTS <= 64);
