/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * POSIX extended regular expressions, without regard to case, as automatons that the core can run
 * (struct bal_regex). Everything that may take long or need memory is done here, once, and within
 * limits: a match then takes one step for each byte of the name, whatever the expression and the
 * name. Assertions about words and back references have no such automaton and are refused.
 */
#ifndef EK_CONFIG_REGEX_H
#define EK_CONFIG_REGEX_H

#include "balancer/core/ruleset.h"

enum { CF_REGEX_ERROR = 128 };

/*
 * Compiles the text; the caller frees what *out has with cf_regex_fini. False, with what is wrong
 * in error, when the C library's regcomp refuses it, or it has no automaton of at most
 * BAL_REGEX_STATES states.
 */
bool cf_regex_compile(struct bal_regex *out, const char *text, char error[CF_REGEX_ERROR]);
void cf_regex_fini(struct bal_regex *x);

#endif
