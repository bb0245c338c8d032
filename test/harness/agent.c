/*
 * agent: a seccomp agent, the other end of linux.seccomp.listenerPath.
 *
 *   agent SOCKET ERRNO    listen, accept, print the message (one line of JSON) to stdout, then answer every
 *                         notification with this errno, until nobody uses the filter any more
 *
 * "listening\n" on stderr says that the socket is there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* linux/seccomp.h, which musl's compiler doesn't find */
struct seccomp_data {
	int nr;
	unsigned arch;
	unsigned long long instruction_pointer, args[6];
};
struct seccomp_notif {
	unsigned long long id;
	unsigned pid, flags;
	struct seccomp_data data;
};
struct seccomp_notif_resp {
	unsigned long long id;
	long long val;
	int error;
	unsigned flags;
};
#define SECCOMP_IOCTL_NOTIF_RECV _IOWR('!', 0, struct seccomp_notif)
#define SECCOMP_IOCTL_NOTIF_SEND _IOWR('!', 1, struct seccomp_notif_resp)

static void die(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int take_listener(int connection)
{
	char text[65536];
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec part = { text, sizeof text - 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	ssize_t got = recvmsg(connection, &message, 0);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fd;
	if (got <= 0 || header == NULL || header->cmsg_type != SCM_RIGHTS)
		die("recvmsg");
	memcpy(&fd, CMSG_DATA(header), sizeof fd);
	text[got] = 0;
	/* one message on one connection, then its end */
	printf("%s\n", text);
	if (recv(connection, text, sizeof text, 0) != 0)
		die("a second message");
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (argc != 3)
		return 2;
	snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
	if (bind(server, (struct sockaddr *)&address, sizeof address) < 0 || listen(server, 8) < 0)
		die(argv[1]);
	fprintf(stderr, "listening\n");
	int connection = accept(server, NULL, NULL);
	if (connection < 0)
		die("accept");
	struct pollfd listener = { .fd = take_listener(connection), .events = POLLIN };
	while (poll(&listener, 1, -1) > 0 && (listener.revents & POLLIN) != 0) {
		struct seccomp_notif asked;
		memset(&asked, 0, sizeof asked);
		if (ioctl(listener.fd, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
			continue;
		struct seccomp_notif_resp answer = { .id = asked.id, .error = -atoi(argv[2]) };
		ioctl(listener.fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	return 0;
}
