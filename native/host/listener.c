/*
 * Seccomp listeners: taking one over from init, and serving one to learn what a profile would have denied.
 * https://man7.org/linux/man-pages/man2/seccomp_unotify.2.html
 */
#include "host.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "fd.h"
#include "kernel.h"

#define PIDFD_GETFD_CALL 438 /* the same number on every architecture */

int host_takeFd(struct host_call *call)
{
	int64_t number;
	int pidfd, fd;

	if (arg_fd(call, 0, "pidfd", &pidfd) < 0 || arg_int(call, 1, "number", 0, INT32_MAX, &number) < 0)
		return -1;
	/* close-on-exec without being asked */
	fd = (int)syscall(PIDFD_GETFD_CALL, pidfd, (int)number, 0);
	if (fd < 0)
		return host_fail(call, errno, "pidfd_getfd", "%d", (int)number);
	call->result = hv_int(fd);
	return 0;
}

/* ---- serving: a child answers "go on" to everything and counts what it was asked -------------------------------------- */

/* Different calls that are remembered; what comes beyond only counts. */
#define MOST_CALLS 256

struct seen {
	uint32_t arch;
	int32_t number;
	uint64_t count;
	uint64_t args[6]; /* of the first time */
};

struct report {
	uint64_t lost; /* calls of further kinds */
	uint32_t kinds;
	struct seen calls[MOST_CALLS];
};

static void remember(struct report *report, const struct seccomp_data *data)
{
	struct seen *seen;

	for (uint32_t i = 0; i < report->kinds; i++) {
		seen = &report->calls[i];
		if (seen->arch == data->arch && seen->number == data->nr) {
			seen->count++;
			return;
		}
	}
	if (report->kinds == MOST_CALLS) {
		report->lost++;
		return;
	}
	seen = &report->calls[report->kinds];
	*seen = (struct seen){.arch = data->arch, .number = data->nr, .count = 1};
	for (int i = 0; i < 6; i++)
		seen->args[i] = data->args[i];
	report->kinds++;
}

/* Until nobody uses the filter any more. Only direct system calls: under Node this is the child of a threaded process. */
static _Noreturn void serve(int listener, struct report *report)
{
	struct seccomp_notif asked;
	struct seccomp_notif_resp answer;
	struct pollfd poll_fd = {.fd = listener, .events = POLLIN};

	for (;;) {
		if (poll(&poll_fd, 1, -1) < 0 && errno != EINTR)
			_exit(1);
		if ((poll_fd.revents & POLLIN) == 0) {
			if ((poll_fd.revents & (POLLHUP | POLLERR)) != 0)
				_exit(0);
			continue;
		}
		memset(&asked, 0, sizeof asked);
		if (syscall(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
			continue; /* the caller died meanwhile */
		remember(report, &asked.data);
		answer = (struct seccomp_notif_resp){.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		(void)syscall(SYS_ioctl, listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

int host_serveListener(struct host_call *call)
{
	struct report *report;
	OWNED_FD memory = -1;
	int listener;
	pid_t pid;

	if (arg_fd(call, 0, "listener", &listener) < 0)
		return -1;
	memory = memfd_create("seccomp-report", MFD_CLOEXEC);
	if (memory < 0 || ftruncate(memory, sizeof *report) < 0)
		return host_fail(call, errno, "memfd_create", "%s", "seccomp report");
	report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (report == MAP_FAILED)
		return host_fail(call, errno, "mmap", "%s", "seccomp report");
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener, report);
	}
	munmap(report, sizeof *report);
	if (pid < 0)
		return host_fail(call, errno, "clone", "%s", "seccomp listener");
	call->result = hv_int(fd_take(&memory));
	return 0;
}

int host_listenerReport(struct host_call *call)
{
	const struct report *report;
	struct hv *list;
	int memory, err = 0;

	if (arg_fd(call, 0, "report", &memory) < 0)
		return -1;
	report = mmap(NULL, sizeof *report, PROT_READ, MAP_SHARED, memory, 0);
	if (report == MAP_FAILED)
		return host_fail(call, errno, "mmap", "%s", "seccomp report");
	call->result = hv_list(&call->arena, report->kinds);
	list = call->result.list.items;
	for (uint32_t i = 0; list != NULL && i < call->result.list.count && err == 0; i++) {
		const struct seen *seen = &report->calls[i];

		list[i] = hv_list(&call->arena, 9);
		if (list[i].list.items == NULL) {
			err = ENOMEM;
			break;
		}
		list[i].list.items[0] = hv_uint(seen->arch);
		list[i].list.items[1] = hv_int(seen->number);
		list[i].list.items[2] = hv_uint(seen->count);
		for (int arg = 0; arg < 6; arg++)
			list[i].list.items[3 + arg] = hv_uint(seen->args[arg]);
	}
	munmap((void *)(uintptr_t)report, sizeof *report);
	return list == NULL || err != 0 ? host_no_memory(call) : 0;
}
