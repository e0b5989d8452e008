/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the reader of recursor.conf with a whole file. include-dir and allow-from-file are left
 * out, so that nothing outside of the input is read. The bug that EK_PLANT plants copies what
 * stands in the parentheses of a distribution without looking at its length.
 */
#include <stdlib.h>
#include <string.h>

#include "recursor-stub/config/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stub_conf conf;
	struct settings s;
	char *text = malloc(size + 1);

	MUST(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	settings_init(&s);
	bool outside = strstr(text, "-dir") != NULL || strstr(text, "-file") != NULL;
	int err = outside ? -1 : settings_text(&s, "fuzz", text);
	if (err == 0)
		err = conf_read(&conf, &s);
	if (err == 0)
		MUST(conf.listen_n > 0 && conf.rec.allow_n > 0 && conf.miss.a_ns >= 0);
	else
		MUST(outside || s.error[0] != '\0');
	settings_fini(&s);
	free(text);
	return 0;
}
