/*
 * runProgram: a program of the host's whose whole output we want, such as ps(1). Its outputs are files in memory, so it
 * can't be held up by us, and a child of its own that keeps them open can't hold us up.
 */
#include "host.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "processes.h"
#include "signals.h"
#include "spawn.h"

static int output_file(void)
{
	return (int)memfd_create("tsrunc-output", MFD_CLOEXEC);
}

/* What is in the file as text; bytes that are no UTF-8 are replaced, as a process may have any name. */
static int read_output(struct host_call *call, int fd, int64_t most, const char *path, struct hv *text)
{
	size_t done = 0, length;
	struct stat stat;
	char *bytes;

	if (fstat(fd, &stat) < 0)
		return host_fail(call, errno, "fstat", "output of %s", path);
	if (stat.st_size > most)
		return host_fail(call, EFBIG, "read", "output of %s", path);
	length = (size_t)stat.st_size;
	bytes = arena_alloc(&call->arena, length + 1);
	if (bytes == NULL)
		return host_no_memory(call);
	while (done < length) {
		ssize_t got = pread(fd, bytes + done, length - done, (off_t)done);

		if (got < 0 && errno != EINTR)
			return host_fail(call, errno, "read", "output of %s", path);
		if (got == 0)
			break;
		if (got > 0)
			done += (size_t)got;
	}
	*text = hv_str_copy(&call->arena, bytes, done);
	return text->kind == HV_NONE ? host_no_memory(call) : 0;
}

/* Its exit status; a signal is told as -signal. */
static int await_end(struct host_call *call, int pidfd, const char *path, struct hv *status)
{
	struct exit_status ended;
	int reaped;

	while ((reaped = process_reap(pidfd, &ended)) == 0)
		if (wait_undisturbed(pidfd, POLLIN, NEVER) < 0)
			return host_fail(call, errno, "poll", "%s", path);
	if (reaped < 0)
		return host_fail(call, errno, "waitid", "%s", path);
	*status = hv_int(ended.signal != 0 ? -ended.signal : ended.status);
	return 0;
}

int host_runProgram(struct host_call *call)
{
	struct spawn child = {.program = -1, .fd_count = 3, .cgroup = -1, .pidfd = -1};
	OWNED_FD out = -1;
	OWNED_FD err = -1;
	OWNED_FD pidfd = -1;
	char **args, **env;
	int64_t most;
	int fds[3];
	struct hv *items;

	if (arg_cstr(call, 0, "path", &child.path) < 0 || arg_vector(call, 1, "args", &args) < 0 ||
	    arg_vector(call, 2, "env", &env) < 0 || arg_int(call, 3, "maxBytes", 0, INT32_MAX, &most) < 0)
		return -1;
	if (args[0] == NULL)
		return host_fail(call, EINVAL, "argument", "args: at least one expected");
	out = output_file();
	err = output_file();
	if (out < 0 || err < 0)
		return host_fail(call, errno, "memfd_create", "%s", child.path);
	fds[0] = -1;
	fds[1] = out;
	fds[2] = err;
	child.argv = args;
	child.envp = env;
	child.fds = fds;
	if (spawn(&child, &call->arena) < 0)
		return host_fail(call, errno, child.failed, "%s", child.path);
	pidfd = child.pidfd;
	call->result = hv_list(&call->arena, 3);
	items = call->result.list.items;
	if (items == NULL)
		return host_no_memory(call);
	return await_end(call, pidfd, child.path, &items[0]) < 0 ||
			       read_output(call, out, most, child.path, &items[1]) < 0 ||
			       read_output(call, err, most, child.path, &items[2]) < 0
		       ? -1
		       : 0;
}
