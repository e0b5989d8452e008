/* SPDX-License-Identifier: BSD-3-Clause */
/* What is told of rules: the console's tables; see stats.h. */
#include "stats.h"

unsigned stats_rules(const struct stats *s, enum bal_chain_kind chain)
{
	const struct bal_rules *r = s->config->conf.rules;

	return r != NULL ? r->chain[chain].n : 0;
}

uint64_t stats_matches(const struct stats *s, enum bal_chain_kind chain, unsigned rule)
{
	return s->matches[chain][rule];
}

void stats_show_rules(const struct stats *s, enum bal_chain_kind chain, bool uuids, FILE *to)
{
	fprintf(to, "%-3s %-30s ", "#", "Name");
	if (uuids)
		fprintf(to, "%-38s %9s ", "UUID", "Cr. Order");
	fprintf(to, "%9s %-56s %s\n", "Matches", "Rule", "Action");
	for (unsigned i = 0; i < stats_rules(s, chain); i++) {
		const struct bal_rule_text *t = &s->config->conf.rules->chain[chain].text[i];
		fprintf(to, "%-3u %-30s ", i, t->name);
		if (uuids)
			fprintf(to, "%-38s %9u ", t->uuid, t->order);
		fprintf(to, "%9llu %-56s %s\n",
		        (unsigned long long)stats_matches(s, chain, i), t->selector, t->action);
	}
}
