/* SPDX-License-Identifier: BSD-3-Clause */
/* Users, groups and capabilities; see privileges.h. */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int fatal(const char *what, const char *which, int err)
{
	fprintf(stderr, "Fatal error: %s%s: %s\n", what, which, strerror(err));
	return 1;
}

static bool number(const char *text, unsigned *out)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	*out = (unsigned)v;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && v < UINT32_MAX;
}

static int find_ids(const struct options *o, unsigned *uid, unsigned *gid)
{
	if (o->group != NULL && !number(o->group, gid)) {
		const struct group *g = getgrnam(o->group);
		if (g == NULL)
			return fatal("-g ", o->group, ENOENT);
		*gid = g->gr_gid;
	}
	if (o->user != NULL && !number(o->user, uid)) {
		const struct passwd *p = getpwnam(o->user);
		if (p == NULL)
			return fatal("-u ", o->user, ENOENT);
		*uid = p->pw_uid;
	}
	return 0;
}

/* So that no program that is run later could get any; those that we have go with the user. */
static void drop_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int become(const struct options *o, unsigned uid, unsigned gid)
{
	bool root = geteuid() == 0;

	if (root && setgroups(0, NULL) < 0)
		return fatal("giving up groups", "", errno);
	if (gid != getegid() && setresgid(gid, gid, gid) < 0)
		return fatal("-g ", o->group, errno);
	if (uid == geteuid())
		return 0;
	if (root)
		drop_bounding_set();
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (setresuid(uid, uid, uid) < 0)
		return fatal("-u ", o->user, errno);
	if (setuid(0) == 0)
		return fatal("-u ", o->user, EPERM); /* the way back must be shut */
	return 0;
}

int privileges_drop(const struct options *o)
{
	unsigned uid = geteuid(), gid = getegid();
	int status = find_ids(o, &uid, &gid);

	if (status == 0 && (uid != geteuid() || gid != getegid()))
		status = become(o, uid, gid);
	if (status == 0)
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return status;
}
