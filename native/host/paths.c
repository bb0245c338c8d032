/* Files as names: making, removing, asking about them. */
#include "host.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "fd.h"
#include "signals.h"

#define MAX_MODE 07777
#define MAX_ID ((int64_t)UINT32_MAX - 1) /* UINT32_MAX is the kernel's "leave unchanged" */

int host_open(struct host_call *call)
{
	const char *path;
	int64_t flags, mode;
	int fd;

	if (arg_cstr(call, 0, "path", &path) < 0 || arg_int(call, 1, "flags", 0, INT32_MAX, &flags) < 0 ||
	    arg_int(call, 2, "mode", 0, MAX_MODE, &mode) < 0)
		return -1;
	do
		fd = fd_open(path, (int)flags | O_CLOEXEC | O_NOCTTY, (mode_t)mode);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return host_fail(call, errno, "open", "%s", path);
	call->result = hv_int(fd);
	return 0;
}

int host_close(struct host_call *call)
{
	int fd;

	if (arg_fd(call, 0, "fd", &fd) < 0)
		return -1;
	/* After EINTR the descriptor is closed, too; trying again would close somebody else's. */
	if (close(fd) < 0 && errno != EINTR)
		return host_fail(call, errno, "close", "descriptor %d", fd);
	return 0;
}

int host_makeDir(struct host_call *call)
{
	const char *path;
	int64_t mode;

	if (arg_cstr(call, 0, "path", &path) < 0 || arg_int(call, 1, "mode", 0, MAX_MODE, &mode) < 0)
		return -1;
	return mkdir(path, (mode_t)mode) < 0 ? host_fail(call, errno, "mkdir", "%s", path) : 0;
}

int host_removeFile(struct host_call *call)
{
	const char *path;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	return unlink(path) < 0 ? host_fail(call, errno, "unlink", "%s", path) : 0;
}

int host_removeDir(struct host_call *call)
{
	const char *path;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	return rmdir(path) < 0 ? host_fail(call, errno, "rmdir", "%s", path) : 0;
}

int host_rename(struct host_call *call)
{
	const char *from, *to;

	if (arg_cstr(call, 0, "from", &from) < 0 || arg_cstr(call, 1, "to", &to) < 0)
		return -1;
	return rename(from, to) < 0 ? host_fail(call, errno, "rename", "%s to %s", from, to) : 0;
}

/* ---- what a file is ---------------------------------------------------------------------------------------------- */

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "link";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	default:
		return "file";
	}
}

/* FileStat of host.ts. */
static int answer_stat(struct host_call *call, const struct stat *stat)
{
	struct hv list = hv_list(&call->arena, 9), *item = list.list.items;

	if (item == NULL)
		return host_no_memory(call);
	*item++ = hv_str(kind_of(stat->st_mode));
	*item++ = hv_int(stat->st_mode & MAX_MODE);
	*item++ = hv_int(stat->st_uid);
	*item++ = hv_int(stat->st_gid);
	*item++ = hv_uint(stat->st_dev);
	*item++ = hv_uint(stat->st_ino);
	*item++ = hv_int(stat->st_size);
	*item++ = hv_int(major(stat->st_rdev));
	*item++ = hv_int(minor(stat->st_rdev));
	call->result = list;
	return 0;
}

int host_stat(struct host_call *call)
{
	struct stat result;
	const char *path;
	bool follow;

	if (arg_cstr(call, 0, "path", &path) < 0 || arg_bool(call, 1, "follow", &follow) < 0)
		return -1;
	if (fstatat(AT_FDCWD, path, &result, follow ? 0 : AT_SYMLINK_NOFOLLOW) == 0)
		return answer_stat(call, &result);
	return errno == ENOENT || errno == ENOTDIR ? 0 : host_fail(call, errno, "stat", "%s", path);
}

int host_statFd(struct host_call *call)
{
	struct stat result;
	int fd;

	if (arg_fd(call, 0, "fd", &fd) < 0)
		return -1;
	if (fstat(fd, &result) < 0)
		return host_fail(call, errno, "fstat", "descriptor %d", fd);
	return answer_stat(call, &result);
}

int host_filesystemType(struct host_call *call)
{
	struct statfs result;
	const char *path;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	if (statfs(path, &result) < 0)
		return host_fail(call, errno, "statfs", "%s", path);
	/* some magic numbers have their top bit set: unsigned, as the kernel's headers write them */
	call->result = hv_int((uint32_t)result.f_type);
	return 0;
}

int host_realPath(struct host_call *call)
{
	const char *path;
	char *resolved;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	resolved = realpath(path, NULL);
	if (resolved == NULL)
		return host_fail(call, errno, "realpath", "%s", path);
	call->result = hv_str_copy(&call->arena, resolved, strlen(resolved));
	free(resolved);
	return call->result.kind == HV_NONE ? host_no_memory(call) : 0;
}

int host_readLink(struct host_call *call)
{
	char target[PATH_MAX];
	const char *path;
	ssize_t length;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	length = readlink(path, target, sizeof target);
	if (length < 0)
		return host_fail(call, errno, "readlink", "%s", path);
	if (length == sizeof target)
		return host_fail(call, ENAMETOOLONG, "readlink", "%s", path);
	call->result = hv_str_copy(&call->arena, target, (size_t)length);
	return call->result.kind == HV_NONE ? host_no_memory(call) : 0;
}

int host_chown(struct host_call *call)
{
	const char *path;
	int64_t uid, gid;

	if (arg_cstr(call, 0, "path", &path) < 0 || arg_int(call, 1, "uid", 0, MAX_ID, &uid) < 0 ||
	    arg_int(call, 2, "gid", 0, MAX_ID, &gid) < 0)
		return -1;
	if (chown(path, (uid_t)uid, (gid_t)gid) < 0)
		return host_fail(call, errno, "chown", "%s to %" PRId64 ":%" PRId64, path, uid, gid);
	return 0;
}

/* ---- fifos, locks ------------------------------------------------------------------------------------------------ */

int host_makeFifo(struct host_call *call)
{
	const char *path;
	int64_t mode;

	if (arg_cstr(call, 0, "path", &path) < 0 || arg_int(call, 1, "mode", 0, MAX_MODE, &mode) < 0)
		return -1;
	return mkfifo(path, (mode_t)mode) < 0 ? host_fail(call, errno, "mkfifo", "%s", path) : 0;
}

int host_openFifoWriter(struct host_call *call)
{
	OWNED_FD both = -1;
	OWNED_FD writer = -1;
	struct stat stat;
	const char *path;
	char link[32];

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	/* O_RDWR never waits for a partner; while it is open, the writing end does not either. */
	both = fd_open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (both < 0)
		return host_fail(call, errno, "open", "%s", path);
	if (fstat(both, &stat) < 0)
		return host_fail(call, errno, "fstat", "%s", path);
	if (!S_ISFIFO(stat.st_mode))
		return host_fail(call, EINVAL, "open", "%s", path);
	snprintf(link, sizeof link, "/proc/self/fd/%d", both);
	writer = fd_open(link, O_WRONLY | O_CLOEXEC);
	if (writer < 0)
		return host_fail(call, errno, "open", "%s", path);
	call->result = hv_int(fd_take(&writer));
	return 0;
}

int host_lock(struct host_call *call)
{
	int64_t timeout_ms, until, pause_ms = 1;
	int fd;

	if (arg_fd(call, 0, "fd", &fd) < 0 || arg_int(call, 1, "timeoutMs", -1, INT32_MAX, &timeout_ms) < 0)
		return -1;
	until = time_after(timeout_ms);
	/* flock(2) has no timeout of its own; locks are held for milliseconds, so asking again costs little. */
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int64_t next;

		if (errno != EWOULDBLOCK && errno != EINTR)
			return host_fail(call, errno, "flock", "descriptor %d", fd);
		if (time_now() >= until) {
			call->result = hv_bool(false);
			return 0;
		}
		next = time_after(pause_ms);
		if (wait_any(NULL, 0, next < until ? next : until) < 0)
			return host_fail(call, errno, "flock", "descriptor %d", fd);
		if (pause_ms < 16)
			pause_ms *= 2;
	}
	call->result = hv_bool(true);
	return 0;
}
