/*
 * Mounts of a running container: finding one to take it away, and taking back what was attached when a later one fails.
 * Its programs may rename and link what they like meanwhile, so a mount is only ever named by a descriptor of its root.
 * https://man7.org/linux/man-pages/man2/umount.2.html
 */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "kernel.h"

int unmount(struct init *in, int fd)
{
	int result, err;

	if (fchdir(in->proc_fds) < 0)
		return -1;
	result = umount2(digits_of((uint64_t)fd).text, MNT_DETACH);
	err = errno;
	if (chdir("/") < 0)
		return -1;
	errno = err;
	return result;
}

/* Appends to the kept ones; there is room for one of each operation. Returns 0, or -1 with errno. */
static int keep(struct init *in, int fd)
{
	if (in->kept == NULL)
		in->kept = allocate(in->plan.ops * sizeof(*in->kept));
	if (in->kept == NULL)
		return -1;
	in->kept[in->kept_count++] = fd;
	return 0;
}

int keep_for_undo(struct init *in, int mount, struct failure *why)
{
	int copy;

	if (!in->undo)
		return 0;
	copy = fcntl(mount, F_DUPFD_CLOEXEC, 3);
	if (copy < 0 || keep(in, copy) < 0)
		return FAIL(why, errno, "fcntl", "a copy of the mount's descriptor");
	return 0;
}

void undo_mounts(struct init *in)
{
	if (!in->undo || in->committed)
		return;
	/* one that was never attached is refused, which is as well */
	while (in->kept_count > 0)
		(void)unmount(in, in->kept[--in->kept_count]);
}

int run_undo_mounts(struct init *in, const struct op_undo_mounts *op, struct failure *why)
{
	(void)op;
	if (in->proc_fds < 0)
		return FAIL(why, ENXIO, "plan", "undo_mounts needs own_proc before it");
	in->undo = 1;
	/* the end of the runtime is told by its socket from now on: killed, we could undo nothing */
	prctl(PR_SET_PDEATHSIG, 0);
	return 0;
}

int run_find_mount(struct init *in, const struct op_find_mount *op, struct failure *why)
{
	int root = root_fd(in);
	/* by a link in the place of a directory that was renamed, the container would choose which mount goes: a mask, say */
	_scoped int fd = root < 0 ? -1 : resolve(root, op->path.ptr, RESOLVE_NO_LINKS, NULL);
	char path[4096];
	int is_root;

	if (fd < 0 && errno == ELOOP)
		return FAIL(why, ELOOP, "openat2", "a part of \"", op->path.ptr, "\" is a link");
	if (fd < 0)
		return FAIL(why, errno, "openat2", "\"", op->path.ptr, "\"");
	if (in->proc_fds < 0 || path_in_root(in, fd, path) < 0)
		return FAIL(why, in->proc_fds < 0 ? ENXIO : errno, "readlinkat", "\"", op->path.ptr, "\"");
	if (path[0] == 0 || strcmp(path, "/") == 0)
		return FAIL(why, EINVAL, "umount2", "\"/\" is the root file system");
	is_root = kernel_is_mount_root(fd);
	if (is_root < 0)
		return FAIL(why, errno, "statx", "\"", op->path.ptr, "\"");
	if (!is_root)
		return FAIL(why, EINVAL, "umount2", "\"", op->path.ptr, "\" is no mount point");
	if (keep(in, fd) < 0)
		return FAIL(why, errno, "mmap", "");
	(void)take_fd(&fd);
	return 0;
}

int run_unmount(struct init *in, const struct op_unmount *op, struct failure *why)
{
	if (op->found >= in->kept_count)
		return FAIL(why, EINVAL, "plan", "unmount of what was not found");
	if (unmount(in, in->kept[op->found]) < 0)
		return FAIL(why, errno, "umount2", "");
	close_fd(&in->kept[op->found]);
	return 0;
}
