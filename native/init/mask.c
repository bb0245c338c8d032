/*
 * Hiding and write-protecting parts of the container's tree. What is put on top comes from the host, not from the
 * container's /dev, which an image or a neighbour may have filled; the target is pinned by a descriptor before; and
 * only a missing target is skipped.
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "kernel.h"

#define ON_TOP (KERNEL_ATTR_RDONLY | KERNEL_ATTR_NOSUID | KERNEL_ATTR_NOEXEC)

/*
 * Resolves the target of a mask. Below /proc and /sys the way begins at what the plan has mounted there, so that
 * somebody who moves the directories under the mounts can't send it elsewhere. Returns a descriptor, -1 with errno.
 */
static int target_of(struct init *in, const char *path)
{
	int root = root_fd(in), from = -1;
	const char *rest = path;

	if (root < 0)
		return -1;
	if (strncmp(path, "/proc/", 6) == 0) {
		from = in->mounted_proc;
		rest = path + 6;
	} else if (strncmp(path, "/sys/", 5) == 0) {
		from = in->mounted_sys;
		rest = path + 5;
	}
	if (from < 0)
		return resolve(root, path, 0, NULL);
	rest += strspn(rest, "/");
	return resolve(from, rest[0] == 0 ? "." : rest, RESOLVE_BELOW, NULL);
}

int run_readonly_path(struct init *in, const struct op_readonly_path *op, struct failure *why)
{
	const struct attributes attr = {.recursive_set = KERNEL_ATTR_RDONLY};
	const struct attributes top = {.set = KERNEL_ATTR_RDONLY};
	_scoped int target = target_of(in, op->path.ptr);
	_scoped int tree = -1;
	int later;

	if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (target < 0)
		return FAIL(why, errno, "openat2", "\"", op->path.ptr, "\"");
	tree = kernel_open_tree(target, "", KERNEL_OPEN_TREE_CLONE | AT_EMPTY_PATH | KERNEL_AT_RECURSIVE);
	if (tree < 0)
		return FAIL(why, errno, "open_tree", "\"", op->path.ptr, "\"");
	if (set_attributes(tree, &attr, &later, why) == 0)
		return attach(in, tree, target, NULL, NULL, why);
	/* before linux 5.12 only the topmost mount can be made read-only, and only when attached */
	return why->err == ENOSYS ? attach(in, tree, target, &top, NULL, why) : -1;
}

int run_mask_source(struct init *in, const struct op_mask_source *op, struct failure *why)
{
	const struct attributes attr = {.set = ON_TOP};
	_scoped int file = open("/dev/null", O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int later;

	(void)op;
	/* opened, not just looked at: on a mount with nodev it would be there, but useless */
	if (file < 0 || fstat(file, &st) < 0)
		return FAIL(why, errno, "open", "\"/dev/null\" of the host");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return FAIL(why, ENODEV, "fstat", "\"/dev/null\" of the host is not the null device");
	close_fd(&in->null);
	in->null_used = 0;
	in->null = kernel_open_tree(file, "", KERNEL_OPEN_TREE_CLONE | AT_EMPTY_PATH);
	if (in->null < 0)
		return FAIL(why, errno, "open_tree", "\"/dev/null\" of the host");
	if (set_attributes(in->null, &attr, &later, why) < 0)
		return -1;
	return 0;
}

/* One empty directory for all masked directories: not one file system each, of which there may be hundreds. */
static int make_empty(struct init *in, struct failure *why)
{
	const unsigned int attr = ON_TOP | KERNEL_ATTR_NODEV;
	const struct plan_strs none = {NULL, 0};

	in->empty = make_filesystem("tmpfs", "tmpfs", none, "0555", attr, why);
	return in->empty < 0 ? -1 : 0;
}

/*
 * Puts a mount on target: the first time itself, then clones of it. Clones are made of the attached mount, because
 * kernels before 6.15 clone no detached ones.
 */
static int cover(struct init *in, int mount, int *used, int target, struct failure *why)
{
	_scoped int clone = -1;

	if (*used) {
		clone = kernel_open_tree(mount, "", KERNEL_OPEN_TREE_CLONE | AT_EMPTY_PATH);
		if (clone < 0)
			return FAIL(why, errno, "open_tree", "mask");
	}
	if (attach(in, *used ? clone : mount, target, NULL, NULL, why) < 0)
		return -1;
	*used = 1;
	return 0;
}

int run_mask(struct init *in, const struct op_mask *op, struct failure *why)
{
	_scoped int target = target_of(in, op->path.ptr);
	struct stat st;

	if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (target < 0 || fstat(target, &st) < 0)
		return FAIL(why, errno, "openat2", "\"", op->path.ptr, "\"");
	if (S_ISDIR(st.st_mode)) {
		if (in->empty < 0 && make_empty(in, why) < 0)
			return -1;
		return cover(in, in->empty, &in->empty_used, target, why);
	}
	if (in->null < 0)
		return FAIL(why, ENXIO, "plan", "masks of files need mask_source before them");
	return cover(in, in->null, &in->null_used, target, why);
}
