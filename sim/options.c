/* SPDX-License-Identifier: BSD-3-Clause */
/* What subcommands' command lines share: complaints, whole numbers, the worse exit status. */
#include <sched.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd.h"

int complain(const char *text)
{
	fprintf(stderr, "evenkeel: %s\n", text);
	return EXIT_USAGE;
}

int parse_number(const char *option, const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
	char *end;

	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || n < low || n > high) {
		fprintf(stderr, "evenkeel: --%s %s: expected a whole number %llu...%llu\n", option,
		        text, (unsigned long long)low, (unsigned long long)high);
		return -EINVAL;
	}
	*out = n;
	return 0;
}

unsigned processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int worse(int a, int b)
{
	static const int order[] = { EXIT_PASS, EXIT_CANT, EXIT_INCONCLUSIVE, EXIT_FAIL,
	                             EXIT_INVALID, EXIT_USAGE };
	int rank_a = -1, rank_b = -1;

	for (int i = 0; i < (int)COUNT_OF(order); i++) {
		rank_a = order[i] == a ? i : rank_a;
		rank_b = order[i] == b ? i : rank_b;
	}
	if (rank_a < 0 || rank_b < 0)
		return EXIT_USAGE;
	return rank_a > rank_b ? a : b;
}
