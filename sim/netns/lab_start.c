/* SPDX-License-Identifier: BSD-3-Clause */
/* Ground, wire, programs and clients of a lab; see lab.h. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lab.h"
#include "lib/host/host.h"

static void *share(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void step(struct lab *l, const char *what)
{
	snprintf(l->shared->step, sizeof(l->shared->step), "%s", what);
}

/* Paths that the private tmpfs may not hide. */
static int make_room(struct lab *l)
{
	const struct plan *p = l->plan;
	size_t n = 0, most = p->node_n + 5;
	const char *what = "";

	for (unsigned i = 0; i < p->conf_n; i++)
		most += p->conf[i].include_n;
	const char **keep = calloc(most, sizeof(*keep));
	MUST(keep != NULL);
	keep[n++] = l->o->dir;
	keep[n++] = l->o->balancer;
	keep[n++] = l->o->recursor;
	keep[n++] = l->o->authority;
	keep[n++] = p->scenario_path;
	for (unsigned i = 0; i < p->node_n; i++)
		keep[n++] = p->node[i].config_path;
	for (unsigned i = 0; i < p->conf_n; i++)
		for (unsigned k = 0; k < p->conf[i].include_n; k++)
			keep[n++] = p->conf[i].include[k].path;
	int err = room_make(&l->room, keep, n, &what);
	step(l, what);
	free(keep);
	for (unsigned i = 0; i < p->node_n && err == 0; i++)
		err = room_add(&l->room, p->node[i].name);
	return err;
}

/*
 * Wire and clients keep the time: in a session of its own each gets a share of the processor of its
 * own (sched(7), autogroups), and real-time scheduling where that is allowed, as it is for root.
 */
static void keep_time(void)
{
	struct sched_param first = { .sched_priority = 1 };

	setsid();
	(void)sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first);
}

static int start_wire(struct lab *l)
{
	struct wire_options o = { .plan = l->plan, .dir = l->o->pcap ? l->o->dir : NULL };

	step(l, "start the wire");
	l->wire = share(wire_shared_size(l->plan->node_n));
	o.bell = l->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	o.echo = l->echo = eventfd(0, EFD_CLOEXEC);
	if (l->wire == NULL || l->bell < 0 || l->echo < 0)
		return -errno;
	l->wire->nodes = l->plan->node_n;
	atomic_store(&l->wire->watching, true);
	l->wire_pid = fork();
	if (l->wire_pid < 0)
		return -errno;
	if (l->wire_pid == 0) {
		(void)prctl(PR_SET_NAME, "ek-wire");
		keep_time();
		_exit(wire_run(&o, l->wire) == 0 ? 0 : 1);
	}
	return 0;
}

static int wait_for_wire(struct lab *l)
{
	uint64_t n;

	step(l, "start the wire");
	if (read(l->echo, &n, sizeof(n)) != sizeof(n))
		return -errno;
	if (atomic_load(&l->wire->state) != WIRE_FAILED)
		return 0;
	step(l, l->wire->error_what);
	return l->wire->error;
}

/* -C FILE as it is; dnsdist's own flags. */
static void balancer_args(struct lab *l, struct proc *p, const struct plan_node *n)
{
	proc_arg(p, "%s", l->o->balancer);
	proc_arg(p, "--supervised");
	if (l->plan->balancer.path != NULL)
		proc_arg(p, "--disable-syslog");
	proc_arg(p, "-C");
	proc_arg(p, "%s", n->config_path);
}

/* PowerDNS wants a directory with a recursor.conf in it: a copy under that name. */
static int copy_config(struct lab *l, const struct plan_node *n)
{
	char path[ROOM_PATH], *text;
	size_t len;
	int err = host_read_file(n->config_path, 1 << 20, &text, &len);

	if (err != 0)
		return err;
	room_file(&l->room, n->name, "recursor.conf", path);
	FILE *f = fopen(path, "we");
	if (f == NULL || fwrite(text, 1, len, f) != len)
		err = -EIO;
	if (f != NULL && fclose(f) != 0)
		err = -EIO;
	free(text);
	return err;
}

/* As the stub's --stub-miss wants it. */
static void miss_arg(struct proc *p, const struct dist_spec *d)
{
	long long a = d->a_ns, b = d->b_ns;

	switch (d->kind) {
	case DIST_CONSTANT: proc_arg(p, "--stub-miss=%lldns", a); break;
	case DIST_UNIFORM: proc_arg(p, "--stub-miss=uniform(%lldns,%lldns)", a, b); break;
	case DIST_EXPONENTIAL: proc_arg(p, "--stub-miss=exponential(%lldns)", a); break;
	case DIST_LOGNORMAL: proc_arg(p, "--stub-miss=lognormal(%lldns,%lldns)", a, b); break;
	}
}

static void stub_args(struct lab *l, struct proc *p, const struct plan_node *n)
{
	struct drbg r;
	uint8_t seed[DRBG_SEED];

	plan_seed(l->plan, seed);
	drbg_init(&r, seed, DRBG_NODE, p->node);
	proc_arg(p, "--stub-seed=%u", drbg_u32(&r));
	miss_arg(p, &n->miss);
}

static void answers_args(const struct lab *l, struct proc *p)
{
	const struct plan *plan = l->plan;

	if (plan->answers_n == 0)
		return;
	proc_arg(p, "--stub-answers=%s", plan->answers->path);
	proc_arg(p, "--stub-answer-delays=%s", plan->answers->delays ? "yes" : "no");
}

static bool has_ipv4(const struct plan_node *n)
{
	for (unsigned i = 0; i < n->addr_n; i++)
		if (ip_is4(&n->addr[i]))
			return true;
	return false;
}

/*
 * A foreign recursor in a lab: whom it asks, from where, and what a lab doesn't have: signatures,
 * other users, the vendor's server. Its recursor.conf rules everything else.
 */
static void foreign_args(struct lab *l, struct proc *p, const struct plan_node *n)
{
	int authority = plan_authority_of(l->plan, (int)p->node);
	char addr[IP_TEXT] = "";

	MUST(authority != PLAN_NONE);
	const struct plan_node *asks = &l->plan->node[authority];
	for (unsigned i = 0; i < asks->addr_n; i++)
		if (ip_is4(&asks->addr[i]) == has_ipv4(n))
			ip_format(&asks->addr[i], addr);
	proc_arg(p, "--daemon=no");
	proc_arg(p, "--write-pid=no");
	proc_arg(p, "--disable-syslog=yes");
	proc_arg(p, "--setuid=");
	proc_arg(p, "--setgid=");
	proc_arg(p, "--forward-zones=");
	proc_arg(p, "--forward-zones-file=");
	proc_arg(p, "--forward-zones-recurse=.=%s", addr);
	proc_arg(p, "--query-local-address=%s", has_ipv4(n) ? "0.0.0.0" : "::");
	proc_arg(p, "--serve-rfc1918=no");
	proc_arg(p, "--dnssec=process-no-validate");
	proc_arg(p, "--security-poll-suffix=");
}

static int recursor_args(struct lab *l, struct proc *p, const struct plan_node *n)
{
	proc_arg(p, "%s", l->o->recursor);
	proc_arg(p, "--config-dir=%s", l->room.path);
	proc_arg(p, "--socket-dir=%s", l->room.path);
	if (l->plan->recursor.path != NULL) {
		foreign_args(l, p, n);
	} else {
		stub_args(l, p, n);
		answers_args(l, p);
	}
	return copy_config(l, n);
}

/* The stub with nothing remembered, at its addresses, for everybody. */
static void authority_args(struct lab *l, struct proc *p, const struct plan_node *n)
{
	proc_arg(p, "%s", l->o->authority);
	proc_arg(p, "--local-address=0.0.0.0, ::");
	proc_arg(p, "--allow-from=");
	proc_arg(p, "--stub-cold=yes");
	proc_arg(p, "--max-mthreads=65536");
	stub_args(l, p, n);
}

static int start_proc(struct lab *l, unsigned i)
{
	const struct plan_node *n = &l->plan->node[i];
	struct proc *p = &l->proc[i];
	int err = 0;

	p->name = n->name;
	if (n->role == PLAN_BALANCER)
		balancer_args(l, p, n);
	else if (n->role == PLAN_AUTHORITY)
		authority_args(l, p, n);
	else
		err = recursor_args(l, p, n);
	if (err == 0)
		err = proc_listen(p, &l->world);
	if (err == 0)
		err = proc_start(p, &l->world);
	if (err == 0)
		lab_process_event(l, p, "started", p->pid, NULL);
	return err;
}

int lab_start_programs(struct lab *l, enum plan_role role)
{
	int err = 0;

	for (unsigned i = 0; i < l->plan->node_n && err == 0; i++)
		if (l->plan->node[i].role == role)
			err = start_proc(l, i);
	return err;
}

/* Namespaces, sockets and pipes: a few to a node. */
static void more_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static void make_tables(struct lab *l)
{
	const struct plan *p = l->plan;

	l->proc = calloc(p->node_n, sizeof(*l->proc));
	l->load_pid = calloc(p->load_n + 1, sizeof(*l->load_pid));
	l->fault = calloc(p->fault_n + 1, sizeof(*l->fault));
	l->whens = whens_new(p);
	MUST(l->proc != NULL && l->load_pid != NULL && l->fault != NULL);
	for (unsigned i = 0; i < p->node_n; i++)
		l->proc[i] = (struct proc){ .node = i, .notify = -1 };
	l->world = (struct proc_world){ &l->layout, &l->room, l->o->dir };
}

int lab_start(struct lab *l)
{
	const char *what = "";
	int err;

	more_files();
	make_tables(l);
	step(l, "write events.jsonl");
	err = events_open(&l->events, l->o->dir);
	if (err == 0)
		err = make_room(l);
	if (err == 0)
		err = start_wire(l);
	if (err != 0)
		return err;
	err = layout_make(&l->layout, l->plan, &what);
	if (err != 0) {
		step(l, what);
		return err;
	}
	err = wait_for_wire(l);
	if (waits_proc_is_ours("/proc"))
		l->waits = calloc(l->plan->node_n, sizeof(*l->waits));
	l->setup_ns = host_mono_ns() - l->begun_ns;
	return err;
}

bool lab_all_ready(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->node_n; i++)
		if (l->proc[i].name != NULL && !l->proc[i].ready)
			return false;
	return true;
}

bool lab_all_answered(struct lab *l)
{
	for (unsigned b = 0; b < l->plan->node_n; b++) {
		if (l->plan->node[b].role != PLAN_BALANCER || l->plan->node[b].conf < 0)
			continue;
		const struct plan_conf *c = &l->plan->conf[l->plan->node[b].conf];
		for (unsigned s = 0; s < c->server_n; s++)
			if (c->server[s].check.mode == BAL_CHECK_AUTO && c->server_node[s] >= 0 &&
			    !wire_answered(l->wire, (unsigned)c->server_node[s], b))
				return false;
	}
	return true;
}

static _Noreturn void client(struct lab *l, unsigned load)
{
	int err;

	(void)prctl(PR_SET_NAME, "ek-clients");
	keep_time();
	err = layout_enter(&l->layout, (unsigned)l->plan->load[load].node);
	if (err == 0)
		err = load_shell_run(l->plan, load, l->t0_ns, &l->shared->load[load]);
	else
		l->shared->load[load].error = err;
	_exit(err == 0 ? 0 : 1);
}

int lab_start_loads(struct lab *l)
{
	for (unsigned i = 0; i < l->plan->load_n; i++) {
		pid_t pid = fork();
		if (pid < 0)
			return -errno;
		if (pid == 0)
			client(l, i);
		l->load_pid[i] = pid;
	}
	return 0;
}
