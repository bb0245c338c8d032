/*
 * supervise: a user's terminal, the supervising process on it, and behind that a script on a terminal of its own, as it
 * is with `tsrunc run`. The test is the user.
 */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "kernel.h"
#include "signals.h"

#define SECOND INT64_C(1000000000)

struct session {
	pid_t supervisor;
	int user; /* the user's end of the terminal */
	struct termios before;
	struct rusage usage; /* after the end */
};

/* Runs sh with the script on a new terminal, or on ours (-1). Returns its pid and the terminal's master. */
static pid_t start_script(const char *script, bool terminal, int *master)
{
	pid_t pid;

	*master = -1;
	pid = terminal ? forkpty(master, NULL, NULL, NULL) : fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", script, NULL);
		_exit(127);
	}
	return pid;
}

/* The process under test: supervises the script and ends as it does; 99 at the timeout. */
__attribute__((noreturn)) static void supervise(const char *script, bool terminal, bool subreaper, int64_t timeout_ms)
{
	struct host_call call;
	int master, pidfd;
	pid_t pid;

	if (subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	pid = start_script(script, terminal, &master);
	pidfd = (int)syscall(CALL_PIDFD_OPEN, pid, 0);
	if (CALL(&call, supervise, hv_int(pid), hv_int(pidfd), hv_int(master), hv_int(timeout_ms), hv_int(-1)) <
	    0) {
		fprintf(stderr, "%s\n", why(&call));
		_exit(98);
	}
	if (call.result.list.items[0].integer == -1) {
		kill(pid, SIGKILL);
		_exit(99);
	}
	_exit((int)call.result.list.items[0].integer);
}

/* `size`: rows and columns of the user's terminal. */
static struct session start(const char *script, struct winsize size)
{
	struct session s;

	s.supervisor = forkpty(&s.user, NULL, NULL, &size);
	if (s.supervisor == 0)
		supervise(script, true, false, 0);
	tcgetattr(s.user, &s.before);
	return s;
}

/* Types for the user; the terminal takes it sooner or later. */
static void type(const struct session *s, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t put = write(s->user, text, len);

		if (put <= 0)
			return;
		text += put;
		len -= (size_t)put;
	}
}

/* Reads until the screen ends with this text, or its end (NULL). Returns all that was read, to be freed. */
static char *screen(const struct session *s, const char *until)
{
	size_t length = 0, room = 65536;
	char *text = malloc(room);
	int64_t limit = time_after(30000);

	for (;;) {
		ssize_t got;

		if (room - length < 4096)
			text = realloc(text, room *= 2);
		if (text == NULL)
			abort();
		text[length] = '\0';
		if (until != NULL && length >= strlen(until) && strcmp(text + length - strlen(until), until) == 0)
			return text;
		if (wait_one(s->user, POLLIN, limit) <= 0) {
			CHECK(false, "waited in vain for %s; have %zu bytes", until, length);
			return text;
		}
		got = read(s->user, text + length, 4095);
		if (got <= 0) {
			CHECK(until == NULL, "the screen ended before %s", until);
			return text;
		}
		length += (size_t)got;
	}
}

static void expect_screen(const struct session *s, const char *text)
{
	char *found = screen(s, text);

	CHECK(strcmp(found, text) == 0, "found %s, expected %s", found, text);
	free(found);
}

/* The supervisor must end with this status and leave the terminal as it was. */
static void finish(struct session *s, int status)
{
	struct termios after;
	int ended;

	CHECK(wait4(s->supervisor, &ended, 0, &s->usage) == s->supervisor, "wait4");
	CHECK(WIFEXITED(ended) && WEXITSTATUS(ended) == status, "ended with %x, expected status %d", ended, status);
	CHECK(tcgetattr(s->user, &after) == 0 && after.c_lflag == s->before.c_lflag &&
		      after.c_iflag == s->before.c_iflag && after.c_oflag == s->before.c_oflag,
	      "the terminal was not restored");
	close(s->user);
}

static long cpu_ms(const struct session *s)
{
	return (s->usage.ru_utime.tv_sec + s->usage.ru_stime.tv_sec) * 1000 +
	       (s->usage.ru_utime.tv_usec + s->usage.ru_stime.tv_usec) / 1000;
}

static const struct winsize some_size = {.ws_row = 24, .ws_col = 80};

/* ---- with a terminal --------------------------------------------------------------------------------------------- */

static void relays_both_ways(void)
{
	struct session s = start("stty -echo; echo ready; read line; echo \"got $line\"; exit 42", some_size);

	expect_screen(&s, "ready\r\n");
	type(&s, "hello\r", 6);
	expect_screen(&s, "got hello\r\n");
	finish(&s, 42);
}

/* A control character is for the container: the user's terminal does nothing with it. */
static void passes_control_characters(void)
{
	struct session s = start("trap 'echo interrupted; exit 7' INT; stty -echo; echo ready; "
				 "while :; do sleep 0.02; done", some_size);

	expect_screen(&s, "ready\r\n");
	type(&s, "\003", 1);
	expect_screen(&s, "interrupted\r\n");
	finish(&s, 7);
}

/* A user who does not read for a while gets every byte, also those that the script wrote just before it ended. */
static void loses_nothing(void)
{
	enum { LINES = 400000 };
	struct session s = start("stty raw -echo; seq 1 400000", some_size);
	char *text, *at, line[16];

	usleep(700000);
	text = screen(&s, NULL);
	at = text;
	for (int i = 1; i <= LINES; i++) {
		int length = sprintf(line, "%d\n", i);

		if (strncmp(at, line, (size_t)length) != 0) {
			CHECK(false, "line %d is %.20s", i, at);
			break;
		}
		at += length;
	}
	CHECK(*at == '\0', "more than was written: %.20s", at);
	free(text);
	finish(&s, 0);
}

/* More is pasted than terminals hold, into a script that is not ready for it. */
static void takes_a_huge_paste(void)
{
	enum { BYTES = 1000000 };
	struct session s = start("stty raw -echo; echo ready; sleep 0.5; head -c 1000000 | cksum; exit 3", some_size);
	char *paste = malloc(BYTES), *sum;

	if (paste == NULL)
		abort();
	memset(paste, 'p', BYTES);
	expect_screen(&s, "ready\n");
	type(&s, paste, BYTES);
	sum = screen(&s, " 1000000\n");
	CHECK(strcmp(sum, "2852323682 1000000\n") == 0, "%s", sum);
	free(sum);
	free(paste);
	finish(&s, 3);
}

static void follows_window_sizes(void)
{
	struct winsize size = {.ws_row = 33, .ws_col = 101};
	struct session s = start("trap 'stty size; exit 0' WINCH; stty size; while :; do sleep 0.02; done", size);
	char *found;

	/* the script may look before the supervisor has handed the size on; then the signal tells it */
	found = screen(&s, "33 101\r\n");
	free(found);
	size.ws_row = 50;
	ioctl(s.user, TIOCSWINSZ, &size);
	found = screen(&s, NULL);
	CHECK(strcmp(found, "50 101\r\n") == 0 || *found == '\0', "%s", found);
	free(found);
	finish(&s, 0);
}

static void forwards_signals(void)
{
	struct session s = start("trap 'echo term' TERM; trap 'echo usr; exit 5' USR1; stty -echo; echo ready; "
				 "while :; do sleep 0.02; done", some_size);

	expect_screen(&s, "ready\r\n");
	/* a second one is forwarded like the first */
	for (int i = 0; i < 2; i++) {
		kill(s.supervisor, SIGTERM);
		expect_screen(&s, "term\r\n");
	}
	kill(s.supervisor, SIGUSR1);
	expect_screen(&s, "usr\r\n");
	finish(&s, 5);
}

/* A shell that stops us takes the terminal for itself; when we go on, it is raw again. */
static void goes_on_after_a_stop(void)
{
	struct session s = start("stty -echo; echo ready; read line; echo \"got $line\"", some_size);
	struct termios now = {.c_lflag = ICANON};

	expect_screen(&s, "ready\r\n");
	kill(s.supervisor, SIGSTOP);
	CHECK(waitpid(s.supervisor, NULL, WUNTRACED) == s.supervisor, "not stopped");
	tcsetattr(s.user, TCSANOW, &s.before);
	kill(s.supervisor, SIGCONT);
	for (int i = 0; i < 100 && (now.c_lflag & ICANON) != 0; i++) {
		usleep(20000);
		tcgetattr(s.user, &now);
	}
	CHECK((now.c_lflag & (ICANON | ECHO | ISIG)) == 0, "not raw again: %x", now.c_lflag);
	type(&s, "hello\r", 6);
	expect_screen(&s, "got hello\r\n");
	finish(&s, 0);
}

static void tells_of_a_death_by_signal(void)
{
	struct session s = start("kill -KILL $$", some_size);

	free(screen(&s, NULL));
	finish(&s, 128 + SIGKILL);
}

/* Nobody reads, or nobody has the terminal open: no busy loop, and it works again afterwards. */
static void costs_nothing_while_blocked(void)
{
	struct session s = start("stty raw; yes", some_size);

	usleep(1500000);
	kill(s.supervisor, SIGTERM);
	free(screen(&s, NULL));
	/* sh dies of it, yes of the terminal's end */
	finish(&s, 128 + SIGTERM);
	CHECK(cpu_ms(&s) < 300, "%ld ms for a blocked screen", cpu_ms(&s));

	s = start("t=$(tty); trap '' HUP; exec </dev/null >/dev/null 2>&1; sleep 1.5; echo back >$t", some_size);
	free(screen(&s, "back\r\n"));
	finish(&s, 0);
	CHECK(cpu_ms(&s) < 300, "%ld ms for a closed terminal", cpu_ms(&s));
}

/* ---- without ----------------------------------------------------------------------------------------------------- */

static int supervised(const char *script, bool subreaper, int64_t timeout_ms, int signal)
{
	pid_t supervisor = fork();
	int ended;

	if (supervisor == 0)
		supervise(script, false, subreaper, timeout_ms);
	if (signal != 0) {
		usleep(400000);
		kill(supervisor, signal);
	}
	waitpid(supervisor, &ended, 0);
	return WIFEXITED(ended) ? WEXITSTATUS(ended) : -WTERMSIG(ended);
}

static void works_without_a_terminal(void)
{
	CHECK(supervised("exit 12", false, 0, 0) == 12, "status");
	CHECK(supervised("kill -SEGV $$", false, 0, 0) == 128 + SIGSEGV, "death by signal");
	CHECK(supervised("trap 'exit 6' HUP; while :; do sleep 0.02; done", false, 0, SIGHUP) == 6, "not forwarded");
	CHECK(supervised("trap 'exit 6' PIPE; sleep 0.6; exit 1", false, 0, SIGPIPE) == 1, "SIGPIPE forwarded");
	CHECK(supervised("exec sleep 10", false, 200, 0) == 99, "no timeout");
}

/* What the script leaves behind becomes a child of the supervisor and must not stay a zombie. */
static void reaps_orphans(void)
{
	const char *script = "(sleep 0.1 & sleep 0.1 &) & wait; sleep 0.5; ! ps -o stat= --ppid $PPID | grep -q Z";

	CHECK(supervised(script, true, 0, 0) == 0, "zombies");
}

int main(void)
{
	relays_both_ways();
	passes_control_characters();
	loses_nothing();
	takes_a_huge_paste();
	follows_window_sizes();
	forwards_signals();
	goes_on_after_a_stop();
	tells_of_a_death_by_signal();
	costs_nothing_while_blocked();
	works_without_a_terminal();
	reaps_orphans();
	return checked("supervise");
}
