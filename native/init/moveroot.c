/*
 * --no-pivot, for an initramfs as root, which pivot_root(2) refuses: the root file system is moved over "/". The
 * host's tree stays below it, so every whole procfs and sysfs in it is taken away first: with one left, the kernel
 * would let the container mount a fresh one without the masks.
 * https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "kernel.h"

#define MOUNTINFO_MAX (4u << 20)

/* Takes the next field of a line, ended by a space. */
static char *next_field(char **line)
{
	char *field = *line, *end = strchr(field, ' ');

	if (end == NULL) {
		*line = field + strlen(field);
		return field;
	}
	*end = 0;
	*line = end + 1;
	return field;
}

/* mountinfo writes space, tab, line feed and backslash as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *at = text; *at != 0; at++)
		if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] != 0 && at[3] != 0) {
			*to++ = (char)(((at[1] - '0') << 6) | ((at[2] - '0') << 3) | (at[3] - '0'));
			at += 3;
		} else
			*to++ = *at;
	*to = 0;
}

/* The mount point of a line if it shows a whole procfs or sysfs, else NULL. */
static char *dangerous_mount(char *line)
{
	char *root, *point;
	const char *dash;

	next_field(&line);
	next_field(&line);
	next_field(&line);
	root = next_field(&line);
	point = next_field(&line);
	dash = text_find(line, " - ");
	if (dash == NULL || strcmp(root, "/") != 0)
		return NULL;
	dash += 3;
	if (strncmp(dash, "proc ", 5) != 0 && strncmp(dash, "sysfs ", 6) != 0)
		return NULL;
	unescape(point);
	return point;
}

static int take_away(const char *point, struct failure *why)
{
	/* slave first: detaching must not reach the host */
	if (mount(NULL, point, NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return errno == EINVAL || errno == ENOENT ? 0 : FAIL(why, errno, "mount", "\"", point, "\" as slave");
	if (umount2(point, MNT_DETACH) == 0)
		return 0;
	if (errno != EINVAL && errno != EPERM)
		return FAIL(why, errno, "umount2", "\"", point, "\"");
	/* locked in a user namespace: covered instead */
	if (mount("tmpfs", point, "tmpfs", 0, "") < 0)
		return FAIL(why, errno, "mount", "tmpfs over \"", point, "\"");
	return 0;
}

/* Reads a file of procfs completely before anything changes it. Returns its length, or -1 with errno. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
	size_t len = 0;
	ssize_t got;

	while ((got = read(fd, buffer + len, size - 1 - len)) > 0)
		len += (size_t)got;
	if (got == 0 && len == size - 1) {
		errno = EFBIG;
		got = -1;
	}
	buffer[len] = 0;
	return got < 0 ? -1 : (ssize_t)len;
}

int run_move_root(struct init *in, const struct op_move_root *op, struct failure *why)
{
	_scoped int fd = proc_open(in, "thread-self/mountinfo", O_RDONLY);
	_scoped int slash = -1;
	char *text = allocate(MOUNTINFO_MAX), *line, *end;
	char root[4096];

	(void)op;
	if (fd < 0 || text == NULL || read_all(fd, text, MOUNTINFO_MAX) < 0)
		return FAIL(why, errno, "read", "mountinfo");
	if (proc_path(in, in->root, root, sizeof(root)) < 0)
		return FAIL(why, errno, "readlinkat", "the root file system");
	for (line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		const char *point;

		*end = 0;
		point = dangerous_mount(line);
		if (point == NULL)
			continue;
		if (strncmp(point, root, strlen(root)) == 0 && point[strlen(root)] == '/')
			continue; /* the container's own */
		if (take_away(point, why) < 0)
			return -1;
	}
	slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (slash < 0 || kernel_move_mount(in->root, slash) < 0)
		return FAIL(why, errno, "move_mount", "the root file system onto \"/\"");
	if (fchdir(in->root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return FAIL(why, errno, "chroot", "the root file system");
	return 0;
}
