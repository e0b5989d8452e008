/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What strangers say to the console and the web server. The console's link eats a script of raw
 * bytes, whole messages sealed by a peer with the key, and damaged ones, in any cut: only what was
 * sealed may come out, once, and in order. The rest of the input is a request, its fields parted by
 * newlines. The bug that EK_PLANT plants writes one byte past a part of a message.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/admin/link.h"
#include "balancer/admin/route.h"
#include "balancer/config/password.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 300, WIRE = LINK_HEAD + LINK_MAC + 256 };

struct script {
	const uint8_t *at, *end;
};

struct state {
	struct link *us, *peer;
	bool dead;             /* the connection is over */
};

static unsigned next(struct script *s)
{
	return s->at < s->end ? *s->at++ : 0;
}

/* Hands bytes over in parts of step. want: the text that must come out of them, NULL: none may. */
static void feed(struct state *st, const uint8_t *data, size_t n, size_t step, const char *want,
                 size_t want_len)
{
	const char *text;
	size_t used, len;
	bool came = false;

	for (size_t at = 0; at < n && !st->dead; at += used) {
		size_t part = step < n - at ? step : n - at;
		uint8_t *exact = malloc(part);
		MUST(exact != NULL);
		memcpy(exact, data + at, part);
		int r = link_eat(st->us, exact, part, &used, &text, &len);
		free(exact);
		MUST(used <= part && (r != LINK_MORE || used == part));
		st->dead = r < 0;
		if (r != LINK_TEXT)
			continue;
		MUST(want != NULL && !came && len == want_len && memcmp(text, want, len) == 0);
		MUST(text[len] == '\0' && link_proven(st->us));
		came = true;
	}
}

/* A message as the peer would send it. damage: one byte of it changes, its length's included. */
static void message(struct state *st, struct script *s, bool damage)
{
	char text[256];
	uint8_t wire[WIRE];
	size_t len = next(s), step = 1 + next(s);

	memset(text, (int)len, sizeof(text));
	link_seal(st->peer, text, len, wire);
	if (damage)
		wire[next(s) % link_sealed(len)] ^= (uint8_t)(1 + next(s) % 255);
	feed(st, wire, link_sealed(len), step, damage ? NULL : text, len);
}

static void raw(struct state *st, struct script *s)
{
	uint8_t bytes[64];
	size_t n = next(s) % sizeof(bytes);

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)next(s);
	feed(st, bytes, n, 1 + next(s), NULL, 0);
}

static void fuzz_link(struct script *s)
{
	static const uint8_t key[ADMIN_KEY] = { 1 }, ours[LINK_NONCE] = { 2 },
	                     theirs[LINK_NONCE] = { 3 };
	struct state st = { link_new(key, ours, MAX), link_new(key, theirs, MAX), false };
	const char *text;
	size_t used, len;
	bool strayed = false;

	MUST(link_eat(st.peer, ours, LINK_NONCE, &used, &text, &len) == LINK_BEGUN);
	feed(&st, theirs, LINK_NONCE, 1 + next(s), NULL, 0);
	for (unsigned i = 0; i < 100 && s->at < s->end && !st.dead; i++) {
		unsigned op = next(s) % 8;
		if (op == 7) {
			break;
		} else if (op >= 2 && !strayed) {
			message(&st, s, false);
		} else if (op >= 1) {
			message(&st, s, true);
			strayed = true;
		} else {
			raw(&st, s);
			strayed = true; /* the frames are out of step: nothing opens any more */
		}
	}
	link_free(st.us);
	link_free(st.peer);
}

/* ---- requests ---- */

static void read_nothing(void *arg, struct stats *s)
{
	(void)arg;
	(void)s;
}

static void reload_nothing(void *arg)
{
	(void)arg;
}

static void fuzz_route(const struct script *s)
{
	static struct config config = { .admin.web = {
		.password = "secret", .api_key = "apik", .stats_need_auth = true,
	} };
	const struct admin admin = { .config = &config, .read = read_nothing,
	                             .reload = reload_nothing };
	char *text = calloc(1, (size_t)(s->end - s->at) + 1), *rest = text, *field[6] = { NULL };
	struct route_answer out;

	MUST(text != NULL);
	if (s->end > s->at)
		memcpy(text, s->at, (size_t)(s->end - s->at));
	for (int i = 0; i < 6 && rest != NULL; i++)
		field[i] = strsep(&rest, "\n");
	const struct route_request r = {
		.method = field[0], .path = field[1] != NULL ? field[1] : "",
		.authorization = field[2], .api_key = field[3], .command = field[4],
		.name = field[5],
	};
	route(&admin, &r, &out);
	MUST(out.body != NULL && out.type != NULL && out.status >= 200 && out.status <= 405);
	bool key = r.api_key != NULL && strcmp(r.api_key, "apik") == 0;
	MUST(out.status == 401 || key || r.authorization != NULL);
	MUST(out.status != 401 || !key);
	(void)password_is_hash(text);
	free(out.body);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = { data, data + size };

	MUST(sodium_init() >= 0);
	fuzz_link(&s);
	fuzz_route(&s);
	return 0;
}
