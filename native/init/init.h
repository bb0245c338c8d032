/*
 * init: the program that runs a plan inside the new namespaces. One function per operation; a table (dispatch.c) calls
 * them. Its ground rules: it decides nothing, it holds no descriptor longer than needed, and it resolves a path of the
 * container exactly once.
 *
 * Error convention: what can fail returns 0 or a descriptor, or -1 after filling the caller's struct failure.
 */
#ifndef TSRUNC_INIT_H
#define TSRUNC_INIT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "plan.h"

/* ---- failures (failure.c) ------------------------------------------------------------------------------------ */

#define DETAIL_MAX 3840

/* What went wrong: the system call or step, its errno (0 if it has none), and on what or why, as text. */
struct failure {
	int err;
	const char *call;
	char detail[DETAIL_MAX];
};

/* Fills *why; the detail is made of all given texts. Always -1, so that `return FAIL(...)` reads well. */
#define FAIL(why, err, call, ...) fail((why), (err), (call), __VA_ARGS__, (const char *)NULL)
__attribute__((sentinel, cold)) int fail(struct failure *why, int err, const char *call, ...);

/* Text being built in a fixed buffer; what doesn't fit is left out. Always ends in NUL. */
struct text {
	char *at;
	size_t size;
	size_t len;
};

struct text text_in(char *buffer, size_t size);
void text_add(struct text *text, const char *part);
void text_add_bytes(struct text *text, const char *bytes, size_t len);
void text_add_number(struct text *text, uint64_t number);

/* Where the text has part in it, else NULL. */
const char *text_find(const char *text, const char *part);

/* A number as decimal text, for details and names of descriptors. */
struct digits {
	char text[24];
};
struct digits digits_of(uint64_t number);

/* ---- the state of init ----------------------------------------------------------------------------------------- */

struct init {
	struct plan plan;
	uint32_t op;       /* index of the present operation */
	int committed;     /* the runtime has said that we may outlive it */
	int control;       /* the socket to the runtime; -1 when closed */
	int status;        /* after the start byte: where failures are told; else -1 */
	int root;          /* below it all paths of the container are resolved; -1: "/" as it is */
	int proc;          /* our own procfs, detached; -1 before own_proc */
	int proc_fds;      /* thread-self/fd of it: the way from a descriptor to its path */
	int sysctls;       /* a full procfs, only while sysctls are written */
	int mounted_proc;  /* what the plan mounted on /proc and /sys: masks are resolved from there */
	int mounted_sys;
	int devpts;        /* what the plan mounted as devpts: terminals come from there */
	int null;          /* a mount of the host's /dev/null for masks */
	int listener;      /* of a seccomp filter, until the runtime has taken it */
	int empty;         /* a mount of an empty directory for masks */
	int null_used;     /* the mount itself is attached somewhere, further ones are clones of it */
	int empty_used;
	int *kept;         /* mounts that were found, or that are to be undone: kept_count descriptors */
	uint32_t kept_count;
	int undo;          /* mounts are kept for undoing */
	mode_t umask;      /* of the program; ours is 0 */
	uint32_t preserve_first, preserve_count;
	const char **env;  /* of the program, NULL at its end */
	size_t env_count;
	const void *filter; /* struct sock_filter[], from the runtime */
	size_t filter_bytes;
	const char **args;
	const char *program; /* its path */
	uint64_t began;    /* CLOCK_MONOTONIC, for the trace */
	uint64_t *times;
};

static inline int slot_fd(uint32_t slot)
{
	return PLAN_FIRST_SLOT + (int)slot;
}

/* Closes *fd if it is one, keeps errno, and leaves -1. */
void close_fd(int *fd);

/* Passes the ownership of *fd on and leaves -1. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* A descriptor that is closed when its scope ends: _scoped int fd = ... */
#define _scoped __attribute__((cleanup(close_fd)))

/* ---- talking to the runtime (message.c) ------------------------------------------------------------------------ */

/* Sends one message, with a descriptor when fd >= 0. Ends the process when the runtime is gone. */
void message_send(struct init *in, enum message_kind kind, int value, const char *call, const char *detail, int fd);
/* Waits for the runtime's GO; *fd (may be NULL) gets the descriptor that came along, or -1. End of file ends us. */
void message_wait(struct init *in, int *fd);
/* Tells that something was let pass. Without a channel it is forgotten. */
void message_note(struct init *in, const struct failure *why);
/* Tells a failure on whatever channel is left and ends the process. */
_Noreturn void message_die(struct init *in, const struct failure *why);
/* Sends how long each operation took. */
void message_times(struct init *in);

/* ---- paths (resolve.c, walk.c, proc.c) ----------------------------------------------------------------------- */

#define RESOLVE_CREATE_DIRECTORY 0x01 /* make what is missing; the last component a directory */
#define RESOLVE_CREATE_FILE 0x02      /* the last component an empty file */
#define RESOLVE_NO_LINKS 0x04         /* no component may be a link */
#define RESOLVE_LAST_LINK 0x08        /* the last component is not followed */
#define RESOLVE_ONE_MOUNT 0x10        /* no component may lie on another mount */
#define RESOLVE_BELOW 0x20            /* leaving the root by ".." or an absolute link is an error, not confined */

/*
 * The resolver: a path below root to a descriptor (O_PATH), following links as if root were "/", never a magic link.
 * *created (may be NULL) tells whether the last component was made.
 * Returns the descriptor, or -1 with errno.
 */
int resolve(int root, const char *path, int how, int *created);
/* The same without openat2(2), and the part of it that makes what is missing. */
int walk_by_hand(int root, const char *path, int how, int *created);
/*
 * Resolves the directory of path, made where missing, and gives the last component's name.
 * Returns the directory's descriptor, or -1 with errno (EINVAL for a path without a last name).
 */
int resolve_parent(int root, const char *path, char name[256]);
/* The container's root: in->root, or "/" opened now. Returns a borrowed descriptor, or -1 with errno. */
int root_fd(struct init *in);

/* Opens below our own procfs. Returns a descriptor on procfs, or -1 with errno. */
int proc_open(struct init *in, const char *path, int flags);
/* The path of an open descriptor as seen from our "/". Returns 0, or -1 with errno. */
int proc_path(struct init *in, int fd, char *path, size_t size);
/* Opens what an O_PATH descriptor stands for. Returns the new descriptor, or -1 with errno. */
int proc_reopen(struct init *in, int fd, int flags);
/* Opens a regular file of the container for reading. Never blocks. Returns a descriptor, or -1 with errno. */
int open_regular(struct init *in, const char *path);

/* ---- mounts (mount.c, attributes.c, policy.c, copyup.c, unmount.c) -------------------------------------------- */

/* Attributes to change on a mount. */
struct attributes {
	uint64_t set, clear;
	uint64_t recursive_set, recursive_clear;
};

/* A new file system of a type, ready to attach. options: "key" or "key=value"; mode: octal for mode=, NULL for none. */
int make_filesystem(const char *type, const char *source, struct plan_strs options, const char *mode, uint64_t attr,
		    struct failure *why);
/* Whether an option is longer than what fsconfig(2) takes; and the way for those (classic.c), onto target and off again. */
int options_too_long(struct plan_strs options);
int make_filesystem_by_page(struct init *in, const struct op_mount *op, int target, struct failure *why);
/* Sets attributes on a detached mount. Without mount_setattr(2) *later is set: set_attributes_late must follow. */
int set_attributes(int mount, const struct attributes *attr, int *later, struct failure *why);
/* Sets attributes on an attached mount by remounting, for kernels before 5.12. */
int set_attributes_late(struct init *in, int mount, const struct attributes *attr, struct failure *why);
/* Changes how mounts propagate: MS_SHARED, MS_PRIVATE ..., with MS_REC for the whole tree. */
int set_propagation(struct init *in, int mount, uint32_t flags, struct failure *why);
/* Whether source may be attached on target, whose path in the container is told: /proc has restrictions. */
int check_destination(struct init *in, int source, int target, char path[4096], struct failure *why);
/* Attaches a detached mount. attr may be NULL. */
int attach(struct init *in, int mount, int target, const struct attributes *attr, const struct plan_u32s *propagation,
	   struct failure *why);
/* The path of fd below the container's root. Returns 0, or -1 with errno. */
int path_in_root(struct init *in, int fd, char path[4096]);
/* Takes away the mount whose root fd is. Returns 0, or -1 with errno. */
int unmount(struct init *in, int fd);
/* Keeps a mount that is about to be attached, if such are to be undone. */
int keep_for_undo(struct init *in, int mount, struct failure *why);
/* Takes away what was attached since undo_mounts, the last first. Nothing after the commit. */
void undo_mounts(struct init *in);
/* Copies the content of a directory with owners, modes and extended attributes. */
int copy_up(int from, int to, struct failure *why);

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

/* After anything that changes credentials: not dumpable, and killed with the runtime unless committed. */
void rearm(const struct init *in);
/* No capability is inheritable or ambient: neither by the caller's doing nor by the launch into a user namespace. */
void drop_inherited_capabilities(void);
/* All signals at their default, none blocked. */
void reset_signals(void);
/* Those that end a wait for the start at their default. */
void reset_wait_signals(const struct init *in);
/* Closes all descriptors from first on. */
int close_from(unsigned int first, unsigned int last);
/* Whether an operation after the present one uses this slot. */
int slot_needed(const struct init *in, uint32_t slot);
/* Whole pages of zeros, for munmap(2) to take back. Returns NULL with errno. */
void *map_memory(size_t bytes);
/* Memory that is never given back, zeroed. Returns NULL with errno. */
void *allocate(size_t bytes);
/* The texts of a list as an array with NULL at its end and room for `more` others. Returns NULL with errno. */
const char **pointers_of(struct plan_strs list, size_t more);
/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t monotonic(void);
/* Finds the home of uid in a passwd file's text, which may be cut off anywhere. Returns its length, 0 if not found. */
size_t passwd_home(const char *text, size_t len, uint32_t uid, const char **home);
/* Says why execve(2) of path failed with err: a missing interpreter, another architecture ... */
int explain_exec(const char *path, int err, struct failure *why);

/* The operations: int op_mount(struct init *, const struct op_mount *, struct failure *) ... */
#define OP(name, number, fields) int run_##name(struct init *in, const struct op_##name *op, struct failure *why);
#define F(kind, name)
#include "plan.def"
#undef OP
#undef F

#endif
