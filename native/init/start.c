/* The three waits: for the runtime's part of the work, for its word that we may outlive it, for `start`. */
#include "init.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "kernel.h"

int run_sync(struct init *in, const struct op_sync *op, struct failure *why)
{
	/*
	 * The runtime writes to files of ours in /proc (id maps, oom_score_adj), which belong to root while we are not
	 * dumpable; an unprivileged runtime couldn't. At these two points nobody of the container can see us yet.
	 */
	int visible = op->point == SYNC_LAUNCHED || op->point == SYNC_USERNS;

	(void)why;
	if (visible)
		prctl(PR_SET_DUMPABLE, 1);
	message_send(in, MESSAGE_REACHED, (int)op->point, "", "", -1);
	message_wait(in, NULL);
	if (visible)
		prctl(PR_SET_DUMPABLE, 0);
	return 0;
}

/*
 * Closes all that only building the container needed. Slots are closed by the operations that use them: by now their
 * numbers may be others' (the seccomp listener's, for one).
 */
static void let_go(struct init *in)
{
	close_fd(&in->root);
	close_fd(&in->proc);
	close_fd(&in->proc_fds);
	close_fd(&in->sysctls);
	close_fd(&in->mounted_proc);
	close_fd(&in->mounted_sys);
	close_fd(&in->devpts);
	close_fd(&in->null);
	close_fd(&in->empty);
}

int run_commit(struct init *in, const struct op_commit *op, struct failure *why)
{
	(void)why;
	if (in->times != NULL)
		message_times(in);
	if (!in->undo) /* which may still be called for */
		let_go(in);
	umask(in->umask); /* nothing is made from here on; and a filter may not know the call */
	/* before the runtime's go, after which it may end at once: until then the end of the socket's file is enough */
	prctl(PR_SET_PDEATHSIG, 0);
	message_send(in, MESSAGE_REACHED, 0, "", "", -1);
	message_wait(in, NULL);
	in->committed = 1;
	close_fd(&in->listener); /* the runtime has it */
	if (!op->keep)
		close_fd(&in->control);
	return 0;
}

int run_end(struct init *in, const struct op_end *op, struct failure *why)
{
	(void)in;
	(void)op;
	(void)why;
	_exit(0);
}

/* Only now: a filter may not know rt_sigaction(2), which is needed only by those who waited. */
void reset_wait_signals(const struct init *in)
{
	if (in->status >= 0) {
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
	}
}

static void leave_on_signal(int number)
{
	_exit(128 + number);
}

int run_wait_start(struct init *in, const struct op_wait_start *op, struct failure *why)
{
	/* as the first process of a pid namespace we'd be deaf to these */
	const struct sigaction leave = {.sa_handler = leave_on_signal};
	int fifo = slot_fd(op->slot);
	ssize_t got;
	char byte;

	sigaction(SIGTERM, &leave, NULL);
	sigaction(SIGINT, &leave, NULL);
	do
		got = read(fifo, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		return FAIL(why, got < 0 ? errno : EPIPE, "read", "start fifo");
	close_fd(&fifo);
	in->status = slot_fd(op->status_slot);
	if (fcntl(in->status, F_SETFD, FD_CLOEXEC) < 0)
		return FAIL(why, errno, "fcntl", "status fifo");
	return 0;
}
