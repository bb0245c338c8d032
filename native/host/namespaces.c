/* Namespaces named by files: bound somewhere, or /proc/PID/ns/TYPE. */
#include "host.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "fd.h"
#include "kernel.h"

int host_openNamespace(struct host_call *call)
{
	struct statfs filesystem;
	struct stat stat;
	struct hv answer;
	const char *path;
	OWNED_FD fd = -1;
	int type;

	if (arg_cstr(call, 0, "path", &path) < 0)
		return -1;
	fd = fd_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return host_fail(call, errno, "open", "%s", path);
	if (fstatfs(fd, &filesystem) < 0 || fstat(fd, &stat) < 0)
		return host_fail(call, errno, "fstat", "%s", path);
	/* nsfs holds nothing but namespaces (and pidfds never have its magic) */
	if ((uint32_t)filesystem.f_type != KERNEL_NSFS_MAGIC)
		return host_fail(call, EINVAL, "open", "%s", path);
	type = ioctl(fd, KERNEL_NS_GET_NSTYPE);
	if (type < 0)
		return host_fail(call, errno == ENOTTY ? EINVAL : errno, "ioctl", "%s", path);
	answer = hv_list(&call->arena, 4);
	if (answer.list.items == NULL)
		return host_no_memory(call);
	answer.list.items[1] = hv_int(type);
	answer.list.items[2] = hv_uint(stat.st_dev);
	answer.list.items[3] = hv_uint(stat.st_ino);
	answer.list.items[0] = hv_int(fd_take(&fd));
	call->result = answer;
	return 0;
}
