/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of verdict.def as text, and which verdicts are sent; see bal.h. */
#include "bal.h"

static const struct {
	const char *name, *prose;
	bool sends;
} verdicts[BAL_VERDICTS] = {
	[BAL_NO_VERDICT] = { "none", "not judged", false },
#define VERDICT(id, name, sends, prose) [id] = { name, prose, sends },
#include "verdict.def"
#undef VERDICT
};

const char *bal_verdict_name(enum bal_verdict v)
{
	MUST(v < BAL_VERDICTS);
	return verdicts[v].name;
}

const char *bal_verdict_prose(enum bal_verdict v)
{
	MUST(v < BAL_VERDICTS);
	return verdicts[v].prose;
}

bool bal_verdict_sends(enum bal_verdict v)
{
	MUST(v < BAL_VERDICTS);
	return verdicts[v].sends;
}
