/*
 * Terminals and standard streams. The terminal comes from the devpts that the plan mounted, by its descriptor, and its
 * other end from the kernel (TIOCGPTPEER), never by a path that the container could have replaced.
 * https://man7.org/linux/man-pages/man2/TIOCGPTPEER.2const.html
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "kernel.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

#define PTMX_INODE 2
#define FIRST_PTY_MAJOR 136 /* to 143 */

static int on_devpts(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == KERNEL_MAGIC_DEVPTS;
}

static int is_device(int fd, unsigned int major_number, unsigned int minor_number)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(major_number, minor_number);
}

/* Opens a new master. Returns it, or -1. */
static int open_master(struct init *in, struct failure *why)
{
	int root = root_fd(in), unlock = 0;
	_scoped int found = in->devpts >= 0 || root < 0 ? -1 : resolve(root, "/dev/pts", 0, NULL);
	int devpts = in->devpts >= 0 ? in->devpts : found;
	_scoped int ptmx = -1;
	_scoped int master = -1;
	struct stat st;

	if (devpts < 0)
		return FAIL(why, errno, "openat2", "\"/dev/pts\"");
	if (!on_devpts(devpts))
		return FAIL(why, ENOTTY, "fstatfs", "\"/dev/pts\" is no devpts");
	ptmx = resolve(devpts, "ptmx", RESOLVE_BELOW | RESOLVE_NO_LINKS | RESOLVE_ONE_MOUNT, NULL);
	if (ptmx < 0 || fstat(ptmx, &st) < 0)
		return FAIL(why, errno, "openat2", "\"/dev/pts/ptmx\"");
	if (!on_devpts(ptmx) || !is_device(ptmx, 5, 2) || st.st_ino != PTMX_INODE)
		return FAIL(why, ENOTTY, "fstat", "\"/dev/pts/ptmx\" is not the one of a devpts");
	master = proc_reopen(in, ptmx, O_RDWR | O_NOCTTY);
	if (master < 0)
		return FAIL(why, errno, "open", "\"/dev/pts/ptmx\"");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return FAIL(why, errno, "ioctl", "unlocking a terminal");
	return take_fd(&master);
}

static int open_slave(int master, struct failure *why)
{
	_scoped int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (slave < 0 || fstat(slave, &st) < 0)
		return FAIL(why, errno, "ioctl", "other end of a terminal");
	if (!on_devpts(slave) || !S_ISCHR(st.st_mode) || major(st.st_rdev) < FIRST_PTY_MAJOR ||
	    major(st.st_rdev) > FIRST_PTY_MAJOR + 7)
		return FAIL(why, ENOTTY, "fstat", "other end of a terminal");
	return take_fd(&slave);
}

/* The terminal on /dev/console. A link there is not followed, and a directory is an error of move_mount. */
static int bind_console(struct init *in, int slave, struct failure *why)
{
	int root = root_fd(in);
	const int how = RESOLVE_CREATE_FILE | RESOLVE_LAST_LINK;
	_scoped int target = root < 0 ? -1 : resolve(root, "/dev/console", how, NULL);
	_scoped int tree = -1;
	struct stat st;

	if (target < 0 || fstat(target, &st) < 0)
		return FAIL(why, errno, "openat2", "\"/dev/console\"");
	if (S_ISLNK(st.st_mode))
		return FAIL(why, ELOOP, "openat2", "\"/dev/console\" is a link");
	tree = kernel_open_tree(slave, "", KERNEL_OPEN_TREE_CLONE | AT_EMPTY_PATH);
	if (tree < 0)
		return FAIL(why, errno, "open_tree", "terminal");
	return attach(in, tree, target, NULL, NULL, why);
}

int run_console(struct init *in, const struct op_console *op, struct failure *why)
{
	_scoped int master = open_master(in, why);
	_scoped int slave = -1;
	struct winsize size = {.ws_row = (unsigned short)op->rows, .ws_col = (unsigned short)op->columns};

	if (master < 0)
		return -1;
	slave = open_slave(master, why);
	if (slave < 0)
		return -1;
	/* the gid stays: it is the mount's, and may have no number in here */
	if (fchown(slave, op->uid, (gid_t)-1) < 0)
		return FAIL(why, errno, "fchown", "terminal");
	if (op->rows != 0 && op->columns != 0 && ioctl(master, TIOCSWINSZ, &size) < 0)
		return FAIL(why, errno, "ioctl", "size of the terminal");
	if (op->bind_console && bind_console(in, slave, why) < 0)
		return -1;
	message_send(in, MESSAGE_FD, 0, "", "", master);
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return FAIL(why, errno, "dup2", "terminal");
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return FAIL(why, errno, "ioctl", "controlling terminal");
	return 0;
}

int run_stdio_null(struct init *in, const struct op_stdio_null *op, struct failure *why)
{
	int root = root_fd(in);
	_scoped int fd = -1;
	_scoped int null = -1;

	(void)op;
	for (int stream = 0; stream <= 2; stream++) {
		if (!is_device(stream, 1, 3))
			continue;
		if (null < 0) {
			fd = root < 0 ? -1 : resolve(root, "/dev/null", 0, NULL);
			if (fd < 0)
				return FAIL(why, errno, "openat2", "\"/dev/null\"");
			if (!is_device(fd, 1, 3))
				return FAIL(why, ENODEV, "fstat", "\"/dev/null\" is not the null device");
			null = proc_reopen(in, fd, O_RDWR | O_NOCTTY);
			if (null < 0)
				return FAIL(why, errno, "open", "\"/dev/null\"");
		}
		if (dup2(null, stream) < 0)
			return FAIL(why, errno, "dup2", "\"/dev/null\"");
	}
	return 0;
}

int run_stdio_owner(struct init *in, const struct op_stdio_owner *op, struct failure *why)
{
	(void)in;
	for (int stream = 0; stream <= 2; stream++) {
		struct stat st;

		if (fstat(stream, &st) < 0)
			return FAIL(why, errno, "fstat", "standard stream ", digits_of((uint64_t)stream).text);
		if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
			continue; /* never a device: it would be the host's */
		if (fchown(stream, op->uid, (gid_t)-1) < 0 && errno != EINVAL && errno != EPERM && errno != EROFS)
			return FAIL(why, errno, "fchown", "standard stream ", digits_of((uint64_t)stream).text);
	}
	return 0;
}
