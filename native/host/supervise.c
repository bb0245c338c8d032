/*
 * supervise: what `run` and `exec` do while the program runs in the foreground. Signals to us become signals to it, its
 * terminal and ours are one, and its end is ours.
 */
#include "host.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "processes.h"
#include "signals.h"
#include "terminal.h"

#define BIT(signal) ((uint64_t)1 << ((signal)-1))

/* Can't be caught, or say that our own code is broken. */
#define NOT_OURS \
	(BIT(SIGKILL) | BIT(SIGSTOP) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGABRT) | BIT(SIGBUS) | BIT(SIGFPE) | \
	 BIT(SIGSEGV) | BIT(SIGSYS))
/* About us, not about the program. SIGTTIN and SIGTTOU stop us when we are in the background. */
#define NOT_FORWARDED (BIT(SIGCHLD) | BIT(SIGURG) | BIT(SIGPIPE) | BIT(SIGTTIN) | BIT(SIGTTOU) | BIT(SIGWINCH))
#define FORWARDED (~(NOT_OURS | NOT_FORWARDED))

struct supervision {
	int pid, pidfd;
	int signals;         /* reading end of signals_listen */
	int wake;            /* -1: nothing else to look at */
	struct relay *relay; /* NULL without a terminal */
	bool is_subreaper;
	bool is_held; /* it has ended, but its tracer keeps it from us */
	bool has_status;
	struct exit_status status;
};

/* ---- children -------------------------------------------------------------------------------------------------- */

/*
 * As a subreaper we inherit what the container's processes leave behind, and must reap it. In any other process (Node
 * with its own children) only the one child is touched.
 */
static void reap_orphans(struct supervision *s)
{
	siginfo_t info;

	while (s->is_subreaper) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
			return;
		if (info.si_pid == s->pid) {
			s->status = exit_status_of(&info);
			s->has_status = true;
		}
	}
}

/* 1 when the program has ended, 0 while it lives, -1 with errno. */
static int has_ended(struct supervision *s)
{
	int reaped;

	reap_orphans(s);
	if (s->has_status)
		return 1;
	reaped = process_reap(s->pidfd, &s->status);
	s->has_status = reaped > 0;
	return reaped;
}

/* ---- signals --------------------------------------------------------------------------------------------------- */

static void forward(const struct supervision *s, int signal)
{
	/* ESRCH: it has ended just now, which we'll notice */
	syscall(CALL_PIDFD_SEND_SIGNAL, s->pidfd, signal, NULL, 0);
}

/* Acts on the signals that came. Returns whether one of them asks us to end. */
static bool take_signals(const struct supervision *s)
{
	const uint64_t ending = BIT(SIGTERM) | BIT(SIGINT) | BIT(SIGHUP) | BIT(SIGQUIT);
	unsigned char numbers[64];
	uint64_t seen = 0;
	ssize_t count;

	while ((count = read(s->signals, numbers, sizeof numbers)) > 0) {
		for (ssize_t i = 0; i < count; i++) {
			uint64_t bit = BIT(numbers[i]);

			/* of many size changes only the last matters */
			if ((FORWARDED & bit) != 0)
				forward(s, numbers[i]);
			seen |= bit;
		}
	}
	if ((seen & BIT(SIGWINCH)) != 0 && s->relay != NULL)
		relay_resize(s->relay);
	if ((seen & BIT(SIGCONT)) != 0 && s->relay != NULL)
		relay_resume(s->relay);
	return (seen & ending) != 0;
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

#define WOKEN 2

/* Until the program has ended (1), the moment has come (0), or there is something at `wake`; -1 with errno. */
static int watch(struct supervision *s, int64_t until)
{
	for (;;) {
		struct pollfd fds[3 + RELAY_FDS] = {
			{.fd = s->is_held ? -1 : s->pidfd, .events = POLLIN},
			{.fd = s->signals, .events = POLLIN},
			/* the bytes on their way are lost to whom calls us again */
			{.fd = s->relay == NULL || relay_is_idle(s->relay) ? s->wake : -1, .events = POLLIN},
		};
		size_t count = 3;
		int64_t next = s->is_held && time_after(TRACED_MS) < until ? time_after(TRACED_MS) : until;
		int ready;

		if (s->relay != NULL) {
			relay_watch(s->relay, fds + 3, &next);
			count += RELAY_FDS;
		}
		ready = wait_any(fds, count, next);
		if (ready < 0)
			return -1;
		if (s->relay != NULL)
			relay_move(s->relay, fds + 3);
		if (fds[1].revents != 0) {
			take_signals(s);
			reap_orphans(s);
		}
		if (fds[0].revents != 0 || s->is_held || s->has_status) {
			int ended = has_ended(s);

			if (ended != 0)
				return ended;
			s->is_held = true;
		}
		if (time_now() >= until)
			return 0;
		if (fds[2].revents != 0 && (s->relay == NULL || relay_is_idle(s->relay)))
			return WOKEN;
	}
}

/*
 * Gives the user what the program wrote at the end. A reader that sleeps gets everything, however long that takes; a
 * signal that asks us to end stops the waiting.
 */
static void drain(struct supervision *s)
{
	while (relay_drain(s->relay)) {
		struct pollfd fds[2] = {
			{.fd = s->relay->output, .events = POLLOUT},
			{.fd = s->signals, .events = POLLIN},
		};

		if (wait_any(fds, 2, NEVER) < 0 || (fds[1].revents != 0 && take_signals(s)))
			return;
	}
}

static int run(struct host_call *call, struct supervision *s, int64_t until)
{
	int caught = signals_take(), ended;

	/* it came while we were getting ready */
	if (caught != 0)
		forward(s, caught);
	ended = watch(s, until);
	if (ended < 0)
		return host_fail(call, errno, "waitid", "process %d", s->pid);
	if (ended == WOKEN)
		return answer_exit_status(call, (struct exit_status){.status = -2});
	if (ended > 0 && s->relay != NULL)
		drain(s);
	return answer_exit_status(call, ended > 0 ? s->status : (struct exit_status){.status = -1});
}

int host_supervise(struct host_call *call)
{
	struct supervision s = {0};
	int64_t timeout_ms;
	int master, subreaper = 0, result;
	uint64_t wanted = FORWARDED | BIT(SIGPIPE);

	if (arg_pid(call, 0, "pid", &s.pid) < 0 || arg_fd(call, 1, "pidfd", &s.pidfd) < 0 ||
	    arg_fd_or_none(call, 2, "master", &master) < 0 ||
	    arg_int(call, 3, "timeoutMs", 0, INT32_MAX, &timeout_ms) < 0 ||
	    arg_fd_or_none(call, 4, "wake", &s.wake) < 0)
		return -1;
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
	s.is_subreaper = subreaper != 0;
	if (s.is_subreaper)
		wanted |= BIT(SIGCHLD);
	if (master >= 0) {
		wanted |= BIT(SIGWINCH);
		s.relay = arena_alloc(&call->arena, sizeof *s.relay);
		if (s.relay == NULL)
			return host_no_memory(call);
	}
	/* Before raw mode: from here no signal ends us without the terminal being restored. */
	s.signals = signals_listen(wanted);
	if (s.signals < 0)
		return host_fail(call, errno, "pipe2", "%s", "");
	if (s.relay != NULL && relay_begin(s.relay, master) < 0)
		result = host_fail(call, errno, "tcsetattr", "terminal");
	else
		result = run(call, &s, timeout_ms == 0 ? NEVER : time_after(timeout_ms));
	if (s.relay != NULL)
		relay_end(s.relay);
	signals_unlisten();
	return result;
}
