/*
 * What may be mounted below /proc. A mount over /proc/self/attr or /proc/sys would turn a later write of the program,
 * or of an exec into this container, into a write elsewhere; so, like the other runtimes, only procfs itself goes on
 * /proc, and below it only the files that lxcfs and its like replace. Decided on the descriptor that was resolved, not
 * on the text of the destination, so that a link to /proc/self changes nothing.
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "kernel.h"

static const char *const replaceable[] = {
	"cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo",
	"sys/kernel/ns_last_pid", "sys/crypto/fips_enabled",
};

static int on_proc(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == KERNEL_MAGIC_PROC;
}

int path_in_root(struct init *in, int fd, char path[4096])
{
	char root[4096];
	size_t len;

	if (proc_path(in, fd, path, 4096) < 0 || proc_path(in, in->root, root, sizeof(root)) < 0)
		return -1;
	len = strlen(root);
	if (len == 1) /* the root is "/" */
		return 0;
	if (strncmp(path, root, len) != 0 || (path[len] != '/' && path[len] != 0)) {
		errno = EXDEV;
		return -1;
	}
	memmove(path, path + len, strlen(path + len) + 1);
	return 0;
}

static int is_replaceable(const char *below_proc)
{
	for (size_t i = 0; i < sizeof(replaceable) / sizeof(replaceable[0]); i++)
		if (strcmp(below_proc, replaceable[i]) == 0)
			return 1;
	return 0;
}

int check_destination(struct init *in, int source, int target, char path[4096], struct failure *why)
{
	if (in->proc_fds < 0)
		return FAIL(why, ENXIO, "plan", "mounts need own_proc before them");
	if (path_in_root(in, target, path) < 0)
		return FAIL(why, errno, "readlinkat", "the destination left the root file system");
	/* by a link of the image: what was mounted so far would lie below */
	if (path[0] == 0 || strcmp(path, "/") == 0)
		return FAIL(why, EINVAL, "mount", "the destination is \"/\": a mount there would hide the root file system");
	if (strcmp(path, "/proc") == 0 && !on_proc(source))
		return FAIL(why, EINVAL, "mount", "\"", path, "\" cannot be mounted because it is not of type proc");
	if (strncmp(path, "/proc/", 6) == 0 && is_replaceable(path + 6))
		return 0;
	/* a procfs that lies elsewhere gets nothing but a procfs on it */
	if (strncmp(path, "/proc/", 6) == 0 || (on_proc(target) && !on_proc(source)))
		return FAIL(why, EINVAL, "mount", "\"", path, "\" cannot be mounted because it is inside /proc");
	return 0;
}
