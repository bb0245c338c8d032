/* Descriptors: who owns one closes it. */
#ifndef TSRUNC_HOST_FD_H
#define TSRUNC_HOST_FD_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* open(2). musl's own adds a call that sets close-on-exec once more, for kernels before 2.6.23. */
#define fd_open(path, ...) openat(AT_FDCWD, (path), __VA_ARGS__)

/* Closes what is owned (-1: nothing); errno stays. */
static inline void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

/* A descriptor that is closed when its variable goes out of scope. */
#define OWNED_FD __attribute__((cleanup(fd_close))) int

/* Gives a descriptor away: the variable owns nothing any more. */
static inline int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
