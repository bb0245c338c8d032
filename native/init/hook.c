/*
 * Hooks inside the container's namespaces. A hook is somebody's program: it gets its own session, descriptors 0-2, an
 * environment of exactly what is given, and nothing of init. It is over when it exits, even if a child of it keeps its
 * output open. https://github.com/opencontainers/runtime-spec/blob/main/config.md#posix-platform-hooks
 */
#include "init.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kernel.h"

#define TAIL 1792 /* of each output; both go into one message */

/* The end of an output stream. */
struct tail {
	int fd;
	size_t len;
	char text[TAIL];
};

/* A hook that runs. */
struct hook {
	int pid, pidfd;
	int *exec_errno; /* shared with the child until it executes */
	struct tail out, err;
};

/* Standard input: the state as seen from here. */
static int state_file(const struct op_hook *op)
{
	_scoped int fd = memfd_create("state", MFD_CLOEXEC);
	const struct digits pid = digits_of((uint64_t)getpid());
	const size_t len = strlen(pid.text);

	if (fd < 0 || write(fd, op->before.ptr, op->before.len) != (ssize_t)op->before.len ||
	    write(fd, pid.text, len) != (ssize_t)len ||
	    write(fd, op->after.ptr, op->after.len) != (ssize_t)op->after.len || lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	return take_fd(&fd);
}

/* In the child: becomes the hook. Returns only by leaving its errno. */
static _Noreturn void become(const struct init *in, const struct op_hook *op, const char **args, const char **env,
			     const int streams[3], int *exec_errno)
{
	/* dies with init, so that a killed runtime leaves no hook behind; a set-id program clears it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	reset_signals();
	umask(in->umask);
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(streams[fd], fd) < 0)
			goto failed;
	if (setsid() < 0 || chdir("/") < 0 || close_from(3, ~0u) < 0)
		goto failed;
	syscall(SYS_execve, op->host_path.ptr, args, env);
failed:
	*exec_errno = errno;
	_exit(127);
}

/* Adds what the stream has now to the tail, dropping the oldest. Returns 0 at its end. */
static int take_output(struct tail *tail)
{
	char buffer[TAIL];
	ssize_t got = read(tail->fd, buffer, sizeof(buffer));
	size_t len = got > 0 ? (size_t)got : 0;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (tail->len + len > TAIL) {
		size_t drop = tail->len + len - TAIL;

		memmove(tail->text, tail->text + drop, tail->len - drop);
		tail->len -= drop;
	}
	memcpy(tail->text + tail->len, buffer, len);
	tail->len += len;
	return len > 0;
}

static int start(struct init *in, const struct op_hook *op, struct hook *hook, struct failure *why)
{
	const char **args = pointers_of(op->args, 0), **env = pointers_of(op->env, 0);
	_scoped int state = state_file(op);
	int out[2], err[2];

	if (args == NULL || env == NULL || state < 0)
		return FAIL(why, errno, "memfd_create", "hook \"", op->host_path.ptr, "\"");
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		return FAIL(why, errno, "pipe2", "hook \"", op->host_path.ptr, "\"");
	hook->out.fd = out[0];
	hook->err.fd = err[0];
	hook->pid = kernel_fork(SIGCHLD, &hook->pidfd);
	if (hook->pid < 0)
		return FAIL(why, errno, "clone", "hook \"", op->host_path.ptr, "\"");
	if (hook->pid == 0)
		become(in, op, args, env, (const int[3]){state, out[1], err[1]}, hook->exec_errno);
	close_fd(&out[1]);
	close_fd(&err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	return 0;
}

static void stop(const struct hook *hook)
{
	kill(-hook->pid, SIGKILL); /* its process group, if it got as far as its own session */
	syscall(SYS_pidfd_send_signal, hook->pidfd, SIGKILL, NULL, 0);
}

/* Waits for the exit. Returns 0 with *info, or -1 when the time is over. */
static int wait_for(struct init *in, struct hook *hook, uint32_t timeout_ms, siginfo_t *info)
{
	uint64_t end = monotonic() + (uint64_t)timeout_ms * 1000000;
	int in_time = 1;

	for (;;) {
		struct pollfd fds[4] = {
			{hook->pidfd, POLLIN, 0},
			{hook->out.fd, POLLIN, 0},
			{hook->err.fd, POLLIN, 0},
			{in->committed ? -1 : in->control, 0, 0},
		};
		uint64_t now = monotonic();
		int wait = timeout_ms == 0 || !in_time ? -1 : now >= end ? 0 : (int)((end - now + 999999) / 1000000);
		int ready = poll(fds, 4, wait);

		if (ready == 0 && in_time) {
			in_time = 0;
			stop(hook);
			continue;
		}
		if (fds[3].revents != 0) { /* the runtime is gone */
			stop(hook);
			_exit(1);
		}
		if (fds[1].revents != 0 && !take_output(&hook->out))
			close_fd(&hook->out.fd);
		if (fds[2].revents != 0 && !take_output(&hook->err))
			close_fd(&hook->err.fd);
		if (fds[0].revents != 0 && waitid(P_PIDFD, (id_t)hook->pidfd, info, WEXITED) == 0)
			break;
	}
	for (struct tail *tail = &hook->out;; tail = &hook->err) {
		for (int i = 0; tail->fd >= 0 && i < 64; i++) { /* at most what a pipe holds */
			size_t before = tail->len;

			if (!take_output(tail) || (tail->len == before && before < TAIL))
				break;
		}
		if (tail == &hook->err)
			break;
	}
	return in_time ? 0 : -1;
}

/* "exit status 1, stdout: ..., stderr: ..." */
static int tell(const struct op_hook *op, struct hook *hook, const siginfo_t *info, int in_time, struct failure *why)
{
	struct text text;

	if (*hook->exec_errno != 0)
		return FAIL(why, *hook->exec_errno, "hook", "\"", op->host_path.ptr, "\"");
	why->err = 0;
	why->call = "hook";
	text = text_in(why->detail, sizeof(why->detail));
	text_add(&text, "\"");
	text_add_bytes(&text, op->host_path.ptr, op->host_path.len < 160 ? op->host_path.len : 160);
	text_add(&text, "\": ");
	if (!in_time) {
		text_add(&text, "ran past its timeout of ");
		text_add_number(&text, op->timeout_ms);
		text_add(&text, " ms");
	} else {
		text_add(&text, info->si_code == CLD_EXITED ? "exit status " : "signal ");
		text_add_number(&text, (uint64_t)info->si_status);
	}
	text_add(&text, ", stdout: ");
	text_add_bytes(&text, hook->out.text, hook->out.len);
	text_add(&text, ", stderr: ");
	text_add_bytes(&text, hook->err.text, hook->err.len);
	return -1;
}

int run_hook(struct init *in, const struct op_hook *op, struct failure *why)
{
	static struct hook hook;
	siginfo_t info = {0};
	int in_time, result = 0;

	hook = (struct hook){.pidfd = -1, .out.fd = -1, .err.fd = -1};
	hook.exec_errno = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (hook.exec_errno == MAP_FAILED)
		return FAIL(why, errno, "mmap", "hook \"", op->host_path.ptr, "\"");
	if (start(in, op, &hook, why) < 0)
		return -1;
	in_time = wait_for(in, &hook, op->timeout_ms, &info) == 0;
	if (!in_time || info.si_code != CLD_EXITED || info.si_status != 0)
		result = tell(op, &hook, &info, in_time, why);
	close_fd(&hook.out.fd);
	close_fd(&hook.err.fd);
	close_fd(&hook.pidfd);
	munmap(hook.exec_errno, sizeof(int));
	return result;
}
