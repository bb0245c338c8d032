/*
 * The walk by hand of the resolver, for kernels and filters that refuse openat2(2), and for paths of which something must
 * be made. Every component is opened without following it; a link is read and its text walked itself; ".." walks the part
 * before it again from the root, so that a directory moved meanwhile can't lead outside.
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel.h"

#define PATH_BYTES 4096
#define MAX_LINKS 40 /* as the kernel */

/* A path being walked by hand. */
struct walk {
	int root;
	int how;
	int at;                     /* the directory reached; root itself is borrowed, others are ours */
	int links;
	int created;
	const char *next;           /* in todo */
	uint64_t mount;
	size_t done_len;
	char done[PATH_BYTES];      /* the way to `at` from the root, without links and dots */
	char todo[2 * PATH_BYTES];  /* what is left */
};

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

/* One by one: zeroing the buffers, too, would cost three pages of a container's memory limit. */
static void begin(struct walk *walk, int root, int how)
{
	walk->root = walk->at = root;
	walk->how = how;
	walk->done_len = 0;
	walk->todo[0] = 0;
	walk->next = walk->todo;
	walk->links = walk->created = 0;
	walk->mount = 0;
}

int walk_by_hand(int root, const char *path, int how, int *created)
{
	static struct walk walk; /* too large for comfort on the stack; init has one thread */
	int fd;

	if (path[0] == 0) {
		errno = ENOENT;
		return -1;
	}
	begin(&walk, root, how);
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
