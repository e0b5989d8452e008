/* SPDX-License-Identifier: BSD-3-Clause */
/* Tags; see tags.h. */
#include "tags.h"

#include <string.h>

#include "lib/must.h"

const uint8_t *tags_find(const struct tags *t, const uint8_t *name, size_t len)
{
	for (size_t at = 0; at < t->len;) {
		const uint8_t *tag = t->bytes + at, *value = tag + 1 + tag[0];
		if (tag[0] == len && memcmp(tag + 1, name, len) == 0)
			return value;
		at += 2u + tag[0] + value[0];
	}
	return NULL;
}

/* Takes out the tag whose value stands at value. */
static void take_out(struct tags *t, const uint8_t *value, size_t name_len)
{
	uint8_t *tag = t->bytes + (value - t->bytes) - name_len - 1;
	size_t n = 2u + name_len + value[0];

	memmove(tag, tag + n, (size_t)(t->bytes + t->len - tag) - n);
	t->len = (uint16_t)(t->len - n);
}

bool tags_set(struct tags *t, const uint8_t *name, size_t len, const uint8_t *value,
              size_t value_len)
{
	const uint8_t *was = tags_find(t, name, len);
	size_t less = was != NULL ? 2u + len + was[0] : 0;

	MUST(len <= TAG_MAX && value_len <= TAG_MAX);
	if (t->len - less + 2 + len + value_len > sizeof(t->bytes))
		return false;
	if (was != NULL)
		take_out(t, was, len);
	uint8_t *to = t->bytes + t->len;
	to[0] = (uint8_t)len;
	memcpy(to + 1, name, len);
	to[1 + len] = (uint8_t)value_len;
	memcpy(to + 2 + len, value, value_len);
	t->len = (uint16_t)(t->len + 2 + len + value_len);
	return true;
}

bool tags_set_one(struct tags *t, const uint8_t *tag)
{
	const uint8_t *value = tag + 1 + tag[0];

	return tags_set(t, tag + 1, tag[0], value + 1, value[0]);
}

bool tags_have(const struct tags *t, const uint8_t *tag, bool value)
{
	const uint8_t *wanted = tag + 1 + tag[0], *found = tags_find(t, tag + 1, tag[0]);

	return found != NULL && (!value || (found[0] == wanted[0] &&
	                                    memcmp(found + 1, wanted + 1, wanted[0]) == 0));
}

/* ---- those of queries that are out ---- */

/* Over UDP; as many connections follow. */
static size_t places(const struct bal_conf *conf)
{
	return (size_t)bal_conf_servers(conf) * conf->max_outstanding;
}

size_t tags_arena_size(const struct bal_conf *conf)
{
	if (conf->rules == NULL || !conf->rules->tags)
		return 0;
	return arena_need(places(conf) + conf->tcp.conns, sizeof(struct tags));
}

void tags_init(struct tag_store *s, struct arena *a, const struct bal_conf *conf)
{
	*s = (struct tag_store){ .each = conf->max_outstanding };
	if (conf->rules == NULL || !conf->rules->tags)
		return;
	s->kept = arena_take(a, places(conf) + conf->tcp.conns, sizeof(*s->kept));
	s->kept_tcp = s->kept + places(conf);
}
