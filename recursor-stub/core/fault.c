/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults on command: which hit a query, and what they do to its answer; see rec.h. */
#include <string.h>

#include "rec_impl.h"

enum { MILLION = 1000000 };

void rec_fault(struct rec_shared *s, enum rec_fault f, uint32_t ppm, int64_t extra_ns)
{
	uint32_t on = 0;

	MUST(f < REC_FAULTS && ppm <= MILLION && extra_ns >= 0);
	if (f == REC_F_SLOW)
		atomic_store(&s->slow_ns, extra_ns);
	atomic_store(&s->fault_ppm[f], ppm);
	for (unsigned i = 0; i < REC_FAULTS; i++)
		on += atomic_load(&s->fault_ppm[i]) > 0;
	atomic_store(&s->faulty, on);
}

static const uint64_t SPARE_KEY = 0x73706172; /* no secret: nobody gains by a collision */

void rec_fault_spares(struct rec_shared *s, enum rec_fault f, const uint8_t *name, size_t len)
{
	MUST(f < REC_FAULTS && len <= DNS_NAME_MAX);
	atomic_store(&s->spare[f], len > 0 ? dns_name_hash(name, len, SPARE_KEY) | 1 : 0);
}

/* Takes back what hit a query whose name is spared. */
static void spare(const struct rec_shared *s, const uint8_t *m, const struct dns_question *q,
                  struct rec_luck *luck)
{
	uint64_t hash = 0;

	for (unsigned i = 0; i < REC_FAULTS; i++) {
		uint64_t name = atomic_load_explicit(&s->spare[i], memory_order_relaxed);
		if (!luck->hit[i] || name == 0)
			continue;
		if (hash == 0)
			hash = dns_name_hash(m + DNS_HEADER, q->name_len, SPARE_KEY) | 1;
		luck->hit[i] = hash != name;
	}
}

void rec_luck(struct rec *r, const uint8_t *m, const struct dns_question *q,
              struct rec_luck *luck)
{
	struct rec_shared *s = r->shared;

	memset(luck, 0, sizeof(*luck));
	if (atomic_load_explicit(&s->faulty, memory_order_relaxed) == 0)
		return;
	for (unsigned i = 0; i < REC_FAULTS; i++) {
		uint32_t ppm = atomic_load_explicit(&s->fault_ppm[i], memory_order_relaxed);
		luck->hit[i] = ppm > 0 && drbg_below(&r->faults, MILLION) < ppm;
	}
	spare(s, m, q, luck);
	if (luck->hit[REC_F_SLOW])
		luck->slow_ns = atomic_load_explicit(&s->slow_ns, memory_order_relaxed);
}

void rec_spoil(uint8_t *m, size_t len)
{
	struct dns_question q;
	struct dns_rr rr;

	if (dns_question(&q, m, len) < 0)
		return;
	if (dns_ancount(m) == 0) {
		dns_put16(m + 2, dns_flags(m) ^ DNS_NXDOMAIN);
		return;
	}
	if (dns_rr(&rr, m, len, q.end) == 0 && rr.rdlen > 0)
		m[rr.end - 1] ^= 1;
}

size_t rec_truncate(uint8_t *m, size_t len)
{
	struct dns_question q;

	if (dns_question(&q, m, len) < 0)
		return len;
	dns_put16(m + 2, dns_flags(m) | DNS_TC);
	memset(m + 6, 0, 6);
	return q.end;
}

static const struct {
	const char *name, *prose;
} words[] = {
#define FAULT(id, name, prose) { name, prose },
#include "fault.def"
#undef FAULT
};

const char *rec_fault_name(enum rec_fault f)
{
	return words[f].name;
}

const char *rec_fault_prose(enum rec_fault f)
{
	return words[f].prose;
}
