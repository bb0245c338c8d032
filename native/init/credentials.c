/*
 * Who the program will be: user, groups, capabilities, no_new_privs. Everything is read back and compared; a set that
 * turns out larger than asked ends the creation. https://man7.org/linux/man-pages/man7/capabilities.7.html
 */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "kernel.h"

#define CAPABILITY_VERSION_3 0x20080522

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_IS_SET 1
#define PR_CAP_AMBIENT_RAISE 2
#define PR_CAP_AMBIENT_CLEAR_ALL 4
#endif

struct capability_header {
	uint32_t version;
	int pid;
};

/* The sets, low 32 bits first. */
struct capability_data {
	uint32_t effective, permitted, inheritable;
};

void rearm(const struct init *in)
{
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, in->committed ? 0 : SIGKILL);
}

static int get_capabilities(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable, struct failure *why)
{
	struct capability_header header = {CAPABILITY_VERSION_3, 0};
	struct capability_data data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return FAIL(why, errno, "capget", "");
	*effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	*permitted = (uint64_t)data[1].permitted << 32 | data[0].permitted;
	*inheritable = (uint64_t)data[1].inheritable << 32 | data[0].inheritable;
	return 0;
}

static int set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable, struct failure *why)
{
	struct capability_header header = {CAPABILITY_VERSION_3, 0};
	struct capability_data data[2] = {
		{(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
		{(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
	};

	return syscall(SYS_capset, &header, data) < 0 ? FAIL(why, errno, "capset", "") : 0;
}

void drop_inherited_capabilities(void)
{
	struct failure ignored; /* dropping can't fail, and run_capabilities compares at the end */
	uint64_t effective, permitted, inheritable;

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (get_capabilities(&effective, &permitted, &inheritable, &ignored) == 0 && inheritable != 0)
		(void)set_capabilities(effective, permitted, 0, &ignored);
}

int run_no_new_privs(struct init *in, const struct op_no_new_privs *op, struct failure *why)
{
	(void)in;
	(void)op;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? FAIL(why, errno, "prctl", "no_new_privs") : 0;
}

int run_bounding(struct init *in, const struct op_bounding *op, struct failure *why)
{
	(void)in;
	/* the kernel tells the last capability it knows: reading the one after is EINVAL */
	for (unsigned long cap = 0; cap < 64; cap++) {
		int there = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (there < 0)
			break;
		if (there == 0 || (op->keep >> cap & 1) != 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0)
			return FAIL(why, errno, "prctl", "dropping capability ", digits_of(cap).text,
				    " from the bounding set");
	}
	return 0;
}

/* Whether this user namespace forbids setgroups(2). */
static int setgroups_denied(struct init *in)
{
	char text[8] = "";
	_scoped int fd = proc_open(in, "thread-self/setgroups", O_RDONLY);

	return fd >= 0 && read(fd, text, sizeof(text) - 1) >= 4 && strncmp(text, "deny", 4) == 0;
}

int run_groups(struct init *in, const struct op_groups *op, struct failure *why)
{
	size_t count = op->gids.count;
	uint32_t *gids;

	if (count > 65536)
		return FAIL(why, EINVAL, "setgroups", "more than 65536 groups");
	gids = allocate((count + 1) * sizeof(*gids));
	if (gids == NULL)
		return FAIL(why, errno, "mmap", "groups");
	for (uint32_t i = 0; i < count; i++)
		gids[i] = plan_u32s_get(&op->gids, i);
	if (syscall(SYS_setgroups, count, gids) < 0) {
		int err = errno;

		if (err == EPERM && setgroups_denied(in)) {
			if (count == 0)
				return 0;
			return FAIL(why, err, "setgroups", "cannot set any additional groups in a rootless container");
		}
		return FAIL(why, err, "setgroups", digits_of(count).text, " additional groups");
	}
	/* the kernel keeps them sorted, so only their number is compared */
	if (syscall(SYS_getgroups, 0, NULL) != (long)count)
		return FAIL(why, EINVAL, "getgroups", "other groups than those set");
	return 0;
}

int run_identity(struct init *in, const struct op_identity *op, struct failure *why)
{
	uint32_t ids[6];

	if (op->uid == UINT32_MAX || op->gid == UINT32_MAX) /* to the kernel: leave it */
		return FAIL(why, EINVAL, "setresuid", "4294967295 is no id");
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return FAIL(why, errno, "prctl", "keeping capabilities");
	if (syscall(SYS_setresgid, op->gid, op->gid, op->gid) < 0)
		return FAIL(why, errno, "setresgid",
			    errno == EINVAL ? "cannot setgid to unmapped gid " : "", digits_of(op->gid).text,
			    errno == EINVAL ? " in user namespace" : "");
	if (syscall(SYS_setresuid, op->uid, op->uid, op->uid) < 0)
		return FAIL(why, errno, "setresuid",
			    errno == EINVAL ? "cannot setuid to unmapped uid " : "", digits_of(op->uid).text,
			    errno == EINVAL ? " in user namespace" : "");
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return FAIL(why, errno, "prctl", "keeping capabilities");
	rearm(in);
	if (syscall(SYS_getresuid, &ids[0], &ids[1], &ids[2]) < 0 ||
	    syscall(SYS_getresgid, &ids[3], &ids[4], &ids[5]) < 0)
		return FAIL(why, errno, "getresuid", "");
	for (int i = 0; i < 6; i++)
		if (ids[i] != (i < 3 ? op->uid : op->gid))
			return FAIL(why, EPERM, "getresuid", "other ids than those set");
	return 0;
}

/* The bounding set as a number. */
static uint64_t bounding_set(void)
{
	uint64_t set = 0;

	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			set |= (uint64_t)1 << cap;
	return set;
}

/* The spec lets capabilities pass that can't be had, with a warning. */
static void note_missing(struct init *in, const char *set, uint64_t missing, struct failure *why)
{
	struct text text = text_in(why->detail, sizeof(why->detail));

	if (missing == 0)
		return;
	why->err = EPERM;
	why->call = "capset";
	text_add(&text, set);
	text_add(&text, " capabilities that can't be had:");
	for (unsigned int cap = 0; cap < 64; cap++)
		if ((missing >> cap & 1) != 0) {
			text_add(&text, " ");
			text_add_number(&text, cap);
		}
	message_note(in, why);
}

static int set_ambient(struct init *in, uint64_t wanted, struct failure *why)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return FAIL(why, errno, "prctl", "clearing ambient capabilities");
	for (unsigned long cap = 0; cap < 64; cap++) {
		int there;

		if ((wanted >> cap & 1) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			note_missing(in, "ambient", (uint64_t)1 << cap, why);
		there = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0);
		if (there == 1 && (wanted >> cap & 1) == 0)
			return FAIL(why, EPERM, "prctl", "ambient capability ", digits_of(cap).text,
				    " without being asked");
	}
	return 0;
}

int run_capabilities(struct init *in, const struct op_capabilities *op, struct failure *why)
{
	uint64_t had_effective, had_permitted, had_inheritable;
	uint64_t effective, permitted, inheritable;
	uint64_t now_effective, now_permitted, now_inheritable;

	if (get_capabilities(&had_effective, &had_permitted, &had_inheritable, why) < 0)
		return -1;
	permitted = op->permitted & had_permitted;
	effective = op->effective & permitted;
	inheritable = op->inheritable & (had_inheritable | (had_permitted & bounding_set()));
	note_missing(in, "permitted", op->permitted & ~permitted, why);
	note_missing(in, "effective", op->effective & ~effective, why);
	note_missing(in, "inheritable", op->inheritable & ~inheritable, why);
	if (set_capabilities(effective, permitted, inheritable, why) < 0)
		return -1;
	rearm(in);
	if (set_ambient(in, op->ambient, why) < 0 ||
	    get_capabilities(&now_effective, &now_permitted, &now_inheritable, why) < 0)
		return -1;
	if (now_effective != effective || now_permitted != permitted || now_inheritable != inheritable)
		return FAIL(why, EPERM, "capget", "other capabilities than those set");
	return 0;
}
