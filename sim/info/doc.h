/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What evenkeel info says: a document with every figure (docs/captures.md has its keys), and a
 * screen of text made of that document alone.
 */
#ifndef EK_INFO_DOC_H
#define EK_INFO_DOC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "sim/capture/capture.h"
#include "sim/info/core/info.h"

enum { INFO_TOP = 100 }; /* entries of each list in the document */

/* A new reference. The capture has been read to its end, its messages went to i. */
json_t *info_doc(const struct info *i, const struct capture *c, const struct capture_options *o);
/* Width columns, 40...200. blocks: bars are Unicode's; otherwise ASCII. */
void info_text(FILE *to, const json_t *doc, unsigned width, bool color, bool blocks);

#endif
