/*
 * launch: starts init with a plan. It gets exactly
 *
 *   0, 1, 2       what the caller says, or /dev/null
 *   PLAN_SOCKET   its end of the dialogue (protocol.h)
 *   PLAN_FD       the plan, sealed
 *   PLAN_FIRST_SLOT + n   slot n
 *
 * an empty environment, a fixed name, default signals; and it is a sealed copy of the program in our own memory, so
 * nothing in the container leads to a file of the host.
 */
#include "host.h"

#include <string.h>
#include <sys/socket.h>

#include "fd.h"
#include "kernel.h"
#include "plan.h"
#include "plan_encode.h"
#include "sealed.h"
#include "spawn.h"

struct launch_options {
	int64_t namespaces, flags;
	int cgroup;
	const struct hv *slots;
	size_t slot_count;
	int stdio[3];
};

/* A descriptor out of a list; -1 only where it may be missing. */
static int fd_in(struct host_call *call, const struct hv *value, const char *name, int64_t min, int *fd)
{
	if (value->kind != HV_INT || value->is_unsigned || value->integer < min || value->integer > INT32_MAX)
		return host_fail(call, EINVAL, "argument", "%s: descriptor expected", name);
	*fd = (int)value->integer;
	return 0;
}

/* [cloneFlags, cgroupFd, slots, stdio, flags of the plan's header (may be left out)] */
static int read_options(struct host_call *call, struct launch_options *options)
{
	const struct hv *stdio;
	struct hv *items;
	size_t count;

	if (arg_list(call, 1, "options", &items, &count) < 0)
		return -1;
	if (count < 4 || count > 5 || items[0].kind != HV_INT || items[2].kind != HV_LIST || items[3].kind != HV_LIST ||
	    (count == 5 && items[4].kind != HV_INT))
		return host_fail(call, EINVAL, "argument", "options: [cloneFlags, cgroupFd, slots, stdio] expected");
	options->namespaces = items[0].integer;
	if ((options->namespaces & ~(int64_t)KERNEL_NAMESPACES) != 0)
		return host_fail(call, EINVAL, "argument", "cloneFlags: only CLONE_NEW* expected");
	options->flags = count == 5 ? items[4].integer : 0;
	if ((options->flags & ~(int64_t)PLAN_FLAGS_KNOWN) != 0)
		return host_fail(call, EINVAL, "argument", "flags: only those of protocol.h expected");
	if (fd_in(call, &items[1], "cgroupFd", -1, &options->cgroup) < 0)
		return -1;
	options->slots = items[2].list.items;
	options->slot_count = items[2].list.count;
	if (options->slot_count > PLAN_MAX_SLOTS)
		return host_fail(call, EINVAL, "argument", "slots: more than %u", PLAN_MAX_SLOTS);
	stdio = items[3].list.items;
	if (items[3].list.count != 3)
		return host_fail(call, EINVAL, "argument", "stdio: three descriptors expected");
	for (int i = 0; i < 3; i++)
		if (fd_in(call, &stdio[i], "stdio", -1, &options->stdio[i]) < 0)
			return -1;
	return 0;
}

/* Init's descriptors in order. */
static int *descriptors(struct host_call *call, const struct launch_options *options, int socket, int plan)
{
	int *fds = arena_array(&call->arena, PLAN_FIRST_SLOT + options->slot_count, sizeof *fds);

	if (fds == NULL) {
		host_record_failure(call, ENOMEM, "malloc", "%s", "");
		return NULL;
	}
	memcpy(fds, options->stdio, sizeof options->stdio);
	fds[PLAN_SOCKET] = socket;
	fds[PLAN_FD] = plan;
	for (size_t i = 0; i < options->slot_count; i++)
		if (fd_in(call, &options->slots[i], "slots", 0, &fds[PLAN_FIRST_SLOT + i]) < 0)
			return NULL;
	return fds;
}

/* Starts init with its end of the dialogue. */
static int start_init(struct host_call *call, const struct launch_options *options, int socket, int plan, int program,
		      struct spawn *init)
{
	static char name[] = "tsrunc-init";
	char *const argv[] = {name, NULL}, *const envp[] = {NULL};
	const int *fds = descriptors(call, options, socket, plan);

	if (fds == NULL)
		return -1;
	*init = (struct spawn){
		.program = program,
		.argv = argv,
		.envp = envp,
		.fds = fds,
		.fd_count = PLAN_FIRST_SLOT + options->slot_count,
		.namespaces = (uint64_t)options->namespaces,
		.cgroup = options->cgroup,
		.pidfd = -1,
	};
	return spawn(init, &call->arena) < 0 ? host_fail(call, errno, init->failed, "init") : 0;
}

static int close_pair(int pair[2], int result)
{
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	return result;
}

int host_launch(struct host_call *call)
{
	const size_t program_size = (size_t)(tsrunc_init_end - tsrunc_init_start);
	struct launch_options options;
	struct hv *ops, bytes, answer = hv_list(&call->arena, 3);
	OWNED_FD plan = -1;
	OWNED_FD program = -1;
	int pair[2];
	const char *step;
	struct spawn init;
	size_t count;

	if (arg_list(call, 0, "plan", &ops, &count) < 0 || read_options(call, &options) < 0)
		return -1;
	if (plan_encode(call, ops, count, (uint32_t)options.slot_count, (uint32_t)options.flags, &bytes) < 0)
		return -1;
	plan = sealed_data("tsrunc-plan", bytes.bytes.ptr, bytes.bytes.len, &step);
	if (plan < 0)
		return host_fail(call, errno, step, "plan");
	program = sealed_program("tsrunc-init", tsrunc_init_start, program_size, &step);
	if (program < 0)
		return host_fail(call, errno, step, "init");
	if (answer.list.items == NULL)
		return host_no_memory(call);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return host_fail(call, errno, "socketpair", "%s", "");
	if (start_init(call, &options, pair[1], plan, program, &init) < 0)
		return close_pair(pair, -1);
	answer.list.items[0] = hv_int(init.pid);
	answer.list.items[1] = hv_int(init.pidfd);
	answer.list.items[2] = hv_int(fd_take(&pair[0]));
	call->result = answer;
	return close_pair(pair, 0);
}
