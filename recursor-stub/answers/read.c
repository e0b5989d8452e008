/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From messages to a table; see read.h. Queries are kept in a table of fixed size until their
 * answer comes, for the time that it took, and for whether they wanted DNSSEC: a server without
 * EDNS doesn't say so.
 */
#include "read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/host/host.h"
#include "lib/lru.h"

enum { ASKED = 65536, BUCKETS_FIRST = 1024, TYPE_SIG = 24, TYPE_TSIG = 250 };

/* Whose answer a message is. */
struct asked_key {
	struct ip client, server;
	uint16_t client_port, server_port, id, tcp;
	uint64_t question;
};

STATIC_MUST(sizeof(struct asked_key) == 48);

struct asked {
	int64_t t_ns;
	bool dnssec_ok;
};

struct build {
	struct rec_book *b;
	uint32_t entry_cap;
	size_t byte_n, byte_cap;
	struct book_counts n;
	struct arena arena;
	struct lru table;
	struct asked *asked;           /* by the table's slots */
};

/* An answer that can be kept. */
struct answer {
	const struct capture_message *m;
	struct dns_edns edns;
	bool dnssec_ok;
	int64_t delay_ns;
	uint16_t end;                  /* of its records, without OPT */
};

/* ---- whose answer it is ---- */

static struct asked_key key_of(const struct build *u, const struct capture_message *m)
{
	const struct ep *c = capture_client(m), *s = capture_server(m);

	return (struct asked_key){
		.client = c->ip, .server = s->ip, .client_port = c->port, .server_port = s->port,
		.id = dns_id(m->m), .tcp = m->tcp,
		.question = rec_book_hash(u->b, m->m + DNS_HEADER, &m->question, false),
	};
}

static void add_query(struct build *u, const struct capture_message *m)
{
	struct asked_key key = key_of(u, m);
	struct dns_edns e;

	if (lru_find(&u->table, &key) != LRU_NONE)
		return; /* asked again: the time counts from the first */
	if (lru_full(&u->table))
		lru_drop(&u->table, lru_oldest(&u->table));
	bool fine = dns_edns(&e, m->m, m->len, m->question.end) == 0;
	u->asked[lru_add(&u->table, &key)] = (struct asked){ m->t_ns, fine && e.dnssec_ok };
}

static void find_query(struct build *u, struct answer *a)
{
	struct asked_key key = key_of(u, a->m);
	uint32_t slot = lru_find(&u->table, &key);

	a->delay_ns = -1;
	a->dnssec_ok = a->edns.dnssec_ok;
	if (slot == LRU_NONE)
		return;
	a->dnssec_ok = u->asked[slot].dnssec_ok;
	if (a->m->t_ns >= u->asked[slot].t_ns)
		a->delay_ns = a->m->t_ns - u->asked[slot].t_ns;
	lru_drop(&u->table, slot);
}

/* ---- the table ---- */

static void grow_buckets(struct rec_book *b)
{
	uint32_t n = b->mask > 0 ? (b->mask + 1) * 2 : BUCKETS_FIRST;

	free(b->bucket);
	b->bucket = calloc(n, sizeof(*b->bucket));
	MUST(b->bucket != NULL);
	b->mask = n - 1;
	for (uint32_t k = 0; k < b->entry_n; k++) {
		uint32_t i = (uint32_t)b->entry[k].hash & b->mask;
		while (b->bucket[i] != 0)
			i = (i + 1) & b->mask;
		b->bucket[i] = k + 1;
	}
}

/* The entry as it is to be in the book, its bytes added. False: there are too many. */
static bool fill(struct build *u, struct rec_book_entry *x, const struct answer *a)
{
	const struct capture_message *m = a->m;
	const struct dns_question *q = &m->question;
	size_t len = (size_t)(a->end - q->end), all = q->name_len + len;

	if (u->byte_n + all > BOOK_BYTES_MAX)
		return false;
	if (u->byte_n + all > u->byte_cap) {
		u->byte_cap = 2 * (u->byte_n + all) + 65536;
		u->b->bytes = realloc(u->b->bytes, u->byte_cap);
		MUST(u->b->bytes != NULL);
	}
	*x = (struct rec_book_entry){
		.hash = rec_book_hash(u->b, m->m + DNS_HEADER, q, a->dnssec_ok),
		.delay_ns = a->delay_ns, .at = (uint32_t)u->byte_n, .type = q->type,
		.class = q->class, .flags = dns_flags(m->m),
		.count = { dns_ancount(m->m), dns_nscount(m->m),
		           (uint16_t)(dns_arcount(m->m) - a->edns.present) },
		.len = (uint16_t)len, .name_len = (uint8_t)q->name_len,
		.dnssec_ok = a->dnssec_ok, .udp_size = a->edns.present ? a->edns.udp_size : 0,
		.rcode_high = a->edns.present ? m->m[a->edns.at + 5] : 0,
	};
	dns_name_lower(u->b->bytes + u->byte_n, m->m + DNS_HEADER, q->name_len);
	memcpy(u->b->bytes + u->byte_n + q->name_len, m->m + q->end, len);
	u->byte_n += all;
	return true;
}

static bool is_error(uint16_t flags, uint8_t rcode_high)
{
	unsigned rcode = flags & DNS_RCODE;

	return rcode_high != 0 || (rcode != DNS_NOERROR && rcode != DNS_NXDOMAIN);
}

/* The question has an answer already; the new one takes its place if that is an error. */
static bool add_again(struct build *u, struct rec_book_entry *x, const struct answer *a)
{
	uint8_t high = a->edns.present ? a->m->m[a->edns.at + 5] : 0;

	u->n.again++;
	if (!is_error(x->flags, x->rcode_high) || is_error(dns_flags(a->m->m), high))
		return true;
	return fill(u, x, a);
}

static bool add_answer(struct build *u, const struct answer *a)
{
	struct rec_book *b = u->b;
	struct dns_edns e = { .dnssec_ok = a->dnssec_ok };
	const struct rec_book_entry *x = rec_book_find(b, a->m->m, &a->m->question, &e);

	if (x != NULL)
		return add_again(u, &b->entry[x - b->entry], a);
	if (b->entry_n == BOOK_ENTRIES_MAX)
		return false;
	if (b->entry_n == u->entry_cap) {
		u->entry_cap = 2 * u->entry_cap + 256;
		b->entry = realloc(b->entry, u->entry_cap * sizeof(*b->entry));
		MUST(b->entry != NULL);
	}
	if (!fill(u, &b->entry[b->entry_n], a))
		return false;
	u->n.kept++;
	if (2 * ++b->entry_n > b->mask) {
		grow_buckets(b);
		return true;
	}
	uint32_t i = (uint32_t)b->entry[b->entry_n - 1].hash & b->mask;
	while (b->bucket[i] != 0)
		i = (i + 1) & b->mask;
	b->bucket[i] = b->entry_n;
	return true;
}

/* ---- messages ---- */

/* Whether its records can be read, and none is bound to its exact bytes; OPT must be the last. */
static bool readable(struct answer *a)
{
	const struct capture_message *m = a->m;
	unsigned n = (unsigned)dns_ancount(m->m) + dns_nscount(m->m) + dns_arcount(m->m);
	uint8_t name[DNS_NAME_MAX];
	size_t at = m->question.end;
	struct dns_rr rr;

	if (dns_edns(&a->edns, m->m, m->len, at) < 0)
		return false;
	for (unsigned i = 0; i < n; i++, at = rr.end)
		if (dns_rr(&rr, m->m, m->len, at) < 0 || rr.type == TYPE_TSIG ||
		    rr.type == TYPE_SIG ||
		    dns_name_expand(name, m->m, m->len, rr.name) < 0)
			return false;
#ifdef EK_PLANT /* what make fuzz must find: an OPT record that is one of the others */
	a->end = (uint16_t)at;
#else
	a->end = a->edns.present ? a->edns.at : (uint16_t)at;
#endif
	return at == m->len && (!a->edns.present || a->edns.end == m->len);
}

/* False: there are too many. */
static bool add_message(struct build *u, const struct capture_message *m)
{
	struct answer a = { .m = m };
	bool plain = m->asks && (dns_flags(m->m) & DNS_OPCODE) == 0;

	if (!m->answer) {
		if (plain)
			add_query(u, m);
		return true;
	}
	if (plain && (dns_flags(m->m) & DNS_TC) != 0) {
		u->n.truncated++;
		return true;
	}
	if (!plain || !readable(&a)) {
		u->n.others++;
		return true;
	}
	find_query(u, &a);
	if (m->len + 11u > REC_ANSWER_MAX) { /* with an OPT record */
		u->n.longer++;
		return true;
	}
	return add_answer(u, &a);
}

static int take_memory(struct build *u, char error[CAPTURE_ERROR_TEXT])
{
	uint8_t seed[32];
	size_t size = lru_arena_size(ASKED, sizeof(struct asked_key)) +
	              arena_need(ASKED, sizeof(*u->asked));

	host_seed(seed);
	memcpy(&u->b->seed, seed, sizeof(u->b->seed));
	int err = host_arena(&u->arena, size);
	if (err < 0) {
		snprintf(error, CAPTURE_ERROR_TEXT, "no memory for answers: %s", strerror(-err));
		return err;
	}
	lru_init(&u->table, &u->arena, ASKED, sizeof(struct asked_key), u->b->seed);
	u->asked = arena_take(&u->arena, ASKED, sizeof(*u->asked));
	return 0;
}

static void end_book(struct rec_book *b)
{
	for (uint32_t i = 0; i < b->entry_n; i++)
		if (b->entry[i].delay_ns > b->delay_max_ns)
			b->delay_max_ns = b->entry[i].delay_ns;
}

static int read_all(struct build *u, struct capture *c, const char *path,
                    char error[CAPTURE_ERROR_TEXT])
{
	struct capture_message m;

	while (capture_next(c, &m))
		if (!add_message(u, &m)) {
			snprintf(error, CAPTURE_ERROR_TEXT, "%.400s: more than %d answers, or %d "
			         "MiB of them", path, BOOK_ENTRIES_MAX, BOOK_BYTES_MAX >> 20);
			return -E2BIG;
		}
	if (u->b->entry_n > 0)
		return 0;
	snprintf(error, CAPTURE_ERROR_TEXT, "%.400s: no answer in it that could be given again",
	         path);
	return -ENODATA;
}

int book_read(struct rec_book *b, struct book_counts *counts, const char *path, char *trouble,
              char error[CAPTURE_ERROR_TEXT])
{
	struct capture_options o = { .path = &path, .path_n = 1 };
	struct build u = { .b = b };
	struct capture *c;

	*b = (struct rec_book){ 0 };
	int err = capture_open(&c, &o, error);
	if (err < 0)
		return err;
	err = take_memory(&u, error);
	if (err == 0)
		err = read_all(&u, c, path, error);
	end_book(b);
	if (trouble != NULL) {
		const char *why = capture_trouble(c, 0);
		snprintf(trouble, CAPTURE_ERROR_TEXT, "%s", why != NULL ? why : "");
	}
	if (counts != NULL)
		*counts = u.n;
	capture_close(c);
	if (u.arena.base != NULL)
		host_arena_free(&u.arena);
	if (err < 0)
		book_free(b);
	return err;
}

void book_free(struct rec_book *b)
{
	free(b->entry);
	free(b->bucket);
	free(b->bytes);
	*b = (struct rec_book){ 0 };
}
