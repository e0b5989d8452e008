/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The health core under a script: the input's bytes choose the configuration, pauses, answers to
 * probes with or without damage, on their own socket or another's, refusals, and what a console
 * commands. Invariants are
 * asserted after every step; only the answer to a probe that is waited for may count, and it must
 * have its ID and question. The bug that EK_PLANT plants takes answers from any socket.
 */
#include <stdlib.h>

#include "balancer/core/health.h"
#include "tests/bal_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SERVERS = 3, PROBES = 16 };

struct script {
	const uint8_t *at, *end;
};

struct state {
	struct rig rig;
	struct health *h;
	struct dgram probe[PROBES];   /* the newest */
	uint8_t bytes[PROBES][HEALTH_PROBE_MAX];
	unsigned n;
};

static unsigned next(struct script *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

static void start(struct state *st, struct script *s)
{
	uint8_t seed[DRBG_SEED] = { 1 };

	rig_conf(&st->rig, SERVERS);
	st->n = 0;
	for (unsigned i = 0; i < SERVERS; i++) {
		struct bal_check *c = &st->rig.server[i].check;
		unsigned a = next(s), b = next(s);
		c->mode = i == 2 ? (enum bal_check_mode)(1 + a % 3) : BAL_CHECK_AUTO;
		c->interval_ns = 1 + a % 100;
		c->timeout_ns = 1 + b;
		c->max_failures = 1 + b % 3;
		c->rise = 1 + a % 2;
		c->must_resolve = b & 64;
		c->set_cd = b & 32;
		c->tcp = b & 16;
		c->lazy = (struct bal_lazy){
			.on = b & 8, .back_off = a & 8, .timeouts_only = a & 16, .threshold = 50,
			.samples = 1 + a % 8, .min_samples = 1, .failed_ns = 1 + b,
			.back_off_max_ns = 4 * (1 + b), .look_ns = 1 + a % 50,
		};
	}
	MUST(host_arena(&st->rig.arena, bal_shared_arena_size(&st->rig.conf) +
	                                health_arena_size(&st->rig.conf)) == 0);
	st->rig.shared = bal_shared_init(&st->rig.arena, &st->rig.conf);
	st->h = health_init(&st->rig.arena, &st->rig.conf, st->rig.shared, seed, 0);
	arena_seal(&st->rig.arena);
}

static void wait_a_while(struct state *st, unsigned ns)
{
	st->rig.now_ns += ns;
	for (;;) {
		struct dgram *d = &st->probe[st->n % PROBES];
		*d = (struct dgram){ .data = st->bytes[st->n % PROBES], .cap = HEALTH_PROBE_MAX };
		if (health_poll(st->h, st->rig.now_ns, d, 1) == 0)
			break;
		MUST(d->verdict == HEALTH_PROBE && health_waits(st->h, d->port - 1u, d->conn));
		st->n++;
	}
	MUST(health_deadline(st->h) > st->rig.now_ns);
	/* The place that the next probe would have taken holds none now. */
	st->probe[st->n % PROBES].len = 0;
}

static void damage(struct dgram *d, struct script *s)
{
	unsigned how = next(s);

	for (unsigned i = 0; i < how % 4 && d->len > 0; i++) {
		unsigned at = next(s) % d->len;
		d->data[at] = (uint8_t)next(s);
	}
	if (how & 4)
		d->len = (uint16_t)(next(s) % (d->len + 1u));
	if (how & 8)
		d->conn += next(s) - 2u;
	if (how & 16)
		d->peer.port ^= 1;
}

static void answer(struct state *st, struct script *s, const struct dgram *probe, bool damaged)
{
	uint8_t buf[HEALTH_PROBE_MAX];
	struct dgram d = *probe;
	struct dns_question q;

	memcpy(buf, probe->data, probe->len);
	d.data = buf;
	rig_turn(&d, next(s) & 15);
	if (damaged)
		damage(&d, s);
	uint8_t *exact = malloc(d.len > 0 ? d.len : 1);
	MUST(exact != NULL);
	memcpy(exact, buf, d.len);
	d.data = exact;
	bool waited = health_waits(st->h, d.port - 1u, d.conn);
	health_rx(st->h, st->rig.now_ns, &d, 1);
	MUST(d.verdict >= HEALTH_GOOD && d.verdict <= HEALTH_IGNORED);
	MUST(d.verdict == HEALTH_IGNORED || (waited && d.peer.port == 53));
	MUST(d.verdict == HEALTH_IGNORED || !health_waits(st->h, d.port - 1u, d.conn));
	MUST(d.verdict != HEALTH_GOOD || dns_question(&q, exact, d.len) == 0);
	free(exact);
}

/* What a console says: setUp, setDown, setAuto(bool). */
static void command(struct state *st, unsigned server, enum bal_check_mode mode)
{
	bool up = st->rig.now_ns & 1;

	health_set_mode(st->h, st->rig.now_ns, server, mode);
	if (mode != BAL_CHECK_AUTO)
		up = mode == BAL_CHECK_UP;
	else
		health_set_state(st->h, st->rig.now_ns, server, up);
	MUST(bal_shared_up(st->rig.shared, server) == up);
}

/* Clients' queries fare so. */
static void notes(struct state *st, unsigned op)
{
	struct lazy *all = st->rig.shared->lazy;

	for (unsigned i = 0; i < op / 24; i++) {
		lazy_answered(all, op % 3, op & 8 ? DNS_SERVFAIL : DNS_NOERROR);
		if (op & 16)
			lazy_unanswered(all, op % 3);
	}
}

static void step(struct state *st, struct script *s)
{
	struct health_change change;
	unsigned op = next(s), n = st->n < PROBES ? st->n : PROBES - 1;
	const struct dgram *probe = n > 0 ? &st->probe[(st->n - 1 - op / 8 % n) % PROBES] : NULL;

	if (op % 32 == 8)
		notes(st, op);
	else if (op % 8 < 3 || probe == NULL)
		wait_a_while(st, op / 8 * (op % 8));
	else if (op % 8 < 6)
		answer(st, s, probe, op % 8 != 3);
	else if (op % 8 == 6)
		health_refused(st->h, st->rig.now_ns, probe->port - 1u, probe->conn);
	else if (op >= 128)
		command(st, op / 8 % 3, (enum bal_check_mode)(1 + op / 24 % 3));
	else
		while (health_next_change(st->h, &change))
			MUST(change.up == bal_shared_up(st->rig.shared, change.server));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state st;
	struct script s = { data, data + size };

	start(&st, &s);
	for (unsigned i = 0; i < 400 && s.at < s.end; i++) {
		step(&st, &s);
		health_check(st.h);
	}
	host_arena_free(&st.rig.arena);
	return 0;
}
