/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Health checks that go over TCP. One begins with its SYN, from which its time-out counts, and is
 * known by the balancer's port on it, as one that is never answered brings no question to know it
 * by: a plan with such checks has no other TCP to that server (plan/lint_health.c). A SYN that is
 * sent again is the same check. An RST or FIN before an answer is a refusal.
 */
#include "inner.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* What is known of the connection from own to server. */
static uint64_t conn_key(const struct ep *server, const struct ep *own)
{
	return key_of(&server->ip, own->port, 0, 0);
}

static struct probe *probe_on(struct balancer *b, uint64_t key)
{
	const uint64_t *back = aging_find(&b->backs, key);

	return back != NULL ? back_probe(b, *back) : NULL;
}

bool check_segment(struct balancer *b, const struct judge_tap *t, bool out, unsigned server)
{
	const struct frame *f = t->frame;
	uint64_t key = out ? conn_key(&f->dst, &f->src) : conn_key(&f->src, &f->dst);

	if (!b->conf->server[server].check.tcp)
		return false;
	struct probe *p = probe_on(b, key);
	bool waits = p != NULL && p->answer_ns == NEVER && p->refused_ns == NEVER;
	if (out && (f->tcp_flags & (SYN | ACK)) == SYN) {
		if (!waits)
			back_add_probe(b, t, server, key);
		return true;
	}
	if (waits && !out && (f->tcp_flags & (RST | FIN)) != 0 && f->payload_len == 0)
		p->refused_ns = t->t_ns;
	return p != NULL;
}

bool check_query(struct balancer *b, const struct judge_tap *t, const struct judge_message *m,
                 unsigned server)
{
	const struct ep *to = &t->frame->dst, *own = &t->frame->src;
	const uint64_t *back = aging_find(&b->backs, conn_key(to, own));

	if (back == NULL || back_probe(b, *back) == NULL || m->question != b->check[server])
		return false;
	uint64_t same = *back;
	aging_put(&b->backs, t->t_ns, back_key(to, own, m), same);
	return true;
}
