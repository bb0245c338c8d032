/* Talking to a server on a unix stream socket, with a deadline for each step. */
#include "host.h"

#include <limits.h>
#include <sys/socket.h>

#include "fd.h"
#include "signals.h"
#include "sockets.h"

/* The most that one receiveBytes may ask for. */
#define MOST_BYTES (INT64_C(1) << 27)

int host_connectStream(struct host_call *call)
{
	const char *path;
	OWNED_FD socket_fd = -1;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (socket_fd < 0)
		return host_fail(call, errno, "socket", "%s", "");
	if (socket_connect(socket_fd, path) < 0)
		return host_fail(call, errno, "connect", "%s", path);
	call->result = hv_int(fd_take(&socket_fd));
	return 0;
}

/* Waits until the socket is ready: ETIMEDOUT when it isn't in time, EINTR for a signal that the runtime has caught. */
static int await(int socket_fd, short events, int64_t deadline)
{
	int ready = wait_one(socket_fd, events, deadline);

	if (ready == 0)
		errno = ETIMEDOUT;
	return ready > 0 ? 0 : -1;
}

int host_sendBytes(struct host_call *call)
{
	const uint8_t *bytes;
	size_t len, sent = 0;
	int64_t timeout, deadline;
	int socket_fd;

	if (arg_fd(call, 0, "socket", &socket_fd) < 0 || arg_bytes(call, 1, "bytes", &bytes, &len) < 0 ||
	    arg_int(call, 2, "timeoutMs", 0, INT_MAX, &timeout) < 0)
		return -1;
	deadline = time_after(timeout);
	while (sent < len) {
		ssize_t now = send(socket_fd, bytes + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (now >= 0)
			sent += (size_t)now;
		else if (errno == EAGAIN ? await(socket_fd, POLLOUT, deadline) < 0 : errno != EINTR)
			return host_fail(call, errno, "send", "%s", "");
	}
	return 0;
}

int host_receiveBytes(struct host_call *call)
{
	int64_t most, timeout, deadline;
	int socket_fd;
	uint8_t *bytes;
	ssize_t got;

	if (arg_fd(call, 0, "socket", &socket_fd) < 0 || arg_int(call, 1, "maxBytes", 1, MOST_BYTES, &most) < 0 ||
	    arg_int(call, 2, "timeoutMs", 0, INT_MAX, &timeout) < 0)
		return -1;
	bytes = arena_alloc(&call->arena, (size_t)most);
	if (bytes == NULL)
		return host_no_memory(call);
	deadline = time_after(timeout);
	while ((got = recv(socket_fd, bytes, (size_t)most, MSG_DONTWAIT)) < 0)
		if (errno == EAGAIN ? await(socket_fd, POLLIN, deadline) < 0 : errno != EINTR)
			return host_fail(call, errno, "recv", "%s", "");
	call->result = hv_bytes(bytes, (size_t)got);
	return 0;
}
