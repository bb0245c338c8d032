/* sendFd: hands a descriptor to whoever listens on a unix socket (--console-socket, seccomp agents). */
#include "host.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "fd.h"
#include "passed_fd.h"
#include "sockets.h"

/* How long a listener whose queue is full may take. */
#define PATIENCE_SECONDS 5

/*
 * A path too long for a socket address is reached through a descriptor of the socket file itself. *holder is that
 * descriptor, to be kept until connected.
 */
static int address_of(const char *path, struct sockaddr_un *address, int *holder)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (*path == '\0') {
		errno = ENOENT;
		return -1;
	}
	if (strlen(path) < sizeof address->sun_path) {
		strcpy(address->sun_path, path);
		return 0;
	}
	*holder = fd_open(path, O_PATH | O_CLOEXEC);
	if (*holder < 0)
		return -1;
	snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d", *holder);
	return 0;
}

int socket_connect(int socket, const char *path)
{
	const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
	struct sockaddr_un address;
	OWNED_FD holder = -1;

	if (address_of(path, &address, &holder) < 0 ||
	    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
		return -1;
	while (connect(socket, (const struct sockaddr *)&address, sizeof address) < 0) {
		if (errno == EAGAIN)
			errno = ETIMEDOUT;
		if (errno != EINTR)
			return -1;
	}
	return 0;
}

/* The descriptor goes with the first byte; the rest of the text follows. */
static int send_all(int socket, const char *text, size_t len, int fd)
{
	union passed_fd control;
	/* sendmsg(2) takes it as void *, but does not write to it */
	struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	passed_fd_put(&message, &control, fd);
	while (part.iov_len > 0) {
		ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			errno = ETIMEDOUT;
		if (sent < 0 && errno != EINTR)
			return -1;
		if (sent > 0) {
			part.iov_base = (char *)part.iov_base + sent;
			part.iov_len -= (size_t)sent;
			message.msg_control = NULL;
			message.msg_controllen = 0;
		}
	}
	return 0;
}

int host_sendFd(struct host_call *call)
{
	const char *path, *text;
	OWNED_FD socket_fd = -1;
	size_t len;
	int fd;

	if (arg_cstr(call, 0, "socketPath", &path) < 0 || arg_str(call, 1, "text", &text, &len) < 0 ||
	    arg_fd(call, 2, "fd", &fd) < 0)
		return -1;
	if (len == 0)
		return host_fail(call, EINVAL, "argument", "text: a byte for the descriptor to travel with expected");
	socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (socket_fd < 0)
		return host_fail(call, errno, "socket", "%s", "");
	if (socket_connect(socket_fd, path) < 0)
		return host_fail(call, errno, "connect", "%s", path);
	return send_all(socket_fd, text, len, fd) < 0 ? host_fail(call, errno, "sendmsg", "%s", path) : 0;
}
