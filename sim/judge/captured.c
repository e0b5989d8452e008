/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where recursors give captured answers: how many were to questions that the capture has an answer
 * for, and how many weren't, so that nobody takes what was made up for what was captured.
 */
#include "inner.h"
#include "sim/plan/answers.h"

static struct captured sum_up(const struct judge *j)
{
	struct captured sum = { 0 };

	for (unsigned i = 0; i < j->client_n; i++)
		if (j->client[i].oracle != NULL)
			oracle_captured(j->client[i].oracle, &sum);
	return sum;
}

json_t *captured_json(const struct judge *j)
{
	struct captured sum = sum_up(j);

	if (plan_book(j->plan) == NULL)
		return NULL;
	json_t *doc = json_pack("{s:s, s:I, s:I}", "file", j->plan->answers->path, "captured",
	                        (json_int_t)sum.captured, "made", (json_int_t)sum.made);
	if (sum.made > 0)
		json_object_set_new(doc, "first_made", json_string(sum.first_made));
	return doc;
}

void captured_tell(const struct judge *j, struct text *t)
{
	struct captured sum = sum_up(j);

	if (plan_book(j->plan) == NULL)
		return;
	text_add(t, "; ");
	text_count(t, sum.captured);
	text_add(t, " were held against captured ones");
	if (sum.made == 0)
		return;
	text_add(t, ", ");
	text_count(t, sum.made);
	text_add(t, " have none and were made, the first to %s", sum.first_made);
}
