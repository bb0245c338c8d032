/*
 * tmpcopyup: the content of a directory into the tmpfs that will cover it; owner, mode, links and attributes
 * unchanged.
 */
#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "kernel.h"

#define MAX_DEPTH 64

/* A directory entry as the kernel gives it. */
struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

static int copy_directory(int from, int to, int depth, struct failure *why);

/* Owner, mode, times and extended attributes, the mode last: changing the owner clears set-id bits. */
static int copy_metadata(int from, int to, const struct stat *st, struct failure *why)
{
	struct timespec times[2] = {st->st_atim, st->st_mtim};
	char names[4096], value[4096];
	ssize_t len = flistxattr(from, names, sizeof(names));

	if (fchown(to, st->st_uid, st->st_gid) < 0)
		return FAIL(why, errno, "fchown", "");
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t size = fgetxattr(from, names + at, value, sizeof(value));

		/* tmpfs knows only some; the others can't matter there */
		if (size >= 0 && fsetxattr(to, names + at, value, (size_t)size, 0) < 0 && errno != EOPNOTSUPP)
			return FAIL(why, errno, "fsetxattr", names + at);
	}
	if (fchmod(to, st->st_mode & 07777) < 0)
		return FAIL(why, errno, "fchmod", "");
	if (futimens(to, times) < 0)
		return FAIL(why, errno, "futimens", "");
	return 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st, struct failure *why)
{
	_scoped int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_scoped int out = -1;
	ssize_t moved;

	if (in < 0)
		return FAIL(why, errno, "openat", "copy of ", name);
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return FAIL(why, errno, "openat", "copy of ", name);
	do
		moved = sendfile(out, in, NULL, 1 << 20);
	while (moved > 0);
	if (moved < 0)
		return FAIL(why, errno, "sendfile", "copy of ", name);
	return copy_metadata(in, out, st, why);
}

static int copy_link(int from, int to, const char *name, const struct stat *st, struct failure *why)
{
	char target[4096];
	ssize_t len = readlinkat(from, name, target, sizeof(target) - 1);

	if (len < 0)
		return FAIL(why, errno, "readlinkat", "copy of ", name);
	target[len] = 0;
	if (symlinkat(target, to, name) < 0 || fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return FAIL(why, errno, "symlinkat", "copy of ", name);
	return 0;
}

static int copy_subdirectory(int from, int to, const char *name, const struct stat *st, int depth,
			     struct failure *why)
{
	_scoped int source = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_scoped int copy = -1;

	if (source < 0)
		return FAIL(why, errno, "openat", "copy of ", name);
	if (mkdirat(to, name, 0700) < 0)
		return FAIL(why, errno, "mkdirat", "copy of ", name);
	copy = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (copy < 0)
		return FAIL(why, errno, "openat", "copy of ", name);
	if (copy_directory(source, copy, depth + 1, why) < 0)
		return -1;
	return copy_metadata(source, copy, st, why);
}

static int copy_entry(int from, int to, const char *name, int depth, struct failure *why)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return FAIL(why, errno, "fstatat", "copy of ", name);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(from, to, name, &st, why);
	case S_IFLNK:
		return copy_link(from, to, name, &st, why);
	case S_IFDIR:
		return copy_subdirectory(from, to, name, &st, depth, why);
	default:
		if (mknodat(to, name, st.st_mode, st.st_rdev) < 0 ||
		    fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
			return FAIL(why, errno, "mknodat", "copy of ", name);
		return 0;
	}
}

static int copy_directory(int from, int to, int depth, struct failure *why)
{
	_Alignas(struct entry) char buffer[2048];
	long len;

	if (depth > MAX_DEPTH)
		return FAIL(why, ELOOP, "getdents64", "copy: too deep");
	while ((len = syscall(SYS_getdents64, from, buffer, sizeof(buffer))) > 0)
		for (long at = 0; at < len;) {
			const struct entry *entry = (const void *)(buffer + at);

			at += entry->size;
			if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
				continue;
			if (copy_entry(from, to, entry->name, depth, why) < 0)
				return -1;
		}
	return len < 0 ? FAIL(why, errno, "getdents64", "copy") : 0;
}

int copy_up(int from, int to, struct failure *why)
{
	_scoped int source = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_scoped int copy = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (source < 0 || copy < 0)
		return FAIL(why, errno, "openat", "copy");
	return copy_directory(source, copy, 0, why);
}
