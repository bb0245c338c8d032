/* What the program inherits: scheduling, limits, working directory, environment, descriptors, filter. */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kernel.h"

#define IOPRIO_WHO_PGRP 2
#define AFFINITY_BYTES 1024 /* 8192 CPUs, as many as linux can have */
#define FILTER_INSTRUCTION 8 /* sizeof(struct sock_filter) */
#define FILTER_MAX_INSTRUCTIONS 4096
#define SECCOMP_MODE_FILTER 1
#define SECCOMP_NEW_LISTENER (1u << 3)
#define PASSWD_MAX (1u << 20)

int run_umask(struct init *in, const struct op_umask *op, struct failure *why)
{
	(void)why;
	in->umask = op->mask & 0777; /* set at the end: what init makes has exact modes */
	return 0;
}

int run_personality(struct init *in, const struct op_personality *op, struct failure *why)
{
	(void)in;
	return personality(op->persona) < 0 ? FAIL(why, errno, "personality", "") : 0;
}

int run_scheduler(struct init *in, const struct op_scheduler *op, struct failure *why)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {
		48, op->policy, op->flags, (int32_t)op->nice, op->priority, op->runtime, op->deadline, op->period,
	};

	(void)in;
	_Static_assert(sizeof(attr) == 48, "struct sched_attr, first version");
	return syscall(SYS_sched_setattr, 0, &attr, 0) < 0 ? FAIL(why, errno, "sched_setattr", "") : 0;
}

int run_io_priority(struct init *in, const struct op_io_priority *op, struct failure *why)
{
	(void)in;
	return syscall(SYS_ioprio_set, IOPRIO_WHO_PGRP, 0, op->value) < 0 ? FAIL(why, errno, "ioprio_set", "") : 0;
}

int run_memory_policy(struct init *in, const struct op_memory_policy *op, struct failure *why)
{
	unsigned long mask[128] = {0}; /* 8192 nodes */
	unsigned long bits = op->nodes.len == 0 ? 0 : sizeof(mask) * 8 + 1;

	(void)in;
	if (op->nodes.len > sizeof(mask))
		return FAIL(why, EINVAL, "set_mempolicy", "too many nodes");
	memcpy(mask, op->nodes.ptr, op->nodes.len);
	/* the kernel takes one bit less than it is told, and more than it has only if they are zero */
	while (bits > 1 && bits - 1 > 64 && mask[(bits - 2) / 64] == 0)
		bits -= 64;
	if (syscall(SYS_set_mempolicy, op->mode, bits == 0 ? NULL : mask, bits) < 0)
		return FAIL(why, errno, "set_mempolicy", "");
	return 0;
}

int run_affinity(struct init *in, const struct op_affinity *op, struct failure *why)
{
	unsigned char mask[AFFINITY_BYTES];

	(void)in;
	if (op->cpus.len > sizeof(mask))
		return FAIL(why, EINVAL, "sched_setaffinity", "too many CPUs");
	memset(mask, op->cpus.len == 0 ? 0xff : 0, sizeof(mask));
	memcpy(mask, op->cpus.ptr, op->cpus.len);
	/* all CPUs means those that the cpuset allows: a refusal changes nothing for the better or worse */
	if (syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask) < 0 && op->cpus.len != 0)
		return FAIL(why, errno, "sched_setaffinity", "");
	return 0;
}

int run_rlimit(struct init *in, const struct op_rlimit *op, struct failure *why)
{
	const uint64_t limit[2] = {op->soft, op->hard};

	(void)in;
	return syscall(SYS_prlimit64, 0, op->resource, limit, NULL) < 0 ? FAIL(why, errno, "prlimit64", "") : 0;
}

int run_preserve(struct init *in, const struct op_preserve *op, struct failure *why)
{
	(void)why;
	in->preserve_first = op->first;
	in->preserve_count = op->count;
	return 0;
}

/* The working directory, made where missing. Returns 0, or -1 with errno. */
static int change_directory(struct init *in, const struct op_cwd *op)
{
	int root = root_fd(in);
	_scoped int fd = root < 0 ? -1
				  : resolve(root, op->path.ptr, op->create ? RESOLVE_CREATE_DIRECTORY : 0, NULL);

	return fd < 0 ? -1 : fchdir(fd);
}

int run_cwd(struct init *in, const struct op_cwd *op, struct failure *why)
{
	char path[4096];

	if (change_directory(in, op) < 0) {
		if (op->optional && (errno == EACCES || errno == EPERM))
			return 0;
		return FAIL(why, errno, "chdir", "\"", op->path.ptr, "\"");
	}
	/* the system call itself: a directory outside of the root gives "(unreachable)/..." */
	if (syscall(SYS_getcwd, path, sizeof(path)) < 0 || path[0] != '/')
		return FAIL(why, errno, "getcwd", "\"", op->path.ptr,
			    "\": current working directory is outside of container mount namespace root "
			    "-- possible container breakout detected");
	return 0;
}

int run_env(struct init *in, const struct op_env *op, struct failure *why)
{
	in->env = pointers_of(op->vars, 1); /* one more: HOME */
	in->env_count = op->vars.count;
	return in->env == NULL ? FAIL(why, errno, "mmap", "environment") : 0;
}

/*
 * "HOME=" and the home of uid, for the environment: "/" if the user has no entry or the file is odd. NULL with errno.
 */
static const char *home_variable(struct init *in, uint32_t uid)
{
	_scoped int fd = open_regular(in, "/etc/passwd");
	char *passwd = map_memory(PASSWD_MAX), *variable;
	const char *home = NULL;
	size_t len = 0, home_len = 0;
	ssize_t got;

	if (fd >= 0 && passwd != NULL) {
		while (len < PASSWD_MAX && (got = read(fd, passwd + len, PASSWD_MAX - len)) > 0)
			len += (size_t)got;
		home_len = passwd_home(passwd, len, uid, &home);
	}
	if (home_len == 0) {
		home = "/";
		home_len = 1;
	}
	variable = allocate(strlen("HOME=") + home_len + 1);
	if (variable != NULL) {
		struct text text = text_in(variable, strlen("HOME=") + home_len + 1);

		text_add(&text, "HOME=");
		text_add_bytes(&text, home, home_len);
	}
	if (passwd != NULL)
		munmap(passwd, PASSWD_MAX);
	return variable;
}

int run_home(struct init *in, const struct op_home *op, struct failure *why)
{
	const char *home;
	size_t at = 0;

	if (in->env == NULL)
		return FAIL(why, EINVAL, "plan", "home needs env before it");
	for (size_t i = 0; i < in->env_count; i++)
		if (strncmp(in->env[i], "HOME=", 5) == 0 && in->env[i][5] != 0)
			return 0;
	home = home_variable(in, op->uid);
	if (home == NULL)
		return FAIL(why, errno, "mmap", "home directory");
	while (at < in->env_count && strcmp(in->env[at], "HOME=") != 0)
		at++;
	in->env[at] = home;
	if (at == in->env_count)
		in->env_count++;
	return 0;
}

int run_filter(struct init *in, const struct op_filter *op, struct failure *why)
{
	int file = -1;
	struct stat st;

	(void)op;
	message_send(in, MESSAGE_WANT, 0, "", "", -1);
	message_wait(in, &file);
	if (fstat(file, &st) < 0 || st.st_size <= 0 || st.st_size % FILTER_INSTRUCTION != 0 ||
	    st.st_size > FILTER_MAX_INSTRUCTIONS * FILTER_INSTRUCTION)
		return FAIL(why, EINVAL, "seccomp", "a filter has 1 to 4096 instructions");
	in->filter_bytes = (size_t)st.st_size;
	in->filter = mmap(NULL, in->filter_bytes, PROT_READ, MAP_PRIVATE, file, 0);
	close_fd(&file);
	return in->filter == MAP_FAILED ? FAIL(why, errno, "mmap", "seccomp filter") : 0;
}

int run_seccomp(struct init *in, const struct op_seccomp *op, struct failure *why)
{
	struct {
		unsigned short len;
		const void *filter;
	} program = {(unsigned short)(in->filter_bytes / FILTER_INSTRUCTION), in->filter};
	uint32_t flags = op->flags | (op->notify ? SECCOMP_NEW_LISTENER : 0);
	long listener;
	int expected = -1;

	if (in->filter == NULL)
		return FAIL(why, EINVAL, "plan", "seccomp needs filter before it");
	if (op->notify) {
		/* a new descriptor gets the lowest free number */
		expected = fcntl(PLAN_SOCKET, F_DUPFD_CLOEXEC, 0);
		if (expected < 0)
			return FAIL(why, errno, "fcntl", "seccomp listener");
		close(expected);
		message_send(in, MESSAGE_LISTENER, expected, "", "", -1);
	}
	listener = syscall(SYS_seccomp, SECCOMP_MODE_FILTER, flags, &program);
	if (listener < 0)
		return FAIL(why, errno, "seccomp", "");
	if (op->notify && listener != expected)
		return FAIL(why, EBADF, "seccomp", "the listener has got another number than the next free one");
	if (op->notify)
		in->listener = (int)listener;
	return 0;
}
