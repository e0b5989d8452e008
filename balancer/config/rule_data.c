/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that rules have: tags, in the form of balancer/core/tags.h, and data of records. */
#include <stdlib.h>
#include <string.h>

#include "balancer/core/tags.h"
#include "rule.h"

uint32_t rule_data_add(lua_State *l, const void *p, size_t n, const char *what)
{
	struct rule_names *d = &rule_list_of(l)->data;
	size_t at = d->len;

	if (n > RULE_DATA_MAX - d->len)
		cf_fail(l, "%s: more than %d bytes of tags and data", what, RULE_DATA_MAX);
	if (d->len + n > d->cap) {
		d->cap = 2 * (d->len + n);
		d->bytes = realloc(d->bytes, d->cap);
		MUST(d->bytes != NULL);
	}
	memcpy(d->bytes + d->len, p, n);
	d->len += n;
	return (uint32_t)at;
}

/* Puts the text at index behind its length; returns the bytes that were written. */
static size_t put_text(lua_State *l, int index, const char *what, uint8_t *to)
{
	size_t len;

	if (lua_type(l, index) != LUA_TSTRING)
		cf_fail(l, "%s: '%s': expected text", what, cf_show(l, index));
	const char *text = lua_tolstring(l, index, &len);
	if (len > TAG_MAX)
		cf_fail(l, "%s: %d bytes of a tag: expected at most %d", what, (int)len, TAG_MAX);
	to[0] = (uint8_t)len;
	memcpy(to + 1, text, len);
	return len + 1;
}

uint32_t rule_tag_add(lua_State *l, int index, const char *what)
{
	uint8_t tag[2 * (TAG_MAX + 1)] = { 0 };
	size_t n = put_text(l, index, what, tag);

	if (!lua_isnoneornil(l, index + 1))
		n += put_text(l, index + 1, what, tag + n);
	else
		tag[n++] = 0;
	if (n > TAGS_BYTES)
		cf_fail(l, "%s: %d bytes of a tag and its value: expected at most %d", what,
		        (int)n - 2, TAGS_BYTES - 2);
	return rule_data_add(l, tag, n, what);
}
