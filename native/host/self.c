/* The process itself: what it was started with, what it is, what time it is, and its end. */
#include "host.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "signals.h"

static int arguments_count;
static char **arguments;

void host_set_arguments(int count, char **values)
{
	arguments_count = count;
	arguments = values;
}

/* A list of copies; foreign bytes in them are repaired. */
static int answer_strings(struct host_call *call, char **strings, size_t count)
{
	call->result = hv_list(&call->arena, count);
	if (call->result.list.items == NULL)
		return host_no_memory(call);
	for (size_t i = 0; i < count; i++) {
		call->result.list.items[i] = hv_str_copy(&call->arena, strings[i], strlen(strings[i]));
		if (call->result.list.items[i].kind == HV_NONE)
			return host_no_memory(call);
	}
	return 0;
}

int host_args(struct host_call *call)
{
	return answer_strings(call, arguments, (size_t)arguments_count);
}

int host_env(struct host_call *call)
{
	const char *name, *value;

	if (arg_cstr(call, 0, "name", &name) < 0)
		return -1;
	value = getenv(name);
	if (value == NULL)
		return 0;
	call->result = hv_str_copy(&call->arena, value, strlen(value));
	return call->result.kind == HV_NONE ? host_no_memory(call) : 0;
}

int host_environ(struct host_call *call)
{
	size_t count = 0;

	while (environ != NULL && environ[count] != NULL)
		count++;
	return answer_strings(call, environ, count);
}

int host_cwd(struct host_call *call)
{
	char path[PATH_MAX];

	if (getcwd(path, sizeof path) == NULL)
		return host_fail(call, errno, "getcwd", "%s", "");
	/* "(unreachable)/...": a directory outside our root has no path that means anything */
	if (path[0] != '/')
		return host_fail(call, ENOENT, "getcwd", "%s", path);
	call->result = hv_str_copy(&call->arena, path, strlen(path));
	return call->result.kind == HV_NONE ? host_no_memory(call) : 0;
}

int host_ids(struct host_call *call)
{
	call->result = hv_list(&call->arena, 3);
	if (call->result.list.items == NULL)
		return host_no_memory(call);
	call->result.list.items[0] = hv_int(getpid());
	call->result.list.items[1] = hv_int(geteuid());
	call->result.list.items[2] = hv_int(getegid());
	return 0;
}

int host_capabilities(struct host_call *call)
{
	/* struct __user_cap_header_struct and two times __user_cap_data_struct (the low and the high 32 bits) */
	const uint32_t version_3 = 0x20080522;
	uint32_t header[2] = {version_3, 0};
	struct {
		uint32_t effective, permitted, inheritable;
	} halves[2];

	if (syscall(SYS_capget, header, halves) < 0)
		return host_fail(call, errno, "capget", "%s", "");
	call->result = hv_uint((uint64_t)halves[1].permitted << 32 | halves[0].permitted);
	return 0;
}

int host_kernel(struct host_call *call)
{
	struct utsname name;

	if (uname(&name) < 0)
		return host_fail(call, errno, "uname", "%s", "");
	return answer_strings(call, (char *[]){name.release, name.machine}, 2);
}

int host_seccompTakes(struct host_call *call)
{
	const unsigned SET_MODE_FILTER = 1;
	int64_t flags;

	if (arg_int(call, 0, "flags", 0, UINT32_MAX, &flags) < 0)
		return -1;
	/* without a filter: EFAULT once the flags are accepted, EINVAL for one that is unknown */
	call->result = hv_bool(syscall(SYS_seccomp, SET_MODE_FILTER, (unsigned)flags, NULL) < 0 && errno == EFAULT);
	return 0;
}

int host_monotonic(struct host_call *call)
{
	call->result = hv_real((double)time_now());
	return 0;
}

int host_now(struct host_call *call)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return host_fail(call, errno, "clock_gettime", "%s", "");
	return host_answer_two(call, hv_int(now.tv_sec), hv_int(now.tv_nsec));
}

int host_isOpen(struct host_call *call)
{
	int fd;

	if (arg_fd(call, 0, "fd", &fd) < 0)
		return -1;
	call->result = hv_bool(fcntl(fd, F_GETFD) >= 0);
	return 0;
}

int host_isTerminal(struct host_call *call)
{
	int fd;

	if (arg_fd(call, 0, "fd", &fd) < 0)
		return -1;
	call->result = hv_bool(isatty(fd) != 0);
	return 0;
}

int host_exit(struct host_call *call)
{
	int64_t status;

	if (arg_int(call, 0, "status", 0, 255, &status) < 0)
		return -1;
	/* Nothing of ours is buffered, and tearing down an engine takes longer than most commands. */
	_exit((int)status);
}
