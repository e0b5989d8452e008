#ifndef TMPF
#define TMPF
#include "link.h"
#include "sim/plan/plan.h"
struct link_set fault_link(const struct plan *p, unsigned fault);
bool fault_is_wire(enum plan_fault_kind k);
bool fault_is_stub(enum plan_fault_kind k);
bool fault_proven(const struct plan_fault *f, const struct link_counts was[2], const struct link_counts now[2], const char *node, char *evidence, size_t cap);
#endif
