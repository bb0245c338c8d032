/* Signals to the runtime, and waiting that they can end. */
#ifndef TSRUNC_HOST_SIGNALS_H
#define TSRUNC_HOST_SIGNALS_H

#include "host.h"

#include <poll.h>

/* A moment on CLOCK_MONOTONIC in nanoseconds; NEVER does not come. */
#define NEVER INT64_MAX
int64_t time_now(void);
/* The moment in timeout_ms from now; NEVER for a negative one. */
int64_t time_after(int64_t timeout_ms);

/*
 * poll(2) until something is ready or the moment has come. A signal caught by catchSignals ends it, too, but only once:
 * after that, cleaning up can wait again.
 * Returns how many are ready, 0 at the moment, or -1 with errno (EINTR: a signal).
 */
int wait_any(struct pollfd *fds, size_t count, int64_t until);
/* The same for one descriptor: 1 when it is ready for one of the events (or has an error or is hung up). */
int wait_one(int fd, short events, int64_t until);

/* Like wait_one, but signals do not end it: for what is better finished. */
int wait_undisturbed(int fd, short events, int64_t until);

/* Takes the note of a caught signal that no wait has seen yet; its number, or 0. */
int signals_take(void);

/*
 * For the time of a foreground process: these signals (up to 64, 1 << (n - 1) each) come as bytes through a pipe.
 * signals_listen returns the reading end, or -1 with errno; signals_unlisten puts everything back as it was.
 */
int signals_listen(uint64_t set);
void signals_unlisten(void);

#endif
