/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A plan to JSON and back, both by walking schema.h's tables. Reading is strict: every key must be
 * there but the optional ones, none may be strange, every value in range; what holds between values
 * is check.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "answers.h"
#include "check.h"
#include "replay.h"
#include "plan_io.h"
#include "schema.h"

/* Where a value sits in the document, for messages: the innermost first. */
struct where {
	const struct where *outer;
	const char *key;
	size_t index; /* when key is NULL */
};

struct reading {
	char *error;
	bool failed;
};

static int64_t load_int(const struct schema_field *f, const void *p)
{
	if (f->cap == 8) {
		int64_t v;
		memcpy(&v, p, 8);
		return v;
	}
	if (f->cap == 4) {
		uint32_t v;
		memcpy(&v, p, 4);
		return f->is_signed ? (int32_t)v : (int64_t)v;
	}
	MUST(f->cap == 2);
	uint16_t v;
	memcpy(&v, p, 2);
	return v;
}

static void store_int(const struct schema_field *f, void *p, int64_t v)
{
	uint32_t v32 = (uint32_t)v;
	uint16_t v16 = (uint16_t)v;

	memcpy(p, f->cap == 8 ? (const void *)&v : f->cap == 4 ? (const void *)&v32 : &v16, f->cap);
}

static unsigned load_count(const struct schema_field *f, const char *base)
{
	unsigned n;

	memcpy(&n, base + f->count_at, sizeof(n));
	return n;
}

/* First element of an array or list. */
static char *elements(const struct schema_field *f, char *base)
{
	char *p = base + f->at;

	if (f->kind == SCHEMA_LIST)
		memcpy(&p, base + f->at, sizeof(p));
	return p;
}

static json_t *write_object(const struct schema *s, const char *base);

static json_t *write_address(const struct schema_field *f, const char *p)
{
	char text[EP_TEXT];

	if (f->kind == SCHEMA_IP)
		ip_format((const struct ip *)(const void *)p, text);
	else if (f->kind == SCHEMA_EP)
		ep_format((const struct ep *)(const void *)p, text);
	else
		prefix_format((const struct prefix *)(const void *)p, text);
	return json_string(text);
}

static json_t *write_name(const struct schema_field *f, const char *base)
{
	char text[DNS_NAME_TEXT];
	uint16_t len;

	memcpy(&len, base + f->count_at, sizeof(len));
	dns_name_format((const uint8_t *)base + f->at, len, text);
	return json_string(text);
}

static json_t *write_value(const struct schema_field *f, const char *base);

static json_t *write_elements(const struct schema_field *f, const char *base)
{
	json_t *list = json_array();
	char *copy;
	const char *p = base + f->at;

	if (f->kind == SCHEMA_LIST) {
		memcpy(&copy, base + f->at, sizeof(copy));
		p = copy;
	}
	for (unsigned i = 0; i < load_count(f, base); i++)
		json_array_append_new(list, write_value(f->elem, p + i * f->elem_size));
	return list;
}

static json_t *write_string(const char *p)
{
	const char *text;

	memcpy(&text, p, sizeof(text));
	return text != NULL ? json_string(text) : json_null();
}

static json_t *write_real(const char *p)
{
	double d;

	memcpy(&d, p, sizeof(d));
	return json_real(d);
}

static json_t *write_enum(const struct schema_field *f, const char *p)
{
	unsigned v;

	memcpy(&v, p, sizeof(v));
	MUST(v <= (uint64_t)f->hi && f->names[v] != NULL);
	return json_string(f->names[v]);
}

static json_t *write_value(const struct schema_field *f, const char *base)
{
	const char *p = base + f->at;

	switch (f->kind) {
	case SCHEMA_TEXT: return json_string(p);
	case SCHEMA_STRING: return write_string(p);
	case SCHEMA_BOOL: return json_boolean(*(const bool *)p);
	case SCHEMA_INT: return json_integer(load_int(f, p));
	case SCHEMA_MODEL:
		return load_int(f, p) == PLAN_MODEL ? json_string("model")
		                                    : json_integer(load_int(f, p));
	case SCHEMA_REAL: return write_real(p);
	case SCHEMA_ENUM: return write_enum(f, p);
	case SCHEMA_IP: case SCHEMA_EP: case SCHEMA_PREFIX: return write_address(f, p);
	case SCHEMA_NAME: return write_name(f, base);
	case SCHEMA_OBJECT: return write_object(f->type, p);
	case SCHEMA_ARRAY: case SCHEMA_LIST: return write_elements(f, base);
	}
	return NULL;
}

/* True for what came later than the first plans, and says nothing: old ones stay as they are. */
static bool left_out(const struct schema_field *f, const char *base)
{
	const char *p = base + f->at;

	if (f->optional && f->kind == SCHEMA_LIST)
		return load_count(f, base) == 0;
	return f->optional && (f->kind == SCHEMA_BOOL ? !*(const bool *)p : load_int(f, p) == 0);
}

static json_t *write_object(const struct schema *s, const char *base)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < s->field_n; i++) {
		if (left_out(&s->field[i], base))
			continue;
		json_t *v = write_value(&s->field[i], base);
		MUST(v != NULL); /* out of memory, or a text that isn't UTF-8 */
		json_object_set_new(o, s->field[i].key, v);
	}
	return o;
}

static size_t print_where(const struct where *w, char *out, size_t cap)
{
	if (w == NULL)
		return 0;
	size_t n = print_where(w->outer, out, cap);
	int more = w->key != NULL ? snprintf(out + n, cap - n, n > 0 ? ".%s" : "%s", w->key)
	                          : snprintf(out + n, cap - n, "[%zu]", w->index);
	n += (size_t)more;
	return n < cap ? n : cap - 1;
}

static void fail(struct reading *r, const struct where *w, const char *expected)
{
	char at[256] = "";

	if (r->failed)
		return;
	r->failed = true;
	print_where(w, at, sizeof(at));
	snprintf(r->error, PLAN_ERROR_TEXT, "plan.json: %s: expected %s", at, expected);
}

static void read_int(struct reading *r, const struct where *w, const struct schema_field *f,
                     const json_t *v, char *p)
{
	char expected[96];

	if (f->kind == SCHEMA_MODEL && json_is_string(v) &&
	    strcmp(json_string_value(v), "model") == 0) {
		store_int(f, p, PLAN_MODEL);
		return;
	}
	int64_t n = json_is_integer(v) ? json_integer_value(v) : 0;
	if (json_is_integer(v) && n >= f->lo && n <= f->hi) {
		store_int(f, p, n);
		return;
	}
	snprintf(expected, sizeof(expected), "a whole number %lld...%lld%s", (long long)f->lo,
	         (long long)f->hi, f->kind == SCHEMA_MODEL ? " or \"model\"" : "");
	fail(r, w, expected);
}

static void read_real(struct reading *r, const struct where *w, const json_t *v, char *p)
{
	double d = json_number_value(v);

	if (!json_is_number(v) || !(d >= 0 && d <= 1))
		fail(r, w, "a number 0...1");
	else
		memcpy(p, &d, sizeof(d));
}

static void read_enum(struct reading *r, const struct where *w, const struct schema_field *f,
                      const json_t *v, char *p)
{
	const char *text = json_is_string(v) ? json_string_value(v) : "";
	uint64_t last = (uint64_t)f->hi;

#ifdef EK_PLANT
	last++;
#endif
	for (unsigned i = 0; i <= last; i++)
		if (f->names[i] != NULL && strcmp(f->names[i], text) == 0) {
			memcpy(p, &i, sizeof(i));
			return;
		}
	fail(r, w, "one of the words that docs/plan.md lists");
}

static void read_address(struct reading *r, const struct where *w, const struct schema_field *f,
                         const json_t *v, char *p)
{
	const char *text = json_is_string(v) ? json_string_value(v) : "";
	void *to = p;

	if (f->kind == SCHEMA_IP && ip_parse(to, text) < 0)
		fail(r, w, "an IP address");
	if (f->kind == SCHEMA_EP && ep_parse(to, text, 53) < 0)
		fail(r, w, "an address and port");
	if (f->kind == SCHEMA_PREFIX && prefix_parse(to, text) < 0)
		fail(r, w, "a network such as 192.0.2.0/24");
}

static void read_name(struct reading *r, const struct where *w, const struct schema_field *f,
                      const json_t *v, char *base)
{
	int n = json_is_string(v) ? dns_name_parse((uint8_t *)base + f->at, json_string_value(v))
	                          : -EINVAL;
	uint16_t len = (uint16_t)n;

	if (n < 0)
		fail(r, w, "a DNS name");
	else
		memcpy(base + f->count_at, &len, sizeof(len));
}

static bool has_nul(const json_t *v)
{
	return strlen(json_string_value(v)) != json_string_length(v);
}

static void read_text(struct reading *r, const struct where *w, const struct schema_field *f,
                      const json_t *v, char *p)
{
	char expected[64];

	if (json_is_string(v) && !has_nul(v) && json_string_length(v) < f->cap) {
		memcpy(p, json_string_value(v), json_string_length(v) + 1);
		return;
	}
	snprintf(expected, sizeof(expected), "a text of at most %zu bytes", f->cap - 1);
	fail(r, w, expected);
}

/* Puts a pointer into the structure at p, which owns it from now on. */
static void put_pointer(char *p, void *take_it)
{
	memcpy(p, &take_it, sizeof(take_it));
}

static void read_string(struct reading *r, const struct where *w, const json_t *v, char *p)
{
	if (json_is_null(v))
		return;
	if (!json_is_string(v) || has_nul(v)) {
		fail(r, w, "a text or null");
		return;
	}
	char *copy = strdup(json_string_value(v));
	MUST(copy != NULL);
	put_pointer(p, copy);
}

static void read_value(struct reading *r, const struct where *w, const struct schema_field *f,
                       const json_t *v, char *base);

static void read_elements(struct reading *r, const struct where *w, const struct schema_field *f,
                          const json_t *v, char *base)
{
	size_t n = json_array_size(v);
	unsigned count = (unsigned)n;
	char expected[64];

	if (!json_is_array(v) || n > (uint64_t)f->hi || (f->counted && n != load_count(f, base))) {
		snprintf(expected, sizeof(expected), f->counted ? "a list as long as the one before"
		         : "a list of at most %lld", (long long)f->hi);
		fail(r, w, expected);
		return;
	}
	if (f->kind == SCHEMA_LIST) {
		char *p = calloc(n > 0 ? n : 1, f->elem_size);
		MUST(p != NULL);
		put_pointer(base + f->at, p);
	}
	memcpy(base + f->count_at, &count, sizeof(count));
	for (size_t i = 0; i < n; i++)
		read_value(r, &(struct where){ w, NULL, i }, f->elem, json_array_get(v, i),
		           elements(f, base) + i * f->elem_size);
}

static void read_object(struct reading *r, const struct where *w, const struct schema *s,
                        const json_t *v, char *base)
{
	const char *key;
	json_t *member;
	size_t known = 0;

	for (unsigned i = 0; i < s->field_n; i++) {
		const struct schema_field *f = &s->field[i];
		struct where here = { w, f->key, 0 };
		member = json_object_get(v, f->key);
		known += member != NULL;
		if (member == NULL && !f->optional)
			fail(r, &here, "a value, found none");
		else if (member != NULL)
			read_value(r, &here, f, member, base);
	}
	if (r->failed || json_object_size(v) == known)
		return;
	json_object_foreach((json_t *)(uintptr_t)v, key, member) {
		bool ours = false;
		for (unsigned i = 0; i < s->field_n; i++)
			ours = ours || strcmp(s->field[i].key, key) == 0;
		if (!ours)
			fail(r, &(struct where){ w, key, 0 }, "no such key");
	}
}

static void read_value(struct reading *r, const struct where *w, const struct schema_field *f,
                       const json_t *v, char *base)
{
	char *p = base + f->at;

	switch (f->kind) {
	case SCHEMA_TEXT: read_text(r, w, f, v, p); break;
	case SCHEMA_STRING: read_string(r, w, v, p); break;
	case SCHEMA_BOOL:
		if (!json_is_boolean(v))
			fail(r, w, "true or false");
		*(bool *)p = json_is_true(v);
		break;
	case SCHEMA_INT: case SCHEMA_MODEL: read_int(r, w, f, v, p); break;
	case SCHEMA_REAL: read_real(r, w, v, p); break;
	case SCHEMA_ENUM: read_enum(r, w, f, v, p); break;
	case SCHEMA_IP: case SCHEMA_EP: case SCHEMA_PREFIX: read_address(r, w, f, v, p); break;
	case SCHEMA_NAME: read_name(r, w, f, v, base); break;
	case SCHEMA_OBJECT:
		if (json_is_object(v))
			read_object(r, w, f->type, v, p);
		else
			fail(r, w, "an object");
		break;
	case SCHEMA_ARRAY: case SCHEMA_LIST: read_elements(r, w, f, v, base); break;
	}
}

/* Frees what base's strings and lists own. */
static void free_object(const struct schema *s, char *base)
{
	for (unsigned i = 0; i < s->field_n; i++) {
		const struct schema_field *f = &s->field[i];
		bool list = f->kind == SCHEMA_LIST;
		if (f->kind == SCHEMA_STRING) {
			char *text;
			memcpy(&text, base + f->at, sizeof(text));
			free(text);
		}
		if (f->kind == SCHEMA_OBJECT)
			free_object(f->type, base + f->at);
		if (!list && f->kind != SCHEMA_ARRAY)
			continue;
		char *p = elements(f, base);
		for (unsigned k = 0; p != NULL && k < load_count(f, base); k++)
			if (f->elem->kind == SCHEMA_OBJECT)
				free_object(f->elem->type, p + k * f->elem_size);
		if (list)
			free(p);
	}
}

void plan_free(struct plan *take_p)
{
	if (take_p == NULL)
		return;
	for (unsigned i = 0; i < take_p->load_n; i++)
		if (take_p->load[i].replay_n > 0)
			replay_free(take_p->load[i].replay);
	if (take_p->answers_n > 0)
		answers_free(take_p->answers);
	free_object(&plan_schema, (char *)take_p);
	free(take_p);
}

json_t *plan_to_json(const struct plan *p)
{
	return write_object(&plan_schema, (const char *)p);
}

struct plan *plan_from_json(const json_t *j, char error[PLAN_ERROR_TEXT])
{
	struct plan *p = calloc(1, sizeof(*p));
	struct reading r = { .error = error };

	MUST(p != NULL);
	if (!json_is_object(j))
		fail(&r, NULL, "an object");
	else
		read_object(&r, NULL, &plan_schema, j, (char *)p);
	if (!r.failed && plan_check(p, error) == 0)
		return p;
	plan_free(p);
	return NULL;
}

char *plan_to_text(const struct plan *p)
{
	json_t *j = plan_to_json(p);
	char *text = json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17));

	MUST(text != NULL);
	json_decref(j);
	return text;
}

void plan_sha256(const struct plan *p, char out[65])
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	char *text = plan_to_text(p);

	crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
	sodium_bin2hex(out, 65, hash, sizeof(hash));
	free(text);
}
