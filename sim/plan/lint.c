/* SPDX-License-Identifier: BSD-3-Clause */
/* The conditions of lint.h. */
#include "lint.h"

#include <stdarg.h>
#include <stdio.h>

void lint_add(struct lint *l, bool error, const char *file, unsigned line, const char *format, ...)
{
	va_list ap;

	if (l->note_n == LINT_NOTES_MAX)
		return;
	struct lint_note *n = &l->note[l->note_n++];
	n->error = error;
	n->line = line;
	snprintf(n->file, sizeof(n->file), "%s", file != NULL ? file : "");
	va_start(ap, format);
	vsnprintf(n->text, sizeof(n->text), format, ap);
	va_end(ap);
}

void lint_plan(struct lint *l, const struct plan *p)
{
	(void)l;
	(void)p;
}
