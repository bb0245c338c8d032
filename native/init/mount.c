/*
 * Mounts, in the order that leaves no gap: the destination becomes a descriptor, the mount is made detached, gets its
 * attributes, and only then is moved onto that descriptor.
 * https://man7.org/linux/man-pages/man2/fsopen.2.html, open_tree(2), move_mount(2), mount_setattr(2)
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "kernel.h"

/* Fails with what the file system wrote to its log: "e tmpfs: Unknown parameter 'x'" says more than EINVAL. */
static int fail_with_log(int fs, const char *call, const char *what, struct failure *why)
{
	int err = errno;
	char line[256];
	struct text detail = text_in(why->detail, sizeof(why->detail));
	ssize_t len;

	why->err = err;
	why->call = call;
	text_add(&detail, what);
	while (fs >= 0 && (len = read(fs, line, sizeof(line))) > 2) {
		/* a letter for the kind, a space, the text, sometimes a line feed */
		len -= line[len - 1] == '\n';
		text_add(&detail, ": ");
		text_add_bytes(&detail, line + 2, (size_t)len - 2);
	}
	return -1;
}

/* One option: "key" or "key=value". */
static int set_option(int fs, struct plan_str option, struct failure *why)
{
	char key[256];
	const char *value = strchr(option.ptr, '=');
	struct text text = text_in(key, sizeof(key));

	if (value == NULL) {
		if (kernel_fsconfig(fs, KERNEL_FSCONFIG_SET_FLAG, option.ptr, NULL) < 0)
			return fail_with_log(fs, "fsconfig", option.ptr, why);
		return 0;
	}
	text_add_bytes(&text, option.ptr, (size_t)(value - option.ptr));
	if (kernel_fsconfig(fs, KERNEL_FSCONFIG_SET_STRING, key, value + 1) < 0)
		return fail_with_log(fs, "fsconfig", option.ptr, why);
	return 0;
}

int make_filesystem(const char *type, const char *source, struct plan_strs options, const char *mode, uint64_t attr,
		    struct failure *why)
{
	_scoped int fs = kernel_fsopen(type);
	int mount;

	if (fs < 0)
		return FAIL(why, errno, "fsopen", type);
	if (source[0] != 0 && kernel_fsconfig(fs, KERNEL_FSCONFIG_SET_STRING, "source", source) < 0)
		return fail_with_log(fs, "fsconfig", "source", why);
	if (mode != NULL && kernel_fsconfig(fs, KERNEL_FSCONFIG_SET_STRING, "mode", mode) < 0)
		return fail_with_log(fs, "fsconfig", "mode", why);
	while (options.count > 0)
		if (set_option(fs, plan_strs_next(&options), why) < 0)
			return -1;
	if (kernel_fsconfig(fs, KERNEL_FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return fail_with_log(fs, "fsconfig", type, why);
	mount = kernel_fsmount(fs, (unsigned int)attr);
	return mount < 0 ? fail_with_log(fs, "fsmount", type, why) : mount;
}

int attach(struct init *in, int mount, int target, const struct attributes *attr, const struct plan_u32s *propagation,
	   struct failure *why)
{
	int later = 0;

	if (attr != NULL && set_attributes(mount, attr, &later, why) < 0)
		return -1;
	if (later && in->undo)
		return FAIL(why, ENOSYS, "mount_setattr", "in a running container mount options need linux 5.12");
	if (keep_for_undo(in, mount, why) < 0)
		return -1;
	if (kernel_move_mount(mount, target) < 0)
		return FAIL(why, errno, "move_mount", "");
	if (later && set_attributes_late(in, mount, attr, why) < 0)
		return -1;
	for (uint32_t i = 0; propagation != NULL && i < propagation->count; i++)
		if (set_propagation(in, mount, plan_u32s_get(propagation, i), why) < 0)
			return -1;
	return 0;
}

static void remember(int *fd, int mount)
{
	close_fd(fd);
	*fd = fcntl(mount, F_DUPFD_CLOEXEC, 3);
}

/* The kernel's EINVAL for it says nothing. */
static int check_kinds(int mount, int target, const char *path, struct failure *why)
{
	struct stat from, onto;

	if (fstat(mount, &from) < 0 || fstat(target, &onto) < 0)
		return FAIL(why, errno, "fstat", "\"", path, "\"");
	if (S_ISDIR(from.st_mode) != S_ISDIR(onto.st_mode))
		return FAIL(why, ENOTDIR, "move_mount", "\"", path,
			    S_ISDIR(onto.st_mode) ? "\" is a directory" : "\" is a file");
	return 0;
}

/* Attaches onto a path of the container that has been resolved. */
static int attach_in_root(struct init *in, int mount, int target, const struct attributes *attr,
			  const struct plan_u32s *propagation, struct failure *why)
{
	char path[4096];

	if (check_destination(in, mount, target, path, why) < 0 || check_kinds(mount, target, path, why) < 0)
		return -1;
	if (attach(in, mount, target, attr, propagation, why) < 0)
		return why->detail[0] != 0 ? -1 : FAIL(why, why->err, why->call, "on \"", path, "\"");
	if (strcmp(path, "/proc") == 0)
		remember(&in->mounted_proc, mount);
	else if (strcmp(path, "/sys") == 0)
		remember(&in->mounted_sys, mount);
	return 0;
}

static int resolve_destination(struct init *in, const char *path, uint32_t flags, int kind, int *created,
			       struct failure *why)
{
	int how = kind, root = root_fd(in), fd = -1;

	if ((flags & PLAN_MOUNT_NO_SYMLINKS) != 0)
		how |= RESOLVE_NO_LINKS;
	if ((flags & PLAN_MOUNT_NOFOLLOW) != 0)
		how |= RESOLVE_LAST_LINK;
	if (root >= 0)
		fd = resolve(root, path, how, created);
	if (fd < 0 && (flags & PLAN_MOUNT_NO_SYMLINKS) != 0 && (errno == ELOOP || errno == ENOTDIR))
		return FAIL(why, errno, "openat2", "\"", path, "\": must be mounted on ordinary directory");
	if (fd < 0)
		return FAIL(why, errno, "openat2", "destination \"", path, "\"");
	return fd;
}

/* The permissions of the covered directory as text for the file system's own "mode" option. */
static void octal(char text[8], mode_t mode)
{
	for (int i = 0; i < 5; i++)
		text[i] = (char)('0' + ((mode >> (3 * (4 - i))) & 7));
	text[5] = 0;
}

/* A clone of the host's mount at source, for file systems that are refused in a user namespace. */
static int bind_instead(const struct op_mount *op, struct failure *why)
{
	int tree = kernel_open_tree(AT_FDCWD, op->source.ptr, KERNEL_OPEN_TREE_CLONE | KERNEL_AT_RECURSIVE);

	return tree < 0 ? FAIL(why, errno, "open_tree", op->source.ptr, " instead of a new ", op->type.ptr) : tree;
}

static int mount_one(struct init *in, const struct op_mount *op, struct failure *why)
{
	struct attributes attr = {.recursive_set = op->recursive_set, .recursive_clear = op->recursive_clear};
	int copies = (op->flags & PLAN_MOUNT_COPY_UP) != 0;
	_scoped int mount = -1;
	_scoped int target = -1;
	int created;
	struct stat st;
	char mode[8];

	target = resolve_destination(in, op->path.ptr, op->flags, RESOLVE_CREATE_DIRECTORY, &created, why);
	if (target < 0)
		return -1;
	if (fstat(target, &st) < 0)
		return FAIL(why, errno, "fstat", op->path.ptr);
	if ((op->flags & PLAN_MOUNT_NO_SYMLINKS) != 0 && !S_ISDIR(st.st_mode))
		return FAIL(why, ENOTDIR, "openat2", "\"", op->path.ptr, "\": must be mounted on ordinary directory");
	octal(mode, st.st_mode);
	if (options_too_long(op->options))
		mount = make_filesystem_by_page(in, op, target, why);
	else
		mount = make_filesystem(op->type.ptr, op->source.ptr, op->options,
					(op->flags & PLAN_MOUNT_INHERIT_MODE) != 0 && !created ? mode : NULL,
					copies ? op->attr & ~(uint64_t)KERNEL_ATTR_RDONLY : op->attr, why);
	if (mount < 0 && (op->flags & PLAN_MOUNT_BIND_FALLBACK) != 0 && (why->err == EPERM || why->err == EBUSY)) {
		mount = bind_instead(op, why);
		attr.set = op->attr;
	}
	if (mount < 0)
		return -1;
	if (copies) {
		if (copy_up(target, mount, why) < 0)
			return -1;
		attr.set = op->attr & KERNEL_ATTR_RDONLY;
	}
	if (attach_in_root(in, mount, target, &attr, &op->propagation, why) < 0)
		return -1;
	if (strcmp(op->type.ptr, "devpts") == 0) {
		close_fd(&in->devpts);
		in->devpts = take_fd(&mount);
	}
	return 0;
}

/* What becomes of a mount that may fail: a note to the runtime. */
static int unless_optional(struct init *in, int result, uint32_t flags, const struct failure *why)
{
	if (result == 0 || (flags & PLAN_MOUNT_OPTIONAL) == 0)
		return result;
	message_note(in, why);
	return 0;
}

int run_mount(struct init *in, const struct op_mount *op, struct failure *why)
{
	return unless_optional(in, mount_one(in, op, why), op->flags, why);
}

/* The source of a bind mount as a detached tree. */
static int open_source(struct init *in, const char *host_path, uint32_t flags, struct failure *why)
{
	unsigned int how = KERNEL_OPEN_TREE_CLONE;
	int tree = -1;

	if ((flags & PLAN_MOUNT_FROM_RUNTIME) != 0) {
		message_send(in, MESSAGE_WANT, 0, "", "", -1);
		message_wait(in, &tree);
		return tree < 0 ? FAIL(why, EBADF, "open_tree", "\"", host_path, "\": the runtime sent none") : tree;
	}
	if ((flags & PLAN_MOUNT_RECURSIVE) != 0)
		how |= KERNEL_AT_RECURSIVE;
	if ((flags & PLAN_MOUNT_SOURCE_NOFOLLOW) != 0)
		how |= AT_SYMLINK_NOFOLLOW;
	tree = kernel_open_tree(AT_FDCWD, host_path, how);
	return tree < 0 ? FAIL(why, errno, "open_tree", "source \"", host_path, "\"") : tree;
}

static int bind_one(struct init *in, const struct op_bind *op, struct failure *why)
{
	struct attributes attr = {op->attr_set, op->attr_clear, op->recursive_set, op->recursive_clear};
	_scoped int tree = open_source(in, op->host_path.ptr, op->flags, why);
	_scoped int target = -1;
	struct stat st;

	if (tree < 0)
		return -1;
	if (fstat(tree, &st) < 0)
		return FAIL(why, errno, "fstat", op->host_path.ptr);
	target = resolve_destination(in, op->path.ptr, op->flags,
				     S_ISDIR(st.st_mode) ? RESOLVE_CREATE_DIRECTORY : RESOLVE_CREATE_FILE, NULL, why);
	if (target < 0)
		return -1;
	return attach_in_root(in, tree, target, &attr, &op->propagation, why);
}

int run_bind(struct init *in, const struct op_bind *op, struct failure *why)
{
	return unless_optional(in, bind_one(in, op, why), op->flags, why);
}

int run_device_bind(struct init *in, const struct op_device_bind *op, struct failure *why)
{
	struct attributes attr = {.set = KERNEL_ATTR_NOSUID | KERNEL_ATTR_NOEXEC};
	_scoped int tree = open_source(in, op->host_path.ptr, op->flags, why);
	_scoped int target = -1;
	struct stat st;

	if (tree < 0)
		return -1;
	if (fstat(tree, &st) < 0)
		return FAIL(why, errno, "fstat", op->host_path.ptr);
	if ((st.st_mode & S_IFMT) != (op->mode & S_IFMT) || st.st_rdev != makedev(op->major, op->minor))
		return FAIL(why, ENODEV, "fstat", "\"", op->host_path.ptr, "\": not the device it should be");
	target = resolve_destination(in, op->path.ptr, op->flags, RESOLVE_CREATE_FILE, NULL, why);
	if (target < 0)
		return -1;
	return attach_in_root(in, tree, target, &attr, NULL, why);
}

int run_remount(struct init *in, const struct op_remount *op, struct failure *why)
{
	struct attributes attr = {.set = op->attr_set};
	const struct timespec pause = {.tv_nsec = 100000000};
	int root = root_fd(in);
	_scoped int fd = root < 0 ? -1 : resolve(root, op->path.ptr, 0, NULL);

	if (fd < 0)
		return FAIL(why, errno, "openat2", op->path.ptr);
	for (int tries = 0;; tries++) {
		int later;

		/* EBUSY: somebody still holds a file open for writing */
		if (set_attributes(fd, &attr, &later, why) == 0)
			return later ? set_attributes_late(in, fd, &attr, why) : 0;
		if (why->err != EBUSY || tries == 5)
			return why->detail[0] != 0 ? -1 : FAIL(why, why->err, why->call, "\"", op->path.ptr, "\"");
		nanosleep(&pause, NULL);
	}
}
