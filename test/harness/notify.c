/*
 * notify: the two ends of sd_notify(3).
 *
 *   notify send TEXT      in a container: sends TEXT to NOTIFY_SOCKET ("\n" stands for a line feed)
 *   notify listen NAME    on the host: prints "listening", then each message as a line of its own ("|" for line feeds),
 *                         closing descriptors that come along; until stdin ends. NAME is a path or "@NAME"
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int address_of(const char *name, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	strncpy(address->sun_path, name, sizeof address->sun_path - 1);
	if (*name == '@')
		address->sun_path[0] = '\0';
	return (int)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
}

static int fail(const char *what)
{
	fprintf(stderr, "notify: %s: %s\n", what, strerror(errno));
	return 1;
}

static int send_text(const char *name, char *text)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un address;
	int length = address_of(name, &address);

	for (char *at; (at = strstr(text, "\\n")) != NULL;) {
		*at = '\n';
		memmove(at + 1, at + 2, strlen(at + 2) + 1);
	}
	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&address, (socklen_t)length) < 0)
		return fail("sendto");
	return 0;
}

static void print_message(int fd)
{
	char text[4096], control[256];
	struct iovec part = {text, sizeof text - 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	ssize_t length = recvmsg(fd, &message, 0);
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (length < 0)
		return;
	text[length] = '\0';
	for (char *at = text; (at = strchr(at, '\n')) != NULL;)
		*at = '|';
	puts(text);
	if (header != NULL && header->cmsg_type == SCM_RIGHTS)
		close(*(int *)CMSG_DATA(header));
}

static int listen_at(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un address;
	int length = address_of(name, &address);

	if (bind(fd, (struct sockaddr *)&address, (socklen_t)length) < 0)
		return fail("bind");
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("listening");
	for (;;) {
		struct pollfd fds[] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

		poll(fds, 2, -1);
		if (fds[1].revents != 0)
			print_message(fd);
		else if (fds[0].revents != 0)
			return 0;
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "listen") == 0)
		return listen_at(argv[2]);
	if (argc == 3 && strcmp(argv[1], "send") == 0 && getenv("NOTIFY_SOCKET") != NULL)
		return send_text(getenv("NOTIFY_SOCKET"), argv[2]);
	return 2;
}
