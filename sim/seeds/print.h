/* SPDX-License-Identifier: BSD-3-Clause */
/* The summary of a sweep (sum.h) as a person reads it: plain text of at most 100 columns. */
#ifndef EK_SEEDS_PRINT_H
#define EK_SEEDS_PRINT_H

#include <jansson.h>
#include <stdio.h>

void seeds_print(FILE *to, const json_t *summary);
/* The head of a table of measures, indented by indent columns. */
void seeds_print_head(FILE *to, unsigned indent);
/*
 * One line for each measure of an expectation or a phase of the summary. kind: its expectation's,
 * NULL for a phase.
 */
void seeds_print_measures(FILE *to, unsigned indent, const char *kind, const json_t *measures);

#endif
