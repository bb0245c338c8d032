/*
 * recvtty: the engine's end of --console-socket and --pidfd-socket, which Node cannot play (it cannot receive fds).
 *
 *   recvtty SOCKET            listen, accept one connection, take the fd, report, then relay the terminal:
 *                             what arrives on stdin goes into it, its output goes to stdout, until it closes
 *   recvtty --count SOCKET    listen, accept, report the fd and exit (a pidfd is kept open until stdin closes)
 *   recvtty --deaf SOCKET     listen and never accept, until stdin closes
 *
 * "listening\n" on stderr says that the socket is there. The report is one line of JSON on stderr: how many fds
 * came, the message's text and length, what kind of file it is, and whether another message followed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "recvtty: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *slash = strrchr(path, '/');
	char directory[4096];
	/* Longer paths than sun_path are legal for the runtime, so the socket is made relative to its directory. */
	snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	if (chdir(directory) < 0)
		die(directory);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", slash ? slash + 1 : path);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 8) < 0)
		die(path);
	fprintf(stderr, "listening\n");
	return fd;
}

static void wait_for_eof(void)
{
	char byte;
	while (read(0, &byte, 1) > 0)
		;
}

/* Takes the message and reports on it. Returns the descriptor. */
static int receive(int listener)
{
	char text[4096] = { 0 }, control[CMSG_SPACE(sizeof(int) * 16)] = { 0 }, more;
	int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC), fds[16], count = 0;
	struct iovec part = { text, sizeof text - 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct stat st = { 0 };
	if (connection < 0)
		die("accept");
	ssize_t length = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
	if (length < 0)
		die("recvmsg");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)count * sizeof(int));
	}
	if (count > 0)
		fstat(fds[0], &st);
	ssize_t after = recv(connection, &more, 1, 0);
	fprintf(stderr, "{\"fds\":%d,\"length\":%zd,\"text\":\"%s\",\"char\":%s,\"major\":%u,\"minor\":%u,\"more\":%zd}\n", count,
		length, text, S_ISCHR(st.st_mode) ? "true" : "false", major(st.st_rdev), minor(st.st_rdev), after);
	close(connection);
	return count > 0 ? fds[0] : -1;
}

static void relay(int terminal)
{
	char buffer[65536];
	struct pollfd ends[2] = { { .fd = 0, .events = POLLIN }, { .fd = terminal, .events = POLLIN } };
	for (;;) {
		if (poll(ends, 2, -1) < 0)
			die("poll");
		if (ends[1].revents) {
			ssize_t n = read(terminal, buffer, sizeof buffer);
			if (n <= 0)
				return; /* EIO: the last program closed its end */
			for (ssize_t at = 0, k; at < n; at += k)
				if ((k = write(1, buffer + at, (size_t)(n - at))) <= 0)
					return;
		}
		if (ends[0].revents) {
			ssize_t n = read(0, buffer, sizeof buffer);
			if (n <= 0)
				ends[0].fd = -1;
			else if (write(terminal, buffer, (size_t)n) < 0)
				return;
		}
	}
}

int main(int argc, char **argv)
{
	int deaf = argc == 3 && strcmp(argv[1], "--deaf") == 0, count = argc == 3 && strcmp(argv[1], "--count") == 0;
	if (argc < 2 || (argc == 3 && !deaf && !count) || argc > 3)
		return 64;
	int listener = listen_at(argv[argc - 1]);
	if (deaf) {
		wait_for_eof();
		return 0;
	}
	int fd = receive(listener);
	close(listener);
	if (fd < 0)
		return 1;
	if (count)
		wait_for_eof();
	else
		relay(fd);
	return 0;
}
