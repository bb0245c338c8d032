/* How a child ended. */
#ifndef TSRUNC_HOST_PROCESSES_H
#define TSRUNC_HOST_PROCESSES_H

#include "host.h"

#include <signal.h>

struct exit_status {
	int status; /* exit status, or 128 + signal */
	int signal; /* 0 for a normal exit */
};

struct exit_status exit_status_of(const siginfo_t *info);
/* Reaps the child if it has ended: 1 with its status, 0 while it lives, -1 with errno (ECHILD: no child of ours). */
int process_reap(int pidfd, struct exit_status *status);
/*
 * A process that somebody traces is dead to poll(2) at once, but ours to reap only when its tracer has seen that: so
 * often we ask again meanwhile. Any inmate may trace what it may signal.
 */
#define TRACED_MS 20
/* Makes ExitStatus of host.ts the call's result. */
int answer_exit_status(struct host_call *call, struct exit_status status);

#endif
