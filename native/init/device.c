/* Device nodes and links, made below the descriptor of their directory and verified by descriptor. */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kernel.h"

/* The mode exactly as asked: a default ACL of the directory may have changed it. */
static int exact_mode(struct init *in, int fd, mode_t mode)
{
	if (syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) == 0)
		return 0;
	/* before linux 6.6 the way to a file that isn't open leads through procfs */
	return fchmodat(in->proc_fds, digits_of((uint64_t)fd).text, mode, 0);
}

int run_device(struct init *in, const struct op_device *op, struct failure *why)
{
	int root = root_fd(in);
	char name[256];
	struct stat st;
	_scoped int directory = root < 0 ? -1 : resolve_parent(root, op->path.ptr, name);
	_scoped int fd = -1;
	int existed;

	if (directory < 0)
		return FAIL(why, errno, "openat2", "directory of \"", op->path.ptr, "\"");
	existed = mknodat(directory, name, op->mode, makedev(op->major, op->minor)) < 0;
	if (existed && errno != EEXIST)
		return FAIL(why, errno, "mknodat", "\"", op->path.ptr, "\"");
	fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return FAIL(why, errno, "openat", "\"", op->path.ptr, "\"");
	if ((st.st_mode & S_IFMT) != (op->mode & S_IFMT) ||
	    (!S_ISFIFO(st.st_mode) && st.st_rdev != makedev(op->major, op->minor)))
		return FAIL(why, EEXIST, "mknodat", "\"", op->path.ptr, "\" is something else");
	if (existed)
		return 0;
	if ((st.st_uid != op->uid || st.st_gid != op->gid) &&
	    fchownat(fd, "", op->uid, op->gid, AT_EMPTY_PATH) < 0)
		return FAIL(why, errno, "fchownat", "\"", op->path.ptr, "\"");
	if ((st.st_mode & 07777) != (op->mode & 07777) && exact_mode(in, fd, op->mode & 07777) < 0)
		return FAIL(why, errno, "fchmodat", "\"", op->path.ptr, "\"");
	return 0;
}

/* Whether what is there is a link with this target. */
static int is_link_to(int directory, const char *name, const char *target)
{
	char found[4096];
	ssize_t len = readlinkat(directory, name, found, sizeof(found));

	return len == (ssize_t)strlen(target) && memcmp(found, target, (size_t)len) == 0;
}

int run_link(struct init *in, const struct op_link *op, struct failure *why)
{
	int root = root_fd(in);
	char name[256];
	_scoped int directory = root < 0 ? -1 : resolve_parent(root, op->path.ptr, name);

	if (directory < 0)
		return FAIL(why, errno, "openat2", "directory of \"", op->path.ptr, "\"");
	/* unlinkat without AT_REMOVEDIR removes no directory */
	if (op->replace == PLAN_LINK_REPLACE && unlinkat(directory, name, 0) < 0 && errno != ENOENT)
		return FAIL(why, errno, "unlinkat", "\"", op->path.ptr, "\"");
	if (symlinkat(op->target.ptr, directory, name) == 0)
		return 0;
	if (errno != EEXIST)
		return FAIL(why, errno, "symlinkat", "\"", op->path.ptr, "\"");
	if (op->replace == PLAN_LINK_EXACT && !is_link_to(directory, name, op->target.ptr))
		return FAIL(why, EEXIST, "symlinkat", "\"", op->path.ptr, "\": something else is there");
	return 0;
}
