/*
 * The root file system: it becomes a mount of its own, everything is mounted below its descriptor, and finally it takes
 * the place of "/". https://man7.org/linux/man-pages/man2/pivot_root.2.html, "pivot_root(".", ".")"
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel.h"

int run_propagate_root(struct init *in, const struct op_propagate_root *op, struct failure *why)
{
	(void)in;
	if (mount(NULL, "/", NULL, op->flags, NULL) < 0)
		return FAIL(why, errno, "mount", "propagation of \"/\"");
	return 0;
}

/* The root of the mount that a directory lies on. Returns its descriptor, or -1 with errno. */
static int mount_root(int directory)
{
	_scoped int fd = fcntl(directory, F_DUPFD_CLOEXEC, 3);
	uint64_t mount, above;
	struct stat here, there;

	while (fd >= 0 && kernel_mount_id(fd, &mount) == 0) {
		_scoped int up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (up < 0 || kernel_mount_id(up, &above) < 0 || fstat(fd, &here) < 0 || fstat(up, &there) < 0)
			return -1;
		if (above != mount || (here.st_ino == there.st_ino && here.st_dev == there.st_dev))
			return take_fd(&fd);
		close_fd(&fd);
		fd = take_fd(&up);
	}
	return -1;
}

int run_rootfs(struct init *in, const struct op_rootfs *op, struct failure *why)
{
	_scoped int directory = open(op->host_path.ptr, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_scoped int parent = -1;
	_scoped int tree = -1;

	if (directory < 0)
		return FAIL(why, errno, "open", "\"", op->host_path.ptr, "\"");
	parent = mount_root(directory);
	if (parent < 0)
		return FAIL(why, errno, "openat", "the mount of \"", op->host_path.ptr, "\"");
	tree = kernel_open_tree(directory, "",
				KERNEL_OPEN_TREE_CLONE | AT_EMPTY_PATH | KERNEL_AT_RECURSIVE);
	if (tree < 0)
		return FAIL(why, errno, "open_tree", "\"", op->host_path.ptr, "\"");
	/* pivot_root(2) refuses a shared parent; and what we attach must not appear anywhere else */
	if (set_propagation(in, parent, MS_PRIVATE, why) < 0)
		return -1;
	if (kernel_move_mount(tree, directory) < 0)
		return FAIL(why, errno, "move_mount", "\"", op->host_path.ptr, "\"");
	/* nor a shared root; a slave still hears of the host's mounts where that is wanted */
	if (set_propagation(in, tree, MS_SLAVE, why) < 0)
		return -1;
	close_fd(&in->root);
	in->root = take_fd(&tree);
	return 0;
}

int run_pivot(struct init *in, const struct op_pivot *op, struct failure *why)
{
	_scoped int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)op;
	if (old < 0)
		return FAIL(why, errno, "open", "\"/\"");
	if (fchdir(in->root) < 0)
		return FAIL(why, errno, "fchdir", "the root file system");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return FAIL(why, errno, "pivot_root", "");
	/* now the old root lies on top of the new one; going there by descriptor, it is detached without a path */
	if (fchdir(old) < 0)
		return FAIL(why, errno, "fchdir", "the old root");
	if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return FAIL(why, errno, "mount", "the old root as slave");
	if (umount2(".", MNT_DETACH) < 0)
		return FAIL(why, errno, "umount2", "the old root");
	if (chdir("/") < 0)
		return FAIL(why, errno, "chdir", "\"/\"");
	return 0;
}

int run_chroot(struct init *in, const struct op_chroot *op, struct failure *why)
{
	_scoped int directory = open(op->host_path.ptr, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (directory < 0)
		return FAIL(why, errno, "open", "\"", op->host_path.ptr, "\"");
	if (fchdir(directory) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return FAIL(why, errno, "chroot", "\"", op->host_path.ptr, "\"");
	close_fd(&in->root);
	in->root = take_fd(&directory);
	return 0;
}

int run_propagate(struct init *in, const struct op_propagate *op, struct failure *why)
{
	(void)in;
	if (mount(NULL, "/", NULL, op->flags, NULL) < 0)
		return FAIL(why, errno, "mount", "propagation of the root");
	return 0;
}

int run_readonly_root(struct init *in, const struct op_readonly_root *op, struct failure *why)
{
	const struct attributes attr = {.set = KERNEL_ATTR_RDONLY};
	int root = root_fd(in), later;

	(void)op;
	if (root < 0)
		return FAIL(why, errno, "open", "\"/\"");
	if (set_attributes(root, &attr, &later, why) < 0)
		return -1;
	return later ? set_attributes_late(in, root, &attr, why) : 0;
}
