/* Directories: listing one, and removing one with all below it without ever leaving it. */
#include "host.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fd.h"
#include "kernel.h"

static bool is_dots(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* ---- listDir --------------------------------------------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
	const struct hv *left = a, *right = b;

	return strcmp(left->str.ptr, right->str.ptr);
}

/* Adds the names to a growing list in the arena. */
static int collect_names(struct host_call *call, DIR *dir, struct hv *names)
{
	struct hv list = hv_list(&call->arena, 0);
	size_t room = 0;
	struct dirent *entry;

	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			break;
		if (is_dots(entry->d_name))
			continue;
		if (list.list.count == room) {
			struct hv *more;

			room = room == 0 ? 32 : room * 2;
			more = arena_array(&call->arena, room, sizeof *more);
			if (more == NULL)
				return -1;
			memcpy(more, list.list.items, list.list.count * sizeof *more);
			list.list.items = more;
		}
		list.list.items[list.list.count] = hv_str_copy(&call->arena, entry->d_name, strlen(entry->d_name));
		if (list.list.items[list.list.count++].kind == HV_NONE)
			return -1;
	}
	if (errno != 0)
		return -1;
	if (list.list.count > 1)
		qsort(list.list.items, list.list.count, sizeof(struct hv), by_bytes);
	*names = list;
	return 0;
}

int host_listDir(struct host_call *call)
{
	const char *path;
	DIR *dir;
	int result;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	dir = opendir(path);
	if (dir == NULL)
		return host_fail(call, errno, "opendir", "%s", path);
	result = collect_names(call, dir, &call->result);
	if (result < 0)
		host_record_failure(call, errno == 0 ? ENOMEM : errno, "readdir", "%s", path);
	closedir(dir);
	return result;
}

/* ---- removeTree -------------------------------------------------------------------------------------------------- */

/* What we remove (state directories) is flat; who nests deeper than this plays with us. */
#define MAX_NESTING 100
/* How often somebody may put new files or mounts into a directory that we empty. */
#define MAX_ROUNDS 16

/* Takes the mount off parent/name. Through the descriptor, so that no link on the way leads elsewhere. */
static int detach_mount(int parent, const char *name)
{
	char path[32 + NAME_MAX + 1];

	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", parent, name);
	return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
}

static int mount_id(int fd, uint64_t *id)
{
	struct kernel_statx st;

	if (syscall(SYS_statx, fd, "", KERNEL_AT_EMPTY_PATH, KERNEL_STATX_MNT_ID, &st) < 0)
		return -1;
	*id = st.mount_id;
	return 0;
}

/* Where openat2 is refused: the ids tell whether there is another mount on the directory. EXDEV, then. */
static int open_on_same_mount(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t above, here;

	if (fd < 0)
		return -1;
	if (mount_id(parent, &above) == 0 && mount_id(fd, &here) == 0 && above == here)
		return fd;
	fd_close(&fd);
	errno = EXDEV;
	return -1;
}

/*
 * Opens a directory in `parent`. A mount found on it is detached first: its content is not ours to remove.
 */
static int open_below(int parent, const char *name)
{
	struct kernel_open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = KERNEL_RESOLVE_NO_XDEV | KERNEL_RESOLVE_NO_SYMLINKS,
	};

	for (int round = 0; round < MAX_ROUNDS; round++) {
		int fd = (int)syscall(CALL_OPENAT2, parent, name, &how, sizeof how);

		if (fd < 0 && (errno == ENOSYS || errno == EPERM))
			fd = open_on_same_mount(parent, name);
		if (fd >= 0 || (errno != EXDEV && errno != EAGAIN))
			return fd;
		if (errno == EXDEV && detach_mount(parent, name) < 0)
			return -1;
	}
	errno = EBUSY;
	return -1;
}

static int remove_entry(int parent, const char *name, bool may_be_directory, int nesting);

/* Removes all that is in the directory now. Takes fd. */
static int empty_directory(int fd, int nesting)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int err = 0;

	if (dir == NULL) {
		fd_close(&fd);
		return -1;
	}
	while (err == 0) {
		bool may_be_directory;

		errno = 0;
		entry = readdir(dir);
		err = errno;
		if (entry == NULL)
			break;
		may_be_directory = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
		if (!is_dots(entry->d_name) && remove_entry(dirfd(dir), entry->d_name, may_be_directory, nesting) < 0)
			err = errno;
	}
	closedir(dir);
	errno = err;
	return err == 0 ? 0 : -1;
}

static int remove_directory(int parent, const char *name, int nesting)
{
	if (nesting == MAX_NESTING) {
		errno = ELOOP;
		return -1;
	}
	for (int round = 0; round < MAX_ROUNDS; round++) {
		int fd = open_below(parent, name);

		if (fd < 0 || empty_directory(fd, nesting + 1) < 0)
			return errno == ENOENT ? 0 : -1;
		if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != ENOTEMPTY && errno != EEXIST && errno != EBUSY)
			return -1;
	}
	return -1;
}

static int remove_entry(int parent, const char *name, bool may_be_directory, int nesting)
{
	if (!may_be_directory) {
		for (int round = 0; round < MAX_ROUNDS; round++) {
			if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
				return 0;
			/* a file with a mount on it */
			if (errno != EBUSY || detach_mount(parent, name) < 0)
				break;
		}
		/* EISDIR: it has become a directory meanwhile */
		if (errno != EISDIR)
			return -1;
	}
	if (remove_directory(parent, name, nesting) == 0)
		return 0;
	if (may_be_directory && (errno == ENOTDIR || errno == ELOOP))
		return remove_entry(parent, name, false, MAX_NESTING);
	return -1;
}

/* Splits off the last component: *folder is a copy of what is before it ("." for nothing). */
static char *split_path(struct arena *arena, const char *path, char **folder)
{
	size_t length = strlen(path), start;
	char *copy = arena_alloc(arena, length + 1), *name = arena_alloc(arena, length + 1);

	if (copy == NULL || name == NULL)
		return NULL;
	while (length > 1 && path[length - 1] == '/')
		length--;
	for (start = length; start > 0 && path[start - 1] != '/'; start--)
		continue;
	memcpy(copy, start == 0 ? "." : path, start == 0 ? 1 : start);
	copy[start == 0 ? 1 : start] = '\0';
	memcpy(name, path + start, length - start);
	name[length - start] = '\0';
	*folder = copy;
	return name;
}

int host_removeTree(struct host_call *call)
{
	OWNED_FD parent = -1;
	const char *path;
	char *folder, *name;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	name = split_path(&call->arena, path, &folder);
	if (name == NULL)
		return host_no_memory(call);
	if (*name == '\0' || is_dots(name))
		return host_fail(call, EINVAL, "rmdir", "%s", path);
	parent = fd_open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return errno == ENOENT ? 0 : host_fail(call, errno, "open", "%s", folder);
	if (remove_entry(parent, name, true, 0) < 0)
		return host_fail(call, errno, "rmdir", "%s", path);
	return 0;
}
