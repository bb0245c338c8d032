/* Joining, making and entering namespaces, and what a new one needs before anything else. */
#include "init.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>

#include "kernel.h"

#define KEYCTL_JOIN_SESSION_KEYRING 1
#define KEYCTL_SETPERM 5
#define KEYCTL_DESCRIBE 6
#define KEY_USR_SEARCH 0x00080000ul

#define NS_GET_NSTYPE 0xb703 /* ioctl: which CLONE_NEW* */

static const struct {
	uint32_t flag;
	const char *name;
} names[] = {
	{CLONE_NEWUSER, "user"}, {CLONE_NEWNS, "mount"}, {CLONE_NEWPID, "pid"},       {CLONE_NEWNET, "network"},
	{CLONE_NEWIPC, "ipc"},   {CLONE_NEWUTS, "uts"},  {CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWTIME, "time"},
};

static int fail_namespaces(uint32_t flags, const char *call, struct failure *why)
{
	struct text text = text_in(why->detail, sizeof(why->detail));

	why->err = errno;
	why->call = call;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((flags & names[i].flag) != 0) {
			text_add(&text, text.len == 0 ? "" : ", ");
			text_add(&text, names[i].name);
		}
	text_add(&text, " namespace");
	return -1;
}

int run_join(struct init *in, const struct op_join *op, struct failure *why)
{
	int fd = slot_fd(op->slot);

	if (setns(fd, (int)op->flags) < 0)
		return fail_namespaces(op->flags, "setns", why);
	rearm(in);
	if ((op->flags & CLONE_NEWNS) != 0)
		close_fd(&in->root); /* "/" is another one now */
	/* what comes next may make us visible to the container: hold nothing of the host longer than needed */
	if (!slot_needed(in, op->slot))
		close_fd(&fd);
	return 0;
}

int run_unshare(struct init *in, const struct op_unshare *op, struct failure *why)
{
	if (unshare((int)op->flags) < 0)
		return fail_namespaces(op->flags, "unshare", why);
	rearm(in);
	return 0;
}

/* The old process: tells the runtime who the new one is, then lets that go on. */
static _Noreturn void hand_over(struct init *in, int pid, int pidfd, int ready)
{
	message_send(in, MESSAGE_FORKED, pid, "", "", pidfd);
	_exit(write(ready, "x", 1) == 1 ? 0 : 1);
}

int run_fork(struct init *in, const struct op_fork *op, struct failure *why)
{
	int ready[2], pidfd = -1, pid, got;
	char byte;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return FAIL(why, errno, "pipe2", "");
	pid = kernel_fork(CLONE_PARENT | op->flags, &pidfd);
	if (pid < 0)
		return fail_namespaces(op->flags, "clone", why);
	if (pid > 0)
		hand_over(in, pid, pidfd, ready[1]);
	rearm(in);
	close_fd(&ready[1]);
	/* messages of ours must not overtake the one that tells who we are */
	do
		got = (int)read(ready[0], &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(1);
	close_fd(&ready[0]);
	if (setsid() < 0)
		return FAIL(why, errno, "setsid", "");
	/* thread-self of the own procfs is another now */
	if (in->proc >= 0) {
		close_fd(&in->proc_fds);
		in->proc_fds = proc_open(in, "thread-self/fd", O_PATH | O_DIRECTORY);
		if (in->proc_fds < 0)
			return FAIL(why, errno, "openat2", "thread-self/fd of the own procfs");
	}
	return 0;
}

int run_become_root(struct init *in, const struct op_become_root *op, struct failure *why)
{
	(void)op;
	if (syscall(SYS_setresgid, 0, 0, 0) < 0)
		return FAIL(why, errno, "setresgid", "0");
	if (syscall(SYS_setresuid, 0, 0, 0) < 0)
		return FAIL(why, errno, "setresuid", "0");
	rearm(in);
	return 0;
}

int run_enter_time(struct init *in, const struct op_enter_time *op, struct failure *why)
{
	_scoped int directory = in->proc >= 0 ? proc_open(in, "thread-self/ns", O_PATH | O_DIRECTORY)
					      : open("/proc/thread-self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_scoped int fd = directory < 0 ? -1 : openat(directory, "time_for_children", O_RDONLY | O_CLOEXEC);
	struct statfs fs;

	(void)op;
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		return FAIL(why, errno, "open", "time_for_children");
	if (fs.f_type != KERNEL_MAGIC_NSFS || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWTIME)
		return FAIL(why, EINVAL, "ioctl", "time_for_children is no time namespace");
	if (setns(fd, CLONE_NEWTIME) < 0)
		return fail_namespaces(CLONE_NEWTIME, "setns", why);
	return 0;
}

/* The permissions of a key from "type;uid;gid;permissions;description", 0 if it is something else. */
static unsigned long permissions_of(const char *description)
{
	unsigned long permissions = 0;

	for (int field = 0; field < 3; field++) {
		description = strchr(description, ';');
		if (description == NULL)
			return 0;
		description++;
	}
	for (; *description != ';'; description++) {
		unsigned long digit;

		if (*description >= '0' && *description <= '9')
			digit = (unsigned long)(*description - '0');
		else if (*description >= 'a' && *description <= 'f')
			digit = (unsigned long)(*description - 'a') + 10;
		else
			return 0;
		permissions = permissions << 4 | digit;
	}
	return permissions;
}

int run_keyring(struct init *in, const struct op_keyring *op, struct failure *why)
{
	char description[512];
	long key = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, op->name.ptr), len;
	unsigned long permissions;

	if (key < 0) {
		(void)FAIL(why, errno, "keyctl", "session keyring \"", op->name.ptr, "\"");
		if (errno != ENOSYS && errno != EPERM && errno != EDQUOT)
			return -1;
		message_note(in, why);
		return 0;
	}
	/* so that processes of the same user in the container find it, as with the other runtimes */
	len = syscall(SYS_keyctl, KEYCTL_DESCRIBE, key, description, sizeof(description));
	if (len <= 0 || len > (long)sizeof(description))
		return FAIL(why, len < 0 ? errno : EIO, "keyctl", "describing the session keyring");
	permissions = permissions_of(description);
	if (permissions != 0 && syscall(SYS_keyctl, KEYCTL_SETPERM, key, permissions | KEY_USR_SEARCH) < 0)
		return FAIL(why, errno, "keyctl", "permissions of the session keyring");
	return 0;
}

int run_loopback_up(struct init *in, const struct op_loopback_up *op, struct failure *why)
{
	/* any family does; this one is in every kernel */
	_scoped int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};

	(void)in;
	(void)op;
	if (fd < 0)
		return FAIL(why, errno, "socket", "");
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return FAIL(why, errno, "ioctl", "flags of lo");
	request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return FAIL(why, errno, "ioctl", "bringing lo up");
	return 0;
}

int run_hostname(struct init *in, const struct op_hostname *op, struct failure *why)
{
	(void)in;
	return sethostname(op->name.ptr, op->name.len) < 0 ? FAIL(why, errno, "sethostname", op->name.ptr) : 0;
}

int run_domainname(struct init *in, const struct op_domainname *op, struct failure *why)
{
	(void)in;
	return setdomainname(op->name.ptr, op->name.len) < 0 ? FAIL(why, errno, "setdomainname", op->name.ptr) : 0;
}
