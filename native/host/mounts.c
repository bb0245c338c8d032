/* Mounts as detached trees, for init to attach: what it may not do itself in a user namespace. */
#include "host.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

#include "fd.h"
#include "kernel.h"
#include "spawn.h"

/*
 * Makes the tree a slave of the mounts it was cloned from, all of it, as the mounts are that a container makes by itself:
 * as a peer of a shared one, what the container mounts there would be mounted on the host.
 */
static int make_slave(int tree)
{
	const struct kernel_mount_attr slave = {.propagation = MS_SLAVE};
	char path[64];

	if (syscall(CALL_MOUNT_SETATTR, tree, "", KERNEL_AT_EMPTY_PATH | KERNEL_AT_RECURSIVE, &slave, sizeof slave) == 0)
		return 0;
	if (errno != ENOSYS && errno != EPERM) /* linux before 5.12, a filter around us */
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", tree);
	return mount("", path, NULL, MS_SLAVE | MS_REC, NULL);
}

/* What is opened in the mount namespace of another process, below its root. */
struct elsewhere {
	const char *path;
	unsigned flags;
	int namespace, root;
	int tree, err; /* what came of it */
};

CHILD_CODE static void open_elsewhere(void *argument)
{
	struct elsewhere *e = argument;

	if (syscall(SYS_setns, e->namespace, KERNEL_CLONE_NEWNS) == 0 && syscall(SYS_fchdir, e->root) == 0 &&
	    syscall(SYS_chroot, ".") == 0)
		e->tree = (int)syscall(CALL_OPEN_TREE, AT_FDCWD, e->path, e->flags);
	e->err = errno;
	for (;;)
		syscall(SYS_exit_group, 0);
}

/* open_tree(2) in the mount namespace of pid. Returns the descriptor, or -1 with errno. */
static int open_tree_of(int64_t pid, const char *path, unsigned flags, struct arena *arena)
{
	struct elsewhere e = {.path = path, .flags = flags, .tree = -1, .err = EINTR};
	OWNED_FD namespace = -1;
	OWNED_FD root = -1;
	char link[64];

	snprintf(link, sizeof link, "/proc/%lld/ns/mnt", (long long)pid);
	namespace = open(link, O_RDONLY | O_CLOEXEC);
	snprintf(link, sizeof link, "/proc/%lld/root", (long long)pid);
	root = open(link, O_PATH | O_CLOEXEC);
	if (namespace < 0 || root < 0) {
		/* said of the process, where a caller would take them for the path's */
		if (errno == EACCES)
			errno = EPERM;
		else if (errno == ENOENT)
			errno = ESRCH;
		return -1;
	}
	e.namespace = namespace;
	e.root = root;
	if (run_apart(open_elsewhere, &e, arena) < 0)
		return -1;
	errno = e.err;
	return e.tree;
}

int host_openTree(struct host_call *call)
{
	struct kernel_mount_attr attr = {.attr_set = KERNEL_MOUNT_ATTR_IDMAP};
	unsigned flags = KERNEL_OPEN_TREE_CLONE | O_CLOEXEC;
	bool recursive, nofollow, idmap_recursive, peer;
	const char *path;
	int64_t pid;
	int userns;
	OWNED_FD tree = -1;

	if (arg_cstr(call, 0, "path", &path) < 0 || arg_bool(call, 1, "recursive", &recursive) < 0 ||
	    arg_bool(call, 2, "nofollow", &nofollow) < 0 || arg_fd_or_none(call, 3, "usernsFd", &userns) < 0 ||
	    arg_bool(call, 4, "idmapRecursive", &idmap_recursive) < 0 || arg_int(call, 5, "pid", 0, INT32_MAX, &pid) < 0 ||
	    arg_bool(call, 6, "peer", &peer) < 0)
		return -1;
	if (recursive)
		flags |= KERNEL_AT_RECURSIVE;
	if (nofollow)
		flags |= KERNEL_AT_SYMLINK_NOFOLLOW;
	tree = pid > 0 ? open_tree_of(pid, path, flags, &call->arena) : (int)syscall(CALL_OPEN_TREE, AT_FDCWD, path, flags);
	if (tree < 0)
		return host_fail(call, errno, "open_tree", "%s", path);
	if (!peer && make_slave(tree) < 0)
		return host_fail(call, errno, "mount_setattr", "%s: slave", path);
	if (userns >= 0) {
		unsigned which = KERNEL_AT_EMPTY_PATH | (idmap_recursive ? KERNEL_AT_RECURSIVE : 0);

		attr.userns_fd = (uint64_t)userns;
		if (syscall(CALL_MOUNT_SETATTR, tree, "", which, &attr, sizeof attr) < 0)
			return host_fail(call, errno, "mount_setattr", "%s: idmap", path);
	}
	call->result = hv_int(fd_take(&tree));
	return 0;
}

int host_attachTree(struct host_call *call)
{
	const char *path;
	int tree;

	if (arg_fd(call, 0, "tree", &tree) < 0 || arg_cstr(call, 1, "path", &path) < 0)
		return -1;
	return syscall(CALL_MOVE_MOUNT, tree, "", AT_FDCWD, path, KERNEL_MOVE_MOUNT_F_EMPTY_PATH) < 0
		       ? host_fail(call, errno, "move_mount", "%s", path)
		       : 0;
}

int host_unmount(struct host_call *call)
{
	const char *path;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 ? host_fail(call, errno, "umount2", "%s", path) : 0;
}
