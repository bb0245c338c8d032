/* Processes by descriptor: waiting, signals, limits. A pid may be somebody else's tomorrow, a pidfd never is. */
#include "host.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "fd.h"
#include "kernel.h"
#include "processes.h"
#include "signals.h"

#define MAX_SIGNAL 64

/* Reads a file of procfs into buffer, as text. Returns 0, or -1 with errno. */
static int read_proc(const char *path, char *buffer, size_t size)
{
	OWNED_FD fd = fd_open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, buffer, size - 1);

	if (got < 0)
		return -1;
	buffer[got] = 0;
	return 0;
}

/*
 * "PID (NAME) STATE PPID ...": the name may hold anything, also parentheses and bytes that are no UTF-8, so the fields are
 * counted from its last ")".
 */
int host_processStat(struct host_call *call)
{
	char path[32], text[1024], *field;
	unsigned long long start = 0;
	int pid;

	if (arg_pid(call, 0, "pid", &pid) < 0)
		return -1;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (read_proc(path, text, sizeof text) < 0) {
		if (errno == ENOENT || errno == ESRCH)
			return 0;
		return host_fail(call, errno, "read", "%s", path);
	}
	field = strrchr(text, ')');
	/* the state is field 3, the start time field 22 */
	for (int skip = 3; field != NULL && skip <= 22; skip++)
		field = strchr(field + 1, ' ');
	if (field == NULL || sscanf(field, "%llu", &start) != 1)
		return host_fail(call, EINVAL, "read", "%s", path);
	return host_answer_two(call, hv_str_copy(&call->arena, strrchr(text, ')') + 2, 1), hv_uint(start));
}

int host_openPid(struct host_call *call)
{
	int pid, fd;

	if (arg_pid(call, 0, "pid", &pid) < 0)
		return -1;
	/* close-on-exec without being asked */
	fd = (int)syscall(CALL_PIDFD_OPEN, pid, 0);
	if (fd < 0)
		return host_fail(call, errno, "pidfd_open", "%d", pid);
	call->result = hv_int(fd);
	return 0;
}

int host_signalPid(struct host_call *call)
{
	int64_t signal;
	int pidfd;

	if (arg_fd(call, 0, "pidfd", &pidfd) < 0 || arg_int(call, 1, "signal", 0, MAX_SIGNAL, &signal) < 0)
		return -1;
	if (syscall(CALL_PIDFD_SEND_SIGNAL, pidfd, (int)signal, NULL, 0) < 0)
		return host_fail(call, errno, "pidfd_send_signal", "%" PRId64, signal);
	return 0;
}

int host_kill(struct host_call *call)
{
	int64_t signal;
	int pid;

	if (arg_pid(call, 0, "pid", &pid) < 0 || arg_int(call, 1, "signal", 0, MAX_SIGNAL, &signal) < 0)
		return -1;
	return kill(pid, (int)signal) < 0 ? host_fail(call, errno, "kill", "%d", pid) : 0;
}

int host_poll(struct host_call *call)
{
	struct pollfd *fds;
	struct hv *items;
	int64_t timeout_ms;
	size_t count, found = 0;
	int ready;

	if (arg_list(call, 0, "fds", &items, &count) < 0 ||
	    arg_int(call, 1, "timeoutMs", -1, INT32_MAX, &timeout_ms) < 0)
		return -1;
	fds = arena_array(&call->arena, count + 1, sizeof *fds);
	if (fds == NULL)
		return host_no_memory(call);
	for (size_t i = 0; i < count; i++) {
		if (items[i].kind != HV_INT || items[i].integer < 0 || items[i].integer > INT32_MAX)
			return host_fail(call, EINVAL, "argument", "fds: list of descriptors expected");
		fds[i] = (struct pollfd){.fd = (int)items[i].integer, .events = POLLIN};
	}
	ready = wait_any(fds, count, time_after(timeout_ms));
	if (ready < 0)
		return host_fail(call, errno, "poll", "%s", "");
	call->result = hv_list(&call->arena, (size_t)ready);
	for (size_t i = 0; i < count && found < call->result.list.count; i++)
		if (fds[i].revents != 0)
			call->result.list.items[found++] = hv_int((int64_t)i);
	return call->result.list.items == NULL ? host_no_memory(call) : 0;
}

/* ---- the end of a child ---------------------------------------------------------------------------------------- */

int process_reap(int pidfd, struct exit_status *status)
{
	siginfo_t info = {0};

	while (waitid((idtype_t)KERNEL_P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0)
		if (errno != EINTR)
			return -1;
	if (info.si_pid == 0)
		return 0;
	*status = exit_status_of(&info);
	return 1;
}

struct exit_status exit_status_of(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		return (struct exit_status){.status = info->si_status};
	return (struct exit_status){.status = 128 + info->si_status, .signal = info->si_status};
}

int answer_exit_status(struct host_call *call, struct exit_status status)
{
	return host_answer_two(call, hv_int(status.status), hv_int(status.signal));
}

int host_reap(struct host_call *call)
{
	struct exit_status status;
	int pidfd, ended;
	bool block;

	if (arg_fd(call, 0, "pidfd", &pidfd) < 0 || arg_bool(call, 1, "block", &block) < 0)
		return -1;
	ended = process_reap(pidfd, &status);
	while (ended == 0 && block) {
		/* By poll, so that a signal that another thread gets ends the wait. */
		if (wait_one(pidfd, POLLIN, NEVER) < 0)
			return host_fail(call, errno, "waitid", "%s", "");
		ended = process_reap(pidfd, &status);
		if (ended == 0 && wait_any(NULL, 0, time_after(TRACED_MS)) < 0)
			return host_fail(call, errno, "waitid", "%s", "");
	}
	if (ended < 0)
		return host_fail(call, errno, "waitid", "%s", "");
	return ended == 0 ? 0 : answer_exit_status(call, status);
}

int host_becomeSubreaper(struct host_call *call)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0
		       ? host_fail(call, errno, "prctl PR_SET_CHILD_SUBREAPER", "%s", "")
		       : 0;
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* The kernel's struct rlimit64, whatever rlim_t of the C library is. */
struct limits {
	uint64_t soft, hard;
};

#define MAX_RESOURCE 63

int host_getRlimit(struct host_call *call)
{
	struct limits limits;
	int64_t pid, resource;

	if (arg_int(call, 0, "pid", 0, INT32_MAX, &pid) < 0 ||
	    arg_int(call, 1, "resource", 0, MAX_RESOURCE, &resource) < 0)
		return -1;
	if (syscall(SYS_prlimit64, (int)pid, (int)resource, NULL, &limits) < 0)
		return host_fail(call, errno, "prlimit", "resource %" PRId64 " of %" PRId64, resource, pid);
	return host_answer_two(call, hv_uint(limits.soft), hv_uint(limits.hard));
}

int host_setRlimit(struct host_call *call)
{
	struct limits limits;
	int64_t pid, resource;

	if (arg_int(call, 0, "pid", 0, INT32_MAX, &pid) < 0 ||
	    arg_int(call, 1, "resource", 0, MAX_RESOURCE, &resource) < 0 ||
	    arg_u64(call, 2, "soft", &limits.soft) < 0 || arg_u64(call, 3, "hard", &limits.hard) < 0)
		return -1;
	if (syscall(SYS_prlimit64, (int)pid, (int)resource, &limits, NULL) < 0)
		return host_fail(call, errno, "prlimit", "resource %" PRId64 " of %" PRId64, resource, pid);
	return 0;
}
