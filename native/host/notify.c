/*
 * The service notification protocol (sd_notify(3)): a socket that the container's program sends to, and messages to whoever
 * has started us.
 */
#include "host.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "passed_fd.h"
#include "signals.h"

/* A path too long for an address is named by a descriptor of its directory; *holder is that. */
static int address_in(const char *path, struct sockaddr_un *address, int *holder)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX];

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) < sizeof address->sun_path) {
		strcpy(address->sun_path, path);
		return 0;
	}
	if (slash == NULL || strlen(slash) > 64 || (size_t)(slash - path) >= sizeof directory) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(directory, path, (size_t)(slash - path));
	directory[slash - path] = '\0';
	*holder = fd_open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*holder < 0)
		return -1;
	snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d%.64s", *holder, slash);
	return 0;
}

int host_listenDatagrams(struct host_call *call)
{
	struct sockaddr_un address;
	OWNED_FD socket_fd = -1;
	OWNED_FD holder = -1;
	const char *path;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (socket_fd < 0)
		return host_fail(call, errno, "socket", "%s", "");
	if (address_in(path, &address, &holder) < 0 || (unlink(path) < 0 && errno != ENOENT) ||
	    bind(socket_fd, (const struct sockaddr *)&address, sizeof address) < 0 || chmod(path, 0777) < 0)
		return host_fail(call, errno, "bind", "%s", path);
	call->result = hv_int(fd_take(&socket_fd));
	return 0;
}

/* Where NOTIFY_SOCKET points: a path, or after "@" a name without a file. */
static int connect_to(int socket_fd, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);

	if (length < 2 || length >= sizeof address.sun_path || (*name != '/' && *name != '@')) {
		errno = EINVAL;
		return -1;
	}
	memcpy(address.sun_path, name, length);
	if (*name == '@')
		address.sun_path[0] = '\0';
	return connect(socket_fd, (const struct sockaddr *)&address,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

static int send_with(int socket_fd, const char *text, size_t length, int fd)
{
	union passed_fd control;
	struct iovec part = {.iov_base = (void *)(uintptr_t)text, .iov_len = length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0)
		passed_fd_put(&message, &control, fd);
	return sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* The receiver closes the descriptor that comes with BARRIER=1 when it has worked through all that came before. */
static int await_barrier(int socket_fd, int64_t until)
{
	static const char barrier[] = "BARRIER=1";
	OWNED_FD reader = -1;
	int ends[2], result;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	reader = ends[0];
	result = send_with(socket_fd, barrier, sizeof barrier - 1, ends[1]);
	close(ends[1]);
	return result < 0 || wait_one(reader, POLLIN, until) < 0 ? -1 : 0;
}

int host_notify(struct host_call *call)
{
	const char *name, *text;
	OWNED_FD socket_fd = -1;
	int64_t barrier_ms;
	size_t length;

	if (arg_cstr(call, 0, "name", &name) < 0 || arg_str(call, 1, "text", &text, &length) < 0 ||
	    arg_int(call, 2, "barrierMs", 0, INT32_MAX, &barrier_ms) < 0)
		return -1;
	socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (socket_fd < 0)
		return host_fail(call, errno, "socket", "%s", "");
	if (connect_to(socket_fd, name) < 0)
		return host_fail(call, errno, "connect", "%s", name);
	if (send_with(socket_fd, text, length, -1) < 0)
		return host_fail(call, errno, "sendmsg", "%s", name);
	/* an old receiver may not know barriers: that it refuses one is no failure of what was said before */
	if (barrier_ms > 0 && await_barrier(socket_fd, time_after(barrier_ms)) < 0 && errno == EINTR)
		return host_fail(call, errno, "poll", "%s", name);
	return 0;
}
