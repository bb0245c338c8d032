/* Starting a program from a process that may have threads (Node). */
#ifndef TSRUNC_HOST_SPAWN_H
#define TSRUNC_HOST_SPAWN_H

#include "host.h"

/* Of what runs in our memory beside us. Sanitizers keep books about stacks and memory, of which it uses borrowed ones. */
#define CHILD_CODE __attribute__((noinline, no_sanitize("address", "undefined")))

struct spawn {
	/* What to run: the file `program` (a descriptor), or where that is -1, `path`. */
	int program;
	const char *path;
	char *const *argv, *const *envp;
	/* The child's descriptors 0, 1, ...: fds[i] becomes i, -1 is /dev/null. There are no others. At least three. */
	const int *fds;
	size_t fd_count;
	uint64_t namespaces; /* CLONE_NEW* */
	int cgroup;          /* directory to be born in, -1: ours */
	const char *cwd;     /* NULL: ours */
	bool new_session;
	/* Out: the child. The caller closes pidfd and reaps. */
	int pid, pidfd;
	/* Out, on failure: the call that failed. */
	const char *failed;
};

/*
 * Returns when the program runs: 0; or -1 with errno and `failed`, also for what failed in the child, which is gone
 * then. The program has no signal blocked, ignored or caught.
 */
int spawn(struct spawn *spawn, struct arena *arena);

/*
 * Calls run(argument), which is CHILD_CODE and makes system calls only, in a process that shares our memory and our
 * descriptors, but has a root, a directory and namespaces of its own; returns when it has ended: 0, or -1 with errno.
 */
int run_apart(void (*run)(void *), void *argument, struct arena *arena);

#endif
