/*
 * What the runtime and init say to each other, over a SOCK_SEQPACKET pair. Every message of init names the operation.
 *
 *   runtime                                   init
 *     | launch: clone3, execveat(sealed memfd)  |
 *     |---------------------------------------->|  descriptors: 0-2, PLAN_SOCKET, PLAN_FD, slots
 *     |              REACHED(op of a sync)      |
 *     |<----------------------------------------|
 *     | GO                                      |  (the runtime has done its part: cgroup, id maps, hooks ...)
 *     |---------------------------------------->|
 *     |              WANT(op) ... FORKED(op)... |  a detached tree or the seccomp filter; the pid after a fork
 *     |<----------------------------------------|
 *     | GO + descriptor (answer to WANT)        |
 *     |---------------------------------------->|
 *     |              FD(op) + descriptor        |  console master, seccomp listener
 *     |<----------------------------------------|
 *     |              REACHED(commit)            |
 *     |<----------------------------------------|
 *     | GO                                      |  committed: init may outlive the runtime
 *     |---------------------------------------->|
 *
 * A FAILED message is the last one. End of file on the socket before GO(commit) ends init.
 *
 * What init finds when it starts, else it exits 1 without a word: descriptors 0-2 open; PLAN_SOCKET a SOCK_SEQPACKET
 * unix socket; PLAN_FD a memfd with the plan, sealed (F_SEAL_SEAL, SHRINK, GROW, WRITE); then the slots. Descriptors
 * above the slots are closed, signals, umask, personality and session are reset: the launcher need not. A launch with
 * CLONE_NEWUSER must raise all capabilities as inheritable and ambient before it executes init, because execve(2) takes
 * them from a process whose uid has no mapping yet; init drops both sets at once. (Or the plan does it: unshare(user),
 * sync(userns), become_root, unshare(the rest), fork.)
 *
 * After the start byte init tells a failure through the status fifo, in one write: "OP ERRNO CALL", a line feed, the
 * detail. End of file there without a word means that the program was executed, or that init was killed.
 */
#ifndef TSRUNC_PROTOCOL_H
#define TSRUNC_PROTOCOL_H

#include <stdint.h>

#define PLAN_MAGIC 0x4c505354u /* "TSPL" */
#define PLAN_VERSION 1u
#define PLAN_MAX_BYTES (16u << 20)
#define PLAN_MAX_OPS 65536u
#define PLAN_MAX_SLOTS 65536u

/* flags of a plan's header */
#define PLAN_TRACE 0x01u /* init sends MESSAGE_TIMES before it is committed */
#define PLAN_FLAGS_KNOWN PLAN_TRACE

/* Where init finds things. */
#define PLAN_SOCKET 3
#define PLAN_FD 4
#define PLAN_FIRST_SLOT 5

/* flags of mount, bind and device_bind */
#define PLAN_MOUNT_RECURSIVE 0x01u    /* bind: the whole tree (rbind) */
#define PLAN_MOUNT_FROM_RUNTIME 0x02u /* bind: the runtime opens the tree */
#define PLAN_MOUNT_NO_SYMLINKS 0x04u  /* no component of path may be a link: proc and sysfs */
#define PLAN_MOUNT_INHERIT_MODE 0x08u /* mount: a directory that existed gives its mode to the new root (tmpfs) */
#define PLAN_MOUNT_COPY_UP 0x10u      /* mount: the covered directory's content is copied in (tmpcopyup) */
#define PLAN_MOUNT_NOFOLLOW 0x20u     /* the last component of path is not followed (dest-nofollow) */
#define PLAN_MOUNT_SOURCE_NOFOLLOW 0x40u /* the last component of host_path is not followed (src-nofollow) */
#define PLAN_MOUNT_BIND_FALLBACK 0x80u   /* mount: on EPERM or EBUSY bind the host's mount at `source` instead (sysfs,
                                            mqueue in a user namespace; cgroup2) with the same attributes */
#define PLAN_MOUNT_OPTIONAL 0x100u       /* mount, bind: a missing source or refused mount is a NOTE, not a failure */

/* replace of link */
#define PLAN_LINK_REPLACE 1u
#define PLAN_LINK_EXACT 2u

enum sync_point {
	SYNC_LAUNCHED = 1, /* nothing done yet: the runtime places init in its cgroup, records its pid */
	SYNC_USERNS = 2,   /* in a new user namespace: the runtime writes id maps */
	SYNC_TIMENS = 3,   /* a time namespace waits for its offsets */
	SYNC_NAMESPACES = 4, /* all namespaces are final: net devices, prestart and createRuntime hooks */
};

/* Messages of init: struct init_message, then `call`, NUL, `detail` (UTF-8 as far as paths are), no final NUL. */
enum message_kind {
	MESSAGE_REACHED = 1, /* a sync (value: its point) or commit (value 0): the runtime answers GO */
	MESSAGE_FAILED = 2,  /* value: errno or 0; call: the system call or step; detail: on what, or why */
	MESSAGE_FD = 3,      /* one descriptor comes along */
	MESSAGE_FORKED = 4,  /* value: pid as the runtime sees it; its pidfd comes along */
	MESSAGE_WANT = 5,    /* the runtime answers GO with a descriptor */
	MESSAGE_NOTE = 6,    /* something was let pass: value: errno; call, detail */
	MESSAGE_TIMES = 7,   /* detail: decimal numbers: CLOCK_MONOTONIC ns before operation `op`, then how many ns it
	                        and each following one took; further messages follow when it is long */
	MESSAGE_LISTENER = 8, /* value: the descriptor that a seccomp filter's listener is about to get in init: the runtime takes
				 it from there, as the filter may forbid init to hand anything over */
};

struct init_message {
	uint32_t kind;
	uint32_t op; /* index in the plan */
	int32_t value;
	uint32_t reserved;
};

#define MESSAGE_MAX 4096u

/* The runtime's only message: one byte. */
#define GO 'g'

#endif
