/*
 * The one resolver. A path that an image, a neighbour or a config's author can influence becomes a descriptor here, once,
 * and only the descriptor travels on. openat2(2) does it in the kernel; where it is refused, or where something must be
 * made on the way, a walk by hand does the same: every component is opened without following links, links are read and
 * walked themselves, and ".." starts again from the root with what is left of the path, so that a directory moved meanwhile
 * can't lead outside.
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "kernel.h"

#define PATH_BYTES 4096
#define MAX_LINKS 40 /* as the kernel */

/* A path being walked by hand. */
struct walk {
	int root;
	int how;
	int at;                     /* the directory reached; root itself is borrowed, others are ours */
	char done[PATH_BYTES];      /* the way to `at` from the root, without links and dots */
	size_t done_len;
	char todo[2 * PATH_BYTES];  /* what is left */
	const char *next;           /* in todo */
	int links;
	int created;
	uint64_t mount;
};

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

static void leave(struct walk *walk)
{
	if (walk->at != walk->root)
		close_fd(&walk->at);
	walk->at = walk->root;
}

/* Takes the next component out of todo. Returns its length, 0 at the end. */
static size_t next_component(struct walk *walk, const char **name)
{
	size_t len;

	walk->next += strspn(walk->next, "/");
	*name = walk->next;
	len = strcspn(walk->next, "/");
	walk->next += len;
	return len;
}

/* Whether only slashes and dots are left: then the present component is the last. */
static int at_end(const struct walk *walk)
{
	const char *rest = walk->next;

	for (;;) {
		rest += strspn(rest, "/");
		if (rest[0] != '.' || (rest[1] != '/' && rest[1] != 0))
			return rest[0] == 0;
		rest++;
	}
}

/* Puts text before what is left. */
static int push_todo(struct walk *walk, const char *text, size_t len)
{
	size_t rest = strlen(walk->next);

	if (len + 1 + rest + 1 > sizeof(walk->todo)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memmove(walk->todo + len + 1, walk->next, rest + 1);
	memcpy(walk->todo, text, len);
	walk->todo[len] = '/';
	walk->next = walk->todo;
	return 0;
}

/* "..": the walked path without its last component is walked anew. At the root it stays there. */
static int step_up(struct walk *walk)
{
	char parent[PATH_BYTES];
	size_t len = walk->done_len;

	if (len == 0 && (walk->how & RESOLVE_BELOW) != 0) {
		errno = EXDEV;
		return -1;
	}
	while (len > 0 && walk->done[len - 1] != '/')
		len--;
	if (len > 0)
		len--;
	memcpy(parent, walk->done, len);
	leave(walk);
	walk->done_len = 0;
	return push_todo(walk, parent, len);
}

static int follow_link(struct walk *walk, int link)
{
	char text[PATH_BYTES];
	ssize_t len;

	if (++walk->links > MAX_LINKS || (walk->how & RESOLVE_NO_LINKS) != 0) {
		errno = ELOOP;
		return -1;
	}
	len = readlinkat(link, "", text, sizeof(text));
	if (len <= 0 || len == (ssize_t)sizeof(text)) {
		errno = len == 0 ? ENOENT : len < 0 ? errno : ENAMETOOLONG;
		return -1;
	}
	if (text[0] == '/') {
		if ((walk->how & RESOLVE_BELOW) != 0) {
			errno = EXDEV;
			return -1;
		}
		leave(walk);
		walk->done_len = 0;
	}
	return push_todo(walk, text, (size_t)len);
}

/* Makes a missing component. Somebody else making it at the same moment is as good. */
static int create(struct walk *walk, const char *name)
{
	int is_file = (walk->how & RESOLVE_CREATE_FILE) != 0 && at_end(walk);
	int made = is_file ? mknodat(walk->at, name, S_IFREG | 0644, 0) : mkdirat(walk->at, name, 0755);

	if (made < 0 && errno != EEXIST)
		return -1;
	walk->created = made == 0 && at_end(walk);
	return 0;
}

/* Opens one component without following it; makes it where it is missing and that is wanted. */
static int open_component(struct walk *walk, const char *name)
{
	int fd = openat(walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	uint64_t mount;

	if (fd < 0 && errno == ENOENT && (walk->how & (RESOLVE_CREATE_DIRECTORY | RESOLVE_CREATE_FILE)) != 0) {
		if (create(walk, name) < 0)
			return -1;
		fd = openat(walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd >= 0 && (walk->how & RESOLVE_ONE_MOUNT) != 0) {
		int known = kernel_mount_id(fd, &mount);

		if (known < 0 || mount != walk->mount) {
			errno = known < 0 ? errno : EXDEV;
			close_fd(&fd);
		}
	}
	return fd;
}

static int enter(struct walk *walk, int directory, const char *name, size_t len)
{
	if (walk->done_len + 1 + len >= sizeof(walk->done)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	walk->done[walk->done_len++] = '/';
	memcpy(walk->done + walk->done_len, name, len);
	walk->done_len += len;
	leave(walk);
	walk->at = directory;
	return 0;
}

/* Walks until the end or an error. Returns the last component's descriptor, or -1 with errno. */
static int walk_on(struct walk *walk)
{
	for (;;) {
		char name[256];
		const char *component;
		size_t len = next_component(walk, &component);
		struct stat st;
		_scoped int fd = -1;

		if (len == 0) { /* the path ended in a directory, maybe the root itself */
			fd = walk->at == walk->root ? openat(walk->root, ".", O_PATH | O_CLOEXEC) : walk->at;
			walk->at = walk->root;
			return take_fd(&fd);
		}
		if (len == 1 && component[0] == '.')
			continue;
		if (len == 2 && component[0] == '.' && component[1] == '.') {
			if (step_up(walk) < 0)
				return -1;
			continue;
		}
		if (len >= sizeof(name)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, component, len);
		name[len] = 0;
		fd = open_component(walk, name);
		if (fd < 0 || fstat(fd, &st) < 0)
			return -1;
		if (S_ISLNK(st.st_mode) && !((walk->how & RESOLVE_LAST_LINK) != 0 && at_end(walk))) {
			if (follow_link(walk, fd) < 0)
				return -1;
			continue;
		}
		if (S_ISDIR(st.st_mode)) {
			if (enter(walk, fd, name, len) < 0)
				return -1;
			fd = -1;
			continue;
		}
		if (!at_end(walk)) {
			errno = ENOTDIR;
			return -1;
		}
		return take_fd(&fd);
	}
}

static int by_hand(int root, const char *path, int how, int *created)
{
	static struct walk walk; /* too large for comfort on the stack; init has one thread */
	int fd;

	if (path[0] == 0) {
		errno = ENOENT;
		return -1;
	}
	walk = (struct walk){.root = root, .how = how, .at = root};
	walk.next = walk.todo;
	if ((path[0] == '/' && (how & RESOLVE_BELOW) != 0) ||
	    ((how & RESOLVE_ONE_MOUNT) != 0 && kernel_mount_id(root, &walk.mount) < 0)) {
		errno = EXDEV;
		return -1;
	}
	if (push_todo(&walk, path, strlen(path)) < 0)
		return -1;
	fd = walk_on(&walk);
	leave(&walk);
	if (created != NULL)
		*created = walk.created;
	return fd;
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
	return by_hand(root, path, how, created);
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
