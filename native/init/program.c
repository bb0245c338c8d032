/* Finding the program and, as the last act, becoming it. */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel.h"

/* Whether path is something this user may execute. Returns 0, or -1 with errno as the other runtimes tell it. */
static int executable(const char *path)
{
	_scoped int fd = kernel_openat2(AT_FDCWD, path, O_PATH, KERNEL_RESOLVE_NO_MAGICLINKS);
	struct stat st;

	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		errno = EACCES;
		return -1;
	}
	/* EPERM and ENOSYS: a filter that doesn't know the call; then execve(2) itself will tell */
	if (syscall(SYS_faccessat2, fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) < 0 && errno != ENOSYS && errno != EPERM)
		return -1;
	return 0;
}

static const char *search_path(const struct init *in)
{
	const char *found = "";

	for (size_t i = 0; i < in->env_count; i++)
		if (strncmp(in->env[i], "PATH=", 5) == 0)
			found = in->env[i] + 5; /* the last one counts */
	return found;
}

/* Looks the name up in PATH. Relative and empty elements are left out: they'd mean the working directory. */
static int search(struct init *in, const char *name, struct failure *why)
{
	const char *element = search_path(in);
	size_t size = strlen(element) + 1 + strlen(name) + 1; /* enough for each of its elements */
	char *found = allocate(size);

	if (found == NULL)
		return FAIL(why, errno, "mmap", "path of the program");
	in->program = found;
	for (;;) {
		size_t len = strcspn(element, ":");
		struct text path = text_in(found, size);

		text_add_bytes(&path, element, len);
		text_add(&path, "/");
		text_add(&path, name);
		if (element[0] == '/' && executable(found) == 0)
			return 0;
		if (element[len] == 0)
			break;
		element += len + 1;
	}
	return FAIL(why, ENOENT, "exec", "\"", name, "\": executable file not found in $PATH");
}

int run_program(struct init *in, const struct op_program *op, struct failure *why)
{
	const char *name;

	if (op->args.count == 0)
		return FAIL(why, EINVAL, "exec", "no arguments");
	in->args = pointers_of(op->args, 0);
	if (in->args == NULL)
		return FAIL(why, errno, "mmap", "arguments");
	name = in->args[0];
	if (strchr(name, '/') == NULL)
		return search(in, name, why);
	in->program = name;
	if (executable(name) == 0)
		return 0;
	if (errno == ENOENT)
		return FAIL(why, errno, "exec", "\"", name, "\": stat ", name);
	return FAIL(why, errno, "exec", "\"", name, "\"");
}

/*
 * Moves a channel out of the way of the preserved descriptors. A small RLIMIT_NOFILE leaves no number for it: then it is
 * given up, and a failure is told on standard error.
 */
static void make_room(int *fd, int first)
{
	int moved;

	if (*fd < 0 || *fd >= first)
		return;
	moved = fcntl(*fd, F_DUPFD_CLOEXEC, first);
	close_fd(fd);
	*fd = moved;
}

/* Descriptors 0-2, then the preserved ones from 3 on, then nothing but the two channels, which execve closes. */
static int arrange_descriptors(struct init *in)
{
	int count = (int)in->preserve_count;
	unsigned int first = 3 + in->preserve_count, last;

	make_room(&in->control, (int)first);
	make_room(&in->status, (int)first);
	for (int i = 0; i < count; i++)
		if (dup2(slot_fd(in->preserve_first) + i, 3 + i) < 0)
			return -1;
	while (in->control >= (int)first || in->status >= (int)first) {
		int a = in->control >= (int)first ? in->control : in->status;
		int b = in->status >= (int)first ? in->status : in->control;

		last = (unsigned int)(a < b ? a : b);
		if (last > first && close_from(first, last - 1) < 0)
			return -1;
		first = last + 1;
	}
	return close_from(first, ~0u);
}

int run_exec(struct init *in, const struct op_exec *op, struct failure *why)
{
	static const char *const no_env[] = {NULL};

	(void)op;
	if (in->args == NULL)
		return FAIL(why, EINVAL, "plan", "exec needs program before it");
	if (arrange_descriptors(in) < 0)
		return FAIL(why, errno, "close_range", "descriptors");
	reset_wait_signals(in);
	syscall(SYS_execve, in->program, in->args, in->env != NULL ? in->env : no_env);
	return explain_exec(in->program, errno, why);
}
