/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shell of the health core: a fresh connected socket for each probe, so a new source port, and
 * ICMP's refusals are heard. It runs in the caller's loop, on the caller's epoll.
 */
#ifndef EK_BALANCER_WATCH_H
#define EK_BALANCER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "balancer/config/script.h"
#include "balancer/core/health.h"

struct watch;

/* conf and shared are borrowed for its life. Events on the epoll carry numbers below WATCH_MAX. */
#define WATCH_MAX (UINT64_C(1) << 32)
struct watch *watch_new(const struct bal_conf *conf, struct bal_shared *shared,
                        const uint8_t seed[32], int epoll);
/* The functions of its probes; before the first pass. Takes s, and tells of calls that fail. */
void watch_set_script(struct watch *w, struct script *take_s);
/* One of its events: what is the event's number. */
void watch_event(struct watch *w, uint64_t what);
/* What is due now: probes, time-outs; then prints the changes of state. Call after the events. */
void watch_pass(struct watch *w);
int64_t watch_deadline(const struct watch *w);
/*
 * For other threads: has the loop's thread set a server's mode, or, in auto mode, its state, or
 * drain it, and waits until it has. One order at a time; the others wait their turn.
 */
void watch_set_mode(struct watch *w, unsigned server, enum bal_check_mode mode);
void watch_set_state(struct watch *w, unsigned server, bool up);
void watch_drain(struct watch *w, unsigned server, bool drained);
/* True once each server that is checked has its first result. */
bool watch_ready(const struct watch *w);

#endif
