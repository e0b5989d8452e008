/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults that the recursor stub does itself, told to it over its control socket. */
#include <errno.h>
#include <stdio.h>

#include "lab.h"

int lab_stub_fault(struct lab *l, const struct plan_fault *f, char *evidence, size_t len)
{
	snprintf(evidence, len, "%s has no control socket", l->plan->node[f->node].name);
	return -EOPNOTSUPP;
}
