/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads recursor.conf; see settings.h. */
#include "settings.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"

enum type { TEXT, LIST, NUMBER, BOOL };
enum { FILE_MAX_BYTES = 1 << 20, PATH_BYTES = 4096 };

static const struct row {
	const char *name;
	enum type type;
	const char *def;
	uint64_t least, most;
	const char *prose;
} rows[] = {
#define S(id, name, type, def, least, most, prose) { name, type, def, least, most, prose },
#define N(name)
#include "settings.def"
#undef S
#undef N
};

static const char *const no_effect[] = {
#define S(id, name, type, def, least, most, prose)
#define N(name) name,
#include "settings.def"
#undef S
#undef N
};

void settings_init(struct settings *s)
{
	memset(s, 0, sizeof(*s));
}

void settings_fini(struct settings *s)
{
	for (unsigned i = 0; i < SETTINGS; i++) {
		free(s->value[i]);
		free(s->where[i]);
	}
	free(s->unknown);
	free(s->unknown_keys);
	free(s->unused);
	settings_init(s);
}

static char *copy(const char *text)
{
	char *p = strdup(text);

	MUST(p != NULL);
	return p;
}

/* take_a, between, b in one; a may be NULL. */
static char *join(char *take_a, const char *between, const char *b)
{
	char *p;

	if (take_a == NULL)
		return copy(b);
	MUST(asprintf(&p, "%s%s%s", take_a, between, b) >= 0);
	free(take_a);
	return p;
}

static int find(const char *key)
{
	for (unsigned i = 0; i < SETTINGS; i++)
		if (strcmp(rows[i].name, key) == 0)
			return (int)i;
	return -1;
}

static bool has_no_effect(const char *key)
{
	for (size_t i = 0; i < COUNT_OF(no_effect); i++)
		if (strcmp(no_effect[i], key) == 0)
			return true;
	return false;
}

int settings_set(struct settings *s, const char *where, const char *key, const char *value,
                 bool append)
{
	int i = find(key);

	if (i < 0 && has_no_effect(key)) {
		s->unused = join(s->unused, " ", key);
		return 0;
	}
	if (i < 0) {
		if (s->unknown == NULL)
			MUST(asprintf(&s->unknown, "%s: unknown setting '%s'", where, key) >= 0);
		s->unknown_keys = join(s->unknown_keys, " ", key);
		return 0;
	}
	bool keep = append && s->value[i] != NULL && s->value[i][0] != '\0';
	if (!keep) {
		free(s->value[i]);
		s->value[i] = NULL;
	}
	s->value[i] = join(s->value[i], ", ", value);
	free(s->where[i]);
	s->where[i] = copy(where);
	return 0;
}

static char *trim(char *text)
{
	char *end;

	while (isspace((unsigned char)*text))
		text++;
	for (end = text + strlen(text); end > text && isspace((unsigned char)end[-1]);)
		end--;
	*end = '\0';
	return text;
}

/* Cuts off a comment: '#' at the start or after white space. */
static void cut_comment(char *line)
{
	for (char *p = line; *p != '\0'; p++)
		if (*p == '#' && (p == line || isspace((unsigned char)p[-1]))) {
			*p = '\0';
			return;
		}
}

static int read_line(struct settings *s, const char *where, char *line)
{
	char *key = trim(line), *equals = strchr(key, '='), *value = strchr(key, '\0');
	bool append = false;

	if (*key == '\0')
		return 0;
	if (equals != NULL) {
		*equals = '\0';
		value = trim(equals + 1);
		append = equals > key && equals[-1] == '+';
		if (append)
			equals[-1] = '\0';
		key = trim(key);
	}
	if (*key == '\0' || strpbrk(key, " \t") != NULL) {
		snprintf(s->error, sizeof(s->error), "%.200s: '%.200s' isn't KEY=VALUE", where,
		         key);
		return -EINVAL;
	}
	return settings_set(s, where, key, value, append);
}

int settings_text(struct settings *s, const char *path, char *text)
{
	char where[PATH_BYTES], *line = NULL;
	unsigned n = 0, first = 0;
	int err = 0;

	while (text != NULL && err == 0) {
		char *part = strsep(&text, "\n");
		n++;
		cut_comment(part);
		part = trim(part);
		size_t len = strlen(part);
		bool more = len > 0 && part[len - 1] == '\\';
		if (more)
			part[len - 1] = '\0';
		first = line == NULL ? n : first;
		line = join(line, "", part);
		if (more && text != NULL)
			continue;
		snprintf(where, sizeof(where), "%s:%u", path, first);
		err = read_line(s, where, line);
		free(line);
		line = NULL;
	}
	free(line);
	return err;
}

static int read_file(struct settings *s, const char *path)
{
	char *text;
	size_t len;
	int err = host_read_file(path, FILE_MAX_BYTES, &text, &len);

	if (err < 0) {
		snprintf(s->error, sizeof(s->error), "%.400s: %s", path, strerror(-err));
		return -EINVAL;
	}
	if (strlen(text) != len) {
		snprintf(s->error, sizeof(s->error), "%.400s: a NUL byte isn't text", path);
		err = -EINVAL;
	} else {
		err = settings_text(s, path, text);
	}
	free(text);
	return err;
}

static int is_conf(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 5 && strcmp(e->d_name + n - 5, ".conf") == 0;
}

static int read_folder(struct settings *s, const char *folder)
{
	struct dirent **list;
	int n = scandir(folder, &list, is_conf, alphasort), err = 0;

	if (n < 0) {
		snprintf(s->error, sizeof(s->error), "%.100s: include-dir=%.200s: %s",
		         settings_where(s, SET_INCLUDE_DIR), folder, strerror(errno));
		return -EINVAL;
	}
	for (int i = 0; i < n; i++) {
		char path[PATH_BYTES];
		snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);
		if (err == 0)
			err = read_file(s, path);
		free(list[i]);
	}
	free(list);
	return err;
}

int settings_file(struct settings *s, const char *path)
{
	int err = read_file(s, path);
	char *folder;

	if (err < 0 || settings_get(s, SET_INCLUDE_DIR)[0] == '\0')
		return err;
	folder = copy(settings_get(s, SET_INCLUDE_DIR));
	err = read_folder(s, folder);
	free(folder);
	return err;
}

const char *settings_get(const struct settings *s, enum setting which)
{
	return s->value[which] != NULL ? s->value[which] : rows[which].def;
}

const char *settings_where(const struct settings *s, enum setting which)
{
	return s->where[which] != NULL ? s->where[which] : "default";
}

int settings_fail(struct settings *s, enum setting which, const char *why)
{
	snprintf(s->error, sizeof(s->error), "%.100s: %s=%.150s: %s", settings_where(s, which),
	         rows[which].name, settings_get(s, which), why);
	return -EINVAL;
}

uint64_t settings_number(const struct settings *s, enum setting which)
{
	return strtoull(settings_get(s, which), NULL, 10);
}

bool settings_bool(const struct settings *s, enum setting which)
{
	const char *v = settings_get(s, which);

	return strcmp(v, "no") != 0 && strcmp(v, "off") != 0;
}

static int check_number(struct settings *s, enum setting which)
{
	const char *v = settings_get(s, which);
	char why[100];

	if (v[0] != '\0' && strlen(v) <= 10 && v[strspn(v, "0123456789")] == '\0' &&
	    settings_number(s, which) >= rows[which].least &&
	    settings_number(s, which) <= rows[which].most)
		return 0;
	snprintf(why, sizeof(why), "expected a number from %llu to %llu",
	         (unsigned long long)rows[which].least, (unsigned long long)rows[which].most);
	return settings_fail(s, which, why);
}

static int check_bool(struct settings *s, enum setting which)
{
	static const char *const words[] = { "", "yes", "on", "no", "off" };

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcmp(words[i], settings_get(s, which)) == 0)
			return 0;
	return settings_fail(s, which, "expected yes or no");
}

/* True when every unknown key is among those to ignore. */
static bool all_ignored(const struct settings *s)
{
	char *keys = copy(s->unknown_keys), *rest = keys, *key;
	bool all = true;

	while (all && (key = strsep(&rest, " ")) != NULL) {
		char *list = copy(settings_get(s, SET_IGNORE_UNKNOWN)), *left = list, *x;
		all = false;
		while ((x = strsep(&left, ", ;")) != NULL)
			all = all || strcmp(x, key) == 0;
		free(list);
	}
	free(keys);
	return all;
}

int settings_check(struct settings *s)
{
	int err = 0;

	if (s->unknown != NULL && !all_ignored(s)) {
		snprintf(s->error, sizeof(s->error), "%.500s", s->unknown);
		return -EINVAL;
	}
	for (unsigned i = 0; i < SETTINGS && err == 0; i++) {
		if (rows[i].type == NUMBER)
			err = check_number(s, (enum setting)i);
		else if (rows[i].type == BOOL)
			err = check_bool(s, (enum setting)i);
	}
	return err;
}

void settings_help(FILE *to)
{
	for (unsigned i = 0; i < SETTINGS; i++)
		fprintf(to, "  --%s=%s\n        %s\n", rows[i].name, rows[i].def, rows[i].prose);
	fprintf(to, "\nAccepted, without effect:");
	size_t column = 80;
	for (size_t i = 0; i < COUNT_OF(no_effect); i++) {
		size_t n = strlen(no_effect[i]) + 1;
		fprintf(to, "%s%s", column + n > 78 ? "\n  " : " ", no_effect[i]);
		column = column + n > 78 ? n + 1 : column + n;
	}
	fputc('\n', to);
}
