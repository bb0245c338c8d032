/*
 * runHook: a program of the engine's, in the runtime's own namespaces, with the container's state on its input.
 *
 * It can't hold us up: its input is a sealed file, so nothing waits for it to read; of its output the last 4 KiB are
 * kept and the rest is thrown away; it is done when it ends, even if a child of its own keeps the output open; and at
 * the timeout, or when we are told to stop, its whole process group is killed. It can't get at us either: it has its
 * own session, exactly the environment given, default signals, and no descriptor but these three.
 */
#include "host.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "fd.h"
#include "processes.h"
#include "sealed.h"
#include "signals.h"
#include "spawn.h"

/* What is kept of an output. */
#define TAIL_BYTES 4096
/* How long after the end of the hook its output may still come. */
#define GRACE_MS 100
/* How long a killed process may take to be gone; only the kernel could hold it up longer. */
#define DEATH_MS 2000

/* The end of one output: the last bytes are the last of `bytes`. */
struct tail {
	int fd; /* -1: closed by the other side */
	size_t length;
	char bytes[2 * TAIL_BYTES];
};

struct hook {
	int pid, pidfd;
	struct tail outputs[2];
};

/* ---- output ---------------------------------------------------------------------------------------------------- */

static void keep(struct tail *tail, const char *bytes, size_t length)
{
	if (length >= TAIL_BYTES) {
		bytes += length - TAIL_BYTES;
		length = TAIL_BYTES;
		tail->length = 0;
	}
	if (tail->length + length > sizeof tail->bytes) {
		memmove(tail->bytes, tail->bytes + tail->length - TAIL_BYTES, TAIL_BYTES);
		tail->length = TAIL_BYTES;
	}
	memcpy(tail->bytes + tail->length, bytes, length);
	tail->length += length;
}

/* One read, so that a flood from one side can't keep us from looking at the rest. */
static void take_output(struct tail *tail)
{
	char bytes[16384];
	ssize_t got = read(tail->fd, bytes, sizeof bytes);

	if (got > 0)
		keep(tail, bytes, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		fd_close(&tail->fd);
}

/* The last 4 KiB as text; it does not begin in the middle of a character. */
static struct hv tail_text(struct arena *arena, const struct tail *tail)
{
	size_t start = tail->length > TAIL_BYTES ? tail->length - TAIL_BYTES : 0;

	if (start > 0)
		while (start < tail->length && ((unsigned char)tail->bytes[start] & 0xc0) == 0x80)
			start++;
	return hv_str_copy(arena, tail->bytes + start, tail->length - start);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

enum outcome { ENDED, TIMED_OUT, INTERRUPTED };

/*
 * Collects output until the hook has ended and its output is closed or late, or the moment has come, or a signal to us.
 */
static enum outcome watch(struct hook *hook, int64_t until)
{
	bool ended = false;

	for (;;) {
		struct pollfd fds[3] = {
			{.fd = ended ? -1 : hook->pidfd, .events = POLLIN},
			{.fd = hook->outputs[0].fd, .events = POLLIN},
			{.fd = hook->outputs[1].fd, .events = POLLIN},
		};
		int ready;

		if (ended && hook->outputs[0].fd < 0 && hook->outputs[1].fd < 0)
			return ENDED;
		ready = wait_any(fds, 3, until);
		if (ready < 0)
			return INTERRUPTED;
		for (int i = 0; i < 2; i++)
			if (fds[i + 1].revents != 0)
				take_output(&hook->outputs[i]);
		if (fds[0].revents != 0) {
			ended = true;
			until = time_after(GRACE_MS);
		}
		/* asked of the clock, as there is no silence in a flood */
		if (time_now() >= until)
			return ended ? ENDED : TIMED_OUT;
	}
}

/* The session's leader is a child not yet reaped, so the group's number is nobody else's. */
static void kill_group(const struct hook *hook)
{
	kill(-hook->pid, SIGKILL);
	kill(hook->pid, SIGKILL);
	wait_undisturbed(hook->pidfd, POLLIN, time_after(DEATH_MS));
}

static int finish(struct host_call *call, struct hook *hook, const char *path, int64_t timeout_ms)
{
	enum outcome outcome = watch(hook, timeout_ms == 0 ? NEVER : time_after(timeout_ms));
	struct exit_status status = {0};
	struct hv *items;
	int reaped;

	if (outcome != ENDED)
		kill_group(hook);
	reaped = process_reap(hook->pidfd, &status);
	if (outcome == INTERRUPTED)
		return host_fail(call, EINTR, "hook", "%s", path);
	if (reaped < 0)
		return host_fail(call, errno, "waitid", "%s", path);
	call->result = hv_list(&call->arena, 3);
	items = call->result.list.items;
	if (items == NULL)
		return host_no_memory(call);
	items[0] = hv_int(status.signal != 0 ? -status.signal : status.status);
	if (outcome == TIMED_OUT)
		items[0] = hv_str("timeout");
	for (int i = 0; i < 2; i++) {
		items[i + 1] = tail_text(&call->arena, &hook->outputs[i]);
		if (items[i + 1].kind == HV_NONE)
			return host_no_memory(call);
	}
	return 0;
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

/* A pipe whose reading end, ours, does not block. */
static int output_pipe(int *reader, int *writer)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*reader = ends[0];
	*writer = ends[1];
	return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

/* Starts the hook; its ends of the pipes are closed here in any case. */
static int start_hook(struct host_call *call, struct hook *hook, struct spawn *child, const struct hv *input)
{
	const char *step;
	OWNED_FD stdin_fd = sealed_data("tsrunc-hook-state", input->str.ptr, input->str.len, &step);
	OWNED_FD stdout_fd = -1;
	OWNED_FD stderr_fd = -1;
	int fds[3];

	if (stdin_fd < 0)
		return host_fail(call, errno, step, "%s", child->path);
	if (output_pipe(&hook->outputs[0].fd, &stdout_fd) < 0 || output_pipe(&hook->outputs[1].fd, &stderr_fd) < 0)
		return host_fail(call, errno, "pipe2", "%s", child->path);
	fds[0] = stdin_fd;
	fds[1] = stdout_fd;
	fds[2] = stderr_fd;
	child->fds = fds;
	if (spawn(child, &call->arena) < 0) {
		const char *subject = strcmp(child->failed, "chdir") == 0 ? child->cwd : child->path;

		return host_fail(call, errno, child->failed, "%s", subject);
	}
	hook->pid = child->pid;
	hook->pidfd = child->pidfd;
	return 0;
}

static int read_arguments(struct host_call *call, struct spawn *child, struct hv *input, int64_t *timeout_ms)
{
	char **args, **env;

	*child = (struct spawn){.program = -1, .fd_count = 3, .cgroup = -1, .new_session = true, .pidfd = -1};
	*input = hv_str_len(NULL, 0);
	if (arg_cstr(call, 0, "path", &child->path) < 0 || arg_vector(call, 1, "args", &args) < 0 ||
	    arg_vector(call, 2, "env", &env) < 0 || arg_cstr(call, 3, "cwd", &child->cwd) < 0 ||
	    arg_str(call, 4, "stdin", &input->str.ptr, &input->str.len) < 0 ||
	    arg_int(call, 5, "timeoutMs", 0, INT32_MAX, timeout_ms) < 0)
		return -1;
	if (args[0] == NULL)
		return host_fail(call, EINVAL, "argument", "args: at least one expected");
	child->argv = args;
	child->envp = env;
	return 0;
}

int host_runHook(struct host_call *call)
{
	struct hook *hook = arena_alloc(&call->arena, sizeof *hook);
	struct spawn child;
	int64_t timeout_ms;
	struct hv input;
	int result;

	if (hook == NULL)
		return host_no_memory(call);
	if (read_arguments(call, &child, &input, &timeout_ms) < 0)
		return -1;
	hook->pidfd = hook->outputs[0].fd = hook->outputs[1].fd = -1;
	hook->outputs[0].length = hook->outputs[1].length = 0;
	result = start_hook(call, hook, &child, &input);
	if (result == 0)
		result = finish(call, hook, child.path, timeout_ms);
	fd_close(&hook->outputs[0].fd);
	fd_close(&hook->outputs[1].fd);
	fd_close(&hook->pidfd);
	return result;
}
