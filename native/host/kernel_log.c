/* The kernel's log, for the one thing that is told nowhere else: which system call a seccomp filter has killed for. */
#include "host.h"

#include <fcntl.h>
#include <string.h>

#include "fd.h"
#include "kernel.h"

/* A record is shorter than this (LOG_LINE_MAX and its prefix). */
#define RECORD 8192

int host_kernelLog(struct host_call *call)
{
	OWNED_FD log = -1;
	const char *part;
	char record[RECORD];
	ssize_t got;

	if (arg_cstr(call, 0, "part", &part) < 0)
		return -1;
	log = fd_open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log < 0)
		return host_fail(call, errno, "open", "%s", "/dev/kmsg");
	/* one record a read; EPIPE: the next one was overwritten meanwhile; EAGAIN: the end */
	while ((got = read(log, record, sizeof record - 1)) > 0 || (got < 0 && (errno == EPIPE || errno == EINTR))) {
		if (got <= 0)
			continue;
		record[got] = 0;
		if (strstr(record, part) == NULL)
			continue;
		call->result = hv_str_copy(&call->arena, record, (size_t)got);
		if (call->result.kind == HV_NONE)
			return host_no_memory(call);
	}
	return 0;
}
