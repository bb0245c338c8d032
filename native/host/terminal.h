/* The user's terminal in front of a container's: bytes both ways, raw mode, window sizes. */
#ifndef TSRUNC_HOST_TERMINAL_H
#define TSRUNC_HOST_TERMINAL_H

#include "host.h"

#include <poll.h>
#include <termios.h>

/* Bytes on their way: from `start` to `end` of `bytes`. */
struct flow {
	size_t start, end;
	char bytes[32768];
};

struct relay {
	int master;
	int input;  /* where the user's bytes come from, -1 after its end */
	int output; /* where the container's bytes go, -1 when nobody takes them any more */
	bool owns_output, output_is_socket;
	int64_t look_again; /* the master has no other side at the moment; when to see whether it has again */
	int screen;         /* the terminal in raw mode, -1: none */
	struct termios before, raw;
	struct flow to_container, to_user;
};

/* Puts the user's terminal into raw mode, gives the master its size. Returns 0 or -1 with errno. */
int relay_begin(struct relay *relay, int master);
/* Gives the terminal back as it was. */
void relay_end(struct relay *relay);
/* After a stop: the shell has used the terminal meanwhile. */
void relay_resume(const struct relay *relay);
/* Hands the size of the user's terminal on. */
void relay_resize(const struct relay *relay);

#define RELAY_FDS 3
/* Fills in what to wait for, and lowers *until to the moment when the relay wants to look again. */
void relay_watch(const struct relay *relay, struct pollfd fds[RELAY_FDS], int64_t *until);
/* Nothing is on its way. */
bool relay_is_idle(const struct relay *relay);
/* Moves what can be moved without waiting. */
void relay_move(struct relay *relay, const struct pollfd fds[RELAY_FDS]);
/*
 * The container's process has ended: takes what is left of its output. Returns whether something still waits for the
 * user's side to take it.
 */
bool relay_drain(struct relay *relay);

#endif
