/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the report's writers share: reading a verdict document whose keys may be missing or of
 * another type (another version wrote it), figures as people read them, and text that is wrapped,
 * padded and free of control characters.
 */
#ifndef EK_REPORT_FMT_H
#define EK_REPORT_FMT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { REPORT_WIDTH = 80, FMT_TEXT = 48, REPORT_DIGITS = 12 };

/* A member, or what stands in for one that is missing or of another type. */
const char *js_str(const json_t *o, const char *key, const char *otherwise);
int64_t js_int(const json_t *o, const char *key, int64_t otherwise);
/* A real as an integer, cut to what fits. */
int64_t js_whole(double d);
/* A list of objects with a "name", one a balancer or server: shown line by line. */
bool js_named(const json_t *list);
const json_t *js_get(const json_t *o, const char *key);
/* The verdict of a document or an expectation; "UNKNOWN" when there is none that we know. */
const char *js_verdict(const json_t *o);

/* "850 ns", "12.3 us", "1.23 ms", "2.041 s"; returns out. */
const char *fmt_ns(char out[FMT_TEXT], int64_t ns);
/* "12,345"; returns out. */
const char *fmt_count(char out[FMT_TEXT], int64_t n);
/* Millionths as "50.2 %"; returns out. */
const char *fmt_ppm(char out[FMT_TEXT], int64_t ppm);
/*
 * A quantile of a phase's latency_us, which may be a text such as "> 2 s"; "lost" where there is
 * none because the quantile is a lost query's.
 */
const char *fmt_latency(char out[FMT_TEXT], const json_t *phase, const char *key);
/* Between which times it surely lies: "21.0 ms...21.4 ms"; "-": not told. */
const char *fmt_latency_range(char out[FMT_TEXT], const json_t *phase, const char *key);
/*
 * A value by its key's unit: _ns, _us, _ms are times, _ppm a share; objects and arrays by their
 * members, which have its unit unless they have their own. Nothing for NULL.
 */
void fmt_value(FILE *to, const char *key, const json_t *v);
/*
 * "key value, key value" of all members, sorted by key, units gone from the keys; without "name"
 * and without the lists that js_named tells.
 */
void fmt_members(FILE *to, const json_t *o);
/* "LB1.pcap frame 17 at 5.120 s: last query" of one entry of evidence[]. */
void fmt_evidence(FILE *to, const json_t *e);

/* "SENTENCE, at LB1, at 5.120 s" of one entry of violations[]. */
void fmt_violation(FILE *to, const json_t *v);

/* Columns that text takes: its code points. */
unsigned fmt_width(const char *s);
/* Text with each control character as '?'. */
void fmt_put(FILE *to, const char *s);
/* The same, padded to width columns (at the left when right is set), cut where it is longer. */
void fmt_cell(FILE *to, const char *s, unsigned width, bool right);
/* Text wrapped at REPORT_WIDTH; first is printed before the first line, indent before the rest. */
void fmt_wrap(FILE *to, const char *first, unsigned indent, const char *text);
/* The same where col columns of the first line are taken already. */
void fmt_wrap_from(FILE *to, unsigned col, unsigned indent, const char *text);
/*
 * Text for XML 1.0 and HTML: its entities, and '?' for each character that it can't hold. In an
 * attribute newlines are escaped too.
 */
void fmt_xml(FILE *to, const char *s, bool in_attribute);

/* foreign.c: the tables of a foreign capture's "foreign"; of NULL: nothing. */
void report_foreign(FILE *to, const json_t *foreign);

#endif
