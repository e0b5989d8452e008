/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of balancer/config share: the configuration while it is being made, and the
 * helpers with which C functions called from Lua read their arguments. Errors leave through
 * lua_error, so nothing here may hold memory across a call into Lua except in struct loader. What
 * begins with cf_ is for this folder alone.
 */
#ifndef EK_CONFIG_INTERNAL_H
#define EK_CONFIG_INTERNAL_H

#include "balancer/core/hooks.h"
#include "balancer/core/shared.h"
#include "config.h"
#include "lib/drbg.h"
#include "lib/host/closest.h"
#include "lib/host/luabox.h"
#include "password.h"

enum { LOADER_LIST_MAX = 4096, CF_UNSET = -1 };

/* A ServerPolicy. function: of BAL_LUA, as cf_function_keep gave it. */
struct cf_policy {
	enum bal_policy policy;
	unsigned function;
	char name[BAL_NAME_TEXT];
};

/* Of a server, beside what the configuration says of it. */
struct cf_handle {
	int ref;            /* where the registry has its object */
	uint16_t place;     /* in the configuration; see cf_servers_settle */
	bool up;            /* upStatus, as long as nothing was probed */
};

struct loader_cache {
	struct bal_cache_conf conf;         /* entries 0: none */
	unsigned id;                        /* its own, from 1 */
};

struct loader_pool {
	char name[BAL_NAME_TEXT];
	unsigned line;                      /* that named it first */
	struct cf_policy policy;            /* policy 0: what setServerPolicy says */
	unsigned policy_line, policy_source;
	struct loader_cache cache;
};

struct loader {
	struct luabox box;                  /* first: cf_loader finds the rest by it */
	enum config_mode mode;
	struct cf_policy policy;
	unsigned policy_line, policy_source; /* of its setServerPolicy; 0: none */
	bool servfail_when_no_server, servfail_on_timeout, roundrobin_fail_on_no_server;
	int64_t udp_timeout_ns, udp_retry_ns, slow_start_ns;
	unsigned retry_line, retry_source;  /* of its setUDPRetry */
	uint32_t max_outstanding;
	bool perturbation_set;
	uint32_t perturbation, weighted_factor_ppm, chashed_factor_ppm;
	uint32_t stale_s;
	struct bal_ecs ecs;
	struct rule_list *rules;
	unsigned cache_n, pool_n;
	struct loader_pool pool[BAL_POOLS_MAX]; /* the first is the default one */
	unsigned socket_n;                  /* of all servers */
	unsigned server_n, front_n, acl_n, note_n; /* lists double at powers of 2 */
	struct bal_server *server;          /* in order of definition, removed ones too */
	struct cf_handle handle[BAL_SERVERS_MAX];
	unsigned sorted_n;                  /* of server, in the order of the configuration */
	uint16_t sorted[BAL_SERVERS_MAX];
	struct ep *front;
	struct bal_listen *listen;          /* of each front */
	unsigned listen_n;
	struct bal_tcp_conf tcp;
	struct bal_quirks quirks;
	struct prefix *acl;
	struct config_note *note;
	bool client;                        /* config_options.client */
	struct config_admin admin;
	bool front_set, acl_set;            /* false: the list still is the default */
	struct config_source *source;       /* what is evaluated: the file, what it includes */
	unsigned source_n;
	bool again;                         /* source is somebody else's, and complete */
	bool includes;                      /* it may include: it is a file */
	unsigned include_n;                 /* calls of includeDirectory so far */
	lua_State *l;
	unsigned function_n;
	int *function;                      /* of each, where the registry has it */
	bool calling;                       /* it is over: functions are called (script.c) */
	struct drbg *random;                /* of the calls */
	struct bal_shared *shared;          /* the same */
};

/* load.c */
/* The loader of a state. */
struct loader *cf_loader(lua_State *l);
/* Defaults, mode and limits; o: as in config_parse. */
void cf_loader_init(struct loader *ld, const struct config_options *o);
/* Frees its lists. */
void cf_loader_fini(struct loader *ld);
/* Evaluates ld->source. NULL, or what is wrong. Closing *out is the caller's. */
const char *cf_evaluate(struct loader *ld, lua_State **out);
/*
 * One line out of such a message, without control characters, that names the file where the message
 * has a line.
 */
void cf_tell(char error[CONFIG_ERROR_TEXT], const struct config_source *source, unsigned source_n,
             const char *message);

/* health.c: what healthCheckMode and lazyHealthCheckMode at index say; what they come to. */
void cf_health_mode(lua_State *l, struct bal_check *c, int index);
void cf_lazy_mode(lua_State *l, struct bal_check *c, int index);
void cf_lazy_check(lua_State *l, const struct bal_check *c);

/* ecs.c: which part of a client's address servers are told. */
int cf_set_ecs_bits4(lua_State *l);
int cf_set_ecs_bits6(lua_State *l);
int cf_set_ecs_replace(lua_State *l);

/* args.c */
/* The line that is being run, 0: not known. */
unsigned cf_line(lua_State *l);
/* The index of the text that has the line. */
unsigned cf_source(lua_State *l);
/* Raises "FILE:LINE: ...", printf-like. */
_Noreturn void cf_fail(lua_State *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void cf_note(struct loader *ld, enum config_note_kind kind, unsigned line, const char *text);
/* One more element of size at the end of a list of *n; memory is the caller's list to free. */
void *cf_list_add(void *list, unsigned *n, size_t size, void **out_new);
/* The value at index as text, for messages; owned by the state, pushed. */
const char *cf_show(lua_State *l, int index);
/* A whole number, also out of a string of digits, within [min, max]. what: for the message. */
int64_t cf_want_int(lua_State *l, int index, const char *what, int64_t min, int64_t max);
/* A number from 1, or 0, in millionths; dnsdist's balancing factors. */
uint32_t cf_want_factor(lua_State *l, int index, const char *what);
bool cf_want_bool(lua_State *l, int index, const char *what);
const char *cf_want_text(lua_State *l, int index, const char *what);
/* True, and the number, when the value is a whole number or a string of one. */
bool cf_is_int(lua_State *l, int index, int64_t *out);
/*
 * Lets judge see each key of the table at index that known doesn't know, in the order of their
 * bytes, so that messages don't depend on hashing. A value without a name is an error; function and
 * example, "address=...", are for its message.
 */
void cf_judge_unread(lua_State *l, int index, const char *function, const char *example,
                     bool (*known)(const char *name),
                     void (*judge)(lua_State *l, const char *name));

/*
 * function.c: keeps the Lua function at index for calls that come later. Returns its number, from 1
 * on in the order of evaluation, so that it is the same function in each state that evaluates the
 * same text. what: for messages.
 */
unsigned cf_function_keep(lua_State *l, int index, const char *what);
/* math.random and math.randomseed, of the table that is on the stack. */
void cf_random_register(lua_State *l);

/* object.c: classes of userdata. */
struct cf_member {
	const char *name;
	/* A method has the object at 1, checked: see cf_self. */
	lua_CFunction method;
	/* An attribute: get has the object at 1 and pushes one value; set has the value at 3. */
	lua_CFunction get, set;
};

struct cf_class {
	const char *meta;           /* its name in the registry */
	const char *what;           /* "a server": for messages */
	const char *foreign;        /* "Server": what notes of foreign mode call it */
	const struct cf_member *member;
	size_t member_n;
	lua_CFunction eq, text;     /* metamethods; NULL: none */
};

void cf_class_register(lua_State *l, const struct cf_class *c);
/* Makes the userdata on top of the stack one of the class. */
void cf_class_set(lua_State *l, const struct cf_class *c);
/* The object at index, or NULL when it is none of the class. */
void *cf_object(lua_State *l, int index, const struct cf_class *c);
/* In a method: the object that it was called on. */
void *cf_self(lua_State *l, const struct cf_class *c);

/* name.c: DNSName. The name at index of wire form, or one in text. */
void cf_name_push(lua_State *l, const uint8_t *name, size_t len);
bool cf_is_name(lua_State *l, int index);
size_t cf_want_name(lua_State *l, int index, const char *what, uint8_t out[DNS_NAME_MAX]);
int cf_name_new(lua_State *l);
void cf_name_register(lua_State *l);

/* header.c: DNSHeader, of a message that is there as long as the call. */
struct cf_header {
	uint16_t *flags;            /* NULL: the call is over */
	uint16_t id;
	bool writable;
};

struct cf_header *cf_header_push(lua_State *l);
void cf_header_register(lua_State *l);

/* address.c: ComboAddress. */
void cf_address_push(lua_State *l, const struct ep *ep);
void cf_address_register(lua_State *l);

/* question.c: DNSQuestion. */
struct cf_question {
	const struct bal_hook_query *query; /* NULL: the call is over */
	struct bal_hook_rule *rule; /* what may be changed; NULL: nothing */
	int header;                 /* where the registry has its DNSHeader */
};

struct cf_question *cf_question_push(lua_State *l);
void cf_question_register(lua_State *l);

/* server.c: newServer. */
int cf_server_new(lua_State *l);
/* Reads a server's name or id at index. */
void cf_read_name(lua_State *l, char out[BAL_NAME_TEXT], const char *what, int index);

/* handle.c: Server objects. */
/* Pushes that of a new server, by index of definition; -1: of one that was left out. */
void cf_server_push_new(lua_State *l, int server);
/* Pushes that of the server at a place of the configuration, after cf_servers_settle. */
void cf_server_push(lua_State *l, unsigned place);
/* The place of the server whose object is at index; -1: it is none, or of none that is there. */
int cf_server_at(lua_State *l, int index);
/* Nothing is added, removed or moved any more: places are known. */
void cf_servers_settle(struct loader *ld);
int cf_get_server(lua_State *l);
int cf_get_servers(lua_State *l);
int cf_rm_server(lua_State *l);
void cf_server_register(lua_State *l);

/* include.c: a text more; and includeDirectory, which adds some. */
void cf_source_add(struct loader *ld, const char *path, char *take_text, size_t len);
void cf_sources_free(struct config_source *take_s, unsigned n);
int cf_include_directory(lua_State *l);

/* tcp.c: functions about TCP; and setLocal's and addLocal's options, at index 2. */
void cf_tcp_register(lua_State *l);
struct bal_listen cf_tcp_listen(lua_State *l, const char *function);
/* Writes their names, CF_TCP_NAMES at most; how many there are. */
enum { CF_TCP_NAMES = 16 };
size_t cf_tcp_names(const char **out);

/* quirks.c: functions about how messages are treated. */
void cf_quirks_register(lua_State *l);
enum { CF_QUIRK_NAMES = 8 };
size_t cf_quirk_names(const char **out);

/* cache.c: newPacketCache, setStaleCacheEntriesTTL. */
int cf_cache_new(lua_State *l);
/* The cache at index; NULL: it isn't one. */
const struct loader_cache *cf_cache_of(lua_State *l, int index);
int cf_set_stale(lua_State *l);
void cf_cache_register(lua_State *l);

/* policy.c: policies, and functions about them. what: for messages. */
struct cf_policy cf_want_policy(lua_State *l, int index, const char *what);
/* Out of a name at 1 and a function at 2. */
struct cf_policy cf_want_lua_policy(lua_State *l, const char *what);
/* As a core knows it. */
struct bal_lua_policy cf_lua_policy(const struct cf_policy *p);
int cf_set_server_policy(lua_State *l);
int cf_set_server_policy_lua(lua_State *l);
int cf_new_server_policy(lua_State *l);
void cf_policy_register(lua_State *l);
/* Writes their names, CF_POLICY_NAMES at most; how many there are. */
enum { CF_POLICY_NAMES = 8 };
size_t cf_policy_names(const char **out);

/* pool.c */
/* The pool of that name, made if there is none. what: for the message. */
unsigned cf_pool(lua_State *l, const char *name, const char *what);
/* -1: there is none. */
int cf_pool_find(lua_State *l, const char *name);
unsigned cf_want_pool(lua_State *l, int index, const char *what);
/* A name or a table of them, as bits; none at all is the default pool. */
uint64_t cf_want_pools(lua_State *l, int index, const char *what);
int cf_pool_get(lua_State *l);
int cf_set_pool_policy(lua_State *l);
int cf_set_pool_policy_lua(lua_State *l);
void cf_pool_register(lua_State *l);
/* The pools; NULL and *n 0: only the default one, with all servers. The caller frees. */
struct bal_pool *cf_pools(const struct loader *ld, unsigned *n);
/* True when the value is a userdata with that metatable. */
bool cf_is_a(lua_State *l, int index, const char *meta);
/* A metatable whose __index is the function, and that nobody can look at. */
void cf_add_meta(lua_State *l, const char *name, lua_CFunction index);
/* __index of what nothing else knows: an error, and in foreign mode it does nothing. */
int cf_no_method(lua_State *l, const char *what, const char *expected);

/* numbers.c: DNSQType, DNSClass, DNSRCode, DNSOpcode. */
void cf_numbers_register(lua_State *l);
/* An rcode's name, up to CF_ERCODE_MAX, with the bits that EDNS adds. */
enum { CF_ERCODE_MAX = 4095 };
const char *cf_ercode_name(unsigned rcode);
/* A type's number, or -1. */
int cf_type_number(const char *name);

/* rule_word.c: DNSAction and DNSResponseAction. */
void rule_word_register(lua_State *l);

/* rule_*.c: rules. */
struct rule_list *cf_rules_new(void);
void cf_rules_free(struct rule_list *take_r);
void cf_rules_register(lua_State *l);
/* Writes the names that a file may use, for "did you mean"; how many there are. */
enum { CF_RULE_NAMES = 96 };
size_t cf_rule_names(const char **out);
/* NULL: there are none. *too_many: their selectors come to more tests than there may be. */
struct bal_rules *cf_rules_build(struct rule_list *from, bool *too_many);
void cf_rules_fini(const struct bal_rules *take_r);

/* global.c: every other function and value that a file may name. */
void cf_global_register(lua_State *l);
/* A policy as dnsdist names them. what: the function, for the message. */

/* admin.c: console and web server. */
void cf_admin_defaults(struct config_admin *a);
int cf_control_socket(lua_State *l);
int cf_set_key(lua_State *l);
int cf_set_console_acl(lua_State *l);
int cf_add_console_acl(lua_State *l);
int cf_set_console_connections(lua_State *l);
int cf_webserver(lua_State *l);
int cf_set_webserver_config(lua_State *l);

/* refused.c: why a name of dnsdist's is not honoured here; NULL: not known to be one. */
const char *cf_why_refused(const char *name);

/* foreign.c: what stands for everything unknown in foreign mode. Pushes it. */
void cf_foreign_push(lua_State *l, const char *name);
void cf_foreign_register(lua_State *l);

#endif
