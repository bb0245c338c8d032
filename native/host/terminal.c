/*
 * The relay between the user's terminal and the master of the container's. Nothing here waits: what one side does not
 * take stays in its flow, and while a flow is full nothing more is read for it, so that a stopped reader stops the
 * writer, too, and costs no time.
 */
#include "terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fd.h"
#include "signals.h"

/* A terminal whose last user has closed it tells so all the time; a container may open it anew (systemd does). */
#define LOOK_AGAIN_MS 200

/* ---- set-up ---------------------------------------------------------------------------------------------------- */

/*
 * Standard output, so that writing to it never blocks. O_NONBLOCK belongs to the open file, which we share with the
 * shell: so it is opened once more. Files need nothing, sockets take a flag per call.
 */
static void open_output(struct relay *relay)
{
	struct stat stat;
	int again = -1;

	relay->output = -1;
	relay->owns_output = relay->output_is_socket = false;
	if (fstat(STDOUT_FILENO, &stat) < 0)
		return;
	relay->output_is_socket = S_ISSOCK(stat.st_mode);
	if (S_ISCHR(stat.st_mode) || S_ISFIFO(stat.st_mode))
		again = fd_open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	relay->owns_output = again >= 0;
	relay->output = again >= 0 ? again : STDOUT_FILENO;
}

static int first_terminal(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (isatty(fd))
			return fd;
	return -1;
}

int host_copyWindowSize(struct host_call *call)
{
	struct winsize size;
	int master, screen = first_terminal();

	if (arg_fd(call, 0, "master", &master) < 0)
		return -1;
	if (screen >= 0 && ioctl(screen, TIOCGWINSZ, &size) == 0 && size.ws_row != 0 && size.ws_col != 0 &&
	    ioctl(master, TIOCSWINSZ, &size) < 0)
		return host_fail(call, errno, "ioctl TIOCSWINSZ", "terminal");
	return 0;
}

int relay_begin(struct relay *relay, int master)
{
	int flags = fcntl(master, F_GETFL), screen = first_terminal();

	relay->master = master;
	relay->input = STDIN_FILENO;
	open_output(relay);
	relay->look_again = NEVER;
	relay->screen = -1;
	relay->to_container.start = relay->to_container.end = 0;
	relay->to_user.start = relay->to_user.end = 0;
	/* the master is ours alone */
	if (flags < 0 || fcntl(master, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	if (screen < 0)
		return 0;
	if (tcgetattr(screen, &relay->before) < 0)
		return -1;
	relay->screen = screen;
	relay->raw = relay->before;
	cfmakeraw(&relay->raw);
	relay_resume(relay);
	return 0;
}

void relay_resume(const struct relay *relay)
{
	relay_resize(relay);
	/* In the background this stops us (SIGTTOU), as it should; "fg" lets us go on. */
	while (relay->screen >= 0 && tcsetattr(relay->screen, TCSANOW, &relay->raw) < 0 && errno == EINTR)
		continue;
}

void relay_end(struct relay *relay)
{
	int saved = errno;

	if (relay->screen >= 0)
		while (tcsetattr(relay->screen, TCSANOW, &relay->before) < 0 && errno == EINTR)
			continue;
	if (relay->owns_output)
		fd_close(&relay->output);
	errno = saved;
}

void relay_resize(const struct relay *relay)
{
	struct winsize size;

	if (relay->screen >= 0 && ioctl(relay->screen, TIOCGWINSZ, &size) == 0)
		ioctl(relay->master, TIOCSWINSZ, &size);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static bool is_empty(const struct flow *flow)
{
	return flow->start == flow->end;
}

bool relay_is_idle(const struct relay *relay)
{
	return is_empty(&relay->to_container) && is_empty(&relay->to_user);
}

static bool has_room(const struct flow *flow)
{
	return flow->end < sizeof flow->bytes;
}

/* read(2) into the flow; what read says. */
static ssize_t fill(struct flow *flow, int fd)
{
	ssize_t got = read(fd, flow->bytes + flow->end, sizeof flow->bytes - flow->end);

	if (got > 0)
		flow->end += (size_t)got;
	return got;
}

/* Gives away what is taken; false when nobody will take anything any more. */
static bool empty(struct flow *flow, int fd, bool is_socket)
{
	while (!is_empty(flow)) {
		const char *bytes = flow->bytes + flow->start;
		size_t length = flow->end - flow->start;
		ssize_t put;

		put = is_socket ? send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) : write(fd, bytes, length);
		if (put < 0)
			return errno == EAGAIN || errno == EINTR;
		flow->start += (size_t)put;
	}
	flow->start = flow->end = 0;
	return true;
}

static void close_output(struct relay *relay)
{
	if (relay->owns_output)
		fd_close(&relay->output);
	relay->output = -1;
	relay->owns_output = false;
}

/* To the user; with nobody there the bytes are thrown away, so that the container does not stop. */
static void put_output(struct relay *relay)
{
	if (relay->output >= 0 && !empty(&relay->to_user, relay->output, relay->output_is_socket))
		close_output(relay);
	if (relay->output < 0)
		relay->to_user.start = relay->to_user.end = 0;
}

void relay_watch(const struct relay *relay, struct pollfd fds[RELAY_FDS], int64_t *until)
{
	short master = 0;

	if (has_room(&relay->to_user))
		master |= POLLIN;
	if (!is_empty(&relay->to_container))
		master |= POLLOUT;
	if (relay->look_again != NEVER) {
		/* hung up: poll(2) would return at once, again and again */
		master = 0;
		if (relay->look_again < *until)
			*until = relay->look_again;
	}
	fds[0] = (struct pollfd){.fd = has_room(&relay->to_container) ? relay->input : -1, .events = POLLIN};
	/* even without events hang-ups are told, so it is left out altogether */
	fds[1] = (struct pollfd){.fd = master == 0 ? -1 : relay->master, .events = master};
	fds[2] = (struct pollfd){.fd = is_empty(&relay->to_user) ? -1 : relay->output, .events = POLLOUT};
}

static void take_input(struct relay *relay)
{
	ssize_t got = fill(&relay->to_container, relay->input);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		relay->input = -1;
}

static void take_from_master(struct relay *relay)
{
	ssize_t got = fill(&relay->to_user, relay->master);

	if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		relay->look_again = NEVER;
	else
		relay->look_again = time_after(LOOK_AGAIN_MS);
}

void relay_move(struct relay *relay, const struct pollfd fds[RELAY_FDS])
{
	bool look = relay->look_again != NEVER && time_now() >= relay->look_again;

	if (fds[0].revents != 0)
		take_input(relay);
	if ((fds[1].revents != 0 || look) && has_room(&relay->to_user))
		take_from_master(relay);
	if (!is_empty(&relay->to_container) && relay->look_again == NEVER)
		empty(&relay->to_container, relay->master, false);
	if (!is_empty(&relay->to_user))
		put_output(relay);
}

bool relay_drain(struct relay *relay)
{
	ssize_t got;

	/* The kernel hands over all that was written before it says: no more (EIO), or nothing now (EAGAIN). */
	do {
		put_output(relay);
		if (!has_room(&relay->to_user))
			return true;
		got = fill(&relay->to_user, relay->master);
	} while (got > 0 || (got < 0 && errno == EINTR));
	put_output(relay);
	return !is_empty(&relay->to_user);
}
