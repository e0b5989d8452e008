/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket: what rec_control may ask of the stub, and faults on command. */
#ifndef EK_STUB_CONTROL_H
#define EK_STUB_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "recursor-stub/config/conf.h"
#include "recursor-stub/core/rec.h"

enum { CONTROL_PATH = 108, CONTROL_TEXT = 16384 };

struct control {
	const struct stub_conf *conf;
	struct rec *const *rec;          /* one for each thread */
	struct rec_shared *shared;
	const _Atomic uint32_t *tcp_clients;
	int64_t start_ns;
	int fd;                          /* -1: none */
	char path[CONTROL_PATH];
};

/* Listens at folder/pdns_recursor[-name].controlsocket. Returns 0 or -errno. */
int control_listen(struct control *c, const char *folder, const char *name) MUST_CHECK;
/* Serves the connection that waits. Returns true when the program must end. */
bool control_serve(struct control *c);
void control_close(struct control *c);

/*
 * Carries out one command, written into out as rec_control prints it. Returns the status, 0 when it
 * was understood. *quit: the program must end. command is changed.
 */
int control_command(struct control *c, char *command, char out[CONTROL_TEXT], bool *quit);

#endif
