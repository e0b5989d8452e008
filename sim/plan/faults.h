/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a timeline may be: which values a fault has, and which order of faults is possible. For
 * those that make timelines rather than read them.
 */
#ifndef EK_PLAN_FAULTS_H
#define EK_PLAN_FAULTS_H

#include "plan.h"

/* What a fault is measured in, and what it acts on: neither is a process, of either tier. */
enum {
	FAULT_RATIO = 1, FAULT_BY = 2, FAULT_STUB = 16, FAULT_LINK = 32, FAULT_WAY = 64,
	FAULT_BITS = 256,
};

unsigned faults_takes(enum plan_fault_kind kind);
/* False of what health checks don't feel, so that no marks come of it. */
bool faults_felt(const struct plan_fault *f);
/* Why fault *which, the first of p's (by time) that can't happen then, can't; NULL: all can. */
const char *faults_impossible(const struct plan *p, unsigned *which);

#endif
