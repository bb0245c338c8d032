/*
 * The one resolver. A path that an image, a neighbour or a config's author can influence becomes a descriptor here, once,
 * and only the descriptor travels on. openat2(2) does it in the kernel; where it is refused, or where something must be
 * made on the way, walk.c does the same by hand.
 * https://man7.org/linux/man-pages/man2/openat2.2.html
 */
#include "init.h"

#include <errno.h>
#include <string.h>

#include "kernel.h"

#define PATH_BYTES 4096

/* Retries are for EAGAIN and EXDEV: renames anywhere on the system made the kernel unsure about a "..". */
static int openat2_patiently(int root, const char *path, int flags, uint64_t resolve)
{
	uint64_t deadline = 0;

	for (int tries = 0;; tries++) {
		int fd = kernel_openat2(root, path, flags, resolve);

		if (fd >= 0 || (errno != EAGAIN && !(errno == EXDEV && (resolve & KERNEL_RESOLVE_IN_ROOT) != 0)))
			return fd;
		if (tries < 128)
			continue;
		if (deadline == 0)
			deadline = monotonic() + 20000000;
		else if (monotonic() > deadline)
			return -1;
	}
}

static int in_kernel(int root, const char *path, int how)
{
	uint64_t resolve = KERNEL_RESOLVE_NO_MAGICLINKS;

	resolve |= (how & RESOLVE_BELOW) != 0 ? KERNEL_RESOLVE_BENEATH : KERNEL_RESOLVE_IN_ROOT;
	if ((how & RESOLVE_NO_LINKS) != 0)
		resolve |= KERNEL_RESOLVE_NO_SYMLINKS;
	if ((how & RESOLVE_ONE_MOUNT) != 0)
		resolve |= KERNEL_RESOLVE_NO_XDEV;
	return openat2_patiently(root, path, O_PATH | ((how & RESOLVE_LAST_LINK) != 0 ? O_NOFOLLOW : 0), resolve);
}

int resolve(int root, const char *path, int how, int *created)
{
	int wants_creation = (how & (RESOLVE_CREATE_DIRECTORY | RESOLVE_CREATE_FILE)) != 0;
	int fd;

	if (created != NULL)
		*created = 0;
	fd = in_kernel(root, path, how);
	/* EPERM is a seccomp profile around us that doesn't know openat2 */
	if (fd >= 0 || !(errno == ENOSYS || errno == EPERM || (errno == ENOENT && wants_creation)))
		return fd;
	return walk_by_hand(root, path, how, created);
}

int resolve_parent(int root, const char *path, char name[256])
{
	char directory[PATH_BYTES];
	size_t len = strlen(path), start;

	while (len > 0 && path[len - 1] == '/')
		len--;
	for (start = len; start > 0 && path[start - 1] != '/';)
		start--;
	if (len - start == 0 || len - start > 255 || start >= sizeof(directory)) {
		errno = len - start == 0 ? EINVAL : ENAMETOOLONG;
		return -1;
	}
	memcpy(name, path + start, len - start);
	name[len - start] = 0;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		errno = EINVAL;
		return -1;
	}
	memcpy(directory, path, start);
	directory[start] = 0;
	return resolve(root, start == 0 ? "/" : directory, RESOLVE_CREATE_DIRECTORY, NULL);
}

int root_fd(struct init *in)
{
	if (in->root < 0)
		in->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return in->root;
}
