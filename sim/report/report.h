/* SPDX-License-Identifier: BSD-3-Clause */
/* The verdict document (docs/run-directory.md) for people and for CI systems. */
#ifndef EK_REPORT_H
#define EK_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Writes report.txt, report.html, junit.xml, report.tap and verdict.json into run_dir, each whole
 * or not at all. All but report.html are the same bytes for the same document on any machine.
 * Returns 0 or -errno.
 */
int report_write(const char *run_dir, const json_t *doc);
/*
 * The text that a person reads. run_dir: where the evidence lies, as to be printed, with figures
 * only for what doesn't hold; NULL: the report that lies in the directory itself, with all figures.
 */
void report_text(FILE *to, const json_t *doc, const char *run_dir, bool color);
/* One TAP stream over several runs, JUnit likewise: doc[0..n). */
void report_tap(FILE *to, const json_t *const *doc, unsigned n);
void report_junit(FILE *to, const json_t *const *doc, unsigned n);
/*
 * One page that needs nothing else: the report with plots over time, if the document has "series"
 * and one of dygraphs' folders (NULL-terminated) has its script; if not, the page says so.
 */
void report_html(FILE *to, const json_t *doc, const char *const *dygraphs);
/* Where Debian's libjs-dygraphs puts it. */
extern const char *const report_dygraphs[];

#endif
