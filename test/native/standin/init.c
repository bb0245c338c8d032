/*
 * Stands in for init in the tests of `launch`: tells what it was started with, waits for GO, tells what came with it,
 * and ends with status 7.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol.h"

extern char **environ;

static void say(uint32_t kind, int value, const char *call, const char *detail, int fd)
{
	struct init_message head = {.kind = kind, .op = 3, .value = value};
	char bytes[MESSAGE_MAX], control[CMSG_SPACE(sizeof fd)] = {0};
	struct iovec part = {.iov_base = bytes};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	memcpy(bytes, &head, sizeof head);
	part.iov_len = sizeof head + (size_t)sprintf(bytes + sizeof head, "%s%c%s", call, 0, detail);
	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof control;
		*CMSG_FIRSTHDR(&message) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof fd);
	}
	if (sendmsg(PLAN_SOCKET, &message, 0) < 0)
		_exit(100);
}

/* "name pid blocked ignored environment", then the inode of each descriptor from 0 on, "-" where there is none. */
static void tell_all(const char *name)
{
	int blocked = 0, ignored = 0, used, last = 0;
	struct sigaction action;
	char text[MESSAGE_MAX];
	struct stat stat;
	sigset_t mask;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int signal = 1; signal <= 64; signal++) {
		blocked += sigismember(&mask, signal) > 0;
		ignored += sigaction(signal, NULL, &action) == 0 && action.sa_handler != SIG_DFL;
	}
	used = sprintf(text, "%s %d %d %d %d", name, (int)getpid(), blocked, ignored, environ[0] != NULL);
	for (int fd = 0; fd < 2000; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			last = fd;
	for (int fd = 0; fd <= last; fd++)
		used += fstat(fd, &stat) < 0 ? sprintf(text + used, " -")
					      : sprintf(text + used, " %lu", (unsigned long)stat.st_ino);
	say(MESSAGE_REACHED, 0, "start", text, -1);
}

/* Reads one byte and tells what came with it. */
static void await_go(void)
{
	char byte = 0, text[16] = "no descriptor", control[CMSG_SPACE(sizeof(int))];
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};

	if (recvmsg(PLAN_SOCKET, &message, 0) != 1 || byte != GO)
		_exit(101);
	if (CMSG_FIRSTHDR(&message) != NULL) {
		int fd;
		ssize_t got;

		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
		got = read(fd, text, sizeof text - 1);
		text[got < 0 ? 0 : got] = '\0';
	}
	say(MESSAGE_NOTE, -5, "go", text, -1);
}

int main(int argc, char **argv)
{
	char target[64] = "";
	int writable = open("/proc/self/exe", O_WRONLY);

	tell_all(argc == 1 ? argv[0] : "arguments?");
	await_go();
	if (readlink("/proc/self/exe", target, sizeof target - 1) < 0)
		return 102;
	say(MESSAGE_FD, writable, "exe", target, open("/proc/self/exe", O_RDONLY));
	return 7;
}
