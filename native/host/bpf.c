/* attachDeviceProgram: the program that says which devices the processes of a v2 cgroup may use. */
#include "host.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "fd.h"
#include "kernel.h"

/* What the verifier says of a program that it refuses: the last of it goes into the error. */
#define VERIFIER_LOG 8192
/* As many as the kernel lets be attached to one cgroup. */
#define MOST_PROGRAMS 64

static long bpf(unsigned command, union kernel_bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof *attr);
}

static int load(const uint8_t *program, size_t len, char *log)
{
	union kernel_bpf_attr attr = {.load = {.prog_type = KERNEL_BPF_PROG_TYPE_CGROUP_DEVICE,
					       .insn_cnt = (uint32_t)(len / KERNEL_BPF_INSTRUCTION),
					       .insns = (uint64_t)(uintptr_t)program,
					       .license = (uint64_t)(uintptr_t)"Apache-2.0"}};
	int fd = (int)bpf(KERNEL_BPF_PROG_LOAD, &attr);

	*log = '\0';
	if (fd >= 0 || (errno != EINVAL && errno != EACCES))
		return fd;
	/* Asked for only now: writing the log takes time. */
	attr.load.log_level = 1;
	attr.load.log_size = VERIFIER_LOG;
	attr.load.log_buf = (uint64_t)(uintptr_t)log;
	return (int)bpf(KERNEL_BPF_PROG_LOAD, &attr);
}

/* Before Linux 5.11 programs count as locked memory, which is short (EPERM): for loading there is as much as we can get. */
static int load_unlocked(const uint8_t *program, size_t len, char *log)
{
	struct rlimit before, all;
	int fd = load(program, len, log), saved;

	if (fd >= 0 || errno != EPERM || getrlimit(RLIMIT_MEMLOCK, &before) < 0)
		return fd;
	all = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	if (setrlimit(RLIMIT_MEMLOCK, &all) < 0) {
		all = (struct rlimit){before.rlim_max, before.rlim_max};
		setrlimit(RLIMIT_MEMLOCK, &all);
	}
	fd = load(program, len, log);
	saved = errno;
	/* What we start later must not have it. */
	setrlimit(RLIMIT_MEMLOCK, &before);
	errno = saved;
	return fd;
}

/* The programs that are attached to just this cgroup. Returns their number, or -1. */
static int attached(int cgroup, uint32_t *ids)
{
	union kernel_bpf_attr attr = {.query = {.target_fd = (uint32_t)cgroup,
						.attach_type = KERNEL_BPF_CGROUP_DEVICE,
						.prog_ids = (uint64_t)(uintptr_t)ids,
						.prog_cnt = MOST_PROGRAMS}};

	return bpf(KERNEL_BPF_PROG_QUERY, &attr) < 0 ? -1 : (int)attr.query.prog_cnt;
}

static int open_program(uint32_t id)
{
	union kernel_bpf_attr attr = {.by_id = {.id = id}};

	return (int)bpf(KERNEL_BPF_PROG_GET_FD_BY_ID, &attr);
}

static int attach(int cgroup, int program, int replaced)
{
	union kernel_bpf_attr attr = {.attach = {.target_fd = (uint32_t)cgroup,
						 .attach_bpf_fd = (uint32_t)program,
						 .attach_type = KERNEL_BPF_CGROUP_DEVICE,
						 .attach_flags = KERNEL_BPF_F_ALLOW_MULTI}};

	if (replaced >= 0) {
		attr.attach.attach_flags |= KERNEL_BPF_F_REPLACE;
		attr.attach.replace_bpf_fd = (uint32_t)replaced;
	}
	return (int)bpf(KERNEL_BPF_PROG_ATTACH, &attr);
}

static int detach(int cgroup, uint32_t id)
{
	OWNED_FD program = open_program(id);
	union kernel_bpf_attr attr = {.attach = {.target_fd = (uint32_t)cgroup,
						 .attach_bpf_fd = (uint32_t)program,
						 .attach_type = KERNEL_BPF_CGROUP_DEVICE}};

	return program < 0 ? -1 : (int)bpf(KERNEL_BPF_PROG_DETACH, &attr);
}

int host_attachDeviceProgram(struct host_call *call)
{
	const char *path;
	const uint8_t *program;
	size_t len;
	char log[VERIFIER_LOG];
	uint32_t ids[MOST_PROGRAMS];
	int count;
	OWNED_FD cgroup = -1;
	OWNED_FD loaded = -1;
	OWNED_FD replaced = -1;

	if (arg_cstr(call, 0, "directory", &path) < 0 || arg_bytes(call, 1, "program", &program, &len) < 0)
		return -1;
	cgroup = fd_open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (cgroup < 0)
		return host_fail(call, errno, "open", "%s", path);
	loaded = load_unlocked(program, len, log);
	if (loaded < 0) {
		size_t said = strlen(log);

		return host_fail(call, errno, "bpf", "load a program for devices: %s", said > 128 ? log + said - 128 : log);
	}
	count = attached(cgroup, ids);
	if (count < 0)
		return host_fail(call, errno, "bpf", "programs of %s", path);
	/* One is exchanged at once, so that no access is ever without a rule. Of several, each has to say yes. */
	if (count == 1) {
		replaced = open_program(ids[0]);
		if (replaced < 0)
			return host_fail(call, errno, "bpf", "program of %s", path);
	}
	if (attach(cgroup, loaded, replaced) < 0)
		return host_fail(call, errno, "bpf", "attach to %s", path);
	for (int i = 0; count > 1 && i < count; i++)
		if (detach(cgroup, ids[i]) < 0)
			return host_fail(call, errno, "bpf", "detach from %s", path);
	return 0;
}
