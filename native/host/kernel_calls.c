/* Which of the newer system calls this kernel has, for `tsrunc doctor`. */
#include "host.h"

#include <string.h>

#include "kernel.h"

/* Those that refuse arguments which are all -1: a descriptor, an address, flags and a size that can't be. */
static const struct {
	const char *name;
	long number;
} calls[] = {
	{ "pidfd_send_signal", CALL_PIDFD_SEND_SIGNAL },
	{ "open_tree", CALL_OPEN_TREE },
	{ "pidfd_open", CALL_PIDFD_OPEN },
	{ "clone3", CALL_CLONE3 },
	{ "close_range", CALL_CLOSE_RANGE },
	{ "openat2", CALL_OPENAT2 },
	{ "mount_setattr", CALL_MOUNT_SETATTR },
};

int host_tryCall(struct host_call *call)
{
	const char *name;

	if (arg_cstr(call, 0, "name", &name) < 0)
		return -1;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		if (strcmp(calls[i].name, name) != 0)
			continue;
		call->result = hv_int(syscall(calls[i].number, -1L, -1L, -1L, -1L, -1L) < 0 ? errno : 0);
		return 0;
	}
	return host_fail(call, EINVAL, "argument", "name: %s is none of ours", name);
}
