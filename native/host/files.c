/* Reading and writing files: small ones, whole, and never so that we could hang on what is not a file. */
#include "host.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "fd.h"
#include "signals.h"
#include "text.h"

/* More than any text of ours, and small enough that twice as much is no overflow anywhere. */
#define MOST_BYTES ((int64_t)1 << 30)
#define WRITE_PATIENCE_MS 5000

/* ---- reading --------------------------------------------------------------------------------------------------- */

/*
 * Reads to the end into the arena. `expected` is the size, 0 if that isn't known: proc and sysfs files have none, or a
 * guess. `what` names the file in failures.
 */
static int read_all(struct host_call *call, int fd, size_t expected, size_t most, const char *what, struct hv *text)
{
	size_t room = (expected < 4000 ? 4000 : expected < most ? expected : most) + 1, length = 0, bad;
	char *buffer = arena_alloc(&call->arena, room + 1);

	for (;;) {
		ssize_t got;

		if (buffer == NULL)
			return host_no_memory(call);
		got = read(fd, buffer + length, room - length);
		if (got == 0)
			break;
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return host_fail(call, errno, "read", "%s", what);
		if (got < 0) {
			if (wait_one(fd, POLLIN, NEVER) < 0)
				return host_fail(call, errno, "read", "%s", what);
			continue;
		}
		length += (size_t)got;
		if (length > most)
			return host_fail(call, EFBIG, "read", "%s", what);
		if (length == expected)
			break; /* as large as it was when opened: no call just to hear that this is the end */
		if (length == room) {
			char *larger = arena_alloc(&call->arena, room * 2 + 1);

			if (larger != NULL)
				memcpy(larger, buffer, length);
			buffer = larger;
			room *= 2;
		}
	}
	if (!text_is_utf8(buffer, length, &bad))
		return host_fail(call, EILSEQ, "read", "%s: invalid UTF-8 at byte %zu", what, bad);
	buffer[length] = '\0';
	*text = hv_str_len(buffer, length);
	return 0;
}

int host_readText(struct host_call *call)
{
	struct stat stat;
	const char *path;
	int64_t most;
	OWNED_FD fd = -1;

	if (arg_cstr(call, 0, "path", &path) < 0 || arg_int(call, 1, "maxBytes", 0, MOST_BYTES, &most) < 0)
		return -1;
	fd = fd_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return host_fail(call, errno, "open", "%s", path);
	if (fstat(fd, &stat) < 0)
		return host_fail(call, errno, "fstat", "%s", path);
	if (S_ISDIR(stat.st_mode))
		return host_fail(call, EISDIR, "read", "%s", path);
	if (!S_ISREG(stat.st_mode))
		return host_fail(call, EINVAL, "read", "%s: not a regular file", path);
	if (stat.st_size > most)
		return host_fail(call, EFBIG, "read", "%s", path);
	return read_all(call, fd, (size_t)stat.st_size, (size_t)most, path, &call->result);
}

int host_readFd(struct host_call *call)
{
	char what[32];
	int64_t most;
	int fd;

	if (arg_fd(call, 0, "fd", &fd) < 0 || arg_int(call, 1, "maxBytes", 0, MOST_BYTES, &most) < 0)
		return -1;
	snprintf(what, sizeof what, "descriptor %d", fd);
	return read_all(call, fd, 0, (size_t)most, what, &call->result);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

int host_writeText(struct host_call *call)
{
	const char *path, *text;
	OWNED_FD fd = -1;
	ssize_t written;
	size_t len;

	if (arg_cstr(call, 0, "path", &path) < 0 || arg_str(call, 1, "text", &text, &len) < 0)
		return -1;
	/* Not O_NONBLOCK: with it the kernel sets memory limits without reclaiming. */
	fd = fd_open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return host_fail(call, errno, "open", "%s", path);
	do
		written = write(fd, text, len);
	while (written < 0 && errno == EINTR);
	if (written < 0)
		return host_fail(call, errno, "write", "%s", path);
	if ((size_t)written != len)
		return host_fail(call, EIO, "write", "%s", path);
	return 0;
}

/* Writes to a pipe raise SIGPIPE, which is nobody else's business: it is kept off this thread and thrown away. */
struct no_sigpipe {
	sigset_t mask;
	bool was_pending;
};

static void no_sigpipe_begin(struct no_sigpipe *state)
{
	sigset_t pipe_only, pending;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	state->was_pending = sigismember(&pending, SIGPIPE) > 0;
	pthread_sigmask(SIG_BLOCK, &pipe_only, &state->mask);
}

static void no_sigpipe_end(struct no_sigpipe *state)
{
	const struct timespec at_once = {0};
	int saved = errno;
	sigset_t pipe_only;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	if (!state->was_pending)
		while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR)
			continue;
	pthread_sigmask(SIG_SETMASK, &state->mask, NULL);
	errno = saved;
}

/* Writes all of it; waits while the descriptor is full, at most until the moment: then -1 with EAGAIN. */
static int write_patiently(int fd, const char *text, size_t len, int64_t until)
{
	/* A pipe that poll(2) calls writable takes this much without blocking. */
	const size_t piece = 4096;
	struct stat stat;
	bool is_socket;

	if (fstat(fd, &stat) < 0)
		return -1;
	is_socket = S_ISSOCK(stat.st_mode);
	while (len > 0) {
		size_t now = S_ISREG(stat.st_mode) || len < piece ? len : piece;
		ssize_t written;
		int ready = S_ISREG(stat.st_mode) ? 1 : wait_undisturbed(fd, POLLOUT, until);

		if (ready == 0)
			errno = EAGAIN;
		if (ready <= 0)
			return -1;
		written = is_socket ? send(fd, text, now, MSG_NOSIGNAL | MSG_DONTWAIT) : write(fd, text, now);
		if (written < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		if (written > 0) {
			text += written;
			len -= (size_t)written;
		}
	}
	return 0;
}

int host_writeFd(struct host_call *call)
{
	struct no_sigpipe quiet;
	const char *text;
	int fd, result;
	size_t len;

	if (arg_fd(call, 0, "fd", &fd) < 0 || arg_str(call, 1, "text", &text, &len) < 0)
		return -1;
	no_sigpipe_begin(&quiet);
	result = write_patiently(fd, text, len, time_after(WRITE_PATIENCE_MS));
	no_sigpipe_end(&quiet);
	return result < 0 ? host_fail(call, errno, "write", "descriptor %d", fd) : 0;
}

/* ---- replacing a file -------------------------------------------------------------------------------------------- */

/* The path of a temporary file beside `path`, which nobody else makes at the same time. */
static char *temporary_name(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t folder = slash == NULL ? 0 : (size_t)(slash - path) + 1;
	char *name = arena_alloc(arena, folder + 48);

	if (name != NULL) {
		memcpy(name, path, folder);
		snprintf(name + folder, 48, ".tmp-%d-%llx", (int)getpid(), (unsigned long long)time_now());
	}
	return name;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t written = write(fd, text, len);

		if (written < 0 && errno != EINTR)
			return -1;
		if (written > 0) {
			text += written;
			len -= (size_t)written;
		}
	}
	return 0;
}

/* The new name itself must survive a crash, too. */
static int sync_folder_of(const char *path, struct arena *arena)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
	char *folder = arena_alloc(arena, length + 1);
	OWNED_FD fd = -1;

	if (folder == NULL) {
		errno = ENOMEM;
		return -1;
	}
	memcpy(folder, slash == NULL ? "." : path, length);
	folder[length] = '\0';
	fd = fd_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

/* Fills the temporary file and puts it in place; names the step that failed. */
static const char *fill_and_rename(int fd, const char *temporary, const char *path, const struct hv *text, mode_t mode,
				   bool sync)
{
	/* the mode asked for, whatever the umask is */
	if (fchmod(fd, mode) < 0)
		return "fchmod";
	if (write_all(fd, text->str.ptr, text->str.len) < 0)
		return "write";
	if (sync && fsync(fd) < 0)
		return "fsync";
	return rename(temporary, path) < 0 ? "rename" : NULL;
}

int host_writeAtomic(struct host_call *call)
{
	struct hv text = {.kind = HV_STR};
	const char *path, *failed;
	char *temporary;
	OWNED_FD fd = -1;
	int64_t mode;
	bool sync;

	if (arg_cstr(call, 0, "path", &path) < 0 || arg_str(call, 1, "text", &text.str.ptr, &text.str.len) < 0 ||
	    arg_int(call, 2, "mode", 0, 07777, &mode) < 0 || arg_bool(call, 3, "sync", &sync) < 0)
		return -1;
	temporary = temporary_name(&call->arena, path);
	if (temporary == NULL)
		return host_no_memory(call);
	fd = fd_open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return host_fail(call, errno, "open", "%s", path);
	failed = fill_and_rename(fd, temporary, path, &text, (mode_t)mode, sync);
	if (failed != NULL) {
		int err = errno;

		unlink(temporary);
		return host_fail(call, err, failed, "%s", path);
	}
	if (sync && sync_folder_of(path, &call->arena) < 0)
		return host_fail(call, errno, "fsync", "%s", path);
	return 0;
}
