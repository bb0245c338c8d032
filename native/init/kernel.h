/*
 * What the C library lacks: system calls newer than it, with the constants they need. Written here and not taken from
 * the linux/ headers, because a musl tool chain has none of them, and an older distribution's are incomplete.
 */
#ifndef TSRUNC_KERNEL_H
#define TSRUNC_KERNEL_H

#include <fcntl.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- openat2(2), since 5.6 ---- */

struct kernel_open_how {
	uint64_t flags;
	uint64_t mode;
	uint64_t resolve;
};

enum {
	KERNEL_RESOLVE_NO_XDEV = 0x01,
	KERNEL_RESOLVE_NO_MAGICLINKS = 0x02,
	KERNEL_RESOLVE_NO_SYMLINKS = 0x04,
	KERNEL_RESOLVE_BENEATH = 0x08,
	KERNEL_RESOLVE_IN_ROOT = 0x10,
};

static inline int kernel_openat2(int dir, const char *path, int flags, uint64_t resolve)
{
	struct kernel_open_how how = {.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC), .resolve = resolve};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

/* ---- the mount interface, since 5.2; mount_setattr(2) since 5.12 ---- */

enum {
	KERNEL_OPEN_TREE_CLONE = 1,
	KERNEL_OPEN_TREE_CLOEXEC = O_CLOEXEC,
	KERNEL_AT_RECURSIVE = 0x8000,
	KERNEL_MOVE_MOUNT_F_EMPTY_PATH = 0x04,
	KERNEL_MOVE_MOUNT_T_EMPTY_PATH = 0x40,
	KERNEL_FSOPEN_CLOEXEC = 1,
	KERNEL_FSMOUNT_CLOEXEC = 1,
	KERNEL_FSCONFIG_SET_FLAG = 0,
	KERNEL_FSCONFIG_SET_STRING = 1,
	KERNEL_FSCONFIG_CMD_CREATE = 6,
};

#define KERNEL_ATTR_RDONLY 0x00000001u
#define KERNEL_ATTR_NOSUID 0x00000002u
#define KERNEL_ATTR_NODEV 0x00000004u
#define KERNEL_ATTR_NOEXEC 0x00000008u
#define KERNEL_ATTR_ATIME 0x00000070u /* the mask of the three kinds */
#define KERNEL_ATTR_NOATIME 0x00000010u
#define KERNEL_ATTR_STRICTATIME 0x00000020u
#define KERNEL_ATTR_NODIRATIME 0x00000080u
#define KERNEL_ATTR_NOSYMFOLLOW 0x00200000u

struct kernel_mount_attr {
	uint64_t set;
	uint64_t clear;
	uint64_t propagation;
	uint64_t userns_fd;
};

static inline int kernel_open_tree(int dir, const char *path, unsigned int flags)
{
	return (int)syscall(SYS_open_tree, dir, path, flags | KERNEL_OPEN_TREE_CLOEXEC);
}

static inline int kernel_move_mount(int tree, int target)
{
	return (int)syscall(SYS_move_mount, tree, "", target, "",
			    KERNEL_MOVE_MOUNT_F_EMPTY_PATH | KERNEL_MOVE_MOUNT_T_EMPTY_PATH);
}

static inline int kernel_fsopen(const char *type)
{
	return (int)syscall(SYS_fsopen, type, KERNEL_FSOPEN_CLOEXEC);
}

static inline int kernel_fsconfig(int fs, int command, const char *key, const char *value)
{
	return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

static inline int kernel_fsmount(int fs, unsigned int attr)
{
	return (int)syscall(SYS_fsmount, fs, KERNEL_FSMOUNT_CLOEXEC, attr);
}

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

static inline int kernel_mount_setattr(int mount, int recursive, const struct kernel_mount_attr *attr)
{
	return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (recursive ? KERNEL_AT_RECURSIVE : 0), attr,
			    sizeof(*attr));
}

/* ---- statx(2): only for what it says of mounts ---- */

struct kernel_statx {
	uint32_t mask, block_size;
	uint64_t attributes;
	uint32_t other[32];
	uint64_t mount_id; /* at offset 144, since 5.8 */
	uint64_t spare[13];
};

_Static_assert(offsetof(struct kernel_statx, mount_id) == 144, "statx has its mount id at offset 144");
_Static_assert(sizeof(struct kernel_statx) == 256, "statx has 256 bytes");

#define KERNEL_STATX_MNT_ID 0x1000u
#define KERNEL_STATX_ATTR_MOUNT_ROOT 0x2000u

/* The id of the mount that fd lies on. Returns 0, or -1 with errno. */
static inline int kernel_mount_id(int fd, uint64_t *id)
{
	struct kernel_statx st;

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, KERNEL_STATX_MNT_ID, &st) < 0)
		return -1;
	*id = st.mount_id;
	return 0;
}

/* Whether fd is the root of a mount (told since 5.8): 1 or 0, or -1 with errno. */
static inline int kernel_is_mount_root(int fd)
{
	struct kernel_statx st;

	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, KERNEL_STATX_MNT_ID, &st) < 0)
		return -1;
	return (st.attributes & KERNEL_STATX_ATTR_MOUNT_ROOT) != 0;
}

/* ---- processes ---- */

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

/* A fork with more flags; *pidfd gets a pidfd of the child. The third argument is the same on all architectures. */
static inline int kernel_fork(unsigned long flags, int *pidfd)
{
	return (int)syscall(SYS_clone, flags | CLONE_PIDFD, 0UL, pidfd, 0UL, 0UL);
}

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* ---- magic numbers of file systems ---- */

#define KERNEL_MAGIC_PROC 0x9fa0
#define KERNEL_MAGIC_DEVPTS 0x1cd1
#define KERNEL_MAGIC_NSFS 0x6e736673

#endif
