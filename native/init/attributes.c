/*
 * What a mount allows (read-only, nosuid ...) and how it propagates. Set while the mount is detached, so that there is
 * no moment at which the container's tree has it with less. Kernels before 5.12 can't do that: there a bind mount is
 * attached first and remounted through its descriptor, and what needs mount_setattr(2) fails.
 */
#include "init.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "kernel.h"

#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif
#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000
#endif

/* One attribute in the three languages the kernel has for it. */
static const struct {
	uint64_t attribute;
	unsigned long mount_flag;
	unsigned long statvfs_flag;
} flags_table[] = {
	{KERNEL_ATTR_RDONLY, MS_RDONLY, ST_RDONLY},
	{KERNEL_ATTR_NOSUID, MS_NOSUID, ST_NOSUID},
	{KERNEL_ATTR_NODEV, MS_NODEV, 4 /* ST_NODEV */},
	{KERNEL_ATTR_NOEXEC, MS_NOEXEC, 8 /* ST_NOEXEC */},
	{KERNEL_ATTR_NOATIME, MS_NOATIME, 1024 /* ST_NOATIME */},
	{KERNEL_ATTR_NODIRATIME, MS_NODIRATIME, 2048 /* ST_NODIRATIME */},
	{KERNEL_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW, ST_NOSYMFOLLOW},
};

static int change(int mount, int recursive, uint64_t set, uint64_t clear, struct failure *why)
{
	struct kernel_mount_attr attr = {.set = set, .clear = clear};

	/* the three kinds of atime are one field: a new kind replaces the old one */
	if ((set & KERNEL_ATTR_ATIME) != 0)
		attr.clear |= KERNEL_ATTR_ATIME;
	if (set == 0 && clear == 0)
		return 0;
	if (kernel_mount_setattr(mount, recursive, &attr) == 0)
		return 0;
	if (errno == ENOSYS && recursive)
		return FAIL(why, ENOSYS, "mount_setattr", "recursive mount options need linux 5.12");
	if (errno == EPERM && clear != 0)
		return FAIL(why, EPERM, "mount_setattr", "cannot clear locked flags");
	return FAIL(why, errno, "mount_setattr", "");
}

int set_attributes(int mount, const struct attributes *attr, int *later, struct failure *why)
{
	*later = 0;
	if (change(mount, 0, attr->set, attr->clear, why) < 0) {
		/*
		 * EPERM of a seccomp profile around us looks like that of locked flags, but only clearing can hit
		 * those
		 */
		if (why->err != ENOSYS && !(why->err == EPERM && attr->clear == 0))
			return -1;
		*later = 1;
	}
	return change(mount, 1, attr->recursive_set, attr->recursive_clear, why);
}

/* Calls mount(2) on what a descriptor stands for; the way there leads through our own procfs. */
static int mount_on(struct init *in, int fd, unsigned long flags)
{
	int result;

	if (fchdir(in->proc_fds) < 0)
		return -1;
	result = mount(NULL, digits_of((uint64_t)fd).text, NULL, flags, NULL);
	if (chdir("/") < 0)
		return -1;
	return result;
}

int set_attributes_late(struct init *in, int fd, const struct attributes *attr, struct failure *why)
{
	unsigned long flags = MS_REMOUNT | MS_BIND;
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return FAIL(why, errno, "fstatvfs", "");
	for (size_t i = 0; i < sizeof(flags_table) / sizeof(flags_table[0]); i++) {
		int present = (st.f_flag & flags_table[i].statvfs_flag) != 0 &&
			      (attr->clear & flags_table[i].attribute) == 0;

		if (present || (attr->set & flags_table[i].attribute) != 0)
			flags |= flags_table[i].mount_flag;
	}
	if ((attr->set & KERNEL_ATTR_STRICTATIME) != 0)
		flags |= MS_STRICTATIME;
	if (mount_on(in, fd, flags) < 0)
		return FAIL(why, errno, "mount", "remount");
	return 0;
}

int set_propagation(struct init *in, int fd, uint32_t flags, struct failure *why)
{
	int recursive = (flags & MS_REC) != 0;
	struct kernel_mount_attr attr = {.propagation = flags & ~(uint32_t)MS_REC};

	if (kernel_mount_setattr(fd, recursive, &attr) == 0)
		return 0;
	if ((errno == ENOSYS || errno == EPERM) && in->proc_fds >= 0 && mount_on(in, fd, flags) == 0)
		return 0;
	return FAIL(why, errno, "mount_setattr", "propagation");
}
