/*
 * ptyrun: a user at a terminal. Runs a command on a new terminal as its session's leader; what it prints goes to a file.
 *
 *   ptyrun FILE ROWS COLUMNS COMMAND...
 *
 * Lines on stdin say what the user does, each answered by a line on stdout:
 *
 *   type HEX      types these bytes                  size ROWS COLUMNS   changes the window's size
 *   stop, go      stops and goes on reading          signal N            sends a signal to the command
 *   mode          answers "raw" or "cooked"          hangup              closes the terminal
 *
 * At the command's end the rest of its output is read, and the last line is "exit STATUS restored" or "... changed":
 * whether the terminal has the settings it had before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int master, slave, output, stopped;
static pid_t child;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void resize(int rows, int columns)
{
	struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};

	if (ioctl(slave, TIOCSWINSZ, &size) < 0)
		die("TIOCSWINSZ");
}

static void type(const char *hex)
{
	unsigned value;

	for (; sscanf(hex, "%2x", &value) == 1; hex += 2) {
		unsigned char byte = (unsigned char)value;

		if (write(master, &byte, 1) != 1)
			die("write");
	}
}

/* Returns 0 when there is nothing more at the moment. */
static int read_some(void)
{
	char bytes[65536];
	ssize_t got = read(master, bytes, sizeof bytes);

	if (got > 0 && write(output, bytes, (size_t)got) != got)
		die("write");
	return got > 0;
}

static void obey(char *line)
{
	struct termios now;
	int a, b;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "type ", 5) == 0)
		type(line + 5);
	else if (sscanf(line, "size %d %d", &a, &b) == 2)
		resize(a, b);
	else if (sscanf(line, "signal %d", &a) == 1)
		kill(child, a);
	else if (strcmp(line, "stop") == 0)
		stopped = 1;
	else if (strcmp(line, "go") == 0)
		stopped = 0;
	else if (strcmp(line, "hangup") == 0) {
		close(slave);
		close(master);
		master = slave = -1;
		stopped = 1;
	} else if (strcmp(line, "mode") == 0 && tcgetattr(slave, &now) == 0) {
		puts((now.c_lflag & ICANON) != 0 ? "cooked" : "raw");
		return;
	}
	puts("ok");
}

static void start(char **command)
{
	child = fork();
	if (child < 0)
		die("fork");
	if (child > 0)
		return;
	setsid();
	ioctl(slave, TIOCSCTTY, 0);
	for (int fd = 0; fd <= 2; fd++)
		dup2(slave, fd);
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	execvp(command[0], command);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct termios before, after;
	int status, pidfd, same;
	char line[4096];

	if (argc < 5)
		return 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	output = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (output < 0 || master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		die("terminal");
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &before) < 0)
		die("terminal");
	fcntl(master, F_SETFL, O_NONBLOCK);
	resize(atoi(argv[2]), atoi(argv[3]));
	start(argv + 4);
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	printf("pid %d\n", child);
	for (;;) {
		struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN},
				       {.fd = 0, .events = POLLIN},
				       {.fd = stopped ? -1 : master, .events = POLLIN}};

		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[2].revents != 0)
			read_some();
		if (fds[1].revents != 0) {
			/* one line at a time: poll doesn't see what stdio holds */
			size_t length = 0;

			while (length + 1 < sizeof line && read(0, line + length, 1) == 1 && line[length] != '\n')
				length++;
			line[length] = '\0';
			if (length > 0)
				obey(line);
		}
		if (fds[0].revents != 0)
			break;
	}
	while (master >= 0 && read_some())
		continue;
	waitpid(child, &status, 0);
	same = slave >= 0 && tcgetattr(slave, &after) == 0 && after.c_iflag == before.c_iflag &&
	       after.c_oflag == before.c_oflag && after.c_lflag == before.c_lflag && after.c_cflag == before.c_cflag &&
	       memcmp(after.c_cc, before.c_cc, sizeof before.c_cc) == 0;
	printf("exit %d %s\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
	       same ? "restored" : "changed");
	return 0;
}
