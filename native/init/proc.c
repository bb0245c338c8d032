/*
 * init's own procfs. Whatever the container has on /proc is content of the container: labels and settings must not be
 * written into files it made. So init mounts a procfs nobody else can see or cover, checks that it is one, and goes
 * through it for everything. https://www.kernel.org/doc/html/latest/filesystems/proc.html, subset=pid
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "kernel.h"

#define PROC_ROOT_INODE 1

/* Whether fd lies on a procfs; root: and is its root directory. */
static int is_proc(int fd, int root)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return 0;
	return fs.f_type == KERNEL_MAGIC_PROC && (!root || st.st_ino == PROC_ROOT_INODE);
}

/* A new procfs of the present pid namespace. Returns it detached, or -1 with errno. */
static int new_proc(int subset_pid)
{
	_scoped int fs = kernel_fsopen("proc");
	unsigned int attr = KERNEL_ATTR_NOSUID | KERNEL_ATTR_NODEV | KERNEL_ATTR_NOEXEC;

	if (fs < 0)
		return -1;
	if (subset_pid && kernel_fsconfig(fs, KERNEL_FSCONFIG_SET_STRING, "subset", "pid") < 0 && errno != EINVAL)
		return -1;
	if (kernel_fsconfig(fs, KERNEL_FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return -1;
	return kernel_fsmount(fs, attr);
}

/*
 * A new procfs; where that is refused (a user namespace that sees no whole procfs), what is mounted on /proc without
 * the mounts that cover parts of it; and where that is refused, too, /proc itself, on which RESOLVE_ONE_MOUNT notices
 * covers.
 */
static int find_proc(int subset_pid)
{
	int fd = new_proc(subset_pid);

	if (fd < 0)
		fd = kernel_open_tree(AT_FDCWD, "/proc", KERNEL_OPEN_TREE_CLONE);
	if (fd < 0)
		fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && !is_proc(fd, 1)) {
		close_fd(&fd);
		errno = ENOTSUP;
	}
	return fd;
}

/* Opens below a procfs, verified. O_PATH descriptors of proc files are opened anew by the same walk. */
static int open_below(int proc, const char *path, int flags)
{
	_scoped int fd = kernel_openat2(proc, path, flags,
					KERNEL_RESOLVE_BENEATH | KERNEL_RESOLVE_NO_MAGICLINKS | KERNEL_RESOLVE_NO_XDEV);

	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
		char name[256];
		_scoped int parent = -1;
		const char *slash = strrchr(path, '/');
		char directory[256];
		struct text where = text_in(directory, sizeof(directory));

		text_add_bytes(&where, path, slash == NULL ? 0 : (size_t)(slash - path));
		parent = resolve(proc, where.len == 0 ? "." : directory, RESOLVE_BELOW | RESOLVE_ONE_MOUNT, NULL);
		text_in(name, sizeof(name));
		if (parent >= 0)
			fd = openat(parent, slash == NULL ? path : slash + 1, flags | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd >= 0 && !is_proc(fd, 0)) {
		close_fd(&fd);
		errno = EXDEV;
	}
	return take_fd(&fd);
}

int proc_open(struct init *in, const char *path, int flags)
{
	if (in->proc < 0) {
		errno = ENXIO;
		return -1;
	}
	return open_below(in->proc, path, flags);
}

int proc_path(struct init *in, int fd, char *path, size_t size)
{
	ssize_t len = readlinkat(in->proc_fds, digits_of((uint64_t)fd).text, path, size - 1);

	if (len < 0)
		return -1;
	path[len] = 0;
	return 0;
}

int proc_reopen(struct init *in, int fd, int flags)
{
	/* the magic link is wanted here, and the directory is known to be our own procfs */
	return openat(in->proc_fds, digits_of((uint64_t)fd).text, flags | O_CLOEXEC);
}

int open_regular(struct init *in, const char *path)
{
	int root = root_fd(in);
	_scoped int fd = -1;
	struct stat st;

	if (root < 0)
		return -1;
	fd = resolve(root, path, 0, NULL);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	return proc_reopen(in, fd, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

/* What a dump of this process would hold is inherited over exec; the caller's choice is none of the container's. */
static void reset_coredump_filter(struct init *in)
{
	static const char usual[] = "0x33";
	_scoped int fd = proc_open(in, "self/coredump_filter", O_WRONLY);

	/* not ours to write in a foreign user namespace: then it stays what it is, which harms nobody */
	if (fd >= 0 && write(fd, usual, sizeof(usual) - 1) < 0)
		return;
}

int run_own_proc(struct init *in, const struct op_own_proc *op, struct failure *why)
{
	(void)op;
	close_fd(&in->proc);
	close_fd(&in->proc_fds);
	in->proc = find_proc(1);
	if (in->proc < 0)
		return FAIL(why, errno, "fsopen", "proc");
	in->proc_fds = proc_open(in, "thread-self/fd", O_PATH | O_DIRECTORY);
	if (in->proc_fds < 0)
		return FAIL(why, errno, "openat2", "thread-self/fd of the own procfs");
	reset_coredump_filter(in);
	return 0;
}

int run_sysctl(struct init *in, const struct op_sysctl *op, struct failure *why)
{
	char path[512] = "sys/";
	struct text text = {path, sizeof(path), 4};
	_scoped int fd = -1;
	ssize_t written;

	if (op->path.len + 5 > sizeof(path))
		return FAIL(why, ENAMETOOLONG, "open", op->path.ptr);
	text_add(&text, op->path.ptr);
	for (const char *at = op->path.ptr; at != NULL; at = strchr(at, '/'), at += at != NULL)
		if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == 0))
			return FAIL(why, EINVAL, "open", "/proc/", path);
	/*
	 * What the plan mounted on /proc, by its descriptor, so that nothing put on top of it counts. Without one a
	 * second instance with all of it, closed by the dispatcher before the next other operation.
	 */
	if (in->sysctls < 0)
		in->sysctls = in->mounted_proc >= 0 && is_proc(in->mounted_proc, 1)
				      ? fcntl(in->mounted_proc, F_DUPFD_CLOEXEC, 3)
				      : find_proc(0);
	if (in->sysctls < 0)
		return FAIL(why, errno, "fsopen", "proc");
	fd = open_below(in->sysctls, path, O_WRONLY);
	if (fd < 0)
		return FAIL(why, errno, "open", "/proc/", path);
	written = write(fd, op->value.ptr, op->value.len);
	if (written != (ssize_t)op->value.len)
		return FAIL(why, written < 0 ? errno : EIO, "write", "/proc/", path);
	return 0;
}

/* After setting: whether the kernel shows the label, without the word before it ("exec", "stack"). */
static int label_shown(int fd, const char *label)
{
	char shown[1024];
	const char *name = strrchr(label, ' ');
	ssize_t len = pread(fd, shown, sizeof(shown) - 1, 0);

	if (len < 0)
		return 0;
	shown[len] = 0;
	return text_find(shown, name == NULL ? label : name + 1) != NULL;
}

int run_lsm_label(struct init *in, const struct op_lsm_label *op, struct failure *why)
{
	char path[256];
	struct text text = text_in(path, sizeof(path));
	_scoped int fd = -1;
	ssize_t written;

	if (strcmp(op->lsm.ptr, "apparmor") == 0) {
		text_add(&text, "thread-self/attr/apparmor/");
		text_add(&text, op->file.ptr);
		fd = proc_open(in, path, O_RDWR);
	}
	if (fd < 0) {
		text = text_in(path, sizeof(path));
		text_add(&text, "thread-self/attr/");
		text_add(&text, op->file.ptr);
		fd = proc_open(in, path, O_RDWR);
	}
	if (fd < 0)
		return FAIL(why, errno, "open", "/proc/", path, ": ", op->lsm.ptr, " label");
	written = write(fd, op->label.ptr, op->label.len);
	if (written != (ssize_t)op->label.len)
		return FAIL(why, written < 0 ? errno : EIO, "write", "/proc/", path, ": ", op->lsm.ptr, " label \"",
			    op->label.ptr, "\"");
	if (!label_shown(fd, op->label.ptr))
		return FAIL(why, EIO, "read", "/proc/", path, ": the kernel doesn't show the label \"",
			    op->label.ptr, "\"");
	return 0;
}
