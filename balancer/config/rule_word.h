/* SPDX-License-Identifier: BSD-3-Clause */
/* What a function of a rule returned, read; see rule_word.c. For script_rule.c. */
#ifndef EK_CONFIG_RULE_WORD_H
#define EK_CONFIG_RULE_WORD_H

#include "internal.h"

enum { RULE_DATA = 4096, RULE_SPOOF_TTL = 60, RULE_DELAY_MAX_MS = 3600000 };

struct rule_word {
	struct bal_action action;
	struct ip address[BAL_SPOOF_MAX];
	uint8_t data[RULE_DATA];    /* as in struct bal_rules */
};

/* Reads what stands at 1 and 2. What is wrong with it is an error of Lua's. */
void rule_word_read(lua_State *l, bool answer, struct rule_word *to);

#endif
