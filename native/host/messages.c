/* The runtime's half of the dialogue with init; see native/include/protocol.h. */
#include "host.h"

#include <string.h>
#include <sys/socket.h>

#include "fd.h"
#include "passed_fd.h"
#include "protocol.h"
#include "signals.h"

/* ---- receive --------------------------------------------------------------------------------------------------- */

/* InitMessage of host.ts. Takes fd. */
static int answer_message(struct host_call *call, const char *bytes, size_t length, int owned)
{
	OWNED_FD fd = owned;
	struct init_message head;
	struct hv list = hv_list(&call->arena, 6), *item = list.list.items;
	const char *text = bytes + sizeof head, *detail;
	size_t left;

	if (length < sizeof head)
		return host_fail(call, EPROTO, "recvmsg", "message of init: too short");
	memcpy(&head, bytes, sizeof head);
	left = length - sizeof head;
	detail = memchr(text, '\0', left);
	if (detail == NULL)
		return host_fail(call, EPROTO, "recvmsg", "message of init: no end of the call's name");
	detail++;
	left -= (size_t)(detail - text);
	if (item == NULL)
		return host_no_memory(call);
	item[0] = hv_int(head.kind);
	item[1] = hv_int(head.op);
	item[2] = hv_int(head.value);
	item[3] = hv_str_copy(&call->arena, text, strlen(text));
	item[4] = hv_str_copy(&call->arena, detail, left);
	if (item[3].kind == HV_NONE || item[4].kind == HV_NONE)
		return host_no_memory(call);
	item[5] = hv_int(fd_take(&fd));
	call->result = list;
	return 0;
}

int host_receive(struct host_call *call)
{
	union passed_fd control;
	char bytes[MESSAGE_MAX];
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	int64_t timeout_ms, until;
	int socket, ready, fd;
	ssize_t length;

	if (arg_fd(call, 0, "socket", &socket) < 0 || arg_int(call, 1, "timeoutMs", -1, INT32_MAX, &timeout_ms) < 0)
		return -1;
	until = time_after(timeout_ms);
	do {
		ready = wait_one(socket, POLLIN, until);
		if (ready == 0)
			return host_fail(call, ETIMEDOUT, "recvmsg", "message of init");
		if (ready < 0)
			return host_fail(call, errno, "recvmsg", "message of init");
		length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (length < 0 && (errno == EINTR || errno == EAGAIN));
	/* A reset: init is gone and has left a GO of ours unread. */
	if (length < 0 && errno == ECONNRESET)
		return 0;
	if (length < 0)
		return host_fail(call, errno, "recvmsg", "message of init");
	fd = passed_fd_get(&message);
	if (length == 0 && fd < 0)
		return 0;
	/* Descriptors that did not fit were never made ours; a text that did not fit is no message of our init. */
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		fd_close(&fd);
		return host_fail(call, (message.msg_flags & MSG_CTRUNC) != 0 ? EMFILE : EPROTO, "recvmsg",
				 "message of init: cut off");
	}
	return answer_message(call, bytes, (size_t)length, fd);
}

/* ---- go -------------------------------------------------------------------------------------------------------- */

int host_go(struct host_call *call)
{
	union passed_fd control;
	char byte = GO;
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int socket, fd;
	ssize_t sent;

	if (arg_fd(call, 0, "socket", &socket) < 0 || arg_fd_or_none(call, 1, "fd", &fd) < 0)
		return -1;
	if (fd >= 0)
		passed_fd_put(&message, &control, fd);
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return host_fail(call, errno == ECONNRESET ? EPIPE : errno, "sendmsg", "answer to init");
	return 0;
}
