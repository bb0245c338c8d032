/*
 * Kernel interfaces newer than the oldest C library we build with (glibc 2.31, musl 1.2), under names of our own, so
 * that it makes no difference which headers know them. Numbers are those of include/uapi/linux.
 */
#ifndef TSRUNC_HOST_KERNEL_H
#define TSRUNC_HOST_KERNEL_H

#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* System calls since 5.1 have the same number everywhere. */
#define CALL_PIDFD_SEND_SIGNAL 424
#define CALL_OPEN_TREE 428
#define CALL_MOVE_MOUNT 429
#define CALL_PIDFD_OPEN 434
#define CALL_CLONE3 435
#define CALL_CLOSE_RANGE 436
#define CALL_OPENAT2 437
#define CALL_MOUNT_SETATTR 442

/* clone3(2) */
struct kernel_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup;
};
#define KERNEL_CLONE_VM 0x100u
#define KERNEL_CLONE_FILES 0x400u
#define KERNEL_CLONE_PIDFD 0x1000u
#define KERNEL_CLONE_VFORK 0x4000u
#define KERNEL_CLONE_INTO_CGROUP 0x200000000ull
/* Namespaces; time shares its bit with a part of the exit signal of the old clone(2). */
#define KERNEL_CLONE_NEWTIME 0x80u
#define KERNEL_CLONE_NEWNS 0x20000u
#define KERNEL_CLONE_NEWCGROUP 0x2000000u
#define KERNEL_CLONE_NEWUTS 0x4000000u
#define KERNEL_CLONE_NEWIPC 0x8000000u
#define KERNEL_CLONE_NEWUSER 0x10000000u
#define KERNEL_CLONE_NEWPID 0x20000000u
#define KERNEL_CLONE_NEWNET 0x40000000u
#define KERNEL_NAMESPACES \
	(KERNEL_CLONE_NEWTIME | KERNEL_CLONE_NEWNS | KERNEL_CLONE_NEWCGROUP | KERNEL_CLONE_NEWUTS | \
	 KERNEL_CLONE_NEWIPC | KERNEL_CLONE_NEWUSER | KERNEL_CLONE_NEWPID | KERNEL_CLONE_NEWNET)

/* openat2(2) */
struct kernel_open_how {
	uint64_t flags, mode, resolve;
};
#define KERNEL_RESOLVE_NO_XDEV 0x01u
#define KERNEL_RESOLVE_NO_MAGICLINKS 0x02u
#define KERNEL_RESOLVE_NO_SYMLINKS 0x04u

/* statx(2), of which only the mount's id is wanted (since 5.8) */
struct kernel_statx {
	uint32_t mask, other[35];
	uint64_t mount_id; /* at offset 144 */
	uint64_t spare[13];
};
#define KERNEL_STATX_MNT_ID 0x1000u

/* open_tree(2), mount_setattr(2) */
struct kernel_mount_attr {
	uint64_t attr_set, attr_clr, propagation, userns_fd;
};
#define KERNEL_OPEN_TREE_CLONE 1u
#define KERNEL_AT_SYMLINK_NOFOLLOW 0x100u
#define KERNEL_AT_EMPTY_PATH 0x1000u
#define KERNEL_AT_RECURSIVE 0x8000u
#define KERNEL_MOUNT_ATTR_IDMAP 0x00100000u
#define KERNEL_MOVE_MOUNT_F_EMPTY_PATH 0x04u

/* close_range(2) */
#define KERNEL_CLOSE_RANGE_CLOEXEC 4u

/* memfd_create(2) and its seals */
#define KERNEL_MFD_CLOEXEC 1u
#define KERNEL_MFD_ALLOW_SEALING 2u
#define KERNEL_MFD_NOEXEC_SEAL 8u
#define KERNEL_MFD_EXEC 16u
#define KERNEL_F_ADD_SEALS 1033
#define KERNEL_F_GET_SEALS 1034
#define KERNEL_F_SEAL_SEAL 0x01
#define KERNEL_F_SEAL_SHRINK 0x02
#define KERNEL_F_SEAL_GROW 0x04
#define KERNEL_F_SEAL_WRITE 0x08
#define KERNEL_F_SEAL_EXEC 0x20

/* waitid(2) */
#define KERNEL_P_PIDFD 3

/* namespace files */
#define KERNEL_NSFS_MAGIC 0x6e736673
#define KERNEL_NS_GET_NSTYPE 0xb703

/* bpf(2): the parts of its one argument that we use */
union kernel_bpf_attr {
	struct {
		uint32_t prog_type, insn_cnt;
		uint64_t insns, license;
		uint32_t log_level, log_size;
		uint64_t log_buf;
	} load;
	struct {
		uint32_t target_fd, attach_bpf_fd, attach_type, attach_flags, replace_bpf_fd;
	} attach;
	struct {
		uint32_t target_fd, attach_type, query_flags, attach_flags;
		uint64_t prog_ids;
		uint32_t prog_cnt;
	} query;
	struct {
		uint32_t id, next_id, open_flags;
	} by_id;
};
#define KERNEL_BPF_PROG_LOAD 5u
#define KERNEL_BPF_PROG_ATTACH 8u
#define KERNEL_BPF_PROG_DETACH 9u
#define KERNEL_BPF_PROG_GET_FD_BY_ID 13u
#define KERNEL_BPF_PROG_QUERY 16u
#define KERNEL_BPF_PROG_TYPE_CGROUP_DEVICE 15u
#define KERNEL_BPF_CGROUP_DEVICE 6u
#define KERNEL_BPF_F_ALLOW_MULTI 2u
#define KERNEL_BPF_F_REPLACE 4u
#define KERNEL_BPF_INSTRUCTION 8 /* bytes */

#endif
