/* SPDX-License-Identifier: BSD-3-Clause */
/* Two small hash tables; see who.h. Whoever picks addresses that collide slows down himself. */
#include "who.h"

#include <string.h>

STATIC_MUST((int)WHO_SLOTS >= 4 * (int)WHO_ADDRESSES && (int)WHO_SLOTS >= 4 * (int)WHO_BACKENDS);

static unsigned slot_of(const struct ip *ip, uint16_t port)
{
	return (unsigned)(dns_hash(ip->b, sizeof(ip->b), port) % WHO_SLOTS);
}

/* Its slot, or the free one where it belongs. */
static unsigned ep_slot(const struct who *w, const struct ep *ep)
{
	unsigned i = slot_of(&ep->ip, ep->port);

	while (w->by_ep[i] != 0 && !ep_eq(&w->backend[w->by_ep[i] - 1], ep))
		i = (i + 1) % WHO_SLOTS;
	return i;
}

static unsigned ip_slot(const struct who *w, const struct ip *ip)
{
	unsigned i = slot_of(ip, 0);

	while (w->by_ip[i] != 0 && !ip_eq(&w->address[w->by_ip[i] - 1], ip))
		i = (i + 1) % WHO_SLOTS;
	return i;
}

bool who_add_backend(struct who *w, const struct ep *ep)
{
	unsigned i = ep_slot(w, ep);

	if (w->by_ep[i] != 0 || w->backend_n == WHO_BACKENDS)
		return false;
	w->backend[w->backend_n] = *ep;
	w->by_ep[i] = (uint16_t)++w->backend_n;
	return true;
}

bool who_add_address(struct who *w, const struct ip *ip, unsigned b)
{
	unsigned i = ip_slot(w, ip);

	if (w->by_ip[i] != 0 || w->address_n == WHO_ADDRESSES || b >= WHO_BALANCERS)
		return false;
	w->address[w->address_n] = *ip;
	w->owner[w->address_n] = (uint8_t)b;
	w->by_ip[i] = (uint16_t)++w->address_n;
	w->balancer_n = b == w->balancer_n ? b + 1 : w->balancer_n;
	return true;
}

int who_backend(const struct who *w, const struct ep *ep)
{
	return (int)w->by_ep[ep_slot(w, ep)] - 1;
}

int who_balancer(const struct who *w, const struct ip *ip)
{
	unsigned i = w->by_ip[ip_slot(w, ip)];

	return i > 0 ? w->owner[i - 1] : WHO_NOBODY;
}

struct party who_of(const struct who *w, const struct capture_message *m)
{
	struct party p = { SIDE_BACK, WHO_NOBODY, who_backend(w, capture_server(m)) };

	if (p.backend >= 0) {
		p.balancer = who_balancer(w, &capture_client(m)->ip);
		return p;
	}
	p.balancer = who_balancer(w, &capture_server(m)->ip);
	p.side = p.balancer >= 0 ? SIDE_FRONT : SIDE_NONE;
	return p;
}

bool check_asked(const struct check_question *c, const struct capture_message *m)
{
	return m->asks && m->question.name_len == c->name_len && m->question.type == c->type &&
	       m->question.class == c->class &&
	       dns_name_eq(m->m + DNS_HEADER, m->question.name_len, c->name, c->name_len);
}
