/*
 * Programs that work for us and are talked to meanwhile (CRIU), on a seqpacket socket that is their descriptor 3. What
 * they send may carry a descriptor. Datagrams of the service notification protocol are received the same way.
 */
#include "host.h"

#include <string.h>
#include <sys/socket.h>

#include "fd.h"
#include "passed_fd.h"
#include "signals.h"
#include "spawn.h"

#define HELPER_SOCKET 3

/* The helper's descriptors: no input, no output, the socket, then those of the list. NULL with the failure recorded. */
static int *descriptors(struct host_call *call, const struct hv *items, size_t count, int socket)
{
	int *fds = arena_array(&call->arena, HELPER_SOCKET + 1 + count, sizeof *fds);

	if (fds == NULL) {
		host_record_failure(call, ENOMEM, "malloc", "%s", "");
		return NULL;
	}
	fds[0] = fds[1] = fds[2] = -1;
	fds[HELPER_SOCKET] = socket;
	for (size_t i = 0; i < count; i++) {
		if (items[i].kind != HV_INT || items[i].integer < 0 || items[i].integer > INT32_MAX) {
			host_record_failure(call, EINVAL, "argument", "fds: list of descriptors expected");
			return NULL;
		}
		fds[HELPER_SOCKET + 1 + i] = (int)items[i].integer;
	}
	return fds;
}

static int start(struct host_call *call, struct spawn *child, int ours)
{
	OWNED_FD socket = ours;
	struct hv list = hv_list(&call->arena, 3);

	if (list.list.items == NULL)
		return host_no_memory(call);
	if (spawn(child, &call->arena) < 0)
		return host_fail(call, errno, child->failed, "%s", child->path);
	list.list.items[0] = hv_int(child->pid);
	list.list.items[1] = hv_int(child->pidfd);
	list.list.items[2] = hv_int(fd_take(&socket));
	call->result = list;
	return 0;
}

int host_startHelper(struct host_call *call)
{
	struct spawn child = {.program = -1, .cgroup = -1, .pidfd = -1};
	char **args, **env;
	struct hv *items;
	int pair[2], result;
	size_t count;

	if (arg_cstr(call, 0, "path", &child.path) < 0 || arg_vector(call, 1, "args", &args) < 0 ||
	    arg_vector(call, 2, "env", &env) < 0 || arg_list(call, 3, "fds", &items, &count) < 0)
		return -1;
	if (args[0] == NULL)
		return host_fail(call, EINVAL, "argument", "args: at least one expected");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return host_fail(call, errno, "socketpair", "%s", "");
	child.argv = args;
	child.envp = env;
	child.fds = descriptors(call, items, count, pair[1]);
	child.fd_count = HELPER_SOCKET + 1 + count;
	if (child.fds == NULL) {
		fd_close(&pair[0]);
		result = -1;
	} else {
		result = start(call, &child, pair[0]);
	}
	fd_close(&pair[1]);
	return result;
}

int host_receiveMessage(struct host_call *call)
{
	union passed_fd control;
	struct msghdr message = {.msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	struct iovec part = {0};
	struct hv list = hv_list(&call->arena, 2);
	int64_t most;
	ssize_t length;
	int socket;

	if (arg_fd(call, 0, "socket", &socket) < 0 || arg_int(call, 1, "maxBytes", 1, 1 << 24, &most) < 0)
		return -1;
	part.iov_len = (size_t)most;
	part.iov_base = arena_alloc(&call->arena, part.iov_len);
	message.msg_iov = &part;
	if (part.iov_base == NULL || list.list.items == NULL)
		return host_no_memory(call);
	do {
		if (wait_one(socket, POLLIN, NEVER) < 0)
			return host_fail(call, errno, "poll", "%s", "");
		length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (length < 0 && (errno == EINTR || errno == EAGAIN));
	if (length < 0 && errno != ECONNRESET)
		return host_fail(call, errno, "recvmsg", "%s", "");
	if (length <= 0)
		return 0;
	list.list.items[0] = hv_bytes(part.iov_base, (size_t)length);
	list.list.items[1] = hv_int(passed_fd_get(&message));
	if ((message.msg_flags & MSG_TRUNC) != 0)
		return host_fail(call, EMSGSIZE, "recvmsg", "%s", "");
	call->result = list;
	return 0;
}
