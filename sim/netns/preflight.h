/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a lab can't be made on this machine, in words that name the setting. */
#ifndef EK_PREFLIGHT_H
#define EK_PREFLIGHT_H

#include <stdbool.h>
#include <stddef.h>

/* True for an error that means a missing privilege, and not trouble of another kind. */
bool preflight_refused(int err);
/*
 * step: what couldn't be done ("make a network namespace"); err: -errno. Writes one line into
 * out[0..len).
 */
void preflight_explain(const char *step, int err, char *out, size_t len);

#endif
