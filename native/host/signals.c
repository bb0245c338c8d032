/*
 * Signals to the runtime. In Node any thread may be the one that runs a handler, so a handler never sets a flag for
 * "the" main thread to see: it writes to a descriptor on which every wait of this library has an eye.
 *
 * This file holds the only state that outlives a call.
 */
#include "signals.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* ---- time ------------------------------------------------------------------------------------------------------ */

int64_t time_now(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t time_after(int64_t timeout_ms)
{
	int64_t span, moment;

	if (timeout_ms < 0 || __builtin_mul_overflow(timeout_ms, (int64_t)1000000, &span) ||
	    __builtin_add_overflow(time_now(), span, &moment))
		return NEVER;
	return moment;
}

/* ---- catchSignals ------------------------------------------------------------------------------------------------ */

static volatile sig_atomic_t first_caught; /* what caughtSignal tells */
static volatile sig_atomic_t last_caught;  /* what a wait has not seen yet */
static int caught_event = -1;              /* readable when there is something to see */

static void on_caught(int signal)
{
	const uint64_t one = 1;
	int saved = errno;

	if (first_caught == 0)
		first_caught = signal;
	last_caught = signal;
	if (write(caught_event, &one, sizeof one) < 0) {
		/* it is full: then there is something to see already */
	}
	errno = saved;
}

int host_catchSignals(struct host_call *call)
{
	static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	struct sigaction action = {.sa_handler = on_caught};

	if (caught_event < 0)
		caught_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (caught_event < 0)
		return host_fail(call, errno, "eventfd", "%s", "");
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
		struct sigaction present;

		/* nohup, or a script's "&": who made us ignore these wants us to go on */
		if (caught[i] != SIGTERM && sigaction(caught[i], NULL, &present) == 0 && present.sa_handler == SIG_IGN)
			continue;
		if (sigaction(caught[i], &action, NULL) < 0)
			return host_fail(call, errno, "sigaction", "%d", caught[i]);
	}
	return 0;
}

int host_caughtSignal(struct host_call *call)
{
	call->result = hv_int(first_caught);
	return 0;
}

int signals_take(void)
{
	uint64_t count;

	return caught_event < 0 || read(caught_event, &count, sizeof count) < 0 ? 0 : last_caught;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Rounded up, so that a wait never ends just before its moment and is made again for nothing. */
static int milliseconds_until(int64_t until)
{
	int64_t left;

	if (until == NEVER)
		return -1;
	left = until - time_now();
	if (left <= 0)
		return 0;
	left = (left + 999999) / 1000000;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

#define MAX_WATCHED 64

int wait_any(struct pollfd *fds, size_t count, int64_t until)
{
	struct pollfd watched[MAX_WATCHED + 1];
	int ready;

	if (count > MAX_WATCHED) {
		errno = EINVAL;
		return -1;
	}
	if (count > 0)
		memcpy(watched, fds, count * sizeof *fds);
	watched[count] = (struct pollfd){.fd = caught_event, .events = POLLIN};
	for (;;) {
		ready = poll(watched, count + 1, milliseconds_until(until));
		if (ready > 0 && watched[count].revents != 0) {
			if (signals_take() != 0) {
				errno = EINTR;
				return -1;
			}
			ready--;
		}
		if (ready > 0 || (ready < 0 && errno != EINTR) || (ready == 0 && until != NEVER && time_now() >= until))
			break;
	}
	if (count > 0)
		memcpy(fds, watched, count * sizeof *fds);
	return ready;
}

int wait_one(int fd, short events, int64_t until)
{
	struct pollfd one = {.fd = fd, .events = events};

	return wait_any(&one, 1, until);
}

int wait_undisturbed(int fd, short events, int64_t until)
{
	struct pollfd one = {.fd = fd, .events = events};
	int ready;

	do
		ready = poll(&one, 1, milliseconds_until(until));
	while (ready < 0 && errno == EINTR);
	return ready;
}

/* ---- listening --------------------------------------------------------------------------------------------------- */

#define SIGNALS 64

static struct sigaction before[SIGNALS + 1];
static uint64_t listened;
static int listen_read = -1, listen_write = -1;

static void on_listened(int signal)
{
	const unsigned char byte = (unsigned char)signal;
	int saved = errno;

	if (write(listen_write, &byte, 1) < 0) {
		/* the pipe holds thousands that nobody has taken: one more tells nothing new */
	}
	errno = saved;
}

int signals_listen(uint64_t set)
{
	struct sigaction action = {.sa_handler = on_listened};
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	listen_read = ends[0];
	listen_write = ends[1];
	sigfillset(&action.sa_mask);
	for (int signal = 1; signal <= SIGNALS; signal++)
		/* those the C library keeps for itself are refused, and are nobody's to send */
		if ((set >> (signal - 1) & 1) != 0 && sigaction(signal, &action, &before[signal]) == 0)
			listened |= (uint64_t)1 << (signal - 1);
	return listen_read;
}

void signals_unlisten(void)
{
	for (int signal = 1; signal <= SIGNALS; signal++)
		if ((listened >> (signal - 1) & 1) != 0)
			sigaction(signal, &before[signal], NULL);
	listened = 0;
	close(listen_read);
	close(listen_write);
	listen_read = listen_write = -1;
}
